//! What each step makes of small tables, beside scikit-learn 1.9; and what never changes a bit of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod archive;
mod cuts;
mod encoders;
mod imputer;
mod numbers;
mod parameters;
mod pipelines;
mod scalers;
mod support;
mod together;
