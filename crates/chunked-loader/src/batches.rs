//! The rows of a scanned input as an iterator of batches, made by the caller's thread or by several.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use arrow::datatypes::SchemaRef;

use monitor::Tag;

use crate::batch::Batch;
use crate::batch_builder::BatchPlan;
use crate::delivery::{Claim, Delivery, Sizes};
use crate::error::{Error, ErrorKind};
use crate::progress::RowMeter;
use crate::row_reader::{Outcome, ReadRows, Reading};
use crate::spares::Room;

/// An iterator over the batches of an input. After an error it is at its end.
///
/// With one thread, or an input that can only be read from front to back and is not compressed, the caller's own
/// makes them. Dropping it stops the threads and waits for them.
pub struct Batches {
    plan: Arc<BatchPlan>,
    maker: Maker,
    /// The row behind the last one that was given.
    next_row: u64,
    meter: RowMeter,
    is_done: bool,
}

enum Maker {
    Caller(Box<Caller>),
    Threads(Threads),
}

/// Batches made when they are asked for.
struct Caller {
    sizes: Sizes,
    reading: Arc<Reading>,
    reader: Option<Box<dyn ReadRows>>,
}

/// Batches made ahead. Dropping it stops the threads and waits for them.
pub(crate) struct Threads {
    delivery: Arc<Delivery>,
    /// Threads that are not started yet: nothing runs before the first batch is asked for.
    to_start: usize,
    reading: Arc<Reading>,
    running: Vec<JoinHandle<()>>,
    has_panicked: Arc<AtomicBool>,
}

impl Batches {
    pub(crate) fn new(reading: Reading, sizes: Sizes, threads: usize, meter: RowMeter) -> Batches {
        let plan = Arc::clone(&reading.plan);
        let reading = Arc::new(reading);
        let next_row = sizes.next_row();
        let maker = if threads < 2 {
            Maker::Caller(Box::new(Caller { sizes, reading, reader: None }))
        } else {
            Maker::Threads(Threads::new(reading, sizes, threads))
        };
        Batches { plan, maker, next_row, meter, is_done: false }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let batch = match &mut self.maker {
            Maker::Caller(caller) => caller.next()?,
            Maker::Threads(threads) => match threads.next() {
                // What waits behind the batch that found no room may have taken it, and the system may start no thread
                // at all. The caller's own is enough; the others are for speed.
                Err(error) if matches!(error.kind(), ErrorKind::Budget(_)) || threads.are_none() => {
                    let mut caller = threads.go_on_alone(self.next_row);
                    let batch = caller.next();
                    self.maker = Maker::Caller(Box::new(caller));
                    batch?
                }
                next => next?,
            },
        };
        if let Some(batch) = &batch {
            self.next_row = batch.first_row() + batch.num_rows() as u64;
            self.meter.count(batch.num_rows())?;
        }
        Ok(batch)
    }
}

/// Batches in the making and waiting at a time, where `threads` threads make them: with two that wait, nobody stands still
/// when the caller takes them in jerks, as a file does that ends a row group.
pub(crate) fn lines(threads: usize) -> usize {
    threads + 2
}

/// Batches alive at a time, the caller's own included, where `threads` threads make them.
pub(crate) fn in_flight(threads: usize) -> usize {
    if threads < 2 { 1 } else { in_flight_ahead(threads) }
}

/// The same where even one thread makes them ahead.
pub(crate) fn in_flight_ahead(threads: usize) -> usize {
    lines(threads) + 1
}

impl Iterator for Batches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_batch().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        if let (true, Maker::Threads(threads)) = (self.is_done, &mut self.maker) {
            threads.stop();
        }
        next
    }
}

impl Caller {
    fn next(&mut self) -> Result<Option<Batch>, Error> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None if self.sizes.rows_left() == 0 => return Ok(None),
            None => {
                self.reading.expect_scanned()?;
                let mut reader = self.reading.reader()?;
                reader.begin(self.sizes.next_row(), self.sizes.rows_left())?;
                self.reader.insert(reader)
            }
        };
        if reader.rows_left() == 0 {
            return Ok(None);
        }
        let limit = self.sizes.limit(&self.reading.plan);
        let rows = reader.rows_left().min(limit.rows as u64);
        match reader.read(limit, reader.room(rows)?)? {
            Outcome::Done(batch) => {
                if let Some(batch) = &batch {
                    self.sizes.finished(batch);
                    self.sizes.taken(batch);
                }
                Ok(batch)
            }
            Outcome::Refused(refusal) => Err(refusal),
        }
    }
}

impl Threads {
    pub(crate) fn new(reading: Arc<Reading>, sizes: Sizes, threads: usize) -> Threads {
        // What can only be read from front to back is made by one thread, which runs ahead, and has nothing to do beside.
        let threads_made = if reading.plan.scan.is_seekable { threads } else { 1 };
        let side_work = reading.side_work.clone().filter(|_| threads_made > 1);
        Threads {
            delivery: Arc::new(Delivery::new(sizes, lines(threads), side_work)),
            to_start: threads_made,
            reading,
            running: Vec::new(),
            has_panicked: Arc::default(),
        }
    }

    /// Starts the threads, if they are not started yet.
    fn start(&mut self) -> Result<(), Error> {
        if self.to_start > 0 {
            self.reading.expect_scanned()?;
        }
        for _ in 0..std::mem::take(&mut self.to_start) {
            let reader = match self.reading.reader() {
                Ok(reader) => reader,
                // One thread is enough; the others are for speed.
                Err(_) if !self.running.is_empty() => break,
                Err(error) => return Err(error),
            };
            let (delivery, reading) = (Arc::clone(&self.delivery), Arc::clone(&self.reading));
            let has_panicked = Arc::clone(&self.has_panicked);
            let tag = Tag::current();
            let work = move || {
                let _under = tag.enter();
                let _guard = StopOnPanic(&delivery, &has_panicked);
                work(reader, &delivery, &reading.plan);
            };
            let thread = std::thread::Builder::new().name("tidegate-load".to_owned()).spawn(work);
            match thread {
                Ok(thread) => self.running.push(thread),
                Err(_) if !self.running.is_empty() => break,
                Err(error) => return Err(Error::io(error)),
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Batch>, Error> {
        self.start()?;
        let next = self.delivery.next().transpose();
        self.pass_panic_on();
        next
    }

    /// As `next`, but has `waker` woken instead of waiting.
    #[cfg(feature = "stream")]
    pub(crate) fn poll_next(
        &mut self,
        waker: &std::task::Waker,
    ) -> std::task::Poll<Option<Result<Batch, Error>>> {
        if let Err(error) = self.start() {
            return std::task::Poll::Ready(Some(Err(error)));
        }
        let next = self.delivery.poll_next(waker);
        self.pass_panic_on();
        next
    }

    /// Whether not even one was started.
    fn are_none(&self) -> bool {
        self.running.is_empty()
    }

    /// Ends the threads, and leaves the rows from `next_row` on to the caller's own.
    fn go_on_alone(&mut self, next_row: u64) -> Caller {
        self.stop();
        Caller { sizes: self.delivery.take_sizes(next_row), reading: Arc::clone(&self.reading), reader: None }
    }

    fn pass_panic_on(&mut self) {
        if self.has_panicked.load(Ordering::Relaxed) {
            self.stop();
        }
    }

    /// Lets the threads end, without waiting for them.
    #[cfg(feature = "stream")]
    pub(crate) fn call_off(&self) {
        self.delivery.stop();
    }

    fn stop(&mut self) {
        self.delivery.stop();
        for thread in self.running.drain(..) {
            if let Err(panic) = thread.join()
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes the batches of one range after the other.
fn work(mut reader: Box<dyn ReadRows>, delivery: &Delivery, plan: &BatchPlan) {
    let _present = delivery.present();
    while let Some((claim, room)) = delivery.claim(plan) {
        match make(reader.as_mut(), delivery, &claim, room) {
            Ok(true) => delivery.done(&claim),
            Ok(false) => return,
            Err(error) => {
                delivery.hand_over(&claim, Err(error));
                return;
            }
        }
    }
}

/// Makes the batches of a range; `false` if nobody wants them any more.
fn make(reader: &mut dyn ReadRows, delivery: &Delivery, claim: &Claim, first: Room) -> Result<bool, Error> {
    reader.begin(claim.first_row, claim.rows)?;
    let mut first = Some(first);
    while reader.rows_left() > 0 {
        let rows = reader.rows_left().min(claim.limit.rows as u64);
        let room = match first.take() {
            Some(room) => room,
            None => match reader.full_room(rows) {
                Ok(room) => room,
                // Growing piece by piece takes more in the end than waiting for what the batches before give back.
                Err(_) if !delivery.wait_for_head(claim) => return Ok(false),
                Err(_) => reader.room(rows)?,
            },
        };
        let mut outcome = reader.read(claim.limit, room)?;
        while let Outcome::Refused(refusal) = outcome {
            // At the head of the line, all that came before is given back, or in the caller's hands.
            if !delivery.wait_for_head(claim) {
                return Ok(false);
            }
            outcome = reader.go_on()?;
            if matches!(outcome, Outcome::Refused(_)) {
                return Err(refusal);
            }
        }
        if let Outcome::Done(Some(batch)) = outcome
            && !delivery.hand_over(claim, Ok(batch))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Stops the line when its thread panics, so that nobody waits for a batch that never comes.
struct StopOnPanic<'a>(&'a Delivery, &'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.1.store(true, Ordering::Relaxed);
            self.0.stop();
        }
    }
}
