//! A recipe's `[split]`: the rows of both shares in one file that says which is which, or in a file each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::table::{Cell, Column, read_parquet};
use common::{Folder, Run};

const RECIPE: &str = "version = 1
[[steps]]
use = \"standard_scaler\"
columns = [\"amount\"]
[[steps]]
use = \"target_encoder\"
columns = [\"country\"]
target = \"is_gift\"
[split]
test = 0.3
seed = 5
";

fn folder() -> Folder {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.write("recipe.toml", RECIPE);
    folder
}

fn fit_transform(folder: &Folder, options: &str) -> Run {
    folder.run(&format!("fit-transform orders-1k.csv -r recipe.toml {options}"))
}

/// The rows of `columns` whose split is `share`, without that column.
fn share(columns: &[Column], share: &str) -> Vec<Column> {
    let (split, others) = columns.split_last().unwrap();
    assert_eq!(split.name, "split");
    let is_in = |row: &usize| split.cells[*row] == Cell::Text(share.to_owned());
    let rows: Vec<usize> = (0..split.cells.len()).filter(is_in).collect();
    let of = |column: &Column| Column {
        cells: rows.iter().map(|row| column.cells[*row].clone()).collect(),
        ..column.clone()
    };
    others.iter().map(of).collect()
}

#[test]
fn the_files_of_both_shares_are_the_one_file_apart() {
    let folder = folder();
    fit_transform(&folder, "-o out/both.parquet --save out/p").ok();
    let both = read_parquet(&folder.path("out/both.parquet"));
    let (train, test) = (share(&both, "train"), share(&both, "test"));
    assert_eq!(train[0].cells.len() + test[0].cells.len(), 1000);
    assert!(test[0].cells.len().abs_diff(300) < 75, "{}", test[0].cells.len());
    for options in ["", "--batch-rows 7 --threads 1 --memory 48MiB", "--batch-rows 1000 --threads 2"] {
        let files = "-o out/train.parquet --test-output out/test.parquet --save out/q --overwrite";
        let said = fit_transform(&folder, &format!("{files} --summary s.json {options}")).ok();
        assert!(read_parquet(&folder.path("out/train.parquet")) == train, "{options}");
        assert!(read_parquet(&folder.path("out/test.parquet")) == test, "{options}");
        assert!(folder.read("out/q") == folder.read("out/p"), "{options}");
        let rows = (train[0].cells.len(), test[0].cells.len());
        let line = format!(
            "orders-1k.csv -> out/train.parquet and out/test.parquet: {} and {} rows, {} columns, ",
            rows.0,
            rows.1,
            train.len()
        );
        assert!(said.text().starts_with(&line), "{said:?}");
        let summary = folder.read_json("s.json");
        assert_eq!(summary["rows_out"], 1000);
        let lengths = ["out/train.parquet", "out/test.parquet"].map(|name| folder.read(name).len() as u64);
        assert_eq!(summary["bytes_out"], lengths[0] + lengths[1]);
        assert_eq!(summary["schema"].as_array().unwrap().len(), train.len());
    }
}

#[test]
fn neither_file_is_there_without_the_other() {
    let folder = folder();
    folder.write("out/test.csv", "mine\n");
    let run = fit_transform(&folder, "-o out/train.csv --test-output out/test.csv");
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("out/test.csv"), "{run:?}");
    assert_eq!(folder.outputs(), ["test.csv"]);
    fit_transform(&folder, "-o out/train.csv --test-output out/test.csv --overwrite").ok();
    assert_eq!(folder.outputs(), ["test.csv", "train.csv"]);
    // A value that no step takes, in the last row.
    let (train, test) = (folder.read("out/train.csv"), folder.read("out/test.csv"));
    folder.write("bad.toml", RECIPE.replace("standard_scaler", "log1p"));
    let mut bad = folder.read("orders-1k.csv");
    let line = bad[..bad.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    let last = String::from_utf8(bad.split_off(line)).unwrap();
    let header = String::from_utf8(bad.clone()).unwrap();
    let place = header.lines().next().unwrap().split(',').position(|name| name == "amount").unwrap();
    let mut fields: Vec<&str> = last.trim_end().split(',').collect();
    fields[place] = "-5.5";
    bad.extend(fields.join(",").as_bytes());
    folder.write("bad.csv", bad);
    let run = folder.run(
        "fit-transform bad.csv -r bad.toml -o out/train.csv --test-output out/test.csv --overwrite --batch-rows 100",
    );
    assert_eq!(run.code, Some(3), "{run:?}");
    assert_eq!(folder.outputs(), ["test.csv", "train.csv"]);
    assert!(folder.read("out/train.csv") == train && folder.read("out/test.csv") == test);
}

#[test]
fn what_does_not_go_with_a_test_output() {
    let folder = folder();
    folder.write("whole.toml", RECIPE.split("[split]").next().unwrap());
    let refused = |options: &str, message: &str| {
        let run = folder.run(&format!("fit-transform orders-1k.csv {options}"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(message), "{run:?}");
        assert_eq!(folder.outputs(), Vec::<String>::new());
    };
    let both = "-o out/a.parquet --test-output";
    refused(
        &format!("-r whole.toml {both} out/b.parquet"),
        "--test-output needs a table [split] in the recipe whole.toml, such as `test = 0.2`",
    );
    for flag in ["--split-rows 10", "--split-bytes 1MiB", "--partition-by country"] {
        let name = flag.split(' ').next().unwrap();
        refused(
            &format!("-r recipe.toml {both} out/b.parquet {flag}"),
            &format!("{name} and --test-output do not go together; leave one out"),
        );
    }
    refused(&format!("-r recipe.toml {both} out/a.parquet"), "both write out/a.parquet");
    refused(&format!("-r recipe.toml {both} orders-1k.csv --overwrite"), "would write over the input");
    refused(&format!("-r recipe.toml {both} -"), "--test-output");
    refused(&format!("-r recipe.toml {both} out/b.txt"), "out/b.txt");
    let run = folder.run("transform orders-1k.csv -p p -o out/a.csv --test-output out/b.csv");
    assert_eq!(run.code, Some(2), "{run:?}");
    // A stream of the training rows and a file of the others.
    let run = fit_transform(&folder, "-o - --test-output out/b.parquet").ok();
    let train = common::table::read_ipc_stream(run.stdout.as_slice());
    let test = read_parquet(&folder.path("out/b.parquet"));
    assert_eq!(train[0].cells.len() + test[0].cells.len(), 1000);
}
