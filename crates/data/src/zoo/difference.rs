//! In what the manifests of two jobs differ, in words.

use serde_json::{Map, Value};
use weightlab_nets::{Convention, Mlp};

use super::manifest::ZooManifest;

/// Differences told one by one; the rest is counted.
const TOLD: usize = 4;
/// Characters of a long value, such as a hash.
const SHOWN: usize = 16;

/// What the manifest records about the job rather than results, or about its look alone.
const IGNORED: [&str; 9] = [
    "format_version",
    // Follows from the architecture.
    "convention",
    // Follow from the source, whose hash covers the labels.
    "class_names",
    "expected",
    "writing",
    "computed_on",
    "targets",
    "beside",
    "shards",
];

/// What a convention fixes.
const PRESET: [&str; 3] = ["output_offset", "target_range", "init"];

/// The contents of the source, and what explains that they differ.
const CONTENTS: &str = "contents of the source";
const EXPLAINING: [&str; 3] = ["source name", "source split", "image shape"];

/// The option that sets a value, by the end of its path.
const OPTIONS: [(&str, &str); 17] = [
    ("mlp.dims", "--dims"),
    ("omega_0", "--omega"),
    ("convention", "--convention"),
    ("mlp.init", "--convention"),
    ("source.name", "SOURCE"),
    ("source.kind", "SOURCE"),
    ("source.blake3", "SOURCE, --size or --grey"),
    ("source.split", "--split"),
    ("image_shape", "--size or --grey"),
    ("seed", "--seed"),
    ("learning_rate", "--lr"),
    ("max_steps", "--steps"),
    ("until_psnr", "--until-psnr"),
    ("plan.objects", "--offset and --limit"),
    ("plan.views", "--views"),
    ("plan.part", "--shard"),
    ("nets_per_shard", "--shard-size"),
];

/// One value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which value: `learning_rate`.
    pub what: String,
    /// The option that sets it, if one does.
    pub option: Option<&'static str>,
    /// Its value in the first manifest.
    pub first: String,
    /// Its value in the second.
    pub second: String,
}

/// `learning_rate was 0.0005, now 0.001 (--lr)`.
pub(super) fn was_and_is(differences: &[Difference]) -> String {
    list(differences, |d| format!("{} was {}, now {}", d.what, d.first, d.second))
}

/// `learning_rate: 0.0005 in A, 0.001 in B (--lr)`.
pub(super) fn one_and_other(differences: &[Difference], first: &str, second: &str) -> String {
    list(differences, |d| format!("{}: {} in {first}, {} in {second}", d.what, d.first, d.second))
}

fn list(differences: &[Difference], text: impl Fn(&Difference) -> String) -> String {
    let one = |d: &Difference| match d.option {
        Some(option) => format!("{} ({option})", text(d)),
        None => text(d),
    };
    let mut parts: Vec<String> = differences.iter().take(TOLD).map(one).collect();
    if differences.len() > TOLD {
        parts.push(format!("and {} more", differences.len() - TOLD));
    }
    parts.join("; ")
}

/// Everything in which two jobs differ. Results do not count.
pub(super) fn differences(a: &ZooManifest, b: &ZooManifest) -> Vec<Difference> {
    let (mut first, mut second) = (job(a), job(b));
    if let (Some(x), Some(y)) = (convention(&a.mlp), convention(&b.mlp)) {
        // The two names say it all.
        for (job, convention) in [(&mut first, x), (&mut second, y)] {
            if let Some(mlp) = job.get_mut("mlp").and_then(Value::as_object_mut) {
                mlp.retain(|key, _| !PRESET.contains(&key.as_str()));
                mlp.insert("convention".into(), convention.name().into());
            }
        }
    }
    if same_contents(a, b) {
        // Then its name is a label: the folder was renamed, or is packed on one machine only.
        for job in [&mut first, &mut second] {
            if let Some(source) = job.get_mut("source").and_then(Value::as_object_mut) {
                source.remove("name");
            }
        }
    }
    let mut out = Vec::new();
    compare("", &first, &second, &mut out);
    // Another split or size has other contents, which is no news.
    let explained = out.iter().any(|d| EXPLAINING.contains(&d.what.as_str()));
    out.retain(|d| !(explained && d.what == CONTENTS));
    out
}

/// Whether both were made from the same signals, whatever these were called.
pub(super) fn same_contents(a: &ZooManifest, b: &ZooManifest) -> bool {
    matches!((&a.source, &b.source), (Some(a), Some(b)) if a.blake3 == b.blake3)
}

/// The preset that an architecture agrees with in everything but widths and omega_0.
fn convention(mlp: &Mlp) -> Option<Convention> {
    Convention::ALL.into_iter().find(|&convention| {
        Mlp::new(&mlp.dims, convention)
            .is_ok_and(|preset| preset == Mlp { activation: preset.activation, ..mlp.clone() })
    })
}

/// A manifest without results, its parts and ranges as people write them.
fn job(manifest: &ZooManifest) -> Value {
    // By way of text, in which an f32 has its own shortest digits and not those of an f64.
    let text = serde_json::to_string(manifest).unwrap_or_default();
    let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|key, _| !IGNORED.contains(&key.as_str()));
        if let (Some(plan), Some(Value::Object(fields))) = (manifest.plan, fields.get_mut("plan")) {
            let [first, end] = plan.objects;
            let part = plan.part.map_or("the whole job".to_string(), |p| p.to_string());
            fields.insert("part".into(), part.into());
            fields.insert("objects".into(), format!("[{first}, {end})").into());
        }
        if let Some(Value::Object(mlp)) = fields.get_mut("mlp") {
            mlp.insert("dims".into(), manifest.mlp.dims_text().into());
        }
    }
    value
}

fn compare(path: &str, a: &Value, b: &Value, out: &mut Vec<Difference>) {
    match (a, b) {
        _ if a == b => {}
        (Value::Object(x), Value::Object(y)) => {
            let keys = |from: &Map<String, Value>| from.keys().cloned().collect::<Vec<_>>();
            let only_there = keys(y).into_iter().filter(|key| !x.contains_key(key));
            for key in keys(x).into_iter().chain(only_there) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |from: &Map<String, Value>| from.get(&key).cloned().unwrap_or_default();
                compare(&path, &of(x), &of(y), out);
            }
        }
        _ => {
            let option = OPTIONS.iter().find(|(end, _)| {
                path.strip_suffix(end)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
                    || path.starts_with(&format!("{end}."))
            });
            out.push(Difference {
                what: name(path),
                option: option.map(|(_, option)| *option),
                first: text(a),
                second: text(b),
            });
        }
    }
}

/// What a person calls the value at a path.
fn name(path: &str) -> String {
    match path {
        "created_by" => "program version".to_string(),
        "mlp.dims" => "architecture".to_string(),
        "nets_per_shard" => "networks per shard".to_string(),
        "image_shape" => "image shape".to_string(),
        "source.blake3" => CONTENTS.to_string(),
        _ => path.strip_prefix("source").map_or_else(
            || path.rsplit('.').next().unwrap_or(path).to_string(),
            |rest| format!("source{}", rest.replace('.', " ")),
        ),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_string(),
        Value::String(text) if text.chars().count() > 2 * SHOWN => {
            format!("{}..", text.chars().take(SHOWN).collect::<String>())
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
