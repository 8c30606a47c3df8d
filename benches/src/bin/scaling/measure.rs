//! One run of a job and what it took, and the runs that count together.

use std::time::Instant;

use adaptive::AutoSize;
use chunked_loader::{BatchLimit, Loader, Observation, Scan, Sizing};
use monitor::Bytes;
use rustix::time::{ClockId, clock_gettime};

use crate::Failure;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// The exact types of all columns.
    Scan,
    /// Every batch of all columns, types scanned beforehand.
    Load,
}

impl Job {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Job::Scan => "scan",
            Job::Load => "load",
        }
    }

    /// What threads take at a time.
    pub(crate) fn pieces(self) -> &'static str {
        match self {
            Job::Scan => "ranges",
            Job::Load => "batches",
        }
    }
}

/// How the work is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    AsTheyAre,
    /// Each of a quarter of the size; blocks of the index stay as they are.
    Quarters,
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) wall_s: f64,
    /// Processor time of all threads.
    pub(crate) cpu_s: f64,
    /// Processor time of the calling thread.
    pub(crate) caller_s: f64,
    /// Ranges or batches.
    pub(crate) pieces: u64,
}

impl Run {
    fn workers_s(&self) -> f64 {
        self.cpu_s - self.caller_s
    }
}

/// Runs a job once.
///
/// # Errors
/// If the loader fails, or its answer is not that of `scan`.
pub(crate) fn run(
    job: Job,
    loader: &Loader,
    threads: usize,
    scan: &Scan,
    pieces: Pieces,
) -> Result<Run, Failure> {
    let loader = loader.clone().with_threads(threads);
    let began = Instant::now();
    let clocks = [ClockId::ProcessCPUTime, ClockId::ThreadCPUTime];
    let before = clocks.map(seconds);
    let (schema, rows, pieces) = match job {
        Job::Scan => {
            let range = match pieces {
                Pieces::AsTheyAre => Loader::RANGE_BYTES,
                Pieces::Quarters => Loader::RANGE_BYTES / 4,
            };
            let again = loader.with_range_bytes(range).scan()?;
            // One thread alone goes from front to back.
            let ranges = if threads == 1 { 1 } else { again.bytes().div_ceil(range) };
            (again.schema().clone(), again.rows(), ranges)
        }
        Job::Load => {
            let sizing: Box<dyn Sizing> = match pieces {
                Pieces::AsTheyAre => Box::new(AutoSize::new()),
                Pieces::Quarters => Box::new(Quarters(AutoSize::new())),
            };
            let all: Vec<usize> = (0..scan.columns().len()).collect();
            let mut batches = loader.batches(scan, &all, sizing);
            let (mut rows, mut pieces) = (0, 0);
            for batch in &mut batches {
                rows += batch?.num_rows() as u64;
                pieces += 1;
            }
            (batches.schema().clone(), rows, pieces)
        }
    };
    let wall_s = began.elapsed().as_secs_f64();
    let [cpu_s, caller_s] = [0, 1].map(|at| seconds(clocks[at]) - before[at]);
    if (&schema, rows) != (scan.schema(), scan.rows()) {
        return Err(Failure::Run(format!(
            "{} on {threads} threads gives {rows} rows of {schema:?}, expected {} of {:?}",
            job.name(),
            scan.rows(),
            scan.schema()
        )));
    }
    Ok(Run { wall_s, cpu_s, caller_s, pieces })
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Batches of a quarter of what another sizing says.
struct Quarters(AutoSize);

impl Sizing for Quarters {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        let limit = self.0.next(seen);
        BatchLimit { rows: (limit.rows / 4).max(1), bytes: Bytes(limit.bytes.get() / 4), ..limit }
    }
}

/// The runs of a job on one count of threads.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) threads: usize,
    pub(crate) runs: Vec<Run>,
    /// The same in small pieces, run for run; none on one thread, where nothing is serial.
    pub(crate) quarters: Vec<Run>,
}

impl Series {
    pub(crate) fn new(threads: usize) -> Series {
        Series { threads, runs: Vec::new(), quarters: Vec::new() }
    }

    /// The ways to run, and where their runs go.
    pub(crate) fn ways(&mut self) -> impl Iterator<Item = (Pieces, &mut Vec<Run>)> {
        let quarters = (self.threads > 1).then_some((Pieces::Quarters, &mut self.quarters));
        [(Pieces::AsTheyAre, &mut self.runs)].into_iter().chain(quarters)
    }

    /// The share of the calling thread in all processor time.
    pub(crate) fn caller_share(&self) -> f64 {
        median(&self.runs, |run| run.caller_s / run.cpu_s)
    }

    /// What all pieces cost the workers over all processor time, beside what is inside of them; `None` if pieces of a
    /// quarter do not cost more than the noise hides, or the caches gain by them.
    pub(crate) fn pieces_share(&self) -> Option<f64> {
        let pairs: Vec<(Run, Run)> = self.runs.iter().copied().zip(self.quarters.iter().copied()).collect();
        if pairs.is_empty() || pairs.iter().any(|(run, quarters)| quarters.pieces <= run.pieces) {
            return None;
        }
        let share = median(&pairs, |(run, quarters)| {
            let more = (quarters.pieces - run.pieces) as f64;
            (quarters.workers_s() - run.workers_s()) / more * run.pieces as f64 / run.cpu_s
        });
        (share > 0.0).then_some(share)
    }
}

/// The median of what `figure` says of each run; of an even number, the upper of the two in the middle.
pub(crate) fn median<T>(runs: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(cpu_s: f64, caller_s: f64, pieces: u64) -> Run {
        Run { wall_s: cpu_s, cpu_s, caller_s, pieces }
    }

    #[test]
    fn shares_are_of_all_processor_time() {
        let mut series = Series::new(2);
        series.runs = vec![ran(10.0, 0.5, 100); 3];
        // 300 pieces more take the workers 0.6 s more, so 100 pieces take 0.2 s of 10.
        series.quarters = vec![ran(11.6, 1.5, 400); 3];
        assert_eq!(series.caller_share(), 0.05);
        assert!((series.pieces_share().unwrap() - 0.02).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_seen_is_no_share_of_nothing() {
        let mut series = Series::new(2);
        assert_eq!(series.pieces_share(), None);
        series.runs = vec![ran(10.0, 0.5, 100)];
        series.quarters = vec![ran(9.0, 0.5, 400)];
        assert_eq!(series.pieces_share(), None, "small pieces cost less");
        series.quarters = vec![ran(11.0, 0.5, 100)];
        assert_eq!(series.pieces_share(), None, "there are no more of them");
    }

    #[test]
    fn one_thread_runs_as_it_is() {
        assert_eq!(Series::new(1).ways().count(), 1);
        assert_eq!(Series::new(2).ways().map(|(pieces, _)| pieces).last(), Some(Pieces::Quarters));
    }

    #[test]
    fn medians_do_not_mind_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0], |figure| *figure), 2.0);
    }
}
