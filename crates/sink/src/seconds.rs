//! Timestamps in seconds, which Parquet does not have.
//!
//! Left alone, the encoder stores such a column as plain integers: only a reader that knows Arrow's own
//! metadata would find the time in them. They are stored as milliseconds instead, as other writers do.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{
    DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType, TimestampSecondType,
};
use arrow::error::ArrowError;

/// The schema with milliseconds in place of seconds.
pub(crate) fn stored_schema(schema: &SchemaRef) -> SchemaRef {
    let stored = |field: &Arc<Field>| match field.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            let millis = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
            Arc::new(field.as_ref().clone().with_data_type(millis))
        }
        _ => Arc::clone(field),
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(stored).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// A column of milliseconds in place of one of seconds; any other as it is.
///
/// # Errors
///
/// An overflow, for instants 292 million years from 1970.
pub(crate) fn stored_column(column: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let DataType::Timestamp(TimeUnit::Second, zone) = column.data_type() else { return Ok(column) };
    let millis = column.as_primitive::<TimestampSecondType>().try_unary::<_, TimestampMillisecondType, _>(
        |second| {
            second.checked_mul(1000).ok_or_else(|| {
                ArrowError::ArithmeticOverflow(format!(
                    "the timestamp of {second} seconds does not fit in milliseconds"
                ))
            })
        },
    )?;
    Ok(Arc::new(millis.with_timezone_opt(zone.clone())))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int8Array, TimestampMillisecondArray, TimestampSecondArray};

    use super::*;

    #[test]
    fn seconds_become_milliseconds_with_their_zone() {
        for zone in [None, Some("+02:00")] {
            let given: ArrayRef = Arc::new(
                TimestampSecondArray::from(vec![Some(-1), None, Some(86_400)]).with_timezone_opt(zone),
            );
            let expected = TimestampMillisecondArray::from(vec![Some(-1000), None, Some(86_400_000)])
                .with_timezone_opt(zone);
            let schema = Arc::new(Schema::new(vec![
                Field::new("n", DataType::Int8, false),
                Field::new("t", given.data_type().clone(), true),
            ]));
            let stored = stored_schema(&schema);
            assert_eq!(stored.field(0), schema.field(0));
            assert_eq!(stored.field(1).data_type(), expected.data_type());
            assert_eq!(stored_column(given).unwrap().as_ref(), &expected as &dyn Array);
        }
        let kept: ArrayRef = Arc::new(Int8Array::from(vec![1]));
        assert!(Arc::ptr_eq(&stored_column(Arc::clone(&kept)).unwrap(), &kept));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let given = TimestampSecondArray::from(vec![i64::MAX / 1000 + 1]);
        let error = stored_column(Arc::new(given)).unwrap_err();
        assert!(matches!(error, ArrowError::ArithmeticOverflow(_)), "{error}");
    }
}
