//! The budget holds, as the kernel measures it: the high-water mark of the process, and a memory cgroup that
//! kills what takes more.
//!
//! The inputs are larger than the budgets. In builds without optimization the longest runs are left out.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use common::cgroup::Cgroup;
use common::{Folder, orders};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;

const MIB: u64 = 1 << 20;

const RECIPE: &str = r#"
version = 1
[[steps]]
use = "simple_imputer"
columns = ["loyalty_points", "rating"]
[[steps]]
use = "standard_scaler"
columns = ["amount", "unit_price", "score"]
[[steps]]
use = "one_hot_encoder"
columns = ["category", "status"]
"#;

/// Orders, more than the least budget and about half of it, written once for all tests of this file.
static ORDERS: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new();
    folder.write("orders.csv", orders(52 << 20));
    folder.write("few.csv", orders(24 << 20));
    folder
});

fn folder() -> Folder {
    let folder = Folder::new();
    for name in ["orders.csv", "few.csv"] {
        std::os::unix::fs::symlink(ORDERS.path(name), folder.path(name)).unwrap();
    }
    folder.write("recipe.toml", RECIPE);
    folder
}

/// What was measured of a run.
#[derive(Debug)]
struct Measured {
    /// The kernel's high-water mark, read by another process than the one that is measured.
    kernel_peak: u64,
    summary: Value,
}

/// The high-water mark of a process that is still there.
fn high_water_mark(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs a command whose output is `out/x.parquet`. Its summary goes to a pipe that nobody reads until the output
/// is there and the mark has been looked up, so the process cannot end before.
fn measured(args: &str) -> Measured {
    let folder = folder();
    mkfifoat(CWD, folder.path("summary"), Mode::RUSR | Mode::WUSR).unwrap();
    let args = format!("{args} -o out/x.parquet --summary summary");
    let mut command = folder.command();
    let mut child = command.args(args.split_whitespace()).stdout(Stdio::null()).spawn().unwrap();
    while !folder.path("out/x.parquet").exists() {
        assert!(child.try_wait().unwrap().is_none(), "{args}: it ended without an output");
        std::thread::sleep(Duration::from_millis(5));
    }
    let kernel_peak = high_water_mark(&child);
    let summary = serde_json::from_reader(File::open(folder.path("summary")).unwrap()).unwrap();
    assert!(child.wait().unwrap().success(), "{args}");
    Measured { kernel_peak, summary }
}

fn peak(summary: &Value) -> u64 {
    summary["peak_rss_bytes"].as_u64().unwrap()
}

#[test]
fn peaks_stay_within_the_budget() {
    let jobs = ["convert orders.csv --types zip=string", "fit-transform orders.csv -r recipe.toml"];
    for (mib, threads) in [(48, 1), (48, 2), (64, 1), (64, 2), (256, 1), (256, 2)] {
        for job in jobs {
            let is_worst = mib == 48 || mib == 256 && threads == 2 && job.starts_with("fit");
            if cfg!(debug_assertions) && !is_worst {
                continue;
            }
            let args = format!("{job} --memory {mib}MiB --threads {threads}");
            let Measured { kernel_peak, summary } = measured(&args);
            assert_eq!(summary["budget_bytes"], mib * MIB, "{args}");
            assert!(peak(&summary) <= mib * MIB, "{args}: {summary}");
            assert!(kernel_peak <= mib * MIB, "{args}: the kernel says {kernel_peak}");
            // The command's own figure is the kernel's, taken a moment later; the kernel counts pages by processor,
            // and adds them up only now and then.
            assert!(peak(&summary) + MIB >= kernel_peak, "{args}: {kernel_peak} {summary}");
            assert!(summary["peak_reserved_bytes"].as_u64().unwrap() <= mib * MIB, "{args}");
            assert!(summary["bytes_in"].as_u64().unwrap() > 48 * MIB);
        }
    }
}

/// The measure itself: what holds more rows at once is seen to take more.
#[test]
fn larger_batches_are_seen_to_take_more() {
    let peak_of = |rows: &str| {
        let args = "convert few.csv --types zip=string --memory 512MiB --threads 1 --batch-rows";
        measured(&format!("{args} {rows}")).kernel_peak
    };
    let (small, large) = (peak_of("1000"), peak_of("100k"));
    assert!(large > small + 8 * MIB, "{small} {large}");
}

#[test]
fn a_cgroup_with_little_more_than_the_budget_does_not_kill_the_job() {
    let Some(group) = Cgroup::new((48 + 16) * MIB) else { return };
    let folder = folder();
    for (job, threads) in [("convert few.csv", 2), ("fit-transform orders.csv -r recipe.toml", 1)] {
        let args = format!("{job} -o out/x.parquet --overwrite --memory 48MiB --threads {threads}");
        group.run(&folder, &args).ok();
    }
}

/// The limit bites: a job that holds more than the cgroup allows is killed.
#[test]
fn a_cgroup_kills_a_job_that_was_promised_more_than_there_is() {
    let Some(group) = Cgroup::new(24 * MIB) else { return };
    let args = "convert orders.csv --types zip=string -o out/x.parquet --memory 512MiB --threads 1 --batch-rows 1000k";
    let run = group.run(&folder(), args);
    assert_eq!((run.code, run.signal), (None, Some(9)), "{run:?}");
}

#[test]
fn without_a_budget_three_quarters_of_the_cgroup_are_taken() {
    let Some(group) = Cgroup::new(128 * MIB) else { return };
    let folder = Folder::new();
    folder.write("x.csv", "a\n1\n");
    group.run(&folder, "convert x.csv -o out/x.parquet --summary s.json").ok();
    assert_eq!(folder.read_json("s.json")["budget_bytes"], 96 * MIB);
    // What is asked for wins, and one GiB is the most that is taken unasked.
    group.run(&folder, "convert x.csv -o out/x.parquet --overwrite --summary s.json --memory 64MiB").ok();
    assert_eq!(folder.read_json("s.json")["budget_bytes"], 64 * MIB);
    folder.run("convert x.csv -o out/y.parquet --summary s.json").ok();
    assert!(folder.read_json("s.json")["budget_bytes"].as_u64().unwrap() <= 1024 * MIB);
}

/// Many columns and few rows, so that what a column takes shows.
#[test]
fn ten_thousand_columns_fit_in_a_quarter_of_a_gibibyte() {
    let folder = Folder::new();
    let row = |of: &dyn Fn(usize) -> String| (0..10_000).map(of).collect::<Vec<_>>().join(",");
    let mut csv = row(&|column| format!("c{column}"));
    for n in 0..200 {
        csv.push('\n');
        csv.push_str(&row(&|column| ((n + 1) * (column + 7) % 9973).to_string()));
    }
    folder.write("wide.csv", csv);
    let group = Cgroup::new((256 + 16) * MIB);
    for threads in [1, 2] {
        let args = format!(
            "convert wide.csv -o out/x.parquet --overwrite --memory 256MiB --threads {threads} --summary s.json"
        );
        match &group {
            Some(group) => group.run(&folder, &args),
            None => folder.run(&args),
        }
        .ok();
        assert!(peak(&folder.read_json("s.json")) <= 256 * MIB, "{threads}");
    }
}

#[test]
fn a_one_hot_of_five_thousand_categories_fits_in_a_quarter_of_a_gibibyte() {
    let folder = Folder::new();
    let rows: String = (0..15_000).map(|row| format!("{row},k{}\n", row * 7 % 5000)).collect();
    folder.write("many.csv", format!("id,category\n{rows}"));
    folder.write(
        "recipe.toml",
        "version = 1\n[[steps]]\nuse = \"one_hot_encoder\"\ncolumns = [\"category\"]\n",
    );
    let group = Cgroup::new((256 + 16) * MIB);
    for threads in [1, 2] {
        let args = format!(
            "fit-transform many.csv -r recipe.toml -o out/x.parquet --overwrite --memory 256MiB --threads {threads} --summary s.json"
        );
        match &group {
            Some(group) => group.run(&folder, &args),
            None => folder.run(&args),
        }
        .ok();
        let summary = folder.read_json("s.json");
        assert_eq!(summary["schema"].as_array().unwrap().len(), 5001);
        assert!(peak(&summary) <= 256 * MIB, "{threads}");
    }
}
