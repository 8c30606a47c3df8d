//! The figures as a table for people, and as JSON.

use std::fmt::Write;
use std::path::Path;

use chunked_loader::Scan;
use monitor::Bytes;
use serde_json::{Value, json};

use crate::curve::{CORES, speed_up};
use crate::measure::{Job, Run, Series, median};

/// What is reported. Each job's first series is that of one thread.
pub(crate) struct Report<'a> {
    pub(crate) file: &'a Path,
    pub(crate) scan: &'a Scan,
    pub(crate) memory: Bytes,
    pub(crate) runs: u32,
    pub(crate) jobs: Vec<(Job, Vec<Series>)>,
}

/// Medians of the runs of one way.
struct Line {
    wall_s: f64,
    cpu_s: f64,
    caller_s: f64,
    pieces: f64,
}

impl Line {
    fn of(runs: &[Run]) -> Line {
        Line {
            wall_s: median(runs, |run| run.wall_s),
            cpu_s: median(runs, |run| run.cpu_s),
            caller_s: median(runs, |run| run.caller_s),
            pieces: median(runs, |run| run.pieces as f64),
        }
    }
}

const READINGS: &str = "\
calling thread: its processor time over that of the process; locks that workers hold are not in it, so the curve
                is an upper bound.
with pieces:    and all that cutting costs the workers, from the same work in pieces of a quarter: locks, but also
                calls of the system, bytes read twice and short loops, which are not serial. The curve is a lower
                bound as far as small pieces gain nothing by the caches; `-` where they gain more than they cost.
Both leave out what cores share beside locks: memory, caches and the clock of the processor.
";

impl Report<'_> {
    /// A table for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{}: {:.1} MB, {} rows, budget {}, medians of {} runs\n",
            self.file.display(),
            self.scan.bytes() as f64 / 1e6,
            self.scan.rows(),
            self.memory,
            self.runs
        );
        // Writing to a string cannot fail.
        for (job, series) in &self.jobs {
            let _ = writeln!(
                text,
                "\n{:<26}{:>9}{:>9}{:>9}{:>10}{:>10}{:>9}",
                job.name(),
                "wall s",
                "GB/s",
                "cpu s",
                "caller s",
                "speed-up",
                job.pieces()
            );
            let one = Line::of(&series[0].runs).wall_s;
            for series in series {
                let threads = if series.threads == 1 { "thread" } else { "threads" };
                let name = format!("{} {threads}", series.threads);
                self.push_line(&mut text, &name, one, &series.runs);
                if !series.quarters.is_empty() {
                    self.push_line(&mut text, "  pieces of a quarter", one, &series.quarters);
                }
            }
            let _ = writeln!(
                text,
                "{:<26}{:>9}{}",
                "by cores",
                "serial",
                CORES.map(|n| format!("{n:>8}")).concat()
            );
            for series in &series[1..] {
                let caller = series.caller_share();
                let both = series.pieces_share().map(|pieces| caller + pieces);
                push_curve(&mut text, &format!("{} threads: calling thread", series.threads), Some(caller));
                push_curve(&mut text, "  with pieces", both);
            }
        }
        text + "\n" + READINGS
    }

    fn push_line(&self, text: &mut String, name: &str, one_s: f64, runs: &[Run]) {
        let line = Line::of(runs);
        let _ = writeln!(
            text,
            "{name:<26}{:>9.3}{:>9.2}{:>9.3}{:>10.4}{:>10.2}{:>9}",
            line.wall_s,
            self.scan.bytes() as f64 / 1e9 / line.wall_s,
            line.cpu_s,
            line.caller_s,
            one_s / line.wall_s,
            line.pieces
        );
    }

    /// The same for machines.
    pub(crate) fn json(&self) -> String {
        let jobs = self.jobs.iter().map(|(job, series)| {
            let one = Line::of(&series[0].runs).wall_s;
            let series = series.iter().map(|series| {
                let is_shared = series.threads > 1;
                let caller = is_shared.then(|| series.caller_share());
                let both = caller.and_then(|caller| Some(caller + series.pieces_share()?));
                json!({
                    "threads": series.threads,
                    "as_they_are": self.way(one, &series.runs),
                    "quarters": is_shared.then(|| self.way(one, &series.quarters)),
                    "serial": is_shared.then(|| json!({
                        "calling_thread": caller.map(curve),
                        "with_pieces": both.map(curve),
                    })),
                })
            });
            json!({ "job": job.name(), "pieces": job.pieces(), "threads": series.collect::<Vec<_>>() })
        });
        let report = json!({
            "input": self.file.display().to_string(),
            "rows": self.scan.rows(),
            "bytes": self.scan.bytes(),
            "budget_bytes": self.memory.get(),
            "runs": self.runs,
            "jobs": jobs.collect::<Vec<_>>(),
        });
        format!("{report:#}\n")
    }

    fn way(&self, one_s: f64, runs: &[Run]) -> Value {
        let line = Line::of(runs);
        json!({
            "wall_s": line.wall_s,
            "bytes_per_s": self.scan.bytes() as f64 / line.wall_s,
            "cpu_s": line.cpu_s,
            "calling_thread_cpu_s": line.caller_s,
            "speed_up": one_s / line.wall_s,
            "pieces": line.pieces,
        })
    }
}

fn push_curve(text: &mut String, name: &str, serial: Option<f64>) {
    let share = serial.map_or("-".to_owned(), |serial| format!("{:.3} %", 100.0 * serial));
    let curve =
        CORES.map(|cores| serial.map_or("-".to_owned(), |serial| format!("{:.1}", speed_up(serial, cores))));
    let _ = writeln!(text, "{name:<26}{share:>9}{}", curve.map(|times| format!("{times:>8}")).concat());
}

fn curve(serial: f64) -> Value {
    let curve = CORES.map(|cores| json!({ "cores": cores, "speed_up": speed_up(serial, cores) }));
    json!({ "share": serial, "curve": curve })
}
