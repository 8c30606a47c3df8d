//! The command line as it is typed. What the values mean is checked in `settings.rs`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Prepares tables larger than memory: streams CSV, Parquet or Arrow into narrow batches inside a memory budget,
/// fits and applies preprocessing, and writes Parquet, Arrow or CSV.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show dialect, exact schema and statistics of the whole input, or what a fit has learnt
    Inspect(Inspect),
    /// Stream, downcast and write
    Convert(Convert),
    /// Learn what a recipe's steps need, and save the pipeline
    Fit(Fit),
    /// Apply a fitted pipeline
    Transform(Transform),
    /// Fit a recipe and apply it to the same input
    FitTransform(FitTransform),
    /// Run the same job at several batch sizes, each in a process of its own
    Bench(Bench),
    /// Merge the partial states of an input's shards and finish the fit
    Merge(Merge),
    /// Fit steps and learn a model (not built in this version)
    Train(NotBuilt),
    /// Apply a model (not built in this version)
    Predict(NotBuilt),
}

/// A command of a later version takes anything, so that its name is what the error is about.
#[derive(Debug, Args)]
pub(crate) struct NotBuilt {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(crate) rest: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) run: Run,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Convert {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Args)]
pub(crate) struct Fit {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The recipe, TOML, or an unfinished fit that `merge` has written
    #[arg(short, long, value_name = "FILE")]
    pub(crate) recipe: PathBuf,
    /// Where the fitted pipeline goes, or with --shard the partial state
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace OUTPUT if it exists
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Make one pass over the I-th of N parts of the rows and write a partial state
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<String>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// Partial states of one recipe, input and pass, in any order; merged ones too
    #[arg(required = true, value_name = "STATE")]
    pub(crate) states: Vec<PathBuf>,
    /// Where the fitted pipeline goes, or the unfinished fit if its steps need another pass
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Write a partial state of the shards that are there, and finish nothing
    #[arg(long)]
    pub(crate) partial: bool,
    /// Replace OUTPUT if it exists
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Hard budget for the whole process, such as 512MiB
    #[arg(long, value_name = "SIZE", help_heading = "Run")]
    pub(crate) memory: Option<String>,
    /// How progress is shown on standard error; `off` prints nothing
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto, help_heading = "Run")]
    pub(crate) progress: ProgressArg,
}

#[derive(Debug, Args)]
pub(crate) struct Transform {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The fitted pipeline
    #[arg(short, long, value_name = "FILE")]
    pub(crate) pipeline: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Args)]
pub(crate) struct FitTransform {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The recipe, TOML
    #[arg(short, long, value_name = "FILE")]
    pub(crate) recipe: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Save the fitted pipeline as well
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Write the rows of the test share that the recipe's [split] makes to a file of their own, in any of the formats;
    /// neither file has the column `split` then
    #[arg(long, value_name = "FILE")]
    pub(crate) test_output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) run: Run,
    /// What is timed: `load` parses, downcasts and discards (convert and fit-transform: not built in this version)
    #[arg(long, default_value = "load")]
    pub(crate) job: String,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// One run in this process, as the parent asks for it
    #[arg(long, hide = true, value_name = "ROWS")]
    pub(crate) single_run: Option<String>,
}

/// What is read, and how it is written.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// Files, globs, or `-` for standard input: CSV, Parquet, or Arrow IPC files and streams; these, and gzip, zstd, bzip2
    /// and xz around CSV, are known by what they hold
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<String>,
    /// Character between fields (`\t` for a tab); found by looking if left out
    #[arg(long, value_name = "CHAR", help_heading = "Dialect", allow_hyphen_values = true)]
    pub(crate) delimiter: Option<String>,
    /// Character around fields that hold delimiters or line ends, '' for none; found by looking if left out
    #[arg(long, value_name = "CHAR", help_heading = "Dialect")]
    pub(crate) quote: Option<String>,
    /// Character that makes the next one plain inside quotes
    #[arg(long, value_name = "CHAR", help_heading = "Dialect")]
    pub(crate) escape: Option<String>,
    /// Character that begins a comment line
    #[arg(long, value_name = "CHAR", help_heading = "Dialect")]
    pub(crate) comment: Option<String>,
    /// The first record is data
    #[arg(long, help_heading = "Dialect")]
    pub(crate) no_header: bool,
    /// Physical lines to skip before the header; found by looking if left out
    #[arg(long, value_name = "N", help_heading = "Dialect")]
    pub(crate) skip_rows: Option<u64>,
    /// Tokens that are null beside the empty field, or `auto`, or '' for none
    #[arg(
        long,
        value_name = "LIST",
        default_value = "auto",
        help_heading = "Dialect",
        allow_hyphen_values = true
    )]
    pub(crate) null_values: String,
    /// Text encoding, such as utf-8, utf-16, utf-16le, utf-16be, latin1, cp1252 or shift_jis; if left out a
    /// byte-order mark decides, else it is utf-8 if all of the file is valid, else windows-1252
    #[arg(long, value_name = "NAME", help_heading = "Dialect")]
    pub(crate) encoding: Option<String>,
    /// Mark before the fraction of a number [default: .]
    #[arg(long, value_name = "CHAR", help_heading = "Dialect", allow_hyphen_values = true)]
    pub(crate) decimal: Option<String>,
    /// Mark between thousands in a number, such as `,` in 12,345,678 [default: none]
    #[arg(long, value_name = "CHAR", help_heading = "Dialect", allow_hyphen_values = true)]
    pub(crate) thousands: Option<String>,
    /// Fix the type of columns: NAME=TYPE,...
    #[arg(long, value_name = "NAME=TYPE,...", help_heading = "Dialect")]
    pub(crate) types: Option<String>,
    /// How long a record may be before its quote is taken for one that is never closed, at most 512MiB
    #[arg(long, value_name = "SIZE", default_value = "16MiB", help_heading = "Dialect")]
    pub(crate) max_record_bytes: String,
    /// What a malformed record gets
    #[arg(long, value_enum, default_value_t = OnBadRow::Fail, help_heading = "Bad records")]
    pub(crate) on_bad_row: OnBadRow,
    /// Where quarantined records go, in place of what is there [default: OUT.rejects.csv]
    #[arg(long, value_name = "FILE", help_heading = "Bad records")]
    pub(crate) rejects: Option<PathBuf>,
    /// How many rejected records are too many
    #[arg(long, value_name = "N|P%", help_heading = "Bad records")]
    pub(crate) max_rejects: Option<String>,
    /// Where standard input and pipes are kept for the second pass, compressed if they are large [default: the
    /// system's temporary folder]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub(crate) spool_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnBadRow {
    Fail,
    Skip,
    Quarantine,
}

/// Where the rows go.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// FILE.parquet, FILE.arrow, FILE.arrows, FILE.csv, or `-` for an IPC stream to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace OUTPUT if it exists, with all its numbered files, or its folder of partitions
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Begin another file after so many rows, such as 1000k: FILE-00000.parquet, FILE-00001.parquet, ...
    #[arg(long, value_name = "N")]
    pub(crate) split_rows: Option<String>,
    /// Begin another file once one has about so many bytes, such as 256MiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) split_bytes: Option<String>,
    /// Part rows by the values of a column, into a folder FILE.parquet/COLUMN=value/ each
    #[arg(long, value_name = "COLUMN")]
    pub(crate) partition_by: Option<String>,
    /// snappy, zstd[:LEVEL], lz4 or none [default: snappy for Parquet, none for Arrow; CSV has none]
    #[arg(long, value_name = "NAME")]
    pub(crate) compression: Option<String>,
}

/// How the work is done and watched.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Hard budget for the whole process, such as 512MiB
    #[arg(long, value_name = "SIZE", help_heading = "Run")]
    pub(crate) memory: Option<String>,
    /// Worker threads [default: available cores]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub(crate) threads: Option<usize>,
    /// Rows a batch, such as 10k, or `auto`; `bench` takes a list
    #[arg(long, value_name = "N|auto", help_heading = "Run")]
    pub(crate) batch_rows: Option<String>,
    /// What decides how many rows a batch has [default: fixed with --batch-rows N, else auto]
    #[arg(long, value_enum, help_heading = "Run")]
    pub(crate) sizing: Option<SizingArg>,
    /// How narrow columns are made
    #[arg(long, value_enum, default_value_t = DowncastArg::Safe, help_heading = "Run")]
    pub(crate) downcast: DowncastArg,
    /// How progress is shown on standard error
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto, help_heading = "Run")]
    pub(crate) progress: ProgressArg,
    /// Write the run's figures as JSON
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub(crate) summary: Option<PathBuf>,
    /// Write a page about the run (not built in this version)
    #[arg(long, value_name = "FILE.html", help_heading = "Run")]
    pub(crate) report: Option<PathBuf>,
    /// Write a snapshot of memory and progress ten times a second, one JSON object a line; a FILE.prom holds the
    /// latest as OpenMetrics text instead
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Run")]
    pub(crate) metrics: Option<PathBuf>,
    /// Serve the same as OpenMetrics text at http://ADDR:PORT/metrics, to this machine alone
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Run")]
    pub(crate) metrics_listen: Option<String>,
    /// Continue an interrupted run (not built in this version)
    #[arg(long, help_heading = "Run")]
    pub(crate) resume: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SizingArg {
    /// Follow what memory leaves
    Auto,
    /// A quarter below 20 % of memory available, half below 40 %, half as many again above
    Step,
    /// A little more each time, half when the budget is nearly full
    Aimd,
    /// Always as many as --batch-rows says
    Fixed,
}

impl SizingArg {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            SizingArg::Auto => "auto",
            SizingArg::Step => "step",
            SizingArg::Aimd => "aimd",
            SizingArg::Fixed => "fixed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DowncastArg {
    /// int64, float64 and string
    None,
    /// Loses nothing
    Safe,
    /// Also float64 to float32
    Aggressive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// A line on a terminal, else nothing
    Auto,
    Bar,
    /// One object a line
    Json,
    Off,
}
