//! Steps that learn in the pass of an earlier step of the same columns, against their twins with a pass of their own.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int8Array, Int64Array, NullArray,
    StringArray, TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::Int8Type;
use arrow::record_batch::RecordBatch;
use incremental::{ErrorKind, Fitting, Recipe};
use monitor::{Budget, Bytes, Monitor};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use crate::cuts::table;
use crate::recipes::step;
use crate::shards::fit_in_shards;
use crate::support::{
    apply, columns, finish, fit, fit_apart, fit_by, floats, ints, nulls, recipe, table as table_of, texts,
};

const ROWS: usize = 24;

/// Columns of one kind, most of them with something missing and some with nothing else, and steps for them: those
/// that others learn ahead of, those that may stand between, and those that learn ahead.
struct Kind {
    column: BoxedStrategy<ArrayRef>,
    earlier: &'static [&'static str],
    between: &'static [&'static str],
    later: &'static [&'static str],
}

fn array<T>(
    values: impl Strategy<Value = T> + 'static,
    of: fn(Vec<Option<T>>) -> ArrayRef,
) -> BoxedStrategy<ArrayRef>
where
    T: Clone + std::fmt::Debug + 'static,
{
    let values = Arc::new(values);
    let there = select(vec![0.001, 0.5, 0.9, 0.999]);
    there.prop_flat_map(move |there| vec(weighted(there, Arc::clone(&values)), ROWS)).prop_map(of).boxed()
}

/// Values that add up badly.
fn numbers() -> Kind {
    let floats = vec![
        0.0,
        -0.0,
        f64::NAN,
        5e-324,
        -1.5e-323,
        1e300,
        -1e300,
        1.7e308,
        1e15 + 0.125,
        1e15 + 0.25,
        1e15 + 0.5,
        0.1,
        -0.1,
        3.0,
    ];
    let far = (0..40).prop_map(|step| 1e15 + f64::from(step) * 0.125);
    let column = prop_oneof![
        array(select(floats), |v| Arc::new(Float64Array::from(v))),
        array(far, |v| Arc::new(Float64Array::from(v))),
        array(select(vec![0.1f32, 1e30, -1e30, 1e-45, f32::NAN]), |v| Arc::new(Float32Array::from(v))),
        array(-3i8..4, |v| Arc::new(Int8Array::from(v))),
        array(select(vec![i64::MIN, i64::MAX, (1 << 53) + 1, 0, 7]), |v| Arc::new(Int64Array::from(v))),
        array(select(vec![u64::MAX, u64::MAX - 1, 0, 300]), |v| Arc::new(UInt64Array::from(v))),
        array(any::<bool>(), |v| Arc::new(BooleanArray::from(v))),
        Just(Arc::new(NullArray::new(ROWS)) as ArrayRef),
    ];
    Kind {
        column: column.boxed(),
        earlier: &[
            "use = \"simple_imputer\"",
            "use = \"simple_imputer\"\nadd_indicator = true",
            "use = \"simple_imputer\"\nkeep_empty_features = true",
            "use = \"simple_imputer\"\nstrategy = \"median\"",
            "use = \"simple_imputer\"\nstrategy = \"most_frequent\"\nadd_indicator = true",
            "use = \"simple_imputer\"\nstrategy = \"most_frequent\"\nkeep_empty_features = true",
            "use = \"simple_imputer\"\nstrategy = \"constant\"",
            "use = \"simple_imputer\"\nstrategy = \"constant\"\nfill_value = 3\nkeep_empty_features = true",
            "use = \"simple_imputer\"\nstrategy = \"constant\"\nfill_value = 0.5",
            "use = \"variance_threshold\"",
            "use = \"variance_threshold\"\nthreshold = 2",
        ],
        between: &[
            "use = \"clip\"\nlower = 0\nupper = 5.5",
            "use = \"clip\"\nlower = 1",
            "use = \"cast\"\ndtype = \"float64\"",
            "use = \"simple_imputer\"\nmissing_values = 3",
            "use = \"missing_indicator\"\nfeatures = \"all\"",
            "use = \"log1p\"",
        ],
        later: &[
            "use = \"standard_scaler\"",
            "use = \"standard_scaler\"\nwith_std = false",
            "use = \"min_max_scaler\"",
            "use = \"max_abs_scaler\"",
            "use = \"robust_scaler\"",
            "use = \"variance_threshold\"",
            "use = \"quantile_transformer\"\nn_quantiles = 5",
            "use = \"power_transformer\"",
            "use = \"k_bins_discretizer\"\nencode = \"ordinal\"\nn_bins = 3",
            "use = \"k_bins_discretizer\"\nstrategy = \"kmeans\"\nencode = \"ordinal\"\nn_bins = 2",
            "use = \"ordinal_encoder\"",
            "use = \"one_hot_encoder\"",
            "use = \"count_encoder\"",
            "use = \"simple_imputer\"",
        ],
    }
}

fn texts_and_times() -> Kind {
    let words = || select(vec!["a", "b", "missing_value", "", "Å", "0"]);
    let column = prop_oneof![
        array(words(), |v| Arc::new(StringArray::from(v))),
        array(words(), |v| Arc::new(v.into_iter().collect::<DictionaryArray<Int8Type>>())),
        array(words(), |v| Arc::new(StringArray::from(v))),
        array(-5_000_000_000i64..5_000_000_000, |v| Arc::new(TimestampMillisecondArray::from(v))),
    ];
    Kind {
        column: column.boxed(),
        earlier: &[
            "use = \"simple_imputer\"\nstrategy = \"most_frequent\"",
            "use = \"simple_imputer\"\nstrategy = \"most_frequent\"\nadd_indicator = true",
            "use = \"simple_imputer\"\nstrategy = \"constant\"\nfill_value = \"2020-01-31\"",
            "use = \"simple_imputer\"\nstrategy = \"constant\"\nfill_value = \"1970-01-01\"",
        ],
        between: &["use = \"cast\"\ndtype = \"string\"", "use = \"missing_indicator\"\nfeatures = \"all\""],
        later: &[
            "use = \"one_hot_encoder\"",
            "use = \"one_hot_encoder\"\nmin_frequency = 4",
            "use = \"ordinal_encoder\"",
            "use = \"count_encoder\"",
            "use = \"missing_indicator\"\nfeatures = \"all\"",
            "use = \"simple_imputer\"\nstrategy = \"most_frequent\"",
            "use = \"target_encoder\"\ntarget = \"c0\"",
        ],
    }
}

fn on_columns(steps: &'static [&'static str]) -> impl Strategy<Value = String> {
    let all = vec!["@all", "c*", "c*", "c0", "c1", "c0\", \"c1", "c1\", \"c0"];
    let selection = select(all);
    (select(steps), selection).prop_map(|(step, columns)| format!("{step}\ncolumns = [\"{columns}\"]"))
}

/// A table with a recipe's steps for it.
fn hard_case(kind: Kind) -> impl Strategy<Value = (RecordBatch, Vec<String>)> {
    let table = vec(kind.column, 2..5).prop_map(|arrays| {
        let named = arrays.into_iter().enumerate().map(|(i, array)| (format!("c{i}"), array, true));
        RecordBatch::try_from_iter_with_nullable(named).unwrap()
    });
    let steps = (
        vec(on_columns(kind.earlier), 1..3),
        vec(on_columns(kind.between), 0..2),
        vec(on_columns(kind.later), 1..3),
        prop::bool::weighted(0.3),
    );
    let steps = steps.prop_map(|(earlier, between, later, has_split)| {
        let mut steps = [earlier, between, later].concat();
        if has_split && let Some(last) = steps.last_mut() {
            last.push_str("\n[split]\ntest = 0.3");
        }
        steps
    });
    (table, steps)
}

/// Fits both ways, in one piece and in uneven parts merged from behind, and compares all of it.
fn check_against_twin(table: &RecordBatch, steps: &[&str]) -> Result<(), TestCaseError> {
    let in_parts = fit_by(steps, table, |pass, wanted| {
        let mut whole = pass.sibling()?;
        let cuts = [0, 1, 3, 4, 11, wanted.num_rows()].map(|row| row.min(wanted.num_rows()));
        for rows in cuts.windows(2).rev() {
            let mut part = pass.sibling()?;
            part.update(&wanted.slice(rows[0], rows[1] - rows[0]), rows[0] as u64)?;
            whole.merge(part)?;
        }
        Ok(whole)
    });
    let (whole, passes, twin, twin_passes) = match (fit(steps, table), fit_apart(steps, table)) {
        (Ok((whole, passes)), Ok((twin, twin_passes))) => (whole, passes, twin, twin_passes),
        (Err(_), Err(_)) => {
            prop_assert!(in_parts.is_err());
            return Ok(());
        }
        (whole, twin) => panic!("{:?} but with passes apart {:?}", whole.err(), twin.err()),
    };
    let (in_parts, passes_in_parts) = in_parts.unwrap();
    let bytes = twin.to_bytes().unwrap();
    prop_assert_eq!(&whole.to_bytes().unwrap(), &bytes);
    prop_assert_eq!(&in_parts.to_bytes().unwrap(), &bytes);
    prop_assert_eq!(passes, passes_in_parts);
    prop_assert!(passes <= twin_passes, "{} passes, and apart {}", passes, twin_passes);
    prop_assert_eq!(apply(&whole.training(), table, true).ok(), apply(&twin.training(), table, true).ok());
    Ok(())
}

proptest! {
    #[test]
    fn hard_numbers_are_learnt_as_in_a_pass_of_their_own((table, steps) in hard_case(numbers())) {
        check_against_twin(&table, &steps.iter().map(String::as_str).collect::<Vec<_>>())?;
    }

    #[test]
    fn texts_and_times_are_learnt_as_in_a_pass_of_their_own((table, steps) in hard_case(texts_and_times())) {
        check_against_twin(&table, &steps.iter().map(String::as_str).collect::<Vec<_>>())?;
    }

    #[test]
    fn shards_of_hard_numbers_come_to_the_same_bits(
        (table, steps) in hard_case(numbers()),
        shards in 1u32..9,
        picks in vec(any::<usize>(), 1..16),
    ) {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        match (fit_in_shards(&recipe(&steps), &table, shards, &picks), fit_apart(&steps, &table)) {
            (Ok((in_shards, files)), Ok((twin, _))) => {
                prop_assert_eq!(in_shards.to_bytes().unwrap(), twin.to_bytes().unwrap());
                let (_, in_one) = fit_in_shards(&recipe(&steps), &table, 1, &picks).unwrap();
                // But for the line that says which shards there are.
                let states = |file: &Vec<u8>| file.splitn(3, |b| *b == b'\n').nth(2).map(<[u8]>::to_vec);
                prop_assert_eq!(
                    files.iter().map(states).collect::<Vec<_>>(),
                    in_one.iter().map(states).collect::<Vec<_>>()
                );
            }
            (Err(_), Err(_)) => {}
            (in_shards, twin) => panic!("{:?} but with passes apart {:?}", in_shards.err(), twin.err()),
        }
    }

    #[test]
    fn any_steps_learn_as_in_passes_of_their_own(table in table(), steps in vec(step(), 1..6)) {
        check_against_twin(&table, &steps.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
}

/// The passes of a fit, and of its twin, to the same bytes.
fn passes(steps: &[&str], table: &RecordBatch) -> (usize, usize) {
    check_against_twin(table, steps).unwrap();
    (fit(steps, table).unwrap().1, fit_apart(steps, table).unwrap().1)
}

fn impute(parameters: &str, columns: &str) -> String {
    format!("use = \"simple_imputer\"\ncolumns = [{columns}]\n{parameters}")
}

fn on(step: &str, columns: &str) -> String {
    format!("use = \"{step}\"\ncolumns = [{columns}]")
}

fn with_holes() -> RecordBatch {
    table_of([
        ("a", ints([Some(1), None, Some(4), Some(-7), None])),
        ("b", floats([Some(0.5), Some(1e15 + 0.25), None, Some(-1e15), Some(5e-324)])),
        ("full", floats([1.0, 2.0, 3.0, 4.0, 5.0])),
        ("empty", nulls(5)),
        ("city", texts([Some("x"), None, Some("y"), Some("x"), Some("z")])),
    ])
}

#[test]
fn a_step_behind_an_imputer_takes_no_pass_of_its_own() {
    let table = with_holes();
    let later = [
        "standard_scaler",
        "min_max_scaler",
        "max_abs_scaler",
        "robust_scaler",
        "variance_threshold",
        "quantile_transformer",
        "k_bins_discretizer",
        "ordinal_encoder",
        "count_encoder",
        "one_hot_encoder",
        "simple_imputer",
    ];
    let strategies = ["mean", "median", "most_frequent", "constant"];
    for (step, strategy) in later.iter().flat_map(|step| strategies.map(|strategy| (*step, strategy))) {
        let first = impute(&format!("strategy = \"{strategy}\""), "\"a\", \"b\"");
        for columns in ["\"a\", \"b\"", "\"b\"", "\"b\", \"full\"", "\"@numeric\""] {
            assert_eq!(passes(&[&first, &on(step, columns)], &table), (1, 2), "{step} {columns} {strategy}");
        }
    }
    let text = impute("strategy = \"most_frequent\"", "\"@string\"");
    assert_eq!(passes(&[&text, &on("one_hot_encoder", "\"@string\"")], &table), (1, 2));
    // As many passes as the step takes alone.
    let power = fit(&[&on("power_transformer", "\"full\"")], &table).unwrap().1;
    let (ahead, apart) = passes(&[&impute("", "\"full\""), &on("power_transformer", "\"full\"")], &table);
    assert_eq!((ahead, apart), (power, power + 1));
}

#[test]
fn chains_take_a_pass_for_each_step_that_rounds() {
    let table = with_holes();
    let (all, scale) = ("\"a\", \"b\", \"full\"", on("standard_scaler", "\"@numeric\""));
    let mean = impute("", all);
    assert_eq!(passes(&[&mean, &on("variance_threshold", all), &scale], &table), (1, 3));
    assert_eq!(passes(&[&mean, &impute("strategy = \"median\"", all), &scale], &table), (1, 3));
    let clip = format!("{}\nlower = 0", on("clip", all));
    assert_eq!(passes(&[&mean, &clip, &on("min_max_scaler", all)], &table), (1, 2));
    assert_eq!(passes(&[&mean, &scale, &on("min_max_scaler", all)], &table), (2, 3));
    assert_eq!(passes(&[&scale, &mean, &on("min_max_scaler", all)], &table), (2, 3));
    assert_eq!(passes(&[&on("variance_threshold", all), &scale], &table), (1, 2));
    assert_eq!(passes(&[&mean, &on("pca", all)], &table), (2, 2), "not column by column");
}

#[test]
fn columns_that_come_to_nothing_or_more_cost_no_pass() {
    let table = with_holes();
    let scale = on("standard_scaler", "\"@all\"");
    let select = on("select_columns", "\"a\", \"full\", \"empty\"");
    assert_eq!(passes(&[&select, &impute("", "\"@all\""), &scale], &table), (1, 2), "`empty` is dropped");
    let indicator = "add_indicator = true\nkeep_empty_features = true";
    assert_eq!(
        passes(&[&select, &impute(indicator, "\"@all\""), &scale], &table),
        (1, 2),
        "some are flagged"
    );
    assert_eq!(
        passes(
            &[&select, &on("missing_indicator", "\"a\", \"full\""), &on("one_hot_encoder", "\"@bool\"")],
            &table
        ),
        (1, 2)
    );
}

#[test]
fn columns_dropped_by_an_earlier_step_do_not_mix_up_what_the_others_are_filled_with() {
    let holes = [None, Some(1.0), Some(5.0), None];
    let table = table_of([
        ("gone", floats([2.0, 2.0, 2.0, 2.0])),
        ("empty", nulls(4)),
        ("a", floats(holes)),
        ("b", floats(holes.map(|value| value.map(|value| 100.0 * value)))),
    ]);
    let [drop, fill, scale] =
        ["variance_threshold", "simple_imputer", "standard_scaler"].map(|step| on(step, "\"@all\""));
    assert_eq!(passes(&[&drop, &fill, &scale], &table), (1, 3));
}

#[test]
fn what_was_expected_in_vain_is_learnt_in_a_pass_of_its_own() {
    let table = with_holes();
    // log1p refuses what a column holds that is to be dropped.
    let steps =
        [on("variance_threshold", "\"a\", \"full\"") + "\nthreshold = 3", on("log1p", "\"@numeric\"")];
    let low = table.project(&[2, 3]).unwrap();
    let far = table_of([("a", floats([-2.0, -2.0, -2.0])), ("full", floats([10.0, 1.0, 500.0]))]);
    let scale = on("min_max_scaler", "\"@numeric\"");
    assert_eq!(passes(&[&steps[0], &steps[1], &scale], &far), (2, 2));
    // An encoder that knows no such value refuses it, in whatever pass.
    let known = on("ordinal_encoder", "\"full\"") + "\ncategories = [[1, 2, 3, 4]]";
    let fill = impute("", "\"full\"");
    let errors = [fit(&[&fill, &known], &low), fit_apart(&[&fill, &known], &low)].map(|fit| {
        let error = fit.map(|_| ()).unwrap_err();
        (error.to_string(), error.row())
    });
    assert_eq!(errors[0], errors[1]);
    // A fill that a step between refuses is reported where it is met.
    let fill = impute("strategy = \"constant\"\nfill_value = -3", "\"a\"");
    let error = |fit: Result<_, incremental::Error>| fit.map(|_| ()).unwrap_err().to_string();
    let four = table_of([("a", ints([Some(1), None, Some(4)]))]);
    let steps = [fill.as_str(), &on("log1p", "\"a\""), &on("standard_scaler", "\"a\"")];
    assert_eq!(error(fit(&steps, &four)), error(fit_apart(&steps, &four)));
}

#[test]
fn a_budget_without_room_for_both_takes_a_pass_more() {
    let names: StringArray = (0..2_000).map(|row| Some(format!("a name, and the number {row}"))).collect();
    let table = table_of([("name", Arc::new(names) as ArrayRef)]);
    let steps = [impute("strategy = \"most_frequent\"", "\"name\""), on("ordinal_encoder", "\"name\"")];
    let text = recipe(&[&steps[0], &steps[1]]);
    let within = |kibibytes: usize| {
        let budget = Budget::new(Bytes::from(kibibytes << 10));
        let monitor = Monitor::builder().with_budget(budget).build().unwrap();
        let fitting = Fitting::new(Recipe::parse(&text).unwrap(), &columns(&table), &monitor);
        finish(fitting, &table, |mut pass, wanted| {
            for row in (0..wanted.num_rows()).step_by(100) {
                pass.update(&wanted.slice(row, 100), row as u64)?;
            }
            Ok(pass)
        })
    };
    let (roomy, passes) = within(4_096).unwrap();
    assert_eq!(passes, 1);
    let (tight, passes) = within(448).unwrap();
    assert_eq!((tight.to_bytes().unwrap(), passes), (roomy.to_bytes().unwrap(), 2));
    assert!(matches!(within(128).map(|_| ()).unwrap_err().kind(), ErrorKind::Budget(_)));
}
