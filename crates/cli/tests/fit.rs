//! Fitting from the command line: the same results however the work is cut or interrupted.

mod common;

use common::{Said, files, ok, run, source, weightlab};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::tempdir;

const JOB: [&str; 14] = [
    "fit",
    "images",
    "--dims",
    "2,8,8,1",
    "--steps",
    "60",
    "--views",
    "2",
    "--seed",
    "3",
    "--shard-size",
    "4",
    "--until-psnr",
    "30",
];

fn fit(dir: &Path, more: &[&str]) -> Said {
    ok(dir, &[&JOB[..], more].concat())
}

#[test]
fn every_line_is_json_and_the_last_one_sums_up() {
    let dir = tempdir().unwrap();
    source(dir.path(), 8);
    let said = fit(dir.path(), &["--out", "zoo", "--json"]);
    let lines = said.json();
    assert!(lines[0]["started"]["bytes"].as_u64().unwrap() > 0, "{:?}", lines[0]);
    assert_eq!(lines[0]["started"]["nets"], 16);
    assert!(lines.iter().any(|l| l["progress"]["nets"] == 16));
    let shards: Vec<&Value> = lines.iter().filter(|l| l["checkpoint"].is_object()).collect();
    assert_eq!(shards.len(), 4);
    let finished = &lines.last().unwrap()["finished"];
    assert_eq!(finished["nets"], 16);
    assert!(finished["seconds"].as_f64().unwrap() > 0.0);
    assert!(finished["psnr_median"].as_f64().unwrap() > 5.0);
    assert_eq!(finished["diverged"].as_array().unwrap().len(), 0);
    assert!(said.stderr.contains("8 images of 8x8, grey") && said.stderr.contains("IDX"));

    let zoo = &ok(dir.path(), &["inspect", "zoo", "--json"]).last()["zoo"];
    assert_eq!((&zoo["nets"], &zoo["complete"]), (&Value::from(16), &Value::from(true)));
    assert_eq!(zoo["psnr"]["median"], finished["psnr_median"]);
    assert_eq!(zoo["convention"], "dwsnets");
    assert_eq!(zoo["fit"]["max_steps"], 60);
}

#[test]
fn quiet_says_nothing_but_the_result() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    let mut command = weightlab(dir.path(), &[&JOB[..], &["--out", "zoo", "--quiet"]].concat());
    // As in a container or on a cluster, where Vulkan's layers complain about it.
    command.env_remove("XDG_RUNTIME_DIR").env_remove("WAYLAND_DISPLAY");
    let said: Said = command.output().unwrap().into();
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    assert!(said.stdout.contains("4 networks"), "{said:?}");
}

/// Such as `weightlab fit .. 2>&1 | head -1`, or a log on a disk that is full.
#[cfg(target_os = "linux")]
#[test]
fn nobody_has_to_listen() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    let mut command = weightlab(dir.path(), &[&JOB[..], &["--out", "zoo"]].concat());
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let said: Said = command.stderr(full).output().unwrap().into();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(nets(dir.path(), "zoo"), 4);
}

#[test]
fn sharded_and_merged_equals_whole() {
    let dir = tempdir().unwrap();
    source(dir.path(), 8);
    fit(dir.path(), &["--out", "whole"]);
    for i in 0..3 {
        fit(dir.path(), &["--out", &format!("part-{i}"), "--shard", &format!("{i}/3")]);
    }
    // In any order.
    let said =
        ok(dir.path(), &["merge", "part-2", "part-0", "part-1", "--out", "merged", "--json"]);
    assert_eq!(said.last()["merged"]["complete"], true);
    assert_eq!(files(&dir.path().join("merged")), files(&dir.path().join("whole")));

    // What is missing is named, and what is there twice is refused.
    let said =
        run(dir.path(), &["merge", "part-0", "part-2", "--out", "holes", "--json", "--quiet"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.last()["merged"]["complete"], false);
    // Eight objects in three parts: 0 to 1, 2 to 4, 5 to 7.
    for word in ["error", "holes", "incomplete", "2 to 4"] {
        assert!(said.stderr.contains(word), "{said:?}");
    }
    assert_eq!(ok(dir.path(), &["inspect", "holes", "--json"]).last()["zoo"]["nets"], 10);
    let said = run(dir.path(), &["merge", "part-0", "part-0", "--out", "twice", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn a_fit_in_which_every_network_diverges_fails_and_keeps_the_zoo() {
    let dir = tempdir().unwrap();
    source(dir.path(), 8);
    let said = run(dir.path(), &[&JOB[..], &["--out", "zoo", "--lr", "1e38", "--json"]].concat());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("every network diverged (16 of 16)"), "{said:?}");
    assert!(said.stderr.contains("--lr"), "{said:?}");
    assert_eq!(said.stderr.matches("diverged after").count(), 10, "{said:?}");
    assert!(said.stderr.contains("6 networks more diverged"), "{said:?}");
    // JSON has them all.
    assert_eq!(said.json().iter().filter(|l| l["warning"].is_object()).count(), 16);
    assert!(said.last()["failed"]["what"].as_str().unwrap().contains("diverged"));
    assert_eq!(ok(dir.path(), &["inspect", "zoo", "--json"]).last()["zoo"]["nets"], 16);
}

#[test]
fn offset_and_limit_cut_the_same_networks() {
    let dir = tempdir().unwrap();
    source(dir.path(), 6);
    fit(dir.path(), &["--out", "a", "--limit", "2"]);
    fit(dir.path(), &["--out", "b", "--offset", "2"]);
    fit(dir.path(), &["--out", "whole"]);
    ok(dir.path(), &["merge", "a", "b", "--out", "merged"]);
    assert_eq!(files(&dir.path().join("merged")), files(&dir.path().join("whole")));
}

/// The options of a job that takes long enough to be stopped in the middle.
const LONG: [&str; 12] = [
    "fit",
    "images",
    "--dims",
    "2,16,16,1",
    "--steps",
    "400",
    "--until-psnr",
    "none",
    "--shard-size",
    "2",
    "--json",
    "--out",
];

fn start(dir: &Path, out: &str) -> Child {
    let mut command = weightlab(dir, &[&LONG[..], &[out]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads lines until one holds `word`, with the reader for what follows.
fn wait_for(child: &mut Child, word: &str) -> BufReader<std::process::ChildStdout> {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "ended before {word}");
    }
    lines
}

fn nets(dir: &Path, zoo: &str) -> u64 {
    ok(dir, &["inspect", zoo, "--json"]).last()["zoo"]["nets"].as_u64().unwrap()
}

#[test]
fn killed_at_any_moment_and_resumed_equals_uninterrupted() {
    let dir = tempdir().unwrap();
    source(dir.path(), 8);
    ok(dir.path(), &[&LONG[..], &["whole"]].concat());
    // At once after the start, in the middle of a shard, and right after a shard.
    for (i, (word, wait)) in
        [("started", 0), ("progress", 20), ("checkpoint", 30)].into_iter().enumerate()
    {
        let zoo = format!("killed-{i}");
        let mut child = start(dir.path(), &zoo);
        let lines = wait_for(&mut child, word);
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(lines);
        let stored = nets(dir.path(), &zoo);
        assert!(stored < 8 || word == "checkpoint", "{word}: nothing was left to resume");
        if word == "checkpoint" {
            assert!(stored >= 2, "an announced shard was lost");
        }
        let said = ok(dir.path(), &[&LONG[..], &[&zoo, "--resume"]].concat());
        assert_eq!(said.last()["finished"]["nets_fitted"], 8 - stored);
        assert_eq!(
            files(&dir.path().join(&zoo)),
            files(&dir.path().join("whole")),
            "{word} {wait}"
        );
    }
    // And a zoo that is whole is resumed to itself.
    let said = ok(dir.path(), &[&LONG[..], &["whole", "--resume"]].concat());
    assert_eq!(said.last()["finished"]["nets_fitted"], 0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_within_a_second_and_can_be_resumed() {
    let dir = tempdir().unwrap();
    source(dir.path(), 8);
    let mut child = start(dir.path(), "zoo");
    let lines = wait_for(&mut child, "checkpoint");
    let begun = Instant::now();
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<String> = lines.lines().map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "took {:?}", begun.elapsed());
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("--resume"), "{stderr}");
    let last: Value = serde_json::from_str(rest.last().unwrap()).unwrap();
    assert_eq!(last["interrupted"]["nets"], 8, "{last}");
    let stored = nets(dir.path(), "zoo");
    assert_eq!(last["interrupted"]["nets_done"], stored);
    assert!((2..8).contains(&stored), "{stored}");

    ok(dir.path(), &[&LONG[..], &["zoo", "--resume"]].concat());
    ok(dir.path(), &[&LONG[..], &["whole"]].concat());
    assert_eq!(files(&dir.path().join("zoo")), files(&dir.path().join("whole")));
}

/// While nothing has been read yet, and while a shader is being compiled, which takes llvmpipe long
/// without Mesa's cache.
#[cfg(unix)]
#[test]
fn ctrl_c_at_any_moment_says_how_to_go_on() {
    let dir = tempdir().unwrap();
    source(dir.path(), 8);
    for (i, word) in ["", "started"].into_iter().enumerate() {
        let mut command = weightlab(dir.path(), &[&LONG[..], &[&format!("zoo-{i}")]].concat());
        command.env("MESA_SHADER_CACHE_DISABLE", "true");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = match word {
            "" => {
                // Until the handler is there, Ctrl-C ends any program without words.
                std::thread::sleep(Duration::from_millis(60));
                BufReader::new(child.stdout.take().unwrap())
            }
            word => wait_for(&mut child, word),
        };
        let begun = Instant::now();
        let pid = child.id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success()
        );
        let rest: Vec<String> = lines.lines().map(Result::unwrap).collect();
        let output = child.wait_with_output().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{word}: took {:?}", begun.elapsed());
        assert_eq!(output.status.code(), Some(130), "{word}: {output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.matches("interrupted").count(), 1, "{word}: {stderr}");
        assert!(stderr.contains("--resume"), "{word}: {stderr}");
        let last: Value = serde_json::from_str(rest.last().unwrap()).unwrap();
        let resume = last["interrupted"]["resume"].as_str().unwrap();
        assert!(resume.contains("weightlab fit images") && resume.ends_with("--resume"), "{last}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_promises_no_resumption_where_there_is_none() {
    let dir = tempdir().unwrap();
    let line = ["demo", "--json"];
    let mut command = weightlab(dir.path(), &line);
    command.env("MESA_SHADER_CACHE_DISABLE", "true");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = wait_for(&mut child, "started");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<String> = lines.lines().map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("interrupted") && !stderr.contains("--resume"), "{stderr}");
    let last: Value = serde_json::from_str(rest.last().unwrap()).unwrap();
    assert!(last["interrupted"].is_object() && last["interrupted"]["resume"].is_null(), "{last}");
}

#[test]
fn two_processes_do_not_write_one_zoo() {
    let dir = tempdir().unwrap();
    source(dir.path(), 8);
    let mut first = start(dir.path(), "zoo");
    let lines = wait_for(&mut first, "started");
    let said = run(dir.path(), &[&LONG[..], &["zoo", "--resume"]].concat());
    assert_eq!(said.code, Some(1), "{said:?}");
    for word in ["zoo: another process", "wait", "--out"] {
        assert!(said.stderr.contains(word), "{said:?}");
    }
    assert!(said.last()["failed"]["hint"].as_str().unwrap().contains("wait"), "{said:?}");
    // Reading it is allowed meanwhile, and the first goes on as if nothing were.
    ok(dir.path(), &["inspect", "zoo", "--json"]);
    let rest: Vec<String> = lines.lines().map(Result::unwrap).collect();
    assert!(first.wait().unwrap().success(), "{rest:?}");
    assert_eq!(nets(dir.path(), "zoo"), 8);
    assert!(!dir.path().join("zoo/zoo.lock").exists());
}

/// The zoo says that it was computed by another GPU, as it would if it came from another machine.
fn from_elsewhere(zoo: &Path) {
    let file = zoo.join("zoo.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    manifest["computed_on"][0]["adapter"] = "Another GPU".into();
    std::fs::write(file, manifest.to_string()).unwrap();
}

#[test]
fn networks_of_two_devices_are_told_apart() {
    let dir = tempdir().unwrap();
    source(dir.path(), 4);
    let job = ["fit", "images", "--steps", "3", "--dims", "2,4,1", "--shard-size", "2"];
    let fit = |more: &[&str]| run(dir.path(), &[&job[..], more].concat());
    assert_eq!(fit(&["--out", "a", "--shard", "0/2"]).code, Some(0));
    assert_eq!(fit(&["--out", "b", "--shard", "1/2"]).code, Some(0));
    from_elsewhere(&dir.path().join("b"));
    let said = ok(dir.path(), &["merge", "a", "b", "--out", "merged", "--json"]);
    assert_eq!(said.last()["merged"]["computed_on"].as_array().unwrap().len(), 2, "{said:?}");
    assert!(said.stderr.contains("bit for bit"), "{said:?}");
    let zoo = &ok(dir.path(), &["inspect", "merged", "--json"]).last()["zoo"];
    let devices = zoo["computed_on"].as_array().unwrap();
    assert_eq!((&devices[0]["nets"], &devices[1]["nets"]), (&2.into(), &2.into()), "{zoo}");
    assert_ne!(devices[0]["device"]["adapter"], devices[1]["device"]["adapter"], "{zoo}");
    assert_eq!(devices[0]["device"]["kernel"], devices[1]["device"]["kernel"], "{zoo}");
    let text = ok(dir.path(), &["inspect", "merged"]).stdout;
    assert_eq!(text.matches("computed on").count(), 2, "{text}");
    assert!(text.contains("not the same, bit for bit"), "{text}");

    // One way of computing is worth no remark.
    let said = run(dir.path(), &["merge", "a", "--out", "one"]);
    assert!(!said.stderr.contains("bit for bit"), "{said:?}");

    // The second shard of a fit that a full disk ended is made in another way.
    #[cfg(target_os = "linux")]
    {
        std::fs::create_dir(dir.path().join("c")).unwrap();
        let partial = dir.path().join("c/nets-00001.safetensors.partial");
        std::os::unix::fs::symlink("/dev/full", partial).unwrap();
        assert_eq!(fit(&["--out", "c"]).code, Some(1));
        from_elsewhere(&dir.path().join("c"));
        let said = fit(&["--out", "c", "--resume"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stderr.contains("warning: this zoo was begun on"), "{said:?}");
        let zoo = &ok(dir.path(), &["inspect", "c", "--json"]).last()["zoo"];
        assert_eq!(zoo["computed_on"].as_array().unwrap().len(), 2, "{zoo}");
        let said = fit(&["--out", "a", "--shard", "0/2", "--resume"]);
        assert!(!said.stderr.contains("warning"), "{said:?}");
    }
}

/// Killed in the middle of a merge with a gap, which no plan describes.
#[cfg(target_os = "linux")]
#[test]
fn a_merge_that_was_ended_is_told() {
    let dir = tempdir().unwrap();
    source(dir.path(), 6);
    for i in [0, 2] {
        fit(dir.path(), &["--out", &format!("part-{i}"), "--shard", &format!("{i}/3")]);
    }
    std::fs::create_dir(dir.path().join("merged")).unwrap();
    let partial = dir.path().join("merged/nets-00001.safetensors.partial");
    std::os::unix::fs::symlink("/dev/full", partial).unwrap();
    let line = ["merge", "part-0", "part-2", "--out", "merged"];
    assert_eq!(run(dir.path(), &line).code, Some(1));
    let said = ok(dir.path(), &["inspect", "merged"]);
    assert!(said.stdout.contains("4 of 8 planned: unfinished, run `merge` again"), "{said:?}");
    let said = ok(dir.path(), &["render", "merged", "--out", "x.png"]);
    assert!(said.stderr.contains("merged is unfinished: it holds 4 of 8"), "{said:?}");
    let said = run(dir.path(), &["merge", "merged", "--out", "onward"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("merged: holds 4 of the 8 networks"), "{said:?}");
    assert!(said.stderr.contains("run that command again"), "{said:?}");
    // Which is true. That there are gaps is still a failure.
    let said = run(dir.path(), &line);
    assert_eq!((said.code, nets(dir.path(), "merged")), (Some(1), 8), "{said:?}");
    assert!(said.stderr.contains("incomplete"), "{said:?}");
}

/// Ended by a limit on the size of files, which the list of all networks exceeds, and which a full disk is like.
#[cfg(unix)]
#[test]
fn an_export_that_was_ended_is_run_again() {
    let dir = tempdir().unwrap();
    source(dir.path(), 6);
    fit(dir.path(), &["--out", "zoo"]);
    let program = env!("CARGO_BIN_EXE_weightlab");
    let line = format!("ulimit -f 2; exec {program} export zoo --format torch --out pth");
    let mut limited = std::process::Command::new("sh");
    let ended = limited.args(["-c", &line]).current_dir(dir.path()).output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(dir.path().join("pth/weightlab.json").is_file(), "{ended:?}");
    assert!(!dir.path().join("pth/splits.json").exists(), "{ended:?}");
    let export = ["export", "zoo", "--format", "torch", "--out", "pth"];
    ok(dir.path(), &export);
    ok(dir.path(), &["import", "pth", "--out", "back"]);
    assert_eq!(nets(dir.path(), "back"), nets(dir.path(), "zoo"));
    // A whole one is never replaced.
    let said = run(dir.path(), &export);
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[test]
fn what_diverged_is_marked_all_the_way() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    let line = ["fit", "images", "--dims", "2,4,1", "--steps", "9", "--lr", "1e30", "--out", "zoo"];
    assert_eq!(run(dir.path(), &line).code, Some(1));
    let said = ok(dir.path(), &["export", "zoo", "--format", "torch", "--out", "pth", "--quiet"]);
    assert!(
        said.stderr.contains("warning: 2 networks diverged (object 0 view 0, object 1 view 0)")
    );
    let said = ok(dir.path(), &["import", "pth", "--out", "back", "--json"]);
    assert_eq!(said.last()["imported"]["diverged"], 2);
    assert_eq!(ok(dir.path(), &["inspect", "back", "--json"]).last()["zoo"]["diverged"], 2);
}

/// The same images packed, and in a folder of another name.
#[test]
fn a_source_is_known_by_its_contents() {
    let dir = tempdir().unwrap();
    source(dir.path(), 4);
    let fit = |source: &str, more: &[&str]| {
        run(dir.path(), &[&["fit", source, "--dims", "2,4,1", "--steps", "3"], more].concat())
    };
    assert_eq!(fit("images", &["--out", "a", "--shard", "0/2"]).code, Some(0));
    std::fs::rename(dir.path().join("images"), dir.path().join("pictures")).unwrap();
    let said = fit("pictures", &["--out", "a", "--shard", "0/2", "--resume"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("called images when"), "{said:?}");
    assert_eq!(fit("pictures", &["--out", "b", "--shard", "1/2"]).code, Some(0));
    let said = ok(dir.path(), &["merge", "a", "b", "--out", "all"]);
    assert!(said.stderr.contains("other names in some parts (pictures)"), "{said:?}");
}

#[test]
fn the_smallest_limits_suffice() {
    let dir = tempdir().unwrap();
    source(dir.path(), 4);
    fit(dir.path(), &["--out", "zoo", "--default-limits"]);
    assert_eq!(nets(dir.path(), "zoo"), 8);
}

#[test]
fn photographs_in_colour_grey_and_another_size() {
    let dir = tempdir().unwrap();
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/photos/astronaut-64.png");
    let line = ["fit", photo, "--steps", "3", "--json", "--size", "12x10"];
    let said = ok(dir.path(), &[&line[..], &["--out", "rgb"]].concat());
    assert_eq!(said.json()[0]["started"]["dims"], "2-32-32-3");
    assert_eq!(said.json()[0]["started"]["points"], 120);
    let said = ok(dir.path(), &[&line[..], &["--grey", "--out", "grey"]].concat());
    assert_eq!(said.json()[0]["started"]["dims"], "2-32-32-1");
    let said =
        ok(dir.path(), &[&line[..], &["--convention", "sitzmann", "--out", "sitzmann"]].concat());
    assert_eq!(said.last()["finished"]["nets"], 1);
    let zoo = &ok(dir.path(), &["inspect", "sitzmann", "--json"]).last()["zoo"];
    assert_eq!(zoo["convention"], "sitzmann");
    assert_eq!(zoo["mlp"]["target_range"], serde_json::json!([-1.0, 1.0]));
    assert_eq!(zoo["image_shape"], serde_json::json!([12, 10, 3]));
}
