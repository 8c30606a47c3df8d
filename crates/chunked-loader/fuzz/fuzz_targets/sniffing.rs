//! Any bytes under a dialect that leaves things open: looking never panics, and what it settles on reads the file to
//! the same, given by name.

#![no_main]

mod scratch;

use std::path::Path;

use chunked_loader::{Dialect, Loader, OnBadRecord, Scan, Source};
use libfuzzer_sys::{Corpus, fuzz_target};

fn facts(scan: &Scan) -> (u64, u64, Vec<String>) {
    let columns = scan.columns().iter().map(|facts| format!("{facts:?}"));
    (scan.rows(), scan.rejected(), columns.collect())
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((flags, file)) = data.split_first() else { return Corpus::Reject };
    let bit = |n: u8| flags >> n & 1 == 1;
    let mut dialect = Dialect::default().with_header(!bit(0));
    if bit(1) {
        dialect = dialect.with_quote(Some(b'"'));
    }
    if bit(2) {
        dialect = dialect.with_skip_lines(u64::from(flags >> 6));
    }
    if bit(3) {
        dialect = dialect.with_decimal(b',').with_thousands(Some(b'.'));
    }
    if bit(4) {
        dialect = dialect.with_comment(Some(b'#'));
    }
    // As a head that the file goes on behind, and as the whole file.
    for is_whole in [false, true] {
        let settled = dialect.settled(file, is_whole);
        assert!(settled.delimiter().is_some());
        settled.validate().expect("a dialect that was valid stays so");
        assert_eq!(settled.settled(file, is_whole), settled);
        assert!(settled.skip_lines() <= file.len() as u64 + 3);
    }

    std::fs::write(scratch::path(), file).expect("the input is written");
    let source = Source::open(std::slice::from_ref(scratch::path()), Path::new("/nowhere"));
    let loader = Loader::new(source.expect("the file is there")).with_on_bad_record(if bit(5) {
        OnBadRecord::Skip
    } else {
        OnBadRecord::Fail
    });
    let Ok(scan) = loader.clone().with_dialect(dialect).scan() else { return Corpus::Keep };
    let again = loader.with_dialect(scan.dialect().clone()).scan().expect("what was found reads the file");
    assert_eq!(again.dialect(), scan.dialect());
    assert_eq!(facts(&again), facts(&scan));
    Corpus::Keep
});
