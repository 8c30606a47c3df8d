//! What a dialect leaves unset, found by looking at the first part of a file.
//!
//! Every candidate reads the first part with the one parser that reads the file later, at most twice, and the
//! one under which the records have one width wins. What is assumed is little, since a wrong guess that is
//! refused by a later record costs an option, and one that is not costs data:
//!
//! - Delimiter: comma, tab, semicolon or bar. A space never: words in one column would be torn apart. Where
//!   none of them cuts, there is one column.
//! - Quote: `"`, or `'` where it clearly serves; see [`apostrophe_serves`].
//! - Lines before the header: see `preamble.rs`. Without a header none are looked for.
//! - The first record is the header, and no comment or escape character is assumed, whatever the file holds.

mod preamble;
mod shape;
mod value;

use crate::dialect::{Dialect, Quote};
use shape::Shape;

/// Delimiters that are looked for, in order of preference.
const CANDIDATES: [u8; 4] = [b',', b'\t', b';', b'|'];
/// For a file without delimiters under a dialect that has other jobs for all candidates: the unit separator.
const LAST_RESORT: u8 = 0x1f;

/// A dialect that leaves nothing unset, and what it makes of the first part.
struct Reading {
    dialect: Dialect,
    shape: Shape,
}

/// `dialect` with all that is unset found by looking at `head`. See [`Dialect::settled`].
pub(crate) fn settle(head: &[u8], is_whole_file: bool, dialect: &Dialect) -> Dialect {
    let mut dialect = dialect.clone();
    if dialect.delimiter.is_some() && dialect.quote != Quote::Unset && dialect.skip_lines.is_some() {
        return dialect;
    }
    if let Some(delimiter) = preamble::declared_delimiter(head)
        && dialect.skip_lines.is_none()
        && dialect.delimiter.is_none_or(|d| d == delimiter)
        && dialect.clone().with_delimiter(delimiter).validate().is_ok()
    {
        dialect = dialect.with_delimiter(delimiter).with_skip_lines(1);
    }
    let look = Look { head, is_whole_file };
    if dialect.quote != Quote::Unset {
        return look.best(&dialect).dialect;
    }
    let with_quote = |quote| Some(dialect.clone().with_quote(Some(quote))).filter(|d| d.validate().is_ok());
    let Some(usual) = with_quote(b'"') else { return look.best(&dialect.with_quote(None)).dialect };
    let usual = look.best(&usual);
    if head.contains(&b'\'')
        && !head.contains(&b'"')
        && let Some(apostrophe) = with_quote(b'\'')
    {
        let apostrophe = look.best(&apostrophe);
        if apostrophe_serves(&apostrophe.shape, &usual.shape) {
            return apostrophe.dialect;
        }
    }
    usual.dialect
}

/// Whether the quote is `'`, in a file without any `"`: under it all records are whole and of one width above
/// one, and either under `"` they are not, or all that is no number stands in it.
fn apostrophe_serves(apostrophe: &Shape, usual: &Shape) -> bool {
    apostrophe.is_clean()
        && apostrophe.width > 1
        && apostrophe.records() >= 2
        && apostrophe.quoted >= 2
        // An apostrophe that is not closed in sight hides all that follows.
        && apostrophe.covers_most
        && (!usual.is_clean() || apostrophe.is_all_text_quoted)
}

/// The first part of a file.
#[derive(Clone, Copy)]
struct Look<'a> {
    head: &'a [u8],
    is_whole_file: bool,
}

impl Look<'_> {
    /// The reading whose delimiter cuts most records to one width above one. One column where none cuts.
    ///
    /// Records of another width are refused later, so most wrong answers show. Of delimiters that cut equally
    /// well, one that needs no preamble is taken, then the one that makes most numbers and dates (`1,5;2,5` is
    /// two numbers), then the one that makes most fields, then the one preferred.
    fn best(self, dialect: &Dialect) -> Reading {
        if dialect.delimiter.is_some() {
            return self.read(dialect);
        }
        let usable = |delimiter: &u8| dialect.clone().with_delimiter(*delimiter).validate().is_ok();
        let mut best: Option<((f64, bool, f64, usize), Reading)> = None;
        for delimiter in CANDIDATES.into_iter().filter(usable) {
            let reading = self.read(&dialect.clone().with_delimiter(delimiter));
            let shape = &reading.shape;
            let needs_no_preamble = reading.dialect.skip_lines() == dialect.skip_lines();
            let rank = (shape.share(), needs_no_preamble, shape.share_of_values(), shape.width);
            if shape.is_cut() && best.as_ref().is_none_or(|(other, _)| rank > *other) {
                best = Some((rank, reading));
            }
        }
        if let Some((_, reading)) = best {
            return reading;
        }
        // One column, and a mark in its numbers should not be taken for a delimiter.
        let free = |delimiter: &u8| usable(delimiter) && dialect.thousands != Some(*delimiter);
        let delimiter = CANDIDATES.into_iter().find(free).unwrap_or(LAST_RESORT);
        self.read(&dialect.clone().with_delimiter(delimiter))
    }

    /// What a dialect with delimiter and quote makes of the first part, with its preamble found.
    fn read(self, dialect: &Dialect) -> Reading {
        let mut dialect = dialect.clone();
        let look_for_preamble = dialect.skip_lines.is_none() && dialect.header;
        dialect.skip_lines.get_or_insert(0);
        let shape = Shape::of(self, &dialect);
        if look_for_preamble && let Some(suspect) = shape.table_behind() {
            let behind = dialect.clone().with_skip_lines(suspect.lines);
            if preamble::is_before(self, &behind, suspect) {
                return Reading { shape: Shape::of(self, &behind), dialect: behind };
            }
        }
        Reading { dialect, shape }
    }
}

#[cfg(test)]
mod tests;
