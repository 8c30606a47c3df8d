//! What each step makes of small tables, beside scikit-learn 1.9; and what never changes a bit of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod ahead;
mod archive;
mod count_encoder;
mod cuts;
mod date_parts;
mod encoders;
mod hard_data;
mod hashing;
mod imputer;
mod missing_indicator;
mod numbers;
mod parameters;
mod pipelines;
mod plan;
#[path = "../random/recipes.rs"]
mod recipes;
mod scalers;
mod shards;
mod split;
mod states;
mod support;
mod target_encoder;
mod tfidf_vectorizer;
mod together;
