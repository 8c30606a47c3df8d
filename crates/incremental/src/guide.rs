//! Every step: what it computes, what it holds while it is fitted, and how often it reads the input.
//!
//! Each has the parameters, defaults and meaning of the scikit-learn 1.9 class (or the function) that it is named for;
//! what differs stands in the last column. Passes and states are those of a column where nothing else is said.
//! Steps that touch different columns learn in the same passes; one behind another of the same column waits for it,
//! but where it can learn [ahead](#what-takes-no-pass-of-its-own) of it. [`FitPlan`](crate::FitPlan) says what the passes
//! of a recipe are.
//!
//! # Scaling and filling
//!
//! | step | equals | formula | passes | state | differs |
//! |---|---|---|---|---|---|
//! | `standard_scaler` | `StandardScaler` | (x − mean) / standard deviation | 1 | 1.6 KiB | exact sums: a column is constant only if all its values are equal |
//! | `min_max_scaler` | `MinMaxScaler` | (x − min) / (max − min), stretched to `feature_range` | 1 | 24 bytes | does not cancel far from zero |
//! | `max_abs_scaler` | `MaxAbsScaler` | x / max abs(x) | 1 | 24 bytes | |
//! | `robust_scaler` | `RobustScaler` | (x − median) / (q2 − q1) | 1 or 2, at most 5 | at most 1.1 MiB, mostly 0.3 | `approximate` takes 1 pass |
//! | `simple_imputer` | `SimpleImputer` | missing becomes the mean, median, most frequent value or a constant | 1, a median at most 4 | 0.6 KiB; a median at most 1.1 MiB; else grows with the distinct values | `approximate` takes 1 pass for a median |
//!
//! # Shapes
//!
//! | step | equals | formula | passes | state | differs |
//! |---|---|---|---|---|---|
//! | `log1p` | `numpy.log1p` | ln(1 + x) | 0 | | x ≤ −1 is refused |
//! | `clip` | pandas `clip` | min(max(x, `lower`), `upper`) | 0 | | a `lower` above `upper` is refused |
//! | `cast` | pandas `astype` | the same value in another type | 0 | | a value that the type does not have is refused |
//! | `quantile_transformer` | `QuantileTransformer` | the share of the column below x, or Φ⁻¹ of it | 3 for a million distinct values, 4 for ten | at most 1.1 MiB, and 200 bytes a quantile | all rows, no sample; `approximate` takes 1 pass |
//! | `power_transformer` | `PowerTransformer` | ((1 + x)^λ − 1)/λ and its mirror, or (x^λ − 1)/λ, standardized | 5 as a rule, at most 17 | 26 KiB | λ to 1e-11 of the data's own unit, at any offset |
//! | `k_bins_discretizer` | `KBinsDiscretizer` | the number of edges up to x | `uniform` 1, `quantile` 1 to 3, `kmeans` a pass a step | 24 bytes; at most 1.1 MiB and 200 bytes a bin; 1.6 KiB and 0.6 KiB a bin | all rows, no sample; `approximate` takes 1 pass |
//!
//! # Several columns together
//!
//! | step | equals | formula | passes | state | differs |
//! |---|---|---|---|---|---|
//! | `polynomial_features` | `PolynomialFeatures` | products up to a degree | 0 | | at most 2^20 columns |
//! | `pca` | `PCA` | (x − means) · eigenvectors of the covariance | 1 | of n columns n·(n + 1)/2 times 1.1 KiB | one exact solver; the largest entry of a component is positive |
//! | `variance_threshold` | `VarianceThreshold` | columns of variance above `threshold` | 1 | 1.6 KiB a column | compared without rounding |
//! | `select_columns`, `drop_columns` | a selection | columns that stay, or go | 0 | | |
//!
//! # Categories
//!
//! | step | equals | formula | passes | state | differs |
//! |---|---|---|---|---|---|
//! | `one_hot_encoder` | `OneHotEncoder` | 1 in the column of the category, else 0 | 1 | grows with the distinct values | missing is a category named `nan`, the last |
//! | `ordinal_encoder` | `OrdinalEncoder` | the category's place in their order | 1 | grows with the distinct values | |
//!
//! # What `approximate` gives
//!
//! The steps that learn quantiles are exact by default and read the input as often as that takes. With
//! `approximate = true` they read it once, and a quantile is that of the column with every value cut, towards zero, to
//! its leading bits: at least 16 of them, so by no more than a sixteenth of the value, and as many as leave 14 335
//! distinct values, so as a rule by less than a thousandth of it. Ranks are exact, and neither the order of the rows
//! nor how they are cut matters: see [`OrderStatistics::cut_values`](crate::stats::OrderStatistics::cut_values).
//!
//! # What takes no pass of its own
//!
//! Behind a `simple_imputer` a step makes its first pass in the imputer's, under every strategy: it learns from the
//! values that are there, counts what is missing, and takes the fill as often as that when it is known. What is learnt
//! is what a pass of its own would learn, to the bit, since every state is a monoid; so Σx becomes Σx + k·f without a
//! rounding, and a minimum the lesser of itself and f. This holds
//!
//! - for each step that learns column by column: all but `pca` and `target_encoder`;
//! - with steps between that learn nothing and work value by value, null to null: `clip`, `log1p`, `cast`, `date_parts`;
//! - behind `variance_threshold` and `missing_indicator` too, which leave values alone and say only which columns are
//!   there, and through several of all these.
//!
//! Behind a scaler or an encoder a step waits, since these round or rename every value. Selectors and globs are taken
//! for what they come to if no column is dropped; columns that are cost no pass. Where the fit finds columns of other
//! types or names, where a value is refused, or where the budget does not hold both states at a time, the step makes a
//! pass of its own after all. [`Fitting::with_passes_apart`](crate::Fitting::with_passes_apart) has all steps do so.
