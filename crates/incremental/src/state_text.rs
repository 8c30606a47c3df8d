//! What fit states have seen, as one line of JSON each.

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// Rows that a stored state may claim: more than any input has, and few enough that counts of merged states do
/// not overflow.
pub(crate) const MOST_ROWS: u64 = 1 << 53;

/// Writes what a state has seen.
pub(crate) fn write(seen: &impl Serialize, out: &mut dyn Write) -> Result<(), Error> {
    serde_json::to_writer(out, seen).map_err(|e| Error::new(ErrorKind::Io(e.into())))
}

/// Reads what [`write`] wrote.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| {
        Error::new(ErrorKind::Archive {
            message: format!("what a step has seen cannot be read: {e}; fit the shard again"),
        })
    })
}

/// The error for what can be read and is no state of this step and pass.
pub(crate) fn contradiction() -> Error {
    let message = "what a step has seen contradicts itself, or is of another pass; fit the shard again";
    Error::new(ErrorKind::Archive { message: message.into() })
}
