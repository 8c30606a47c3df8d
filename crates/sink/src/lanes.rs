//! Columns on their way to the file: each has a lane of its own, in which its rows are encoded in order while other
//! lanes are ahead or behind.
//!
//! ```text
//!   rows ──► lane of column 0 ──►┐
//!       ├──► lane of column 1 ──►┼──► row group, when the last lane has ended it ──► file
//!       └──► lane of column 2 ──►┘
//! ```
//!
//! Nothing waits for the slowest column but the row group itself, and no encoder for the disk: a thread of its own writes.
//! What is on the way is bounded in [`Traffic`] by whoever brings the rows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::ArrayRef;

use crate::column_chunk::{ChunkOptions, EncodedChunk, Scratch};
use crate::column_encoder::ColumnEncoder;
use crate::error::Error;
use crate::helpers::Helpers;
use crate::lane_threads::LaneThreads;
use crate::output::Progress;
use crate::parquet_file::{ParquetFile, given_up};
use crate::row_group_writer::RowGroupWriter;
use crate::row_groups::Piece;
use crate::traffic::{OnTheWay, Traffic};

/// What a lane has to do next.
pub(crate) enum Job {
    /// Begin a row group.
    Begin(Arc<ChunkOptions>),
    /// Take rows of it.
    Rows { column: ArrayRef, from: usize, pieces: Arc<[Piece]>, on_the_way: Arc<OnTheWay> },
    /// Say what its blocks have come to.
    Measure(Arc<Held>),
    /// End it.
    End(Arc<RowGroup>),
}

/// The lanes of a file, the threads that work in them, and the file at their end.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    /// Without them, whoever brings a job does it.
    threads: Option<LaneThreads>,
}

struct Shared {
    lanes: Vec<Lane>,
    /// None before the first block and when all is over.
    file: Mutex<Option<ParquetFile>>,
    /// Where threads encode and the system has one more. There is one row group on the way, so that nobody waits for it.
    writer: Mutex<Option<RowGroupWriter>>,
    traffic: Arc<Traffic>,
    /// What threads work in, taken for a job and given back.
    scratches: Mutex<Vec<Scratch>>,
    progress: Progress,
}

struct Lane {
    waiting: Mutex<Waiting>,
    encoder: Mutex<ColumnEncoder>,
    /// Bytes of memory that the encoder takes.
    heap: AtomicUsize,
    /// Bytes that its blocks have come to.
    held: AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Whether a thread is in the lane: it goes on until there are no more jobs.
    is_busy: bool,
}

/// Bytes that the blocks of a row group have come to at one of its rows, known once all lanes are there.
pub(crate) struct Held {
    bytes: AtomicUsize,
    missing: AtomicUsize,
}

impl Held {
    /// `None`: not all lanes are there.
    pub(crate) fn bytes(&self) -> Option<usize> {
        (self.missing.load(Ordering::Acquire) == 0).then(|| self.bytes.load(Ordering::Relaxed))
    }
}

/// A row group that waits for the chunks of its columns.
pub(crate) struct RowGroup {
    chunks: Mutex<Vec<Option<EncodedChunk>>>,
    missing: AtomicUsize,
}

impl RowGroup {
    /// Takes a column's chunk; gives all back when it was the last.
    fn put(&self, column: usize, chunk: EncodedChunk) -> Option<Vec<EncodedChunk>> {
        let mut chunks = lock(&self.chunks);
        chunks[column] = Some(chunk);
        let is_last = self.missing.fetch_sub(1, Ordering::Relaxed) == 1;
        is_last.then(|| chunks.drain(..).flatten().collect())
    }
}

impl Lanes {
    /// `scratches`: one for each thread. With a single one, whoever brings a job does it.
    pub(crate) fn new(
        columns: usize,
        scratches: Vec<Scratch>,
        helpers: &Helpers,
        progress: Progress,
    ) -> Self {
        let lane = |_| Lane {
            waiting: Mutex::default(),
            encoder: Mutex::default(),
            heap: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        };
        let threads = scratches.len();
        let shared = Arc::new(Shared {
            lanes: (0..columns).map(lane).collect(),
            file: Mutex::new(None),
            writer: Mutex::new(None),
            traffic: Arc::default(),
            scratches: Mutex::new(scratches),
            progress,
        });
        let encoding = Arc::clone(&shared);
        let start = || LaneThreads::start(threads, helpers, move |column| encoding.clear(column));
        let threads = if threads > 1 { start() } else { None };
        if threads.is_some() {
            let writing = Arc::clone(&shared);
            *lock(&shared.writer) = RowGroupWriter::start(move |chunks| writing.write_here(chunks));
        }
        Self { shared, threads }
    }

    /// Where row groups go from now on.
    pub(crate) fn set_file(&self, file: ParquetFile) {
        *lock(&self.shared.file) = Some(file);
    }

    /// The file, if there is one; no row group can be written any more.
    pub(crate) fn take_file(&self) -> Option<ParquetFile> {
        lock(&self.shared.file).take()
    }

    /// Bytes of memory that the columns' encoders take.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.shared.lanes.iter().map(|lane| lane.heap.load(Ordering::Relaxed)).sum()
    }

    /// Bytes that the blocks of the row group in progress have come to, where the lanes are now. When nothing is on the way,
    /// they are the same for the same rows.
    pub(crate) fn held_bytes(&self) -> usize {
        self.shared.lanes.iter().map(|lane| lane.held.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.shared.traffic
    }

    /// A row group on the way, to be ended in every lane.
    pub(crate) fn row_group(&self) -> Arc<RowGroup> {
        let columns = self.shared.lanes.len();
        self.shared.traffic.begin_row_group();
        let chunks = Mutex::new((0..columns).map(|_| None).collect());
        Arc::new(RowGroup { chunks, missing: AtomicUsize::new(columns) })
    }

    /// Asks all lanes what the blocks of the row group in progress come to at the row that they are brought next: the same
    /// for the same rows.
    pub(crate) fn measure(&self) -> Arc<Held> {
        let columns = self.shared.lanes.len();
        let held = Arc::new(Held { bytes: AtomicUsize::new(0), missing: AtomicUsize::new(columns) });
        self.push(|_| Job::Measure(Arc::clone(&held)));
        held
    }

    /// Puts a job at the end of each lane.
    pub(crate) fn push(&self, job: impl Fn(usize) -> Job) {
        let columns = 0..self.shared.lanes.len();
        let Some(threads) = &self.threads else {
            return columns.for_each(|column| self.shared.run(column, job(column)));
        };
        let is_left = |column: &usize| {
            let mut waiting = lock(&self.shared.lanes[*column].waiting);
            waiting.jobs.push_back(job(*column));
            !std::mem::replace(&mut waiting.is_busy, true)
        };
        let left: Vec<usize> = columns.filter(is_left).collect();
        self.shared.traffic.expect(left.len());
        threads.add(left);
    }

    /// Looks at each column's encoder. To be called when nothing is on the way.
    pub(crate) fn map_encoders<T>(&self, look: impl Fn(usize, &ColumnEncoder) -> T) -> Vec<T> {
        let lanes = self.shared.lanes.iter().enumerate();
        lanes.map(|(column, lane)| look(column, &lock(&lane.encoder))).collect()
    }
}

impl Drop for Lanes {
    /// Waits for the threads, so that the file, which may have to be removed, is nobody else's any more.
    fn drop(&mut self) {
        // Threads are still to be in those lanes, to find that there is nothing to do.
        self.threads.iter().for_each(LaneThreads::hurry);
        self.shared.traffic.stop();
        let writer = lock(&self.shared.writer).take();
        writer.into_iter().for_each(RowGroupWriter::end);
        drop(self.take_file());
    }
}

impl Shared {
    /// Does the jobs of a lane until there are no more.
    fn clear(&self, column: usize) {
        let (lane, _busy) = (&self.lanes[column], self.traffic.busy());
        loop {
            let job = {
                let mut waiting = lock(&lane.waiting);
                let job = waiting.jobs.pop_front();
                waiting.is_busy = job.is_some();
                job
            };
            match job {
                Some(job) => self.run(column, job),
                None => return,
            }
        }
    }

    fn run(&self, column: usize, job: Job) {
        if self.traffic.has_failed() {
            return;
        }
        self.note(self.work(column, job));
    }

    fn note(&self, done: Result<(), Error>) {
        if let Err(error) = done {
            self.traffic.fail(error);
        }
    }

    fn work(&self, column: usize, job: Job) -> Result<(), Error> {
        let lane = &self.lanes[column];
        let mut encoder = lock(&lane.encoder);
        let (mut taken, mut ended) = (None, None);
        match job {
            Job::Begin(options) => encoder.begin(&options).map_err(|error| self.progress.encode(error))?,
            Job::Rows { column, from, pieces, on_the_way } => {
                self.with_scratch(|scratch| encoder.push(&column, from, &pieces, scratch))?;
                taken = Some((column, on_the_way));
            }
            Job::Measure(held) => {
                held.bytes.fetch_add(encoder.held_bytes(), Ordering::Relaxed);
                if held.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.traffic.look_again();
                }
            }
            Job::End(row_group) => {
                let chunk = self.with_scratch(|scratch| encoder.end(scratch))?;
                ended = row_group.put(column, chunk);
            }
        }
        lane.held.store(encoder.held_bytes(), Ordering::Relaxed);
        lane.heap.store(encoder.heap_bytes(), Ordering::Relaxed);
        drop(encoder);
        // Whoever waits for the rows looks at what they have come to.
        drop(taken);
        ended.into_iter().for_each(|chunks| self.write(chunks));
        Ok(())
    }

    /// Has a row group written.
    fn write(&self, chunks: Vec<EncodedChunk>) {
        self.traffic.expect(1);
        let left = match &*lock(&self.writer) {
            Some(writer) => writer.write(chunks).err(),
            None => Some(chunks),
        };
        left.into_iter().for_each(|chunks| self.write_here(chunks));
    }

    /// Writes a row group in this thread, which was expected.
    fn write_here(&self, chunks: Vec<EncodedChunk>) {
        let _busy = self.traffic.busy();
        if !self.traffic.has_failed() {
            self.note(self.append(chunks));
        }
    }

    /// Does `work` in the memory of a thread. After an error it is not given back: a page may be half made.
    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> Result<T, Error>) -> Result<T, Error> {
        // One is missing only after an error, when nothing is of use any more.
        let mut scratch = lock(&self.scratches).pop().ok_or_else(|| self.progress.encode(given_up()))?;
        let done = work(&mut scratch)?;
        lock(&self.scratches).push(scratch);
        Ok(done)
    }

    /// Writes a row group. The other lanes go on meanwhile: only this looks at the file.
    fn append(&self, chunks: Vec<EncodedChunk>) -> Result<(), Error> {
        if let Some(file) = lock(&self.file).as_mut() {
            file.append(chunks)?;
        }
        self.traffic.end_row_group();
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
