//! The floors of live bytes that were noted, newest last, up to a number.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use super::Trend;
use crate::bytes::Bytes;
use crate::monitor::locked;

/// What was alive after a batch was done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// When, from the start of the series or of the monitor.
    pub elapsed: Duration,
    /// Bytes that were alive.
    pub live: Bytes,
}

/// The newest floors of one monitor.
pub(crate) struct Floors {
    kept: Mutex<VecDeque<Floor>>,
    most: usize,
}

impl Floors {
    pub(crate) fn new(most: usize) -> Floors {
        Floors { kept: Mutex::default(), most }
    }

    pub(crate) fn note(&self, floor: Floor) {
        let mut kept = locked(&self.kept);
        if kept.len() == self.most {
            kept.pop_front();
        }
        kept.push_back(floor);
    }

    /// Of the newest `window` floors, or of all if there are fewer.
    pub(crate) fn trend(&self, window: usize) -> Trend {
        let kept = locked(&self.kept);
        let newest: Vec<Floor> = kept.range(kept.len().saturating_sub(window)..).copied().collect();
        // What takes time is done without the lock.
        drop(kept);
        Trend::of_timed(&newest)
    }

    pub(crate) fn to_vec(&self) -> Vec<Floor> {
        locked(&self.kept).iter().copied().collect()
    }
}
