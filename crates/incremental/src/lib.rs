//! Preprocessing in two passes, exact however the work is cut.
//!
//! ```text
//!  Recipe ──► Fitting ──► Pass ──► Pass … ──► Pipeline ──► BoundPipeline
//!  TOML       which       states that merge,  what was     schema, lineage,
//!             steps now   one pass at a time  learnt       transform(batch)
//! ```
//!
//! A fit reads the input as often as its chain of steps needs and learns exactly: sums are exact, medians are
//! exact, counts are complete. So what is learnt does not depend on the size of batches, their order or the
//! number of workers. Steps are named for the scikit-learn classes that they equal, with the same parameters.
//! Input is Arrow batches, wherever they come from. The [`guide`] lists the steps.
//!
//! Rows may be seen in several runs, on several machines: a [`PartialFit`] is what a pass has seen of a [`Shard`], its
//! file is merged with those of the other shards in any order, and the pipeline is the same to the bit. Where
//! steps need another pass, an [`UnfinishedFit`] takes the place of the recipe.
//!
//! ```
//! use std::sync::Arc;
//! use arrow::array::{ArrayRef, AsArray, Float64Array};
//! use arrow::datatypes::Float64Type;
//! use arrow::record_batch::RecordBatch;
//! use incremental::{Column, Fitting, Pipeline, Recipe};
//! use monitor::Monitor;
//!
//! let amount: ArrayRef = Arc::new(Float64Array::from(vec![1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]));
//! let batch = RecordBatch::try_from_iter([("amount", amount)])?;
//! let columns: Vec<Column> = batch.schema().fields().iter().filter_map(|f| Column::of(f)).collect();
//!
//! let recipe = Recipe::parse("version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"amount\"]\n")?;
//! let mut fitting = Fitting::new(recipe, &columns, &Monitor::unbounded());
//! while let Some(mut pass) = fitting.next_pass()? {
//!     for row in 0..3 {
//!         pass.update(&batch.slice(row, 1), row as u64)?;
//!     }
//!     fitting.finish_pass(pass)?;
//! }
//! let pipeline = Pipeline::from_bytes(&fitting.finish()?.to_bytes()?)?;
//! let scaled = pipeline.bind(&columns, true)?.transform(&batch, 0)?;
//! assert_eq!(scaled.column(0).as_primitive::<Float64Type>().value(2), 1.5f64.sqrt());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ahead;
mod archive;
mod column;
mod earlier;
mod error;
mod fit_file;
mod fitted_columns;
mod fitting;
mod graph;
pub mod guide;
mod learning;
mod murmur3;
mod numeric;
mod params;
mod partial_fit;
mod pass;
mod per_column;
mod pipeline;
mod plan;
mod recipe;
mod row_hash;
mod schedule;
mod sealed;
mod selection;
mod shard;
mod split;
mod state_text;
mod stateless;
pub mod stats;
mod step;
mod steps;
mod unfinished_fit;

pub use column::{Column, Lineage, ValueKind};
pub use error::{Error, ErrorKind};
pub use fitting::Fitting;
pub use partial_fit::{Merged, PartialFit};
pub use pass::Pass;
pub use pipeline::{BoundPipeline, LearntStep, Pipeline};
pub use plan::{FitPlan, PlannedPass, PlannedStep};
pub use recipe::Recipe;
pub use sealed::FileKind;
pub use shard::Shard;
pub use step::{BoundStep, Fit, FitState, FittedStep, OutputColumn, Preview, Provisional, Step};
pub use unfinished_fit::UnfinishedFit;
