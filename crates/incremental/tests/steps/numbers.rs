//! Steps that compute with each column alone: scaling, clipping, casting, binning. Expected values were computed
//! with scikit-learn 1.9.1, numpy 2.4.6 and pandas 3.1.1.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Float32Array, Float64Array, Int8Array, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit};

use crate::support::{
    apply, bools, dictionary, fit, fit_by, fit_error, floats, ints, made, made_of, nulls, table, texts,
};

fn step(name: &str, parameters: &str) -> String {
    format!("use = \"{name}\"\ncolumns = [\"c\"]\n{parameters}")
}

/// What a step makes of a column `c` after a fit on it.
fn of(name: &str, parameters: &str, column: ArrayRef) -> Vec<String> {
    made(&[&step(name, parameters)], &table([("c", column)]))
}

/// Why it does not, less the step.
fn refusal(name: &str, parameters: &str, column: ArrayRef) -> String {
    let batch = table([("c", column)]);
    let made = made_of(&[&step(name, parameters)], &batch, &batch).unwrap_err();
    made.split_once("): ").unwrap().1.to_owned()
}

#[test]
fn scales_are_those_of_the_classes() {
    let column = || floats([Some(1.0), None, Some(-4.0), Some(2.0)]);
    assert_eq!(of("max_abs_scaler", "", column()), ["c Float64: 0.25 null -1.0 0.5"]);
    assert_eq!(of("max_abs_scaler", "", nulls(2)), ["c Float64: null null"]);
    assert_eq!(of("max_abs_scaler", "", floats([1e-16, -2e-16])), ["c Float64: 1e-16 -2e-16"]);
    assert_eq!(of("max_abs_scaler", "", bools([true, false])), ["c Float64: 1.0 0.0"]);
    let column = || floats([1.0, 2.0, 4.0, 8.0, 16.0]);
    assert_eq!(
        of("robust_scaler", "", column()),
        ["c Float64: -0.5 -0.3333333333333333 0.0 0.6666666666666666 2.0"]
    );
    assert_eq!(of("robust_scaler", "with_scaling = false", column()), ["c Float64: -3.0 -2.0 0.0 4.0 12.0"]);
    assert_eq!(
        of("robust_scaler", "quantile_range = [0, 100]", column())[0],
        "c Float64: -0.2 -0.13333333333333333 0.0 0.26666666666666666 0.8"
    );
    // The overflow of the range is not that of the result.
    assert_eq!(
        of("robust_scaler", "quantile_range = [0, 100]", floats([-1e308, 0.0, 1e308])),
        ["c Float64: -0.5 0.0 0.5"]
    );
    let neither = "with_centering = false\nwith_scaling = false";
    assert_eq!(of("robust_scaler", neither, column()), ["c Float64: 1.0 2.0 4.0 8.0 16.0"]);
    assert_eq!(fit(&[&step("robust_scaler", neither)], &table([("c", column())])).unwrap().1, 0, "passes");
    let error = fit_error(
        &[&step("robust_scaler", "quantile_range = [0, 50]\nunit_variance = true")],
        &table([("c", column())]),
    );
    assert_eq!(
        error,
        "line 2: `quantile_range` is [0, 50], expected two different numbers between 0 and 100 under `unit_variance`"
    );
}

#[test]
fn logarithms_of_what_has_none_are_refused() {
    assert_eq!(of("log1p", "", floats([0.0, 1e-300, f64::INFINITY])), ["c Float64: 0.0 1e-300 inf"]);
    assert_eq!(of("log1p", "", ints([Some(0), None])), ["c Float64: 0.0 null"]);
    let expected = "column \"c\": record 2: found -1, expected a number above -1; mend or drop the value before this step";
    assert_eq!(refusal("log1p", "", floats([0.5, -1.0])), expected);
    assert_eq!(fit(&[&step("log1p", "")], &table([("c", ints([1]))])).unwrap().1, 0, "passes");
}

#[test]
fn clipped_columns_keep_their_type_where_it_holds_the_bounds() {
    let bytes = || Arc::new(Int8Array::from(vec![Some(-100), None, Some(7), Some(100)])) as ArrayRef;
    assert_eq!(of("clip", "lower = 0", bytes()), ["c Int8: 0 null 7 100"]);
    assert_eq!(of("clip", "lower = -1000\nupper = 8.0", bytes()), ["c Int8: -100 null 7 8"]);
    assert_eq!(of("clip", "lower = 1000", bytes()), ["c Int16: 1000 null 1000 1000"]);
    assert_eq!(of("clip", "upper = 1.25", bytes()), ["c Float64: -100.0 null 1.25 1.25"]);
    let large = || Arc::new(UInt64Array::from(vec![3, u64::MAX])) as ArrayRef;
    assert_eq!(of("clip", "lower = 5", large()), ["c UInt64: 5 18446744073709551615"]);
    assert_eq!(of("clip", "lower = -5\nupper = 7", large()), ["c UInt64: 3 7"]);
    assert_eq!(of("clip", "upper = -5", large()), ["c Int8: -5 -5"]);
    let single = || Arc::new(Float32Array::from(vec![0.1, 9.5])) as ArrayRef;
    assert_eq!(of("clip", "lower = 0.5", single()), ["c Float32: 0.5 9.5"]);
    assert_eq!(of("clip", "lower = 0.3", single()), ["c Float64: 0.3 9.5"]);
    assert_eq!(of("clip", "upper = 1", floats([f64::NAN, f64::INFINITY])), ["c Float64: NaN 1.0"]);
    assert_eq!(of("clip", "upper = 1", nulls(1)), ["c Null: null"]);
    let error = |parameters: &str| fit_error(&[&step("clip", parameters)], &table([("c", texts(["1"]))]));
    assert_eq!(error(""), "line 2: `lower` is not given, expected a number here, or in `upper`, or both");
    assert_eq!(
        error("lower = 2\nupper = 1"),
        "line 2: `lower` is 2, expected a number that is not above `upper`"
    );
    assert!(error("upper = 1").contains("holds text values, expected numbers"));
}

#[test]
fn casts_keep_every_value_or_refuse_it() {
    let to = |dtype: &str, column: ArrayRef| of("cast", &format!("dtype = \"{dtype}\""), column);
    let not_to = |dtype: &str, column: ArrayRef| refusal("cast", &format!("dtype = \"{dtype}\""), column);
    let words = || texts([Some("007"), None, Some("-3")]);
    assert_eq!(to("int8", words()), ["c Int8: 7 null -3"]);
    assert_eq!(to("float64", words()), ["c Float64: 7.0 null -3.0"]);
    assert_eq!(to("int64", dictionary(["5", "6"])), ["c Int64: 5 6"]);
    assert_eq!(
        to("uint64", floats([Some(1e18), None, Some(f64::NAN)])),
        ["c UInt64: 1000000000000000000 null null"]
    );
    assert_eq!(to("uint8", bools([true, false])), ["c UInt8: 1 0"]);
    assert_eq!(to("float64", ints([9_007_199_254_740_993])), ["c Float64: 9007199254740992.0"]);
    assert_eq!(to("bool", floats([Some(0.0), Some(1.0), None])), ["c Boolean: false true null"]);
    assert_eq!(to("bool", texts(["TRUE", "false"])), ["c Boolean: true false"]);
    assert_eq!(to("string", bools([true])), ["c Utf8: True"]);
    assert_eq!(to("string", floats([2.0, 1e-5])), ["c Utf8: 2.0 1e-05"]);
    assert_eq!(to("dictionary", texts(["a", "a"])), ["c Dictionary(Int32, Utf8): a a"]);
    assert_eq!(to("date", texts([Some("2024-02-29"), None])), ["c Date32: 2024-02-29 null"]);
    let times = cast(
        &texts(["2024-02-29T23:59:59", "1969-12-31T23:00:00"]),
        &DataType::Timestamp(TimeUnit::Second, None),
    );
    assert_eq!(to("date", times.unwrap()), ["c Date32: 2024-02-29 1969-12-31"]);
    let days = || Arc::new(Date32Array::from(vec![1])) as ArrayRef;
    assert_eq!(to("timestamp", days()), ["c Timestamp(s): 1970-01-02T00:00:00"]);
    assert_eq!(
        to("timestamp", texts(["2024-02-29 01:02:03.5"])),
        ["c Timestamp(µs): 2024-02-29T01:02:03.500"]
    );
    assert_eq!(to("int32", nulls(2)), ["c Int32: null null"]);

    let expected = "column \"c\": record 2: found 300, expected a whole number from -128 to 127, as int8 holds them; mend or drop the value before this step";
    assert_eq!(not_to("int8", ints([Some(1), Some(300)])), expected);
    assert!(
        not_to("int32", floats([1.0, 2.5]))
            .contains("record 2: found 2.5, expected a whole number of 32 bits")
    );
    assert!(not_to("uint64", ints([-1])).contains("found -1, expected a whole number from 0 of 64 bits"));
    assert!(
        not_to("int64", texts(["12", "x"]))
            .contains("record 2: found \"x\", expected a whole number of 64 bits")
    );
    assert!(not_to("float32", floats([1e39])).contains("expected a number within the range of float32"));
    assert!(not_to("bool", ints([2])).contains("found 2, expected 0, 1, true or false"));
    assert!(not_to("date", texts(["2023-02-29"])).contains("expected a date such as 2020-01-31"));
    assert!(not_to("timestamp", texts(["2023-02-28T00:00:00Z"])).contains("without a zone"));
    assert!(not_to("int8", days()).contains("holds date values, expected numbers, bools or text"));
    assert!(not_to("date", ints([1])).contains("holds integer values, expected text, dates or timestamps"));
    let error = fit_error(&["use = \"cast\"\ncolumns = [\"c\"]"], &table([("c", ints([1]))]));
    assert!(error.starts_with("line 2: `dtype` is not given, expected int8 to int64, uint8"), "{error}");
}

#[test]
fn columns_that_do_not_vary_are_dropped() {
    let batch = table([
        ("same", floats([0.1, 0.1, 0.1])),
        ("tiny", floats([1e300, 1e300_f64.next_up(), 1e300])),
        ("void", nulls(3)),
        ("is", bools([true, false, true])),
        ("one", floats([None, Some(3.0), None])),
    ]);
    let all = |threshold: &str| format!("use = \"variance_threshold\"\ncolumns = [\"@all\"]\n{threshold}");
    let names =
        |made: Vec<String>| made.iter().map(|c| c.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(made(&[&all("")], &batch)), ["tiny", "is"]);
    assert_eq!(names(made(&[&all("threshold = 0.25")], &batch)), ["tiny"]);
    let error = fit_error(&[&all("threshold = 0.25")], &batch.project(&[0, 3]).unwrap());
    assert_eq!(
        error,
        "step 1 (variance_threshold): no column has a variance above `threshold = 0.25`; lower it, or leave the step out"
    );
}

#[test]
fn bins_are_those_of_the_class() {
    let column = || floats([1.0, 2.0, 4.0, 8.0, 16.0]);
    assert_eq!(of("k_bins_discretizer", "encode = \"ordinal\"", column()), ["c Int8: 0 1 2 3 4"]);
    assert_eq!(
        of("k_bins_discretizer", "n_bins = [2]", column()),
        ["c_0.0 UInt8: 1 1 0 0 0", "c_1.0 UInt8: 0 0 1 1 1"]
    );
    assert_eq!(
        of(
            "k_bins_discretizer",
            "n_bins = 3\nstrategy = \"uniform\"\nencode = \"ordinal\"\ndtype = \"float32\"",
            column()
        ),
        ["c Float32: 0.0 0.0 0.0 1.0 2.0"]
    );
    assert_eq!(of("k_bins_discretizer", "", floats([7.0, 7.0])), ["c_0.0 UInt8: 1 1"]);
    assert_eq!(of("k_bins_discretizer", "strategy = \"uniform\"", floats([7.0, 7.0])), ["c_0.0 UInt8: 1 1"]);
    let wide = table([("c", floats([-1e308, 1e308]))]);
    assert_eq!(
        made(&[&step("k_bins_discretizer", "strategy = \"uniform\"\nencode = \"ordinal\"")], &wide),
        ["c Int8: 0 4"]
    );
    let later = table([("c", floats([-1e9, 8.0, 1e9]))]);
    let ordinal = step("k_bins_discretizer", "encode = \"ordinal\"");
    assert_eq!(made_of(&[&ordinal], &table([("c", column())]), &later).unwrap(), ["c Int8: 0 3 4"]);
    let missing = "column \"c\": record 2: found null, expected a number, since this step takes no missing values (`simple_imputer` fills them); mend or drop the value before this step";
    assert_eq!(refusal("k_bins_discretizer", "", floats([Some(1.0), None])), missing);
    assert_eq!(refusal("k_bins_discretizer", "", floats([1.0, f64::NAN])), missing);
    assert_eq!(
        refusal("k_bins_discretizer", "n_bins = [2, 3]", column()),
        "`n_bins` is a list of 2, expected one number for each of the 1 columns"
    );
    let empty = refusal("k_bins_discretizer", "", column().slice(0, 0));
    assert_eq!(empty, "column \"c\": has no value to make bins of; fit on data that has rows");
}

#[test]
fn shares_are_those_of_the_class() {
    let column = || floats([Some(1.0), Some(2.0), None, Some(2.0), Some(16.0)]);
    assert_eq!(of("quantile_transformer", "", column()), ["c Float64: 0.0 0.5 null 0.5 1.0"]);
    let batch = table([("c", column())]);
    let later = table([("c", floats([0.0, 9.0, f64::NAN, 1e300]))]);
    let uniform = step("quantile_transformer", "n_quantiles = 5");
    assert_eq!(made_of(&[&uniform], &batch, &later).unwrap(), ["c Float64: 0.0 0.8333333333333334 NaN 1.0"]);
    let one = step("quantile_transformer", "n_quantiles = 1");
    assert_eq!(made_of(&[&one], &batch, &later).unwrap(), ["c Float64: 0.0 0.0 NaN 0.0"]);
    assert_eq!(of("quantile_transformer", "", floats([4.0, 4.0])), ["c Float64: 0.0 0.0"]);
    assert_eq!(of("quantile_transformer", "", floats([-1e308, 0.0, 1e308])), ["c Float64: 0.0 0.5 1.0"]);
    assert_eq!(of("quantile_transformer", "", nulls(2)), ["c Float64: null null"]);
    let normal = of("quantile_transformer", "output_distribution = \"normal\"", floats([1.0, 2.0, 3.0]));
    assert!(
        normal[0].starts_with("c Float64: -5.19933758260557") && normal[0].contains(" 0.0 5.19933758270342"),
        "{normal:?}"
    );
}

/// Values of which most differ in their last bits only.
fn many() -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(
        (0..200_000u32).map(|i| f64::from(i * 7919 % 200_000) / 3.0 + 1e5),
    ))
}

#[test]
fn quantiles_of_many_values_take_common_passes_or_one() {
    let batch = table([("c", many())]);
    let passes = |parameters: &str| {
        let (pipeline, passes) = fit(&[&step("quantile_transformer", parameters)], &batch).unwrap();
        (apply(&pipeline, &batch, true).unwrap().column(0).as_primitive::<Float64Type>().clone(), passes)
    };
    let (exact, several) = passes("");
    assert!((2..=4).contains(&several), "{several} passes");
    let (cut, one) = passes("approximate = true");
    assert_eq!(one, 1);
    let apart = exact.values().iter().zip(cut.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 2e-3 && apart > 0.0, "{apart}");
    let row = |x: f64| 200_000.0 * x;
    for (i, share) in exact.values().iter().enumerate().step_by(997) {
        let rank = f64::from(i as u32 * 7919 % 200_000);
        assert!((row(*share) - rank * 200_000.0 / 199_999.0).abs() < 1e-3, "{share} for the rank {rank}");
    }
}

#[test]
fn powers_are_those_of_the_class() {
    let power = |parameters: &str, column: ArrayRef| of("power_transformer", parameters, column);
    assert_eq!(power("", floats([Some(2.5), None, Some(2.5)])), ["c Float64: 0.0 null 0.0"]);
    assert_eq!(power("standardize = false", floats([2.5, 2.5])), ["c Float64: 2.5 2.5"]);
    assert_eq!(power("", nulls(2)), ["c Float64: null null"]);
    let box_cox = |column: ArrayRef| refusal("power_transformer", "method = \"box-cox\"", column);
    let expected = "column \"c\": record 2: found 0, expected a positive number, as Box-Cox takes them (`method = \"yeo-johnson\"` takes all); mend or drop the value before this step";
    assert_eq!(box_cox(floats([1.0, 0.0])), expected);
    assert!(box_cox(floats([3.0, 3.0])).contains("has one value only"));
    assert!(box_cox(nulls(1)).contains("has no value to find a power for"));
}

/// Columns that are hard for a search, and λ as 60-digit arithmetic has it.
const HARD_POWERS: [(&str, &[f64], f64); 10] = [
    ("", &[0.0, 1.0, 3.0, 10.0, 50.0], -0.21793787047993154),
    ("", &[-50.0, -10.0, -3.0, -1.0, 0.0], 2.2179378704799317),
    ("", &[-3.0, -1.0, 0.5, 2.0, 20.0], 0.3811628821895132),
    ("", &[1000000.0, 1000001.0, 1000002.0, 1000004.0, 1000009.0], -201114.7951000268),
    ("", &[-1000009.0, -1000004.0, -1000002.0, -1000001.0, -1000000.0], 201116.7951000268),
    ("method = \"box-cox\"", &[1e-300, 1e-200, 1e-100, 1.0, 1e+150], -0.0003618706725148305),
    (
        "method = \"box-cox\"",
        &[1000000000000000.0, 1000000000000000.1, 1000000000000000.2, 1000000000000000.5, 1000000000000001.0],
        -1535912615221780.5,
    ),
    ("", &[1e-08, 2e-08, 4e-08, -3e-08, 9e-08], -3482737.535654926),
    ("method = \"box-cox\"", &[2003.0, 1950.0, 1997.0, 2000.0, 2009.0], 103.9791576923802),
    ("", &[1e+300, 2e+300, 5e+300, 1e+301], -4.293176626223902e-37),
];

#[test]
fn powers_of_hard_columns_are_exact() {
    for (parameters, values, lambda) in HARD_POWERS {
        let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
        let (pipeline, passes) =
            fit(&[&step("power_transformer", parameters)], &table([("c", column)])).unwrap();
        let text = String::from_utf8(pipeline.to_bytes().unwrap()).unwrap();
        let found: f64 =
            text.split("\"lambda\": ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        assert!(
            (found - lambda).abs() <= 1e-9 * f64::max(1.0, lambda.abs()),
            "{values:?}: {found} not {lambda}"
        );
        assert!(passes <= 6, "{values:?}: {passes} passes");
    }
}

/// The inner edges of scikit-learn's `KBinsDiscretizer(n_bins, strategy="kmeans")`. Among the columns are skewed
/// ones, of which bins start out empty, and one with fewer values than bins.
const K_MEANS: [(usize, &[f64], &[f64]); 5] = [
    (3, &[1.0, 2.0, 2.5, 8.0, 9.0, 9.5, 30.0, 31.0, 34.0], &[17.916666666666664, 32.25]),
    (
        5,
        &[
            14.199, 0.036, 1.722, 0.478, 0.555, 0.756, 0.072, 0.74, 0.325, 75.181, 1.341, 0.632, 0.694, 0.42,
            0.254, 0.602, 1.871, 0.733, 3.473, 0.771, 1.032, 7.46, 2.031, 0.519, 0.788, 2.019, 12.374, 0.704,
            0.729, 3.68, 0.316, 0.684, 3.15, 2.126, 1.126, 2.39, 0.025, 3.772, 0.287, 0.114,
        ],
        &[1.1696666666666673, 3.0676250000000005, 8.79675, 44.23375],
    ),
    (4, &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0], &[0.5]),
    (
        6,
        &[
            0.39, 0.41, -0.5, 1.88, 0.17, 0.22, 1.0, 0.27, -0.09, 1.4, -26.71, -1.27, 2.22, 0.61, 4.33,
            -0.54, -1.34, -0.34, -64.94, 0.22, 2.23, 0.66, -0.55, 1.0, -0.94, 1.86, 0.39, 0.72, -0.0, 3.51,
        ],
        &[-45.825, -13.746428571428572, -0.17821428571428566, 1.172214285714286, 2.919],
    ),
    (2, &[-5.0, -4.5, 10.0, 11.0, 12.0], &[3.1250000000000004]),
];

#[test]
fn bins_around_means_are_those_of_the_class() {
    for (bins, values, expected) in K_MEANS {
        let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
        let parameters = format!("strategy = \"kmeans\"\nencode = \"ordinal\"\nn_bins = {bins}");
        let (pipeline, passes) =
            fit(&[&step("k_bins_discretizer", &parameters)], &table([("c", column)])).unwrap();
        assert!(passes <= 30, "{passes}");
        let text = String::from_utf8(pipeline.to_bytes().unwrap()).unwrap();
        let edges = text.split("\"edges\": [").nth(1).unwrap().split(']').next().unwrap();
        let found: Vec<f64> = edges.split(',').map(|edge| edge.trim().parse().unwrap()).collect();
        assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found:?} {expected:?}");
        }
    }
}

#[test]
fn an_input_that_changes_between_passes_is_refused() {
    let batch = table([("c", many())]);
    for name in ["quantile_transformer", "robust_scaler", "k_bins_discretizer"] {
        let mut seen = 0;
        let changed = fit_by(&[&step(name, "")], &batch, |mut pass, wanted| {
            seen += 1;
            pass.update(wanted, 0)?;
            // More rows, and none of them the same.
            if seen > 1 {
                let more: ArrayRef = Arc::new(Float64Array::from_iter_values((0..300_000).map(f64::from)));
                pass.update(&table([("c", more)]), 200_000)?;
            }
            Ok(pass)
        });
        let message = changed.map(|_| ()).unwrap_err().to_string();
        assert!(
            message.ends_with("the input changed between two passes; run again when it is complete"),
            "{message}"
        );
    }
    // Rows without a value are in nobody's way, and the number of quantiles stays that of the first pass.
    let few = table([("c", many().slice(0, 20_000))]);
    let mut seen = 0;
    let (_, passes) =
        fit_by(&[&step("quantile_transformer", "n_quantiles = 65536")], &few, |mut pass, wanted| {
            seen += 1;
            pass.update(wanted, 0)?;
            if seen > 1 {
                pass.update(&table([("c", floats([None, None]))]), 20_000)?;
            }
            Ok(pass)
        })
        .unwrap();
    assert!(passes > 1);
}
