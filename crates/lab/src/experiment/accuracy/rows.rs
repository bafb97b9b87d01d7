//! Which rows the tables have.

use super::{Row, Scale, Table};
use crate::error::LabError;
use crate::train::{self, TrainProblem};
use weightlab_data::{Store, Zoo};
use weightlab_learn::train::TrainConfig;

/// A row that differs from others by what happens to a batch.
fn augmented(
    name: &str,
    augment: &'static str,
    smoothing: f32,
    published: Option<[f64; 2]>,
) -> Row {
    let folder = match smoothing > 0.0 {
        true => format!("{augment}-smoothing"),
        false => augment.to_owned(),
    };
    let name = name.to_owned();
    Row { name, folder, augment, smoothing, views: None, limit: None, size: None, published }
}

fn plain(name: String, folder: String) -> Row {
    Row { name, folder, ..augmented("", "none", 0.0, None) }
}

fn augmentations() -> Vec<Row> {
    vec![
        augmented("No augmentation", "none", 0.0, Some([68.30, 0.62])),
        augmented("Translate", "translate", 0.0, Some([67.90, 0.24])),
        augmented("SIREN negation", "siren-negation", 0.0, Some([71.40, 0.29])),
        augmented("Masking", "masking", 0.0, Some([68.48, 0.14])),
        augmented("Gaussian noise", "gaussian-noise", 0.0, Some([68.53, 0.09])),
        augmented("MixUp", "mixup", 0.0, Some([74.36, 1.17])),
        augmented("MixUp + random perm.", "mixup-random", 0.0, Some([73.89, 0.89])),
        augmented("Alignment + MixUp", "mixup-aligned", 0.0, Some([75.67, 0.36])),
        augmented("Signed alignment + MixUp", "mixup-signed", 0.0, None),
    ]
}

fn ablation() -> Vec<Row> {
    vec![
        augmented("No augmentation", "none", 0.0, Some([68.30, 0.62])),
        augmented("Label smoothing", "none", 0.1, Some([69.15, 0.51])),
        augmented("Input averaging", "input-mixup", 0.0, Some([72.38, 0.39])),
        augmented("MixUp", "mixup", 0.0, Some([74.36, 1.17])),
        augmented("Alignment + MixUp", "mixup-aligned", 0.0, Some([75.67, 0.36])),
    ]
}

/// Networks to learn from, when some objects are held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Objects.
    pub objects: usize,
    /// Views of each.
    pub views: u32,
}

/// More and more views of the same objects (Figure 4), then as many networks of fewer and fewer objects (Figure 8). The last view is left
/// out of both: it says what a model knows of images that it has seen. Single views are a row of both.
fn views(extent: Extent) -> Vec<Row> {
    let Extent { objects, views } = extent;
    let more = (1..views).map(|v| Row {
        views: Some(v),
        limit: Some(objects * v as usize),
        ..plain(format!("{v} x {objects} objects"), format!("views-{v}"))
    });
    let fewer = (2..views).map(|v| {
        let fewer = objects / v as usize;
        Row {
            views: Some(v),
            limit: Some(fewer * v as usize),
            ..plain(format!("{v} x {fewer} objects"), format!("views-{v}-of-fewer"))
        }
    });
    let mut rows: Vec<Row> = more.chain(fewer).collect();
    // Table 1 has a figure for one view of 55,000 objects.
    if let Some(first) = rows.first_mut() {
        first.published = Some([68.30, 0.62]);
    }
    rows
}

fn capacity(scale: Scale) -> Vec<Row> {
    let (widths, depths): (&[usize], &[usize]) = match scale {
        Scale::Tiny => (&[8, 16, 32], &[0, 1]),
        _ => (&[8, 16, 32], &[1, 2, 4]),
    };
    let size = |hidden: usize, layers: usize| Row {
        size: Some([hidden, layers]),
        ..plain(
            format!("hidden {hidden}, layers {layers}"),
            format!("hidden-{hidden}-layers-{layers}"),
        )
    };
    depths.iter().flat_map(|&l| widths.iter().map(move |&h| size(h, l))).collect()
}

impl Table {
    /// Its rows at a scale. `extent` counts only for [`Table::Views`].
    pub fn rows_of(self, scale: Scale, extent: Extent) -> Vec<Row> {
        let short = ["none", "siren-negation", "mixup", "mixup-aligned", "mixup-signed"];
        match self {
            Table::MixupAblation => ablation(),
            Table::Augmentations if scale != Scale::Tiny => augmentations(),
            Table::Augmentations => {
                augmentations().into_iter().filter(|r| short.contains(&r.augment)).collect()
            }
            Table::Views => views(extent),
            Table::Capacity => capacity(scale),
        }
    }

    /// Its rows for a zoo.
    ///
    /// # Errors
    /// A zoo that cannot be trained on, or with too few views of its objects.
    pub async fn rows<S: Store>(self, scale: Scale, zoo: &Zoo<S>) -> Result<Vec<Row>, LabError> {
        if self != Table::Views {
            return Ok(self.rows_of(scale, Extent { objects: 0, views: 0 }));
        }
        let learnt = train::learnt_from(zoo, &TrainConfig::default()).await?;
        let views = learnt.views.len() as u32;
        if views < 2 {
            return Err(TrainProblem::TooFewViews { store: zoo.store().describe() }.into());
        }
        let objects = learnt.objects.len().min(scale.limit().unwrap_or(usize::MAX));
        Ok(self.rows_of(scale, Extent { objects, views }))
    }
}
