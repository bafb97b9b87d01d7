//! `weightlab experiment` `table1`, `mixup-ablation`, `views` and `capacity`.

use super::drive::drive;
use super::{open_gpu, open_zoo, write_file};
use crate::args::{AccuracyArgs, Global, ScaleArg};
use crate::interrupt;
use crate::output::Out;
use crate::tell::Usage;
use anyhow::Result;
use std::process::ExitCode;
use weightlab_data::DirStore;
use weightlab_lab::experiment::accuracy::{self, Cell, Row, Scale, Study, Table};
use weightlab_lab::message::Message;
use weightlab_lab::{TrainJob, TrainOptions};

/// Trains cell by cell and writes the table after each.
pub async fn run(
    global: &Global,
    out: &Out,
    args: &AccuracyArgs,
    table: Table,
) -> Result<ExitCode> {
    let file = match table {
        Table::Augmentations => "table1",
        Table::MixupAblation => "mixup-ablation",
        Table::Views => "views",
        Table::Capacity => "capacity",
    };
    let scale = match args.scale {
        ScaleArg::Tiny => Scale::Tiny,
        ScaleArg::Small => Scale::Small,
        ScaleArg::Paper => Scale::Paper,
    };
    let seeds = args.seeds.unwrap_or(scale.seeds());
    let mut study = Study::new(table, scale);
    study.epochs = args.epochs.unwrap_or(study.epochs);
    let zoo = open_zoo(&args.zoo).await?;
    let test = match &args.test {
        Some(path) => Some(open_zoo(path).await?),
        None => None,
    };
    let mut rows = table.rows(scale, &zoo).await?;
    choose(&mut rows, &args.rows)?;
    let gpu = open_gpu(global).await?;
    let name = args.zoo.display().to_string();
    let mut cells: Vec<Cell> = Vec::new();
    let mut histories = Vec::new();
    // Seed by seed, so that every row has a figure early.
    for seed in 0..seeds {
        for row in &rows {
            let folder = args.out.join(study.folder(row, seed));
            let store = DirStore::new(&folder);
            let config = study.config(row, seed)?;
            let cell = if let Some(cell) = Cell::read(&store, &config, &zoo, test.as_ref()).await? {
                cell
            } else {
                out.note(&format!("{}, seed {seed}", row.name));
                let options = TrainOptions { config: config.clone(), resume: true, init: None };
                let mut job =
                    TrainJob::new(&gpu, &zoo, test.as_ref(), options, store.clone()).await?;
                let remedy = "the same command goes on where this one stopped";
                let finished = drive(&mut job, out, remedy, |line, message| {
                    if let Message::Epoch(e) = message {
                        line.note(out, &super::train::epoch(e));
                    }
                })
                .await?;
                let Some(finished) = finished else {
                    interrupt::tell(None);
                    return Ok(ExitCode::from(interrupt::CODE));
                };
                let cell =
                    Cell::conclude(&gpu, (table, row), (&store, &config), &zoo, finished).await?;
                cell.write(&store).await?;
                cell
            };
            out.line(&format!("{}, seed {seed}: {:.2} %", row.name, cell.accuracy()));
            out.object(&cell);
            if seed == 0 {
                histories.push((row.name.clone(), accuracy::epochs(&store).await?));
            }
            cells.push(cell);
            let page = accuracy::html(&study, &rows, &cells, &name, &histories);
            write_file(&args.out.join(format!("{file}.html")), page.as_bytes()).await?;
            let text = accuracy::markdown(&study, &rows, &cells, &name);
            write_file(&args.out.join(format!("{file}.md")), text.as_bytes()).await?;
        }
    }
    out.line(&accuracy::markdown(&study, &rows, &cells, &name));
    Ok(ExitCode::SUCCESS)
}

/// Leaves the rows that are named, all if none is.
fn choose(rows: &mut Vec<Row>, names: &[String]) -> Result<()> {
    let known: Vec<&str> = rows.iter().map(|row| row.folder.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Usage {
            what: format!("--rows: this table has no row {unknown:?}, only {}", known.join(", ")),
            hint: "give some of these, with commas between them",
        }
        .into());
    }
    rows.retain(|row| names.is_empty() || names.contains(&row.folder));
    Ok(())
}
