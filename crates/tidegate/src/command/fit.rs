//! `fit`: learn what a recipe's steps need, and save the pipeline, or what one shard tells of it.

use std::path::Path;

use chunked_loader::{Downcast, Scan};
use incremental::{FileKind, Fitting, PartialFit, Pass, Pipeline, Recipe, Shard, UnfinishedFit};
use monitor::Monitor;

use crate::args::Fit;
use crate::batch_cache::BatchCache;
use crate::command::report;
use crate::failure::Failure;
use crate::job::{self, Beside, Job};
use crate::state_file::{self, StateFile};
use crate::summary::BatchSizes;
use crate::{whole_file, written_files};

/// Where a fit begins.
enum Begin {
    Recipe(Recipe),
    /// The file of an unfinished fit, which is read when there is a budget.
    Unfinished,
}

pub(super) fn run(args: &Fit) -> Result<(), Failure> {
    let shard: Option<Shard> = match &args.shard {
        None => None,
        Some(text) => Some(text.parse().map_err(|e| Failure::Usage(format!("--shard: {e}")))?),
    };
    sink::check_target(&args.output, args.overwrite)?;
    let begin = match state_file::kind(&args.recipe)? {
        Some(FileKind::UnfinishedFit) => Begin::Unfinished,
        _ => Begin::Recipe(read_recipe(&args.recipe)?),
    };
    written_files::check_folder("-o", &args.output)?;
    let beside = Beside { output: Some(&args.output), read: Some(&args.recipe), ..Beside::default() };
    let mut job = Job::open(&args.input, &args.run, &beside)?;
    job.demand(Vec::new(), Downcast::Safe);
    let at_once = match &begin {
        Begin::Recipe(recipe) if shard.is_none() => begin_presumed(&mut job, recipe)?,
        // What belongs to a shard only the count of rows tells, and what was begun goes by the types that it knows.
        _ => None,
    };
    let (scan, begun) = match (at_once, begin) {
        (Some(begun), _) => begun,
        (None, Begin::Recipe(recipe)) => begin_scanned(&mut job, recipe)?,
        (None, Begin::Unfinished) => {
            let scan = job.scan()?;
            let fitting = resume(&job, &scan, &args.recipe)?;
            (scan, Begun::from(fitting))
        }
    };
    let (sizes, bytes, done) = match shard {
        None => {
            let (pipeline, sizes) = fit(&mut job, &scan, begun, &args.recipe)?;
            let bytes = save(&pipeline, &args.output, args.overwrite)?;
            let steps = pipeline.step_names().count();
            let rows = report::grouped(pipeline.rows_fitted(scan.rows()));
            (sizes, bytes, format!("{steps} steps fitted on {rows} rows in {} passes", job.passes()))
        }
        Some(shard) => {
            let (part, sizes) = fit_shard(&mut job, &scan, begun.fitting, shard, &args.recipe)?;
            let bytes = whole_file::write(&args.output, args.overwrite, |out| part.write_to(out))?;
            let rows = shard.rows(scan.rows());
            let done = format!(
                "shard {}/{}, {} of {} rows, seen by pass {} of the fit",
                shard.number(),
                shard.of(),
                report::grouped(rows.end - rows.start),
                report::grouped(scan.rows()),
                part.pass(),
            );
            (sizes, bytes, done)
        }
    };
    report::told(&job, &args.output.display().to_string(), || {
        let mut summary = report::summary(&job, &scan, &sizes)?;
        summary.bytes_out = bytes;
        Ok(summary)
    })?;
    let line = format!(
        "{} -> {}: {done}, peak {} of {}, {:.2} s",
        job.input_name(),
        args.output.display(),
        job.monitor.peak()?,
        job.monitor.budget().limit(),
        job.began.elapsed().as_secs_f64(),
    );
    report::say(&job, &line, false)
}

/// Reads a recipe's file.
pub(super) fn read_recipe(path: &Path) -> Result<Recipe, Failure> {
    if let Some(kind) = state_file::kind(path)? {
        return Err(Failure::Usage(format!("{}: is no recipe but {kind}", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(|e| Failure::io(path, "read", e))?;
    Recipe::parse(&text).map_err(|e| Failure::in_file(path, e))
}

/// The fit that the file `path` holds, to go on with on the scanned input.
fn resume(job: &Job, scan: &Scan, path: &Path) -> Result<Fitting, Failure> {
    let file = StateFile::read(path, &job.monitor)?;
    let in_file = |e| Failure::in_file(path, e);
    let unfinished = UnfinishedFit::from_bytes(file.bytes(), &job.monitor).map_err(in_file)?;
    if unfinished.rows() != scan.rows() {
        return Err(Failure::Data(format!(
            "{}: has {} rows, and had {} in the passes that {} holds; give the same input, or begin again with the recipe",
            job.input_name(),
            scan.rows(),
            unfinished.rows(),
            path.display(),
        )));
    }
    unfinished.resume(&job::columns(scan)).map_err(in_file)
}

/// An error about the recipe, or about the columns that it names.
fn in_recipe<'a>(
    files: &'a [String],
    scan: &'a Scan,
    recipe: &'a Path,
) -> impl Fn(incremental::Error) -> Failure + Copy + 'a {
    move |error| Failure::Incremental {
        remark: job::remark(&error, scan, files),
        file: Some(recipe.display().to_string()),
        error,
    }
}

/// A fit of which passes may be made already, and the batches of the last one.
pub(super) struct Begun {
    fitting: Fitting,
    sizes: BatchSizes,
}

impl From<Fitting> for Begun {
    fn from(fitting: Fitting) -> Begun {
        Begun { fitting, sizes: BatchSizes::default() }
    }
}

/// A fit whose first pass is still to come, behind a scan.
pub(super) fn begin_scanned(job: &mut Job, recipe: Recipe) -> Result<(Scan, Begun), Failure> {
    let scan = job.scan()?;
    let fitting = Fitting::new(recipe, &job::columns(&scan), &job.monitor);
    Ok((scan, Begun::from(fitting)))
}

/// A fit whose first pass has found the types as well; nothing if the input has to be scanned first.
pub(super) fn begin_presumed(job: &mut Job, recipe: &Recipe) -> Result<Option<(Scan, Begun)>, Failure> {
    let (monitor, progress, keeps_all) = (job.monitor.clone(), job.progress, job.keeps_all);
    let mut is_told = false;
    // The scan behind an error repeats it, and knows the place.
    let plain = |error| Failure::Incremental { error, remark: None, file: None };
    let begin = |presumed: &Scan| {
        let recipe = Recipe::parse(recipe.text()).map_err(plain)?;
        let mut fitting = Fitting::new(recipe, &job::columns(presumed), &monitor);
        let plan = fitting.plan().map_err(plain)?;
        let pass = fitting.next_pass().map_err(plain)?;
        if !std::mem::replace(&mut is_told, true) {
            report::plan(progress, &plan);
        }
        let is_last = plan.passes().len() < 2 && !plan.may_need_more();
        Ok(pass.map(|pass| (fitting, pass, is_last)))
    };
    let begun = job.pass_presumed(
        "fit",
        |(.., is_last)| keeps_all || !is_last,
        begin,
        |(_, pass, _), batch| {
            let wanted = batch.columns().project(pass.projection()).map_err(|e| Failure::Loader(e.into()))?;
            pass.update(&wanted, batch.first_row()).map_err(plain)
        },
        |(mut fitting, pass, _), scan, kept| {
            finish_pass(&mut fitting, pass, kept, &monitor).map_err(plain)?;
            fitting.retype(&job::columns(scan));
            Ok(fitting)
        },
    )?;
    Ok(begun.map(|(scan, fitting, sizes)| (scan, Begun { fitting, sizes })))
}

/// Makes the passes that a fit still needs.
pub(super) fn fit(
    job: &mut Job,
    scan: &Scan,
    begun: Begun,
    recipe: &Path,
) -> Result<(Pipeline, BatchSizes), Failure> {
    let Begun { mut fitting, mut sizes } = begun;
    let (files, name) = (job.files(), job.input_name());
    let in_recipe = in_recipe(&files, scan, recipe);
    if fitting.passes() == 0 {
        report::plan(job.progress, &fitting.plan().map_err(in_recipe)?);
    }
    while let Some(mut pass) = fitting.next_pass().map_err(in_recipe)? {
        let projection = pass.projection().to_vec();
        let passed = job.pass("fit", scan, &projection, 0, |rows, first_row| {
            let updated = pass.update(rows, first_row);
            updated.map_err(|error| Failure::Incremental { file: Some(name.clone()), error, remark: None })
        });
        sizes = passed.map_err(|failure| job.locate(scan, failure))?;
        finish_pass(&mut fitting, pass, &mut job.cache, &job.monitor).map_err(in_recipe)?;
    }
    let pipeline = fitting.finish().map_err(in_recipe)?;
    Ok((pipeline, sizes))
}

/// Ends a pass. Rows that were kept for later ones go if it needs their room.
fn finish_pass(
    fitting: &mut Fitting,
    mut pass: Pass,
    kept: &mut Option<BatchCache>,
    monitor: &Monitor,
) -> Result<(), incremental::Error> {
    if pass.reserve_finish().is_err() && kept.take().is_some() {
        monitor.reclaim();
    }
    fitting.finish_pass(pass)
}

/// Makes the next pass of a fit over one shard.
fn fit_shard(
    job: &mut Job,
    scan: &Scan,
    mut fitting: Fitting,
    shard: Shard,
    recipe: &Path,
) -> Result<(PartialFit, BatchSizes), Failure> {
    let (files, name) = (job.files(), job.input_name());
    let in_recipe = in_recipe(&files, scan, recipe);
    report::plan(job.progress, &fitting.plan().map_err(in_recipe)?);
    let mut part = PartialFit::new(fitting, shard).map_err(in_recipe)?;
    let Some(projection) = part.projection().map(<[usize]>::to_vec) else {
        return Ok((part, BatchSizes::default()));
    };
    job.keep_rows(shard.rows(scan.rows()));
    let passed = job.pass("fit", scan, &projection, 0, |rows, first_row| {
        let updated = part.update(rows, first_row);
        updated.map_err(|error| Failure::Incremental { file: Some(name.clone()), error, remark: None })
    });
    let sizes = passed.map_err(|failure| job.locate(scan, failure))?;
    Ok((part, sizes))
}

/// Writes a pipeline's file, whole or not at all; returns its bytes.
pub(super) fn save(pipeline: &Pipeline, path: &Path, overwrite: bool) -> Result<u64, Failure> {
    whole_file::write(path, overwrite, |out| pipeline.write_to(out))
}
