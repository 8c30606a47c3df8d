//! The fields of a block in one loop for each kind of column.
//!
//! A loop takes what its kernel knows at once and says which fields it does not; those go the way of
//! [`ColumnScan::push`], which decides what the column becomes. So the loops decide nothing, and add up only. That
//! they go ahead of the fields that decide does not matter: numbers are judged alike in a column of whole numbers and
//! one of floats, and where a column becomes text so late, its texts are counted in a scan of their own.
#![allow(unsafe_code)] // One call of code for some processors, which the caller has checked for.

use arrow::datatypes::{Int64Type, TimestampSecondType};

use super::{ColumnScan, Extent, Place};
use crate::block::Fields;
use crate::column::float::Float64Kernel;
use crate::column::int::IntKernel;
use crate::column::kernel::{Chunk, Kernel, Value};
use crate::column::temporal::{DateKernel, Stamp, TimestampKernel};
use crate::column::validity::full;
use crate::column::{boolean, iso};
use crate::field_rules::FieldRules;
use crate::processor::{AnyProcessor, Processor, WithAvx2};
use crate::types::{Kind, Zone};

/// Fields whose loop has no branch for each: one bit stands for one.
const CHUNK: usize = 64;
/// Most fields of a loop, so that a row's number fits beside its value.
const MOST_ROWS: usize = 1 << 16;

/// How far a loop has come.
struct Taken {
    /// Fields that it went through.
    rows: usize,
    /// The first of those that `left` speaks of.
    chunk: usize,
    /// Those of the last chunk that are left to others, one bit each.
    left: u64,
}

/// Goes through the texts of fields, counts the empty ones, and stops behind a chunk in which another one is declined. For
/// kinds without a [`Kernel`]; a macro and no function, since a closure that is not inlined is not compiled for the processor of its
/// loop, and here the closure would be all of the work.
macro_rules! each {
    ($column:ident, $fields:ident, |$row:ident, $text:ident| $is_taken:block) => {{
        let mut taken = Taken { rows: 0, chunk: 0, left: 0 };
        let mut all_empty = 0;
        while taken.left == 0 && taken.rows < $fields.len() {
            taken.chunk = taken.rows;
            let chunk = CHUNK.min($fields.len() - taken.rows);
            let (mut known, mut empty) = (0u64, 0u64);
            // Which fields are empty cannot be foreseen.
            for bit in 0..chunk {
                let row = taken.chunk + bit;
                let raw = $fields.raw(row);
                let ($row, $text) = (row, $fields.inner(raw));
                let is_taken: bool = $is_taken;
                known |= u64::from(is_taken) << bit;
                empty |= u64::from(raw.len() == 0) << bit;
            }
            all_empty += u64::from(empty.count_ones());
            taken.left = full(chunk) & !(known | empty);
            taken.rows += chunk;
        }
        $column.empty += all_empty;
        taken
    }};
}

impl ColumnScan {
    /// Takes one field of each record of a block. On a value that a fixed type does not hold, the index of its record.
    pub(crate) fn push_block(
        &mut self,
        fields: Fields<'_>,
        rules: &FieldRules,
        place: impl Fn(usize) -> Place,
    ) -> Result<(), usize> {
        let mut scratch = std::mem::take(&mut self.scratch_field);
        let mut from = 0;
        while from < fields.len() {
            let to = fields.len().min(from + MOST_ROWS);
            let taken = self.push_usual(fields.slice(from, to), rules);
            let mut left = taken.left;
            while left != 0 {
                let row = from + taken.chunk + left.trailing_zeros() as usize;
                self.push(fields.field(row, &mut scratch), rules, || place(row)).map_err(|_| row)?;
                left &= left - 1;
            }
            from += taken.rows;
        }
        self.scratch_field = scratch;
        Ok(())
    }

    /// Takes fields that are what the column is so far, in its usual form, and leaves some of the others. Takes or leaves
    /// one at the least.
    fn push_usual(&mut self, fields: Fields<'_>, rules: &FieldRules) -> Taken {
        if let Some(processor) = fields.avx2() {
            // SAFETY: a `WithAvx2` shows that the processor has all of these features.
            return unsafe { self.push_usual_avx2(processor, fields, rules) };
        }
        self.push_usual_rows(AnyProcessor, fields, rules)
    }

    /// # Safety
    /// Needs the features of a [`WithAvx2`].
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt"))]
    unsafe fn push_usual_avx2(
        &mut self,
        processor: WithAvx2,
        fields: Fields<'_>,
        rules: &FieldRules,
    ) -> Taken {
        self.push_usual_rows(processor, fields, rules)
    }

    #[inline(always)]
    fn push_usual_rows<P: Processor>(
        &mut self,
        processor: P,
        fields: Fields<'_>,
        rules: &FieldRules,
    ) -> Taken {
        let chunk = CHUNK.min(fields.len());
        let none = Taken { rows: chunk, chunk: 0, left: full(chunk) };
        if self.kind == Kind::Text {
            return if rules.nulls.has_listed_tokens() { none } else { self.texts(fields) };
        }
        if self.kind == Kind::Null {
            return each!(self, fields, |_row, _text| { false });
        }
        if self.is_remembering() || !rules.values_are_plain {
            return none;
        }
        let has_plain_numbers = rules.marks.is_plain();
        let taken = match self.kind {
            Kind::Int if has_plain_numbers => self.ints(processor, fields),
            Kind::Float if has_plain_numbers => self.floats(processor, fields),
            Kind::Bool => each!(self, fields, |_row, text| { boolean::parse_word(text).1 }),
            Kind::Date => self.days(processor, fields),
            Kind::Timestamp(Zone::Naive) => self.seconds(processor, fields),
            _ => none,
        };
        if self.is_counted && (taken.chunk > 0 || taken.left != full(chunk)) {
            self.give_up_counting();
        }
        taken
    }

    /// Goes through the values of fields, counts the empty ones, and stops behind a chunk in which another one is declined:
    /// `take` is given the row of a chunk's first value, and says which of its values it takes.
    #[inline(always)]
    fn each_chunk<K: Kernel, P: Processor>(
        &mut self,
        kernel: &K,
        processor: P,
        fields: Fields<'_>,
        mut take: impl FnMut(usize, &Chunk<K>) -> u64,
    ) -> Taken {
        let mut taken = Taken { rows: 0, chunk: 0, left: 0 };
        let mut chunk = Chunk::new(self.fits_lanes);
        while taken.left == 0 && taken.rows < fields.len() {
            taken.chunk = taken.rows;
            chunk.parse(kernel, processor, fields, taken.chunk);
            self.empty += u64::from(chunk.empty().count_ones());
            let known = take(taken.chunk, &chunk);
            taken.left = chunk.left() | chunk.valid() & !known;
            taken.rows += chunk.values().len();
        }
        self.fits_lanes = chunk.fits_lanes();
        taken
    }

    #[inline(always)]
    fn ints<P: Processor>(&mut self, processor: P, fields: Fields<'_>) -> Taken {
        let (mut min, mut max) = (i64::MAX, i64::MIN);
        // Of each value what is left when its trailing zeros are shifted out: as many bits as a mantissa needs.
        let mut odd = 0u64;
        let taken = self.each_chunk(&IntKernel::<Int64Type>::new(), processor, fields, |_, chunk| {
            for (value, is_value) in each(chunk) {
                min = min.min(if is_value { value } else { min });
                max = max.max(if is_value { value } else { max });
                let bits = value.unsigned_abs();
                odd |= bits >> (bits.trailing_zeros() & 63);
            }
            chunk.valid()
        });
        if min <= max {
            let (low, high) = self.int_range.unwrap_or((min.into(), max.into()));
            self.int_range = Some((low.min(min.into()), high.max(max.into())));
        }
        self.ints_exact_in_f64 &= odd >> f64::MANTISSA_DIGITS == 0;
        self.exact_in_f32 &= odd >> f32::MANTISSA_DIGITS == 0;
        taken
    }

    /// Numbers of so few digits lie within float32's range, and those without a point are exact in float64.
    #[inline(always)]
    fn floats<P: Processor>(&mut self, processor: P, fields: Fields<'_>) -> Taken {
        let mut exact = self.exact_in_f32;
        let taken = self.each_chunk(&Float64Kernel, processor, fields, |_, chunk| {
            exact = exact && chunk.values().iter().all(|value| f64::from(*value as f32) == *value);
            chunk.valid()
        });
        self.exact_in_f32 = exact;
        taken
    }

    #[inline(always)]
    fn days<P: Processor>(&mut self, processor: P, fields: Fields<'_>) -> Taken {
        let mut ends = Ends::default();
        let taken = self.each_chunk(&DateKernel, processor, fields, |first, chunk| {
            for (bit, (day, is_day)) in each(chunk).enumerate() {
                ends.take(i64::from(day), first + bit, is_day);
            }
            chunk.valid()
        });
        for (day, row) in ends.found().into_iter().flatten() {
            Extent::extend(&mut self.dates, day as i32, fields.inner(fields.raw(row)).bytes());
        }
        taken
    }

    #[inline(always)]
    fn seconds<P: Processor>(&mut self, processor: P, fields: Fields<'_>) -> Taken {
        let mut ends = Ends::default();
        let mut separator = 0;
        let kernel = TimestampKernel::<TimestampSecondType>::new(Zone::Naive);
        let taken = self.each_chunk(&kernel, processor, fields, |first, chunk| {
            let mut known = 0;
            for (bit, (seconds, is_stamp)) in each(chunk).enumerate() {
                // Of equal values the least text is kept, so that both must not come in one loop.
                let between = iso::separator(fields.inner(fields.raw(first + bit)));
                let is_alike = (separator == 0) | (between == separator);
                let is_taken = is_stamp & is_alike;
                separator = if is_taken { between } else { separator };
                ends.take(seconds, first + bit, is_taken);
                known |= u64::from(is_taken) << bit;
            }
            known
        });
        for (seconds, row) in ends.found().into_iter().flatten() {
            let stamp = Stamp { seconds, nanos: 0, digits: 0, offset: None };
            Extent::extend(&mut self.stamps, stamp, fields.inner(fields.raw(row)).bytes());
        }
        taken
    }

    #[inline(always)]
    fn texts(&mut self, fields: Fields<'_>) -> Taken {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (mut bytes, mut empty) = (0, 0);
        for row in 0..fields.len() {
            let raw = fields.raw(row);
            if fields.is_quoted(raw) {
                let text = fields.field(row, &mut scratch).text;
                self.empty_quoted += u64::from(text.is_empty());
                self.push_text(text);
                continue;
            }
            bytes += raw.len();
            empty += u64::from(raw.len() == 0);
            if let Some(candidates) = &mut self.candidates
                && raw.len() > 0
                && !candidates.insert_padded(raw)
            {
                self.candidates = None;
            }
        }
        self.scratch = scratch;
        self.text_bytes += bytes as u64;
        self.empty += empty;
        Taken { rows: fields.len(), chunk: 0, left: 0 }
    }
}

/// The values of a chunk, and whether they are such.
#[inline(always)]
fn each<K: Kernel>(chunk: &Chunk<K>) -> impl Iterator<Item = (Value<K>, bool)> {
    chunk.values().iter().enumerate().map(|(bit, value)| (*value, chunk.valid() >> bit & 1 == 1))
}

/// The least and the greatest value of a loop, and the rows that hold them: a row's number stands below its value.
struct Ends {
    min: i64,
    max: i64,
}

impl Default for Ends {
    fn default() -> Self {
        Ends { min: i64::MAX, max: i64::MIN }
    }
}

impl Ends {
    /// Values are those of dates and seconds of the years 1 to 9999, so that a row's number fits below them.
    #[inline(always)]
    fn take(&mut self, value: i64, row: usize, is_value: bool) {
        debug_assert!(row < MOST_ROWS && (!is_value || value.unsigned_abs() < 1 << 46));
        let both = value * MOST_ROWS as i64 + row as i64;
        self.min = self.min.min(if is_value { both } else { self.min });
        self.max = self.max.max(if is_value { both } else { self.max });
    }

    fn found(&self) -> Option<[(i64, usize); 2]> {
        let apart =
            |both: i64| (both.div_euclid(MOST_ROWS as i64), both.rem_euclid(MOST_ROWS as i64) as usize);
        (self.min <= self.max).then(|| [apart(self.min), apart(self.max)])
    }
}
