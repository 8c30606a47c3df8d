//! One pass of a job over its scanned input: batches sized as the settings say, taken by one thread or by all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use adaptive::{Aimd, AutoSize, Controller, Policy, StepRule};
use arrow::record_batch::RecordBatch;
use chunked_loader::{Batch, FixedRows, Scan, Sizing};
use monitor::{Bytes, Scope, Tag};

use crate::batch_cache::BatchCache;
use crate::failure::Failure;
use crate::job::{Job, LOADER, STEPS};
use crate::outside;
use crate::pages_back::PagesBack;
use crate::settings::SizeBy;
use crate::summary::BatchSizes;

/// What is made of kept rows at a time takes this share of what the budget has left.
const CACHED_SHARE: usize = 8;

impl Job {
    /// What decides on the batches of the phase `name`.
    pub(crate) fn sizing_of(&self, name: &str, row_bytes_made: usize) -> Box<dyn Sizing> {
        let policy: Box<dyn Policy> = match self.settings.sizing {
            SizeBy::Auto => Box::new(AutoSize::new().with_row_bytes_downstream(Bytes::from(row_bytes_made))),
            SizeBy::Step => Box::<StepRule>::default(),
            SizeBy::Aimd => Box::<Aimd>::default(),
            SizeBy::Fixed(rows) => Box::new(FixedRows(rows.into())),
        };
        let controller = Controller::new(policy).with_recorder(&self.sizing, name);
        match self.settings.sizing {
            // Nothing would come of a look outside.
            SizeBy::Fixed(_) => Box::new(controller),
            _ => Box::new(controller.with_outside(outside::look(&self.monitor))),
        }
    }

    /// Runs one pass over the columns `projection` as the phase `name`, in which every thread takes batches: `each` is
    /// called with the number of its thread, from 0, and batches come to it in no order. Where the system starts fewer
    /// threads, those that it has started do all.
    pub(crate) fn pass_in_parallel(
        &mut self,
        name: &'static str,
        scan: &Scan,
        projection: &[usize],
        each: impl Fn(usize, &Batch) -> Result<(), Failure> + Sync,
    ) -> Result<BatchSizes, Failure> {
        let phase = self.monitor.scope(name);
        phase.add_bytes(scan.bytes());
        self.passes += 1;
        let threads = self.settings.threads;
        let loader = self.loader.clone().with_batches_kept(threads);
        let batches = loader.batches(scan, projection, self.sizing_of(name, 0));
        let shared = Mutex::new((batches, BatchSizes::default()));
        let pages = Mutex::new(PagesBack::new(&self.monitor));
        let (loading, taking) = (Tag::new(LOADER), Tag::new(STEPS));
        let (interrupt, is_over) = (&self.interrupt, AtomicBool::new(false));
        let work = |thread: usize| -> Result<(), Failure> {
            while !is_over.load(Ordering::Relaxed) {
                let next = {
                    let _under = loading.enter();
                    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    interrupt.check()?;
                    let Some(batch) = shared.0.next() else { break };
                    let batch = batch?;
                    shared.1.add(batch.num_rows() as u64);
                    phase.add_rows(batch.num_rows() as u64);
                    batch
                };
                let under = taking.enter();
                each(thread, &next)?;
                drop((under, next));
                // Whoever comes while another one looks has nothing to add.
                if let Ok(mut pages) = pages.try_lock() {
                    pages.check();
                }
            }
            Ok(())
        };
        let work = |thread| {
            let done = work(thread);
            is_over.fetch_or(done.is_err(), Ordering::Relaxed);
            done
        };
        std::thread::scope(|scope| {
            let work = &work;
            let start = |thread: usize| {
                let builder = std::thread::Builder::new().name("tidegate-pass".to_owned());
                builder.spawn_scoped(scope, move || work(thread))
            };
            // This one is enough; the others are for speed.
            let others: Vec<_> = (1..threads).map_while(|thread| start(thread).ok()).collect();
            let mut done = work(0);
            for other in others {
                let theirs = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                done = done.and(theirs);
            }
            done
        })?;
        let (_, sizes) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(sizes)
    }

    /// Runs one pass over the columns `projection` as the phase `name`. `row_bytes_made` is what `each` makes
    /// of a row, beside the batch.
    pub(crate) fn pass(
        &mut self,
        name: &'static str,
        scan: &Scan,
        projection: &[usize],
        row_bytes_made: usize,
        mut each: impl FnMut(&RecordBatch, u64) -> Result<(), Failure>,
    ) -> Result<BatchSizes, Failure> {
        let phase = self.monitor.scope(name);
        if let Some(cache) = &self.cache {
            return self.pass_over_cache(cache, &phase, scan, projection, row_bytes_made, each);
        }
        phase.add_bytes(scan.bytes());
        self.passes += 1;
        let (loading, taking) = (Tag::new(LOADER), Tag::new(STEPS));
        let mut kept = BatchCache::new(self.monitor.budget());
        let bytes = scan.columns().iter().map(|column| column.bytes_narrow).sum();
        let keeps = std::mem::take(&mut self.keeps_all) && kept.has_room_for(bytes);
        let all: Vec<usize> = (0..scan.columns().len()).collect();
        let loaded = if keeps { &all } else { projection };
        let mut batches = self.loader.batches(scan, loaded, self.sizing_of(name, row_bytes_made));
        let mut pages = PagesBack::new(&self.monitor);
        let making = self.monitor.budget().consumer("transform");
        let mut sizes = BatchSizes::default();
        let mut next = || {
            let _under = loading.enter();
            batches.next()
        };
        while let Some(batch) = next() {
            self.interrupt.check()?;
            let batch = batch?;
            sizes.add(batch.num_rows() as u64);
            let made = making.try_reserve(Bytes::from(row_bytes_made.saturating_mul(batch.num_rows())))?;
            let under = taking.enter();
            match keeps {
                true => each(
                    &batch.columns().project(projection).map_err(chunked_loader::Error::from)?,
                    batch.first_row(),
                )?,
                false => each(batch.columns(), batch.first_row())?,
            }
            phase.add_rows(batch.num_rows() as u64);
            drop((under, made));
            match keeps {
                true => kept.keep(batch),
                false => drop(batch),
            }
            self.monitor.end_of_batch();
            pages.check();
        }
        self.cache = kept.whole();
        Ok(sizes)
    }

    /// The same over batches that an earlier pass has left. They are cut where what is made of them takes much.
    fn pass_over_cache(
        &self,
        cache: &BatchCache,
        phase: &Scope,
        scan: &Scan,
        projection: &[usize],
        row_bytes_made: usize,
        mut each: impl FnMut(&RecordBatch, u64) -> Result<(), Failure>,
    ) -> Result<BatchSizes, Failure> {
        let _under = Tag::new(STEPS).enter();
        let budget = self.monitor.budget();
        let making = budget.consumer("transform");
        let mut pages = PagesBack::new(&self.monitor);
        let (mut sizes, mut given) = (BatchSizes::default(), 0);
        for kept in cache.batches(projection) {
            let all = kept.batch.num_rows();
            // What the narrow types take beside the kept ones comes to no more than these.
            let row_bytes = row_bytes_made + kept.batch.reserved().get() as usize / all.max(1);
            let mut from = 0;
            while from < all {
                self.interrupt.check()?;
                let room = budget.available().get() as usize / CACHED_SHARE;
                let rows = (room / row_bytes.max(1)).clamp(1, all - from);
                let made = making.try_reserve(Bytes::from(row_bytes.saturating_mul(rows)))?;
                let batch = kept.rows(scan, from, rows)?;
                each(&batch, kept.batch.first_row() + from as u64)?;
                sizes.add(rows as u64);
                phase.add_rows(rows as u64);
                from += rows;
                given += rows as u64;
                // As of a pass that reads: the share of the rows, in bytes.
                let share = u128::from(scan.bytes()) * u128::from(given) / u128::from(scan.rows().max(1));
                self.monitor.report(share as u64, Some(scan.bytes()));
                drop((batch, made));
                self.monitor.end_of_batch();
                pages.check();
            }
        }
        Ok(sizes)
    }
}
