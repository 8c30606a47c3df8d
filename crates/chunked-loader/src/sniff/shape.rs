//! How many records of a first part have how many fields.

use super::{Look, value};
use crate::dialect::Dialect;
use crate::error::{Error, Malformed};
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::record_reader::RecordReader;

/// What a dialect makes of a first part. Blank lines count for nothing.
#[derive(Debug)]
pub(super) struct Shape {
    /// Fields of the first record that is whole; 0 if there is none.
    pub(super) width: usize,
    /// Records as wide as that one.
    like_first: usize,
    /// Records of one field where the first has more.
    narrow: usize,
    /// Records of another width above one.
    wide: usize,
    /// Records with a quote out of place.
    broken: usize,
    /// Fields of the records as wide as the first, and how many of them are numbers or dates.
    fields: usize,
    values: usize,
    /// How many of them stand in quotes.
    pub(super) quoted: usize,
    /// All of them that are neither empty nor numbers nor dates stand in quotes.
    pub(super) is_all_text_quoted: bool,
    /// What is left at the end, of a record that is not complete, is less than what was read.
    pub(super) covers_most: bool,
    /// Behind records of one field.
    table: Option<Table>,
    last_was_blank: bool,
}

/// Records of one width above one, behind records of one field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// Physical lines before its first record.
    pub(super) lines: u64,
    /// A blank line stands before its first record.
    pub(super) is_set_apart: bool,
    width: usize,
    is_uniform: bool,
}

impl Shape {
    /// Reads the first part once. A record that goes on behind it is left out, unless there is no other.
    pub(super) fn of(look: Look<'_>, dialect: &Dialect) -> Shape {
        let mut shape = Shape {
            width: 0,
            like_first: 0,
            narrow: 0,
            wide: 0,
            broken: 0,
            fields: 0,
            values: 0,
            quoted: 0,
            is_all_text_quoted: true,
            covers_most: false,
            table: None,
            last_was_blank: false,
        };
        let mut reader = RecordReader::new(dialect, usize::MAX);
        // The sink refuses nothing, and no record is longer than allowed.
        let _ = reader.push(look.head, &mut shape);
        shape.covers_most =
            look.is_whole_file || reader.position().byte.saturating_mul(2) >= look.head.len() as u64;
        if look.is_whole_file || shape.records() == 0 {
            let _ = reader.finish(&mut shape);
        }
        shape.width = reader.expected_fields().unwrap_or(0);
        shape
    }

    pub(super) fn records(&self) -> usize {
        self.like_first + self.narrow + self.wide + self.broken
    }

    /// Records as wide as the first, of all.
    pub(super) fn share(&self) -> f64 {
        self.like_first as f64 / self.records().max(1) as f64
    }

    /// Numbers and dates, of all fields.
    pub(super) fn share_of_values(&self) -> f64 {
        self.values as f64 / self.fields.max(1) as f64
    }

    /// All records are whole and of one width.
    pub(super) fn is_clean(&self) -> bool {
        self.width > 0 && self.like_first == self.records()
    }

    /// Whether the delimiter stands in the first record and in at least half of all: else it is part of a text.
    pub(super) fn is_cut(&self) -> bool {
        self.width > 1 && self.narrow <= self.records() / 2
    }

    /// The table that all records behind those of one field make, if they do.
    pub(super) fn table_behind(&self) -> Option<Table> {
        self.table.filter(|table| table.is_uniform && self.broken == 0)
    }

    fn like_first(&mut self) {
        self.like_first += 1;
        self.last_was_blank = false;
        if let Some(table) = &mut self.table {
            table.is_uniform = false;
        }
    }
}

impl RecordSink for Shape {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        if record.raw.is_empty() {
            self.last_was_blank = true;
            return Ok(Flow::Continue);
        }
        self.like_first();
        for span in record.spans {
            let raw = &record.raw[span.start as usize..span.end as usize];
            let is_value = value::is_value(raw);
            self.fields += 1;
            self.values += usize::from(is_value);
            self.quoted += usize::from(span.quoted);
            self.is_all_text_quoted &= span.quoted || is_value || raw.is_empty();
        }
        Ok(Flow::Continue)
    }

    fn malformed(&mut self, malformed: Malformed, position: Position, _: &[u8]) -> Result<Flow, Error> {
        match malformed {
            // Its fields were counted before its text was asked.
            Malformed::InvalidUtf8 { .. } => self.like_first(),
            Malformed::FieldCount { expected, found } => {
                if found == 1 {
                    self.narrow += 1;
                } else {
                    self.wide += 1;
                }
                let is_set_apart = self.last_was_blank;
                let begin = Table { lines: position.line - 1, is_set_apart, width: found, is_uniform: true };
                if expected == 1 {
                    let table = self.table.get_or_insert(begin);
                    table.is_uniform &= table.width == found;
                }
                self.last_was_blank = false;
            }
            _ => self.broken += 1,
        }
        Ok(Flow::Continue)
    }
}
