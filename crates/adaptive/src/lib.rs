//! How large the next batch may be.
//!
//! ```text
//!  what presses ┐
//!  from outside ▼                   ┌──► Recorder: what was decided, from what, and why
//!  Observation ──► Controller ──► Policy
//!  of the loader        │           │ Decision
//!                       ▼           ▼
//!              BatchLimit ──► the loader cuts the batch there, or where its reservation is refused
//! ```
//!
//! Bytes first: a batch may take its share of what the budget has left. Feedback second: a share that shrinks is
//! obeyed at once, one that grows is followed slowly. Neither is the guarantee. That is the cut inside a
//! batch, at the bytes it has reserved; the policy only makes such cuts rare. The values that come out are the
//! same for every answer.
//!
//! The policies: [`AutoSize`] follows what memory leaves and is the one to take. [`StepRule`], [`Aimd`] and
//! [`FixedRows`](chunked_loader::FixedRows) are there to compare with, [`RandomSize`] to test that sizes never reach the values. Each is a
//! [`Sizing`](chunked_loader::Sizing) by itself; a [`Controller`] around one shows it what presses from outside, and
//! records what it decides. The [`simulator`] runs them through what seldom happens.
//!
//! ```
//! use adaptive::AutoSize;
//! use chunked_loader::{Loader, Source};
//! use monitor::{Budget, Bytes, Monitor};
//!
//! let dir = tempfile::tempdir()?;
//! let csv: String = std::iter::once("n\n".to_owned()).chain((0..50_000).map(|n| format!("{n}\n"))).collect();
//! let source = Source::spool("numbers", csv.as_bytes(), dir.path(), &mut || false)?;
//! let monitor = Monitor::builder().with_budget(Budget::new(Bytes::mib(2))).build()?;
//! let loader = Loader::new(source).with_monitor(monitor);
//!
//! let scan = loader.scan()?;
//! let mut rows = 0;
//! for batch in loader.batches(&scan, &[0], Box::new(AutoSize::new())) {
//!     rows += batch?.num_rows();
//! }
//! assert_eq!(rows, 50_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aimd;
mod auto_size;
mod batch_rows;
mod controller;
mod fixed_rows;
mod law;
mod policy;
mod random_size;
pub mod simulator;
mod split_mix;
mod step_rule;
mod trace;

pub use aimd::Aimd;
pub use auto_size::{AutoSize, MAX_BATCH_BYTES, MAX_BATCH_ROWS};
pub use batch_rows::{BatchRows, ParseBatchRowsError};
pub use controller::Controller;
pub use policy::{Decision, Policy, Reason, State};
pub use random_size::RandomSize;
pub use step_rule::StepRule;
pub use trace::{Entry, Recorder};
