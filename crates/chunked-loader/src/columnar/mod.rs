//! Files of columns: Parquet and Arrow IPC, read in place of CSV wherever an input is taken.
//!
//! ```text
//!  Table      ──► Group ──────► ColumnReader ──► Values ──► ColumnScan                    first pass, column by column
//!  footer or      row group,    a page or        some       widths, facts ──► Scan
//!  messages       record batch  a buffer at      rows
//!                               a time                  └──► BatchBuilder ──► Batch       second pass, row by row
//! ```
//!
//! Types are those of the file, as narrow as its values allow: the scan reads every value, so that what the columns come to is
//! the same as for the CSV file with these values. Threads divide the work by columns: [`pass`] scans them side by side, and
//! [`ahead`] decodes them for the thread that makes the batches. Nothing that a file says of itself is taken for granted:
//! lengths are checked against the file and reserved before anything is allocated by them, and a statistic is never asked in
//! place of the values.

mod ahead;
mod guard;
mod held;
mod ipc;
mod open;
mod parquet;
mod pass;
mod rows;
mod scan;
mod schema;
mod table;
mod values;

pub use guard::catches_panics;
pub(crate) use rows::ColumnarRows;
pub(crate) use scan::{ColumnarScan, scan};
pub use table::Part;
#[cfg(test)]
pub(crate) use values::timestamps;
pub(crate) use values::{Values, written};
