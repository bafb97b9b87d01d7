//! `weightlab check`.

use super::open_gpu;
use crate::args::{CheckArgs, Global};
use crate::output::Out;
use crate::tell::Usage;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_data::DirStore;
use weightlab_lab::check::{Case, CaseStatus, Check, GoldenCheck, Summary};

/// Runs every case and says how each ended.
pub async fn run(global: &Global, out: &Out, args: &CheckArgs) -> Result<ExitCode> {
    let golden = match &args.golden {
        Some(path) if !path.join("manifest.json").is_file() => {
            return Err(Usage {
                what: format!("--golden {}: holds no manifest.json", path.display()),
                hint: "give the folder of a golden set, such as testdata/golden/dws",
            }
            .into());
        }
        path => path.clone().map(DirStore::new),
    };
    // The kernels are what is checked; their twins have tests.
    let gpu = open_gpu(&Global { no_twins: true, ..global.clone() }).await?;
    let adapter = gpu.report().name.clone();
    out.note(&format!("adapter: {adapter}"));
    // A set that cannot be read is told before anything is computed.
    let golden = match golden {
        Some(store) => Some(GoldenCheck::new(&gpu, store).await?),
        None => None,
    };
    let mut summary = Summary::default();
    let mut tell = |case: Case| {
        summary.count(&case);
        out.object(&case);
        let status = match case.status {
            CaseStatus::Pass => "pass",
            CaseStatus::Fail => "FAIL",
            CaseStatus::Unsupported => "unsupported",
        };
        let worst = case.worst.map_or(String::new(), |w| format!("{w:.3} of the tolerance"));
        out.line(&format!("{status:<12}{:<12} {:<34} {worst}", case.group, case.case));
        if let Some(detail) = &case.detail {
            out.line(&format!("            {detail}"));
        }
    };
    let mut check = Check::new(&gpu, args.seed);
    while let Some(case) = check.next().await? {
        tell(case);
    }
    if let Some(mut check) = golden {
        while let Some(case) = check.next().await? {
            tell(case);
        }
    }
    let Summary { pass, fail, unsupported } = summary;
    out.object(&json!({"summary": summary, "adapter": adapter}));
    out.line(&format!("{pass} pass, {fail} fail, {unsupported} unsupported, on {adapter}"));
    Ok(if fail == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
