//! [`Texts`] for processors of other kinds: nobody holds a [`WithAvx2`] there.

use std::ops::RangeInclusive;

use super::{ROWS, Texts};
use crate::processor::WithAvx2;

impl Texts {
    pub(in crate::column) fn empty(&self, processor: WithAvx2) -> u64 {
        processor.is_not_there()
    }

    pub(in crate::column) fn ints(
        &self,
        processor: WithAvx2,
        _: RangeInclusive<i32>,
        _: &mut [i32; ROWS],
    ) -> u64 {
        processor.is_not_there()
    }

    pub(in crate::column) fn decimals(&self, processor: WithAvx2, _: &mut [f64; ROWS]) -> u64 {
        processor.is_not_there()
    }

    pub(in crate::column) fn days(&self, processor: WithAvx2, _: &mut [i32; ROWS]) -> u64 {
        processor.is_not_there()
    }

    pub(in crate::column) fn seconds(&self, processor: WithAvx2, _: &mut [i64; ROWS]) -> u64 {
        processor.is_not_there()
    }
}
