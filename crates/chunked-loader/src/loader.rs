//! The pull side: a builder, the scan, and the batches of its rows.

use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex};

use monitor::Monitor;

use crate::batch_builder::BatchPlan;
#[cfg(feature = "stream")]
use crate::batches::in_flight_ahead;
use crate::batches::{Batches, in_flight, lines};
use crate::column_scan::TypeHint;
use crate::columnar;
use crate::delivery::Sizes;
use crate::dialect::Dialect;
use crate::downcast::Downcast;
use crate::error::{Error, ErrorKind};
use crate::index::IndexKernel;
use crate::presumed::{Options as PresumedOptions, PresumedBatches, Presumption};
use crate::progress::{Meter, OnProgress, Progress, RowMeter};
use crate::rejects::{OnBadRecord, Reject};
use crate::row_reader::Reading;
use crate::scan::{RANGE, Request, Scan};
use crate::side_work::SideWork;
use crate::sizing::Sizing;
use crate::source::{Encoding, Format, Source, SourceFile};
use crate::spares::Spares;
#[cfg(feature = "stream")]
use crate::stream::BatchStream;
use crate::unscanned::{Options, UnscannedBatches};
use crate::walker::{Gait, SUB_BLOCK};

/// The longest that a record may ever be: places in it are 32 bits wide, with room to look beyond its end.
pub const MAX_RECORD_BYTES: usize = 512 << 20;

/// More threads than any input keeps at work: each has buffers of its own.
const MOST_THREADS: usize = 256;

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
    encoding: Encoding,
    kernel: IndexKernel,
    only_states: bool,
    threads: usize,
    batches_kept: usize,
    rows: Range<u64>,
    block_bytes: Option<usize>,
    range_bytes: Option<u64>,
    max_record_bytes: usize,
    monitor: Monitor,
    on_progress: Option<OnProgress>,
    side_work: Option<Arc<dyn SideWork>>,
}

impl Loader {
    /// Bytes of the input that a thread of a scan claims at a time.
    pub const RANGE_BYTES: u64 = RANGE;

    /// A loader with the default dialect and an unbounded budget.
    pub fn new(source: Source) -> Self {
        Loader {
            source,
            dialect: Dialect::default(),
            hints: Vec::new(),
            downcast: Downcast::default(),
            on_bad_record: OnBadRecord::default(),
            encoding: Encoding::Auto,
            kernel: IndexKernel::best(),
            only_states: false,
            threads: 1,
            batches_kept: 1,
            rows: 0..u64::MAX,
            block_bytes: None,
            range_bytes: None,
            max_record_bytes: 16 << 20,
            monitor: Monitor::unbounded(),
            on_progress: None,
            side_work: None,
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

    /// Sets how the text is encoded. By default a mark at its start decides; without one it is UTF-8 if all of it
    /// is valid, else Windows-1252.
    pub fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Has the threads that make batches take part in `work`; those of text input, where there are several.
    pub fn with_side_work(mut self, work: Arc<dyn SideWork>) -> Self {
        self.side_work = Some(work);
        self
    }

    /// Sets how many threads scan and make batches, 256 at the most. Default 1: the caller's own. It never changes what
    /// comes out.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.clamp(1, MOST_THREADS);
        self
    }

    /// Gives only the rows of this range, counted from 0 over the whole input; types are those of the whole input
    /// all the same. Where the input can be read at any place, little before the range is read.
    pub fn with_rows(mut self, rows: Range<u64>) -> Self {
        self.rows = rows;
        self
    }

    /// Sets how many bytes are indexed at a time; at least 1. It never changes what comes out, and is for tests.
    pub fn with_block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = Some(bytes.max(1));
        self
    }

    /// Sets how many bytes a thread of a scan claims at a time; at least 1. Default [`RANGE_BYTES`](Self::RANGE_BYTES),
    /// or a block's bytes if those are set. It never changes what comes out, and is for tests and benches.
    pub fn with_range_bytes(mut self, bytes: u64) -> Self {
        self.range_bytes = Some(bytes.max(1));
        self
    }

    /// Sets the kernel of the index. It never changes what comes out, and is for tests and benches.
    ///
    /// # Panics
    /// If this processor does not have what the kernel needs.
    pub fn with_index_kernel(mut self, kernel: IndexKernel) -> Self {
        assert!(kernel.is_available(), "{kernel} needs another processor");
        self.kernel = kernel;
        self
    }

    /// Leaves all to the state machine that defines what records are, and to fields one by one. It never changes
    /// what comes out: it is the slow twin that tests hold the fast way against.
    pub fn without_index(mut self) -> Self {
        self.only_states = true;
        self
    }

    /// Sets how long a record may be, behind which an unclosed quote is supposed. Default 16 MiB, and never more
    /// than [`MAX_RECORD_BYTES`].
    pub fn with_max_record_bytes(mut self, bytes: usize) -> Self {
        self.max_record_bytes = bytes.min(MAX_RECORD_BYTES);
        self
    }

    /// Says how many batches the caller keeps alive at a time, which a [`Sizing`] takes into account. Default 1.
    pub fn with_batches_kept(mut self, batches: usize) -> Self {
        self.batches_kept = batches.max(1);
        self
    }

    /// Sets the monitor whose budget blocks, scans and batches are reserved from.
    pub fn with_monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Calls `on_progress` every now and then; [`ControlFlow::Break`] ends the pass with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
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
    /// See [`ErrorKind`](crate::ErrorKind); malformed records only if bad records fail.
    pub fn scan(&self) -> Result<Scan, Error> {
        self.scan_with(&mut |_| Ok(()))
    }

    /// As [`scan`](Self::scan), and hands each rejected record to `on_reject`.
    ///
    /// # Errors
    /// As [`scan`](Self::scan); an error of `on_reject` is passed on as [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn scan_with(
        &self,
        on_reject: &mut dyn FnMut(&Reject<'_>) -> std::io::Result<()>,
    ) -> Result<Scan, Error> {
        let request = self.request();
        if self.is_columnar()? { columnar::scan(&request) } else { request.scan(on_reject) }
    }

    /// Whether the input is Parquet or Arrow IPC. The first file decides what the others have to be.
    fn is_columnar(&self) -> Result<bool, Error> {
        let first = self.source.files.first().map_or(Ok(Format::Csv), SourceFile::format)?;
        Ok(first != Format::Csv)
    }

    fn request(&self) -> Request<'_> {
        Request {
            files: &self.source.files,
            bytes: self.source.bytes(),
            encoding: self.encoding,
            gait: self.gait(&self.dialect),
            hints: &self.hints,
            downcast: self.downcast,
            on_bad_record: self.on_bad_record,
            threads: self.threads,
            // In tests, ranges are cut as small as blocks are.
            range: self.range_bytes.or(self.block_bytes.map(|bytes| bytes as u64)).unwrap_or(RANGE),
            budget: self.monitor.budget(),
            on_progress: self.on_progress.clone(),
        }
    }

    fn gait(&self, dialect: &Dialect) -> Gait {
        Gait {
            dialect: dialect.clone(),
            kernel: self.kernel,
            max_record_bytes: self.max_record_bytes,
            sub_block: self.block_bytes.unwrap_or(SUB_BLOCK),
            only_states: self.only_states,
        }
    }

    /// The rows of a scanned input, in file order, as batches of the columns `projection`.
    ///
    /// # Panics
    /// If `projection` names a column that the scan does not have.
    pub fn batches(&self, scan: &Scan, projection: &[usize], sizing: Box<dyn Sizing>) -> Batches {
        let (reading, sizes, meter) = self.prepare(scan, projection, sizing, in_flight(self.threads));
        Batches::new(reading, sizes, self.threads, meter)
    }

    /// Presumes the types of the whole input from pieces of it, so that one pass can do what else a scan and a pass do.
    /// `None` where a scan is the better way: the input is small, can only be read from front to back, or has types; bad
    /// records are skipped; there is one thread; or the pieces say too little.
    ///
    /// ```
    /// use std::io::Write;
    /// use chunked_loader::{FixedRows, Loader, Source};
    ///
    /// let path = std::env::temp_dir().join(format!("presume-{}.csv", std::process::id()));
    /// let rows: String = (0..10_000).map(|n| format!("{n},{}\n", n % 7)).collect();
    /// std::fs::write(&path, format!("id,day\n{rows}"))?;
    /// let loader = Loader::new(Source::open(&[path.clone()], &std::env::temp_dir())?)
    ///     .with_threads(2)
    ///     .with_range_bytes(4096);
    /// let presumption = loader.presume()?.expect("a file that two threads can read");
    /// let mut batches = loader.batches_presumed(presumption, Box::new(FixedRows(1000)))?;
    /// let rows: usize = batches.by_ref().map(|b| b.map(|b| b.num_rows())).sum::<Result<_, _>>()?;
    /// let scan = batches.finish()?;
    /// assert_eq!((rows as u64, scan.rows()), (10_000, 10_000));
    /// assert_eq!(scan.schema(), loader.scan()?.schema());
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`batches_unscanned`](Self::batches_unscanned).
    pub fn presume(&self) -> Result<Option<Presumption>, Error> {
        if self.rows != (0..u64::MAX) || self.is_columnar()? {
            return Ok(None);
        }
        Presumption::new(&self.request(), self.range_bytes)
    }

    /// All rows and columns of an input whose types are presumed, in file order. What may come of it, and what it
    /// proves at the end, [`PresumedBatches`] says. Rows by the batch are a limit, not a promise.
    ///
    /// # Errors
    /// If the budget has no room for the bookkeeping.
    pub fn batches_presumed(
        &self,
        presumption: Presumption,
        sizing: Box<dyn Sizing>,
    ) -> Result<PresumedBatches, Error> {
        let in_flight = in_flight(self.threads) + self.batches_kept - 1;
        let spares = Arc::new(Spares::new(in_flight));
        self.monitor.register_giver("spare batches", &spares);
        let options = PresumedOptions {
            gait: self.gait(presumption.scan().dialect()),
            sizing,
            budget: self.monitor.budget().clone(),
            spares,
            in_flight,
            lines: lines(self.threads),
            threads: self.threads,
            side_work: self.side_work.clone(),
            names: self.source.names(),
            meter: Meter::new(self.source.bytes(), self.on_progress.clone()),
        };
        PresumedBatches::new(presumption, options)
    }

    /// The rows in file order without a scan before: one pass, in which each batch has the narrowest types of its own
    /// values. `projection` names the columns that are wanted; `None`: all.
    ///
    /// ```
    /// use chunked_loader::{FixedRows, Kind, Loader, Source};
    ///
    /// let csv = "id,size\n1,2\n2,300\n3,4.5\n4,5\n5,large\n6,6\n";
    /// let loader = Loader::new(Source::spool("sizes", csv.as_bytes(), &std::env::temp_dir(), &mut || false)?);
    /// let mut batches = loader.batches_unscanned(None, Box::new(FixedRows(2)))?;
    /// let mut types = Vec::new();
    /// for batch in &mut batches {
    ///     types.push(batch?.columns().schema().field(1).data_type().to_string());
    /// }
    /// // What was contradicted once has the joined kind from then on.
    /// assert_eq!(types, ["Int16", "Float32", "Utf8"]);
    ///
    /// let size = &batches.columns()[1];
    /// assert_eq!(size.kind, Kind::Text);
    /// let kinds: Vec<_> = size.promotions.iter().map(|p| (p.from, p.to, p.first_row)).collect();
    /// assert_eq!(kinds, [(Kind::Int, Kind::Float, 2), (Kind::Float, Kind::Text, 4)]);
    /// let witness = size.promotions[1].witness.as_ref().unwrap();
    /// assert_eq!((witness.excerpt.as_str(), witness.position.line), ("large", 6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the beginning of a file cannot be read, its dialect or its header make no sense, or the budget has no room
    /// for a window; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Panics
    /// In `next`, if `projection` names a column that the input does not have.
    pub fn batches_unscanned(
        &self,
        projection: Option<&[usize]>,
        sizing: Box<dyn Sizing>,
    ) -> Result<UnscannedBatches, Error> {
        if self.is_columnar()? {
            let message = "a file of columns has types of its own; scan it first, which reads no text";
            return Err(Error::new(ErrorKind::Option(message.to_owned())));
        }
        let (opened, plan) = self.request().open()?;
        let options = Options {
            projection: projection.map(<[usize]>::to_vec),
            downcast: self.downcast,
            gait: self.gait(&opened.dialect),
            sizing,
            budget: self.monitor.budget().clone(),
            rows: self.rows.clone(),
            batches_kept: self.batches_kept,
            is_ahead: self.threads > 1,
        };
        let meter = Meter::new(self.source.bytes(), self.on_progress.clone());
        UnscannedBatches::new(plan, self.source.files.clone(), opened, options, meter)
    }

    /// The same rows as a stream, for asynchronous programs. Threads of the loader's own make the batches, at least one
    /// of them, and only when the stream is polled for the first time.
    ///
    /// # Panics
    /// If `projection` names a column that the scan does not have.
    #[cfg(feature = "stream")]
    pub fn batch_stream(&self, scan: &Scan, projection: &[usize], sizing: Box<dyn Sizing>) -> BatchStream {
        let (reading, sizes, meter) = self.prepare(scan, projection, sizing, in_flight_ahead(self.threads));
        BatchStream::new(reading, sizes, self.threads, meter)
    }

    /// What a pass over the rows needs, where `made` batches are alive at a time beside those that the caller keeps.
    fn prepare(
        &self,
        scan: &Scan,
        projection: &[usize],
        sizing: Box<dyn Sizing>,
        made: usize,
    ) -> (Reading, Sizes, RowMeter) {
        let meter = Meter::new(scan.bytes, self.on_progress.clone());
        let scan = Arc::new(scan.clone());
        let gait = self.gait(&scan.dialect);
        let plan = Arc::new(BatchPlan::new(scan, projection, self.on_bad_record));
        let budget = self.monitor.budget();
        let in_flight = made + self.batches_kept - 1;
        let spares = Arc::new(Spares::new(in_flight));
        self.monitor.register_giver("spare batches", &spares);
        let sizes = Sizes::new(sizing, budget, &spares, in_flight, &plan, self.rows.clone());
        let reading = Reading {
            plan,
            files: self.source.files.clone(),
            gait,
            budget: budget.clone(),
            spares,
            dictionaries_held: Mutex::default(),
            threads: self.threads,
            side_work: self.side_work.clone(),
        };
        let meter = RowMeter::new(reading.plan.scan.rows, meter);
        (reading, sizes, meter)
    }
}
