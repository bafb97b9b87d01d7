//! Whatever is wrong is said with its place and a remedy, with exit code 1 or 2, and nothing
//! half-written is left behind.

mod common;

use common::{Said, files, idx, idx_labels, ok, run, source, weightlab};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

const QUICK: [&str; 4] = ["--dims", "2,4,1", "--steps", "2"];

fn fit(dir: &Path, more: &[&str]) -> Said {
    run(dir, &[&["fit", "images", "--out", "zoo", "--json"], &QUICK[..], more].concat())
}

/// Exit code, words, and the JSON form.
fn refused(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    for word in words {
        assert!(said.stderr.contains(word), "stderr lacks {word:?}: {said:?}");
    }
    let failed = &said.last()["failed"];
    assert!(!failed["what"].as_str().unwrap().is_empty(), "{said:?}");
    assert!(!failed["hint"].as_str().unwrap().is_empty(), "{said:?}");
    assert!(!said.stderr.contains("panicked"), "{said:?}");
}

#[test]
fn truncated_idx() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("images")).unwrap();
    fs::write(dir.path().join("images/t10k-images-idx3-ubyte"), idx(3, 8, 8, &[7; 100])).unwrap();
    refused(&fit(dir.path(), &[]), 1, &["t10k-images-idx3-ubyte", "truncated", "208"]);
    assert!(!dir.path().join("zoo").exists());
}

#[test]
fn truncated_gz() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("images")).unwrap();
    // A gzip header and nothing after it.
    let half = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    fs::write(dir.path().join("images/t10k-images-idx3-ubyte.gz"), half).unwrap();
    refused(&fit(dir.path(), &[]), 1, &["t10k-images-idx3-ubyte.gz", "gzip"]);
}

#[test]
fn more_labels_than_images() {
    let dir = tempdir().unwrap();
    source(dir.path(), 3);
    let labels = dir.path().join("images/t10k-labels-idx1-ubyte");
    fs::write(labels, idx_labels(&[1, 2, 3, 4])).unwrap();
    refused(&fit(dir.path(), &[]), 1, &["t10k-labels-idx1-ubyte", "4", "3"]);
}

#[test]
fn unknown_magic() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("images")).unwrap();
    fs::write(dir.path().join("images/t10k-images-idx3-ubyte"), b"GIF89a..........").unwrap();
    refused(&fit(dir.path(), &[]), 1, &["magic number 0x47494638", "0x00000803"]);
}

#[test]
fn empty_folder_and_no_folder() {
    let dir = tempdir().unwrap();
    let said = fit(dir.path(), &[]);
    refused(&said, 1, &["images", "try: check the path"]);
    assert_eq!(said.stderr.matches("os error").count(), 1, "said twice: {said:?}");
    fs::create_dir(dir.path().join("images")).unwrap();
    refused(&fit(dir.path(), &[]), 1, &["images"]);
}

/// A grey PNG with this header and no pixels: enough to be judged by its size.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 0, 0, 0, 0]);
    let crc = chunk.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 },
        )
    });
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(chunk);
    png.extend((!crc).to_be_bytes());
    png.extend(b"\0\0\0\0IDAT");
    png
}

#[test]
fn images_too_small_and_too_large() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("images");
    fs::create_dir(&folder).unwrap();
    source(dir.path(), 1);
    fs::write(folder.join("t10k-images-idx3-ubyte"), idx(1, 1, 1, &[9])).unwrap();
    fs::remove_file(folder.join("t10k-labels-idx1-ubyte")).unwrap();
    refused(&fit(dir.path(), &[]), 1, &["t10k-images-idx3-ubyte", "1 x 1"]);
    fs::remove_file(folder.join("t10k-images-idx3-ubyte")).unwrap();
    fs::write(folder.join("huge.png"), png_header(10_000, 10_000)).unwrap();
    refused(&fit(dir.path(), &[]), 1, &["huge.png", "10000"]);
}

#[test]
fn shard_counts_from_zero() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    refused(&fit(dir.path(), &["--shard", "4/4"]), 2, &["4/4", "counts from 0", "3/4"]);
    refused(&fit(dir.path(), &["--shard", "1"]), 2, &["i/n"]);
    refused(&fit(dir.path(), &["--shard", "0/0"]), 2, &["0/0", "at least 1"]);
    refused(&fit(dir.path(), &["--shard", "-1/4"]), 2, &["-1/4", "i/n"]);
    assert!(!dir.path().join("zoo").exists());
}

#[test]
fn measurements_and_pictures_that_make_no_sense() {
    let dir = tempdir().unwrap();
    let line = ["bench", "fit", "--nets", "99999999999999", "--json"];
    refused(&run(dir.path(), &line), 2, &["--nets", "16777216"]);
    let line = ["render", "zoo", "--out", "x.jpg", "--json"];
    refused(&run(dir.path(), &line), 2, &["x.jpg", ".png"]);
    assert!(!dir.path().join("x.jpg").exists());
}

#[test]
fn options_that_make_no_sense() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    for (more, words) in [
        (&["--limit", "0"][..], &["--limit 0"][..]),
        (&["--views", "0"], &["--views 0"]),
        (&["--views", "4000000000"], &["--views", "65536"]),
        (&["--shard-size", "0"], &["--shard-size 0"]),
        (&["--offset", "2"], &["--offset 2", "at most 1"]),
        (&["--lr", "0"], &["learning rate"]),
        (&["--lr", "-1"], &["learning rate", "-1"]),
        (&["--until-psnr", "loud"], &["--until-psnr", "none"]),
        (&["--size", "8"], &[]),
        (&["--omega", "0"], &["omega_0", "0.01 to 10000"]),
        (&["--omega", "-30"], &["omega_0", "-30"]),
        (&["--omega", "1e20"], &["omega_0", "0.01 to 10000"]),
        (&["--omega", "NaN"], &["omega_0"]),
        (&["--size", "1x1"], &["--size", "at least 2x2"]),
        (&["--size", "8x1"], &["--size", "at least 2x2"]),
        (&["--size", "0x8"], &["--size", "height x width"]),
        (&["--stesp", "3"], &["--steps"]),
    ] {
        let said = fit(dir.path(), more);
        if *more == ["--size", "8"] {
            assert_eq!(said.code, Some(0), "{said:?}");
            fs::remove_dir_all(dir.path().join("zoo")).unwrap();
        } else {
            refused(&said, 2, words);
            assert!(!dir.path().join("zoo").exists(), "{more:?}");
        }
    }
}

#[test]
fn architectures_that_do_not_fit_the_images() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    for (dims, words) in [
        ("2,4,3", &["last width 3", "--dims 2,4,1"][..]),
        ("3,4,1", &["first width 3", "--dims 2,4,1"]),
        ("2,1", &["3 to 9 widths"]),
        ("2,0,1", &["width 0"]),
        ("2,999,1", &["width 999", "256"]),
        ("2,a,1", &["2,32,32,1"]),
    ] {
        let said = run(dir.path(), &["fit", "images", "--out", "zoo", "--json", "--dims", dims]);
        refused(&said, 2, words);
    }
}

#[test]
fn a_folder_that_is_not_ours() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    fs::create_dir(dir.path().join("zoo")).unwrap();
    fs::write(dir.path().join("zoo/letter.txt"), "dear").unwrap();
    refused(&fit(dir.path(), &[]), 2, &["letter.txt"]);
    assert_eq!(files(&dir.path().join("zoo")).len(), 1);
}

#[test]
fn a_zoo_in_the_way_and_another_job() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    assert_eq!(fit(dir.path(), &[]).code, Some(0));
    let before = files(&dir.path().join("zoo"));
    refused(&fit(dir.path(), &[]), 2, &["--resume"]);
    refused(
        &fit(dir.path(), &["--resume", "--seed", "1"]),
        2,
        &["zoo", "seed was 0, now 1 (--seed)"],
    );
    let more = ["--resume", "--lr", "0.001", "--until-psnr", "none"];
    let words = ["learning_rate was 0.0005, now 0.001 (--lr)", "until_psnr was 40.0, now none"];
    refused(&fit(dir.path(), &more), 2, &words);
    // Whatever writes a zoo refuses in the same way.
    ok(dir.path(), &["export", "zoo", "--format", "torch", "--out", "torch"]);
    for line in [&["import", "torch"][..], &["merge", "zoo"]] {
        let said = run(dir.path(), &[line, &["--out", "zoo", "--json"]].concat());
        refused(&said, 2, &["zoo", "already holds a zoo", "--out"]);
        let said = run(dir.path(), &[line, &["--out", "images", "--json"]].concat());
        refused(&said, 2, &["images", "t10k-images", "--out"]);
    }
    assert_eq!(files(&dir.path().join("zoo")), before);
}

#[test]
fn a_file_where_the_zoo_should_be() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    fs::write(dir.path().join("zoo"), "a letter").unwrap();
    refused(&fit(dir.path(), &[]), 2, &["zoo: is a file, not a folder", "--out"]);
    refused(&fit(dir.path(), &["--resume"]), 2, &["zoo: is a file, not a folder", "--out"]);
    assert_eq!(fs::read(dir.path().join("zoo")).unwrap(), b"a letter");
}

#[test]
fn damaged_zoos() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    assert_eq!(fit(dir.path(), &[]).code, Some(0));
    let inspect = || run(dir.path(), &["inspect", "zoo", "--json"]);
    let shard = dir.path().join("zoo/nets-00000.safetensors");
    let whole = fs::read(&shard).unwrap();
    let mut wrong = whole.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 1;
    fs::write(&shard, wrong).unwrap();
    for said in [inspect(), run(dir.path(), &["render", "zoo", "--out", "x.png", "--json"])] {
        refused(&said, 1, &["zoo/nets-00000.safetensors", "BLAKE3", "again with --resume"]);
    }
    assert!(!dir.path().join("x.png").exists());
    fs::remove_file(&shard).unwrap();
    refused(&inspect(), 1, &["nets-00000.safetensors", "again with --resume"]);
    // Which is true.
    let said = fit(dir.path(), &["--resume"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("nets-00000.safetensors: gone; its 2 networks"), "{said:?}");
    assert_eq!(fs::read(&shard).unwrap(), whole);
    assert_eq!(inspect().code, Some(0));

    let manifest = dir.path().join("zoo/zoo.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"format_version\": 1", "\"format_version\": 99")).unwrap();
    refused(&inspect(), 1, &["zoo/zoo.json", "version 99", "version 1"]);
    fs::write(&manifest, &text[..text.len() / 2]).unwrap();
    refused(&inspect(), 1, &["zoo/zoo.json", "line"]);
    refused(&run(dir.path(), &["inspect", "images", "--json"]), 1, &["zoo.json"]);
}

#[test]
fn no_adapter_and_no_such_adapter() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    refused(&fit(dir.path(), &["--device", "a card that nobody makes"]), 2, &["weightlab devices"]);
    // The loader of Vulkan reads these; drivers that are not there give no adapter.
    let mut none = weightlab(dir.path(), &["devices", "--json"]);
    none.env("VK_ICD_FILENAMES", "/nowhere.json").env("VK_DRIVER_FILES", "/nowhere.json");
    if cfg!(target_os = "linux") {
        let said: Said = none.output().unwrap().into();
        refused(&said, 1, &["no GPU adapter", "mesa-vulkan-drivers", "VK_DRIVER_FILES is set"]);
    }
}

const LARGE: [&str; 4] = ["--dims", "2,40,40,1", "--steps", "2"];

/// The zoo is whole, though empty, and can be continued.
fn nothing_half_written(dir: &Path) {
    let inspect = ok(dir, &["inspect", "zoo", "--json"]);
    assert_eq!(inspect.last()["zoo"]["nets"], 0);
    ok(dir, &[&["fit", "images", "--out", "zoo", "--resume"], &LARGE[..]].concat());
    assert_eq!(ok(dir, &["inspect", "zoo", "--json"]).last()["zoo"]["nets"], 6);
}

/// A write to a file that leads to /dev/full is refused as by a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_zoo_as_it_was() {
    let dir = tempdir().unwrap();
    source(dir.path(), 6);
    fs::create_dir(dir.path().join("zoo")).unwrap();
    let partial = dir.path().join("zoo/nets-00000.safetensors.partial");
    std::os::unix::fs::symlink("/dev/full", partial).unwrap();
    let said =
        run(dir.path(), &[&["fit", "images", "--out", "zoo", "--json"], &LARGE[..]].concat());
    refused(&said, 1, &["nets-00000.safetensors", "no space", "zoo"]);
    assert_eq!(said.stderr.matches("free some space").count(), 1, "{said:?}");
    nothing_half_written(dir.path());
}

/// By default the process would end by a signal, without a word.
#[cfg(unix)]
#[test]
fn a_file_size_limit_is_told() {
    let dir = tempdir().unwrap();
    source(dir.path(), 6);
    let program = env!("CARGO_BIN_EXE_weightlab");
    let large = LARGE.join(" ");
    let line = format!("ulimit -f 8; exec {program} fit images --out zoo --json {large}");
    let mut limited = std::process::Command::new("sh");
    // Mesa's cache would run into the limit too.
    limited.args(["-c", &line]).current_dir(dir.path()).env("MESA_SHADER_CACHE_DISABLE", "true");
    let said: Said = limited.output().unwrap().into();
    refused(&said, 1, &["nets-00000.safetensors", "ulimit -f", "zoo"]);
    assert!(!said.stderr.contains("free some space"), "{said:?}");
    nothing_half_written(dir.path());
}

#[test]
fn exports_and_imports_of_the_wrong_thing() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    assert_eq!(fit(dir.path(), &[]).code, Some(0));
    refused(
        &run(dir.path(), &["export", "zoo", "--format", "torch", "--out", "images", "--json"]),
        2,
        &["already exists"],
    );
    refused(
        &run(dir.path(), &["import", "images", "--out", "back", "--json"]),
        2,
        &["splits.json"],
    );
    // Files are told by what is in them.
    fs::write(dir.path().join("letter.txt"), "dear reader, this is no tensor").unwrap();
    let import = |what: &str| run(dir.path(), &["import", what, "--out", "back", "--json"]);
    refused(&import("letter.txt"), 1, &["letter.txt", "safetensors"]);
    fs::write(dir.path().join("net.pth"), "PK").unwrap();
    refused(&import("net.pth"), 1, &["net.pth", "zip archive is damaged"]);
    // Places that cannot be.
    refused(&run(dir.path(), &["inspect", "nowhere", "--json"]), 1, &["nowhere", "no such folder"]);
    let line = ["render", "zoo", "--out", "images", "--json"];
    refused(&run(dir.path(), &line), 2, &["--out images: is a folder"]);
    let line = ["render", "zoo", "--resolution", "100000x100000", "--out", "x.png", "--json"];
    refused(&run(dir.path(), &line), 2, &["100000 x 100000", "--resolution"]);
    fs::create_dir(dir.path().join("evil")).unwrap();
    fs::write(
        dir.path().join("evil/splits.json"),
        r#"{"train":["evil/view_0/1/0.pth"],"val":[],"test":[]}"#,
    )
    .unwrap();
    fs::create_dir_all(dir.path().join("evil/view_0/1")).unwrap();
    fs::write(dir.path().join("evil/view_0/1/0.pth"), b"cos\nsystem\n(S'true'\ntR.").unwrap();
    refused(&run(dir.path(), &["import", "evil", "--out", "back", "--json"]), 1, &["0.pth"]);
    assert!(!dir.path().join("back").exists());
    refused(&run(dir.path(), &["check", "--golden", "images", "--json"]), 2, &["manifest.json"]);
}

#[test]
fn a_command_line_without_a_command_shows_help() {
    let dir = tempdir().unwrap();
    assert_eq!(run(dir.path(), &[]).code, Some(2));
    for line in [&["--help"][..], &["fit", "--help"], &["--version"]] {
        let said = ok(dir.path(), line);
        assert!(said.stdout.contains("weightlab"), "{said:?}");
    }
    assert_eq!(run(dir.path(), &["fitt"]).code, Some(2));
}

#[test]
fn augmentations_that_cannot_be() {
    let dir = tempdir().unwrap();
    source(dir.path(), 2);
    assert_eq!(fit(dir.path(), &[]).code, Some(0));
    let augment = |op: &str| {
        let line = ["augment", "zoo", "--op", op, "--out", "new", "--json"];
        let said = run(dir.path(), &line);
        assert!(!dir.path().join("new").exists(), "{said:?}");
        said
    };
    refused(&augment("rotat"), 2, &["`rotat`", "did you mean `rotate`", "quantile-masking"]);
    refused(&augment("masking:prob=0.2"), 2, &["`prob`", "did you mean `probability`", "rescale"]);
    refused(&augment("scale:low=small"), 2, &["low=small", "number"]);
    refused(&augment("masking:probability=2"), 2, &["probability = 2", "below 1"]);
    refused(&augment("rotate-random"), 2, &["2-4-1", "3-D input"]);
    refused(&augment("relu-scaling"), 2, &["sine", "ReLU"]);
    let said = run(dir.path(), &["augment", "zoo", "--op", "scale", "--out", "zoo", "--json"]);
    refused(&said, 2, &["already holds a zoo"]);
    let said = run(dir.path(), &["augment", "zoo", "--out", "new", "--json"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let help = ok(dir.path(), &["help", "augment"]).stdout;
    for word in ["quantile-masking", "k_max=4", "preserves the function", "acts on the input"] {
        assert!(help.contains(word), "{help}");
    }
}
