//! Configurations as TOML.

use super::problem::TrainProblem;
use weightlab_learn::train::TrainConfig;

/// Reads a configuration; what it does not say has its default. `file` is the name used in messages.
///
/// # Errors
/// Not TOML, a key that does not exist, with the nearest that does, or a value of another kind.
pub fn read_config(text: &str, file: &str) -> Result<TrainConfig, TrainProblem> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map(|s| text[..s.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map_or(String::new(), |line| format!("line {line}: "));
        TrainProblem::Config {
            file: file.to_owned(),
            what: format!("{place}{}", e.message().trim()),
            nearest: nearest(e.message()),
        }
    })
}

/// The configuration with everything spelt out.
///
/// # Panics
/// Never: every configuration has a form in TOML.
pub fn write_config(config: &TrainConfig) -> String {
    toml::to_string(config).expect("a configuration has a form in TOML")
}

/// The known key that is most like the unknown one, from serde's words: "unknown field `x`, expected one of `a`, `b`".
fn nearest(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(given) = names.next().filter(|_| message.starts_with("unknown")) else {
        return String::new();
    };
    names
        .min_by_key(|name| weightlab_nets::symmetry::edit_distance(given, name))
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for augment in ["none", "combine", "translate:range=0.1+mixup-signed"] {
            let config = TrainConfig {
                augment: augment.parse().unwrap(),
                views: Some(3),
                ..TrainConfig::default()
            };
            let text = write_config(&config);
            assert_eq!(read_config(&text, "a").unwrap(), config, "{text}");
        }
        let text = write_config(&TrainConfig::default());
        assert!(text.contains("learning_rate = 0.005\n"), "{text}");
        assert_eq!(read_config("", "a").unwrap(), TrainConfig::default());
    }

    #[test]
    fn unknown_keys_are_named_with_the_nearest() {
        for (text, line, nearest) in [
            ("epoch = 3", 1, "epochs"),
            ("seed = 1\n[optimizer]\nlearning_rat = 1.0", 3, "learning_rate"),
            ("[model]\nkind = \"dws\"\nhiden = 16", 1, "hidden"),
        ] {
            let error = read_config(text, "a.toml").unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with("a.toml: "), "{said}");
            assert!(said.contains(&format!("`{nearest}`?")), "{said}");
            println!("{said} ({line})");
        }
        let said = read_config("augment = \"mixpu\"", "a").unwrap_err().to_string();
        assert!(said.contains("mixup-aligned"), "{said}");
        assert!(read_config("seed = ", "a").is_err());
    }
}
