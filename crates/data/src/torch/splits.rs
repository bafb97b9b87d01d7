//! `splits.json` of the reference code, and what its paths say about a network.

use std::collections::{BTreeMap, BTreeSet};

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

/// `train`, `val`, `test`, then others by name.
fn rank(split: &str) -> (usize, &str) {
    (["train", "val", "test"].iter().position(|s| *s == split).unwrap_or(3), split)
}

pub(crate) fn parse(bytes: &[u8], file: &str) -> Result<Listing, TorchError> {
    let splits =
        |line, column, detail| TorchError::Splits { file: file.to_string(), line, column, detail };
    let entries: BTreeMap<String, Entry> =
        serde_json::from_slice(bytes).map_err(|e| splits(e.line(), e.column(), e.to_string()))?;
    let mut order: Vec<&String> = entries.keys().collect();
    order.sort_by_key(|s| rank(s));
    let mut nets = Vec::new();
    let mut with_labels = false;
    for split in order {
        let (paths, labels) = match &entries[split] {
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
    let view_names: BTreeSet<&str> = nets.iter().map(|n| parts(&n.path).0).collect();
    let by_name: Option<BTreeMap<u32, &str>> = view_names
        .iter()
        .map(|name| Some((name.strip_prefix("view_")?.parse().ok()?, *name)))
        .collect();
    let views: BTreeMap<&str, u32> = match by_name.filter(|v| v.len() == view_names.len()) {
        Some(by_name) => by_name.into_iter().map(|(n, name)| (name, n)).collect(),
        None => view_names.iter().copied().zip(0..).collect(),
    };
    let mut keys: Vec<(&str, &str)> = Vec::new();
    let mut seen = BTreeSet::new();
    for net in nets.iter() {
        let key = (net.split.as_str(), parts(&net.path).1);
        if seen.insert(key) {
            keys.push(key);
        }
    }
    let stems: Option<Vec<u32>> = keys.iter().map(|(_, key)| stem(key)).collect();
    let distinct = |s: &Vec<u32>| s.iter().collect::<BTreeSet<_>>().len() == s.len();
    let numbers = stems.filter(distinct).unwrap_or_else(|| (0..).take(keys.len()).collect());
    let objects: BTreeMap<(&str, &str), u32> = keys.into_iter().zip(numbers).collect();
    let ids: Vec<(u32, u32)> = nets
        .iter()
        .map(|net| {
            let (view, key) = parts(&net.path);
            (objects[&(net.split.as_str(), key)], views[view])
        })
        .collect();
    let mut names: Vec<(u32, String)> =
        views.into_iter().map(|(name, n)| (n, name.to_string())).collect();
    names.sort();
    for (net, (object, view)) in nets.iter_mut().zip(ids) {
        (net.object, net.view) = (object, view);
    }
    names.into_iter().map(|(_, name)| name).collect()
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
