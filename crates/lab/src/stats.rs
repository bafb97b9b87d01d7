//! Summary figures of many PSNR values.

use serde::{Deserialize, Serialize};

/// Distribution of PSNR over networks, in dB. Values that are NaN are counted and otherwise ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Values that are numbers.
    pub count: u64,
    /// Values that are NaN: diverged or unknown.
    pub nan: u64,
    /// Smallest; `None` (null in JSON) if there is none or it is infinite, as for all that follow.
    pub min: Option<f64>,
    /// 10th percentile.
    pub p10: Option<f64>,
    /// 50th percentile.
    pub median: Option<f64>,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

impl Distribution {
    /// Of any number of values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Distribution {
        let (mut sorted, mut nan) = (Vec::new(), 0);
        for value in values {
            if value.is_nan() { nan += 1 } else { sorted.push(value) }
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Distribution {
            count: sorted.len() as u64,
            nan,
            min: quantile(&sorted, 0.0),
            p10: quantile(&sorted, 0.1),
            median: quantile(&sorted, 0.5),
            mean: finite(mean),
            p90: quantile(&sorted, 0.9),
            max: quantile(&sorted, 1.0),
        }
    }
}

/// The `q`-quantile of ascending values, interpolated linearly between order statistics.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    finite(low + (high - low) * at.fract())
}

/// JSON has no NaN and no infinity.
pub(crate) fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

/// Counts per bin of `width` dB from the lowest to the highest value: `(lower edge, count)`.
pub fn histogram(values: &[f32], width: f64) -> Vec<(f64, u64)> {
    let bin = |x: f32| (f64::from(x) / width).floor();
    let bins: Vec<f64> = values.iter().filter(|x| x.is_finite()).map(|&x| bin(x)).collect();
    let Some(low) = bins.iter().copied().min_by(f64::total_cmp) else { return Vec::new() };
    let high = bins.iter().copied().fold(low, f64::max);
    // PSNR of f32 data stays within a few hundred dB, so this is short.
    let mut counts = vec![0u64; (high - low).min(10_000.0) as usize + 1];
    let last = counts.len() - 1;
    for b in bins {
        counts[((b - low) as usize).min(last)] += 1;
    }
    counts.into_iter().enumerate().map(|(i, n)| ((low + i as f64) * width, n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_and_ignore_nan() {
        let d = Distribution::of([4.0, f64::NAN, 1.0, 3.0, 2.0]);
        assert_eq!((d.count, d.nan), (4, 1));
        assert_eq!(d.median, Some(2.5));
        assert_eq!((d.min, d.max, d.mean), (Some(1.0), Some(4.0), Some(2.5)));
        // Position 0.1 * 3 = 0.3 between 1 and 2.
        assert!((d.p10.unwrap() - 1.3).abs() < 1e-12);
    }

    #[test]
    fn nothing_gives_nothing() {
        let d = Distribution::of([f64::NAN]);
        assert_eq!((d.count, d.nan, d.median, d.mean), (0, 1, None, None));
        assert!(serde_json::to_string(&d).unwrap().contains("\"median\":null"));
    }

    #[test]
    fn bins_cover_every_finite_value() {
        let bins = histogram(&[30.0, 31.9, 32.0, 39.5, f32::NAN], 2.0);
        assert_eq!(bins, [(30.0, 2), (32.0, 1), (34.0, 0), (36.0, 0), (38.0, 1)]);
        assert!(histogram(&[f32::NAN], 1.0).is_empty());
    }
}
