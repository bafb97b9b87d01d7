//! Words of the shelf of zoos, from which every bench takes networks.

use serde::{Deserialize, Serialize};

/// From the page. Each is done; none is dropped for another but [`Request::Open`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Say what zoos there are.
    List,
    /// Show the networks of a zoo.
    Open {
        /// Its name.
        name: String,
    },
    /// The files that come along are a zoo.
    Import,
    /// Hand out a zoo as a file.
    Export {
        /// Its name.
        name: String,
        /// As what.
        format: Format,
    },
    /// Hand out all zoos of the user's as one file.
    ExportAll,
    /// Delete a zoo of the user's.
    Delete {
        /// Its name.
        name: String,
    },
    /// Call a zoo of the user's otherwise.
    Rename {
        /// Its name.
        name: String,
        /// What it is to be called.
        wanted: String,
    },
}

/// What a zoo can be handed out as; [`weightlab_data::FileFormat`] says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// All of it.
    Zip,
    /// For Python, one file.
    Safetensors,
    /// For NumPy.
    Npz,
    /// For PyTorch, a file for each network.
    Torch,
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// What zoos there are.
    Shelf(Shelved),
    /// The networks of a zoo; their pictures come along as RGBA, one after the other, if there are any.
    Opened(Opened),
    /// A zoo that was to be opened is not there, or cannot be read.
    Missing {
        /// Its name.
        name: String,
        /// Why, in a sentence.
        what: String,
    },
    /// Files have become a zoo.
    Imported {
        /// The zoo's name.
        name: String,
        /// Networks in it.
        nets: u64,
        /// What the user should know, in sentences.
        notes: Vec<String>,
    },
    /// The file that comes along is a zoo.
    Exported {
        /// What to call it.
        file: String,
    },
    /// A zoo is gone.
    Deleted {
        /// Its name.
        name: String,
    },
    /// A zoo is called otherwise.
    Renamed {
        /// Its name before.
        name: String,
        /// Its name now: the nearest to the one that was wanted.
        now: String,
    },
    /// Something could not be done.
    Refused {
        /// Why, in a sentence.
        what: String,
    },
}

/// A zoo that comes with the page, in the folder `zoo/NAME` beside it.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it is called for people.
    pub title: &'static str,
    /// Networks in it.
    pub nets: u64,
    /// Its size: known before it is fetched.
    pub bytes: u64,
}

/// The zoos that come with the page.
pub const BUILT_IN: [BuiltIn; 2] = [
    BuiltIn {
        name: "test",
        title: "180 pieces of clothing, one network each",
        nets: 180,
        bytes: 1_006_983,
    },
    BuiltIn {
        name: "train",
        title: "360 other pieces, two networks each",
        nets: 720,
        bytes: 3_732_838,
    },
];

/// The zoos there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelved {
    /// Every one.
    pub entries: Vec<Entry>,
    /// Whether the browser keeps them when the tab is closed.
    pub kept: bool,
    /// Bytes that the page takes in this browser, and may take.
    pub room: Option<[u64; 2]>,
}

/// A zoo in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is called for people.
    pub title: String,
    /// Networks in it.
    pub nets: u64,
    /// Its size.
    pub bytes: u64,
    /// Whether it is the user's, to be deleted at will.
    pub own: bool,
}

/// A zoo, and what is known of its networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Its name.
    pub name: String,
    /// What it is called for people.
    pub title: String,
    /// Widths of its networks, `2-32-32-1`.
    pub dims: String,
    /// Of its networks; names are those of the published codes.
    pub convention: Option<String>,
    /// Widths of the hidden layers.
    pub hidden: Vec<u32>,
    /// Names of the classes, or nothing.
    pub classes: Vec<String>,
    /// Every network, in the order of the zoo.
    pub nets: Vec<Net>,
    /// Height and width of the pictures that come along; `None` if there are none.
    pub picture: Option<[u32; 2]>,
}

/// What is known of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Net {
    /// Index of its image in the source.
    pub object: i64,
    /// Which of the image's networks.
    pub view: i64,
    /// Its class; -1 if unknown.
    pub label: i64,
    /// How well it was fitted, dB, if that is known.
    pub db: Option<f32>,
}

impl Opened {
    /// `#179 Sandal`.
    pub fn net_title(&self, position: u32) -> String {
        let class = self.nets.get(position as usize).and_then(|net| self.class(net));
        class.map_or_else(|| format!("#{position}"), |class| format!("#{position} {class}"))
    }

    /// The name of a network's class.
    pub fn class(&self, net: &Net) -> Option<&str> {
        let class = usize::try_from(net.label).ok()?;
        self.classes.get(class).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weightlab_data::ZooManifest;

    #[test]
    fn the_built_in_zoos_are_as_they_are_described() {
        for built_in in BUILT_IN {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../testdata/zoo")
                .join(built_in.name);
            let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
            let manifest = read("zoo.json");
            let files = ZooManifest::from_json(&manifest, "zoo.json").unwrap();
            let sizes = files.files().iter().map(|file| read(file).len()).sum::<usize>();
            assert_eq!(built_in.nets, files.nets(), "{}", built_in.name);
            assert_eq!(built_in.bytes, (sizes + manifest.len()) as u64, "{}", built_in.name);
        }
    }
}
