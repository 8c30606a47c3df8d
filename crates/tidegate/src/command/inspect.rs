//! `inspect`: what a file is, exactly.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use chunked_loader::{AUTO_NULL_TOKENS, ColumnFacts, Dialect, Kind, NullValues, Scan, type_name};
use monitor::Bytes;
use serde_json::{Map, Value, json};

use crate::args::Inspect;
use crate::column_statistics::{ColumnStatistics, Figures};
use crate::command::report;
use crate::failure::Failure;
use crate::job::{Beside, Job};

/// Different values that are counted exactly, over all columns together, and for one of them.
const DISTINCT_VALUES: usize = 1 << 20;
const DISTINCT_VALUES_A_COLUMN: (usize, usize) = (1 << 8, 1 << 16);
/// What a remembered value takes: twice the bound is kept at times, in a table that doubles.
const DISTINCT_BYTES: usize = 2 * 2 * (size_of::<u64>() + 1);
/// The statistics may take this share of what is free when they begin.
const FREE_SHARE: usize = 4;

pub(super) fn run(args: &Inspect) -> Result<(), Failure> {
    let mut job = Job::open(&args.input, &args.run, &Beside::default())?;
    let scan = job.scan()?;
    let consumer = job.monitor.budget().consumer("statistics");
    let (least, most) = DISTINCT_VALUES_A_COLUMN;
    let free = job.monitor.budget().available().get() as usize / FREE_SHARE / DISTINCT_BYTES;
    let bound = (free.min(DISTINCT_VALUES) / scan.columns().len().max(1)).clamp(least, most);
    let mut statistics: Vec<_> =
        scan.columns().iter().map(|facts| ColumnStatistics::new(facts, bound)).collect();
    let mut held = consumer.try_reserve(Bytes::ZERO)?;
    let all: Vec<usize> = (0..statistics.len()).collect();
    let sizes = job.pass("statistics", &scan, &all, 0, |batch| {
        let columns = statistics.iter_mut().zip(batch.columns().columns());
        columns.into_iter().try_for_each(|(state, column)| state.update(column))?;
        Ok(held.try_resize(Bytes(statistics.iter().map(ColumnStatistics::heap_bytes).sum()))?)
    })?;
    let figures: Vec<Figures> =
        statistics.iter().zip(scan.columns()).map(|(s, facts)| s.figures(facts)).collect();
    drop((statistics, held));
    if let Some(path) = &job.settings.summary {
        report::summary(&job, &scan, &sizes)?.write(path)?;
    }
    job.progress.clear();
    let text = if args.json {
        let json = json(&job, &scan, &figures);
        serde_json::to_string_pretty(&json).map_err(|e| Failure::Data(e.to_string()))? + "\n"
    } else {
        table(&job, &scan, &figures)
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::io(Path::new("standard output"), "written", e))
}

/// The narrowest type by name; a column without values has none.
fn narrow_name(facts: &ColumnFacts) -> String {
    if facts.kind == Kind::Null { "null".to_owned() } else { type_name(&facts.data_type) }
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

fn json(job: &Job, scan: &Scan, figures: &[Figures]) -> Value {
    let columns = scan.columns().iter().zip(figures).map(|(facts, figures)| {
        let tokens: Map<String, Value> = facts.null_tokens.iter().map(|(t, n)| (t.clone(), json!(n))).collect();
        let mut column = json!({
            "name": facts.name,
            "type": narrow_name(facts),
            "wide_type": if facts.kind == Kind::Null { "null".to_owned() } else { type_name(&facts.wide_type) },
            "nulls": facts.nulls,
            "null_tokens": tokens,
            "min": figures.min,
            "max": figures.max,
            "mean": figures.mean,
            "distinct": figures.distinct,
            "distinct_exact": figures.distinct_exact,
            "bytes_wide": facts.bytes_wide,
            "bytes_narrow": facts.bytes_narrow,
        });
        if let (Some(sum), Some(column)) = (&figures.sum, column.as_object_mut()) {
            column.insert("sum".to_owned(), sum.clone());
        }
        column
    });
    json!({
        "files": job.files(),
        "bytes": scan.bytes(),
        "encoding": "utf-8",
        "dialect": dialect_json(scan.dialect()),
        "rows": scan.rows(),
        "rows_rejected": scan.rejected(),
        "bytes_wide": scan.columns().iter().map(|c| c.bytes_wide).sum::<u64>(),
        "bytes_narrow": scan.columns().iter().map(|c| c.bytes_narrow).sum::<u64>(),
        "columns": columns.collect::<Vec<_>>(),
    })
}

/// Widest a cell of the table for people is shown.
const CELL: usize = 24;

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.escape_debug().to_string(),
        other => other.to_string(),
    };
    if text.chars().count() <= CELL {
        return text;
    }
    text.chars().take(CELL - 1).chain(['…']).collect()
}

fn table(job: &Job, scan: &Scan, figures: &[Figures]) -> String {
    let headings = ["column", "type", "nulls", "distinct", "min", "max", "mean", "wide", "narrow"];
    let mut rows = vec![headings.map(str::to_owned)];
    for (facts, figures) in scan.columns().iter().zip(figures) {
        let about = if figures.distinct_exact { "" } else { "~" };
        rows.push([
            cell(&json!(facts.name)),
            narrow_name(facts),
            facts.nulls.to_string(),
            format!("{about}{}", figures.distinct),
            cell(&figures.min),
            cell(&figures.max),
            cell(&figures.mean),
            Bytes(facts.bytes_wide).to_string(),
            Bytes(facts.bytes_narrow).to_string(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let dialect = scan.dialect();
    let shown = |byte: Option<u8>| {
        byte.map_or("none".to_owned(), |b| match b {
            b' '..=b'~' => format!("`{}`", char::from(b)),
            other => format!("`{}`", other.escape_ascii()),
        })
    };
    let nulls = match dialect.null_values() {
        NullValues::Auto => {
            format!("empty, and outside of text {}", AUTO_NULL_TOKENS.join(" "))
        }
        NullValues::Listed(tokens) => format!("empty {}", tokens.join(" ")),
    };
    let (wide, narrow) = scan
        .columns()
        .iter()
        .fold((0, 0), |(wide, narrow), c| (wide + c.bytes_wide, narrow + c.bytes_narrow));
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(
        out,
        "{}: {}, {} rows, {} columns",
        job.input_name(),
        Bytes(scan.bytes()),
        scan.rows(),
        figures.len()
    );
    let _ = writeln!(
        out,
        "dialect: delimiter {}, quote {}, escape {}, comment {}, header {}, skipped rows {}, decimal {}, \
         thousands {}, nulls: {nulls}",
        shown(dialect.delimiter()),
        shown(dialect.quote()),
        shown(dialect.escape()),
        shown(dialect.comment()),
        if dialect.header() { "yes" } else { "no" },
        dialect.skip_lines(),
        shown(Some(dialect.decimal())),
        shown(dialect.thousands()),
    );
    if scan.rejected() > 0 {
        let _ = writeln!(out, "rejected: {} records", scan.rejected());
    }
    let _ = writeln!(out, "in memory: {} wide, {} narrow\n", Bytes(wide), Bytes(narrow));
    for row in &rows {
        let mut line = String::new();
        for (i, (text, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - text.chars().count());
            let _ = if i < 2 { write!(line, "{text}{pad}  ") } else { write!(line, "{pad}{text}  ") };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}
