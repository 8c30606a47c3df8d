//! `standard_scaler` and `min_max_scaler`. Expected values were computed with scikit-learn 1.9.1.

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::support::{bools, fit_error, floats, ints, made, made_of, nulls, table, texts};

const STANDARD: &str = "use = \"standard_scaler\"\ncolumns = [\"c\"]";
const MIN_MAX: &str = "use = \"min_max_scaler\"\ncolumns = [\"c\"]";

#[test]
fn nulls_stay_null_and_bools_are_0_and_1() {
    let column = table([("c", ints([Some(1), None, Some(3)]))]);
    assert_eq!(made(&[STANDARD], &column), ["c Float64: -1.0 null 1.0"]);
    assert_eq!(made(&[MIN_MAX], &column), ["c Float64: 0.0 null 1.0"]);
    let flags = table([("c", bools([Some(true), None, Some(false)]))]);
    assert_eq!(made(&[STANDARD], &flags), ["c Float64: 1.0 null -1.0"]);
    assert_eq!(made(&[MIN_MAX], &flags), ["c Float64: 1.0 null 0.0"]);
    let nan = table([("c", floats([1.0, f64::NAN, 3.0]))]);
    assert_eq!(made(&[STANDARD], &nan), ["c Float64: -1.0 NaN 1.0"]);
}

#[test]
fn each_parameter_does_what_it_says() {
    let column = table([("c", floats([1.0, 5.0]))]);
    let of = |step: &str, parameter: &str| made(&[&format!("{step}\n{parameter}")], &column)[0].clone();
    assert_eq!(of(STANDARD, "with_mean = false"), "c Float64: 0.5 2.5");
    assert_eq!(of(STANDARD, "with_std = false"), "c Float64: -2.0 2.0");
    assert_eq!(of(STANDARD, "with_std = false\nwith_mean = false"), "c Float64: 1.0 5.0");
    assert_eq!(of(STANDARD, "copy = false"), "c Float64: -1.0 1.0");
    assert_eq!(of(MIN_MAX, "feature_range = [-2, 0.5]"), "c Float64: -2.0 0.5");
    let beyond = table([("c", floats([0.0, 3.0, 9.0]))]);
    let clipped = made_of(&[&format!("{MIN_MAX}\nclip = true")], &column, &beyond).unwrap();
    assert_eq!(clipped, ["c Float64: 0.0 0.5 1.0"]);
    assert_eq!(made_of(&[MIN_MAX], &column, &beyond).unwrap(), ["c Float64: -0.25 0.5 2.0"]);
}

#[test]
fn constants_and_columns_without_values_stay_finite_or_missing() {
    let constant = table([("c", floats([7.0, 7.0]))]);
    assert_eq!(made(&[STANDARD], &constant), ["c Float64: 0.0 0.0"]);
    assert_eq!(made(&[MIN_MAX], &constant), ["c Float64: 0.0 0.0"]);
    let tiny = table([("c", floats([0.0, 1e-15]))]);
    assert_eq!(made(&[MIN_MAX], &tiny), ["c Float64: 0.0 1e-15"], "under ten epsilons is a constant's span");
    let empty = table([("c", nulls(2))]);
    assert_eq!(made(&[STANDARD], &empty), ["c Float64: null null"]);
    let later = table([("c", floats([1.0]))]);
    for step in [STANDARD, MIN_MAX] {
        assert_eq!(made_of(&[step], &empty, &later).unwrap(), ["c Float64: NaN"]);
    }
}

#[test]
fn values_are_those_of_float64_however_the_column_is_stored() {
    let column = ints([Some(3), None, Some(0), Some(100), Some(7)]);
    for step in [STANDARD, MIN_MAX] {
        let expected = made(&[step], &table([("c", Arc::clone(&column))]));
        for stored in [DataType::Int8, DataType::UInt8, DataType::UInt32, DataType::UInt64, DataType::Float32]
        {
            assert_eq!(made(&[step], &table([("c", cast(&column, &stored).unwrap())])), expected, "{stored}");
        }
    }
}

#[test]
fn text_and_infinities_are_refused() {
    let text = table([("c", texts(["1"]))]);
    let infinite = table([("c", floats([Some(1.0), None, Some(f64::INFINITY)]))]);
    for (step, name) in [(STANDARD, "standard_scaler"), (MIN_MAX, "min_max_scaler")] {
        assert_eq!(
            fit_error(&[step], &text),
            format!(
                "line 2: step 1 ({name}): column \"c\": holds text values, expected numbers or bools; take the column out of the step, or give it another type"
            )
        );
        let refusal = format!(
            "step 1 ({name}): column \"c\": record 3: found inf, expected a finite number; mend or drop the value before this step"
        );
        assert_eq!(fit_error(&[step], &infinite), refusal);
        assert_eq!(made_of(&[step], &infinite.slice(0, 2), &infinite), Err(refusal));
    }
}
