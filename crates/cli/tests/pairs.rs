//! What is done to pairs of networks, as a user does it.

mod common;

use common::{Said, files, ok, run, source};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

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
