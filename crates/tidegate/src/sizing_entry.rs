//! Decisions on the sizes of batches, as the summary and the metrics show them.

use adaptive::Entry;
use monitor::Bytes;
use serde::Serialize;

/// One decision: what it was made from, what was decided, and why. What is not known is `null`.
#[derive(Debug, Serialize)]
pub(crate) struct SizingEntry {
    /// Its number among all of the run, from 0.
    number: u64,
    phase: String,
    elapsed_s: f64,
    state: &'static str,
    reason: &'static str,
    /// Where the batch ends at the latest.
    most_rows: usize,
    most_bytes: Option<u64>,
    target_bytes: Option<u64>,
    amplification: f64,
    budget_bytes: u64,
    reserved_bytes: u64,
    reserved_peak_bytes: u64,
    resident_bytes: Option<u64>,
    limit_bytes: Option<u64>,
    /// Share of the time that was lost to waiting for memory.
    stalled: f64,
    is_consumer_behind: bool,
    /// Of the batch before.
    last_rows: Option<usize>,
    last_bytes: Option<u64>,
    last_peak_bytes: Option<u64>,
    last_raw_bytes: Option<u64>,
}

impl SizingEntry {
    pub(crate) fn of(entry: &Entry) -> SizingEntry {
        let (seen, decision) = (&entry.seen, &entry.decision);
        // Without a bound there is no figure.
        let bounded = |bytes: Bytes| (bytes < Bytes::MAX).then_some(bytes.get());
        SizingEntry {
            number: entry.number,
            phase: entry.phase.to_string(),
            elapsed_s: entry.at.as_secs_f64(),
            state: decision.state.name(),
            reason: decision.reason.name(),
            most_rows: decision.limit.rows,
            most_bytes: bounded(decision.limit.bytes),
            target_bytes: decision.target.map(Bytes::get),
            amplification: decision.amplification,
            budget_bytes: seen.budget.get(),
            reserved_bytes: seen.reserved.get(),
            reserved_peak_bytes: seen.reserved_peak.get(),
            resident_bytes: seen.outside.resident.map(Bytes::get),
            limit_bytes: seen.outside.limit.map(Bytes::get),
            stalled: seen.outside.stalled,
            is_consumer_behind: seen.is_consumer_behind,
            last_rows: seen.last.map(|last| last.rows),
            last_bytes: seen.last.map(|last| last.bytes.get()),
            last_peak_bytes: seen.last.map(|last| last.peak.get()),
            last_raw_bytes: seen.last.map(|last| last.raw_bytes),
        }
    }
}
