//! The stream of batches, on executors that are as small as they can be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use arrow::record_batch::RecordBatch;
use chunked_loader::{BatchStream, Error, ErrorKind, FixedRows, Loader, Scan, Source};
use futures_core::stream::{FusedStream, Stream};
use monitor::{Budget, Bytes, Monitor};

fn table(rows: usize) -> String {
    let mut csv = "id,text\n".to_owned();
    (0..rows).for_each(|n| csv.push_str(&format!("{n},text of row {n}\n")));
    csv
}

fn loader(csv: &str) -> Loader {
    Loader::new(Source::spool("table", csv.as_bytes(), &std::env::temp_dir(), &mut || false).unwrap())
}

/// Wakes a sleeping thread, and counts how often.
struct Sleeper {
    thread: Thread,
    wakes: AtomicUsize,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn sleeper() -> (Arc<Sleeper>, Waker) {
    let sleeper = Arc::new(Sleeper { thread: std::thread::current(), wakes: AtomicUsize::new(0) });
    (Arc::clone(&sleeper), Waker::from(sleeper))
}

/// The next batch; sleeps until it is woken, and counts polls. A wake-up that never comes hangs here.
fn next(mut stream: Pin<&mut BatchStream>, polls: &mut usize) -> Option<Result<RecordBatch, Error>> {
    let (_, waker) = sleeper();
    loop {
        *polls += 1;
        match stream.as_mut().poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(next) => return next.map(|next| next.map(|batch| batch.columns().clone())),
            Poll::Pending => std::thread::park(),
        }
    }
}

fn from_batches(loader: &Loader, scan: &Scan, rows: usize) -> Vec<RecordBatch> {
    let batches = loader.batches(scan, &[0, 1], Box::new(FixedRows(rows)));
    batches.map(|batch| batch.unwrap().columns().clone()).collect()
}

#[test]
fn it_gives_what_the_iterator_gives() {
    let loader = loader(&table(20_000));
    let scan = loader.scan().unwrap();
    for rows in [77, 1000, 50_000] {
        let expected = from_batches(&loader, &scan, rows);
        for threads in [1, 2, 5] {
            let loader = loader.clone().with_threads(threads);
            let mut stream = pin!(loader.batch_stream(&scan, &[0, 1], Box::new(FixedRows(rows))));
            assert_eq!(stream.schema(), scan.schema());
            let (mut found, mut polls) = (Vec::new(), 0);
            while let Some(batch) = next(stream.as_mut(), &mut polls) {
                found.push(batch.unwrap());
            }
            assert_eq!(found, expected, "{threads} threads, batches of {rows}");
            assert!(stream.is_terminated() && next(stream.as_mut(), &mut polls).is_none());
            // Each batch, and the end, may be asked for in vain once, and woken for: not more.
            assert!(polls <= 2 * (found.len() + 2), "{polls} polls for {} batches", found.len());
        }
    }
}

#[test]
fn an_input_that_is_read_from_front_to_back() {
    let csv = table(5000);
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(csv.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let source = Source::spool("wide", utf16.as_slice(), &std::env::temp_dir(), &mut || false).unwrap();
    let wide = Loader::new(source).with_threads(3);
    let scan = wide.scan().unwrap();
    let plain = loader(&csv);
    let expected = from_batches(&plain, &plain.scan().unwrap(), 300);
    let mut stream = pin!(wide.batch_stream(&scan, &[0, 1], Box::new(FixedRows(300))));
    let (mut found, mut polls) = (Vec::new(), 0);
    while let Some(batch) = next(stream.as_mut(), &mut polls) {
        found.push(batch.unwrap());
    }
    assert_eq!(found, expected);
}

#[test]
fn only_the_waker_of_the_last_poll_is_woken_and_only_for_a_batch() {
    let loader = loader(&table(20_000)).with_threads(2);
    let scan = loader.scan().unwrap();
    let mut stream = pin!(loader.batch_stream(&scan, &[0], Box::new(FixedRows(20_000))));
    let ((first, first_waker), (second, second_waker)) = (sleeper(), sleeper());
    // The threads have not begun before, so that the first poll is in vain.
    assert!(stream.as_mut().poll_next(&mut Context::from_waker(&first_waker)).is_pending());
    let again = stream.as_mut().poll_next(&mut Context::from_waker(&second_waker));
    if again.is_pending() {
        while second.wakes.load(Ordering::SeqCst) == 0 {
            std::thread::park();
        }
        assert_eq!(first.wakes.load(Ordering::SeqCst), 0);
        assert_eq!(second.wakes.load(Ordering::SeqCst), 1);
        let woken_for = stream.as_mut().poll_next(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(woken_for, Poll::Ready(Some(Ok(_)))), "woken for nothing");
    }
}

#[test]
fn dropping_it_stops_the_threads_and_gives_all_back() {
    let monitor = Monitor::builder().with_budget(Budget::new(Bytes::mib(64))).build().unwrap();
    let loader = loader(&table(50_000)).with_threads(3).with_monitor(monitor.clone());
    let scan = loader.scan().unwrap();
    for polls in 0..4 {
        let mut stream = Box::pin(loader.batch_stream(&scan, &[0, 1], Box::new(FixedRows(100))));
        let mut batches: Vec<_> =
            (0..polls).map(|_| next(stream.as_mut(), &mut 0).unwrap().unwrap()).collect();
        drop(stream);
        // Dropped batches have given back what they held; the columns alone hold nothing of the budget.
        assert_eq!(monitor.budget().reserved(), Bytes::ZERO, "after {polls} batches");
        batches.clear();
    }
}

#[test]
fn it_can_be_dropped_where_nobody_waits_and_sent_to_another_thread() {
    let loader = loader(&table(20_000)).with_threads(2);
    let scan = loader.scan().unwrap();
    let stream = loader.batch_stream(&scan, &[0, 1], Box::new(FixedRows(500)));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stream = pin!(stream);
        let mut rows = 0;
        while let Some(batch) = next(stream.as_mut(), &mut 0) {
            rows += batch.unwrap().num_rows();
        }
        sender.send(rows).unwrap();
    });
    assert_eq!(receiver.recv().unwrap(), 20_000);
}

#[test]
fn an_error_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table.csv");
    std::fs::write(&path, table(1000)).unwrap();
    let loader = Loader::new(Source::open(std::slice::from_ref(&path), dir.path()).unwrap());
    let scan = loader.scan().unwrap();
    std::fs::write(&path, table(1001)).unwrap();
    for threads in [1, 2] {
        let loader = loader.clone().with_threads(threads);
        let mut stream = pin!(loader.batch_stream(&scan, &[0, 1], Box::new(FixedRows(10))));
        let error = next(stream.as_mut(), &mut 0).unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Changed), "{error}");
        assert!(stream.is_terminated() && next(stream.as_mut(), &mut 0).is_none());
    }
}

#[test]
fn it_can_be_cancelled() {
    let loader = loader(&table(1000)).with_threads(2).with_progress(|seen| {
        if seen.bytes > 2000 && seen.bytes < 10_000 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let scan = loader.clone().with_progress(|_| ControlFlow::Continue(())).scan().unwrap();
    let mut stream = pin!(loader.batch_stream(&scan, &[0, 1], Box::new(FixedRows(50))));
    let error = loop {
        match next(stream.as_mut(), &mut 0) {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("it was not cancelled"),
        }
    };
    assert!(matches!(error.kind(), ErrorKind::Cancelled));
    assert!(next(stream.as_mut(), &mut 0).is_none());
}

#[test]
fn a_batch_that_only_fits_behind_another_waits_for_it() {
    // Many batches to a range, and room for one batch alone: the next has to wait until it is dropped.
    let rows = 1000;
    let loader = loader(&table(20 * rows));
    let scan = loader.scan().unwrap();
    let within = |limit| {
        let monitor = Monitor::builder().with_budget(Budget::new(limit)).build().unwrap();
        loader.clone().with_monitor(monitor)
    };
    let fits = |limit: &Bytes| {
        let mut batches = within(*limit).batches(&scan, &[0, 1], Box::new(FixedRows(rows)));
        batches.all(|batch| batch.is_ok())
    };
    let least = (1..).map(|n| Bytes(n << 12)).find(fits).unwrap();
    let mut stream = pin!(within(least).batch_stream(&scan, &[0, 1], Box::new(FixedRows(rows))));
    let mut found = 0;
    // The batch itself is kept as long as it is worked on, and dropped before the next is asked for.
    loop {
        let (_, waker) = sleeper();
        match stream.as_mut().poll_next(&mut Context::from_waker(&waker)) {
            Poll::Pending => std::thread::park(),
            Poll::Ready(None) => break,
            Poll::Ready(Some(batch)) => {
                let batch = batch.unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
                found += batch.num_rows();
            }
        }
    }
    assert_eq!(found, 20 * rows);
}
