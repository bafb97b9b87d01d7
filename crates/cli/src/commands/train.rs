//! `weightlab train`.

use super::drive::drive;
use super::{open_gpu, open_zoo};
use crate::args::{Global, ModelArg, TrainArgs};
use crate::interrupt;
use crate::output::Out;
use crate::tell::Usage;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use weightlab_data::DirStore;
use weightlab_lab::message::Message;
use weightlab_lab::meter::{bytes_text, count_text, duration_text};
use weightlab_lab::train::{
    CONFUSION_FILE, CURVES_FILE, Epoch, Finished, MODEL_FILE, RUN_FILE, Started, StateDict,
    read_config, read_state,
};
use weightlab_lab::{LabError, TrainJob, TrainOptions};
use weightlab_learn::ModelConfig;
use weightlab_learn::train::TrainConfig;

/// Trains a model.
pub async fn run(global: &Global, out: &Out, args: &TrainArgs) -> Result<ExitCode> {
    let config = config(args)?;
    let init = args.init.as_deref().map(read_weights).transpose()?;
    let zoo = open_zoo(&args.zoo).await?;
    let test = match &args.test {
        Some(path) => Some(open_zoo(path).await?),
        None => None,
    };
    if other_files(&args.out) {
        return Err(Usage {
            what: format!("--out {}: holds other files, and is no run", args.out.display()),
            hint: "choose a name that is free",
        }
        .into());
    }
    let gpu = open_gpu(global).await?;
    let options = TrainOptions { config, resume: args.resume, init };
    let store = DirStore::new(&args.out);
    let mut job = TrainJob::new(&gpu, &zoo, test.as_ref(), options, store).await?;
    let remedy = "the run goes on from its last checkpoint with --resume";
    let finished = drive(&mut job, out, remedy, |line, message| match message {
        Message::Started(s) => out.note(&plan(s)),
        Message::Epoch(e) => line.note(out, &epoch(e)),
        Message::Warning(w) => line.note(out, &format!("warning: {}", w.what)),
        _ => {}
    })
    .await?;
    let Some(finished) = finished else {
        let (done, all) = job.steps();
        out.note(&format!("interrupted after step {done} of {all}"));
        interrupt::tell(None);
        return Ok(ExitCode::from(interrupt::CODE));
    };
    out.line(&summary(&finished));
    let folder = args.out.display();
    out.line(&format!(
        "{folder}: {MODEL_FILE} has the parameters of the best epoch, {CURVES_FILE} and {CONFUSION_FILE} show it"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Whether a folder has something in it that is not of a run.
fn other_files(folder: &Path) -> bool {
    let mut entries = folder.read_dir().into_iter().flatten().flatten();
    !folder.join(RUN_FILE).exists() && entries.any(|entry| entry.file_name() != "zoo.lock")
}

/// A state dict, with the name of its file.
pub fn read_weights(path: &Path) -> Result<(StateDict, String)> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| Usage {
        what: format!("{name}: {e}"),
        hint: "give a state dict, .pth or .safetensors",
    })?;
    Ok((read_state(&bytes, &name)?, name))
}

fn config(args: &TrainArgs) -> Result<TrainConfig> {
    let mut config = match &args.config {
        None => TrainConfig::default(),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|e| Usage {
                what: format!("--config {name}: {e}"),
                hint: "give a TOML file, such as the config.toml of a run",
            })?;
            read_config(&text, &name).map_err(LabError::from)?
        }
    };
    if let Some(model) = args.model {
        let name = match model {
            ModelArg::Dws => "dws",
            ModelArg::Mlp => "mlp",
            ModelArg::Transformer => "transformer",
        };
        if config.model.name() != name {
            config.model = ModelConfig::named(name).unwrap_or_default();
        }
    }
    if let Some(augment) = &args.augment {
        config.augment = augment.parse().map_err(LabError::from)?;
    }
    config.epochs = args.epochs.unwrap_or(config.epochs);
    config.batch = args.batch.unwrap_or(config.batch);
    config.optimizer.learning_rate = args.lr.unwrap_or(config.optimizer.learning_rate);
    config.seed = args.seed.unwrap_or(config.seed);
    config.validate().map_err(LabError::from)?;
    Ok(config)
}

fn plan(s: &Started) -> String {
    let parts = if s.micro_batch < s.batch {
        format!(", {} at a time", s.micro_batch)
    } else {
        String::new()
    };
    let before = match s.steps_before {
        0 => String::new(),
        n => format!(", going on after step {n}"),
    };
    format!(
        "training {} ({} parameters) on {} networks {} of {} classes, {} held out, {} to test on\n\
         augment {}; {} epochs of {} steps, batch {}{parts}{before}\n\
         adapter: {}; {}: {}",
        s.model,
        s.parameters,
        s.train,
        s.dims,
        s.classes,
        s.validation,
        s.test,
        s.augment,
        s.epochs,
        s.steps_per_epoch,
        s.batch,
        s.adapter,
        if s.twins { "memory, native twins included" } else { "GPU memory" },
        bytes_text(s.bytes),
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// An epoch in a line.
pub fn epoch(e: &Epoch) -> String {
    let mut text =
        format!("epoch {}: loss {:.4}, accuracy {}", e.epoch, e.loss, percent(e.accuracy));
    if let (Some(loss), Some(accuracy)) = (e.validation_loss, e.validation_accuracy) {
        text += &format!("; validation loss {loss:.4}, accuracy {}", percent(accuracy));
    }
    if let Some(accuracy) = e.test_accuracy {
        text += &format!("; test accuracy {}", percent(accuracy));
    }
    if e.best {
        text += "; the best so far";
    }
    text
}

fn summary(f: &Finished) -> String {
    let mut text = format!("best epoch: {}", f.best_epoch);
    if let Some(accuracy) = f.validation_accuracy {
        text += &format!(", validation accuracy {}", percent(accuracy));
    }
    if let Some(test) = &f.test {
        let [low, high] = test.interval;
        text += &format!(
            "\ntest accuracy: {} of {} networks (95 % interval {} to {})",
            percent(test.accuracy),
            test.nets,
            percent(low),
            percent(high)
        );
    }
    let rate = f.samples_per_s.map_or(String::new(), |r| format!(", {} samples/s", count_text(r)));
    text + &format!(
        "\n{} dispatches a step; time: {}{rate}",
        f.dispatches,
        duration_text(f.seconds)
    )
}
