//! What becomes of a record that breaks the format or a fixed type.

use crate::error::Malformed;
use crate::position::Position;

/// What a malformed record gets. The rejected set depends on the input alone: it is the same for any
/// projection, block size and batch size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadRecord {
    /// The first one ends the run.
    #[default]
    Fail,
    /// It is left out, counted, and handed to whoever listens.
    ///
    /// A record beyond the length limit still ends the run: where it ends cannot be known. So does a malformed
    /// header: the record behind it must not be taken for the names.
    Skip,
}

/// A rejected record with its place and reason.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Reject<'a> {
    /// Its file, as it was named.
    pub file: &'a str,
    /// Its place.
    pub position: Position,
    /// The column whose value is at fault, if one is.
    pub column: Option<&'a str>,
    /// What is wrong with it.
    pub reason: &'a Malformed,
    /// Its bytes as they stand in the file, without the line end.
    pub raw: &'a [u8],
}
