//! What every command that reads rows has in common: a budget, an input, a scan, and batches.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::Instant;

use adaptive::Recorder;
use chunked_loader::{Downcast, FixedRows, Kind, Loader, OnBadRecord, Scan, TypeHint};
use incremental::{Column, ValueKind};
use monitor::{Budget, Bytes, Monitor, Reservation, Tag};
use sink::Helpers;

use crate::allocator;
use crate::args::{Input, OnBadRow, ProgressArg, Run};
use crate::batch_cache::BatchCache;
use crate::encoders::Encoders;
use crate::failure::Failure;
use crate::input;
use crate::interrupt::Interrupt;
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::rejects_file::RejectsFile;
use crate::settings::{self, MaxRejects, Settings};
use crate::written_files;

/// What the process takes beside what is reserved: code that is not paged in yet, thread stacks, and what the
/// allocator keeps for itself.
const PROCESS_SLACK: Bytes = Bytes::mib(12);

/// Decisions on sizes that a summary shows.
const SIZING_ENTRIES: usize = 256;

/// What is allocated is counted by these tags, where the allocator counts.
pub(crate) const LOADER: &str = "loader";
pub(crate) const STEPS: &str = "steps";

/// Files that a command reads and writes beside its input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beside<'a> {
    /// Where rows, or a pipeline, go. Rejects go beside it.
    pub(crate) output: Option<&'a Path>,
    /// Where a pipeline is saved as well.
    pub(crate) save: Option<&'a Path>,
    /// Where the rows of a test share go.
    pub(crate) test_output: Option<&'a Path>,
    /// The recipe or pipeline.
    pub(crate) read: Option<&'a Path>,
}

/// A command at work on an input.
pub(crate) struct Job {
    pub(crate) settings: Settings,
    pub(crate) monitor: Monitor,
    pub(crate) encoders: Encoders,
    pub(crate) interrupt: Interrupt,
    pub(crate) progress: Progress,
    pub(crate) metrics: Metrics,
    pub(crate) began: Instant,
    pub(crate) loader: Loader,
    rejects: Option<RejectsFile>,
    max_rejects: Option<MaxRejects>,
    pub(crate) sizing: Recorder,
    /// Whether passes behind the next one need all columns of the input, which are kept then if they fit.
    pub(crate) keeps_all: bool,
    /// All rows of the input, where an earlier pass has left them.
    pub(crate) cache: Option<BatchCache>,
    pub(crate) passes: usize,
    /// Holds the process's own share of the budget.
    _process: Reservation,
}

/// What a thread takes to be worth its while: a window, its index, two batches and what encodes them.
const THREAD_ROOM: Bytes = Bytes::mib(3);

/// So many of `threads` as there is room for, but two in any: more of them would take the room in which batches grow, and those
/// that come late what the first ones need.
fn threads_with_room(threads: usize, available: Bytes) -> usize {
    let with_room = usize::try_from(available.get() / THREAD_ROOM.get()).unwrap_or(usize::MAX);
    threads.min(with_room.max(2))
}

/// A process with a budget.
pub(crate) struct Watched {
    pub(crate) monitor: Monitor,
    progress: Progress,
    /// Holds the process's own share of the budget.
    process: Reservation,
}

/// Begins to watch a command that has no input.
pub(crate) fn watch(memory: Option<&str>, progress: ProgressArg) -> Result<Watched, Failure> {
    let limits = Monitor::unbounded().limits().unwrap_or_default();
    watch_within(settings::memory(memory, &limits)?, progress)
}

fn watch_within(memory: Bytes, progress: ProgressArg) -> Result<Watched, Failure> {
    allocator::share(memory);
    let progress = Progress::new(progress);
    let builder = allocator::counted(Monitor::builder()).with_budget(Budget::new(memory));
    let monitor = progress.observe(builder).build()?;
    let least = monitor.snapshot()?.rss.saturating_add(PROCESS_SLACK);
    let process = monitor
        .budget()
        .consumer("process")
        .try_reserve(least)
        .map_err(|_| Failure::BudgetTooSmall { budget: memory, least })?;
    Ok(Watched { monitor, progress, process })
}

impl Job {
    /// Checks the flags and opens the input.
    pub(crate) fn open(input: &Input, run: &Run, beside: &Beside<'_>) -> Result<Job, Failure> {
        let began = Instant::now();
        // Without limits that can be read, the budget falls back on what the flags say.
        let limits = Monitor::unbounded().limits().unwrap_or_default();
        let mut settings = Settings::check(run, &limits)?;
        let dialect = settings::dialect(input)?;
        let encoding = settings::encoding(input)?;
        let max_record_bytes = settings::max_record_bytes(input)?;
        let hints = settings::type_hints(input)?;
        let max_rejects = settings::max_rejects(input)?;
        let rejects_path = rejects_path(input, beside.output)?;

        let Watched { progress, monitor, process } = watch_within(settings.memory, settings.progress)?;
        settings.threads = threads_with_room(settings.threads, monitor.budget().available());
        let interrupt = Interrupt::listen()?;
        let source = input::open(&input.inputs, input.spool_dir.as_deref(), &interrupt)?;
        settings::check_format(input, &source)?;
        let names: Vec<String> = source.names().iter().map(ToString::to_string).collect();
        let (rejects_file, summary) = (rejects_path.as_deref(), run.summary.as_deref());
        let metrics = settings.metrics.as_deref();
        let written = [
            ("--save", beside.save),
            ("--test-output", beside.test_output),
            ("--rejects", rejects_file),
            ("--summary", summary),
            ("--metrics", metrics),
        ];
        let output = [("-o", beside.output)];
        written_files::check_apart(&[&output[..], &written[..]].concat())?;
        let read: Vec<&Path> = names.iter().map(Path::new).chain(beside.read).collect();
        for (flag, path) in written {
            if let Some(path) = path {
                written_files::check_not_read(flag, path, &read)?;
                written_files::check_folder(flag, path)?;
            }
        }
        if let (Some(output), Some(read)) = (beside.output, beside.read) {
            written_files::check_not_read("-o", output, &[read])?;
        }
        let rejects = match rejects_path {
            Some(path) => Some(RejectsFile::create(&path)?),
            None => None,
        };
        let sizing = Recorder::new(SIZING_ENTRIES);
        let metrics = Metrics::start(&monitor, &sizing, metrics, settings.metrics_listen)?;
        let encoders =
            Encoders { monitor: monitor.clone(), threads: settings.threads, helpers: Helpers::default() };
        let loader = Loader::new(source)
            .with_dialect(dialect)
            .with_encoding(encoding)
            .with_max_record_bytes(max_record_bytes)
            .with_type_hints(hints)
            .with_downcast(settings.downcast)
            .with_on_bad_record(match input.on_bad_row {
                OnBadRow::Fail => OnBadRecord::Fail,
                OnBadRow::Skip | OnBadRow::Quarantine => OnBadRecord::Skip,
            })
            .with_threads(settings.threads)
            .with_side_work(encoders.side_work())
            .with_monitor(monitor.clone())
            .with_progress({
                let (interrupt, monitor) = (interrupt.clone(), monitor.clone());
                move |seen| {
                    monitor.report(seen.bytes, Some(seen.total_bytes));
                    if interrupt.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                }
            });
        Ok(Job {
            settings,
            monitor,
            encoders,
            interrupt,
            progress,
            metrics,
            began,
            loader,
            rejects,
            max_rejects,
            sizing,
            keeps_all: false,
            cache: None,
            passes: 0,
            _process: process,
        })
    }

    /// Passes over the input so far.
    pub(crate) fn passes(&self) -> usize {
        self.passes
    }

    /// Names of the input, for messages.
    pub(crate) fn input_name(&self) -> String {
        let names = self.loader.source().names();
        match names.as_slice() {
            [one] => one.to_string(),
            many => format!("{} files", many.len()),
        }
    }

    /// Files of the input.
    pub(crate) fn files(&self) -> Vec<String> {
        self.loader.source().names().iter().map(ToString::to_string).collect()
    }

    /// Demands types of columns, and how narrow they are made, before the scan.
    pub(crate) fn demand(&mut self, hints: Vec<(String, TypeHint)>, downcast: Downcast) {
        self.loader = self.loader.clone().with_type_hints(hints).with_downcast(downcast);
    }

    /// Has later passes read only these rows of the input, counted from 0.
    pub(crate) fn keep_rows(&mut self, rows: Range<u64>) {
        self.loader = self.loader.clone().with_rows(rows);
    }

    /// As [`demand`](Self::demand) and [`scan`](Self::scan), where the input may lack some of the columns.
    pub(crate) fn scan_demanding(
        &mut self,
        mut hints: Vec<(String, TypeHint)>,
        downcast: Downcast,
        may_lack: impl Fn(&str) -> bool,
    ) -> Result<Scan, Failure> {
        let loader = self.loader.clone();
        loop {
            self.demand(hints.clone(), downcast);
            let scanned = self.scan();
            let Err(Failure::Loader(error)) = &scanned else { return scanned };
            let lacking = error.column().filter(|name| is_unknown_column(error) && may_lack(name));
            let Some(lacking) = lacking else { return scanned };
            hints.retain(|(name, _)| name != lacking);
            self.loader = loader.clone();
        }
    }

    /// Finds the exact types of the whole input.
    pub(crate) fn scan(&mut self) -> Result<Scan, Failure> {
        let phase = self.monitor.scope("scan");
        let _under = Tag::new(LOADER).enter();
        let rejects = &mut self.rejects;
        let scan = self.loader.scan_with(&mut |reject| match rejects {
            Some(file) => file.write(reject),
            None => Ok(()),
        });
        // That is said before the first record, so that no reject has been met.
        if scan.as_ref().is_err_and(is_unknown_column) {
            return Ok(scan?);
        }
        if let Some(file) = self.rejects.take() {
            file.finish()?;
        }
        let scan = scan?;
        self.passes += scan.passes();
        phase.add_bytes(scan.bytes());
        phase.add_rows(scan.rows());
        let records = scan.rows() + scan.rejected();
        if let Some(limit) = self.max_rejects.filter(|limit| limit.is_exceeded(scan.rejected(), records)) {
            let most = match limit {
                MaxRejects::Records(most) => most.to_string(),
                MaxRejects::Percent(most) => format!("{most}%"),
            };
            return Err(Failure::Data(format!(
                "{}: {} of {records} records were rejected, expected at most {most}; mend them, or raise --max-rejects",
                self.input_name(),
                scan.rejected(),
            )));
        }
        Ok(scan)
    }

    /// Puts the file and place of the row that an error is about in its message. Batches know the place of their
    /// first record only, so the input is read up to the row once more, without its columns.
    pub(crate) fn locate(&self, scan: &Scan, failure: Failure) -> Failure {
        let Failure::Incremental { error, remark, file } = failure else { return failure };
        let Some(row) = error.row() else { return Failure::Incremental { error, remark, file } };
        let loader = self.loader.clone().with_threads(1).with_rows(row..row + 1);
        match loader.batches(scan, &[], Box::new(FixedRows(1))).next() {
            Some(Ok(batch)) => {
                let name = self.files().get(batch.file()).cloned().unwrap_or_default();
                let file = Some(format!("{name}: {}", batch.position()));
                Failure::Incremental { error: error.without_row(), remark, file }
            }
            // The first error counts, and it is told without its place.
            _ => Failure::Incremental { error, remark, file },
        }
    }
}

/// Where rejects go, if they are kept.
fn rejects_path(input: &Input, output: Option<&Path>) -> Result<Option<std::path::PathBuf>, Failure> {
    if input.on_bad_row != OnBadRow::Quarantine {
        return match input.rejects {
            Some(_) => Err(Failure::Usage("--rejects needs --on-bad-row quarantine".into())),
            None => Ok(None),
        };
    }
    match (&input.rejects, output) {
        (Some(path), _) => Ok(Some(path.clone())),
        (None, Some(output)) if output != Path::new("-") => Ok(Some(RejectsFile::default_path(output))),
        _ => Err(Failure::Usage("--on-bad-row quarantine needs --rejects FILE here".into())),
    }
}

fn is_unknown_column(error: &chunked_loader::Error) -> bool {
    matches!(error.kind(), chunked_loader::ErrorKind::UnknownColumn { .. })
}

/// The columns of a scanned input as the steps see them.
pub(crate) fn columns(scan: &Scan) -> Vec<Column> {
    let column = |facts: &chunked_loader::ColumnFacts| Column {
        name: facts.name.clone(),
        kind: match facts.kind {
            Kind::Null => ValueKind::Null,
            Kind::Bool => ValueKind::Bool,
            Kind::Int => ValueKind::Int,
            Kind::Float => ValueKind::Float,
            Kind::Date => ValueKind::Date,
            Kind::Timestamp(_) => ValueKind::Timestamp,
            Kind::Text => ValueKind::Text,
        },
        data_type: facts.data_type.clone(),
    };
    scan.columns().iter().map(column).collect()
}

/// What to add to an error of a step: the value that made a column text, if that is what the error is about.
pub(crate) fn remark(error: &incremental::Error, scan: &Scan, files: &[String]) -> Option<String> {
    let about_kind = matches!(
        error.kind(),
        incremental::ErrorKind::WrongKind { .. } | incremental::ErrorKind::InputDiffers { .. }
    );
    let column = error.column().filter(|_| about_kind)?;
    let facts = scan.columns().iter().find(|facts| facts.name == column)?;
    let witness = facts.text_witness.as_ref()?;
    let file = files.get(witness.file).map_or("", String::as_str);
    Some(format!("it is text because of \"{}\" in {file}: {}", witness.excerpt, witness.position))
}
