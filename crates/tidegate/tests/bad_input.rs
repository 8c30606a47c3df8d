//! Input, recipes and targets that cannot be worked with: each ends with its exit code, a message that says
//! where and what to do, and nothing in the folder of the output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Folder, Run, orders, skip};

/// The run failed with `code`, said all of `parts` and nothing else on standard output, and left nothing.
#[track_caller]
fn failed(folder: &Folder, run: &Run, code: i32, parts: &[&str]) {
    assert_eq!(run.code, Some(code), "{run:?}");
    for part in parts {
        assert!(run.stderr.contains(part), "{:?} lacks {part:?}", run.stderr);
    }
    assert_eq!(run.text(), "");
    assert_eq!(folder.outputs(), Vec::<String>::new());
    assert_eq!(folder.temporaries(), Vec::<String>::new());
}

/// The same with the whole message.
#[track_caller]
fn failed_saying(folder: &Folder, run: &Run, code: i32, message: &str) {
    failed(folder, run, code, &[]);
    assert_eq!(run.stderr, format!("tidegate: {message}\n"));
}

const SCALER: &str = "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"a\"]\n";
const ONE_HOT: &str = "version = 1\n[[steps]]\nuse = \"one_hot_encoder\"\ncolumns = [\"c\"]\n";

/// A folder with a good file, a file whose number column has a late `A`, and a recipe that scales the column.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("good.csv", "a,b\n1,x\n2,y\n3,z\n");
    folder.write("late.csv", "a,b\n1,x\n2,y\nA,z\n");
    folder.write("scale.toml", SCALER);
    folder
}

#[test]
fn files_that_are_no_input() {
    let folder = folder();
    let convert = |input: &str| folder.run(&format!("convert {input} -o out/x.parquet"));
    failed_saying(&folder, &convert("gone.csv"), 1, "gone.csv: no such file; check the path");
    failed_saying(&folder, &convert("*.none"), 1, "*.none: no such file; check the path");
    folder.write("empty.csv", "");
    failed_saying(
        &folder,
        &convert("empty.csv"),
        3,
        "empty.csv: has no record, expected at least a header; is it the right file?",
    );
    failed_saying(
        &folder,
        &convert("tmp"),
        1,
        "tmp: is a directory, expected a file; name the files in it, for example with a glob `*.csv`",
    );
    // The second of two files is as much looked at as the first.
    failed(&folder, &convert("good.csv gone.csv"), 1, &["gone.csv: no such file"]);
    // Columns are joined by name, and one that a file lacks is null in its rows.
    folder.write("other.csv", "a,c\n1,2\n");
    folder.run("convert good.csv other.csv -o joined.parquet").ok();
    let columns = common::table::read_parquet(&folder.path("joined.parquet"));
    let last: Vec<_> = columns.iter().map(|column| column.cells.last().unwrap()).collect();
    assert_eq!(
        last,
        [&common::table::Cell::Int(1), &common::table::Cell::Null, &common::table::Cell::Int(2)]
    );
}

#[test]
fn compressed_input_that_is_cut_off_or_damaged() {
    let folder = Folder::with(&["nycflights13-planes.csv.gz"]);
    let whole = fs::read(folder.path("nycflights13-planes.csv.gz")).unwrap();
    folder.write("cut.csv.gz", &whole[..10_000]);
    failed_saying(
        &folder,
        &folder.run("convert cut.csv.gz -o out/x.parquet"),
        3,
        "cut.csv.gz: ends at byte 10000 in the middle of its gzip data, expected their end; it was cut off, so fetch \
         or make it again",
    );
    let mut flipped = whole;
    flipped[10_000] ^= 0xff;
    folder.write("flipped.csv.gz", &flipped);
    failed(
        &folder,
        &folder.run("convert flipped.csv.gz -o out/x.parquet"),
        3,
        &["its gzip data are damaged"],
    );
}

#[test]
fn text_that_is_not_in_its_encoding() {
    let folder = folder();
    folder.write("odd.csv", b"\xff\xfea\0\n\x001");
    failed_saying(
        &folder,
        &folder.run("convert odd.csv -o out/x.parquet"),
        3,
        "odd.csv: found bytes at byte 6 that utf-16le has no character for, expected utf-16le text; mend the file, or \
         name its true encoding, by --encoding",
    );
    let run = folder.run("inspect odd.csv --encoding utf-5");
    failed(
        &folder,
        &run,
        2,
        &["--encoding utf-5: unknown encoding \"utf-5\"; common ones are auto, utf-8, utf-16"],
    );
}

#[test]
fn malformed_records() {
    let folder = folder();
    folder.write("short.csv", "a,b\n1,2\n3\n");
    failed_saying(
        &folder,
        &folder.run("convert short.csv -o out/x.parquet"),
        3,
        "short.csv: line 3, record 2, byte 8: found 1 field in \"3\", expected 2 as in the header; mend the \
         record, or quote a field that holds the delimiter",
    );
    folder.write("long.csv", format!("a,b\n1,2\n3,{},4\n", "x".repeat(60)));
    for command in ["convert long.csv -o out/x.parquet", "inspect long.csv"] {
        failed_saying(
            &folder,
            &folder.run(command),
            3,
            "long.csv: line 3, record 2, byte 8: found 3 fields in \"3,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\", expected \
             2 as in the header; mend the record, or quote a field that holds the delimiter",
        );
    }
    folder.write("latin1.csv", b"a,b\n1,\xe9t\xe9\n");
    for command in
        ["convert latin1.csv -o out/x.parquet --encoding utf-8", "inspect latin1.csv --encoding utf-8"]
    {
        failed_saying(
            &folder,
            &folder.run(command),
            3,
            "latin1.csv: line 2, record 1, byte 4: column \"b\": found bytes that are not UTF-8 at byte 6 in \
             \"1,\\xe9t\\xe9\", expected UTF-8; mend them, or name the file's true encoding, by --encoding",
        );
    }
    // A line end inside quotes: the line and the record are not the same number.
    folder.write("tall.csv", "a,b\n1,\"x\ny\"\n2\n");
    failed(&folder, &folder.run("convert tall.csv -o out/x.parquet"), 3, &["line 4, record 2, byte 12"]);
    folder.write("open.csv", "a,b\n1,x\n2,\"never closed\n3,y\n");
    failed_saying(
        &folder,
        &folder.run("convert open.csv -o out/x.parquet"),
        3,
        "open.csv: line 3, record 2, byte 8: found the end of the file inside a quoted field in \"2,\\\"never \
         closed\\n3,y\\n\", expected its closing quote; close it, or double a quote that belongs to the text",
    );
    failed_saying(
        &folder,
        &folder.run("convert open.csv -o out/x.parquet --max-record-bytes 12B"),
        3,
        "open.csv: line 3, record 2, byte 8: found no end of the record within 12 bytes in \"2,\\\"never clo\", expected \
         one; a quote in it is probably never closed: close it, or allow longer records, by --max-record-bytes",
    );
    folder.write("joined.csv", "a,b\n1,\"x\"y\n");
    failed_saying(
        &folder,
        &folder.run("inspect joined.csv"),
        3,
        "joined.csv: line 2, record 1, byte 4: found text after a closing quote in \"1,\\\"x\\\"y\", expected a delimiter \
         or the end of the line; double a quote that belongs to the text",
    );
}

#[test]
fn a_late_text_in_a_column_of_numbers() {
    let folder = folder();
    failed_saying(
        &folder,
        &folder.run("fit-transform late.csv -r scale.toml -o out/x.parquet --save out/p"),
        2,
        "scale.toml: line 2: step 1 (standard_scaler): column \"a\": holds text values, expected numbers or bools; \
         take the column out of the step, or give it another type; it is text because of \"A\" in late.csv: line 4, \
         record 3, byte 12",
    );
    failed(&folder, &folder.run("fit late.csv -r scale.toml -o out/p"), 2, &["\"A\" in late.csv: line 4"]);
    failed_saying(
        &folder,
        &folder.run("convert late.csv --types a=int64 -o out/x.parquet"),
        3,
        "late.csv: line 4, record 3, byte 12: column \"a\": found \"A\", expected int64; mend the value or give the \
         column another type",
    );
    // Nobody asked for numbers: the column is text, and nothing is lost.
    folder.run("convert late.csv -o out/x.parquet").ok();
    let columns = common::table::read_parquet(&folder.path("out/x.parquet"));
    let texts = ["1", "2", "A"].map(|text| common::table::Cell::Text(text.into()));
    assert_eq!(columns[0].cells, texts);
}

#[test]
fn a_value_beyond_its_fixed_type() {
    let folder = folder();
    folder.write("wide.csv", "a\n1\n300\n");
    let run = folder.run("convert wide.csv --types a=int8 -o out/x.parquet");
    failed(&folder, &run, 3, &["wide.csv: line 3, record 2", "column \"a\"", "300", "int8"]);
    // What a step makes has no exact type to fall back on, and infinity would be another value.
    folder.write("huge.csv", "a,b\n1,1.25\n2,1e300\n");
    folder.write(
        "keep.toml",
        "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"b\"]\nwith_mean = false\nwith_std = false\n",
    );
    let run = folder.run("fit-transform huge.csv -r keep.toml --downcast aggressive -o out/x.parquet");
    failed(
        &folder,
        &run,
        3,
        &["column \"b\": found 1e300, expected a value that float32", "use --downcast safe"],
    );
}

#[test]
fn paths_that_clash_with_what_is_read_or_written() {
    let folder = folder();
    folder.write("good.csv", "a,b\n1,2\n");
    let job = "fit-transform good.csv -r scale.toml -o out/x.parquet";
    for (flags, message) in [
        ("--summary good.csv", "--summary would write over the input good.csv"),
        ("--save good.csv --overwrite", "--save would write over the input good.csv"),
        ("--summary scale.toml", "--summary would write over the input scale.toml"),
        ("--save out/x.parquet", "-o and --save both write out/x.parquet"),
        ("--summary -", "--summary -: only rows go to standard output"),
        ("--types a=int8,a=int16", "--types names the column a twice"),
    ] {
        failed(&folder, &folder.run(&format!("{job} {flags}")), 2, &[message]);
    }
    failed(
        &folder,
        &folder.run("fit good.csv -r scale.toml -o -"),
        2,
        &["-o -: only rows go to standard output"],
    );
    let rejects = "--on-bad-row quarantine --save out/x.parquet.rejects.csv";
    failed(&folder, &folder.run(&format!("{job} {rejects}")), 2, &["--save and --rejects both write"]);
}

#[test]
fn targets_that_cannot_be_written() {
    let folder = folder();
    let run = folder.run("convert good.csv -o gone/x.parquet");
    failed_saying(&folder, &run, 1, "the directory of \"gone/x.parquet\" does not exist; create it first");
    assert!(!folder.path("gone").exists());
    let run = folder.run("fit good.csv -r scale.toml -o gone/p");
    failed(&folder, &run, 1, &["the directory of \"gone/p\" does not exist; create it first"]);
    let run = folder.run("fit-transform good.csv -r scale.toml -o out/x.parquet --save gone/p");
    failed(&folder, &run, 1, &["the directory of \"gone/p\" does not exist; create it first"]);
    folder.write("file", "");
    let run = folder.run("convert good.csv -o file/x.parquet");
    failed(&folder, &run, 1, &["file/x.parquet", "is not a directory"]);

    let formats = "valid are .parquet, .arrow, .arrows, .csv, or - for an Arrow IPC stream";
    failed(&folder, &folder.run("convert good.csv -o out/x.txt"), 2, &["\"out/x.txt\"", formats]);
    failed(&folder, &folder.run("convert good.csv -o out/x"), 2, &["\"out/x\"", formats]);
    failed(&folder, &folder.run("convert good.csv -o out"), 2, &["\"out\""]);
}

#[test]
fn a_folder_without_leave_to_write() {
    let folder = folder();
    fs::set_permissions(folder.path("out"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.path("out/probe"), "").is_ok() {
        fs::remove_file(folder.path("out/probe")).unwrap();
        return skip("a folder without leave to write", "this user may write everywhere");
    }
    let run = folder.run("convert good.csv -o out/x.parquet");
    failed(&folder, &run, 1, &["cannot create a file beside \"out/x.parquet\"", "choose another directory"]);
}

#[test]
fn an_output_that_exists() {
    let folder = folder();
    let exists = |name: &str| {
        format!("tidegate: \"out/{name}\" already exists; choose another name or give --overwrite\n")
    };
    for (name, args) in [
        ("x.parquet", "convert good.csv -o out/x.parquet"),
        ("x.parquet", "fit-transform good.csv -r scale.toml -o out/x.parquet"),
        ("p", "fit good.csv -r scale.toml -o out/p"),
        ("p", "fit-transform good.csv -r scale.toml -o out/y.parquet --save out/p"),
    ] {
        fs::write(folder.path("out").join(name), "mine").unwrap();
        let run = folder.run(args);
        assert_eq!((run.code, run.text()), (Some(2), ""), "{run:?}");
        assert_eq!(run.stderr, exists(name));
        assert_eq!(folder.read(&format!("out/{name}")), b"mine");
        assert_eq!(folder.outputs(), [name]);

        // A run that fails does not take the old file away either, and one that is asked to replaces it.
        let run = folder.run(&format!("{} --overwrite", args.replace("good", "gone")));
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_eq!(folder.read(&format!("out/{name}")), b"mine");
        folder.run(&format!("{args} --overwrite")).ok();
        assert_ne!(folder.read(&format!("out/{name}")), b"mine");
        for name in folder.outputs() {
            fs::remove_file(folder.path("out").join(name)).unwrap();
        }
    }
}

/// A file that would be written over while it is read, or twice, would be lost without a word.
#[test]
fn files_that_would_be_written_over() {
    let folder = folder();
    let good = folder.read("good.csv");
    for (args, message) in [
        (
            "convert good.csv -o out/x.parquet --on-bad-row quarantine --rejects good.csv",
            "--rejects would write over the input good.csv; give it another file",
        ),
        (
            "inspect late.csv good.csv --summary ../$/good.csv",
            "--summary would write over the input good.csv; give it another file",
        ),
        (
            "convert good.csv -o out/x.parquet --overwrite --summary out/x.parquet",
            "-o and --summary both write out/x.parquet; give each its own file",
        ),
        (
            "convert good.csv -o out/x.parquet --on-bad-row quarantine --rejects out/x.parquet",
            "-o and --rejects both write out/x.parquet; give each its own file",
        ),
        (
            "fit-transform good.csv -r scale.toml -o out/x.parquet --overwrite --save out/x.parquet",
            "-o and --save both write out/x.parquet; give each its own file",
        ),
        (
            "fit good.csv -r scale.toml -o out/p --summary out/p",
            "-o and --summary both write out/p; give each its own file",
        ),
    ] {
        let name = folder.path("").file_name().unwrap().to_str().unwrap().to_owned();
        let run = folder.run(&args.replace('$', &name));
        failed_saying(&folder, &run, 2, &format!("{message}; see `tidegate --help`"));
        assert_eq!(folder.read("good.csv"), good);
    }
    let run = folder.run("convert good.csv -o out/x.parquet --summary gone/s.json");
    failed_saying(
        &folder,
        &run,
        1,
        "gone/s.json: cannot be written: its folder is not there; create it first",
    );
    // Devices may be written to by any number.
    folder.run("convert good.csv -o out/x.parquet --summary /dev/null --on-bad-row quarantine --rejects /dev/null").ok();
}

#[test]
fn recipes_that_make_no_sense() {
    let folder = folder();
    let check = |recipe: &str, message: &str| {
        folder.write("r.toml", recipe);
        let run = folder.run("fit-transform good.csv -r r.toml -o out/x.parquet --save out/p");
        failed_saying(&folder, &run, 2, &format!("r.toml: {message}"));
    };
    let step = |lines: &str| format!("version = 1\n[[steps]]\n{lines}\n");
    check(
        &step("use = \"standard_scaler\"\ncolumns = [\"ab\"]"),
        "line 2: step 1 (standard_scaler): no column matches `ab`; did you mean `a`?",
    );
    check(
        &step("use = \"standard_scalr\"\ncolumns = [\"a\"]"),
        "line 3: no step is called `standard_scalr`; did you mean `standard_scaler`?",
    );
    check(
        &step("use = \"standard_scaler\"\ncolumns = [\"a\"]\nwith_men = true"),
        "line 5: unknown key `with_men`; did you mean `with_mean`?",
    );
    check(
        &step("use = \"simple_imputer\"\ncolumns = [\"a\"]\nstrategy = \"meen\""),
        "line 5: `strategy` is \"meen\", expected one of \"mean\", \"median\", \"most_frequent\", \"constant\"",
    );
    check("not toml", "line 1: not TOML: key with no value, expected `=`");
    let run = folder.run("fit good.csv -r gone.toml -o out/p");
    failed_saying(&folder, &run, 1, "gone.toml: no such file; check the path");
}

#[test]
fn tables_of_a_later_version_are_refused_by_name() {
    let folder = folder();
    for table in ["[model]", "[evaluation]"] {
        folder.write("r.toml", format!("version = 1\n{table}\nuse = \"ridge\"\n"));
        let run = folder.run("fit-transform good.csv -r r.toml -o out/x.parquet");
        failed(&folder, &run, 2, &["r.toml: line 2", table, "not built"]);
    }
}

#[test]
fn input_that_is_not_what_was_fitted() {
    let folder = folder();
    folder.write("fitted.csv", "c,n\na,1\nb,2\n");
    folder.write("hot.toml", ONE_HOT);
    folder.run("fit fitted.csv -r hot.toml -o tmp/p").ok();
    fs::rename(folder.path("tmp/p"), folder.path("p")).unwrap();

    folder.write("unseen.csv", "c,n\na,1\nzebra,2\n");
    failed_saying(
        &folder,
        &folder.run("transform unseen.csv -p p -o out/x.parquet"),
        3,
        "unseen.csv: line 3, record 2, byte 8: step 1 (one_hot_encoder): column \"c\": found the category `zebra`, \
         which the fit did not see; set `handle_unknown`, or fit on data that has it",
    );
    // Rejected records, blank lines, line ends inside quotes and files before it are all counted.
    folder.write("first.csv", "c,n\na,1\nb,2\n");
    folder.write("second.csv", "c,n\nbad\n\na,\"1\n2\"\nzebra,3\n");
    let run =
        folder.run("transform first.csv second.csv -p p -o out/x.parquet --on-bad-row skip --types n=string");
    failed(&folder, &run, 3, &["column \"n\": held integer values when the pipeline was fitted"]);
    folder.write("second.csv", "c,n\nbad\n\n\"a\",1\nzebra,3\n");
    let run = folder.run("transform first.csv second.csv -p p -o out/x.parquet --on-bad-row skip");
    failed(&folder, &run, 3, &["second.csv: line 5, record 3, byte 15: step 1 (one_hot_encoder)", "`zebra`"]);
    folder.write("less.csv", "n\n1\n");
    let run = folder.run("transform less.csv -p p -o out/x.parquet");
    let missing = |column: &str| {
        format!(
            "column \"{column}\": is missing, and was there when the pipeline was fitted; add it, or fit again without"
        )
    };
    failed(&folder, &run, 3, &["less.csv: ", &missing("c")]);
    folder.write("text.csv", "c\na\n");
    let run = folder.run("transform text.csv -p p -o out/x.parquet");
    failed(&folder, &run, 3, &["text.csv: ", &missing("n")]);
    folder.write("more.csv", "c,m,n\na,1,1\n");
    let run = folder.run("transform more.csv -p p -o out/x.parquet");
    failed(&folder, &run, 3, &["more.csv: column \"m\": was not there when the pipeline was fitted"]);
    folder.write("other.csv", "c,n\na,1\nb,many\n");
    let run = folder.run("transform other.csv -p p -o out/x.parquet");
    failed(
        &folder,
        &run,
        3,
        &["column \"n\": held integer values", "\"many\" in other.csv: line 3, record 2"],
    );
    let run = folder.run("transform fitted.csv -p hot.toml -o out/x.parquet");
    failed(&folder, &run, 2, &["hot.toml: is no pipeline; give a file that `tidegate fit` has written"]);
    let run = folder.run("transform fitted.csv -p gone -o out/x.parquet");
    failed_saying(&folder, &run, 1, "gone: no such file; check the path");

    // One bit of the pipeline's file is not what it was.
    let mut bytes = folder.read("p");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    folder.write("broken", bytes);
    let run = folder.run("transform fitted.csv -p broken -o out/x.parquet");
    failed(&folder, &run, 1, &["broken: "]);
}

#[test]
fn a_budget_that_is_too_small() {
    let folder = folder();
    for command in
        ["convert good.csv -o out/x.parquet", "fit good.csv -r scale.toml -o out/p", "inspect good.csv"]
    {
        let run = folder.run(&format!("{command} --memory 1MiB"));
        let parts =
            ["a budget of 1.0 MiB is below the ", " that the process itself needs; give --memory 48MiB\n"];
        failed(&folder, &run, 4, &parts);
    }
}

#[test]
fn a_batch_that_is_too_large_for_the_budget() {
    let folder = folder();
    folder.write("orders.csv", orders(32 << 20));
    folder.write("scale.toml", SCALER.replace("\"a\"", "\"amount\""));
    for command in ["convert orders.csv", "fit-transform orders.csv -r scale.toml"] {
        let run = folder.run(&format!("{command} -o out/x.parquet --batch-rows 1m --memory 40MiB"));
        let parts = [
            "the memory budget of 40.0 MiB cannot give",
            "; give --memory ",
            "MiB",
            ", or --batch-rows less\n",
        ];
        failed(&folder, &run, 4, &parts);
    }
}

#[test]
fn wrong_values_of_flags() {
    let folder = folder();
    for (options, part) in [
        ("--memory x", "--memory x: `x` is not a size"),
        ("--threads 0", "--threads 0: expected at least 1"),
        ("--threads x", "invalid value 'x' for '--threads <N>'"),
        ("--batch-rows 0", "--batch-rows 0: `0` is no number of rows; expected `auto`"),
        ("--batch-rows 1.5", "--batch-rows 1.5: `1.5` is no number of rows"),
        ("--downcast x", "[possible values: none, safe, aggressive]"),
        ("--types a", "--types a: expected NAME=TYPE"),
        ("--types a=int9", "--types a=int9: `int9` is no type; expected one of int8, int16,"),
        ("--types q=int8", "good.csv: column \"q\": is not in the input; its columns are \"a\", \"b\""),
        ("--delimiter ab", "--delimiter ab: expected one ASCII character, or \\t for a tab"),
        ("--delimiter , --quote ,", "the quote `,` is the delimiter too"),
        ("--skip-rows x", "invalid value 'x' for '--skip-rows <N>'"),
        ("--on-bad-row x", "[possible values: fail, skip, quarantine]"),
        ("--max-rejects 3", "--max-rejects needs --on-bad-row skip or quarantine"),
        ("--on-bad-row skip --max-rejects x", "--max-rejects x: expected a number of records, or a share"),
        ("--on-bad-row skip --max-rejects 101%", "--max-rejects 101%"),
        ("--rejects r.csv", "--rejects needs --on-bad-row quarantine"),
        ("--compression gzip", "unknown compression \"gzip\"; valid are snappy, zstd, zstd:LEVEL"),
        ("--compression zstd:99", "the zstd level must be a whole number from 1 to 22"),
        ("--progress x", "[possible values: auto, bar, json, off]"),
        ("--nosuch", "unexpected argument '--nosuch'"),
    ] {
        let run = folder.run(&format!("convert good.csv -o out/x.parquet {options}"));
        failed(&folder, &run, 2, &[part]);
    }
    let run = folder.run("convert good.csv -o out/x.arrow --compression snappy");
    failed(&folder, &run, 2, &["no compression \"snappy\"; use zstd, lz4 or none, or write .parquet"]);
    failed(&folder, &folder.run("inspect - good.csv"), 2, &["`-` stands alone"]);
    failed(&folder, &folder.run("convert good.csv"), 2, &["--output <FILE>"]);
    failed(&folder, &folder.run("nosuch good.csv"), 2, &["unrecognized subcommand 'nosuch'"]);
    failed(&folder, &folder.run("bench good.csv --job x"), 2, &["--job x: expected load"]);
    failed(&folder, &folder.run("bench -"), 2, &["give a file instead of `-`"]);
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let folder = folder();
    for option in ["--report out/r.html", "--resume"] {
        let run = folder.run(&format!("convert good.csv -o out/x.parquet {option}"));
        let name = option.replace(" out/r.html", "");
        failed_saying(&folder, &run, 2, &format!("{name} is not built in this version; leave it out"));
    }
    for (command, name) in [
        ("bench good.csv --job convert", "--job convert"),
        ("bench good.csv --job fit-transform", "--job fit-transform"),
        ("train good.csv -r scale.toml -o out/m", "the command `train`"),
        ("predict good.csv -m m -o out/x.parquet --scores", "the command `predict`"),
    ] {
        let message = format!("{name} is not built in this version; leave it out");
        failed_saying(&folder, &folder.run(command), 2, &message);
    }
    failed_saying(
        &folder,
        &folder.run("convert good.csv -o out/x.csv --compression lz4"),
        2,
        "CSV has no compression \"lz4\"; leave it out, or write .parquet",
    );
}
