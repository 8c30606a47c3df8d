//! `count_encoder`, beside category_encoders' class.

use arrow::array::{ArrayRef, RecordBatch};

use crate::support::{apply, bools, dictionary, fit, fit_error, floats, made, made_of, shown, table, texts};

const STEP: &str = "use = \"count_encoder\"\ncolumns = [\"t\"]";

fn column(array: ArrayRef) -> RecordBatch {
    table([("t", array)])
}

fn letters() -> RecordBatch {
    column(texts([Some("a"), Some("a"), Some("a"), Some("b"), Some("b"), Some("c"), None]))
}

fn of(parameters: &str) -> String {
    made(&[&format!("{STEP}\n{parameters}")], &letters())[0].clone()
}

#[test]
fn every_kind_of_column_is_counted() {
    assert_eq!(of(""), "t Int8: 3 3 3 2 2 1 1");
    assert_eq!(made(&[STEP], &column(dictionary([Some("x"), None, Some("x")]))), ["t Int8: 2 1 2"]);
    assert_eq!(made(&[STEP], &column(bools([true, false, true]))), ["t Int8: 2 1 2"]);
    assert_eq!(made(&[STEP], &column(floats([0.5, f64::NAN, 0.5, f64::NAN]))), ["t Int8: 2 2 2 2"]);
    let (pipeline, _) = fit(&[STEP], &letters()).unwrap();
    assert_eq!(
        shown(&apply(&pipeline, &letters(), false).unwrap())[0],
        "t Float64: 3.0 3.0 3.0 2.0 2.0 1.0 1.0"
    );
    let names = made(&[STEP, "use = \"one_hot_encoder\"\ncolumns = [\"t\"]"], &letters());
    assert_eq!(names[0], "t_1.0 UInt8: 0 0 0 0 0 1 1");
}

#[test]
fn small_groups_share_their_total() {
    assert_eq!(of("min_group_size = 3"), "t Int8: 3 3 3 4 4 4 4");
    assert_eq!(of("min_group_size = 0.4"), "t Int8: 3 3 3 4 4 4 4");
    assert_eq!(of("min_group_size = 3\ncombine_min_nan_groups = false"), "t Int8: 3 3 3 3 3 3 1");
    assert_eq!(of("min_group_size = 2\ncombine_min_nan_groups = \"force\""), "t Int8: 3 3 3 2 2 2 2");
    assert_eq!(of("min_group_size = 2\nmin_group_name = \"few\""), "t Int8: 3 3 3 2 2 2 2");
    assert_eq!(of("min_group_size = 9"), "t Int8: 3 3 3 2 2 1 1", "all small is none");
    assert_eq!(
        of("min_group_size = 2\ncombine_min_nan_groups = false"),
        "t Int8: 3 3 3 2 2 1 1",
        "one is no group"
    );
    assert_eq!(of("normalize = true\nmin_group_size = 3").split(' ').nth(5), Some("0.5714285714285714"));
}

#[test]
fn the_unseen_and_the_missing_get_what_is_asked_for() {
    let later = column(texts([Some("b"), Some("z"), None]));
    let complete = column(texts(["a", "b", "b"]));
    let of = |parameters: &str, fitted_on: &RecordBatch| {
        made_of(&[&format!("{STEP}\n{parameters}")], fitted_on, &later).map(|made| made[0].clone())
    };
    assert_eq!(of("", &letters()), Ok("t Int8: 2 0 1".into()));
    assert_eq!(of("", &complete), Ok("t Int8: 2 0 0".into()));
    assert_eq!(of("handle_unknown = -300", &letters()), Ok("t Int16: 2 -300 1".into()));
    assert_eq!(of("handle_unknown = \"return_nan\"", &complete), Ok("t Int8: 2 null null".into()));
    assert_eq!(of("handle_missing = \"return_nan\"", &letters()), Ok("t Int8: 2 0 null".into()));
    assert_eq!(of("handle_missing = \"return_nan\"", &complete), Ok("t Int8: 2 0 null".into()));
    assert_eq!(
        of("handle_unknown = \"error\"", &letters()),
        Err("step 1 (count_encoder): column \"t\": record 2: found the category `z`, which the fit did not see; set `handle_unknown`, or fit on data that has it".into())
    );
    assert_eq!(
        fit_error(&[&format!("{STEP}\nhandle_missing = \"error\"")], &letters()),
        "step 1 (count_encoder): column \"t\": record 7: found null, expected a value under `handle_missing = \"error\"`; mend or drop the value before this step"
    );
}
