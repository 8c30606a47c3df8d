//! Steps that take several columns together: `polynomial_features` and `pca`. Expected values were computed with
//! scikit-learn 1.9.1.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int8Array};
use arrow::datatypes::Float64Type;
use arrow::record_batch::RecordBatch;
use incremental::{ErrorKind, Fitting, Recipe};
use monitor::{Budget, Bytes, Monitor};

use crate::support::{
    apply, bools, columns, fit, fit_error, floats, ints, made, made_of, recipe, table, texts,
};

fn step(name: &str, parameters: &str) -> String {
    format!("use = \"{name}\"\ncolumns = [\"a\", \"b\"]\n{parameters}")
}

/// A monitor with a budget of so many mebibytes.
fn within(mebibytes: usize) -> Monitor {
    Monitor::builder().with_budget(Budget::new(Bytes::from(mebibytes << 20))).build().unwrap()
}

fn two() -> RecordBatch {
    let bytes: ArrayRef = Arc::new(Int8Array::from(vec![2, -3]));
    table([("city", texts(["x", "y"])), ("a", bytes), ("b", floats([0.5, 4.0]))])
}

#[test]
fn products_stand_in_the_place_of_the_first_column() {
    assert_eq!(
        made(&[&step("polynomial_features", "")], &two()),
        [
            "city Utf8: x y",
            "1 UInt8: 1 1",
            "a Int8: 2 -3",
            "b Float64: 0.5 4.0",
            "a^2 Float64: 4.0 9.0",
            "a b Float64: 1.0 -12.0",
            "b^2 Float64: 0.25 16.0"
        ]
    );
    let of = |parameters: &str| {
        let made = made(&[&step("polynomial_features", parameters)], &two());
        let names: Vec<&str> =
            made[1..].iter().map(|c| c.rsplit_once(':').unwrap().0.rsplit_once(' ').unwrap().0).collect();
        names.join(", ")
    };
    assert_eq!(of("degree = 3\ninteraction_only = true"), "1, a, b, a b");
    assert_eq!(of("degree = [3, 3]\ninclude_bias = false"), "a^3, a^2 b, a b^2, b^3");
    assert_eq!(of("degree = [2, 2]"), "1, a^2, a b, b^2");
    assert_eq!(of("degree = 0"), "1");
    assert_eq!(of("order = \"F\"\ndegree = 1\ninclude_bias = false"), "a, b");
    let wide = apply(&fit(&[&step("polynomial_features", "")], &two()).unwrap().0, &two(), false).unwrap();
    assert!(wide.columns()[1..].iter().all(|column| column.as_primitive_opt::<Float64Type>().is_some()));
    let (_, passes) = fit(&[&step("polynomial_features", "")], &two()).unwrap();
    assert_eq!(passes, 0);
}

#[test]
fn products_of_too_many_columns_are_refused() {
    let error = |parameters: &str| fit_error(&[&step("polynomial_features", parameters)], &two());
    assert_eq!(
        error("degree = 0\ninclude_bias = false"),
        "line 2: `degree` is 0, expected a number from 1 without `include_bias`"
    );
    let names: Vec<String> = (0..100).map(|i| format!("x{i}")).collect();
    let one = || ints([1]);
    let batch = RecordBatch::try_from_iter(names.iter().map(|name| (name, one()))).unwrap();
    let of = |degree: u32| format!("use = \"polynomial_features\"\ncolumns = [\"x*\"]\ndegree = {degree}");
    assert_eq!(
        fit_error(&[&of(4)], &batch),
        "line 2: step 1 (polynomial_features): 100 columns would become more than 1048576; lower `degree`, or take fewer columns"
    );
    // 176 851 columns of a kibibyte of notes each.
    let monitor = within(48);
    let mut fitting = Fitting::new(Recipe::parse(&recipe(&[&of(3)])).unwrap(), &columns(&batch), &monitor);
    let refusal = fitting.next_pass().map(|_| ()).unwrap_err();
    let expected =
        "line 2: step 1 (polynomial_features): makes 176851 columns, and the memory budget of 48.0 MiB";
    assert!(refusal.to_string().starts_with(expected), "{refusal}");
}

#[test]
fn columns_that_are_taken_together_have_no_missing_values() {
    let missing = table([("a", ints([Some(1), None])), ("b", floats([0.5, 4.0]))]);
    let infinite = table([("a", ints([1, 2])), ("b", floats([0.5, f64::INFINITY]))]);
    for name in ["polynomial_features", "pca"] {
        let refusal = |batch: &RecordBatch| made_of(&[&step(name, "")], batch, batch).unwrap_err();
        assert_eq!(
            refusal(&missing),
            format!(
                "step 1 ({name}): column \"a\": record 2: found null, expected a number, since this step takes no missing values (`simple_imputer` fills them); mend or drop the value before this step"
            )
        );
        assert!(refusal(&infinite).contains("column \"b\": record 2: found inf, expected a finite number"));
        let text = table([("a", texts(["1"])), ("b", floats([0.5]))]);
        assert!(
            fit_error(&[&step(name, "")], &text)
                .contains("column \"a\": holds text values, expected numbers or bools")
        );
    }
}

/// The values of the columns `pca0` and so on.
fn components(parameters: &str, batch: &RecordBatch) -> Vec<Vec<f64>> {
    let (pipeline, passes) = fit(&[&step("pca", parameters)], batch).unwrap();
    assert_eq!(passes, 1);
    let output = apply(&pipeline, batch, true).unwrap();
    let schema = output.schema();
    let named =
        schema.fields().iter().zip(output.columns()).filter(|(field, _)| field.name().starts_with("pca"));
    named.map(|(_, values)| values.as_primitive::<Float64Type>().values().to_vec()).collect()
}

fn is_near(found: &[Vec<f64>], expected: &[&[f64]]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        for (a, b) in found.iter().zip(*expected) {
            assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{found:?} {expected:?}");
        }
    }
}

const PCA_ALL: &[&[f64]] = &[
    &[-3.552963020678624, -1.5028323950205347, -0.6101037589060814, 5.66589917460524],
    &[0.03812838431180089, 0.9308570204262545, -1.119273605231835, 0.15028820049377983],
];
const PCA_WHITE: &[&[f64]] =
    &[&[-0.8942534782627417, -0.37825136053241254, -0.15355842583431337, 1.4260632646294675]];

#[test]
fn components_are_those_of_the_class() {
    let batch = table([("a", floats([1.0, 2.0, 4.0, 8.0])), ("b", floats([1.0, 3.0, 2.0, 7.0]))]);
    is_near(&components("", &batch), PCA_ALL);
    is_near(&components("n_components = 1\nwhiten = true", &batch), PCA_WHITE);
    assert_eq!(components("n_components = 0.5", &batch).len(), 1);
    assert_eq!(components("n_components = 0.99999", &batch).len(), 2);
    assert_eq!(components("n_components = \"mle\"", &batch).len(), 1);
    assert_eq!(components("n_components = 0", &batch).len(), 0);
    assert_eq!(components("", &batch.slice(0, 1)), [[0.0]], "as many as rows");
    let flags = table([("a", bools([true, false, true])), ("b", ints([5, 5, 5]))]);
    assert_eq!(components("", &flags)[1], [0.0, 0.0, 0.0]);
    // Far from zero, and of very different size.
    let far = table([("a", floats([1e15, 1e15 + 1.0, 1e15 + 2.0])), ("b", floats([1e-8, -2e-8, 1e-8]))]);
    let found = components("", &far);
    assert!((found[1][1].abs() - 2e-8).abs() < 1e-20, "{found:?}");
    let huge = table([("a", floats([1e300, -1e300, 0.0])), ("b", floats([0.0, 0.0, 3e299]))]);
    is_near(
        &components("", &huge)[..1].iter().map(|c| c.iter().map(|x| x / 1e300).collect()).collect::<Vec<_>>(),
        &[&[1.0, -1.0, 0.0]],
    );
}

#[test]
fn components_that_cannot_be_are_refused() {
    let error = |parameters: &str, batch: &RecordBatch| fit_error(&[&step("pca", parameters)], batch);
    let batch = table([("a", floats([1.0, 2.0])), ("b", floats([1.0, 3.0]))]);
    assert_eq!(
        error("n_components = 3", &batch),
        "line 2: step 1 (pca): `n_components = 3` is more than the 2 columns there are; lower it"
    );
    assert_eq!(
        error("n_components = 2", &batch.slice(0, 1)),
        "step 1 (pca): `n_components = 2` is more than the 1 rows there are; lower it"
    );
    assert!(error("n_components = \"mle\"", &batch.slice(0, 1)).contains("needs as many rows as columns"));
    assert!(error("", &batch.slice(0, 0)).contains("there is no row to find components of"));
}

#[test]
fn a_covariance_too_large_for_the_budget_is_refused_before_it_is_made() {
    let names: Vec<String> = (0..500).map(|i| format!("x{i}")).collect();
    let one: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let batch = RecordBatch::try_from_iter(names.iter().map(|name| (name, Arc::clone(&one)))).unwrap();
    let steps = recipe(&["use = \"pca\"\ncolumns = [\"x*\"]"]);
    let monitor = within(64);
    let mut fitting = Fitting::new(Recipe::parse(&steps).unwrap(), &columns(&batch), &monitor);
    let refusal = fitting.next_pass().map(|_| ()).unwrap_err();
    assert!(matches!(refusal.kind(), ErrorKind::Budget(_)), "{refusal}");
}
