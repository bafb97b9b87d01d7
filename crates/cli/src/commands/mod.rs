//! One file per command.

pub mod accuracy;
pub mod align;
pub mod augment;
pub mod bench;
pub mod check;
pub mod demo;
pub mod devices;
pub mod drive;
pub mod eval;
pub mod experiment;
pub mod fit;
pub mod inspect;
pub mod merge;
pub mod mix;
pub mod path;
pub mod render;
pub mod train;
pub mod transfer;

use crate::args::Global;
use crate::output::Out;
use crate::tell::{JobFailed, Usage};
use anyhow::Result;
use std::path::Path;
use weightlab_data::{DirStore, Store, Zoo};
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_lab::LabError;
use weightlab_lab::derive::PairList;

/// The GPU that the options name.
pub async fn open_gpu(global: &Global) -> Result<Gpu> {
    let options = OpenOptions {
        adapter: global.device.clone(),
        default_limits: global.default_limits,
        twins: !global.no_twins,
        ..OpenOptions::default()
    };
    Ok(Gpu::open(&options).await.map_err(LabError::from)?)
}

/// An existing zoo.
pub async fn open_zoo(path: &Path) -> Result<Zoo<DirStore>> {
    if !path.exists() {
        return Err(JobFailed {
            what: format!("{}: there is no such folder", path.display()),
            hint: "give the folder of a zoo, such as `fit` wrote".to_owned(),
        }
        .into());
    }
    Ok(Zoo::open(DirStore::new(path)).await.map_err(LabError::from)?)
}

/// The pairs that a file lists, of a zoo of `nets` networks.
pub fn read_pairs(path: &Path, nets: u64) -> Result<PairList> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| Usage {
        what: format!("--pairs {file}: {e}"),
        hint: "give a text file with two positions of networks per line",
    })?;
    Ok(PairList::parse(&text, &file, nets)?)
}

/// A number with so many digits after the point, and by powers of ten where it is too long to read.
pub fn figure(x: f64, digits: usize) -> String {
    if x.abs() < 1e7 { format!("{x:.digits$}") } else { format!("{x:.3e}") }
}

/// Rows as lines, the first column to the left and the others to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(c, (text, &w))| match c {
            0 => format!("{text:<w$}"),
            _ => format!("{text:>w$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Says so if a zoo that is about to be used does not hold all that it should.
pub fn note_unfinished(out: &Out, zoo: &Zoo<DirStore>) {
    if let Some(planned) = zoo.manifest().planned()
        && zoo.nets() < planned
    {
        out.note(&format!(
            "{} is unfinished: it holds {} of {planned} networks",
            zoo.store().describe(),
            zoo.nets()
        ));
    }
}

/// Writes one file, atomically.
pub async fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().and_then(|n| n.to_str()).filter(|_| !path.is_dir());
    let name = name.ok_or_else(|| Usage {
        what: match path.is_dir() {
            true => format!("--out {}: is a folder, not a file", path.display()),
            false => format!("--out {}: not the name of a file", path.display()),
        },
        hint: "give the name of a file",
    })?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirStore::new(folder).write(name, bytes).await.map_err(LabError::from)?;
    Ok(())
}

/// What this program was started as, for commands that can be pasted: after `cargo xtask demo` it is on no
/// PATH.
pub fn program() -> String {
    let name = std::env::args_os().next().unwrap_or_else(|| "weightlab".into());
    quoted(&name.to_string_lossy())
}

/// `name` as a shell would need it.
pub fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
    match !name.is_empty() && name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_shell() {
        assert_eq!(quoted("out/zoo-1"), "out/zoo-1");
        assert_eq!(quoted("my zoo"), "'my zoo'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
