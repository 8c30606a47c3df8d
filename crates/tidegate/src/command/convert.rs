//! `convert`: stream, downcast, write.

use crate::args::Convert;
use crate::command::report;
use crate::failure::Failure;
use crate::job::{Beside, Job};
use crate::output::Target;

pub(super) fn run(args: &Convert) -> Result<(), Failure> {
    let target = Target::check(&args.output)?;
    let beside = Beside { output: Some(&args.output.output), ..Beside::default() };
    let mut job = Job::open(&args.input, &args.run, &beside)?;
    let scan = job.scan()?;
    let mut output = target.open(scan.schema(), &job.monitor, job.settings.threads, |_| false)?;
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let sizes = job.pass("write", &scan, &all, 0, |batch| output.write(batch.columns()))?;
    report::finish(&job, &scan, output, None, &sizes)
}
