//! `weightlab export` and `weightlab import`.

use super::{note_unfinished, open_zoo, write_file};
use crate::args::{ExportArgs, Format, ImportArgs};
use crate::output::{Out, say};
use crate::tell::Usage;
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use weightlab_data::{
    DirStore, FileFormat, ImportOptions, SourceError, import_files, import_torch,
};
use weightlab_data::{export_file, export_torch, is_unfinished_export};
use weightlab_lab::LabError;
use weightlab_lab::meter::{bytes_text, networks_text};
use weightlab_nets::Convention;

/// Diverged networks that are named.
const DIVERGED_NAMED: usize = 5;

/// Writes a zoo for others.
pub async fn export(out: &Out, args: &ExportArgs) -> Result<ExitCode> {
    let zoo = open_zoo(&args.zoo).await?;
    note_unfinished(out, &zoo);
    let path = &args.out;
    let in_the_way = match path.read_dir() {
        Ok(mut entries) => match args.format {
            Format::Safetensors | Format::Npz | Format::Zip => true,
            Format::Torch => {
                let ours = is_unfinished_export(&DirStore::new(path)).await;
                entries.next().is_some() && !ours.map_err(LabError::from)?
            }
        },
        Err(_) => path.exists(),
    };
    if in_the_way {
        return Err(Usage {
            what: format!("--out {}: already exists", path.display()),
            hint: "choose a name that is free",
        }
        .into());
    }
    let file_format = match args.format {
        Format::Torch => None,
        Format::Safetensors => Some(FileFormat::Safetensors),
        Format::Npz => Some(FileFormat::Npz),
        Format::Zip => Some(FileFormat::Zip),
    };
    let (nets, bytes) = if let Some(format) = file_format {
        let name = args.zoo.file_name().map_or_else(|| "zoo".into(), |name| name.to_string_lossy());
        let bytes = export_file(&zoo, format, &name).await.map_err(LabError::from)?;
        write_file(path, &bytes).await?;
        (zoo.nets(), bytes.len() as u64)
    } else {
        let root = folder_name(path)?;
        let report =
            export_torch(&zoo, &DirStore::new(path), &root).await.map_err(LabError::from)?;
        warn_of_diverged(&report.diverged);
        (report.nets, report.bytes)
    };
    let file = path.display().to_string();
    out.object(&json!({"exported": {"path": file, "nets": nets, "bytes": bytes}}));
    out.line(&format!("{file}: {}, {}", networks_text(nets), bytes_text(bytes)));
    Ok(ExitCode::SUCCESS)
}

/// Who goes on with the files learns nothing of it from them.
fn warn_of_diverged(diverged: &[(i64, i64)]) {
    if diverged.is_empty() {
        return;
    }
    let named = diverged.iter().take(DIVERGED_NAMED);
    let mut names: Vec<String> =
        named.map(|(object, view)| format!("object {object} view {view}")).collect();
    if diverged.len() > DIVERGED_NAMED {
        names.push("...".to_owned());
    }
    say(&format!(
        "warning: {} diverged ({}): exported as they are and marked in weightlab.json, but not in the .pth files",
        networks_text(diverged.len() as u64),
        names.join(", ")
    ));
}

/// The folder's own name, which the paths in splits.json begin with.
fn folder_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|n| n.to_str());
    Ok(name.map(str::to_owned).ok_or_else(|| Usage {
        what: format!("--out {}: not the name of a folder", path.display()),
        hint: "give a folder by its name",
    })?)
}

/// Reads what others wrote.
pub async fn import(out: &Out, args: &ImportArgs) -> Result<ExitCode> {
    let options =
        ImportOptions { convention: args.convention.map(Into::into), ..ImportOptions::default() };
    let store = DirStore::new(&args.out);
    let path = &args.path;
    let is_file = path.is_file();
    let named = |name: &str| path.file_name().is_some_and(|n| n == name);
    let report = if is_file && !named("splits.json") {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| {
            LabError::Source(SourceError::Io { path: name.clone(), action: "read", source })
        })?;
        import_files(&[(name, bytes)], store, &options).await.map_err(LabError::from)?.1
    } else {
        // splits.json itself stands for the folder it lies in.
        let folder = match path.parent() {
            Some(parent) if is_file => parent,
            _ => path,
        };
        if !folder.join("splits.json").is_file() {
            return Err(Usage {
                what: format!(
                    "{}: neither a file of networks nor a folder with splits.json",
                    path.display()
                ),
                hint: "give the folder that holds splits.json, or a .safetensors, .npz, .zip or .pth file",
            }
            .into());
        }
        import_torch(&DirStore::new(folder), store, &options).await.map_err(LabError::from)?.1
    };
    out.object(&json!({"imported": {
        "nets": report.nets,
        "splits": report.splits,
        "views": report.views,
        "unlabelled": report.unlabelled,
        "converted": report.converted,
        "diverged": report.diverged,
        "assumed_convention": report.assumed.map(Convention::name),
    }}));
    out.line(&format!("{}: {}", args.out.display(), networks_text(report.nets)));
    if let Some(assumed) = report.assumed {
        // Another one draws another picture, so this is told even if quiet.
        say(&format!(
            "the files do not say under which convention the networks were made: {} is assumed; \
             give --convention if it was another",
            assumed.name()
        ));
    }
    if report.unlabelled > 0 {
        out.note(&format!("{} networks have no label", report.unlabelled));
    }
    if report.diverged > 0 {
        let count = networks_text(report.diverged);
        say(&format!("warning: {count} had diverged in the fit, and keep that mark"));
    }
    if report.converted > 0 {
        out.note(&format!("{} networks were rounded to 32-bit floats", report.converted));
    }
    Ok(ExitCode::SUCCESS)
}
