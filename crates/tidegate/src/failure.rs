//! Why a command failed, which exit code that is, and the one place that says so to the user.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use monitor::BudgetExceeded;

use crate::remedy::{self, Flags};

/// A command's failure.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong use of the command line.
    Usage(String),
    /// Something of the contract that this version does not have.
    NotBuilt(String),
    Loader(chunked_loader::Error),
    /// About the recipe, the pipeline or the rows; the file is the one that the message is about.
    Incremental {
        file: Option<String>,
        error: incremental::Error,
        remark: Option<String>,
    },
    Sink(sink::Error),
    Monitor(monitor::Error),
    Budget(BudgetExceeded),
    /// The budget is below what the process itself takes.
    BudgetTooSmall {
        budget: monitor::Bytes,
        least: monitor::Bytes,
    },
    /// The input is not what the command needs.
    Data(String),
    Io {
        path: PathBuf,
        doing: &'static str,
        error: io::Error,
    },
    /// Behind an output that was written, about what tells of the run.
    Behind {
        whole: String,
        failure: Box<Failure>,
    },
    /// The address at which metrics are to be had.
    Listen {
        address: SocketAddr,
        error: monitor::Error,
    },
    Interrupted,
    /// Whoever read standard output has gone, which is no failure.
    ClosedPipe,
    /// A process that this one started has failed with this code, and has said why.
    Reported(u8),
}

impl Failure {
    pub(crate) fn io(path: &Path, doing: &'static str, error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::ClosedPipe;
        }
        Failure::Io { path: path.to_owned(), doing, error }
    }

    /// An error about the file `path`, such as a recipe.
    pub(crate) fn in_file(path: &Path, error: incremental::Error) -> Failure {
        Failure::Incremental { file: Some(path.display().to_string()), error, remark: None }
    }

    /// Whether the input, what was asked of it, or the budget is at fault, and nothing outside.
    pub(crate) fn is_about_input(&self) -> bool {
        let is_changed = matches!(self, Failure::Loader(error) if matches!(error.kind(), chunked_loader::ErrorKind::Changed));
        is_changed || matches!(self.exit_code(), 2..=4)
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) | Failure::NotBuilt(_) => 2,
            Failure::Loader(error) => loader_code(error.kind()),
            Failure::Incremental { error, .. } => incremental_code(error.kind()),
            Failure::Sink(error) => sink_code(error.kind()),
            Failure::Budget(_) | Failure::BudgetTooSmall { .. } => 4,
            Failure::Data(_) => 3,
            Failure::Monitor(_) | Failure::Io { .. } | Failure::Listen { .. } => 1,
            Failure::Behind { failure, .. } => failure.exit_code(),
            Failure::Interrupted => 130,
            Failure::ClosedPipe => 0,
            Failure::Reported(code) => *code,
        }
    }

    /// What the flags can do about it, where the crate that refused knows of no flags.
    fn remedy(&self, flags: Flags) -> String {
        use chunked_loader::{ErrorKind as Kind, Malformed};
        if let Some(refusal) = self.refusal() {
            return flags.remedy(refusal);
        }
        let remedy = match self {
            Failure::Loader(error) => match error.kind() {
                Kind::Spool { .. } => ", by --spool-dir",
                Kind::TypesDiffer { .. } => ", by --types",
                Kind::Undecodable { .. } | Kind::Malformed(Malformed::InvalidUtf8 { .. }) => {
                    ", by --encoding"
                }
                Kind::Malformed(Malformed::TooLong { .. }) => ", by --max-record-bytes",
                _ => "",
            },
            _ => "",
        };
        remedy.to_owned()
    }

    /// The reservation that was refused, if that is what it is about.
    fn refusal(&self) -> Option<&BudgetExceeded> {
        let cause = match self {
            Failure::Budget(refusal) => return Some(refusal),
            Failure::Loader(error) => error.source(),
            Failure::Incremental { error, .. } => error.source(),
            Failure::Sink(error) => error.source(),
            _ => None,
        };
        cause?.downcast_ref()
    }

    /// Tells the user and gives the exit code.
    pub(crate) fn report(&self, flags: Flags) -> ExitCode {
        let code = self.exit_code();
        let quiet = matches!(self, Failure::ClosedPipe | Failure::Reported(_));
        if !quiet {
            let mut stderr = io::stderr().lock();
            // Ends a progress line. Nothing can be done about a standard error that takes no message.
            let newline = if stderr.is_terminal() { "\r\x1b[K" } else { "" };
            let _ = if matches!(self, Failure::Interrupted) || code == 130 {
                writeln!(stderr, "{newline}tidegate: interrupted; no output was written")
            } else {
                writeln!(stderr, "{newline}tidegate: {self}{}", self.remedy(flags))
            };
        }
        ExitCode::from(code)
    }
}

fn loader_code(kind: &chunked_loader::ErrorKind) -> u8 {
    use chunked_loader::ErrorKind as Kind;
    match kind {
        Kind::Unsupported { .. }
        | Kind::UnknownColumn { .. }
        | Kind::ColumnType { .. }
        | Kind::FormatsDiffer { .. }
        | Kind::Option(_) => 2,
        Kind::Empty
        | Kind::Malformed(_)
        | Kind::Damaged { .. }
        | Kind::Undecodable { .. }
        | Kind::TypesDiffer { .. } => 3,
        Kind::Budget(_) => 4,
        Kind::Cancelled => 130,
        _ => 1,
    }
}

fn incremental_code(kind: &incremental::ErrorKind) -> u8 {
    use incremental::ErrorKind as Kind;
    match kind {
        Kind::UnknownCategory { .. } | Kind::Value { .. } | Kind::InputDiffers { .. } => 3,
        Kind::Budget(_) | Kind::VocabularyFull { .. } | Kind::TooWide { .. } => 4,
        Kind::InputChanged | Kind::Archive { .. } | Kind::Io(_) | Kind::Arrow(_) => 1,
        _ => 2,
    }
}

fn sink_code(kind: &sink::ErrorKind) -> u8 {
    use sink::{ErrorKind as Kind, PartitionProblem, TargetProblem};
    match kind {
        Kind::Partition { problem: PartitionProblem::TooLong { .. }, .. } => 3,
        Kind::Exists { .. }
        | Kind::UnknownFormat { .. }
        | Kind::Compression { .. }
        | Kind::Partition { .. }
        | Kind::Target { problem: TargetProblem::NotDirectory | TargetProblem::Stranger(_), .. }
        | Kind::Option { .. } => 2,
        Kind::Budget { .. } => 4,
        _ => 1,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) => write!(f, "{message}; see `tidegate --help`"),
            Failure::NotBuilt(what) => write!(f, "{what} is not built in this version; leave it out"),
            Failure::Loader(error) => error.fmt(f),
            Failure::Incremental { file, error, remark } => {
                if let Some(file) = file {
                    write!(f, "{file}: ")?;
                }
                error.fmt(f)?;
                if let Some(remark) = remark {
                    write!(f, "; {remark}")?;
                }
                Ok(())
            }
            Failure::Sink(error) => match error.kind() {
                sink::ErrorKind::Exists { path } => {
                    write!(
                        f,
                        "\"{}\" already exists; choose another name or give --overwrite",
                        path.display()
                    )
                }
                _ => error.fmt(f),
            },
            Failure::Monitor(error) => error.fmt(f),
            Failure::Budget(refusal) => refusal.fmt(f),
            Failure::BudgetTooSmall { budget, least } => {
                write!(
                    f,
                    "a budget of {budget} is below the {least} that the process itself needs; give --memory {}",
                    remedy::shown(*least)
                )
            }
            Failure::Data(message) => f.write_str(message),
            Failure::Io { path, doing, error } => match error.kind() {
                io::ErrorKind::NotFound => write!(f, "{}: no such file; check the path", path.display()),
                _ => write!(f, "{}: cannot be {doing}: {error}", path.display()),
            },
            Failure::Behind { whole, failure } => write!(f, "{failure}; {whole} was written whole"),
            Failure::Listen { address, error } => {
                write!(f, "{address}: cannot be listened at: {}", error.source().unwrap_or(error))
            }
            Failure::Interrupted => write!(f, "interrupted"),
            Failure::ClosedPipe => write!(f, "the reader of standard output has gone"),
            Failure::Reported(code) => write!(f, "a run ended with exit code {code}"),
        }
    }
}

impl From<chunked_loader::Error> for Failure {
    fn from(error: chunked_loader::Error) -> Self {
        Failure::Loader(error)
    }
}

impl From<sink::Error> for Failure {
    fn from(error: sink::Error) -> Self {
        match error.kind() {
            sink::ErrorKind::BrokenPipe { .. } => Failure::ClosedPipe,
            _ => Failure::Sink(error),
        }
    }
}

impl From<monitor::Error> for Failure {
    fn from(error: monitor::Error) -> Self {
        Failure::Monitor(error)
    }
}

impl From<BudgetExceeded> for Failure {
    fn from(refusal: BudgetExceeded) -> Self {
        Failure::Budget(refusal)
    }
}

/// Prints what clap has to say: help and version to standard output, mistakes to standard error.
pub(crate) fn usage_error(error: &clap::Error) -> ExitCode {
    // A closed pipe takes no help, and that is no failure.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}
