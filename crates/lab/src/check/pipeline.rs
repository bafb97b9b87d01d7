//! The group `pipeline` of the golden sets: what the reference's loader makes of an item, mixing, normalising and
//! permuting in its order.
//!
//! Mixing, its labels and the permutation are kernels. The normalisation between them is a division per
//! entry, done here, so that the order is what this is about.

use super::golden::{Golden, Set};
use super::siren::{mlp_of, to_f32};
use super::symmetry::{apply, batch, malformed, matched, orders};
use super::{Case, Worst, to_f64};
use crate::error::LabError;
use weightlab_data::Store;
use weightlab_gpu::Gpu;
use weightlab_nets::NetBatch;
use weightlab_nets::align::Pair;
use weightlab_nets::mix::{Labels, Mix, Mixer};
use weightlab_nets::symmetry::{Draws, Move, Op, moves};

/// Items after the loader.
pub(super) const PIPELINE: &str = "pipeline";

/// Tensors `{prefix}w.{l}{suffix}` `(in, out)` and `{prefix}b.{l}{suffix}`, of item `item` where there are several, as one
/// vector in the order of the parameters, entry by entry through `of`.
async fn vector<S: Store>(
    set: &mut Set<S>,
    depth: usize,
    item: usize,
    name: impl Fn(&str, usize) -> String,
    of: impl Fn(&Golden, usize) -> f64,
) -> Result<(Vec<usize>, Vec<f64>), LabError> {
    let (mut dims, mut all) = (Vec::new(), Vec::new());
    for l in 0..depth {
        let w = set.tensor(PIPELINE, &name("w", l)).await?;
        let b = set.tensor(PIPELINE, &name("b", l)).await?;
        let [.., inputs, outputs, 1] = w.shape[..] else {
            return Err(malformed(PIPELINE, &name("w", l), "a weight of shape [.., in, out, 1]"));
        };
        if l == 0 {
            dims.push(inputs);
        }
        dims.push(outputs);
        let (from, biases) = (item * inputs * outputs, item * outputs);
        if w.values.len() < from + inputs * outputs || b.values.len() < biases + outputs {
            return Err(malformed(PIPELINE, &name("w", l), "an entry for every item"));
        }
        for (o, i) in (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i))) {
            all.push(of(&w, from + i * outputs + o));
        }
        all.extend((0..outputs).map(|o| of(&b, biases + o)));
    }
    Ok((dims, all))
}

/// One case, `{kind}.{n}`.
pub(super) async fn item<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    case: &str,
) -> Result<Vec<Case>, LabError> {
    let of = set.case(PIPELINE, case).cloned().unwrap_or_default();
    let kind = case.split('.').next().unwrap_or_default();
    let (how, labels) = match kind {
        "none" | "mixup" => (Mix::Direct, Labels::Mixed),
        "weights_only_aug" => (Mix::Direct, Labels::Larger),
        "mixup_and_perm" => (Mix::Random, Labels::Mixed),
        "rebasin" => (Mix::Aligned, Labels::Mixed),
        _ => return Ok(vec![Case::unsupported(PIPELINE, case)]),
    };
    let field = |name: &str| of.get(name).cloned().unwrap_or_default();
    let index = |name: &str| {
        let wanted = || malformed(PIPELINE, case, "the index of an item");
        field(name).as_u64().map(|i| i as usize).ok_or_else(wanted)
    };
    let permutations = |name: &str| {
        serde_json::from_value::<Vec<Vec<usize>>>(field(name))
            .map_err(|_| malformed(PIPELINE, case, "a permutation per hidden layer"))
    };
    let depth = (0..).take_while(|l| set.has(PIPELINE, &format!("train.w.{l}"))).count();
    let train = |part: &str, l: usize| format!("train.{part}.{l}");
    let value = |g: &Golden, at: usize| g.values[at];
    let (dims, own) = vector(set, depth, index("item")?, train, value).await?;
    let mlp = mlp_of(&dims, None)?;
    let classes = set.tensor(PIPELINE, "train.label").await?.values;
    let own_class = classes.get(index("item")?).copied().unwrap_or(f64::NAN);
    let mut worst = Worst::default();
    let label = format!("{case}.label");
    let golden_label = set.tensor(PIPELINE, &label).await?;

    let (mixed, got_label) = if kind == "none" {
        (to_f32(&own), vec![own_class])
    } else {
        let partner = index("partner")?;
        let (_, other) = vector(set, depth, partner, train, value).await?;
        let pair = Mixing {
            how,
            labels,
            lambda: field("lam").as_f64().unwrap_or(f64::NAN) as f32,
            classes: golden_label.values.len(),
            own_class,
            partner_class: classes.get(partner).copied().unwrap_or(f64::NAN),
        };
        let (a, b) = (batch(gpu, &mlp, &own)?, batch(gpu, &mlp, &other)?);
        let by = match how {
            Mix::Direct => moves::identity(&mlp),
            // The reference permutes the current item and leaves its partner.
            Mix::Random => moves::from_permutations(&mlp, &permutations("mix_permutation")?),
            _ => matched(&a, &b, orders(PIPELINE, case, &of)?).await?.moves,
        };
        pair.mix(&a, &b, &by).await?
    };
    worst.see_all(&label, &got_label, &golden_label.values, |g| golden_label.tolerance.at(g));

    let stats = |what: &'static str| move |part: &str, l: usize| format!("stats.{part}.{l}.{what}");
    let (_, mean) = vector(set, depth, 0, stats("mean"), value).await?;
    let (_, sd) = vector(set, depth, 0, stats("std"), value).await?;
    let normal: Vec<f64> = to_f64(&mixed)
        .iter()
        .zip(mean.iter().zip(&sd))
        .map(|(x, (mean, sd))| (x - mean) / sd)
        .collect();
    let by = moves::from_permutations(&mlp, &permutations("final_permutation")?);
    let permuted = apply(gpu, &batch(gpu, &mlp, &normal)?, &Op::Permutation, Draws::Moves(&by))?;
    let got = permuted.read().await?;

    let name = |part: &str, l: usize| format!("{case}.{part}.{l}");
    let (_, golden) = vector(set, depth, 0, name, value).await?;
    let (_, tolerance) = vector(set, depth, 0, name, |g, at| g.tolerance.at(g.values[at])).await?;
    for (i, (&x, &g)) in to_f64(&got).iter().zip(&golden).enumerate() {
        worst.see("parameter", i, x, g, tolerance[i]);
    }
    Ok(vec![Case::judged(PIPELINE, case, worst)])
}

/// How an item and its partner are mixed.
struct Mixing {
    how: Mix,
    labels: Labels,
    lambda: f32,
    classes: usize,
    own_class: f64,
    partner_class: f64,
}

impl Mixing {
    /// The mixture and its label.
    async fn mix(
        &self,
        own: &NetBatch,
        partner: &NetBatch,
        by: &[Move],
    ) -> Result<(Vec<f32>, Vec<f64>), LabError> {
        let (gpu, mlp) = (own.gpu(), own.mlp());
        let one_hot = |class: f64| -> Vec<f32> {
            (0..self.classes).map(|c| f32::from(u8::from(c as f64 == class))).collect()
        };
        let own_label = gpu.upload("label", &one_hot(self.own_class))?;
        let partner_label = gpu.upload("label", &one_hot(self.partner_class))?;
        let mixed_label = gpu.buffer("mixed label", 4 * self.classes as u64)?;
        let swapped = self.how == Mix::Random;
        let (nets, labels, lambda) = match swapped {
            false => ([own, partner], [&own_label, &partner_label], self.lambda),
            true => ([partner, own], [&partner_label, &own_label], 1.0 - self.lambda),
        };
        let mut mixer = Mixer::new(gpu, mlp, 1)?;
        mixer.set_pairs(&Pair::numbered(&[(0, 0)]))?;
        mixer.set_moves(by)?;
        mixer.set_lambdas(&[lambda])?;
        let out = NetBatch::empty(gpu, mlp, 1)?;
        let mut recording = gpu.record();
        mixer.record_nets(&mut recording, nets[0], nets[1], &out)?;
        mixer.record_labels(&mut recording, self.labels, self.classes, labels, &mixed_label)?;
        recording.submit()?;
        let label: Vec<f32> = gpu.read(&mixed_label, 0, self.classes).await?;
        Ok((out.read().await?, to_f64(&label)))
    }
}
