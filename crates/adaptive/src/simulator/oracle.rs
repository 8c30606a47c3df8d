//! One who knows all that will come, to be compared with.

use super::course::{Course, Scenario};
use super::memory::Memory;
use super::{BUDGET, CONTAINER, load_seconds};

/// Sizes that it chooses from, a tenth apart, beginning at 1 KiB.
const SIZES: i32 = 140;

impl Course {
    /// Seconds of a run whose every batch is the best of those that fit.
    pub fn oracle_seconds(&self) -> f64 {
        let (mut at, mut seconds) = (0.0, 0.0);
        while at < self.bytes {
            let bytes = self.best_bytes(at).min(self.bytes - at).max(1.0);
            seconds += self.batch_seconds(bytes);
            at += bytes;
        }
        seconds
    }

    /// Seconds between the ends of two batches of so many bytes.
    pub(super) fn batch_seconds(&self, bytes: f64) -> f64 {
        load_seconds(bytes) * self.consumer_pace
    }

    /// Bytes of the fastest batch at byte `at` that fits.
    pub(super) fn best_bytes(&self, at: f64) -> f64 {
        let sizes = (0..SIZES).map(|n| 1024.0 * 1.1f64.powi(n)).take_while(|bytes| self.fits(at, *bytes));
        let rate = |bytes: f64| bytes / self.batch_seconds(bytes);
        sizes.fold(self.mean_row_bytes, |best, bytes| if rate(bytes) > rate(best) { bytes } else { best })
    }

    /// Whether a batch of `bytes` at `at` fits, with those in flight of the same size and what is made of one.
    fn fits(&self, at: f64, bytes: f64) -> bool {
        let end = at + bytes;
        let amplification = self.amplification(at).max(self.amplification(end));
        let holes = match self.scenario {
            Scenario::HoardingAllocator => Memory::holes_of(at * amplification),
            _ => 0.0,
        };
        let batches = bytes * (self.in_flight as f64 - 1.0 + amplification);
        let process = self.held + self.leaked(end) + holes + batches;
        let neighbour = self.neighbour(at).max(self.neighbour(end));
        process <= BUDGET && process + neighbour <= CONTAINER
    }
}
