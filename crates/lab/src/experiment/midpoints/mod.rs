//! What the network half way between two others draws, under every way of mixing: over many pairs, with confidence intervals.
//!
//! Errors are mean squared errors over pixels and channels, against the average of the two *images* (what a perfect
//! mixture of functions would draw) and against the nearer of the two images. As yardsticks: how far both networks
//! are from their own images, and how far a constant grey is from the average of the images.
//!
//! Two more figures say why. What is left after the best brightness and contrast is the error of the drawing's shape alone. And
//! the phase difference of the first layer's matched neurons says how far those still are from each other: of one
//! radian and more, the average of two sines is another function than either.

mod draw;

use crate::derive::{NetReader, in_words, nets_at_once};
use crate::error::LabError;
use crate::job::{Clock, Job};
use crate::message::Message;
use crate::path::mse;
use draw::draw;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt::Write as _;
use weightlab_data::{Shard, Store, Targets, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::align::Pair;
use weightlab_nets::mix::{Lambda, Mix, mix};
use weightlab_nets::{Activation, Mlp, evaluate, image_grid};

/// Two-sided 95 % of the normal distribution, which the mean of hundreds of errors has.
const QUANTILE: f64 = 1.959_964;

/// Which pairs are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// Of different images of one class.
    Class,
    /// Two networks of one image, from different starts.
    Image,
}

impl Kin {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kin::Class => "class",
            Kin::Image => "image",
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct MidpointOptions {
    /// How many pairs.
    pub pairs: usize,
    /// Which.
    pub kin: Kin,
    /// Key of the choice, and of random permutations and orders.
    pub seed: u64,
}

/// What the experiment is going to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Pairs.
    pub pairs: u64,
    /// `class` or `image`.
    pub kin: String,
    /// The architecture: `2-32-32-1`.
    pub dims: String,
    /// Points of an image.
    pub points: u64,
    /// Name of the adapter.
    pub adapter: String,
}

/// A mean over pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % confidence interval.
    pub margin: f64,
    /// Standard deviation over the pairs.
    pub deviation: f64,
}

impl Mean {
    /// Of independent values; 0 of none.
    pub fn of(values: &[f64]) -> Mean {
        let n = values.len() as f64;
        if values.is_empty() {
            return Mean::default();
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
        Mean { mean, margin: QUANTILE * deviation / n.sqrt(), deviation }
    }
}

/// The midpoints under one way of mixing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `direct`, `random`, `aligned` or `signed`.
    pub method: String,
    /// Error against the average of the images.
    pub mse_blend: Mean,
    /// Error against the nearer image.
    pub mse_nearer: Mean,
    /// Squared distance of the weights of the two networks, the second moved.
    pub squared_distance: Mean,
    /// Error against the average after the best brightness and contrast of every midpoint.
    pub mse_shape: Mean,
    /// Phase difference of the first layer's matched neurons, root of the mean square over picture and neurons, radians.
    pub phase: Mean,
    /// By how much the error against the average is greater than with signed alignment, pair by pair.
    pub more_than_signed: Mean,
    /// Share of the pairs in which signed alignment has the smaller error.
    pub signed_better: f64,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Pairs.
    pub pairs: u64,
    /// `class` or `image`.
    pub kin: String,
    /// A row per way of mixing.
    pub rows: Vec<Row>,
    /// Error of the networks themselves against their images.
    pub ends: Mean,
    /// Error of the best constant against the average of the images.
    pub constant: Mean,
    /// Error of one image against the average of both.
    pub one_image: Mean,
    /// Seconds.
    pub seconds: f64,
    /// Name of the adapter.
    pub adapter: String,
}

/// All errors of one pair.
#[derive(Clone, Debug)]
struct Measured {
    pair: (u64, u64),
    /// Per way of mixing, in the order of [`Mix::ALL`].
    by_method: Vec<Midpoint>,
    ends: f64,
    constant: f64,
    one_image: f64,
}

/// One midpoint.
#[derive(Clone, Copy, Debug)]
struct Midpoint {
    blend: f64,
    nearer: f64,
    distance: f64,
    shape: f64,
    phase: f64,
}

/// The experiment, as a stream of messages.
#[derive(Debug)]
pub struct MidpointJob<'a, S: Store> {
    gpu: Gpu,
    reader: NetReader<'a, S>,
    targets: Targets,
    options: MidpointOptions,
    mlp: Mlp,
    grid: Vec<f32>,
    pairs: Vec<(u64, u64)>,
    per_batch: usize,
    done: Vec<Measured>,
    queue: VecDeque<Message<Started, Finished>>,
    clock: Clock,
    over: bool,
}

impl<'a, S: Store> MidpointJob<'a, S> {
    /// Chooses the pairs.
    ///
    /// # Errors
    /// A zoo without images, too few networks of the kind wanted, or networks without the symmetries that are asked for.
    pub async fn new(
        gpu: &Gpu,
        zoo: &'a Zoo<S>,
        options: MidpointOptions,
    ) -> Result<MidpointJob<'a, S>, LabError> {
        let mlp = zoo.manifest().mlp.clone();
        crate::contact_sheet::check_pictures(&mlp)?;
        for how in Mix::ALL {
            if let Some(method) = how.method() {
                method.validate(&mlp)?;
            }
        }
        let store = zoo.store().describe();
        let Some(targets) = zoo.read_targets().await? else {
            return Err(LabError::NoImages { store });
        };
        if options.pairs == 0 {
            return Err(LabError::Zero { option: "--pairs" });
        }
        let reader = NetReader::new(zoo)?;
        let pairs = draw(zoo, &options).await?;
        let grid = image_grid(targets.height, targets.width);
        let points = targets.height * targets.width;
        let started = Started {
            pairs: pairs.len() as u64,
            kin: options.kin.name().to_owned(),
            dims: mlp.dims_text(),
            points: points as u64,
            adapter: gpu.report().name.clone(),
        };
        // Evaluation dominates: some 20 ms for a batch on a software renderer.
        let per_batch = nets_at_once(gpu, &mlp, 4, 0).min(if gpu.is_cpu() { 32 } else { 512 });
        Ok(MidpointJob {
            gpu: gpu.clone(),
            reader,
            targets,
            options,
            mlp,
            grid,
            pairs,
            per_batch,
            done: Vec::new(),
            queue: VecDeque::from([Message::Started(started)]),
            clock: Clock::default(),
            over: false,
        })
    }

    /// A line per pair and way of mixing.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "first,second,method,mse_blend,mse_nearer,squared_distance,mse_shape,phase\n",
        );
        for one in &self.done {
            for (how, m) in Mix::ALL.iter().zip(&one.by_method) {
                let (a, b) = one.pair;
                let Midpoint { blend, nearer, distance, shape, phase } = m;
                // A String takes everything.
                let _infallible = writeln!(
                    text,
                    "{a},{b},{},{blend},{nearer},{distance},{shape},{phase}",
                    how.name()
                );
            }
        }
        text
    }

    /// The pair that signed alignment mends best so far: with the least error half way, as a share of an even grey's.
    pub fn mended(&self) -> Option<(u64, u64)> {
        let signed = Mix::ALL.iter().position(|&how| how == Mix::Signed)?;
        let share = |one: &Measured| one.by_method[signed].blend / one.constant;
        let best = self.done.iter().min_by(|a, b| share(a).total_cmp(&share(b)));
        best.map(|one| one.pair)
    }

    /// One batch of pairs, under every way of mixing.
    async fn step(&mut self) -> Result<(), LabError> {
        self.clock.start();
        let first = self.done.len();
        if first == self.pairs.len() {
            self.finish();
            return Ok(());
        }
        let end = self.pairs.len().min(first + self.per_batch);
        let chunk = &self.pairs[first..end];
        let (at_a, at_b): (Vec<u64>, Vec<u64>) = chunk.iter().copied().unzip();
        let [a, b] = [self.reader.read(&at_a).await?, self.reader.read(&at_b).await?];
        let images = |nets: &Shard| -> Result<Vec<Vec<f32>>, LabError> {
            nets.objects.iter().map(|&object| self.image(object)).collect()
        };
        let (x, y) = (images(&a)?, images(&b)?);
        let each = self.grid.len() / 2 * self.mlp.outputs();
        let own =
            [self.outputs(&a.params, a.len()).await?, self.outputs(&b.params, b.len()).await?];
        let mut measured: Vec<Measured> = chunk
            .iter()
            .enumerate()
            .map(|(i, &pair)| {
                let blend = average(&x[i], &y[i]);
                let drawn = |n: usize| &own[n][i * each..(i + 1) * each];
                let level = blend.iter().map(|&v| f64::from(v)).sum::<f64>() / each as f64;
                Measured {
                    pair,
                    by_method: Vec::new(),
                    ends: 0.5 * (mse(drawn(0), &x[i]) + mse(drawn(1), &y[i])),
                    constant: mse(&vec![level as f32; each], &blend),
                    one_image: mse(&x[i], &blend),
                }
            })
            .collect();
        let reference = self.reader.upload(&self.gpu, &a)?;
        let moving = self.reader.upload(&self.gpu, &b)?;
        let local: Vec<Pair> = (0..chunk.len() as u32)
            .map(|i| Pair { a: i, b: i, stream: [first as u32 + i, 0] })
            .collect();
        let (half, seed) = (Lambda::Constant(0.5), self.options.seed);
        for how in Mix::ALL {
            let (mixed, _) = mix(&reference, &moving, &local, how, half, seed)
                .await
                .map_err(|e| in_words(e, &at_a, &at_b))?;
            let params = mixed.read().await?;
            let drawn = self.outputs(&params, chunk.len()).await?;
            let count = self.mlp.param_count();
            for (i, one) in measured.iter_mut().enumerate() {
                let image = &drawn[i * each..(i + 1) * each];
                let own = i * count..(i + 1) * count;
                // The midpoint is half as far from a as the moved b is.
                let apart: Vec<f64> = params[own.clone()]
                    .iter()
                    .zip(&a.params[own])
                    .map(|(m, x)| 2.0 * (f64::from(*m) - f64::from(*x)))
                    .collect();
                let blend = average(&x[i], &y[i]);
                one.by_method.push(Midpoint {
                    blend: mse(image, &blend),
                    nearer: mse(image, &x[i]).min(mse(image, &y[i])),
                    distance: apart.iter().map(|d| d * d).sum(),
                    shape: mse_of_shape(image, &blend),
                    phase: phase_difference(&self.mlp, &apart, &self.grid),
                });
            }
        }
        self.done.extend(measured);
        let progress = self.clock.progress(end as u64, self.pairs.len() as u64, None);
        self.queue.push_back(Message::Progress(progress));
        Ok(())
    }

    async fn outputs(&self, params: &[f32], nets: usize) -> Result<Vec<f32>, LabError> {
        Ok(evaluate(&self.gpu, &self.mlp, params, nets, &self.grid).await?)
    }

    fn image(&self, object: i64) -> Result<Vec<f32>, LabError> {
        let [lo, hi] = self.mlp.target_range;
        let pixels = self
            .targets
            .find(object)
            .ok_or_else(|| LabError::NoImages { store: self.reader.zoo().store().describe() })?;
        Ok(pixels.iter().map(|&p| lo + (hi - lo) * f32::from(p) / 255.0).collect())
    }

    fn finish(&mut self) {
        let column = |m: usize, of: fn(&Midpoint) -> f64| -> Vec<f64> {
            self.done.iter().map(|one| of(&one.by_method[m])).collect()
        };
        let signed =
            column(Mix::ALL.iter().position(|m| *m == Mix::Signed).unwrap_or(0), |m| m.blend);
        let rows = Mix::ALL
            .iter()
            .enumerate()
            .map(|(m, how)| {
                let own = column(m, |m| m.blend);
                let more: Vec<f64> = own.iter().zip(&signed).map(|(x, s)| x - s).collect();
                Row {
                    method: how.name().to_owned(),
                    mse_blend: Mean::of(&own),
                    mse_nearer: Mean::of(&column(m, |m| m.nearer)),
                    squared_distance: Mean::of(&column(m, |m| m.distance)),
                    mse_shape: Mean::of(&column(m, |m| m.shape)),
                    phase: Mean::of(&column(m, |m| m.phase)),
                    signed_better: more.iter().filter(|x| **x > 0.0).count() as f64
                        / more.len().max(1) as f64,
                    more_than_signed: Mean::of(&more),
                }
            })
            .collect();
        let of = |value: fn(&Measured) -> f64| {
            Mean::of(&self.done.iter().map(value).collect::<Vec<_>>())
        };
        self.queue.push_back(Message::Finished(Finished {
            pairs: self.done.len() as u64,
            kin: self.options.kin.name().to_owned(),
            rows,
            ends: of(|m| m.ends),
            constant: of(|m| m.constant),
            one_image: of(|m| m.one_image),
            seconds: self.clock.seconds(),
            adapter: self.gpu.report().name.clone(),
        }));
        self.over = true;
    }
}

impl<S: Store> Job for MidpointJob<'_, S> {
    type Started = Started;
    type Finished = Finished;

    async fn next(&mut self) -> Option<Message<Started, Finished>> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Some(message);
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.over = true;
                return Some(Message::Failed(error.failed()));
            }
        }
    }
}

fn average(x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(x, y)| 0.5 * (x + y)).collect()
}

/// Mean squared error of `image` after the brightness and contrast that bring it nearest to `to`: what no correlation explains.
fn mse_of_shape(image: &[f32], to: &[f32]) -> f64 {
    let n = image.len() as f64;
    let mean = |x: &[f32]| x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let (mx, my) = (mean(image), mean(to));
    let product = |x: &[f32], mx: f64, y: &[f32], my: f64| {
        let each = x.iter().zip(y).map(|(a, b)| (f64::from(*a) - mx) * (f64::from(*b) - my));
        each.sum::<f64>() / n
    };
    let (xx, xy, yy) =
        (product(image, mx, image, mx), product(image, mx, to, my), product(to, my, to, my));
    if xx > 0.0 { (yy - xy * xy / xx).max(0.0) } else { yy }
}

/// Root of the mean square, over the points of `grid` and the first layer's neurons, of omega_0 (dw . x + db), where `apart` is
/// the difference of all parameters. Radians; without omega_0, what a neuron without sine is given.
fn phase_difference(mlp: &Mlp, apart: &[f64], grid: &[f32]) -> f64 {
    let omega = match mlp.activation {
        Activation::Sine { omega_0 } => f64::from(omega_0),
        Activation::Relu => 1.0,
    };
    let layer = &mlp.layers()[0];
    let mut sum = 0.0;
    for x in grid.chunks_exact(layer.inputs) {
        for n in 0..layer.outputs {
            let row = &apart[layer.weight + n * layer.inputs..][..layer.inputs];
            let own: f64 = row.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum();
            sum += (omega * (own + apart[layer.bias + n])).powi(2);
        }
    }
    (sum / (grid.len() / layer.inputs * layer.outputs) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_have_their_margin() {
        let m = Mean::of(&[1.0, 2.0, 3.0, 4.0]);
        // Variance 5/3, standard error sqrt(5/12).
        assert!((m.mean - 2.5).abs() < 1e-12);
        assert!((m.margin - 1.96 * (5.0f64 / 12.0).sqrt()).abs() < 1e-4);
        assert_eq!(Mean::of(&[7.0]).margin, 0.0);
        assert_eq!(Mean::of(&[]), Mean::default());
    }
}
