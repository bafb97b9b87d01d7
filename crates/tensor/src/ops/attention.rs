//! Attention. Kernels: `shaders/tensor/parts/attention*.wgsl`.

use crate::graph::gradient::FLAG;
use crate::graph::{Emit, Graph};
use crate::shape::{Var, merge};
use std::mem::offset_of;
use weightlab_kernels::{self as kernels, Shader};

/// `Attention` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    threads: u32,
    accumulate: u32,
    accumulate_v: u32,
    heads: u32,
    queries: u32,
    keys: u32,
    blocks: u32,
    scale: f32,
    q_place: u32,
    k_place: u32,
    v_place: u32,
    o_place: u32,
    q_batch: u32,
    k_batch: u32,
    v_batch: u32,
    o_batch: u32,
    q_row: u32,
    k_row: u32,
    v_row: u32,
    o_row: u32,
    dy_place: u32,
    dy_batch: u32,
    dy_row: u32,
    pad: u32,
}
const _: () = assert!(offset_of!(Block, accumulate) == FLAG);

/// Quads of a head, at most, for a GPU and for software renderers, as the entry files say.
const MAX_QUADS: [usize; 2] = [8, 2];
/// Rows of a thread on software renderers, as their entry files say.
const SOFTWARE_ROWS: usize = 4;

/// A `[batch, n, channels]` view in quads: first, from batch to batch, from row to row.
#[derive(Clone, Copy)]
struct Rows {
    place: u32,
    batch: u32,
    row: u32,
}

/// The kernel for a GPU and that for software renderers.
type Kernels = [&'static Shader; 2];
const FORWARD: Kernels =
    [&kernels::TENSOR_ATTENTION_FORWARD, &kernels::TENSOR_ATTENTION_FORWARD_SOFTWARE];
const BACK_QUERY: Kernels =
    [&kernels::TENSOR_ATTENTION_BACK_QUERY, &kernels::TENSOR_ATTENTION_BACK_QUERY_SOFTWARE];
const BACK_KEY: Kernels =
    [&kernels::TENSOR_ATTENTION_BACK_KEY, &kernels::TENSOR_ATTENTION_BACK_KEY_SOFTWARE];

impl Graph {
    /// `x`, if kernels can walk it in quads with one stride for batches and one for rows, and say how.
    fn quad_rows(&self, x: Var) -> Option<Rows> {
        if x.repeats() {
            return None;
        }
        let lead = x.sizes.len() - 2;
        let sizes: &[usize] = &x.sizes[..lead];
        let batch = merge(sizes, &[&x.strides[..lead].into()]);
        let batch = match &batch[..] {
            [] => 0,
            [one] => one.strides[0],
            _ => return None,
        };
        let numbers = [self.place(&x), batch, x.strides[lead]];
        let fits = x.strides[lead + 1] == 1 && numbers.iter().all(|n| n.is_multiple_of(4));
        let [place, batch, row] = numbers.map(|n| (n / 4) as u32);
        fits.then_some(Rows { place, batch, row })
    }

    /// `x`, or a copy that kernels can walk.
    fn in_quad_rows(&mut self, x: Var) -> (Var, Rows) {
        let x = if self.quad_rows(x).is_some() { x } else { self.contiguous(x) };
        (x, self.quad_rows(x).expect("rows of whole quads"))
    }

    fn attention_call(
        &mut self,
        name: &str,
        kernels: Kernels,
        quads: usize,
        rows: usize,
        block: &Block,
        buffers: &[Var],
    ) {
        let each = if self.target.software { SOFTWARE_ROWS } else { 1 };
        let blocks = rows.div_ceil(each);
        let threads = block.threads as usize * blocks;
        let buffers: Vec<_> = buffers.iter().map(|x| x.tensor).collect();
        self.call(&Emit {
            name,
            shader: kernels[usize::from(self.target.software)],
            constants: &[("DQ", quads as u32)],
            uniform: &Block { threads: threads as u32, blocks: blocks as u32, ..*block },
            buffers: &buffers,
            groups: self.linear_groups(threads.div_ceil(64)),
        });
    }

    /// `softmax(scale Q K^T) V` for every head, a contiguous group of channels: q `[.., n, y]`, k and v `[.., m, y]`, result
    /// `[.., n, y]`. Where a head has a multiple of four channels, at most 32 (8 on software renderers), nothing of size n x m is stored; keys
    /// and values are best slices of one tensor, and are brought together otherwise.
    #[track_caller]
    pub fn attention(&mut self, q: Var, k: Var, v: Var, heads: usize, scale: f32) -> Var {
        let rank = q.sizes.len();
        let fits = rank >= 2
            && k.shape() == v.shape()
            && k.sizes.len() == rank
            && q.shape()[..rank - 2] == k.shape()[..rank - 2]
            && q.sizes[rank - 1] == k.sizes[rank - 1]
            && q.sizes[rank - 1].is_multiple_of(heads)
            && k.sizes[rank - 2] > 0;
        assert!(
            fits,
            "attention with {heads} heads: q {:?}, k {:?}, v {:?}",
            q.shape(),
            k.shape(),
            v.shape()
        );
        let width = q.sizes[rank - 1] / heads;
        let most = MAX_QUADS[usize::from(self.target.software)];
        if !width.is_multiple_of(4) || width > 4 * most {
            return self.attention_by_products(q, k, v, heads, scale);
        }
        let (queries, keys) = (q.sizes[rank - 2], k.sizes[rank - 2]);
        let channels = heads * width;
        let batches: usize = q.shape()[..rank - 2].iter().product();
        // Either the same numbers or apart: a thread that writes their gradients must not meet another.
        let apart = k.offset.abs_diff(v.offset) >= channels && k.strides == v.strides;
        let together = k.tensor == v.tensor
            && (k == v || apart)
            && self.quad_rows(k).is_some()
            && self.quad_rows(v).is_some();
        let (k, v) = if together {
            (k, v)
        } else {
            let kv = self.concat(&[k, v], rank - 1);
            (kv.sliced(rank - 1, 0..channels), kv.sliced(rank - 1, channels..2 * channels))
        };
        let (q, of_q) = self.in_quad_rows(q);
        let (of_k, of_v) = (self.in_quad_rows(k).1, self.in_quad_rows(v).1);
        let y = self.result("attention", q.shape(), &[q, k, v]);
        let of_y = self.quad_rows(y).expect("made in order");
        let logs = self.temp("logarithms of attention", &[batches, heads, queries]);
        let quads = width / 4;
        let block = Block {
            threads: (batches * heads) as u32,
            heads: heads as u32,
            queries: queries as u32,
            keys: keys as u32,
            scale,
            q_place: of_q.place,
            k_place: of_k.place,
            v_place: of_v.place,
            o_place: of_y.place,
            q_batch: of_q.batch,
            k_batch: of_k.batch,
            v_batch: of_v.batch,
            o_batch: of_y.batch,
            q_row: of_q.row,
            k_row: of_k.row,
            v_row: of_v.row,
            o_row: of_y.row,
            ..Block::default()
        };
        self.attention_call("attention", FORWARD, quads, queries, &block, &[q, k, y, logs]);

        self.on_backward(y, move |g, dy| {
            let dy = if g.quad_rows(dy).is_some() { dy } else { g.copy(dy) };
            let of_dy = g.quad_rows(dy).expect("rows of whole quads");
            let block =
                Block { dy_place: of_dy.place, dy_batch: of_dy.batch, dy_row: of_dy.row, ..block };
            let name = "gradient of attention";
            let products = g.temp("products of attention", &[batches, heads, queries]);
            // The gradient of a view lies as the view does, but a parameter's is in another arena at the same place.
            let by_query = |g: &mut Graph, to: Var| {
                let buffers = [q, k, dy, y, logs, to, products];
                g.attention_call(name, BACK_QUERY, quads, queries, &block, &buffers);
            };
            if g.needs(q) {
                g.deliver(q, by_query);
            } else {
                // The products are needed all the same; a stand-in of the same layout takes the rest.
                let like = g.tensors[q.tensor.0 as usize].sizes;
                let unused = g.temp("gradient", &like);
                by_query(g, unused);
            }
            let flags = [FLAG, offset_of!(Block, accumulate_v)];
            g.deliver_all([k, v], flags, |g, [to, _]| {
                let buffers = [q, k, dy, logs, products, to];
                g.attention_call(name, BACK_KEY, quads, keys, &block, &buffers);
            });
        });
        y
    }

    /// The same by matrix products, for heads of any width.
    fn attention_by_products(&mut self, q: Var, k: Var, v: Var, heads: usize, scale: f32) -> Var {
        let rank = q.sizes.len();
        let by_head = |g: &mut Graph, x: Var| {
            let mut shape = x.shape()[..rank - 1].to_vec();
            shape.extend([heads, x.sizes[rank - 1] / heads]);
            let x = g.reshape(x, &shape);
            let mut order: Vec<usize> = (0..=rank).collect();
            order.swap(rank - 2, rank - 1);
            x.permuted(&order)
        };
        let q = self.affine(q, scale, 0.0);
        let [q, k, v] = [q, k, v].map(|x| by_head(self, x));
        let mut order: Vec<usize> = (0..=rank).collect();
        order.swap(rank - 1, rank);
        let scores = self.matmul(q, k.permuted(&order));
        let shares = self.softmax(scores);
        let y = self.matmul(shares, v);
        order.swap(rank - 1, rank);
        order.swap(rank - 2, rank - 1);
        let mut shape = y.permuted(&order).shape()[..rank - 1].to_vec();
        shape.push(heads * y.sizes[rank]);
        self.reshape(y.permuted(&order), &shape)
    }
}

/// Specialisations of the kernels.
pub(crate) fn variants(add: &mut impl FnMut(&'static Shader, &[(&'static str, u32)])) {
    for kernels in [FORWARD, BACK_QUERY, BACK_KEY] {
        for (shader, most) in kernels.into_iter().zip(MAX_QUADS) {
            for quads in 1..=most as u32 {
                add(shader, &[("DQ", quads)]);
            }
        }
    }
}
