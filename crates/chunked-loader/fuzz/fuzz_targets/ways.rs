//! Any bytes in every way through the loader: each kernel of the index, any block, any number of threads, any batch,
//! against the state machine alone.
//!
//! The first five bytes of an input choose the dialect and the way; the rest is the file. Ranges are cut as small as
//! blocks are, so that a file of some hundred bytes has many of them, each with its survey and a start that resolves.

#![no_main]

mod scratch;

use std::path::Path;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use chunked_loader::{
    Dialect, Error, ErrorKind, FixedRows, IndexKernel, Loader, OnBadRecord, Position, Source,
};
use libfuzzer_sys::{Corpus, fuzz_target};

/// What a loader makes of an input, in a form that can be compared.
#[derive(Debug, PartialEq)]
struct Seen {
    facts: Vec<String>,
    rows: RecordBatch,
    rejects: Vec<(Position, String, Vec<u8>)>,
}

fn see(loader: &Loader, batch_rows: usize) -> Result<Seen, String> {
    let told = |error: Error| {
        assert!(!matches!(error.kind(), ErrorKind::Changed | ErrorKind::Arrow(_)), "{error}");
        format!("{error} {:?}", error.position())
    };
    let mut rejects = Vec::new();
    let scan = loader.scan_with(&mut |reject| {
        rejects.push((
            reject.position,
            format!("{:?} {}", reject.column, reject.reason),
            reject.raw.to_vec(),
        ));
        Ok(())
    });
    let scan = scan.map_err(told)?;
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let mut next = 0;
    let mut batches = Vec::new();
    for batch in loader.batches(&scan, &all, Box::new(FixedRows(batch_rows))) {
        let batch = batch.map_err(told)?;
        assert_eq!(batch.first_row(), next);
        next += batch.num_rows() as u64;
        batches.push(batch.into_parts().0);
    }
    assert!(batches.iter().rev().skip(1).all(|batch| batch.num_rows() == batch_rows));
    let rows = concat_batches(scan.schema(), &batches).expect("all batches have the schema of the scan");
    assert_eq!((rows.num_rows() as u64, rejects.len() as u64), (scan.rows(), scan.rejected()));
    let facts = scan.columns().iter().map(|facts| format!("{facts:?}")).collect();
    Ok(Seen { facts, rows, rejects })
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(([flags, block, threads, rows, limit], file)) = data.split_first_chunk::<5>() else {
        return Corpus::Reject;
    };
    let bit = |n: u8| flags >> n & 1 == 1;
    let dialect = Dialect::default()
        .with_delimiter(if bit(0) { b',' } else { b';' })
        .with_quote([Some(b'"'), Some(b'\''), Some(b'"'), None][usize::from(flags >> 1 & 3)])
        .with_header(bit(3));
    std::fs::write(scratch::path(), file).expect("the input is written");
    let source = Source::open(std::slice::from_ref(scratch::path()), Path::new("/nowhere"));
    let loader = Loader::new(source.expect("the file is there"))
        .with_dialect(dialect)
        .with_on_bad_record(if bit(4) { OnBadRecord::Skip } else { OnBadRecord::Fail })
        .with_max_record_bytes(if *limit < 64 { usize::from(*limit) } else { 1 << 20 });
    let twin = see(&loader.clone().without_index().with_block_bytes(1 << 20), 1 << 20);
    let threads = 1 + usize::from(threads % 4);
    for kernel in IndexKernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
        let way = loader
            .clone()
            .with_index_kernel(kernel)
            .with_block_bytes(1 + usize::from(*block))
            .with_threads(threads);
        assert_eq!(see(&way, 1 + usize::from(rows % 9)), twin, "{kernel}, {threads} threads");
    }
    Corpus::Keep
});
