//! `target_encoder`: later rows beside scikit-learn 1.9.1, and the rows of the fit without their own targets.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::Float64Type;
use incremental::Pipeline;

use crate::support::{
    apply, bools, columns, fit, fit_by, fit_error, floats, ints, made, made_of, recipe, shown, table, texts,
};

fn step(parameters: &str) -> String {
    format!("use = \"target_encoder\"\ncolumns = [\"t\"]\ntarget = \"y\"\n{parameters}")
}

fn of(parameters: &str, y: ArrayRef) -> Vec<String> {
    let batch = table([("t", texts([Some("a"), Some("b"), Some("a"), None])), ("y", y)]);
    let mut made = made(&[&step(parameters)], &batch);
    made.pop();
    made
}

fn values(array: &ArrayRef) -> Vec<Option<f64>> {
    array.as_primitive::<Float64Type>().iter().collect()
}

/// What a pipeline makes of the rows that it was fitted on, `rows` at a time.
fn training(pipeline: &Pipeline, batch: &RecordBatch, rows: usize) -> Vec<Option<f64>> {
    let bound = pipeline.training().bind(&columns(batch), true).unwrap();
    let wanted = batch.project(bound.projection()).unwrap();
    let firsts = (0..batch.num_rows()).step_by(rows);
    let batches = firsts.map(|first| {
        let slice = wanted.slice(first, rows.min(batch.num_rows() - first));
        values(bound.transform(&slice, first as u64).unwrap().column(0))
    });
    batches.flatten().collect()
}

#[test]
fn each_type_of_target_is_found_and_encoded() {
    assert_eq!(of("smooth = 0", floats([1.5, 2.0, 2.5, 4.0])), ["t Float64: 2.0 2.0 2.0 4.0"]);
    assert_eq!(of("smooth = 0", ints([7, 3, 3, 7])), ["t Float64: 0.5 0.0 0.5 1.0"], "7 sorts second");
    assert_eq!(of("smooth = 0", floats([7.0, 3.0, 3.0, 7.0])), ["t Float64: 0.5 0.0 0.5 1.0"]);
    assert_eq!(of("smooth = 0", bools([true, false, false, true])), ["t Float64: 0.5 0.0 0.5 1.0"]);
    assert_eq!(of("smooth = 0", texts(["x", "w", "w", "x"])), ["t Float64: 0.5 0.0 0.5 1.0"]);
    assert_eq!(of("", texts(["x", "x", "x", "x"])), ["t Float64: 0.0 0.0 0.0 0.0"], "one class is the first");
    assert_eq!(
        of("smooth = 0", floats([1.0, 2.0, 3.0, 1.0])),
        [
            "t_1.0 Float64: 0.5 0.0 0.5 1.0",
            "t_2.0 Float64: 0.0 1.0 0.0 0.0",
            "t_3.0 Float64: 0.5 0.0 0.5 0.0"
        ]
    );
    assert_eq!(
        of("smooth = 0\ntarget_type = \"continuous\"", ints([1, 2, 3, 1])),
        ["t Float64: 2.0 2.0 2.0 1.0"]
    );
    assert_eq!(
        of("smooth = 0\ntarget_type = \"multiclass\"", bools([true, false, false, true])),
        ["t_False Float64: 0.5 1.0 0.5 0.0", "t_True Float64: 0.5 0.0 0.5 1.0"]
    );
    // TargetEncoder(smooth=1).fit([["a"], ["b"], ["a"], [None]], [1.5, 2, 2.5, 4]) with mean 2.5.
    assert_eq!(
        of("smooth = 1", floats([1.5, 2.0, 2.5, 4.0]))[0],
        format!("t Float64: {} 2.25 {} 3.25", 6.5 / 3.0, 6.5 / 3.0)
    );
}

#[test]
fn the_unseen_get_the_mean_and_categories_may_be_given() {
    let batch = table([("t", texts(["a", "b", "a"])), ("y", floats([1.0, 2.5, 4.0]))]);
    let later = table([("t", texts([Some("z"), None, Some("a")])), ("y", floats([0.5; 3]))]);
    assert_eq!(made_of(&[&step("smooth = 0")], &batch, &later).unwrap()[0], "t Float64: 2.5 2.5 2.5");
    let given = step("smooth = 0\ncategories = [[\"b\"]]");
    assert_eq!(made(&[&given], &batch)[0], "t Float64: 2.5 2.5 2.5", "a is unseen");
    assert_eq!(
        fit_error(&[&step("categories = [[\"b\"], [\"c\"]]")], &batch),
        "line 2: step 1 (target_encoder): `categories` is 2 lists, expected one list for each of the 1 columns"
    );
}

#[test]
fn no_row_of_the_fit_is_encoded_by_its_own_target() {
    let rows = 60;
    let y: Vec<f64> = (0..rows).map(|row| f64::from(row * row % 61) + 0.5).collect();
    let unique: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("c{row}"))));
    let batch = table([("t", unique), ("y", Arc::new(Float64Array::from(y.clone())) as ArrayRef)]);
    for (smooth, random_state) in [("0", 0), ("\"auto\"", 0), ("3.5", 1)] {
        let step = step(&format!("smooth = {smooth}\nrandom_state = {random_state}"));
        let (pipeline, passes) = fit(&[&step], &batch).unwrap();
        assert_eq!(passes, 2);
        let encoded = training(&pipeline, &batch, 60);
        assert_eq!(training(&pipeline, &batch, 7), encoded);
        // Rows of one fold get one value: the mean of all the others.
        let mut folds: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (row, value) in encoded.iter().enumerate() {
            folds.entry(value.unwrap().to_bits()).or_default().push(row);
        }
        assert_eq!(folds.len(), 5);
        for (value, own) in folds {
            let others: Vec<f64> = (0..y.len()).filter(|row| !own.contains(row)).map(|row| y[row]).collect();
            let mean = others.iter().sum::<f64>() / others.len() as f64;
            assert!((f64::from_bits(value) - mean).abs() < 1e-12);
        }
        if smooth == "0" {
            let full = values(apply(&pipeline, &batch, true).unwrap().column(0));
            assert_eq!(
                full,
                y.iter().copied().map(Some).collect::<Vec<_>>(),
                "later rows get all that is known"
            );
        }
    }
}

#[test]
fn out_of_fold_values_are_those_of_a_fit_on_the_other_folds() {
    let rows = 80i64;
    let category: Vec<Option<&str>> =
        (0..rows).map(|row| [Some("a"), Some("b"), Some("c"), None][(row * 7 % 4) as usize]).collect();
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let t: ArrayRef = Arc::new(StringArray::from(category));
    for target in ["number", "class"] {
        let y: ArrayRef = match target {
            "number" => {
                Arc::new(Float64Array::from_iter_values((0..rows).map(|row| (row * row % 13) as f64 / 4.0)))
            }
            _ => Arc::new(StringArray::from_iter_values(
                (0..rows).map(|row| ["l", "m", "n"][(row * row % 7 % 3) as usize]),
            )),
        };
        let batch = table([("t", Arc::clone(&t)), ("y", y)]);
        let (pipeline, _) = fit(&[&step("")], &batch).unwrap();
        // A column of unique values tells which rows share a fold.
        let unique = table([
            ("t", Arc::clone(&keys)),
            (
                "y",
                Arc::new(Float64Array::from_iter_values((0..rows).map(|r| (r * r) as f64 + 0.5))) as ArrayRef,
            ),
        ]);
        let folds = training(&fit(&[&step("")], &unique).unwrap().0, &unique, 80);
        let trained = pipeline.training().bind(&columns(&batch), true).unwrap().transform(&batch, 0).unwrap();
        for row in 0..batch.num_rows() {
            let others: Vec<bool> = folds.iter().map(|fold| *fold != folds[row]).collect();
            let others = arrow::compute::filter_record_batch(&batch, &others.into()).unwrap();
            let (twin, _) = fit(&[&step("")], &others).unwrap();
            let expected = apply(&twin, &batch.slice(row, 1), true).unwrap();
            assert_eq!(shown(&trained.slice(row, 1)), shown(&expected), "{target} {row}");
        }
    }
}

#[test]
fn later_steps_learn_from_out_of_fold_values() {
    let batch =
        table([("t", texts(["a", "b", "a", "c", "b", "d"])), ("y", floats([0.5, 1.0, 4.0, 2.0, 8.0, 3.0]))]);
    let scale = "use = \"standard_scaler\"\ncolumns = [\"t\"]";
    let encoded = training(&fit(&[&step("")], &batch).unwrap().0, &batch, 6);
    let scaled = training(&fit(&[&step(""), scale], &batch).unwrap().0, &batch, 6);
    let mean = encoded.iter().flatten().sum::<f64>() / 6.0;
    let deviation = (encoded.iter().flatten().map(|v| (v - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
    for (encoded, scaled) in encoded.iter().zip(scaled) {
        assert!(((encoded.unwrap() - mean) / deviation - scaled.unwrap()).abs() < 1e-12);
    }
}

#[test]
fn folds_depend_on_the_seed_and_are_none_of_a_single_row() {
    let rows = 40;
    let y = Arc::new(Float64Array::from_iter_values((0..rows).map(|row| f64::from(row) + 0.5)));
    let t = Arc::new(Int64Array::from_iter_values(0..i64::from(rows)));
    let batch = table([("t", t as ArrayRef), ("y", y as ArrayRef)]);
    let of = |parameters: &str| training(&fit(&[&step(parameters)], &batch).unwrap().0, &batch, 40);
    assert_eq!(of(""), of("cv = 5\nrandom_state = 0\nshuffle = true"));
    assert_ne!(of(""), of("random_state = 1"));
    assert_ne!(of(""), of("cv = 6"));
    let one = batch.slice(0, 1);
    let (pipeline, _) = fit(&[&step("")], &one).unwrap();
    assert_eq!(training(&pipeline, &one, 1), [None]);
    assert_eq!(values(apply(&pipeline, &one, true).unwrap().column(0)), [Some(0.5)]);
}

#[test]
fn a_pipeline_from_its_file_has_no_rows_of_its_own() {
    let batch = table([("t", texts(["a", "b", "a"])), ("y", floats([1.0, 2.5, 4.0]))]);
    let (pipeline, _) = fit(&[&step("")], &batch).unwrap();
    let read = Pipeline::from_bytes(&pipeline.to_bytes().unwrap()).unwrap();
    assert_eq!(training(&read, &batch, 3), values(apply(&pipeline, &batch, true).unwrap().column(0)));
    assert_eq!(pipeline.training().to_bytes().unwrap(), pipeline.to_bytes().unwrap());
}

#[test]
fn rows_may_lack_the_target() {
    let batch = table([("t", texts(["a", "b"])), ("y", floats([1.5, 2.0])), ("x", ints([1, 3]))]);
    let later = table([("x", ints([3, 1])), ("t", texts(["b", "a"]))]);
    let others = [
        "",
        "use = \"drop_columns\"\ncolumns = [\"y\"]",
        "use = \"standard_scaler\"\ncolumns = [\"x\", \"y\"]",
        "use = \"select_columns\"\ncolumns = [\"y\", \"t\", \"x\"]",
    ];
    for other in others {
        let encode = step("smooth = 0");
        let steps: Vec<&str> = [encode.as_str(), other].into_iter().filter(|s| !s.is_empty()).collect();
        let (pipeline, _) = fit(&steps, &batch).unwrap();
        assert!(pipeline.is_target("y") && !pipeline.is_target("x"));
        let output = shown(&apply(&pipeline, &later, true).unwrap());
        assert_eq!(output.len(), 2, "{other}: {output:?}");
        assert_eq!(output[0], "t Float64: 2.0 1.5");
    }
    let needed = "use = \"feature_hasher\"\ncolumns = [\"x\", \"y\"]\nn_features = 2";
    let (pipeline, _) = fit(&[&step(""), needed], &batch).unwrap();
    assert_eq!(
        apply(&pipeline, &later, true).unwrap_err().to_string(),
        "step 2 (feature_hasher): column \"y\": is missing, and was there when the pipeline was fitted; add it, or fit again without"
    );
    let (pipeline, _) = fit(&[&step("")], &batch).unwrap();
    let without_x = later.project(&[1]).unwrap();
    assert!(
        apply(&pipeline, &without_x, true).unwrap_err().to_string().starts_with("column \"x\": is missing")
    );
}

#[test]
fn selectors_leave_the_target_out() {
    let batch = table([("t", texts(["a", "b"])), ("x", floats([0.0, 8.0])), ("y", floats([0.5, 2.0]))]);
    let scale = "use = \"min_max_scaler\"\ncolumns = [\"@numeric\"]";
    let encode =
        "use = \"target_encoder\"\ncolumns = [\"@all\"]\ntarget = \"y\"\nexclude = [\"x\"]\nsmooth = 0";
    assert_eq!(
        made(&[scale, encode], &batch),
        ["t Float64: 0.5 2.0", "x Float64: 0.0 1.0", "y Float64: 0.5 2.0"]
    );
}

#[test]
fn what_is_no_target_is_refused() {
    let refusal = |parameters: &str, y: ArrayRef| {
        let rows = y.len();
        let t: ArrayRef = Arc::new(StringArray::from(vec!["a"; rows]));
        let error = fit_error(&[&step(parameters)], &table([("t", t), ("y", y)]));
        error.trim_start_matches("line 2: ").strip_prefix("step 1 (target_encoder): ").unwrap().to_owned()
    };
    assert_eq!(
        refusal("", floats([Some(1.5), None])),
        "column \"y\": record 2: found null, expected a value: a target has none missing; mend or drop the value before this step"
    );
    assert!(refusal("", floats([f64::INFINITY])).starts_with("column \"y\": record 1: found inf"));
    assert_eq!(
        refusal("", Arc::new(Date32Array::from(vec![1]))),
        "column \"y\": holds date values, expected numbers, bools or text as a target; take the column out of the step, or give it another type"
    );
    assert!(
        refusal("target_type = \"continuous\"", texts(["x"]))
            .contains("expected numbers as a continuous target")
    );
    assert_eq!(
        refusal("target_type = \"binary\"", ints([1, 2, 3])),
        "column \"y\": has 3 values, and `target_type = \"binary\"` takes two; set it to \"multiclass\" or \"continuous\""
    );
    assert_eq!(refusal("", floats::<0>([0.0; 0])), "there is no row to learn from; give it some");
    let batch = table([("t", texts(["a"])), ("y", ints([1]))]);
    assert_eq!(
        fit_error(&["use = \"target_encoder\"\ncolumns = [\"t\"]\ntarget = \"z\""], &batch),
        "line 2: step 1 (target_encoder): no column matches `z`; there are `t`, `y`"
    );
    assert_eq!(
        fit_error(&["use = \"target_encoder\"\ncolumns = [\"t\", \"y\"]\ntarget = \"y\""], &batch),
        "line 2: step 1 (target_encoder): `columns` is with the target `y`, expected columns besides the target; put it under `exclude`"
    );
    assert_eq!(
        incremental::Recipe::parse(&recipe(&["use = \"target_encoder\"\ncolumns = [\"t\"]"]))
            .unwrap_err()
            .to_string(),
        "line 2: `target` is not given, expected the name of the column to learn from"
    );
}

#[test]
fn an_input_that_changes_between_the_passes_is_refused() {
    let batch = table([("t", texts(["a", "b"])), ("y", texts(["u", "v"]))]);
    let changed = |other: RecordBatch| {
        let mut first = true;
        let result = fit_by(&[&step("")], &batch, |mut pass, wanted| {
            let rows = if std::mem::take(&mut first) { wanted.clone() } else { other.clone() };
            pass.update(&rows, 0).map(|()| pass)
        });
        result.map(|_| ()).unwrap_err().to_string()
    };
    let message = "the input changed between two passes; run again when it is complete";
    for other in [
        table([("t", texts(["a", "z"])), ("y", texts(["u", "v"]))]),
        table([("t", texts(["a", "b"])), ("y", texts(["u", "z"]))]),
        table([("t", texts(["a", "b"])), ("y", texts([Some("u"), None]))]),
    ] {
        assert_eq!(changed(other), format!("step 1 (target_encoder): {message}"));
    }
}
