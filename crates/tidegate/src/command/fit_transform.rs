//! `fit-transform`: fits a recipe on an input and transforms the same rows.

use std::path::Path;

use crate::args::FitTransform;
use crate::command::{fit, transform};
use crate::failure::Failure;
use crate::job::{Beside, Job};
use crate::output::Target;
use crate::whole_file::{self, Staged};

pub(super) fn run(args: &FitTransform) -> Result<(), Failure> {
    let target = Target::check(&args.output)?;
    if let Some(path) = &args.save {
        sink::check_target(path, args.output.overwrite)?;
    }
    let test = args.test_output.as_deref();
    let test_target = test.map(|path| Target::check_test(path, &args.output)).transpose()?;
    let recipe = fit::read_recipe(&args.recipe)?;
    if test.is_some() && !recipe.has_split() {
        let recipe = args.recipe.display();
        return Err(Failure::Usage(format!(
            "--test-output needs a table [split] in the recipe {recipe}, such as `test = 0.2`"
        )));
    }
    let beside = Beside {
        output: Some(&args.output.output),
        save: args.save.as_deref(),
        test_output: test,
        read: Some(&args.recipe),
    };
    let mut job = Job::open(&args.input, &args.run, &beside)?;
    job.demand(Vec::new(), transform::pipeline_downcast(job.settings.downcast));
    job.keeps_all = true;
    let (scan, begun) = match fit::begin_presumed(&mut job, &recipe)? {
        Some(begun) => begun,
        None => fit::begin_scanned(&mut job, recipe)?,
    };
    let (pipeline, _) = fit::fit(&mut job, &scan, begun, &args.recipe)?;
    job.keeps_all = false;
    // What is saved is for later rows. It gets its name last, so that a run that fails leaves nothing.
    let stage = |path: &Path| whole_file::stage(path, args.output.overwrite, |out| pipeline.write_to(out));
    let saved = args.save.as_deref().map(stage).transpose()?;
    let training = if test.is_some() { pipeline.training_apart() } else { pipeline.training() };
    transform::apply(&mut job, &scan, &training, target, test_target)?;
    let whole = args.output.output.display().to_string();
    let published = saved.map(Staged::publish).transpose();
    published.map(drop).map_err(|failure| Failure::Behind { whole, failure: Box::new(failure) })
}
