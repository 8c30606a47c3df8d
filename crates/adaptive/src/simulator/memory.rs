//! The budget's ledger, and what the process is for the kernel.

use super::{BUDGET, CONTAINER};

/// Share of what is freed that the allocator cannot use again.
const HOLES: f64 = 0.005;
/// Seconds that giving pages back takes.
const TRIM_S: f64 = 2e-3;

/// Memory of the process and of its neighbour, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) reserved: f64,
    pub(super) reserved_peak: f64,
    /// Whether the budget refuses what it has not, and the allocator gives back what it can.
    is_bounded: bool,
    gives_back: bool,
    held: f64,
    live: f64,
    reusable: f64,
    holes: f64,
    pub(super) leaked: f64,
    pub(super) neighbour: f64,
    /// Size of the process up to which nothing is given back.
    trim_above: f64,
    /// How far the process was above its budget, or all together above the container, as a share of it.
    pub(super) overshoot: f64,
}

impl Memory {
    pub(super) fn new(held: f64, is_bounded: bool, gives_back: bool) -> Memory {
        Memory {
            reserved: held,
            reserved_peak: held,
            is_bounded,
            gives_back,
            held,
            live: 0.0,
            reusable: 0.0,
            holes: 0.0,
            leaked: 0.0,
            neighbour: 0.0,
            trim_above: 0.0,
            overshoot: 0.0,
        }
    }

    /// Reserves and allocates; `false` if the budget refuses.
    pub(super) fn take(&mut self, bytes: f64) -> bool {
        if self.is_bounded && self.reserved + bytes > BUDGET {
            return false;
        }
        self.reserved += bytes;
        self.reserved_peak = self.reserved_peak.max(self.reserved);
        self.live += bytes;
        self.reusable = (self.reusable - bytes).max(0.0);
        self.look();
        true
    }

    /// Frees and gives the reservation back.
    pub(super) fn give(&mut self, bytes: f64) {
        self.reserved -= bytes;
        self.live -= bytes;
        self.reusable += bytes * (1.0 - HOLES);
        self.holes += bytes * HOLES;
    }

    /// Bytes of the process that are in RAM.
    pub(super) fn resident(&self) -> f64 {
        self.held + self.live + self.reusable + self.holes + self.leaked
    }

    /// Share of the container that is in use.
    pub(super) fn fill(&self) -> f64 {
        (self.resident() + self.neighbour) / CONTAINER
    }

    /// Notes how far memory is overdrawn.
    pub(super) fn look(&mut self) {
        let over = (self.resident() / BUDGET).max(self.fill()) - 1.0;
        self.overshoot = self.overshoot.max(over);
    }

    /// Gives pages back if that is due; the seconds that it takes.
    pub(super) fn trim(&mut self) -> f64 {
        if self.resident() <= self.reserved.max(self.trim_above) {
            return 0.0;
        }
        if self.gives_back {
            (self.reusable, self.holes) = (0.0, 0.0);
        }
        self.trim_above = self.resident() + BUDGET / 16.0;
        TRIM_S
    }

    /// What cannot be given back or used again.
    pub(super) fn holes_of(bytes: f64) -> f64 {
        bytes * HOLES
    }
}
