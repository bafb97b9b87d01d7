//! `weightlab demo`.

use super::drive::drive;
use super::fit::End;
use super::{open_gpu, program, quoted, write_file};
use crate::args::{DemoArgs, Global};
use crate::interrupt;
use crate::output::Out;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_data::{DirStore, MANIFEST_FILE, Split, Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_lab::demo::{Plan, Story, TRAININGS, Training};
use weightlab_lab::experiment::midpoints::MidpointJob;
use weightlab_lab::fit::default_dims;
use weightlab_lab::message::Message;
use weightlab_lab::path::path;
use weightlab_lab::report::Report;
use weightlab_lab::train::{RUN_FILES, evaluate_run};
use weightlab_lab::{FitJob, FitOptions, LabError, TrainJob, builtin};
use weightlab_nets::{Convention, Mlp};

/// What to say when a job takes too long to end.
const AGAIN: &str = "nothing to clean up: run it again whenever you like";

/// Tells the whole story and writes its page.
pub async fn run(global: &Global, out: &Out, args: &DemoArgs) -> Result<ExitCode> {
    let plan = Plan { nets: args.nets, steps: args.steps, epochs: args.epochs, seed: args.seed };
    match tell(global, out, args, &plan).await? {
        Some(story) => {
            let page = args.out.join("report.html");
            write_file(&page, story.html()?.as_bytes()).await?;
            out.line("");
            out.line(story.table().trim_end());
            out.line("");
            let (page, zoo) =
                (page.display().to_string(), args.out.join("zoo").display().to_string());
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
        None => {
            interrupt::tell(None);
            Ok(ExitCode::from(interrupt::CODE))
        }
    }
}

/// Job after job; `None` if Ctrl-C ended one.
async fn tell(global: &Global, out: &Out, args: &DemoArgs, plan: &Plan) -> Result<Option<Story>> {
    out.note(&format!(
        "1. {} real images (Fashion-MNIST) become as many small neural networks.",
        plan.nets
    ));
    let gpu = open_gpu(global).await?;
    if gpu.is_cpu() {
        out.note("No GPU here, so a software one on the CPU does it: some minutes in all. On a GPU: well below one.");
    }
    let settings = plan.fit().settings;
    let Some((job, run)) = fit(&gpu, out, plan.fit(), &args.out.join("zoo")).await? else {
        return Ok(None);
    };
    let (zoo, images) = job.into_parts();
    let report =
        Report::gather(&gpu, &zoo, &images, settings, run.started, run.finished, run.metrics)
            .await?;

    out.note("2. Averaging two networks breaks them; alignment mends.");
    let Some((job, _)) = fit(&gpu, out, plan.twice(), &args.out.join("twice")).await? else {
        return Ok(None);
    };
    let (twice, _) = job.into_parts();
    let mut job = MidpointJob::new(&gpu, &twice, plan.midpoints()).await?;
    let Some(midpoints) = drive(&mut job, out, AGAIN, |_, _| {}).await? else { return Ok(None) };
    let mended = job.mended().unwrap_or((0, 1));
    let same = path(&gpu, &twice, &plan.path(mended)).await?;
    let apart = path(&gpu, &zoo, &plan.path((0, 1))).await?;

    let mut trainings = Vec::new();
    for augment in TRAININGS {
        out.note(&format!("3. A network learns to read networks, augment {augment}."));
        let folder = args.out.join(format!("run-{augment}"));
        match train(&gpu, out, plan, augment, DirStore::new(folder), &zoo).await? {
            Some(training) => trainings.push(training),
            None => return Ok(None),
        }
    }
    Ok(Some(Story { fit: report, same, apart, midpoints, trainings }))
}

async fn fit(
    gpu: &Gpu,
    out: &Out,
    options: FitOptions,
    folder: &std::path::Path,
) -> Result<Option<(FitJob<DirStore>, Box<super::fit::Run>)>> {
    let images = builtin::fashion_mnist().map_err(LabError::from)?;
    let dims = default_dims(images.channels);
    let mlp = Mlp::new(&dims, Convention::Dwsnets).map_err(LabError::from)?;
    let store = DirStore::new(folder);
    clear_zoo(&store).await?;
    let mut job = FitJob::new(gpu, images, &mlp, options, store).await?;
    Ok(match super::fit::drive(&mut job, out, AGAIN).await? {
        End::Finished(run) => Some((job, run)),
        End::Interrupted => None,
    })
}

/// Trains on the networks that come with the program, and asks about `fresh` ones.
async fn train(
    gpu: &Gpu,
    out: &Out,
    plan: &Plan,
    augment: &str,
    store: DirStore,
    fresh: &Zoo<DirStore>,
) -> Result<Option<Training>> {
    let zoo = builtin::zoo(Split::Train).await.map_err(LabError::from)?;
    let test = builtin::zoo(Split::Test).await.map_err(LabError::from)?;
    let lock = store.lock().await.map_err(LabError::from)?;
    for file in RUN_FILES {
        store.remove(file).await.map_err(LabError::from)?;
    }
    drop(lock);
    let options = plan.training(augment)?;
    let mut job = TrainJob::new(gpu, &zoo, Some(&test), options, store.clone()).await?;
    let (mut started, mut epochs) = (None, Vec::new());
    let finished = drive(&mut job, out, AGAIN, |_, message| match message {
        Message::Started(s) => started = Some(s.clone()),
        Message::Epoch(e) => epochs.push(e.clone()),
        _ => {}
    })
    .await?;
    let (Some(finished), Some(started)) = (finished, started) else { return Ok(None) };
    drop(job);
    let fresh = evaluate_run(gpu, &store, fresh, None, None).await?;
    Ok(Some(Training { augment: augment.to_owned(), started, epochs, finished, fresh }))
}

/// Removes the zoo of an earlier demo; `FitJob` refuses a folder that holds anything else.
async fn clear_zoo(store: &DirStore) -> Result<(), LabError> {
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
