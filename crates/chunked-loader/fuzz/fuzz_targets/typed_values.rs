//! Any field texts under any type: what the scan accepts the decoder converts, to the value that the standard
//! library reads.
//!
//! The first byte of an input chooses the type, the second the downcast and the null tokens; the rest is cut at
//! each 0x1F into the fields of one column. A field that needs quotes gets them.

#![no_main]

mod scratch;
mod twins;

use std::fs;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Date32Type, Float32Type, Float64Type, Int64Type, TimeUnit, UInt64Type};
use chunked_loader::{
    AUTO_NULL_TOKENS, Dialect, Downcast, Encoding, Error, ErrorKind, FixedRows, FixedType, Kind, Loader,
    NullValues, OnBadRecord, Source, TypeHint,
};
use libfuzzer_sys::fuzz_target;
use twins::{boolean, date, float32, float64, timestamp, whole};

const BETWEEN_FIELDS: u8 = 0x1f;

/// The bounds of an integer type.
fn int_range(fixed: FixedType) -> Option<(i128, i128)> {
    Some(match fixed {
        FixedType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        FixedType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        FixedType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        FixedType::Int64 => (i64::MIN.into(), i64::MAX.into()),
        FixedType::UInt8 => (0, u8::MAX.into()),
        FixedType::UInt16 => (0, u16::MAX.into()),
        FixedType::UInt32 => (0, u32::MAX.into()),
        FixedType::UInt64 => (0, u64::MAX.into()),
        _ => return None,
    })
}

/// Checks that row `row` of `column` is what `text` writes.
fn check(column: &ArrayRef, row: usize, text: &str) {
    let same = match column.data_type() {
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            float64(text).is_some_and(|v| v.to_bits() == value.to_bits() || (v.is_nan() && value.is_nan()))
        }
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            float32(text).is_some_and(|v| v.to_bits() == value.to_bits() || (v.is_nan() && value.is_nan()))
        }
        DataType::Boolean => boolean(text) == Some(column.as_boolean().value(row)),
        DataType::UInt64 => whole(text) == Some(column.as_primitive::<UInt64Type>().value(row).into()),
        t if t.is_integer() => {
            let wide = cast(column, &DataType::Int64).expect("int64 holds every narrower integer");
            whole(text) == Some(wide.as_primitive::<Int64Type>().value(row).into())
        }
        DataType::Utf8 => column.as_string::<i32>().value(row) == text,
        DataType::Dictionary(_, values) => {
            let plain = cast(column, values).expect("a dictionary is its values");
            plain.as_string::<i32>().value(row) == text
        }
        DataType::Date32 => date(text) == Some(column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Timestamp(unit, zone) => {
            let count = cast(column, &DataType::Int64).expect("a timestamp is a count");
            let count = i128::from(count.as_primitive::<Int64Type>().value(row));
            let nanos = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            timestamp(text)
                .is_some_and(|(value, offset)| value == count * nanos && offset.is_some() == zone.is_some())
        }
        other => panic!("no type of a column: {other}"),
    };
    assert!(same, "{text:?} became {:?} of {}", column.slice(row, 1), column.data_type());
}

fuzz_target!(|data: &[u8]| {
    let [hint, options, rest @ ..] = data else { return };
    let hint = match usize::from(*hint) % (FixedType::ALL.len() + 2) {
        0 => TypeHint::Inferred,
        1 => TypeHint::Text,
        n => TypeHint::Fixed(FixedType::ALL[n - 2].0),
    };
    let downcast = [Downcast::Safe, Downcast::None, Downcast::Aggressive][usize::from(options & 3) % 3];
    let (null_values, tokens) = if options & 4 == 0 {
        (NullValues::Auto, AUTO_NULL_TOKENS.to_vec())
    } else {
        (NullValues::Listed(vec!["-".to_owned(), "0".to_owned()]), vec!["-", "0"])
    };
    let always_quoted = options & 8 != 0;
    let fields: Vec<&[u8]> = rest.split(|b| *b == BETWEEN_FIELDS).collect();
    let mut file = b"v\n".to_vec();
    for field in &fields {
        if always_quoted || field.iter().any(|b| matches!(b, b'"' | b',' | b'\r' | b'\n')) {
            file.push(b'"');
            for byte in *field {
                file.extend((*byte == b'"').then_some(b'"').into_iter().chain([*byte]));
            }
            file.push(b'"');
        } else {
            file.extend_from_slice(field);
        }
        file.push(b'\n');
    }
    fs::write(scratch::path(), &file).expect("the input is written");

    let loader = |on_bad_record| -> Result<Loader, Error> {
        let dialect = Dialect::default().with_delimiter(b',').with_null_values(null_values.clone());
        Ok(Loader::new(Source::open(std::slice::from_ref(scratch::path()), Path::new("/nowhere"))?)
            .with_dialect(dialect)
            .with_type_hints([("v".to_owned(), hint)])
            .with_downcast(downcast)
            .with_encoding(Encoding::Utf8)
            .with_on_bad_record(on_bad_record))
    };
    let mut is_rejected = vec![false; fields.len()];
    let skipping = loader(OnBadRecord::Skip).expect("the file is there");
    let scan = skipping.scan_with(&mut |reject| {
        is_rejected[reject.position.record as usize - 1] = true;
        Ok(())
    });
    let scan = match scan {
        Ok(scan) => scan,
        // The one contradiction that is known only at the end of the scan.
        Err(e)
            if hint == TypeHint::Fixed(FixedType::Timestamp) && matches!(e.kind(), ErrorKind::Option(_)) =>
        {
            return;
        }
        Err(e) => panic!("{e}"),
    };
    let batches = skipping.batches(&scan, &[0], Box::new(FixedRows(3)));
    let batches: Vec<_> =
        batches.map(|b| b.expect("what the scan accepts the decoder converts").into_parts().0).collect();
    let table = concat_batches(scan.schema(), &batches).expect("all batches have the schema of the scan");
    let column = table.column(0);
    let facts = &scan.columns()[0];
    assert_eq!(facts.nulls, column.null_count() as u64);
    assert_eq!(table.num_rows(), is_rejected.iter().filter(|r| !**r).count());

    let accepted =
        fields.iter().zip(&is_rejected).filter(|(_, rejected)| !**rejected).map(|(field, _)| *field);
    for (row, field) in accepted.enumerate() {
        let text = std::str::from_utf8(field).expect("what is not UTF-8 is rejected");
        let is_token = !always_quoted && tokens.contains(&text);
        if column.is_null(row) {
            assert!(text.is_empty() || is_token, "{text:?} became null");
            if is_token && options & 4 == 0 {
                let is_text = facts.kind == Kind::Text;
                assert!(!is_text || hint == TypeHint::Inferred, "{text:?} is null in text");
            }
        } else {
            check(column, row, text);
        }
    }

    // What a type refuses, by the twins.
    let mut zone = None;
    for (field, rejected) in fields.iter().zip(&is_rejected) {
        let Ok(text) = std::str::from_utf8(field) else {
            assert!(rejected, "{field:?} is not UTF-8");
            continue;
        };
        let is_null = text.is_empty() || (!always_quoted && tokens.contains(&text));
        let fits = is_null
            || match hint {
                TypeHint::Fixed(FixedType::Bool) => boolean(text).is_some(),
                TypeHint::Fixed(FixedType::Float64) => float64(text).is_some(),
                TypeHint::Fixed(FixedType::Float32) => float32(text).is_some(),
                TypeHint::Fixed(FixedType::Date) => date(text).is_some(),
                // The first timestamp decides whether all have an offset, and which.
                TypeHint::Fixed(FixedType::Timestamp) => {
                    timestamp(text).is_some_and(|(_, offset)| *zone.get_or_insert(offset) == offset)
                }
                TypeHint::Fixed(fixed) => int_range(fixed)
                    .is_none_or(|(low, high)| whole(text).is_some_and(|value| low <= value && value <= high)),
                _ => true,
            };
        assert_eq!(*rejected, !fits, "{text:?} under {hint:?}");
    }

    // The state machine and fields one by one come to the same.
    let slow = skipping.without_index();
    let slow_scan = slow.scan().expect("as above");
    assert_eq!(slow_scan.schema(), scan.schema());
    let batches = slow.batches(&slow_scan, &[0], Box::new(FixedRows(1 << 20)));
    let batches: Vec<_> = batches.map(|b| b.expect("as above").into_parts().0).collect();
    assert_eq!(concat_batches(scan.schema(), &batches).expect("one schema"), table);

    // The strict reading ends at the first record that the lenient one rejects.
    let strict = loader(OnBadRecord::Fail).expect("the file is there").scan();
    match (strict, is_rejected.iter().position(|r| *r)) {
        (Ok(strict), None) => assert_eq!(strict.schema(), scan.schema()),
        (Err(e), Some(first)) => assert_eq!(e.position().map(|p| p.record), Some(first as u64 + 1), "{e}"),
        (strict, first) => panic!("{strict:?} beside the first rejected record {first:?}"),
    }
});
