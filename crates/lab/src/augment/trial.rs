//! One network before and after: what an operation does, for whoever wants to watch it.

use super::change::Meter;
use super::{AugmentOptions, Change, grid, run};
use crate::error::LabError;
use weightlab_data::ZooManifest;
use weightlab_gpu::Gpu;
use weightlab_nets::symmetry::reference::{self, Drawn};
use weightlab_nets::symmetry::{Augmenter, Move, Op};
use weightlab_nets::{Mlp, NetId};

/// What a chain did to one network.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its parameters afterwards.
    pub params: Vec<f32>,
    /// How many of them are others than before.
    pub changed: usize,
    /// What each operation drew, in words; empty where there is nothing to say.
    pub draws: Vec<String>,
    /// What each operation did, in order.
    pub ops: Vec<Change>,
    /// What all of them together did.
    pub overall: Change,
    /// Points at which functions were compared.
    pub points: usize,
}

/// Does to one network of a zoo what an [`AugmentJob`](super::AugmentJob) with these options does to it.
///
/// # Errors
/// No operation, one that does not fit the architecture, parameters that do not stay finite, or the GPU.
pub async fn trial(
    gpu: &Gpu,
    manifest: &ZooManifest,
    params: &[f32],
    id: NetId,
    options: &AugmentOptions,
) -> Result<Trial, LabError> {
    let mlp = &manifest.mlp;
    if options.ops.is_empty() {
        return Err(LabError::NoOperation);
    }
    for op in &options.ops {
        op.validate(mlp)?;
    }
    let grid = grid(manifest);
    let points = grid.len() / mlp.inputs();
    let mut augmenter = Augmenter::new(gpu, mlp, 1)?;
    let mut meter = Meter::new(mlp, grid, options);
    let after = run(gpu, &mut augmenter, &mut meter, options, params, &[id], 0).await?;
    let (ops, overall) = meter.changes(&options.ops);
    let draw = |(position, op): (usize, &Op)| {
        drawn(mlp, op, &reference::draw(mlp, op, id, options.seed, position as u32))
    };
    Ok(Trial {
        changed: params.iter().zip(&after).filter(|(x, y)| x != y).count(),
        params: after,
        draws: options.ops.iter().enumerate().map(draw).collect(),
        ops,
        overall,
        points,
    })
}

/// What was drawn, in words.
fn drawn(mlp: &Mlp, op: &Op, drawn: &Drawn) -> String {
    match (op, drawn) {
        (Op::Rotate { .. } | Op::RotateAxis { .. }, Drawn::Numbers(n)) => {
            format!("an angle of {:.1}°", n[0])
        }
        (Op::Scale { .. }, Drawn::Numbers(n)) => format!("a factor of {:.3}", n[0]),
        (Op::QuantileMasking { .. }, Drawn::Numbers(n)) => {
            format!("the smallest {:.1} % become 0", 100.0 * n[0])
        }
        (_, Drawn::Translation(offset, depth)) => {
            let offset: Vec<_> = offset.iter().map(|x| format!("{x:.3}")).collect();
            format!("an offset of ({}), into the bias of layer {depth}", offset.join(", "))
        }
        (_, Drawn::Moves(moves)) => {
            let mut at = 0;
            let mut moved = 0;
            for width in &mlp.dims[1..mlp.depth()] {
                let layer = moves[at..at + width].iter().enumerate();
                moved += layer.filter(|(i, m)| **m != Move::from(*i)).count();
                at += width;
            }
            format!("{moved} of {} neurons are affected", moves.len())
        }
        (Op::Masking { .. }, Drawn::Elements(kept)) => {
            let gone = kept.iter().filter(|k| **k == 0.0).count();
            format!("{gone} of {} numbers become 0", kept.len())
        }
        _ => String::new(),
    }
}
