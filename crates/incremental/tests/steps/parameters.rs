//! What each parameter of each class takes, and what it refuses with which words. The lists are the classes'
//! `_parameter_constraints`.

use incremental::Recipe;

use crate::support::recipe;

fn parse(step: &str, parameter: &str) -> Result<(), String> {
    // A code for the unseen is demanded as soon as there may be one.
    let rest = match step {
        _ if parameter.contains("use_encoded_value") => "\nunknown_value = -1",
        "target_encoder" if !parameter.starts_with("target =") => "\ntarget = \"y\"",
        "date_parts" if !parameter.starts_with("parts") => "\nparts = \"day\"",
        _ => "",
    };
    let step = format!("use = \"{step}\"\ncolumns = [\"c\"]\n{parameter}{rest}");
    Recipe::parse(&recipe(&[&step])).map(|_| ()).map_err(|e| e.to_string())
}

type Values = &'static [&'static str];

/// For each step and parameter: what it takes, what it refuses, and what it says it expects.
const PARAMETERS: &[(&str, &str, Values, Values, &str)] = &[
    ("standard_scaler", "copy", FLAGS, NO_FLAGS, FLAG),
    ("standard_scaler", "with_mean", FLAGS, NO_FLAGS, FLAG),
    ("standard_scaler", "with_std", FLAGS, NO_FLAGS, FLAG),
    ("min_max_scaler", "copy", FLAGS, NO_FLAGS, FLAG),
    ("min_max_scaler", "clip", FLAGS, NO_FLAGS, FLAG),
    (
        "min_max_scaler",
        "feature_range",
        &["[0, 1]", "[-1.5, 2]"],
        &["1", "[0]", "[0, 1, 2]", "[1, 1]", "[2, 1]", "[0, inf]", "[nan, 1]", "[\"a\", 1]"],
        "two finite numbers, the smaller first, such as [0, 1]",
    ),
    ("simple_imputer", "copy", FLAGS, NO_FLAGS, FLAG),
    ("simple_imputer", "add_indicator", FLAGS, NO_FLAGS, FLAG),
    ("simple_imputer", "keep_empty_features", FLAGS, NO_FLAGS, FLAG),
    ("simple_imputer", "approximate", FLAGS, NO_FLAGS, FLAG),
    (
        "simple_imputer",
        "strategy",
        &["\"mean\"", "\"median\"", "\"most_frequent\"", "\"constant\""],
        &["\"mode\"", "1", "\"none\""],
        "one of \"mean\", \"median\", \"most_frequent\", \"constant\"",
    ),
    (
        "simple_imputer",
        "fill_value",
        &["1", "0.5", "\"x\"", "true", "\"none\""],
        &["[1]", "{ a = 1 }", "2020-01-01"],
        "a number, a text or a bool",
    ),
    (
        "simple_imputer",
        "missing_values",
        &["1", "-1.5", "nan", "\"?\"", "\"none\""],
        &["[nan]", "2020-01-01"],
        "a number, a text or nan",
    ),
    ("one_hot_encoder", "categories", CATEGORIES, NO_CATEGORIES, CATEGORY_LISTS),
    (
        "one_hot_encoder",
        "drop",
        &["\"first\"", "\"if_binary\"", "\"none\"", "[\"a\"]"],
        &["\"last\"", "1", "true"],
        "\"first\", \"if_binary\", \"none\", or a list with one category for each column",
    ),
    ("one_hot_encoder", "dtype", DTYPES, NO_DTYPES, DTYPE),
    (
        "one_hot_encoder",
        "handle_unknown",
        &["\"error\"", "\"ignore\"", "\"infrequent_if_exist\"", "\"warn\""],
        &["\"use_encoded_value\"", "1"],
        "one of \"error\", \"ignore\", \"infrequent_if_exist\", \"warn\"",
    ),
    ("one_hot_encoder", "max_categories", MOST, NO_MOST, WHOLE),
    ("one_hot_encoder", "min_frequency", LEAST, NO_LEAST, ROWS_OR_SHARE),
    ("one_hot_encoder", "sparse_output", FLAGS, NO_FLAGS, FLAG),
    ("one_hot_encoder", "feature_name_combiner", &["\"concat\""], &["\"join\"", "1"], "one of \"concat\""),
    ("ordinal_encoder", "categories", CATEGORIES, NO_CATEGORIES, CATEGORY_LISTS),
    ("ordinal_encoder", "dtype", DTYPES, NO_DTYPES, DTYPE),
    ("ordinal_encoder", "encoded_missing_value", &["-1", "7", "nan"], &["1.5", "\"a\"", "inf"], CODE),
    (
        "ordinal_encoder",
        "handle_unknown",
        &["\"error\"", "\"use_encoded_value\""],
        &["\"ignore\"", "false"],
        "one of \"error\", \"use_encoded_value\"",
    ),
    ("ordinal_encoder", "unknown_value", &["\"none\""], &["1.5", "\"a\"", "true"], CODE),
    ("ordinal_encoder", "max_categories", MOST, NO_MOST, WHOLE),
    ("ordinal_encoder", "min_frequency", LEAST, NO_LEAST, ROWS_OR_SHARE),
    ("max_abs_scaler", "copy", FLAGS, NO_FLAGS, FLAG),
    ("max_abs_scaler", "clip", FLAGS, NO_FLAGS, FLAG),
    ("robust_scaler", "copy", FLAGS, NO_FLAGS, FLAG),
    ("robust_scaler", "with_centering", FLAGS, NO_FLAGS, FLAG),
    ("robust_scaler", "with_scaling", FLAGS, NO_FLAGS, FLAG),
    ("robust_scaler", "unit_variance", FLAGS, NO_FLAGS, FLAG),
    ("robust_scaler", "approximate", FLAGS, NO_FLAGS, FLAG),
    (
        "robust_scaler",
        "quantile_range",
        &["[25, 75]", "[0, 100]", "[10.5, 10.5]"],
        &["50", "[25]", "[75, 25]", "[-1, 50]", "[50, 100.1]", "[nan, 50]", "[1, 2, 3]"],
        "two numbers from 0 to 100, the smaller first, such as [25, 75]",
    ),
    ("clip", "lower", NUMBERS, NO_NUMBERS, "a finite number"),
    ("clip", "upper", NUMBERS, NO_NUMBERS, "a finite number"),
    (
        "cast",
        "dtype",
        &[
            "\"int8\"",
            "\"uint64\"",
            "\"float32\"",
            "\"bool\"",
            "\"date\"",
            "\"timestamp\"",
            "\"string\"",
            "\"dictionary\"",
        ],
        &["\"int\"", "\"float16\"", "\"none\"", "8"],
        "int8 to int64, uint8 to uint64, float32, float64, bool, date, timestamp, string or dictionary",
    ),
    (
        "variance_threshold",
        "threshold",
        &["0", "0.0", "2", "1e300"],
        &["-1", "-0.5", "nan", "inf", "\"none\""],
        "a number from 0",
    ),
    (
        "k_bins_discretizer",
        "n_bins",
        &["2", "65536", "[3]"],
        &["1", "65537", "5.0", "[1]", "\"auto\""],
        "a whole number from 2 to 65536, or a list with one for each column",
    ),
    (
        "k_bins_discretizer",
        "encode",
        &["\"onehot\"", "\"onehot-dense\"", "\"ordinal\""],
        &["\"dense\"", "1"],
        "one of \"onehot\", \"onehot-dense\", \"ordinal\"",
    ),
    (
        "k_bins_discretizer",
        "strategy",
        &["\"quantile\"", "\"uniform\"", "\"kmeans\""],
        &["\"k_means\"", "1"],
        "one of \"quantile\", \"uniform\", \"kmeans\"",
    ),
    (
        "k_bins_discretizer",
        "quantile_method",
        &[
            "\"inverted_cdf\"",
            "\"averaged_inverted_cdf\"",
            "\"closest_observation\"",
            "\"linear\"",
            "\"hazen\"",
            "\"weibull\"",
            "\"interpolated_inverted_cdf\"",
            "\"median_unbiased\"",
            "\"normal_unbiased\"",
        ],
        &["\"nearest\"", "7"],
        "one of \"averaged_inverted_cdf\", \"inverted_cdf\", \"closest_observation\", \"interpolated_inverted_cdf\", \"hazen\", \"weibull\", \"linear\", \"median_unbiased\", \"normal_unbiased\"",
    ),
    (
        "k_bins_discretizer",
        "dtype",
        &["\"float32\"", "\"float64\"", "\"none\""],
        &["\"int8\"", "64"],
        "float32 or float64",
    ),
    ("k_bins_discretizer", "subsample", MOST, NO_MOST, WHOLE),
    ("k_bins_discretizer", "random_state", SEEDS, NO_SEEDS, SEED),
    ("k_bins_discretizer", "approximate", FLAGS, NO_FLAGS, FLAG),
    (
        "quantile_transformer",
        "n_quantiles",
        &["1", "65536"],
        &["0", "65537", "10.0", "\"none\""],
        "a whole number from 1 to 65536",
    ),
    (
        "quantile_transformer",
        "output_distribution",
        &["\"uniform\"", "\"normal\""],
        &["\"gaussian\"", "1"],
        "one of \"uniform\", \"normal\"",
    ),
    ("quantile_transformer", "ignore_implicit_zeros", FLAGS, NO_FLAGS, FLAG),
    ("quantile_transformer", "subsample", MOST, NO_MOST, WHOLE),
    ("quantile_transformer", "random_state", SEEDS, NO_SEEDS, SEED),
    ("quantile_transformer", "copy", FLAGS, NO_FLAGS, FLAG),
    ("quantile_transformer", "approximate", FLAGS, NO_FLAGS, FLAG),
    (
        "power_transformer",
        "method",
        &["\"yeo-johnson\"", "\"box-cox\""],
        &["\"yeo_johnson\"", "\"log\"", "1"],
        "one of \"yeo-johnson\", \"box-cox\"",
    ),
    ("power_transformer", "standardize", FLAGS, NO_FLAGS, FLAG),
    ("power_transformer", "copy", FLAGS, NO_FLAGS, FLAG),
    (
        "polynomial_features",
        "degree",
        &["0", "2", "1000", "[0, 1]", "[2, 2]"],
        &["-1", "1001", "2.0", "[2]", "[3, 2]", "[1, 2, 3]"],
        "a whole number from 0 to 1000, or two of them, the smaller first, such as [2, 3]",
    ),
    ("polynomial_features", "interaction_only", FLAGS, NO_FLAGS, FLAG),
    ("polynomial_features", "include_bias", FLAGS, NO_FLAGS, FLAG),
    ("polynomial_features", "order", &["\"C\"", "\"F\""], &["\"K\"", "1"], "one of \"C\", \"F\""),
    (
        "pca",
        "n_components",
        &["0", "2", "0.95", "\"mle\"", "\"none\""],
        &["-1", "1.0", "0.0", "1.5", "nan", "\"auto\""],
        "a whole number from 0, a share between 0 and 1, or \"mle\"",
    ),
    ("pca", "whiten", FLAGS, NO_FLAGS, FLAG),
    ("pca", "copy", FLAGS, NO_FLAGS, FLAG),
    (
        "pca",
        "svd_solver",
        &["\"auto\"", "\"full\"", "\"covariance_eigh\"", "\"arpack\"", "\"randomized\""],
        &["\"exact\"", "1"],
        "one of \"auto\", \"full\", \"covariance_eigh\", \"arpack\", \"randomized\"",
    ),
    ("pca", "tol", &["0", "0.5"], &["-1", "nan", "\"auto\""], "a number from 0"),
    (
        "pca",
        "iterated_power",
        &["\"auto\"", "0", "7"],
        &["-1", "0.5", "\"none\""],
        "\"auto\", or a whole number from 0",
    ),
    ("pca", "n_oversamples", &["1", "10"], &["0", "1.5", "\"auto\""], WHOLE),
    (
        "pca",
        "power_iteration_normalizer",
        &["\"auto\"", "\"QR\"", "\"LU\"", "\"none\""],
        &["\"lu\"", "1"],
        "one of \"auto\", \"QR\", \"LU\", \"none\"",
    ),
    ("pca", "random_state", SEEDS, NO_SEEDS, SEED),
    (
        "missing_indicator",
        "missing_values",
        &["1", "nan", "\"?\""],
        &["[1]", "{ a = 1 }"],
        "a number, a text or nan",
    ),
    (
        "missing_indicator",
        "features",
        &["\"missing-only\"", "\"all\""],
        &["\"some\"", "1"],
        "one of \"missing-only\", \"all\"",
    ),
    (
        "missing_indicator",
        "sparse",
        &["true", "false", "\"auto\""],
        &["1", "\"true\""],
        "true, false or \"auto\"",
    ),
    ("missing_indicator", "error_on_new", FLAGS, NO_FLAGS, FLAG),
    (
        "date_parts",
        "parts",
        &["[\"year\", \"dayofyear\"]", "\"month\""],
        &["[]", "[\"year\", \"year\"]", "\"week\"", "1"],
        PARTS,
    ),
    ("count_encoder", "normalize", FLAGS, NO_FLAGS, FLAG),
    (
        "count_encoder",
        "min_group_size",
        &["0", "12", "0.5", "\"none\""],
        &["-1", "1.0", "2.5", "\"few\"", "{ a = 1 }"],
        "a number of rows from 0, or a share of them between 0 and 1",
    ),
    (
        "count_encoder",
        "combine_min_nan_groups",
        &["true", "\"none\""],
        &["1", "\"always\""],
        "true, false or \"force\"",
    ),
    ("count_encoder", "min_group_name", &["\"none\""], &["1", "[\"a\"]"], "a text"),
    (
        "count_encoder",
        "handle_unknown",
        &["\"value\"", "\"return_nan\"", "\"error\"", "-1", "\"none\""],
        &["0.5", "\"ignore\"", "true"],
        "\"value\", \"return_nan\", \"error\" or a whole number",
    ),
    (
        "count_encoder",
        "handle_missing",
        &["\"value\"", "\"return_nan\"", "\"error\""],
        &["\"ignore\"", "0"],
        "one of \"value\", \"return_nan\", \"error\"",
    ),
    (
        "count_encoder",
        "drop_invariant",
        &["false"],
        &["true", "0"],
        "false; `variance_threshold` drops such columns",
    ),
    ("count_encoder", "verbose", &["0", "3"], &["true"], "a whole number"),
    ("count_encoder", "return_df", FLAGS, NO_FLAGS, FLAG),
    ("hashing_vectorizer", "n_features", N_FEATURES, NO_N_FEATURES, FEATURES),
    ("hashing_vectorizer", "binary", FLAGS, NO_FLAGS, FLAG),
    ("hashing_vectorizer", "alternate_sign", FLAGS, NO_FLAGS, FLAG),
    ("hashing_vectorizer", "norm", &["\"l1\"", "\"l2\"", "\"none\""], &["\"max\"", "2"], NORMS),
    ("hashing_vectorizer", "dtype", FLOATS, NO_FLOATS, FLOAT),
    ("hashing_vectorizer", "lowercase", FLAGS, NO_FLAGS, FLAG),
    (
        "hashing_vectorizer",
        "strip_accents",
        &["\"ascii\"", "\"unicode\"", "\"none\""],
        &["true"],
        "\"ascii\", \"unicode\" or \"none\"",
    ),
    (
        "hashing_vectorizer",
        "analyzer",
        &["\"word\"", "\"char\"", "\"char_wb\""],
        &["\"words\""],
        "one of \"word\", \"char\", \"char_wb\"",
    ),
    (
        "hashing_vectorizer",
        "stop_words",
        &["\"english\"", "[\"a\"]", "[]", "\"none\""],
        &["\"german\"", "[1]"],
        "\"english\", a list of words, or \"none\"",
    ),
    (
        "hashing_vectorizer",
        "ngram_range",
        &["[1, 1]", "[2, 5]"],
        &["[0, 1]", "[2, 1]", "[1]", "1", "[1.0, 2]"],
        "two whole numbers from 1, the smaller first, such as [1, 2]",
    ),
    ("hashing_vectorizer", "input", &["\"content\""], &["\"filename\"", "\"file\""], "one of \"content\""),
    (
        "hashing_vectorizer",
        "encoding",
        &["\"utf-8\""],
        &["\"latin-1\""],
        "\"utf-8\": texts are decoded where they are read",
    ),
    (
        "hashing_vectorizer",
        "decode_error",
        &["\"strict\"", "\"ignore\"", "\"replace\""],
        &["\"skip\""],
        "one of \"strict\", \"ignore\", \"replace\"",
    ),
    ("feature_hasher", "n_features", N_FEATURES, NO_N_FEATURES, FEATURES),
    (
        "feature_hasher",
        "input_type",
        &["\"dict\"", "\"pair\"", "\"string\""],
        &["\"list\""],
        "one of \"dict\", \"pair\", \"string\"",
    ),
    ("feature_hasher", "alternate_sign", FLAGS, NO_FLAGS, FLAG),
    ("feature_hasher", "dtype", FLOATS, NO_FLOATS, FLOAT),
    (
        "target_encoder",
        "target",
        &["\"y\""],
        &["1", "[\"y\"]", "true"],
        "the name of the column to learn from",
    ),
    ("target_encoder", "categories", CATEGORIES, NO_CATEGORIES, CATEGORY_LISTS),
    (
        "target_encoder",
        "target_type",
        &["\"auto\"", "\"continuous\"", "\"binary\"", "\"multiclass\""],
        &["\"ordinal\"", "1"],
        "one of \"auto\", \"continuous\", \"binary\", \"multiclass\"",
    ),
    (
        "target_encoder",
        "smooth",
        &["\"auto\"", "0", "2.5", "1e300"],
        &["-1", "nan", "inf", "\"none\"", "true"],
        "\"auto\" or a number from 0",
    ),
    (
        "target_encoder",
        "cv",
        &["2", "100", "\"none\""],
        &["1", "101", "5.0", "\"auto\""],
        "a whole number from 2 to 100",
    ),
    (
        "target_encoder",
        "random_state",
        &["0", "42", "\"none\""],
        &["-1", "0.5", "\"random\""],
        "a whole number from 0",
    ),
    (
        "target_encoder",
        "shuffle",
        &["true"],
        &["false", "1"],
        "true: rows go to folds by a hash of their number",
    ),
    ("tfidf_vectorizer", "max_df", TEXTS, NO_TEXTS, SOME_TEXTS),
    ("tfidf_vectorizer", "min_df", TEXTS, NO_TEXTS, SOME_TEXTS),
    ("tfidf_vectorizer", "max_features", MOST, NO_MOST, WHOLE),
    (
        "tfidf_vectorizer",
        "vocabulary",
        &["[\"a\", \"b\"]", "\"none\""],
        &["[]", "[\"a\", \"a\"]", "[1]", "\"a\"", "{ a = 0 }"],
        "a list of terms, each once",
    ),
    ("tfidf_vectorizer", "binary", FLAGS, NO_FLAGS, FLAG),
    ("tfidf_vectorizer", "use_idf", FLAGS, NO_FLAGS, FLAG),
    ("tfidf_vectorizer", "smooth_idf", FLAGS, NO_FLAGS, FLAG),
    ("tfidf_vectorizer", "sublinear_tf", FLAGS, NO_FLAGS, FLAG),
    ("tfidf_vectorizer", "norm", &["\"l1\"", "\"l2\"", "\"none\""], &["\"max\"", "2"], NORMS),
    ("tfidf_vectorizer", "dtype", FLOATS, NO_FLOATS, FLOAT),
    (
        "tfidf_vectorizer",
        "ngram_range",
        &["[1, 1]", "[2, 5]"],
        &["[0, 1]"],
        "two whole numbers from 1, the smaller first, such as [1, 2]",
    ),
];

const NUMBERS: &[&str] = &["-3", "0.5", "1e300"];
const NO_NUMBERS: &[&str] = &["inf", "nan", "\"0\"", "[1]"];
const SEEDS: &[&str] = &["0", "42", "\"none\""];
const NO_SEEDS: &[&str] = &["-1", "1.5", "\"a\""];
const SEED: &str = "a whole number from 0";
const TEXTS: Values = &["1", "20", "0.0", "0.5", "1.0"];
const NO_TEXTS: Values = &["0", "-1", "1.5", "-0.5", "nan", "\"all\""];
const SOME_TEXTS: &str = "a number of texts from 1, or a share of them from 0.0 to 1.0";

const N_FEATURES: Values = &["1", "16", "2147483647"];
const NO_N_FEATURES: Values = &["0", "-1", "2147483648", "16.0", "\"many\""];
const FEATURES: &str = "a whole number from 1 to 2147483647";
const NORMS: &str = "one of \"l2\", \"l1\", \"none\"";
const FLOATS: Values = &["\"float64\"", "\"float32\""];
const NO_FLOATS: Values = &["\"int8\"", "64"];
const FLOAT: &str = "one of \"float64\", \"float32\"";

const PARTS: &str =
    "a list of year, quarter, month, day, dayofweek, dayofyear, hour, minute, second, each at most once";

const FLAGS: &[&str] = &["true", "false"];
const NO_FLAGS: &[&str] = &["1", "\"true\"", "[true]"];
const FLAG: &str = "true or false";
const CATEGORIES: &[&str] = &["\"auto\"", "[[\"a\", \"b\"]]", "[[1], [2.5, nan]]"];
const NO_CATEGORIES: &[&str] = &["\"all\"", "[\"a\"]", "[[]]", "1"];
const CATEGORY_LISTS: &str = "\"auto\", or for each column the list of its categories";
const DTYPES: &[&str] =
    &["\"int8\"", "\"int64\"", "\"uint8\"", "\"uint64\"", "\"float32\"", "\"float64\"", "\"none\""];
const NO_DTYPES: &[&str] = &["\"int\"", "\"string\"", "8"];
const DTYPE: &str = "a type: int8 to int64, uint8 to uint64, float32 or float64";
const MOST: &[&str] = &["1", "20", "\"none\""];
const NO_MOST: &[&str] = &["0", "-1", "2.0", "\"all\""];
const WHOLE: &str = "a whole number from 1";
const LEAST: &[&str] = &["1", "20", "0.01", "0.99", "\"none\""];
const NO_LEAST: &[&str] = &["0", "-1", "0.0", "1.0", "1.5", "nan", "\"all\""];
const ROWS_OR_SHARE: &str = "a number of rows from 1, or a share of them between 0 and 1";
const CODE: &str = "a whole number or nan";

#[test]
fn every_parameter_takes_what_the_class_takes_and_nothing_else() {
    for (step, name, taken, refused, expected) in PARAMETERS {
        for value in *taken {
            assert_eq!(parse(step, &format!("{name} = {value}")), Ok(()), "{step}");
        }
        for value in *refused {
            let error = parse(step, &format!("{name} = {value}")).unwrap_err();
            assert!(error.starts_with(&format!("line 5: `{name}` is ")), "{step}: {error}");
            assert!(error.ends_with(&format!(", expected {expected}")), "{step}: {error}");
        }
    }
}

#[test]
fn a_refusal_quotes_the_value() {
    let refusal = |step: &str, parameter: &str| parse(step, parameter).unwrap_err();
    assert_eq!(
        refusal("min_max_scaler", "feature_range = [1, \"a\"]"),
        "line 5: `feature_range` is [1, \"a\"], expected two finite numbers, the smaller first, such as [0, 1]"
    );
    assert_eq!(
        refusal("simple_imputer", "fill_value = 2020-01-01"),
        "line 5: `fill_value` is a date, expected a number, a text or a bool"
    );
    assert_eq!(
        refusal("one_hot_encoder", "max_categories = 99999999999999999999"),
        "line 5: `max_categories` is a whole number beyond 64 bits, expected a whole number from 1"
    );
    assert_eq!(
        refusal("standard_scaler", "with_means = true"),
        "line 5: unknown key `with_means`; did you mean `with_mean`?"
    );
}

#[test]
fn parameters_of_groups_depend_on_each_other() {
    let refusal = |parameters: &str| parse("count_encoder", parameters).unwrap_err();
    for parameter in ["combine_min_nan_groups = false", "min_group_name = \"few\""] {
        let name = parameter.split(' ').next().unwrap();
        assert_eq!(
            refusal(parameter),
            format!("line 2: `{name}` is given, expected `min_group_size` beside it")
        );
    }
    assert_eq!(
        refusal("min_group_size = 2\ncombine_min_nan_groups = \"force\"\nhandle_missing = \"return_nan\""),
        "line 2: `combine_min_nan_groups` is \"force\", expected true or false under `handle_missing = \"return_nan\"`"
    );
}

#[test]
fn parameters_of_the_unseen_depend_on_each_other() {
    let refusal = |parameters: &str| {
        let step = format!("use = \"ordinal_encoder\"\ncolumns = [\"c\"]\n{parameters}");
        Recipe::parse(&recipe(&[&step])).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        refusal("unknown_value = 1"),
        "line 2: `unknown_value` is given, expected no value unless `handle_unknown = \"use_encoded_value\"`"
    );
    assert_eq!(
        refusal("handle_unknown = \"use_encoded_value\""),
        "line 2: `unknown_value` is not given, expected a whole number or nan under `use_encoded_value`"
    );
    assert_eq!(
        refusal("handle_unknown = \"use_encoded_value\"\nunknown_value = nan\ndtype = \"int8\""),
        "line 2: `unknown_value` is nan, expected a whole number under an integer dtype"
    );
}
