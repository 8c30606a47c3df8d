//! Passes, selections, and pipelines on inputs that are not like the one that was fitted.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, StringArray};
use arrow::datatypes::Float64Type;
use arrow::record_batch::RecordBatch;
use incremental::{Column, ErrorKind, Fitting, Lineage, Pipeline, Recipe};
use monitor::{Budget, Bytes, Monitor};

use crate::support::{
    apply, bools, columns, fit, fit_error, floats, ints, made, made_of, nulls, recipe, shown, table, texts,
};

const SCALE: &str = "use = \"standard_scaler\"\ncolumns = [\"a\"]";
const IMPUTE: &str = "use = \"simple_imputer\"\ncolumns = [\"a\"]";

fn passes(steps: &[&str], batch: &RecordBatch) -> usize {
    fit(steps, batch).unwrap().1
}

#[test]
fn steps_learn_in_the_fewest_passes() {
    let batch = table([
        ("a", ints([Some(1), None, Some(4)])),
        ("b", floats([0.5, 1.5, 2.5])),
        ("city", texts(["x", "y", "x"])),
    ]);
    let min_max = "use = \"min_max_scaler\"\ncolumns = [\"b\"]";
    let ordinal = "use = \"ordinal_encoder\"\ncolumns = [\"city\"]";
    let drop = "use = \"drop_columns\"\ncolumns = [\"b\"]";
    assert_eq!(passes(&[SCALE, min_max, ordinal], &batch), 1, "different columns");
    assert_eq!(passes(&[IMPUTE, SCALE], &batch), 1, "the fill is one value");
    assert_eq!(passes(&[IMPUTE, min_max, SCALE, ordinal], &batch), 1);
    assert_eq!(passes(&[drop], &batch), 0);
    assert_eq!(passes(&[], &batch), 0);
    let numeric = "use = \"min_max_scaler\"\ncolumns = [\"@numeric\"]";
    assert_eq!(passes(&[SCALE, numeric], &batch), 2);
    let one_hot = "use = \"one_hot_encoder\"\ncolumns = [\"city\"]";
    assert_eq!(passes(&[one_hot, SCALE], &batch), 1, "a name waits for nobody");
    assert_eq!(passes(&[one_hot, numeric], &batch), 2, "a selector waits until the columns are known");
    assert_eq!(passes(&[ordinal, numeric], &batch), 2, "the outputs are known and still to be made");
}

#[test]
fn a_median_takes_passes_until_it_is_exact() {
    let median = "use = \"simple_imputer\"\ncolumns = [\"a\"]\nstrategy = \"median\"";
    let few = table([("a", ints([1, 2, 3]))]);
    assert_eq!(passes(&[median], &few), 1);
    // More different values than a state holds, all within a few bits of each other.
    let step = |row: u32| 1.0 + f64::from(row) * f64::EPSILON;
    let mut values: Vec<Option<f64>> = (0..40_001).map(|row| Some(step(row * 7919 % 40_001))).collect();
    values.extend([None, Some(-1e300), Some(1e300)]);
    let hard: ArrayRef = Arc::new(Float64Array::from(values));
    let batch = table([("a", hard)]);
    let (pipeline, passes) = fit(&[median], &batch).unwrap();
    assert!((2..=4).contains(&passes), "{passes} passes");
    let filled = apply(&pipeline, &batch.slice(40_001, 1), true).unwrap();
    let expected: ArrayRef = Arc::new(Float64Array::from(vec![step(20_000)]));
    assert_eq!(filled.column(0), &expected);
    let approximate = format!("{median}\napproximate = true");
    let (pipeline, passes) = fit(&[&approximate], &batch).unwrap();
    assert_eq!(passes, 1);
    let filled = apply(&pipeline, &batch.slice(40_001, 1), true).unwrap();
    // 40 001 neighbours, and room for 14 335 values: two bits are cut.
    let found = filled.column(0).as_primitive::<Float64Type>().value(0);
    assert!((step(19_997)..=step(20_000)).contains(&found), "{found:e}");
}

#[test]
fn a_pass_reads_only_what_its_steps_need() {
    let batch = table([("x", ints([1])), ("a", ints([2])), ("y", texts(["t"])), ("b", ints([3]))]);
    let steps = recipe(&["use = \"standard_scaler\"\ncolumns = [\"b\"]", SCALE]);
    let mut fitting = Fitting::new(Recipe::parse(&steps).unwrap(), &columns(&batch), &Monitor::unbounded());
    let pass = fitting.next_pass().unwrap().unwrap();
    assert_eq!(pass.projection(), [1, 3]);
    let dropping = ["use = \"drop_columns\"\ncolumns = [\"y\", \"a\"]"];
    let (pipeline, _) = fit(&dropping, &batch).unwrap();
    assert_eq!(pipeline.bind(&columns(&batch), true).unwrap().projection(), [0, 3]);
}

#[test]
fn selectors_see_what_earlier_steps_made() {
    let batch = table([("a", ints([1, 3])), ("city", texts(["x", "y"])), ("is", bools([true, false]))]);
    let steps = [
        "use = \"one_hot_encoder\"\ncolumns = [\"@string\"]",
        "use = \"drop_columns\"\ncolumns = [\"city_*\"]\nexclude = [\"city_y\"]",
        "use = \"min_max_scaler\"\ncolumns = [\"@numeric\"]",
    ];
    assert_eq!(
        made(&steps, &batch),
        ["a Float64: 0.0 1.0", "city_y Float64: 0.0 1.0", "is Boolean: true false"]
    );
    let select = [
        "use = \"one_hot_encoder\"\ncolumns = [\"city\"]",
        "use = \"select_columns\"\ncolumns = [\"city_x\", \"a\"]",
    ];
    assert_eq!(made(&select, &batch), ["a Int64: 1 3", "city_x UInt8: 1 0"], "order stays the table's");
    assert_eq!(
        fit_error(
            &[
                "use = \"one_hot_encoder\"\ncolumns = [\"city\"]",
                "use = \"ordinal_encoder\"\ncolumns = [\"city\"]"
            ],
            &batch
        ),
        "line 5: step 2 (ordinal_encoder): no column matches `city`; did you mean `city_x`?"
    );
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let batch = table([("a", texts(["x", "y"])), ("a_x", ints([1, 2]))]);
    assert_eq!(
        fit_error(&["use = \"one_hot_encoder\"\ncolumns = [\"a\"]"], &batch),
        "line 2: step 1 (one_hot_encoder): column \"a_x\": would be in the output twice; drop or rename one of the two"
    );
    let missing = table([("a", texts([Some("nan"), None]))]);
    let error = fit(&["use = \"one_hot_encoder\"\ncolumns = [\"a\"]"], &missing).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::DuplicateColumn));
    assert_eq!((error.column(), error.step()), (Some("a_nan"), Some(0)));
}

#[test]
fn inputs_of_a_transform_are_matched_by_name_and_kind() {
    let batch = table([("a", ints([1, 3])), ("t", texts(["x", "y"]))]);
    let of = |other: &RecordBatch| made_of(&[SCALE], &batch, other);
    let reordered = table([("t", texts(["z"])), ("a", ints([3]))]);
    assert_eq!(
        of(&reordered),
        Ok(vec!["a Float64: 1.0".to_owned(), "t Utf8: z".to_owned()]),
        "the fit's order"
    );
    let whole_and_half = table([("a", floats([2.0])), ("t", nulls(1))]);
    assert_eq!(of(&whole_and_half), Ok(vec!["a Float64: 0.0".to_owned(), "t Null: null".to_owned()]));
    assert_eq!(
        of(&table([("a", ints([3]))])),
        Err("column \"t\": is missing, and was there when the pipeline was fitted; add it, or fit again without".into())
    );
    assert_eq!(
        of(&table([("a", ints([3])), ("t", texts(["x"])), ("u", ints([3]))])),
        Err("column \"u\": was not there when the pipeline was fitted; leave it out, or fit again with it"
            .into())
    );
    assert_eq!(
        of(&table([("a", texts(["3"])), ("t", texts(["x"]))])),
        Err("column \"a\": held integer values when the pipeline was fitted, and holds text values here; mend the values or fit again".into())
    );
}

#[test]
fn lineage_names_source_steps_and_category() {
    let batch = table([("a", ints([Some(1), None])), ("t", texts(["x", "y"]))]);
    let steps = [IMPUTE, SCALE, "use = \"one_hot_encoder\"\ncolumns = [\"t\"]\ndrop = \"first\""];
    let (pipeline, _) = fit(&steps, &batch).unwrap();
    assert_eq!(
        pipeline.step_names().collect::<Vec<_>>(),
        ["simple_imputer", "standard_scaler", "one_hot_encoder"]
    );
    let bound = pipeline.bind(&columns(&batch), true).unwrap();
    let step = |index: usize, name: &str| (index, name.to_owned());
    let expected = [
        Lineage {
            source: "a".into(),
            steps: vec![step(0, "simple_imputer"), step(1, "standard_scaler")],
            category: None,
        },
        Lineage { source: "t".into(), steps: vec![step(2, "one_hot_encoder")], category: Some("y".into()) },
    ];
    assert_eq!(bound.lineage(), expected.iter().collect::<Vec<_>>());
    assert_eq!(bound.made_row_bytes(), 9);
}

#[test]
fn states_are_reserved_and_refused_by_the_budget() {
    let batch = table([("a", ints([1, 2, 3]))]);
    let fit_within = |limit: usize| {
        let recipe = Recipe::parse(&recipe(&[SCALE])).unwrap();
        let budget = Budget::new(Bytes::from(limit));
        let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
        let mut fitting = Fitting::new(recipe, &columns(&batch), &monitor);
        let mut pass = fitting.next_pass()?.unwrap();
        let held = budget.reserved();
        pass.update(&batch, 0)?;
        let sibling = pass.sibling()?;
        let with_sibling = budget.reserved();
        drop((pass, sibling));
        Ok::<_, incremental::Error>([held, with_sibling, budget.reserved()])
    };
    let [held, with_sibling, at_the_end] = fit_within(1 << 20).unwrap();
    assert!(Bytes::ZERO < held, "before the first row");
    assert!(held < with_sibling, "a sibling has a reservation of its own");
    assert_eq!(at_the_end, Bytes::ZERO);
    assert!(matches!(fit_within(100).unwrap_err().kind(), ErrorKind::Budget(_)));
}

#[test]
fn a_vocabulary_beyond_the_budget_is_refused_with_a_way_out() {
    let words: Vec<String> = (0..10_000).map(|i| format!("word {i} of many")).collect();
    let column: ArrayRef = Arc::new(StringArray::from(words));
    let batch = table([("y", Arc::new(Float64Array::from(vec![0.5; 10_000])) as ArrayRef), ("t", column)]);
    let hasher = "feature_hasher";
    for (step, instead) in [
        ("one_hot_encoder", hasher),
        ("ordinal_encoder", hasher),
        ("count_encoder", hasher),
        ("target_encoder", hasher),
        ("tfidf_vectorizer", "hashing_vectorizer"),
    ] {
        let target = if step == "target_encoder" { "\ntarget = \"y\"" } else { "" };
        let recipe = recipe(&[&format!("use = \"{step}\"\ncolumns = [\"t\"]{target}")]);
        let recipe = Recipe::parse(&recipe).unwrap();
        let budget = Budget::new(Bytes::from(256usize << 10));
        let monitor = Monitor::builder().with_budget(budget).build().unwrap();
        let mut fitting = Fitting::new(recipe, &columns(&batch), &monitor);
        let mut pass = fitting.next_pass().unwrap().unwrap();
        let error = pass.update(&batch.project(pass.projection()).unwrap(), 0).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::VocabularyFull { .. }));
        let message = error.to_string();
        let start = format!("step 1 ({step}): its vocabulary has come to ");
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains(", and the memory budget of 256.0 KiB cannot give "), "{message}");
        assert!(message.ends_with(&format!("; use `{instead}`, which keeps none")), "{message}");
    }
}

#[test]
fn a_pipeline_keeps_what_the_fit_has_reserved_for_it_to_its_end() {
    let words: Vec<String> = (0..5_000).map(|i| format!("word {i} of many")).collect();
    let column: ArrayRef = Arc::new(StringArray::from(words));
    let batch = table([("t", column), ("a", Arc::new(Float64Array::from(vec![0.5; 5_000])) as ArrayRef)]);
    let recipe = recipe(&["use = \"count_encoder\"\ncolumns = [\"t\"]", SCALE]);
    let budget = Budget::new(Bytes::mib(16));
    let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
    let mut fitting = Fitting::new(Recipe::parse(&recipe).unwrap(), &columns(&batch), &monitor);
    while let Some(mut pass) = fitting.next_pass().unwrap() {
        pass.update(&batch.project(pass.projection()).unwrap(), 0).unwrap();
        fitting.finish_pass(pass).unwrap();
        assert!(budget.reserved() > Bytes::kib(150));
    }
    let pipeline = fitting.finish().unwrap();
    let held = Bytes::from(pipeline.heap_bytes());
    assert!(held > Bytes::kib(150));
    assert_eq!((pipeline.reserved(), budget.reserved()), (held, held));
    // Of the rows that it was fitted on or of later ones, bound or not, it is one pipeline.
    let training = pipeline.training();
    assert_eq!((training.reserved(), budget.reserved()), (held, held));
    let bound = training.bind(&columns(&batch), true).unwrap();
    let file = pipeline.to_bytes().unwrap();
    drop((pipeline, training));
    assert_eq!(budget.reserved(), held);
    assert_eq!(bound.transform(&batch, 0).unwrap().num_rows(), 5_000);
    drop(bound);
    assert_eq!(budget.reserved(), Bytes::ZERO);
    assert_eq!(Pipeline::from_bytes(&file).unwrap().reserved(), Bytes::ZERO);
}

#[test]
#[should_panic(expected = "only siblings of one pass are merged")]
fn passes_of_different_fits_do_not_merge() {
    let batch = table([("a", ints([1]))]);
    let pass = || {
        let recipe = Recipe::parse(&recipe(&[SCALE])).unwrap();
        Fitting::new(recipe, &columns(&batch), &Monitor::unbounded()).next_pass().unwrap().unwrap()
    };
    let _ = pass().merge(pass());
}

#[test]
fn ten_thousand_columns_are_fitted_and_bound() {
    let name = |i: usize| format!("x{i}");
    let one = ints([1, 2]);
    let batch =
        RecordBatch::try_from_iter((0..10_000).map(|i| (name(i), Arc::clone(&one) as ArrayRef))).unwrap();
    let names: Vec<String> = (0..10_000).map(|i| format!("\"{}\"", name(9_999 - i))).collect();
    let scale = format!("use = \"min_max_scaler\"\ncolumns = [{}]", names.join(", "));
    let drop = "use = \"drop_columns\"\ncolumns = [\"@all\"]\nexclude = [\"x1?\", \"x9999\"]";
    let (pipeline, _) = fit(&[&scale, drop], &batch).unwrap();
    let output = apply(&pipeline, &batch, true).unwrap();
    assert_eq!(output.num_columns(), 11);
    assert_eq!(shown(&output)[10], "x9999 Float64: 0.0 1.0");
    let reversed: Vec<Column> = columns(&batch).into_iter().rev().collect();
    assert_eq!(pipeline.bind(&reversed, true).unwrap().projection().first(), Some(&0));
}
