//! Finding out what a path holds, and reading it.

use std::fs;
use std::path::{Path, PathBuf};

use super::arrays::is_arrays_name;
use super::cifar::{CIFAR_SIDE, read_cifar_names, read_cifar10};
use super::error::SourceError;
use super::mesh::is_mesh_name;
use super::picture::{convert_channels, decode_image, resize};
use super::{ImageSet, Raw, SourceKind, SourceOptions, Split, classes};

/// Folders that usual downloads put around their files.
const INNER_FOLDERS: [&str; 2] = ["raw", "cifar-10-batches-bin"];

/// Finds out what lies at `path` and reads it: a folder in original IDX layout (MNIST,
/// Fashion-MNIST; plain or gzipped), a folder of CIFAR-10 binary batches, a folder of PNG or JPEG
/// images (sorted by name; subfolders are classes), or one file of any of these; a mesh (its slices), or arrays of
/// NumPy.
///
/// If a source has both splits and none is asked for, the training split is read;
/// [`SourceInfo::split`](super::SourceInfo::split) says which it was.
///
/// # Errors
/// Nothing that is recognised; anything wrong with what is.
pub fn open_source(path: &Path, opts: &SourceOptions) -> Result<ImageSet, SourceError> {
    let data = fs::metadata(path).map_err(|e| io_error(path, "open", e))?;
    if data.is_dir() { open_folder(path, opts, true) } else { open_file(path, opts) }
}

fn io_error(path: &Path, action: &'static str, source: std::io::Error) -> SourceError {
    SourceError::Io { path: path.display().to_string(), action, source }
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    fs::read(path).map_err(|e| io_error(path, "read", e))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Last component of a path, also of `.` and `..`, without what leads to it.
fn base_name(path: &Path) -> String {
    let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
    name(path)
        .or_else(|| name(&fs::canonicalize(path).ok()?))
        .unwrap_or_else(|| "source".to_string())
}

fn is_image_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".png", ".jpg", ".jpeg"].iter().any(|end| name.ends_with(end))
}

/// The part before `images-idx3-ubyte[.gz]`, and whether it is gzipped. TensorFlow's copies write
/// a dot instead of the hyphen.
fn idx_stem(name: &str) -> Option<(&str, bool)> {
    let (plain, gzip) = match name.strip_suffix(".gz") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let stem = plain
        .strip_suffix("images-idx3-ubyte")
        .or_else(|| plain.strip_suffix("images.idx3-ubyte"))?;
    Some((stem, gzip))
}

fn is_cifar_name(name: &str) -> bool {
    cifar_split(name).is_some() && name.ends_with(".bin")
}

fn cifar_split(name: &str) -> Option<Split> {
    if name.starts_with("data_batch") {
        Some(Split::Train)
    } else if name.starts_with("test_batch") {
        Some(Split::Test)
    } else {
        None
    }
}

/// The split that an IDX file belongs to, by its name.
fn idx_split(stem: &str) -> Option<Split> {
    let stem = stem.to_ascii_lowercase();
    if stem.contains("train") {
        Some(Split::Train)
    } else if stem.contains("t10k") || stem.contains("test") {
        Some(Split::Test)
    } else {
        None
    }
}

/// Names in a folder, sorted, without hidden ones: `(files, folders)`.
fn entries(path: &Path) -> Result<(Vec<String>, Vec<String>), SourceError> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(|e| io_error(path, "list", e))? {
        let entry = entry.map_err(|e| io_error(path, "list", e))?;
        let name = match entry.file_name().into_string() {
            Ok(name) => name,
            // Names are recorded as text, so such an image would be left out without a word.
            Err(name) if is_image_name(&name.to_string_lossy()) => {
                return Err(SourceError::FileName { path: text(&entry.path()) });
            }
            Err(_) => continue,
        };
        if name.starts_with('.') {
            continue;
        }
        // Follows links, which data sets often are; a broken one is nothing.
        match fs::metadata(entry.path()) {
            Ok(data) if data.is_dir() => folders.push(name),
            Ok(_) => files.push(name),
            Err(_) => {}
        }
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}

fn open_folder(path: &Path, opts: &SourceOptions, descend: bool) -> Result<ImageSet, SourceError> {
    let (files, folders) = entries(path)?;
    if files.iter().any(|f| idx_stem(f).is_some()) {
        return open_idx_folder(path, &files, opts);
    }
    if files.iter().any(|f| is_cifar_name(f)) {
        return open_cifar_folder(path, &files, opts);
    }
    if descend
        && !files.iter().any(|f| is_image_name(f))
        && let Some(inner) = folders.iter().find(|f| INNER_FOLDERS.contains(&f.as_str()))
    {
        let mut set = open_folder(&path.join(inner), opts, false)?;
        set.source.name = base_name(path);
        return Ok(set);
    }
    open_image_folder(path, &files, &folders, opts)
}

fn open_file(path: &Path, opts: &SourceOptions) -> Result<ImageSet, SourceError> {
    let name = base_name(path);
    let folder = path.parent().unwrap_or(Path::new(""));
    if idx_stem(&name).is_some() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let set = open_idx_pair(folder, &name, &entries(folder)?.0, opts)?;
        return check_split(path, set, opts);
    }
    if is_cifar_name(&name) {
        let raw = read_cifar_files(folder, std::slice::from_ref(&name), cifar_split(&name), &name)?;
        return check_split(path, ImageSet::finish(raw, opts)?, opts);
    }
    if is_arrays_name(&name) {
        let mut set = ImageSet::from_array_bytes(&read(path)?, &text(path), opts)?;
        set.source.name = name;
        return Ok(set);
    }
    refuse_split(path, opts)?;
    let bytes = read(path)?;
    if is_mesh_name(&name) {
        let mut set = ImageSet::from_mesh_bytes(&bytes, &text(path), opts)?;
        set.source.name = name;
        return Ok(set);
    }
    match ImageSet::from_image_bytes(&bytes, &text(path), opts) {
        Ok(mut set) => {
            set.source.name.clone_from(&name);
            set.names = vec![name];
            Ok(set)
        }
        Err(SourceError::ImageFormat { found, .. }) if !is_image_name(&name) => {
            Err(SourceError::NothingRecognised {
                path: text(path),
                found: format!("is a file of a kind not known here (it begins with {found})"),
            })
        }
        error => error,
    }
}

/// Of a single file, its one split must be the one asked for, if any.
fn check_split(path: &Path, set: ImageSet, opts: &SourceOptions) -> Result<ImageSet, SourceError> {
    match (opts.split, &set.source.split) {
        (Some(asked), Some(found)) if asked.name() != found => Err(SourceError::NoSuchSplit {
            path: text(path),
            asked: asked.name(),
            available: found.clone(),
        }),
        _ => Ok(set),
    }
}

/// Image files belong to no split, so none can be asked for.
fn refuse_split(path: &Path, opts: &SourceOptions) -> Result<(), SourceError> {
    match opts.split {
        None => Ok(()),
        Some(asked) => Err(SourceError::NoSuchSplit {
            path: text(path),
            asked: asked.name(),
            available: "image files, which belong to none".to_string(),
        }),
    }
}

/// The split to read of those there are: the one asked for, or train, or what there is.
fn choose_split(
    path: &Path,
    available: &[Option<Split>],
    opts: &SourceOptions,
) -> Result<Option<Split>, SourceError> {
    let has = |s| available.contains(&Some(s));
    match opts.split {
        Some(asked) if has(asked) => Ok(Some(asked)),
        // Files that do not say which split they are may be any.
        Some(_) if available.contains(&None) => Ok(None),
        Some(asked) => {
            let names: Vec<&str> = [Split::Train, Split::Test]
                .into_iter()
                .filter(|&s| has(s))
                .map(Split::name)
                .collect();
            Err(SourceError::NoSuchSplit {
                path: text(path),
                asked: asked.name(),
                available: names.join(" and "),
            })
        }
        None => Ok([Split::Train, Split::Test].into_iter().find(|&s| has(s))),
    }
}

fn open_idx_folder(
    path: &Path,
    files: &[String],
    opts: &SourceOptions,
) -> Result<ImageSet, SourceError> {
    let found: Vec<(&String, &str, bool)> =
        files.iter().filter_map(|f| idx_stem(f).map(|(stem, gz)| (f, stem, gz))).collect();
    let splits: Vec<Option<Split>> = found.iter().map(|(_, stem, _)| idx_split(stem)).collect();
    let split = choose_split(path, &splits, opts)?;
    let mut chosen: Vec<_> = found.into_iter().filter(|(_, s, _)| idx_split(s) == split).collect();
    // Of a plain and a gzipped copy of one file, the plain one.
    let stems: Vec<&str> = chosen.iter().filter(|c| !c.2).map(|c| c.1).collect();
    chosen.retain(|(_, stem, gzip)| !(*gzip && stems.contains(stem)));
    match chosen.as_slice() {
        [(file, ..)] => {
            let mut set = open_idx_pair(path, file, files, opts)?;
            set.source.name = base_name(path);
            Ok(set)
        }
        several => Err(SourceError::Ambiguous {
            path: text(path),
            candidates: several.iter().map(|c| c.0.as_str()).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// An image file and, if it lies beside it, the label file of the same name.
fn open_idx_pair(
    folder: &Path,
    images: &str,
    files: &[String],
    opts: &SourceOptions,
) -> Result<ImageSet, SourceError> {
    let stem = idx_stem(images).map_or("", |(stem, _)| stem);
    let labels = ["labels-idx1-ubyte", "labels.idx1-ubyte"]
        .iter()
        .flat_map(|end| [format!("{stem}{end}"), format!("{stem}{end}.gz")])
        .find(|name| files.contains(name));
    let image_path = text(&folder.join(images));
    let image_bytes = read(&folder.join(images))?;
    let label_file = match labels {
        Some(name) => Some((text(&folder.join(&name)), read(&folder.join(&name))?)),
        None => None,
    };
    let mut set = ImageSet::from_idx_bytes(
        (&image_path, &image_bytes),
        label_file.as_ref().map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
        idx_split(stem),
        opts,
    )?;
    set.source.name = images.to_string();
    if set.class_names.is_empty()
        && let Some(labels) = &set.labels
    {
        let full = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        let mut folders = full.ancestors().filter_map(|p| p.file_name()?.to_str());
        // Such as FashionMNIST/raw.
        let folder = folders.find(|name| !INNER_FOLDERS.contains(name)).unwrap_or_default();
        set.class_names = classes::by_names([stem, folder], labels);
    }
    Ok(set)
}

fn open_cifar_folder(
    path: &Path,
    files: &[String],
    opts: &SourceOptions,
) -> Result<ImageSet, SourceError> {
    let batches = files.iter().filter(|f| is_cifar_name(f));
    let splits: Vec<Option<Split>> = batches.clone().map(|f| cifar_split(f)).collect();
    let split = choose_split(path, &splits, opts)?;
    let chosen: Vec<String> = batches.filter(|f| cifar_split(f) == split).cloned().collect();
    let raw = read_cifar_files(path, &chosen, split, &base_name(path))?;
    ImageSet::finish(raw, opts)
}

fn read_cifar_files(
    folder: &Path,
    files: &[String],
    split: Option<Split>,
    name: &str,
) -> Result<Raw, SourceError> {
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for file in files {
        let path = folder.join(file);
        let records = read_cifar10(&read(&path)?, &text(&path))?;
        pixels.extend(records.pixels);
        labels.extend(records.labels.into_iter().map(i64::from));
    }
    let meta = folder.join("batches.meta.txt");
    let class_names =
        if meta.is_file() { read_cifar_names(&read(&meta)?) } else { classes::cifar() };
    Ok(Raw {
        kind: SourceKind::Cifar10,
        name: name.to_string(),
        split,
        height: CIFAR_SIDE,
        width: CIFAR_SIDE,
        channels: 3,
        pixels,
        labels: Some(labels),
        names: Vec::new(),
        class_names,
    })
}

fn open_image_folder(
    path: &Path,
    files: &[String],
    folders: &[String],
    opts: &SourceOptions,
) -> Result<ImageSet, SourceError> {
    let loose: Vec<&String> = files.iter().filter(|f| is_image_name(f)).collect();
    let mut class_names = Vec::new();
    let mut nested = Vec::new();
    for folder in folders {
        let images: Vec<String> =
            entries(&path.join(folder))?.0.into_iter().filter(|f| is_image_name(f)).collect();
        if images.is_empty() {
            continue;
        }
        let class = class_names.len() as i64;
        class_names.push(folder.clone());
        nested.extend(images.into_iter().map(|f| (format!("{folder}/{f}"), class)));
    }
    if let (Some(loose), Some((nested, _))) = (loose.first(), nested.first()) {
        return Err(SourceError::Mixed {
            path: text(path),
            loose: (*loose).clone(),
            nested: nested.clone(),
        });
    }
    let names: Vec<String>;
    let labels;
    if nested.is_empty() {
        names = loose.into_iter().cloned().collect();
        labels = None;
    } else {
        labels = Some(nested.iter().map(|(_, class)| *class).collect());
        names = nested.into_iter().map(|(name, _)| name).collect();
    }
    if names.is_empty() {
        let found = match (files.first(), folders.first()) {
            (None, None) => "is an empty folder".to_string(),
            (Some(file), _) => {
                format!(
                    "is a folder with nothing known here ({} files, such as {file})",
                    files.len()
                )
            }
            (None, Some(folder)) => {
                format!("is a folder of folders without images (such as {folder})")
            }
        };
        return Err(SourceError::NothingRecognised { path: text(path), found });
    }
    refuse_split(path, opts)?;
    let raw = read_images(path, names, labels, class_names, opts)?;
    ImageSet::finish(raw, opts)
}

fn read_images(
    path: &Path,
    names: Vec<String>,
    labels: Option<Vec<i64>>,
    class_names: Vec<String>,
    opts: &SourceOptions,
) -> Result<Raw, SourceError> {
    let mut pixels: Vec<u8> = Vec::new();
    let mut first: Option<(String, usize, usize)> = None;
    let mut channels = 1;
    for (i, name) in names.iter().enumerate() {
        let file: PathBuf = name.split('/').fold(path.to_path_buf(), |p, part| p.join(part));
        let file_text = text(&file);
        let mut picture = decode_image(&read(&file)?, &file_text)?;
        if let Some((height, width)) = opts.size
            && (height, width) != (picture.height, picture.width)
        {
            let (old, new) = ((picture.height, picture.width), (height, width));
            picture.pixels = resize(&picture.pixels, old, new, picture.channels, &file_text)?;
            (picture.height, picture.width) = new;
        }
        let (height, width) = (picture.height, picture.width);
        match &first {
            None => {
                channels = picture.channels;
                first = Some((file_text, height, width));
            }
            Some((first, h, w)) if (*h, *w) != (height, width) => {
                return Err(SourceError::SizesDiffer {
                    first: first.clone(),
                    first_width: *w,
                    first_height: *h,
                    second: file_text,
                    second_width: width,
                    second_height: height,
                });
            }
            Some(_) => {}
        }
        // Grey so far, and now colour: what there is becomes RGB.
        if picture.channels > channels {
            pixels = convert_channels(pixels, 1, 3);
            channels = 3;
        }
        let image = convert_channels(picture.pixels, picture.channels, channels);
        pixels.try_reserve(image.len()).map_err(|_| SourceError::Memory {
            path: text(path),
            count: (names.len() - i) as u64,
            height: height as u64,
            width: width as u64,
            channels: channels as u64,
        })?;
        pixels.extend(image);
    }
    let (_, height, width) = first.unwrap_or_default();
    Ok(Raw {
        kind: SourceKind::Images,
        name: base_name(path),
        split: None,
        height,
        width,
        channels,
        pixels,
        labels,
        names,
        class_names,
    })
}
