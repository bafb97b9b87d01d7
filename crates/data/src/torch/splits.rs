//! `splits.json` of the reference code, and what its paths say about a network.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

use serde::{Deserialize, Serialize};

use super::error::TorchError;
use crate::store::Store;

/// Name of the file.
pub(crate) const SPLITS_FILE: &str = "splits.json";

/// One split: a list of paths, or paths with labels.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Entry {
    Paths(Vec<String>),
    Labelled { path: Vec<String>, label: Vec<i64> },
}

/// One network as `splits.json` lists it.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub split: String,
    pub path: String,
    /// Only in files of the second form.
    pub label: Option<i64>,
    pub object: u32,
    pub view: u32,
}

/// Everything that `splits.json` says, ordered by object and view.
pub(crate) struct Listing {
    pub nets: Vec<Listed>,
    /// Names of the views, by number, where they have any.
    pub views: Vec<String>,
}

/// The splits of the reference code, in order. Others follow by name.
const USUAL: [&str; 3] = ["train", "val", "test"];

pub(crate) fn parse(bytes: &[u8], file: &str) -> Result<Listing, TorchError> {
    let splits =
        |line, column, detail| TorchError::Splits { file: file.to_string(), line, column, detail };
    let entries: BTreeMap<String, Entry> =
        serde_json::from_slice(bytes).map_err(|e| splits(e.line(), e.column(), e.to_string()))?;
    let usual = USUAL.iter().filter_map(|&split| entries.get_key_value(split));
    let others = entries.iter().filter(|(split, _)| !USUAL.contains(&split.as_str()));
    let mut nets = Vec::new();
    let mut with_labels = false;
    for (split, entry) in usual.chain(others) {
        let (paths, labels) = match entry {
            Entry::Paths(paths) => (paths, None),
            Entry::Labelled { path, label } => (path, Some(label)),
        };
        if let Some(labels) = labels {
            with_labels = true;
            if labels.len() != paths.len() {
                let detail =
                    format!("{split} has {} paths but {} labels", paths.len(), labels.len());
                return Err(splits(0, 0, detail));
            }
        }
        nets.extend(paths.iter().enumerate().map(|(i, path)| Listed {
            split: split.clone(),
            path: path.replace('\\', "/"),
            label: labels.map(|l| l[i]),
            object: 0,
            view: 0,
        }));
    }
    // Files of the second form have another layout, without views.
    let views = if with_labels { number_singly(&mut nets) } else { number(&mut nets) };
    nets.sort_by_key(|n| (n.object, n.view));
    if let Some(pair) =
        nets.windows(2).find(|w| (w[0].object, w[0].view) == (w[1].object, w[1].view))
    {
        return Err(splits(0, 0, format!("{} is listed twice", pair[1].path)));
    }
    Ok(Listing { nets, views })
}

fn number_singly(nets: &mut [Listed]) -> Vec<String> {
    for (object, net) in (0..).zip(nets) {
        net.object = object;
    }
    Vec::new()
}

/// Numbers from paths `../<view>/<x>/<file>`: what has the same split, `<x>` and `<file>` is one
/// object. If the files are called by numbers, all different, those number the objects; views
/// called `view_<n>` likewise.
fn number(nets: &mut [Listed]) -> Vec<String> {
    fn parts(path: &str) -> (&str, &str) {
        let mut ends = path.rmatch_indices('/').map(|(at, _)| at);
        let (_, second, third) = (ends.next(), ends.next(), ends.next());
        let Some(second) = second else { return ("", path) };
        (&path[third.map_or(0, |t| t + 1)..second], &path[second + 1..])
    }
    fn stem(key: &str) -> Option<u32> {
        let file = key.rsplit('/').next()?;
        file.split_once('.').map_or(file, |(stem, _)| stem).parse().ok()
    }
    /// The numbers that names give, if all of them do and no two the same; else 0, 1, ..
    fn numbers(given: Option<Vec<u32>>, count: usize) -> Vec<u32> {
        let distinct = |numbers: &Vec<u32>| {
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            sorted.windows(2).all(|w| w[0] < w[1])
        };
        given.filter(distinct).unwrap_or_else(|| (0..).take(count).collect())
    }
    // Maps are filled one by one: a collection into a map brings a sort of its own into the program, for every type.
    let mut views: BTreeMap<&str, u32> = BTreeMap::new();
    let mut objects: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut keys: Vec<&str> = Vec::new();
    for net in nets.iter() {
        let (view, key) = parts(&net.path);
        views.insert(view, 0);
        if let Place::Vacant(place) = objects.entry((&net.split, key)) {
            place.insert(keys.len() as u32);
            keys.push(key);
        }
    }
    let given = views.keys().map(|name| name.strip_prefix("view_")?.parse().ok()).collect();
    let numbered = numbers(given, views.len());
    views.values_mut().zip(numbered).for_each(|(view, number)| *view = number);
    let numbered = numbers(keys.iter().map(|key| stem(key)).collect(), keys.len());
    let ids: Vec<(u32, u32)> = nets
        .iter()
        .map(|net| {
            let (view, key) = parts(&net.path);
            (numbered[objects[&(net.split.as_str(), key)] as usize], views[view])
        })
        .collect();
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for (name, number) in views {
        names.insert(number, name.to_owned());
    }
    for (net, (object, view)) in nets.iter_mut().zip(ids) {
        (net.object, net.view) = (object, view);
    }
    names.into_values().collect()
}

/// Finds listed files: a path is tried as it is, then without its first component, and so on, as
/// published lists begin with a folder of the machine that made them.
#[derive(Default)]
pub(crate) struct Resolver {
    /// How many components the last path lost; the next one nearly always loses as many.
    skip: usize,
}

impl Resolver {
    pub async fn find<S: Store>(&mut self, store: &S, path: &str) -> Result<String, TorchError> {
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        for skip in std::iter::once(self.skip).chain(0..parts.len()) {
            let name = parts.get(skip..).unwrap_or_default().join("/");
            // A name the store refuses, such as one with "..", is simply not there.
            if !name.is_empty() && store.exists(&name).await.unwrap_or(false) {
                self.skip = skip;
                return Ok(name);
            }
        }
        Err(TorchError::Unresolved {
            file: SPLITS_FILE.to_string(),
            path: path.to_string(),
            store: store.describe(),
        })
    }
}

/// What is written: the three splits of the reference code always, others as they are named.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Written {
    pub train: Vec<String>,
    pub val: Vec<String>,
    pub test: Vec<String>,
    #[serde(flatten)]
    pub others: BTreeMap<String, Vec<String>>,
}

impl Written {
    pub fn push(&mut self, split: &str, path: String) {
        match split {
            "train" => self.train.push(path),
            "val" => self.val.push(path),
            "test" => self.test.push(path),
            other => self.others.entry(other.to_string()).or_default().push(path),
        }
    }
}
