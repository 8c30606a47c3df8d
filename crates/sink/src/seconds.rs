//! Timestamps in seconds, which Parquet does not have.
//!
//! Left alone, the encoder stores such a column as plain integers: only a reader that knows Arrow's own
//! metadata would find the time in them. They are stored as milliseconds instead, as other writers do.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{
    DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType, TimestampSecondType,
};
use arrow::error::ArrowError;

/// Turns columns of seconds into columns of milliseconds; other columns pass as they are.
pub(crate) struct SecondsToMillis {
    schema: SchemaRef,
    /// Places of the columns of seconds.
    columns: Vec<usize>,
}

impl SecondsToMillis {
    pub(crate) fn new(schema: &SchemaRef) -> Self {
        let mut columns = Vec::new();
        let fields: Vec<Arc<Field>> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| match field.data_type() {
                DataType::Timestamp(TimeUnit::Second, zone) => {
                    columns.push(index);
                    let millis = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
                    Arc::new(field.as_ref().clone().with_data_type(millis))
                }
                _ => Arc::clone(field),
            })
            .collect();
        let schema = match columns.is_empty() {
            true => Arc::clone(schema),
            false => Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())),
        };
        Self { schema, columns }
    }

    /// The schema after the change.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batch after the change, in the schema after the change.
    ///
    /// # Errors
    ///
    /// An overflow, for instants 292 million years from 1970.
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns = batch.columns().to_vec();
        for &index in &self.columns {
            columns[index] = to_millis(&columns[index])?;
        }
        let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)
    }
}

fn to_millis(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let zone = match column.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let millis = column.as_primitive::<TimestampSecondType>().try_unary::<_, TimestampMillisecondType, _>(
        |second| {
            second.checked_mul(1000).ok_or_else(|| {
                ArrowError::ArithmeticOverflow(format!(
                    "the timestamp of {second} seconds does not fit in milliseconds"
                ))
            })
        },
    )?;
    Ok(Arc::new(millis.with_timezone_opt(zone)))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int8Array, TimestampMillisecondArray, TimestampSecondArray};

    use super::*;

    fn batch(column: TimestampSecondArray) -> RecordBatch {
        let kept: ArrayRef = Arc::new(Int8Array::from(vec![1; column.len()]));
        RecordBatch::try_from_iter_with_nullable([("n", kept, false), ("t", Arc::new(column), true)]).unwrap()
    }

    #[test]
    fn seconds_become_milliseconds_with_their_zone() {
        for zone in [None, Some("+02:00")] {
            let given =
                batch(TimestampSecondArray::from(vec![Some(-1), None, Some(86_400)]).with_timezone_opt(zone));
            let change = SecondsToMillis::new(&given.schema());
            let changed = change.apply(&given).unwrap();
            let expected = TimestampMillisecondArray::from(vec![Some(-1000), None, Some(86_400_000)])
                .with_timezone_opt(zone);
            assert_eq!(changed.column(1).as_ref(), &expected as &dyn Array);
            assert_eq!(changed.column(0), given.column(0));
            assert_eq!(&changed.schema(), change.schema());
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let given = batch(TimestampSecondArray::from(vec![i64::MAX / 1000 + 1]));
        let error = SecondsToMillis::new(&given.schema()).apply(&given).unwrap_err();
        assert!(matches!(error, ArrowError::ArithmeticOverflow(_)), "{error}");
    }
}
