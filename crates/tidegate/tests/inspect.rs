//! What `inspect` prints, for machines and for people.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::{Folder, Run};
use serde_json::{Value, json};

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn inspect(csv: &str, options: &[&str]) -> Value {
    let folder = Folder::new();
    folder.write("x.csv", csv);
    folder.run_args(&[&["inspect", "--json", "x.csv"], options].concat()).ok().json()
}

fn column<'a>(facts: &'a Value, name: &str) -> &'a Value {
    facts["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap()
}

#[test]
fn the_keys_and_their_types() {
    let facts = inspect("n,t,when\n1,a,2024-01-02\n2,,2024-01-03\n", &[]);
    assert_eq!(
        keys(&facts),
        [
            "bytes",
            "bytes_narrow",
            "bytes_wide",
            "columns",
            "dialect",
            "encoding",
            "files",
            "rows",
            "rows_rejected"
        ]
    );
    assert_eq!(
        facts["dialect"],
        json!({
            "delimiter": ",", "quote": "\"", "escape": null, "comment": null, "header": true, "skip_rows": 0,
            "decimal": ".", "thousands": null, "null_values": "auto"
        })
    );
    assert_eq!(facts["files"], json!(["x.csv"]));
    assert_eq!(facts["encoding"], "utf-8");
    assert_eq!(
        (&facts["rows"], &facts["rows_rejected"], &facts["bytes"]),
        (&json!(2), &json!(0), &json!(38))
    );
    let mut all = vec![
        "bytes_narrow",
        "bytes_wide",
        "distinct",
        "distinct_exact",
        "max",
        "mean",
        "min",
        "name",
        "null_tokens",
        "nulls",
        "type",
        "wide_type",
    ];
    assert_eq!(keys(column(&facts, "t")), all);
    assert_eq!(keys(column(&facts, "when")), all);
    all.push("sum");
    all.sort_unstable();
    assert_eq!(keys(column(&facts, "n")), all);

    let sum = |key: &str| -> u64 {
        facts["columns"].as_array().unwrap().iter().map(|column| column[key].as_u64().unwrap()).sum()
    };
    assert_eq!(facts["bytes_wide"], sum("bytes_wide"));
    assert_eq!(facts["bytes_narrow"], sum("bytes_narrow"));
    assert!(sum("bytes_narrow") < sum("bytes_wide"));
}

#[test]
fn figures_of_every_kind_of_column() {
    let csv = "i,f,b,d,t,s,none\n\
               1,1.1,true,2024-01-02,2024-01-02T03:04:05Z,b,\n\
               -3,,,2023-12-31,2024-01-02T03:04:05.25Z,a,\n\
               ,2.9,TRUE,,,\"\",\n";
    let facts = inspect(csv, &[]);
    let figures = |name: &str| {
        let column = column(&facts, name);
        ["type", "wide_type", "nulls", "min", "max", "mean", "distinct"].map(|key| column[key].clone())
    };
    let expected = |values: [Value; 7]| values;
    assert_eq!(
        figures("i"),
        expected([json!("int8"), json!("int64"), json!(1), json!(-3), json!(1), json!(-1.0), json!(2)])
    );
    assert_eq!(column(&facts, "i")["sum"], -2);
    assert_eq!(
        figures("f"),
        expected([
            json!("float64"),
            json!("float64"),
            json!(1),
            json!(1.1),
            json!(2.9),
            json!(2.0),
            json!(2)
        ])
    );
    assert_eq!(
        figures("b"),
        expected([json!("bool"), json!("bool"), json!(1), json!(true), json!(true), json!(null), json!(1)])
    );
    assert_eq!(
        figures("d"),
        expected([
            json!("date"),
            json!("date"),
            json!(1),
            json!("2023-12-31"),
            json!("2024-01-02"),
            json!(null),
            json!(2)
        ])
    );
    let when = figures("t");
    assert!(when[0].as_str().unwrap().starts_with("timestamp"), "{when:?}");
    assert_eq!(
        when[2..],
        [json!(1), json!("2024-01-02T03:04:05Z"), json!("2024-01-02T03:04:05.25Z"), json!(null), json!(2)]
    );
    // An empty quoted field is a text of its own.
    assert_eq!(
        figures("s"),
        expected([json!("string"), json!("string"), json!(0), json!(""), json!("b"), json!(null), json!(3)])
    );
    assert_eq!(
        figures("none"),
        expected([json!("null"), json!("null"), json!(3), json!(null), json!(null), json!(null), json!(0)])
    );
}

#[test]
fn numbers_that_json_readers_would_change_are_text() {
    let facts = inspect(
        "edge,beyond,unsigned,special\n\
         9007199254740992,9007199254740993,18446744073709551615,nan\n\
         -9007199254740992,-9223372036854775808,0,inf\n\
         0,1,1,-Infinity\n",
        &[],
    );
    let of = |name: &str| ["type", "min", "max", "sum"].map(|key| column(&facts, name)[key].clone());
    assert_eq!(
        of("edge"),
        [json!("int64"), json!(-9_007_199_254_740_992_i64), json!(9_007_199_254_740_992_i64), json!(0)]
    );
    assert_eq!(
        of("beyond"),
        [
            json!("int64"),
            json!("-9223372036854775808"),
            json!("9007199254740993"),
            json!("-9214364837600034814")
        ]
    );
    // The sum may need more digits than any of its terms.
    assert_eq!(
        of("unsigned"),
        [json!("uint64"), json!(0), json!("18446744073709551615"), json!("18446744073709551616")]
    );
    assert_eq!(of("special"), [json!("float32"), json!("-inf"), json!("inf"), json!(null)]);
    assert_eq!(column(&facts, "special")["distinct"], 3);
}

#[test]
fn null_tokens_are_counted_where_they_hold() {
    let csv = "n,s\nNA,NA\n1,x\nnull,\n";
    let facts = inspect(csv, &[]);
    assert_eq!(column(&facts, "n")["null_tokens"], json!({"NA": 1, "null": 1}));
    assert_eq!(column(&facts, "n")["nulls"], 2);
    assert_eq!(column(&facts, "s")["null_tokens"], json!({}));
    assert_eq!(column(&facts, "s")["nulls"], 1);

    let facts = inspect(csv, &["--null-values", "NA,x"]);
    assert_eq!(facts["dialect"]["null_values"], json!(["NA", "x"]));
    assert_eq!(column(&facts, "n")["wide_type"], "string");
    assert_eq!(column(&facts, "s")["null_tokens"], json!({"NA": 1, "x": 1}));
    assert_eq!(column(&facts, "s")["nulls"], 3);

    let facts = inspect(csv, &["--null-values", ""]);
    assert_eq!(column(&facts, "n")["wide_type"], "string");
    assert_eq!(column(&facts, "n")["nulls"], 0);
    assert_eq!(column(&facts, "s")["nulls"], 1);
}

#[test]
fn the_dialect_is_found_and_printed() {
    let facts = inspect("# made by hand\na;b\n'x;y';2\n", &["--comment", "#", "--quote", "'"]);
    assert_eq!(facts["dialect"]["delimiter"], ";");
    assert_eq!(facts["dialect"]["comment"], "#");
    assert_eq!(facts["dialect"]["quote"], "'");
    assert_eq!(column(&facts, "a")["max"], "x;y");

    let facts = inspect("about\n1\t2\n3\t4\n", &["--skip-rows", "1", "--no-header"]);
    assert_eq!(facts["dialect"]["delimiter"], "\t");
    assert_eq!(facts["dialect"]["header"], false);
    assert_eq!(facts["dialect"]["skip_rows"], 1);
    assert_eq!(facts["rows"], 2);
}

#[test]
fn the_table_for_people() {
    let folder = Folder::new();
    folder.write("x.csv", "id,name\n1,Ada\n2,\n300,Bob\n");
    let run = folder.run("inspect x.csv").ok();
    assert_eq!(run.stderr, "");
    let lines: Vec<&str> = run.text().lines().collect();
    assert_eq!(lines[0], "x.csv: 25 B, 3 rows, 2 columns");
    assert_eq!(lines[1], "encoding: utf-8");
    assert_eq!(
        lines[2],
        "dialect: delimiter `,`, quote `\"`, escape none, comment none, header yes, skipped rows 0, decimal `.`, \
         thousands none, nulls: empty, and outside of text NA N/A n/a #N/A NULL null None \\N"
    );
    assert!(lines[3].starts_with("in memory: "), "{}", lines[3]);
    assert_eq!(lines[4], "");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        words(lines[5]),
        ["column", "type", "nulls", "distinct", "min", "max", "mean", "wide", "narrow"]
    );
    assert_eq!(words(lines[6])[..7], ["id", "int16", "0", "3", "1", "300", "101.0"]);
    assert_eq!(words(lines[7])[..6], ["name", "dictionary", "1", "2", "Ada", "Bob"]);
    assert_eq!(lines.len(), 8);
}

#[test]
fn how_each_file_is_stored_is_said() {
    let folder = Folder::new();
    let gzip = |text: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, text).unwrap();
        gzip.finish().unwrap()
    };
    folder.write("a.csv", "name,n\nJos\u{e9},1\n");
    folder.write("b.csv.gz", gzip(b"name,n\nJos\xe9,2\n"));
    let utf16: Vec<u8> = "\u{feff}name,n\nJos\u{e9},3\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    folder.write("c.csv", utf16);

    let facts = folder.run("inspect --json a.csv b.csv.gz c.csv").ok().json();
    assert_eq!(facts["encoding"], json!(["utf-8", "windows-1252", "utf-16le"]));
    assert_eq!(facts["compression"], json!({"b.csv.gz": "gzip"}));
    assert_eq!(column(&facts, "name")["distinct"], 1);
    assert_eq!(column(&facts, "name")["min"], "Jos\u{e9}");
    assert_eq!(column(&facts, "n")["sum"], 6);
    let table = folder.run("inspect a.csv b.csv.gz c.csv").ok();
    assert_eq!(
        table.text().lines().nth(1),
        Some("encoding: utf-8, windows-1252, utf-16le, compression: b.csv.gz gzip")
    );

    let facts = folder.run("inspect --json b.csv.gz --encoding latin1").ok().json();
    assert_eq!(
        (&facts["encoding"], &facts["compression"]),
        (&json!("iso-8859-1"), &json!({"b.csv.gz": "gzip"}))
    );
    let table = folder.run("inspect b.csv.gz").ok();
    assert_eq!(table.text().lines().nth(1), Some("encoding: windows-1252, compression: gzip"));

    let run = folder.run("inspect a.csv --encoding utf-5");
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--encoding utf-5: unknown encoding \"utf-5\"; common ones are"), "{run:?}");
}

#[test]
fn a_column_that_a_file_lacks_is_null_there_and_that_is_said() {
    let folder = Folder::new();
    folder.write("a.csv", "id,old\n1,x\n2,y\n");
    folder.write("b.csv", "new,id\n0.5,3\n");
    let facts = folder.run("inspect --json a.csv b.csv").ok().json();
    assert_eq!(facts["rows"], 3);
    let told = |name: &str| ["nulls", "missing_in"].map(|key| column(&facts, name)[key].clone());
    assert_eq!(told("id"), [json!(0), json!(null)]);
    assert_eq!(told("old"), [json!(1), json!(["b.csv"])]);
    assert_eq!(told("new"), [json!(2), json!(["a.csv"])]);
    let table = folder.run("inspect a.csv b.csv").ok();
    let lines: Vec<&str> = table.text().lines().filter(|line| line.starts_with("missing")).collect();
    assert_eq!(lines, ["missing: old in b.csv, null there", "missing: new in a.csv, null there"]);
}

#[test]
fn many_different_values_are_estimated_and_said_to_be() {
    let folder = Folder::new();
    let mut csv = "id,few,text\n".to_owned();
    let rows = 200_000u64;
    (0..rows).for_each(|n| csv.push_str(&format!("{n},{},t{n}\n", n % 50_000)));
    folder.write("x.csv", &csv);
    let facts = folder.run("inspect --json x.csv").ok().json();
    for name in ["id", "text"] {
        let column = column(&facts, name);
        assert_eq!(column["distinct_exact"], false);
        let error = column["distinct_error"].as_f64().unwrap();
        assert!(error < 0.005, "{error}");
        let ratio = column["distinct"].as_f64().unwrap() / rows as f64;
        assert!((ratio - 1.0).abs() < 4.0 * error, "{name}: {ratio}");
    }
    let few = column(&facts, "few");
    assert_eq!((&few["distinct"], &few["distinct_exact"]), (&json!(50_000), &json!(true)));
    assert_eq!(few.get("distinct_error"), None);
    // Nothing of it depends on how the work is cut.
    for options in ["--threads 1", "--threads 5 --batch-rows 999", "--memory 96MiB --batch-rows 100000"] {
        let again = folder.run(&format!("inspect --json x.csv {options}")).ok().json();
        assert_eq!(again, facts, "{options}");
    }
    let table = folder.run("inspect x.csv").ok();
    assert!(
        table.text().contains("distinct: ~ marks an estimate, within 0.4% two times of three"),
        "{}",
        table.text()
    );
}

#[test]
fn many_columns_take_more_passes_and_no_more_memory() {
    let folder = Folder::new();
    let columns = 10_000;
    let line = |field: &dyn Fn(usize) -> String| (0..columns).map(field).collect::<Vec<_>>().join(",") + "\n";
    let mut csv = line(&|c| format!("c{c}"));
    (0..20).for_each(|row| csv.push_str(&line(&|c| format!("{}.5", row * c))));
    folder.write("x.csv", csv);
    let run = folder.run("inspect --json x.csv --memory 128MiB --summary out/s.json").ok();
    let facts = run.json();
    assert_eq!(facts["columns"].as_array().unwrap().len(), columns);
    let last = column(&facts, "c9999");
    assert_eq!((&last["max"], &last["mean"]), (&json!(189_981.5), &json!(94_991.0)));
    assert_eq!((&last["distinct"], &last["distinct_exact"]), (&json!(20), &json!(true)));
    let summary = folder.read_json("out/s.json");
    assert!(summary["passes"].as_u64().unwrap() > 2, "{summary}");
    assert!(summary["peak_rss_bytes"].as_u64().unwrap() <= 128 << 20, "{summary}");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let folder = Folder::new();
    folder.write("x.csv", "a\u{1b}[31m,b\nx\u{1b}[2J,1\n");
    let run = folder.run("inspect x.csv").ok();
    assert!(!run.stdout.contains(&0x1b), "{}", run.text());
}

/// A stack that no address space has room for, so that the system starts no thread.
#[test]
#[cfg(target_pointer_width = "64")]
fn where_no_thread_can_be_started_one_does_all() {
    let folder = Folder::new();
    folder.write("x.csv", "n,t\n1,a\n2,b\n");
    let run = |threads: &str, stack: u64| {
        let mut command = folder.command();
        command.args(["inspect", "--json", "x.csv", "--threads", threads]);
        command.env("RUST_MIN_STACK", stack.to_string());
        Run::from(command.output().unwrap())
    };
    assert_eq!(run("4", 1 << 47).ok().json(), run("1", 2 << 20).ok().json());
}
