//! Writers that leave a whole file or none.
//!
//! A [`Sink`] takes Arrow batches of one schema and makes a Parquet file, an Arrow IPC file, an Arrow IPC
//! stream or a CSV file of them. A file is written under a temporary name beside its target and renamed when it is
//! whole and on stable storage; whatever fails before that leaves nothing behind.
//!
//! ```text
//!            schema, counts       values to bytes        bytes to the system
//!  batch ──► guard over a   ──►   parquet, ipc, csv ─►   buffer ──► .NAME.tidegate-XXXXXX ──► NAME
//!            format's encoder     row groups, within                 fsync, rename, fsync
//!                                 the budget, columns         └───► a stream, for the path -
//!                                 side by side
//! ```
//!
//! | path | [`Format`] | [`Compression`], the default first | dictionaries |
//! |---|---|---|---|
//! | `*.parquet` | Parquet | snappy, zstd, lz4, none | any, per batch |
//! | `*.arrow` | Arrow IPC file | none, zstd, lz4 | any, per batch, made one a column at the end of the file |
//! | `*.arrows`, `-` | Arrow IPC stream | none, zstd, lz4 | any, per batch, made one a column; one that has grown is sent anew, or another one that has just what the message uses |
//! | `*.csv` | CSV | none | their values |
//!
//! Types come back as they went in, integer widths and dictionaries included, from a reader that knows
//! Arrow. One exception: Parquet has no timestamps in seconds, so they come back in milliseconds. CSV has no types; what
//! the `chunked-loader` crate has read comes back from it with the same values and types, but for columns that have neither
//! a value nor a text with characters, and for names that it has made up.
//!
//! # Several files
//!
//! | option | for `orders.parquet` it makes |
//! |---|---|
//! | [`with_split_rows`](SinkBuilder::with_split_rows), [`with_split_bytes`](SinkBuilder::with_split_bytes) | `orders-00000.parquet`, `orders-00001.parquet`, … |
//! | [`with_partition_by`](SinkBuilder::with_partition_by)`("city")` | the folder `orders.parquet` with `city=Bern/part-00000.parquet`, … |
//!
//! They are written in a temporary folder beside the target, and get their names when all of them are whole. Overwriting
//! replaces a whole set: numbered files of an earlier run that has made more go too, and so does a folder with all that is
//! in it, which is refused if that is anything but partitions. [`Sink`] says what a killed process can leave.
//!
//! The crate prints nothing, installs nothing and keeps no state outside a sink.
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrow::array::{Int16Array, RecordBatch};
//! use sink::{ErrorKind, SinkBuilder};
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("out.parquet");
//! let batch = RecordBatch::try_from_iter([("n", Arc::new(Int16Array::from(vec![1, 2, 3])) as _)])?;
//!
//! let mut sink = SinkBuilder::new(&path).build(batch.schema())?;
//! sink.write(&batch)?;
//! sink.write(&batch)?;
//! assert!(!path.exists());
//!
//! let written = sink.finish()?;
//! assert_eq!(written.rows, 6);
//! assert_eq!(written.bytes, std::fs::metadata(&path)?.len());
//!
//! let again = SinkBuilder::new(&path).check().unwrap_err();
//! assert!(matches!(again.kind(), ErrorKind::Exists { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod atomic;
mod bloom;
mod builder;
mod chunk_options;
mod column_chunk;
mod column_encoder;
mod compression;
mod csv;
mod encoder;
mod error;
mod estimate;
mod file_index;
mod format;
mod helpers;
mod hive;
mod ipc;
mod lane_threads;
mod lanes;
mod late_types;
mod leftovers;
mod one_dictionary;
mod opener;
mod output;
mod own_rows;
mod parquet;
mod parquet_file;
mod partition;
mod pending_rows;
mod repetition;
mod row_group_writer;
mod row_groups;
mod seconds;
mod sink;
mod split;
mod staging;
mod traffic;
mod word_sizes;
mod workers;
mod write_back;

pub use crate::atomic::check_target;
pub use crate::builder::SinkBuilder;
pub use crate::compression::{Compression, ZstdLevel};
pub use crate::error::{
    CompressionProblem, Error, ErrorKind, PartitionProblem, SchemaMismatch, TargetProblem,
};
pub use crate::format::Format;
pub use crate::helpers::Helpers;
pub use crate::sink::{Settled, Sink, Written};
