//! The policy that follows what memory leaves.

use chunked_loader::{BatchLimit, Observation, Sizing};
use monitor::Bytes;

use crate::law::{self, LEAST_BATCH_BYTES, Terms};
use crate::policy::{Decision, Policy, Reason, State};

/// Most bytes of a batch's columns, however many there are.
pub const MAX_BATCH_BYTES: Bytes = Bytes::mib(16);

/// Bytes of a batch's columns that gain nothing from being more, as long as each column has its share.
///
/// So many stay near a core from being parsed until they are consumed; three times as many took 7 % longer to load.
const CACHED_BATCH_BYTES: u64 = 3 << 19;

/// Bytes of one column that are worth the array it takes in each batch.
const COLUMN_BYTES: u64 = 4 << 10;

/// Most rows of a batch.
///
/// What a batch costs apart from its rows (a schema, an allocation a column, a hand-over) is some microseconds;
/// spread over 64 Ki rows of even one narrow column it is lost in the time to parse them, so that more rows gain
/// nothing. Fewer rows than this also keep every 16-bit index into a batch valid.
pub const MAX_BATCH_ROWS: usize = 1 << 16;

/// Bytes of the first batch, as long as nothing is known of the rows, and of any batch as long as a consumer is behind.
const FIRST_BATCH_BYTES: u64 = 1 << 20;

/// The part of the budget that what comes of a batch may take. It is freed as soon as the batch is done with, and where an
/// allocator keeps a sixteenth of the budget, that is given back to the system, which takes longer than a batch. Half of
/// that is left for what the allocator cannot use again.
const DOWNSTREAM_PART: u64 = 32;

/// Bytes of a batch whatever comes of it, as long as it fits: a single figure that is out of the way is no rule.
const ANY_DOWNSTREAM_BYTES: u64 = 256 << 10;

/// Share of the time lost to waiting for memory that is taken for none: a single page that is read back. Stalls count
/// only where less than the budget is to be had.
const NO_STALL: f64 = 0.001;
/// The share at which batches are halved. Below it lies what a full page cache costs a reader of a large file.
const SQUEEZE_STALL: f64 = 0.05;
/// The share at which batches are made as small as is any use.
const BRAKE_STALL: f64 = 0.2;

/// A target that differs by less than this part of the batch before is the same.
const SAME_PART: u64 = 1024;
/// A batch that lacks less than this part of the target has come to it.
const NEAR_PART: u64 = 64;

/// Batches without pressure before they grow again.
const CALM_BATCHES: u32 = 4;

/// What is carried from one batch to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Carried {
    state: State,
    /// Bytes that the batch before was given; `None` before the first.
    bytes: Option<u64>,
    /// Bytes held for each byte of a batch, at least 1.
    amplification: f64,
    /// Batches since the last pressure.
    calm: u32,
}

impl Default for Carried {
    fn default() -> Self {
        Carried { state: State::Ramp, bytes: None, amplification: 1.0, calm: 0 }
    }
}

/// What never changes.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    /// Bytes that each row costs beside the batch.
    row_bytes_downstream: Bytes,
    /// Most bytes and rows of a batch, in place of those that were measured to be worth it.
    most: Option<(Bytes, usize)>,
}

/// Sizes batches by what the budget has left, and by what presses on it.
///
/// Each batch's bytes follow the target of the law (see the [crate's](crate) documentation), below what was measured
/// to be worth it. It is a pure function of what was decided before and what is seen now: of each
/// [`Observation`] it takes the budget, or less where the [limit](chunked_loader::Outside) is lower; what is reserved,
/// and what the process has taken beside that; the [peak](chunked_loader::LastBatch) of the batch before, whose ratio
/// to its bytes is the amplification; whether the consumer is behind; and the time lost to waiting for memory.
///
/// | state | batches | begins | ends |
/// |---|---|---|---|
/// | [`Ramp`](State::Ramp) | grow | below 70 % of the target | at 90 % |
/// | [`Steady`](State::Steady) | follow | at 90 % of the target | below 70 % |
/// | [`Squeeze`](State::Squeeze) | do not grow | when the target falls by more than a tenth below the batch before, or 5 % of the time are lost | after 4 batches without that |
/// | [`Brake`](State::Brake) | have what is left, up to 64 KiB | when the target would be below 64 KiB though nothing came of a batch, or 20 % of the time are lost | when it would be above 128 KiB and less than 10 % are lost |
///
/// Rows beyond what fits are never asked for, but one row always is: whether that row fits is for the budget to
/// say, with an error that names who holds what.
///
/// ```
/// use adaptive::AutoSize;
/// use chunked_loader::{Observation, Sizing};
/// use monitor::Bytes;
///
/// let mut seen = Observation { budget: Bytes::mib(8), in_flight: 1, columns: 3, ..Observation::default() };
/// let roomy = AutoSize::new().next(&seen);
/// assert!(roomy.may_be_cut && roomy.bytes < seen.budget);
///
/// seen.reserved = seen.budget;
/// let full = AutoSize::new().next(&seen);
/// assert_eq!((full.rows, full.bytes), (1, Bytes::ZERO));
/// ```
#[derive(Clone, Debug, Default)]
pub struct AutoSize {
    settings: Settings,
    carried: Carried,
}

impl AutoSize {
    /// A sizing for batches whose consumer keeps nothing of its own.
    pub fn new() -> Self {
        AutoSize::default()
    }

    /// Says that each row costs this much memory beside the batch, as where a transform widens it. Rows are
    /// then limited so that batch and consumer together take no more than their share. Default 0.
    pub fn with_row_bytes_downstream(mut self, bytes: Bytes) -> Self {
        self.settings.row_bytes_downstream = bytes;
        self
    }

    /// Sets the most bytes and rows of a batch, for consumers that gain from larger ones than a loader does. By default
    /// [`MAX_BATCH_ROWS`], and [`MAX_BATCH_BYTES`] at the most: 1.5 MiB up to 384 columns, and less where what comes of a
    /// batch would be more than a 32nd part of the budget.
    pub fn with_most(mut self, bytes: Bytes, rows: usize) -> Self {
        self.settings.most = Some((bytes, rows.max(1)));
        self
    }
}

impl Policy for AutoSize {
    fn decide(&mut self, seen: &Observation) -> Decision {
        let (carried, decision) = decide(&self.settings, self.carried, seen);
        self.carried = carried;
        decision
    }
}

impl Sizing for AutoSize {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        self.decide(seen).limit
    }
}

/// Most bytes of a batch of so many columns.
fn most_bytes(columns: usize) -> u64 {
    CACHED_BATCH_BYTES.max(column_bytes(columns)).min(MAX_BATCH_BYTES.get())
}

fn column_bytes(columns: usize) -> u64 {
    COLUMN_BYTES.saturating_mul(columns as u64)
}

/// The decision on the batch that begins now: carried and seen in, carried and decided out.
fn decide(settings: &Settings, carried: Carried, seen: &Observation) -> (Carried, Decision) {
    let downstream = settings.row_bytes_downstream.get();
    let in_flight = seen.in_flight.max(1);
    let (most, most_rows) = match settings.most {
        Some((bytes, rows)) => (bytes.get(), rows as u64),
        None => (most_bytes(seen.columns), MAX_BATCH_ROWS as u64),
    };
    // Where the budget is to be had in full, waits are those of others, or of a reader whose page cache is full, which goes
    // on as long as it reads: smaller batches would mend neither.
    let is_short_outside = seen.outside.limit.is_some_and(|limit| limit < seen.budget);
    let stalled =
        if is_short_outside && seen.outside.stalled.is_finite() { seen.outside.stalled } else { 0.0 };

    let row_bytes =
        seen.last.filter(|last| last.rows > 0).map(|l| l.bytes.get().div_ceil(l.rows as u64).max(1));
    // What was said of the rows to come, beside what was seen of those before.
    let said = match row_bytes {
        Some(row_bytes) => 1.0 + downstream as f64 / row_bytes as f64,
        // Nothing is known of the rows yet: half for the batch, half for what comes of it.
        None if downstream > 0 => 2.0,
        None => 1.0,
    };
    let shown = match seen.last {
        Some(last) if last.bytes > Bytes::ZERO => last.peak.get() as f64 / last.bytes.get() as f64,
        _ => 1.0,
    };
    let amplification = law::amplification(carried.amplification, said.max(shown));

    let unreserved = unreserved(seen);
    let terms = Terms {
        budget: seen.budget.min(seen.outside.limit.unwrap_or(Bytes::MAX)).get(),
        held: seen.reserved.get().saturating_add(unreserved),
        amplification,
        in_flight,
    };
    // Of the budget itself: what is granted there does not break it, however little is left outside.
    let least_room = law::least_room(seen.budget.saturating_sub(seen.reserved).get(), in_flight);
    let least = law::each_of(least_room, said, in_flight);
    let bare = terms.bare_target();
    let most_at = |amplification: f64| {
        if settings.most.is_some() {
            return most;
        }
        let by_downstream = (seen.budget.get() / DOWNSTREAM_PART) as f64 / (amplification - 1.0);
        most.min((by_downstream as u64).max(ANY_DOWNSTREAM_BYTES))
    };
    let natural_of = |terms: Terms| terms.target().max(least).min(most_at(terms.amplification));
    let natural = natural_of(terms);
    let before = carried.bytes;
    let goal = match before {
        _ if stalled >= BRAKE_STALL => natural.min(LEAST_BATCH_BYTES),
        Some(before) if stalled >= SQUEEZE_STALL => natural.min((before / 2).max(LEAST_BATCH_BYTES)),
        _ => natural,
    };

    let is_scarce = bare < LEAST_BATCH_BYTES.min(most);
    let is_pressed = stalled >= SQUEEZE_STALL || before.is_some_and(|before| goal < before - before / 10);
    let calm = if is_pressed || is_scarce { 0 } else { carried.calm.saturating_add(1) };
    let is_recovering = matches!(carried.state, State::Squeeze | State::Brake) && calm < CALM_BATCHES;
    let enough = FIRST_BATCH_BYTES.max(column_bytes(seen.columns));
    let (bytes, mut reason) = match before {
        None => (goal.min(FIRST_BATCH_BYTES), Reason::First),
        Some(before) if goal < before - before / SAME_PART => {
            // The cause is what, left out, would have let the batch stay as it was.
            let without = |terms: Terms| natural_of(terms) >= before;
            let reason = if goal < natural {
                Reason::Stalled
            } else if without(Terms { amplification: carried.amplification, ..terms }) {
                Reason::Amplified
            } else if without(Terms { budget: seen.budget.get(), ..terms }) {
                Reason::LimitFell
            } else if without(Terms { held: terms.held - unreserved, ..terms }) {
                Reason::Unreserved
            } else {
                Reason::LessFree
            };
            (goal, reason)
        }
        // What differs from batch to batch by chance is no reason to change anything.
        Some(before) if goal <= before + before / SAME_PART => (goal.min(before), Reason::AtTarget),
        Some(before) if stalled > NO_STALL => (before, Reason::Waits),
        Some(before) if is_recovering => (before, Reason::NotCalmYet),
        Some(before) if seen.is_consumer_behind && before >= enough => (before, Reason::ConsumerBehind),
        Some(before) => {
            // Up to there the consumer gains too: fewer hand-overs for the same rows.
            let most = if seen.is_consumer_behind { goal.min(enough) } else { goal };
            let bytes = law::follow(before, most, in_flight);
            // The law comes ever nearer; the last of the way is one step.
            (if most - most / NEAR_PART <= bytes { most } else { bytes }, Reason::Room)
        }
    };

    let is_held = matches!(reason, Reason::ConsumerBehind | Reason::Waits);
    let state = match carried.state {
        _ if stalled >= BRAKE_STALL || is_scarce => State::Brake,
        State::Brake if bare < (2 * LEAST_BATCH_BYTES).min(most) || stalled >= BRAKE_STALL / 2.0 => {
            State::Brake
        }
        _ if is_pressed || is_recovering => State::Squeeze,
        State::Steady if is_held || u128::from(bytes) * 10 >= u128::from(goal) * 7 => State::Steady,
        _ if is_held || u128::from(bytes) * 10 >= u128::from(goal) * 9 => State::Steady,
        _ => State::Ramp,
    };

    let mut rows = most_rows;
    let batches = bytes.saturating_mul(in_flight as u64);
    let room = terms.room().max(least_room);
    if let Some(by_downstream) = room.saturating_sub(batches).checked_div(downstream) {
        rows = rows.min(by_downstream);
    }
    if bytes < row_bytes.unwrap_or(1) || rows == 0 {
        rows = 1;
        reason = Reason::OneRow;
    }
    let carried = Carried { state, bytes: Some(bytes), amplification, calm };
    let limit = BatchLimit { rows: rows.max(1) as usize, bytes: Bytes(bytes), may_be_cut: true };
    (carried, Decision { limit, state, reason, target: Some(Bytes(natural)), amplification })
}

/// Bytes that the process has beside what was reserved at the most since the batch before: what nobody gives back, and
/// nobody is going to use again. A tenth of the budget has its room in the 15 % that the law leaves.
fn unreserved(seen: &Observation) -> u64 {
    let accounted = seen.reserved_peak.max(seen.reserved).get().saturating_add(seen.budget.get() / 10);
    seen.outside.resident.map_or(0, |resident| resident.get().saturating_sub(accounted))
}

#[cfg(test)]
mod tests;
