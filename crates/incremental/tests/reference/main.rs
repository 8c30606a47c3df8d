//! Every reference case of the steps that are built, cut in many ways: the pipeline's file and the output
//! are the same to the bit for every cut, and equal to scikit-learn's values within the case's tolerances.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod case;
mod compare;

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use case::{Case, Cut, Input};
use chunked_loader::{Dialect, NullValues};
use incremental::{ErrorKind, Recipe};

const CUTS: [Cut; 6] = [
    Cut { rows: 100_000, workers: 1 },
    Cut { rows: 1, workers: 1 },
    Cut { rows: 7, workers: 1 },
    Cut { rows: 1000, workers: 1 },
    Cut { rows: 1, workers: 5 },
    Cut { rows: 7, workers: 3 },
];

/// What differs first.
fn run(case: &Case) -> Result<(), String> {
    let recipe = || case.recipe().map_err(|e| e.to_string());
    let fitted_on = Input::open(&case.folder.join("input.csv"), case.hints());
    let second = case.folder.join("input2.csv");
    let second = second.exists().then(|| Input::open_like(&second, &fitted_on));
    let mut first_cut = None;
    for cut in CUTS {
        let located = |e: incremental::Error| format!("{cut:?}: {e}");
        let (pipeline, passes) = fitted_on.fit(recipe()?, cut).map_err(located)?;
        let (first_pipeline, first_passes) = first_cut.get_or_insert_with(|| (pipeline.clone(), passes));
        assert_eq!(passes, *first_passes, "{cut:?}");
        assert!(pipeline == *first_pipeline, "{}: {cut:?} fits another pipeline", case.name());
    }
    let Some((pipeline, _)) = first_cut else { return Ok(()) };
    let inputs = [(Some(&fitted_on), "expected.csv"), (second.as_ref(), "expected2.csv")];
    for (input, expected) in inputs {
        let Some(input) = input else { continue };
        for narrow in [true, false] {
            let whole = input.transform(&pipeline, narrow, 100_000).map_err(|e| e.to_string())?;
            compare::compare(&case.about, &whole, &case.folder.join(expected))
                .map_err(|e| format!("{expected}, narrow {narrow}: {e}"))?;
            for rows in [1, 7, 1000] {
                let cut = input.transform(&pipeline, narrow, rows).map_err(|e| e.to_string())?;
                assert_eq!(cut, whole, "{}: {rows} rows a batch", case.name());
            }
        }
    }
    Ok(())
}

/// Runs the cases in `root`, but those in `done`; gives the names of those that ran.
fn run_all(root: &Path, done: &BTreeSet<String>) -> BTreeSet<String> {
    let mut failures = Vec::new();
    let mut ran = BTreeSet::new();
    for case in Case::all(root).into_iter().filter(|case| !done.contains(&case.name())) {
        match case.recipe() {
            Err(e) if matches!(e.kind(), ErrorKind::NotBuilt { .. }) => continue,
            _ => {}
        }
        if let Err(message) = run(&case) {
            failures.push(format!("{}: {message}", case.name()));
        }
        ran.insert(case.name());
    }
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), ran.len(), failures.join("\n"));
    ran
}

#[test]
fn values_are_those_of_scikit_learn_however_the_rows_are_cut() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = run_all(&crate_root.join("../../testdata/reference"), &BTreeSet::new());
    assert!(ran.len() >= 215, "only {} cases ran", ran.len());
    let others = crate_root.join("../../../shared/reference");
    if others.exists() {
        let more = run_all(&others, &ran);
        println!("{} cases, and {} from {}", ran.len(), more.len(), others.display());
    } else {
        println!("{} cases; skips {}, which is not there", ran.len(), others.display());
    }
}

#[test]
fn a_value_beyond_its_tolerance_fails() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/reference");
    let mut case = Case::all(&folder).into_iter().find(|c| c.name() == "simple_imputer-mean").unwrap();
    assert_eq!(run(&case), Ok(()));
    let copy = tempfile::tempdir().unwrap();
    for file in ["input.csv", "recipe.toml"] {
        std::fs::copy(case.folder.join(file), copy.path().join(file)).unwrap();
    }
    let expected = std::fs::read_to_string(case.folder.join("expected.csv")).unwrap();
    case.folder = copy.path().to_owned();
    let fails_with = |expected: String| {
        std::fs::write(copy.path().join("expected.csv"), expected).unwrap();
        run(&case).unwrap_err()
    };
    let (head, rows) = expected.split_once('\n').unwrap();
    let (first, rest) = rows.split_once('\n').unwrap();
    let last = first.rsplit_once(',').unwrap().0;
    assert!(fails_with(format!("{head}\n{last},1e9\n{rest}")).contains("want Some(\"1e9\")"));
    assert!(fails_with(format!("{head}\n{last},\n{rest}")).contains("want None"));
    assert!(fails_with(format!("{head}\n{rest}")).contains("rows, expected"));
}

#[test]
fn the_recipe_of_the_two_pass_runs_takes_one_pass_to_fit() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let recipe = std::fs::read_to_string(testdata.join("orders_two_pass.toml")).unwrap();
    let orders = Input::open(&testdata.join("orders-1k.csv"), Vec::new());
    let fit = |cut| orders.fit(Recipe::parse(&recipe).unwrap(), cut).unwrap();
    let (pipeline, passes) = fit(CUTS[0]);
    assert_eq!(passes, 1);
    for cut in CUTS {
        assert!(fit(cut).0 == pipeline, "{cut:?}");
    }
    let whole = orders.transform(&pipeline, true, 100_000).unwrap();
    assert_eq!(whole.num_rows(), 1000);
    assert_eq!(orders.transform(&pipeline, true, 7).unwrap(), whole);
}

#[test]
fn flights_are_those_of_pandas_and_scikit_learn() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let recipe = std::fs::read_to_string(testdata.join("flights.toml")).unwrap();
    let expected = std::fs::read_to_string(testdata.join("flights-expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let dialect = Dialect::default().with_null_values(NullValues::Listed(vec!["NA".into()]));
    let flights = Input::open_as(&testdata.join("nycflights13-flights-10k.csv"), dialect, Vec::new());
    let fit = |cut| flights.fit(Recipe::parse(&recipe).unwrap(), cut).unwrap();
    let (pipeline, passes) = fit(Cut { rows: 100_000, workers: 1 });
    assert_eq!(passes, 1);
    assert!(fit(Cut { rows: 999, workers: 4 }) == (pipeline.clone(), 1));
    let output = flights.transform(&pipeline, true, 100_000).unwrap();
    assert_eq!(flights.transform(&pipeline, true, 777).unwrap(), output);

    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let is_near = |got: f64, want: f64, atol: &str| {
        (got - want).abs() <= number(&expected[atol]) + number(&expected["rtol"]) * want.abs()
    };
    let columns = expected["columns"].as_array().unwrap();
    assert_eq!(output.num_columns(), columns.len());
    for (index, column) in columns.iter().enumerate() {
        let (name, values) = (column["name"].as_str().unwrap(), output.column(index));
        assert_eq!(output.schema().field(index).name(), name);
        assert_eq!(values.null_count() as u64, column["nulls"].as_u64().unwrap(), "{name}");
        if !column["sum"].is_number() {
            continue;
        }
        let values = cast(values, &DataType::Float64).unwrap();
        let values: Vec<f64> = values.as_primitive::<Float64Type>().iter().flatten().collect();
        assert_eq!(values.len() as u64, column["count"].as_u64().unwrap(), "{name}");
        let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(min, max), v| (min.min(*v), max.max(*v)));
        for (got, key) in [(min, "min"), (max, "max")] {
            assert!(is_near(got, number(&column[key]), "atol"), "{name}: {key} {got}");
        }
        let sum: f64 = values.iter().sum();
        assert!(is_near(sum, number(&column["sum"]), "sum_atol"), "{name}: sum {sum}");
        for (got, want) in [(&values[..5], "first"), (&values[values.len() - 5..], "last")] {
            let wanted = column[want].as_array().unwrap();
            assert!(
                got.iter().zip(wanted).all(|(got, want)| is_near(*got, number(want), "atol")),
                "{name}: {want}"
            );
        }
    }
}
