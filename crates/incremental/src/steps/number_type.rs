//! Types of the numbers that encoders and imputers make.

use arrow::datatypes::DataType;

use crate::error::Error;
use crate::params::{ParamValue, Params};

/// The narrowest integer type that holds both ends; signed widths first.
pub(super) fn narrowest_integer(min: i64, max: i64) -> DataType {
    let fits = |low: i64, high: i64| low <= min && max <= high;
    if fits(i8::MIN.into(), i8::MAX.into()) {
        DataType::Int8
    } else if fits(0, u8::MAX.into()) {
        DataType::UInt8
    } else if fits(i16::MIN.into(), i16::MAX.into()) {
        DataType::Int16
    } else if fits(0, u16::MAX.into()) {
        DataType::UInt16
    } else if fits(i32::MIN.into(), i32::MAX.into()) {
        DataType::Int32
    } else if fits(0, u32::MAX.into()) {
        DataType::UInt32
    } else {
        DataType::Int64
    }
}

/// The least and the greatest integer of a type; those of int64 for a type that is none.
pub(super) fn range_of(data_type: &DataType) -> (i128, i128) {
    match data_type {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::UInt32 => (0, u32::MAX.into()),
        DataType::UInt64 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

/// The `dtype` parameter of both encoders; `None` leaves the type to the class, or to narrowing.
pub(super) fn dtype(params: &mut Params) -> Result<Option<DataType>, Error> {
    let expected = "a type: int8 to int64, uint8 to uint64, float32 or float64";
    params.read_optional("dtype", expected, |value| {
        let ParamValue::Text(name) = value else { return None };
        numeric_type(name)
    })
}

/// A numeric type by its name in the contract.
pub(super) fn numeric_type(name: &str) -> Option<DataType> {
    Some(match name {
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        _ => return None,
    })
}
