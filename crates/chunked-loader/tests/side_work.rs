//! Work of others that a loader's threads take part in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use chunked_loader::{Downcast, FixedRows, Loader, SideWork, Source};

#[derive(Default)]
struct Counts {
    present: AtomicIsize,
    most_present: AtomicIsize,
    helped: AtomicUsize,
    by_strangers: AtomicUsize,
}

impl SideWork for Counts {
    fn arrive(&self) {
        let present = self.present.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_present.fetch_max(present, Ordering::SeqCst);
    }

    fn help(&self) -> bool {
        let is_loader = std::thread::current().name() == Some("tidegate-load");
        self.by_strangers
            .fetch_add(usize::from(!is_loader || self.present.load(Ordering::SeqCst) < 1), Ordering::SeqCst);
        // Now and then there is something to do.
        self.helped.fetch_add(1, Ordering::SeqCst).is_multiple_of(3)
    }

    fn leave(&self) {
        assert!(self.present.fetch_sub(1, Ordering::SeqCst) > 0, "left more often than arrived");
    }
}

fn csv(rows: u32) -> String {
    (0..rows).fold("id,name\n".to_owned(), |mut csv, row| {
        writeln!(csv, "{row},name {}", row % 100).unwrap();
        csv
    })
}

#[test]
fn threads_help_between_batches_and_leave_before_they_wait_or_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    std::fs::write(&path, csv(20_000)).unwrap();
    let loader = || {
        Loader::new(Source::open(std::slice::from_ref(&path), folder.path()).unwrap())
            .with_threads(2)
            .with_range_bytes(8192)
    };
    let scan = loader().scan().unwrap();
    for presumes in [false, true] {
        let counts = Arc::new(Counts::default());
        let loader = loader().with_side_work(Arc::clone(&counts) as Arc<dyn SideWork>);
        let mut rows = 0;
        let mut take = |batch: chunked_loader::Batch| {
            rows += batch.num_rows();
            // The line fills up.
            if rows % 5000 < 100 {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        };
        match presumes {
            true => {
                let presumption = loader.presume().unwrap().expect("a file that two threads can read");
                let batches = loader.batches_presumed(presumption, Box::new(FixedRows(100))).unwrap();
                batches.for_each(|batch| take(batch.unwrap()));
            }
            false => {
                let batches = loader.batches(&scan, &[0, 1], Box::new(FixedRows(100)));
                batches.for_each(|batch| take(batch.unwrap()));
            }
        }
        assert_eq!(rows, 20_000);
        assert_eq!(counts.present.load(Ordering::SeqCst), 0, "all have left");
        assert!((1..=2).contains(&counts.most_present.load(Ordering::SeqCst)));
        assert!(counts.helped.load(Ordering::SeqCst) >= 200, "once a batch");
        assert_eq!(counts.by_strangers.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn with_the_line_full_and_nothing_to_do_all_are_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    std::fs::write(&path, csv(20_000)).unwrap();
    let counts = Arc::new(Counts::default());
    let loader = Loader::new(Source::open(std::slice::from_ref(&path), folder.path()).unwrap())
        .with_threads(2)
        .with_range_bytes(8192)
        .with_side_work(Arc::clone(&counts) as Arc<dyn SideWork>);
    let scan = loader.scan().unwrap();
    let presumption = loader.presume().unwrap().expect("a file that two threads can read");
    let mut presumed = loader.batches_presumed(presumption, Box::new(FixedRows(100))).unwrap();
    let mut scanned = loader.batches(&scan, &[0, 1], Box::new(FixedRows(100)));
    let batches: [&mut dyn Iterator<Item = Result<chunked_loader::Batch, chunked_loader::Error>>; 2] =
        [&mut presumed, &mut scanned];
    for batches in batches {
        batches.next().unwrap().unwrap();
        let is_away = || counts.present.load(Ordering::SeqCst) == 0;
        let in_time = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            is_away()
        });
        assert!(in_time, "{} are said to be there, and wait", counts.present.load(Ordering::SeqCst));
    }
}

#[test]
fn ranges_that_wait_for_those_before_are_away_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    // Where a quote stands that opens nothing, the range before has to end first.
    let lines: String = (0..20_000).map(|row| format!("{row} of 5\" by 3\" pipe\n")).collect();
    std::fs::write(&path, format!("pipe\n{lines}")).unwrap();
    let counts = Arc::new(Counts::default());
    let loader = Loader::new(Source::open(std::slice::from_ref(&path), folder.path()).unwrap())
        .with_threads(4)
        .with_downcast(Downcast::None)
        .with_range_bytes(8192)
        .with_side_work(Arc::clone(&counts) as Arc<dyn SideWork>);
    let presumption = loader.presume().unwrap().expect("a file that threads can read");
    let batches = loader.batches_presumed(presumption, Box::new(FixedRows(100))).unwrap();
    assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 20_000);
    assert_eq!(counts.present.load(Ordering::SeqCst), 0);
    assert!(counts.most_present.load(Ordering::SeqCst) <= 4);
}

#[test]
fn an_input_that_one_thread_reads_has_no_thread_to_spare() {
    let counts = Arc::new(Counts::default());
    let source = Source::spool("in", csv(2000).as_bytes(), &std::env::temp_dir(), &mut || false).unwrap();
    let loader = Loader::new(source).with_side_work(Arc::clone(&counts) as Arc<dyn SideWork>);
    let scan = loader.scan().unwrap();
    assert!(loader.batches(&scan, &[0], Box::new(FixedRows(100))).all(|batch| batch.is_ok()));
    assert_eq!(counts.helped.load(Ordering::SeqCst), 0);
}
