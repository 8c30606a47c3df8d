//! What policies do where memory is short, which real files seldom show.
//!
//! ```text
//!  Scenario + seed ──► Course: rows, amplification, neighbour, leak, by the byte of the file
//!                        │
//!        Policy ◄──► loader that cuts ──► Memory: budget, allocator, container ──► Outcome
//! ```
//!
//! A run is a function of scenario, seed, policy and loader: no clock, no thread, no system. A policy sees what it sees of
//! a real loader, and nothing else.
//!
//! # The model
//!
//! A process has a budget of 64 MiB in a container of 85, as `--memory` would choose it. 24 MiB of the budget are held
//! before anything is read. 512 MiB of columns come in rows of 100 bytes in the mean, and a consumer makes as many bytes
//! again of each batch.
//!
//! * **The cut.** A batch takes blocks of 64 KiB or the rows that are left to it; each is reserved before it is taken, by
//!   halves where the budget refuses it. The batch ends at its rows, at its bytes, or where not even a row is granted. Where
//!   a policy asks for bytes, rows are also limited by what fits in them by the mean of the whole file, which a scan has
//!   told. A [loader without the cut](Loader::Uncut) has only that.
//! * **The consumer** reserves what it makes of a batch when it is complete. A refusal ends the run, as it does in the
//!   command.
//! * **The allocator** keeps what is freed and uses it again, but for 0.5 % of it, which is lost in holes. After a batch, if
//!   the process is larger than what is reserved, and by a sixteenth of the budget larger than it was after the last time,
//!   all that is kept is given back, which takes 2 ms.
//! * **Time.** A batch costs 20 µs and 1 ns a byte, 7 % more with each tripling beyond 1.5 MiB, as was measured. Where
//!   several batches are in flight, the slower of loader and consumer counts.
//! * **What is seen from outside** of the container is up to 100 ms old, what the process is up to date. Work waits for
//!   memory from 95 % of the container on, for 4 % of the time with each percent.
//!
//! The **oracle** knows all that will come, takes the best size of those that fit, and is never refused.
//!
//! ```
//! use adaptive::AutoSize;
//! use adaptive::simulator::{Course, Loader, Scenario};
//!
//! let course = Course::new(Scenario::WiderRows, 1);
//! let outcome = course.run(&mut AutoSize::new(), Loader::Cutting);
//! assert_eq!(outcome.overshoot, 0.0);
//! assert!(course.oracle_seconds() / outcome.seconds > 0.95);
//! ```

mod course;
mod memory;
mod oracle;
mod run;

pub use course::{Course, Scenario};
pub use run::{Loader, Outcome, Step};

/// The process's budget, in bytes.
const BUDGET: f64 = (64 << 20) as f64;
/// What the container holds, the neighbour included, in bytes.
const CONTAINER: f64 = BUDGET * 4.0 / 3.0;
/// Seconds that a batch costs, however small.
const BATCH_S: f64 = 20e-6;
/// Seconds that a byte of it costs.
const BYTE_S: f64 = 1e-9;
/// Bytes up to which a byte costs no more than that.
const CACHED_BYTES: f64 = (3 << 19) as f64;

/// Seconds that a loader needs for a batch of so many bytes.
fn load_seconds(bytes: f64) -> f64 {
    let triples = (bytes / CACHED_BYTES).max(1.0).ln() / 3f64.ln();
    BATCH_S + bytes * BYTE_S * (1.0 + 0.07 * triples)
}
