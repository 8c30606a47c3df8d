//! `simple_imputer`. Expected values were computed with scikit-learn 1.9.1.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, DictionaryArray, Float32Array, Int8Array, StringArray, TimestampSecondArray,
};
use arrow::datatypes::Int8Type;

use crate::support::{
    apply, bools, columns, dictionary, fit, fit_error, floats, ints, made, made_of, nulls, shown, table,
    texts,
};

const IMPUTER: &str = "use = \"simple_imputer\"\ncolumns = [\"c\"]";
const STRATEGIES: [&str; 4] = ["mean", "median", "most_frequent", "constant"];

fn strategy(strategy: &str, parameters: &str) -> String {
    format!("{IMPUTER}\nstrategy = \"{strategy}\"\n{parameters}")
}

#[test]
fn each_strategy_fills_each_kind() {
    let numbers = table([("c", floats([Some(3.0), Some(1.0), None, Some(f64::NAN), Some(1.0), Some(3.0)]))]);
    let of = |name: &str| made(&[&strategy(name, "")], &numbers)[0].clone();
    assert_eq!(of("mean"), "c Float64: 3.0 1.0 2.0 2.0 1.0 3.0");
    assert_eq!(of("median"), "c Float64: 3.0 1.0 2.0 2.0 1.0 3.0");
    assert_eq!(of("most_frequent"), "c Float64: 3.0 1.0 1.0 1.0 1.0 3.0", "of equals the smallest");
    assert_eq!(of("constant"), "c Float64: 3.0 1.0 0.0 0.0 1.0 3.0");

    let day: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), None, Some(1)]));
    let second: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(60), None, Some(60)]));
    let cases: [(ArrayRef, &str); 6] = [
        (ints([Some(5), None, Some(5)]), "c Int64: 5 5 5"),
        (bools([Some(true), None, Some(true)]), "c Boolean: true true true"),
        (texts([Some("x"), None, Some("x")]), "c Utf8: x x x"),
        (dictionary([Some("x"), None, Some("x")]), "c Dictionary(Int32, Utf8): x x x"),
        (day, "c Date32: 1970-01-02 1970-01-02 1970-01-02"),
        (second, "c Timestamp(s): 1970-01-01T00:01:00 1970-01-01T00:01:00 1970-01-01T00:01:00"),
    ];
    for (column, expected) in cases {
        assert_eq!(made(&[&strategy("most_frequent", "")], &table([("c", column)])), [expected]);
    }
}

#[test]
fn a_constant_widens_the_type_that_does_not_hold_it() {
    let small: ArrayRef = Arc::new(Int8Array::from(vec![Some(-1), None]));
    let of = |column: &ArrayRef, fill: &str| {
        made(&[&strategy("constant", &format!("fill_value = {fill}"))], &table([("c", Arc::clone(column))]))
            [0]
        .clone()
    };
    assert_eq!(of(&small, "7"), "c Int8: -1 7");
    assert_eq!(of(&small, "200"), "c Int16: -1 200");
    assert_eq!(of(&small, "0.5"), "c Float64: -1.0 0.5");
    assert_eq!(of(&small, "\"none\""), "c Int8: -1 0");
    let narrow: ArrayRef = Arc::new(Float32Array::from(vec![Some(0.5), None]));
    assert_eq!(of(&narrow, "0.25"), "c Float32: 0.5 0.25");
    assert_eq!(of(&narrow, "0.1"), "c Float64: 0.5 0.1");
    assert_eq!(of(&texts([Some("a"), None]), "\"?\""), "c Utf8: a ?");
    assert_eq!(of(&bools([Some(true), None]), "true"), "c Boolean: true true");
    let day: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), None]));
    assert_eq!(of(&day, "\"2020-02-29\""), "c Date32: 1970-01-02 2020-02-29");
    let error = |column: &ArrayRef, fill: &str| {
        fit_error(&[&strategy("constant", fill)], &table([("c", Arc::clone(column))]))
    };
    let place = "line 2: step 1 (simple_imputer): column \"c\": `fill_value` is";
    assert_eq!(
        error(&small, "fill_value = \"x\""),
        format!("{place} \"x\", expected a value of a column of integer values")
    );
    assert_eq!(
        error(&small, "fill_value = nan"),
        format!("{place} NaN, expected a value that is not missing itself")
    );
    assert_eq!(error(&day, ""), format!("{place} not given, expected a date such as \"2020-01-31\""));
}

#[test]
fn another_value_can_stand_for_missing() {
    let numbers = table([("c", ints([1, -1, 3, -1]))]);
    assert_eq!(made(&[&strategy("mean", "missing_values = -1")], &numbers), ["c Float64: 1.0 2.0 3.0 2.0"]);
    assert_eq!(made(&[&strategy("mean", "missing_values = -1.0")], &numbers), ["c Float64: 1.0 2.0 3.0 2.0"]);
    assert_eq!(
        made(&[&strategy("median", "missing_values = -1\nadd_indicator = true")], &numbers),
        ["c Float64: 1.0 2.0 3.0 2.0", "missingindicator_c UInt8: 0 1 0 1"]
    );
    let words = table([("c", texts(["a", "?", "a", "b"]))]);
    let most_frequent = strategy("most_frequent", "missing_values = \"?\"");
    assert_eq!(made(&[&most_frequent], &words), ["c Utf8: a a a b"]);
    assert_eq!(
        made(&[&most_frequent], &table([("c", dictionary(["a", "?", "a"]))])),
        ["c Dictionary(Int32, Utf8): a a a"]
    );
    assert_eq!(
        fit_error(&[&strategy("mean", "missing_values = -1")], &table([("c", ints([Some(-1), None]))])),
        "step 1 (simple_imputer): column \"c\": record 2: found null, expected no null where `missing_values` names another value; mend or drop the value before this step"
    );
    assert_eq!(
        fit_error(&[&strategy("mean", "missing_values = \"?\"")], &numbers),
        "line 2: step 1 (simple_imputer): column \"c\": `missing_values` is \"?\", expected a value of a column of integer values"
    );
}

#[test]
fn an_indicator_is_made_where_the_fit_saw_a_null() {
    let (full, holed) = (table([("c", floats([1.0, 3.0]))]), table([("c", floats([None, Some(2.0)]))]));
    let step = strategy("mean", "add_indicator = true");
    assert_eq!(made_of(&[&step], &full, &holed), Ok(vec!["c Float64: 2.0 2.0".to_owned()]), "new nulls");
    assert_eq!(
        made_of(&[&step], &holed, &full).unwrap(),
        ["c Float64: 1.0 3.0", "missingindicator_c UInt8: 0 0"]
    );
    let (pipeline, _) = fit(&[&step], &holed).unwrap();
    let wide = apply(&pipeline, &holed, false).unwrap();
    assert_eq!(shown(&wide)[1], "missingindicator_c Float64: 1.0 0.0");
    assert_eq!(pipeline.bind(&columns(&holed), true).unwrap().made_row_bytes(), 9);
}

#[test]
fn a_column_without_values_is_dropped_or_kept() {
    let (empty, later) =
        (table([("c", floats([None, Some(f64::NAN)]))]), table([("c", floats([Some(5.0), None]))]));
    for name in STRATEGIES {
        let of = |parameters: &str| made_of(&[&strategy(name, parameters)], &empty, &later).unwrap();
        assert_eq!(of("keep_empty_features = true"), ["c Float64: 5.0 0.0"], "{name}");
        assert!(of("").is_empty(), "{name}");
        assert_eq!(of("add_indicator = true"), ["missingindicator_c UInt8: 0 1"], "{name}");
    }
    let nothing = table([("c", nulls(2))]);
    assert_eq!(made(&[&strategy("mean", "keep_empty_features = true")], &nothing), ["c Float64: 0.0 0.0"]);
    assert_eq!(made(&[&strategy("most_frequent", "keep_empty_features = true")], &nothing), ["c Int8: 0 0"]);
    assert!(made(&[IMPUTER], &nothing).is_empty());
}

#[test]
fn a_fill_is_appended_behind_the_nulls_of_a_dictionary() {
    let values: ArrayRef = Arc::new(StringArray::from(vec![None, Some("a"), Some("b")]));
    let keys = Int8Array::from(vec![Some(2), Some(0), Some(1), None]);
    let column: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(keys, values));
    let step = strategy("constant", "fill_value = \"z\"");
    assert_eq!(made(&[&step], &table([("c", column)])), ["c Dictionary(Int32, Utf8): b z a z"]);
}

#[test]
fn what_no_mean_can_be_taken_of_is_refused() {
    assert_eq!(
        fit_error(&[IMPUTER], &table([("c", texts(["1"]))])),
        "line 2: step 1 (simple_imputer): column \"c\": holds text values, expected numbers under the strategies mean and median; take the column out of the step, or give it another type"
    );
    let refusal = "step 1 (simple_imputer): column \"c\": record 2: found inf, expected a finite number; mend or drop the value before this step";
    let infinite = table([("c", floats([1.0, f64::INFINITY]))]);
    for name in STRATEGIES {
        assert_eq!(fit_error(&[&strategy(name, "")], &infinite), refusal, "{name}");
        assert_eq!(
            made_of(&[&strategy(name, "")], &infinite.slice(0, 1), &infinite),
            Err(refusal.to_owned())
        );
    }
}
