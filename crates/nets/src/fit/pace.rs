//! How much work to send to the GPU at once.
//!
//! Browsers and operating systems kill long dispatches, and cancelling must take effect soon, so work
//! is cut into slices of a few tens of milliseconds: measured, grown, shrunk.

use web_time::{Duration, Instant};
use weightlab_gpu::Gpu;

/// Wanted time of one slice.
const WANTED: Duration = Duration::from_millis(40);

/// Adapts the units of work per slice to the time a slice takes.
#[derive(Debug)]
pub(crate) struct Pace {
    units: f64,
    started: Option<(Instant, f64)>,
    longest: Duration,
    fixed: bool,
}

impl Pace {
    /// Starts with as many units of `flop` operations each as surely take no longer than wanted.
    pub(crate) fn new(gpu: &Gpu, flop: f64) -> Pace {
        // A slow software renderer, and a slow integrated GPU.
        let rate = if gpu.is_cpu() { 5e9 } else { 100e9 };
        Pace::with_units(WANTED.as_secs_f64() * rate / flop)
    }

    fn with_units(units: f64) -> Pace {
        Pace { units, started: None, longest: Duration::ZERO, fixed: false }
    }

    /// From now on `units` per slice, however long that takes.
    pub(crate) fn fix(&mut self, units: u64) {
        self.units = units as f64;
        self.fixed = true;
    }

    /// The longest slice so far, waiting for the result included and compiling left out.
    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    /// Units for the next slice, at least 1.
    pub(crate) fn units(&self) -> u64 {
        self.units.max(1.0) as u64
    }

    /// A slice of `units` was submitted.
    pub(crate) fn start(&mut self, units: u64) {
        self.started = Some((Instant::now(), units as f64));
    }

    /// It is done.
    pub(crate) fn stop(&mut self) {
        if let Some((at, units)) = self.started.take() {
            let took = at.elapsed();
            self.longest = self.longest.max(took);
            self.adapt(units, took);
        }
    }

    /// It is done, but its time says nothing of the work: a driver compiles a kernel when it first runs.
    pub(crate) fn skip(&mut self) {
        self.started = None;
    }

    /// At most doubles, so that one lucky measurement does no harm; shrinks at once.
    fn adapt(&mut self, units: f64, took: Duration) {
        if self.fixed {
            return;
        }
        let took = took.as_secs_f64().max(1e-6);
        self.units = (units * WANTED.as_secs_f64() / took).clamp(1.0, units * 2.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_slowly_and_shrinks_at_once() {
        let mut pace = Pace::with_units(8.0);
        pace.adapt(8.0, Duration::from_micros(1));
        assert_eq!(pace.units(), 16);
        pace.adapt(16.0, Duration::from_millis(400));
        assert_eq!(pace.units(), 1);
        pace.adapt(1.0, Duration::from_secs(10));
        assert_eq!(pace.units(), 1);
    }
}
