//! `cargo xtask`: the commands that the README names. Run `cargo xtask help` for the list.

mod demo;
mod golden;
mod page;
mod run;
mod setup;
mod stages;
mod test;
mod tint;
mod wasm;

use std::process::ExitCode;

use setup::Need;

const HELP: &str = "\
cargo xtask COMMAND

  demo [ARGS..]        set up a GPU driver, build, fit the built-in images, write report.html;
                       ARGS go to `weightlab demo`
  serve [PORT]         set up, build the lab page and serve it at http://localhost:PORT/ (8080)
  test [--stage NAME]  set up, then every check this project has; one stage only with --stage
  setup [--driver]     only install what is missing (with --driver: only what the demo needs)
  help                 this text
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Command {
    Demo(Vec<String>),
    Serve(u16),
    Test(Option<String>),
    Setup { driver_only: bool },
    Help,
}

fn parse(args: &[String]) -> Result<Command, String> {
    let Some((name, rest)) = args.split_first() else { return Ok(Command::Help) };
    match (name.as_str(), rest) {
        ("demo", rest) => Ok(Command::Demo(rest.to_vec())),
        ("serve", []) => Ok(Command::Serve(8080)),
        ("serve", [port]) => {
            port.parse().map(Command::Serve).map_err(|_| format!("'{port}' is not a port"))
        }
        ("test", []) => Ok(Command::Test(None)),
        ("test", [flag, stage]) if flag == "--stage" => Ok(Command::Test(Some(stage.clone()))),
        ("setup", []) => Ok(Command::Setup { driver_only: false }),
        ("setup", [flag]) if flag == "--driver" => Ok(Command::Setup { driver_only: true }),
        ("help" | "--help" | "-h", []) => Ok(Command::Help),
        ("serve" | "test" | "setup" | "help", _) => {
            Err(format!("{name} does not take '{}'", rest.join(" ")))
        }
        _ => Err(format!("no command '{name}'")),
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match parse(&args) {
        Ok(Command::Demo(args)) => demo::demo(&args),
        Ok(Command::Serve(port)) => page::serve(port),
        Ok(Command::Test(stage)) => test::test(stage.as_deref()),
        Ok(Command::Setup { driver_only: true }) => {
            setup::provide(&[Need::Vulkan]).map(|()| ExitCode::SUCCESS)
        }
        Ok(Command::Setup { driver_only: false }) => {
            setup::provide(&Need::ALL).map(|()| ExitCode::SUCCESS)
        }
        Ok(Command::Help) => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Err(what) => {
            eprint!("xtask: {what}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("\nxtask: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn commands_and_their_options() {
        assert_eq!(parsed(""), Ok(Command::Help));
        assert_eq!(parsed("test"), Ok(Command::Test(None)));
        assert_eq!(parsed("test --stage fmt"), Ok(Command::Test(Some("fmt".into()))));
        assert_eq!(parsed("serve"), Ok(Command::Serve(8080)));
        assert_eq!(parsed("serve 9000"), Ok(Command::Serve(9000)));
        assert_eq!(parsed("setup --driver"), Ok(Command::Setup { driver_only: true }));
        // The demo's own options are the program's business, even those that xtask knows.
        let passed = ["--stage", "--help"].map(String::from).to_vec();
        assert_eq!(parsed("demo --stage --help"), Ok(Command::Demo(passed)));
    }

    #[test]
    fn what_is_not_a_command() {
        for line in [
            "serve here",
            "serve 1 2",
            "tests",
            "test fmt",
            "test --stage",
            "test --stage a b",
            "setup now",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
