//! `weightlab merge`.

use super::open_zoo;
use crate::args::MergeArgs;
use crate::output::Out;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_data::DirStore;
use weightlab_lab::LabError;
use weightlab_lab::meter::networks_text;

/// Merges zoos.
pub async fn run(out: &Out, args: &MergeArgs) -> Result<ExitCode> {
    let mut zoos = Vec::new();
    for path in &args.zoos {
        zoos.push(open_zoo(path).await?);
    }
    let store = DirStore::new(&args.out);
    let (_, report) = weightlab_data::merge(&zoos, store).await.map_err(LabError::from)?;
    out.object(&json!({"merged": {
        "nets": report.nets,
        "objects": report.objects,
        "missing": report.missing,
        "complete": report.is_complete(),
    }}));
    out.line(&format!("{}: {}", args.out.display(), networks_text(report.nets)));
    if !report.is_complete() {
        let missing: Vec<String> =
            report.missing.iter().map(|[a, b]| format!("{a} to {}", b - 1)).collect();
        out.note(&format!(
            "warning: the job planned objects that no zoo holds: {}. Fit the missing parts and merge again",
            missing.join(", ")
        ));
    }
    Ok(ExitCode::SUCCESS)
}
