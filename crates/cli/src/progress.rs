//! The live line on stderr.

use crate::output::{Out, say};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use weightlab_lab::message::Progress;
use weightlab_lab::meter::{count_text, duration_text};

/// Between two lines where stderr is no terminal: a log should not be flooded.
const LOG_EVERY: Duration = Duration::from_secs(5);
/// Units of the bar.
const UNITS: u64 = 1000;

/// A bar on a terminal, a line now and then in a log, nothing if quiet.
#[derive(Debug)]
pub struct Line {
    bar: Option<ProgressBar>,
    log: bool,
    logged: Option<Instant>,
}

impl Line {
    /// Nothing is drawn before the first [`Line::show`].
    pub fn new(out: &Out) -> Line {
        let terminal = std::io::stderr().is_terminal();
        let bar = (terminal && !out.quiet).then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(UNITS), ProgressDrawTarget::stderr_with_hz(8));
            // The template is a constant, so it parses.
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Line { bar, log: !terminal && !out.quiet, logged: None }
    }

    /// Shows how far it is.
    pub fn show(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_position((progress.fraction * UNITS as f64) as u64);
            bar.set_message(text(progress));
        } else if self.log && self.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            // The next line ends what is said of compiling, whenever that is.
            self.logged = (!progress.compiling).then(Instant::now);
            say(&format!("{:>3.0}%  {}", progress.fraction * 100.0, text(progress)));
        }
    }

    /// A line above the bar.
    pub fn note(&self, out: &Out, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out.note(text)),
            None => out.note(text),
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn text(p: &Progress) -> String {
    let mut text = format!("{}/{} nets", p.nets_done, p.nets);
    if p.compiling {
        return text + "  compiling the kernels (first time only)";
    }
    if let Some(rate) = p.steps_per_s {
        text += &format!("  {} steps/s", count_text(rate));
    } else if let Some(rate) = p.nets_per_s {
        text += &format!("  {} nets/s", count_text(rate));
    }
    if let Some(db) = p.db {
        text += &format!("  {db:.1} dB");
    }
    if let Some(l) = &p.learning {
        text = format!("epoch {}/{}", l.epoch, l.epochs);
        if let Some(loss) = l.loss {
            text += &format!("  loss {loss:.3}");
        }
        if let Some(accuracy) = l.accuracy {
            text += &format!("  accuracy {:.1} %", 100.0 * accuracy);
        }
        if let Some(accuracy) = l.validation_accuracy {
            text += &format!(" (validation {:.1} %)", 100.0 * accuracy);
        }
        if let Some(rate) = p.nets_per_s {
            text += &format!("  {} samples/s", count_text(rate));
        }
    }
    if let Some(eta) = p.eta_s {
        text += &format!("  ETA {}", duration_text(eta));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_all_four_figures() {
        let progress = Progress {
            nets_done: 12,
            nets: 64,
            steps: 20_000,
            fraction: 0.4,
            steps_per_s: Some(2345.6),
            nets_per_s: None,
            db: Some(31.26),
            db_mean: None,
            seconds: 8.0,
            eta_s: Some(12.2),
            learning: None,
            compiling: false,
        };
        assert_eq!(text(&progress), "12/64 nets  2346 steps/s  31.3 dB  ETA 12 s");
        let compiling = Progress { compiling: true, ..progress };
        assert_eq!(text(&compiling), "12/64 nets  compiling the kernels (first time only)");
    }
}
