//! Words of the shelf of zoos, from which every bench takes networks.

use serde::{Deserialize, Serialize};

/// From the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Show the networks of a zoo.
    Open {
        /// Its name.
        name: String,
    },
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The networks of a zoo; their pictures come along as RGBA, one after the other, if there are any.
    Opened(Opened),
    /// A zoo could not be opened.
    Refused {
        /// Its name.
        name: String,
        /// Why, in a sentence.
        what: String,
    },
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
