//! The budget against the kernel's high-water mark, each case in a process of its own.
//!
//! A test starts its binary again for one case and reads how far the child's resident memory rose above where it stood
//! before the loader. The input is written by the parent, so that nothing but the loader is in the figure.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};
use std::process::Command;

use chunked_loader::{BatchLimit, Loader, Observation, Sizing, Source};
use monitor::{Budget, Bytes, Monitor};

/// What nobody reserves: the first 64 KiB of a file, values of dictionaries, the doubling of a buffer between two
/// counts, and what the allocator keeps of what it was given back.
pub(crate) const SLACK: Bytes = Bytes::mib(6);

const CASE: &str = "CHUNKED_LOADER_MEMORY_CASE";
const FILE: &str = "CHUNKED_LOADER_MEMORY_FILE";

/// As many rows as fit so many bytes.
pub(crate) struct Fill(pub(crate) Bytes);

impl Sizing for Fill {
    fn next(&mut self, _: &Observation) -> BatchLimit {
        BatchLimit { rows: usize::MAX, bytes: self.0, may_be_cut: true }
    }
}

/// A loader of the child's input within a budget.
pub(crate) fn loader(budget: Bytes) -> (Loader, Monitor) {
    let path = PathBuf::from(std::env::var_os(FILE).unwrap());
    let monitor = Monitor::builder().with_budget(Budget::new(budget)).build().unwrap();
    let source = Source::open(&[path], &std::env::temp_dir()).unwrap();
    (Loader::new(source).with_monitor(monitor.clone()), monitor)
}

/// Pages of the program itself that are resident: its code, of which a debug build has much, and which comes as it runs.
fn code() -> Bytes {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("RssFile:")?.strip_suffix("kB")?.trim().parse().ok());
    Bytes::kib(kib.unwrap_or(0))
}

/// Runs `case` in a process of its own; gives by how much its resident memory rose, code left aside.
pub(crate) fn rise(test: &str, write: fn(&Path), case: fn() -> Monitor) -> Option<Bytes> {
    if std::env::var_os(CASE).is_some() {
        let (before, code_before) = (Monitor::unbounded().snapshot().unwrap().peak_rss, code());
        let monitor = case();
        assert!(monitor.budget().peak() <= monitor.budget().limit());
        let after = monitor.snapshot().unwrap().peak_rss;
        let code = code().saturating_sub(code_before);
        println!("rise={}", after.saturating_sub(before).saturating_sub(code).get());
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("input");
    write(&file);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CASE, "1")
        .env(FILE, &file)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{out}{}", String::from_utf8_lossy(&child.stderr));
    let rise = out.lines().find_map(|line| line.split("rise=").nth(1)).unwrap();
    let rise = Bytes(rise.trim().parse().unwrap());
    eprintln!("{test}: {rise}");
    Some(rise)
}

/// Asserts that it rose no further than the budget, and what nobody reserves.
pub(crate) fn assert_within(budget: Bytes, rise: Option<Bytes>) {
    let most = budget.saturating_add(SLACK);
    assert!(rise.is_none_or(|rise| rise <= most), "{rise:?} above {most:?}");
}
