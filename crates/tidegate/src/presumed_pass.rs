//! A pass over an input that nobody has scanned: its types are presumed, and proved on the way.

use chunked_loader::{Batch, PresumedBatches, Presumption, Scan};
use monitor::Tag;

use crate::batch_cache::BatchCache;
use crate::failure::Failure;
use crate::job::{Job, LOADER, STEPS};
use crate::pages_back::PagesBack;
use crate::settings::SizeBy;
use crate::summary::BatchSizes;

/// How often a presumption is tried.
const TRIES: usize = 2;

/// What a pass has come to.
enum Outcome<R> {
    Proved(Box<Scan>, R, BatchSizes),
    /// The same may be tried once more, with another presumption.
    Wider(Presumption),
    /// Only a scan can tell.
    Open,
}

impl Job {
    /// Runs one pass, all columns in it, as the phase `name`, and gives what a scan would have found, what `end` has given,
    /// and the sizes of the batches. `begin` is told what is presumed, and makes what `each` brings batches to, unless it has no
    /// use for such a pass. `keeps`: whether there are passes behind it, for which
    /// the batches are kept if they fit; `end` may give them up.
    ///
    /// Nothing where a scan has to come first, or has to tell what is wrong: then all that was made is dropped.
    pub(crate) fn pass_presumed<T, R>(
        &mut self,
        name: &'static str,
        keeps: impl Fn(&T) -> bool,
        mut begin: impl FnMut(&Scan) -> Result<Option<T>, Failure>,
        mut each: impl FnMut(&mut T, &Batch) -> Result<(), Failure>,
        mut end: impl FnMut(T, &Scan, &mut Option<BatchCache>) -> Result<R, Failure>,
    ) -> Result<Option<(Scan, R, BatchSizes)>, Failure> {
        if matches!(self.settings.sizing, SizeBy::Fixed(_)) {
            return Ok(None);
        }
        let mut presumption = match self.loader.presume() {
            Ok(presumption) => presumption,
            Err(error) => return open_unless_final(error.into()),
        };
        // What is too many in one column is so in the others soon: more than one other try takes longer than a scan.
        for _ in 0..TRIES {
            let Some(presumed) = presumption.take() else { break };
            let outcome = self.presumed(name, &keeps, presumed, &mut begin, &mut each, &mut end);
            match outcome.or_else(|failure| open_unless_final(failure).map(|_: Option<()>| Outcome::Open))? {
                Outcome::Proved(scan, made, sizes) => return Ok(Some((*scan, made, sizes))),
                Outcome::Wider(wider) => presumption = Some(wider),
                Outcome::Open => break,
            }
        }
        Ok(None)
    }

    fn presumed<T, R>(
        &mut self,
        name: &'static str,
        keeps: &impl Fn(&T) -> bool,
        presumption: Presumption,
        begin: &mut impl FnMut(&Scan) -> Result<Option<T>, Failure>,
        each: &mut impl FnMut(&mut T, &Batch) -> Result<(), Failure>,
        end: &mut impl FnMut(T, &Scan, &mut Option<BatchCache>) -> Result<R, Failure>,
    ) -> Result<Outcome<R>, Failure> {
        let phase = self.monitor.scope(name);
        let Some(mut made) = begin(presumption.scan())? else { return Ok(Outcome::Open) };
        let bytes = presumption.scan().columns().iter().map(|column| column.bytes_narrow).sum();
        let cache = keeps(&made).then(|| BatchCache::new(self.monitor.budget()));
        let mut cache = cache.filter(|cache| cache.has_room_for(bytes));
        self.passes += 1;
        let (loading, taking) = (Tag::new(LOADER), Tag::new(STEPS));
        let mut batches = self.loader.batches_presumed(presumption, self.sizing_of(name, 0))?;
        let mut pages = PagesBack::new(&self.monitor);
        let mut sizes = BatchSizes::default();
        let next = |batches: &mut PresumedBatches| {
            let _under = loading.enter();
            batches.next()
        };
        while let Some(batch) = next(&mut batches) {
            self.interrupt.check()?;
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    drop(made);
                    return match batches.into_wider() {
                        Some(wider) => Ok(Outcome::Wider(wider)),
                        None => Err(error.into()),
                    };
                }
            };
            sizes.add(batch.num_rows() as u64);
            phase.add_rows(batch.num_rows() as u64);
            phase.add_bytes(batch.raw_bytes());
            let under = taking.enter();
            each(&mut made, &batch)?;
            drop(under);
            match &mut cache {
                Some(cache) => cache.keep(batch),
                None => drop(batch),
            }
            self.monitor.end_of_batch();
            pages.check();
        }
        let scan = batches.finish()?;
        self.interrupt.check()?;
        let made = end(made, &scan, &mut cache)?;
        self.cache = cache.and_then(BatchCache::whole);
        Ok(Outcome::Proved(Box::new(scan), made, sizes))
    }
}

/// Nothing, where a scan may do what could not be done without one, or tells more of what is wrong.
fn open_unless_final<T>(failure: Failure) -> Result<Option<T>, Failure> {
    if failure.is_about_input() { Ok(None) } else { Err(failure) }
}
