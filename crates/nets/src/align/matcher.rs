//! Weight matching of a batch of pairs on the GPU. Kernel: `shaders/align/match.wgsl`.

use super::shape::Shape;
use super::{AlignSettings, MAX_MATCH_WIDTH, Objective, Order, Pair, block};
use crate::Mlp;
use crate::batch::NetBatch;
use crate::symmetry::{Block, Move, SymmetryError, hidden_count};
use std::sync::Arc;
use weightlab_gpu::{Buffer, Gpu, GpuError, Pipeline, Recording};
use weightlab_kernels as kernels;
use weightlab_kernels::philox::{self, Purpose};

/// Mesa's llvmpipe silently ends all loops of an invocation after 65,535 iterations in total. Every
/// CPU adapter is held below that.
const CPU_LOOP_BUDGET: u64 = 60_000;

/// Most visits of one dispatch on a GPU.
const GPU_VISITS: u64 = 64;

/// Terms of cost matrices that a GPU is given at a time: for layers of 128, some tenths of a second where one is integrated and slow. Drivers
/// end what takes seconds.
const GPU_TERMS: u64 = 2_000_000_000;

/// Workgroups of a matching with one thread per pair.
const LANE_GROUPS: usize = 16;

/// How far a pair is.
#[derive(Clone, Copy, Debug)]
pub struct PairOutcome {
    /// Sweeps done.
    pub sweeps: u32,
    /// Whether the last sweep brought nothing.
    pub converged: bool,
}

/// Matches pairs of nets of one architecture, without allocating or reading back per call.
#[derive(Debug)]
pub struct Matcher {
    gpu: Gpu,
    mlp: Mlp,
    shape: Shape,
    capacity: usize,
    count: usize,
    /// The pairs, if they came from here.
    host_pairs: Option<Vec<Pair>>,
    pairs: Buffer,
    moves: Buffer,
    states: Buffer,
    scratch: Buffer,
    orders: Buffer,
    distances: Buffer,
}

/// What is left of a matching.
struct Sweeps {
    pipeline: Arc<Pipeline>,
    block: Block,
    groups: u32,
    per_dispatch: u64,
    left: u64,
}

impl Matcher {
    /// For at most `capacity` pairs at a time.
    ///
    /// # Errors
    /// A hidden layer wider than [`MAX_MATCH_WIDTH`], the architecture, or the GPU.
    pub fn new(gpu: &Gpu, mlp: &Mlp, capacity: usize) -> Result<Matcher, SymmetryError> {
        mlp.validate()?;
        let shape = Matcher::shape(gpu, mlp)?;
        Ok(Matcher::with_shape(gpu, mlp, capacity, shape)?)
    }

    /// The same with a given specialisation, which must suit the architecture: for tests and comparisons.
    ///
    /// # Errors
    /// The GPU.
    pub fn with_shape(
        gpu: &Gpu,
        mlp: &Mlp,
        capacity: usize,
        shape: Shape,
    ) -> Result<Matcher, GpuError> {
        let buffer = |label, each: usize| gpu.buffer(label, (capacity * each) as u64);
        Ok(Matcher {
            gpu: gpu.clone(),
            mlp: mlp.clone(),
            capacity,
            count: 0,
            host_pairs: None,
            pairs: buffer("pairs", 16)?,
            moves: buffer("moves", 16 * hidden_count(mlp))?,
            states: buffer("matching states", 16)?,
            scratch: buffer("matching scratch", shape.scratch_bytes(mlp) as usize)?,
            orders: gpu.buffer("recorded orders", 16)?,
            distances: buffer("distances", 8)?,
            shape,
        })
    }

    /// Only to hold pairs and moves, for layers of any width.
    pub(crate) fn for_moves(gpu: &Gpu, mlp: &Mlp, capacity: usize) -> Result<Matcher, GpuError> {
        let shape = Shape { in_storage: false, ..Shape::choose(gpu, 1, 1) };
        Matcher::with_shape(gpu, mlp, capacity, shape)
    }

    /// Bytes of GPU buffers for `capacity` pairs of `mlp`.
    pub fn bytes(gpu: &Gpu, mlp: &Mlp, capacity: usize) -> u64 {
        // Too wide to be matched here means that only moves are held.
        let scratch = Matcher::shape(gpu, mlp).map_or(0, |shape| shape.scratch_bytes(mlp));
        capacity as u64 * (16 + 16 * hidden_count(mlp) as u64 + 16 + 8 + scratch)
    }

    /// Checks batches and settings against the pairs, as far as they are known here.
    pub(crate) fn check(
        &self,
        reference: &NetBatch,
        moving: &NetBatch,
        settings: &AlignSettings,
    ) -> Result<(), SymmetryError> {
        super::check(reference, moving, self.host_pairs.as_deref(), settings)
    }

    /// Records a uniform permutation of every hidden layer as the moves of every pair, drawn by its stream.
    pub(crate) fn record_permutations(
        &self,
        recording: &mut Recording,
        seed: u64,
    ) -> Result<(), GpuError> {
        let pipeline = self.gpu.pipeline(&kernels::ALIGN_PERMUTE, &[])?;
        let block = Block {
            seed: philox::key(seed),
            stream: philox::stream(Purpose::Permutation, 0),
            ..Block::new(&self.mlp, self.count)
        };
        let groups = block.grid(&self.gpu, hidden_count(&self.mlp).div_ceil(4));
        recording.dispatch(&pipeline, &block, &[&self.pairs, &self.moves], groups);
        Ok(())
    }

    pub(crate) fn too_wide(mlp: &Mlp) -> SymmetryError {
        SymmetryError::Unsuitable {
            operation: "matching on the GPU",
            dims: mlp.dims_text(),
            needs: "hidden layers of at most 128 neurons",
        }
    }

    fn shape(gpu: &Gpu, mlp: &Mlp) -> Result<Shape, SymmetryError> {
        let hidden = mlp.widest_hidden();
        if hidden > MAX_MATCH_WIDTH {
            return Err(Matcher::too_wide(mlp));
        }
        let widest = mlp.dims.iter().copied().max().unwrap_or(hidden);
        Ok(Shape::choose(gpu, hidden, widest))
    }

    /// The pairs of the next calls; indices must be within the batches those will have.
    ///
    /// # Errors
    /// More pairs than there is room for.
    pub fn set_pairs(&mut self, pairs: &[Pair]) -> Result<(), SymmetryError> {
        if pairs.len() > self.capacity {
            return Err(SymmetryError::Length {
                what: "pairs of a matcher",
                got: pairs.len(),
                expected: self.capacity,
            });
        }
        self.count = pairs.len();
        self.host_pairs = Some(pairs.to_vec());
        self.gpu.write(&self.pairs, 0, pairs);
        Ok(())
    }

    /// As [`Matcher::set_pairs`] for `count` pairs that a kernel writes to [`Matcher::pairs_buffer`], with
    /// indices that are within the batches.
    ///
    /// # Errors
    /// More pairs than there is room for.
    pub fn set_count(&mut self, count: usize) -> Result<(), SymmetryError> {
        if count > self.capacity {
            return Err(SymmetryError::Length {
                what: "pairs of a matcher",
                got: count,
                expected: self.capacity,
            });
        }
        self.count = count;
        self.host_pairs = None;
        Ok(())
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The pairs, on the GPU.
    pub fn pairs_buffer(&self) -> &Buffer {
        &self.pairs
    }

    /// The moves `[pairs, hidden neurons]`, on the GPU.
    pub fn moves_buffer(&self) -> &Buffer {
        &self.moves
    }

    /// Overwrites the moves: given permutations instead of found ones.
    ///
    /// # Errors
    /// Not one move per pair and hidden neuron.
    pub fn set_moves(&self, moves: &[Move]) -> Result<(), SymmetryError> {
        let expected = self.count * hidden_count(&self.mlp);
        if moves.len() != expected {
            return Err(SymmetryError::Length { what: "moves", got: moves.len(), expected });
        }
        self.gpu.write(&self.moves, 0, moves);
        Ok(())
    }

    /// Records that no pair moves at all.
    ///
    /// # Errors
    /// The GPU.
    pub fn record_reset(&self, recording: &mut Recording) -> Result<(), GpuError> {
        let pipeline = self.gpu.pipeline(&kernels::ALIGN_START, &[])?;
        let block = Block::new(&self.mlp, self.count);
        let groups = block.grid(&self.gpu, hidden_count(&self.mlp));
        recording.dispatch(&pipeline, &block, &[&self.moves, &self.states], groups);
        Ok(())
    }

    /// [`Matcher::record`], submitted, in several parts where one would take long. Does not wait.
    ///
    /// # Errors
    /// As [`Matcher::record`].
    pub fn run(
        &mut self,
        reference: &NetBatch,
        moving: &NetBatch,
        settings: &AlignSettings,
    ) -> Result<(), SymmetryError> {
        let mut recording = self.gpu.record();
        let Some(mut sweeps) = self.start(&mut recording, reference, moving, settings)? else {
            return Ok(recording.submit()?);
        };
        let mut terms = 0;
        while let Some(visits) = self.record_visits(&mut recording, reference, moving, &mut sweeps)
        {
            terms += visits * self.terms_per_visit();
            if terms >= GPU_TERMS && !self.gpu.is_cpu() {
                recording.submit()?;
                recording = self.gpu.record();
                terms = 0;
            }
        }
        Ok(recording.submit()?)
    }

    /// Records everything it takes to match all pairs. Weights that are not finite stop their pair with
    /// its moves so far, and [`Matcher::outcomes`] reports it.
    ///
    /// # Errors
    /// A method that the architecture does not have, other batches, or the GPU.
    pub fn record(
        &mut self,
        recording: &mut Recording,
        reference: &NetBatch,
        moving: &NetBatch,
        settings: &AlignSettings,
    ) -> Result<(), SymmetryError> {
        if let Some(mut sweeps) = self.start(recording, reference, moving, settings)? {
            while self.record_visits(recording, reference, moving, &mut sweeps).is_some() {}
        }
        Ok(())
    }

    /// Records the beginning of a matching; `None` without pairs.
    fn start(
        &mut self,
        recording: &mut Recording,
        reference: &NetBatch,
        moving: &NetBatch,
        settings: &AlignSettings,
    ) -> Result<Option<Sweeps>, SymmetryError> {
        self.check(reference, moving, settings)?;
        self.record_reset(recording)?;
        if self.count == 0 {
            return Ok(None);
        }
        let mut recorded = 0;
        if let Order::Recorded(orders) = &settings.order {
            recorded = orders.iter().map(Vec::len).max().unwrap_or(0).max(1);
            self.orders = self.gpu.upload("recorded orders", &packed(orders, recorded))?;
        }
        let (shader, constants) = self.shape.match_kernel(settings.method);
        let pipeline = self.gpu.pipeline(shader, &constants)?;
        let mut block = block(&self.mlp, self.count, settings, recorded as u32);
        let per_dispatch = if self.gpu.is_cpu() {
            (CPU_LOOP_BUDGET / self.shape.iterations_per_visit(&self.mlp)).max(1)
        } else {
            (GPU_TERMS / self.terms_per_visit()).clamp(1, GPU_VISITS)
        };
        let (groups, in_turn) = if self.shape.alone() {
            // Some pairs per thread, so that their sweeps balance, and yet some workgroups per core.
            let groups = self.count.div_ceil(8).min(LANE_GROUPS) as u32;
            block.extra[3] = 8 * groups;
            (groups, self.count.div_ceil(8 * groups as usize) as u64)
        } else {
            (self.count as u32, 1)
        };
        // Pairs that are done end at once, so later dispatches cost next to nothing.
        let left = in_turn * u64::from(settings.max_sweeps.max(1)) * (self.mlp.depth() as u64 - 1);
        Ok(Some(Sweeps { pipeline, block, groups, per_dispatch, left }))
    }

    /// Records the next dispatch of a matching: how many visits it does, or `None` after the last.
    fn record_visits(
        &self,
        recording: &mut Recording,
        reference: &NetBatch,
        moving: &NetBatch,
        sweeps: &mut Sweeps,
    ) -> Option<u64> {
        let visits = sweeps.left.min(sweeps.per_dispatch);
        sweeps.left -= visits;
        sweeps.block.count = visits as u32;
        let buffers = [
            &self.pairs,
            &self.orders,
            reference.params(),
            moving.params(),
            &self.moves,
            &self.states,
            &self.scratch,
        ];
        (visits > 0).then(|| {
            recording.dispatch_linear(&sweeps.pipeline, &sweeps.block, &buffers, sweeps.groups);
            visits
        })
    }

    /// Products that the cost matrices of one visit of every pair are sums of, for the dearest layer.
    fn terms_per_visit(&self) -> u64 {
        let terms = |d: &[usize]| (d[1] * d[1] * (d[0] + d[2])) as u64;
        let dearest = self.mlp.dims.windows(3).map(terms).max().unwrap_or(0);
        (self.count as u64 * dearest).max(1)
    }

    /// What became of every pair of [`Matcher::run`].
    ///
    /// # Errors
    /// [`SymmetryError::Overflow`] for the first pair whose costs are not finite, or the GPU.
    pub async fn outcomes(&self) -> Result<Vec<PairOutcome>, SymmetryError> {
        let states: Vec<[u32; 4]> = self.gpu.read(&self.states, 0, self.count).await?;
        if let Some(i) = states.iter().position(|s| s[3] > 2) {
            let pair = self.gpu.read::<Pair>(&self.pairs, i, 1).await?[0];
            return Err(SymmetryError::Overflow {
                a: pair.a as usize,
                b: pair.b as usize,
                layer: states[i][3] as usize - 16,
            });
        }
        let layers = self.mlp.depth() as u32 - 1;
        let outcome = |[visits, _, _, status]: [u32; 4]| PairOutcome {
            sweeps: visits / layers,
            converged: status == 1,
        };
        Ok(states.into_iter().map(outcome).collect())
    }

    /// The moves, `[pairs, hidden neurons]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn moves(&self) -> Result<Vec<Move>, SymmetryError> {
        Ok(self.gpu.read(&self.moves, 0, self.count * hidden_count(&self.mlp)).await?)
    }

    /// Inner product and squared distance of every pair, after its moves or (`unmoved`) with all moves
    /// reset.
    ///
    /// # Errors
    /// The GPU.
    pub async fn objectives(
        &self,
        reference: &NetBatch,
        moving: &NetBatch,
        unmoved: bool,
    ) -> Result<Vec<Objective>, SymmetryError> {
        let mut recording = self.gpu.record();
        if unmoved {
            self.record_reset(&mut recording)?;
        }
        let pipeline = self.gpu.pipeline(&kernels::ALIGN_DISTANCE, &[])?;
        let block = Block::new(&self.mlp, self.count);
        let buffers =
            [&self.pairs, &self.moves, reference.params(), moving.params(), &self.distances];
        recording.dispatch_linear(&pipeline, &block, &buffers, self.count as u32);
        recording.submit()?;
        let sums: Vec<[f32; 2]> = self.gpu.read(&self.distances, 0, self.count).await?;
        Ok(sums
            .into_iter()
            .map(|[inner, distance]| Objective {
                inner: inner.into(),
                squared_distance: distance.into(),
            })
            .collect())
    }
}

/// Orders as the shader reads them: a layer per 4 bits, `sweeps` words per pair.
fn packed(orders: &[Vec<Vec<usize>>], sweeps: usize) -> Vec<u32> {
    let mut words = Vec::with_capacity(orders.len() * sweeps);
    for pair in orders {
        for s in 0..sweeps {
            words.push(pair.get(s).map_or(0x7654_3210, |order| {
                order.iter().enumerate().fold(0, |word, (k, &l)| word | (l as u32) << (4 * k))
            }));
        }
    }
    words
}
