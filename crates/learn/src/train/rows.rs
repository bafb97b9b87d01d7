//! Picking and normalising rows. Kernel: `shaders/learn/rows.wgsl`.

use super::error::TrainError;
use bytemuck::{Pod, Zeroable};
use std::sync::Arc;
use weightlab_gpu::{Buffer, Gpu, Pipeline, Recording};
use weightlab_kernels as kernels;

/// What is subtracted from the parameters of a network, and by what the rest is multiplied, entry by entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Subtracted.
    pub shift: Vec<f32>,
    /// Multiplied with.
    pub factor: Vec<f32>,
}

impl Statistics {
    /// Those that change nothing.
    pub fn none(entries: usize) -> Statistics {
        Statistics { shift: vec![0.0; entries], factor: vec![1.0; entries] }
    }

    /// Mean and unbiased standard deviation of every entry over the nets at `items` of `params` `[nets, entries]`. An
    /// entry that is the same in all of them is only shifted.
    pub fn per_entry(params: &[f32], entries: usize, items: &[u32]) -> Statistics {
        let n = items.len() as f64;
        let net = |&i: &u32| &params[i as usize * entries..][..entries];
        let mut mean = vec![0f64; entries];
        for row in items.iter().map(net) {
            mean.iter_mut().zip(row).for_each(|(m, &x)| *m += f64::from(x) / n);
        }
        let mut square = vec![0f64; entries];
        for row in items.iter().map(net) {
            let each = square.iter_mut().zip(row.iter().zip(&mean));
            each.for_each(|(s, (&x, m))| *s += (f64::from(x) - m).powi(2) / (n - 1.0).max(1.0));
        }
        let factor = |s: f64| if s > 0.0 { s.sqrt().recip() as f32 } else { 1.0 };
        Statistics {
            shift: mean.into_iter().map(|m| m as f32).collect(),
            factor: square.into_iter().map(factor).collect(),
        }
    }

    fn words(&self) -> Vec<f32> {
        [&self.shift[..], &self.factor].concat()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Block {
    rows: u32,
    columns: u32,
    first: u32,
    table_rows: u32,
}

/// Copies rows of tables with so many columns.
#[derive(Debug)]
pub(super) struct Rows {
    columns: u32,
    scaling: Buffer,
    plain: Arc<Pipeline>,
    pick: Arc<Pipeline>,
}

impl Rows {
    pub(super) fn new(gpu: &Gpu, statistics: &Statistics) -> Result<Rows, TrainError> {
        Ok(Rows {
            columns: statistics.shift.len() as u32,
            scaling: gpu.upload("scaling", &statistics.words())?,
            plain: gpu.pipeline(&kernels::LEARN_ROWS, &[("PICK", 0)])?,
            pick: gpu.pipeline(&kernels::LEARN_ROWS, &[("PICK", 1)])?,
        })
    }

    pub(super) fn bytes(columns: usize) -> u64 {
        8 * columns as u64
    }

    /// `out[r] = table[r]`, scaled, for `rows` rows, or `table[items[first + r]]`; rows beyond `table_rows` repeat the last.
    pub(super) fn record(
        &self,
        recording: &mut Recording,
        (table, table_rows): (&Buffer, usize),
        items: Option<&Buffer>,
        first: usize,
        (out, rows): (&Buffer, usize),
    ) {
        let block = Block {
            rows: rows as u32,
            columns: self.columns,
            first: first as u32,
            table_rows: table_rows as u32,
        };
        let pipeline = if items.is_some() { &self.pick } else { &self.plain };
        let buffers = [table, items.unwrap_or(&self.scaling), &self.scaling, out];
        let groups = (rows * self.columns as usize).div_ceil(64) as u32;
        recording.dispatch_linear(pipeline, &block, &buffers, groups);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_get_mean_zero_and_deviation_one() {
        let params = [1.0, 5.0, 100.0, 100.0, 3.0, 5.0, 2.0, 5.0];
        let statistics = Statistics::per_entry(&params, 2, &[0, 2, 3]);
        assert_eq!(statistics.shift, [2.0, 5.0]);
        assert_eq!(statistics.factor, [1.0, 1.0], "deviation 1; an entry that never changes");
        assert_eq!(Statistics::none(2).words(), [0.0, 0.0, 1.0, 1.0]);
    }
}
