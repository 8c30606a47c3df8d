//! Lines before the header that belong to no table, such as a title.
//!
//! A one-column file with a delimiter in its texts looks much the same, and so does a header that has lost its
//! delimiters. So lines are taken for a preamble only if each is one field, all records behind them have one
//! width above one, and the first of those reads as a header: its names are different, none is empty, and it is
//! set apart by a blank line or is text above a column of numbers or dates. In doubt nothing is skipped; the first
//! record of the table is then refused, by its line.

use std::collections::HashSet;

use super::shape::Table;
use super::{Look, value};
use crate::dialect::Dialect;
use crate::error::{Error, Malformed};
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::record_reader::RecordReader;

/// The delimiter that a first line `sep=;` declares, as spreadsheets write and read it.
pub(super) fn declared_delimiter(head: &[u8]) -> Option<u8> {
    match head.strip_prefix(b"sep=")? {
        [delimiter, b'\r' | b'\n', ..] => Some(*delimiter),
        _ => None,
    }
}

/// Whether the lines that `behind` skips are a preamble of the table behind them.
pub(super) fn is_before(look: Look<'_>, behind: &Dialect, table: Table) -> bool {
    let mut evidence = Evidence::default();
    let mut reader = RecordReader::new(behind, usize::MAX);
    // The sink refuses nothing, and no record is longer than allowed.
    let _ = reader.push(look.head, &mut evidence);
    if look.is_whole_file {
        let _ = reader.finish(&mut evidence);
    }
    evidence.is_table(table.is_set_apart)
}

/// What speaks for a table with a header.
#[derive(Default)]
struct Evidence {
    names: Vec<Column>,
    records: usize,
    is_malformed: bool,
}

/// A column of the supposed table.
struct Column {
    name: Vec<u8>,
    has_values: bool,
    has_texts: bool,
}

impl Evidence {
    fn is_table(&self, is_set_apart: bool) -> bool {
        let mut taken = HashSet::new();
        let names_fit = self.names.iter().all(|c| !c.name.trim_ascii().is_empty() && taken.insert(&c.name));
        let is_above_values =
            |c: &Column| c.has_values && !c.has_texts && !value::is_value(c.name.trim_ascii());
        let reads_as_header = is_set_apart || self.names.iter().any(is_above_values);
        !self.is_malformed && self.records >= 2 && names_fit && reads_as_header
    }
}

impl RecordSink for Evidence {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        let mut scratch = Vec::new();
        for index in 0..record.len() {
            let text = record.field(index, &mut scratch).text;
            if self.records == 0 {
                self.names.push(Column { name: text.to_vec(), has_values: false, has_texts: false });
            } else if !text.is_empty() {
                let is_value = value::is_value(text);
                let column = &mut self.names[index];
                column.has_values |= is_value;
                column.has_texts |= !is_value;
            }
        }
        self.records += 1;
        Ok(Flow::Continue)
    }

    fn malformed(&mut self, malformed: Malformed, _: Position, _: &[u8]) -> Result<Flow, Error> {
        // Text in another encoding has a shape all the same, but a header in it is not asked for its names.
        self.is_malformed |= self.records == 0 || !matches!(malformed, Malformed::InvalidUtf8 { .. });
        Ok(Flow::Continue)
    }
}
