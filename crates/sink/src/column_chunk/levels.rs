//! Which rows of a page are null: definition levels of 0 and 1.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::NullBuffer;

use super::bits::write_varint;
use super::runs;

/// The rows of a page.
#[derive(Debug, Default)]
pub(super) struct Levels {
    rows: usize,
    nulls: usize,
    /// 1 for each row that has a value; none as long as all have one.
    has_value: Option<BooleanBufferBuilder>,
}

impl Levels {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn nulls(&self) -> usize {
        self.nulls
    }

    pub(super) fn push(&mut self, rows: usize, nulls: Option<&NullBuffer>) {
        match (nulls.filter(|nulls| nulls.null_count() > 0), &mut self.has_value) {
            (None, None) => {}
            (None, Some(has_value)) => has_value.append_n(rows, true),
            (Some(nulls), has_value) => {
                self.nulls += nulls.null_count();
                let before = self.rows;
                let has_value = has_value.get_or_insert_with(|| {
                    let mut has_value = BooleanBufferBuilder::new(before + rows);
                    has_value.append_n(before, true);
                    has_value
                });
                has_value.append_buffer(nulls.inner());
            }
        }
        self.rows += rows;
    }

    /// Appends the levels to `out`; the page begins anew.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        // The next page may have no nulls, and then needs no bitmap.
        match self.has_value.take() {
            Some(mut has_value) => runs::write_bitmap(has_value.as_slice_mut(), self.rows, out),
            None => {
                write_varint((self.rows as u64) << 1, out);
                out.push(1);
            }
        }
        (self.rows, self.nulls) = (0, 0);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.has_value.as_ref().map_or(0, |has_value| has_value.capacity() / 8)
    }
}
