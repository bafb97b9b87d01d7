//! Many affine maps between columns of two matrices, as one dispatch per direction. Kernels:
//! `shaders/learn/linear*.wgsl`.

use crate::calls::{Calls, Groups, Kind, Operand, word};
use bytemuck::{Pod, Zeroable};
use std::collections::BTreeMap;
use weightlab_kernels::{self as kernels, Shader};

/// Rows of a workgroup's tile.
pub(crate) const TILE_ROWS: usize = 128;

/// Quads of columns of a workgroup's tile.
pub(crate) fn tile_quads(kind: Kind) -> usize {
    match kind {
        Kind::Gpu => 8,
        Kind::Software => 4,
    }
}

/// Quads of outputs and of inputs of a tile of the gradient by weights, and tiles of a workgroup.
fn weight_tile(kind: Kind) -> (usize, usize, usize) {
    match kind {
        Kind::Gpu => (32, 8, 1),
        Kind::Software => (4, 4, 8),
    }
}

/// The kernel for the device.
pub(crate) fn pick(kind: Kind, gpu: &'static Shader, software: &'static Shader) -> &'static Shader {
    match kind {
        Kind::Gpu => gpu,
        Kind::Software => software,
    }
}

/// Most rows that one workgroup sums: bounds what is lost to rounding and to loops that software renderers end
/// after 65,535 iterations.
const SPAN: usize = 4096;

/// What one block of output columns reads: `x[at..at + k]` times W, plus a bias. Offsets in quads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Segment {
    pub x: usize,
    pub k: usize,
    pub weight: usize,
    pub stride: usize,
    pub bias: Option<usize>,
}

/// Output columns `y[at..at + n]`, the sum over segments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    pub y: usize,
    pub n: usize,
    pub segments: Vec<Segment>,
}

/// All maps between two matrices.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Linear {
    pub blocks: Vec<Block>,
    /// ReLU on the input.
    pub relu: bool,
}

/// The two matrices, strides in quads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub rows: usize,
    pub x: Operand,
    pub x_stride: usize,
    pub y_stride: usize,
}

/// `Block` of `shaders/learn/parts/linear.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub rows: u32,
    pub x_stride: u32,
    pub y_stride: u32,
    pub accumulate: u32,
    pub span: u32,
    pub partial_stride: u32,
    pub base: u32,
    pub tiles: u32,
}

impl Uniform {
    fn new(ends: &Ends, accumulate: bool) -> Uniform {
        Uniform {
            rows: word(ends.rows),
            x_stride: word(ends.x_stride),
            y_stride: word(ends.y_stride),
            accumulate: accumulate.into(),
            ..Uniform::zeroed()
        }
    }
}

/// A job of the weight gradient: one matrix, and the pairs of columns that it maps between.
#[derive(Clone, Debug)]
struct Job {
    segment: Segment,
    n: usize,
    pairs: Vec<(usize, usize)>,
}

impl Linear {
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    fn constants(&self) -> [(&'static str, u32); 1] {
        [("RELU", self.relu.into())]
    }

    /// y = .., or y += ..
    pub fn forward(&self, calls: &mut Calls, ends: &Ends, y: Operand, accumulate: bool) {
        if self.is_empty() {
            return;
        }
        let tile = tile_quads(calls.kind());
        let tiles: usize = self.blocks.iter().map(|b| b.n.div_ceil(tile)).sum();
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        for block in &self.blocks {
            let first = 2 * tiles + tail.len() / 4;
            for s in &block.segments {
                tail.extend([s.x, s.k, s.weight, s.stride].map(word));
                tail.extend([s.bias.map_or(0, |b| b + 1), 0, 0, 0].map(word));
            }
            for at in (0..block.n).step_by(tile) {
                head.extend([block.y + at, (block.n - at).min(tile), 4 * at, first].map(word));
                head.extend([block.segments.len(), 0, 0, 0].map(word));
            }
        }
        head.extend(tail);
        let table = calls.table("linear", head);
        calls.call(
            pick(calls.kind(), &kernels::LEARN_LINEAR, &kernels::LEARN_LINEAR_SOFTWARE),
            &self.constants(),
            &Uniform::new(ends, accumulate),
            &[table.into(), ends.x, Operand::Params, y],
            Groups::Space(word(tiles), word(ends.rows.div_ceil(TILE_ROWS)), 1),
        );
    }

    /// Gradient by the input columns `columns` (offset and length), which are all written.
    pub fn input_gradient(
        &self,
        calls: &mut Calls,
        ends: &Ends,
        dy: Operand,
        dx: Operand,
        columns: &[(usize, usize)],
        accumulate: bool,
    ) {
        let tile = tile_quads(calls.kind());
        let tiles: usize = columns.iter().map(|(_, n)| n.div_ceil(tile)).sum();
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        for &(x, n) in columns {
            let first = 2 * tiles + tail.len() / 4;
            let mut count = 0;
            for block in &self.blocks {
                for s in block.segments.iter().filter(|s| s.x == x) {
                    assert_eq!(s.k, n, "a segment reads whole columns");
                    tail.extend([block.y, block.n, s.weight, s.stride].map(word));
                    count += 1;
                }
            }
            for at in (0..n).step_by(tile) {
                head.extend([x + at, (n - at).min(tile), at, first].map(word));
                head.extend([count, 0, 0, 0].map(word));
            }
        }
        head.extend(tail);
        let table = calls.table("linear input", head);
        calls.call(
            pick(calls.kind(), &kernels::LEARN_LINEAR_INPUT, &kernels::LEARN_LINEAR_INPUT_SOFTWARE),
            &self.constants(),
            &Uniform::new(ends, accumulate),
            &[table.into(), ends.x, dy, Operand::Params, dx],
            Groups::Space(word(tiles), word(ends.rows.div_ceil(TILE_ROWS)), 1),
        );
    }

    /// Gradient by weights and biases, times `scale`.
    pub fn weight_gradient(
        &self,
        calls: &mut Calls,
        ends: &Ends,
        dy: Operand,
        scale: f32,
        accumulate: bool,
    ) {
        if self.is_empty() {
            return;
        }
        let jobs = self.jobs();
        let (base, quads) = range(&jobs);
        let spans = if quads.is_some() { ends.rows.div_ceil(SPAN) } else { 1 };
        let (outputs, inputs, together) = weight_tile(calls.kind());
        let tiles: usize =
            jobs.iter().map(|j| j.n.div_ceil(outputs) * j.segment.k.div_ceil(inputs)).sum();
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        for job in &jobs {
            let first = 3 * tiles + tail.len() / 4;
            for &(y, x) in &job.pairs {
                tail.extend([y, x, 0, 0].map(word));
            }
            let s = &job.segment;
            for o in (0..job.n).step_by(outputs) {
                for k in (0..s.k).step_by(inputs) {
                    let corner = s.weight + 4 * o * s.stride + k;
                    let (rows, columns) = ((job.n - o).min(outputs), (s.k - k).min(inputs));
                    let bias = s.bias.filter(|_| k == 0).map_or(0, |b| b + 1);
                    head.extend([corner, rows, columns, s.stride].map(word));
                    head.extend([bias, first, job.pairs.len()].map(word));
                    head.push(scale.to_bits());
                    head.extend([o, k, 0, 0].map(word));
                }
            }
        }
        head.extend(tail);
        let table = calls.table("linear weight", head);
        let direct = spans == 1;
        let quads = quads.unwrap_or(0);
        let uniform = Uniform {
            span: word(ends.rows.div_ceil(spans)),
            partial_stride: if direct { 0 } else { word(quads) },
            base: if direct { 0 } else { word(base) },
            tiles: word(tiles),
            ..Uniform::new(ends, accumulate && direct)
        };
        let out = if direct {
            Operand::Gradients
        } else {
            calls.temp("partial gradients", 4 * quads * spans).into()
        };
        calls.call(
            pick(
                calls.kind(),
                &kernels::LEARN_LINEAR_WEIGHT,
                &kernels::LEARN_LINEAR_WEIGHT_SOFTWARE,
            ),
            &self.constants(),
            &uniform,
            &[table.into(), ends.x, dy, out],
            Groups::Space(word(tiles.div_ceil(together)), word(spans), 1),
        );
        if !direct {
            reduce(calls, out, base, quads, spans, accumulate);
        }
    }

    fn jobs(&self) -> Vec<Job> {
        let mut jobs: BTreeMap<usize, Job> = BTreeMap::new();
        for block in &self.blocks {
            for s in &block.segments {
                let job = jobs.entry(s.weight).or_insert_with(|| Job {
                    segment: *s,
                    n: block.n,
                    pairs: Vec::new(),
                });
                job.pairs.push((block.y, s.x));
            }
        }
        jobs.into_values().collect()
    }
}

/// Adds partial sums to the gradients.
pub(crate) fn reduce(
    calls: &mut Calls,
    partial: Operand,
    base: usize,
    quads: usize,
    spans: usize,
    accumulate: bool,
) {
    #[repr(C)]
    #[derive(Clone, Copy, Pod, Zeroable)]
    struct Uniform {
        quads: u32,
        spans: u32,
        base: u32,
        accumulate: u32,
    }
    let uniform = Uniform {
        quads: word(quads),
        spans: word(spans),
        base: word(base),
        accumulate: accumulate.into(),
    };
    calls.call(
        &kernels::LEARN_LINEAR_REDUCE,
        &[],
        &uniform,
        &[partial, Operand::Gradients],
        crate::calls::threads(quads),
    );
}

/// First quad of all parameters of the jobs, and how many there are if they lie without gaps.
fn range(jobs: &[Job]) -> (usize, Option<usize>) {
    let mut pieces: Vec<(usize, usize)> = jobs
        .iter()
        .flat_map(|j| {
            let bias = j.segment.bias.map(|b| (b, j.n));
            [Some((j.segment.weight, 4 * j.n * j.segment.stride)), bias]
        })
        .flatten()
        .collect();
    pieces.sort_unstable();
    let base = pieces[0].0;
    let mut end = base;
    for (at, n) in pieces {
        if at != end {
            return (base, None);
        }
        end += n;
    }
    (base, Some(end - base))
}
