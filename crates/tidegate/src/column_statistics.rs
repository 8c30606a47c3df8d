//! Statistics of one column for `inspect`, from its typed batches. The batches may come in any order: every figure is
//! the same.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, downcast_integer_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type};
use chunked_loader::{ColumnFacts, Kind};
use incremental::stats::{Extrema, Moments, round_ratio};
use monitor::{Bytes, Consumer, Reservation};
use num_bigint::{BigInt, BigUint};
use serde_json::{Value, json};

use crate::distinct::{Distinct, hash_text};
use crate::failure::Failure;

/// The state of one column; bounded, whatever its length.
pub(crate) struct ColumnStatistics {
    distinct: Distinct,
    values: Values,
    /// Holds what the values take.
    held: Reservation,
}

enum Values {
    Int {
        sum: i128,
        count: u64,
    },
    Float {
        moments: Box<Moments>,
        extrema: Extrema,
    },
    Bool {
        seen: [bool; 2],
    },
    Text {
        extent: Option<(String, String)>,
        /// A dictionary has the values of the whole column, so that one batch tells of all.
        is_complete: bool,
    },
    /// Dates and timestamps: the scan has their extent as the file writes it.
    Temporal,
}

impl ColumnStatistics {
    /// `distinct_bound`: up to how many different values are counted exactly.
    ///
    /// # Errors
    /// If the budget has no room for a state that has seen nothing.
    pub(crate) fn new(
        facts: &ColumnFacts,
        distinct_bound: usize,
        consumer: &Consumer,
    ) -> Result<Self, Failure> {
        let values = match facts.kind {
            Kind::Int => Values::Int { sum: 0, count: 0 },
            Kind::Float => Values::Float { moments: Box::new(Moments::mean_only()), extrema: Extrema::new() },
            Kind::Bool => Values::Bool { seen: [false; 2] },
            Kind::Date | Kind::Timestamp(_) => Values::Temporal,
            Kind::Null | Kind::Text => Values::Text { extent: None, is_complete: false },
        };
        let distinct = Distinct::new(distinct_bound, consumer)?;
        let held = consumer.try_reserve(Bytes::from(size_of::<Self>() + values.heap_bytes()))?;
        Ok(ColumnStatistics { distinct, values, held })
    }

    /// Takes the column's values of a batch.
    ///
    /// # Errors
    /// If the budget has no room for the least or the greatest of the values.
    pub(crate) fn update(&mut self, column: &ArrayRef) -> Result<(), Failure> {
        let ColumnStatistics { distinct, values, held } = self;
        match values {
            Values::Int { sum, count } => {
                *count += (column.len() - column.null_count()) as u64;
                downcast_integer_array!(
                    column => *sum += add_integers(column, distinct),
                    other => return Err(unexpected(other)),
                );
            }
            Values::Float { moments, extrema } => {
                let floats = converted(column, &DataType::Float64)?;
                let mut numbers = Vec::with_capacity(floats.len());
                each_value(floats.as_primitive::<Float64Type>(), |value| {
                    // The two zeros are one value, and so are all NaN.
                    let is_nan = value.is_nan();
                    distinct.add_bits(if is_nan { f64::NAN.to_bits() } else { (value + 0.0).to_bits() });
                    if !is_nan {
                        numbers.push(value);
                    }
                });
                extrema.update(&numbers);
                moments.update(&numbers);
            }
            Values::Bool { seen } => {
                let values = column.as_boolean();
                *seen = [seen[0] || values.false_count() > 0, seen[1] || values.true_count() > 0];
            }
            Values::Temporal if column.data_type() == &DataType::Date32 => {
                each_value(column.as_primitive::<Date32Type>(), |day| distinct.add_bits(day as u64));
            }
            Values::Temporal => {
                let counts = converted(column, &DataType::Int64)?;
                each_value(counts.as_primitive::<Int64Type>(), |count| distinct.add_bits(count as u64));
            }
            Values::Text { is_complete: true, .. } => return Ok(()),
            Values::Text { extent, is_complete } => {
                let mut take = |text: &str| {
                    distinct.add_hash(hash_text(text));
                    extend(extent, text, held)
                };
                if let Some(dictionary) = column.as_any_dictionary_opt() {
                    *is_complete = true;
                    dictionary.values().as_string::<i32>().iter().flatten().try_for_each(take)?;
                } else {
                    column.as_string::<i32>().iter().flatten().try_for_each(&mut take)?;
                }
            }
        }
        let heap = Bytes::from(size_of::<Self>() + self.values.heap_bytes());
        Ok(self.held.try_resize(heap)?)
    }

    /// The figures: `min`, `max`, `mean`, `sum`, `distinct`. What has no value is null.
    pub(crate) fn figures(&self, facts: &ColumnFacts) -> Figures {
        let (distinct, distinct_error) = self.distinct.count();
        let mut figures = Figures { distinct, distinct_error, ..Figures::default() };
        match &self.values {
            Values::Int { sum, count } => {
                if let Some((min, max)) = facts.int_range.filter(|_| *count > 0) {
                    (figures.min, figures.max) = (integer(min), integer(max));
                    figures.mean = float(round_ratio(&BigInt::from(*sum), &BigUint::from(*count), 0));
                    figures.sum = Some(integer(*sum));
                }
            }
            Values::Float { moments, extrema } => {
                figures.min = extrema.min().map_or(Value::Null, float);
                figures.max = extrema.max().map_or(Value::Null, float);
                figures.mean = moments.mean().map_or(Value::Null, float);
            }
            Values::Bool { seen } => {
                figures.distinct = seen.iter().filter(|s| **s).count() as u64;
                if figures.distinct > 0 {
                    (figures.min, figures.max) = (json!(!seen[0]), json!(seen[1]));
                }
            }
            Values::Text { extent: Some((min, max)), .. } => {
                (figures.min, figures.max) = (json!(min), json!(max))
            }
            Values::Text { extent: None, .. } => {}
            Values::Temporal => {
                if let Some((min, max)) = &facts.extent {
                    (figures.min, figures.max) = (json!(min), json!(max));
                }
            }
        }
        figures
    }
}

impl Values {
    fn heap_bytes(&self) -> usize {
        match self {
            Values::Text { extent: Some((min, max)), .. } => min.capacity() + max.capacity(),
            Values::Float { moments, .. } => size_of::<Moments>() + moments.heap_bytes(),
            _ => 0,
        }
    }
}

/// Calls `each` for every value that is not null.
#[inline]
fn each_value<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, mut each: impl FnMut(T::Native)) {
    if array.null_count() == 0 {
        array.values().iter().for_each(|value| each(*value));
    } else {
        array.iter().flatten().for_each(each);
    }
}

/// The exact sum of a column of whole numbers.
fn add_integers<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, distinct: &mut Distinct) -> i128
where
    i128: From<T::Native>,
{
    let mut sum = 0;
    each_value(array, |value| {
        let value = i128::from(value);
        sum += value;
        // Every integer type of 64 bits or less keeps its values apart in the lower ones.
        distinct.add_bits(value as u64);
    });
    sum
}

/// Widens the extent of a column of text, which compares by bytes. What it newly takes is reserved before.
fn extend(extent: &mut Option<(String, String)>, text: &str, held: &mut Reservation) -> Result<(), Failure> {
    let place = match extent {
        None => {
            held.try_grow(Bytes::from(2 * text.len()))?;
            *extent = Some((text.to_owned(), text.to_owned()));
            return Ok(());
        }
        Some((min, _)) if text < min.as_str() => min,
        Some((_, max)) if text > max.as_str() => max,
        Some(_) => return Ok(()),
    };
    if text.len() > place.capacity() {
        held.try_grow(Bytes::from(text.len()))?;
    }
    *place = text.to_owned();
    Ok(())
}

fn converted(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, Failure> {
    cast(column, data_type).map_err(|e| Failure::Data(e.to_string()))
}

fn unexpected(data_type: &DataType) -> Failure {
    Failure::Data(format!("a column of whole numbers came as {data_type}, which is a defect"))
}

/// What `inspect` prints of a column beside what the scan knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) min: Value,
    pub(crate) max: Value,
    pub(crate) mean: Value,
    pub(crate) sum: Option<Value>,
    pub(crate) distinct: u64,
    /// Relative standard error of `distinct`; `None`: it is exact.
    pub(crate) distinct_error: Option<f64>,
}

/// A JSON number, or a text beyond the range that readers of JSON keep exactly.
fn integer(value: i128) -> Value {
    match i64::try_from(value) {
        Ok(small) if small.unsigned_abs() <= 1 << 53 => json!(small),
        _ => json!(value.to_string()),
    }
}

/// A JSON number, or a text for what JSON has no number for.
fn float(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else if value.is_nan() {
        json!("nan")
    } else {
        json!(if value > 0.0 { "inf" } else { "-inf" })
    }
}
