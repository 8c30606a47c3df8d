//! What outputs there are beside one Parquet or Arrow file: the same rows, in other files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::Folder;
use parquet::file::reader::{FileReader, SerializedFileReader};

use common::table::{Cell, Column, read_ipc_file, read_ipc_stream, read_parquet};

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

/// All rows of the files in a folder whose names begin so, in the order of their names.
fn joined(folder: &Folder, within: &str, begin: &str) -> Vec<Column> {
    let mut whole: Vec<Column> = Vec::new();
    let mut names = list(folder, within);
    names.sort();
    for name in names.iter().filter(|name| name.starts_with(begin)) {
        let part = rows(folder, &format!("{within}/{name}"));
        if whole.is_empty() {
            whole = part;
        } else {
            for (whole, part) in whole.iter_mut().zip(part) {
                assert_eq!((&whole.name, &whole.data_type), (&part.name, &part.data_type));
                whole.cells.extend(part.cells);
            }
        }
    }
    whole
}

fn list(folder: &Folder, within: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.path(within)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_dictionary_that_a_step_makes_is_one_in_arrow_whatever_the_batches_were() {
    let folder = folder();
    folder.write(
        "cast.toml",
        "version = 1\n[[steps]]\nuse = \"cast\"\ncolumns = [\"tailnum\", \"flight\", \"dest\"]\ndtype = \"dictionary\"\n",
    );
    let job = "fit-transform nycflights13-flights-10k.csv -r cast.toml --null-values NA --overwrite";
    folder.run(&format!("{job} -o out/x.parquet")).ok();
    let expected = rows(&folder, "out/x.parquet");
    for name in ["out/x.arrow", "out/x.arrows"] {
        let mut first = None;
        for (batch_rows, threads) in [(10_000, 1), (77, 1), (1000, 2), (4096, 2)] {
            folder.run(&format!("{job} -o {name} --batch-rows {batch_rows} --threads {threads}")).ok();
            let bytes = folder.read(name);
            assert!(
                *first.get_or_insert_with(|| bytes.clone()) == bytes,
                "{name}, {batch_rows} rows a batch, {threads} threads"
            );
        }
        let found = match name.ends_with("arrow") {
            true => read_ipc_file(&folder.path(name)),
            false => read_ipc_stream(fs::File::open(folder.path(name)).unwrap()),
        };
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((&found.name, &found.cells), (&expected.name, &expected.cells));
        }
        assert_eq!(found.len(), expected.len());
    }
}

#[test]
fn split_files_hold_the_rows_of_one() {
    let folder = folder();
    let input = "nycflights13-flights-10k.csv --null-values NA --progress off";
    folder.run(&format!("convert {input} -o out/whole.parquet")).ok();
    let whole = rows(&folder, "out/whole.parquet");
    folder.run(&format!("convert {input} -o out/x.parquet --split-rows 4k --threads 2")).ok();
    assert_eq!(
        list(&folder, "out"),
        ["whole.parquet", "x-00000.parquet", "x-00001.parquet", "x-00002.parquet"]
    );
    assert_eq!(rows(&folder, "out/x-00001.parquet")[0].cells.len(), 4000);
    assert_eq!(joined(&folder, "out", "x-"), whole);

    let again = folder.run(&format!("convert {input} -o out/x.parquet --split-rows 5k"));
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(
        again
            .stderr
            .contains("out/x-00000.parquet\" already exists; choose another name or give --overwrite")
    );
    let run = folder.run(
        "convert nycflights13-flights-10k.csv --null-values NA -o out/x.parquet --split-rows 5k --overwrite",
    );
    assert!(run.ok().text().contains("out/x.parquet in 2 files: 10_000 rows"));
    assert_eq!(list(&folder, "out"), ["whole.parquet", "x-00000.parquet", "x-00001.parquet"]);
    assert_eq!(joined(&folder, "out", "x-"), whole);

    for (batch_rows, threads) in [(10_000, 1), (333, 2)] {
        let options =
            format!("--split-bytes 40KiB --overwrite --batch-rows {batch_rows} --threads {threads}");
        folder.run(&format!("convert {input} -o out/x.parquet {options}")).ok();
        assert_eq!(joined(&folder, "out", "x-"), whole);
        assert!(list(&folder, "out").len() > 4, "{:?}", list(&folder, "out"));
    }
}

#[test]
fn partitions_hold_the_rows_of_each_value() {
    let folder = folder();
    let input = "nycflights13-flights-10k.csv --null-values NA --progress off";
    folder.run(&format!("convert {input} -o out/whole.parquet")).ok();
    let whole = rows(&folder, "out/whole.parquet");
    for options in ["", "--memory 48MiB --threads 1 --batch-rows 700", "--threads 2"] {
        let options = format!("{options} --partition-by carrier --overwrite");
        folder.run(&format!("convert {input} -o out/x.parquet {options}")).ok();
        let place = whole.iter().position(|column| column.name == "carrier").unwrap();
        let carriers: BTreeSet<String> = whole[place].cells.iter().map(|cell| format!("{cell:?}")).collect();
        assert_eq!(list(&folder, "out/x.parquet").len(), carriers.len());
        for partition in list(&folder, "out/x.parquet") {
            let carrier = Cell::Text(partition.strip_prefix("carrier=").unwrap().to_owned());
            let is_here: Vec<bool> = whole[place].cells.iter().map(|cell| *cell == carrier).collect();
            let mut expected = whole.clone();
            expected.remove(place);
            for column in &mut expected {
                let mut is_here = is_here.iter();
                column.cells.retain(|_| *is_here.next().unwrap());
            }
            assert_eq!(
                joined(&folder, &format!("out/x.parquet/{partition}"), "part-"),
                expected,
                "{partition}"
            );
        }
    }
    assert_eq!(folder.outputs(), ["whole.parquet", "x.parquet"]);
}

#[test]
fn what_is_no_partition_is_never_removed() {
    let folder = folder();
    let convert = |options: &str| folder.run(&format!("convert orders-1k.csv {options}"));
    convert("-o out/x.csv --partition-by category").ok();
    let again = convert("-o out/x.csv --partition-by category");
    assert_eq!(again.code, Some(2), "{again:?}");
    folder.write("out/x.csv/notes.txt", "mine");
    let again = convert("-o out/x.csv --partition-by category --overwrite");
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("\"out/x.csv\" holds \"notes.txt\", which is no partition"), "{again:?}");
    assert_eq!(folder.read("out/x.csv/notes.txt"), b"mine");
    fs::remove_file(folder.path("out/x.csv/notes.txt")).unwrap();
    convert("-o out/x.csv --partition-by category --overwrite").ok();
    folder.write("out/y.csv", "mine");
    let file = convert("-o out/y.csv --partition-by category --overwrite");
    assert_eq!(file.code, Some(2), "{file:?}");
    assert_eq!(folder.outputs(), ["x.csv", "y.csv"]);
}

#[test]
fn options_that_make_no_sense_are_usage_errors() {
    let folder = folder();
    for (options, message) in [
        ("-o - --split-rows 5", "--split-rows makes several files, and -o - is one stream; give -o a name"),
        (
            "-o - --partition-by x",
            "--partition-by makes several files, and -o - is one stream; give -o a name",
        ),
        (
            "-o out/x.csv --partition-by id --split-rows 5",
            "--split-rows and --partition-by do not go together; leave one out",
        ),
        (
            "-o out/x.csv --partition-by id --split-bytes 5MB",
            "--split-bytes and --partition-by do not go together; leave one out",
        ),
        ("-o out/x.csv --split-rows 0", "--split-rows 0: expected a number of rows, such as 1000k"),
        ("-o out/x.csv --split-rows auto", "--split-rows auto: expected a number of rows, such as 1000k"),
        ("-o out/x.csv --split-bytes 0", "--split-bytes 0: expected at least 1 B"),
        ("-o out/x.csv --split-bytes x", "--split-bytes x: "),
        (
            "-o out/x.csv --partition-by idd",
            "cannot partition by column \"idd\": the output has none of that name; choose one that it has",
        ),
    ] {
        let run = folder.run(&format!("convert orders-1k.csv {options}"));
        assert_eq!((run.code, run.text()), (Some(2), ""), "{run:?}");
        assert!(run.stderr.starts_with(&format!("tidegate: {message}")), "{run:?}");
        assert_eq!(folder.outputs(), Vec::<String>::new());
    }
}

#[test]
fn a_file_says_where_its_columns_come_from() {
    let folder = folder();
    folder.write(
        "recipe.toml",
        "version = 1\n[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"amount\"]\n\
         [[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"amount\"]\n\
         [[steps]]\nuse = \"one_hot_encoder\"\ncolumns = [\"category\"]\n",
    );
    folder.run("fit-transform orders-1k.csv -r recipe.toml -o out/x.parquet --save out/p").ok();
    folder.run("transform orders-1k.csv -p out/p -o out/y.parquet").ok();
    for name in ["out/x.parquet", "out/y.parquet"] {
        let reader = SerializedFileReader::new(fs::File::open(folder.path(name)).unwrap()).unwrap();
        let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let lineage = pairs.iter().find(|pair| pair.key == "tidegate.lineage").unwrap();
        let lineage: serde_json::Value = serde_json::from_str(lineage.value.as_ref().unwrap()).unwrap();
        let columns = lineage.as_array().unwrap();
        let names: Vec<&str> = columns.iter().map(|column| column["column"].as_str().unwrap()).collect();
        assert_eq!(names, rows(&folder, name).iter().map(|column| column.name.as_str()).collect::<Vec<_>>());
        let of = |name: &str| columns.iter().find(|column| column["column"] == name).unwrap();
        let expected = serde_json::json!({
            "column": "amount",
            "source": "amount",
            "steps": [{"place": 0, "name": "simple_imputer"}, {"place": 1, "name": "standard_scaler"}],
            "category": null,
        });
        assert_eq!(of("amount"), &expected);
        let category = columns.iter().find(|column| column["source"] == "category").unwrap();
        assert_eq!(category["steps"][0], serde_json::json!({"place": 2, "name": "one_hot_encoder"}));
        assert_eq!(category["column"], format!("category_{}", category["category"].as_str().unwrap()));
        assert_eq!(of("id")["steps"], serde_json::json!([]));
    }
}
