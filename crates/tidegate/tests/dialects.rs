//! Encodings, marks in numbers, and where input that cannot be read twice is kept: what the flags say is done.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::table::{Cell, read_parquet};
use common::{Folder, Run};

fn texts(folder: &Folder, column: usize) -> Vec<Cell> {
    read_parquet(&folder.path("x.parquet")).swap_remove(column).cells
}

fn convert(folder: &Folder, options: &str) {
    folder.run(&format!("convert in.csv -o x.parquet --overwrite {options}")).ok();
}

#[test]
fn a_text_is_the_same_in_every_encoding() {
    let folder = Folder::new();
    let table = "name,n\ncafé,1\nnaïve,2\n";
    let latin: Vec<u8> = table.chars().map(|c| c as u8).collect();
    let units = |bytes: fn(u16) -> [u8; 2]| table.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    for (names, bytes) in [
        ("utf-8 UTF8 auto", table.as_bytes().to_vec()),
        ("utf-16 utf-16le", units(u16::to_le_bytes)),
        ("utf-16be", units(u16::to_be_bytes)),
        ("latin1 latin-1 iso-8859-1 windows-1252 cp1252 auto", latin),
    ] {
        folder.write("in.csv", bytes);
        for name in names.split(' ') {
            convert(&folder, &format!("--encoding {name}"));
            assert_eq!(texts(&folder, 0), ["café", "naïve"].map(|t| Cell::Text(t.into())), "{name}");
        }
    }
}

#[test]
fn marks_of_the_flags_are_those_of_the_numbers() {
    let folder = Folder::new();
    folder.write("in.csv", "a;b\n1.234,5;1.000\n-2,25;2.000.000\n");
    convert(&folder, "--decimal , --thousands .");
    assert_eq!(texts(&folder, 0), [1234.5f64, -2.25].map(|n| Cell::Float(n.to_bits())));
    assert_eq!(texts(&folder, 1), [1000, 2_000_000].map(Cell::Int));
    folder.write("in.csv", "a,b\n\"1,234.5\",x\n\"12,34\",y\n");
    convert(&folder, "--thousands ,");
    assert_eq!(texts(&folder, 0), ["1,234.5", "12,34"].map(|t| Cell::Text(t.into())));
    let run = folder.run("convert in.csv -o y.parquet --decimal ,, --overwrite");
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--decimal ,,: expected one ASCII character"), "{run:?}");
}

fn from_pipe(folder: &Folder, options: &str) -> Run {
    let input = std::fs::File::open(folder.path("in.csv")).unwrap();
    let mut command = folder.command();
    command.args(["convert", "-", "-o", "x.parquet", "--overwrite"]).args(options.split(' ')).stdin(input);
    command.output().unwrap().into()
}

#[test]
fn standard_input_is_kept_where_the_flag_says() {
    let folder = Folder::new();
    folder.write("in.csv", "a\n1\n2\n");
    std::fs::create_dir(folder.path("spool")).unwrap();
    from_pipe(&folder, "--spool-dir spool").ok();
    assert_eq!(texts(&folder, 0), [1, 2].map(Cell::Int));
    assert_eq!(std::fs::read_dir(folder.path("spool")).unwrap().count(), 0, "nothing is left there");

    let run = from_pipe(&folder, "--spool-dir nowhere");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("tidegate: spool folder nowhere cannot be written to: "), "{run:?}");
    assert!(run.stderr.trim_end().ends_with("choose a folder that can, by --spool-dir"), "{run:?}");
}

#[test]
fn a_record_may_be_as_long_as_the_flag_says() {
    let folder = Folder::new();
    folder.write("in.csv", format!("a,b\n1,{}\n", "x".repeat(4094)));
    convert(&folder, "--max-record-bytes 4KiB");
    let run = folder.run("convert in.csv -o y.parquet --max-record-bytes 4095B");
    assert_eq!(run.code, Some(3));
    assert!(
        run.stderr.contains("in.csv: line 2, record 1, byte 4: found no end of the record within 4095 bytes")
    );
    for wrong in ["0", "1GiB", "much"] {
        let run = folder.run(&format!("convert in.csv -o y.parquet --max-record-bytes {wrong}"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(&format!("--max-record-bytes {wrong}: ")), "{run:?}");
    }
}
