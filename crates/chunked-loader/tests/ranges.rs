//! Projections and ranges of rows: what they give is cut out of the whole, whoever makes it, and whatever is rejected.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::ops::Range;
use std::path::PathBuf;

use arrow::record_batch::RecordBatch;
use chunked_loader::{
    Batch, Encoding, FixedRows, FixedType, Loader, OnBadRecord, Position, Scan, Source, TypeHint,
};

/// Three files of one shape: records over several lines, bad ones, values that break a fixed type, and an empty file
/// between. 120 records, every tenth of each file rejected for its shape, and two for their values.
fn files(folder: &tempfile::TempDir, is_wide: bool) -> Vec<PathBuf> {
    let file = |index: usize| {
        let mut csv = "id,text,amount\n".to_owned();
        for n in 0..if index == 1 { 0 } else { 60 } {
            let id = index * 1000 + n;
            csv.push_str(&match n {
                _ if n % 10 == 4 => format!("{id},short\n"),
                33 => format!("{id},x,no number\n"),
                _ if n % 7 == 0 => format!("{id},\"two\nlines \"\"{n}\"\"\",{n}.25\r\n"),
                _ => format!("{id},text {n},{n}\n"),
            });
        }
        csv
    };
    let paths = (0..3).map(|index| {
        let path = folder.path().join(format!("{index}.csv"));
        let text = file(index);
        // A file in UTF-16 can only be read from front to back.
        let wide = || text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(&path, if is_wide { wide() } else { text.clone().into_bytes() }).unwrap();
        path
    });
    paths.collect()
}

/// A row's own place, from batches of one row each, which tell it of every row.
fn places(loader: &Loader, scan: &Scan) -> Vec<(usize, Position)> {
    let rows = loader.batches(scan, &[0], Box::new(FixedRows(1)));
    rows.map(|row| row.unwrap()).map(|row| (row.file(), row.position())).collect()
}

fn whole(loader: &Loader, scan: &Scan) -> RecordBatch {
    let batch = loader.batches(scan, &[0, 1, 2], Box::new(FixedRows(usize::MAX))).next();
    batch.unwrap().unwrap().columns().clone()
}

#[test]
fn a_part_is_cut_out_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    for is_wide in [false, true] {
        let source = Source::open(&files(&folder, is_wide), folder.path()).unwrap();
        let loader = Loader::new(source)
            .with_on_bad_record(OnBadRecord::Skip)
            .with_encoding(if is_wide { Encoding::Utf16Le } else { Encoding::Auto })
            .with_type_hints([("amount".to_owned(), TypeHint::Fixed(FixedType::Float64))]);
        let scan = loader.scan().unwrap();
        assert_eq!((scan.rows(), scan.rejected()), (106, 14));
        let (all, places) = (whole(&loader, &scan), places(&loader, &scan));
        assert_eq!(places.len(), 106);
        let ranges: [Range<u64>; 9] =
            [0..u64::MAX, 0..0, 0..1, 1..2, 17..81, 52..54, 53..106, 105..200, 106..300];
        for range in ranges {
            for projection in [&[0, 1, 2][..], &[2, 0], &[1], &[1, 1], &[]] {
                for (threads, block, rows) in
                    [(1, 1, 1), (1, 4096, 7), (2, 50, 3), (3, 13, 1000), (8, 4096, 10)]
                {
                    let way = loader.clone().with_threads(threads).with_block_bytes(block);
                    let part =
                        way.with_rows(range.clone()).batches(&scan, projection, Box::new(FixedRows(rows)));
                    let part: Vec<Batch> = part.collect::<Result<_, _>>().unwrap();
                    let told = format!(
                        "rows {range:?}, columns {projection:?}, {threads} threads, blocks of {block}, batches of {rows}"
                    );
                    let (start, end) = (range.start.min(106), range.end.min(106));
                    let mut next = start;
                    for batch in &part {
                        let length = (end - next).min(rows as u64);
                        assert_eq!((batch.first_row(), batch.num_rows() as u64), (next, length), "{told}");
                        assert_eq!((batch.file(), batch.position()), places[next as usize], "{told}");
                        let expected = all.slice(next as usize, length as usize).project(projection).unwrap();
                        assert_eq!(batch.columns(), &expected, "{told}");
                        next += length;
                    }
                    assert_eq!(next, end, "{told}");
                }
            }
        }
    }
}

#[test]
fn the_rejected_set_is_the_same_on_every_way() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&files(&folder, false), folder.path()).unwrap();
    let loader = Loader::new(source)
        .with_on_bad_record(OnBadRecord::Skip)
        .with_type_hints([("amount".to_owned(), TypeHint::Fixed(FixedType::Float64))]);
    let rejects = |loader: &Loader| {
        let mut rejects = Vec::new();
        let scan = loader.scan_with(&mut |reject| {
            rejects.push((reject.file.to_owned(), reject.position, reject.column.map(str::to_owned)));
            Ok(())
        });
        (scan.unwrap().rejected(), rejects)
    };
    let expected = rejects(&loader);
    assert_eq!(expected.1.iter().filter(|(_, _, column)| column.as_deref() == Some("amount")).count(), 2);
    for (threads, block) in [(1, 1), (1, 33), (2, 16), (8, 7), (3, 1 << 20)] {
        let way = loader.clone().with_threads(threads).with_block_bytes(block);
        assert_eq!(rejects(&way), expected);
        assert_eq!(rejects(&way.with_rows(20..30)), expected);
    }
}

#[test]
fn a_long_record_among_short_ones_is_distrusted_once() {
    // The block that the index makes of them is longer than what the state machine is given at a time.
    let mut csv = "n,text\n".to_owned();
    for n in 0..40 {
        csv.push_str(&format!("{n},{}\n", "long ".repeat(if n % 8 == 0 { 40 } else { 0 })));
        csv.push_str("x,\n");
    }
    let source = Source::spool("table", csv.as_bytes(), &std::env::temp_dir(), &mut || false).unwrap();
    let loader = Loader::new(source)
        .with_on_bad_record(OnBadRecord::Skip)
        .with_type_hints([("n".to_owned(), TypeHint::Fixed(FixedType::Int8))]);
    for block in [1, 16, 40, 64, 100, 4096] {
        let loader = loader.clone().with_block_bytes(block);
        let scan = loader.scan().unwrap();
        assert_eq!((scan.rows(), scan.rejected()), (40, 40), "blocks of {block}");
        assert_eq!(whole_rows(&loader, &scan), 40, "blocks of {block}");
    }
}

fn whole_rows(loader: &Loader, scan: &Scan) -> usize {
    let batches = loader.batches(scan, &[0, 1], Box::new(FixedRows(9)));
    batches.map(|batch| batch.unwrap().num_rows()).sum()
}
