//! `convert`: stream, downcast, write.

use chunked_loader::Scan;

use crate::args::Convert;
use crate::command::report;
use crate::failure::Failure;
use crate::job::{Beside, Job};
use crate::output::{Finished, Target};
use crate::summary::BatchSizes;

pub(super) fn run(args: &Convert) -> Result<(), Failure> {
    let target = Target::check(&args.output)?;
    let beside = Beside { output: Some(&args.output.output), ..Beside::default() };
    let mut job = Job::open(&args.input, &args.run, &beside)?;
    let at_once = if target.has_types_at_end { at_once(args, &mut job)? } else { None };
    let (scan, finished, sizes) = match at_once {
        Some(done) => done,
        None => after_scan(&mut job, target)?,
    };
    report::finish(&job, &scan, &finished, &sizes)
}

type Converted = (Scan, Finished, BatchSizes);

/// Reads the input once; nothing if it has to be scanned first.
fn at_once(args: &Convert, job: &mut Job) -> Result<Option<Converted>, Failure> {
    let encoders = job.encoders.clone();
    let begin = |presumed: &Scan| {
        let target = Target::check(&args.output)?.with_expected_rows(presumed.rows());
        target.open(presumed.schema(), &encoders, |_| false).map(Some)
    };
    job.pass_presumed(
        "write",
        |_| false,
        begin,
        |output, batch| output.write(batch.columns()),
        |mut output, scan, _| {
            output.prove(scan.schema());
            output.finish(None)
        },
    )
}

fn after_scan(job: &mut Job, target: Target) -> Result<Converted, Failure> {
    let scan = job.scan()?;
    let target = target.with_expected_rows(scan.rows());
    let mut output = target.open(scan.schema(), &job.encoders, |_| false)?;
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let sizes = job.pass("write", &scan, &all, 0, |rows, _| output.write(rows))?;
    job.interrupt.check()?;
    Ok((scan, output.finish(None)?, sizes))
}
