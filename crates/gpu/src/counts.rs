//! What was asked of a device, counted.

use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was asked of a device. The difference of two tells what lay between them:
/// a step of a loop should make no buffer and no pipeline, and move no bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Buffers made, staging of read-backs not counted.
    pub buffers: u64,
    /// Pipelines compiled.
    pub pipelines: u64,
    /// Bytes copied to buffers, uniform blocks not counted.
    pub bytes_written: u64,
    /// Bytes copied back.
    pub bytes_read: u64,
    /// Submissions.
    pub submissions: u64,
    /// Dispatches in them.
    pub dispatches: u64,
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, before: Counts) -> Counts {
        Counts {
            buffers: self.buffers - before.buffers,
            pipelines: self.pipelines - before.pipelines,
            bytes_written: self.bytes_written - before.bytes_written,
            bytes_read: self.bytes_read - before.bytes_read,
            submissions: self.submissions - before.submissions,
            dispatches: self.dispatches - before.dispatches,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// [`Counts`] as they grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) buffers: Counter,
    pub(crate) pipelines: Counter,
    pub(crate) written: Counter,
    pub(crate) read: Counter,
    pub(crate) submissions: Counter,
    pub(crate) dispatches: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            buffers: self.buffers.get(),
            pipelines: self.pipelines.get(),
            bytes_written: self.written.get(),
            bytes_read: self.read.get(),
            submissions: self.submissions.get(),
            dispatches: self.dispatches.get(),
        }
    }
}
