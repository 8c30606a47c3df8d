//! The delimiter, found by looking at the first part of a file.

use crate::dialect::Dialect;
use crate::error::{Error, Malformed};
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::record_reader::RecordReader;

/// Delimiters that are looked for, in order of preference.
const CANDIDATES: [u8; 4] = [b',', b'\t', b';', b'|'];

/// How many records of a first part have how many fields.
#[derive(Default)]
struct Shape {
    first: usize,
    like_first: usize,
    others: usize,
}

impl RecordSink for Shape {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        if self.first == 0 {
            self.first = record.len();
        }
        self.like_first += 1;
        Ok(Flow::Continue)
    }

    fn malformed(&mut self, _: Malformed, _: Position, _: &[u8]) -> Result<Flow, Error> {
        self.others += 1;
        Ok(Flow::Continue)
    }
}

/// The delimiter that cuts `head` into most records of one width above one. A comma where none does.
///
/// Only the first part is looked at. Records of another width are refused later, so most wrong answers show;
/// where two delimiters cut equally well, the one that makes more fields is taken, and then the one preferred.
pub(crate) fn delimiter(head: &[u8], dialect: &Dialect) -> u8 {
    let score = |delimiter: u8| {
        let candidate = dialect.clone().with_delimiter(delimiter);
        candidate.validate().ok()?;
        let mut reader = RecordReader::new(&candidate, usize::MAX);
        let mut shape = Shape::default();
        reader.push(head, &mut shape).ok()?;
        if shape.first == 0 {
            // Less than a record: what there is of the first line.
            reader.finish(&mut shape).ok()?;
        }
        let share = shape.like_first as f64 / (shape.like_first + shape.others).max(1) as f64;
        (shape.first > 1).then_some((share, shape.first))
    };
    let mut best = (b',', (0.0, 0));
    for delimiter in CANDIDATES {
        if let Some((share, width)) = score(delimiter)
            && (share > best.1.0 || (share == best.1.0 && width > best.1.1))
        {
            best = (delimiter, (share, width));
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(head: &str) -> char {
        char::from(delimiter(head.as_bytes(), &Dialect::default()))
    }

    #[test]
    fn the_delimiter_that_makes_records_of_one_width() {
        assert_eq!(found("a,b\n1,2\n"), ',');
        assert_eq!(found("a\tb,c\td\n1\t2\t3\n"), '\t');
        assert_eq!(found("a;b\n1,5;2,5\n3,5;4\n"), ';');
        assert_eq!(found("a|b|c\n\"x,y\"|2|3\n"), '|');
        assert_eq!(found("a;b;c"), ';');
        assert_eq!(found("one column\n1\n"), ',');
        assert_eq!(found(""), ',');
    }

    #[test]
    fn a_byte_with_another_job_is_no_delimiter() {
        let dialect = Dialect::default().with_quote(Some(b';'));
        assert_eq!(delimiter(b"a;b,c\n;1,1;,2\n", &dialect), b',');
    }
}
