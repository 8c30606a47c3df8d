//! Ctrl-C, a polite kill, and a reader that goes away: the command stops, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

use common::{Folder, Run, orders, send};
use rustix::process::Signal;

const SCALER: &str = "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"amount\"]\n";

fn folder(bytes: usize) -> Folder {
    let folder = Folder::new();
    folder.write("orders.csv", orders(bytes));
    folder.write("scale.toml", SCALER);
    folder
}

#[track_caller]
fn interrupted(folder: &Folder, run: &Run) {
    assert_eq!((run.code, run.text()), (Some(130), ""), "{run:?}");
    assert!(run.stderr.ends_with("tidegate: interrupted; no output was written\n"), "{run:?}");
    assert_eq!(folder.outputs(), Vec::<String>::new());
    assert_eq!(folder.temporaries(), Vec::<String>::new());
}

/// Waits for the line of progress that says that `phase` has begun.
fn wait_for(child: &mut Child, phase: &str) -> BufReader<std::process::ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(&format!("\"phase\":\"{phase}\"")) {
        line.clear();
        let bytes = stderr.read_line(&mut line).unwrap();
        assert!(bytes > 0, "it ended before the phase {phase}");
    }
    stderr
}

/// Batches of one row take so long that the signal always comes before the end.
#[test]
fn in_every_phase_that_reads_rows() {
    let folder = folder(8 << 20);
    folder.run("fit orders.csv -r scale.toml -o p").ok();
    for (args, phase, signal) in [
        ("convert orders.csv -o out/x.parquet", "scan", Signal::INT),
        ("convert orders.csv -o out/x.parquet", "write", Signal::INT),
        ("convert orders.csv -o out/x.arrow", "write", Signal::TERM),
        ("transform orders.csv -p p -o out/x.parquet", "transform", Signal::TERM),
        ("fit-transform orders.csv -r scale.toml -o out/x.parquet --save out/p", "fit", Signal::INT),
        ("fit orders.csv -r scale.toml -o out/p", "fit", Signal::HUP),
    ] {
        for threads in [1, 2] {
            let args = format!("{args} --batch-rows 1 --threads {threads} --progress json");
            let mut child = folder.start(&args);
            let mut stderr = wait_for(&mut child, phase);
            if matches!(phase, "write" | "transform") {
                assert_eq!(folder.outputs().len(), 1, "{args}: there is something to take away");
            }
            send(&child, signal);
            let mut rest = String::new();
            stderr.read_to_string(&mut rest).unwrap();
            let mut run: Run = child.wait_with_output().unwrap().into();
            run.stderr = rest;
            interrupted(&folder, &run);
        }
    }
}

#[test]
fn while_standard_input_goes_on() {
    let folder = folder(2 << 20);
    let rows = folder.read("orders.csv");
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = folder.start("fit-transform - -r scale.toml -o out/x.parquet");
        let mut stdin = child.stdin.take().unwrap();
        // More than a pipe holds: once it is written, the command has begun to read.
        stdin.write_all(&rows).unwrap();
        send(&child, signal);
        let run: Run = child.wait_with_output().unwrap().into();
        interrupted(&folder, &run);
        drop(stdin);
    }
}

#[test]
fn an_interrupt_keeps_the_old_output() {
    let folder = folder(8 << 20);
    folder.write("out/x.parquet", "old");
    let mut child =
        folder.start("convert orders.csv -o out/x.parquet --overwrite --batch-rows 1 --progress json");
    let stderr = wait_for(&mut child, "write");
    assert_eq!(folder.outputs().len(), 2);
    send(&child, Signal::INT);
    drop(stderr);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(folder.outputs(), ["x.parquet"]);
    assert_eq!(folder.read("out/x.parquet"), b"old");
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let folder = folder(2 << 20);
    for args in
        ["convert orders.csv -o -", "fit-transform orders.csv -r scale.toml -o -", "inspect orders.csv"]
    {
        let mut child = folder.start(args);
        drop(child.stdout.take());
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{args}");
        assert_eq!(folder.temporaries(), Vec::<String>::new());
    }
    // Gone after the first bytes.
    let mut child = folder.start("convert orders.csv -o -");
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100]).unwrap();
    drop(stdout);
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_last_line_needs_no_reader_either() {
    let folder = folder(1 << 20);
    let mut child = folder.start("convert orders.csv -o out/x.parquet");
    drop(child.stdout.take());
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(folder.outputs(), ["x.parquet"]);
    assert!(folder.command().arg("--help").stdout(Stdio::null()).status().unwrap().success());
}
