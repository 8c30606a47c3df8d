//! Texts side by side: the fields of many rows, parsed four or eight at a time in the lanes of one register.
//!
//! ```text
//!  rows ──► first words and lengths of 64 fields ──► quote and sign shifted out ──► numbers, decimals, dates
//! ```
//!
//! What a kernel of one text does with a branch, or with a value that is known late, costs it more than the
//! arithmetic; here nothing depends on a single text. A text that is no value of the usual form, or longer than the
//! lanes are, is not one: the kernel of one text is asked for it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(not(target_arch = "x86_64"))]
mod elsewhere;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

use crate::block::Fields;

/// What texts must be to be parsed side by side.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// Words of a text that are read.
    words: usize,
    /// Most bytes of a text, quotes and sign included; of dates and timestamps the only number.
    pub(super) bytes: usize,
}

/// Whole numbers.
pub(super) const INT: Form = Form { words: 1, bytes: 8 };
/// Decimal fractions.
pub(super) const DECIMAL: Form = Form { words: 2, bytes: 16 };
/// Dates.
pub(super) const DATE: Form = Form { words: 2, bytes: 10 };
/// Timestamps without fraction and zone.
pub(super) const SECONDS: Form = Form { words: 3, bytes: 19 };

/// Rows that are parsed together.
pub(crate) const ROWS: usize = 64;

/// Where the words of a text begin: the first two, and what stands behind a date.
const FROM: [usize; 3] = [0, 8, DATE.bytes + 1];

/// The beginnings of up to 64 fields of one column, as they stand in the file, quotes included.
pub(crate) struct Texts {
    /// Eight bytes of each text from each of [`FROM`] on, the first in the lowest place, whatever its length.
    words: [[u64; ROWS]; FROM.len()],
    /// Bytes of each text. Those of rows that are not there are of any row before.
    lens: [u32; ROWS],
    rows: usize,
    longest: usize,
    /// More than any byte if there is none.
    quote: u16,
}

impl Texts {
    pub(super) fn new() -> Self {
        Texts { words: [[0; ROWS]; FROM.len()], lens: [0; ROWS], rows: 0, longest: 0, quote: u16::MAX }
    }

    /// Takes what the form needs of each of `rows` fields from `row` on, at most 64.
    #[inline(always)]
    pub(super) fn lay(&mut self, form: Form, fields: Fields<'_>, row: usize, rows: usize) {
        self.rows = rows.min(ROWS);
        self.quote = fields.quote();
        let mut longest = 0;
        for i in 0..self.rows {
            let text = fields.raw(row + i);
            self.words[0][i] = text.word::<{ FROM[0] }>();
            if form.words > 1 {
                self.words[1][i] = text.word::<{ FROM[1] }>();
            }
            if form.words > 2 {
                self.words[2][i] = text.word::<{ FROM[2] }>();
            }
            self.lens[i] = text.len() as u32;
            longest = longest.max(text.len());
        }
        self.longest = longest;
    }

    /// Bytes of the longest text.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }
}
