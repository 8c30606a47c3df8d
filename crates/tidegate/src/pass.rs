//! One pass of a job over its scanned input: batches sized as the settings say, taken by one thread or by all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use adaptive::{Aimd, AutoSize, Controller, Policy, StepRule};
use chunked_loader::{Batch, FixedRows, Scan, Sizing};
use monitor::{Bytes, Tag};

use crate::failure::Failure;
use crate::job::{Job, LOADER, STEPS};
use crate::outside;
use crate::pages_back::PagesBack;
use crate::settings::SizeBy;
use crate::summary::BatchSizes;

impl Job {
    /// What decides on the batches of the phase `name`.
    fn sizing_of(&self, name: &str, row_bytes_made: usize) -> Box<dyn Sizing> {
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
    /// called with the number of its thread, from 0, and batches come to it in no order.
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
                let _under = taking.enter();
                each(thread, &next)?;
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
            let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || work(thread))).collect();
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
        mut each: impl FnMut(&Batch) -> Result<(), Failure>,
    ) -> Result<BatchSizes, Failure> {
        let phase = self.monitor.scope(name);
        phase.add_bytes(scan.bytes());
        self.passes += 1;
        let (loading, taking) = (Tag::new(LOADER), Tag::new(STEPS));
        let mut batches = self.loader.batches(scan, projection, self.sizing_of(name, row_bytes_made));
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
            each(&batch)?;
            phase.add_rows(batch.num_rows() as u64);
            drop((under, made, batch));
            self.monitor.end_of_batch();
            pages.check();
        }
        Ok(sizes)
    }
}
