//! A file system that is full: the command says so, and what was there before is all that is there after.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Folder, Run, orders, skip};

/// A small file system in memory, gone with the guard.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount one.
    fn mount(at: PathBuf) -> Option<SmallDisk> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&at);
        match command.stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Some(SmallDisk(at)),
            _ => {
                skip("a full file system", "this user may not mount one");
                None
            }
        }
    }

    /// Leaves less than `bytes` free.
    fn fill_but(&self, bytes: u64) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        let copied = io::copy(&mut io::repeat(0), &mut ballast).unwrap_err();
        assert_eq!(copied.kind(), io::ErrorKind::StorageFull);
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(bytes)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        // A second panic while a test fails would hide why it failed.
        if !std::thread::panicking() {
            assert!(unmounted.unwrap().success(), "{} stays mounted", self.0.display());
        }
    }
}

const SCALER: &str = "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"amount\"]\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("orders.csv", orders(8 << 20));
    folder.write("scale.toml", SCALER);
    folder
}

#[track_caller]
fn failed_for_space(run: &Run, names: &str) {
    assert_eq!((run.code, run.text()), (Some(1), ""), "{run:?}");
    assert!(run.stderr.contains("No space left on device"), "{run:?}");
    assert!(run.stderr.contains(names), "{run:?}");
}

/// The message says how many bytes of the file were taken, no more than the disk has, and what to do. Gives about how many
/// are needed, if it says so.
#[track_caller]
fn told_how_far(run: &Run) -> Option<u64> {
    let (_, rest) = run.stderr.split_once("\" after ").unwrap();
    let (bytes, rest) = rest.split_once(" bytes ").unwrap();
    assert!(bytes.parse::<u64>().unwrap() <= 1 << 20, "{run:?}");
    let (needed, rest) = rest.split_once('(').unwrap();
    let needed = needed.strip_prefix("of about ").map(|needed| needed.trim_end().parse().unwrap());
    let remedy = "No space left on device (os error 28)); free space there, or write to another file system, and run again\n";
    assert_eq!(rest, remedy);
    needed
}

#[test]
fn the_output_does_not_fit() {
    let folder = folder();
    let Some(disk) = SmallDisk::mount(folder.path("out")) else { return };
    fs::create_dir(folder.path("whole")).unwrap();
    for args in [
        "convert orders.csv -o out/x.parquet",
        "convert orders.csv -o out/x.arrow",
        "convert orders.csv -o out/x.arrows",
        "convert orders.csv -o out/x.csv",
        "convert orders.csv -o out/x.csv --split-rows 3k",
        "convert orders.csv -o out/x.parquet --partition-by category",
        "fit-transform orders.csv -r scale.toml -o out/x.parquet",
    ] {
        for threads in [1, 2] {
            let run = folder.run(&format!("{args} --threads {threads}"));
            failed_for_space(&run, "out/x.");
            let needed = told_how_far(&run);
            assert_eq!(folder.outputs(), Vec::<String>::new(), "{args}");
            // Of several files, none knows what the others need.
            let is_one = !args.contains("--split-rows") && !args.contains("--partition-by");
            assert_eq!(needed.is_some(), is_one, "{run:?}");
            if let Some(needed) = needed {
                let whole = args.replace("out/x.", "whole/x.");
                folder.run(&format!("{whole} --overwrite")).ok();
                let name = whole.split(' ').find(|part| part.starts_with("whole/")).unwrap();
                let bytes = fs::metadata(folder.path(name)).unwrap().len();
                let about = bytes * 3 / 4..bytes * 4 / 3;
                assert!(about.contains(&needed), "{needed} of {bytes}: {args} --threads {threads}");
            }
        }
    }
    drop(disk);
}

#[test]
fn the_old_output_stays() {
    let folder = folder();
    let Some(disk) = SmallDisk::mount(folder.path("out")) else { return };
    fs::write(folder.path("out/x.parquet"), "old").unwrap();
    let run = folder.run("convert orders.csv -o out/x.parquet --overwrite");
    failed_for_space(&run, "out/x.parquet");
    assert_eq!(folder.read("out/x.parquet"), b"old");
    assert_eq!(folder.outputs(), ["x.parquet"]);
    drop(disk);
}

#[test]
fn the_pipeline_does_not_fit() {
    let folder = folder();
    let Some(disk) = SmallDisk::mount(folder.path("out")) else { return };
    disk.fill_but(0);
    for args in [
        "fit orders.csv -r scale.toml -o out/p",
        "fit-transform orders.csv -r scale.toml --save out/p -o x.parquet",
    ] {
        failed_for_space(&folder.run(args), "out/p");
        assert_eq!(folder.outputs(), ["ballast"], "{args}");
        assert!(!folder.path("x.parquet").exists());
    }
    drop(disk);
}

#[test]
fn standard_input_does_not_fit_where_it_is_kept() {
    let folder = folder();
    let Some(disk) = SmallDisk::mount(folder.path("tmp")) else { return };
    let run = folder.run_with_stdin("convert - -o out/x.parquet", "orders.csv");
    assert_eq!((run.code, run.text()), (Some(1), ""), "{run:?}");
    let told = "tmp is full; free space in it, or choose another, by --spool-dir";
    assert!(run.stderr.starts_with("tidegate: spool folder ") && run.stderr.contains(told), "{run:?}");
    assert_eq!(folder.outputs(), Vec::<String>::new());
    assert_eq!(folder.temporaries(), Vec::<String>::new());
    drop(disk);
}

#[test]
fn the_rejects_do_not_fit() {
    let folder = folder();
    let mut csv = b"a,b\n".to_vec();
    csv.resize(csv.len() + (3 << 20), b'x');
    let lines: Vec<u8> = csv.chunks(60).flat_map(|line| [line, b"\n"].concat()).collect();
    folder.write("bad.csv", lines);
    let Some(disk) = SmallDisk::mount(folder.path("out")) else { return };
    let run = folder.run("convert bad.csv --on-bad-row quarantine --rejects out/r.csv -o x.parquet");
    failed_for_space(&run, "r.csv");
    assert!(!folder.path("x.parquet").exists());
    drop(disk);
}
