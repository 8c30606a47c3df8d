//! A neighbour in the container takes half of it for ten seconds: the job goes on, in smaller batches, grows again when it
//! has left, and its output is that of an undisturbed run.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::cgroup::Cgroup;
use common::{Folder, orders};
use serde_json::Value;

const MIB: u64 = 1 << 20;
/// Of the container, of which the job takes three quarters for its budget: little enough that half of it is missed.
const LIMIT: u64 = 104 * MIB;
/// What the neighbour takes, and for how long.
const TAKEN: u64 = LIMIT / 2;
const STAY: Duration = Duration::from_secs(10);
/// What the job is to have left after that.
const AFTER: f64 = 4.0;

const NEIGHBOUR: &str = "TIDEGATE_TEST_NEIGHBOUR";

/// Takes memory for a while, in a process of its own.
#[test]
fn the_neighbour() {
    if std::env::var_os(NEIGHBOUR).is_none() {
        return;
    }
    let mut taken = vec![0u8; TAKEN as usize];
    taken.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::thread::sleep(STAY);
    assert_eq!(std::hint::black_box(&taken)[4096], 1);
}

/// The job over the same rows, `times` times.
fn job(times: usize, output: &str) -> String {
    let inputs = vec!["orders.csv"; times].join(" ");
    format!("convert {inputs} -o out/{output} --threads 2 --summary {output}.json --metrics {output}.jsonl")
}

fn phase_seconds(summary: &Value, name: &str) -> f64 {
    let phases = summary["phases"].as_array().unwrap();
    phases.iter().find(|phase| phase["name"] == name).unwrap()["wall_s"].as_f64().unwrap()
}

/// When the neighbour came and left, in seconds of the clock, while the job ran over its rows `times` times; `None` if the
/// job ended too early to show what it does without a neighbour again.
fn disturbed(group: &Cgroup, folder: &Folder, times: usize) -> Option<(f64, f64)> {
    let mut command = group.entered(folder.command().get_program());
    command.args(job(times, "disturbed.parquet").split_whitespace()).arg("--overwrite");
    command
        .current_dir(folder.path(""))
        .env("TMPDIR", folder.path("tmp"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let metrics = folder.path("disturbed.parquet.jsonl");
    let _ = fs::remove_file(&metrics);
    let running = command.spawn().unwrap();
    let begun = Instant::now();
    let is_writing = || fs::read_to_string(&metrics).is_ok_and(|lines| lines.contains("\"phase\":\"write\""));
    while !is_writing() {
        assert!(begun.elapsed() < Duration::from_secs(300), "it never wrote");
        std::thread::sleep(Duration::from_millis(50));
    }
    // A look at what it does alone.
    std::thread::sleep(Duration::from_secs(2));
    let mut neighbour = group.entered(std::env::current_exe().unwrap());
    neighbour.args(["--exact", "the_neighbour"]).env(NEIGHBOUR, "1").stdout(Stdio::null());
    let came = unix_seconds();
    assert!(neighbour.status().unwrap().success(), "the neighbour was killed");
    let left = unix_seconds();
    common::Run::from(running.wait_with_output().unwrap()).ok();
    (unix_seconds() > left + AFTER / 2.0).then_some((came, left))
}

#[test]
fn a_neighbour_is_made_room_for_and_forgotten() {
    let Some(group) = Cgroup::new(LIMIT) else { return };
    let folder = Folder::new();
    folder.write("orders.csv", orders(40 << 20));
    group.run(&folder, &job(1, "once.parquet")).ok();
    let once = phase_seconds(&folder.read_json("once.parquet.json"), "write");
    let mut times = ((STAY.as_secs_f64() + AFTER + 2.0) / once).ceil() as usize;
    // How fast a machine is may change from minute to minute.
    let (came, left) = (0..3)
        .find_map(|_| {
            let stay = disturbed(&group, &folder, times);
            times *= if stay.is_some() { 1 } else { 2 };
            stay
        })
        .expect("a job that outlasts its neighbour");
    group.run(&folder, &job(times, "undisturbed.parquet")).ok();

    // What the batches were, as the trace has it: before, meanwhile, and at the end.
    let summary = folder.read_json("disturbed.parquet.json");
    let started = {
        let metrics = String::from_utf8(folder.read("disturbed.parquet.jsonl")).unwrap();
        let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
        first["unix_s"].as_f64().unwrap() - first["elapsed_s"].as_f64().unwrap()
    };
    let entries: Vec<(f64, u64)> = summary["sizing"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["phase"] == "write")
        .map(|entry| (started + entry["elapsed_s"].as_f64().unwrap(), entry["most_bytes"].as_u64().unwrap()))
        .collect();
    let largest = |from: f64, to: f64| {
        entries.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, bytes)| *bytes).max()
    };
    let least = |from: f64, to: f64| {
        entries.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, bytes)| *bytes).min()
    };
    let before = largest(0.0, came).unwrap();
    let meanwhile = least(came, left).expect("the trace shows no change while the neighbour was there");
    let after = largest(left, f64::MAX).expect("the trace shows no change after the neighbour has left");
    // How far depends on what else the container holds.
    assert!(meanwhile <= before / 10 * 9, "{before} before, {meanwhile} meanwhile");
    // Whoever is behind with consuming gets no more than a mebibyte.
    assert!(
        after > meanwhile && after >= before.min(MIB),
        "{before} before, {meanwhile} meanwhile, {after} after"
    );

    let undisturbed = folder.read_json("undisturbed.parquet.json");
    for field in ["rows_in", "rows_out", "schema"] {
        assert_eq!(summary[field], undisturbed[field]);
    }
    // However the batches were cut, the file is the same.
    assert!(folder.read("out/disturbed.parquet") == folder.read("out/undisturbed.parquet"));
}

fn unix_seconds() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}
