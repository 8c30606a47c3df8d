//! The steps, each in a file of its own, and the one table that knows them by name.

mod analyzer;
mod cast;
mod categories;
mod choose_columns;
mod clip;
mod count_encoder;
mod date_parts;
mod documents;
mod feature_hasher;
mod fill;
mod grouping;
mod hashing_vectorizer;
mod jacobi;
mod k_bins_discretizer;
mod k_means_bins;
mod log1p;
mod max_abs_scaler;
mod min_max_scaler;
mod missing;
mod missing_indicator;
mod number_type;
mod one_hot_encoder;
mod ordinal_encoder;
mod pca;
mod polynomial_features;
mod power_curve;
mod power_search;
mod power_transformer;
mod quantile_transformer;
mod quantiles;
mod robust_scaler;
mod simple_imputer;
mod standard_scaler;
mod statistic_fit;
mod target_encoded;
mod target_encoder;
mod target_sums;
mod target_tallies;
mod tfidf_vectorizer;
mod variance_threshold;
mod vocabulary;

use crate::error::Error;
use crate::fitted_columns::FittedColumns;
use crate::params::Params;
use crate::step::{FittedStep, Step};

/// How a step is read from a recipe and from an archive.
pub(crate) struct StepKind {
    pub(crate) name: &'static str,
    pub(crate) parse: fn(&mut Params) -> Result<Box<dyn Step>, Error>,
    pub(crate) decode: Decode,
}

/// Reads what a fitted step of these columns has learnt, as JSON.
type Decode = fn(&str, &[String]) -> Result<Box<dyn FittedStep>, Error>;

/// Every step that is built.
pub(crate) const STEPS: &[StepKind] = &[
    StepKind {
        name: "standard_scaler",
        parse: standard_scaler::parse,
        decode: FittedColumns::<standard_scaler::Standardized>::decode,
    },
    StepKind {
        name: "min_max_scaler",
        parse: min_max_scaler::parse,
        decode: FittedColumns::<min_max_scaler::Ranged>::decode,
    },
    StepKind {
        name: "simple_imputer",
        parse: simple_imputer::parse,
        decode: FittedColumns::<simple_imputer::Imputed>::decode,
    },
    StepKind {
        name: "one_hot_encoder",
        parse: one_hot_encoder::parse,
        decode: FittedColumns::<one_hot_encoder::OneHot>::decode,
    },
    StepKind {
        name: "ordinal_encoder",
        parse: ordinal_encoder::parse,
        decode: FittedColumns::<ordinal_encoder::Ordinal>::decode,
    },
    StepKind {
        name: "missing_indicator",
        parse: missing_indicator::parse,
        decode: FittedColumns::<missing_indicator::Indicator>::decode,
    },
    StepKind {
        name: "date_parts",
        parse: date_parts::parse,
        decode: FittedColumns::<date_parts::TakenApart>::decode,
    },
    StepKind {
        name: "count_encoder",
        parse: count_encoder::parse,
        decode: FittedColumns::<count_encoder::Counted>::decode,
    },
    StepKind {
        name: "hashing_vectorizer",
        parse: hashing_vectorizer::parse,
        decode: FittedColumns::<hashing_vectorizer::Hashed>::decode,
    },
    StepKind { name: "feature_hasher", parse: feature_hasher::parse, decode: feature_hasher::decode },
    StepKind {
        name: "tfidf_vectorizer",
        parse: tfidf_vectorizer::parse,
        decode: FittedColumns::<tfidf_vectorizer::Weighted>::decode,
    },
    StepKind { name: "target_encoder", parse: target_encoder::parse, decode: target_encoder::decode },
    StepKind { name: "select_columns", parse: choose_columns::parse_select, decode: choose_columns::decode },
    StepKind { name: "drop_columns", parse: choose_columns::parse_drop, decode: choose_columns::decode },
    // Steps that compute with numbers.
    StepKind {
        name: "max_abs_scaler",
        parse: max_abs_scaler::parse,
        decode: FittedColumns::<max_abs_scaler::Scaled>::decode,
    },
    StepKind {
        name: "robust_scaler",
        parse: robust_scaler::parse,
        decode: FittedColumns::<robust_scaler::Centred>::decode,
    },
    StepKind { name: "log1p", parse: log1p::parse, decode: FittedColumns::<log1p::Log1p>::decode },
    StepKind { name: "clip", parse: clip::parse, decode: FittedColumns::<clip::Clip>::decode },
    StepKind { name: "cast", parse: cast::parse, decode: FittedColumns::<cast::Cast>::decode },
    StepKind {
        name: "variance_threshold",
        parse: variance_threshold::parse,
        decode: FittedColumns::<variance_threshold::Chosen>::decode,
    },
    StepKind {
        name: "k_bins_discretizer",
        parse: k_bins_discretizer::parse,
        decode: FittedColumns::<k_bins_discretizer::Binned>::decode,
    },
    StepKind {
        name: "quantile_transformer",
        parse: quantile_transformer::parse,
        decode: FittedColumns::<quantile_transformer::Ranked>::decode,
    },
    StepKind {
        name: "power_transformer",
        parse: power_transformer::parse,
        decode: FittedColumns::<power_transformer::Powered>::decode,
    },
    StepKind {
        name: "polynomial_features",
        parse: polynomial_features::parse,
        decode: polynomial_features::decode,
    },
    StepKind { name: "pca", parse: pca::parse, decode: pca::decode },
];

/// The step of that name.
pub(crate) fn find(name: &str) -> Option<&'static StepKind> {
    STEPS.iter().find(|step| step.name == name)
}
