//! `cargo xtask test`: the stages one after another, with their times.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::setup::{self, Need};
use crate::stages::{STAGES, Stage};

/// Runs every stage, or one, up to the first that fails.
pub fn test(only: Option<&str>) -> Result<ExitCode> {
    let stages: Vec<&Stage> =
        STAGES.iter().filter(|stage| only.is_none_or(|name| name == stage.name)).collect();
    if stages.is_empty() {
        let names = STAGES.map(|stage| stage.name).join(" ");
        bail!("no stage '{}'; there are: {names}", only.unwrap_or_default());
    }
    let begin = Instant::now();
    let needs: Vec<Need> = stages.iter().flat_map(|stage| stage.needs).copied().collect();
    setup::provide(&needs)?;
    let mut rows = vec![Row::new("setup", "ok", begin.elapsed())];
    let mut last_words = None;
    let mut failure = None;
    for (i, stage) in stages.iter().enumerate() {
        if failure.is_some() {
            rows.push(Row { name: stage.name, outcome: "not run", time: None });
            continue;
        }
        println!("\n== {} ({}/{}): {}", stage.name, i + 1, stages.len(), stage.about);
        let start = Instant::now();
        let outcome = (stage.run)();
        let time = start.elapsed();
        rows.push(Row::new(stage.name, if outcome.is_ok() { "ok" } else { "FAILED" }, time));
        match outcome {
            Ok(line) => {
                println!("-- {}: ok, {}", stage.name, seconds(time));
                last_words = line.or(last_words);
            }
            Err(error) => failure = Some((stage.name, error)),
        }
    }
    print!("\n{}", table(&rows, begin.elapsed()));
    match failure {
        None => {
            // The tests' own summary once more, where whoever looks at the end of the output finds it.
            println!("\n{}", last_words.unwrap_or_else(|| "every stage passed".into()));
            Ok(ExitCode::SUCCESS)
        }
        Some((name, error)) => {
            println!(
                "\nstage {name} FAILED: {error:#}\nrun it alone with: cargo xtask test --stage {name}"
            );
            Ok(ExitCode::FAILURE)
        }
    }
}

/// One line of the closing table.
struct Row {
    name: &'static str,
    outcome: &'static str,
    time: Option<Duration>,
}

impl Row {
    fn new(name: &'static str, outcome: &'static str, time: Duration) -> Self {
        Row { name, outcome, time: Some(time) }
    }
}

fn table(rows: &[Row], total: Duration) -> String {
    let line =
        |name: &str, outcome: &str, time: &str| format!("{name:<12} {outcome:<8} {time:>9}\n");
    let mut text = line("stage", "", "time");
    for row in rows {
        text += &line(row.name, row.outcome, &row.time.map(seconds).unwrap_or_default());
    }
    text + &line("total", "", &seconds(total))
}

fn seconds(time: Duration) -> String {
    let s = time.as_secs_f64();
    if s < 60.0 {
        format!("{s:.1} s")
    } else {
        format!("{}:{:02} min", s as u64 / 60, s as u64 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_was_not_run() {
        let rows = [
            Row::new("fmt", "FAILED", Duration::from_millis(1250)),
            Row { name: "clippy", outcome: "not run", time: None },
        ];
        let text = table(&rows, Duration::from_secs(125));
        assert!(
            text.contains("FAILED       1.2 s") || text.contains("FAILED       1.3 s"),
            "{text}"
        );
        assert!(text.contains("clippy       not run"), "{text}");
        assert!(text.contains("2:05 min"), "{text}");
    }

    #[test]
    fn stages_have_names_of_their_own() {
        let mut names = STAGES.map(|stage| stage.name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
