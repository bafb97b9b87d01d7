//! What every augmentation of weights does to the image that a network draws: figure 2 of Shamsian et al. 2023 (arXiv
//! 2311.08851), on any zoo of pictures.

mod page;
mod sheet;

use crate::derive::NetReader;
use crate::error::LabError;
use crate::path::mse;
use crate::stats::finite;
use serde::{Deserialize, Serialize};
use weightlab_data::{ImageSet, Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::align::Pair;
use weightlab_nets::mix::{Lambda, Mix, mix};
use weightlab_nets::symmetry::{Op, augment};
use weightlab_nets::{Mlp, NetBatch, evaluate, image_grid};

/// The rows, grouped by what they do to the function: everything that the program knows with its defaults, and what the papers do
/// differently from their code.
const OPS: [&str; 15] = [
    "translate:depth=first",
    "rotate",
    "scale",
    "siren-negation",
    "siren-bias",
    "relu-scaling",
    "permutation",
    "translate",
    "gaussian-noise",
    "masking",
    "masking:rescale=no",
    "quantile-masking",
    "combine",
    // Of 3-D inputs: none of a picture.
    "rotate-axis",
    "rotate-random",
];

/// Most networks side by side.
pub const MOST_NETS: u64 = 16;

/// What was done, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Nothing: the images, and the networks as they are.
    Before,
    /// f'(x) = f(g x).
    Input,
    /// f' = f.
    Same,
    /// Another function.
    Other,
    /// Half of this network and half of the next.
    Mixture,
}

/// One row of the figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// `rotate`, or `mix signed`.
    pub name: String,
    /// The operation with all its parameters, where there is one.
    pub op: String,
    /// What it does, in words.
    pub what: String,
    /// What that does to the function.
    pub group: Group,
    /// What the networks draw, `[nets, height, width, channels]`, output units.
    pub images: Vec<f32>,
    /// How far they are from what they were.
    pub change: Change,
}

/// How much a row changed what networks draw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// max |f - f'| over networks and pixels; `None` if it is not finite.
    pub max: Option<f64>,
    /// The same, as a share of the range of all outputs before.
    pub of_range: Option<f64>,
    /// Mean squared difference.
    pub mse: Option<f64>,
}

/// The figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The architecture.
    pub mlp: Mlp,
    /// `[height, width, channels]` of the images.
    pub shape: [usize; 3],
    /// What each column shows: `Ankle boot`.
    pub titles: Vec<String>,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Key of all random numbers.
    pub seed: u64,
}

impl Figure {
    /// As a picture.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>, LabError> {
        sheet::draw(self)
    }

    /// As a page: one file, without scripts, that needs nothing from anywhere. `command` is what draws it again, but for its
    /// `--out`.
    ///
    /// # Errors
    /// A picture cannot be encoded.
    pub fn html(&self, command: &str) -> Result<String, LabError> {
        page::html(self, command)
    }

    /// A network's picture of a row, as bytes.
    fn pixels(&self, row: &Row, net: usize) -> Vec<u8> {
        let each = self.shape.iter().product::<usize>();
        let image = &row.images[net * each..(net + 1) * each];
        crate::picture::to_pixels(image, self.mlp.target_range)
    }
}

/// The first image of every class, then others in order: `count` in all, as far as there are.
pub fn one_of_each_class(images: &ImageSet, count: usize) -> ImageSet {
    let mut firsts: Vec<usize> = Vec::new();
    let mut others = Vec::new();
    for i in 0..images.len() {
        let label = images.label(i);
        let known = firsts.iter().any(|&j| images.label(j) == label);
        if known { others.push(i) } else { firsts.push(i) }
    }
    firsts.extend(others);
    firsts.truncate(count);
    ImageSet {
        pixels: firsts.iter().flat_map(|&i| images.image(i)).copied().collect(),
        labels: images.labels.as_ref().map(|l| firsts.iter().map(|&i| l[i]).collect()),
        names: firsts.iter().filter_map(|&i| images.names.get(i).cloned()).collect(),
        ..images.clone()
    }
}

/// Applies every augmentation to the first networks of a zoo, at most [`MOST_NETS`], each by itself.
///
/// # Errors
/// Networks that are no pictures, none at all, weights that are not finite, or the GPU.
pub async fn augmentations<S: Store>(
    gpu: &Gpu,
    zoo: &Zoo<S>,
    seed: u64,
) -> Result<Figure, LabError> {
    let manifest = zoo.manifest();
    let mlp = &manifest.mlp;
    crate::contact_sheet::check_pictures(mlp)?;
    let count = zoo.nets().min(MOST_NETS);
    if count == 0 {
        return Err(LabError::Zero { option: "number of networks" });
    }
    let mut reader = NetReader::new(zoo)?;
    let nets = reader.read(&(0..count).collect::<Vec<_>>()).await?;
    let batch = reader.upload(gpu, &nets)?;
    let side = crate::contact_sheet::DEFAULT_SIDE;
    let (h, w) = manifest.image_shape.map_or((side, side), |[h, w, _]| (h, w));
    let grid = image_grid(h, w);
    let draw = async |batch: &NetBatch| -> Result<Vec<f32>, LabError> {
        Ok(evaluate(gpu, mlp, &batch.read().await?, batch.len(), &grid).await?)
    };
    let before = draw(&batch).await?;
    let row = |name: &str, op: String, what: &str, group, images: Vec<f32>| Row {
        name: name.to_owned(),
        op,
        what: what.to_owned(),
        group,
        change: change(&before, &images),
        images,
    };
    let mut rows = Vec::new();
    if let Some(targets) = zoo.read_targets().await? {
        let [lo, hi] = mlp.target_range;
        let image = |object: &i64| targets.find(*object);
        if let Some(all) = nets.objects.iter().map(image).collect::<Option<Vec<_>>>()
            && [targets.height, targets.width, targets.channels] == [h, w, mlp.outputs()]
        {
            let scaled = all.concat().into_iter().map(|p| lo + (hi - lo) * f32::from(p) / 255.0);
            let what = "what was fitted";
            rows.push(row("image", String::new(), what, Group::Before, scaled.collect()));
        }
    }
    rows.push(row("network", String::new(), "as it was fitted", Group::Before, before.clone()));
    for text in OPS {
        let ops = Op::parse(text)?;
        if ops.iter().any(|op| op.validate(mlp).is_err()) {
            continue;
        }
        let name = text.split(':').next().unwrap_or(text);
        let known = Op::known().iter().find(|k| k.name == name);
        let group = match ops.as_slice() {
            [op] => group(op),
            _ => Group::Other,
        };
        let all: Vec<String> = ops.iter().map(ToString::to_string).collect();
        let images = draw(&augment(&batch, &ops, seed)?).await?;
        let what = known.map_or("", |k| k.what);
        rows.push(row(name, all.join(" "), what, group, images));
    }
    let next = |i: usize| (i, (i + 1) % batch.len());
    let pairs = Pair::numbered(&(0..batch.len()).map(next).collect::<Vec<_>>());
    for how in Mix::ALL {
        if how.method().is_some_and(|m| m.validate(mlp).is_err()) {
            continue;
        }
        let what = match how {
            Mix::Direct => "half of it, half of the next",
            Mix::Random => "the next one shuffled first",
            Mix::Aligned => "the next one aligned first",
            Mix::Signed => "the next one aligned with signs",
        };
        let mixed = mix(&batch, &batch, &pairs, how, Lambda::Constant(0.5), seed).await?.0;
        let op = format!("mix:lambda=0.5,method={}", how.name());
        let name = format!("mix {}", how.name());
        rows.push(row(&name, op, what, Group::Mixture, draw(&mixed).await?));
    }
    let titles = nets.labels.iter().enumerate().map(|(i, &label)| {
        let class = usize::try_from(label).ok().and_then(|l| manifest.class_names.get(l));
        class.cloned().unwrap_or_else(|| format!("#{i}"))
    });
    Ok(Figure {
        mlp: mlp.clone(),
        shape: [h, w, mlp.outputs()],
        titles: titles.collect(),
        rows,
        seed,
    })
}

fn group(op: &Op) -> Group {
    use weightlab_nets::symmetry::Effect;
    match op.effect() {
        Effect::PreservesFunction => Group::Same,
        Effect::ActsOnInput => Group::Input,
        Effect::ChangesFunction => Group::Other,
    }
}

fn change(before: &[f32], after: &[f32]) -> Change {
    let difference = |(x, y): (&f32, &f32)| (f64::from(*x) - f64::from(*y)).abs();
    let max = before.iter().zip(after).map(difference).fold(0.0, |a: f64, d| {
        // NaN must not hide behind f64::max.
        if a.is_nan() || d.is_nan() { f64::NAN } else { a.max(d) }
    });
    let low = before.iter().copied().fold(f32::INFINITY, f32::min);
    let high = before.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = f64::from(high) - f64::from(low);
    Change { max: finite(max), of_range: finite(max / range), mse: finite(mse(before, after)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_operation_has_a_row() {
        for known in Op::known() {
            assert!(OPS.contains(&known.name), "{} is missing", known.name);
        }
        assert!(OPS.iter().all(|text| Op::parse(text).is_ok()));
    }

    #[test]
    fn not_a_number_is_no_small_change() {
        let found = change(&[0.0, 2.0, 1.0], &[f32::NAN, 2.0, 1.5]);
        assert_eq!(found, Change::default());
        let found = change(&[0.0, 2.0, 1.0], &[0.0, 2.0, 1.5]);
        assert_eq!((found.max, found.of_range), (Some(0.5), Some(0.25)));
        assert!((found.mse.unwrap() - 0.25 / 3.0).abs() < 1e-12);
    }
}
