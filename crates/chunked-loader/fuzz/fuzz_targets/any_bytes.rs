//! Any bytes under any dialect: never a panic, and the same outcome however the input is cut.
//!
//! The first eight bytes of an input choose the dialect, the limits and the cuts; the rest is the file. The file
//! is read twice: as it is, in one block and one batch, and behind a skipped line that is long enough for the
//! rest to arrive in small blocks, in small batches. The first part of a file is read in one piece whatever the
//! block size, so that a short file alone is never cut.

#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use chunked_loader::{
    Dialect, Downcast, Error, ErrorKind, FixedRows, Loader, Malformed, NullValues, OnBadRecord, Scan, Source,
    TypeHint,
};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Bytes of a file that are read in one piece.
const HEAD_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What the first bytes of an input choose.
struct Choice {
    dialect: Dialect,
    hint: Option<TypeHint>,
    downcast: Downcast,
    on_bad_record: OnBadRecord,
    max_record_bytes: usize,
    block_bytes: usize,
    batch_rows: usize,
    /// Bytes of the file, behind a byte-order mark, that still arrive in the first piece.
    in_head: usize,
}

impl Choice {
    /// `None` for a dialect in which a byte has two jobs.
    fn read(bytes: [u8; 8]) -> Option<Choice> {
        let [flags, characters, skip, limit, block, rows, head, hint] = bytes;
        let bit = |n: u8| flags >> n & 1 == 1;
        let delimiter = [None, Some(b','), Some(b';'), Some(b'\t')][usize::from(characters & 3)];
        let quote = [Some(b'"'), Some(b'"'), Some(b'\''), None][usize::from(characters >> 2 & 3)];
        let escape = [None, Some(b'\\'), Some(b'"'), Some(b'x')][usize::from(characters >> 4 & 3)];
        let comment = [None, None, Some(b'#'), Some(b'1')][usize::from(characters >> 6)];
        let mut dialect = Dialect::default()
            .with_quote(quote)
            .with_escape(escape)
            .with_comment(comment)
            .with_header(!bit(0))
            .with_skip_lines(u64::from(skip % 4));
        if let Some(delimiter) = delimiter {
            dialect = dialect.with_delimiter(delimiter);
        }
        if bit(1) {
            dialect = dialect.with_null_values(NullValues::Listed(vec!["-".to_owned(), "1".to_owned()]));
        }
        dialect.validate().ok()?;
        let names = ["", "int8", "float32", "float64", "bool", "date", "timestamp", "dictionary"];
        let hint = match names[usize::from(hint & 7)] {
            "" if hint & 8 != 0 => Some(TypeHint::Text),
            name => name.parse().ok().map(TypeHint::Fixed),
        };
        Some(Choice {
            dialect,
            hint,
            downcast: [Downcast::Safe, Downcast::None, Downcast::Aggressive][usize::from(flags >> 2 & 3) % 3],
            on_bad_record: if bit(4) { OnBadRecord::Fail } else { OnBadRecord::Skip },
            max_record_bytes: if limit < 128 { usize::from(limit) } else { 1 << 20 },
            block_bytes: 1 + usize::from(block % 67),
            batch_rows: 1 + usize::from(rows % 9),
            in_head: usize::from(head),
        })
    }
}

/// Everything that comes of reading a file.
#[derive(Debug, PartialEq)]
struct Outcome {
    rows: RecordBatch,
    columns: Vec<String>,
    rejects: Vec<String>,
}

/// How far a file stands behind where it would stand without the skipped line, in bytes.
#[derive(Clone, Copy)]
struct Shift(u64);

impl Shift {
    fn position(self, position: chunked_loader::Position) -> String {
        let lines = u64::from(self.0 > 0);
        format!("{} {} {}", position.byte - self.0, position.line - lines, position.record)
    }

    fn malformed(self, malformed: &Malformed) -> String {
        match malformed {
            Malformed::InvalidUtf8 { byte, field } => format!("bytes at {} in {field}", byte - self.0),
            other => format!("{other:?}"),
        }
    }

    fn error(self, error: &Error) -> String {
        assert!(!error.to_string().is_empty());
        let kind = match error.kind() {
            ErrorKind::Malformed(malformed) => self.malformed(malformed),
            ErrorKind::Changed => panic!("what was scanned is said to have changed: {error}"),
            ErrorKind::Arrow(e) => panic!("an array does not fit its column: {e}"),
            other => format!("{other:?}"),
        };
        let position = error.position().map(|p| self.position(p));
        format!("{position:?} {:?} {kind}", error.column())
    }
}

/// Reads the file in two passes, and checks what must hold of any reading.
fn read(
    path: &Path,
    choice: &Choice,
    dialect: &Dialect,
    shift: Shift,
    block_bytes: usize,
    batch_rows: usize,
) -> Result<(Outcome, Scan), Error> {
    let mut loader = Loader::new(Source::open(&[path.to_owned()], Path::new("/nowhere"))?)
        .with_dialect(dialect.clone())
        .with_downcast(choice.downcast)
        .with_on_bad_record(choice.on_bad_record)
        .with_max_record_bytes(choice.max_record_bytes)
        .with_block_bytes(block_bytes);
    if let Some(hint) = choice.hint {
        let name = if dialect.header() { "a" } else { "column_1" };
        loader = loader.with_type_hints([(name.to_owned(), hint)]);
    }
    let mut rejects = Vec::new();
    let scan = loader.scan_with(&mut |reject| {
        let (place, reason) = (shift.position(reject.position), shift.malformed(reject.reason));
        rejects.push(format!("{place} {:?} {reason} {:?}", reject.column, reject.raw));
        Ok(())
    })?;
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let mut batches = Vec::new();
    let mut next_row = 0;
    for batch in loader.batches(&scan, &all, Box::new(FixedRows(batch_rows))) {
        let batch = batch?;
        assert_eq!(batch.first_row(), next_row);
        next_row += batch.num_rows() as u64;
        batches.push(batch.into_parts().0);
    }
    assert!(
        batches.iter().rev().skip(1).all(|b| b.num_rows() == batch_rows),
        "a batch before the last is short"
    );
    let rows = concat_batches(scan.schema(), &batches).expect("all batches have the schema of the scan");
    assert_eq!((next_row, rejects.len() as u64), (scan.rows(), scan.rejected()));
    let columns = scan.columns().iter().zip(rows.columns()).map(|(facts, column)| {
        assert_eq!(facts.nulls, column.null_count() as u64, "nulls of {}", facts.name);
        let witness = facts.text_witness.as_ref().map(|w| (shift.position(w.position), &w.excerpt));
        format!(
            "{} {:?} {} {} {} {:?} {:?} {:?} {witness:?} {} {}",
            facts.name,
            facts.kind,
            facts.data_type,
            facts.wide_type,
            facts.nulls,
            facts.null_tokens,
            facts.int_range,
            facts.extent,
            facts.bytes_wide,
            facts.bytes_narrow
        )
    });
    let columns = columns.collect();
    Ok((Outcome { rows, columns, rejects }, scan))
}

/// Two files that every run writes anew, in memory where the system has a place for that.
fn paths() -> &'static [PathBuf; 2] {
    static PATHS: OnceLock<[PathBuf; 2]> = OnceLock::new();
    PATHS.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new()
            .prefix("chunked-loader-fuzz-")
            .tempdir_in(parent)
            .expect("a folder for the inputs")
            .keep();
        [folder.join("whole.csv"), folder.join("cut.csv")]
    })
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((choice, file)) = data.split_first_chunk::<8>() else { return Corpus::Reject };
    let Some(choice) = Choice::read(*choice) else { return Corpus::Reject };
    // What begins like a packed file or with the mark of UTF-16 is that, and is not behind other bytes.
    let marks: [&[u8]; 6] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\xff\xfe", b"\xfe\xff"];
    if marks.iter().any(|mark| file.starts_with(mark)) {
        return Corpus::Reject;
    }
    let [whole_path, cut_path] = paths();
    fs::write(whole_path, file).expect("the input is written");
    let whole = read(whole_path, &choice, &choice.dialect, Shift(0), 1 << 16, 1 << 20);
    if whole.as_ref().is_err_and(|e| matches!(e.kind(), ErrorKind::Unsupported { .. })) {
        return Corpus::Keep;
    }

    // What was found by looking at the whole file is settled for the cut one, which shows less at first.
    let mut dialect = choice.dialect.clone().with_skip_lines(choice.dialect.skip_lines() + 1);
    match &whole {
        Ok((_, scan)) => {
            dialect = dialect.with_delimiter(scan.dialect().delimiter().expect("a scan settles it"))
        }
        Err(_) if dialect.delimiter().is_none() => return Corpus::Keep,
        Err(_) => {}
    }
    let (mark, rest) = match file.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => (&[][..], file),
    };
    let in_head = choice.in_head.min(rest.len());
    let mut padded = mark.to_vec();
    padded.resize(HEAD_BYTES - in_head - 1, b'x');
    padded.push(b'\n');
    let shift = Shift((padded.len() - mark.len()) as u64);
    padded.extend_from_slice(rest);
    fs::write(cut_path, &padded).expect("the input is written");
    let cut = read(cut_path, &choice, &dialect, shift, choice.block_bytes, choice.batch_rows);

    match (whole, cut) {
        (Ok((whole, _)), Ok((cut, _))) => assert_eq!(whole, cut),
        (whole, cut) => {
            let whole = whole.map(|(outcome, _)| outcome).map_err(|e| Shift(0).error(&e));
            let cut = cut.map(|(outcome, _)| outcome).map_err(|e| shift.error(&e));
            assert_eq!(whole, cut);
        }
    }
    Corpus::Keep
});
