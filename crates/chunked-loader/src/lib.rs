//! CSV of any size to narrow Arrow batches, exactly.
//!
//! ```text
//!  Source ──► RecordReader ──► Scanner ──► Scan           first pass: the exact type of every column
//!  files      whole records,   kinds       schema, facts
//!             with positions
//!
//!  Source ──► RecordReader ──► Decoder ──► Batch          second pass: rows in the narrowest columns
//!                              builders    Arrow, first row, position
//! ```
//!
//! Types come from the whole input, never from a sample: a late `A` makes its column text, `007` stays
//! text, 2^53+1 stays an integer. The parser that decides a column's kind is the one that converts its
//! values. Batches stream, and what they hold is reserved from the [`Monitor`](monitor::Monitor)'s budget.
//!
//! ```
//! use chunked_loader::{FixedRows, Loader, Source};
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("orders.csv");
//! std::fs::write(&path, "id,amount,code\n1,0.5,007\n2,,A7\n")?;
//!
//! let loader = Loader::new(Source::open(&[path], dir.path())?);
//! let scan = loader.scan()?;
//! let types: Vec<String> = scan.columns().iter().map(|c| c.data_type.to_string()).collect();
//! assert_eq!(types, ["Int8", "Float32", "Utf8"]);
//!
//! for batch in loader.batches(&scan, &[0, 1, 2], Box::new(FixedRows(1000))) {
//!     let batch = batch?;
//!     assert_eq!((batch.first_row(), batch.num_rows(), batch.position().line), (0, 2, 2));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Decisions where tools disagree
//!
//! - Unquoted `NA`, `null` and the like are null only in a column that is a number, a bool, a date or a
//!   timestamp without them. A column of nothing but such tokens has no such type, so they stay text.
//! - Dates and timestamps in one column, and timestamps of different offsets, are text: a common type would
//!   lose what tells them apart. A plus sign before a number makes text for the same reason.
//! - A number that float64 can only hold as zero or infinity is text, and so is a whole number of more than
//!   38 digits.
//! - A column whose values are all empty, quoted or not, is null throughout.
//! - Names that are empty or taken are made up (`column_2`, `a_1`); no column is dropped.
//!
//! How records are cut is written down in `record_reader.rs`.

mod batch;
mod batch_builder;
mod batches;
mod block;
mod checkpoints;
mod column;
mod column_scan;
mod delivery;
mod dialect;
mod downcast;
mod error;
mod field_rules;
mod header;
mod index;
mod layout;
mod loader;
mod nulls;
mod number_marks;
mod position;
mod preface;
mod processor;
mod progress;
mod record;
mod record_batch_reader;
mod record_reader;
mod rejects;
mod row_reader;
mod scan;
mod signal;
mod sizing;
mod sniff;
mod source;
mod spares;
#[cfg(feature = "stream")]
mod stream;
mod types;
mod unscanned;
mod walker;
mod window;

pub use batch::Batch;
pub use batches::Batches;
pub use column_scan::{TextWitness, TypeHint};
pub use dialect::{AUTO_NULL_TOKENS, Dialect, NullValues};
pub use downcast::Downcast;
pub use error::{Error, ErrorKind, Malformed};
pub use index::IndexKernel;
pub use loader::{Loader, MAX_RECORD_BYTES};
pub use position::Position;
pub use progress::Progress;
pub use record_batch_reader::RecordBatches;
pub use rejects::{OnBadRecord, Reject};
pub use scan::{ColumnFacts, Scan};
pub use sizing::{BatchLimit, FixedRows, LastBatch, Observation, Sizing};
pub use source::{Encoding, LegacyEncoding, Source, UnknownEncoding};
#[cfg(feature = "stream")]
pub use stream::BatchStream;
pub use types::{FixedType, Kind, UnknownType, Zone, type_name};
pub use unscanned::{ColumnSoFar, Promotion, UnscannedBatches};
