//! Batches as Arrow's own libraries take them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::error::Error as _;

use arrow::array::RecordBatchReader;
use arrow::error::ArrowError;
use chunked_loader::{Error, ErrorKind, FixedRows, Loader, Source};
use monitor::{Budget, Bytes, Monitor};

fn table(rows: usize) -> String {
    let mut csv = "id,text\n".to_owned();
    (0..rows).for_each(|n| csv.push_str(&format!("{n},text of row {n}\n")));
    csv
}

fn loader(csv: &str) -> Loader {
    Loader::new(Source::spool("table", csv.as_bytes(), &std::env::temp_dir(), &mut || false).unwrap())
}

#[test]
fn arrow_writes_what_the_reader_gives() {
    let loader = loader(&table(1000));
    let scan = loader.scan().unwrap();
    for threads in [1, 3] {
        let loader = loader.clone().with_threads(threads);
        let batches = loader.batches(&scan, &[1, 0], Box::new(FixedRows(64)));
        // As a library takes it: owned, and from another thread.
        let mut reader: Box<dyn RecordBatchReader + Send> = Box::new(batches.into_record_batch_reader());
        let schema = reader.schema();
        assert_eq!(schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["text", "id"]);
        let mut writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &schema).unwrap();
        let mut rows = 0;
        for batch in reader.by_ref() {
            let batch = batch.unwrap();
            assert_eq!(batch.schema(), schema);
            rows += batch.num_rows();
            writer.write(&batch).unwrap();
        }
        assert_eq!(rows, 1000);
        assert!(reader.next().is_none());
        writer.finish().unwrap();
    }
}

#[test]
fn the_batch_given_last_is_held_until_the_next() {
    let monitor = Monitor::builder().with_budget(Budget::new(Bytes::mib(64))).build().unwrap();
    let budget = monitor.budget().clone();
    let loader = loader(&table(1000)).with_monitor(monitor);
    let scan = loader.scan().unwrap();
    let of_batches = || {
        let holders = budget.holders();
        holders.iter().find(|holder| holder.name == "batch").map_or(Bytes::ZERO, |holder| holder.live)
    };
    let mut reader = loader.batches(&scan, &[0, 1], Box::new(FixedRows(500))).into_record_batch_reader();
    let first = reader.next().unwrap().unwrap();
    let held = of_batches();
    assert!(held.get() as usize >= first.num_rows() * 16, "{held}");
    let second = reader.next().unwrap().unwrap();
    let held_now = of_batches();
    assert!(held_now.get() < 2 * held.get(), "{held} and {held_now}");
    assert!(reader.next().is_none());
    assert_eq!(of_batches(), Bytes::ZERO);
    assert_eq!(first.num_rows() + second.num_rows(), 1000);
}

#[test]
fn an_error_comes_with_its_cause_and_ends_the_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table.csv");
    std::fs::write(&path, table(10)).unwrap();
    let loader = Loader::new(Source::open(std::slice::from_ref(&path), dir.path()).unwrap());
    let scan = loader.scan().unwrap();
    std::fs::write(&path, table(11)).unwrap();
    let mut reader = loader.batches(&scan, &[0, 1], Box::new(FixedRows(4))).into_record_batch_reader();
    let error = reader.next().unwrap().unwrap_err();
    assert!(matches!(error, ArrowError::ExternalError(_)));
    let cause = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert!(matches!(cause.kind(), ErrorKind::Changed), "{cause}");
    assert_eq!(cause.file(), Some(path.display().to_string().as_str()));
    assert!(reader.next().is_none());
}
