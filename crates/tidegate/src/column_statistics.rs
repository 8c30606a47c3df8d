//! Statistics of one column for `inspect`, from its typed batches.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use chunked_loader::{ColumnFacts, Kind};
use incremental::stats::{Extrema, Moments, round_ratio};
use num_bigint::{BigInt, BigUint};
use serde_json::{Value, json};

use crate::distinct::{Distinct, hash_text};
use crate::failure::Failure;

/// The state of one column; bounded, whatever its length.
pub(crate) struct ColumnStatistics {
    distinct: Distinct,
    values: Values,
}

enum Values {
    Int {
        sum: i128,
        count: u64,
        range: Option<(i128, i128)>,
    },
    Float {
        moments: Moments,
        extrema: Extrema,
    },
    Bool {
        seen: [bool; 2],
    },
    Text {
        extent: Option<(String, String)>,
    },
    /// Dates and timestamps: the scan has their extent as the file writes it.
    Temporal,
}

impl ColumnStatistics {
    /// `distinct_bound`: up to how many different values are counted exactly.
    pub(crate) fn new(facts: &ColumnFacts, distinct_bound: usize) -> Self {
        let values = match facts.kind {
            Kind::Int => Values::Int { sum: 0, count: 0, range: None },
            Kind::Float => Values::Float { moments: Moments::mean_only(), extrema: Extrema::new() },
            Kind::Bool => Values::Bool { seen: [false; 2] },
            Kind::Date | Kind::Timestamp(_) => Values::Temporal,
            Kind::Null | Kind::Text => Values::Text { extent: None },
        };
        ColumnStatistics { distinct: Distinct::new(distinct_bound), values }
    }

    /// Takes the column's values of a batch.
    pub(crate) fn update(&mut self, column: &ArrayRef) -> Result<(), Failure> {
        let as_type = |data_type| cast(column, &data_type).map_err(|e| Failure::Data(e.to_string()));
        match &mut self.values {
            Values::Int { sum, count, range } => {
                let mut take = |value: i128, bits: u64| {
                    *sum += value;
                    *count += 1;
                    *range =
                        Some(range.map_or((value, value), |(min, max)| (min.min(value), max.max(value))));
                    self.distinct.add_bits(bits);
                };
                if column.data_type() == &DataType::UInt64 {
                    column.as_primitive::<UInt64Type>().iter().flatten().for_each(|v| take(v.into(), v));
                } else {
                    let ints = as_type(DataType::Int64)?;
                    ints.as_primitive::<Int64Type>().iter().flatten().for_each(|v| take(v.into(), v as u64));
                }
            }
            Values::Float { moments, extrema } => {
                let floats = as_type(DataType::Float64)?;
                let values: Vec<f64> = floats.as_primitive::<Float64Type>().iter().flatten().collect();
                // The two zeros are one value, and so are all NaN.
                for value in &values {
                    self.distinct.add_bits(if value.is_nan() {
                        f64::NAN.to_bits()
                    } else {
                        (value + 0.0).to_bits()
                    });
                }
                let numbers: Vec<f64> = values.into_iter().filter(|v| !v.is_nan()).collect();
                extrema.update(&numbers);
                moments.update(&numbers);
            }
            Values::Bool { seen } => {
                for value in column.as_boolean().iter().flatten() {
                    seen[usize::from(value)] = true;
                }
            }
            Values::Temporal => {
                let counts = if column.data_type() == &DataType::Date32 {
                    cast(&as_type(DataType::Int32)?, &DataType::Int64)
                        .map_err(|e| Failure::Data(e.to_string()))?
                } else {
                    as_type(DataType::Int64)?
                };
                counts
                    .as_primitive::<Int64Type>()
                    .iter()
                    .flatten()
                    .for_each(|v| self.distinct.add_bits(v as u64));
            }
            Values::Text { extent } => {
                let mut take = |text: &str| {
                    self.distinct.add_hash(hash_text(text));
                    match extent {
                        None => *extent = Some((text.to_owned(), text.to_owned())),
                        Some((min, _)) if text < min.as_str() => text.clone_into(min),
                        Some((_, max)) if text > max.as_str() => text.clone_into(max),
                        Some(_) => {}
                    }
                };
                if let Some(dictionary) = column.as_any_dictionary_opt() {
                    // The values of a dictionary are those of the whole column, each of them used.
                    dictionary.values().as_string::<i32>().iter().flatten().for_each(take);
                } else {
                    column.as_string::<i32>().iter().flatten().for_each(&mut take);
                }
            }
        }
        Ok(())
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let texts = match &self.values {
            Values::Text { extent: Some((min, max)) } => min.capacity() + max.capacity(),
            _ => 0,
        };
        (self.distinct.heap_bytes() + texts) as u64
    }

    /// The figures: `min`, `max`, `mean`, `sum`, `distinct`, `distinct_exact`. What has no value is null.
    pub(crate) fn figures(&self, facts: &ColumnFacts) -> Figures {
        let (distinct, distinct_exact) = self.distinct.count();
        let mut figures = Figures { distinct, distinct_exact, ..Figures::default() };
        match &self.values {
            Values::Int { sum, count, range } => {
                if let Some((min, max)) = range {
                    (figures.min, figures.max) = (integer(*min), integer(*max));
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
            Values::Text { extent: Some((min, max)) } => {
                (figures.min, figures.max) = (json!(min), json!(max))
            }
            Values::Text { extent: None } => {}
            Values::Temporal => {
                if let Some((min, max)) = &facts.extent {
                    (figures.min, figures.max) = (json!(min), json!(max));
                }
            }
        }
        figures
    }
}

/// What `inspect` prints of a column beside what the scan knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) min: Value,
    pub(crate) max: Value,
    pub(crate) mean: Value,
    pub(crate) sum: Option<Value>,
    pub(crate) distinct: u64,
    pub(crate) distinct_exact: bool,
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
