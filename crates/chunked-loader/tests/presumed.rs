//! Batches whose types are presumed, against those of an exact scan: where all goes in, facts and values are the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::Write as _;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use chunked_loader::{Downcast, FixedRows, FixedType, Loader, Scan, Source, TypeHint};
use proptest::prelude::*;

/// Files that are gone at the end.
struct Files(tempfile::TempDir, Vec<PathBuf>);

impl Files {
    fn new(contents: &[String]) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let paths = contents.iter().enumerate().map(|(n, text)| {
            let path = folder.path().join(format!("{n}.csv"));
            std::fs::write(&path, text).unwrap();
            path
        });
        let paths = paths.collect();
        Files(folder, paths)
    }

    fn loader(&self, range: u64) -> Loader {
        let source = Source::open(&self.1, self.0.path()).unwrap();
        Loader::new(source).with_threads(2).with_range_bytes(range)
    }
}

/// What the pass proved, and its rows; an error where a value was not what was presumed.
fn presumed(loader: &Loader, rows: usize) -> Option<Result<(Scan, Vec<RecordBatch>), chunked_loader::Error>> {
    let mut presumption = loader.presume().unwrap()?;
    loop {
        let mut batches = loader.batches_presumed(presumption, Box::new(FixedRows(rows))).unwrap();
        let (mut all, mut next_row) = (Vec::new(), 0);
        let taken = batches.by_ref().try_for_each(|batch| {
            let batch = batch?;
            assert_eq!(batch.first_row(), next_row);
            next_row += batch.num_rows() as u64;
            all.push(batch.columns().clone());
            Ok(())
        });
        match taken {
            Ok(()) => return Some(batches.finish().map(|scan| (scan, all))),
            Err(error) => match batches.into_wider() {
                Some(wider) => presumption = wider,
                None => return Some(Err(error)),
            },
        }
    }
}

/// Asserts that what was proved is what a scan finds, and that the rows are those of a scanned input.
fn assert_exact(loader: &Loader, proved: &Scan, batches: &[RecordBatch]) {
    let scan = loader.scan().unwrap();
    assert_eq!(proved.rows(), scan.rows());
    assert_eq!(proved.schema(), scan.schema());
    for (proved, found) in proved.columns().iter().zip(scan.columns()) {
        assert_eq!((proved.kind, &proved.wide_type), (found.kind, &found.wide_type), "{}", found.name);
        assert_eq!((proved.nulls, &proved.null_tokens), (found.nulls, &found.null_tokens), "{}", found.name);
        assert_eq!(proved.int_range, found.int_range, "{}", found.name);
        assert_eq!(proved.may_be_float32, found.may_be_float32, "{}", found.name);
        assert_eq!((proved.bytes_wide, proved.bytes_narrow), (found.bytes_wide, found.bytes_narrow));
    }
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let rows = |scan: &Scan| {
        let batches = loader.batches(scan, &all, Box::new(FixedRows(100)));
        let batches: Vec<_> = batches.map(|batch| batch.unwrap().columns().clone()).collect();
        concat_batches(scan.schema(), &batches).unwrap()
    };
    let expected = rows(&scan);
    // What was proved serves later passes as a scan does.
    assert_eq!(rows(proved), expected);
    let mut first = 0;
    for batch in batches {
        let part = expected.slice(first, batch.num_rows());
        first += batch.num_rows();
        for (place, (column, expected)) in batch.columns().iter().zip(part.columns()).enumerate() {
            assert_eq!(&proved.proved(place, column).unwrap(), expected, "column {place}");
        }
    }
    assert_eq!(first, expected.num_rows());
}

/// Rows of seven columns that keep their kinds. `odd`: what stands in a column in one row.
fn table(rows: usize, odd: Option<(usize, usize, &str)>) -> String {
    let mut text = "id,small,price,exact,day,word,note\n".to_owned();
    for row in 0..rows {
        let mut fields = [
            row.to_string(),
            (row % 100).to_string(),
            format!("{}.{:02}", row % 977, row % 100),
            format!("{}.5", row % 50),
            format!("2024-{:02}-{:02}", row % 12 + 1, row % 28 + 1),
            ["red", "green", "blue"][row % 3].to_owned(),
            format!("\"note, {}\n{}\"", row % 3, row * 31 % 109),
        ];
        if let Some((_, column, value)) = odd.filter(|(at, ..)| *at == row) {
            fields[column] = value.to_owned();
        }
        writeln!(text, "{}", fields.join(",")).unwrap();
    }
    text
}

#[test]
fn what_is_proved_is_what_a_scan_finds() {
    let files = Files::new(&[table(3000, None)]);
    for range in [700, 4096, 10_000] {
        for rows in [7, 100_000] {
            let loader = files.loader(range);
            let (scan, batches) = presumed(&loader, rows).unwrap().unwrap();
            assert_exact(&loader, &scan, &batches);
            // Built as wide as files store it, narrow in the end.
            assert_eq!(batches[0].schema().field(1).data_type(), &DataType::Int32);
            assert_eq!(scan.schema().field(1).data_type(), &DataType::Int8);
        }
    }
}

#[test]
fn nulls_wider_numbers_and_new_words_contradict_nothing() {
    for (column, value) in [
        (0, ""),
        (1, "NA"),
        (1, "30000"),
        (2, "null"),
        (2, "7"),
        (3, "-1"),
        (4, ""),
        (5, "violet"),
        (5, "\"\""),
    ] {
        let files = Files::new(&[table(3000, Some((1234, column, value)))]);
        let loader = files.loader(4096);
        let (scan, batches) =
            presumed(&loader, 1000).unwrap().unwrap_or_else(|e| panic!("{column} {value}: {e}"));
        assert_exact(&loader, &scan, &batches);
    }
}

#[test]
fn a_value_of_another_kind_is_refused_wherever_it_stands() {
    for (column, value) in [
        (0, "1.5"),
        (0, "x"),
        (1, "3000000000"),
        (2, "1e400"),
        (2, "9007199254740993"),
        (3, "0.1"),
        (4, "2024-02-30"),
        (4, "2024-01-01 00:00:00"),
    ] {
        let files = Files::new(&[table(3000, Some((1777, column, value)))]);
        let loader = files.loader(4096);
        let refused = presumed(&loader, 1000).unwrap();
        assert!(refused.is_err(), "column {column}, {value}");
    }
}

/// A field of many lines that look like records, as long as several ranges.
fn with_lines_in_quotes(line: &str) -> String {
    let mut text = "id,half,word\n".to_owned();
    for row in 0..3000 {
        let word = if row == 1500 {
            format!("\"{}\"", line.repeat(40_000 / line.len()))
        } else {
            format!("w{}", row % 9)
        };
        writeln!(text, "{row},{}.5,{word}", row % 10).unwrap();
    }
    text
}

#[test]
fn lines_within_quotes_are_no_records_and_what_was_presumed_of_them_is_refused() {
    let mut refused = 0;
    for line in ["1.5,2,x\n", "99999999999,2,x\n", "x,2,x\n", "7,0.1,x\n", "7,x,x\n", "1,1.5,x\n"] {
        let files = Files::new(&[with_lines_in_quotes(line)]);
        for range in [2000, 4096, 9000] {
            let loader = files.loader(range);
            match presumed(&loader, 500) {
                Some(Ok((scan, batches))) => assert_exact(&loader, &scan, &batches),
                Some(Err(_)) => refused += 1,
                None => {}
            }
        }
    }
    assert!(refused > 3, "only {refused} were noticed");
}

#[test]
fn a_malformed_record_is_an_error_here_too() {
    let mut text = table(3000, None);
    text.push_str("1,2,3\n");
    text.push_str(&table(300, None).split_once('\n').unwrap().1.replace("note, ", "note; "));
    let files = Files::new(&[text]);
    let loader = files.loader(4096);
    assert!(presumed(&loader, 1000).is_none_or(|result| result.is_err()));
}

#[test]
fn texts_too_many_for_a_dictionary_are_plain_from_a_second_try_on() {
    let mut text = "key,word\n".to_owned();
    for row in 0..60_000 {
        // Few in the pieces, very many in all.
        let word = if row % 50 < 49 { row % 7 } else { row };
        writeln!(text, "{},a word of some length {word:020}", row % 90).unwrap();
    }
    for row in 0..60_000 {
        writeln!(text, "{},another word of some length {row:020}", row % 90).unwrap();
    }
    let files = Files::new(&[text]);
    let loader = files.loader(1 << 14);
    let (scan, batches) = presumed(&loader, 10_000).unwrap().unwrap();
    assert_exact(&loader, &scan, &batches);
    assert_eq!(scan.schema().field(1).data_type(), &DataType::Utf8);
}

#[test]
fn what_a_scan_excludes_is_not_made_narrow() {
    use arrow::array::{ArrayRef, DictionaryArray, Int32Array};
    use arrow::datatypes::Int32Type;
    use std::sync::Arc;

    let files = Files::new(&["size,word\n1,a\n200,b\n3,a\n4,a\n5,b\n6,b\n7,a\n8,a\n9,a\n".to_owned()]);
    let scan = files.loader(100).scan().unwrap();
    let words = |words: &[Option<&str>]| {
        Arc::new(words.iter().copied().collect::<DictionaryArray<Int32Type>>()) as ArrayRef
    };
    let expected = words(&[Some("b"), None, Some("a")]);
    let proved = scan.proved(1, &expected).unwrap();
    assert_eq!(proved.data_type(), scan.schema().field(1).data_type());
    assert!(scan.proved(1, &words(&[Some("b"), Some("c")])).is_err());
    let sizes = |values: Vec<Option<i32>>| Arc::new(Int32Array::from(values)) as ArrayRef;
    assert_eq!(scan.proved(0, &sizes(vec![Some(200), None])).unwrap().null_count(), 1);
    assert!(scan.proved(0, &sizes(vec![Some(256), None])).is_err());
}

#[test]
fn several_files_are_one_table() {
    let rows = |from: usize, to: usize| (from..to).map(|n| format!("{n},{}\n", n % 5)).collect::<String>();
    let files = Files::new(&[
        format!("id,kind\n{}", rows(0, 2000)),
        "id,kind\n".to_owned(),
        format!("kind,other\n{}", rows(0, 1000)),
        format!("id\n{}", (0..1500).map(|n| format!("{n}\n")).collect::<String>()),
    ]);
    let loader = files.loader(1000);
    let (scan, batches) = presumed(&loader, 300).unwrap().unwrap();
    assert_exact(&loader, &scan, &batches);
    assert_eq!(scan.rows(), 4500);
}

#[test]
fn places_are_those_of_a_scanned_pass() {
    let files = Files::new(&[table(2000, None), table(1000, None)]);
    let loader = files.loader(3000);
    let mut batches =
        loader.batches_presumed(loader.presume().unwrap().unwrap(), Box::new(FixedRows(64))).unwrap();
    let scan = loader.scan().unwrap();
    for batch in &mut batches {
        let batch = batch.unwrap();
        let rows = batch.first_row()..batch.first_row() + 1;
        let one = loader.clone().with_rows(rows).batches(&scan, &[0], Box::new(FixedRows(1))).next();
        let one = one.unwrap().unwrap();
        assert_eq!((batch.position(), batch.file()), (one.position(), one.file()));
    }
}

#[test]
fn where_a_scan_is_the_better_way_nothing_is_presumed() {
    let files = Files::new(&[table(100, None)]);
    assert!(files.loader(1 << 20).presume().unwrap().is_none(), "small");
    assert!(files.loader(100).with_threads(1).presume().unwrap().is_none(), "one thread");
    let tokens = format!("a,b\n{}", "1,NA\n".repeat(1000));
    let files = Files::new(&[tokens]);
    assert!(files.loader(100).presume().unwrap().is_none(), "tokens alone say nothing of the column");
}

#[test]
fn a_file_that_is_written_meanwhile_is_refused() {
    let files = Files::new(&[table(3000, None)]);
    let loader = files.loader(4096);
    let mut batches =
        loader.batches_presumed(loader.presume().unwrap().unwrap(), Box::new(FixedRows(100))).unwrap();
    batches.next().unwrap().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let mut text = std::fs::read_to_string(&files.1[0]).unwrap();
    text.push_str("1,1,1.0,0.5,2024-01-01,red,x\n");
    std::fs::write(&files.1[0], text).unwrap();
    let rest = batches.by_ref().collect::<Result<Vec<_>, _>>();
    assert!(rest.is_err() || batches.finish().is_err());
}

/// A field of one of several kinds; some are odd ones out.
fn field(kind: u8) -> BoxedStrategy<String> {
    let usual = match kind {
        0 => (0..200i64).prop_map(|n| n.to_string()).boxed(),
        1 => (-3_000_000_000i64..3_000_000_000).prop_map(|n| n.to_string()).boxed(),
        2 => (0..1000i32).prop_map(|n| format!("{}.5", n)).boxed(),
        3 => any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:?}")).boxed(),
        4 => (1..28u8).prop_map(|d| format!("2024-02-{d:02}")).boxed(),
        5 => (0..59u8).prop_map(|s| format!("2024-02-01T10:00:{s:02}")).boxed(),
        6 => "[a-c]{1,2}".boxed(),
        7 => "[a-z \"\n]{0,12}".prop_map(|t| format!("\"{}\"", t.replace('"', "\"\""))).boxed(),
        _ => prop_oneof![Just("true".to_owned()), Just("FALSE".to_owned())].boxed(),
    };
    prop_oneof![
        300 => usual,
        20 => Just(String::new()),
        3 => Just("NA".to_owned()),
        1 => prop_oneof![Just("x".to_owned()), Just("1.25".to_owned()), Just("\"\"".to_owned()), Just("5\" pipe".to_owned())],
    ]
    .boxed()
}

fn hint() -> impl Strategy<Value = TypeHint> {
    let fixed = prop::sample::select(vec![
        FixedType::Int32,
        FixedType::Int64,
        FixedType::Float64,
        FixedType::Date,
        FixedType::Timestamp,
        FixedType::String,
        FixedType::Dictionary,
    ]);
    prop_oneof![1 => Just(TypeHint::Text), 4 => fixed.prop_map(TypeHint::Fixed)]
}

#[test]
fn types_that_are_told_take_no_scan() {
    let zones = |zone: &str, n: usize| format!("2024-02-01T10:00:{:02}{zone},{}\n", n % 60, n % 7);
    let rows = |zone: &str, n: std::ops::Range<usize>| n.map(|n| zones(zone, n)).collect::<String>();
    let told = |files: &Files| {
        files.loader(1000).with_downcast(Downcast::None).with_type_hints([
            ("at".to_owned(), TypeHint::Fixed(FixedType::Timestamp)),
            ("word".to_owned(), TypeHint::Fixed(FixedType::Dictionary)),
        ])
    };
    let alike = Files::new(&[format!("at,word\n{}", rows("+02:00", 0..2000))]);
    let (scan, batches) = presumed(&told(&alike), 300).unwrap().unwrap();
    assert_exact(&told(&alike), &scan, &batches);
    assert!(matches!(scan.columns()[1].data_type, DataType::Dictionary(..)));
    // One zone here and another there is for a scan to refuse.
    let mixed = format!("at,word\n{}{}", rows("Z", 0..1000), rows("", 1000..2000));
    let mixed = Files::new(&[mixed]);
    let mixed = told(&mixed);
    let error = mixed.scan().unwrap_err();
    assert_eq!((error.column(), error.position().map(|at| at.record)), (Some("at"), Some(1001)));
    assert!(presumed(&mixed, 300).is_none_or(|taken| taken.is_err()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_proved_is_exact(
        (kinds, rows) in prop::collection::vec(0u8..9, 1..6).prop_flat_map(|kinds| {
            let row: Vec<_> = kinds.iter().map(|kind| field(*kind)).collect();
            (Just(kinds), prop::collection::vec(row, 50..400))
        }),
        range in 40u64..400,
        batch_rows in 1usize..200,
        downcast in prop_oneof![Just(Downcast::Safe), Just(Downcast::None), Just(Downcast::Aggressive)],
        hint in prop::option::of(hint()),
    ) {
        let names: Vec<String> = (0..kinds.len()).map(|n| format!("c{n}")).collect();
        let rows: String = rows.iter().map(|row| row.join(",") + "\n").collect();
        let files = Files::new(&[format!("{}\n{rows}", names.join(","))]);
        let mut loader = files.loader(range).with_downcast(downcast);
        if let Some(hint) = hint {
            loader = loader.with_type_hints([("c0".to_owned(), hint)]);
        }
        if let Some(Ok((scan, batches))) = presumed(&loader, batch_rows) {
            assert_exact(&loader, &scan, &batches);
        }
    }
}
