//! The whole shader language beyond WGSL: three directives, each alone on a line.
//!
//! * `//#include shared/sine.wgsl` inserts a file (path from `shaders/`), once per shader.
//! * `//#for i in 0..8` up to `//#end` repeats the lines between, with `$i` replaced by 0, 1, .. 7.
//!   Loops nest. Bounds are numbers or names that were set. Register tiles are written this way because a driver then sees constant indices
//!   whatever it thinks of unrolling, and loops that wgpu guards with counters are never unrolled.
//! * `//#set NAME 16` makes `$NAME` stand for 16 from here on: tile sizes of an entry file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The full WGSL text of the entry file `relative` (a path below `root`).
pub fn compose(root: &Path, relative: &Path) -> Result<String, String> {
    let mut included = BTreeSet::new();
    let text = include(root, relative, &mut included)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    let end = repeat(&lines, 0, None, &[], &mut out)?;
    debug_assert_eq!(end, lines.len());
    Ok(out)
}

fn include(
    root: &Path,
    relative: &Path,
    included: &mut BTreeSet<String>,
) -> Result<String, String> {
    let path = root.join(relative);
    let text = fs::read_to_string(&path)
        .map_err(|e| format!("cannot read shaders/{}: {e}", relative.display()))?;
    let mut out = String::new();
    for line in text.lines() {
        match line.trim().strip_prefix("//#include ") {
            Some(target) => {
                if included.insert(target.trim().to_owned()) {
                    out += &include(root, Path::new(target.trim()), included)?;
                }
            }
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    Ok(out)
}

/// Copies `lines[at..]` to `out` with `bindings` substituted, until the `//#end` of loop `open` or
/// the end of the file. Returns the index after the last line consumed.
fn repeat(
    lines: &[&str],
    mut at: usize,
    open: Option<&str>,
    bindings: &[(String, u32)],
    out: &mut String,
) -> Result<usize, String> {
    let mut bindings = bindings.to_vec();
    while at < lines.len() {
        let line = lines[at].trim();
        if let Some(header) = line.strip_prefix("//#set ") {
            let (name, value) = header.split_once(' ').ok_or_else(|| bad(line))?;
            bindings.push((format!("${name}"), number(value, &bindings).ok_or_else(|| bad(line))?));
            at += 1;
            continue;
        }
        if let Some(header) = line.strip_prefix("//#for ") {
            let (name, range) = header.split_once(" in ").ok_or_else(|| bad(line))?;
            let (from, to) = range.split_once("..").ok_or_else(|| bad(line))?;
            let from = number(from, &bindings).ok_or_else(|| bad(line))?;
            let to = number(to, &bindings).ok_or_else(|| bad(line))?;
            if from >= to {
                return Err(format!("`{line}` repeats nothing"));
            }
            let mut end = at;
            for value in from..to {
                let mut inner = bindings.clone();
                inner.push((format!("${}", name.trim()), value));
                end = repeat(lines, at + 1, Some(line), &inner, out)?;
            }
            at = end;
        } else if line == "//#end" {
            return match open {
                Some(_) => Ok(at + 1),
                None => Err("`//#end` without `//#for`".to_owned()),
            };
        } else {
            let mut text = lines[at].to_owned();
            for (name, value) in &bindings {
                text = text.replace(name.as_str(), &value.to_string());
            }
            *out += &text;
            out.push('\n');
            at += 1;
        }
    }
    match open {
        Some(header) => Err(format!("`{header}` without `//#end`")),
        None => Ok(at),
    }
}

/// A literal, or a name that was set.
fn number(text: &str, bindings: &[(String, u32)]) -> Option<u32> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        bindings.iter().rev().find(|(name, _)| name[1..] == *text).map(|(_, value)| *value)
    })
}

fn bad(line: &str) -> String {
    format!("`{line}`: expected `//#for NAME in FROM..TO` or `//#set NAME NUMBER`")
}
