//! Several zoos of one job, made one.

use std::collections::BTreeMap;

use super::Zoo;
use super::derived::Derived;
use super::difference::{differences, same_contents};
use super::error::ZooError;
use super::manifest::{ComputedOn, Plan, ZooManifest};
use super::shard::Shard;
use super::targets::Targets;
use crate::store::Store;

/// What a merge put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeReport {
    /// Networks in the merged zoo.
    pub nets: u64,
    /// Objects `[first, end)` with at least one network, in order, neighbours joined.
    pub objects: Vec<[i64; 2]>,
    /// Objects `[first, end)` that the plans of the zoos call for and that lack a network.
    pub missing: Vec<[i64; 2]>,
    /// On what the networks were computed, as far as it is known. Only networks of one device and
    /// kernel are what a single run would have made, bit for bit.
    pub computed_on: Vec<ComputedOn>,
    /// What the zoos call their source otherwise than the first does, whose name the merged zoo keeps. The contents
    /// are the same.
    pub other_names: Vec<String>,
}

impl MergeReport {
    /// Whether everything that was planned is there.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// What an unfinished zoo says is writing it.
const OPERATION: &str = "merge";

/// Where one network lies; ordered as the merged zoo will be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    object: i64,
    view: i64,
    zoo: usize,
    shard: usize,
    net: usize,
}

/// Merges zoos of one architecture, source, seed and settings into a new zoo in `out`: ordered by
/// object and view, in shards of the first zoo's size. The parts of a job, merged, equal the same
/// job done whole, file for file and bit for bit. A shard per zoo is in memory at a time, and 40
/// bytes per network.
///
/// Until it is whole, `writing` in its manifest says that a merge is at work, so that one that was ended is known
/// as such: neither read nor resumed, but replaced by the next attempt.
///
/// # Errors
/// Zoos that do not belong together, or with files about their networks beside the shards; a network that is in two of them; a damaged file or a zoo that a
/// command was ended over; `out` already holding a zoo or anything else.
pub async fn merge<A: Store, B: Store>(
    zoos: &[Zoo<A>],
    out: B,
) -> Result<(Zoo<B>, MergeReport), ZooError> {
    let first = zoos.first().ok_or(ZooError::NothingToMerge)?;
    for zoo in zoos {
        // Which networks are missing is known of a plan only.
        zoo.refuse_remains()?;
        check_same(first, zoo)?;
        if let Some(entry) = zoo.manifest.beside.first() {
            let (store, file) = (zoo.store.describe(), entry.file.clone());
            return Err(ZooError::Beside { store, file });
        }
    }
    super::refuse_other_contents(&out, Some(OPERATION)).await?;
    let places = find_all(zoos).await?;
    let mut report = report(zoos, &places);
    let plan = merged_plan(zoos, &places);
    let manifest = ZooManifest {
        plan,
        derived: merged_origin(zoos, &places),
        expected: plan.is_none().then_some(report.nets),
        writing: Some(OPERATION.to_string()),
        class_names: zoos
            .iter()
            .map(|z| &z.manifest.class_names)
            .find(|names| !names.is_empty())
            .cloned()
            .unwrap_or_default(),
        computed_on: Vec::new(),
        targets: None,
        shards: Vec::new(),
        ..first.manifest.clone()
    };
    let mut merged = Zoo::create(out, manifest).await?;
    if let Some(targets) = merge_targets(zoos).await? {
        merged.write_targets(&targets).await?;
    }
    // Parts are contiguous, so the last shard used of each zoo is nearly always the one needed.
    let mut cache: Vec<Option<(usize, Shard)>> = zoos.iter().map(|_| None).collect();
    for chunk in places.chunks(first.manifest.nets_per_shard as usize) {
        let mut shard = Shard::default();
        let mut devices: Vec<ComputedOn> = Vec::new();
        for place in chunk {
            let slot = &mut cache[place.zoo];
            let source = match slot {
                Some((i, shard)) if *i == place.shard => shard,
                _ => {
                    let shard = zoos[place.zoo].read_shard(place.shard).await?;
                    &mut slot.insert((place.shard, shard)).1
                }
            };
            shard.push_from(source, place.net);
            let from = &zoos[place.zoo].manifest;
            for &device in &from.shards[place.shard].computed_on {
                let device = &from.computed_on[device as usize];
                if !devices.contains(device) {
                    devices.push(device.clone());
                }
            }
        }
        merged.append_from(&shard, &devices).await?;
    }
    report.computed_on.clone_from(&merged.manifest.computed_on);
    Ok((merged, report))
}

fn check_same<A: Store>(first: &Zoo<A>, other: &Zoo<A>) -> Result<(), ZooError> {
    // What may differ between zoos that merge is only which objects they hold.
    let alike = |m: &ZooManifest| ZooManifest {
        plan: m.plan.map(|p| Plan { objects: [0, 0], part: None, ..p }),
        derived: m.derived.clone().map(|d| Box::new(Derived { nets: 0, from: Vec::new(), ..*d })),
        nets_per_shard: 1,
        ..m.clone()
    };
    let differences = differences(&alike(first.manifest()), &alike(other.manifest()));
    match differences.is_empty() {
        true => Ok(()),
        false => Err(ZooError::Merge {
            first: first.store.describe(),
            second: other.store.describe(),
            differences,
        }),
    }
}

/// Every network of every zoo, in canonical order.
async fn find_all<A: Store>(zoos: &[Zoo<A>]) -> Result<Vec<Place>, ZooError> {
    let mut places = Vec::new();
    for (z, zoo) in zoos.iter().enumerate() {
        for s in 0..zoo.manifest.shards.len() {
            let shard = zoo.read_shard(s).await?;
            places.extend(
                shard
                    .objects
                    .iter()
                    .zip(&shard.views)
                    .enumerate()
                    .map(|(net, (&object, &view))| Place { object, view, zoo: z, shard: s, net }),
            );
        }
    }
    places.sort_unstable();
    for pair in places.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        if (a.object, a.view) == (b.object, b.view) {
            let name = |p: Place| {
                let zoo = &zoos[p.zoo];
                format!("{}/{}", zoo.store.describe(), zoo.manifest.shards[p.shard].file)
            };
            return Err(ZooError::Overlap {
                object: a.object,
                view: a.view,
                first: name(a),
                second: name(b),
            });
        }
    }
    Ok(places)
}

/// Number of networks of each object.
fn per_object(places: &[Place]) -> BTreeMap<i64, u64> {
    let mut counts = BTreeMap::new();
    for place in places {
        *counts.entry(place.object).or_insert(0) += 1;
    }
    counts
}

fn report<A: Store>(zoos: &[Zoo<A>], places: &[Place]) -> MergeReport {
    let counts = per_object(places);
    let mut missing: Vec<[i64; 2]> = Vec::new();
    for plan in zoos.iter().filter_map(|z| z.manifest.plan) {
        let [first, end] = plan.objects.map(i64::from);
        let views = u64::from(plan.views);
        // Gaps between objects that are whole; a plan may name far more objects than there are.
        let mut next = first;
        let whole = counts.range(first..end.max(first)).filter(|&(_, &n)| n >= views);
        for object in whole.map(|(&o, _)| o).chain([end]) {
            if next < object {
                missing.push([next, object]);
            }
            next = object + 1;
        }
    }
    missing.sort_unstable();
    missing.dedup();
    MergeReport {
        nets: places.len() as u64,
        objects: ranges(counts.into_keys()),
        missing,
        computed_on: Vec::new(),
        other_names: other_names(zoos),
    }
}

fn other_names<A: Store>(zoos: &[Zoo<A>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let Some((first, others)) = zoos.split_first() else { return names };
    let name = |z: &Zoo<A>| z.manifest.source.as_ref().map(|s| s.name.clone());
    for zoo in others.iter().filter(|z| same_contents(&first.manifest, &z.manifest)) {
        if let Some(other) = name(zoo).filter(|_| name(zoo) != name(first))
            && !names.contains(&other)
        {
            names.push(other);
        }
    }
    names
}

/// Ascending numbers as half-open ranges.
fn ranges(numbers: impl Iterator<Item = i64>) -> Vec<[i64; 2]> {
    let mut out: Vec<[i64; 2]> = Vec::new();
    for n in numbers {
        match out.last_mut() {
            Some([_, end]) if *end == n => *end += 1,
            _ => out.push([n, n + 1]),
        }
    }
    out
}

/// The plan of the whole, if what is there is all of one contiguous range of objects.
fn merged_plan<A: Store>(zoos: &[Zoo<A>], places: &[Place]) -> Option<Plan> {
    let plans = zoos.iter().map(|z| z.manifest.plan).collect::<Option<Vec<Plan>>>()?;
    let views = plans.first()?.views;
    let first = plans.iter().map(|p| p.part_objects().start).min()?;
    let end = plans.iter().map(|p| p.part_objects().end).max()?;
    let plan = Plan { objects: [first, end], views, part: None };
    let whole = places.len() as u64 == plan.nets()
        && places.iter().zip(0..).all(|(place, k)| {
            let (object, view) = plan.net(k);
            (place.object, place.view) == (i64::from(object), i64::from(view))
        });
    whole.then_some(plan)
}

/// The origins of zoos that were made from others by the same operation, as one.
fn merged_origin<A: Store>(zoos: &[Zoo<A>], places: &[Place]) -> Option<Box<Derived>> {
    let mut all = zoos.iter().filter_map(|z| z.manifest.derived.as_deref());
    let mut merged = Derived { nets: places.len() as u64, ..all.next()?.clone() };
    for from in all.flat_map(|d| &d.from) {
        if !merged.from.contains(from) {
            merged.from.push(from.clone());
        }
    }
    Some(Box::new(merged))
}

/// The targets of all zoos, ordered by object; none unless every zoo keeps them.
async fn merge_targets<A: Store>(zoos: &[Zoo<A>]) -> Result<Option<Targets>, ZooError> {
    let mut all = Vec::new();
    for zoo in zoos {
        match zoo.read_targets().await? {
            Some(targets) => all.push(targets),
            // A part without objects may well have written none.
            None if zoo.nets() == 0 => {}
            None => return Ok(None),
        }
    }
    let mut order: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    for (z, targets) in all.iter().enumerate() {
        for (i, &object) in targets.objects.iter().enumerate() {
            // Views of one object may lie in two zoos; both then keep the same image.
            order.entry(object).or_insert((z, i));
        }
    }
    let Some(like) = all.iter().find(|t| !t.is_empty()).or(all.first()) else { return Ok(None) };
    let mut merged = Targets {
        height: like.height,
        width: like.width,
        channels: like.channels,
        ..Targets::default()
    };
    for (object, (z, i)) in order {
        merged.pixels.extend_from_slice(all[z].image(i));
        merged.labels.push(all[z].labels[i]);
        merged.names.push(all[z].name(object).unwrap_or_default().to_string());
        merged.objects.push(object);
    }
    if merged.names.iter().all(String::is_empty) {
        merged.names.clear();
    }
    Ok(Some(merged))
}
