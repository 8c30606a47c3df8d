//! The end of a command that writes rows: the summary is written, and one line says what was done.

use std::io::{self, Write};
use std::path::Path;

use chunked_loader::Scan;
use incremental::FitPlan;
use monitor::Bytes;

use crate::args::ProgressArg;
use crate::failure::Failure;
use crate::job::Job;
use crate::output::Finished;
use crate::progress::Progress;
use crate::sizing_entry::SizingEntry;
use crate::summary::{BatchSizes, Summary};

/// Tells about the run whose output is `finished`.
pub(super) fn finish(job: &Job, scan: &Scan, finished: &Finished, sizes: &BatchSizes) -> Result<(), Failure> {
    let Finished { written, schema, nulls, path, test } = finished;
    let is_stdout = finished.is_stdout();
    let whole = if is_stdout { "the output".to_owned() } else { path.display().to_string() };
    let summary = told(job, &whole, || {
        let mut summary = summary(job, scan, sizes)?;
        summary.rows_out = written.rows + test.as_ref().map_or(0, |(test, _)| test.rows);
        summary.bytes_out = written.bytes + test.as_ref().map_or(0, |(test, _)| test.bytes);
        summary.set_schema(schema, nulls);
        Ok(summary)
    })?;
    let rejected = match summary.rows_rejected {
        0 => String::new(),
        n => format!(", {} rejected", grouped(n)),
    };
    let target = match written.files {
        _ if is_stdout => "standard output".to_owned(),
        1 => path.display().to_string(),
        files => format!("{} in {} files", path.display(), grouped(files)),
    };
    let (target, rows) = match test {
        None => (target, grouped(written.rows)),
        Some((test, path)) => (
            format!("{target} and {}", path.display()),
            format!("{} and {}", grouped(written.rows), grouped(test.rows)),
        ),
    };
    let line = format!(
        "{} -> {target}: {rows} rows{rejected}, {} columns, {} -> {}, {} passes, peak {} of {}, {:.2} s",
        job.input_name(),
        schema.fields().len(),
        Bytes(summary.bytes_in),
        Bytes(summary.bytes_out),
        summary.passes,
        Bytes(summary.peak_rss_bytes),
        Bytes(summary.budget_bytes),
        summary.wall_s,
    );
    say(job, &line, is_stdout)
}

/// Ends the metrics and writes the summary, where these are asked for, behind `whole`, which was written. A failure is about
/// them alone, and says so.
pub(super) fn told(
    job: &Job,
    whole: &str,
    summary: impl FnOnce() -> Result<Summary, Failure>,
) -> Result<Summary, Failure> {
    // Each is there though the other is not.
    let metrics = job.metrics.finish();
    let summary = summary().and_then(|summary| {
        job.settings.summary.as_deref().map_or(Ok(()), |path| summary.write(path))?;
        Ok(summary)
    });
    metrics
        .and(summary)
        .map_err(|failure| Failure::Behind { whole: whole.to_owned(), failure: Box::new(failure) })
}

/// The figures of a command whose last pass had batches of these sizes. The schema is the input's.
pub(super) fn summary(job: &Job, scan: &Scan, sizes: &BatchSizes) -> Result<Summary, Failure> {
    let mut summary = Summary::of(scan, &job.monitor, job.began)?;
    summary.passes = job.passes();
    summary.batches = sizes.count();
    summary.batch_rows = sizes.summary();
    summary.resizes = job.sizing.resizes();
    summary.sizing = job.sizing.entries().iter().map(SizingEntry::of).collect();
    let nulls: Vec<u64> = scan.columns().iter().map(|c| c.nulls).collect();
    summary.set_schema(scan.schema(), &nulls);
    Ok(summary)
}

/// Prints a line on standard output, or on standard error where the former carries data.
pub(super) fn say(job: &Job, line: &str, on_stderr: bool) -> Result<(), Failure> {
    job.progress.clear();
    if job.settings.progress == ProgressArg::Off {
        return Ok(());
    }
    if on_stderr {
        // Data has been written; a closed standard error does not change that.
        let _ = writeln!(io::stderr(), "{line}");
        return Ok(());
    }
    writeln!(io::stdout(), "{line}").map_err(|e| Failure::io(Path::new("standard output"), "written", e))
}

/// Says on standard error what a fit is going to do, where someone watches its progress.
pub(super) fn plan(progress: Progress, plan: &FitPlan) {
    if plan.passes().is_empty() || progress != Progress::Line {
        return;
    }
    progress.clear();
    // Nobody has to read it.
    let _ = writeln!(io::stderr(), "{plan}");
}

/// A number with its thousands set apart.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(super::grouped(0), "0");
        assert_eq!(super::grouped(999), "999");
        assert_eq!(super::grouped(1_234_567), "1_234_567");
    }
}
