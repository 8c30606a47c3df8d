//! How large the next batch may be.
//!
//! ```text
//!  Observation ──► Policy ──► Decision ──► BatchLimit ──► the loader cuts the batch there,
//!  budget, what     a pure     limit,       rows, bytes    or where its reservation is refused
//!  is reserved,     function   state,
//!  what presses     and state  reason
//! ```
//!
//! Bytes first: a batch may take its share of what the budget has left. Feedback second: a share that shrinks is
//! obeyed at once, one that grows is followed slowly. Neither is the guarantee. That is the cut inside a
//! batch, at the bytes it has reserved; the policy only makes such cuts rare. The values that come out are the
//! same for every answer.
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

mod auto_size;
mod batch_rows;
mod law;
mod policy;

pub use auto_size::{AutoSize, MAX_BATCH_BYTES, MAX_BATCH_ROWS};
pub use batch_rows::{BatchRows, ParseBatchRowsError};
pub use policy::{Decision, Policy, Reason, State};
