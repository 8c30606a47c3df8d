//! Makes the batches of one range of bytes after the other: the work of one thread.

use std::sync::Arc;

use monitor::Bytes;

use super::batches::{Counted, Part, Shared};
use super::tally::Tally;
use crate::batch::Batch;
use crate::batch_builder::BatchBuilder;
use crate::delivery::Claim;
use crate::error::{Error, ErrorKind};
use crate::position::Position;
use crate::spares::Room;
use crate::walker::Walker;

/// Makes batches, and counts what they hold.
pub(super) struct RangeReader {
    shared: Arc<Shared>,
    walker: Walker,
    builder: BatchBuilder,
    /// The part whose fields the builder knows.
    part: Option<usize>,
    tallies: Vec<Tally>,
}

/// Nobody wants more batches.
struct Stopped;

impl RangeReader {
    /// # Errors
    /// If the budget has no room for a window.
    pub(super) fn new(shared: &Arc<Shared>) -> Result<RangeReader, Error> {
        Ok(RangeReader {
            walker: Walker::new(&shared.gait, &shared.budget.consumer("block"))?,
            builder: BatchBuilder::new(&shared.plan, &shared.spares),
            part: None,
            tallies: vec![Tally::default(); shared.plan.projection.len()],
            shared: Arc::clone(shared),
        })
    }

    /// The work of one thread: ranges until there are none, or nobody wants them.
    pub(super) fn work(mut self) {
        let shared = Arc::clone(&self.shared);
        let _present = shared.delivery.present();
        while let Some((claim, room)) = shared.delivery.claim(&shared.plan) {
            match self.make(&claim, room) {
                Ok(Ok(())) => shared.delivery.done(&claim),
                Ok(Err(Stopped)) => return,
                Err(error) => {
                    shared.delivery.hand_over(&claim, Err(error));
                    return;
                }
            }
        }
        for (tally, tokens) in self.tallies.iter_mut().zip(self.builder.null_tokens()) {
            tokens.into_iter().for_each(|tokens| tally.tokens.add(tokens));
        }
        shared.add(&self.tallies);
    }

    fn make(&mut self, claim: &Claim, room: Room) -> Result<Result<(), Stopped>, Error> {
        let shared = Arc::clone(&self.shared);
        let (part, range) = shared.place(claim.first_row);
        let mut counted = Counted::default();
        let made = self.range(part, range, claim, room, &mut counted);
        let end = match made {
            Ok(Ok(end)) => end,
            _ => None,
        };
        let file = &shared.parts[part];
        file.chain.finished(range, end, made.is_err(), counted);
        let name = &shared.names[file.file];
        made.map(|made| made.map(drop)).map_err(|error| error.in_file(name))
    }

    /// Makes the batches of one range; gives the first byte behind its records.
    fn range(
        &mut self,
        place: usize,
        range: usize,
        claim: &Claim,
        room: Room,
        counted: &mut Counted,
    ) -> Result<Result<Option<u64>, Stopped>, Error> {
        let shared = Arc::clone(&self.shared);
        let part: &Part = &shared.parts[place];
        let away = || shared.delivery.away();
        let first = part.ranges.begin(range, &part.chain, &mut self.walker, away)?;
        // A piece was the beginning of this range. If its first record is another one, it held no records.
        if shared.firsts.get(&claim.first_row).is_some_and(|presumed| first != Some(*presumed)) {
            return Err(Error::new(ErrorKind::Changed));
        }
        let Some(first) = first else { return Ok(Ok(None)) };
        counted.first = Some(first);
        if self.part != Some(place) {
            self.builder.begin_file(part.file, &part.layout);
            self.part = Some(place);
        }
        self.builder.begin_rows(0, u64::MAX);
        let mut first_room = Some(room);
        let mut is_more = true;
        while is_more {
            let room = match first_room.take() {
                Some(room) => room,
                None => match self.room(claim) {
                    Ok(room) => room,
                    Err(_) if !shared.delivery.wait_for_head(claim) => return Ok(Err(Stopped)),
                    Err(_) => shared.spares.room(&shared.batches, Bytes::ZERO)?,
                },
            };
            self.builder.begin_batch(claim.limit, room);
            is_more = match self.fill(claim)? {
                Ok(is_more) => is_more,
                Err(stopped) => return Ok(Err(stopped)),
            };
            let Some(mut batch) = self.builder.finish(counted.rows)? else { continue };
            batch.range = claim.first_row;
            self.count(&batch);
            counted.rows += batch.num_rows() as u64;
            if !shared.delivery.hand_over(claim, Ok(batch)) {
                return Ok(Err(Stopped));
            }
        }
        let behind = self.walker.before();
        (counted.records, counted.lines) = (behind.record, behind.line - Position::START.line);
        Ok(Ok(Some(behind.byte)))
    }

    /// Reads rows until the batch is full, or the range ends: `false`.
    fn fill(&mut self, claim: &Claim) -> Result<Result<bool, Stopped>, Error> {
        let mut has_waited = false;
        while !self.builder.is_full() {
            let is_more = self.builder.step(&mut self.walker)?;
            if let Some(refusal) = self.builder.take_refusal() {
                if self.builder.may_be_cut() {
                    return Ok(Ok(true));
                }
                // At the head of the line, all that came before is given back, or in the caller's hands.
                if has_waited {
                    return Err(refusal);
                }
                if !self.shared.delivery.wait_for_head(claim) {
                    return Ok(Err(Stopped));
                }
                has_waited = true;
            } else if !is_more {
                return Ok(Ok(false));
            }
        }
        Ok(Ok(true))
    }

    fn room(&self, claim: &Claim) -> Result<Room, Error> {
        let Shared { spares, batches, plan, .. } = &*self.shared;
        spares.room(batches, plan.room(claim.limit.rows as u64))
    }

    fn count(&mut self, batch: &Batch) {
        for (tally, column) in self.tallies.iter_mut().zip(batch.columns().columns()) {
            tally.take(column);
        }
    }
}
