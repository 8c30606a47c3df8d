//! Columns that are decoded ahead of the thread that makes batches of them, by threads of their own.
//!
//! ```text
//!  Decoder ──► lane of a column ──┐
//!     │    ──► lane of a column ──┼──► ColumnarRows ──► Batch
//!  Decoder ──► lane of a column ──┘
//! ```
//!
//! Each column belongs to one decoder, which goes on with the one that is furthest behind: whoever waits for a column waits
//! for the one that is decoded next, however short the lanes are. A decoder that cannot go on ends; whoever finds its lanes
//! ended reads on without any, and meets what it has met in the order of the rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use monitor::{Bytes, Reservation, Tag};

use super::held::Held;
use super::open::Tables;
use super::parquet::Scratch;
use super::scan::ColumnarScan;
use super::table::{self, ColumnReader};
use super::values::Values;
use crate::column_scan::TypeHint;
use crate::error::Error;
use crate::row_reader::Reading;
use crate::types::Kind;

/// Steps of a column that are alive at a time beside the one that is taken from: one in the lane, and one that is decoded.
const STEPS: usize = 2;
/// The share of what the budget has left that may be taken for speed.
const SHARE: u64 = 8;

/// Decoders at work. Dropping it stops them and waits for them.
pub(super) struct Ahead {
    /// One for each column that is wanted.
    lanes: Vec<Receiver<Values>>,
    running: Vec<JoinHandle<()>>,
    /// Holds what decoding takes more than it takes without.
    _held: Reservation,
}

/// Where decoding begins, and in which steps.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub(super) group: usize,
    pub(super) skip: u64,
    pub(super) step: usize,
}

impl Ahead {
    /// Starts as many decoders as there are threads beside the one that makes batches; none if there is but that one, or
    /// little room.
    pub(super) fn start(
        reading: &Arc<Reading>,
        scan: &Arc<ColumnarScan>,
        tables: &Arc<Tables>,
        start: Start,
    ) -> Option<Ahead> {
        let wanted = &reading.plan.projection;
        let decoders = reading.threads.saturating_sub(1).min(wanted.len());
        if decoders == 0 {
            return None;
        }
        let steps = STEPS * wanted.len() * table::step_bytes(start.step);
        // Texts point into their pages, which stay as long as they do.
        let is_text = |column: &&usize| {
            let facts = &reading.plan.scan.columns[**column];
            // What another type was asked for may be text in a file.
            facts.kind == Kind::Text || facts.hint != TypeHint::Inferred
        };
        let pages: usize = wanted.iter().filter(is_text).map(|column| scan.peaks[*column]).sum();
        let more = Bytes::from(steps + STEPS * pages + (decoders - 1) * scan.scratch);
        if more > Bytes(reading.budget.available().get() / SHARE) {
            return None;
        }
        let held = reading.budget.consumer("page").try_reserve(more).ok()?;
        let (senders, lanes): (Vec<_>, Vec<_>) = wanted.iter().map(|_| sync_channel(1)).unzip();
        let mut parts: Vec<Vec<Lane>> = (0..decoders).map(|_| Vec::new()).collect();
        for ((place, sender), wanted) in senders.into_iter().enumerate().zip(wanted) {
            parts[place % decoders].push(Lane { wanted: *wanted, sender });
        }
        let mut running = Vec::new();
        for lanes in parts {
            let scratch = Scratch::new(Held::within(scan.scratch));
            let decoder =
                Decoder { scan: Arc::clone(scan), tables: Arc::clone(tables), start, lanes, scratch };
            let tag = Tag::current();
            let work = move || {
                let _under = tag.enter();
                // What it was is met again by whoever finds the lanes ended.
                let _ = decoder.run();
            };
            // The lanes of one that does not start are ended.
            running.extend(std::thread::Builder::new().name("tidegate-decode".to_owned()).spawn(work));
        }
        Some(Ahead { lanes, running, _held: held })
    }

    /// The next values of a column, or nothing if its decoder has ended.
    pub(super) fn next(&self, lane: usize) -> Option<Values> {
        self.lanes[lane].recv().ok()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Who waits to hand something over need not any more.
        self.lanes.clear();
        for thread in self.running.drain(..) {
            // What it has panicked with comes again where it is read without decoders.
            let _ = thread.join();
        }
    }
}

/// Where the values of a column go.
struct Lane {
    wanted: usize,
    sender: SyncSender<Values>,
}

struct Decoder {
    scan: Arc<ColumnarScan>,
    tables: Arc<Tables>,
    start: Start,
    lanes: Vec<Lane>,
    scratch: Scratch,
}

impl Decoder {
    /// Decodes all groups from the start on, until nobody wants them any more.
    fn run(mut self) -> Result<(), Error> {
        let scan = Arc::clone(&self.scan);
        let mut skip = self.start.skip;
        for place in &scan.groups[self.start.group..] {
            let open = self.tables.open(*place)?;
            let mut readers: Vec<Option<Box<dyn ColumnReader>>> = Vec::new();
            for lane in &self.lanes {
                let field = self.tables.field(&open, lane.wanted);
                let reader = field.map(|(field, _)| {
                    self.tables.reader(&open, *place, (lane.wanted, field), skip, &mut self.scratch)
                });
                readers.push(reader.transpose()?);
            }
            let there = readers.iter().enumerate().filter(|(_, reader)| reader.is_some());
            let mut behind: BinaryHeap<Reverse<(u64, usize)>> =
                there.map(|(lane, _)| Reverse((skip, lane))).collect();
            while let Some(Reverse((row, lane))) = behind.pop() {
                let Some(reader) = readers[lane].as_mut().filter(|_| row < place.rows) else { continue };
                let left = usize::try_from(place.rows - row).unwrap_or(usize::MAX);
                let values = reader.next(&mut self.scratch, self.start.step.min(left))?;
                let row = row + values.len() as u64;
                if self.lanes[lane].sender.send(values).is_err() {
                    return Ok(());
                }
                behind.push(Reverse((row, lane)));
            }
            skip = 0;
        }
        Ok(())
    }
}
