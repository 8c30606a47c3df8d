//! `[split]`: nothing is fitted on the test rows, and the rows of the fit say which they are.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Float64Type};
use incremental::{Pipeline, Recipe};

use crate::support::{apply, columns, fit, fit_error, floats, recipe, shown, table};

const ROWS: usize = 200;
const SCALE: &str = "use = \"standard_scaler\"\ncolumns = [\"x\"]";
const SPLIT: &str = "\n[split]\ntest = 0.3\nseed = 7";

fn numbers() -> RecordBatch {
    let x = Float64Array::from_iter_values((0..ROWS).map(|row| (row * row % 101) as f64));
    table([("x", Arc::new(x) as ArrayRef)])
}

/// Which rows `pipeline` was fitted on, as its output says.
fn training(pipeline: &Pipeline, batch: &RecordBatch) -> BooleanArray {
    let output = apply(&pipeline.training(), batch, true).unwrap();
    let split = cast(output.columns().last().unwrap(), &DataType::Utf8).unwrap();
    let is_training = |text: Option<&str>| match text.unwrap() {
        "train" => true,
        "test" => false,
        other => panic!("{other}"),
    };
    split.as_string::<i32>().iter().map(|text| Some(is_training(text))).collect()
}

#[test]
fn a_fit_with_a_split_is_a_fit_on_the_other_rows() {
    let batch = numbers();
    let (pipeline, _) = fit(&[&format!("{SCALE}{SPLIT}")], &batch).unwrap();
    let mask = training(&pipeline, &batch);
    let kept = mask.true_count();
    assert_eq!(pipeline.rows_fitted(ROWS as u64), kept as u64);
    // Five standard deviations of a binomial count are 33.
    assert!(kept.abs_diff(140) < 33, "{kept}");
    let (twin, _) = fit(&[SCALE], &filter_record_batch(&batch, &mask).unwrap()).unwrap();
    assert_eq!(pipeline.to_bytes().unwrap(), twin.to_bytes().unwrap());
    assert_eq!(apply(&pipeline, &batch, true).unwrap().num_columns(), 1, "later rows have no split");
    let (other, _) = fit(&[&format!("{SCALE}\n[split]\ntest = 0.3\nseed = 8")], &batch).unwrap();
    assert_ne!(training(&other, &batch), mask);
}

#[test]
fn the_column_is_the_last_and_as_narrow_as_asked_for() {
    let batch = numbers();
    let (pipeline, _) = fit(&[&format!("{SCALE}{SPLIT}")], &batch).unwrap();
    let types = |narrow: bool| {
        let output = apply(&pipeline.training(), &batch, narrow).unwrap();
        output.schema().fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect::<Vec<_>>()
    };
    assert_eq!(types(true), ["x Float64", "split Dictionary(Int8, Utf8)"]);
    assert_eq!(types(false), ["x Float64", "split Utf8"]);
}

#[test]
fn test_rows_get_what_later_rows_get_and_no_row_its_own_target() {
    let t: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| ["a", "b", "c"][row * row % 7 % 3])));
    let y: ArrayRef =
        Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| (row * 37 % 41) as f64 + 0.5)));
    let batch = table([("t", t), ("y", y)]);
    let encode = "use = \"target_encoder\"\ncolumns = [\"t\"]\ntarget = \"y\"";
    let (pipeline, _) = fit(&[&format!("{encode}{SPLIT}")], &batch).unwrap();
    let mask = training(&pipeline, &batch);
    let (twin, _) = fit(&[encode], &filter_record_batch(&batch, &mask).unwrap()).unwrap();
    assert_eq!(pipeline.to_bytes().unwrap(), twin.to_bytes().unwrap());

    let values = |array: &RecordBatch| array.column(0).as_primitive::<Float64Type>().values().to_vec();
    let split = values(&apply(&pipeline.training(), &batch, true).unwrap());
    let later = values(&apply(&pipeline, &batch, true).unwrap());
    for (row, is_training) in mask.iter().enumerate() {
        assert_eq!(split[row] == later[row], !is_training.unwrap(), "{row}");
    }
    // Seven rows a batch, as all at once.
    let bound = pipeline.training().bind(&columns(&batch), true).unwrap();
    for first in (0..ROWS).step_by(7) {
        let rows = 7.min(ROWS - first);
        let part = bound.transform(&batch.slice(first, rows), first as u64).unwrap();
        assert_eq!(values(&part), split[first..first + rows]);
    }
}

#[test]
fn a_refused_value_is_named_by_its_own_row() {
    let batch = numbers();
    let (pipeline, _) = fit(&[&format!("{SCALE}{SPLIT}")], &batch).unwrap();
    let mask = training(&pipeline, &batch);
    let with_infinity = |row: usize| {
        let x = (0..ROWS).map(|r| if r == row { f64::INFINITY } else { 1.0 });
        table([("x", Arc::new(Float64Array::from_iter_values(x)) as ArrayRef)])
    };
    for row in [mask.iter().position(|m| m == Some(true)), mask.iter().rposition(|m| m == Some(true))] {
        let row = row.unwrap();
        let error = fit_error(&[&format!("{SCALE}{SPLIT}")], &with_infinity(row));
        assert!(error.contains(&format!("record {}: found inf", row + 1)), "{error}");
    }
    let unseen = mask.iter().position(|m| m == Some(false)).unwrap();
    assert!(fit(&[&format!("{SCALE}{SPLIT}")], &with_infinity(unseen)).is_ok());
}

#[test]
fn a_fit_does_not_fail_for_a_row_that_it_does_not_see() {
    let numbers = numbers();
    let (pipeline, _) = fit(&[&format!("{SCALE}{SPLIT}")], &numbers).unwrap();
    let mask = training(&pipeline, &numbers);
    let unseen = mask.iter().position(|m| m == Some(false)).unwrap();
    let t = (0..ROWS).map(|row| if row == unseen { "z" } else { ["a", "b"][row % 2] });
    let batch = table([("x", Arc::new(StringArray::from_iter_values(t)) as ArrayRef)]);
    let encode = "use = \"ordinal_encoder\"\ncolumns = [\"x\"]";
    let (pipeline, passes) = fit(&[encode, &format!("{SCALE}{SPLIT}")], &batch).unwrap();
    assert_eq!(passes, 2);
    let error = apply(&pipeline.training(), &batch, true).unwrap_err().to_string();
    assert!(error.contains(&format!("record {}: found the category `z`", unseen + 1)), "{error}");
}

#[test]
fn a_column_of_that_name_is_refused_where_the_rows_of_the_fit_are_written() {
    let batch =
        table([("split", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef), ("x", floats([1.0, 2.0]))]);
    let (pipeline, _) = fit(&[&format!("{SCALE}{SPLIT}")], &batch).unwrap();
    assert_eq!(
        apply(&pipeline.training(), &batch, true).unwrap_err().to_string(),
        "column \"split\": would be in the output twice; drop or rename one of the two"
    );
    let drop = "use = \"drop_columns\"\ncolumns = [\"split\"]";
    let (pipeline, _) = fit(&[drop, &format!("{SCALE}{SPLIT}")], &batch).unwrap();
    assert_eq!(shown(&apply(&pipeline.training(), &batch, true).unwrap()).len(), 2);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let error = |split: &str| {
        Recipe::parse(&recipe(&[&format!("{SCALE}\n[split]\n{split}")])).unwrap_err().to_string()
    };
    let expected = "expected a share of the rows between 0 and 1";
    for share in ["0", "1", "1.5", "-0.1", "nan", "\"half\""] {
        assert_eq!(
            error(&format!("test = {share}")),
            format!("line 6: `test` is {}, {expected}", share.replace("nan", "NaN"))
        );
    }
    assert_eq!(error(""), format!("line 5: `test` is not given, {expected}"));
    assert_eq!(error("test = 0.2\nseed = -1"), "line 7: `seed` is -1, expected a whole number from 0");
    assert_eq!(error("test = 0.2\nsede = 1"), "line 7: unknown key `sede`; did you mean `seed`?");
    assert_eq!(
        Recipe::parse("version = 1\nsplit = 0.2\n").unwrap_err().to_string(),
        "line 2: `split` is something else, expected a table `[split]`"
    );
}
