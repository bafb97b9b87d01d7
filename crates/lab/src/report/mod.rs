//! What a fit came to, as a table for the terminal and as a chapter of a page; charts, rows of pictures and the shell of all pages.

pub(crate) mod chart;
pub(crate) mod document;
pub(crate) mod page;
pub(crate) mod rows;

use crate::error::LabError;
use crate::message::{Finished, Metric, Started};
use crate::meter::{bytes_text, count_text, duration_text};
use crate::picture;
use weightlab_data::{ImageSet, Shard, Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::{FitSettings, Mlp, evaluate, image_grid};

/// Side lengths at which one network is shown large, as multiples of its image's.
const CLOSE_UPS: [usize; 3] = [1, 4, 16];

/// Side of the picture that marks a network that diverged.
const MARK: usize = 84;

/// Everything that a report shows.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) mlp: Mlp,
    settings: FitSettings,
    source: String,
    pub(crate) size: (usize, usize),
    started: Started,
    pub(crate) finished: Finished,
    metrics: Vec<Metric>,
    pub(crate) nets: Vec<NetReport>,
    close_up: CloseUp,
}

#[derive(Clone, Debug)]
pub(crate) struct NetReport {
    /// Name of its image, or number and class.
    pub(crate) name: String,
    psnr: f32,
    steps: i64,
    pub(crate) target: String,
    pub(crate) drawn: String,
}

/// One network at several resolutions.
#[derive(Clone, Debug)]
struct CloseUp {
    net: usize,
    /// `(height, width, picture)`
    pictures: Vec<(usize, usize, String)>,
}

impl Report {
    /// Evaluates the networks of a finished job and collects what the report needs. `metrics` are
    /// those of the job, with values per network ([`FitOptions::curves`](crate::FitOptions::curves)).
    ///
    /// # Errors
    /// A damaged zoo, or the GPU.
    pub async fn gather<S: Store>(
        gpu: &Gpu,
        zoo: &Zoo<S>,
        images: &ImageSet,
        settings: FitSettings,
        started: Started,
        finished: Finished,
        metrics: Vec<Metric>,
    ) -> Result<Report, LabError> {
        let all = zoo.load_all().await?;
        let mlp = zoo.manifest().mlp.clone();
        let (h, w, c) = (images.height, images.width, images.channels);
        let outputs = evaluate(gpu, &mlp, &all.params, all.len(), &image_grid(h, w)).await?;
        let mut nets = Vec::new();
        for (i, output) in outputs.chunks_exact(h * w * c).enumerate() {
            let object = usize::try_from(all.objects[i]).unwrap_or(usize::MAX);
            let drawn = match all.psnr[i].is_nan() {
                true => picture::png(&picture::crossed_out(MARK, MARK), MARK, MARK, 3)?,
                false => picture::png(&picture::to_pixels(output, mlp.target_range), h, w, c)?,
            };
            nets.push(NetReport {
                name: name(images, object, all.labels[i], all.views[i]),
                psnr: all.psnr[i],
                steps: all.steps[i],
                target: picture::data_uri(&picture::png(images.image(object), h, w, c)?),
                drawn: picture::data_uri(&drawn),
            });
        }
        let close_up = close_up(gpu, &mlp, &all, (h, w)).await?;
        Ok(Report {
            mlp,
            settings,
            source: images.source.name.clone(),
            size: (h, w),
            started,
            finished,
            metrics,
            nets,
            close_up,
        })
    }

    /// Rows of the table: what, and how much.
    pub fn rows(&self) -> Vec<(String, String)> {
        let f = &self.finished;
        let db = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.2} dB"));
        let mut rows = vec![
            ("images".into(), format!("{} of {}", f.nets, self.source)),
            (
                "networks".into(),
                format!("{} ({} parameters each)", self.mlp.dims_text(), self.mlp.param_count()),
            ),
            ("PSNR, median".into(), db(f.psnr.median)),
            ("PSNR, mean".into(), db(f.psnr.mean)),
            ("PSNR, 10 % to 90 %".into(), format!("{} to {}", db(f.psnr.p10), db(f.psnr.p90))),
            ("PSNR, min and max".into(), format!("{} and {}", db(f.psnr.min), db(f.psnr.max))),
        ];
        if let Some(target) = self.settings.until_psnr {
            let text = format!("{} of {}", f.reached_target, f.nets);
            rows.push((format!("stopped early at {target} dB"), text));
        }
        rows.push(("diverged".into(), f.diverged.len().to_string()));
        rows.push(("time".into(), duration_text(f.seconds)));
        if let Some(rate) = f.nets_per_s {
            rows.push(("networks per second".into(), format!("{rate:.2}")));
            let steps = f.steps as f64 / f.seconds;
            rows.push(("steps per second".into(), count_text(steps)));
        }
        rows.push(("adapter".into(), f.adapter.clone()));
        rows.push(("GPU memory".into(), bytes_text(f.bytes)));
        rows
    }

    /// The table for a terminal.
    pub fn table(&self) -> String {
        let rows = self.rows();
        let width = rows.iter().map(|(k, _)| k.chars().count()).max().unwrap_or(0);
        rows.iter().map(|(k, v)| format!("{k:<width$}   {v}\n")).collect()
    }

    fn psnr(&self) -> Vec<f32> {
        self.nets.iter().map(|n| n.psnr).collect()
    }
}

/// The image file's name, or the object's number and class; and which view.
fn name(images: &ImageSet, object: usize, label: i64, view: i64) -> String {
    let class = usize::try_from(label).ok().and_then(|l| images.class_names.get(l));
    let name = match (images.names.get(object), class) {
        (Some(file), _) => file.clone(),
        (None, Some(class)) => format!("#{object} {class}"),
        (None, None) if label >= 0 => format!("#{object} class {label}"),
        (None, None) => format!("#{object}"),
    };
    if view > 0 { format!("{name} ({view})") } else { name }
}

/// The network of median quality, so that nobody can say it was picked.
async fn close_up(
    gpu: &Gpu,
    mlp: &Mlp,
    all: &Shard,
    (h, w): (usize, usize),
) -> Result<CloseUp, LabError> {
    let mut order: Vec<usize> = (0..all.len()).filter(|&i| all.psnr[i].is_finite()).collect();
    order.sort_by(|&a, &b| all.psnr[a].total_cmp(&all.psnr[b]));
    let Some(&net) = order.get(order.len() / 2) else {
        return Ok(CloseUp { net: 0, pictures: Vec::new() });
    };
    let mut pictures = Vec::new();
    for scale in CLOSE_UPS {
        let (h, w) = (h * scale, w * scale);
        let output = evaluate(gpu, mlp, all.net(net), 1, &image_grid(h, w)).await?;
        let pixels = picture::to_pixels(&output, mlp.target_range);
        pictures.push((h, w, picture::data_uri(&picture::png(&pixels, h, w, mlp.outputs())?)));
    }
    Ok(CloseUp { net, pictures })
}
