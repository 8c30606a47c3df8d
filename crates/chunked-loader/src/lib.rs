//! CSV, Parquet and Arrow IPC of any size to narrow Arrow batches, exactly.
//!
//! ```text
//!  Source        files, pipes (spooled), gzip, zstd, bzip2, xz, any encoding
//!    │
//!    ▼
//!  ranges ──► survey ──► index ──► blocks ──► columns ──► Scan            first pass: kinds, widths, counts
//!    │        quotes'    field     whole      kinds of     schema, facts,  merge in any order
//!    │        parity     ends      records    all values   checkpoints
//!    │           │          │                                  │
//!    │           └──────────┴─► state machine                  │           what the index cannot tell:
//!    │                          record by record               │           stray quotes, escapes, bad records
//!    │                                                         ▼
//!  rows  ─────────────────► index ──► blocks ──► columns ──► Batch         second pass: rows from a checkpoint
//!  from a checkpoint                             builders    in file order on, delivered through a bounded line
//! ```
//!
//! Types come from the whole input, never from a sample: a late `A` makes its column text, `007` stays
//! text, 2^53+1 stays an integer. The parser that decides a column's kind is the one that converts its
//! values. Batches stream, and what they hold is reserved from the [`Monitor`](monitor::Monitor)'s budget.
//!
//! Threads cut the input into ranges. Where a range begins inside quotes is known as soon as those before it are
//! surveyed; the structural index then finds the ends of all fields, 64 bytes at a time, and each column goes through
//! whole blocks of records in one loop. A state machine that reads byte by byte defines what a record is: whatever the
//! index is not sure of is left to it, and all of it may be ([`Loader::without_index`]) without another outcome. The
//! same holds for any number of threads, any kernel of the index, any block and any batch.
//!
//! # A scan, then batches
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
//! # Other ways to take them
//!
//! | way | for | types |
//! |---|---|---|
//! | [`Loader::batches`] | an iterator of batches that know their place and hold their memory | of the scan |
//! | [`Batches::into_record_batch_reader`] | libraries that take Arrow's `RecordBatchReader` | of the scan |
//! | `Loader::batch_stream`, feature `stream` | asynchronous programs: a `Stream` of futures | of the scan |
//! | [`Loader::presume`], then [`Loader::batches_presumed`] | one pass where a file's types can be guessed, which proves them or fails: see [`PresumedBatches`] | presumed; of the whole input at the end |
//! | [`Loader::batches_unscanned`] | one pass, when a scan takes too long: see [`UnscannedBatches`] | each batch's own |
//!
//! ```
//! use arrow::array::RecordBatchReader;
//! use chunked_loader::{FixedRows, Kind, Loader, Source};
//!
//! let csv = "id,code\n1,17\n2,18\n3,B7\n";
//! let loader = Loader::new(Source::spool("codes", csv.as_bytes(), &std::env::temp_dir(), &mut || false)?);
//!
//! // Behind a scan, every batch has the schema of all.
//! let scan = loader.scan()?;
//! let reader = loader.batches(&scan, &[1], Box::new(FixedRows(2))).into_record_batch_reader();
//! assert_eq!(reader.schema().field(0).data_type().to_string(), "Utf8");
//! assert_eq!(reader.map(|batch| batch.map(|b| b.num_rows())).sum::<Result<usize, _>>()?, 3);
//!
//! // In one pass, a batch has what its own rows need, and what they contradict is told.
//! let mut batches = loader.batches_unscanned(Some(&[1]), Box::new(FixedRows(2)))?;
//! let first = batches.next().unwrap()?;
//! assert_eq!(first.columns().schema().field(0).data_type().to_string(), "Int8");
//! let second = batches.next().unwrap()?;
//! assert_eq!(second.columns().schema().field(0).data_type().to_string(), "Utf8");
//! assert_eq!(batches.columns()[1].promotions[0].from, Kind::Int);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Files of columns
//!
//! A [`Source`] of Parquet or Arrow IPC files is scanned and read by the same calls: see [`Format`]. Their types are given, and
//! the scan, column by column, finds how narrow they can be made and all other facts that it finds of CSV.
//!
//! ```
//! use arrow::array::{ArrayRef, Int64Array, StringArray};
//! use arrow::ipc::writer::StreamWriter;
//! use arrow::record_batch::RecordBatch;
//! use chunked_loader::{FixedRows, Format, Loader, Source};
//!
//! let id: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![1, 200]));
//! let zip: ArrayRef = std::sync::Arc::new(StringArray::from(vec!["007", "10001"]));
//! let table = RecordBatch::try_from_iter([("id", id), ("zip", zip)])?;
//! let mut writer = StreamWriter::try_new(Vec::new(), &table.schema())?;
//! writer.write(&table)?;
//! let stream = writer.into_inner()?;
//!
//! let loader = Loader::new(Source::spool("orders", &stream[..], &std::env::temp_dir(), &mut || false)?);
//! let scan = loader.scan()?;
//! assert_eq!(scan.formats(), [Format::ArrowStream]);
//! assert_eq!(scan.schema().field(0).data_type().to_string(), "UInt8");
//! let rows: usize = loader
//!     .batches(&scan, &[0, 1], Box::new(FixedRows(1)))
//!     .map(|batch| batch.map(|b| b.num_rows()))
//!     .sum::<Result<usize, _>>()?;
//! assert_eq!(rows, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Decisions where tools disagree
//!
//! Records:
//!
//! - CR, LF and CR LF each end a record, also mixed in one file. An empty line is no record where there is more than one
//!   column; with one column it is a null.
//! - A quote that does not open its field is a plain character. Text behind a closing quote makes a record malformed, and
//!   so does a quote that is never closed, whose place is where its record begins. A backslash is a plain character
//!   unless an escape is named.
//! - A record of fewer or more fields than the header is malformed, even if what is surplus is empty. A malformed header
//!   always ends the run, and so does a record beyond the length limit: what follows could not be trusted.
//! - A NUL byte is part of the text, and so are spaces, in names too: ` 1` is text.
//! - The header is record 0; lines are physical, also inside quotes. Skipped lines are physical too.
//! - A comment is a whole line whose first byte is the character that was named; none is assumed.
//!
//! Beginnings:
//!
//! - Delimiter, quote and a preamble are found by looking at the first 64 KiB of the first file, never marks in numbers,
//!   comments or escapes: a wrong guess of those costs data. The first record is the header unless the caller knows
//!   better.
//! - A mark at the start decides the encoding; without one the text is UTF-8 if all of it is, else Windows-1252. Under
//!   UTF-8 by name a record with other bytes is malformed. Without a scan before, nobody knows what stands further on, so
//!   that a text without a mark is UTF-8.
//! - Names that are empty or taken are made up (`column_2`, `a_1`); no column is dropped.
//! - Several files have one schema, by name, in the order in which the names come up; a column that a file lacks is null
//!   there. Files without a header must be of one width.
//!
//! Types:
//!
//! - Unquoted `NA`, `null` and the like are null only in a column that is a number, a bool, a date or a
//!   timestamp without them. A column of nothing but such tokens has no such type, so they stay text. Tokens that the
//!   caller lists are null in every column. A quoted token is a text.
//! - A column whose values are all empty, quoted or not, is null throughout. An empty quoted field is null in numbers,
//!   bools, dates and timestamps.
//! - Dates and timestamps in one column, and timestamps of different offsets, are text: a common type would
//!   lose what tells them apart. A plus sign before a number makes text for the same reason. `-0` is a float, which keeps
//!   its sign.
//! - A number that float64 can only hold as zero or infinity is text, and so is a whole number of more than
//!   38 digits. Whole numbers that no type of 64 bits holds together are text, and so are whole numbers among floats
//!   that float64 does not hold exactly.
//! - `nan` and `inf` in any case are values, not nulls.
//! - Timestamps have the coarsest unit that loses no digit; where nanoseconds are needed in years beyond their range, the
//!   column is text.
//! - A type that the caller fixes beats downcasting; a value that it cannot hold makes its record malformed. The zone of a
//!   fixed timestamp is that of its first value.
//! - Text becomes a dictionary where that takes fewer bytes over the whole input, as far as its different values are few
//!   enough to be remembered. What is remembered depends on the number of columns alone, never on the budget.
//!
//! Files of columns:
//!
//! - A column without a single value is null throughout, whatever its type. Empty texts are texts.
//! - A zone that is no offset is read as UTC, which its timestamps are counted in. Dates in milliseconds are days, and an error
//!   with a time of day.
//! - Columns of several files that only text would hold together are an error, and so are numbers that no type of 64 bits holds
//!   together exactly: nothing is made text that was none, unless the caller asks for text.
//! - A type that the caller asks for and the file does not have is read from the text that the value has in CSV.
//! - A dialect, an encoding and what bad records get have no meaning and no effect.
//!
//! Without a scan:
//!
//! - A batch that contradicts what came before promotes its column from this batch on; what was given before is not
//!   taken back, and the place of the witness is told.
//! - Tokens and empty quoted fields of a column that has shown no value yet are given as texts: as nulls they would be lost
//!   if the column came to text.

mod account;
mod batch;
mod batch_builder;
mod batches;
mod block;
mod checkpoints;
mod column;
mod column_scan;
mod columnar;
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
mod presumed;
mod processor;
mod progress;
mod record;
mod record_batch_reader;
mod record_reader;
mod rejects;
mod row_reader;
mod scan;
mod side_work;
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
pub use columnar::{Part, catches_panics};
pub use dialect::{AUTO_NULL_TOKENS, Dialect, NullValues};
pub use downcast::Downcast;
pub use error::{Error, ErrorKind, Malformed};
pub use index::IndexKernel;
pub use loader::{Loader, MAX_RECORD_BYTES};
pub use position::Position;
pub use presumed::{PresumedBatches, Presumption};
pub use progress::Progress;
pub use record_batch_reader::RecordBatches;
pub use rejects::{OnBadRecord, Reject};
pub use scan::{ColumnFacts, Scan};
pub use side_work::SideWork;
pub use sizing::{BatchLimit, FixedRows, LastBatch, Observation, Outside, Sizing};
pub use source::{Encoding, Format, LegacyEncoding, Source, UnknownEncoding};
#[cfg(feature = "stream")]
pub use stream::BatchStream;
pub use types::{FixedType, Kind, UnknownType, Zone, type_name};
pub use unscanned::{ColumnSoFar, Promotion, UnscannedBatches};
