//! The program `weightlab`: a thin client of the jobs in `weightlab-lab`.

#![deny(clippy::print_stderr, reason = "it panics where nobody listens; `output::say` does not")]

mod args;
mod commands;
mod interrupt;
mod output;
mod progress;
mod surroundings;
mod tell;

use args::{Cli, Command};
use clap::Parser;
use output::Out;
use std::process::ExitCode;

fn main() -> ExitCode {
    surroundings::settle();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let out = Out { json: cli.global.json, quiet: cli.global.quiet };
    interrupt::install(out, cli.command.resume_line(), cli.command.remedy());
    let result = pollster::block_on(async {
        let global = &cli.global;
        match cli.command {
            Command::Devices => commands::devices::run(global, &out).await,
            Command::Check(args) => commands::check::run(global, &out, &args).await,
            Command::Fit(args) => commands::fit::run(global, &out, &args).await,
            Command::Inspect(args) => commands::inspect::run(&out, &args).await,
            Command::Render(args) => commands::render::run(global, &out, &args).await,
            Command::Augment(args) => commands::augment::run(global, &out, &args).await,
            Command::Align(args) => commands::align::run(global, &out, &args).await,
            Command::Mix(args) => commands::mix::run(global, &out, &args).await,
            Command::Path(args) => commands::path::run(global, &out, &args).await,
            Command::Experiment(what) => commands::experiment::run(global, &out, &what).await,
            Command::Train(args) => commands::train::run(global, &out, &args).await,
            Command::Eval(args) => commands::eval::run(global, &out, &args).await,
            Command::Merge(args) => commands::merge::run(&out, &args).await,
            Command::Export(args) => commands::transfer::export(&out, &args).await,
            Command::Import(args) => commands::transfer::import(&out, &args).await,
            Command::Bench(args) => commands::bench::run(global, &out, &args).await,
            Command::Demo(args) => commands::demo::run(global, &out, &args).await,
        }
    });
    match result {
        Ok(code) => code,
        Err(error) => tell::error(&out, &error),
    }
}

/// What clap found: help goes to stdout with 0, mistakes to stderr with 2.
fn usage(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    // Nothing can be done about a closed stream here.
    let _unheard = error.print();
    // The arguments did not parse, so ask them directly.
    if code != 0 && std::env::args_os().any(|a| a == "--json") {
        let text = error.to_string();
        let (what, hint) = tell::split_usage(&text);
        Out { json: true, quiet: false }.failed(&what, &hint);
    }
    ExitCode::from(code)
}
