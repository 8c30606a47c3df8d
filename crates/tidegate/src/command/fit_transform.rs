//! `fit-transform`: both passes over one input.

use crate::args::FitTransform;
use crate::command::{fit, transform};
use crate::failure::Failure;
use crate::job::Job;
use crate::output::Target;
use crate::written_files;

pub(super) fn run(args: &FitTransform) -> Result<(), Failure> {
    let target = Target::check(&args.output)?;
    if let Some(path) = &args.save {
        sink::check_target(path, args.output.overwrite)?;
        written_files::check_apart(&[
            ("-o", Some(&args.output.output)),
            ("--save", Some(path)),
            ("--rejects", args.input.rejects.as_deref()),
            ("--summary", args.run.summary.as_deref()),
        ])?;
    }
    let recipe = fit::read_recipe(&args.recipe)?;
    let mut job = Job::open(&args.input, &args.run, Some(&args.output.output))?;
    job.demand(Vec::new(), transform::pipeline_downcast(job.settings.downcast));
    let scan = job.scan()?;
    let (pipeline, _) = fit::fit(&mut job, &scan, recipe, &args.recipe)?;
    if let Some(path) = &args.save {
        fit::save(&pipeline, path, args.output.overwrite)?;
    }
    transform::apply(&mut job, &scan, &pipeline, target)
}
