//! What happens in a run, by the byte of the file at which it happens.

use std::ops::Range;

use monitor::Bytes;

use super::{BUDGET, CONTAINER};
use crate::split_mix::SplitMix;

/// Bytes of columns in the file, about.
const FILE_BYTES: f64 = (512 << 20) as f64;
/// Bytes of a row, in the mean.
const ROW_BYTES: f64 = 100.0;
/// Rows that are alike.
const GROUP_ROWS: u32 = 256;
/// How many times its size the consumer makes of a batch where it makes much.
const WIDE: f64 = 100.0;
/// How many times longer than the loader it takes for that.
const WIDE_PACE: f64 = 500.0;
/// Groups that most files have, about.
const GROUPS: usize = (FILE_BYTES / ROW_BYTES) as usize / GROUP_ROWS as usize;

/// A kind of run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing happens.
    Steady,
    /// So much is held by others that the law's target lies below what would be worth it.
    LittleMemory,
    /// From somewhere in the middle on, rows are ten times as wide.
    WiderRows,
    /// From somewhere in the middle on, the consumer makes three times as much of a batch as before.
    Amplification,
    /// Another process takes half of the container for a third of the file.
    Neighbour,
    /// Row widths have a Pareto distribution of index 1.2, from 160 bytes up to 2 MiB.
    HeavyTail,
    /// The consumer loses, over the whole file, 40 % of the budget, which nobody reserved.
    Leak,
    /// The allocator never gives anything back.
    HoardingAllocator,
    /// The consumer takes three times as long as the loader, and four batches are in flight.
    SlowConsumer,
    /// The consumer makes a hundred times as much of a batch, as where texts become a column for each that there is, and says
    /// so beforehand; it takes 500 times as long as the loader, and four batches are in flight.
    WideConsumer,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Scenario; 10] = [
        Scenario::Steady,
        Scenario::LittleMemory,
        Scenario::WiderRows,
        Scenario::Amplification,
        Scenario::Neighbour,
        Scenario::HeavyTail,
        Scenario::Leak,
        Scenario::HoardingAllocator,
        Scenario::SlowConsumer,
        Scenario::WideConsumer,
    ];

    /// Its name, as a file could have it.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Steady => "steady",
            Scenario::LittleMemory => "little-memory",
            Scenario::WiderRows => "wider-rows",
            Scenario::Amplification => "amplification",
            Scenario::Neighbour => "neighbour",
            Scenario::HeavyTail => "heavy-tail",
            Scenario::Leak => "leak",
            Scenario::HoardingAllocator => "hoarding-allocator",
            Scenario::SlowConsumer => "slow-consumer",
            Scenario::WideConsumer => "wide-consumer",
        }
    }
}

/// Rows that are alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) rows: u32,
    pub(super) row_bytes: f64,
}

/// All that a scenario and a seed decide on.
#[derive(Clone, Debug)]
pub struct Course {
    pub(super) scenario: Scenario,
    pub(super) groups: Vec<Group>,
    /// Bytes of the whole file.
    pub(super) bytes: f64,
    /// Bytes of a row, in the mean of the file.
    pub(super) mean_row_bytes: f64,
    /// Bytes of the budget that others hold all the time.
    pub(super) held: f64,
    /// Batches alive at a time.
    pub(super) in_flight: usize,
    /// How many times longer than the loader the consumer takes.
    pub(super) consumer_pace: f64,
    pub(super) gives_back: bool,
    /// Where things are other than usual.
    event: Range<f64>,
}

impl Course {
    /// What happens in `scenario`, with what chance decides taken from `seed`.
    pub fn new(scenario: Scenario, seed: u64) -> Course {
        let mut chance = SplitMix::new(seed ^ ((scenario as u64) << 32));
        let begins = FILE_BYTES * (0.3 + 0.2 * chance.unit());
        let event = match scenario {
            Scenario::WiderRows | Scenario::Amplification => begins..f64::INFINITY,
            Scenario::Neighbour => begins..begins + FILE_BYTES * 0.33,
            _ => f64::INFINITY..f64::INFINITY,
        };
        let mut groups = Vec::with_capacity(GROUPS);
        let (mut bytes, mut rows) = (0.0, 0.0);
        while bytes < FILE_BYTES {
            let group = match scenario {
                Scenario::HeavyTail => {
                    let row_bytes = 160.0 / (1.0 - chance.unit()).powf(1.0 / 1.2);
                    Group { rows: 1, row_bytes: row_bytes.min((2 << 20) as f64) }
                }
                _ => {
                    let wider =
                        if event.contains(&bytes) && scenario == Scenario::WiderRows { 10.0 } else { 1.0 };
                    let row_bytes = ROW_BYTES * wider * (0.7 + 0.6 * chance.unit());
                    Group { rows: GROUP_ROWS, row_bytes }
                }
            };
            bytes += f64::from(group.rows) * group.row_bytes;
            rows += f64::from(group.rows);
            groups.push(group);
        }
        let is_ahead = matches!(scenario, Scenario::SlowConsumer | Scenario::WideConsumer);
        Course {
            scenario,
            groups,
            bytes,
            mean_row_bytes: bytes / rows,
            held: if scenario == Scenario::LittleMemory { BUDGET * 0.81 } else { BUDGET * 0.375 },
            in_flight: if is_ahead { 4 } else { 1 },
            consumer_pace: match scenario {
                Scenario::SlowConsumer => 3.0,
                Scenario::WideConsumer => WIDE_PACE,
                _ => 1.0,
            },
            gives_back: scenario != Scenario::HoardingAllocator,
            event,
        }
    }

    /// What the consumer says that it makes of a row, in bytes; 0 where it does not know.
    pub fn row_bytes_downstream(&self) -> Bytes {
        match self.scenario {
            Scenario::WideConsumer => Bytes((WIDE * self.mean_row_bytes) as u64),
            _ => Bytes::ZERO,
        }
    }

    /// Bytes that are held for each byte of a batch that is being consumed at byte `at` of the file, itself included.
    pub(super) fn amplification(&self, at: f64) -> f64 {
        if self.scenario == Scenario::WideConsumer {
            return 1.0 + WIDE;
        }
        let is_more = self.scenario == Scenario::Amplification && self.event.contains(&at);
        if is_more { 4.0 } else { 2.0 }
    }

    /// Bytes that the neighbour has while byte `at` is read.
    pub(super) fn neighbour(&self, at: f64) -> f64 {
        let is_there = self.scenario == Scenario::Neighbour && self.event.contains(&at);
        if is_there { CONTAINER / 2.0 } else { 0.0 }
    }

    /// Bytes that were lost until byte `at`.
    pub(super) fn leaked(&self, at: f64) -> f64 {
        if self.scenario == Scenario::Leak { 0.4 * BUDGET * at / self.bytes } else { 0.0 }
    }

    /// The byte from which on a policy should find back to what is best: where something has come to stay, or has gone.
    pub(super) fn settles_from(&self) -> f64 {
        match self.scenario {
            Scenario::WiderRows | Scenario::Amplification => self.event.start,
            Scenario::Neighbour => self.event.end,
            _ => 0.0,
        }
    }
}
