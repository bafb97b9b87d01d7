//! The zoos that benches take networks from. A zoo is read whole and kept while it is in use: the page's zoos have some
//! megabytes.

use crate::web;
use std::rc::Rc;
use weightlab_data::{MemStore, Shard, Store, Targets, Zoo, ZooManifest};
use weightlab_nets::Mlp;

/// How many zoos are kept open.
const OPEN: usize = 3;

/// The zoos that come with the page: name, folder below the page's, and what people call it.
pub(super) const BUILT_IN: [(&str, &str, &str); 2] = [
    ("test", "zoo/test", "180 pieces of clothing, one network each"),
    ("train", "zoo/train", "360 pieces of clothing, two networks each"),
];

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
        let store = match BUILT_IN.iter().find(|(known, ..)| *known == name) {
            Some((_, folder, _)) => fetch(folder).await?,
            None => return Err(format!("There is no zoo “{name}” here.")),
        };
        let open = Rc::new(
            read(name, store)
                .await
                .map_err(|error| format!("The zoo “{name}” cannot be read: {error}."))?,
        );
        self.open.push(open.clone());
        if self.open.len() > OPEN {
            self.open.remove(0);
        }
        Ok(open)
    }
}

async fn read(name: &str, store: MemStore) -> Result<OpenZoo, weightlab_data::ZooError> {
    let zoo = Zoo::open(store).await?;
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
    let manifest = get(weightlab_data::MANIFEST_FILE).await?;
    let manifest = ZooManifest::from_json(&manifest, folder).map_err(|error| error.to_string())?;
    let others = manifest.targets.iter().chain(&manifest.beside).map(|entry| &entry.file);
    for file in manifest.shards.iter().map(|shard| &shard.file).chain(others) {
        get(file).await?;
    }
    Ok(store)
}
