//! Putting tensors together and picking rows. Kernels: `shaders/tensor/gather_rows*.wgsl`.

use crate::graph::gradient::FLAG;
use crate::graph::{Emit, Graph};
use crate::shape::Var;
use std::mem::offset_of;
use weightlab_kernels as kernels;

/// `Gather` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    count: u32,
    accumulate: u32,
    width: u32,
    rows: u32,
    table_place: u32,
    rows_place: u32,
    y_place: u32,
    pad: u32,
}
const _: () = assert!(offset_of!(Block, accumulate) == FLAG);

impl Graph {
    /// The parts one after another along an axis: one dispatch per part, none for the gradient.
    #[track_caller]
    pub fn concat(&mut self, parts: &[Var], axis: usize) -> Var {
        assert!(!parts.is_empty(), "concat of nothing");
        let mut shape = parts[0].sizes;
        let alike = parts.iter().all(|p| {
            p.sizes.len() == shape.len()
                && (0..shape.len()).all(|a| a == axis || p.sizes[a] == shape[a])
        });
        assert!(
            alike && axis < shape.len(),
            "concat along axis {axis} of {:?}",
            parts.iter().map(Var::shape).collect::<Vec<_>>()
        );
        shape[axis] = parts.iter().map(|p| p.sizes[axis]).sum();
        let y = self.result("concat", &shape, parts);
        let mut start = 0;
        let mut ranges = Vec::new();
        for part in parts {
            let range = start..start + part.sizes[axis];
            self.sum_terms_into(&[(*part, 1.0)], y.sliced(axis, range.clone()));
            start = range.end;
            ranges.push((*part, range));
        }
        self.on_backward(y, move |g, dy| {
            for (part, range) in ranges {
                g.contribute(part, dy.sliced(axis, range), 1.0);
            }
        });
        y
    }

    /// Rows `rows[i]` of a `[r, c]` table, as `[n, c]`; rows come from [`Graph::indices`] `[n]`. A row that is not there
    /// becomes NaN.
    #[track_caller]
    pub fn gather_rows(&mut self, table: Var, rows: Var) -> Var {
        assert!(
            table.sizes.len() == 2 && rows.sizes.len() == 1 && rows.is_contiguous(),
            "gather: table {:?} [r, c], rows {:?} [n]",
            table.shape(),
            rows.shape()
        );
        let source = self.in_order(table);
        let shape = [rows.sizes[0], table.sizes[1]];
        let y = self.result("gather", &shape, &[table]);
        let block = Block {
            count: shape[0] as u32,
            accumulate: 0,
            width: shape[1] as u32,
            rows: table.sizes[0] as u32,
            table_place: self.place(&source) as u32,
            rows_place: self.place(&rows) as u32,
            y_place: self.place(&y) as u32,
            pad: 0,
        };
        self.call(&Emit {
            name: "gather",
            shader: &kernels::TENSOR_GATHER_ROWS,
            constants: &[],
            uniform: &block,
            buffers: &[source.tensor, rows.tensor, y.tensor],
            groups: self.linear_groups(y.len().div_ceil(64)),
        });
        self.on_backward(y, move |g, dy| {
            let dy = g.in_order(dy);
            g.deliver_in_order(table, |g, to| {
                g.call(&Emit {
                    name: "gradient of gather",
                    shader: &kernels::TENSOR_GATHER_ROWS_BACK,
                    constants: &[],
                    uniform: &Block {
                        table_place: g.place(&to) as u32,
                        y_place: g.place(&dy) as u32,
                        ..block
                    },
                    buffers: &[dy.tensor, rows.tensor, to.tensor],
                    groups: g.linear_groups(table.len().div_ceil(64)),
                });
            });
        });
        y
    }
}
