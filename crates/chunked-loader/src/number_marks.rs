//! How numbers are written: the decimal mark, and the mark between thousands.

use crate::dialect::Dialect;

/// The marks of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberMarks {
    decimal: u8,
    thousands: Option<u8>,
}

impl NumberMarks {
    pub(crate) fn of(_: &Dialect) -> Self {
        NumberMarks { decimal: b'.', thousands: None }
    }

    /// Whether numbers are written with a point and without marks between thousands.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.decimal == b'.' && self.thousands.is_none()
    }

    /// The number's text with a point and without marks between thousands; `None` if it is no number under these
    /// marks.
    pub(crate) fn canonical<'s>(&self, text: &'s [u8], _scratch: &'s mut Vec<u8>) -> Option<&'s [u8]> {
        Some(text)
    }
}
