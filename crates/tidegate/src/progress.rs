//! What the user sees while a command works.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use monitor::{Bytes, Monitor};
use serde::Serialize;

use crate::args::ProgressArg;

/// Shows how far a phase has come, at most ten times a second.
#[derive(Clone)]
pub(crate) struct Progress {
    mode: Mode,
    monitor: Monitor,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Line,
    Json,
    Off,
}

struct State {
    phase: &'static str,
    began: Instant,
    shown: Option<Instant>,
    /// The end of the phase has been shown.
    is_over: bool,
}

#[derive(Serialize)]
struct Event<'a> {
    phase: &'a str,
    bytes: u64,
    total_bytes: u64,
    elapsed_s: f64,
    rss_bytes: u64,
    reserved_bytes: u64,
}

const INTERVAL: Duration = Duration::from_millis(100);

impl Progress {
    pub(crate) fn new(mode: ProgressArg, monitor: &Monitor) -> Progress {
        let mode = match mode {
            ProgressArg::Json => Mode::Json,
            ProgressArg::Bar => Mode::Line,
            ProgressArg::Auto if io::stderr().is_terminal() => Mode::Line,
            ProgressArg::Auto | ProgressArg::Off => Mode::Off,
        };
        let state = State { phase: "", began: Instant::now(), shown: None, is_over: false };
        Progress { mode, monitor: monitor.clone(), state: Arc::new(Mutex::new(state)) }
    }

    /// Begins a phase.
    pub(crate) fn begin(&self, phase: &'static str) {
        *self.lock() = State { phase, began: Instant::now(), shown: None, is_over: false };
    }

    /// Shows how many bytes of the input have been read in this phase.
    pub(crate) fn show(&self, bytes: u64, total_bytes: u64) {
        if self.mode == Mode::Off {
            return;
        }
        let mut state = self.lock();
        let now = Instant::now();
        let is_end = bytes >= total_bytes;
        let is_due = state.shown.is_none_or(|shown| now - shown >= INTERVAL) || is_end;
        if !is_due || state.is_over {
            return;
        }
        state.is_over = is_end;
        state.shown = Some(now);
        let elapsed = now - state.began;
        let rss = self.monitor.snapshot().map_or(Bytes::ZERO, |snapshot| snapshot.rss);
        let mut stderr = io::stderr().lock();
        // Progress that cannot be shown must not end the work.
        let _ = match self.mode {
            Mode::Json => {
                let event = Event {
                    phase: state.phase,
                    bytes,
                    total_bytes,
                    elapsed_s: elapsed.as_secs_f64(),
                    rss_bytes: rss.get(),
                    reserved_bytes: self.monitor.budget().reserved().get(),
                };
                serde_json::to_writer(&mut stderr, &event)
                    .map_err(io::Error::from)
                    .and_then(|()| writeln!(stderr))
            }
            _ => {
                let percent =
                    if total_bytes == 0 { 100.0 } else { 100.0 * bytes as f64 / total_bytes as f64 };
                let rate = Bytes((bytes as f64 / elapsed.as_secs_f64().max(1e-3)) as u64);
                write!(
                    stderr,
                    "\r\x1b[K{}: {percent:.0}% of {}, {rate}/s, {rss} in memory",
                    state.phase,
                    Bytes(total_bytes)
                )
            }
        };
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.mode == Mode::Line {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
