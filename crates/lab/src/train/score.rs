//! What logits are worth.

use serde::{Deserialize, Serialize};

/// Loss, accuracy and confusion on some networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Networks.
    pub nets: u64,
    /// Mean cross entropy.
    pub loss: f64,
    /// Networks whose most probable class is theirs.
    pub correct: u64,
    /// Their share.
    pub accuracy: f64,
    /// Where the true share lies with a probability of 95 %, if networks are independent (Wilson 1927).
    pub interval: [f64; 2],
    /// Networks by class and by most probable class, `[classes][classes]`.
    pub confusion: Vec<Vec<u64>>,
}

/// What a model takes a network for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Position in the zoo.
    pub net: u64,
    /// Index of the image in its source.
    pub object: i64,
    /// Which of the image's networks.
    pub view: i64,
    /// The network's class; -1 if unknown.
    pub label: i64,
    /// The most probable class.
    pub predicted: u64,
    /// Of every class.
    pub probabilities: Vec<f64>,
}

impl Prediction {
    /// From the logits of the network at `net` in its zoo, of which `[object, view, label]` are known.
    pub(crate) fn of(logits: &[f32], net: u64, [object, view, label]: [i64; 3]) -> Prediction {
        let predicted = argmax(logits) as u64;
        Prediction { net, object, view, label, predicted, probabilities: softmax(logits) }
    }

    /// Whether the network has a class, and it is another.
    pub fn is_wrong(&self) -> bool {
        u64::try_from(self.label).is_ok_and(|label| label != self.predicted)
    }

    /// Probability of the most probable class.
    pub fn confidence(&self) -> f64 {
        self.probabilities.get(self.predicted as usize).copied().unwrap_or(0.0)
    }
}

/// The most probable class; the first of several.
pub(crate) fn argmax(row: &[f32]) -> usize {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter().position(|&x| x == top).unwrap_or(0)
}

/// Probabilities of one row of logits.
pub(crate) fn softmax(row: &[f32]) -> Vec<f64> {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let each: Vec<f64> = row.iter().map(|&x| f64::from(x - top).exp()).collect();
    let sum: f64 = each.iter().sum();
    each.into_iter().map(|x| x / sum).collect()
}

impl Score {
    /// Of logits `[nets, classes]`.
    pub fn of(logits: &[f32], labels: &[u32], classes: usize) -> Score {
        let mut confusion = vec![vec![0; classes]; classes];
        let (mut loss, mut correct) = (0.0, 0);
        for (row, &label) in logits.chunks_exact(classes).zip(labels) {
            let (label, best) = (label as usize, argmax(row));
            confusion[label][best] += 1;
            correct += u64::from(label == best);
            loss -= softmax(row)[label].max(f64::MIN_POSITIVE).ln();
        }
        let nets = labels.len() as u64;
        let n = (nets as f64).max(1.0);
        let accuracy = correct as f64 / n;
        Score {
            nets,
            loss: loss / n,
            correct,
            accuracy,
            interval: wilson(correct, nets),
            confusion,
        }
    }
}

/// Wilson's interval of a share of 95 %.
fn wilson(correct: u64, nets: u64) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    if nets == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (nets as f64, correct as f64 / nets as f64);
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_scores() {
        let logits = [2.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 5.0];
        let score = Score::of(&logits, &[0, 1, 1, 1], 2);
        assert_eq!((score.nets, score.correct, score.accuracy), (4, 3, 0.75));
        assert_eq!(score.confusion, [[1, 0], [1, 2]]);
        let expected = [(-2f64), -1.0, 3.0, -5.0].map(|x: f64| x.exp().ln_1p());
        assert!((score.loss - expected.iter().sum::<f64>() / 4.0).abs() < 1e-6, "{}", score.loss);
        assert_eq!(argmax(&[1.0, 1.0]), 0);
    }

    /// Figures of Wilson's interval from tables: 8 of 10, 0 of 10.
    #[test]
    fn known_intervals() {
        let close = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() + (a[1] - b[1]).abs() < 1e-3;
        assert!(close(wilson(8, 10), [0.4902, 0.9433]), "{:?}", wilson(8, 10));
        assert!(close(wilson(0, 10), [0.0, 0.2775]), "{:?}", wilson(0, 10));
    }
}
