//! `bench`: the same job at several batch sizes, each in a process of its own, so that peaks do not add up.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use adaptive::BatchRows;
use monitor::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::Bench;
use crate::failure::Failure;
use crate::job::{Beside, Job};
use crate::settings;
use crate::summary::cpu_seconds;

/// Batch sizes that are tried unless the user names others.
const BATCH_ROWS: &str = "10k,50k,100k,auto";
/// Runs of each size; the median counts.
const REPEATS: usize = 3;
/// Sizes this near to the fastest count as equally fast, and the one with the least memory is recommended.
const AS_FAST: f64 = 0.97;

/// What one run tells its parent.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    rows: u64,
    bytes: u64,
    wall_s: f64,
    cpu_s: f64,
    peak_rss_bytes: u64,
    budget_bytes: u64,
    threads: usize,
}

/// The runs of one size.
struct Size {
    batch_rows: Value,
    wall_s: f64,
    cpu_s: f64,
    peak_rss_bytes: u64,
    rows_per_s: f64,
    bytes_per_s: f64,
}

pub(super) fn run(args: &Bench) -> Result<(), Failure> {
    match args.job.as_str() {
        "load" => {}
        job @ ("convert" | "fit-transform") => return Err(Failure::NotBuilt(format!("--job {job}"))),
        job => return Err(Failure::Usage(format!("--job {job}: expected load"))),
    }
    match &args.single_run {
        Some(rows) => single_run(args, rows),
        None => all_runs(args),
    }
}

/// Loads the input once and prints the figures; types are scanned before the clock starts.
fn single_run(args: &Bench, rows: &str) -> Result<(), Failure> {
    let batch_rows = settings::parse_batch_rows(rows)?;
    let flags = crate::args::Run {
        batch_rows: Some(rows.to_owned()),
        sizing: args.run.sizing.filter(|_| batch_rows == BatchRows::Auto),
        ..copied(&args.run)
    };
    let mut run = Job::open(&args.input, &flags, &Beside::default())?;
    let scan = run.scan()?;
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let mut rows = 0;
    run.pass("load", &scan, &all, 0, |batch, _| {
        rows += batch.num_rows() as u64;
        Ok(())
    })?;
    let figures = Run {
        rows,
        bytes: scan.bytes(),
        wall_s: began.elapsed().as_secs_f64(),
        cpu_s: cpu_seconds() - cpu,
        peak_rss_bytes: run.monitor.peak()?.get(),
        budget_bytes: run.monitor.budget().limit().get(),
        threads: run.settings.threads,
    };
    let text = serde_json::to_string(&figures).map_err(|e| Failure::Data(e.to_string()))?;
    print(&(text + "\n"))
}

/// The flags of a run without its batch size.
fn copied(run: &crate::args::Run) -> crate::args::Run {
    crate::args::Run {
        memory: run.memory.clone(),
        threads: run.threads,
        batch_rows: None,
        sizing: None,
        downcast: run.downcast,
        progress: crate::args::ProgressArg::Off,
        summary: None,
        report: run.report.clone(),
        metrics: None,
        metrics_listen: None,
        resume: run.resume,
    }
}

fn all_runs(args: &Bench) -> Result<(), Failure> {
    let list = args.run.batch_rows.clone().unwrap_or_else(|| BATCH_ROWS.to_owned());
    for size in list.split(',') {
        settings::parse_batch_rows(size)?;
    }
    // It says what `auto` stands for in the list.
    settings::size_by(args.run.sizing, BatchRows::Auto)?;
    if args.run.summary.is_some() {
        return Err(Failure::Usage("--summary is not for bench; take --json".into()));
    }
    for (flag, is_given) in
        [("--metrics", args.run.metrics.is_some()), ("--metrics-listen", args.run.metrics_listen.is_some())]
    {
        if is_given {
            return Err(Failure::Usage(format!("{flag} is not for bench, which measures runs without it")));
        }
    }
    if args.input.inputs.iter().any(|input| input == "-") {
        return Err(Failure::Usage("bench reads its input several times; give a file instead of `-`".into()));
    }
    let (mut sizes, mut last) = (Vec::new(), None);
    for size in list.split(',') {
        let runs = (0..REPEATS).map(|_| child(size)).collect::<Result<Vec<Run>, _>>()?;
        let median = |figure: fn(&Run) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let wall_s = median(|run| run.wall_s);
        let first = &runs[0];
        sizes.push(Size {
            batch_rows: match settings::parse_batch_rows(size)? {
                BatchRows::Auto => json!("auto"),
                BatchRows::Rows(rows) => json!(rows),
            },
            wall_s,
            cpu_s: median(|run| run.cpu_s),
            peak_rss_bytes: runs.iter().map(|run| run.peak_rss_bytes).max().unwrap_or(0),
            rows_per_s: first.rows as f64 / wall_s,
            bytes_per_s: first.bytes as f64 / wall_s,
        });
        last = runs.into_iter().next();
    }
    let Some(run) = last else { return Ok(()) };
    let (best, why) = recommended(&sizes);
    let text = if args.json {
        let runs = sizes.iter().map(|size| {
            json!({
                "batch_rows": size.batch_rows,
                "wall_s": size.wall_s,
                "cpu_s": size.cpu_s,
                "rows_per_s": size.rows_per_s,
                "bytes_per_s": size.bytes_per_s,
                "peak_rss_bytes": size.peak_rss_bytes,
                "repeats": REPEATS,
            })
        });
        let report = json!({
            "input": args.input.inputs.join(" "),
            "rows": run.rows,
            "bytes": run.bytes,
            "job": args.job,
            "budget_bytes": run.budget_bytes,
            "threads": run.threads,
            "runs": runs.collect::<Vec<_>>(),
            "recommended": { "batch_rows": best, "why": why },
        });
        serde_json::to_string_pretty(&report).map_err(|e| Failure::Data(e.to_string()))? + "\n"
    } else {
        let mut text = format!(
            "{:>12}  {:>9}  {:>9}  {:>12}  {:>12}\n",
            "batch rows", "wall s", "cpu s", "per second", "peak"
        );
        for size in &sizes {
            let rate = format!("{}", Bytes(size.bytes_per_s as u64));
            let name = size.batch_rows.as_str().map_or_else(|| size.batch_rows.to_string(), str::to_owned);
            text += &format!(
                "{name:>12}  {:>9.3}  {:>9.3}  {rate:>12}  {:>12}\n",
                size.wall_s,
                size.cpu_s,
                Bytes(size.peak_rss_bytes).to_string(),
            );
        }
        let best = best.as_str().map_or_else(|| best.to_string(), str::to_owned);
        text + &format!("recommended: --batch-rows {best}, {why}\n")
    };
    print(&text)
}

/// The size to take, and why.
fn recommended(sizes: &[Size]) -> (Value, String) {
    let fastest = sizes.iter().map(|s| s.rows_per_s).fold(0.0, f64::max);
    let near = sizes.iter().filter(|s| s.rows_per_s >= AS_FAST * fastest);
    match near.min_by_key(|s| s.peak_rss_bytes) {
        Some(best) if best.rows_per_s == fastest => (best.batch_rows.clone(), "the fastest".to_owned()),
        Some(best) => {
            let share = 100.0 * best.rows_per_s / fastest;
            (best.batch_rows.clone(), format!("{share:.0}% of the fastest in the least memory"))
        }
        None => (Value::Null, "nothing was measured".to_owned()),
    }
}

/// Runs this command again as a process that does one run.
fn child(size: &str) -> Result<Run, Failure> {
    let here =
        std::env::current_exe().map_err(|e| Failure::io(Path::new("this program"), "started again", e))?;
    let failed = |e| Failure::io(&here, "run", e);
    let output = Command::new(&here)
        .args(std::env::args_os().skip(1))
        .args(["--single-run", size])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(failed)?;
    match output.status.code() {
        Some(0) => serde_json::from_slice(&output.stdout).map_err(|e| failed(e.into())),
        Some(code) => Err(Failure::Reported(u8::try_from(code).unwrap_or(1))),
        None => Err(Failure::Interrupted),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::io(Path::new("standard output"), "written", e))
}
