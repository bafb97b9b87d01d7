//! `train` and `eval`, as a user runs them.

mod common;

use common::{ok, run};
use std::path::Path;
use tempfile::tempdir;

const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/fashion-mnist");

fn fit(dir: &Path, out: &str, split: &str, dims: &str) {
    let options = ["--limit", "24", "--steps", "30", "--split", split, "--dims", dims];
    ok(dir, &[&["fit", IMAGES, "--out", out][..], &options].concat());
}

const CONFIG: &str =
    "batch = 8\nvalidation_share = 0.25\n[model]\nkind = \"dws\"\nhidden = 8\nhidden_layers = 0\n";

#[test]
fn a_model_is_trained_goes_on_and_is_evaluated() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    fit(dir, "zoo", "train", "2,8,8,1");
    std::fs::write(dir.join("a.toml"), CONFIG).unwrap();
    let begin = ["train", "zoo", "--out", "run", "--config", "a.toml", "--augment", "mixup-signed"];
    let said = ok(dir, &[&begin[..], &["--epochs", "1"]].concat());
    assert!(said.stdout.contains("best epoch: 1") && said.stdout.contains("dispatches a step"));
    assert!(said.stderr.contains("18 networks 2-8-8-1"), "{said:?}");
    let more = [&begin[..], &["--epochs", "2"]].concat();
    let refused = run(dir, &more);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--resume"), "{refused:?}");
    let resumed = ok(dir, &[&more[..], &["--resume", "--json"]].concat());
    let lines = resumed.json();
    let epochs: Vec<_> = lines.iter().filter_map(|l| l.get("epoch")).collect();
    assert_eq!(epochs.len(), 1);
    assert_eq!(epochs[0]["epoch"], 2);
    assert_eq!(lines[0]["started"]["steps_before"], 2);

    let said = ok(dir, &["eval", "run", "zoo", "--out", "seen"]);
    assert!(said.stdout.contains("of 24 networks (95 % interval"), "{said:?}");
    let predictions = std::fs::read_to_string(dir.join("seen/predictions.jsonl")).unwrap();
    assert_eq!(predictions.lines().count(), 24);
    assert!(dir.join("seen/confusion.png").exists());
    // The parameters of the run as a state dict give the same.
    let same = ok(dir, &["eval", "run", "zoo", "--weights", "run/model.safetensors", "--json"]);
    let accuracy = &same.last()["score"]["accuracy"];
    let right = predictions.lines().filter(|l| {
        let p: serde_json::Value = serde_json::from_str(l).unwrap();
        p["label"] == p["predicted"]
    });
    assert_eq!(accuracy.as_f64().unwrap(), right.count() as f64 / 24.0);

    // The models to compare with.
    for model in ["mlp", "transformer"] {
        let line =
            ["train", "zoo", "--model", model, "--epochs", "1", "--batch", "8", "--out", model];
        let said = ok(dir, &line);
        assert!(said.stderr.contains(&format!("training {model} (")), "{said:?}");
        let said = ok(dir, &["eval", model, "zoo", "--json"]);
        assert_eq!(said.last()["score"]["nets"], 24, "{said:?}");
        let other = run(dir, &["eval", model, "zoo", "--weights", "run/model.safetensors"]);
        assert_eq!(other.code, Some(1), "{other:?}");
        assert!(other.stderr.contains("the parameters of this model"), "{other:?}");
    }

    // What does not fit is said, with the right exit code.
    fit(dir, "wide", "test", "2,9,8,1");
    std::fs::write(dir.join("bad.toml"), "[optimizer]\nlearning_rte = 0.1\n").unwrap();
    std::fs::write(dir.join("views.toml"), "views = 9\n").unwrap();
    for (line, code, words) in [
        (vec!["eval", "run", "wide"], 1, "2-9-8-1, but the model reads 2-8-8-1"),
        (vec!["eval", "zoo", "zoo"], 1, "is not a run"),
        (vec!["eval", "run", "zoo", "--split", "test"], 1, "no network is in the split `test`"),
        (
            vec!["train", "zoo", "--out", "x", "--config", "bad.toml"],
            2,
            "did you mean `learning_rate`?",
        ),
        (vec!["train", "zoo", "--out", "x", "--augment", "mixupp"], 2, "did you mean `mixup`?"),
        (vec!["train", "zoo", "--out", "x", "--batch", "0"], 2, "`batch` is 0"),
        (vec!["train", "zoo", "--test", "wide", "--out", "x"], 1, "2-9-8-1"),
        (vec!["train", "zoo", "--test", "zoo", "--out", "x"], 1, "measured on what was learnt"),
        (vec!["train", "nothing", "--out", "x"], 1, "nothing"),
        (vec!["train", "zoo", "--out", "x", "--config", "views.toml"], 2, "of the 9 views"),
        (
            vec![
                "mix",
                "zoo",
                "--partners",
                "same",
                "--views",
                "9",
                "--method",
                "direct",
                "--lambda",
                "0.5",
                "--out",
                "x",
            ],
            2,
            "of the 9 views",
        ),
    ] {
        let said = run(dir, &line);
        assert_eq!(said.code, Some(code), "{line:?}: {said:?}");
        assert!(said.stderr.contains(words), "{line:?}: {said:?}");
    }
    assert!(!dir.join("x/run.json").exists());
}

/// Every cell once, then from what it left; the table has what the zoo has views for.
#[test]
fn views_are_compared_cell_by_cell() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let options = ["--limit", "20", "--steps", "20", "--split", "train", "--dims", "2,8,8,1"];
    ok(dir, &[&["fit", IMAGES, "--out", "views", "--views", "2"][..], &options].concat());
    let line = ["experiment", "views", "--zoo", "views", "--out", "out"];
    let said = ok(dir, &line);
    // Two of twenty objects are held out.
    assert!(said.stdout.contains("| 1 x 18 objects | 18 |"), "{said:?}");
    let cell = std::fs::read(dir.join("out/views-1-seed0/cell.json")).unwrap();
    let cell: serde_json::Value = serde_json::from_slice(&cell).unwrap();
    assert_eq!(cell["internal"]["nets"], 18, "{cell}");
    let page = std::fs::read_to_string(dir.join("out/views.html")).unwrap();
    assert!(page.contains("further views of the same images") && !page.contains("NaN"));
    let again = ok(dir, &line);
    assert!(!again.stderr.contains("epoch 1"), "{again:?}");
    // Trainings of another length are others, of the rows that are named.
    let short = ["--rows", "views-1", "--epochs", "2"];
    let said = ok(dir, &[&line[..], &short].concat());
    assert!(said.stdout.contains(" 2 epochs") && said.stdout.lines().count() > 3, "{said:?}");
    let metrics = std::fs::read_to_string(dir.join("out/views-1-epochs2-seed0/metrics.jsonl"));
    assert_eq!(metrics.unwrap().lines().filter(|line| line.contains("\"epoch\"")).count(), 2);
    let said = run(dir, &[&line[..], &["--rows", "views-1,views-7"]].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("\"views-7\"") && said.stderr.contains("views-1"), "{said:?}");
    // Cells of another zoo are no cells of this one.
    ok(
        dir,
        &[&["fit", IMAGES, "--out", "other", "--views", "2", "--seed", "5"][..], &options].concat(),
    );
    let said = run(dir, &["experiment", "views", "--zoo", "other", "--out", "out"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("begun with another zoo"), "{said:?}");
    let said = run(dir, &["train", "views", "--out", "other"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("holds other files"), "{said:?}");
    fit(dir, "one", "train", "2,8,8,1");
    let said = run(dir, &["experiment", "views", "--zoo", "one", "--out", "x"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("one view of every object"), "{said:?}");
}
