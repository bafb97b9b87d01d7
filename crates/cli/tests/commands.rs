//! The other commands, as a user runs them.

mod common;

use common::{files, ok, source};
use std::path::Path;
use tempfile::tempdir;

fn zoo(dir: &Path) {
    source(dir, 5);
    ok(
        dir,
        &[
            "fit",
            "images",
            "--out",
            "zoo",
            "--dims",
            "2,8,8,1",
            "--steps",
            "20",
            "--views",
            "2",
            "--shard-size",
            "4",
        ],
    );
}

fn golden() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/dws")
}

#[test]
fn devices_names_the_one_in_use() {
    let dir = tempdir().unwrap();
    let lines = ok(dir.path(), &["devices", "--json"]).json();
    let used: Vec<_> = lines.iter().filter(|l| l["used"] == true).collect();
    assert_eq!(used.len(), 1);
    let name = used[0]["adapter"]["name"].as_str().unwrap();
    println!("adapter: {name}");
    assert_eq!(lines.last().unwrap()["granted"]["name"], name);
    assert!(ok(dir.path(), &["devices"]).stdout.contains(name));
    let forced = ok(dir.path(), &["devices", "--json", "--default-limits"]).last();
    assert_eq!(forced["granted"]["max_workgroup_bytes"], 16_384);
}

#[test]
fn export_and_import_keep_every_bit() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let said = ok(dir.path(), &["export", "zoo", "--format", "torch", "--out", "torch", "--json"]);
    assert_eq!(said.last()["exported"]["nets"], 10);
    let names: Vec<String> = files(&dir.path().join("torch")).into_iter().map(|f| f.0).collect();
    assert_eq!(names.iter().filter(|n| n.ends_with(".pth")).count(), 10);
    assert!(names.contains(&"splits.json".to_owned()), "{names:?}");
    let said = ok(dir.path(), &["import", "torch", "--out", "back", "--json"]);
    assert_eq!(said.last()["imported"]["nets"], 10);
    assert_eq!(said.last()["imported"]["unlabelled"], 0);
    assert!(!said.stderr.contains("assumed"), "weightlab.json says it: {said:?}");
    // As others lay out such a folder, without weightlab.json.
    let sidecar = dir.path().join("torch/weightlab.json");
    let recorded = std::fs::read(&sidecar).unwrap();
    std::fs::remove_file(&sidecar).unwrap();
    let said = ok(dir.path(), &["import", "torch", "--out", "guess", "--quiet"]);
    assert!(said.stderr.contains("dwsnets is assumed"), "{said:?}");
    let line = ["import", "torch", "--out", "given", "--convention", "dwsnets"];
    assert!(!ok(dir.path(), &line).stderr.contains("assumed"));
    std::fs::write(&sidecar, recorded).unwrap();

    ok(dir.path(), &["export", "zoo", "--format", "safetensors", "--out", "all.safetensors"]);
    ok(dir.path(), &["import", "all.safetensors", "--out", "again"]);
    ok(dir.path(), &["export", "again", "--format", "torch", "--out", "twice/torch"]);
    ok(dir.path(), &["export", "back", "--format", "torch", "--out", "thrice/torch"]);
    // Names of files carry object and view; what is compared are the parameters.
    let nets = |folder: &str| -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = files(&dir.path().join(folder))
            .into_iter()
            .filter(|f| f.0.ends_with(".pth"))
            .map(|f| f.1)
            .collect();
        all.sort();
        all
    };
    assert_eq!(nets("torch"), nets("twice/torch"));
    assert_eq!(nets("torch"), nets("thrice/torch"));
    let zoo = &ok(dir.path(), &["inspect", "back", "--json"]).last()["zoo"];
    assert_eq!((&zoo["nets"], &zoo["dims"]), (&10.into(), &serde_json::json!([2, 8, 8, 1])));
}

#[test]
fn render_draws_targets_beside_networks() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let size = |name: &str| {
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{name} is no PNG");
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        (number(20), number(16))
    };
    let said = ok(dir.path(), &["render", "zoo", "--out", "grid.png", "--json"]).last();
    let rendered = &said["rendered"];
    assert_eq!((&rendered["nets"], &rendered["with_targets"]), (&10.into(), &true.into()));
    let (height, width) = size("grid.png");
    assert_eq!((&rendered["height"], &rendered["width"]), (&height.into(), &width.into()));
    // At another resolution, fewer, in one column, and of networks that know no images.
    ok(
        dir.path(),
        &[
            "render",
            "zoo",
            "--out",
            "x.png",
            "--resolution",
            "100x60",
            "--limit",
            "3",
            "--columns",
            "1",
        ],
    );
    let (height, width) = size("x.png");
    assert!(height > 3 * 100, "{height}x{width}: three networks one below the other");
    ok(
        dir.path(),
        &[
            "render",
            "zoo",
            "--out",
            "y.png",
            "--resolution",
            "100x60",
            "--limit",
            "3",
            "--columns",
            "3",
        ],
    );
    assert!(size("y.png").0 < height, "{:?}: side by side they need less height", size("y.png"));
    ok(dir.path(), &["export", "zoo", "--format", "torch", "--out", "torch"]);
    ok(dir.path(), &["import", "torch", "--out", "back"]);
    let said = ok(dir.path(), &["render", "back", "--out", "y.png", "--json"]).last();
    assert_eq!(said["rendered"]["with_targets"], false);
}

#[test]
fn check_passes_its_own_cases_and_the_golden_set() {
    let dir = tempdir().unwrap();
    let lines = ok(dir.path(), &["check", "--golden", golden(), "--json"]).json();
    let (last, cases) = lines.split_last().unwrap();
    let count = |status: &str| cases.iter().filter(|c| c["status"] == status).count();
    for status in ["pass", "fail", "unsupported"] {
        assert_eq!(last["summary"][status], count(status), "{status}");
    }
    assert_eq!(last["summary"]["fail"], 0);
    println!("adapter: {}", last["adapter"]);
    for group in
        ["init", "evaluate", "fit", "siren_nets", "siren_fit", "aug", "match", "mixup", "dws"]
    {
        let of_group: Vec<_> = cases.iter().filter(|c| c["group"] == group).collect();
        assert!(!of_group.is_empty(), "no case of {group}");
        for case in of_group {
            assert_eq!(case["status"], "pass", "{case}");
            assert!(case["worst"].as_f64().unwrap() <= 1.0, "{case}");
        }
    }
    for case in ["traj.losses", "traj.grad0", "traj.after10", "fit.0.out", "fit.4.mse"] {
        assert!(cases.iter().any(|c| c["case"] == case), "{case}");
    }
}

#[test]
fn check_fails_on_a_wrong_value() {
    let dir = tempdir().unwrap();
    for (name, bytes) in files(Path::new(golden())) {
        if !name.starts_with("siren_fit") {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
    }
    let file = dir.path().join("siren_nets.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    // The header says where the outputs of the first network lie.
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let at = 8 + length + header["img.0.out"]["data_offsets"][0].as_u64().unwrap() as usize;
    let value = f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    bytes[at..at + 8].copy_from_slice(&(value + 1e-3).to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    // Without the file of the other group that group cannot be judged: an error, not a pass.
    let said = common::run(dir.path(), &["check", "--golden", ".", "--json"]);
    assert_eq!(said.code, Some(1));
    let failed: Vec<_> = said.json().into_iter().filter(|c| c["status"] == "fail").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["case"], "img.0");
    assert!(said.last()["failed"]["what"].as_str().unwrap().contains("siren_fit.safetensors"));
}

#[test]
fn bench_prints_a_line_per_round() {
    let dir = tempdir().unwrap();
    let lines = ok(
        dir.path(),
        &[
            "bench", "fit", "--nets", "2", "--steps", "40", "--rounds", "2", "--dims", "2,8,8,1",
            "--points", "64",
        ],
    )
    .json();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(
            (&line["bench"], &line["n"], &line["steps"]),
            (&"fit".into(), &2.into(), &40.into())
        );
        let (ms, gflops) =
            (line["ms_per_net_step"].as_f64().unwrap(), line["gflops"].as_f64().unwrap());
        // Both follow from the same time: 6 * 64 * (16 + 64 + 8) operations.
        assert!((gflops * ms * 1e6 / (6.0 * 64.0 * 88.0) - 1.0).abs() < 1e-6, "{line}");
        assert!(line["adapter"].is_string() && line["kernel"].is_string());
    }
}

#[test]
fn the_demo_writes_a_page_that_stands_alone() {
    let dir = tempdir().unwrap();
    let said = ok(dir.path(), &["demo", "--nets", "6", "--steps", "15", "--epochs", "1"]);
    for words in ["PSNR, median", "adapter", "signed", "mixup-aligned", "of 180 test networks"] {
        assert!(said.stdout.contains(words), "{words}: {said:?}");
    }
    // Can be pasted, wherever the program lies.
    let next = format!("{} render out/demo/zoo", env!("CARGO_BIN_EXE_weightlab"));
    assert!(said.stdout.contains(&next), "{said:?}");
    let page = std::fs::read_to_string(dir.path().join("out/demo/report.html")).unwrap();
    for word in ["http://", "https://", "<script", "NaN", "undefined"] {
        assert!(!page.contains(word), "{word}");
    }
    // Image and network each, the close-up with its image, two lines of five rows of seven, and what the model was asked about.
    assert_eq!(page.matches("data:image/png;base64,").count(), 2 * 6 + 4 + 2 * 5 * 7 + 6);
    for tag in ["section", "div", "table", "figure", "p", "tr"] {
        let count = |open: String| page.matches(&open).count();
        let opened = count(format!("<{tag}>")) + count(format!("<{tag} "));
        assert_eq!(opened, count(format!("</{tag}>")), "{tag}");
    }
    // Again, over the old one.
    let again = ["demo", "--nets", "3", "--steps", "5", "--epochs", "1", "--json"];
    let lines = ok(dir.path(), &again).json();
    assert_eq!(lines.last().unwrap()["report"]["zoo"], "out/demo/zoo");
    assert!(lines.iter().any(|l| l["finished"]["nets"] == 3));
    ok(dir.path(), &["inspect", "out/demo/zoo"]);
    // The run is an ordinary one.
    let asked = ok(dir.path(), &["eval", "out/demo/run-none", "out/demo/zoo", "--json"]);
    assert_eq!(asked.last()["score"]["nets"], 3);
}

#[test]
fn augment_makes_a_zoo_and_says_what_it_did() {
    let dir = tempdir().unwrap();
    zoo(dir.path());
    let line = ["augment", "zoo", "--op", "siren-negation", "--op", "rotate", "--out", "new"];
    let lines = ok(dir.path(), &[&line[..], &["--json", "--seed", "3"]].concat()).json();
    assert_eq!(lines[0]["started"]["ops"][1]["op"], "rotate:degrees=30");
    assert!(lines.iter().any(|l| l["progress"]["nets_done"] == 10), "{lines:?}");
    let finished = &lines.last().unwrap()["finished"];
    assert_eq!(finished["nets"], 10);
    assert!(finished["ops"][0]["of_range"].as_f64().unwrap() < 1e-5, "{finished}");
    assert!(finished["overall"]["max"].as_f64().unwrap() > 1e-3, "{finished}");
    let inspected = ok(dir.path(), &["inspect", "new", "--json"]).last();
    assert_eq!(inspected["zoo"]["derived"]["operation"], "augment");
    assert_eq!(inspected["zoo"]["derived"]["from"][0]["name"], "zoo");
    assert_eq!(inspected["zoo"]["complete"], true);
    assert!(ok(dir.path(), &["inspect", "new"]).stdout.contains("rotate:degrees=30"));
    // The same again gives the same files.
    let again = ok(dir.path(), &[&line[..6], &["--out", "again", "--seed", "3"]].concat());
    assert!(again.stdout.contains("max |f - f'|"), "{again:?}");
    assert_eq!(files(&dir.path().join("new")), files(&dir.path().join("again")));
}
