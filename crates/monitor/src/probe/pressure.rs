//! Pressure stall information: how long work waited for memory.

use std::time::Duration;

#[cfg(target_os = "linux")]
use super::source::Source;
#[cfg(target_os = "linux")]
use crate::error::Error;

/// How long tasks waited for memory: for pages to be reclaimed, read back or compacted.
///
/// Of the process's own control group where version 2 keeps it, else of the whole host. See
/// `Documentation/accounting/psi.rst` of Linux.
///
/// ```
/// use std::time::Duration;
/// use monitor::{Pressure, Stall};
///
/// let before = Pressure::default();
/// let some = Stall { avg10: 1.5, total: Duration::from_millis(30) };
/// let now = Pressure { some, ..before };
/// // Of the last second, 3 % went by with at least one task waiting.
/// assert_eq!(now.some.share_since(&before.some, Duration::from_secs(1)), 0.03);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Stall,
    /// All tasks that were not idle waited at once: nobody worked. Zero on kernels before 5.13, which do not
    /// keep it for the whole host.
    pub full: Stall,
}

/// Time lost to waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stall {
    /// Share of the last ten seconds in percent, 0 to 100. The kernel brings it up to date every two seconds.
    pub avg10: f64,
    /// Time lost since the host, or the group, began. Exact to the microsecond, at once.
    pub total: Duration,
}

impl Stall {
    /// The share, 0 to 1, of the time `passed` since `earlier` that was lost; 0 if no time passed.
    pub fn share_since(&self, earlier: &Stall, passed: Duration) -> f64 {
        let lost = self.total.saturating_sub(earlier.total);
        if passed.is_zero() { 0.0 } else { (lost.as_secs_f64() / passed.as_secs_f64()).min(1.0) }
    }
}

/// What a pressure file says; `None` if it is gone, or the kernel keeps no such figures.
#[cfg(target_os = "linux")]
pub(super) fn read(source: &Source) -> Result<Option<Pressure>, Error> {
    source.with_short_text_if_there(|text| {
        parse(text).ok_or_else(|| source.malformed("lines `some avg10=N avg60=N avg300=N total=N`", text))
    })
}

#[cfg(target_os = "linux")]
fn parse(text: &str) -> Option<Pressure> {
    let stall = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        let (mut avg10, mut total) = (None, None);
        for field in line.split(' ') {
            match field.split_once('=')? {
                ("avg10", number) => avg10 = number.parse().ok(),
                ("total", number) => total = number.parse().ok().map(Duration::from_micros),
                _ => {}
            }
        }
        Some(Stall { avg10: avg10?, total: total? })
    };
    Some(Pressure { some: stall("some")?, full: stall("full").unwrap_or_default() })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read() {
        let text = "some avg10=12.50 avg60=3.00 avg300=0.50 total=1234567\n\
                    full avg10=0.25 avg60=0.00 avg300=0.00 total=89\n";
        let stall = |avg10, micros| Stall { avg10, total: Duration::from_micros(micros) };
        let pressure = Pressure { some: stall(12.5, 1_234_567), full: stall(0.25, 89) };
        assert_eq!(parse(text), Some(pressure));
        let old = text.lines().next().unwrap();
        assert_eq!(parse(old), Some(Pressure { full: Stall::default(), ..pressure }));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        for text in ["", "some\n", "some avg10=x total=1\n", "something avg10=1 total=1\n", "some avg10=1\n"]
        {
            std::fs::write(&path, text).unwrap();
            let message = read(&Source::open(&path).unwrap()).unwrap_err().to_string();
            assert!(message.contains("should hold lines `some avg10=N avg60=N avg300=N total=N`"), "{text}");
        }
    }

    #[test]
    fn a_share_is_of_the_time_that_passed() {
        let at = |millis| Stall { avg10: 0.0, total: Duration::from_millis(millis) };
        assert_eq!(at(500).share_since(&at(250), Duration::from_secs(1)), 0.25);
        // Several clocks: never above everything, and nothing of nothing.
        assert_eq!(at(500).share_since(&at(0), Duration::from_millis(400)), 1.0);
        assert_eq!(at(500).share_since(&at(0), Duration::ZERO), 0.0);
        assert_eq!(at(0).share_since(&at(500), Duration::from_secs(1)), 0.0);
    }
}
