//! `weightlab render`.

use super::{note_unfinished, open_gpu, open_zoo, write_file};
use crate::args::{Global, RenderArgs};
use crate::output::Out;
use crate::tell::Usage;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_lab::RenderOptions;
use weightlab_lab::meter::networks_text;

/// Endings that promise another format than PNG.
const OTHERS: [&str; 9] = ["jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff", "svg", "pdf"];

/// Draws a zoo.
pub async fn run(global: &Global, out: &Out, args: &RenderArgs) -> Result<ExitCode> {
    let ending = args.out.extension().map(|e| e.to_string_lossy().to_lowercase());
    if ending.is_some_and(|e| OTHERS.contains(&e.as_str())) {
        return Err(Usage {
            what: format!("--out {}: pictures are written as PNG only", args.out.display()),
            hint: "give a name that ends in .png",
        }
        .into());
    }
    let zoo = open_zoo(&args.zoo).await?;
    note_unfinished(out, &zoo);
    let gpu = open_gpu(global).await?;
    let options = RenderOptions {
        resolution: args.resolution.map(|s| (s.0, s.1)),
        limit: args.limit,
        columns: args.columns,
    };
    let sheet = weightlab_lab::render(&gpu, &zoo, &options).await?;
    write_file(&args.out, &sheet.png).await?;
    let file = args.out.display().to_string();
    out.object(&json!({"rendered": {
        "file": file,
        "nets": sheet.nets,
        "height": sheet.height,
        "width": sheet.width,
        "resolution": [sheet.resolution.0, sheet.resolution.1],
        "with_targets": sheet.with_targets,
    }}));
    let (h, w) = sheet.resolution;
    let beside = if sheet.with_targets { "image left, network right" } else { "networks alone" };
    out.line(&format!(
        "{file}: {} at {h}x{w}, {beside}; {}x{} pixels",
        networks_text(sheet.nets),
        sheet.width,
        sheet.height
    ));
    Ok(ExitCode::SUCCESS)
}
