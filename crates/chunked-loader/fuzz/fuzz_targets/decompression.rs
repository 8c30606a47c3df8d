//! Any bytes as a file of any format: never a panic, and the same end however they are opened.
//!
//! The first byte of an input chooses a mark that the rest stands behind, so that every decoder is reached soon.
//! The file is scanned as it is and as a pipe, within a budget that the reader must keep, and no further than
//! `MOST` bytes: what unpacks to very much is a stream, and the scan is stopped like any other.

#![no_main]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use chunked_loader::{Dialect, Error, ErrorKind, Loader, OnBadRecord, Source};
use libfuzzer_sys::{Corpus, fuzz_target};
use monitor::{Budget, Bytes, Monitor};

/// How files begin that are not read as they are, and nothing at all.
const MARKS: [&[u8]; 9] = [
    b"",
    b"\x1f\x8b\x08\0",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18",
    b"BZh11AY&SY",
    b"\xfd7zXZ\0",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
];

const BLOCK: usize = 64 << 10;

/// Blocks that are read at most.
const MOST: u64 = 64;

/// Where a file for this process stands, in memory where there is such a folder.
fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        folder.join(format!("chunked-loader-fuzz-decompression-{}", std::process::id()))
    })
}

/// How a scan ended: rows and rejects, or the kind of the error. `None` if it was stopped.
fn scan(source: Source) -> Option<Result<(u64, u64), String>> {
    let budget = Budget::new(Bytes::mib(32));
    let monitor = Monitor::builder().with_budget(budget.clone()).build().expect("the probe works");
    let blocks = Arc::new(AtomicU64::new(0));
    let loader = Loader::new(source)
        .with_monitor(monitor)
        .with_dialect(Dialect::default().with_delimiter(b','))
        .with_on_bad_record(OnBadRecord::Skip)
        .with_block_bytes(BLOCK)
        .with_progress(move |_| {
            if blocks.fetch_add(1, Ordering::Relaxed) < MOST {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
    let end = loader.scan().map(|scan| (scan.rows(), scan.rejected()));
    drop(loader);
    assert!(budget.peak() <= budget.limit());
    assert_eq!(budget.reserved(), Bytes::ZERO, "all is given back");
    match end {
        Err(e) if matches!(e.kind(), ErrorKind::Cancelled) => None,
        end => Some(end.map_err(|e: Error| format!("{:?}", e.kind()))),
    }
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((mark, rest)) = bytes.split_first() else { return Corpus::Reject };
    let mark = MARKS[usize::from(*mark) % MARKS.len()];
    let bytes = [mark, rest].concat();
    std::fs::write(path(), &bytes).expect("the folder takes a file");
    let folder = path().parent().expect("a file stands in a folder");
    let file = Source::open(std::slice::from_ref(path()), folder).expect("the file is there");
    let pipe = Source::spool("pipe", &bytes[..], folder, &mut || false).expect("the folder takes a file");
    assert_eq!(scan(file), scan(pipe));
    Corpus::Keep
});
