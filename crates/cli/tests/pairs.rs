//! What is done to pairs of networks, as a user does it.

mod common;

use common::{Said, files, ok, run, source};
use std::fs;
use std::path::Path;
use tempfile::tempdir;
use weightlab_data::{DirStore, Zoo, ZooManifest};

/// `zoo`: 10 networks, two of each of five images.
fn zoo(dir: &Path) {
    source(dir, 5);
    let line = ["fit", "images", "--out", "zoo", "--dims", "2,8,8,1", "--steps", "20"];
    ok(dir, &[&line[..], &["--views", "2", "--shard-size", "4"]].concat());
}

/// Exit code and words on stderr, and nothing new in the folder.
fn refused(dir: &Path, line: &[&str], code: i32, words: &[&str]) -> Said {
    let before = files(dir);
    let said = run(dir, line);
    assert_eq!(said.code, Some(code), "{line:?}: {said:?}");
    for word in words {
        assert!(said.stderr.contains(word), "stderr lacks {word:?}: {said:?}");
    }
    assert!(!said.stderr.contains("panicked"), "{said:?}");
    assert!(before == files(dir), "{line:?} left something behind");
    said
}

#[test]
fn path_draws_a_picture_or_writes_a_table() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let said = ok(dir.path(), &["path", "zoo", "--pair", "0,3", "--out", "line.png"]);
    for word in ["direct", "random", "aligned", "signed", "line.png", "11 steps"] {
        assert!(said.stdout.contains(word), "{said:?}");
    }
    let png = fs::read(dir.path().join("line.png")).unwrap();
    let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert!(png.starts_with(b"\x89PNG") && size(16) > 1000 && size(20) > 600);

    let line = ["path", "zoo", "--pair", "0,3", "--steps", "3", "--out", "line.csv", "--json"];
    let said = ok(dir.path(), &line).last();
    let csv = fs::read_to_string(dir.path().join("line.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 5 * 3);
    assert_eq!(said["path"]["against_images"], true);
    let strips = said["path"]["strips"].as_array().unwrap();
    for (s, strip) in strips.iter().enumerate() {
        for (k, point) in strip["points"].as_array().unwrap().iter().enumerate() {
            let row: Vec<&str> = csv.lines().nth(1 + 3 * s + k).unwrap().split(',').collect();
            assert_eq!(row[0], strip["method"]);
            assert_eq!(row[2].parse::<f64>().unwrap(), point["mse_blend"].as_f64().unwrap());
        }
    }
    // Whatever happens to the second network, both ends draw what they drew.
    let end = |s: usize, k: usize| strips[s]["points"][k]["mse_blend"].as_f64().unwrap();
    for s in 2..5 {
        for k in [0, 2] {
            assert!((end(s, k) - end(1, k)).abs() < 1e-4 * end(1, k), "strip {s}, point {k}");
        }
    }
    let line = ["path", "zoo", "--pair", "0 3", "--method", "signed", "--out", "one.csv"];
    ok(dir.path(), &line);
    let csv = fs::read_to_string(dir.path().join("one.csv")).unwrap();
    assert_eq!(csv.lines().filter(|l| l.starts_with("signed,")).count(), 11);
    assert_eq!(csv.lines().count(), 1 + 2 * 11);
}

#[test]
fn impossible_paths() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let refused = |more: &[&str], words: &[&str]| {
        refused(dir.path(), &[&["path", "zoo"], more].concat(), 2, words)
    };
    refused(&["--pair", "0,10", "--out", "x.png"], &["no network 10", "holds 10"]);
    refused(&["--pair", "0", "--out", "x.png"], &["--pair", "3,17"]);
    refused(&["--pair", "-1,2", "--out", "x.png"], &["--pair", "3,17"]);
    refused(&["--pair", "0,1", "--out", "x.gif"], &["x.gif", ".png", ".csv"]);
    refused(&["--pair", "0,1", "--steps", "1", "--out", "x.png"], &["--steps 1", "101"]);
    refused(&["--pair", "0,1", "--method", "best", "--out", "x.png"], &["best", "signed"]);
}

#[test]
fn midpoints_of_many_pairs() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let line =
        ["experiment", "midpoints", "zoo", "--same", "image", "--pairs", "5", "--out", "mid"];
    let said = ok(dir.path(), &line);
    for word in ["direct", "random", "aligned", "signed", "95 %", "5 pairs of the same image"] {
        assert!(said.stdout.contains(word), "{said:?}");
    }
    let csv = fs::read_to_string(dir.path().join("mid/midpoints.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 5 * 4);
    let said = ok(dir.path(), &[&line[..7], &["--json"]].concat());
    let rows = said.last()["finished"]["rows"].as_array().unwrap().clone();
    let mean = |column: &str| rows[3][column]["mean"].as_f64().unwrap();
    let signed = csv.lines().filter_map(|l| {
        let row: Vec<&str> = l.split(',').collect();
        (row[2] == "signed").then(|| row[3].parse::<f64>().unwrap())
    });
    assert!((signed.sum::<f64>() / 5.0 - mean("mse_blend")).abs() < 1e-12);
    // Every image is of a class of its own.
    let line = ["experiment", "midpoints", "zoo", "--pairs", "5"];
    refused(dir.path(), &line, 2, &["too few pairs of the same class", "--pairs"]);
}

#[test]
fn the_figure_of_augmentations() {
    let dir = tempdir().unwrap();
    let line = ["experiment", "augmentations", "--out", "figure", "--nets", "2", "--steps", "5"];
    let said = ok(dir.path(), &line);
    for word in ["siren-negation", "rotate:degrees=30", "mix", "augmentations.html"] {
        assert!(said.stdout.contains(word), "{said:?}");
    }
    let written = files(&dir.path().join("figure"));
    let names: Vec<&str> = written.iter().map(|f| f.0.as_str()).collect();
    assert_eq!(names, ["augmentations.html", "augmentations.png"]);
    assert!(written[1].1.starts_with(b"\x89PNG"));
    // Of a zoo, and the same figure from the same seed.
    zoo(dir.path());
    for out in ["a", "b"] {
        let line = ["experiment", "augmentations", "--zoo", "zoo", "--out", out, "--json"];
        let rows = ok(dir.path(), &line).last()["augmentations"]["rows"].clone();
        let bias = rows.as_array().unwrap().iter().find(|r| r["name"] == "siren-bias").unwrap();
        assert!(bias["change"]["of_range"].as_f64().unwrap() < 1e-5, "{bias}");
    }
    assert!(files(&dir.path().join("a")) == files(&dir.path().join("b")));
    let line = ["experiment", "augmentations", "--zoo", "none", "--out", "c"];
    refused(dir.path(), &line, 1, &["none", "no such folder"]);
    let line = ["experiment", "augmentations", "--nets", "99", "--out", "c"];
    refused(dir.path(), &line, 2, &["99", "16"]);
}

#[test]
fn bench_align_prints_a_line_per_round() {
    let dir = tempdir().unwrap();
    let line = ["bench", "align", "--dims", "2,8,8,1", "--pairs", "4", "--rounds", "2"];
    for more in [&["--native"][..], &["--method", "signed"]] {
        let said = ok(dir.path(), &[&line[..], more].concat());
        let rounds = said.json();
        assert_eq!(rounds.len(), 2);
        for round in rounds {
            let number = |key: &str| round[key].as_f64().unwrap_or(f64::NAN);
            assert_eq!((&round["bench"], number("n")), (&"align".into(), 4.0));
            assert!(number("pairs_per_s") > 0.0 && number("mix_ms") > 0.0, "{round}");
            assert!(number("squared_distance_after") < number("squared_distance_before"));
            assert_eq!(number("native_pairs_per_s") > 0.0, more == ["--native"], "{round}");
        }
    }
    let refused = |more: &[&str], words: &[&str]| {
        refused(dir.path(), &[&["bench", "align"], more].concat(), 2, words)
    };
    refused(&["--pairs", "0"], &["--pairs 0", "at least 1"]);
    refused(&["--rounds", "0"], &["--rounds 0", "at least 1"]);
    refused(&["--dims", "2,200,1"], &["2-200-1", "128"]);
}

/// The values of a tensor of eight-byte numbers in a safetensors file.
fn tensor(file: &Path, name: &str) -> (Vec<usize>, Vec<i64>) {
    let bytes = fs::read(file).unwrap();
    let (head, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(head.try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&rest[..length]).unwrap();
    let tensor = &header[name];
    let whole = |v: &serde_json::Value| -> Vec<usize> {
        v.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
    };
    let offsets = whole(&tensor["data_offsets"]);
    let data = &rest[length..][offsets[0]..offsets[1]];
    let values = data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()));
    (whole(&tensor["shape"]), values.collect())
}

#[test]
fn align_brings_networks_nearer_and_keeps_what_they_draw() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    fs::write(dir.path().join("pairs.csv"), "# first, second\n0,1\n4, 7\n2 9\n").unwrap();
    for (method, out) in [("weight-matching", "plain"), ("signed", "signed")] {
        let line = ["align", "zoo", "--pairs", "pairs.csv", "--method", method, "--out", out];
        let said = ok(dir.path(), &[&line[..], &["--json"]].concat());
        let finished = said.last()["finished"].clone();
        let mean = |key: &str| finished[key]["mean"].as_f64().unwrap();
        assert_eq!(
            (finished["pairs"].as_u64(), finished["converged"].as_u64()),
            (Some(3), Some(3))
        );
        assert!(mean("squared_distance_after") < mean("squared_distance_before"), "{finished}");
        assert!(finished["objective_after"]["mean"].is_number(), "{finished}");
        // Moves of neurons leave the drawing alone, so its error too: f32 rounding only.
        let [before, after] =
            ["psnr_before", "psnr"].map(|k| finished[k]["mean"].as_f64().unwrap());
        assert!((before - after).abs() < 1e-3, "{before} {after}");
        let file = dir.path().join(out).join("alignment.safetensors");
        assert_eq!(tensor(&file, "pair"), (vec![3, 2], vec![0, 1, 4, 7, 2, 9]));
        for layer in ["source.0", "source.1"] {
            let (shape, sources) = tensor(&file, layer);
            assert_eq!(shape, [3, 8]);
            for pair in sources.chunks_exact(8) {
                let mut sorted = pair.to_vec();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..8).collect::<Vec<_>>(), "{layer}");
            }
        }
        let inspected = ok(dir.path(), &["inspect", out, "--json"]).last();
        assert_eq!(inspected["zoo"]["derived"]["operation"], "align");
        let text =
            ok(dir.path(), &["align", "zoo", "--reference", "3", "--out", &format!("{out}3")]);
        for word in ["objective before", "objective after", "sweeps", "10 networks"] {
            assert!(text.stdout.contains(word), "{text:?}");
        }
    }
    // A network aligned to itself is itself, and the same seed gives the same zoo.
    fs::write(dir.path().join("same.csv"), "5,5\n").unwrap();
    for out in ["a", "b"] {
        let line = ["align", "zoo", "--pairs", "same.csv", "--seed", "7", "--out", out, "--json"];
        let finished = ok(dir.path(), &line).last()["finished"].clone();
        assert_eq!(finished["squared_distance_after"]["max"], 0.0, "{finished}");
    }
    assert!(files(&dir.path().join("a")) == files(&dir.path().join("b")));
}

#[test]
fn mix_ends_at_both_networks_and_mixes_labels() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    fs::write(dir.path().join("pairs.csv"), "0,3\n9,0\n").unwrap();
    let mix = |lambda: &str, method: &str, out: &str| {
        let line = ["mix", "zoo", "--pairs", "pairs.csv", "--method", method, "--lambda", lambda];
        ok(dir.path(), &[&line[..], &["--out", out, "--json"]].concat()).last()["finished"].clone()
    };
    for method in ["direct", "random", "aligned", "signed"] {
        for lambda in ["1", "0", "0.25", "uniform", "beta:0.2"] {
            let finished = mix(lambda, method, &format!("{method} {lambda}"));
            assert_eq!(
                (finished["pairs"].as_u64(), finished["classes"].as_u64()),
                (Some(2), Some(5))
            );
        }
    }
    // Without a move the ends are the networks themselves: as errors along the line between them.
    let mse = |pair: &str, out: &str| {
        let line = ["path", out, "--pair", pair, "--steps", "2", "--method", "direct", "--json"];
        let said = ok(dir.path(), &[&line[..], &["--out", "line.csv"]].concat()).last();
        said["path"]["strips"][1]["squared_distance"].as_f64().unwrap()
    };
    let apart = mse("0,3", "zoo");
    assert!(apart > 0.0);
    // (3 - 0) and (0 - 9): the distance between both mixtures is that of the second networks.
    assert!((mse("0,1", "direct 0") - apart).abs() < 1e-6 * apart);
    assert!((mse("0,1", "direct 1") - mse("0,9", "zoo")).abs() < 1e-6 * apart);
    // The aligned partner still draws what it drew, so it is as good a fit.
    let said = ok(dir.path(), &["inspect", "aligned 0.25", "--json"]).last();
    assert_eq!(said["zoo"]["derived"]["operation"], "mix");
}

#[test]
fn partners_are_drawn_from_the_pool() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let pairs = |more: &[&str], out: &str| -> Vec<[i64; 2]> {
        let line = ["mix", "zoo", "--method", "direct", "--lambda", "uniform", "--out", out];
        ok(dir.path(), &[&line[..], more].concat());
        let file = dir.path().join(out).join("mixtures.safetensors");
        tensor(&file, "pair").1.chunks_exact(2).map(|p| [p[0], p[1]]).collect()
    };
    // Networks 2k and 2k + 1 are the views 0 and 1 of image k.
    let own = pairs(&["--partners", "same", "--views", "1", "--seed", "1"], "own");
    assert_eq!(own.iter().map(|p| p[0]).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
    assert!(own.iter().all(|p| p[1] % 2 == 0), "{own:?}");
    let leaking: Vec<_> = (0..4)
        .flat_map(|seed| {
            let seed = seed.to_string();
            let all = pairs(
                &["--partners", "all", "--views", "1", "--seed", &seed],
                &format!("all {seed}"),
            );
            assert_eq!(all.iter().map(|p| p[0]).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
            all
        })
        .collect();
    // Twenty partners, all of view 0 with probability 2^-20; and this seed is fixed.
    assert!(leaking.iter().any(|p| p[1] % 2 == 1), "{leaking:?}");
    let whole = pairs(&["--partners", "same"], "whole");
    assert_eq!(whole.iter().map(|p| p[0]).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    let line = ["mix", "zoo", "--method", "direct", "--lambda", "uniform", "--out", "x"];
    let refused =
        |more: &[&str], words: &[&str]| refused(dir.path(), &[&line[..], more].concat(), 2, words);
    refused(&[], &["--pairs", "--partners"]);
    refused(&["--partners", "some"], &["some", "same", "all"]);
    refused(&["--partners", "all", "--views", "0"], &["--views", "0"]);
    refused(&["--partners", "all", "--pairs", "p.csv"], &["--partners", "--pairs"]);
}

#[test]
fn pairs_that_cannot_be_used() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let put = |text: &str| fs::write(dir.path().join("p.csv"), text).unwrap();
    let align = ["align", "zoo", "--pairs", "p.csv", "--out", "x"];
    let mix =
        ["mix", "zoo", "--pairs", "p.csv", "--method", "direct", "--lambda", "0.5", "--out", "x"];
    for (text, words) in [
        ("0,1\n2,10\n", &["p.csv, line 2", "no network 10", "below 10"][..]),
        ("0;one\n", &["p.csv, line 1", "`0;one`", "0,1"]),
        ("-1,2\n", &["line 1", "`-1,2`"]),
        ("# nothing\n", &["p.csv", "no pair"]),
    ] {
        put(text);
        for line in [&align[..], &mix] {
            // The file is at fault, not the command line.
            refused(dir.path(), line, 1, words);
        }
    }
    put("0,1\n");
    let told = |line: &[&str], words: &[&str]| refused(dir.path(), line, 2, words);
    told(&["align", "zoo", "--pairs", "none.csv", "--out", "x"], &["none.csv", "text file"]);
    told(&["align", "zoo", "--reference", "10", "--out", "x"], &["no network 10", "holds 10"]);
    told(&["align", "zoo", "--out", "x"], &["--pairs", "--reference"]);
    let line = ["align", "zoo", "--reference", "0", "--out", "x", "--method"];
    told(&[&line[..], &["signd"]].concat(), &["signd", "signed"]);
    for (lambda, words) in [
        ("1.5", &["lambda = 1.5", "0 to 1"][..]),
        ("-0.1", &["lambda = -0.1", "0 to 1"]),
        ("nan", &["lambda = NaN"]),
        ("inf", &["lambda = inf"]),
        ("half", &["half", "uniform", "beta:"]),
        ("beta:0", &["beta:a = 0", "0.01"]),
    ] {
        let mut line = mix;
        line[7] = lambda;
        told(&line, words);
    }
    let mut line = mix;
    line[5] = "blend";
    told(&line, &["blend", "aligned"]);
    // A folder that is taken, and none at all.
    told(&["align", "zoo", "--reference", "0", "--out", "zoo"], &["zoo", "already holds a zoo"]);
    let none = ["align", "none", "--reference", "0", "--out", "x"];
    refused(dir.path(), &none, 1, &["none", "no such folder"]);
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let file = |name: &str| dir.path().join(name);
    // The bias of the second layer of network 3 holds what no fit and no import would store.
    for (value, out) in [(f32::NAN, "nan"), (f32::NEG_INFINITY, "inf")] {
        pollster::block_on(async {
            let zoo = Zoo::open(DirStore::new(file("zoo"))).await.unwrap();
            let mut all = zoo.load_all().await.unwrap();
            let (mlp, nets) = (zoo.manifest().mlp.clone(), all.len() as u32);
            all.params[3 * mlp.param_count() + mlp.layers()[1].bias + 5] = value;
            let manifest = ZooManifest { nets_per_shard: nets, ..ZooManifest::new(mlp, 0) };
            let mut bad = Zoo::create(DirStore::new(file(out)), manifest).await.unwrap();
            bad.append(&all).await.unwrap();
        });
        fs::write(file("p.csv"), "0,1\n2,3\n").unwrap();
        let words = ["network 3", "layer 1", "entry 5 of the bias", "NaN or infinite"];
        for line in [
            &["align", out, "--pairs", "p.csv", "--out", "x"][..],
            &["align", out, "--reference", "0", "--method", "signed", "--out", "x"],
            &[
                "mix", out, "--pairs", "p.csv", "--method", "aligned", "--lambda", "0.5", "--out",
                "x",
            ],
            &["path", out, "--pair", "3,4", "--out", "x.png"],
            &["augment", out, "--op", "permutation", "--out", "x"],
        ] {
            let said = run(dir.path(), line);
            assert_eq!(said.code, Some(1), "{line:?}: {said:?}");
            for word in words {
                assert!(said.stderr.contains(word), "{line:?} lacks {word:?}: {said:?}");
            }
            assert!(!file("x.png").exists());
            // What was begun is known as unfinished.
            if file("x").exists() {
                let said = run(dir.path(), &["inspect", "x"]);
                assert!((said.stdout + &said.stderr).contains("unfinished"), "{line:?}");
                fs::remove_dir_all(file("x")).unwrap();
            }
        }
    }
}

#[test]
fn other_architectures_and_conventions_do_not_mix() {
    let dir = tempdir().unwrap();
    source(dir.path(), 4);
    let fit = |out: &str, more: &[&str]| {
        let line = ["fit", "images", "--out", out, "--steps", "2"];
        ok(dir.path(), &[&line[..], more].concat());
    };
    fit("a", &["--dims", "2,8,1", "--limit", "2"]);
    fit("wide", &["--dims", "2,9,1", "--offset", "2", "--limit", "2"]);
    fit("other", &["--dims", "2,8,1", "--offset", "2", "--limit", "2", "--convention", "sitzmann"]);
    // Pairs are within one zoo, and what does not belong together does not become one.
    for (zoo, words) in [("wide", ["2-8-1", "2-9-1"]), ("other", ["dwsnets", "sitzmann"])] {
        let said = run(dir.path(), &["merge", "a", zoo, "--out", "x"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(words.iter().all(|w| said.stderr.contains(w)), "{said:?}");
        assert!(!dir.path().join("x").exists());
    }
}

#[test]
fn what_lies_beside_networks_is_not_lost_in_a_merge() {
    let dir = tempdir().unwrap();
    source(dir.path(), 4);
    for part in ["0", "1"] {
        let shard = format!("{part}/2");
        let line =
            ["fit", "images", "--dims", "2,8,1", "--steps", "2", "--shard", &shard, "--out", part];
        ok(dir.path(), &line);
    }
    ok(dir.path(), &["align", "0", "--reference", "0", "--out", "aligned"]);
    fs::write(dir.path().join("p.csv"), "0,1\n").unwrap();
    let line = ["mix", "0", "--pairs", "p.csv", "--method", "direct", "--lambda", "0.5"];
    ok(dir.path(), &[&line[..], &["--out", "mixed"]].concat());
    for (zoo, file) in [("aligned", "alignment.safetensors"), ("mixed", "mixtures.safetensors")] {
        for line in [&["merge", zoo, "--out", "x"][..], &["merge", "1", zoo, "--out", "x"]] {
            refused(dir.path(), line, 1, &[zoo]);
        }
        let words = [file, "merge first", zoo];
        refused(dir.path(), &["merge", zoo, "--out", "x"], 1, &words);
    }
    // As the message says.
    ok(dir.path(), &["merge", "0", "1", "--out", "both"]);
    ok(dir.path(), &["align", "both", "--reference", "0", "--out", "both aligned"]);
}
