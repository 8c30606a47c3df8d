//! Inputs that are read without a scan before: what comes out is what a scan and a pass give, and where the presumption
//! fails, the run goes as if it had never been made.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fmt::Write as _;

use common::Folder;

/// Long enough to be read by ranges.
const ROWS: usize = 220_000;

/// A row between the pieces that are looked at beforehand: the beginnings of eight ranges, each a third of its range.
const HIDDEN: usize = ROWS * 11 / 16;

const RECIPE: &str = r#"
version = 1
[[steps]]
use = "simple_imputer"
columns = ["points"]
[[steps]]
use = "standard_scaler"
columns = ["points", "price"]
[[steps]]
use = "one_hot_encoder"
columns = ["word"]
[[steps]]
use = "ordinal_encoder"
columns = ["country"]
"#;

/// A table, with other values in some rows: row, column, value.
fn table(odd: &[(usize, usize, &str)]) -> String {
    let mut text = "id,points,price,day,word,country,token\n".to_owned();
    for row in 0..ROWS {
        let points = if row % 13 == 5 { String::new() } else { (row * 7 % 300).to_string() };
        let mut fields = [
            row.to_string(),
            points,
            format!("{}.{:02}", row % 977, row % 100),
            format!("2024-{:02}-{:02}", row % 12 + 1, row % 28 + 1),
            ["red", "green", "\"light, blue\""][row % 3].to_owned(),
            format!("C{}", row * row % 251),
            format!("{:016x}", (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        ];
        for (_, column, value) in odd.iter().filter(|(at, ..)| *at == row) {
            fields[*column] = (*value).to_owned();
        }
        writeln!(text, "{}", fields.join(",")).unwrap();
    }
    text
}

/// Runs a command that writes `out/NAME`, once as it does best and once behind a scan, and compares all that they leave.
/// Gives the passes of both.
fn compare(folder: &Folder, command: &[&str], outputs: &[&str]) -> (u64, u64) {
    let run = |rows: &[&str]| {
        let summary = ["--summary", "summary.json", "--overwrite", "--memory", "512MiB", "--threads", "2"];
        folder.run_args(&[command, &summary, rows].concat()).ok();
        let bytes: Vec<Vec<u8>> = outputs.iter().map(|name| folder.read(name)).collect();
        (bytes, folder.read_json("summary.json"))
    };
    let (at_once, summary) = run(&[]);
    let (scanned, expected) = run(&["--batch-rows", "3000"]);
    for (name, (at_once, scanned)) in outputs.iter().zip(at_once.iter().zip(&scanned)) {
        assert!(at_once == scanned, "{name}");
    }
    for key in [
        "rows_in",
        "rows_out",
        "schema",
        "null_tokens",
        "bytes_out",
        "arrow_bytes_wide",
        "arrow_bytes_narrow",
    ] {
        assert_eq!(summary[key], expected[key], "{key}");
    }
    (summary["passes"].as_u64().unwrap(), expected["passes"].as_u64().unwrap())
}

#[test]
fn converted_at_once_a_file_is_the_same_byte_for_byte() {
    let folder = Folder::new();
    // Nulls, a wider number and a new word are nothing to be afraid of.
    folder.write(
        "t.csv",
        table(&[(150_001, 1, "NA"), (150_002, 1, "70000"), (150_003, 5, "Z"), (99_999, 3, "")]),
    );
    let convert = ["convert", "t.csv", "-o", "out/t.parquet"];
    assert_eq!(compare(&folder, &convert, &["out/t.parquet"]), (1, 2));
    folder
        .run_args(&["convert", "t.csv", "-o", "out/one.parquet", "--memory", "512MiB", "--threads", "1"])
        .ok();
    assert!(folder.read("out/one.parquet") == folder.read("out/t.parquet"), "one thread");
}

#[test]
fn a_value_that_nothing_led_to_expect_is_met_with_a_scan() {
    let folder = Folder::new();
    for (column, value) in [(1, "1.5"), (2, "x"), (3, "2024-02-30"), (0, "99999999999")] {
        folder.write("t.csv", table(&[(HIDDEN, column, value)]));
        let convert = ["convert", "t.csv", "-o", "out/t.parquet"];
        let (passes, scanned) = compare(&folder, &convert, &["out/t.parquet"]);
        assert_eq!(passes, 1 + scanned, "column {column}: the pass that failed counts");
        assert_eq!(folder.outputs(), ["t.parquet"]);
    }
}

#[test]
fn a_fit_without_a_scan_learns_the_same() {
    let folder = Folder::new();
    folder.write("r.toml", RECIPE);
    folder.write("t.csv", table(&[(150_002, 1, "70000"), (170_003, 4, "violet")]));
    let fit = ["fit", "t.csv", "-r", "r.toml", "-o", "out/p.tgp"];
    assert_eq!(compare(&folder, &fit, &["out/p.tgp"]), (1, 2));
    let both = ["fit-transform", "t.csv", "-r", "r.toml", "-o", "out/t.parquet", "--save", "out/q.tgp"];
    assert_eq!(compare(&folder, &both, &["out/t.parquet", "out/q.tgp"]), (1, 2));
    assert!(folder.read("out/p.tgp") == folder.read("out/q.tgp"));
    // What the pass presumed is wrong, and what it learnt is forgotten.
    folder.write("t.csv", table(&[(HIDDEN, 1, "0.25")]));
    assert_eq!(compare(&folder, &both, &["out/t.parquet", "out/q.tgp"]), (3, 2));
}

#[test]
fn errors_are_those_of_a_scan() {
    let folder = Folder::new();
    folder.write("r.toml", RECIPE.replace("\"price\"", "\"token\""));
    let mut text = table(&[]);
    text.insert_str(text.len() / 4 * 3 + text[text.len() / 4 * 3..].find('\n').unwrap() + 1, "1,2\n");
    folder.write("short.csv", text);
    folder.write("t.csv", table(&[]));
    for command in [
        &["convert", "short.csv", "-o", "out/t.parquet"][..],
        &["fit-transform", "t.csv", "-r", "r.toml", "-o", "out/t.parquet"],
    ] {
        let budget = ["--memory", "128MiB", "--threads", "2"];
        let at_once = folder.run_args(&[command, &budget].concat());
        let scanned = folder.run_args(&[command, &budget, &["--batch-rows", "3000"]].concat());
        assert_eq!((at_once.code, &at_once.stderr), (scanned.code, &scanned.stderr));
        assert!(at_once.code.is_some_and(|code| code > 1), "{at_once:?}");
        assert!(folder.outputs().is_empty());
    }
}

#[test]
fn progress_goes_to_the_end() {
    let folder = Folder::new();
    folder.write("t.csv", table(&[]));
    let run = folder.run("convert t.csv -o out/t.parquet --memory 128MiB --threads 2 --progress json").ok();
    let last: serde_json::Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["phase"], &last["bytes"]), (&"write".into(), &last["total_bytes"]));
}

#[test]
fn rows_that_fit_in_memory_are_read_once() {
    let folder = Folder::new();
    folder.write("r.toml", RECIPE);
    folder.write("t.csv", table(&[(150_001, 1, "NA"), (150_003, 5, "Z")]));
    let run = |memory: &str, more: &[&str]| {
        let args = ["fit-transform", "t.csv", "-r", "r.toml", "-o", "out/t.parquet", "--overwrite"];
        let summary = ["--save", "out/p.tgp", "--summary", "summary.json", "--memory", memory];
        folder.run_args(&[&args[..], &summary, more].concat()).ok();
        let passes = folder.read_json("summary.json")["passes"].as_u64().unwrap();
        (folder.read("out/t.parquet"), folder.read("out/p.tgp"), passes)
    };
    let (output, pipeline, passes) = run("48MiB", &["--threads", "2", "--batch-rows", "700"]);
    assert!(
        passes > 2,
        "a scan, two passes of the fit, and one to write, of which one at the most is spared"
    );
    // The types of the rows are found on the way, or by a scan before; one of them is each of these passes.
    for (memory, more, expected) in [
        ("512MiB", &["--threads", "2"][..], 1),
        ("512MiB", &["--threads", "1"], 2),
        ("512MiB", &["--threads", "2", "--batch-rows", "700"], 2),
    ] {
        let (kept, learnt, passes) = run(memory, more);
        assert_eq!(passes, expected, "{more:?}");
        // How row groups are cut depends on the budget.
        let rows = |bytes: &[u8]| {
            folder.write("out/compared.parquet", bytes);
            common::table::read_parquet(&folder.path("out/compared.parquet"))
        };
        assert!(rows(&kept) == rows(&output), "{more:?}");
        assert!(learnt == pipeline, "{more:?}");
    }
}
