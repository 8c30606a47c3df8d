//! Any bytes in any cut: never a panic, and the same outcome on every path.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use chunked_loader::{Dialect, Error, FixedRows, Loader, NullValues, OnBadRecord, Source, TypeHint};
use proptest::prelude::*;

/// Pieces that meet each other in every order: structure, values of all kinds, tokens, bytes that are no text.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b",",
        b",",
        b",",
        b";",
        b"\"",
        b"\"",
        b"'",
        b"\n",
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b"\\",
        b"#",
        b"a",
        b"b",
        b"a,b\n",
        b"1,2\n",
        b"1,x\n",
        b"1",
        b"-1",
        b"0",
        b"300",
        b"007",
        b"1.5",
        b"1e5",
        b"-0",
        b"nan",
        b"true",
        b"2024-01-02",
        b"2024-01-02T03:04",
        b"2024-01-02T03:04:05.123456789Z",
        b"9223372036854775808",
        b"NA",
        b"-",
        b"\"\"",
        b" ",
        "é".as_bytes(),
        b"\xff",
        b"\xc3",
        b"\0",
        b"\xef\xbb\xbf",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..60).prop_map(|pieces| pieces.concat())
}

fn dialect() -> impl Strategy<Value = Dialect> {
    let quote = prop_oneof![3 => Just(Some(b'"')), 1 => Just(Some(b'\'')), 1 => Just(None)];
    (quote, any::<[bool; 5]>(), 0u64..3).prop_map(
        |(quote, [header, escape, comment, fixed, listed], skip_lines)| {
            let mut dialect = Dialect::default()
                .with_quote(quote)
                .with_header(header)
                .with_escape(escape.then_some(b'\\'))
                .with_comment(comment.then_some(b'#'))
                .with_skip_lines(skip_lines / 2);
            if fixed {
                dialect = dialect.with_delimiter(b',');
            }
            if listed {
                dialect = dialect.with_null_values(NullValues::Listed(vec!["-".to_owned(), "a".to_owned()]));
            }
            dialect
        },
    )
}

#[derive(Clone, Debug)]
struct Run {
    dialect: Dialect,
    hint: Option<TypeHint>,
    on_bad_record: OnBadRecord,
}

/// The whole table, and the places of what was rejected.
fn read(
    run: &Run,
    paths: &[PathBuf],
    block: usize,
    rows: usize,
) -> Result<(RecordBatch, Vec<String>), Error> {
    let mut loader = Loader::new(Source::open(paths, Path::new("/nowhere"))?)
        .with_dialect(run.dialect.clone())
        .with_on_bad_record(run.on_bad_record)
        .with_max_record_bytes(200)
        .with_block_bytes(block);
    if let Some(hint) = run.hint {
        let name = if run.dialect.header() { "a" } else { "column_1" };
        loader = loader.with_type_hints([(name.to_owned(), hint)]);
    }
    let mut rejects = Vec::new();
    let scan = loader.scan_with(&mut |reject| {
        rejects.push(format!("{}, {}: {:?}", reject.file, reject.position, reject.reason));
        Ok(())
    })?;
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let batches = loader.batches(&scan, &all, Box::new(FixedRows(rows)));
    let batches: Vec<RecordBatch> = batches.map(|b| Ok(b?.into_parts().0)).collect::<Result<_, Error>>()?;
    let columns = concat_batches(scan.schema(), &batches).unwrap();
    assert_eq!((columns.num_rows() as u64, rejects.len() as u64), (scan.rows(), scan.rejected()));
    for (facts, column) in scan.columns().iter().zip(columns.columns()) {
        assert_eq!(facts.nulls, column.null_count() as u64, "{}", facts.name);
    }
    Ok((columns, rejects))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_path_comes_to_the_same(
        files in prop::collection::vec(input(), 1..3),
        dialect in dialect(),
        hint in prop::option::weighted(0.4, prop::sample::select(&["int8", "float32", "timestamp", "dictionary"][..])),
        skips: bool,
        block in 1usize..30,
        rows in 1usize..5,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = files.iter().enumerate().map(|(i, bytes)| {
            let path = folder.path().join(format!("{i}.csv"));
            std::fs::write(&path, bytes).unwrap();
            path
        }).collect();
        let run = Run {
            dialect,
            hint: hint.map(|name| TypeHint::Fixed(name.parse().unwrap())),
            on_bad_record: if skips { OnBadRecord::Skip } else { OnBadRecord::Fail },
        };
        let message = |e: Error| e.to_string();
        let whole = read(&run, &paths, 1 << 16, 1000).map_err(message);
        let cut = read(&run, &paths, block, rows).map_err(message);
        // What was scanned must never be said to have changed.
        if let Err(message) = &whole {
            prop_assert!(!message.contains("changed while"), "{message}");
        }
        prop_assert_eq!(whole, cut);
    }
}
