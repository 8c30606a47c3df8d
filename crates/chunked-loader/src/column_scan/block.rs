//! The fields of a block in one loop for each kind of column.
//!
//! A loop takes what its kernel knows at once and stops at the first field that it does not; that one goes the way
//! of [`ColumnScan::push`], which decides what the column becomes. So the loops decide nothing, and add up only.
#![allow(unsafe_code)] // One call of code for some processors, which the caller has checked for.

use super::{ColumnScan, Extent, Place};
use crate::block::Fields;
use crate::column::temporal::Stamp;
use crate::column::{boolean, decimal, int, iso};
use crate::field_rules::FieldRules;
#[cfg(target_arch = "x86_64")]
use crate::processor::WithAvx2;
use crate::processor::{AnyProcessor, Processor};
use crate::types::{Kind, Zone};

/// Most fields that a loop takes at once, so that a row's number fits beside its value.
const MOST_ROWS: usize = 1 << 16;

/// Goes through the texts of fields until one that is not empty is declined; gives how many it went through, and counts
/// the empty ones. A macro and no function, since a closure would not be compiled for the processor of its loop.
macro_rules! each {
    ($column:ident, $fields:ident, |$row:ident, $text:ident| $is_taken:block) => {{
        let mut empty = 0u64;
        let mut taken = 0;
        while taken < $fields.len() {
            let raw = $fields.raw(taken);
            let is_empty = raw.len() == 0;
            let ($row, $text) = (taken, $fields.inner(raw));
            let is_taken: bool = $is_taken;
            if !is_taken & !is_empty {
                break;
            }
            empty += u64::from(is_empty);
            taken += 1;
        }
        $column.empty += empty;
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
        let rows = fields.len();
        let mut scratch = std::mem::take(&mut self.scratch_field);
        let mut row = 0;
        while row < rows {
            let end = rows.min(row + MOST_ROWS);
            row += self.push_usual(fields.slice(row, end), rules);
            if row < end {
                self.push(fields.field(row, &mut scratch), rules, || place(row)).map_err(|_| row)?;
                row += 1;
            }
        }
        self.scratch_field = scratch;
        Ok(())
    }

    /// Takes fields as long as they are what the column is so far, in its usual form; how many were taken.
    fn push_usual(&mut self, fields: Fields<'_>, rules: &FieldRules) -> usize {
        #[cfg(target_arch = "x86_64")]
        if let Some(processor) = fields.avx2() {
            // SAFETY: a `WithAvx2` shows that the processor has all of these features.
            return unsafe { self.push_usual_avx2(processor, fields, rules) };
        }
        self.push_usual_rows(AnyProcessor, fields, rules)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn push_usual_avx2(&mut self, processor: WithAvx2, fields: Fields<'_>, rules: &FieldRules) -> usize {
        self.push_usual_rows(processor, fields, rules)
    }

    #[inline(always)]
    fn push_usual_rows<P: Processor>(
        &mut self,
        processor: P,
        fields: Fields<'_>,
        rules: &FieldRules,
    ) -> usize {
        if self.kind == Kind::Text {
            return if rules.nulls.has_listed_tokens() { 0 } else { self.texts(fields) };
        }
        if self.kind == Kind::Null {
            return self.empties(fields);
        }
        if self.is_remembering() || !rules.values_are_plain {
            return 0;
        }
        let has_plain_numbers = rules.marks.is_plain();
        let taken = match self.kind {
            Kind::Int if has_plain_numbers => self.ints(fields),
            Kind::Float if has_plain_numbers => self.floats(processor, fields),
            Kind::Bool => self.bools(fields),
            Kind::Date => self.days(fields),
            Kind::Timestamp(Zone::Naive) => self.seconds(fields),
            _ => 0,
        };
        if taken > 0 && self.is_counted {
            self.give_up_counting();
        }
        taken
    }

    #[inline(always)]
    fn empties(&mut self, fields: Fields<'_>) -> usize {
        let taken = (0..fields.len()).find(|row| fields.raw(*row).len() > 0).unwrap_or(fields.len());
        self.empty += taken as u64;
        taken
    }

    #[inline(always)]
    fn ints(&mut self, fields: Fields<'_>) -> usize {
        let (mut min, mut max) = (i64::MAX, i64::MIN);
        // Of each value what is left when its trailing zeros are shifted out: as many bits as a mantissa needs.
        let mut odd = 0u64;
        let taken = each!(self, fields, |_row, text| {
            let (value, is_value) = int::parse_short(text);
            min = min.min(if is_value { value } else { min });
            max = max.max(if is_value { value } else { max });
            let bits = if is_value { value.unsigned_abs() } else { 0 };
            odd |= bits >> (bits.trailing_zeros() & 63);
            is_value
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
    fn floats<P: Processor>(&mut self, processor: P, fields: Fields<'_>) -> usize {
        if !self.exact_in_f32 {
            // Only whether it is a number is of interest, so the compiler leaves the rest away.
            return each!(self, fields, |_row, text| { decimal::parse_short(processor, text).1 });
        }
        let mut exact = true;
        let taken = each!(self, fields, |_row, text| {
            let (value, is_value) = decimal::parse_short(processor, text);
            exact &= !is_value | (f64::from(value as f32) == value);
            is_value
        });
        self.exact_in_f32 &= exact;
        taken
    }

    #[inline(always)]
    fn bools(&mut self, fields: Fields<'_>) -> usize {
        each!(self, fields, |_row, text| { boolean::parse_word(text).1 })
    }

    #[inline(always)]
    fn days(&mut self, fields: Fields<'_>) -> usize {
        let mut ends = Ends::default();
        let taken = each!(self, fields, |row, text| {
            let (day, is_day) = iso::parse_date(text);
            ends.take(i64::from(day), row, is_day);
            is_day
        });
        for (day, row) in ends.found().into_iter().flatten() {
            Extent::extend(&mut self.dates, day as i32, fields.inner(fields.raw(row)).bytes());
        }
        taken
    }

    #[inline(always)]
    fn seconds(&mut self, fields: Fields<'_>) -> usize {
        let mut ends = Ends::default();
        let mut separator = 0;
        let taken = each!(self, fields, |row, text| {
            let (seconds, is_stamp) = iso::parse_seconds(text);
            let between = iso::separator(text);
            // Of equal values the least text is kept, so that both must not come in one loop.
            let is_alike = (separator == 0) | (between == separator);
            let is_taken = is_stamp & is_alike;
            separator = if is_taken { between } else { separator };
            ends.take(seconds, row, is_taken);
            is_taken
        });
        for (seconds, row) in ends.found().into_iter().flatten() {
            let stamp = Stamp { seconds, nanos: 0, digits: 0, offset: None };
            Extent::extend(&mut self.stamps, stamp, fields.inner(fields.raw(row)).bytes());
        }
        taken
    }

    #[inline(always)]
    fn texts(&mut self, fields: Fields<'_>) -> usize {
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
        fields.len()
    }
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
