//! Rates and remaining time, from counts alone: no clock in here, so that it can be tested.

use std::collections::VecDeque;

/// Seconds over which a rate is taken: long enough to be calm, short enough to follow a change.
const WINDOW: f64 = 5.0;

/// A rate is taken over this many changes of the count at least, or what there is of them.
const CHANGES: usize = 4;

/// Turns counts observed over time into a rate.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// `(seconds, count)` of the first observation and of those at which the count had changed, oldest first.
    seen: VecDeque<(f64, f64)>,
    /// Seconds of the last observation.
    now: f64,
}

impl Meter {
    /// Before the first observation.
    pub fn new() -> Meter {
        Meter::default()
    }

    /// At `seconds` since any origin the running count was `count`. Neither may go back.
    pub fn observe(&mut self, seconds: f64, count: f64) {
        self.now = seconds;
        // Between two changes a slow count does not stand still, it only cannot be seen to move.
        if self.seen.back().is_none_or(|&(_, last)| last != count) {
            self.seen.push_back((seconds, count));
        }
        while self.seen.len() > CHANGES + 1 && self.seen[1].0 < seconds - WINDOW {
            self.seen.pop_front();
        }
    }

    /// Counts per second over the last seconds, or over the last changes of a count that changes rarely; `None`
    /// before the first change.
    pub fn rate(&self) -> Option<f64> {
        let (&(t0, c0), &(t1, c1)) = (self.seen.front()?, self.seen.back()?);
        let changes = self.seen.len() - 1;
        // A change that is overdue counts against the rate.
        let due = self.now - (t1 - t0) / changes.max(1) as f64;
        (t1 > t0).then(|| (c1 - c0) / (t1.max(due) - t0))
    }
}

/// Where a fit stands, for the estimate of what remains.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Most steps of one network.
    pub max_steps: u32,
    /// Networks finished in this run.
    pub finished: u64,
    /// Their steps, summed.
    pub finished_steps: u64,
    /// Networks being fitted.
    pub running: u64,
    /// Their steps so far, summed.
    pub running_steps: u64,
    /// Networks not begun.
    pub waiting: u64,
}

impl Standing {
    /// Steps still to do: at most `max_steps` for each running network, and for each waiting one what
    /// the finished ones took on average (early stops make that less than `max_steps`).
    pub fn remaining_steps(&self) -> f64 {
        let max = f64::from(self.max_steps);
        // A handful of early stops says little about the rest.
        let expected = if self.finished >= 8 {
            self.finished_steps as f64 / self.finished as f64
        } else {
            max
        };
        let running = (self.running as f64 * max - self.running_steps as f64).max(0.0);
        running + self.waiting as f64 * expected
    }

    /// Share of the work done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        let done = (self.finished_steps + self.running_steps) as f64;
        let all = done + self.remaining_steps();
        if all > 0.0 { done / all } else { 1.0 }
    }
}

/// Seconds until `remaining` is done at `rate` per second, if that can be said.
pub fn eta(remaining: f64, rate: Option<f64>) -> Option<f64> {
    if remaining <= 0.0 {
        return Some(0.0);
    }
    rate.filter(|&r| r > 0.0).map(|r| remaining / r)
}

/// A duration as a person reads it: `4 s`, `2:05 min`, `3:20 h`.
pub fn duration_text(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{}:{:02} min", s / 60, s % 60),
        _ => format!("{}:{:02} h", s / 3600, s / 60 % 60),
    }
}

/// Bytes as a person reads them: `512 B`, `1.5 MiB`.
pub fn bytes_text(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// A count or rate as a person reads it: `0.42`, `7.3`, `950`, `12.4k`, `3.1M`; two significant
/// digits below 10, where whole numbers would say little or nothing.
pub fn count_text(count: f64) -> String {
    match count {
        c if c < 9.95 && c > 0.0 => {
            let exponent = c.log10().floor();
            let decimals = |e: f64| (1.0 - e).clamp(1.0, 9.0) as usize;
            let text = format!("{c:.*}", decimals(exponent));
            // 0.0996 rounds up to 0.10, which has a digit less.
            match text.parse::<f64>() {
                Ok(r) if r >= 10f64.powf(exponent + 1.0) => {
                    format!("{c:.*}", decimals(exponent + 1.0))
                }
                _ => text,
            }
        }
        c if c < 1e4 => format!("{c:.0}"),
        c if c < 1e6 => format!("{:.1}k", c / 1e3),
        c => format!("{:.1}M", c / 1e6),
    }
}

/// `1 network`, `7 networks`.
pub fn networks_text(count: u64) -> String {
    if count == 1 { "1 network".to_owned() } else { format!("{count} networks") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_last_seconds() {
        let mut meter = Meter::new();
        assert_eq!(meter.rate(), None);
        meter.observe(0.0, 0.0);
        assert_eq!(meter.rate(), None);
        for t in 1..=10 {
            meter.observe(f64::from(t), f64::from(t) * 100.0);
        }
        assert_eq!(meter.rate(), Some(100.0));
        for t in 11..=30 {
            meter.observe(f64::from(t), 1000.0 + f64::from(t - 10) * 10.0);
        }
        assert_eq!(meter.rate(), Some(10.0));
    }

    #[test]
    fn a_slow_count_still_has_a_rate() {
        let mut meter = Meter::new();
        meter.observe(0.0, 0.0);
        meter.observe(60.0, 6.0);
        assert_eq!(meter.rate(), Some(0.1));
        meter.observe(120.0, 12.0);
        assert_eq!(meter.rate(), Some(0.1));
    }

    #[test]
    fn a_rate_does_not_blink_between_steps_that_are_rarer_than_observations() {
        let mut meter = Meter::new();
        // A step of 64 networks every 7 seconds, looked at every half second.
        for tick in 0..200 {
            let seconds = f64::from(tick) / 2.0;
            meter.observe(seconds, (seconds / 7.0).floor() * 64.0);
            if seconds >= 7.0 {
                let rate = meter.rate().unwrap();
                assert!((rate - 64.0 / 7.0).abs() < 1.0, "{rate} after {seconds} s");
            }
        }
        // One that has stopped is noticed.
        let before = meter.rate().unwrap();
        meter.observe(160.0, 14.0 * 64.0);
        assert!(meter.rate().unwrap() < 0.5 * before);
    }

    #[test]
    fn what_remains_counts_early_stops() {
        let start = Standing { max_steps: 1000, waiting: 20, ..Standing::default() };
        assert_eq!(start.remaining_steps(), 20_000.0);
        assert_eq!(start.fraction(), 0.0);
        let middle = Standing {
            max_steps: 1000,
            finished: 10,
            finished_steps: 3000,
            running: 4,
            running_steps: 400,
            waiting: 6,
        };
        assert_eq!(middle.remaining_steps(), 3600.0 + 6.0 * 300.0);
        assert!((middle.fraction() - 3400.0 / (3400.0 + 5400.0)).abs() < 1e-12);
        let end = Standing { finished: 20, finished_steps: 6000, running: 0, waiting: 0, ..middle };
        assert_eq!((end.remaining_steps(), end.fraction()), (0.0, end.fraction()));
        assert_eq!(eta(end.remaining_steps(), None), Some(0.0));
    }

    #[test]
    fn an_eta_needs_a_rate() {
        assert_eq!(eta(100.0, None), None);
        assert_eq!(eta(100.0, Some(0.0)), None);
        assert_eq!(eta(100.0, Some(25.0)), Some(4.0));
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(duration_text(59.4), "59 s");
        assert_eq!(duration_text(59.6), "1:00 min");
        assert_eq!(duration_text(3725.0), "1:02 h");
        assert_eq!(bytes_text(1023), "1023 B");
        assert_eq!(bytes_text(1536 * 1024), "1.5 MiB");
        for (count, text) in [
            (0.0, "0"),
            (0.042, "0.042"),
            (0.4, "0.40"),
            (0.996, "1.0"),
            (7.34, "7.3"),
            (9.94, "9.9"),
            (9.96, "10"),
        ] {
            assert_eq!(count_text(count), text);
        }
        assert_eq!(count_text(950.0), "950");
        assert_eq!(count_text(12_400.0), "12.4k");
        assert_eq!(count_text(3_100_000.0), "3.1M");
    }
}
