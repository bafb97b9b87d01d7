//! `weightlab inspect`.

use super::open_zoo;
use crate::args::InspectArgs;
use crate::output::Out;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_data::{Shard, ZooManifest};
use weightlab_lab::LabError;
use weightlab_lab::meter::networks_text;
use weightlab_lab::stats::{Distribution, histogram};
use weightlab_nets::Activation;

/// Describes a zoo and checks every file of it.
pub async fn run(out: &Out, args: &InspectArgs) -> Result<ExitCode> {
    let zoo = open_zoo(&args.zoo).await?;
    let manifest = zoo.manifest();
    // What the manifest says helps even if a shard is damaged, so it comes first.
    for (key, value) in facts(manifest) {
        out.line(&format!("{key:<14} {value}"));
    }
    let mut known = Shard::default();
    for i in 0..manifest.shards.len() {
        let mut shard = zoo.read_shard(i).await.map_err(LabError::from)?;
        // Only the figures are wanted; all parameters together may not fit into memory.
        shard.params.clear();
        known.extend(&shard);
    }
    let targets = zoo.read_targets().await.map_err(LabError::from)?;
    let psnr = Distribution::of(known.psnr.iter().map(|&x| f64::from(x)));
    let steps = Distribution::of(known.steps.iter().map(|&x| x as f64));
    let diverged = (0..known.len()).filter(|&i| known.diverged(i)).count();
    out.object(&json!({"zoo": {
        "nets": zoo.nets(),
        "complete": manifest.is_complete(),
        "planned": manifest.planned(),
        "derived": manifest.derived,
        "dims": manifest.mlp.dims,
        "param_count": manifest.mlp.param_count(),
        "mlp": manifest.mlp,
        "convention": manifest.convention,
        "source": manifest.source,
        "image_shape": manifest.image_shape,
        "seed": manifest.seed,
        "fit": manifest.fit,
        "plan": manifest.plan,
        "shards": manifest.shards.len(),
        "nets_per_shard": manifest.nets_per_shard,
        "computed_on": manifest.computed_on.iter().enumerate().map(|(i, device)| {
            json!({"device": device, "nets": manifest.nets_computed_on(i)})
        }).collect::<Vec<_>>(),
        "targets": targets.as_ref().map(|t| t.len()),
        "psnr": psnr,
        "steps": steps,
        "diverged": diverged,
        "hashes_ok": true,
    }}));
    let images =
        targets.map_or(String::new(), |t| format!(", and {}", counted(t.len() as u64, "image")));
    out.line(&format!(
        "{:<14} {} of up to {} networks{images}; all hashes are right",
        "files",
        manifest.shards.len(),
        manifest.nets_per_shard
    ));
    let row = |d: &Distribution, digits: usize| {
        let x = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
        format!(
            "min {}  10 % {}  median {}  90 % {}  max {}",
            x(d.min),
            x(d.p10),
            x(d.median),
            x(d.p90),
            x(d.max)
        )
    };
    if psnr.count > 0 {
        out.line(&format!("{:<14} {}", "PSNR, dB", row(&psnr, 2)));
        out.line(&format!("{:<14} {}", "steps", row(&steps, 0)));
        out.line(&bars(&known.psnr));
    } else {
        out.line(&format!("{:<14} unknown", "PSNR"));
    }
    if diverged > 0 {
        out.line(&format!("{:<14} {diverged} networks, stored with PSNR NaN", "diverged"));
    }
    Ok(ExitCode::SUCCESS)
}

/// `1 view`, `3 views`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn facts(m: &ZooManifest) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let complete = match m.planned() {
        Some(planned) if !m.is_complete() => {
            let remedy = match (&m.writing, m.plan) {
                (Some(operation), _) => format!("run `{operation}` again, which begins anew"),
                (None, Some(_)) => "continue with fit --resume".to_owned(),
                (None, None) => {
                    "delete the folder and run the command that wrote it again".to_owned()
                }
            };
            format!(" of {planned} planned: unfinished, {remedy}")
        }
        _ => String::new(),
    };
    facts.push(("networks", format!("{}{complete}", m.nets())));
    let activation = match m.mlp.activation {
        Activation::Sine { omega_0 } => format!("sine, omega_0 = {omega_0}"),
        Activation::Relu => "ReLU".to_owned(),
    };
    facts.push((
        "architecture",
        format!("{}, {} parameters, {activation}", m.mlp.dims_text(), m.mlp.param_count()),
    ));
    let [lo, hi] = m.mlp.target_range;
    facts.push((
        "convention",
        format!(
            "{} (targets {lo} to {hi}, {} added to the output)",
            m.convention.as_deref().unwrap_or("its own"),
            m.mlp.output_offset
        ),
    ));
    if let Some(source) = &m.source {
        let split = source.split.as_ref().map_or(String::new(), |s| format!(", {s} split"));
        let shape = m.image_shape.map_or(String::new(), |[h, w, c]| {
            format!(", {h}x{w} {}", if c == 1 { "grey" } else { "RGB" })
        });
        let hash = source.blake3.get(..12).unwrap_or(&source.blake3);
        facts.push((
            "source",
            format!("{} ({}{split}){shape}, BLAKE3 {hash}..", source.name, source.kind.name()),
        ));
    }
    if let Some(plan) = m.plan {
        let part = plan.part.map_or(String::new(), |p| format!(", part {p}"));
        let objects = plan.part_objects();
        facts.push((
            "objects",
            format!(
                "{} to {} (excluded), {} each{part}",
                objects.start,
                objects.end,
                counted(plan.views.into(), "view")
            ),
        ));
    }
    facts.push(("seed", m.seed.to_string()));
    if let Some(fit) = &m.fit {
        let until =
            fit.until_psnr.map_or("never early".to_owned(), |db| format!("early at {db} dB"));
        facts.push((
            "fit",
            format!(
                "Adam, lr {}, at most {} steps, stopped {until}",
                fit.learning_rate, fit.max_steps
            ),
        ));
    }
    let mut derived = m.derived.as_deref();
    while let Some(d) = derived {
        let from: Vec<String> = d
            .from
            .iter()
            .map(|z| format!("{} (BLAKE3 {}..)", z.name, z.blake3.get(..12).unwrap_or(&z.blake3)))
            .collect();
        facts.push((
            "made by",
            format!(
                "{} {} with seed {} from {}",
                d.operation,
                d.parameters,
                d.seed,
                from.join(", ")
            ),
        ));
        derived = match d.from.as_slice() {
            [only] => only.derived.as_deref(),
            _ => None,
        };
    }
    for (i, device) in m.computed_on.iter().enumerate() {
        let nets = match m.nets_computed_on(i) {
            nets if nets == m.nets() => String::new(),
            nets => format!("{}: ", networks_text(nets)),
        };
        facts.push(("computed on", format!("{nets}{device}")));
    }
    if m.computed_on.len() > 1 {
        let mixed = "not the same, bit for bit, as a fit made in one place";
        facts.push(("", mixed.to_owned()));
    }
    facts.push(("written by", m.created_by.clone()));
    facts
}

/// PSNR as bars of text.
fn bars(psnr: &[f32]) -> String {
    let finite = psnr.iter().copied().filter(|x| x.is_finite());
    let (lo, hi) = finite.fold((f32::MAX, f32::MIN), |(a, b), x| (a.min(x), b.max(x)));
    let spread = f64::from(hi) - f64::from(lo);
    let width = [0.5, 1.0, 2.0, 5.0].into_iter().find(|w| spread / w <= 12.0).unwrap_or(10.0);
    let bins = histogram(psnr, width);
    let most = bins.iter().map(|b| b.1).max().unwrap_or(1).max(1);
    let rows: Vec<String> = bins
        .iter()
        .map(|&(low, n)| {
            let bar = "#".repeat((n * 40).div_ceil(most) as usize);
            format!("  {low:>6.1} to {:>5.1}  {bar} {n}", low + width)
        })
        .collect();
    rows.join("\n")
}
