//! Small tables, and fits of them however they are cut.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, NullArray, StringArray,
};
use arrow::datatypes::Int8Type;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use incremental::{Column, Error, Fitting, Pass, Pipeline, Recipe};
use monitor::Monitor;

pub(crate) fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

pub(crate) fn ints<const N: usize>(values: [impl Into<Option<i64>>; N]) -> ArrayRef {
    Arc::new(Int64Array::from_iter(values.map(Into::into)))
}

pub(crate) fn floats<const N: usize>(values: [impl Into<Option<f64>>; N]) -> ArrayRef {
    Arc::new(Float64Array::from_iter(values.map(Into::into)))
}

pub(crate) fn bools<const N: usize>(values: [impl Into<Option<bool>>; N]) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(values.map(Into::into)))
}

pub(crate) fn texts<'a, const N: usize>(values: [impl Into<Option<&'a str>>; N]) -> ArrayRef {
    Arc::new(StringArray::from_iter(values.map(Into::into)))
}

pub(crate) fn dictionary<'a, const N: usize>(values: [impl Into<Option<&'a str>>; N]) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<DictionaryArray<Int8Type>>())
}

pub(crate) fn nulls(rows: usize) -> ArrayRef {
    Arc::new(NullArray::new(rows))
}

pub(crate) fn columns(batch: &RecordBatch) -> Vec<Column> {
    batch.schema().fields().iter().map(|field| Column::of(field).unwrap()).collect()
}

/// A recipe of these steps, each as the lines of its table.
pub(crate) fn recipe(steps: &[&str]) -> String {
    steps.iter().fold("version = 1\n".to_owned(), |recipe, step| format!("{recipe}[[steps]]\n{step}\n"))
}

/// Fits with a pass at a time made by `pass`, which is given one without rows. Also gives the passes.
pub(crate) fn fit_by(
    steps: &[&str],
    batch: &RecordBatch,
    pass: impl FnMut(Pass, &RecordBatch) -> Result<Pass, Error>,
) -> Result<(Pipeline, usize), Error> {
    let recipe = Recipe::parse(&recipe(steps))?;
    finish(Fitting::new(recipe, &columns(batch), &Monitor::unbounded()), batch, pass)
}

/// The same with a pass of its own for each step behind another of the same column.
pub(crate) fn fit_apart(steps: &[&str], batch: &RecordBatch) -> Result<(Pipeline, usize), Error> {
    let recipe = Recipe::parse(&recipe(steps))?;
    let fitting = Fitting::new(recipe, &columns(batch), &Monitor::unbounded()).with_passes_apart();
    finish(fitting, batch, |mut pass, wanted| pass.update(wanted, 0).map(|()| pass))
}

/// Makes the passes of a fit by `pass`.
pub(crate) fn finish(
    mut fitting: Fitting,
    batch: &RecordBatch,
    mut pass: impl FnMut(Pass, &RecordBatch) -> Result<Pass, Error>,
) -> Result<(Pipeline, usize), Error> {
    while let Some(fresh) = fitting.next_pass()? {
        let wanted = batch.project(fresh.projection()).unwrap();
        fitting.finish_pass(pass(fresh, &wanted)?)?;
    }
    let passes = fitting.passes();
    Ok((fitting.finish()?, passes))
}

pub(crate) fn fit(steps: &[&str], batch: &RecordBatch) -> Result<(Pipeline, usize), Error> {
    fit_by(steps, batch, |mut pass, wanted| pass.update(wanted, 0).map(|()| pass))
}

pub(crate) fn fit_error(steps: &[&str], batch: &RecordBatch) -> String {
    fit(steps, batch).map(|(pipeline, _)| pipeline).unwrap_err().to_string()
}

pub(crate) fn apply(pipeline: &Pipeline, batch: &RecordBatch, narrow: bool) -> Result<RecordBatch, Error> {
    let bound = pipeline.bind(&columns(batch), narrow)?;
    bound.transform(&batch.project(bound.projection()).unwrap(), 0)
}

/// What `steps` make of `batch` after a fit on it: a line a column, with its type and values.
pub(crate) fn made(steps: &[&str], batch: &RecordBatch) -> Vec<String> {
    shown(&apply(&fit(steps, batch).unwrap().0, batch, true).unwrap())
}

/// What `steps` fitted on one batch make of another one.
pub(crate) fn made_of(
    steps: &[&str],
    fitted_on: &RecordBatch,
    batch: &RecordBatch,
) -> Result<Vec<String>, String> {
    let (pipeline, _) = fit(steps, fitted_on).map_err(|e| e.to_string())?;
    apply(&pipeline, batch, true).map(|output| shown(&output)).map_err(|e| e.to_string())
}

pub(crate) fn shown(batch: &RecordBatch) -> Vec<String> {
    let schema = batch.schema();
    let column = |(field, values): (&Arc<arrow::datatypes::Field>, &ArrayRef)| {
        let options = FormatOptions::default().with_null("null");
        let values_text = ArrayFormatter::try_new(values, &options).unwrap();
        let values_text: Vec<String> = (0..values.len()).map(|i| values_text.value(i).to_string()).collect();
        format!("{} {}: {}", field.name(), field.data_type(), values_text.join(" "))
    };
    schema.fields().iter().zip(batch.columns()).map(column).collect()
}
