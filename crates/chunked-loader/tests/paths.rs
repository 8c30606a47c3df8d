//! Every way through the loader gives the same rows: the state machine alone, each kernel of the index, any block,
//! any number of threads, any batch.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use chunked_loader::{Dialect, Error, FixedRows, IndexKernel, Loader, OnBadRecord, Position, Source};
use proptest::prelude::*;

/// What a loader makes of an input, in a form that can be compared.
#[derive(Debug, PartialEq)]
struct Seen {
    schema: String,
    rows: RecordBatch,
    rejects: Vec<(Position, String, Vec<u8>)>,
    witnesses: Vec<Option<Position>>,
}

fn see(loader: &Loader, batch_rows: usize) -> Result<Seen, String> {
    let told = |e: Error| format!("{e} {:?}", e.position());
    let mut rejects = Vec::new();
    let scan = loader
        .scan_with(&mut |reject| {
            rejects.push((reject.position, reject.reason.to_string(), reject.raw.to_vec()));
            Ok(())
        })
        .map_err(told)?;
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let mut next = 0;
    let batches = loader.batches(&scan, &all, Box::new(FixedRows(batch_rows))).map(|batch| {
        let batch = batch.map_err(told)?;
        assert_eq!(batch.first_row(), next);
        next += batch.num_rows() as u64;
        Ok(batch.columns().clone())
    });
    let batches: Vec<RecordBatch> = batches.collect::<Result<_, String>>()?;
    assert!(batches.iter().rev().skip(1).all(|batch| batch.num_rows() == batch_rows));
    let whole = concat_batches(scan.schema(), &batches).map_err(|e| e.to_string())?;
    assert_eq!(whole.num_rows() as u64, scan.rows());
    Ok(Seen {
        schema: format!("{:?}", scan.schema()),
        rows: whole,
        rejects,
        witnesses: scan.columns().iter().map(|c| Some(c.text_witness.as_ref()?.position)).collect(),
    })
}

fn kernels() -> Vec<IndexKernel> {
    IndexKernel::ALL.into_iter().filter(|kernel| kernel.is_available()).collect()
}

/// The slow twin: the state machine alone, one thread, the whole input at once.
fn twin(loader: &Loader) -> Result<Seen, String> {
    see(&loader.clone().without_index().with_block_bytes(1 << 20), 1 << 20)
}

fn loader(bytes: &[u8], on_bad_record: OnBadRecord) -> Loader {
    let source = Source::spool("table", bytes, &std::env::temp_dir(), &mut || false).unwrap();
    Loader::new(source).with_on_bad_record(on_bad_record)
}

fn check(bytes: &[u8], on_bad_record: OnBadRecord, ways: impl IntoIterator<Item = (usize, usize, usize)>) {
    let loader = loader(bytes, on_bad_record);
    let expected = twin(&loader);
    for (block, threads, batch_rows) in ways {
        for kernel in kernels() {
            let way = loader.clone().with_index_kernel(kernel).with_block_bytes(block).with_threads(threads);
            assert_eq!(
                see(&way, batch_rows),
                expected,
                "{kernel}, blocks of {block}, {threads} threads, batches of {batch_rows}: {:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}

#[test]
fn tables_with_a_quirk_are_the_same_in_every_way() {
    let tables: [&[u8]; 14] = [
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
        b"a,b\n1,2\n3,\"a long text, and short records behind it\"\n4,5\n6,7\n8,9\n10,11\n12,13\n14,15\n16,17\n",
        b"a\n\"only\none\"\n",
        b"a,b\n",
        b"a,b\n\n\n1,2\n\r\r\n\r3,4\n\r\r5,6",
    ];
    for table in tables {
        for on_bad_record in [OnBadRecord::Fail, OnBadRecord::Skip] {
            let ways = (1..=table.len() + 1).chain([64, 4 << 20]);
            let ways = ways.flat_map(|block| [1, 2, 8].map(|threads| (block, threads, 1 + block % 3)));
            check(table, on_bad_record, ways);
        }
    }
}

#[test]
fn a_comment_is_one_wherever_it_is_cut() {
    let table = b"a,b\n1,2\n#x\\\r\n3,4\n# a long comment, with a delimiter\r5,6\n#\r\n#";
    let dialect = Dialect::default().with_comment(Some(b'#')).with_delimiter(b',');
    let loader = loader(table, OnBadRecord::Fail).with_dialect(dialect);
    let expected = twin(&loader);
    assert!(expected.as_ref().is_ok_and(|seen| seen.rows.num_rows() == 3), "{expected:?}");
    for block in 1..=table.len() + 1 {
        for threads in [1, 2] {
            let way = loader.clone().with_block_bytes(block).with_threads(threads);
            assert_eq!(see(&way, 2), expected, "blocks of {block}, {threads} threads");
        }
    }
}

/// As many as the environment asks for, which a number written here would override.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just(",".to_owned()),
        2 => Just("\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("\r".to_owned()),
        1 => Just("\"".to_owned()),
        2 => "\"[a,\n\r]{0,4}\"",
        4 => "[0-9]{1,3}",
        1 => Just("é".to_owned()),
        1 => Just("2024-01-01".to_owned()),
        1 => Just("NA".to_owned()),
    ];
    proptest::collection::vec(piece, 0..80)
        .prop_map(|pieces| ["a,b\n".to_owned(), pieces.concat()].concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_the_same_in_every_way(
        bytes in hostile(),
        block in 1usize..200,
        threads in 1usize..9,
        batch_rows in 1usize..9,
        skips: bool,
    ) {
        let on_bad_record = if skips { OnBadRecord::Skip } else { OnBadRecord::Fail };
        check(&bytes, on_bad_record, [(block, threads, batch_rows), (block, 1, batch_rows)]);
    }
}

#[test]
fn ranges_need_not_be_as_long_as_blocks() {
    let table = b"a,b\n1,x\n2,\"y\nz\"\n30,5\" pipe\n4,\"\"\r\n5\n6,\"w\"\"\n\",\n7,v\n";
    let loader = loader(table, OnBadRecord::Skip);
    let expected = twin(&loader);
    for block in [1, 5, 24] {
        for range in (1..=table.len() as u64).step_by(2) {
            let way = loader.clone().with_block_bytes(block).with_range_bytes(range).with_threads(2);
            assert_eq!(see(&way, 3), expected, "blocks of {block}, ranges of {range}");
        }
    }
}
