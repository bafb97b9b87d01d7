//! Weight matching of a batch of pairs on the GPU. Kernel: `shaders/align/match.wgsl`.

use super::{AlignSettings, MAX_MATCH_WIDTH, Method, Objective, Order, Pair, block};
use crate::Mlp;
use crate::batch::NetBatch;
use crate::symmetry::{Block, Move, SymmetryError, hidden_count};
use weightlab_gpu::{Buffer, Gpu, GpuError, Recording};
use weightlab_kernels::philox::{self, Purpose};
use weightlab_kernels::{self as kernels, Shader};

/// Mesa's llvmpipe silently ends all loops of an invocation after 65,535 iterations in total. Every
/// CPU adapter is held below that.
const CPU_LOOP_BUDGET: u64 = 60_000;

/// Visits of one dispatch on a GPU: some milliseconds for wide layers.
const GPU_VISITS: u64 = 64;

/// Workgroups of a matching with one thread per pair.
const LANE_GROUPS: usize = 16;

/// Widest hidden layer that one thread of a software renderer matches alone.
pub const LANE_WIDTH: usize = 32;

/// A specialisation of the assignment solver and of the matching around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Hidden neurons that one thread per pair has room for, eight of them in a workgroup (`match_lanes.wgsl`), instead of one workgroup
    /// per pair (`match.wgsl`), which is then 0. What follows is about the latter, and about assignments.
    pub lanes: u32,
    /// Threads of a workgroup.
    pub threads: u32,
    /// Columns per thread.
    pub per_thread: u32,
    /// Row stride of the cost matrix.
    pub side: u32,
    /// Room for the neurons of any layer.
    pub widest: u32,
    /// Whether the cost matrix lies in storage instead of workgroup memory.
    pub in_storage: bool,
}

impl Shape {
    /// For hidden layers of at most `hidden` and any layers of at most `widest` neurons.
    pub fn choose(gpu: &Gpu, hidden: usize, widest: usize) -> Shape {
        Shape::choose_within(gpu.report().max_workgroup_bytes, gpu.is_cpu(), hidden, widest)
    }

    /// The same for a given amount of workgroup memory and kind of device.
    pub fn choose_within(bytes: u32, software: bool, hidden: usize, widest: usize) -> Shape {
        let side = if hidden <= 32 {
            32
        } else if hidden <= 64 {
            64
        } else {
            MAX_MATCH_WIDTH as u32
        };
        // A software renderer runs as many threads as its vectors are wide at once, and pays for barriers by
        // the thread; a GPU wants a column per thread.
        let threads = if software { (side / 8).max(8) } else { side.min(64) };
        let mut shape = Shape {
            lanes: if software && hidden <= LANE_WIDTH {
                hidden.next_multiple_of(8).max(8) as u32
            } else {
                0
            },
            threads,
            per_thread: side / threads,
            side,
            widest: if widest <= 64 { 64 } else { 256 },
            in_storage: false,
        };
        shape.in_storage = shape.workgroup_bytes() > u64::from(bytes);
        shape
    }

    /// Workgroup memory of the matching, bytes.
    pub fn workgroup_bytes(&self) -> u64 {
        let [side, widest] = [self.side, self.widest].map(u64::from);
        let costs = if self.in_storage { 1 } else { side * side };
        4 * costs + 16 * widest + 24 * side + 16 * 64 + 64
    }

    /// Constants of `align/assign`.
    pub fn assign_constants(&self) -> [(&'static str, u32); 3] {
        [("WG", self.threads), ("PER", self.per_thread), ("N", self.side)]
    }

    /// Whether a thread matches a pair alone.
    pub fn alone(&self) -> bool {
        self.lanes > 0
    }

    /// The kernel of the matching, with its constants.
    pub fn match_kernel(&self, method: Method) -> (&'static Shader, Vec<(&'static str, u32)>) {
        let signed = ("SIGNED", u32::from(method == Method::Signed));
        if self.alone() {
            let values = [("N", self.lanes), signed];
            return (kernels::ALIGN_MATCH_LANES.shader(&values), Vec::new());
        }
        let constants = vec![
            ("WG", self.threads),
            ("PER", self.per_thread),
            ("N", self.side),
            ("WIDEST", self.widest),
            ("PLACE", u32::from(self.in_storage)),
            ("NEAR", if self.in_storage { 1 } else { self.side * self.side }),
            signed,
        ];
        (&kernels::ALIGN_MATCH, constants)
    }

    /// Bytes of storage per pair beside its moves and state.
    fn scratch_bytes(&self, mlp: &Mlp) -> u64 {
        let costs = if self.in_storage && !self.alone() { u64::from(self.side).pow(2) } else { 0 };
        4 * (hidden_count(mlp) as u64 + costs)
    }

    /// Loop iterations of one invocation in one visit, at most: the solver's steps and swaps, the tiles of
    /// the cost matrix and the loops over neurons.
    fn iterations_per_visit(&self, mlp: &Mlp) -> u64 {
        let threads = u64::from(self.threads);
        let widths = || mlp.dims.iter().map(|&d| d as u64);
        let n = widths().skip(1).take(mlp.depth() - 1).max().unwrap_or(1);
        let widest = widths().max().unwrap_or(1);
        if self.alone() {
            // Loads of all terms, rounds of the solver, loops over neurons, visits passed over: the lanes of a
            // vector count together, each loop with its longest.
            return (2 * widest + 1) * (1 + n.div_ceil(4))
                + 1200
                + 5 * n
                + 8 * mlp.depth() as u64
                + 64;
        }
        let tiles = (n.div_ceil(4) * n.div_ceil(4)).div_ceil(threads);
        let solver = n * (n + 1) + 2 * n * u64::from(self.per_thread) + 4 * n;
        let rounds = n.div_ceil(threads);
        tiles * (1 + 2 * widest) + solver + 2 * widest.div_ceil(threads) + rounds * (2 + 4 * widest)
    }
}

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

    /// [`Matcher::record`], submitted. Does not wait.
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
        self.record(&mut recording, reference, moving, settings)?;
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
        self.check(reference, moving, settings)?;
        self.record_reset(recording)?;
        if self.count == 0 {
            return Ok(());
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
            GPU_VISITS
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
        let mut left =
            in_turn * u64::from(settings.max_sweeps.max(1)) * (self.mlp.depth() as u64 - 1);
        while left > 0 {
            let visits = left.min(per_dispatch);
            block.count = visits as u32;
            let buffers = [
                &self.pairs,
                &self.orders,
                reference.params(),
                moving.params(),
                &self.moves,
                &self.states,
                &self.scratch,
            ];
            recording.dispatch_linear(&pipeline, &block, &buffers, groups);
            left -= visits;
        }
        Ok(())
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
