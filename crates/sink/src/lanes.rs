//! Columns on their way to the file: each has a lane of its own, in which its rows are encoded in order while other
//! lanes are ahead or behind.
//!
//! ```text
//!   rows ──► lane of column 0 ──►┐
//!       ├──► lane of column 1 ──►┼──► row group, when the last lane has ended it ──► file
//!       └──► lane of column 2 ──►┘
//! ```
//!
//! Nothing waits for the slowest column but the row group itself. What is on the way is bounded in [`Traffic`] by whoever
//! brings the rows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use arrow::array::ArrayRef;
use monitor::Reservation;
use rayon::ThreadPool;

use crate::column_chunk::{ChunkOptions, EncodedChunk, Scratch};
use crate::column_encoder::ColumnEncoder;
use crate::error::Error;
use crate::output::Progress;
use crate::parquet_file::{ParquetFile, given_up};
use crate::row_groups::Piece;

/// What a lane has to do next.
pub(crate) enum Job {
    /// Begin a row group.
    Begin(Arc<ChunkOptions>),
    /// Take rows of it.
    Rows { column: ArrayRef, from: usize, pieces: Arc<[Piece]>, on_the_way: Arc<OnTheWay> },
    /// End it.
    End(Arc<RowGroup>),
}

/// The lanes of a file, the threads that work in them, and the file at their end.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    /// Without them, whoever brings a job does it.
    threads: Option<ThreadPool>,
}

struct Shared {
    lanes: Vec<Lane>,
    /// None before the first block and when all is over.
    file: Mutex<Option<ParquetFile>>,
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

/// How much is on the way, for those who wait for it to become less.
pub(crate) struct Traffic {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: u64,
    row_groups: usize,
    busy: usize,
    failure: Option<Error>,
    has_failed: bool,
}

/// Rows that not all lanes have taken yet.
pub(crate) struct OnTheWay {
    bytes: u64,
    traffic: Arc<Traffic>,
    _reservation: Option<Reservation>,
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        self.traffic.change(|state| state.bytes -= self.bytes);
        self.traffic.changed.notify_all();
    }
}

/// A thread that is in a lane.
struct Busy<'a>(&'a Traffic);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.busy -= 1;
            state.has_failed |= std::thread::panicking();
        });
        self.0.changed.notify_all();
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

impl Traffic {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
    }

    /// Waits until `is_enough` of bytes and row groups on the way.
    ///
    /// # Errors
    ///
    /// The first failure in any lane. Later calls fail without a cause.
    pub(crate) fn wait(
        &self,
        is_enough: impl Fn(u64, usize) -> bool,
        progress: &Progress,
    ) -> Result<(), Error> {
        let state = lock(&self.state);
        let mut state = self
            .changed
            .wait_while(state, |state| !state.has_failed && !is_enough(state.bytes, state.row_groups))
            .unwrap_or_else(PoisonError::into_inner);
        match (state.has_failed, state.failure.take()) {
            (false, _) => Ok(()),
            (true, Some(failure)) => Err(failure),
            (true, None) => Err(progress.encode(given_up())),
        }
    }

    fn has_failed(&self) -> bool {
        lock(&self.state).has_failed
    }
}

impl Lanes {
    /// `scratches`: one for each thread, or for whoever brings the jobs.
    pub(crate) fn new(
        columns: usize,
        threads: Option<ThreadPool>,
        scratches: Vec<Scratch>,
        progress: Progress,
    ) -> Self {
        let lane = |_| Lane {
            waiting: Mutex::default(),
            encoder: Mutex::default(),
            heap: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        };
        let shared = Shared {
            lanes: (0..columns).map(lane).collect(),
            file: Mutex::new(None),
            traffic: Arc::new(Traffic { state: Mutex::default(), changed: Condvar::new() }),
            scratches: Mutex::new(scratches),
            progress,
        };
        Self { shared: Arc::new(shared), threads }
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

    /// Bytes that the blocks of the row group in progress have come to. When nothing is on the way, they are the same for
    /// the same rows.
    pub(crate) fn held_bytes(&self) -> usize {
        self.shared.lanes.iter().map(|lane| lane.held.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.shared.traffic
    }

    /// Notes `bytes` of rows as on the way, until every copy of what is returned is dropped.
    pub(crate) fn enter(&self, bytes: u64, reservation: Option<Reservation>) -> Arc<OnTheWay> {
        self.shared.traffic.change(|state| state.bytes += bytes);
        Arc::new(OnTheWay { bytes, traffic: Arc::clone(&self.shared.traffic), _reservation: reservation })
    }

    /// A row group on the way, to be ended in every lane.
    pub(crate) fn row_group(&self) -> Arc<RowGroup> {
        let columns = self.shared.lanes.len();
        self.shared.traffic.change(|state| state.row_groups += 1);
        let chunks = Mutex::new((0..columns).map(|_| None).collect());
        Arc::new(RowGroup { chunks, missing: AtomicUsize::new(columns) })
    }

    /// Puts a job at the end of a lane.
    pub(crate) fn push(&self, column: usize, job: Job) {
        let Some(threads) = &self.threads else { return self.shared.run(column, job) };
        let mut waiting = lock(&self.shared.lanes[column].waiting);
        waiting.jobs.push_back(job);
        if !std::mem::replace(&mut waiting.is_busy, true) {
            self.shared.traffic.change(|state| state.busy += 1);
            let shared = Arc::clone(&self.shared);
            threads.spawn_fifo(move || shared.clear(column));
        }
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
        let traffic = &self.shared.traffic;
        traffic.change(|state| state.has_failed = true);
        let state = lock(&traffic.state);
        drop(traffic.changed.wait_while(state, |state| state.busy > 0));
        drop(self.take_file());
    }
}

impl Shared {
    /// Does the jobs of a lane until there are no more.
    fn clear(&self, column: usize) {
        let (lane, _busy) = (&self.lanes[column], Busy(&self.traffic));
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
        if let Err(error) = self.work(column, job) {
            self.traffic.change(|state| {
                state.has_failed = true;
                state.failure.get_or_insert(error);
            });
            self.traffic.changed.notify_all();
        }
    }

    fn work(&self, column: usize, job: Job) -> Result<(), Error> {
        let lane = &self.lanes[column];
        let mut encoder = lock(&lane.encoder);
        let mut ended = None;
        match job {
            Job::Begin(options) => encoder.begin(&options).map_err(|error| self.progress.encode(error))?,
            Job::Rows { column, from, pieces, on_the_way } => {
                self.with_scratch(|scratch| encoder.push(&column, from, &pieces, scratch))?;
                // Who waits for the rows may look at what they have come to.
                lane.held.store(encoder.held_bytes(), Ordering::Relaxed);
                lane.heap.store(encoder.heap_bytes(), Ordering::Relaxed);
                drop((column, on_the_way));
                return Ok(());
            }
            Job::End(row_group) => {
                let chunk = self.with_scratch(|scratch| encoder.end(scratch))?;
                ended = row_group.put(column, chunk);
            }
        }
        lane.held.store(encoder.held_bytes(), Ordering::Relaxed);
        lane.heap.store(encoder.heap_bytes(), Ordering::Relaxed);
        drop(encoder);
        match ended {
            Some(chunks) => self.append(chunks),
            None => Ok(()),
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
        self.traffic.change(|state| state.row_groups -= 1);
        self.traffic.changed.notify_all();
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
