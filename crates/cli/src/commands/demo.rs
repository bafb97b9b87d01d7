//! `weightlab demo`.

use super::fit::{End, drive};
use super::{open_gpu, program, quoted, write_file};
use crate::args::{DemoArgs, Global};
use crate::interrupt;
use crate::output::Out;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_data::{DirStore, MANIFEST_FILE, Store};
use weightlab_lab::fit::default_dims;
use weightlab_lab::report::Report;
use weightlab_lab::{FitJob, FitOptions, LabError, builtin};
use weightlab_nets::{Convention, FitSettings, Mlp};

/// Fits the built-in images and writes a report.
pub async fn run(global: &Global, out: &Out, args: &DemoArgs) -> Result<ExitCode> {
    let images = builtin::fashion_mnist().map_err(LabError::from)?;
    out.note(&format!(
        "Weightlab turns {} real images (Fashion-MNIST) into as many small neural networks.",
        args.nets
    ));
    let gpu = open_gpu(global).await?;
    if gpu.is_cpu() {
        out.note(
            "No GPU here, so a software one on the CPU does it: about a minute. On a GPU: seconds.",
        );
    }
    let mlp =
        Mlp::new(&default_dims(images.channels), Convention::Dwsnets).map_err(LabError::from)?;
    let settings = FitSettings { max_steps: args.steps, ..FitSettings::default() };
    let options = FitOptions {
        settings,
        seed: args.seed,
        limit: Some(args.nets),
        curves: true,
        // All at once, so that the curves are of all.
        nets_per_shard: Some(64),
        ..FitOptions::default()
    };
    let zoo_path = args.out.join("zoo");
    let store = DirStore::new(&zoo_path);
    clear(&store).await?;
    let mut job = FitJob::new(&gpu, images, &mlp, options, store).await?;
    let run =
        match drive(&mut job, out, "nothing to clean up: run it again whenever you like").await? {
            End::Finished(run) => run,
            End::Interrupted => {
                interrupt::tell(None);
                return Ok(ExitCode::from(interrupt::CODE));
            }
        };
    let (zoo, images) = job.into_parts();
    let report =
        Report::gather(&gpu, &zoo, &images, settings, run.started, run.finished, run.metrics)
            .await?;
    let page = args.out.join("report.html");
    write_file(&page, report.html().as_bytes()).await?;
    out.line("");
    out.line(report.table().trim_end());
    out.line("");
    let (page, zoo) = (page.display().to_string(), zoo_path.display().to_string());
    out.object(&json!({"report": {"file": page, "zoo": zoo}}));
    out.line(&format!("report: {page} (open it in a browser)"));
    out.line(&format!("zoo:    {zoo}"));
    out.line(&format!(
        "next:   {} render {} --resolution 112x112 --out grid.png",
        program(),
        quoted(&zoo)
    ));
    Ok(ExitCode::SUCCESS)
}

/// Removes the zoo of an earlier demo; `FitJob` refuses a folder that holds anything else.
async fn clear(store: &DirStore) -> Result<(), LabError> {
    let _lock = store.lock().await?;
    if store.exists(MANIFEST_FILE).await? {
        // The manifest first: without it, what a kill leaves is no zoo.
        store.remove(MANIFEST_FILE).await?;
    }
    for name in store.list().await? {
        let ours = name.starts_with("nets-") || name.starts_with("targets.");
        if ours && name.ends_with(".safetensors") {
            store.remove(&name).await?;
        }
    }
    Ok(())
}
