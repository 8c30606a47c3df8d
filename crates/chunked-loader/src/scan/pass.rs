//! One pass of a scan over all files: by this thread alone, or by ranges where a file can be read anywhere.

use std::sync::Arc;

use monitor::{Budget, Bytes, Tag};

use super::chain::Chain;
use super::ranges::{RangeResult, Ranges, StopOnPanic};
use super::scanner::{Rejected, ScanPlan, Scanner};
use crate::checkpoints::{Checkpoint, Checkpoints};
use crate::column_scan::ColumnScan;
use crate::error::{Error, ErrorKind};
use crate::layout::Layout;
use crate::preface;
use crate::progress::Meter;
use crate::rejects::Reject;
use crate::source::{Encoding, Fingerprint, Input, OpenFile, SourceFile};
use crate::walker::{Gait, Walker};

/// Called for each rejected record.
pub(crate) type OnReject<'a> = &'a mut dyn FnMut(&Reject<'_>) -> std::io::Result<()>;

/// What a pass goes over, and how.
pub(crate) struct Pass<'a> {
    pub(crate) plan: Arc<ScanPlan>,
    pub(crate) files: &'a [SourceFile],
    pub(crate) encodings: &'a [Encoding],
    pub(crate) prints: &'a [Fingerprint],
    pub(crate) layouts: &'a [Option<Arc<Layout>>],
    pub(crate) gait: &'a Gait,
    pub(crate) threads: usize,
    /// Bytes of a range that a thread takes.
    pub(crate) range: u64,
    pub(crate) budget: &'a Budget,
}

/// What a pass has come to.
#[derive(Default)]
pub(crate) struct Passed {
    pub(crate) columns: Vec<Option<ColumnScan>>,
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    pub(crate) checkpoints: Checkpoints,
    /// Rows before each file.
    pub(crate) first_rows: Vec<u64>,
    /// Every file can be read at any place.
    pub(crate) is_seekable: bool,
}

/// Where an error of a pass comes from.
pub(crate) struct PassError {
    pub(crate) file: usize,
    pub(crate) error: Error,
    /// Nobody has said how the file's text is encoded.
    pub(crate) is_open: bool,
}

impl Pass<'_> {
    /// Types all records into `columns`, and hands rejected ones to `on_reject` in file order.
    pub(crate) fn run(
        &self,
        columns: Vec<Option<ColumnScan>>,
        meter: &mut Meter,
        on_reject: OnReject<'_>,
    ) -> Result<Passed, PassError> {
        let mut passed = Passed { columns, is_seekable: true, ..Passed::default() };
        for file in 0..self.files.len() {
            passed.first_rows.push(passed.rows);
            self.file(file, &mut passed, meter, on_reject).map_err(|error| PassError {
                file,
                error: error.in_file(&self.files[file].name),
                is_open: self.encodings[file] == Encoding::Auto,
            })?;
        }
        Ok(passed)
    }

    fn file(
        &self,
        file: usize,
        passed: &mut Passed,
        meter: &mut Meter,
        on_reject: OnReject<'_>,
    ) -> Result<(), Error> {
        let Some(layout) = &self.layouts[file] else { return self.files[file].expect(&self.prints[file]) };
        let mut open = self.files[file].open(self.encodings[file], self.budget, self.threads > 1)?;
        if open.fingerprint != self.prints[file] {
            return Err(Error::new(ErrorKind::Changed));
        }
        let gone_through = self.go_through(file, layout, &mut open, passed, meter, on_reject);
        match gone_through {
            Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Budget(_)) => Err(error),
            // Half a record at the end is no bad record where somebody is still writing it.
            gone_through if open.is_unchanged()? => gone_through,
            _ => Err(Error::new(ErrorKind::Changed)),
        }
    }

    #[allow(clippy::too_many_arguments)] // One file of the pass, and where its parts go.
    fn go_through(
        &self,
        file: usize,
        layout: &Arc<Layout>,
        open: &mut OpenFile,
        passed: &mut Passed,
        meter: &mut Meter,
        on_reject: OnReject<'_>,
    ) -> Result<(), Error> {
        match open.take_input() {
            Input::Plain(plain) => {
                let bytes = plain.metadata().map_err(Error::io)?.len();
                let ranges = Ranges {
                    file: plain,
                    before: layout.before,
                    bytes,
                    range: self.range,
                    fields: layout.columns.len(),
                };
                meter.count(layout.before.byte.min(bytes))?;
                if self.threads > 1 && self.gait.has_index() && ranges.count() > 1 {
                    self.by_ranges(file, layout, &ranges, passed, meter, on_reject)
                } else {
                    let input = Input::Plain(ranges.file);
                    self.alone(file, layout, input, open, passed, meter, on_reject)
                }
            }
            stream => {
                passed.is_seekable = false;
                self.alone(file, layout, stream, open, passed, meter, on_reject)
            }
        }
    }

    /// Goes through a file from front to back.
    #[allow(clippy::too_many_arguments)] // One file of the pass, and where its parts go.
    fn alone(
        &self,
        file: usize,
        layout: &Arc<Layout>,
        input: Input,
        open: &OpenFile,
        passed: &mut Passed,
        meter: &mut Meter,
        on_reject: OnReject<'_>,
    ) -> Result<(), Error> {
        let mut held = self.budget.consumer("scan").try_reserve(Bytes::ZERO)?;
        let mut walker = Walker::new(self.gait, &self.budget.consumer("block"))?;
        let is_stream = matches!(input, Input::Stream(_));
        if is_stream {
            let window = walker.window();
            window.begin(input, open.mark);
            preface::read(window, open.mark, &self.gait.dialect, self.gait.max_record_bytes)?;
            walker.reset(layout.columns.len(), layout.before, u64::MAX);
        } else {
            walker.begin(input, layout.columns.len(), layout.before, u64::MAX);
        }
        let columns = std::mem::take(&mut passed.columns);
        let mut scanner =
            Scanner::new(&self.plan, columns, file, layout, self.encodings[file] == Encoding::Auto);
        let mut read = if is_stream { 0 } else { walker.before().byte };
        loop {
            let before = walker.before();
            if walker.is_between_records() {
                passed.checkpoints.offer(Checkpoint { file, before, row: passed.rows + scanner.rows });
            }
            let is_more = scanner.step(&mut walker);
            for rejected in scanner.rejected.drain(..) {
                passed.rejected += 1;
                self.report(file, &rejected, on_reject)?;
            }
            if !is_more? {
                break;
            }
            let now = if is_stream { open.consumed_bytes() } else { walker.before().byte };
            // The walker counts a line end that the last record lacks.
            let now = now.min(open.fingerprint.bytes());
            meter.count(now.saturating_sub(read))?;
            read = read.max(now);
            held.try_resize(Bytes::from(scanner.heap_bytes()))?;
        }
        passed.rows += scanner.rows;
        passed.columns = scanner.columns;
        Ok(())
    }

    /// Goes through a file with several threads, and collects what they find in order.
    fn by_ranges(
        &self,
        file: usize,
        layout: &Arc<Layout>,
        ranges: &Ranges,
        passed: &mut Passed,
        meter: &mut Meter,
        on_reject: OnReject<'_>,
    ) -> Result<(), Error> {
        let count = ranges.count();
        let scan = self.budget.consumer("scan");
        let before = Bytes::from(heap_bytes(&passed.columns));
        let mut held = scan.try_reserve(before)?;
        let mut workers = Vec::new();
        for thread in 0..self.threads.min(count) {
            let walker = Walker::new(self.gait, &self.budget.consumer("block"));
            // What no value has been taken into is as large as the columns themselves.
            let held = scan.try_reserve(Bytes::from(size_of_columns(&passed.columns)));
            match (walker, held) {
                (Ok(walker), Ok(held)) => {
                    let columns = passed.columns.iter().map(|column| Some(column.as_ref()?.begin_part()));
                    let is_open = self.encodings[file] == Encoding::Auto;
                    let scanner = Scanner::new(&self.plan, columns.collect(), file, layout, is_open);
                    workers.push((walker, scanner, held));
                }
                // One thread is enough; the others are for speed.
                _ if thread > 0 => break,
                (Err(error), _) => return Err(error),
                (_, Err(refusal)) => return Err(refusal.into()),
            }
        }
        let chain: Chain<RangeResult> = Chain::new(count, 4 * workers.len());
        let collected = std::thread::scope(|threads| {
            let _guard = StopOnPanic(&chain);
            for (thread, (walker, scanner, held)) in workers.iter_mut().enumerate() {
                let chain = &chain;
                let named = std::thread::Builder::new().name("tidegate-scan".to_owned());
                let tag = Tag::current();
                let work = move || {
                    let _under = tag.enter();
                    ranges.work(chain, walker, scanner, held)
                };
                match named.spawn_scoped(threads, work) {
                    Ok(_) => {}
                    // One thread is enough; the others are for speed.
                    Err(_) if thread > 0 => break,
                    Err(error) => return Err(Error::io(error)),
                }
            }
            let collected = self.collect(file, layout, ranges, &chain, passed, meter, on_reject);
            if collected.is_err() {
                chain.stop();
            }
            collected
        });
        collected?;
        for (_, scanner, _worker_held) in workers {
            for (column, part) in passed.columns.iter_mut().zip(scanner.columns) {
                if let (Some(column), Some(part)) = (column, part) {
                    column.merge(part);
                }
            }
            held.try_resize(Bytes::from(heap_bytes(&passed.columns)))?;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // One file of the pass, and where its parts go.
    fn collect(
        &self,
        file: usize,
        layout: &Layout,
        ranges: &Ranges,
        chain: &Chain<RangeResult>,
        passed: &mut Passed,
        meter: &mut Meter,
        on_reject: OnReject<'_>,
    ) -> Result<(), Error> {
        let mut before = layout.before;
        let mut collected = 0;
        while let Some(result) = chain.collect() {
            if let Some(first) = result.first {
                before.byte = first;
                passed.checkpoints.offer(Checkpoint { file, before, row: passed.rows });
            }
            for mut rejected in result.rejected {
                rejected.position = rejected.position.counted_from(before);
                passed.rejected += 1;
                self.report(file, &rejected, on_reject)?;
            }
            if let Some(error) = result.error {
                return Err(error.counted_from(before));
            }
            before.line += result.lines;
            before.record += result.records;
            passed.rows += result.rows;
            collected += 1;
            let end = (layout.before.byte + collected * ranges.range).min(ranges.bytes);
            meter.count(end.saturating_sub(layout.before.byte + (collected - 1) * ranges.range))?;
        }
        Ok(())
    }

    fn report(&self, file: usize, rejected: &Rejected, on_reject: OnReject<'_>) -> Result<(), Error> {
        let reject = Reject {
            file: &self.files[file].name,
            position: rejected.position,
            column: rejected.column.map(|column| self.plan.names[column].as_str()),
            reason: &rejected.reason,
            raw: &rejected.raw,
        };
        on_reject(&reject).map_err(Error::io)
    }
}

fn heap_bytes(columns: &[Option<ColumnScan>]) -> usize {
    size_of_columns(columns) + columns.iter().flatten().map(ColumnScan::heap_bytes).sum::<usize>()
}

fn size_of_columns(columns: &[Option<ColumnScan>]) -> usize {
    std::mem::size_of_val(columns)
}
