//! What outputs there are beside one Parquet or Arrow file: the same rows, in other files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::Folder;
use common::table::{Column, read_parquet};

fn folder() -> Folder {
    Folder::with(&["orders-1k.csv", "nycflights13-flights-10k.csv"])
}

/// Names, types and values, as Parquet holds them.
fn rows(folder: &Folder, name: &str) -> Vec<Column> {
    read_parquet(&folder.path(name))
}

#[test]
fn csv_is_read_again_as_the_same_table() {
    let folder = folder();
    for (input, options) in [("orders-1k.csv", ""), ("nycflights13-flights-10k.csv", "--null-values NA")] {
        folder.run(&format!("convert {input} -o out/given.parquet --overwrite {options}")).ok();
        folder.run(&format!("convert {input} -o out/given.csv --overwrite --threads 2 {options}")).ok();
        folder.run("convert out/given.csv -o out/again.parquet --overwrite --null-values NULL").ok();
        assert_eq!(rows(&folder, "out/given.parquet"), rows(&folder, "out/again.parquet"), "{input}");
        folder.run("convert out/given.csv -o out/again.csv --overwrite --batch-rows 77").ok();
        assert!(folder.read("out/given.csv") == folder.read("out/again.csv"), "{input}");
    }
}
