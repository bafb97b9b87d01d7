//! Zoos as single files, to hand on and to take in: what a browser can download and drop, and the command line reads and
//! writes too.

pub(crate) mod archive;
pub(crate) mod npy;

use crate::store::{MemStore, Store, StoreError};
use crate::tensors::Tensors;
use crate::torch::error::TorchError;
use crate::torch::export::{export_safetensors, export_torch};
use crate::torch::import::{ImportOptions, ImportReport, import_safetensors, import_torch};
use crate::torch::splits::{SPLITS_FILE, Written};
use crate::zoo::Zoo;
use crate::zoo::error::ZooError;
use crate::zoo::manifest::{MANIFEST_FILE, ZooManifest};
use crate::zoo::shard::METADATA_KEY;
use archive::{Members, pack, unpack};
use thiserror::Error;

/// A zoo in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// All networks stacked, layer by layer, in one safetensors file.
    Safetensors,
    /// The same tensors as `numpy.load` reads them.
    Npz,
    /// A zip archive of a `.pth` file for each network, with `splits.json`.
    Torch,
    /// A zip archive of the zoo itself: nothing is lost.
    Zip,
}

impl FileFormat {
    /// Every one.
    pub const ALL: [FileFormat; 4] =
        [FileFormat::Zip, FileFormat::Safetensors, FileFormat::Npz, FileFormat::Torch];

    /// The end of a file's name, with its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            FileFormat::Safetensors => ".safetensors",
            FileFormat::Npz => ".npz",
            FileFormat::Torch => "-torch.zip",
            FileFormat::Zip => ".zip",
        }
    }
}

/// A file that is no zoo, or a zoo that cannot become a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// A zoo that cannot be read or written.
    #[error(transparent)]
    Zoo(#[from] ZooError),
    /// PyTorch files that cannot be read or written.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// A store that failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that is none of the formats.
    #[error(
        "{file}: {why}; give a .safetensors, .npz or .zip file of networks, or .pth files, one for each network"
    )]
    Unknown {
        /// The file.
        file: String,
        /// What it is not.
        why: String,
    },
    /// A zip archive that cannot be read.
    #[error("{file}: the zip archive is damaged ({detail}); copy or download it again")]
    Archive {
        /// The file.
        file: String,
        /// What the reader said.
        detail: String,
    },
    /// Contents that expand beyond all proportion.
    #[error(
        "{file}: {member} would expand to more than {limit} bytes; the archive is damaged or malicious"
    )]
    Bomb {
        /// The file.
        file: String,
        /// The member at which the limit was reached.
        member: String,
        /// Bytes that all members may have together.
        limit: u64,
    },
    /// An array of NumPy that is not what it should be.
    #[error("{file}: {member}: found {found}, expected {expected}; save it again with numpy")]
    Array {
        /// The file.
        file: String,
        /// The array.
        member: String,
        /// What was found.
        found: String,
        /// What would do.
        expected: String,
    },
}

/// A zoo as one file. `name` is that of the folder in archives.
///
/// # Errors
/// A damaged zoo.
pub async fn export_file<S: Store>(
    zoo: &Zoo<S>,
    format: FileFormat,
    name: &str,
) -> Result<Vec<u8>, ExchangeError> {
    match format {
        FileFormat::Safetensors => Ok(export_safetensors(zoo).await?),
        FileFormat::Npz => {
            let bytes = export_safetensors(zoo).await?;
            let tensors = Tensors::parse(&bytes, "zoo")?;
            let mut members = npy::members(&tensors)?;
            // What the arrays do not say: architecture and convention.
            let header = tensors.metadata(METADATA_KEY).unwrap_or_default();
            members.push((npy::HEADER_MEMBER.to_owned(), header.as_bytes().to_vec()));
            pack(&members)
        }
        FileFormat::Torch => {
            let out = MemStore::new();
            export_torch(zoo, &out, name).await?;
            pack(&within(name, read_all(&out).await?))
        }
        FileFormat::Zip => {
            zoo.verify().await?;
            pack(&within(name, zoo_files(zoo).await?))
        }
    }
}

/// Several zoos as one zip archive, each in a folder of its name; nothing is lost. Every folder is a zoo for the command line.
///
/// # Errors
/// A damaged zoo.
pub async fn export_zoos<S: Store>(zoos: &[(&str, &Zoo<S>)]) -> Result<Vec<u8>, ExchangeError> {
    let mut members = Members::new();
    for (name, zoo) in zoos {
        zoo.verify().await?;
        members.extend(within(name, zoo_files(zoo).await?));
    }
    pack(&members)
}

/// The zoos of an archive that has several, as [`export_zoos`] makes it, each with the name of its folder; nothing for any other
/// file, which is then one for [`import_files`].
///
/// # Errors
/// A damaged archive, or a damaged zoo in it.
pub async fn import_zoos(
    bytes: &[u8],
    file: &str,
) -> Result<Vec<(String, Zoo<MemStore>, ImportReport)>, ExchangeError> {
    let mut zoos = Vec::new();
    if bytes.starts_with(b"PK") {
        for (name, members) in folders(unpack(bytes, file)?) {
            let (zoo, report) =
                take_zoo(members, &format!("{file}/{name}"), MemStore::new()).await?;
            zoos.push((name, zoo, report));
        }
    }
    Ok(zoos)
}

/// The folders of an archive, if each of them is that of a zoo and there are several.
fn folders(members: Members) -> Vec<(String, Members)> {
    let mut folders: Vec<(String, Members)> = Vec::new();
    for (name, bytes) in members {
        let Some((folder, rest)) = name.split_once('/') else { return Vec::new() };
        let member = (rest.to_owned(), bytes);
        match folders.iter_mut().find(|(name, _)| name == folder) {
            Some((_, members)) => members.push(member),
            None => folders.push((folder.to_owned(), vec![member])),
        }
    }
    let is_zoo = |members: &Members| members.iter().any(|(name, _)| name == MANIFEST_FILE);
    if folders.len() > 1 && folders.iter().all(|(_, members)| is_zoo(members)) {
        folders
    } else {
        Vec::new()
    }
}

fn within(folder: &str, members: Members) -> Members {
    members.into_iter().map(|(name, bytes)| (format!("{folder}/{name}"), bytes)).collect()
}

async fn read_all<S: Store>(store: &S) -> Result<Members, StoreError> {
    let mut members = Vec::new();
    for name in store.list().await? {
        let bytes = store.read(&name).await?;
        members.push((name, bytes));
    }
    Ok(members)
}

/// The files of a zoo, its manifest last.
async fn zoo_files<S: Store>(zoo: &Zoo<S>) -> Result<Members, StoreError> {
    let mut members = Vec::new();
    for name in zoo.manifest().files() {
        let bytes = zoo.store().read(&name).await?;
        members.push((name, bytes));
    }
    members.push((MANIFEST_FILE.to_owned(), zoo.manifest().to_json()));
    Ok(members)
}

/// Copies a zoo into an empty store, its manifest last: whatever ends the copy, a zoo that is there is whole.
///
/// # Errors
/// A store that cannot be read or written, such as a full one.
pub async fn copy_zoo<S: Store, O: Store>(zoo: &Zoo<S>, out: &O) -> Result<(), StoreError> {
    let _lock = out.lock().await?;
    for (name, bytes) in zoo_files(zoo).await? {
        out.write(&name, &bytes).await?;
    }
    Ok(())
}

/// Reads a zoo from one file of any [`FileFormat`], or from `.pth` files of one network each. Files are told by what is
/// in them. Each is a name, used in messages, and its bytes.
///
/// # Errors
/// Files of no known format, or damaged ones; what the formats refuse.
pub async fn import_files<O: Store>(
    files: &[(String, Vec<u8>)],
    out: O,
    options: &ImportOptions,
) -> Result<(Zoo<O>, ImportReport), ExchangeError> {
    let Some((name, bytes)) = files.first() else {
        let (file, why) = ("nothing".to_owned(), "there is no file".to_owned());
        return Err(ExchangeError::Unknown { file, why });
    };
    if files.len() > 1 {
        return import_nets(files.to_vec(), out, options).await;
    }
    if !bytes.starts_with(b"PK") {
        // A safetensors file begins with the length of its header, which begins with a brace.
        if bytes.get(8) != Some(&b'{') {
            let why = "it is neither a zip archive nor a safetensors file".to_owned();
            return Err(ExchangeError::Unknown { file: name.clone(), why });
        }
        return Ok(import_safetensors(bytes, name, out, options).await?);
    }
    let mut members = unpack(bytes, name)?;
    let has = |members: &Members, wanted: &str| members.iter().any(|(name, _)| name == wanted);
    if has(&members, "data.pkl") {
        return import_nets(files.to_vec(), out, options).await;
    }
    if has(&members, MANIFEST_FILE) {
        return take_zoo(members, name, out).await;
    }
    if has(&members, SPLITS_FILE) {
        let store = MemStore::new();
        for (name, bytes) in &members {
            store.write(name, bytes).await?;
        }
        return Ok(import_torch(&store, out, options).await?);
    }
    if members.iter().any(|(name, _)| name.ends_with(&format!("/{MANIFEST_FILE}"))) {
        let why =
            "the archive holds zoos in folders; unpack it: each such folder is a zoo".to_owned();
        return Err(ExchangeError::Unknown { file: name.clone(), why });
    }
    members.retain(|(name, _)| is_net(name) || is_array(name) || name == npy::HEADER_MEMBER);
    if members.iter().any(|(name, _)| is_array(name)) {
        let tensors = npy::to_safetensors(&members, name)?;
        return Ok(import_safetensors(&tensors, name, out, options).await?);
    }
    if members.is_empty() {
        let why = "the archive holds neither a zoo.json, nor a splits.json, nor .npy or .pth files";
        return Err(ExchangeError::Unknown { file: name.clone(), why: why.to_owned() });
    }
    import_nets(members, out, options).await
}

fn is_net(name: &str) -> bool {
    [".pth", ".pt"].iter().any(|suffix| name.ends_with(suffix))
}

fn is_array(name: &str) -> bool {
    name.ends_with(".npy")
}

/// `.pth` files without a list of them, in the order of their names; files called by numbers have the objects of those
/// numbers.
async fn import_nets<O: Store>(
    mut nets: Members,
    out: O,
    options: &ImportOptions,
) -> Result<(Zoo<O>, ImportReport), ExchangeError> {
    if let Some((name, _)) = nets.iter().find(|(_, bytes)| !bytes.starts_with(b"PK")) {
        let why = "it is no file of torch.save".to_owned();
        return Err(ExchangeError::Unknown { file: name.clone(), why });
    }
    // Folders mean nothing here, and a list takes them for views: they count only where they tell files apart.
    let base = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let mut bases: Vec<String> = nets.iter().map(|(name, _)| base(name)).collect();
    bases.sort();
    let tells = bases.windows(2).all(|pair| pair[0] != pair[1]);
    nets.iter_mut()
        .for_each(|(name, _)| *name = if tells { base(name) } else { name.replace('/', "_") });
    nets.sort_by(|a, b| a.0.cmp(&b.0));
    let store = MemStore::new();
    let mut list = Written::default();
    for (name, bytes) in nets {
        store.write(&name, &bytes).await?;
        list.push("train", name);
    }
    store.write(SPLITS_FILE, &serde_json::to_vec(&list).unwrap_or_default()).await?;
    let (zoo, mut report) = import_torch(&store, out, options).await?;
    report.views.clear();
    Ok((zoo, report))
}

/// A zoo that is there as its files.
async fn take_zoo<O: Store>(
    members: Members,
    file: &str,
    out: O,
) -> Result<(Zoo<O>, ImportReport), ExchangeError> {
    let store = MemStore::new();
    for (name, bytes) in &members {
        store.write(name, bytes).await?;
    }
    let manifest = store.read(MANIFEST_FILE).await?;
    ZooManifest::from_json(&manifest, &format!("{file}/{MANIFEST_FILE}"))?;
    let zoo = Zoo::open(store).await?;
    zoo.verify().await?;
    zoo.refuse_remains()?;
    let all = zoo.load_all().await?;
    let report = ImportReport {
        nets: zoo.nets(),
        unlabelled: all.labels.iter().filter(|&&label| label < 0).count() as u64,
        diverged: (0..all.len()).filter(|&i| all.diverged(i)).count() as u64,
        ..ImportReport::default()
    };
    copy_zoo(&zoo, &out).await?;
    Ok((Zoo::open(out).await?, report))
}
