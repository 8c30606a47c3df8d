//! The run's figures, rejected records, progress, `bench`, and every kind of input and output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs::File;

use arrow::datatypes::DataType;
use common::Folder;
use common::table::{Cell, Column, read_ipc_file, read_ipc_stream, read_parquet};
use serde_json::{Value, json};

const SCALER: &str = "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"amount\"]\n";

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A file with four good records and two bad ones, the second and the fifth.
fn with_bad_rows() -> Folder {
    let folder = Folder::new();
    folder.write("x.csv", "n,s\n1,a\n2\n3,\"c\nc\"\n4,d\n5,\"e\",\"e\"\n6,f\n");
    folder
}

#[test]
fn the_keys_and_what_they_add_up_to() {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.write("scale.toml", SCALER);
    // One read of the input is the scan, though `zip` is a number until it meets a leading zero.
    for (args, passes, last_phase) in [
        ("convert orders-1k.csv -o out/x.parquet", 2, "write"),
        // The rows that the fit has read are kept.
        ("fit-transform orders-1k.csv -r scale.toml -o out/y.parquet --save out/p", 2, "transform"),
        ("transform orders-1k.csv -p out/p -o out/z.arrow", 2, "transform"),
        ("fit orders-1k.csv -r scale.toml -o out/q", 2, "fit"),
        ("inspect orders-1k.csv", 2, "statistics"),
    ] {
        folder.run(&format!("{args} --summary s.json --batch-rows 300 --memory 256MiB")).ok();
        let summary = folder.read_json("s.json");
        let expected = [
            "arrow_bytes_narrow",
            "arrow_bytes_wide",
            "batch_rows",
            "batches",
            "budget_bytes",
            "bytes_in",
            "bytes_out",
            "cpu_s",
            "null_tokens",
            "passes",
            "peak_reserved_bytes",
            "peak_rss_bytes",
            "phases",
            "resizes",
            "rows_in",
            "rows_out",
            "rows_rejected",
            "schema",
            "sizing",
            "version",
            "wall_s",
        ];
        assert_eq!(keys(&summary), expected, "{args}");
        let number = |key: &str| summary[key].as_u64().unwrap_or_else(|| panic!("{args}: {key}: {summary}"));
        assert_eq!(
            (number("rows_in"), number("rows_out"), number("rows_rejected")),
            (1000, 1000, 0),
            "{args}"
        );
        assert_eq!(number("bytes_in"), 229_754, "{args}");
        assert_eq!(number("passes"), passes, "{args}");
        assert_eq!(number("batches"), 4, "{args}");
        assert_eq!(summary["batch_rows"], json!({"min": 100, "median": 300, "max": 300}), "{args}");
        assert_eq!(number("resizes"), 0, "{args}");
        let sizing = summary["sizing"].as_array().unwrap();
        // A decision for each batch of each pass behind the scan.
        assert!(sizing.len() as u64 >= passes - 1, "{args}: {sizing:?}");
        for decision in sizing {
            assert_eq!(
                (&decision["reason"], &decision["most_rows"]),
                (&json!("fixed"), &json!(300)),
                "{args}"
            );
        }
        assert_eq!(number("budget_bytes"), 256 << 20, "{args}");
        assert!(number("peak_rss_bytes") > 0, "{args}");
        assert!((1..=256 << 20).contains(&number("peak_reserved_bytes")), "{args}");
        assert!(number("arrow_bytes_narrow") < number("arrow_bytes_wide"), "{args}");
        assert!(summary["wall_s"].as_f64().unwrap() > 0.0 && summary["cpu_s"].as_f64().unwrap() > 0.0);
        assert_eq!(summary["version"], "0.1.0");
        let phases = summary["phases"].as_array().unwrap();
        assert_eq!(phases[0]["name"], "scan", "{args}");
        assert_eq!(phases.last().unwrap()["name"], last_phase, "{args}");
        for phase in phases {
            assert_eq!(keys(phase), ["name", "peak_rss_bytes", "wall_s"], "{args}");
            assert!(phase["peak_rss_bytes"].as_u64().unwrap() <= number("peak_rss_bytes"), "{args}");
        }
        let schema = summary["schema"].as_array().unwrap();
        assert_eq!(schema.len(), 20, "{args}");
        assert_eq!(keys(&schema[0]), ["name", "nulls", "type"], "{args}");
        assert_eq!(schema[2], json!({"name": "age", "type": "int8", "nulls": 0}), "{args}");
        if let Some(output) =
            args.split_whitespace().find(|arg| arg.starts_with("out/x") || arg.starts_with("out/q"))
        {
            assert_eq!(number("bytes_out"), folder.read(output).len() as u64, "{args}");
        }
    }
}

#[test]
fn a_second_scan_for_late_text_is_counted() {
    let folder = Folder::new();
    folder.write("late.csv", format!("n\n{}A\n", "1\n".repeat(5000)));
    folder.run("convert late.csv -o out/x.parquet --summary s.json").ok();
    let summary = folder.read_json("s.json");
    assert_eq!(summary["passes"], 3);
    assert_eq!(summary["schema"], json!([{"name": "n", "type": "dictionary", "nulls": 0}]));
}

#[test]
fn nulls_and_their_tokens_are_counted() {
    let folder = Folder::new();
    folder.write("x.csv", "n,s\nNA,NA\n,x\n2,\n");
    folder.run("convert x.csv -o out/x.parquet --summary s.json").ok();
    let summary = folder.read_json("s.json");
    assert_eq!(summary["null_tokens"], json!({"n": {"NA": 1}}));
    let nulls: Vec<&Value> =
        summary["schema"].as_array().unwrap().iter().map(|column| &column["nulls"]).collect();
    assert_eq!(nulls, [2, 1]);
}

#[test]
fn skipped_records() {
    let folder = with_bad_rows();
    let run = folder.run("convert x.csv -o out/x.parquet --on-bad-row skip --summary s.json").ok();
    assert!(run.text().contains(": 4 rows, 2 rejected, 2 columns"), "{}", run.text());
    let summary = folder.read_json("s.json");
    assert_eq!(
        (&summary["rows_in"], &summary["rows_out"], &summary["rows_rejected"]),
        (&json!(6), &json!(4), &json!(2))
    );
    let columns = read_parquet(&folder.path("out/x.parquet"));
    assert_eq!(columns[0].cells, [1, 3, 4, 6].map(Cell::Int));
    assert_eq!(folder.outputs(), ["x.parquet"]);

    let facts = folder.run("inspect x.csv --json --on-bad-row skip").ok().json();
    assert_eq!((&facts["rows"], &facts["rows_rejected"]), (&json!(4), &json!(2)));
}

#[test]
fn quarantined_records() {
    let folder = with_bad_rows();
    folder.write("fit.toml", "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"n\"]\n");
    for (args, rejects) in [
        ("convert x.csv -o out/x.parquet", "out/x.parquet.rejects.csv"),
        ("convert x.csv -o out/y.arrow --rejects out/r.csv", "out/r.csv"),
        ("fit-transform x.csv -r fit.toml -o out/z.parquet", "out/z.parquet.rejects.csv"),
        ("fit x.csv -r fit.toml -o out/p", "out/p.rejects.csv"),
        ("inspect x.csv --rejects out/i.csv", "out/i.csv"),
        ("convert x.csv -o - --rejects out/s.csv", "out/s.csv"),
    ] {
        folder.run(&format!("{args} --on-bad-row quarantine --summary s.json")).ok();
        let summary = folder.read_json("s.json");
        assert_eq!(summary["rows_rejected"], 2, "{args}");
        assert_eq!(summary["rows_in"], 6, "{args}");
        let mut reader = csv::Reader::from_path(folder.path(rejects)).unwrap();
        assert_eq!(
            reader.headers().unwrap(),
            vec!["file", "line", "record", "byte", "column", "reason", "raw"]
        );
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        // Line and byte go on counting over the line end inside quotes.
        let places = rows.iter().map(|row| [0, 1, 2, 3, 6].map(|i| row[i].to_owned()));
        let places: Vec<[String; 5]> = places.collect();
        assert_eq!(
            places,
            [["x.csv", "3", "2", "8", "2"], ["x.csv", "7", "5", "22", "5,\"e\",\"e\""]]
                .map(|row| row.map(str::to_owned)),
            "{args}"
        );
        assert!(rows[0][5].contains("expected 2"), "{args}: {}", &rows[0][5]);
    }
    // To standard output there is no name to put them beside.
    let run = folder.run("convert x.csv -o - --on-bad-row quarantine");
    assert_eq!((run.code, run.text()), (Some(2), ""));
    assert!(run.stderr.contains("needs --rejects FILE"), "{run:?}");
}

#[test]
fn too_many_rejects() {
    let folder = with_bad_rows();
    let limits = [("2", true), ("1", false), ("0", false), ("33.4%", true), ("33.3%", false), ("0%", false)];
    for (limit, is_enough) in limits {
        for (policy, kept) in [("skip", None), ("quarantine --rejects out/r.csv", Some("r.csv"))] {
            let args = format!("convert x.csv -o out/x.parquet --on-bad-row {policy} --max-rejects {limit}");
            let run = folder.run(&args);
            let mut left = folder.outputs();
            if is_enough {
                run.ok();
                assert_eq!(left.pop().as_deref(), Some("x.parquet"), "{args}");
            } else {
                assert_eq!((run.code, run.text()), (Some(3), ""), "{args}");
                assert_eq!(
                    run.stderr,
                    format!(
                        "tidegate: x.csv: 2 of 6 records were rejected, expected at most {limit}; mend them, or raise \
                         --max-rejects\n"
                    )
                );
            }
            // What was rejected is there to be mended, in either case.
            assert_eq!(left, Vec::from_iter(kept), "{args}");
            for name in folder.outputs() {
                std::fs::remove_file(folder.path("out").join(name)).unwrap();
            }
        }
    }
}

#[test]
fn progress_for_machines() {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.write("scale.toml", SCALER);
    let run = folder.run("fit-transform orders-1k.csv -r scale.toml -o out/x.parquet --progress json").ok();
    let events: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        assert_eq!(
            keys(event),
            ["bytes", "elapsed_s", "phase", "reserved_bytes", "rss_bytes", "total_bytes"]
        );
        assert!(event["bytes"].as_u64() <= event["total_bytes"].as_u64(), "{event}");
    }
    let mut phases: Vec<&str> = events.iter().map(|event| event["phase"].as_str().unwrap()).collect();
    phases.dedup();
    assert_eq!(phases, ["scan", "fit", "transform"]);
    for phase in phases {
        let last = events.iter().rfind(|event| event["phase"] == phase).unwrap();
        assert_eq!(last["bytes"], last["total_bytes"], "the phase {phase} ends at the end");
    }
}

#[test]
fn the_plan_of_a_fit_is_told_before_it_starts() {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.write("scale.toml", SCALER);
    let plan = "1 pass to fit 1 step\n  pass 1 reads 1 of 20 columns: standard_scaler (amount)\n";
    for args in ["fit orders-1k.csv -r scale.toml -o p", "fit orders-1k.csv -r scale.toml -o s --shard 1/2"] {
        let run = folder.run(&format!("{args} --progress bar")).ok();
        let (before, after) = run.stderr.split_once(plan).unwrap();
        assert!(before.contains("scan") && !before.contains("fit:") && after.contains("fit:"), "{run:?}");
    }
    let run = folder.run("fit-transform orders-1k.csv -r scale.toml -o out/x.parquet --progress bar").ok();
    assert!(run.stderr.contains(plan), "{run:?}");
    let run = folder.run("fit-transform orders-1k.csv -r scale.toml -o - --progress off").ok();
    assert_eq!(run.stderr, "");
}

#[test]
fn nothing_is_printed_when_nothing_is_asked_for() {
    let folder = Folder::with(&["orders-1k.csv"]);
    let run = folder.run("convert orders-1k.csv -o out/x.parquet --progress off").ok();
    assert_eq!((run.text(), run.stderr.as_str()), ("", ""));
    // Standard error is no terminal here: one line at the end, and that on standard output.
    let run = folder.run("convert orders-1k.csv -o out/y.parquet").ok();
    assert_eq!(run.stderr, "");
    assert_eq!(run.text().lines().count(), 1);
    assert!(
        run.text().starts_with("orders-1k.csv -> out/y.parquet: 1_000 rows, 20 columns, "),
        "{}",
        run.text()
    );
}

#[test]
fn bench() {
    let folder = Folder::with(&["orders-1k.csv"]);
    let run =
        folder.run("bench orders-1k.csv --batch-rows 100,1k,auto --json --threads 1 --memory 128MiB").ok();
    let report = run.json();
    assert_eq!(
        keys(&report),
        ["budget_bytes", "bytes", "input", "job", "recommended", "rows", "runs", "threads"]
    );
    assert_eq!(report["input"], "orders-1k.csv");
    assert_eq!(report["job"], "load");
    assert_eq!((&report["rows"], &report["bytes"]), (&json!(1000), &json!(229_754)));
    assert_eq!((&report["threads"], &report["budget_bytes"]), (&json!(1), &json!(128 << 20)));
    let runs = report["runs"].as_array().unwrap();
    let sizes: Vec<&Value> = runs.iter().map(|run| &run["batch_rows"]).collect();
    assert_eq!(sizes, [&json!(100), &json!(1000), &json!("auto")]);
    for run in runs {
        assert_eq!(
            keys(run),
            ["batch_rows", "bytes_per_s", "cpu_s", "peak_rss_bytes", "repeats", "rows_per_s", "wall_s"]
        );
        assert!(run["wall_s"].as_f64().unwrap() > 0.0 && run["repeats"].as_u64().unwrap() >= 1);
        assert!((1..=128 << 20).contains(&run["peak_rss_bytes"].as_u64().unwrap()));
        let rows = run["rows_per_s"].as_f64().unwrap() * run["wall_s"].as_f64().unwrap();
        assert!((rows - 1000.0).abs() < 0.5, "{run}");
    }
    assert_eq!(keys(&report["recommended"]), ["batch_rows", "why"]);
    assert!(sizes.contains(&&report["recommended"]["batch_rows"]), "{report}");

    let run = folder.run("bench orders-1k.csv --batch-rows 100").ok();
    assert!(run.text().contains("recommended: --batch-rows 100"), "{}", run.text());
}

#[test]
fn several_inputs_are_one_table() {
    let folder = Folder::new();
    for (name, rows) in [("a.csv", "1,x\n2,y\n"), ("b.csv", "300,z\n"), ("c.txt", "4,w\n")] {
        folder.write(name, format!("n,s\n{rows}"));
    }
    let table = |args: &str| {
        folder.run(&format!("convert {args} -o out/x.parquet --overwrite")).ok();
        let columns = read_parquet(&folder.path("out/x.parquet"));
        assert_eq!(columns[0].data_type, DataType::Int16);
        columns[0].cells.clone()
    };
    let ints = |values: &[i128]| values.iter().map(|v| Cell::Int(*v)).collect::<Vec<_>>();
    assert_eq!(table("a.csv b.csv"), ints(&[1, 2, 300]));
    assert_eq!(table("b.csv a.csv c.txt"), ints(&[300, 1, 2, 4]));
    assert_eq!(table("*.csv"), ints(&[1, 2, 300]));
    assert_eq!(table("[ab].csv c.txt"), ints(&[1, 2, 300, 4]));
    let facts = folder.run("inspect --json *.csv").ok().json();
    assert_eq!(facts["files"], json!(["a.csv", "b.csv"]));
    assert_eq!(facts["bytes"], 22);
}

#[test]
fn standard_input_and_output() {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.write("scale.toml", SCALER);
    folder.run("fit-transform orders-1k.csv -r scale.toml -o out/x.arrows").ok();
    let expected = read_ipc_stream(File::open(folder.path("out/x.arrows")).unwrap());
    assert_eq!(expected[0].cells.len(), 1000);
    let run =
        folder.run_with_stdin("fit-transform - -r scale.toml -o - --summary s.json", "orders-1k.csv").ok();
    assert_eq!(read_ipc_stream(run.stdout.as_slice()), expected);
    assert!(run.stderr.starts_with("standard input -> standard output: 1_000 rows"), "{}", run.stderr);
    let summary = folder.read_json("s.json");
    assert_eq!(summary["bytes_out"], run.stdout.len() as u64);
    assert_eq!(summary["bytes_in"], 229_754);
    assert_eq!(folder.temporaries(), Vec::<String>::new());
}

#[test]
fn every_format_and_compression_holds_the_same_values() {
    let folder = Folder::with(&["orders-1k.csv"]);
    let values = |columns: Vec<Column>| -> Vec<(String, Vec<Cell>)> {
        columns.into_iter().map(|column| (column.name, column.cells)).collect()
    };
    let table = |name: &str, compression: &str| {
        folder
            .run(&format!("convert orders-1k.csv -o out/{name} --overwrite --compression {compression}"))
            .ok();
        let path = folder.path("out").join(name);
        values(match name {
            "x.parquet" => read_parquet(&path),
            "x.arrow" => read_ipc_file(&path),
            _ => read_ipc_stream(File::open(path).unwrap()),
        })
    };
    let mut sizes = Vec::new();
    let plain = table("x.arrow", "none");
    for compression in ["none", "snappy", "zstd", "zstd:19", "lz4"] {
        // Parquet keeps seconds as milliseconds, which are written the same.
        assert!(table("x.parquet", compression) == plain, "parquet, {compression}");
        sizes.push(folder.read("out/x.parquet").len());
        if compression != "snappy" {
            assert!(table("x.arrow", compression) == plain, "arrow, {compression}");
            assert!(table("x.arrows", compression) == plain, "arrows, {compression}");
        }
    }
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2] && sizes[2] >= sizes[3], "{sizes:?}");
}

#[test]
fn how_narrow_columns_are_made() {
    let folder = Folder::new();
    let rows: String = (0..200).map(|i| format!("{i},{},{}.1,kind {}\n", i * 200, i, i % 3)).collect();
    folder.write("x.csv", format!("tiny,small,real,kind\n{rows}"));
    let types = |options: &str| {
        folder.run(&format!("convert x.csv -o out/x.arrow --overwrite {options}")).ok();
        let columns = read_ipc_file(&folder.path("out/x.arrow"));
        assert_eq!(columns[1].cells[199].number(), Some(39_800.0));
        columns.into_iter().map(|column| column.data_type).collect::<Vec<_>>()
    };
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    assert_eq!(
        types("--downcast none"),
        [DataType::Int64, DataType::Int64, DataType::Float64, DataType::Utf8]
    );
    assert_eq!(types(""), [DataType::UInt8, DataType::UInt16, DataType::Float64, dictionary.clone()]);
    assert_eq!(types("--downcast safe"), types(""));
    assert_eq!(
        types("--downcast aggressive"),
        [DataType::UInt8, DataType::UInt16, DataType::Float32, dictionary]
    );
    assert_eq!(
        types("--types tiny=int32,small=float64,kind=string"),
        [DataType::Int32, DataType::Float64, DataType::Float64, DataType::Utf8]
    );
}

#[test]
fn aggressive_spares_what_float32_cannot_hold_and_what_is_fixed() {
    let folder = Folder::new();
    folder.write("x.csv", "scaled,huge,fixed,plain\n0.1,1e300,0.1,0.3\n0.2,2.5,0.2,0.7\n");
    folder.write("r.toml", "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"scaled\"]\n");
    for command in ["convert x.csv", "fit-transform x.csv -r r.toml"] {
        let options = "-o out/x.arrow --overwrite --downcast aggressive --types fixed=float64";
        folder.run(&format!("{command} {options}")).ok();
        let columns = read_ipc_file(&folder.path("out/x.arrow"));
        let types: Vec<_> = columns.into_iter().map(|column| column.data_type).collect();
        let expected = [DataType::Float32, DataType::Float64, DataType::Float64, DataType::Float32];
        assert_eq!(types, expected, "{command}");
    }
}

/// What tells of a run comes behind its output, and a failure of the one says that the other is there.
#[test]
#[cfg(target_os = "linux")]
fn a_summary_that_cannot_be_written_leaves_the_output() {
    let folder = Folder::with(&["orders-1k.csv"]);
    for flag in ["--summary", "--metrics"] {
        let run = folder.run(&format!("convert orders-1k.csv -o out/x.parquet --overwrite {flag} /dev/full"));
        assert_eq!(run.code, Some(1), "{run:?}");
        for part in ["/dev/full: cannot be written: ", "; out/x.parquet was written whole\n"] {
            assert!(run.stderr.contains(part), "{run:?}");
        }
        assert_eq!(folder.outputs(), ["x.parquet"]);
    }
}

#[test]
fn a_summary_takes_the_place_of_an_earlier_one() {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.write("out/real.json", "of an earlier run");
    std::os::unix::fs::symlink("real.json", folder.path("out/s.json")).unwrap();
    folder.run("convert orders-1k.csv -o out/x.parquet --summary out/s.json").ok();
    assert_eq!(folder.read_json("out/real.json")["rows_out"], 1000);
    assert!(folder.path("out/s.json").is_symlink());
    // Nothing but whole files.
    assert_eq!(folder.outputs(), ["real.json", "s.json", "x.parquet"]);
}
