//! Merging: the parts of a job equal the job, file for file.

mod common;

use common::{Killed, block, manifest, mlp, says, shard};
use proptest::prelude::*;
use weightlab_data::{
    ComputedOn, MemStore, Part, Plan, SourceInfo, SourceKind, Store, Targets, Zoo, ZooError,
    ZooManifest, merge,
};

fn targets(plan: &Plan) -> Targets {
    let objects = plan.part_objects();
    Targets {
        height: 2,
        width: 2,
        channels: 1,
        pixels: objects.clone().flat_map(|o| [o as u8; 4]).collect(),
        labels: objects.clone().map(i64::from).collect(),
        names: objects.clone().map(|o| format!("{o}.png")).collect(),
        objects: objects.map(i64::from).collect(),
    }
}

fn build(manifest: ZooManifest, with_targets: bool) -> Zoo<MemStore> {
    let plan = manifest.plan.unwrap();
    let per = u64::from(manifest.nets_per_shard);
    let mut zoo = block(Zoo::create(MemStore::new(), manifest)).unwrap();
    if with_targets {
        block(zoo.write_targets(&targets(&plan))).unwrap();
    }
    let mut first = 0;
    while first < plan.nets() {
        let end = (first + per).min(plan.nets());
        block(zoo.append(&shard(&plan, &mlp(), first, end))).unwrap();
        first = end;
    }
    zoo
}

fn part(plan: Plan, index: u32, count: u32) -> Plan {
    Plan { part: Some(Part { index, count }), ..plan }
}

#[track_caller]
fn assert_same_files(a: &MemStore, b: &MemStore) {
    assert_eq!(block(a.list()).unwrap(), block(b.list()).unwrap());
    for name in block(a.list()).unwrap() {
        assert_eq!(block(a.read(&name)).unwrap(), block(b.read(&name)).unwrap(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn parts_merged_equal_the_whole(
        objects in 1u32..14,
        views in 1u32..4,
        count in 1u32..6,
        per in 1u32..9,
        with_targets: bool,
        turn in 0usize..6,
    ) {
        let plan = Plan { objects: [7, 7 + objects], views, part: None };
        let whole = build(manifest(plan, per), with_targets);
        let mut parts: Vec<_> = (0..count)
            .map(|i| build(manifest(part(plan, i, count), per), with_targets))
            .collect();
        // The order in which they are named does not matter.
        parts.rotate_left(turn % count as usize);
        let (merged, report) = block(merge(&parts, MemStore::new())).unwrap();
        prop_assert!(report.is_complete());
        prop_assert_eq!(report.nets, plan.nets());
        prop_assert_eq!(report.objects, [[7, 7 + i64::from(objects)]]);
        assert_same_files(merged.store(), whole.store());
    }
}

#[test]
fn shard_sizes_may_differ_and_the_first_counts() {
    let plan = Plan { objects: [0, 6], views: 2, part: None };
    let parts =
        [build(manifest(part(plan, 0, 2), 4), true), build(manifest(part(plan, 1, 2), 5), true)];
    let (merged, _) = block(merge(&parts, MemStore::new())).unwrap();
    assert_same_files(merged.store(), build(manifest(plan, 4), true).store());
}

#[test]
fn neighbouring_ranges_merge_into_one_plan() {
    let zoos = [
        build(manifest(Plan { objects: [3, 5], views: 1, part: None }, 2), false),
        build(manifest(Plan { objects: [0, 3], views: 1, part: None }, 2), false),
    ];
    let (merged, report) = block(merge(&zoos, MemStore::new())).unwrap();
    assert!(report.is_complete());
    let whole = build(manifest(Plan { objects: [0, 5], views: 1, part: None }, 2), false);
    assert_same_files(merged.store(), whole.store());
}

#[test]
fn what_is_missing_is_reported() {
    let plan = Plan { objects: [0, 9], views: 1, part: None };
    let zoos =
        [build(manifest(part(plan, 0, 3), 4), false), build(manifest(part(plan, 2, 3), 4), false)];
    let (merged, report) = block(merge(&zoos, MemStore::new())).unwrap();
    assert_eq!((report.nets, report.objects), (6, vec![[0, 3], [6, 9]]));
    assert_eq!(report.missing, [[3, 6]]);
    assert_eq!(merged.manifest().plan, None);
    assert!(merged.manifest().is_complete(), "complete as a merge of what there was");
    block(merged.verify()).unwrap();
    // An absurd plan costs nothing.
    let plan = Plan { objects: [0, u32::MAX], views: 1, part: None };
    let mut zoo = block(Zoo::create(MemStore::new(), manifest(plan, 2))).unwrap();
    block(zoo.append(&shard(&plan, &mlp(), 0, 2))).unwrap();
    let (_, report) = block(merge(&[zoo], MemStore::new())).unwrap();
    assert_eq!(report.missing, [[2, i64::from(u32::MAX)]]);
}

#[test]
fn only_zoos_of_one_job_merge() {
    let plan = Plan { objects: [0, 4], views: 1, part: None };
    let zoo = |i, change: fn(&mut ZooManifest)| {
        let mut manifest = manifest(part(plan, i, 2), 2);
        change(&mut manifest);
        build(manifest, false)
    };
    type Change = (fn(&mut ZooManifest), &'static str);
    let changes: [Change; 3] = [
        (|m| m.seed = 9, "seed: 5 in memory, 9 in memory (--seed)"),
        (
            |m| m.fit.as_mut().unwrap().learning_rate = 1.0,
            "learning_rate: 0.0005 in memory, 1.0 in memory (--lr)",
        ),
        (|m| m.mlp.output_offset = 0.0, "output_offset: 0.5 in memory, 0.0 in memory"),
    ];
    for (change, what) in changes {
        let error = block(merge(&[zoo(0, |_| {}), zoo(1, change)], MemStore::new())).unwrap_err();
        assert!(matches!(error, ZooError::Merge { .. }), "{error}");
        says(&error, &[what, "same options"]);
    }
    let error = block(merge(&[zoo(0, |_| {}), zoo(0, |_| {})], MemStore::new())).unwrap_err();
    says(&error, &["object 0, view 0", "nets-00000", "leave one"]);
    let none: [Zoo<MemStore>; 0] = [];
    assert!(matches!(block(merge(&none, MemStore::new())), Err(ZooError::NothingToMerge)));
    let taken = zoo(1, |_| {}).into_store();
    assert!(matches!(block(merge(&[zoo(0, |_| {})], taken)), Err(ZooError::AlreadyExists { .. })));
}

/// With a gap, so that no plan tells what should be there, and without, so that one does.
#[test]
fn a_merge_that_was_ended_is_known_as_such() {
    let plan = Plan { objects: [0, 9], views: 1, part: None };
    for (parts, planned) in [(&[0, 2][..], 6), (&[0, 1, 2], 9)] {
        let zoos: Vec<_> =
            parts.iter().map(|&i| build(manifest(part(plan, i, 3), 2), true)).collect();
        let (whole, _) = block(merge(&zoos, MemStore::new())).unwrap();
        // Manifest, targets and manifest, then for each shard itself and the manifest.
        let all = 3 + 2 * whole.manifest().shards.len();
        for writes in 1..all {
            let out = Killed { inner: MemStore::new(), writes: writes.into() };
            assert!(block(merge(&zoos, &out)).is_err());
            let ended = block(Zoo::open(out.inner.clone())).unwrap();
            let stored = ended.nets();
            assert_eq!(stored, 2 * (writes as u64).saturating_sub(3).div_euclid(2));
            assert!(!ended.manifest().is_complete());
            assert_eq!(ended.manifest().planned(), Some(planned));
            // It is neither merged on, nor gone on with as if it were a fit, nor written over by another command.
            let fit = ZooManifest { shards: Vec::new(), ..whole.manifest().clone() };
            let fit = ZooManifest { targets: None, ..fit };
            let resumed = block(Zoo::resume(out.inner.clone(), fit.clone())).unwrap_err();
            let created = block(Zoo::create(out.inner.clone(), fit)).unwrap_err();
            let onward = block(merge(&[ended], MemStore::new())).unwrap_err();
            for error in [resumed, created, onward] {
                assert!(matches!(error, ZooError::Unfinished { .. }), "{error}");
                let stored = format!("{stored} of the {planned} networks that `merge`");
                says(&error, &[&stored, "run that command again", "delete the folder"]);
            }
            // The next merge replaces it, also if the folder was begun with more.
            block(out.inner.write("nets-00042.safetensors", b"of a larger one")).unwrap();
            block(merge(&zoos, out.inner.clone())).unwrap();
            assert_same_files(&out.inner, whole.store());
            // A whole one is in the way.
            let error = block(merge(&zoos, out.inner.clone())).unwrap_err();
            assert!(matches!(error, ZooError::AlreadyExists { .. }), "{error}");
        }
        let out = Killed { inner: MemStore::new(), writes: all.into() };
        block(merge(&zoos, &out)).unwrap();
        assert_same_files(&out.inner, whole.store());
    }
}

#[test]
fn what_else_lies_in_an_unfinished_zoo_is_not_deleted() {
    let plan = Plan { objects: [0, 4], views: 1, part: None };
    let zoos = [build(manifest(plan, 2), true)];
    let out = Killed { inner: MemStore::new(), writes: 4.into() };
    assert!(block(merge(&zoos, &out)).is_err());
    block(out.inner.write("notes.txt", b"...")).unwrap();
    let error = block(merge(&zoos, out.inner.clone())).unwrap_err();
    assert!(matches!(&error, ZooError::NotEmpty { first, .. } if first == "notes.txt"), "{error}");
    assert!(block(out.inner.exists("notes.txt")).unwrap());
}

/// The hash says what the source is; its name is a label.
#[test]
fn parts_whose_sources_have_other_names_merge() {
    let plan = Plan { objects: [0, 6], views: 1, part: None };
    let of = |index, name: &str, blake3: &str| {
        let source = SourceInfo {
            kind: SourceKind::Idx,
            name: name.into(),
            split: None,
            blake3: blake3.into(),
        };
        build(ZooManifest { source: Some(source), ..manifest(part(plan, index, 3), 2) }, false)
    };
    let zoos = [of(0, "plain", "1"), of(1, "gz", "1"), of(2, "gz", "1")];
    let (merged, report) = block(merge(&zoos, MemStore::new())).unwrap();
    assert_eq!(merged.manifest().source.as_ref().unwrap().name, "plain");
    assert!(report.is_complete());
    assert_eq!(report.other_names, ["gz"]);
    let error =
        block(merge(&[of(0, "plain", "1"), of(1, "gz", "2")], MemStore::new())).unwrap_err();
    says(&error, &["source name: plain in memory, gz in memory"]);
    let error = block(merge(&[of(0, "a", "1"), of(1, "a", "2")], MemStore::new())).unwrap_err();
    says(&error, &["contents of the source"]);
}

#[test]
fn what_computed_the_parts_is_kept() {
    let plan = Plan { objects: [0, 8], views: 1, part: None };
    let device = |name: &str| ComputedOn {
        adapter: name.into(),
        backend: "vulkan".into(),
        driver: "1".into(),
        kernel: "fused".into(),
    };
    let on = |index, name: Option<&str>| {
        let plan = part(plan, index, 4);
        let mut zoo = block(Zoo::create(MemStore::new(), manifest(plan, 3))).unwrap();
        if let Some(name) = name {
            zoo.set_computing_on(device(name));
        }
        block(zoo.append(&shard(&plan, &mlp(), 0, 2))).unwrap();
        zoo
    };
    // Two networks each, in shards of three: a b, b b c, -.
    let zoos = [on(3, None), on(0, Some("A")), on(1, Some("B")), on(2, Some("A"))];
    let (merged, report) = block(merge(&zoos, MemStore::new())).unwrap();
    assert_eq!(report.computed_on, [device("A"), device("B")]);
    let shards = &merged.manifest().shards;
    assert_eq!(
        shards.iter().map(|s| s.computed_on.as_slice()).collect::<Vec<_>>(),
        [&[0, 1][..], &[0, 1], &[]]
    );
}

#[test]
fn zoos_with_and_without_class_names_merge() {
    let plan = Plan { objects: [0, 4], views: 1, part: None };
    let mut named = manifest(part(plan, 1, 2), 2);
    named.class_names = vec!["boot".into()];
    let zoos = [build(manifest(part(plan, 0, 2), 2), false), build(named, false)];
    let (merged, _) = block(merge(&zoos, MemStore::new())).unwrap();
    assert_eq!(merged.manifest().class_names, ["boot"]);
}
