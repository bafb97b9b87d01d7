//! `weightlab merge`.

use super::open_zoo;
use crate::args::MergeArgs;
use crate::output::{Out, say};
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_data::DirStore;
use weightlab_lab::LabError;
use weightlab_lab::meter::networks_text;

/// Merges zoos. Gaps are a failure, though what there is has been written: a script that goes on
/// with the result must notice.
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
        "computed_on": report.computed_on,
    }}));
    out.line(&format!("{}: {}", args.out.display(), networks_text(report.nets)));
    if !report.other_names.is_empty() {
        out.note(&format!(
            "the source has other names in some parts ({}), but the same contents; the first part's name is kept",
            report.other_names.join(", ")
        ));
    }
    if report.computed_on.len() > 1 {
        let devices: Vec<String> = report.computed_on.iter().map(|d| format!("  {d}")).collect();
        out.note(&format!(
            "the parts were computed in different ways, so together they are not the same, bit for bit, \
             as a fit made in one place:\n{}",
            devices.join("\n")
        ));
    }
    if !report.is_complete() {
        let missing: Vec<String> =
            report.missing.iter().map(|&range| objects_text(range)).collect();
        say(&format!(
            "error: {} was written but is incomplete: the job planned objects that no zoo holds \
             in full: {}. Fit the missing parts and merge again into another folder",
            args.out.display(),
            missing.join(", ")
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Objects `[first, end)` as a person reads them.
fn objects_text([first, end]: [i64; 2]) -> String {
    match end - 1 {
        last if last == first => first.to_string(),
        last => format!("{first} to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_name_their_last_object() {
        assert_eq!(objects_text([2, 5]), "2 to 4");
        assert_eq!(objects_text([7, 8]), "7");
    }
}
