//! Parquet and Arrow files as input: what Tidegate has written is read again to the same, whatever a run is for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::Folder;
use serde_json::Value;

const FLIGHTS: &str = "nycflights13-flights-10k.csv";
const ORDERS: &str = "orders-1k.csv";

/// A folder with a table as CSV and as each of these files.
fn folder(csv: &str, options: &str, outputs: &[(&str, &str)]) -> Folder {
    let folder = Folder::with(&[FLIGHTS, ORDERS, "flights.toml", "orders_two_pass.toml"]);
    for (output, how) in outputs {
        folder.run(&format!("convert {csv} {options} -o {output} {how}")).ok();
    }
    folder
}

/// What `inspect` says of the columns: all but how the file writes what it holds.
fn columns(folder: &Folder, inspect: &str) -> Vec<Value> {
    let mut columns = folder.run(&format!("inspect --json {inspect}")).ok().json()["columns"].take();
    let columns = columns.as_array_mut().unwrap();
    for column in columns.iter_mut() {
        let column = column.as_object_mut().unwrap();
        column.remove("null_tokens");
        if column["type"] == "timestamp" {
            let min = column["min"].as_str().map(|text| text.replace(' ', "T"));
            let max = column["max"].as_str().map(|text| text.replace(' ', "T"));
            column.insert("min".to_owned(), min.into());
            column.insert("max".to_owned(), max.into());
        }
    }
    std::mem::take(columns)
}

/// Every format that keeps types, with every compression of it.
const OUTPUTS: [(&str, &str); 9] = [
    ("snappy.parquet", ""),
    ("zstd.parquet", "--compression zstd"),
    ("lz4.parquet", "--compression lz4"),
    ("none.parquet", "--compression none"),
    ("none.arrow", ""),
    ("zstd.arrow", "--compression zstd"),
    ("lz4.arrow", "--compression lz4"),
    ("none.arrows", ""),
    ("zstd.arrows", "--compression zstd"),
];

/// Tables, how they are read, and what is fitted on them.
const TABLES: [(&str, &str, &str); 2] =
    [(FLIGHTS, "--null-values NA", "flights.toml"), (ORDERS, "", "orders_two_pass.toml")];

#[test]
fn inspect_says_the_same_of_the_file_as_of_the_csv_that_it_was_made_of() {
    for (csv, options, _) in TABLES {
        let folder = folder(csv, options, if csv == ORDERS { &OUTPUTS } else { &OUTPUTS[..5] });
        for downcast in ["safe", "none", "aggressive"] {
            let expected = columns(&folder, &format!("{csv} {options} --downcast {downcast}"));
            let some = match (downcast, csv) {
                ("safe", ORDERS) => &OUTPUTS[..],
                ("safe", _) => &OUTPUTS[..5],
                _ => &OUTPUTS[..1],
            };
            for (file, _) in some {
                let found = columns(&folder, &format!("{file} --downcast {downcast}"));
                assert_eq!(found, expected, "{file} {downcast}");
            }
        }
    }
}

#[test]
fn a_fit_learns_the_same_from_the_file_as_from_the_csv_that_it_was_made_of() {
    for (csv, options, recipe) in TABLES {
        let folder = folder(csv, options, &OUTPUTS);
        folder.run(&format!("fit {csv} {options} -r {recipe} -o csv.pipeline")).ok();
        let some = if csv == ORDERS { &OUTPUTS[..] } else { &OUTPUTS[..1] };
        for (file, _) in some {
            folder.run(&format!("fit {file} -r {recipe} -o out/x.pipeline --overwrite")).ok();
            assert!(folder.read("out/x.pipeline") == folder.read("csv.pipeline"), "{file}");
        }
    }
}

#[test]
fn rows_come_out_the_same_however_they_are_cut() {
    for (csv, options, recipe) in TABLES {
        let files = [OUTPUTS[0], OUTPUTS[4], OUTPUTS[8]];
        let folder = folder(csv, options, &files);
        folder.run(&format!("fit-transform {csv} {options} -r {recipe} -o csv.csv --save csv.pipeline")).ok();
        folder.run(&format!("convert {csv} {options} -o same.parquet")).ok();
        for (file, _) in files {
            for options in ["--threads 1 --batch-rows 177", "--threads 2"] {
                let run = |command: &str| folder.run(&format!("{command} {options} --overwrite")).ok();
                run(&format!("transform {file} -p csv.pipeline -o out/x.csv"));
                assert!(folder.read("out/x.csv") == folder.read("csv.csv"), "{file} {options}");
                run(&format!("fit-transform {file} -r {recipe} -o out/x.csv --save out/x.pipeline"));
                assert!(folder.read("out/x.csv") == folder.read("csv.csv"), "{file} {options}");
                assert!(folder.read("out/x.pipeline") == folder.read("csv.pipeline"), "{file} {options}");
                run(&format!("convert {file} -o out/x.parquet"));
                assert!(folder.read("out/x.parquet") == folder.read("same.parquet"), "{file} {options}");
            }
        }
    }
}

#[test]
fn shards_of_a_file_come_to_the_fit_of_the_whole() {
    let folder = folder(ORDERS, "", &OUTPUTS[..5]);
    folder.run(&format!("fit {ORDERS} -r orders_two_pass.toml -o csv.pipeline")).ok();
    for file in ["snappy.parquet", "none.arrow"] {
        for shard in 1..=3 {
            let out = format!("out/part-{shard} --overwrite");
            folder.run(&format!("fit {file} -r orders_two_pass.toml --shard {shard}/3 -o {out}")).ok();
        }
        folder.run("merge out/part-1 out/part-2 out/part-3 -o out/x.pipeline --overwrite").ok();
        assert!(folder.read("out/x.pipeline") == folder.read("csv.pipeline"), "{file}");
    }
}

#[test]
fn a_stream_and_a_file_may_come_from_standard_input() {
    let folder = folder(ORDERS, "", &OUTPUTS[..1]);
    folder.run(&format!("fit {ORDERS} -r orders_two_pass.toml -o csv.pipeline")).ok();
    let stream = folder.run(&format!("convert {ORDERS} -o -")).ok().stdout;
    folder.write("stream", stream);
    for input in ["stream", "snappy.parquet"] {
        let fit = "fit - -r orders_two_pass.toml -o out/x.pipeline --overwrite";
        folder.run_with_stdin(fit, input).ok();
        assert!(folder.read("out/x.pipeline") == folder.read("csv.pipeline"), "{input}");
    }
    assert!(folder.temporaries().is_empty());
}

#[test]
fn several_files_are_one_table() {
    let folder = Folder::with(&[ORDERS]);
    folder.run(&format!("convert {ORDERS} -o whole.parquet")).ok();
    folder.run(&format!("convert {ORDERS} -o part.parquet --split-rows 300")).ok();
    folder.run("convert part-*.parquet -o out/x.parquet").ok();
    assert!(folder.read("out/x.parquet") == folder.read("whole.parquet"));
    // Of each other's format, and with other columns.
    folder.write("a.csv", "n,t\n1,x\n2,\n");
    folder.write("b.csv", "t,f\ny,0.5\n");
    folder.run("convert a.csv -o a.parquet").ok();
    folder.run("convert b.csv -o b.arrow").ok();
    folder.run("convert a.csv b.csv -o out/csv.csv").ok();
    folder.run("convert a.parquet b.arrow -o out/x.csv").ok();
    assert!(folder.read("out/x.csv") == folder.read("out/csv.csv"));
}

/// The message and the exit code of a run that fails.
fn refused(folder: &Folder, args: &str) -> (i32, String) {
    let run = folder.run(args);
    (run.code.unwrap(), run.stderr.strip_prefix("tidegate: ").unwrap_or(&run.stderr).trim_end().to_owned())
}

#[test]
fn what_does_not_go_together_is_refused_with_what_to_do() {
    let folder = Folder::new();
    folder.write("n.csv", "a\n1\n");
    folder.write("t.csv", "a\nx\n");
    folder.run("convert n.csv -o n.parquet").ok();
    folder.run("convert t.csv -o t.parquet").ok();
    for (args, code, message) in [
        (
            "inspect n.parquet t.csv",
            2,
            "t.csv: is CSV, expected Parquet as the first file; CSV files and files of columns are read apart",
        ),
        (
            "inspect t.csv n.parquet",
            2,
            "n.parquet: is a Parquet file packed or among CSV files, which is not read yet; give it alone, as it is: \
             neither compressed nor with CSV files",
        ),
        (
            "inspect n.parquet t.parquet",
            3,
            "t.parquet: row group 1: column \"a\": holds text, expected whole numbers as in n.parquet; give the column one type in \
             all files, or fix one that holds both, such as string, by --types",
        ),
        (
            "inspect n.parquet --delimiter ;",
            2,
            "--delimiter is for CSV, and n.parquet is Parquet; leave it out; see `tidegate --help`",
        ),
        (
            "convert n.parquet -o out/x.csv --on-bad-row skip",
            2,
            "--on-bad-row is for CSV, and n.parquet is Parquet; leave it out; see `tidegate --help`",
        ),
        (
            "inspect t.parquet --types a=int8",
            3,
            "t.parquet: record 1, byte 4: row group 1: column \"a\": found \"x\", expected int8; mend the value or give \
             the column another type",
        ),
        (
            "inspect n.parquet --types b=int8",
            2,
            "n.parquet: column \"b\": is not in the input; its columns are \"a\"",
        ),
    ] {
        assert_eq!(refused(&folder, args), (code, message.to_owned()), "{args}");
    }
    assert!(folder.outputs().is_empty());
    // What is demanded of a column is taken from what another type writes.
    folder.run("convert n.parquet t.parquet --types a=string -o out/x.csv").ok();
    assert_eq!(folder.read("out/x.csv"), b"a\n1\nx\n");
    folder.run("convert n.parquet --types a=float64 -o out/f.csv").ok();
    assert_eq!(folder.read("out/f.csv"), b"a\n1.0\n");
}

#[test]
fn text_that_looks_like_a_number_stays_text() {
    let folder = Folder::new();
    folder.write("x.csv", "zip\n007\n\n\"\"\n42\n");
    folder.run("convert x.csv -o x.parquet --types zip=string").ok();
    folder.run("convert x.parquet -o out/x.csv").ok();
    folder.run("convert x.csv -o out/csv.csv --types zip=string").ok();
    let again = folder.run("inspect --json x.parquet").ok().json();
    assert_eq!(again["columns"][0]["wide_type"], "string");
    assert_eq!(folder.read("out/x.csv"), folder.read("out/csv.csv"));
    assert!(folder.read("out/x.csv").starts_with(b"zip\n007\n\n\"\"\n"));
}

#[test]
fn inspect_tells_of_the_format_in_place_of_a_dialect() {
    let folder = Folder::new();
    folder.write("x.csv", "a\n1\n");
    folder.run("convert x.csv -o x.parquet --compression zstd").ok();
    folder.run("convert x.csv -o x.arrow").ok();
    let found = folder.run("inspect --json x.parquet").ok().json();
    assert_eq!(
        (&found["format"], &found["dialect"], &found["encoding"]),
        (&"Parquet".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(found["compression"]["x.parquet"], "zstd");
    let text = folder.run("inspect x.parquet x.arrow").ok();
    let line = text.text().lines().nth(1).unwrap().to_owned();
    assert_eq!(line, "format: Parquet, Arrow IPC, compression: x.parquet zstd");
    assert!(!text.text().contains("dialect"));
}
