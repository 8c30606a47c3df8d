//! Bools: one bit each.

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, BooleanBufferBuilder};
use parquet::basic::{BoundaryOrder, Encoding};
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::bounds::Bounds;
use super::values::{PageValues, Refused, Values};

#[derive(Default)]
pub(super) struct Bools {
    page: Option<BooleanBufferBuilder>,
    bounds: Bounds<bool>,
}

fn less(a: &bool, b: &bool) -> bool {
    a < b
}

impl Values for Bools {
    fn push(&mut self, block: &ArrayRef) -> Result<(), Refused> {
        let block = block.as_boolean();
        let page = self.page.get_or_insert_with(|| BooleanBufferBuilder::new(0));
        let before = page.len();
        match block.nulls() {
            None => page.append_buffer(block.values()),
            Some(nulls) => {
                for (from, to) in nulls.valid_slices() {
                    page.append_buffer(&block.values().slice(from, to - from));
                }
            }
        }
        let (trues, all) = (block.true_count(), page.len() - before);
        if all > 0 {
            self.bounds.widen((trues == all, trues > 0), less);
        }
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        self.page.as_ref().map_or(0, |page| page.len().div_ceil(8))
    }

    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues {
        if let Some(page) = &self.page {
            let from = out.len();
            out.extend_from_slice(page.as_slice());
            out.truncate(from + page.len().div_ceil(8));
            if let (Some(last), rest @ 1..) = (out[from..].last_mut(), page.len() % 8) {
                *last &= (1 << rest) - 1;
            }
        }
        let bounds = self.bounds.end_page(less);
        let bounds = bounds.map(|(least, greatest)| (vec![u8::from(least)], vec![u8::from(greatest)]));
        PageValues { encoding: Encoding::PLAIN, bounds }
    }

    fn begin_page(&mut self) {
        self.page = None;
    }

    fn statistics(&self, nulls: u64) -> Statistics {
        let (least, greatest) = self.bounds.chunk().copied().unzip();
        Statistics::Boolean(ValueStatistics::new(least, greatest, None, Some(nulls), false))
    }

    fn order(&self) -> BoundaryOrder {
        self.bounds.order()
    }

    fn held_bytes(&self) -> usize {
        self.page_bytes()
    }

    fn heap_bytes(&self) -> usize {
        self.page.as_ref().map_or(0, |page| page.capacity() / 8)
    }
}
