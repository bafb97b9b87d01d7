//! The line itself: two networks on the GPU, what is done to the second, and the mixtures between them, many or one at a time.

use super::{PathPoint, Strip};
use crate::derive::NetReader;
use crate::error::LabError;
use weightlab_data::{Shard, Store, Targets, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::align::{AlignSettings, Method, Order, Pair, host};
use weightlab_nets::mix::{Mix, Mixer};
use weightlab_nets::symmetry::{Move, moves};
use weightlab_nets::{Mlp, NetBatch, evaluate, image_grid};

/// Resolution of networks that do not say what they were fitted to.
const DEFAULT_SIDE: usize = 64;

/// Two networks of a zoo, ready to be mixed.
#[derive(Debug)]
pub struct Line {
    /// Positions of the networks.
    pub pair: (u64, u64),
    /// What is known of each: `#3 Sneaker`.
    pub titles: [String; 2],
    /// `[height, width, channels]` of the images.
    pub shape: [usize; 3],
    /// Whether errors are against the images that were fitted, rather than what the networks themselves draw.
    pub against_images: bool,
    /// The images at both ends, output units.
    pub ends: [Vec<f32>; 2],
    nets: [NetBatch; 2],
    params: [Vec<f32>; 2],
    grid: Vec<f32>,
}

/// The second network under a method.
#[derive(Clone, Debug)]
pub struct Moved {
    /// What was done to it.
    pub method: Mix,
    /// What became of its neurons.
    pub moves: Vec<Move>,
    /// Squared distance of both networks' weights.
    pub squared_distance: f64,
}

/// What a layer's assignment is about ([`host::costs`]).
#[derive(Clone, Debug)]
pub struct Costs {
    /// Neurons of the layer.
    pub width: usize,
    /// `[width, width]`: how far neuron j of the second (columns) is from neuron i of the first (rows).
    pub costs: Vec<f64>,
    /// Which neuron of the second the method puts at place i of the first.
    pub columns: Vec<usize>,
}

impl Costs {
    /// Sum of the costs where each neuron stays in its place.
    pub fn in_place(&self) -> f64 {
        self.costs.iter().step_by(self.width + 1).sum()
    }

    /// Sum of the costs where the method puts them.
    pub fn assigned(&self) -> f64 {
        self.columns.iter().enumerate().map(|(i, &j)| self.costs[i * self.width + j]).sum()
    }

    /// The matrix with its columns in the order in which the method puts the neurons: the assignment is its diagonal.
    pub fn reordered(&self) -> Vec<f64> {
        let row = |row: &[f64]| self.columns.iter().map(|&j| row[j]).collect::<Vec<_>>();
        self.costs.chunks_exact(self.width).flat_map(row).collect()
    }
}

impl Line {
    /// From the network at the first position to the one at the second.
    ///
    /// # Errors
    /// Networks that are no pictures, a position that is not there, weights that are not finite, or the GPU.
    pub async fn new<S: Store>(
        gpu: &Gpu,
        zoo: &Zoo<S>,
        (a, b): (u64, u64),
    ) -> Result<Line, LabError> {
        let manifest = zoo.manifest();
        let mlp = &manifest.mlp;
        crate::contact_sheet::check_pictures(mlp)?;
        let mut reader = NetReader::new(zoo)?;
        let [first, second] = [reader.read(&[a]).await?, reader.read(&[b]).await?];
        let targets = zoo.read_targets().await?;
        let side = (DEFAULT_SIDE, DEFAULT_SIDE);
        let (height, width) = manifest.image_shape.map_or(side, |[h, w, _]| (h, w));
        let shape = [height, width, mlp.outputs()];
        let grid = image_grid(height, width);
        let nets = [reader.upload(gpu, &first)?, reader.upload(gpu, &second)?];
        let image = |shard: &Shard| target(mlp, targets.as_ref(), shard.objects[0], shape);
        let known = image(&first).zip(image(&second));
        let against_images = known.is_some();
        let ends = match known {
            Some((x, y)) => [x, y],
            None => [
                evaluate(gpu, mlp, &first.params, 1, &grid).await?,
                evaluate(gpu, mlp, &second.params, 1, &grid).await?,
            ],
        };
        let title = |position: u64, shard: &Shard| {
            let class = usize::try_from(shard.labels[0]).ok();
            let name = class.and_then(|c| manifest.class_names.get(c));
            name.map_or(format!("#{position}"), |name| format!("#{position} {name}"))
        };
        Ok(Line {
            pair: (a, b),
            titles: [title(a, &first), title(b, &second)],
            shape,
            against_images,
            ends,
            nets,
            params: [first.params, second.params],
            grid,
        })
    }

    /// The architecture.
    pub fn mlp(&self) -> &Mlp {
        self.nets[0].mlp()
    }

    /// What a method does to the second network; random permutations and orders depend on `seed`.
    ///
    /// A single pair is matched on the processor, in f64: that takes milliseconds, whereas compiling the kernel that matches thousands
    /// of them takes seconds on some devices. And it is the same everywhere.
    ///
    /// # Errors
    /// A method that the architecture does not have, or the GPU.
    pub async fn moved(&self, method: Mix, seed: u64) -> Result<Moved, LabError> {
        let [a, b] = &self.nets;
        let pair = Pair::numbered(&[(0, 0)]);
        let moves = match method.method() {
            Some(method) => {
                method.validate(self.mlp())?;
                let order = Order::Random { seed };
                let settings = AlignSettings { method, order, ..AlignSettings::default() };
                let params = [&self.params[0], &self.params[1]].map(Vec::as_slice);
                let aligned = host::align_params(self.mlp(), params, &pair, &settings)?;
                aligned.into_iter().flat_map(|aligned| aligned.moves).collect()
            }
            None if method == Mix::Direct => moves::identity(self.mlp()),
            None => {
                let mut mixer = Mixer::new(a.gpu(), a.mlp(), 1)?;
                mixer.set_pairs(&pair)?;
                let mut recording = a.gpu().record();
                mixer.record_moves(&mut recording, method, seed, a, b)?;
                recording.submit()?;
                mixer.moves().await?
            }
        };
        let [x, y] = self.exact();
        let squared_distance = host::objective(self.mlp(), &x, &y, &moves).squared_distance;
        Ok(Moved { method, moves, squared_distance })
    }

    /// What the mixtures draw, each with its share of the second network: `[mixtures, height, width, channels]`, output units.
    ///
    /// # Errors
    /// The GPU.
    pub async fn draw(&self, mixtures: &[(&Moved, f64)]) -> Result<Vec<f32>, LabError> {
        let [a, b] = &self.nets;
        let (gpu, mlp, count) = (a.gpu(), self.mlp(), mixtures.len());
        let mut mixer = Mixer::new(gpu, mlp, count)?;
        mixer.set_pairs(&Pair::numbered(&vec![(0, 0); count]))?;
        let moves: Vec<Move> =
            mixtures.iter().flat_map(|(moved, _)| moved.moves.iter().copied()).collect();
        mixer.set_moves(&moves)?;
        let shares: Vec<f32> = mixtures.iter().map(|(_, t)| (1.0 - t) as f32).collect();
        mixer.set_lambdas(&shares)?;
        let out = NetBatch::empty(gpu, mlp, count)?;
        let mut recording = gpu.record();
        mixer.record_nets(&mut recording, a, b, &out)?;
        recording.submit()?;
        Ok(evaluate(gpu, mlp, &out.read().await?, count, &self.grid).await?)
    }

    /// The line under a method, at these shares of the second network.
    ///
    /// # Errors
    /// The GPU.
    pub async fn strip(&self, moved: &Moved, shares: &[f64]) -> Result<Strip, LabError> {
        let mixtures: Vec<_> = shares.iter().map(|&t| (moved, t)).collect();
        let images = self.draw(&mixtures).await?;
        Ok(self.measured(Some(moved.method), Some(moved.squared_distance), shares, images))
    }

    /// The averages of the images at both ends: no networks at all.
    pub fn pixels(&self, shares: &[f64]) -> Strip {
        let images = shares.iter().flat_map(|&t| blend(&self.ends, t)).collect();
        self.measured(None, None, shares, images)
    }

    /// How far an image is from those it should be between.
    pub fn point(&self, t: f64, image: &[f32]) -> PathPoint {
        PathPoint {
            t,
            mse_blend: super::mse(image, &blend(&self.ends, t)),
            mse_first: super::mse(image, &self.ends[0]),
            mse_second: super::mse(image, &self.ends[1]),
        }
    }

    /// The costs of a hidden layer with the other layers as `moved` has them: with signs and phases where its method knows them.
    ///
    /// # Panics
    /// If `layer` is no hidden layer.
    pub fn costs(&self, moved: &Moved, layer: usize) -> Costs {
        let [a, b] = self.exact();
        let method = moved.method.method().unwrap_or(Method::WeightMatching);
        Costs {
            width: self.mlp().dims[layer + 1],
            costs: host::costs(self.mlp(), [&a, &b], &moved.moves, layer, method),
            columns: moves::permutations(self.mlp(), &moved.moves).swap_remove(layer),
        }
    }

    fn exact(&self) -> [Vec<f64>; 2] {
        [0, 1].map(|end| self.params[end].iter().map(|&x| f64::from(x)).collect())
    }

    fn measured(
        &self,
        method: Option<Mix>,
        squared_distance: Option<f64>,
        shares: &[f64],
        images: Vec<f32>,
    ) -> Strip {
        let each = images.chunks_exact(self.ends[0].len());
        let points = shares.iter().zip(each).map(|(&t, image)| self.point(t, image)).collect();
        Strip { method, squared_distance, points, images }
    }
}

/// The image that a network was fitted to, in output units.
fn target(
    mlp: &Mlp,
    targets: Option<&Targets>,
    object: i64,
    shape: [usize; 3],
) -> Option<Vec<f32>> {
    let targets = targets?;
    if [targets.height, targets.width, targets.channels] != shape {
        return None;
    }
    let [lo, hi] = mlp.target_range;
    let pixels = targets.find(object)?;
    Some(pixels.iter().map(|&p| lo + (hi - lo) * f32::from(p) / 255.0).collect())
}

fn blend(ends: &[Vec<f32>; 2], t: f64) -> Vec<f32> {
    let mix = |(x, y): (&f32, &f32)| ((1.0 - t) * f64::from(*x) + t * f64::from(*y)) as f32;
    ends[0].iter().zip(&ends[1]).map(mix).collect()
}

/// `steps` shares from 0 to 1.
pub fn shares(steps: usize) -> Vec<f64> {
    (0..steps).map(|i| i as f64 / steps.saturating_sub(1).max(1) as f64).collect()
}
