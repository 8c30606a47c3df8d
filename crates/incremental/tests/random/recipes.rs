//! Steps with random parameters on random columns, for the tests of this crate and of the command.
//!
//! Not every table suits every step, nor every parameter the others: what is refused must be refused however the
//! work is cut. Columns are called `c0`, `c1`, ….

#![allow(dead_code, reason = "either crate takes what it needs")]

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What values a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Takes {
    Anything,
    /// Missing ones too.
    Numbers,
    /// None of them missing or infinite.
    CompleteNumbers,
    /// One column of them.
    Texts,
    Times,
}

/// A step, what it must be given, and what it may be given besides: of each list one line, or none.
struct Kind {
    name: &'static str,
    values: Takes,
    needs: &'static [&'static str],
    takes: &'static [&'static [&'static str]],
}

const fn kind(
    name: &'static str,
    values: Takes,
    needs: &'static [&'static str],
    takes: &'static [&'static [&'static str]],
) -> Kind {
    Kind { name, values, needs, takes }
}

const MISSING: &[&str] = &["missing_values = 2", "missing_values = \"nan\"", "missing_values = nan"];
const WIDTHS: &[&str] = &["n_features = 1", "n_features = 3", "n_features = 8"];
const FLOATS: &[&str] = &["dtype = \"float32\"", "dtype = \"float64\""];
const NORMS: &[&str] = &["norm = \"l1\"", "norm = \"none\""];
const ANALYZERS: &[&str] = &["analyzer = \"char\"", "analyzer = \"char_wb\"", "token_pattern = \"[a-z]\""];
const RANGES: &[&str] = &["ngram_range = [1, 2]", "ngram_range = [2, 3]"];
const GROUPS: &[&str] = &["min_frequency = 4", "min_frequency = 0.2"];
const MOST: &[&str] = &["max_categories = 1", "max_categories = 3"];

/// All steps that there are.
const KINDS: &[Kind] = &[
    kind("standard_scaler", Takes::Numbers, &[], &[&["with_mean = false"], &["with_std = false"]]),
    kind(
        "min_max_scaler",
        Takes::Numbers,
        &[],
        &[&["feature_range = [-1, 2.5]", "feature_range = [0, 1e-300]"], &["clip = true"]],
    ),
    kind("max_abs_scaler", Takes::Numbers, &[], &[&["clip = true"]]),
    kind(
        "robust_scaler",
        Takes::Numbers,
        &[],
        &[
            &["quantile_range = [10, 90.5]", "quantile_range = [0, 100]"],
            &["unit_variance = true"],
            &["with_centering = false", "with_scaling = false"],
            &["approximate = true"],
        ],
    ),
    kind(
        "simple_imputer",
        Takes::Numbers,
        &[],
        &[
            &[
                "strategy = \"median\"",
                "strategy = \"median\"\napproximate = true",
                "strategy = \"most_frequent\"",
                "strategy = \"constant\"",
                "strategy = \"constant\"\nfill_value = 300",
                "strategy = \"constant\"\nfill_value = \"a\"",
            ],
            &["add_indicator = true"],
            &["keep_empty_features = true"],
            MISSING,
        ],
    ),
    kind(
        "missing_indicator",
        Takes::Anything,
        &[],
        &[&["features = \"all\""], &["error_on_new = false"], MISSING],
    ),
    kind(
        "one_hot_encoder",
        Takes::Anything,
        &[],
        &[
            &["drop = \"first\"", "drop = \"if_binary\""],
            MOST,
            GROUPS,
            &[
                "handle_unknown = \"ignore\"",
                "handle_unknown = \"infrequent_if_exist\"",
                "handle_unknown = \"warn\"",
            ],
            &["dtype = \"int8\"", "dtype = \"float32\""],
        ],
    ),
    kind(
        "ordinal_encoder",
        Takes::Anything,
        &[],
        &[
            MOST,
            GROUPS,
            &[
                "handle_unknown = \"use_encoded_value\"\nunknown_value = -7",
                "handle_unknown = \"use_encoded_value\"\nunknown_value = nan",
            ],
            &["encoded_missing_value = -1"],
            FLOATS,
        ],
    ),
    kind(
        "target_encoder",
        Takes::Anything,
        &["target = \"c0\"", "target = \"c1\""],
        &[
            &["smooth = 0", "smooth = 2.5"],
            &["cv = 2", "cv = 7"],
            &["target_type = \"continuous\"", "target_type = \"binary\"", "target_type = \"multiclass\""],
            &["random_state = 9"],
        ],
    ),
    kind(
        "count_encoder",
        Takes::Anything,
        &[],
        &[
            &["normalize = true"],
            &[
                "min_group_size = 3",
                "min_group_size = 0.1",
                "min_group_size = 3\ncombine_min_nan_groups = false",
                "min_group_size = 2\ncombine_min_nan_groups = \"force\"",
            ],
            &["handle_unknown = \"return_nan\"", "handle_unknown = \"error\"", "handle_unknown = 7"],
            &["handle_missing = \"return_nan\"", "handle_missing = \"error\""],
        ],
    ),
    kind(
        "feature_hasher",
        Takes::Anything,
        WIDTHS,
        &[&["input_type = \"string\"", "input_type = \"pair\""], &["alternate_sign = false"], FLOATS],
    ),
    kind(
        "hashing_vectorizer",
        Takes::Texts,
        WIDTHS,
        &[
            ANALYZERS,
            RANGES,
            &["binary = true"],
            NORMS,
            &["alternate_sign = false"],
            FLOATS,
            &["lowercase = false"],
            &["strip_accents = \"ascii\"", "strip_accents = \"unicode\""],
        ],
    ),
    kind(
        "tfidf_vectorizer",
        Takes::Texts,
        &["max_features = 2", "max_features = 9"],
        &[
            ANALYZERS,
            RANGES,
            &["min_df = 2", "max_df = 0.5"],
            &["sublinear_tf = true", "binary = true"],
            &["use_idf = false", "smooth_idf = false"],
            NORMS,
            FLOATS,
        ],
    ),
    kind(
        "k_bins_discretizer",
        Takes::CompleteNumbers,
        &[],
        &[
            &[
                "strategy = \"uniform\"",
                "strategy = \"kmeans\"",
                "quantile_method = \"hazen\"",
                "approximate = true",
            ],
            &["n_bins = 2", "n_bins = 9"],
            &["encode = \"ordinal\"", "encode = \"onehot-dense\""],
            FLOATS,
        ],
    ),
    kind(
        "quantile_transformer",
        Takes::Numbers,
        &[],
        &[
            &["n_quantiles = 1", "n_quantiles = 9"],
            &["output_distribution = \"normal\""],
            &["approximate = true"],
        ],
    ),
    kind("power_transformer", Takes::Numbers, &[], &[&["method = \"box-cox\""], &["standardize = false"]]),
    kind("log1p", Takes::Numbers, &[], &[]),
    kind("clip", Takes::Numbers, &["lower = -2", "upper = 0.5", "lower = -1e300\nupper = 200"], &[]),
    kind(
        "polynomial_features",
        Takes::CompleteNumbers,
        &[],
        &[
            &["degree = 3", "degree = [2, 3]", "degree = 1"],
            &["interaction_only = true"],
            &["include_bias = false"],
        ],
    ),
    kind(
        "date_parts",
        Takes::Times,
        &["parts = [\"year\", \"second\"]", "parts = \"dayofweek\"", "parts = [\"quarter\"]"],
        &[],
    ),
    kind(
        "pca",
        Takes::CompleteNumbers,
        &[],
        &[&["n_components = 1", "n_components = 0.8"], &["whiten = true"]],
    ),
    kind("variance_threshold", Takes::Numbers, &[], &[&["threshold = 0.2", "threshold = 1e9"]]),
    kind("select_columns", Takes::Anything, &[], &[]),
    kind("drop_columns", Takes::Anything, &[], &[]),
    kind(
        "cast",
        Takes::Anything,
        &[
            "dtype = \"string\"",
            "dtype = \"int16\"",
            "dtype = \"float32\"",
            "dtype = \"dictionary\"",
            "dtype = \"bool\"",
        ],
        &[],
    ),
];

/// The names of all steps that [`step`] may give.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// A step with its parameters, and the selections to choose from where columns that suit it are not known.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    lines: String,
    values: Takes,
    selection: &'static str,
    /// Whether the selection is taken in any case, and which of the columns that suit.
    is_blind: bool,
    first: Index,
    second: Index,
}

impl Step {
    /// The lines of the step's table, on any columns.
    pub(crate) fn anywhere(&self) -> String {
        format!("{}\ncolumns = [\"{}\"]", self.lines, self.selection)
    }

    /// The lines of the step's table, mostly on columns that suit it: `columns` gives those.
    pub(crate) fn on(&self, columns: impl Fn(Takes) -> Vec<String>) -> String {
        let is_target = |name: &String| self.lines.contains(&format!("target = \"{name}\""));
        let suiting: Vec<String> = columns(self.values).into_iter().filter(|name| !is_target(name)).collect();
        if self.is_blind || suiting.is_empty() {
            return self.anywhere();
        }
        let (first, second) = (self.first.get(&suiting), self.second.get(&suiting));
        let is_one = first == second || self.values == Takes::Texts;
        let columns = if is_one { format!("\"{first}\"") } else { format!("\"{first}\", \"{second}\"") };
        format!("{}\ncolumns = [{columns}]", self.lines)
    }
}

/// The lines of a step's table, on any columns.
pub(crate) fn step() -> impl Strategy<Value = String> {
    any_step().prop_map(|step| step.anywhere())
}

/// A step whose columns are still to be chosen.
pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    any::<Index>().prop_flat_map(|index| step_of(index.get(KINDS)))
}

/// As [`any_step`], always the step called `name`.
pub(crate) fn step_called(name: &str) -> impl Strategy<Value = Step> + use<> {
    step_of(KINDS.iter().find(|kind| kind.name == name).unwrap())
}

fn step_of(kind: &'static Kind) -> impl Strategy<Value = Step> + use<> {
    let selection = select(vec![
        "@numeric",
        "@string",
        "@bool",
        "@temporal",
        "@all",
        "c*",
        "c0",
        "c1",
        "c2",
        "c3",
        "c0\", \"c1",
        "c1\", \"c2\", \"c3",
        "*_a",
    ]);
    // One in four, so that most parameters keep their defaults.
    let taken = vec(weighted(0.25, any::<Index>()), kind.takes.len());
    let places = (weighted(0.08, Just(())), any::<Index>(), any::<Index>());
    (any::<Index>(), taken, selection, places).prop_map(
        move |(need, taken, selection, (blind, first, second))| {
            let mut lines = format!("use = \"{}\"", kind.name);
            if !kind.needs.is_empty() {
                lines = format!("{lines}\n{}", need.get(kind.needs));
            }
            for (choices, choice) in kind.takes.iter().zip(taken) {
                if let Some(choice) = choice {
                    lines = format!("{lines}\n{}", choice.get(choices));
                }
            }
            Step { lines, values: kind.values, selection, is_blind: blind.is_some(), first, second }
        },
    )
}
