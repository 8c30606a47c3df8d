//! What the targets of files of columns have in common.

use chunked_loader::{Error, FixedRows, Loader, Source};
use monitor::{Budget, Bytes, Monitor};

/// Panics of the `parquet` crate's decoders are caught where they are called, and are no finding; what is not caught ends
/// the process all the same.
pub(crate) fn forget_caught_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Rows that the batches of a file have, or the kind of its error; within a budget, which is given back.
fn read(source: Source, threads: usize) -> Result<u64, String> {
    let budget = Budget::new(Bytes::mib(32));
    let monitor = Monitor::builder().with_budget(budget.clone()).build().expect("the probe works");
    let rows = || -> Result<u64, Error> {
        let loader = Loader::new(source).with_monitor(monitor.clone()).with_threads(threads);
        let scan = loader.scan()?;
        let all: Vec<usize> = (0..scan.columns().len()).collect();
        let batches = loader.batches(&scan, &all, Box::new(FixedRows(100)));
        let rows = batches.map(|batch| batch.map(|batch| batch.num_rows() as u64)).sum::<Result<u64, _>>()?;
        assert_eq!(rows, scan.rows());
        Ok(rows)
    };
    let end = rows();
    assert!(budget.peak() <= budget.limit());
    assert_eq!(budget.reserved(), Bytes::ZERO, "all is given back");
    end.map_err(|error| format!("{:?}", error.kind()))
}

/// Reads bytes as a file, on one thread and on two.
pub(crate) fn check(bytes: &[u8]) {
    let source = || {
        let folder = std::env::temp_dir();
        Source::spool("file", bytes, &folder, &mut || false).expect("the folder takes a file")
    };
    assert_eq!(read(source(), 1).ok(), read(source(), 2).ok());
}
