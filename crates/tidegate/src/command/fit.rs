//! `fit`: learn what a recipe's steps need, and save the pipeline.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use chunked_loader::{Downcast, Scan};
use incremental::{Fitting, Pipeline, Recipe};
use tempfile::NamedTempFile;

use crate::args::Fit;
use crate::command::report;
use crate::failure::Failure;
use crate::job::{self, Beside, Job};
use crate::summary::BatchSizes;
use crate::written_files;

pub(super) fn run(args: &Fit) -> Result<(), Failure> {
    if args.shard.is_some() {
        return Err(Failure::NotBuilt("--shard".into()));
    }
    sink::check_target(&args.output, args.overwrite)?;
    let recipe = read_recipe(&args.recipe)?;
    written_files::check_folder("-o", &args.output)?;
    let beside = Beside { output: Some(&args.output), read: Some(&args.recipe), ..Beside::default() };
    let mut job = Job::open(&args.input, &args.run, &beside)?;
    job.demand(Vec::new(), Downcast::Safe);
    let scan = job.scan()?;
    let (pipeline, sizes) = fit(&mut job, &scan, recipe, &args.recipe)?;
    let bytes = save(&pipeline, &args.output, args.overwrite)?;
    job.metrics.finish()?;
    if let Some(path) = &job.settings.summary {
        let mut summary = report::summary(&job, &scan, &sizes)?;
        summary.bytes_out = bytes;
        summary.write(path)?;
    }
    let line = format!(
        "{} -> {}: {} steps fitted on {} rows in {} passes, peak {} of {}, {:.2} s",
        job.input_name(),
        args.output.display(),
        pipeline.step_names().count(),
        report::grouped(pipeline.rows_fitted(scan.rows())),
        job.passes(),
        job.monitor.peak()?,
        job.monitor.budget().limit(),
        job.began.elapsed().as_secs_f64(),
    );
    report::say(&job, &line, false)
}

/// Reads a recipe's file.
pub(super) fn read_recipe(path: &Path) -> Result<Recipe, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::io(path, "read", e))?;
    Recipe::parse(&text).map_err(|e| Failure::in_file(path, e))
}

/// Makes the passes that the recipe needs.
pub(super) fn fit(
    job: &mut Job,
    scan: &Scan,
    recipe: Recipe,
    recipe_path: &Path,
) -> Result<(Pipeline, BatchSizes), Failure> {
    let files = job.files();
    let in_recipe = |error: incremental::Error| Failure::Incremental {
        remark: job::remark(&error, scan, &files),
        file: Some(recipe_path.display().to_string()),
        error,
    };
    let name = job.input_name();
    let mut sizes = BatchSizes::default();
    let mut fitting = Fitting::new(recipe, &job::columns(scan), &job.monitor);
    while let Some(mut pass) = fitting.next_pass().map_err(in_recipe)? {
        let projection = pass.projection().to_vec();
        let passed = job.pass("fit", scan, &projection, 0, |batch| {
            let updated = pass.update(batch.columns(), batch.first_row());
            updated.map_err(|error| Failure::Incremental { file: Some(name.clone()), error, remark: None })
        });
        sizes = passed.map_err(|failure| job.locate(scan, failure))?;
        fitting.finish_pass(pass).map_err(in_recipe)?;
    }
    let pipeline = fitting.finish().map_err(in_recipe)?;
    Ok((pipeline, sizes))
}

/// Writes a pipeline's file, whole or not at all; returns its bytes.
pub(super) fn save(pipeline: &Pipeline, path: &Path, overwrite: bool) -> Result<u64, Failure> {
    let bytes = pipeline.to_bytes().map_err(|e| Failure::in_file(path, e))?;
    let failed = |e| Failure::io(path, "written", e);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.tidegate-");
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file: NamedTempFile = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    if overwrite {
        file.persist(path).map_err(|e| failed(e.error))?;
    } else {
        file.persist_noclobber(path).map_err(|e| failed(e.error))?;
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(bytes.len() as u64)
}
