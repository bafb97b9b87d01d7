//! Matrix products and linear layers. Kernels: `shaders/tensor/parts/matmul*.wgsl`, `collect.wgsl`.

use super::elementwise::Act;
use crate::graph::gradient::FLAG;
use crate::graph::{Emit, Graph};
use crate::shape::{Axis, Dims, Var, broadcast_shape, merge};
use std::mem::offset_of;
use weightlab_kernels::{self as kernels, Shader};

/// `Matmul` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    m: u32,
    accumulate: u32,
    n: u32,
    k: u32,
    segment: u32,
    segments: u32,
    batch: u32,
    scale: f32,
    a_place: u32,
    b_place: u32,
    c_place: u32,
    bias_place: u32,
    a_k: u32,
    b_k: u32,
    b_n: u32,
    c_n: u32,
    c_segment: u32,
    sums_place: u32,
    row_tiles: u32,
    column_tiles: u32,
    add_place: [u32; 4],
    add_n: [u32; 4],
    row_sizes: [u32; 4],
    a_rows: [u32; 4],
    c_rows: [u32; 4],
    add_rows: [[u32; 4]; 2],
    batch_sizes: [u32; 4],
    a_batch: [u32; 4],
    b_batch: [u32; 4],
    c_batch: [u32; 4],
}
const _: () = assert!(offset_of!(Block, accumulate) == FLAG);

/// `Collect` of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Collect {
    products: u32,
    sums: u32,
    segments: u32,
    stride: u32,
    y_place: u32,
    z_place: u32,
    y_accumulate: u32,
    z_accumulate: u32,
}

/// Axes over which the kernels count rows, and batches.
const AXES: usize = 3;
/// Numbers of row axes for which there are kernels.
const ROW_RANKS: [u32; 2] = [1, AXES as u32];

/// What comes after the product of a linear layer, in the same dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// Factor of everything.
    pub scale: f32,
    /// At most two tensors that broadcast to the result.
    pub addends: &'a [Var],
    /// Last of all.
    pub activation: Act,
}

impl Default for Epilogue<'_> {
    fn default() -> Self {
        Epilogue { scale: 1.0, addends: &[], activation: Act::None }
    }
}

/// One call: `c (+)= act(scale * (a b + bias + addends))`, possibly by segments of k.
struct Product<'a> {
    /// `[batch.., rows.., k]`
    a: Var,
    /// `[batch.., k, n]`
    b: Var,
    /// `[batch.., rows.., n]`
    c: Var,
    /// How many axes are batches.
    batches: usize,
    bias: Option<Var>,
    epilogue: Epilogue<'a>,
    /// Of k, with the distance of their results, and where sums of the rows of `a` go.
    segments: usize,
    stride: usize,
    sums: Option<usize>,
}

impl<'a> Product<'a> {
    fn plain(a: Var, b: Var, c: Var, batches: usize, scale: f32) -> Product<'a> {
        Product {
            a,
            b,
            c,
            batches,
            bias: None,
            epilogue: Epilogue { scale, ..Epilogue::default() },
            segments: 1,
            stride: 0,
            sums: None,
        }
    }
}

/// Strides of one operand over merged axes, innermost first.
fn inner_first(axes: &[Axis], operand: usize) -> [usize; 4] {
    let mut out = [0; 4];
    for (to, axis) in out.iter_mut().zip(axes.iter().rev()) {
        *to = axis.strides[operand];
    }
    out
}

fn whole(n: usize) -> bool {
    n.is_multiple_of(4)
}

fn transposed(x: Var) -> Var {
    let rank = x.sizes.len();
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(rank - 2, rank - 1);
    x.permuted(&order)
}

/// One axis of a view, as a view of that axis alone.
fn axes_of(x: &Var, range: std::ops::Range<usize>) -> (Dims, Dims) {
    (x.sizes[range.clone()].into(), x.strides[range].into())
}

impl Graph {
    fn product(&mut self, name: &str, p: &Product<'_>) {
        let rank = p.a.sizes.len();
        let (row_sizes, a_rows) = axes_of(&p.a, p.batches..rank - 1);
        let (_, c_rows) = axes_of(&p.c, p.batches..rank - 1);
        let addends: Vec<Var> =
            p.epilogue.addends.iter().map(|x| x.broadcast(p.c.shape())).collect();
        let add_rows: Vec<Dims> =
            addends.iter().map(|x| axes_of(x, p.batches..rank - 1).1).collect();
        let strides: Vec<&Dims> = [&a_rows, &c_rows].into_iter().chain(&add_rows).collect();
        let rows = merge(&row_sizes, &strides);
        let (batch_sizes, a_batch) = axes_of(&p.a, 0..p.batches);
        let (b_batch, c_batch) = (axes_of(&p.b, 0..p.batches).1, axes_of(&p.c, 0..p.batches).1);
        let batch = merge(&batch_sizes, &[&a_batch, &b_batch, &c_batch]);
        if rows.len() > AXES || batch.len() > AXES {
            return self.product_in_order(name, p);
        }

        let b_rank = p.b.sizes.len();
        let m: usize = row_sizes.iter().product();
        let (k, n) = (p.b.sizes[b_rank - 2], p.b.sizes[b_rank - 1]);
        let mut a_k = p.a.strides[rank - 1];
        let (mut b_k, mut b_n) = (p.b.strides[b_rank - 2], p.b.strides[b_rank - 1]);
        let c_n = p.c.strides[rank - 1];
        let mut places = [&p.a, &p.b, &p.c].map(|x| self.place(x));
        let mut bias_place = p.bias.map_or(0, |x| self.place(&x));
        let mut add_places: Vec<usize> = addends.iter().map(|x| self.place(x)).collect();
        let (mut stride, mut sums) = (p.stride, p.sums.unwrap_or(0));
        // Innermost first; a single row has no stride.
        let mut row_strides: Vec<[usize; 4]> =
            (0..strides.len()).map(|o| inner_first(&rows, o)).collect();
        let mut batch_strides = [0, 1, 2].map(|o| inner_first(&batch, o));

        // Which operands come in quads, and which way.
        let [a_fits, b_fits, c_fits] =
            [0, 1, 2].map(|o| whole(places[o]) && batch_strides[o].iter().all(|&s| whole(s)));
        let rows_fit = |o: usize| row_strides[o].iter().all(|&s| whole(s));
        let kind_a = if a_fits && a_k == 1 && whole(k) && rows_fit(0) {
            Some(0)
        } else if a_fits && rows.len() <= 1 && row_strides[0][0] == 1 && whole(m) && whole(a_k) {
            Some(1)
        } else {
            None
        };
        let kind_b = if b_fits && b_n == 1 && whole(n) && whole(b_k) {
            Some(0)
        } else if b_fits && b_k == 1 && whole(k) && whole(b_n) {
            Some(1)
        } else {
            None
        };
        let after = whole(bias_place)
            && p.bias.is_none_or(|x| x.strides[0] == 1)
            && addends.iter().all(|x| x.strides[rank - 1] == 1)
            && add_places.iter().all(|&x| whole(x))
            && (2..strides.len()).all(rows_fit);
        let result = c_fits && c_n == 1 && whole(n) && rows_fit(1) && whole(stride) && whole(sums);
        let epilogue =
            p.bias.is_some() || !addends.is_empty() || p.epilogue.activation != Act::None;
        let kinds = match (kind_a, kind_b) {
            // To keep the number of kernels down, an epilogue goes with rows as they are, and sums of rows go with the
            // gradient of a weight.
            (Some(1), _) if epilogue => None,
            (Some(0), _) | (_, Some(1)) if p.sums.is_some() => None,
            (Some(a), Some(b)) if after && result => Some((a, b)),
            _ => None,
        };
        if let Some((kind_a, kind_b)) = kinds {
            let quads = |x: &mut usize| *x /= 4;
            places.iter_mut().chain(&mut add_places).for_each(quads);
            [&mut bias_place, &mut stride, &mut sums].into_iter().for_each(quads);
            row_strides.iter_mut().chain(&mut batch_strides).flatten().for_each(quads);
            if kind_a == 1 {
                a_k /= 4;
            }
            if kind_b == 0 { b_k /= 4 } else { b_n /= 4 }
        }

        let batches: usize = batch_sizes.iter().product();
        let ([tall, wide], shader) =
            self.matmul_kernel(kinds.is_some(), m, n, batches * p.segments);
        let to_u32 = |x: &[usize; 4]| x.map(|v| v as u32);
        let mut block = Block {
            m: m as u32,
            accumulate: 0,
            n: n as u32,
            k: k as u32,
            segment: k.div_ceil(p.segments).next_multiple_of(4).max(4) as u32,
            segments: p.segments as u32,
            batch: batches as u32,
            scale: p.epilogue.scale,
            a_place: places[0] as u32,
            b_place: places[1] as u32,
            c_place: places[2] as u32,
            bias_place: bias_place as u32,
            a_k: a_k as u32,
            b_k: b_k as u32,
            b_n: b_n as u32,
            c_n: c_n as u32,
            c_segment: stride as u32,
            sums_place: sums as u32,
            row_tiles: m.div_ceil(tall) as u32,
            column_tiles: n.div_ceil(wide) as u32,
            row_sizes: [1; 4],
            a_rows: to_u32(&row_strides[0]),
            c_rows: to_u32(&row_strides[1]),
            batch_sizes: [1; 4],
            a_batch: to_u32(&batch_strides[0]),
            b_batch: to_u32(&batch_strides[1]),
            c_batch: to_u32(&batch_strides[2]),
            ..Block::default()
        };
        for (i, x) in addends.iter().enumerate() {
            block.add_place[i] = add_places[i] as u32;
            block.add_n[i] = x.strides[rank - 1] as u32;
            block.add_rows[i] = to_u32(&row_strides[2 + i]);
        }
        for (to, axis) in block.row_sizes.iter_mut().zip(rows.iter().rev()) {
            *to = axis.size as u32;
        }
        for (to, axis) in block.batch_sizes.iter_mut().zip(batch.iter().rev()) {
            *to = axis.size as u32;
        }
        let (kind_a, kind_b) = kinds.unwrap_or((0, 0));
        let threads = if self.target.software { 8 } else { 1 };
        let tiles = m.div_ceil(tall) * n.div_ceil(wide) * batches * p.segments;
        let other = |x: Option<&Var>| x.map_or(p.a.tensor, |x| x.tensor);
        self.call(&Emit {
            name,
            shader,
            constants: &constants(
                [kind_a, kind_b],
                if rows.len() <= 1 { ROW_RANKS[0] } else { ROW_RANKS[1] },
                p.bias.is_some(),
                addends.len() as u32,
                p.epilogue.activation == Act::Relu,
                p.sums.is_some(),
            ),
            uniform: &block,
            buffers: &[
                p.a.tensor,
                p.b.tensor,
                other(p.bias.as_ref()),
                other(addends.first()),
                other(addends.get(1)),
                p.c.tensor,
            ],
            groups: self.linear_groups(tiles.div_ceil(threads)),
        });
    }

    /// The same with operands copied so that few axes remain.
    fn product_in_order(&mut self, name: &str, p: &Product<'_>) {
        let a = self.in_order(p.a);
        let b = self.in_order(p.b);
        let addends: Vec<Var> = p
            .epilogue
            .addends
            .iter()
            .map(|x| {
                let x = x.broadcast(p.c.shape());
                self.in_order(x)
            })
            .collect();
        let c = if p.c.is_contiguous() { p.c } else { self.temp(name, p.c.shape()) };
        let epilogue = Epilogue { addends: &addends, ..p.epilogue };
        self.product(name, &Product { a, b, c, epilogue, ..*p });
        if c != p.c {
            self.sum_terms_into(&[(c, 1.0)], p.c);
        }
    }

    /// `([rows, columns] of a tile, kernel)` for a result of m x n, so many times.
    fn matmul_kernel(
        &self,
        vec4: bool,
        m: usize,
        n: usize,
        times: usize,
    ) -> ([usize; 2], &'static Shader) {
        let large = vec4 && m.min(n) >= 128 && m.div_ceil(128) * n.div_ceil(128) * times >= 128;
        match (self.target.software, vec4, large) {
            (true, true, _) => ([8, 16], &kernels::TENSOR_MATMUL_SOFTWARE_VEC4),
            (true, false, _) => ([8, 8], &kernels::TENSOR_MATMUL_SOFTWARE),
            (false, true, true) => ([128, 128], &kernels::TENSOR_MATMUL_128_VEC4),
            (false, true, false) => ([64, 64], &kernels::TENSOR_MATMUL_64_VEC4),
            (false, false, _) => ([64, 64], &kernels::TENSOR_MATMUL_64),
        }
    }

    /// Into how many parts a sum over k is cut for an m x n result, so that there is enough to do at once.
    fn matmul_segments(&self, m: usize, n: usize, k: usize) -> usize {
        let (tile, wanted, shortest) =
            if self.target.software { (16, 64, 256) } else { (64, 512, 64) };
        let tiles = m.div_ceil(tile) * n.div_ceil(tile);
        let wanted = (wanted / tiles.max(1)).clamp(1, 128).min(k / shortest).max(1);
        // Loops of software renderers end silently after 65,535 rounds, of four here.
        let wanted = wanted.max(k.div_ceil(1 << 17));
        let segment = k.div_ceil(wanted).next_multiple_of(4).max(4);
        k.div_ceil(segment).max(1)
    }

    /// `x W^T + b` over the last axis of `x`; the weight is `[out, in]`, as PyTorch has it.
    #[track_caller]
    pub fn linear(&mut self, x: Var, weight: Var, bias: Option<Var>) -> Var {
        self.linear_with(x, weight, bias, &Epilogue::default())
    }

    /// `act(scale * (x W^T + b + addends))` in one dispatch; activations other than ReLU take one more.
    #[track_caller]
    pub fn linear_with(
        &mut self,
        x: Var,
        weight: Var,
        bias: Option<Var>,
        epilogue: &Epilogue<'_>,
    ) -> Var {
        let fits = x.sizes.last() == weight.sizes.get(1)
            && weight.sizes.len() == 2
            && bias.is_none_or(|b| b.shape() == &weight.shape()[..1]);
        assert!(
            fits,
            "linear: x {:?}, weight {:?} [out, in], bias {:?} [out]",
            x.shape(),
            weight.shape(),
            bias.map(|b| b.sizes)
        );
        assert!(epilogue.addends.len() <= 2, "linear: at most two addends");
        if !matches!(epilogue.activation, Act::None | Act::Relu) {
            let plain = Epilogue { activation: Act::None, ..*epilogue };
            let z = self.linear_with(x, weight, bias, &plain);
            return self.activate(z, epilogue.activation);
        }
        let mut shape = x.sizes;
        *shape.last_mut().expect("not a scalar") = weight.sizes[0];
        let mut from = vec![x, weight];
        from.extend(bias);
        from.extend(epilogue.addends);
        let y = self.result("linear", &shape, &from);
        // One row is a row too.
        let rows = |v: Var| if v.sizes.len() == 1 { v.broadcast(&[1, v.sizes[0]]) } else { v };
        self.product(
            "linear",
            &Product {
                bias,
                epilogue: *epilogue,
                ..Product::plain(rows(x), transposed(weight), rows(y), 0, 1.0)
            },
        );
        let (scale, act) = (epilogue.scale, epilogue.activation);
        let addends = epilogue.addends.to_vec();
        self.on_backward(y, move |g, dy| {
            let (dz, scale) = match act {
                Act::None => (dy, scale),
                _ => (g.through_activation(act, dy, y, scale), 1.0),
            };
            for addend in addends {
                g.contribute(addend.broadcast(dz.shape()), dz, scale);
            }
            g.deliver(x, |g, to| {
                let product = Product::plain(rows(dz), weight, rows(to), 0, scale);
                g.product("gradient of linear", &product);
            });
            g.weight_gradient(dz, x, weight, bias, scale);
        });
        y
    }

    /// Delivers `scale * dz^T x` to the weight and `scale *` the column sums of `dz` to the bias.
    fn weight_gradient(&mut self, dz: Var, x: Var, weight: Var, bias: Option<Var>, scale: f32) {
        let bias = bias.filter(|b| self.needs(*b));
        if !self.needs(weight) && bias.is_none() {
            return;
        }
        let (out, inputs) = (weight.sizes[0], weight.sizes[1]);
        let rows: usize = x.shape()[..x.sizes.len() - 1].iter().product();
        let flat = |g: &mut Graph, v: Var, width: usize| {
            let v = if v.repeats() { g.copy(v) } else { v };
            v.reshaped(&[rows, width]).unwrap_or_else(|| {
                g.copy(v).reshaped(&[rows, width]).expect("a copy takes any shape")
            })
        };
        let dz = flat(self, dz, out);
        let x = flat(self, x, inputs);
        let segments = self.matmul_segments(out, inputs, rows);
        if bias.is_none() && segments == 1 {
            self.deliver(weight, |g, to| {
                let product = Product::plain(transposed(dz), x, to, 0, scale);
                g.product("gradient of a weight", &product);
            });
            return;
        }

        let products = out * inputs;
        let sums = if bias.is_some() { out } else { 0 };
        let stride = products + sums;
        let parts = self.temp("parts of a weight's gradient", &[segments, stride]);
        let c = Var::whole(parts.tensor, &[out, inputs]);
        self.product(
            "gradient of a weight",
            &Product {
                segments,
                stride,
                sums: bias.map(|_| products),
                ..Product::plain(transposed(dz), x, c, 0, scale)
            },
        );
        let in_arena = self.is_whole_param(weight);
        if let Some(bias) = bias.filter(|b| in_arena && self.is_whole_param(*b)) {
            let flags = [offset_of!(Collect, y_accumulate), offset_of!(Collect, z_accumulate)];
            self.deliver_all([weight, bias], flags, |g, [y, z]| {
                g.collect(parts, [products, sums, segments, stride], y, z);
            });
            return;
        }
        let each = |columns: Var| Var {
            strides: [&[stride], &columns.strides[..]].concat()[..].into(),
            ..columns
        };
        let weights = each(Var { sizes: [segments, out, inputs][..].into(), ..c });
        self.deliver(weight, |g, to| g.sum_into(weights, &[0], 1.0, to));
        if let Some(bias) = bias {
            let mut of_bias = Var::whole(parts.tensor, &[segments, out]);
            of_bias.offset = products;
            of_bias.strides[0] = stride;
            self.deliver(bias, |g, to| g.sum_into(of_bias, &[0], 1.0, to));
        }
    }

    fn collect(
        &mut self,
        parts: Var,
        [products, sums, segments, stride]: [usize; 4],
        y: Var,
        z: Var,
    ) {
        let mut sizes = [products, sums, segments, stride, self.place(&y), self.place(&z)];
        let vec4 = [0, 1, 3, 4, 5].iter().all(|&i: &usize| whole(sizes[i]));
        if vec4 {
            [0, 1, 3, 4, 5].iter().for_each(|&i: &usize| sizes[i] /= 4);
        }
        let block = Collect {
            products: sizes[0] as u32,
            sums: sizes[1] as u32,
            segments: sizes[2] as u32,
            stride: sizes[3] as u32,
            y_place: sizes[4] as u32,
            z_place: sizes[5] as u32,
            ..Collect::default()
        };
        self.call(&Emit {
            name: "sum of a weight's gradient",
            shader: if vec4 { &kernels::TENSOR_COLLECT_VEC4 } else { &kernels::TENSOR_COLLECT },
            constants: &[],
            uniform: &block,
            buffers: &[parts.tensor, y.tensor],
            groups: self.linear_groups((sizes[0] + sizes[1]).div_ceil(64)),
        });
    }

    /// `a b` of the last two axes, `[.., m, k] x [.., k, n]`; leading axes broadcast.
    #[track_caller]
    pub fn matmul(&mut self, a: Var, b: Var) -> Var {
        let (ra, rb) = (a.sizes.len(), b.sizes.len());
        assert!(
            ra >= 2 && rb >= 2 && a.sizes[ra - 1] == b.sizes[rb - 2],
            "matmul: {:?} x {:?}",
            a.shape(),
            b.shape()
        );
        if rb == 2 {
            return self.linear(a, transposed(b), None);
        }
        let (m, n) = (a.sizes[ra - 2], b.sizes[rb - 1]);
        let lead = broadcast_shape([&a.shape()[..ra - 2], &b.shape()[..rb - 2]].into_iter());
        let with = |tail: [usize; 2]| [&lead[..], &tail].concat();
        let a = a.broadcast(&with([m, a.sizes[ra - 1]]));
        let b = b.broadcast(&with([b.sizes[rb - 2], n]));
        let y = self.result("matmul", &with([m, n]), &[a, b]);
        let batches = lead.len();
        self.product("matmul", &Product::plain(a, b, y, batches, 1.0));
        self.on_backward(y, move |g, dy| {
            g.deliver(a, |g, to| {
                let product = Product::plain(dy, transposed(b), to, batches, 1.0);
                g.product("gradient of matmul", &product);
            });
            g.deliver(b, |g, to| {
                let product = Product::plain(transposed(a), dy, to, batches, 1.0);
                g.product("gradient of matmul", &product);
            });
        });
        y
    }
}

fn constants(
    [kind_a, kind_b]: [u32; 2],
    row_rank: u32,
    bias: bool,
    addends: u32,
    relu: bool,
    sums: bool,
) -> [(&'static str, u32); 7] {
    [
        ("KIND_A", kind_a),
        ("KIND_B", kind_b),
        ("ROW_RANK", row_rank),
        ("BIAS", bias.into()),
        ("ADDENDS", addends),
        ("RELU", relu.into()),
        ("SUMS", sums.into()),
    ]
}

/// Specialisations of the kernels.
pub(crate) fn variants(add: &mut impl FnMut(&'static Shader, &[(&'static str, u32)])) {
    let quads: [&'static Shader; 3] = [
        &kernels::TENSOR_MATMUL_SOFTWARE_VEC4,
        &kernels::TENSOR_MATMUL_64_VEC4,
        &kernels::TENSOR_MATMUL_128_VEC4,
    ];
    let single: [&'static Shader; 2] =
        [&kernels::TENSOR_MATMUL_SOFTWARE, &kernels::TENSOR_MATMUL_64];
    for row_rank in ROW_RANKS {
        for kind_b in 0..2 {
            for epilogue in 0..12 {
                let (bias, addends, relu) = (epilogue % 2 == 1, epilogue / 2 % 3, epilogue >= 6);
                let c = constants([0, kind_b], row_rank, bias, addends, relu, false);
                quads.iter().for_each(|s| add(s, &c));
                if kind_b == 0 {
                    single.iter().for_each(|s| add(s, &c));
                }
            }
        }
    }
    for kind_b in 0..2 {
        let c = constants([1, kind_b], 1, false, 0, false, false);
        quads.iter().for_each(|s| add(s, &c));
    }
    quads.iter().for_each(|s| add(s, &constants([1, 0], 1, false, 0, false, true)));
    single.iter().for_each(|s| add(s, &constants([0, 0], 1, false, 0, false, true)));
    add(&kernels::TENSOR_COLLECT, &[]);
    add(&kernels::TENSOR_COLLECT_VEC4, &[]);
}
