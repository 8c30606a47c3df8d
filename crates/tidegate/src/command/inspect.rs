//! `inspect`: what a file is, exactly; of a table, or of what a fit has written.

mod fit_file;
mod table;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chunked_loader::{ColumnFacts, Dialect, Encoding, Format, Kind, NullValues, Scan, type_name};
use serde_json::{Map, Value, json};

use crate::args::Inspect;
use crate::column_statistics::{ColumnStatistics, Figures};
use crate::command::report;
use crate::failure::Failure;
use crate::job::{Beside, Job};
use crate::state_file;
use crate::summary::BatchSizes;

/// Different values that are counted exactly, over all columns together, and for one of them. They depend on the
/// number of columns alone, so that the same file gives the same figures within any budget that has room for them.
const DISTINCT_VALUES: usize = 1 << 20;
const DISTINCT_VALUES_A_COLUMN: (usize, usize) = (1 << 8, 1 << 16);
/// What the state of a column takes when it begins, a column of floats included.
const STATE_BYTES: usize = 4 << 10;
/// The states of a pass may take this share of what is free when it begins; more columns take more passes.
const FREE_SHARE: usize = 4;
/// Columns of a pass at the least.
const LEAST_COLUMNS: usize = 64;

pub(super) fn run(args: &Inspect) -> Result<(), Failure> {
    if let [input] = args.input.inputs.as_slice()
        && Path::new(input).is_file()
        && let Some(kind) = state_file::kind(Path::new(input))?
    {
        return fit_file::run(args, Path::new(input), kind);
    }
    let mut job = Job::open(&args.input, &args.run, &Beside::default())?;
    let scan = job.scan()?;
    let (figures, sizes) = statistics(&mut job, &scan)?;
    job.metrics.finish()?;
    if let Some(path) = &job.settings.summary {
        report::summary(&job, &scan, &sizes)?.write(path)?;
    }
    job.progress.clear();
    let input = Inspected { files: job.files(), name: job.input_name(), scan: &scan, figures: &figures };
    let text = if args.json {
        serde_json::to_string_pretty(&input.json()).map_err(|e| Failure::Data(e.to_string()))? + "\n"
    } else {
        table::write(&input, table::terminal_columns())
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::io(Path::new("standard output"), "written", e))
}

/// The figures of every column. All threads take batches; a column is updated by one of them at a time, and its figures
/// do not depend on the order.
fn statistics(job: &mut Job, scan: &Scan) -> Result<(Vec<Figures>, BatchSizes), Failure> {
    let columns = scan.columns();
    let consumer = job.monitor.budget().consumer("statistics");
    let (least, most) = DISTINCT_VALUES_A_COLUMN;
    let bound = (DISTINCT_VALUES / columns.len().max(1)).clamp(least, most);
    let free = usize::try_from(job.monitor.budget().available().get()).unwrap_or(usize::MAX);
    let at_once = (free / FREE_SHARE / STATE_BYTES).max(LEAST_COLUMNS);
    let (mut figures, mut sizes) = (Vec::with_capacity(columns.len()), BatchSizes::default());
    let all: Vec<usize> = (0..columns.len()).collect();
    for projection in all.chunks(at_once) {
        let states = projection
            .iter()
            .map(|column| Ok(Mutex::new(ColumnStatistics::new(&columns[*column], bound, &consumer)?)));
        let states: Vec<Mutex<ColumnStatistics>> = states.collect::<Result<_, Failure>>()?;
        let threads = job.settings.threads;
        sizes = job.pass_in_parallel("statistics", scan, projection, |thread, batch| {
            // Threads that begin at different columns seldom meet.
            let first = thread * states.len() / threads;
            (first..states.len()).chain(0..first).try_for_each(|column| {
                let mut state = states[column].lock().unwrap_or_else(PoisonError::into_inner);
                state.update(batch.columns().column(column))
            })
        })?;
        let states =
            states.into_iter().map(|state| state.into_inner().unwrap_or_else(PoisonError::into_inner));
        figures.extend(states.zip(projection).map(|(state, column)| state.figures(&columns[*column])));
    }
    Ok((figures, sizes))
}

/// All that there is to tell.
struct Inspected<'a> {
    files: Vec<String>,
    name: String,
    scan: &'a Scan,
    figures: &'a [Figures],
}

/// The narrowest type by name; a column without values has none.
fn narrow_name(facts: &ColumnFacts) -> String {
    if facts.kind == Kind::Null { "null".to_owned() } else { type_name(&facts.data_type) }
}

fn wide_name(facts: &ColumnFacts) -> String {
    if facts.kind == Kind::Null { "null".to_owned() } else { type_name(&facts.wide_type) }
}

fn dialect_json(dialect: &Dialect) -> Value {
    let byte = |byte: Option<u8>| byte.map(|b| char::from(b).to_string());
    let null_values = match dialect.null_values() {
        NullValues::Auto => json!("auto"),
        NullValues::Listed(tokens) => json!(tokens),
    };
    json!({
        "delimiter": byte(dialect.delimiter()),
        "quote": byte(dialect.quote()),
        "escape": byte(dialect.escape()),
        "comment": byte(dialect.comment()),
        "header": dialect.header(),
        "skip_rows": dialect.skip_lines(),
        "decimal": byte(Some(dialect.decimal())),
        "thousands": byte(dialect.thousands()),
        "null_values": null_values,
    })
}

impl Inspected<'_> {
    /// How the text of all files is encoded, or that of each where they differ.
    fn encodings(&self) -> Vec<String> {
        let mut names: Vec<String> = self.scan.encodings().iter().map(Encoding::to_string).collect();
        if names.iter().all(|name| *name == names[0]) {
            names.truncate(1);
        }
        names
    }

    /// The formats of files of columns, or that of each where they differ; none for CSV.
    fn formats(&self) -> Vec<String> {
        let formats = self.scan.formats();
        let mut names: Vec<String> =
            formats.iter().filter(|format| **format != Format::Csv).map(Format::to_string).collect();
        if names.iter().all(|name| *name == names[0]) {
            names.truncate(1);
        }
        names
    }

    /// Files that are compressed, and how.
    fn compressions(&self) -> Vec<(&str, &'static str)> {
        let files = self.files.iter().zip(self.scan.compressions());
        files.filter_map(|(file, compression)| Some((file.as_str(), (*compression)?))).collect()
    }

    /// The files that each column is missing in, by column.
    fn missing(&self) -> Vec<Vec<&str>> {
        let mut missing = vec![Vec::new(); self.scan.columns().len()];
        for (index, file) in self.files.iter().enumerate() {
            for column in self.scan.missing_columns(index) {
                missing[*column].push(file.as_str());
            }
        }
        missing
    }

    fn json(&self) -> Value {
        let (scan, missing) = (self.scan, self.missing());
        let columns =
            scan.columns().iter().zip(self.figures).zip(&missing).map(|((facts, figures), missing)| {
                let tokens: Map<String, Value> =
                    facts.null_tokens.iter().map(|(token, n)| (token.clone(), json!(n))).collect();
                let mut column = json!({
                    "name": facts.name,
                    "type": narrow_name(facts),
                    "wide_type": wide_name(facts),
                    "nulls": facts.nulls,
                    "null_tokens": tokens,
                    "min": figures.min,
                    "max": figures.max,
                    "mean": figures.mean,
                    "distinct": figures.distinct,
                    "distinct_exact": figures.distinct_error.is_none(),
                    "bytes_wide": facts.bytes_wide,
                    "bytes_narrow": facts.bytes_narrow,
                });
                if let Some(sum) = &figures.sum {
                    column["sum"] = sum.clone();
                }
                if let Some(error) = figures.distinct_error {
                    column["distinct_error"] = json!(error);
                }
                if !missing.is_empty() {
                    column["missing_in"] = json!(missing);
                }
                column
            });
        let mut encodings = self.encodings();
        let mut input = json!({
            "files": self.files,
            "bytes": scan.bytes(),
            "encoding": if encodings.len() == 1 { json!(encodings.remove(0)) } else { json!(encodings) },
            "dialect": dialect_json(scan.dialect()),
            "rows": scan.rows(),
            "rows_rejected": scan.rejected(),
            "bytes_wide": scan.columns().iter().map(|c| c.bytes_wide).sum::<u64>(),
            "bytes_narrow": scan.columns().iter().map(|c| c.bytes_narrow).sum::<u64>(),
            "columns": columns.collect::<Vec<_>>(),
        });
        let mut formats = self.formats();
        if !formats.is_empty() {
            // Neither is a matter of text.
            input["encoding"] = Value::Null;
            input["dialect"] = Value::Null;
            input["format"] = if formats.len() == 1 { json!(formats.remove(0)) } else { json!(formats) };
        }
        let compressions = self.compressions();
        if !compressions.is_empty() {
            let by_file = compressions.into_iter().map(|(file, name)| (file.to_owned(), json!(name)));
            input["compression"] = Value::Object(by_file.collect());
        }
        input
    }
}
