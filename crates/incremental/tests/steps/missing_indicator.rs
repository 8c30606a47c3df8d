//! `missing_indicator`, beside scikit-learn's class.

use crate::support::{apply, fit, floats, ints, made, made_of, table, texts};

const STEP: &str = "use = \"missing_indicator\"\ncolumns = [\"a\", \"t\"]";

#[test]
fn flags_take_the_place_of_columns_with_missing_values() {
    let batch = table([("a", floats([Some(1.0), None, Some(f64::NAN)])), ("t", texts(["x", "", "z"]))]);
    assert_eq!(made(&[STEP], &batch), ["missingindicator_a Boolean: false true true"]);
    let all = format!("{STEP}\nfeatures = \"all\"\nsparse = false");
    assert_eq!(
        made(&[&all], &batch),
        ["missingindicator_a Boolean: false true true", "missingindicator_t Boolean: false false false"]
    );
}

#[test]
fn another_value_may_stand_for_missing() {
    let step = "use = \"missing_indicator\"\ncolumns = [\"a\"]\nmissing_values = -1";
    let batch = table([("a", ints([4, -1]))]);
    assert_eq!(made(&[step], &batch), ["missingindicator_a Boolean: false true"]);
    assert_eq!(
        made_of(&[step], &batch, &table([("a", ints([Some(4), None]))])),
        Err("step 1 (missing_indicator): column \"a\": record 2: found null, expected no null where `missing_values` names another value; mend or drop the value before this step".into())
    );
}

#[test]
fn new_missing_values_are_refused_even_where_no_flag_is_made() {
    let complete = table([("a", ints([1, 2])), ("t", texts(["x", "y"]))]);
    let (pipeline, _) = fit(&[STEP], &complete).unwrap();
    assert_eq!(apply(&pipeline, &complete, true).unwrap().num_columns(), 0);
    let later = table([("a", ints([1, 2])), ("t", texts([Some("x"), None]))]);
    assert_eq!(
        apply(&pipeline, &later, true).unwrap_err().to_string(),
        "step 1 (missing_indicator): column \"t\": record 2: found null, expected a value, since the column was complete in the fit (or `error_on_new = false`); mend or drop the value before this step"
    );
    let ignored = format!("{STEP}\nerror_on_new = false");
    let (pipeline, _) = fit(&[&ignored], &complete).unwrap();
    let output = apply(&pipeline, &later, true).unwrap();
    assert_eq!((output.num_rows(), output.num_columns()), (2, 0));
}
