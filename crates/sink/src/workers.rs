//! How many threads encode a file, and what they work in, within what the budget has room for.

use monitor::{Budget, Bytes, Consumer, Reservation};

use crate::column_chunk::Scratch;
use crate::error::Error;
use crate::helpers::Helpers;
use crate::output::Progress;

/// What the allocator keeps for each thread that encodes, of pages that others have freed.
const ENCODING_THREAD: u64 = 1 << 20;

/// Threads that are to encode, and helpers, where there is room for them.
pub(crate) struct Workers {
    /// Covers what the allocator keeps for them.
    pub(crate) kept: Reservation,
    /// One for each thread that may be at work at a time.
    pub(crate) scratches: Vec<Scratch>,
    pub(crate) helpers: Option<Helpers>,
}

/// What threads that encode work in, and a reservation for what the allocator keeps for them: for as many of `threads` as
/// need no more than half of what the budget has left, and as many helpers if all of them do. One less costs time, a
/// refusal everything.
pub(crate) fn workers(
    budget: &Budget,
    threads: usize,
    helpers: Option<&Helpers>,
    new_scratch: impl Fn(&Consumer) -> Result<Scratch, Error>,
    progress: &Progress,
) -> Result<Workers, Error> {
    let page = budget.consumer("page");
    let start = |threads: usize, helpers: Option<&Helpers>| {
        let keeping = if helpers.is_some() { 2 * threads } else { threads };
        let kept = if threads > 1 { keeping as u64 * ENCODING_THREAD } else { 0 };
        let kept = budget.consumer("encoding threads").try_reserve(Bytes(kept));
        let kept = kept.map_err(|refusal| progress.exceeded(refusal))?;
        let scratches = (0..threads).map(|_| new_scratch(&page)).collect::<Result<Vec<_>, Error>>()?;
        Ok(Workers { kept, scratches, helpers: helpers.cloned() })
    };
    let most = Bytes(budget.available().get() / 2);
    let helped = helpers.map(|helpers| (threads, Some(helpers)));
    for (threads, helpers) in helped.into_iter().chain((1..=threads).rev().map(|threads| (threads, None))) {
        let before = budget.reserved();
        match start(threads, helpers) {
            Ok(started) if budget.reserved().saturating_sub(before) <= most => return Ok(started),
            _ => {}
        }
    }
    start(1, None)
}
