//! What a training reads: networks with labels, in splits that share no object.

use super::problem::TrainProblem;
use crate::derive::{NetReader, ids};
use crate::error::LabError;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use weightlab_data::{Shard, Store, Zoo, ZooManifest, blake3_hex};
use weightlab_kernels::philox::{self, Purpose};
use weightlab_learn::train::{PartnerPool, TrainConfig};
use weightlab_nets::{Mlp, NetId};

/// Networks of one split.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    pub(crate) params: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    /// Position in the zoo, object and view of each.
    pub(crate) origins: Vec<(u64, i64, i64)>,
}

impl Set {
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    fn push(&mut self, nets: &Shard, i: usize) {
        self.params.extend_from_slice(nets.net(i));
        self.labels.push(nets.labels[i] as u32);
        self.origins.push((i as u64, nets.objects[i], nets.views[i]));
    }
}

/// Everything that a training reads.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    pub(crate) mlp: Mlp,
    pub(crate) classes: usize,
    pub(crate) class_names: Vec<String>,
    /// Networks to learn from, and further views of their objects.
    pub(crate) nets: Set,
    pub(crate) ids: Vec<NetId>,
    /// Those that are learnt from.
    pub(crate) train: Vec<u32>,
    /// Those that partners are drawn from.
    pub(crate) pool: Vec<u32>,
    pub(crate) validation: Set,
    pub(crate) test: Set,
    /// Of all files that were read.
    pub(crate) hash: String,
}

/// All networks of a zoo, which must have labels.
async fn labelled<S: Store>(zoo: &Zoo<S>) -> Result<Shard, LabError> {
    let mut reader = NetReader::new(zoo)?;
    let nets = reader.read(&(0..reader.nets()).collect::<Vec<_>>()).await?;
    let unlabelled = nets.labels.iter().filter(|l| **l < 0).count();
    let store = zoo.store().describe();
    if unlabelled > 0 {
        return Err(TrainProblem::NoLabels { store, unlabelled, nets: nets.len() }.into());
    }
    if nets.is_empty() {
        return Err(TrainProblem::Empty { store, split: "training" }.into());
    }
    Ok(nets)
}

/// Splits of a manifest share no object.
fn check_splits(manifest: &ZooManifest, store: &str) -> Result<(), TrainProblem> {
    let all: Vec<(&String, [u32; 2])> = manifest
        .splits
        .iter()
        .flatten()
        .flat_map(|(n, r)| r.iter().map(move |&r| (n, r)))
        .collect();
    for (i, (first, a)) in all.iter().enumerate() {
        for (second, b) in &all[i + 1..] {
            let object = a[0].max(b[0]);
            if first != second && object < a[1].min(b[1]) {
                return Err(TrainProblem::Overlap {
                    store: store.to_owned(),
                    object: object.into(),
                    first: (*first).clone(),
                    second: (*second).clone(),
                });
            }
        }
    }
    Ok(())
}

/// A set, filled one by one: collecting it would bring a sort of its own, which a page would have to fetch.
fn set(numbers: impl Iterator<Item = i64>) -> BTreeSet<i64> {
    let mut set = BTreeSet::new();
    set.extend(numbers);
    set
}

/// Objects that are held out: those whose random numbers are the smallest.
fn held_out(objects: &BTreeSet<i64>, share: f32, seed: u64) -> BTreeSet<i64> {
    if share <= 0.0 {
        return BTreeSet::new();
    }
    let number = |object: i64| {
        let counter = [object as u32, (object >> 32) as u32, 0, Purpose::HoldOut as u32];
        philox::philox4x32(counter, philox::key(seed))
    };
    let mut order: Vec<i64> = objects.iter().copied().collect();
    order.sort_by_key(|&object| (number(object), object));
    let count = (f64::from(share) * order.len() as f64).round().max(1.0) as usize;
    set(order.into_iter().take(count))
}

/// Of all files of a zoo and of one to test on.
pub(crate) fn data_hash<A: Store, B: Store>(zoo: &Zoo<A>, other: Option<&Zoo<B>>) -> String {
    let mut shards: Vec<_> = zoo.manifest().shards.iter().collect();
    shards.extend(other.iter().flat_map(|other| &other.manifest().shards));
    let files: Vec<&str> = shards.iter().map(|shard| shard.blake3.as_str()).collect();
    blake3_hex(files.join(" ").as_bytes())
}

fn bits(net: &[f32]) -> Vec<u32> {
    net.iter().map(|x| x.to_bits()).collect()
}

impl Material {
    /// Reads the zoos and splits them: by the zoo's own splits, else with some objects held out for validation. `other` is a
    /// zoo to test on.
    pub(crate) async fn load<A: Store, B: Store>(
        zoo: &Zoo<A>,
        other: Option<&Zoo<B>>,
        config: &TrainConfig,
    ) -> Result<Material, LabError> {
        let manifest = zoo.manifest();
        let store = zoo.store().describe();
        check_splits(manifest, &store)?;
        let nets = labelled(zoo).await?;
        let mlp = manifest.mlp.clone();
        let split = |object: i64| match &manifest.splits {
            Some(_) => manifest.split_of(object).unwrap_or("train"),
            None => "train",
        };
        let of = |name: &str| set(nets.objects.iter().copied().filter(|&o| split(o) == name));
        let mut validation = of("val");
        let tested = of("test");
        if validation.is_empty() {
            let rest = set(nets.objects.iter().copied().filter(|o| !tested.contains(o)));
            validation = held_out(&rest, config.validation_share, config.seed);
        }
        let views = set(nets.views.iter().copied());
        let first = views.first().copied().unwrap_or(0);
        if let Some(wanted) = config.views.filter(|&wanted| wanted as usize > views.len()) {
            return Err(LabError::FewerViews { store, wanted, found: views.len() });
        }
        let shown = config.views.map_or(views.len(), |v| v as usize);
        let shown = set(views.into_iter().take(shown));

        let mut material = Material {
            mlp,
            classes: 0,
            class_names: manifest.class_names.clone(),
            nets: Set::default(),
            ids: Vec::new(),
            train: Vec::new(),
            pool: Vec::new(),
            validation: Set::default(),
            test: Set::default(),
            hash: String::new(),
        };
        for (i, id) in ids(&nets).into_iter().enumerate() {
            let (object, view) = (nets.objects[i], nets.views[i]);
            // What is measured is measured on the first view, as the reference code does.
            if validation.contains(&object) {
                if view == first {
                    material.validation.push(&nets, i);
                }
            } else if tested.contains(&object) {
                if view == first {
                    material.test.push(&nets, i);
                }
            } else {
                let shown = shown.contains(&view);
                if shown {
                    material.train.push(material.nets.len() as u32);
                }
                if shown || config.partners == PartnerPool::AllViews {
                    material.pool.push(material.nets.len() as u32);
                    material.nets.push(&nets, i);
                    material.ids.push(id);
                }
            }
        }
        if let Some(limit) = config.limit.filter(|l| *l < material.train.len()) {
            material.train.truncate(limit);
            if config.partners == PartnerPool::SameViews {
                material.pool.truncate(limit);
            }
        }
        if let Some(other) = other {
            material.test = Set::default();
            material.add_test(zoo, other, &nets).await?;
        }
        material.hash = data_hash(zoo, other);
        material.check(&store)?;
        let test_store = other.map_or(store.clone(), |other| other.store().describe());
        material.check_copies(&store, &test_store)?;
        Ok(material)
    }

    async fn add_test<A: Store, B: Store>(
        &mut self,
        zoo: &Zoo<A>,
        other: &Zoo<B>,
        learnt: &Shard,
    ) -> Result<(), LabError> {
        let (train, test) = (zoo.store().describe(), other.store().describe());
        if other.manifest().mlp != self.mlp {
            return Err(TrainProblem::Architecture {
                store: test,
                found: other.manifest().mlp.dims_text(),
                wanted: self.mlp.dims_text(),
            }
            .into());
        }
        let nets = labelled(other).await?;
        if let (Some(a), Some(b)) = (&zoo.manifest().source, &other.manifest().source)
            && (&a.blake3, &a.split) == (&b.blake3, &b.split)
        {
            let known = set(learnt.objects.iter().copied());
            if let Some(&object) = nets.objects.iter().find(|o| known.contains(o)) {
                let source_name = a.name.clone();
                return Err(TrainProblem::Leak { test, train, object, source_name }.into());
            }
        }
        let first = nets.views.iter().copied().min().unwrap_or(0);
        (0..nets.len()).filter(|&i| nets.views[i] == first).for_each(|i| self.test.push(&nets, i));
        Ok(())
    }

    /// No network is measured on that is learnt from, whatever its object is called.
    fn check_copies(&self, store: &str, test_store: &str) -> Result<(), TrainProblem> {
        let nets = |set: &Set| -> Vec<Vec<u32>> {
            set.params.chunks_exact(self.mlp.param_count()).map(bits).collect()
        };
        let mut known: HashSet<Vec<u32>> = nets(&self.nets).into_iter().collect();
        for (set, store) in [(&self.validation, store), (&self.test, test_store)] {
            let these = nets(set);
            if let Some(net) = these.iter().position(|net| known.contains(net)) {
                let net = set.origins[net].0 as usize;
                return Err(TrainProblem::Copy { test: store.to_owned(), net });
            }
            known.extend(these);
        }
        Ok(())
    }

    fn check(&mut self, store: &str) -> Result<(), TrainProblem> {
        let store = store.to_owned();
        if self.train.is_empty() {
            return Err(TrainProblem::Empty { store, split: "training" });
        }
        let mut counts = BTreeMap::new();
        for &i in &self.train {
            *counts.entry(self.nets.labels[i as usize]).or_insert(0usize) += 1;
        }
        if let (1, Some((&class, &nets))) = (counts.len(), counts.first_key_value()) {
            return Err(TrainProblem::OneClass { store, nets, class: class.into() });
        }
        let sets = [&self.nets, &self.validation, &self.test];
        let most = sets.iter().flat_map(|s| &s.labels).max().copied().unwrap_or(0);
        self.classes = self.class_names.len().max(most as usize + 1);
        Ok(())
    }
}

/// What a training would learn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    /// Networks.
    pub nets: u64,
    /// Their objects.
    pub objects: BTreeSet<i64>,
    /// All views that the zoo has, learnt from or not.
    pub views: BTreeSet<i64>,
}

/// What a training of `zoo` would learn from.
///
/// # Errors
/// A zoo that cannot be trained on.
pub async fn learnt_from<S: Store>(zoo: &Zoo<S>, config: &TrainConfig) -> Result<Learnt, LabError> {
    let all = TrainConfig { partners: PartnerPool::AllViews, ..config.clone() };
    let material = Material::load(zoo, None::<&Zoo<S>>, &all).await?;
    let origins = &material.nets.origins;
    Ok(Learnt {
        nets: material.train.len() as u64,
        objects: material.train.iter().map(|&i| origins[i as usize].1).collect(),
        views: origins.iter().map(|o| o.2).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_objects_are_held_out_always_the_same() {
        let objects: BTreeSet<i64> = (0..50).collect();
        let out = held_out(&objects, 0.1, 7);
        assert_eq!(out.len(), 5);
        assert_eq!(out, held_out(&objects, 0.1, 7));
        assert_ne!(out, held_out(&objects, 0.1, 8));
        assert_eq!(held_out(&objects, 1e-6, 7).len(), 1);
        assert!(held_out(&objects, 0.0, 7).is_empty());
        // Whoever is held out of fewer objects is held out of more, if it is among them.
        let more: BTreeSet<i64> = (0..100).collect();
        let of_more = held_out(&more, 0.1, 7);
        assert!(of_more.iter().filter(|o| **o < 50).all(|o| out.contains(o)));
    }

    #[test]
    fn splits_that_overlap_are_seen() {
        let mlp = Mlp::new(&[2, 4, 4, 1], weightlab_nets::Convention::Dwsnets).unwrap();
        let mut manifest = ZooManifest::new(mlp, 0);
        let with = |test: [u32; 2]| {
            Some(BTreeMap::from([
                ("train".to_owned(), vec![[0, 10], [20, 30]]),
                ("test".to_owned(), vec![test]),
            ]))
        };
        manifest.splits = with([10, 20]);
        assert_eq!(check_splits(&manifest, "zoo"), Ok(()));
        manifest.splits = with([12, 21]);
        let error = check_splits(&manifest, "zoo").unwrap_err();
        assert!(matches!(&error, TrainProblem::Overlap { object: 20, .. }), "{error}");
    }
}
