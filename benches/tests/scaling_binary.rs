//! The `scaling` binary on a small file: figures that hang together, and inputs that threads cannot share.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use benches::{Shape, write};
use serde_json::Value;

fn scaling(args: &[&str], path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scaling")).args(args).arg(path).output().unwrap()
}

fn orders(folder: &tempfile::TempDir, rows: u64) -> PathBuf {
    let path = folder.path().join("orders.csv");
    write(Shape::Orders, rows, 3, &mut std::fs::File::create(&path).unwrap()).unwrap();
    path
}

#[test]
fn figures_hang_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = orders(&folder, 40_000);
    let output = scaling(&["--json", "--runs", "1"], &path);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rows"], 40_000);
    assert_eq!(report["bytes"], std::fs::metadata(&path).unwrap().len());
    let names: Vec<&Value> = report["jobs"].as_array().unwrap().iter().map(|job| &job["job"]).collect();
    assert_eq!(names, ["scan", "load"]);
    for job in report["jobs"].as_array().unwrap() {
        let [one, two] = &job["threads"].as_array().unwrap()[..] else { panic!("{job}") };
        assert_eq!((&one["threads"], &two["threads"]), (&1.into(), &2.into()));
        assert_eq!(one["as_they_are"]["speed_up"], 1.0);
        assert_eq!((&one["quarters"], &one["serial"]), (&Value::Null, &Value::Null));

        let (whole, quarters) = (&two["as_they_are"], &two["quarters"]);
        let figure = |way: &Value, name: &str| way[name].as_f64().unwrap();
        assert!(figure(quarters, "pieces") > 2.0 * figure(whole, "pieces"), "{two}");
        let caller = figure(whole, "calling_thread_cpu_s");
        assert!(0.0 < caller && caller < figure(whole, "cpu_s"), "{two}");

        let caller = &two["serial"]["calling_thread"];
        assert_eq!(caller["curve"][0]["speed_up"], 1.0);
        // By hand: 1 / (s + (1 - s) / 64).
        let share = caller["share"].as_f64().unwrap();
        let last = &caller["curve"][6];
        assert_eq!(last["cores"], 64);
        let expected = 64.0 / (1.0 + 63.0 * share);
        assert!((last["speed_up"].as_f64().unwrap() - expected).abs() < 1e-9 * expected, "{caller}");
        // Costs of pieces are only added where they can be seen.
        let both = &two["serial"]["with_pieces"];
        assert!(both.is_null() || both["share"].as_f64().unwrap() > share, "{two}");
    }

    let text = String::from_utf8(scaling(&["--runs", "1", "--threads", "2,1"], &path).stdout).unwrap();
    for part in ["40000 rows, budget 64.0 MiB", "\n1 thread ", "\n2 threads ", "\n2 threads: calling thread "]
    {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn what_threads_cannot_share_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = orders(&folder, 1_000);
    let packed = folder.path().join("orders.csv.gz");
    let mut gzip =
        flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    gzip.write_all(&std::fs::read(&path).unwrap()).unwrap();
    gzip.finish().unwrap();
    let wide = folder.path().join("latin.csv");
    std::fs::write(&wide, b"a\n\xe9\n").unwrap();
    for (path, args, code, message) in [
        (&path, &[][..], 2, "give a larger one"),
        (&packed, &[], 2, "compressed by gzip"),
        (&wide, &[], 2, "convert it to UTF-8 first"),
        (&path, &["--threads", "2"], 2, "--threads: expected 1 and at least one more count"),
        (&path, &["--threads", "0,1"], 2, "--threads"),
        (&folder.path().join("none.csv"), &[], 1, "none.csv"),
    ] {
        let output = scaling(args, path);
        assert_eq!(output.status.code(), Some(code), "{path:?} {args:?}");
        assert!(output.stdout.is_empty());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(message), "{message:?} in {told}");
    }
}
