//! The per-batch mode: one pass, held against the exact scan of the same input.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use chunked_loader::{
    Batch, BatchLimit, Dialect, Encoding, Error, ErrorKind, FixedRows, FixedType, Kind, Loader, NullValues,
    Observation, OnBadRecord, Position, Sizing, Source, TextWitness, TypeHint, UnscannedBatches,
};
use monitor::{Budget, Bytes, Monitor};
use proptest::prelude::*;

fn loader(bytes: impl AsRef<[u8]>) -> Loader {
    Loader::new(Source::spool("table", bytes.as_ref(), &std::env::temp_dir(), &mut || false).unwrap())
}

fn unscanned(loader: &Loader, rows: usize) -> (UnscannedBatches, Vec<Batch>) {
    let mut batches = loader.batches_unscanned(None, Box::new(FixedRows(rows))).unwrap();
    let all = batches.by_ref().collect::<Result<Vec<_>, Error>>().unwrap();
    (batches, all)
}

fn types(batches: &[Batch], column: usize) -> Vec<String> {
    batches.iter().map(|batch| batch.columns().schema().field(column).data_type().to_string()).collect()
}

/// What a pass without a scan has to have in common with one behind a scan, on every way.
fn check(loader: &Loader, rows: usize) -> Result<(), String> {
    let told = |e: Error| format!("{e} {:?}", e.position());
    let mut rejects = Vec::new();
    let scan = loader.scan_with(&mut |reject| {
        rejects.push((reject.position, reject.reason.to_string(), reject.raw.to_vec()));
        Ok(())
    });
    let found = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&found);
    let mut batches = loader
        .batches_unscanned(None, Box::new(FixedRows(rows)))
        .map_err(told)?
        .with_on_reject(move |reject| {
            taken.lock().unwrap().push((reject.position, reject.reason.to_string(), reject.raw.to_vec()));
            Ok(())
        });
    let mut parts = Vec::new();
    let mut failed = None;
    for batch in batches.by_ref() {
        match batch {
            Ok(batch) => parts.push(batch),
            Err(error) => failed = Some(told(error)),
        }
    }
    let scan = match scan {
        Ok(scan) => scan,
        // What fails the scan fails the pass, in the same words.
        Err(error) => {
            assert_eq!(failed, Some(told(error)));
            return Ok(());
        }
    };
    assert_eq!(failed, None);
    assert_eq!(*found.lock().unwrap(), rejects);
    assert_eq!((batches.rows(), batches.rejected()), (scan.rows(), scan.rejected()));

    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let exact: Vec<Batch> =
        loader.batches(&scan, &all, Box::new(FixedRows(rows))).collect::<Result<_, _>>().unwrap();
    let places = |batches: &[Batch]| -> Vec<(u64, usize, usize, Position)> {
        batches.iter().map(|b| (b.first_row(), b.num_rows(), b.file(), b.position())).collect()
    };
    assert_eq!(places(&parts), places(&exact));

    for (column, facts) in scan.columns().iter().enumerate() {
        let told = &batches.columns()[column];
        assert_eq!((&told.name, told.kind), (&facts.name, facts.kind), "{:?}", types(&parts, column));
        let to_text = told.promotions.iter().find(|promotion| promotion.to == Kind::Text);
        // Batches that were given as something else before their column was text keep its values, not their form.
        let from = to_text.map_or(0, |promotion| promotion.first_row);
        if let Some(promotion) = to_text {
            match &promotion.witness {
                Some(_) => assert_eq!(promotion.witness, facts.text_witness),
                // No value made it text, but that whole numbers and floats of it have no type in common; one may have come
                // since.
                None => {
                    let is_later = |witness: &TextWitness| witness.position.record > promotion.first_row + 1;
                    assert!(facts.text_witness.as_ref().is_none_or(is_later), "{:?}", facts.text_witness);
                }
            }
        } else {
            // In a batch of nothing but tokens these were written as text.
            let undecided =
                parts.iter().map(|b| nulls_to_be(b, column, facts.kind, &facts.data_type)).sum::<u64>();
            assert_eq!(told.nulls + undecided, facts.nulls, "{}", facts.name);
        }
        if facts.kind == Kind::Null {
            // Empty quoted fields stay texts, since a batch to come might have made the column one of text.
            for part in &parts {
                let column = cast(part.columns().column(column), &DataType::Utf8).unwrap();
                assert!(column.as_string::<i32>().iter().flatten().all(str::is_empty));
            }
            continue;
        }
        for (part, exact) in parts.iter().zip(&exact).filter(|(part, _)| part.first_row() >= from) {
            let exact = exact.columns().column(column);
            let part = to_type(part.columns().column(column), exact.data_type());
            assert_eq!(&part, exact, "{}: {:?}", facts.name, types(&parts, column));
        }
    }
    for (first, second) in promotions(&batches) {
        assert_eq!(first.join(second), second);
        assert_ne!(first, second);
    }
    Ok(())
}

/// A column in another type; texts that it has no value for are null.
fn to_type(array: &ArrayRef, data_type: &DataType) -> ArrayRef {
    match (array.data_type(), data_type) {
        // Arrow reads no texts as timestamps of named zones; the only texts there can be are tokens.
        (DataType::Utf8 | DataType::Dictionary(..), DataType::Timestamp(_, Some(_))) => {
            new_null_array(data_type, array.len())
        }
        _ => cast(array, data_type).unwrap(),
    }
}

/// Texts of a batch that are null in the column's final type.
fn nulls_to_be(batch: &Batch, column: usize, kind: Kind, data_type: &DataType) -> u64 {
    let array = batch.columns().column(column);
    let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::Dictionary(..));
    if !is_text(array.data_type()) {
        return 0;
    }
    if kind == Kind::Null {
        return (array.len() - array.null_count()) as u64;
    }
    if is_text(data_type) {
        return 0;
    }
    (to_type(array, data_type).null_count() - array.null_count()) as u64
}

fn promotions(batches: &UnscannedBatches) -> Vec<(Kind, Kind)> {
    batches.columns().iter().flat_map(|c| c.promotions.iter().map(|p| (p.from, p.to))).collect()
}

#[test]
fn tables_with_a_quirk_come_to_what_the_scan_finds() {
    let tables: [&[u8]; 20] = [
        b"a,b\n1,2\n3,4\n\n",
        b"a,b\r1,2\r3,4\r5,6",
        b"a,b\n1,2\r3,4\r5,6\n7,8\r\r\n9,10",
        b"a,b\r\n1,\"x\r\ny\"\r\n3,\"\"\r\n",
        b"a,b\n1,5\" pipe\n2,\"q\"\"r\"\n3,\"s\nt\"\n4,u\n",
        b"a\n1\n\n\"\"\n2\n",
        b"a,b\n1,x\n2,\"y\n3,z\n",
        b"a,b\n1,x\n2,\"y\"z\n3,w\n4\n5,6,7\n8,\xff\n9,v\n",
        b"a,b\n1,2024-01-01\n2,2024-01-02T03:04\n3,true\n4,\n",
        b"a,b\n1,00501\n10001,2\nx,3\n",
        b"a\n\"only\none\"\n",
        b"a,b\n",
        b"a,b\nNA,\n,\"\"\n,NA\n1,\n2,2.5\nNA,NA\n",
        b"a,b\nNA,\"\"\n,\nNA,x\n",
        b"a,b\n9007199254740993,1\n0.5,300\n1,70000\n",
        b"a,b\n-1,1\n18446744073709551615,1e300\n1,1\n",
        b"a,b\n2024-01-01T00:00:00Z,2024-01-01 00:00\n,\n2024-01-01T00:00:00.5Z,\n,1677-01-01 00:00\n2024-01-01T00:00:00.000000001Z,x\n",
        b"a,b\ntrue,1\nFALSE,\n,3\nnull,4.5\n,inf\n",
        b"a,b\n-0,nan\n1,1\n2,2\n",
        b"c0\n10000000000000001\n0.0\n2024-02-29\n",
    ];
    for table in tables {
        for on_bad_record in [OnBadRecord::Fail, OnBadRecord::Skip] {
            for (block, rows) in [(1, 1), (3, 2), (7, 3), (16, 1), (64, 7), (1 << 20, 1), (1 << 20, 1000)] {
                let loader = loader(table).with_on_bad_record(on_bad_record).with_block_bytes(block);
                // One pass cannot look ahead for what is not UTF-8.
                let loader = loader.with_encoding(Encoding::Utf8);
                assert_eq!(check(&loader, rows), Ok(()), "{:?}", String::from_utf8_lossy(table));
                assert_eq!(check(&loader.without_index(), rows), Ok(()));
            }
        }
    }
}

fn table() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        6 => "[0-9]{1,3}",
        2 => "-?[1-9][0-9]{0,18}",
        3 => "[0-9]{1,2}\\.[0-9]{1,3}",
        1 => Just("2024-02-29".to_owned()),
        1 => Just("2024-02-29T12:00:01.25Z".to_owned()),
        1 => Just("true".to_owned()),
        2 => Just(String::new()),
        2 => Just("NA".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => Just("\"a,\n\"\"b\"".to_owned()),
        1 => "[a-c]{1,2}",
        1 => Just("007".to_owned()),
    ];
    let column = proptest::collection::vec(field, 1..5);
    // A column draws from few forms, so that most of them stay what they are for a while.
    (proptest::collection::vec(column, 1..4), proptest::collection::vec(0usize..60, 1..60)).prop_map(
        |(columns, rows)| {
            let names: Vec<String> = (0..columns.len()).map(|c| format!("c{c}")).collect();
            let mut csv = names.join(",") + "\n";
            for pick in rows {
                let fields: Vec<&str> =
                    columns.iter().map(|forms| forms[(pick / 12).min(forms.len() - 1)].as_str()).collect();
                csv.push_str(&(fields.join(",") + "\n"));
            }
            csv.into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_table_comes_to_what_the_scan_finds(bytes in table(), block in 1usize..300, rows in 1usize..20) {
        let loader = loader(bytes).with_block_bytes(block).with_on_bad_record(OnBadRecord::Skip);
        prop_assert_eq!(check(&loader, rows), Ok(()));
    }
}

#[test]
fn each_batch_is_as_narrow_as_its_own_values() {
    let csv = "i,f,d,s\n1,0.5,2024-01-01,x\n2,1,,x\n300,0.1,2024-01-02,x\n70000,,2024-01-03,y\n,,,\n5,2.5,2024-01-04,z\n";
    let (batches, parts) = unscanned(&loader(csv), 2);
    assert_eq!(types(&parts, 0), ["Int8", "Int32", "Int8"]);
    assert_eq!(types(&parts, 1), ["Float32", "Float64", "Float32"]);
    assert_eq!(types(&parts, 2), ["Date32", "Date32", "Date32"]);
    assert_eq!(promotions(&batches), []);
    let wide: Vec<String> = batches.schema().fields().iter().map(|f| f.data_type().to_string()).collect();
    assert_eq!(wide, ["Int64", "Float64", "Date32", "Utf8"]);
    // Rows with nothing but nulls keep the column's kind, in its least type.
    let (_, parts) = unscanned(&loader("i,t\n1000,2024-01-01T00:00:00.5Z\n,\n2,2024-01-01T00:00:00Z\n"), 1);
    assert_eq!(types(&parts, 0), ["Int16", "Int8", "Int8"]);
    assert_eq!(
        types(&parts, 1),
        ["Timestamp(ms, \"UTC\")", "Timestamp(s, \"UTC\")", "Timestamp(s, \"UTC\")"]
    );
}

#[test]
fn a_dictionary_is_made_where_it_saves_bytes_in_the_batch() {
    let mut csv = "s\n".to_owned();
    (0..100).for_each(|_| csv.push_str("the same text\n"));
    (0..100).for_each(|n| csv.push_str(&format!("text {n}\n")));
    let (_, parts) = unscanned(&loader(csv), 100);
    assert_eq!(types(&parts, 0), ["Dictionary(Int8, Utf8)", "Utf8"]);
    let texts = cast(parts[0].columns().column(0), &DataType::Utf8).unwrap();
    assert!(texts.as_string::<i32>().iter().all(|text| text == Some("the same text")));
    // The dictionary is the batch's own, so that it counts.
    assert!(parts[0].reserved().get() as usize >= 100 + "the same text".len());
}

#[test]
fn a_late_text_is_told_with_its_place() {
    let mut csv = "n,m\n".to_owned();
    (0..10_000).for_each(|n| csv.push_str(&format!("{n},{n}\n")));
    csv.push_str("A7,\n1.50,3\n");
    let (batches, parts) = unscanned(&loader(&csv), 6000);
    assert_eq!(types(&parts, 0), ["Int16", "Utf8"]);
    let texts = parts[1].columns().column(0).as_string::<i32>().clone();
    assert_eq!((texts.value(0), texts.value(4000), texts.value(4001)), ("6000", "A7", "1.50"));
    let told = &batches.columns()[0];
    assert_eq!(told.promotions.len(), 1);
    let promotion = &told.promotions[0];
    assert_eq!((promotion.from, promotion.to, promotion.first_row), (Kind::Int, Kind::Text, 6000));
    let witness = promotion.witness.as_ref().unwrap();
    assert_eq!(
        (witness.excerpt.as_str(), witness.position.line, witness.position.record),
        ("A7", 10_002, 10_001)
    );
    assert_eq!(batches.columns()[1].kind, Kind::Int);
}

#[test]
fn tokens_alone_stay_text_until_somebody_knows() {
    let csv = "n,s,t\nNA,NA,NA\n1,x,NA\nNA,NA,\n";
    let (batches, parts) = unscanned(&loader(csv), 1);
    assert_eq!(types(&parts, 0)[1..], ["Int8", "Int8"]);
    let token = cast(parts[0].columns().column(0), &DataType::Utf8).unwrap();
    assert_eq!(token.as_string::<i32>().value(0), "NA");
    assert_eq!(parts[2].columns().column(0).null_count(), 1);
    assert_eq!(batches.columns()[0].null_tokens, [("NA".to_owned(), 1)]);
    // To text and from nothing is no promotion: what was given holds.
    let kinds: Vec<Kind> = batches.columns().iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [Kind::Int, Kind::Text, Kind::Text]);
    assert_eq!(promotions(&batches), []);
    assert_eq!(parts[2].columns().column(1).null_count(), 0);
    // Listed tokens are null in every column.
    let listed = Dialect::default().with_null_values(NullValues::Listed(vec!["NA".to_owned()]));
    let (batches, parts) = unscanned(&loader(csv).with_dialect(listed), 1);
    assert!(parts[0].columns().columns().iter().all(|column| column.null_count() == 1));
    assert_eq!(batches.columns()[2].kind, Kind::Null);
}

#[test]
fn fixed_types_hold_and_what_breaks_them_is_rejected() {
    let csv =
        "n,t\n1,2024-01-01T00:00:00+01:00\n300,2024-01-01T00:00:00+01:00\nx,\n4,2024-01-01T00:00:00Z\n5,\n";
    let hints = [
        ("n".to_owned(), TypeHint::Fixed(FixedType::Int16)),
        ("t".to_owned(), TypeHint::Fixed(FixedType::Timestamp)),
    ];
    let loader = loader(csv).with_type_hints(hints).with_on_bad_record(OnBadRecord::Skip);
    for (block, rows) in [(1, 1), (16, 2), (1 << 20, 1), (1 << 20, 10)] {
        let loader = loader.clone().with_block_bytes(block);
        check(&loader, rows).unwrap();
        let (batches, parts) = unscanned(&loader, rows);
        assert_eq!((batches.rows(), batches.rejected()), (3, 2));
        assert!(types(&parts, 0).iter().all(|t| t == "Int16"));
    }
    let error = loader.clone().with_on_bad_record(OnBadRecord::Fail);
    let error = error.batches_unscanned(None, Box::new(FixedRows(1))).unwrap().find_map(Result::err).unwrap();
    assert_eq!((error.column(), error.position().unwrap().line), (Some("n"), 4));
}

#[test]
fn several_files_of_any_kind_are_one_input() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, packed, wide) =
        (folder.path().join("a.csv"), folder.path().join("b.csv.gz"), folder.path().join("c.csv"));
    std::fs::write(&plain, "a,b\n1,x\n2,y\n3,z\n").unwrap();
    let gzip = std::fs::File::create(&packed).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(gzip, flate2::Compression::fast());
    gzip.write_all(b"b,c\nw,true\nv,\n").unwrap();
    gzip.finish().unwrap();
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain("a,c\n700,\n".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    std::fs::write(&wide, utf16).unwrap();
    let loader = Loader::new(Source::open(&[plain, packed, wide], folder.path()).unwrap());
    for rows in [1, 2, 4, 5, 100] {
        check(&loader, rows).unwrap();
        check(&loader.clone().with_block_bytes(3).with_threads(2), rows).unwrap();
    }
    let (batches, parts) = unscanned(&loader, 4);
    assert_eq!(types(&parts, 0), ["Int8", "Int16"]);
    let nulls: Vec<u64> = batches.columns().iter().map(|column| column.nulls).collect();
    assert_eq!(nulls, [2, 1, 5]);
}

#[test]
fn a_projection_and_a_range_of_rows() {
    let mut csv = "a,b,c\n".to_owned();
    (0..100).for_each(|n| csv.push_str(&format!("{n},{}\n", if n % 10 == 3 { "bad" } else { "x,true" })));
    let loader = loader(csv).with_on_bad_record(OnBadRecord::Skip);
    for (rows, range) in [(7, 0..90), (1, 5..6), (4, 20..63), (100, 80..1000), (5, 95..99), (5, 7..7)] {
        for block in [1, 50, 1 << 20] {
            let loader = loader.clone().with_rows(range.clone()).with_block_bytes(block);
            let batches = loader.batches_unscanned(Some(&[2, 0]), Box::new(FixedRows(rows))).unwrap();
            let parts: Vec<Batch> = batches.collect::<Result<_, _>>().unwrap();
            let scan = loader.scan().unwrap();
            let exact = loader.batches(&scan, &[2, 0], Box::new(FixedRows(rows)));
            let exact: Vec<Batch> = exact.collect::<Result<_, _>>().unwrap();
            assert_eq!(parts.len(), exact.len());
            for (part, exact) in parts.iter().zip(&exact) {
                assert_eq!((part.first_row(), part.position()), (exact.first_row(), exact.position()));
                assert_eq!(part.columns(), exact.columns());
            }
        }
    }
}

/// As many rows as there is room for.
struct Room(Bytes);

impl Sizing for Room {
    fn next(&mut self, _: &Observation) -> BatchLimit {
        BatchLimit { rows: usize::MAX, bytes: self.0, may_be_cut: true }
    }
}

#[test]
fn batches_are_cut_by_bytes_and_by_the_budget() {
    const ROWS: usize = 15_000;
    let mut csv = "id,amount,text\n".to_owned();
    (0..ROWS).for_each(|n| csv.push_str(&format!("{n},{}.5,text of row {n}\n", n % 100)));
    let whole = loader(&csv);
    let scan = whole.scan().unwrap();
    let exact = whole.batches(&scan, &[0, 1, 2], Box::new(FixedRows(usize::MAX)));
    let exact = exact.map(|batch| batch.unwrap().columns().clone()).next().unwrap();
    for (limit, bytes) in
        [(Bytes(2 << 20), Bytes(64 << 10)), (Bytes(1 << 20), Bytes::MAX), (Bytes::MAX, Bytes(4 << 10))]
    {
        let budget = Budget::new(limit);
        let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
        let loader = whole.clone().with_monitor(monitor);
        let batches = loader.batches_unscanned(None, Box::new(Room(bytes))).unwrap();
        let mut parts: Vec<RecordBatch> = Vec::new();
        for batch in batches {
            let batch = batch.unwrap();
            assert!(batch.reserved() <= bytes || batch.num_rows() == 1, "{} of {bytes}", batch.reserved());
            parts.push(batch.columns().clone());
        }
        assert!(parts.len() > 3 && parts.len() < ROWS / 4, "{} batches", parts.len());
        assert_eq!(budget.reserved(), Bytes::ZERO);
        for column in 0..3 {
            let whole = exact.column(column);
            let cast: Vec<_> =
                parts.iter().map(|part| cast(part.column(column), whole.data_type()).unwrap()).collect();
            let cast: Vec<&dyn Array> = cast.iter().map(AsRef::as_ref).collect();
            assert_eq!(&concat(&cast).unwrap(), whole);
        }
    }
    // Exact rows are not cut: the refusal ends the pass.
    let monitor = Monitor::builder().with_budget(Budget::new(Bytes(1 << 20))).build().unwrap();
    let mut batches = whole.with_monitor(monitor).batches_unscanned(None, Box::new(FixedRows(ROWS))).unwrap();
    let error = batches.next().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Budget(_)), "{error}");
    assert!(batches.next().is_none());
}
