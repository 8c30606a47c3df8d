//! One run of a case through the loader.

use std::path::Path;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use chunked_loader::{
    Batch, BatchLimit, Dialect, Encoding, Error, ErrorKind, FixedRows, IndexKernel, Loader, Malformed,
    NullValues, Observation, OnBadRecord, Position, Sizing, Source, TypeHint, type_name,
};
use monitor::{Budget, Bytes, Monitor};
use serde_json::Value;

use crate::case::Case;

/// Where batches are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// Exactly so many rows.
    Rows(usize),
    /// As soon as so many bytes are held.
    Bytes(u64),
}

impl Sizing for Cut {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        match *self {
            Cut::Rows(rows) => FixedRows(rows).next(seen),
            Cut::Bytes(bytes) => BatchLimit { rows: usize::MAX, bytes: Bytes(bytes), may_be_cut: true },
        }
    }
}

/// How the work is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) block: usize,
    pub(crate) cut: Cut,
    pub(crate) threads: usize,
    /// `None`: the state machine alone.
    pub(crate) kernel: Option<IndexKernel>,
    pub(crate) budget: Option<Bytes>,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) outcome: Outcome,
    pub(crate) rejects: Vec<Rejected>,
}

/// A record that was left out.
#[derive(Debug, PartialEq)]
pub(crate) struct Rejected {
    position: Position,
    column: Option<String>,
    reason: Malformed,
    raw: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Read(Read),
    Refused(Refused),
}

/// The whole table.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) columns: RecordBatch,
    /// By their names in the contract; `null` for a column without a value.
    pub(crate) types: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) message: String,
    pub(crate) position: Option<Position>,
    pub(crate) column: Option<String>,
    /// Byte of the first invalid sequence.
    pub(crate) bad_byte: Option<u64>,
    /// The exit code that the contract gives such an error.
    pub(crate) exit: u64,
}

impl Reading {
    pub(crate) fn of(case: &Case, file: &Path, way: Way, skips: bool) -> Reading {
        let mut rejects = Vec::new();
        let outcome = match read(case, file, way, skips, &mut rejects) {
            Ok(read) => Outcome::Read(read),
            Err(error) => Outcome::Refused(Refused::new(&error)),
        };
        Reading { outcome, rejects }
    }

    /// Whether this is the table that was read.
    pub(crate) fn has_read(&self, columns: &RecordBatch) -> bool {
        matches!(&self.outcome, Outcome::Read(read) if read.columns == *columns)
    }

    /// Whether another cut of the work gave the same.
    pub(crate) fn same_as(&self, other: &Reading) -> Result<(), String> {
        if self.rejects != other.rejects {
            return Err(format!("rejects {:?}, elsewhere {:?}", self.rejects, other.rejects));
        }
        match (&self.outcome, &other.outcome) {
            (Outcome::Read(a), Outcome::Read(b)) if a.columns == b.columns => Ok(()),
            (Outcome::Refused(a), Outcome::Refused(b)) if a.message == b.message => Ok(()),
            (Outcome::Refused(a), _) => Err(format!("refused: {}", a.message)),
            _ => Err("gave other values".to_owned()),
        }
    }
}

/// The table without a scan, where its types can be presumed from pieces of it and nothing contradicts them.
pub(crate) fn presumed(case: &Case, file: &Path, range: u64) -> Option<RecordBatch> {
    let loader = loader(case, file, Monitor::unbounded()).ok()?.with_threads(2).with_range_bytes(range);
    let presumption = loader.presume().ok()??;
    let mut batches = loader.batches_presumed(presumption, Box::new(Cut::Rows(7))).ok()?;
    let columns: Vec<RecordBatch> =
        batches.by_ref().map(|batch| Ok(batch?.into_parts().0)).collect::<Result<_, Error>>().ok()?;
    let scan = batches.finish().ok()?;
    let columns = columns.iter().map(|batch| {
        let columns = batch.columns().iter().enumerate();
        let columns = columns.map(|(place, column)| scan.proved(place, column).unwrap());
        RecordBatch::try_new(scan.schema().clone(), columns.collect()).unwrap()
    });
    Some(concat_batches(scan.schema(), &columns.collect::<Vec<_>>()).unwrap())
}

fn loader(case: &Case, file: &Path, monitor: Monitor) -> Result<Loader, Error> {
    Ok(Loader::new(Source::open(&[file.to_owned()], &std::env::temp_dir())?)
        .with_dialect(dialect(case))
        .with_encoding(encoding(case))
        .with_type_hints(hints(case))
        .with_monitor(monitor))
}

fn read(case: &Case, file: &Path, way: Way, skips: bool, rejects: &mut Vec<Rejected>) -> Result<Read, Error> {
    let budget = way.budget.map_or_else(Budget::unbounded, Budget::new);
    let monitor = Monitor::builder().with_budget(budget).build().unwrap();
    let loader = loader(case, file, monitor)?
        .with_on_bad_record(if skips { OnBadRecord::Skip } else { OnBadRecord::Fail })
        .with_block_bytes(way.block)
        .with_threads(way.threads);
    let loader = match way.kernel {
        Some(kernel) => loader.with_index_kernel(kernel),
        None => loader.without_index(),
    };
    let scan = loader.scan_with(&mut |reject| {
        rejects.push(Rejected {
            position: reject.position,
            column: reject.column.map(str::to_owned),
            reason: reject.reason.clone(),
            raw: reject.raw.to_vec(),
        });
        Ok(())
    })?;
    assert_eq!(scan.rejected(), rejects.len() as u64);
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let batches = loader.batches(&scan, &all, Box::new(way.cut));
    let columns = collect(batches, way)?;
    let columns = concat_batches(scan.schema(), &columns).unwrap();
    assert_eq!(columns.num_rows() as u64, scan.rows());
    let types = scan.columns().iter().map(|facts| {
        if facts.kind == chunked_loader::Kind::Null && facts.nulls == scan.rows() {
            "null".to_owned()
        } else {
            type_name(&facts.data_type)
        }
    });
    Ok(Read { types: types.collect(), columns })
}

/// The columns of all batches, whose place and size are checked on the way. What they reserved is given back
/// at once, as by a consumer that copies.
fn collect(batches: impl Iterator<Item = Result<Batch, Error>>, way: Way) -> Result<Vec<RecordBatch>, Error> {
    let mut columns: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    let mut last = None;
    for batch in batches {
        let batch = batch?;
        assert_eq!(batch.first_row(), rows);
        assert!(batch.num_rows() > 0 && batch.reserved() > Bytes::ZERO);
        assert!(last.is_none_or(|last| batch.position().byte > last));
        if let (Cut::Rows(n), Some(before)) = (way.cut, columns.last()) {
            assert_eq!(before.num_rows(), n, "only the last batch may be short");
        }
        rows += batch.num_rows() as u64;
        last = Some(batch.position().byte);
        columns.push(batch.into_parts().0);
    }
    Ok(columns)
}

fn dialect(case: &Case) -> Dialect {
    let byte = |v: &Value| v.as_str().unwrap().as_bytes()[0];
    let mut dialect = Dialect::default();
    for (option, value) in &case.options {
        dialect = match option.as_str() {
            "delimiter" => dialect.with_delimiter(byte(value)),
            "quote" => dialect.with_quote(Some(byte(value))),
            "escape" => dialect.with_escape(Some(byte(value))),
            "comment" => dialect.with_comment(Some(byte(value))),
            "no-header" => dialect.with_header(false),
            "skip-rows" => dialect.with_skip_lines(value.as_u64().unwrap()),
            "null-values" => {
                let tokens = value.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned());
                dialect.with_null_values(NullValues::Listed(tokens.collect()))
            }
            "decimal" => dialect.with_decimal(byte(value)),
            "thousands" => dialect.with_thousands(Some(byte(value))),
            // No business of the dialect.
            "encoding" | "types" | "on-bad-row" | "max-rejects" => dialect,
            other => panic!("{}: unknown option {other}", case.name),
        };
    }
    dialect
}

fn encoding(case: &Case) -> Encoding {
    let name = case.options.get("encoding").and_then(Value::as_str);
    name.map_or(Encoding::Auto, |name| name.parse().unwrap())
}

fn hints(case: &Case) -> Vec<(String, TypeHint)> {
    let Some(types) = case.options.get("types") else { return Vec::new() };
    let hint =
        |(name, t): (&String, &Value)| (name.clone(), TypeHint::Fixed(t.as_str().unwrap().parse().unwrap()));
    types.as_object().unwrap().iter().map(hint).collect()
}

impl Refused {
    fn new(error: &Error) -> Refused {
        let bad_byte = match error.kind() {
            ErrorKind::Malformed(Malformed::InvalidUtf8 { byte, .. }) => Some(*byte),
            _ => None,
        };
        let exit = match error.kind() {
            ErrorKind::Malformed(_) | ErrorKind::Empty => 3,
            ErrorKind::Damaged { .. } | ErrorKind::Undecodable { .. } => 3,
            ErrorKind::UnknownColumn { .. } | ErrorKind::Option(_) => 2,
            _ => 1,
        };
        Refused {
            message: error.to_string(),
            position: error.position(),
            column: error.column().map(str::to_owned),
            bad_byte,
            exit,
        }
    }
}
