//! `weightlab path`.

use super::{figure, open_gpu, open_zoo, table, write_file};
use crate::args::{Global, PathArgs, PathMethod};
use crate::output::Out;
use crate::tell::Usage;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_lab::path::{PathOptions, PathPoint, path};
use weightlab_nets::mix::Mix;

/// Draws what lies between two networks.
pub async fn run(global: &Global, out: &Out, args: &PathArgs) -> Result<ExitCode> {
    let ending = args.out.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
    let as_csv = match ending.as_deref() {
        Some("png") => false,
        Some("csv") => true,
        _ => {
            return Err(Usage {
                what: format!("--out {}: neither .png nor .csv", args.out.display()),
                hint: "a picture goes to a .png file, the errors as a table to a .csv file",
            }
            .into());
        }
    };
    let zoo = open_zoo(&args.zoo).await?;
    let mut methods: Vec<Mix> = args.method.into();
    if matches!(args.method, PathMethod::All) {
        // Networks without sines have no signs: there is one method less.
        methods.retain(|how| how.method().is_none_or(|m| m.validate(&zoo.manifest().mlp).is_ok()));
    }
    let gpu = open_gpu(global).await?;
    let options = PathOptions {
        pair: (args.pair.0, args.pair.1),
        steps: args.steps,
        methods,
        seed: args.seed,
    };
    let path = path(&gpu, &zoo, &options).await?;
    let bytes = if as_csv { path.csv().into_bytes() } else { path.png()? };
    write_file(&args.out, &bytes).await?;
    let file = args.out.display().to_string();
    let strips: Vec<_> = path
        .strips
        .iter()
        .map(|s| json!({"method": s.name(), "squared_distance": s.squared_distance, "points": s.points}))
        .collect();
    out.object(&json!({"path": {
        "file": file,
        "pair": [path.pair.0, path.pair.1],
        "against_images": path.against_images,
        "strips": strips,
    }}));
    let mut rows = vec![
        ["method", "distance^2", "greatest error", "at t", "half way"].map(str::to_owned).to_vec(),
    ];
    for strip in &path.strips {
        // An error that is no number is beyond all others, whatever its sign bit says.
        let size = |p: &PathPoint| if p.mse_blend.is_nan() { f64::INFINITY } else { p.mse_blend };
        let worst = strip.points.iter().max_by(|p, q| size(p).total_cmp(&size(q)));
        // An even number of steps has none half way.
        let half = strip.points.iter().find(|p| (p.t - 0.5).abs() < 1e-9);
        rows.push(vec![
            strip.name().to_owned(),
            strip.squared_distance.map_or("-".to_owned(), |d| figure(d, 4)),
            worst.map_or("-".to_owned(), |p| figure(p.mse_blend, 5)),
            worst.map_or("-".to_owned(), |p| format!("{:.2}", p.t)),
            half.map_or("-".to_owned(), |p| figure(p.mse_blend, 5)),
        ]);
    }
    out.line(&table(&rows));
    let [from, to] = &path.titles;
    let images = if path.against_images { "images" } else { "outputs of both networks" };
    out.line(&format!("mean squared errors against the average of the {images}"));
    out.line(&format!("{file}: from {from} to {to} in {} steps", args.steps));
    Ok(ExitCode::SUCCESS)
}
