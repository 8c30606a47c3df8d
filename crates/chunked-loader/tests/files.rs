//! Files as they come: missing, empty, changed, several, of other formats, and pipes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int8Type;
use chunked_loader::{
    Dialect, Encoding, Error, ErrorKind, FixedRows, Loader, Malformed, OnBadRecord, Position, Scan, Source,
    TypeHint,
};

/// A folder for the files of one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, paths: &[PathBuf]) -> Loader {
        Loader::new(Source::open(paths, self.0.path()).unwrap())
    }

    /// A loader of one file with this content.
    fn loader(&self, bytes: impl AsRef<[u8]>) -> Loader {
        let path = self.write("input.csv", bytes);
        self.open(&[path])
    }

    /// A message with the folder's path, which differs from run to run, left out.
    fn message(&self, error: &Error) -> String {
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }

    fn assert_changed(&self, error: &Error) {
        assert!(matches!(error.kind(), ErrorKind::Changed), "{error}");
        assert_eq!(
            self.message(error),
            "input.csv: changed while it was read, so that its types no longer hold; run again when it is complete"
        );
    }

    fn scan_message(&self, bytes: impl AsRef<[u8]>) -> String {
        self.message(&self.loader(bytes).scan().unwrap_err())
    }
}

fn names(scan: &Scan) -> Vec<&str> {
    scan.columns().iter().map(|c| c.name.as_str()).collect()
}

fn types(scan: &Scan) -> Vec<String> {
    scan.columns().iter().map(|c| chunked_loader::type_name(&c.data_type)).collect()
}

/// All values as text, through batches of two rows.
fn rows(loader: &Loader, scan: &Scan) -> Vec<Vec<String>> {
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let mut rows = Vec::new();
    for batch in loader.batches(scan, &all, Box::new(FixedRows(2))) {
        let batch = batch.unwrap();
        let texts: Vec<_> = batch
            .columns()
            .columns()
            .iter()
            .map(|c| arrow::compute::cast(c, &arrow::datatypes::DataType::Utf8).unwrap())
            .collect();
        for n in 0..batch.num_rows() {
            let field = |c: &arrow::array::ArrayRef| {
                if c.is_null(n) { "null".to_owned() } else { c.as_string::<i32>().value(n).to_owned() }
            };
            rows.push(texts.iter().map(field).collect());
        }
    }
    rows
}

#[test]
fn a_missing_file_and_a_directory() {
    let folder = Folder::new();
    let error = Source::open(&[folder.path("gone.csv")], folder.0.path()).unwrap_err();
    assert_eq!(folder.message(&error), "gone.csv: no such file; check the path");
    assert!(std::error::Error::source(&error).is_some());

    std::fs::create_dir(folder.path("orders")).unwrap();
    let error = Source::open(&[folder.path("orders")], folder.0.path()).unwrap_err();
    assert_eq!(
        folder.message(&error),
        "orders: is a directory, expected a file; name the files in it, for example with a glob `*.csv`"
    );
    let error = Source::open(&[], folder.0.path()).unwrap_err();
    assert_eq!(error.to_string(), "no input is named; name at least one file");
}

#[test]
fn a_file_that_is_gone_before_it_is_read() {
    let folder = Folder::new();
    let loader = folder.loader("a\n1\n");
    std::fs::remove_file(folder.path("input.csv")).unwrap();
    assert_eq!(folder.message(&loader.scan().unwrap_err()), "input.csv: no such file; check the path");
}

#[test]
fn files_without_a_record() {
    let folder = Folder::new();
    let expected = "input.csv: has no record, expected at least a header; is it the right file?";
    for bytes in ["", "\n", "\n\r\n\r", "\u{feff}"] {
        assert_eq!(folder.scan_message(bytes), expected, "{bytes:?}");
    }
    let no_header = folder.loader("\n\n").with_dialect(Dialect::default().with_header(false));
    assert_eq!(folder.message(&no_header.scan().unwrap_err()), expected);
    let skipped = folder.loader("a,b\n1,2\n").with_dialect(Dialect::default().with_skip_lines(2));
    assert_eq!(folder.message(&skipped.scan().unwrap_err()), expected);
}

#[test]
fn a_header_alone_gives_no_batch() {
    let folder = Folder::new();
    let loader = folder.loader("a,b");
    let scan = loader.scan().unwrap();
    assert_eq!((names(&scan), scan.rows()), (vec!["a", "b"], 0));
    assert!(rows(&loader, &scan).is_empty());
}

#[test]
fn no_column_is_wanted_but_the_rows_are_counted() {
    let folder = Folder::new();
    let loader = folder.loader("a,b\n1,2\n3,4\n5,6\n");
    let scan = loader.scan().unwrap();
    let counts: Vec<usize> =
        loader.batches(&scan, &[], Box::new(FixedRows(2))).map(|b| b.unwrap().num_rows()).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn a_projection_chooses_columns_and_their_order() {
    let folder = Folder::new();
    let loader = folder.loader("a,b,c\n1,x,2\n");
    let scan = loader.scan().unwrap();
    let batch = loader.batches(&scan, &[2, 0], Box::new(FixedRows(2))).next().unwrap().unwrap();
    assert_eq!(batch.columns().schema().fields()[0].name(), "c");
    assert_eq!(batch.columns().column(0).as_primitive::<Int8Type>().value(0), 2);
    assert_eq!(batch.columns().column(1).as_primitive::<Int8Type>().value(0), 1);
}

#[test]
fn a_file_that_changed_between_scan_and_batches() {
    let folder = Folder::new();
    // Grown, shrunk, emptied, and of equal length: written anew, and put in the old one's place.
    for (changed, is_renamed) in
        [("a\n1\n2\n3\n", false), ("a\n1\n", false), ("", false), ("a\n1\n3\n", false), ("a\n1\n3\n", true)]
    {
        for threads in [1, 2] {
            let loader = folder.loader("a\n1\n2\n").with_threads(threads);
            let scan = loader.scan().unwrap();
            if is_renamed {
                std::fs::rename(folder.write("other.csv", changed), folder.path("input.csv")).unwrap();
            } else {
                folder.write("input.csv", changed);
            }
            let mut batches = loader.batches(&scan, &[0], Box::new(FixedRows(10)));
            folder.assert_changed(&batches.next().unwrap().unwrap_err());
            assert!(batches.next().is_none(), "an error is the end");
        }
    }
}

#[test]
fn files_that_no_row_comes_from_may_not_change_either() {
    let folder = Folder::new();
    for threads in [1, 2] {
        let paths = [folder.write("input.csv", ""), folder.write("b.csv", "a\n1\n2\n")];
        let loader = folder.open(&paths).with_threads(threads).with_rows(1..2);
        let scan = loader.scan().unwrap();
        folder.write("input.csv", "a\n7\n");
        let error = loader.batches(&scan, &[0], Box::new(FixedRows(10))).next().unwrap().unwrap_err();
        folder.assert_changed(&error);
    }
}

#[test]
fn a_file_that_changes_while_its_batches_are_read() {
    let folder = Folder::new();
    // Batches of so many bytes that each is a range of its own, and threads cannot make all of them ahead.
    let csv = format!("a,b\n{}", format!("7,{}\n", "x".repeat(60)).repeat(45_000));
    let changes: [fn(&mut std::fs::File); 3] = [
        |file| std::os::unix::fs::FileExt::write_all_at(file, b"1,x\n", 4 + 63 * 45_000).unwrap(),
        |file| file.set_len(2_000_000).unwrap(),
        |file| std::os::unix::fs::FileExt::write_all_at(file, b"8", 4 + 63 * 40_000).unwrap(),
    ];
    for change in changes {
        for mode in ["one thread", "two threads", "unscanned"] {
            let threads = if mode == "two threads" { 2 } else { 1 };
            let loader = folder.loader(&csv).with_threads(threads);
            let rows = Box::new(FixedRows(4500));
            let mut batches: Box<dyn Iterator<Item = _>> = if mode == "unscanned" {
                Box::new(loader.batches_unscanned(None, rows).unwrap())
            } else {
                Box::new(loader.batches(&loader.scan().unwrap(), &[0], rows))
            };
            assert!(batches.next().unwrap().is_ok());
            change(&mut std::fs::OpenOptions::new().write(true).open(folder.path("input.csv")).unwrap());
            let mut given = 1;
            let error = batches.by_ref().inspect(|_| given += 1).find_map(Result::err);
            folder.assert_changed(&error.unwrap());
            // Threads have made some ahead, one for each place in their line.
            let ahead = if threads > 1 { threads + 1 } else { 0 };
            assert!(given <= 1 + ahead + 1, "{mode}: {given} batches");
            assert!(batches.next().is_none(), "an error is the end");
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_scanned() {
    let folder = Folder::new();
    let csv: String =
        std::iter::once("a,b\n".to_owned()).chain((0..40_000).map(|n| format!("{n},x\n"))).collect();
    for threads in [1, 2] {
        // Somebody is still writing: what is there ends in half a record.
        for more in ["7,y\n", "7"] {
            let path = folder.path("input.csv");
            let is_changed = std::sync::Once::new();
            let loader = folder.loader(&csv).with_block_bytes(10_000).with_threads(threads);
            let loader = loader.with_progress(move |progress| {
                if progress.bytes > 20_000 {
                    is_changed.call_once(|| {
                        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                        file.write_all(more.as_bytes()).unwrap();
                    });
                }
                ControlFlow::Continue(())
            });
            folder.assert_changed(&loader.scan().unwrap_err());
        }
    }
}

#[test]
fn several_files_of_one_shape_are_one_input() {
    let folder = Folder::new();
    let paths = [
        folder.write("a.csv", "id,s\n1,x"),
        folder.write("b.csv", "id,s\n"),
        folder.write("c.csv", ""),
        folder.write("d.csv", "\u{feff}id,s\r\n300,y\r\n-1,z\r\n"),
    ];
    let loader = folder.open(&paths);
    let scan = loader.scan().unwrap();
    assert_eq!((scan.rows(), types(&scan)[0].as_str()), (3, "int16"));
    assert_eq!(scan.bytes(), loader.source().bytes());
    assert_eq!(rows(&loader, &scan), [["1", "x"], ["300", "y"], ["-1", "z"]]);
    let batches: Vec<_> = loader.batches(&scan, &[0], Box::new(FixedRows(1))).map(Result::unwrap).collect();
    let places: Vec<_> = batches.iter().map(|b| (b.file(), b.first_row(), b.position())).collect();
    assert_eq!(
        places,
        [
            (0, 0, Position { byte: 5, line: 2, record: 1 }),
            (3, 1, Position { byte: 9, line: 2, record: 1 }),
            (3, 2, Position { byte: 16, line: 3, record: 2 }),
        ]
    );
    let raw: u64 = batches.iter().map(chunked_loader::Batch::raw_bytes).sum();
    assert_eq!(raw, "1,x300,y\r\n-1,z\r\n".len() as u64, "the records alone, as they are stored");
}

#[test]
fn files_of_different_headers_are_joined_by_name() {
    let folder = Folder::new();
    let paths = [
        folder.write("a.csv", "id,s\n1,x\n"),
        folder.write("b.csv", "t,id\ny,2\n"),
        folder.write("c.csv", "u\n5\n6\n"),
    ];
    let loader = folder.open(&paths);
    let scan = loader.scan().unwrap();
    assert_eq!(names(&scan), ["id", "s", "t", "u"], "new ones come at the end");
    assert_eq!(types(&scan), ["int8", "dictionary", "dictionary", "int8"]);
    assert_eq!([0, 1, 2].map(|file| scan.missing_columns(file)), [&[2, 3][..], &[1, 3], &[0, 1, 2]]);
    assert_eq!(scan.columns().iter().map(|c| c.nulls).collect::<Vec<_>>(), [2, 3, 3, 2]);
    assert_eq!(
        rows(&loader, &scan),
        [
            ["1", "x", "null", "null"],
            ["2", "null", "y", "null"],
            ["null", "null", "null", "5"],
            ["null", "null", "null", "6"]
        ]
    );
}

#[test]
fn files_without_header_must_have_the_width_of_the_first() {
    let folder = Folder::new();
    let first = folder.write("a.csv", "1,x\n2,y\n");
    for (bytes, found) in [("3\n", "1 field in \"3\""), ("3,z,w\n", "3 fields in \"3,z,w\"")] {
        let second = folder.write("b.csv", format!("{bytes}4,z\n"));
        let dialect = Dialect::default().with_header(false).with_delimiter(b',');
        let loader = folder.open(&[first.clone(), second]).with_dialect(dialect);
        assert_eq!(
            folder.message(&loader.scan().unwrap_err()),
            format!(
                "b.csv: line 1, record 1, byte 0: found {found}, expected 2 as in the header; mend the record, or \
                 quote a field that holds the delimiter"
            )
        );
        let skipping = loader.with_on_bad_record(OnBadRecord::Skip);
        let scan = skipping.scan().unwrap();
        assert_eq!((scan.rows(), scan.rejected()), (3, 1));
        assert_eq!(rows(&skipping, &scan), [["1", "x"], ["2", "y"], ["4", "z"]]);
    }
}

#[test]
fn a_malformed_header_is_never_skipped() {
    let folder = Folder::new();
    for (bytes, found) in [
        (
            &b"\"a\"x,b\n1,2\n3,4\n"[..],
            "text after a closing quote in \"\\\"a\\\"x,b\", expected a delimiter or the end of the line; double a quote \
             that belongs to the text",
        ),
        (
            b"a,\xff\n1,2\n3,4\n",
            "bytes that are not UTF-8 at byte 2 in \"a,\\xff\", expected UTF-8; mend them, or name the file's true encoding",
        ),
    ] {
        let loader = folder.loader(bytes).with_on_bad_record(OnBadRecord::Skip).with_encoding(Encoding::Utf8);
        let message = folder.message(&loader.scan().unwrap_err());
        assert_eq!(message, format!("input.csv: line 1, record 0, byte 0: found {found}"));
    }
}

#[test]
fn a_file_that_is_not_utf8_is_windows_1252_if_nothing_is_said() {
    let folder = Folder::new();
    let loader = folder.loader(b"a,\xff\n1,\x80\n2,x\n").with_on_bad_record(OnBadRecord::Skip);
    let scan = loader.scan().unwrap();
    assert_eq!((names(&scan), scan.encodings()), (vec!["a", "ÿ"], &[Encoding::Windows1252][..]));
    assert_eq!(scan.rejected(), 0);
    assert_eq!(rows(&loader, &scan), [["1", "€"], ["2", "x"]]);
}

#[test]
fn rejects_are_handed_over_once_with_their_bytes() {
    let folder = Folder::new();
    // `b` becomes text behind a number, so that the input is scanned twice.
    let loader = folder
        .loader("a,b\n1,2\n3\n\"x\"y,4\n300,5\n6,late\n")
        .with_type_hints([("a".to_owned(), TypeHint::Fixed("int8".parse().unwrap()))])
        .with_on_bad_record(OnBadRecord::Skip);
    let mut rejects = Vec::new();
    let scan = loader
        .scan_with(&mut |reject| {
            let raw = String::from_utf8_lossy(reject.raw).into_owned();
            rejects.push((reject.position.line, reject.column.map(str::to_owned), raw));
            Ok(())
        })
        .unwrap();
    assert_eq!(
        rejects,
        [
            (3, None, "3".to_owned()),
            (4, None, "\"x\"y,4".to_owned()),
            (5, Some("a".to_owned()), "300,5".to_owned())
        ]
    );
    assert_eq!((scan.rows(), scan.rejected()), (2, 3));
    assert_eq!(rows(&loader, &scan), [["1", "2"], ["6", "late"]]);

    let error = loader.scan_with(&mut |_| Err(std::io::Error::other("disk full"))).unwrap_err();
    assert_eq!(folder.message(&error), "input.csv: cannot be read: disk full");
}

#[test]
fn a_column_of_nothing_but_empty_fields_is_null_throughout() {
    let folder = Folder::new();
    let loader = folder.loader("a,b\n\"\",1\n,2\n\"\",3\n");
    let scan = loader.scan().unwrap();
    assert_eq!((scan.columns()[0].kind, scan.columns()[0].nulls), (chunked_loader::Kind::Null, 3));
    assert_eq!(rows(&loader, &scan), [["null", "1"], ["null", "2"], ["null", "3"]]);
}

#[test]
fn a_mark_at_the_start_belongs_to_no_name() {
    let folder = Folder::new();
    let loader = folder.loader("\u{feff}\"a\",b\n1,\u{feff}x\n");
    let scan = loader.scan().unwrap();
    assert_eq!(names(&scan), ["a", "b"]);
    assert_eq!(rows(&loader, &scan), [["1", "\u{feff}x"]]);
}

/// A file that says it is UTF-8 is not read as something else, wherever it turns out to be wrong.
#[test]
fn a_mark_decides_in_the_header_as_well() {
    let folder = Folder::new();
    for bytes in [&b"\xef\xbb\xbfa\x96,b\n1,2\n"[..], b"\xef\xbb\xbfa,b\n1,2\x96\n"] {
        let error = folder.loader(bytes).scan().unwrap_err();
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::Malformed(Malformed::InvalidUtf8 { .. })), "{error}");
    }
    assert_eq!(names(&folder.loader(b"a\x96,b\n1,2\n").scan().unwrap()), ["a\u{2013}", "b"]);
}

#[test]
fn other_formats_are_refused_by_name() {
    let folder = Folder::new();
    for (bytes, expected) in [
        (
            &b"PK\x03\x04"[..],
            "is a zip archive, which is not read yet; unpack it first, for example with `unzip`",
        ),
        (
            b"\xff\xfe\0\0a\0\0\0",
            "is UTF-32, which is not read yet; convert it first, for example with `iconv -f UTF-32 -t UTF-8`",
        ),
    ] {
        let error = folder.loader(bytes).scan().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }));
        assert_eq!(folder.message(&error), format!("input.csv: {expected}"));
    }
}

#[test]
fn compressed_files_and_utf16_are_read_as_what_they_hold() {
    let folder = Folder::new();
    let text = "id,name\n1,é\n300,x\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [text.as_bytes(), &gzip, &utf16] {
        let loader = folder.loader(bytes);
        let scan = loader.scan().unwrap();
        assert_eq!(types(&scan), ["int16", "string"]);
        assert_eq!(rows(&loader, &scan), [["1", "é"], ["300", "x"]]);
        assert_eq!(scan.bytes(), bytes.len() as u64, "as they are stored");
    }
    assert_eq!(
        folder.scan_message(&gzip[..gzip.len() - 3]),
        format!(
            "input.csv: ends at byte {} in the middle of its gzip data, expected their end; it was cut off, so fetch \
             or make it again",
            gzip.len() - 3
        )
    );
    assert_eq!(
        folder.scan_message(&utf16[..utf16.len() - 1]),
        format!(
            "input.csv: found bytes at byte {} that utf-16be has no character for, expected utf-16be text; mend the file, \
             or name its true encoding",
            utf16.len() - 2
        )
    );
}

#[test]
fn a_name_that_looks_like_a_format_is_a_name() {
    let folder = Folder::new();
    for name in ["BZh", "BZh9", "PAR1", "ARROW1", "PK"] {
        for end in [",b\n1,2\n", "\n1\n"] {
            let scan = folder.loader(format!("{name}{end}")).scan().unwrap();
            assert_eq!(names(&scan)[0], name);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_once_and_its_copy_deleted() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let spool = tempfile::tempdir().unwrap();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, "a,b\n1,x\n200,y\n").unwrap()
    });
    let loader = Loader::new(Source::open(&[pipe], spool.path()).unwrap());
    writer.join().unwrap();
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 1);
    let scan = loader.scan().unwrap();
    assert_eq!(rows(&loader, &scan), [["1", "x"], ["200", "y"]]);
    drop(loader);
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
}

#[test]
fn spooling_names_the_input_and_can_be_stopped() {
    let folder = Folder::new();
    let bytes = "a\n1\n\"2\n".as_bytes();
    let source = Source::spool("standard input", bytes, folder.0.path(), &mut || false).unwrap();
    let error = Loader::new(source).scan().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::UnclosedQuote)));
    assert_eq!(
        error.to_string(),
        "standard input: line 3, record 2, byte 4: found the end of the file inside a quoted field in \"\\\"2\\n\", \
         expected its closing quote; close it, or double a quote that belongs to the text"
    );
    let error = Source::spool("standard input", bytes, folder.0.path(), &mut || true).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Cancelled));
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 0);
    let error =
        Source::spool("standard input", bytes, Path::new("/nowhere/at/all"), &mut || false).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Spool { .. }));
    assert_eq!(error.file(), None, "the input is not at fault");
}

#[test]
fn a_pass_can_be_cancelled_and_tells_how_far_it_is() {
    let folder = Folder::new();
    let csv: String =
        std::iter::once("a\n".to_owned()).chain((0..40_000).map(|n| format!("{n}\n"))).collect();
    let seen = Arc::new(AtomicU64::new(0));
    let stop_at = Arc::new(AtomicU64::new(u64::MAX));
    let loader = folder.loader(&csv).with_block_bytes(10_000).with_progress({
        let (seen, stop_at) = (Arc::clone(&seen), Arc::clone(&stop_at));
        let total = csv.len() as u64;
        move |progress| {
            assert_eq!(progress.total_bytes, total);
            seen.store(progress.bytes, Ordering::Relaxed);
            if progress.bytes >= stop_at.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
    });
    let scan = loader.scan().unwrap();
    assert_eq!(seen.swap(0, Ordering::Relaxed), csv.len() as u64);
    assert_eq!(loader.batches(&scan, &[0], Box::new(FixedRows(7))).filter(|b| b.is_ok()).count(), 5715);
    assert_eq!(seen.load(Ordering::Relaxed), csv.len() as u64);

    // Rows that are not given count for nothing.
    seen.store(0, Ordering::Relaxed);
    let half = loader.clone().with_rows(10_000..30_000);
    assert_eq!(half.batches(&scan, &[0], Box::new(FixedRows(7))).filter(|b| b.is_ok()).count(), 2858);
    assert_eq!(seen.load(Ordering::Relaxed), csv.len() as u64 / 2);

    stop_at.store(100_000, Ordering::Relaxed);
    let error = loader.scan().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Cancelled));
    assert_eq!(folder.message(&error), "input.csv: interrupted");
    let mut batches = loader.batches(&scan, &[0], Box::new(FixedRows(7)));
    let error = batches.find_map(Result::err).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Cancelled));
    assert!(batches.next().is_none());
}

#[test]
fn progress_counts_bytes_as_they_are_stored_and_ends_at_all_of_them() {
    let folder = Folder::new();
    let records: String = (0..40_000).map(|n| format!("{n},x\n")).collect();
    let text = format!("a,b\n{records}40000,y");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    for bytes in [text.as_bytes(), &gzip.finish().unwrap()] {
        for threads in [1, 2] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let paths =
                [folder.write("a.csv", bytes), folder.write("b.csv", "a,b"), folder.write("c.csv", bytes)];
            let total = 2 * bytes.len() as u64 + 3;
            let loader = folder.open(&paths).with_threads(threads).with_progress({
                let seen = Arc::clone(&seen);
                move |progress| {
                    assert_eq!(progress.total_bytes, total);
                    seen.lock().unwrap().push(progress.bytes);
                    ControlFlow::Continue(())
                }
            });
            let check = |pass: &str| {
                let seen = std::mem::take(&mut *seen.lock().unwrap());
                assert!(seen.is_sorted() && seen.len() > 4, "{pass}: {seen:?}");
                assert_eq!(*seen.last().unwrap(), total, "{pass} with {threads} threads");
            };
            let scan = loader.scan().unwrap();
            check("scan");
            assert!(loader.batches(&scan, &[0], Box::new(FixedRows(7000))).all(|b| b.is_ok()));
            check("batches");
            assert!(loader.batches_unscanned(None, Box::new(FixedRows(7000))).unwrap().all(|b| b.is_ok()));
            check("unscanned");
        }
    }
}

#[test]
fn hints_for_columns_that_are_not_there() {
    let folder = Folder::new();
    let loader = folder.loader("a,b\n1,2\n").with_type_hints([("c".to_owned(), TypeHint::Text)]);
    let error = loader.scan().unwrap_err();
    assert_eq!(
        folder.message(&error),
        "input.csv: column \"c\": is not in the input; its columns are \"a\", \"b\""
    );
}
