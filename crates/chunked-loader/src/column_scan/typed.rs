//! Values that come with a type: what they are need not be found out, only how wide they are.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Int64Array, PrimitiveArray};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, UInt64Type};

use super::{ColumnScan, Extent, TypeHint, Unfit};
use crate::column::int;
use crate::column::temporal::Stamp;
use crate::columnar::{Values, written};
use crate::types::{FixedType, Kind, Zone};

impl ColumnScan {
    /// Takes the next rows, whose values are of `kind`, which joins with what was taken before to less than text unless
    /// it is text.
    ///
    /// # Errors
    /// The first row with a value that a fixed type does not hold.
    pub(crate) fn push_values(&mut self, values: &Values, kind: Kind) -> Result<(), usize> {
        let nulls = match values {
            Values::Null(rows) => *rows,
            Values::Text(texts) => texts.iter().filter(|text| text.is_none()).count(),
            Values::Bool(array) => array.null_count(),
            Values::Number(array) => array.null_count(),
        };
        self.empty += nulls as u64;
        if nulls == values.len() {
            return Ok(());
        }
        // A column is what it is from its first value on, as in CSV.
        self.kind = self.kind.join(kind);
        match values {
            Values::Null(_) | Values::Bool(_) => {}
            Values::Text(texts) => {
                texts.iter().flatten().for_each(|text| self.push_text(text.data()));
            }
            Values::Number(array) => match kind {
                Kind::Int => self.push_ints(array),
                Kind::Float => self.push_floats(array),
                Kind::Date => self.push_days(array),
                Kind::Timestamp(zone) => self.push_stamps(array, zone),
                Kind::Null | Kind::Bool | Kind::Text => {}
            },
        }
        match self.fits() {
            Ok(()) => Ok(()),
            Err(Unfit) => Err(self.first_unfit_value(values)),
        }
    }

    fn push_ints(&mut self, array: &ArrayRef) {
        let wide =
            |array| cast(array, &DataType::Int64).ok().map(|wide| wide.as_primitive::<Int64Type>().clone());
        let range = match array.as_primitive_opt::<UInt64Type>() {
            Some(array) => min(array).map(i128::from).zip(max(array).map(i128::from)),
            None => wide(array).and_then(|wide| min(&wide).map(i128::from).zip(max(&wide).map(i128::from))),
        };
        let Some((low, high)) = range else { return };
        let (before_low, before_high) = self.int_range.get_or_insert((low, high));
        *before_low = low.min(*before_low);
        *before_high = high.max(*before_high);
        // Another file may have floats. Between numbers that are exact because they are small, all are.
        let is_small = |exact: fn(i128) -> bool, limit: i128| {
            (-limit..=limit).contains(&low) && (-limit..=limit).contains(&high)
                || match array.as_primitive_opt::<UInt64Type>() {
                    Some(array) => array.iter().flatten().all(|value| exact(value.into())),
                    None => wide(array).is_some_and(|a| a.iter().flatten().all(|value| exact(value.into()))),
                }
        };
        self.ints_exact_in_f64 = self.ints_exact_in_f64 && is_small(int::exact_in_f64, 1 << 53);
        self.exact_in_f32 = self.exact_in_f32 && is_small(int::exact_in_f32, 1 << 24);
    }

    fn push_floats(&mut self, array: &ArrayRef) {
        let Ok(wide) = cast(array, &DataType::Float64) else { return };
        for value in wide.as_primitive::<Float64Type>().iter().flatten() {
            self.exact_in_f32 &= value.is_nan() || f64::from(value as f32) == value;
            self.fits_float32_range &= !value.is_finite() || value.abs() <= f64::from(f32::MAX);
        }
    }

    fn push_days(&mut self, array: &ArrayRef) {
        let Some(days) = array.as_primitive_opt::<Date32Type>() else { return };
        for row in ends(days) {
            let text = written(array, row);
            Extent::extend(&mut self.dates, days.value(row), text.as_bytes());
        }
    }

    fn push_stamps(&mut self, array: &ArrayRef, zone: Zone) {
        let DataType::Timestamp(unit, _) = array.data_type() else { return };
        let Ok(counts) = cast(array, &DataType::Int64) else { return };
        let counts: &Int64Array = counts.as_primitive();
        self.digits = self.digits.max(digits(counts, *unit));
        for row in ends(counts) {
            let text = written(array, row);
            Extent::extend(&mut self.stamps, stamp(counts.value(row), *unit, zone), text.as_bytes());
        }
    }

    /// Where a value stands that the fixed type does not hold: a whole number beyond its range, or a float beyond that of
    /// float32.
    fn first_unfit_value(&self, values: &Values) -> usize {
        let (Values::Number(array), TypeHint::Fixed(fixed)) = (values, self.hint) else { return 0 };
        let found = match fixed.int_range() {
            Some((low, high)) => {
                let is_outside = |value: i128| value < low || high < value;
                match array.as_primitive_opt::<UInt64Type>() {
                    Some(array) => array.iter().position(|v| v.is_some_and(|v| is_outside(v.into()))),
                    None => cast(array, &DataType::Int64).ok().and_then(|wide| {
                        let wide = wide.as_primitive::<Int64Type>();
                        wide.iter().position(|v| v.is_some_and(|v| is_outside(v.into())))
                    }),
                }
            }
            None => cast(array, &DataType::Float64).ok().and_then(|wide| {
                let is_outside = |v: f64| v.is_finite() && v.abs() > f64::from(f32::MAX);
                wide.as_primitive::<Float64Type>().iter().position(|v| v.is_some_and(is_outside))
            }),
        };
        found.unwrap_or(0)
    }
}

impl TypeHint {
    /// Whether values of `kind` can be taken as they are, without being written as text for what is demanded.
    pub(crate) fn takes(self, kind: Kind) -> bool {
        let TypeHint::Fixed(fixed) = self else {
            return self == TypeHint::Inferred || matches!(kind, Kind::Text | Kind::Null);
        };
        kind == Kind::Null
            || match fixed {
                FixedType::Float32 | FixedType::Float64 => kind == Kind::Float,
                FixedType::Bool => kind == Kind::Bool,
                FixedType::Date => kind == Kind::Date,
                FixedType::Timestamp => matches!(kind, Kind::Timestamp(_)),
                FixedType::String | FixedType::Dictionary => kind == Kind::Text,
                _ => kind == Kind::Int,
            }
    }
}

/// Rows of the least and the greatest value.
fn ends<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> impl Iterator<Item = usize> {
    let find = |value: Option<T::Native>| {
        let value = value?;
        (0..array.len()).find(|row| array.is_valid(*row) && array.value(*row) == value)
    };
    [find(min(array)), find(max(array))].into_iter().flatten()
}

/// Units of a second, and digits of its fraction.
fn scale(unit: TimeUnit) -> (i64, u8) {
    match unit {
        TimeUnit::Second => (1, 0),
        TimeUnit::Millisecond => (1_000, 3),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    }
}

/// The most digits that a fraction needs. Digits matter as far as a coarser unit would do.
fn digits(counts: &Int64Array, unit: TimeUnit) -> u8 {
    let (per_second, most) = scale(unit);
    let mut digits = 0;
    for count in counts.iter().flatten() {
        let mut fraction = count.rem_euclid(per_second);
        if fraction == 0 {
            continue;
        }
        let mut needed = most;
        while fraction % 10 == 0 {
            fraction /= 10;
            needed -= 1;
        }
        digits = digits.max(needed);
        if digits == most {
            break;
        }
    }
    digits
}

fn stamp(count: i64, unit: TimeUnit, zone: Zone) -> Stamp {
    let (per_second, _) = scale(unit);
    let nanos = count.rem_euclid(per_second) * (1_000_000_000 / per_second);
    Stamp {
        seconds: count.div_euclid(per_second),
        nanos: nanos as u32,
        // Of the column as a whole they are known.
        digits: 0,
        offset: match zone {
            Zone::Naive => None,
            Zone::Offset(minutes) => Some(minutes),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, UInt64Array};
    use parquet::data_type::ByteArray;
    use proptest::prelude::*;

    use super::*;
    use crate::column_scan::Place;
    use crate::dialect::Dialect;
    use crate::downcast::{self, Downcast};
    use crate::field_rules::FieldRules;
    use crate::position::Position;

    fn number(array: impl Array + 'static) -> Values {
        Values::Number(Arc::new(array))
    }

    /// What the same values come to when CSV writes them.
    fn by_text(values: &Values, hint: TypeHint) -> ColumnScan {
        let rules = FieldRules::new(&Dialect::default());
        let mut column = ColumnScan::new(hint, 1 << 20);
        let place = || Place { file: 0, position: Position::START };
        values.each_written(0..values.len(), |_, field| column.push(field, &rules, place)).unwrap();
        column
    }

    fn check(values: &Values, kind: Kind, hint: TypeHint) {
        let rows = values.len() as u64;
        let expected = by_text(values, hint);
        let mut column = ColumnScan::new(TypeHint::Inferred, 1 << 20);
        column.push_values(values, kind).unwrap();
        for downcast in [Downcast::None, Downcast::Safe, Downcast::Aggressive] {
            let (a, b) =
                (downcast::resolve(&column, rows, downcast), downcast::resolve(&expected, rows, downcast));
            assert_eq!((a.kind, &a.narrow, &a.wide), (b.kind, &b.narrow, &b.wide));
            assert_eq!((a.bytes_wide, a.bytes_narrow), (b.bytes_wide, b.bytes_narrow));
            assert_eq!(a.dictionary, b.dictionary);
            assert_eq!(downcast::nulls(&column, a.kind), downcast::nulls(&expected, b.kind));
            assert_eq!(column.extent(a.kind), expected.extent(b.kind));
        }
        if column.kind == Kind::Int {
            assert_eq!(column.int_range, expected.int_range);
        }
    }

    proptest! {
        #[test]
        fn typed_values_come_to_what_their_texts_come_to(
            ints in prop::collection::vec(prop::option::of(any::<i32>()), 1..40),
            large in prop::collection::vec(prop::option::of(any::<u64>()), 1..40),
            floats in prop::collection::vec(prop::option::of(prop_oneof![
                any::<f64>(), (-1000i32..1000).prop_map(|n| f64::from(n) / 4.0), Just(-0.0), Just(f64::NAN)
            ]), 1..40),
            days in prop::collection::vec(prop::option::of(-700_000i32..2_900_000), 1..40),
            seconds in prop::collection::vec(prop::option::of(-60_000_000_000i64..250_000_000_000), 1..40),
            texts in prop::collection::vec(prop::option::of("[a-c]{1,3}"), 1..40),
            step in prop::sample::select(vec![1i64, 10, 1000, 12_000, 1_000_000]),
        ) {
            let hint = TypeHint::Inferred;
            check(&number(Int32Array::from(ints)), Kind::Int, hint);
            check(&number(UInt64Array::from(large)), Kind::Int, hint);
            check(&number(Float64Array::from(floats)), Kind::Float, hint);
            check(&number(PrimitiveArray::<Date32Type>::from(days)), Kind::Date, hint);
            for (unit, zone) in [(TimeUnit::Second, None), (TimeUnit::Millisecond, Some("+02:30"))] {
                let counts = Int64Array::from(seconds.clone());
                let zone = zone.map(Into::into);
                let kind = if zone.is_some() { Zone::Offset(150) } else { Zone::Naive };
                let stamps = crate::columnar::timestamps(counts, unit, zone);
                check(&Values::Number(stamps), Kind::Timestamp(kind), hint);
            }
            let nanos = seconds.iter().map(|s| s.map(|s| s % 9_000_000_000 * step));
            let stamps = crate::columnar::timestamps(nanos.collect(), TimeUnit::Nanosecond, None);
            check(&Values::Number(stamps), Kind::Timestamp(Zone::Naive), hint);
            // All nulls have no kind, where a demand for text has one.
            if texts.iter().any(Option::is_some) {
                let texts = texts.into_iter().map(|text| text.map(|text| ByteArray::from(text.as_str())));
                check(&Values::Text(texts.collect()), Kind::Text, TypeHint::Text);
            }
        }
    }

    #[test]
    fn the_value_that_a_fixed_type_does_not_hold_is_found() {
        let values = number(Int32Array::from(vec![Some(1), None, Some(300), Some(2)]));
        let mut column = ColumnScan::new(TypeHint::Fixed(FixedType::UInt8), 0);
        assert_eq!(column.push_values(&values, Kind::Int), Err(2));
        let mut column = ColumnScan::new(TypeHint::Fixed(FixedType::Int16), 0);
        assert_eq!(column.push_values(&values, Kind::Int), Ok(()));
        let values = number(Float64Array::from(vec![1.0, 1e300]));
        let mut column = ColumnScan::new(TypeHint::Fixed(FixedType::Float32), 0);
        assert_eq!(column.push_values(&values, Kind::Float), Err(1));
    }
}
