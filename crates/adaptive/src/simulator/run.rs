//! One run of a policy.

use std::collections::VecDeque;

use chunked_loader::{BatchLimit, LastBatch, Observation, Outside};
use monitor::Bytes;

use super::course::{Course, Group};
use super::memory::Memory;
use super::{BUDGET, CONTAINER};
use crate::policy::{Decision, Policy};

/// Bytes of columns that a loader takes at a time.
const BLOCK_BYTES: f64 = (64 << 10) as f64;
/// Columns of the file.
const COLUMNS: usize = 20;
/// How old the figures of the container may be, in seconds.
const OUTSIDE_S: f64 = 0.1;
/// A batch that is within this of the best counts as good.
const AS_GOOD: f64 = 0.9;

/// Batches in which it has to come to pass.
const MOST_RECOVERY: u64 = 1_000;

/// What a loader does when a batch comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// It reserves before it takes, cuts the batch at its bytes or where it is refused, and gives pages back.
    Cutting,
    /// It takes the rows that were asked for, whatever the budget says, and gives nothing back: the policy alone.
    Uncut,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How far the process was above its budget, or the container overfull, at the worst, as a share of either; never
    /// below 0.
    pub overshoot: f64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Batches that were made.
    pub batches: u64,
    /// Of these, those that the budget cut short.
    pub cuts: u64,
    /// Whether it ended early, since the consumer or a single row was refused.
    pub is_refused: bool,
    /// Batches from where something came or went (or the beginning) until one was within 10 % of the best rate; `None` if
    /// none of the first 1000 was.
    pub recovery: Option<u64>,
}

/// One batch of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the policy saw.
    pub seen: Observation,
    /// What it decided.
    pub decision: Decision,
    /// Rows and bytes that came of it.
    pub rows: usize,
    /// See `rows`.
    pub bytes: Bytes,
}

impl Course {
    /// Runs the whole file through `policy`.
    pub fn run(&self, policy: &mut dyn Policy, loader: Loader) -> Outcome {
        self.trace(policy, loader, |_| ())
    }

    /// The same, and tells `each` of every batch.
    pub fn trace(&self, policy: &mut dyn Policy, loader: Loader, each: impl FnMut(&Step)) -> Outcome {
        Run::new(self, loader).through(policy, each)
    }
}

struct Run<'a> {
    course: &'a Course,
    loader: Loader,
    memory: Memory,
    /// The group that is read, and how many of its rows were.
    group: usize,
    rows_read: u32,
    /// Bytes that were read.
    at: f64,
    /// Bytes of the batches that are alive; the consumer has the first.
    alive: VecDeque<f64>,
    /// Bytes of a batch whose buffers wait for the next.
    spare: f64,
    last: Option<LastBatch>,
    /// Bytes of the latest batches that the consumer had, as many as are in flight.
    recent: VecDeque<f64>,
    reserved_before: f64,
    /// What was seen of the container, and when.
    limit: (f64, f64),
    outcome: Outcome,
}

/// What a batch has come to.
struct Made {
    rows: usize,
    bytes: f64,
    is_cut: bool,
}

impl<'a> Run<'a> {
    fn new(course: &'a Course, loader: Loader) -> Run<'a> {
        let is_bounded = loader == Loader::Cutting;
        let memory = Memory::new(course.held, is_bounded, is_bounded && course.gives_back);
        Run {
            course,
            loader,
            reserved_before: memory.reserved,
            memory,
            group: 0,
            rows_read: 0,
            at: 0.0,
            alive: VecDeque::new(),
            spare: 0.0,
            last: None,
            recent: VecDeque::new(),
            limit: (f64::NEG_INFINITY, CONTAINER),
            outcome: Outcome {
                overshoot: 0.0,
                seconds: 0.0,
                batches: 0,
                cuts: 0,
                is_refused: false,
                recovery: None,
            },
        }
    }

    fn through(mut self, policy: &mut dyn Policy, mut each: impl FnMut(&Step)) -> Outcome {
        let mut since = 0;
        while self.group < self.course.groups.len() && !self.outcome.is_refused {
            let began = self.at;
            let seen = self.observe();
            let decision = policy.decide(&seen);
            let before = self.outcome.seconds;
            let Some(made) = self.batch(&decision.limit) else {
                self.outcome.is_refused = true;
                break;
            };
            each(&Step { seen, decision, rows: made.rows, bytes: Bytes(made.bytes as u64) });
            self.outcome.batches += 1;
            self.outcome.cuts += u64::from(made.is_cut);
            self.last = Some(LastBatch {
                rows: made.rows,
                bytes: Bytes(made.bytes as u64),
                peak: Bytes(made.bytes as u64),
                raw_bytes: made.bytes as u64,
            });
            let is_sought = self.outcome.recovery.is_none() && since < MOST_RECOVERY;
            if began >= self.course.settles_from() && is_sought {
                since += 1;
                let best = self.course.best_bytes(began);
                let rate = made.bytes / (self.outcome.seconds - before);
                if rate >= AS_GOOD * best / self.course.batch_seconds(best) {
                    self.outcome.recovery = Some(since);
                }
            }
        }
        self.outcome.overshoot = self.memory.overshoot;
        self.outcome
    }

    /// What a policy sees as a batch begins.
    fn observe(&mut self) -> Observation {
        let memory = &mut self.memory;
        memory.leaked = self.course.leaked(self.at);
        memory.neighbour = self.course.neighbour(self.at);
        memory.look();
        let now = self.outcome.seconds;
        if now - self.limit.0 >= OUTSIDE_S {
            self.limit = (now, CONTAINER - memory.neighbour);
        }
        let reserved = memory.reserved - self.spare;
        if let Some(last) = self.last.as_mut().filter(|_| !self.recent.is_empty()) {
            // As the loader reckons.
            let largest = self.recent.iter().copied().fold(1.0, f64::max);
            let others = largest * (self.course.in_flight as f64 - 1.0);
            let ratio = (memory.reserved_peak - self.reserved_before - others) / largest;
            last.peak = Bytes((last.bytes.get() as f64 * ratio) as u64).max(last.bytes);
        }
        let reserved_peak = std::mem::replace(&mut memory.reserved_peak, memory.reserved);
        self.reserved_before = reserved;
        let is_full = self.alive.len() + 1 == self.course.in_flight;
        Observation {
            budget: Bytes(BUDGET as u64),
            reserved: Bytes(reserved as u64),
            reserved_peak: Bytes(reserved_peak as u64),
            in_flight: self.course.in_flight,
            columns: COLUMNS,
            is_consumer_behind: self.course.consumer_pace > 1.0 && is_full,
            last: self.last,
            outside: Outside {
                resident: Some(Bytes(memory.resident() as u64)),
                limit: Some(Bytes(self.limit.1.min(BUDGET) as u64)),
                stalled: ((memory.fill() - 0.95) * 4.0).clamp(0.0, 1.0),
            },
        }
    }

    /// Makes a batch and lets the consumer have its turn; `None` if something is refused that has to be there.
    fn batch(&mut self, limit: &BatchLimit) -> Option<Made> {
        let amplification = self.course.amplification(self.at);
        // The buffers of an earlier batch are this one's.
        let spare = std::mem::take(&mut self.spare);
        self.memory.give(spare);
        let mut extra = 0.0;
        if self.course.in_flight > 1 && self.alive.len() + 1 == self.course.in_flight {
            extra = (amplification - 1.0) * self.alive[0];
        }
        if !self.memory.take(extra) {
            return None;
        }
        if extra > 0.0 {
            self.consumed(self.alive[0]);
        }
        let made = self.make(limit)?;
        self.alive.push_back(made.bytes);
        if self.course.in_flight == 1 {
            extra = (amplification - 1.0) * made.bytes;
            if !self.memory.take(extra) {
                return None;
            }
            self.consumed(made.bytes);
        }
        self.memory.give(extra);
        if self.alive.len() == self.course.in_flight {
            let done = self.alive.pop_front().unwrap_or(0.0);
            if self.course.in_flight == 1 {
                self.spare = done;
            } else {
                self.memory.give(done);
            }
        }
        self.outcome.seconds += self.course.batch_seconds(made.bytes);
        if self.loader == Loader::Cutting {
            self.outcome.seconds += self.memory.trim();
        }
        Some(made)
    }

    /// Notes that the consumer has had a batch of so many bytes.
    fn consumed(&mut self, bytes: f64) {
        if self.recent.len() >= self.course.in_flight {
            self.recent.pop_front();
        }
        self.recent.push_back(bytes);
    }

    /// Takes rows up to the limit.
    fn make(&mut self, limit: &BatchLimit) -> Option<Made> {
        let by_mean = limit.bytes.get() as f64 / self.course.mean_row_bytes;
        let most = (limit.rows as f64).min(by_mean).max(1.0) as usize;
        let mut made = Made { rows: 0, bytes: 0.0, is_cut: false };
        while made.rows < most {
            let Some(Group { rows, row_bytes }) = self.course.groups.get(self.group).copied() else { break };
            let block = (BLOCK_BYTES / row_bytes).max(1.0) as usize;
            let mut taken = block.min((rows - self.rows_read) as usize).min(most - made.rows);
            while taken > 0 && !self.memory.take(taken as f64 * row_bytes) {
                taken /= 2;
            }
            if taken == 0 {
                if made.rows == 0 {
                    return None;
                }
                made.is_cut = true;
                break;
            }
            made.rows += taken;
            made.bytes += taken as f64 * row_bytes;
            self.at += taken as f64 * row_bytes;
            self.rows_read += taken as u32;
            if self.rows_read == rows {
                (self.group, self.rows_read) = (self.group + 1, 0);
            }
            if self.loader == Loader::Cutting && made.bytes >= limit.bytes.get() as f64 {
                break;
            }
        }
        Some(made)
    }
}
