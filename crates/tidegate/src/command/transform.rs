//! `transform`: apply a fitted pipeline.

use std::path::Path;

use arrow::datatypes::Schema;
use chunked_loader::{Downcast, Scan, TypeHint};
use incremental::{Lineage, Pipeline, ValueKind};
use serde::Serialize;

use crate::args::Transform;
use crate::command::report;
use crate::failure::Failure;
use crate::job::{self, Beside, Job};
use crate::output::Target;
use crate::{settings, state_file};

pub(super) fn run(args: &Transform) -> Result<(), Failure> {
    let target = Target::check(&args.output)?;
    let path = &args.pipeline;
    let beside = Beside { output: Some(&args.output.output), read: Some(path), ..Beside::default() };
    let mut job = Job::open(&args.input, &args.run, &beside)?;
    let (pipeline, held) = state_file::pipeline(path, &job.monitor)?;
    // What was text in the fit is text here, even if every value looks like a number.
    // A type that the user has fixed stands: if it is another, binding says so.
    let fixed = settings::type_hints(&args.input)?;
    let is_free = |name: &str| fixed.iter().all(|(fixed, _)| fixed != name);
    let texts = pipeline.input().iter().filter(|c| c.kind == ValueKind::Text && is_free(&c.name));
    let hints = texts.map(|column| (column.name.clone(), TypeHint::Text)).collect();
    let name = job.input_name();
    let downcast = pipeline_downcast(job.settings.downcast);
    let scan = job.scan_demanding(hints, downcast, |column| pipeline.is_target(column));
    let scan = scan.map_err(|failure| missing_column(failure, &pipeline, &name))?;
    // It is reserved anew with what is bound of it.
    drop(held);
    apply(&mut job, &scan, &pipeline, target, None)
}

/// A column that was demanded because the pipeline has it is missing for the pipeline, whatever its kind.
fn missing_column(failure: Failure, pipeline: &Pipeline, input: &str) -> Failure {
    if let Failure::Loader(error) = &failure
        && matches!(error.kind(), chunked_loader::ErrorKind::UnknownColumn { .. })
        && let Some(missing) = error.column()
        && pipeline.input().iter().any(|column| column.name == missing)
    {
        return Failure::Data(format!(
            "{input}: column \"{missing}\": is missing, and was there when the pipeline was fitted; add it, or fit again without"
        ));
    }
    failure
}

/// Steps compute from the original values, so only what they give is made float32.
pub(super) fn pipeline_downcast(downcast: Downcast) -> Downcast {
    match downcast {
        Downcast::Aggressive => Downcast::Safe,
        other => other,
    }
}

/// Where an output column comes from, as its file says it.
#[derive(Serialize)]
struct ColumnLineage<'a> {
    column: &'a str,
    source: &'a str,
    steps: Vec<StepLineage<'a>>,
    category: Option<&'a str>,
}

#[derive(Serialize)]
struct StepLineage<'a> {
    /// In the recipe, from 0.
    place: usize,
    name: &'a str,
}

fn lineage_json(schema: &Schema, lineage: &[&Lineage]) -> Result<String, Failure> {
    let columns = schema.fields().iter().zip(lineage).map(|(field, lineage)| ColumnLineage {
        column: field.name(),
        source: &lineage.source,
        steps: lineage.steps.iter().map(|(place, name)| StepLineage { place: *place, name }).collect(),
        category: lineage.category.as_deref(),
    });
    serde_json::to_string(&columns.collect::<Vec<_>>())
        .map_err(|error| Failure::io(Path::new("lineage"), "written", error.into()))
}

/// The last pass: transforms every batch and writes it. Where there is a target for them, the rows that the fit did not
/// see go there.
pub(super) fn apply(
    job: &mut Job,
    scan: &Scan,
    pipeline: &Pipeline,
    target: Target,
    test: Option<Target>,
) -> Result<(), Failure> {
    let (name, files) = (job.input_name(), job.files());
    let narrow = job.settings.downcast != Downcast::None;
    let aggressive = job.settings.downcast == Downcast::Aggressive;
    // What a fit has reserved for its pipeline stays so as long as that is there.
    let needed = monitor::Bytes::from(pipeline.heap_bytes() + pipeline.bound_bytes());
    let needed = needed.saturating_sub(pipeline.reserved());
    let holding = job.monitor.budget().consumer("pipeline");
    let _held = match holding.try_reserve(needed) {
        // Rows can be read once more. What they had goes back to the system, or it would be there beside the pipeline.
        Err(_) if job.cache.take().is_some() => {
            job.monitor.reclaim();
            holding.try_reserve(needed)?
        }
        held => held?,
    };
    let about_rows = |error: incremental::Error| Failure::Incremental {
        remark: job::remark(&error, scan, &files),
        file: Some(name.clone()),
        error,
    };
    let bound = pipeline.bind(&job::columns(scan), narrow).map_err(about_rows)?;
    // As the loader: a column of the input that float32 cannot hold stays as it is.
    let holds = |name: &str| scan.columns().iter().all(|c| c.name != name || c.may_be_float32);
    let lineage = bound.lineage();
    let json = lineage_json(bound.schema(), &lineage)?;
    let lineage = lineage.into_iter();
    let float32: Vec<bool> =
        lineage.map(|l| aggressive && (!l.steps.is_empty() || holds(&l.source))).collect();
    // Where there are two outputs, nobody knows yet how many rows each gets.
    let rows = if test.is_none() { scan.rows() } else { 0 };
    let open = |target: Target| {
        let target = target.with_lineage(&json).with_expected_rows(rows);
        target.open(bound.schema(), &job.encoders, |place| float32[place])
    };
    let mut output = open(target)?;
    let mut test = test.map(open).transpose()?;
    let passed =
        job.pass("transform", scan, bound.projection(), bound.made_row_bytes(), |rows, first_row| {
            let Some(test) = &mut test else {
                return output.write(&bound.transform(rows, first_row).map_err(about_rows)?);
            };
            let (fitted, kept) = bound.transform_apart(rows, first_row).map_err(about_rows)?;
            output.write(&fitted)?;
            test.write(&kept)
        });
    let sizes = passed.map_err(|failure| job.locate(scan, failure))?;
    job.interrupt.check()?;
    report::finish(job, scan, &output.finish(test)?, &sizes)
}
