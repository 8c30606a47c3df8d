//! Any field texts under any type: what the scan accepts the decoder converts, to the value that the standard
//! library reads.
//!
//! The first byte of an input chooses the type, the second the downcast and the null tokens; the rest is cut at
//! each 0x1F into the fields of one column. A field that needs quotes gets them.

#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt64Type};
use chunked_loader::{
    AUTO_NULL_TOKENS, Dialect, Downcast, Error, ErrorKind, FixedRows, FixedType, Kind, Loader, NullValues,
    OnBadRecord, Source, TypeHint,
};
use libfuzzer_sys::fuzz_target;

const BETWEEN_FIELDS: u8 = 0x1f;

/// The whole number that `text` writes as it would be printed.
fn whole(text: &str) -> Option<i128> {
    let value: i128 = text.parse().ok()?;
    (value.to_string() == text && value.unsigned_abs() < 10u128.pow(38)).then_some(value)
}

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
            text.parse::<f64>()
                .is_ok_and(|v| v.to_bits() == value.to_bits() || (v.is_nan() && value.is_nan()))
        }
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            text.parse::<f32>()
                .is_ok_and(|v| v.to_bits() == value.to_bits() || (v.is_nan() && value.is_nan()))
        }
        DataType::Boolean => text.to_lowercase().parse() == Ok(column.as_boolean().value(row)),
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
        // As far as the writing of one and the other is the same.
        DataType::Date32 => {
            let written = cast(column, &DataType::Utf8).expect("a date has a text");
            written.as_string::<i32>().value(row) == text
        }
        DataType::Timestamp(_, None) => {
            let written = cast(column, &DataType::Utf8).expect("a timestamp has a text");
            let written = written.as_string::<i32>().value(row);
            written.get(..16) == text.replacen(' ', "T", 1).get(..16)
        }
        _ => true,
    };
    assert!(same, "{text:?} became {:?} of {}", column.slice(row, 1), column.data_type());
}

/// The file that every run writes anew, in memory where the system has a place for that.
fn path() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        tempfile::Builder::new()
            .prefix("chunked-loader-fuzz-")
            .tempdir_in(parent)
            .expect("a folder for the inputs")
            .keep()
            .join("fields.csv")
    })
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
    fs::write(path(), &file).expect("the input is written");

    let loader = |on_bad_record| -> Result<Loader, Error> {
        let dialect = Dialect::default().with_delimiter(b',').with_null_values(null_values.clone());
        Ok(Loader::new(Source::open(&[path().to_owned()], Path::new("/nowhere"))?)
            .with_dialect(dialect)
            .with_type_hints([("v".to_owned(), hint)])
            .with_downcast(downcast)
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

    // What a type refuses, by the standard library.
    for (field, rejected) in fields.iter().zip(&is_rejected) {
        let Ok(text) = std::str::from_utf8(field) else {
            assert!(rejected, "{field:?} is not UTF-8");
            continue;
        };
        let is_null = text.is_empty() || (!always_quoted && tokens.contains(&text));
        let fits = match hint {
            TypeHint::Fixed(FixedType::Bool) => {
                matches!(text.to_ascii_lowercase().as_str(), "true" | "false")
            }
            TypeHint::Fixed(
                FixedType::Float32 | FixedType::Float64 | FixedType::Date | FixedType::Timestamp,
            ) => {
                continue;
            }
            TypeHint::Fixed(fixed) => int_range(fixed)
                .is_none_or(|(low, high)| whole(text).is_some_and(|value| low <= value && value <= high)),
            _ => true,
        };
        assert_eq!(*rejected, !(is_null || fits), "{text:?} under {hint:?}");
    }

    // The strict reading ends at the first record that the lenient one rejects.
    let strict = loader(OnBadRecord::Fail).expect("the file is there").scan();
    match (strict, is_rejected.iter().position(|r| *r)) {
        (Ok(strict), None) => assert_eq!(strict.schema(), scan.schema()),
        (Err(e), Some(first)) => assert_eq!(e.position().map(|p| p.record), Some(first as u64 + 1), "{e}"),
        (strict, first) => panic!("{strict:?} beside the first rejected record {first:?}"),
    }
});
