//! `weightlab eval`.

use super::train::read_weights;
use super::{open_gpu, open_zoo, table};
use crate::args::{EvalArgs, Global};
use crate::output::Out;
use anyhow::Result;
use std::process::ExitCode;
use weightlab_data::{DirStore, Store};
use weightlab_lab::LabError;
use weightlab_lab::train::{Score, draw_confusion, evaluate_run};

/// Evaluates a run on a zoo.
pub async fn run(global: &Global, out: &Out, args: &EvalArgs) -> Result<ExitCode> {
    let given = args.weights.as_deref().map(read_weights).transpose()?;
    let zoo = open_zoo(&args.zoo).await?;
    let gpu = open_gpu(global).await?;
    let run = DirStore::new(&args.run);
    let given = given.as_ref().map(|(dict, file)| (dict, file.as_str()));
    let split = args.split.map(|s| s.name());
    let evaluation = evaluate_run(&gpu, &run, &zoo, split, given).await?;
    if let Some(folder) = &args.out {
        let store = DirStore::new(folder);
        let mut lines = Vec::new();
        for prediction in &evaluation.predictions {
            lines.extend(serde_json::to_vec(prediction)?);
            lines.push(b'\n');
        }
        store.write("predictions.jsonl", &lines).await.map_err(LabError::from)?;
        if let Some(score) = &evaluation.score {
            let title = format!("{} networks: {:.1} %", score.nets, 100.0 * score.accuracy);
            let png = draw_confusion(score, &evaluation.class_names, &title)?;
            store.write("confusion.png", &png).await.map_err(LabError::from)?;
        }
        out.line(&format!(
            "{}: predictions of {} networks",
            folder.display(),
            evaluation.predictions.len()
        ));
    }
    match &evaluation.score {
        Some(score) => out.line(&text(score, &evaluation.class_names)),
        None => out.line("no network has a label, so there is no accuracy"),
    }
    out.object(&evaluation);
    Ok(ExitCode::SUCCESS)
}

fn text(score: &Score, names: &[String]) -> String {
    let name = |i: usize| names.get(i).cloned().unwrap_or_else(|| i.to_string());
    let [low, high] = score.interval.map(|x| 100.0 * x);
    let mut rows = vec![
        std::iter::once("class, taken for:".to_owned())
            .chain((0..score.confusion.len()).map(|i| i.to_string()))
            .collect::<Vec<_>>(),
    ];
    for (i, row) in score.confusion.iter().enumerate() {
        let mut cells =
            vec![format!("{i} {}", if names.is_empty() { String::new() } else { name(i) })];
        cells.extend(row.iter().map(u64::to_string));
        rows.push(cells);
    }
    format!(
        "accuracy: {:.2} % of {} networks (95 % interval {low:.1} to {high:.1} %), loss {:.4}\n{}",
        100.0 * score.accuracy,
        score.nets,
        score.loss,
        table(&rows)
    )
}
