//! How many rows a batch has, as a user writes it.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// `auto`, or a fixed number of rows.
///
/// ```
/// use adaptive::BatchRows;
///
/// assert_eq!("auto".parse(), Ok(BatchRows::Auto));
/// let rows: BatchRows = "10k".parse()?;
/// assert_eq!(rows.to_string(), "10000");
/// assert_eq!(
///     "1_000".parse::<BatchRows>().unwrap_err().to_string(),
///     "`1_000` is no number of rows; expected `auto`, or a whole number from 1 with an optional k (1 000) or \
///      m (1 000 000) behind it, such as 50000, 64k or 1m"
/// );
/// # Ok::<(), adaptive::ParseBatchRowsError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchRows {
    /// As many as the budget has room for; see [`AutoSize`](crate::AutoSize).
    #[default]
    Auto,
    /// Exactly this many in every batch but the last.
    Rows(NonZeroUsize),
}

impl fmt::Display for BatchRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchRows::Auto => f.write_str("auto"),
            BatchRows::Rows(rows) => rows.fmt(f),
        }
    }
}

/// A text that is no [`BatchRows`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseBatchRowsError(String);

impl fmt::Display for ParseBatchRowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no number of rows; expected `auto`, or a whole number from 1 with an optional k (1 000) or \
             m (1 000 000) behind it, such as 50000, 64k or 1m",
            self.0
        )
    }
}

impl std::error::Error for ParseBatchRowsError {}

impl FromStr for BatchRows {
    type Err = ParseBatchRowsError;

    fn from_str(text: &str) -> Result<Self, ParseBatchRowsError> {
        if text == "auto" {
            return Ok(BatchRows::Auto);
        }
        let (digits, scale) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 1_000),
            Some(b'm' | b'M') => (&text[..text.len() - 1], 1_000_000),
            _ => (text, 1),
        };
        // `parse` alone would take a plus sign.
        let number =
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<usize>().ok()).flatten();
        number
            .and_then(|n| n.checked_mul(scale))
            .and_then(NonZeroUsize::new)
            .map(BatchRows::Rows)
            .ok_or_else(|| ParseBatchRowsError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str) -> Option<usize> {
        match text.parse() {
            Ok(BatchRows::Rows(n)) => Some(n.get()),
            _ => None,
        }
    }

    #[test]
    fn numbers_with_and_without_suffix() {
        assert_eq!(rows("1"), Some(1));
        assert_eq!(rows("50000"), Some(50_000));
        assert_eq!(rows("10k"), Some(10_000));
        assert_eq!(rows("2M"), Some(2_000_000));
    }

    #[test]
    fn what_is_no_number_of_rows() {
        for text in
            ["", "0", "0k", "k", "1_000", "1,000", "-1", "+1", " 1", "1.5k", "10kk", "AUTO", "1e3", "٣"]
        {
            assert!(text.parse::<BatchRows>().is_err(), "{text}");
        }
        assert!("99999999999999999999".parse::<BatchRows>().is_err());
        assert!("18446744073709551615k".parse::<BatchRows>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(n in 1usize..) {
            let written = BatchRows::Rows(NonZeroUsize::new(n).unwrap());
            prop_assert_eq!(written.to_string().parse(), Ok(written));
        }

        #[test]
        fn any_text_is_taken_or_refused(text: String) {
            let _ = text.parse::<BatchRows>();
        }
    }
}
