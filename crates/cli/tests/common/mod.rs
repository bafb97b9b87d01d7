//! Running the program as a user does.

#![allow(dead_code, reason = "every test binary uses a part of this")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A command line, with a plain environment. `dir` is its working directory.
pub fn weightlab(dir: &Path, line: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weightlab"));
    command.current_dir(dir).args(line).stdin(Stdio::null());
    command
}

/// Its exit code and both streams.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Said {
    /// Every line of stdout, which must each be a JSON object.
    pub fn json(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                let value: Value =
                    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
                assert!(value.is_object(), "{line}");
                value
            })
            .collect()
    }

    /// The last line of stdout as JSON.
    pub fn last(&self) -> Value {
        self.json().pop().unwrap_or_else(|| panic!("no output: {self:?}"))
    }
}

/// Runs to the end.
pub fn run(dir: &Path, line: &[&str]) -> Said {
    weightlab(dir, line).output().expect("the program starts").into()
}

/// Runs to the end; anything but success is a failure of the test.
pub fn ok(dir: &Path, line: &[&str]) -> Said {
    let said = run(dir, line);
    assert_eq!(said.code, Some(0), "{line:?}: {said:?}");
    assert!(!said.stderr.contains("panicked"), "{line:?}: {said:?}");
    said
}

/// An IDX image file.
pub fn idx(count: u32, height: u32, width: u32, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for n in [count, height, width] {
        bytes.extend(n.to_be_bytes());
    }
    bytes.extend(pixels);
    bytes
}

/// An IDX label file.
pub fn idx_labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

/// A folder `images` in IDX layout: smooth patterns of 8x8 pixels, all different.
pub fn source(dir: &Path, count: usize) {
    let folder = dir.join("images");
    std::fs::create_dir_all(&folder).unwrap();
    let pixels: Vec<u8> = (0..count)
        .flat_map(|i| {
            (0..64).map(move |p| {
                let (y, x) = (f64::from(p / 8), f64::from(p % 8));
                (128.0 + 120.0 * (x * 0.5 + y * 0.2 * i as f64 + i as f64).sin()) as u8
            })
        })
        .collect();
    let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
    std::fs::write(folder.join("t10k-images-idx3-ubyte"), idx(count as u32, 8, 8, &pixels))
        .unwrap();
    std::fs::write(folder.join("t10k-labels-idx1-ubyte"), idx_labels(&labels)).unwrap();
}

/// Every file under a folder, by relative name.
pub fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(at: &Path, root: &Path, out: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, out);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                out.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut out = Vec::new();
    walk(root, root, &mut out);
    out.sort();
    out
}
