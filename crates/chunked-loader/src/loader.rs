//! The pull side: a builder, the scan, and an iterator of batches over the push decoder.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use monitor::{Bytes, Monitor, Reservation};

use crate::batch::Batch;
use crate::column_scan::TypeHint;
use crate::decoder::Decoder;
use crate::dialect::Dialect;
use crate::downcast::Downcast;
use crate::error::{Error, ErrorKind};
use crate::record_reader::RecordReader;
use crate::rejects::{OnBadRecord, Reject};
use crate::scan::{Scan, Scanner};
use crate::sizing::Sizing;
use crate::source::{Fingerprint, OpenFile, Source};

/// How far a pass has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input read in this pass.
    pub bytes: u64,
    /// Bytes of the whole input.
    pub total_bytes: u64,
}

type OnProgress = Arc<dyn Fn(Progress) -> ControlFlow<()> + Send + Sync>;

/// Reads CSV in two steps: [`scan`](Loader::scan) finds the exact types of the whole input,
/// [`batches`](Loader::batches) gives its rows in narrow columns.
///
/// ```
/// use chunked_loader::{FixedRows, Loader, Source};
///
/// let csv = "id,zip\n1,00501\n200,NA\n";
/// let source = Source::spool("orders", csv.as_bytes(), &std::env::temp_dir(), &mut || false)?;
/// let loader = Loader::new(source);
/// let scan = loader.scan()?;
/// let rows: usize = loader
///     .batches(&scan, &[0, 1], Box::new(FixedRows(1)))
///     .map(|batch| batch.map(|b| b.num_rows()))
///     .sum::<Result<usize, _>>()?;
/// assert_eq!(rows, 2);
/// assert_eq!(scan.schema().field(0).data_type().to_string(), "UInt8");
/// # Ok::<(), chunked_loader::Error>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    source: Source,
    dialect: Dialect,
    hints: Vec<(String, TypeHint)>,
    downcast: Downcast,
    on_bad_record: OnBadRecord,
    block_bytes: usize,
    max_record_bytes: usize,
    in_flight: usize,
    monitor: Monitor,
    on_progress: Option<OnProgress>,
}

impl Loader {
    /// A loader with the default dialect and an unbounded budget.
    pub fn new(source: Source) -> Self {
        Loader {
            source,
            dialect: Dialect::default(),
            hints: Vec::new(),
            downcast: Downcast::default(),
            on_bad_record: OnBadRecord::default(),
            block_bytes: 256 << 10,
            max_record_bytes: 16 << 20,
            in_flight: 1,
            monitor: Monitor::unbounded(),
            on_progress: None,
        }
    }

    /// Sets how records are written.
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Demands something of columns by name; the last hint for a name holds.
    pub fn with_type_hints(mut self, hints: impl IntoIterator<Item = (String, TypeHint)>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// Sets how narrow the columns are made.
    pub fn with_downcast(mut self, downcast: Downcast) -> Self {
        self.downcast = downcast;
        self
    }

    /// Sets what a malformed record gets.
    pub fn with_on_bad_record(mut self, on_bad_record: OnBadRecord) -> Self {
        self.on_bad_record = on_bad_record;
        self
    }

    /// Sets how many bytes are read at a time; at least 1. It never changes what comes out.
    pub fn with_block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = bytes.max(1);
        self
    }

    /// Sets how long a record may be, behind which an unclosed quote is supposed. Default 16 MiB.
    pub fn with_max_record_bytes(mut self, bytes: usize) -> Self {
        self.max_record_bytes = bytes;
        self
    }

    /// Says how many batches the caller keeps alive at a time, which a [`Sizing`] takes into account.
    pub fn with_batches_in_flight(mut self, batches: usize) -> Self {
        self.in_flight = batches.max(1);
        self
    }

    /// Sets the monitor whose budget blocks, scans and batches are reserved from.
    pub fn with_monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Calls `on_progress` after each block; [`ControlFlow::Break`] ends the pass with [`ErrorKind::Cancelled`].
    pub fn with_progress(
        mut self,
        on_progress: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.on_progress = Some(Arc::new(on_progress));
        self
    }

    /// The input.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Reads the whole input and finds the exact type of every column.
    ///
    /// # Errors
    /// See [`ErrorKind`]; malformed records only if bad records fail.
    pub fn scan(&self) -> Result<Scan, Error> {
        self.scan_with(&mut |_| Ok(()))
    }

    /// As [`scan`](Self::scan), and hands each rejected record to `on_reject`.
    ///
    /// # Errors
    /// As [`scan`](Self::scan); an error of `on_reject` is passed on as [`ErrorKind::Io`].
    pub fn scan_with(
        &self,
        on_reject: &mut dyn FnMut(&Reject<'_>) -> std::io::Result<()>,
    ) -> Result<Scan, Error> {
        self.dialect.validate()?;
        let dialect = self.settled_dialect()?;
        let names = self.source.names();
        let mut scanner = Scanner::new(&dialect, &self.hints, &names, self.on_bad_record, on_reject);
        let prints = self.scan_pass(&dialect, &mut scanner)?;
        if let Some(first) = scanner.begin_again_for_late_texts() {
            if self.scan_pass(&dialect, &mut scanner)? != prints {
                return Err(Error::new(ErrorKind::Changed));
            }
            scanner.merge_late_texts(first);
        }
        let first_file = names.first().cloned().unwrap_or_else(|| "".into());
        let mut scan = scanner
            .finish(&dialect, self.downcast, self.source.bytes())
            .map_err(|e| e.in_file(&first_file))?;
        scan.prints = prints;
        Ok(scan)
    }

    fn settled_dialect(&self) -> Result<Dialect, Error> {
        let Some(first) = self.source.files.first() else { return Err(Error::new(ErrorKind::Empty)) };
        let open = first.open()?;
        let dialect = self.dialect.settled(&open.head, open.is_whole());
        dialect.validate()?;
        Ok(dialect)
    }

    fn scan_pass(&self, dialect: &Dialect, scanner: &mut Scanner<'_>) -> Result<Vec<Fingerprint>, Error> {
        let mut held = self.monitor.budget().consumer("scan").try_reserve(Bytes::ZERO)?;
        let mut prints = Vec::new();
        let mut fields = None;
        let mut blocks = Blocks::new(self)?;
        for (index, file) in self.source.files.iter().enumerate() {
            let mut open = file.open()?;
            scanner.file = index;
            let mut records = RecordReader::new(dialect, self.max_record_bytes);
            records.skip_bytes(open.mark);
            if !dialect.header {
                records.expect_fields(fields);
            }
            let mut pass = || -> Result<(), Error> {
                for piece in open.head.chunks(self.block_bytes) {
                    records.push(piece, scanner)?;
                }
                blocks.count(open.head.len() + open.mark as usize)?;
                while let n @ 1.. = blocks.read(&mut open.file)? {
                    records.push(&blocks.block[..n], scanner)?;
                    held.try_resize(Bytes::from(scanner.heap_bytes() + records.heap_bytes()))?;
                }
                records.finish(scanner)
            };
            pass().map_err(|e| e.in_file(&file.name))?;
            fields = records.expected_fields();
            prints.push(open.fingerprint);
        }
        Ok(prints)
    }

    /// The rows of a scanned input, in file order, as batches of the columns `projection`.
    ///
    /// # Panics
    /// If `projection` names a column that the scan does not have.
    pub fn batches(&self, scan: &Scan, projection: &[usize], sizing: Box<dyn Sizing>) -> Batches {
        let scan = Arc::new(scan.clone());
        let decoder = Decoder::new(
            Arc::clone(&scan),
            projection,
            sizing,
            self.monitor.budget(),
            self.in_flight,
            self.on_bad_record,
            self.max_record_bytes,
        );
        Batches {
            loader: self.clone(),
            scan,
            decoder,
            blocks: None,
            open: None,
            next_file: 0,
            is_done: false,
        }
    }
}

/// The buffer that blocks are read into, and how far the pass has come.
struct Blocks {
    block: Vec<u8>,
    progress: Progress,
    on_progress: Option<OnProgress>,
    held: Reservation,
}

impl Blocks {
    fn new(loader: &Loader) -> Result<Blocks, Error> {
        let held = loader.monitor.budget().consumer("block").try_reserve(Bytes::from(loader.block_bytes))?;
        Ok(Blocks {
            block: vec![0; loader.block_bytes],
            progress: Progress { bytes: 0, total_bytes: loader.source.bytes() },
            on_progress: loader.on_progress.clone(),
            held,
        })
    }

    /// Fills the block; 0 at the end of the file.
    fn read(&mut self, file: &mut File) -> Result<usize, Error> {
        loop {
            match file.read(&mut self.block) {
                Ok(n) => {
                    self.count(n)?;
                    return Ok(n);
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(e)),
            }
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Error> {
        self.progress.bytes += bytes as u64;
        match self.on_progress.as_ref().map(|call| call(self.progress)) {
            Some(ControlFlow::Break(())) => Err(Error::new(ErrorKind::Cancelled)),
            _ => Ok(()),
        }
    }
}

/// An iterator over the batches of an input. After an error it is at its end.
pub struct Batches {
    loader: Loader,
    scan: Arc<Scan>,
    decoder: Decoder,
    blocks: Option<Blocks>,
    open: Option<Reading>,
    next_file: usize,
    is_done: bool,
}

/// A file in the middle of being read.
struct Reading {
    file: OpenFile,
    /// Bytes of `head`, or of the block, that are not decoded yet.
    pending: std::ops::Range<usize>,
    in_head: bool,
}

impl Batches {
    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        self.decoder.schema()
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            if self.decoder.is_full() {
                return self.decoder.flush();
            }
            if self.open.is_none() && !self.open_next()? {
                return self.decoder.flush();
            }
            let name = Arc::clone(&self.loader.source.files[self.next_file - 1].name);
            self.step().map_err(|e| e.in_file(&name))?;
        }
    }

    /// Opens the next file; `false` if there is none.
    fn open_next(&mut self) -> Result<bool, Error> {
        let Some(source) = self.loader.source.files.get(self.next_file) else { return Ok(false) };
        let file = source.open()?;
        if self.scan.prints.get(self.next_file) != Some(&file.fingerprint) {
            return Err(Error::new(ErrorKind::Changed).in_file(&source.name));
        }
        self.decoder.begin_file(self.next_file, file.mark);
        if self.blocks.is_none() {
            self.blocks = Some(Blocks::new(&self.loader)?);
        }
        let pending = 0..file.head.len();
        self.open = Some(Reading { file, pending, in_head: true });
        self.next_file += 1;
        Ok(true)
    }

    /// Decodes what is pending, or reads the next block.
    fn step(&mut self) -> Result<(), Error> {
        let (Some(reading), Some(blocks)) = (&mut self.open, &mut self.blocks) else { return Ok(()) };
        if !reading.pending.is_empty() {
            let bytes = if reading.in_head { &reading.file.head } else { &blocks.block };
            let end = reading.pending.end.min(reading.pending.start + self.loader.block_bytes);
            reading.pending.start += self.decoder.decode(&bytes[reading.pending.start..end])?;
            let carried = self.decoder.heap_bytes();
            blocks.held.try_resize(Bytes::from(blocks.block.capacity() + carried))?;
            return Ok(());
        }
        if reading.in_head {
            blocks.count(reading.file.head.len() + reading.file.mark as usize)?;
            reading.in_head = false;
            reading.file.head = Vec::new();
        }
        let n = blocks.read(&mut reading.file.file)?;
        reading.pending = 0..n;
        if n == 0 {
            self.decoder.finish_file()?;
            let is_unchanged =
                Fingerprint::of(&reading.file.file).map_err(Error::io)? == reading.file.fingerprint;
            self.open = None;
            if !is_unchanged {
                return Err(Error::new(ErrorKind::Changed));
            }
        }
        Ok(())
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_batch().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}
