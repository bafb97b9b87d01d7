//! What operations do to functions, measured on a grid.

use super::AugmentOptions;
use crate::error::LabError;
use crate::stats::finite;
use serde::{Deserialize, Serialize};
use weightlab_gpu::Gpu;
use weightlab_nets::symmetry::{Op, reference};
use weightlab_nets::{Mlp, NetId, evaluate};

/// Networks per operation whose change is compared with the map of the input that it should be: each takes
/// an evaluation of its own.
const INPUT_CHECKS: u64 = 32;
/// Of these in one step, so that steps stay short.
const CHECKS_PER_STEP: u64 = 2;

/// How much outputs changed, over all networks and all points of the grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The operation with all its parameters.
    pub op: String,
    /// What it does to the function, in words.
    pub effect: String,
    /// max |f - f'|; `None` (null in JSON) without networks, or where it is not finite.
    pub max: Option<f64>,
    /// The same, divided by the range of the outputs before.
    pub of_range: Option<f64>,
    /// max |f(g x) - f'(x)| for the map g of the input that the operation is, where it is one.
    pub max_on_moved_input: Option<f64>,
    /// Networks behind the latter.
    pub nets_on_moved_input: u64,
}

/// Compares functions before and after.
#[derive(Debug)]
pub(super) struct Meter {
    mlp: Mlp,
    /// `[points, d_0]`
    grid: Vec<f32>,
    seed: u64,
    range: [f32; 2],
    changes: Vec<Seen>,
    overall: Seen,
    /// Of the batch at hand: outputs before everything and before the next operation, and identities.
    first: Vec<f32>,
    last: Vec<f32>,
    ids: Vec<NetId>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    any: bool,
    max: f64,
    moved_max: f64,
    moved_nets: u64,
}

impl Meter {
    pub(super) fn new(mlp: &Mlp, grid: Vec<f32>, options: &AugmentOptions) -> Meter {
        Meter {
            mlp: mlp.clone(),
            grid,
            seed: options.seed,
            range: [f32::INFINITY, f32::NEG_INFINITY],
            changes: vec![Seen::default(); options.ops.len()],
            overall: Seen::default(),
            first: Vec::new(),
            last: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// The architecture.
    pub(super) fn mlp(&self) -> &Mlp {
        &self.mlp
    }

    /// A new batch: networks `[nets, P]`, not augmented yet.
    pub(super) async fn begin(
        &mut self,
        gpu: &Gpu,
        params: &[f32],
        ids: &[NetId],
    ) -> Result<(), LabError> {
        self.first = evaluate(gpu, &self.mlp, params, ids.len(), &self.grid).await?;
        for &y in &self.first {
            self.range = [self.range[0].min(y), self.range[1].max(y)];
        }
        self.last.clone_from(&self.first);
        self.ids = ids.to_vec();
        Ok(())
    }

    /// The batch before and after operation `position`.
    pub(super) async fn see(
        &mut self,
        gpu: &Gpu,
        position: usize,
        op: &Op,
        before: &[f32],
        after: &[f32],
    ) -> Result<(), LabError> {
        let outputs = evaluate(gpu, &self.mlp, after, self.ids.len(), &self.grid).await?;
        let each = outputs.len() / self.ids.len().max(1);
        let seen = &mut self.changes[position];
        seen.any |= !outputs.is_empty();
        seen.max = seen.max.max(distance(&outputs, &self.last));
        let mut checks = CHECKS_PER_STEP.min(INPUT_CHECKS - seen.moved_nets);
        for (n, &id) in self.ids.iter().enumerate() {
            if checks == 0 {
                break;
            }
            let drawn = reference::draw(&self.mlp, op, id, self.seed, position as u32);
            let moved = reference::moved_input(&self.mlp, op, &drawn, &self.grid);
            let Some(moved) = moved else { continue };
            let moved: Vec<f32> = moved.iter().map(|&x| x as f32).collect();
            let net = &before[n * self.mlp.param_count()..(n + 1) * self.mlp.param_count()];
            let expected = evaluate(gpu, &self.mlp, net, 1, &moved).await?;
            let found = distance(&outputs[n * each..(n + 1) * each], &expected);
            seen.moved_max = seen.moved_max.max(found);
            seen.moved_nets += 1;
            checks -= 1;
        }
        self.last = outputs;
        Ok(())
    }

    /// The batch is done.
    pub(super) fn end(&mut self) {
        self.overall.any |= !self.last.is_empty();
        self.overall.max = self.overall.max.max(distance(&self.last, &self.first));
    }

    /// What each operation did, and what all of them did together.
    pub(super) fn changes(&self, ops: &[Op]) -> (Vec<Change>, Change) {
        let span = f64::from(self.range[1]) - f64::from(self.range[0]);
        let change = |op: String, effect: String, seen: &Seen| {
            let max = finite(seen.max).filter(|_| seen.any);
            Change {
                op,
                effect,
                max,
                of_range: max.filter(|_| span > 0.0).map(|m| m / span),
                max_on_moved_input: finite(seen.moved_max).filter(|_| seen.moved_nets > 0),
                nets_on_moved_input: seen.moved_nets,
            }
        };
        let each = ops.iter().zip(&self.changes);
        let each =
            each.map(|(op, seen)| change(op.to_string(), op.effect().name().to_owned(), seen));
        (each.collect(), change("all together".to_owned(), effect(ops).to_owned(), &self.overall))
    }

    /// Least and greatest output before.
    pub(super) fn output_range(&self) -> [Option<f64>; 2] {
        self.range.map(|y| finite(f64::from(y)))
    }
}

/// What a chain does: the most that any of its operations does.
fn effect(ops: &[Op]) -> &'static str {
    use weightlab_nets::symmetry::Effect::{ActsOnInput, ChangesFunction, PreservesFunction};
    let any = |effect| ops.iter().any(|op| op.effect() == effect);
    let most = [ChangesFunction, ActsOnInput].into_iter().find(|&e| any(e));
    most.unwrap_or(PreservesFunction).name()
}

/// max |a - b|; infinite if any difference is not a number.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).fold(0.0, |most, (a, b)| {
        let d = (f64::from(*a) - f64::from(*b)).abs();
        if d.is_nan() { f64::INFINITY } else { most.max(d) }
    })
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn what_is_not_a_number_is_no_agreement() {
        assert_eq!(distance(&[1.0, 2.0], &[1.0, 2.5]), 0.5);
        assert_eq!(distance(&[f32::NAN, 2.0], &[1.0, 2.0]), f64::INFINITY);
    }
}
