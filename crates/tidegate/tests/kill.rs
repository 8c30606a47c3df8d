//! A process that is killed at any moment: whatever has its final name is whole, and the next run cleans up.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::{Folder, orders, send};
use rustix::process::Signal;

const KILLS: u64 = 50;

/// Ways to write, and what only a finished run leaves.
const WAYS: [(&str, &str); 3] = [
    ("-o out/x.parquet", "x.parquet"),
    ("-o out/x.parquet --split-rows 300", "x-00000.parquet"),
    ("-o out/x.parquet --partition-by category", "x.parquet"),
];

/// A repeatable number from 0 to 1 (splitmix64).
fn share(number: u64) -> f64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// All files below a folder with their bytes, by path. Those of hidden files and folders are left out.
fn visible(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(
                visible(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            ),
            false => drop(found.insert(name, fs::read(entry.path()).unwrap())),
        }
    }
    found
}

fn clear(folder: &Folder) {
    fs::remove_dir_all(folder.path("out")).unwrap();
    fs::create_dir(folder.path("out")).unwrap();
}

/// Makes what is left look as if it had been there for long: what is younger may be somebody's at work.
fn age(folder: &Folder) {
    for name in folder.outputs().iter().filter(|name| name.starts_with('.')) {
        let left = File::open(folder.path("out").join(name)).unwrap();
        left.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
}

#[test]
fn whenever_it_is_killed_what_has_its_name_is_whole() {
    let folder = Folder::new();
    folder.write("orders.csv", orders(200 << 10));
    let (mut left_over, mut unfinished, mut finished) = (0, 0, 0);
    for (number, (way, last)) in (0..).zip(WAYS) {
        let args = format!("convert orders.csv {way} --memory 128MiB --threads 2 --progress off");
        clear(&folder);
        let began = Instant::now();
        folder.run(&args).ok();
        let whole_run = began.elapsed();
        let expected = visible(&folder.path("out"));
        let is_expected = |found: &BTreeMap<String, Vec<u8>>| found == &expected;
        assert!(expected.keys().any(|name| name.starts_with(last)), "{way}");

        for kill in 0..KILLS / 3 + 1 {
            clear(&folder);
            let mut child = folder.start(&args);
            // A third of them near the end, where names are given; and some behind it.
            let random = share(number * KILLS + kill);
            let moment = if kill % 3 == 0 { 0.8 + random * 0.4 } else { random };
            thread::sleep(whole_run.mul_f64(moment));
            send(&child, Signal::KILL);
            child.wait().unwrap();

            let found = visible(&folder.path("out"));
            for (name, bytes) in &found {
                assert!(expected.get(name) == Some(bytes), "{way}, killed at {moment}: {name} is not whole");
            }
            if found.keys().any(|name| name.starts_with(last)) {
                assert!(is_expected(&found), "{way}, killed at {moment}: {:?}", found.keys());
                finished += 1;
            } else {
                unfinished += 1;
            }
            left_over += usize::from(folder.outputs().iter().any(|name| name.starts_with('.')));
            age(&folder);
            // Some are told to overwrite what is not there, which is legal.
            folder.run(&format!("{args} --overwrite")).ok();
            assert!(is_expected(&visible(&folder.path("out"))), "{way}, killed at {moment}");
            let hidden: Vec<String> =
                folder.outputs().into_iter().filter(|name| name.starts_with('.')).collect();
            assert_eq!(hidden, Vec::<String>::new(), "{way}, killed at {moment}");
        }
    }
    // Else no kill came while something was being written, and nothing was tested.
    assert!(left_over > 0 && unfinished > 0, "{left_over}, {unfinished}, {finished}");
}
