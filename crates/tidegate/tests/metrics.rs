//! `--metrics` and `--metrics-listen`: the figures of a run while it runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::time::Duration;

use common::{Folder, Run, orders, send};
use rustix::process::Signal;
use serde_json::Value;

const SCALER: &str = "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"amount\"]\n";

fn lines(folder: &Folder, name: &str) -> Vec<Value> {
    let text = String::from_utf8(folder.read(name)).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("{key} in {line}"))
}

#[test]
fn one_snapshot_a_line() {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.write("scale.toml", SCALER);
    let args = "fit-transform orders-1k.csv -r scale.toml -o out/x.parquet --memory 64MiB --metrics out/m.jsonl \
                --summary out/s.json";
    folder.run(args).ok();
    let lines = lines(&folder, "out/m.jsonl");
    // One at the start and one at the end, however short the run is.
    assert!(lines.len() >= 2, "{lines:?}");
    let keys = |line: &Value| -> BTreeSet<String> { line.as_object().unwrap().keys().cloned().collect() };
    for line in &lines {
        assert_eq!(keys(line), keys(&lines[0]));
        assert!(number(line, "rss_bytes") <= number(line, "peak_rss_bytes"), "{line}");
        assert!(number(line, "limit_bytes") <= 64 << 20, "{line}");
        assert!(number(line, "reserved_bytes") <= 64 << 20 && line["elapsed_s"].as_f64().unwrap() >= 0.0);
    }
    let summary = folder.read_json("out/s.json");
    let last = lines.last().unwrap();
    assert!(number(last, "peak_rss_bytes") <= number(&summary, "peak_rss_bytes"), "{last} {summary}");
    assert!(number(last, "reservations") > 0, "the process's own share: {last}");
}

#[test]
fn lines_follow_the_work() {
    let folder = Folder::new();
    folder.write("orders.csv", orders(8 << 20));
    let mut child = folder.start("convert orders.csv -o out/x.parquet --batch-rows 1 --metrics m.jsonl");
    // Batches of one row take far longer than the ten lines a second need.
    let seen = loop {
        std::thread::sleep(Duration::from_millis(20));
        let text = std::fs::read_to_string(folder.path("m.jsonl")).unwrap_or_default();
        let last = text.lines().rev().find(|line| line.contains("\"phase\":\"write\"")).map(str::to_owned);
        // The last line may be half written.
        if let Some(Ok(line)) = last.map(|line| serde_json::from_str::<Value>(&line))
            && number(&line, "rows") > 0
        {
            break line;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was seen to write");
    };
    assert!(number(&seen, "total_bytes") >= 8 << 20, "{seen}");
    send(&child, Signal::INT);
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, Some(130), "{run:?}");
    // What was seen until then stays, whole lines only.
    assert!(lines(&folder, "m.jsonl").len() >= 2);
}

#[test]
fn openmetrics_in_a_file() {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.run("convert orders-1k.csv -o out/x.parquet --metrics out/m.prom").ok();
    let text = String::from_utf8(folder.read("out/m.prom")).unwrap();
    assert!(text.contains("\ntidegate_memory_held_bytes{consumer=\"process\"} "), "{text}");
    assert!(text.ends_with("\n# EOF\n"));
    assert_eq!(folder.outputs(), ["m.prom", "x.parquet"]);
}

/// A port that nobody listens at; somebody else may take it before it is used, but nobody here does.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> String {
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

/// A command that is in its phase `write`, and the rest of its standard error.
fn writing(folder: &Folder, args: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = folder.start(&format!("{args} --batch-rows 1 --progress json"));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"phase\":\"write\"") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before it wrote");
    }
    (child, stderr)
}

#[test]
fn metrics_over_http_while_the_job_runs() {
    let folder = Folder::new();
    folder.write("orders.csv", orders(8 << 20));
    let port = free_port();
    let args = format!("convert orders.csv -o out/x.parquet --metrics-listen 127.0.0.1:{port}");
    let (child, mut stderr) = writing(&folder, &args);

    // Clients that are slow or broken hold neither the job nor those who come after them.
    let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(b"GET /metr").unwrap();
    let answer = get(port, "/metrics");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n")
    );
    assert!(answer.contains("\ntidegate_phase_read_bytes{phase=\"write\"} "), "{answer}");
    assert!(answer.ends_with("\n# EOF\n"));
    assert!(get(port, "/").starts_with("HTTP/1.1 404 Not Found\r\n"));

    // It stops with the job, though a client is being waited for.
    let again = folder.run(&format!("convert orders.csv -o out/y.parquet --metrics-listen 127.0.0.1:{port}"));
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(
        again.stderr,
        format!("tidegate: 127.0.0.1:{port}: cannot be listened at: Address already in use (os error 98)\n")
    );
    let _ = silent.write_all(b"GET");
    send(&child, Signal::INT);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn what_cannot_be_served_or_written_is_said() {
    let folder = Folder::with(&["orders-1k.csv"]);
    for (options, part) in [
        ("--metrics-listen 0.0.0.0:9464", "--metrics-listen 0.0.0.0:9464: other machines could reach this;"),
        ("--metrics-listen [::]:9464", "--metrics-listen [::]:9464: other machines could reach this;"),
        ("--metrics-listen 127.0.0.1:0", "--metrics-listen 127.0.0.1:0: nobody would know the port;"),
        ("--metrics-listen 9464", "--metrics-listen 9464: expected ADDR:PORT, such as 127.0.0.1:9464"),
        ("--metrics -", "--metrics -: only rows go to standard output; give it a file"),
        ("--metrics out/x.parquet", "-o and --metrics both write out/x.parquet; give each its own file"),
        ("--metrics orders-1k.csv", "--metrics would write over the input orders-1k.csv"),
    ] {
        let run = folder.run(&format!("convert orders-1k.csv -o out/x.parquet {options}"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.starts_with(&format!("tidegate: {part}")), "{run:?}");
        assert_eq!(folder.outputs(), Vec::<String>::new());
    }
    for flag in ["--metrics m.jsonl", "--metrics-listen 127.0.0.1:9464"] {
        let run = folder.run(&format!("bench orders-1k.csv {flag}"));
        assert_eq!(run.code, Some(2), "{run:?}");
    }
    let run = folder.run("convert orders-1k.csv -o out/x.parquet --metrics none/m.jsonl");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("none/m.jsonl: cannot be written: its folder is not there"), "{run:?}");
    // A device that is always full: the rows are whole, and the run says what is missing.
    if std::path::Path::new("/dev/full").exists() {
        let run = folder.run("convert orders-1k.csv -o out/x.parquet --metrics /dev/full");
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.starts_with("tidegate: /dev/full: cannot be written: No space left"), "{run:?}");
        assert_eq!(folder.outputs(), ["x.parquet"]);
    }
}
