//! Tables larger than memory, prepared inside a budget that is never exceeded.
//!
//! This library only gathers the crates that the `tidegate` command is made of, for programs that want the
//! same without a process of its own:
//!
//! ```text
//!  loader ──► incremental ──► sink          monitor: what memory does, and the budget of all three
//!  CSV        steps, fitted    Parquet,     sizing: how large the next batch may be
//!             and applied      Arrow IPC, CSV
//! ```
//!
//! ```
//! use tidegate::incremental::{Column, Fitting, Recipe};
//! use tidegate::loader::{FixedRows, Loader, Source};
//! use tidegate::monitor::Monitor;
//! use tidegate::sink::SinkBuilder;
//!
//! let dir = tempfile::tempdir()?;
//! let (input, output) = (dir.path().join("ages.csv"), dir.path().join("ages.parquet"));
//! std::fs::write(&input, "name,age\nAda,36\nBob,\nCleo,64\n")?;
//! let monitor = Monitor::unbounded();
//!
//! let loader = Loader::new(Source::open(&[input], dir.path())?).with_monitor(monitor.clone());
//! let scan = loader.scan()?;
//! let columns: Vec<Column> = scan.schema().fields().iter().filter_map(|f| Column::of(f)).collect();
//!
//! let recipe = Recipe::parse("version = 1\n[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"age\"]\n")?;
//! let mut fitting = Fitting::new(recipe, &columns, &monitor);
//! while let Some(mut pass) = fitting.next_pass()? {
//!     let projection = pass.projection().to_vec();
//!     for batch in loader.batches(&scan, &projection, Box::new(FixedRows(1000))) {
//!         let batch = batch?;
//!         pass.update(batch.columns(), batch.first_row())?;
//!     }
//!     fitting.finish_pass(pass)?;
//! }
//!
//! let pipeline = fitting.finish()?.bind(&columns, true)?;
//! let mut sink = SinkBuilder::new(&output).build(pipeline.schema().clone())?;
//! for batch in loader.batches(&scan, pipeline.projection(), Box::new(FixedRows(1000))) {
//!     let batch = batch?;
//!     sink.write(&pipeline.transform(batch.columns(), batch.first_row())?)?;
//! }
//! assert_eq!(sink.finish()?.rows, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use adaptive as sizing;
pub use chunked_loader as loader;
pub use incremental;
pub use monitor;
pub use sink;
