//! The zoos that benches take networks from: those that come with the page, and the user's own, which stay in the browser's
//! private storage. A zoo is read whole and kept while it is in use: the page's zoos have some megabytes.

use super::storage;
use crate::protocol::zoo::{BUILT_IN, Entry, Shelved};
use crate::state::zoo_name;
use crate::web;
use std::collections::BTreeMap;
use std::rc::Rc;
use weightlab_data::{
    MANIFEST_FILE, MemStore, Shard, Store, StoreError, Targets, Zoo, ZooError, ZooManifest,
    copy_zoo,
};
use weightlab_lab::meter::bytes_text;
use weightlab_nets::Mlp;

/// How many zoos are kept open.
const OPEN: usize = 3;

/// A zoo, whole.
#[derive(Debug)]
pub(super) struct OpenZoo {
    /// Its name on the shelf.
    pub(super) name: String,
    /// As jobs take it.
    pub(super) zoo: Zoo<MemStore>,
    /// All its networks.
    pub(super) nets: Shard,
    /// The images they were fitted to, if they are known.
    pub(super) targets: Option<Targets>,
}

impl OpenZoo {
    /// What the zoo says of itself.
    pub(super) fn manifest(&self) -> &ZooManifest {
        self.zoo.manifest()
    }

    /// The architecture of its networks.
    pub(super) fn mlp(&self) -> &Mlp {
        &self.manifest().mlp
    }

    /// Height, width and channels of the pictures that the networks draw.
    pub(super) fn shape(&self) -> [usize; 3] {
        self.manifest().image_shape.unwrap_or([64, 64, self.mlp().outputs()])
    }
}

/// The zoos there are.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    open: Vec<Rc<OpenZoo>>,
    /// Where the browser keeps nothing: the user's zoos, until the tab is closed.
    memory: BTreeMap<String, MemStore>,
}

/// What people call a zoo.
pub(super) fn title(name: &str) -> &str {
    BUILT_IN.iter().find(|built_in| built_in.name == name).map_or(name, |built_in| built_in.title)
}

impl Shelf {
    /// A zoo by its name.
    ///
    /// # Errors
    /// In a sentence: there is none of that name, or it cannot be read.
    pub(super) async fn get(&mut self, name: &str) -> Result<Rc<OpenZoo>, String> {
        if let Some(at) = self.open.iter().position(|open| open.name == name) {
            let open = self.open.remove(at);
            self.open.push(open.clone());
            return Ok(open);
        }
        let unreadable =
            |error: &dyn std::fmt::Display| format!("The zoo “{name}” cannot be read: {error}.");
        let store = if BUILT_IN.iter().any(|built_in| built_in.name == name) {
            fetch(&format!("zoo/{name}")).await?
        } else if let Some(store) = self.memory.get(name) {
            store.clone()
        } else if let Some(place) = storage::place(name, false).await {
            let zoo = Zoo::open(place).await.map_err(|error| unreadable(&error))?;
            let store = MemStore::new();
            copy_zoo(&zoo, &store).await.map_err(|error| unreadable(&error))?;
            store
        } else {
            return Err(format!("There is no zoo “{name}” here."));
        };
        let open = Rc::new(read(name, store).await.map_err(|error| unreadable(&error))?);
        self.open.push(open.clone());
        if self.open.len() > OPEN {
            self.open.remove(0);
        }
        Ok(open)
    }

    /// Every zoo, and the room there is for more. What another tab has deleted is gone here too.
    pub(super) async fn list(&mut self) -> Shelved {
        let mut entries: Vec<Entry> = BUILT_IN
            .iter()
            .map(|built_in| Entry {
                name: built_in.name.to_owned(),
                title: built_in.title.to_owned(),
                nets: built_in.nets,
                bytes: built_in.bytes,
                own: false,
            })
            .collect();
        for (name, store) in &self.memory {
            entries.extend(entry(name, store).await);
        }
        let kept = storage::zoos().await;
        for name in kept.iter().flatten() {
            if let Some(place) = storage::place(name, false).await {
                entries.extend(entry(name, &place).await);
            }
        }
        self.open.retain(|open| entries.iter().any(|entry| entry.name == open.name));
        Shelved { entries, kept: kept.is_some(), room: storage::room().await }
    }

    async fn has(&self, name: &str) -> bool {
        BUILT_IN.iter().any(|built_in| built_in.name == name)
            || self.memory.contains_key(name)
            || storage::zoos().await.is_some_and(|zoos| zoos.iter().any(|zoo| zoo == name))
    }

    /// Puts a zoo on the shelf under a name that is free and as near as possible to `wanted`; returns that.
    ///
    /// # Errors
    /// In a sentence: no room, or another tab is at the same.
    pub(super) async fn put(
        &mut self,
        wanted: &str,
        zoo: &Zoo<MemStore>,
    ) -> Result<String, String> {
        let wanted = zoo_name(wanted);
        let mut name = wanted.clone();
        for number in 2.. {
            if !self.has(&name).await {
                break;
            }
            name = zoo_name(&format!("{wanted} ({number})"));
        }
        let Some(_lock) = storage::lock(&name).await else {
            return Err(format!(
                "Another tab is changing the zoo “{name}” at this moment. Try again when it is done."
            ));
        };
        let Some(place) = storage::place(&name, true).await else {
            self.memory.insert(name.clone(), zoo.store().clone());
            return Ok(name);
        };
        if let Err(error) = copy_zoo(zoo, &place).await {
            // Half a zoo is none; what cannot be deleted either is not listed, since it has no zoo.json.
            let _deleted = storage::delete(&name).await;
            return Err(match error {
                StoreError::Full { .. } => {
                    let bytes = bytes_of(zoo.store()).await;
                    format!(
                        "There is no room for “{name}” ({}). Delete a zoo that you no longer need, or free space on \
                         this computer.",
                        bytes_text(bytes)
                    )
                }
                other => format!("“{name}” could not be kept: {other}."),
            });
        }
        Ok(name)
    }

    /// Calls a zoo of the user's `wanted`, or the nearest to it that is free; returns that. The browser's storage cannot move
    /// a folder: it is copied, and the old one goes once the new one is whole.
    ///
    /// # Errors
    /// In a sentence: as [`Shelf::put`] and [`Shelf::delete`].
    pub(super) async fn rename(&mut self, name: &str, wanted: &str) -> Result<String, String> {
        if zoo_name(wanted) == name {
            return Ok(name.to_owned());
        }
        let open = self.get(name).await?;
        let now = self.put(wanted, &open.zoo).await?;
        self.delete(name).await?;
        Ok(now)
    }

    /// Takes a zoo of the user's off the shelf, for good.
    ///
    /// # Errors
    /// In a sentence: another tab is at the same, or the browser refuses.
    pub(super) async fn delete(&mut self, name: &str) -> Result<(), String> {
        if self.memory.remove(name).is_none() {
            let Some(_lock) = storage::lock(name).await else {
                return Err(format!(
                    "Another tab is changing the zoo “{name}” at this moment. Try again when it is done."
                ));
            };
            storage::delete(name)
                .await
                .map_err(|why| format!("The zoo “{name}” could not be deleted ({why})."))?;
        }
        self.open.retain(|open| open.name != name);
        Ok(())
    }
}

async fn bytes_of<S: Store>(store: &S) -> u64 {
    let mut bytes = 0;
    for name in store.list().await.unwrap_or_default() {
        bytes += store.read(&name).await.map_or(0, |file| file.len() as u64);
    }
    bytes
}

/// A zoo in a list; none if it is not whole.
async fn entry<S: Store + Clone>(name: &str, store: &S) -> Option<Entry> {
    let zoo = Zoo::open(store.clone()).await.ok()?;
    Some(Entry {
        name: name.to_owned(),
        title: name.to_owned(),
        nets: zoo.nets(),
        bytes: bytes_of(store).await,
        own: true,
    })
}

async fn read(name: &str, store: MemStore) -> Result<OpenZoo, ZooError> {
    let zoo = Zoo::open(store.called(name)).await?;
    let (nets, targets) = (zoo.load_all().await?, zoo.read_targets().await?);
    Ok(OpenZoo { name: name.to_owned(), zoo, nets, targets })
}

/// A zoo that comes with the page.
async fn fetch(folder: &str) -> Result<MemStore, String> {
    let store = MemStore::new();
    let get = async |file: &str| -> Result<Vec<u8>, String> {
        let bytes = web::fetch(&format!("{folder}/{file}")).await.map_err(|why| {
            format!("{folder}/{file}, which comes with the page, could not be loaded ({why}).")
        })?;
        store.write(file, &bytes).await.map_err(|error| error.to_string())?;
        Ok(bytes)
    };
    let manifest = get(MANIFEST_FILE).await?;
    let manifest = ZooManifest::from_json(&manifest, folder).map_err(|error| error.to_string())?;
    for file in manifest.files() {
        get(&file).await?;
    }
    Ok(store)
}
