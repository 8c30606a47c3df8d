//! `date_parts`. Expected values were computed with pandas 3.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};

use crate::support::{apply, fit, fit_error, made, made_of, nulls, shown, table, texts};

const ALL: &str = "parts = [\"year\", \"quarter\", \"month\", \"day\", \"dayofweek\", \"dayofyear\", \"hour\", \"minute\", \"second\"]";

fn step(parts: &str) -> String {
    format!("use = \"date_parts\"\ncolumns = [\"d\"]\n{parts}")
}

fn parsed(texts: &[Option<&str>], data_type: DataType) -> ArrayRef {
    let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let parsed = cast(&texts, &data_type).unwrap();
    assert_eq!(parsed.null_count(), texts.null_count());
    parsed
}

#[test]
fn dates_have_all_parts_and_midnight() {
    let days = parsed(&[Some("2024-12-31"), None, Some("1899-03-01")], DataType::Date32);
    let batch = table([("d", days)]);
    assert_eq!(
        made(&[&step(ALL)], &batch),
        [
            "d_year Int16: 2024 null 1899",
            "d_quarter Int8: 4 null 1",
            "d_month Int8: 12 null 3",
            "d_day Int8: 31 null 1",
            "d_dayofweek Int8: 1 null 2",
            "d_dayofyear Int16: 366 null 60",
            "d_hour Int8: 0 null 0",
            "d_minute Int8: 0 null 0",
            "d_second Int8: 0 null 0",
        ]
    );
    let (pipeline, passes) = fit(&[&step("parts = \"month\"")], &batch).unwrap();
    assert_eq!(passes, 0);
    assert_eq!(shown(&apply(&pipeline, &batch, false).unwrap()), ["d_month Int64: 12 null 3"]);
}

#[test]
fn timestamps_show_their_own_clock_in_every_unit() {
    let of = |unit, zone: Option<&str>| {
        let texts = [Some("1969-12-31T23:59:58"), Some("2021-03-01T00:30:07"), None];
        let stamps = parsed(&texts, DataType::Timestamp(unit, None));
        let zoned = DataType::Timestamp(unit, zone.map(Into::into));
        // The instants of a clock in UTC.
        let stamps = cast(&cast(&stamps, &DataType::Int64).unwrap(), &zoned).unwrap();
        made(&[&step("parts = [\"day\", \"hour\", \"minute\", \"second\"]")], &table([("d", stamps)]))
    };
    let clock = [
        "d_day Int8: 31 1 null",
        "d_hour Int8: 23 0 null",
        "d_minute Int8: 59 30 null",
        "d_second Int8: 58 7 null",
    ];
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        assert_eq!(of(unit, None), clock);
        assert_eq!(of(unit, Some("UTC")), clock);
    }
    assert_eq!(
        of(TimeUnit::Second, Some("-01:00"))[..2],
        ["d_day Int8: 31 28 null", "d_hour Int8: 22 23 null"]
    );
}

#[test]
fn parts_have_no_default() {
    let error = fit_error(&[&step("")], &table([("d", nulls(1))]));
    assert!(error.starts_with("line 2: `parts` is not given, expected a list of year, quarter, "), "{error}");
}

#[test]
fn other_columns_zones_and_years_are_refused() {
    let parts = step("parts = [\"year\"]");
    assert_eq!(
        fit_error(&[&parts], &table([("d", texts(["2020-01-01"]))])),
        "line 2: step 1 (date_parts): column \"d\": holds text values, expected dates or timestamps; take the column out of the step, or give it another type"
    );
    let stamp = |zone: &str| {
        parsed(&[Some("2020-01-01T00:00:00Z")], DataType::Timestamp(TimeUnit::Second, Some(zone.into())))
    };
    let zoned = cast(
        &cast(&stamp("+00:00"), &DataType::Int64).unwrap(),
        &DataType::Timestamp(TimeUnit::Second, Some("Europe/Oslo".into())),
    )
    .unwrap();
    assert_eq!(
        fit_error(&[&parts], &table([("d", zoned)])),
        "line 2: step 1 (date_parts): column \"d\": is in the zone Europe/Oslo, whose clock is not known here; give it a fixed offset such as +01:00, or UTC"
    );
    let today = table([("d", Arc::new(Date32Array::from(vec![20_000])) as ArrayRef)]);
    for days in [40_000 * 366, i32::MAX] {
        let far = table([("d", Arc::new(Date32Array::from(vec![None, Some(days)])) as ArrayRef)]);
        let error = made_of(&[&parts], &today, &far).unwrap_err();
        assert!(error.starts_with("step 1 (date_parts): column \"d\": record 2: found +"), "{error}");
        assert!(error.contains("expected a year between -32768 and 32767"), "{error}");
    }
    assert_eq!(made(&[&parts], &table([("d", nulls(2))])), ["d_year Int16: null null"]);
}
