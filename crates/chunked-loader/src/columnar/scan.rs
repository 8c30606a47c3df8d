//! The scan of files of columns: every value, one column of one group at a time.

use std::sync::Arc;

use super::pass::{Pass, Passed};
use super::schema::SourceColumn;
use super::table::{self, Table};
use crate::checkpoints::Checkpoints;
use crate::column_scan::TypeHint;
use crate::dialect::Dialect;
use crate::downcast;
use crate::error::{Error, ErrorKind};
use crate::field_rules::FieldRules;
use crate::header;
use crate::layout::{Layout, Layouts};
use crate::position::Position;
use crate::preface::Preface;
use crate::scan::{ColumnFacts, Request, Scan, no_timestamp_unit};
use crate::source::{Encoding, Fingerprint, Format};
use crate::types::{FixedType, Kind};
use arrow::datatypes::Schema;

/// Rows of a column that are decoded at a time.
pub(super) const STEP: usize = 4096;

/// What later passes go by.
#[derive(Debug)]
pub(crate) struct ColumnarScan {
    /// The groups of all files in order.
    pub(super) groups: Vec<GroupPlace>,
    /// What decoding each column takes at the most.
    pub(super) peaks: Vec<usize>,
    /// What all columns decode in.
    pub(super) scratch: usize,
}

/// Where a group of rows is.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupPlace {
    pub(super) file: usize,
    /// Its number in the file.
    pub(super) group: usize,
    /// Rows of the whole input before it.
    pub(super) first_row: u64,
    pub(super) rows: u64,
    pub(super) byte: u64,
}

/// What the first look at the files has found.
pub(super) struct Looked {
    pub(super) names: Vec<String>,
    pub(super) layouts: Vec<Option<Arc<Layout>>>,
    pub(super) prints: Vec<Fingerprint>,
    formats: Vec<Format>,
    compressions: Vec<Option<&'static str>>,
    pub(super) hints: Vec<TypeHint>,
}

/// Scans files of columns.
///
/// # Errors
/// See [`ErrorKind`].
pub(crate) fn scan(request: &Request<'_>) -> Result<Scan, Error> {
    let looked = look(request)?;
    let rules = FieldRules::new(&Dialect::default());
    let pass = |threads| Pass::new(request, &looked, &rules, threads)?.run();
    let passed = match pass(request.threads) {
        // Of several threads each holds a page, and which of them fails first is chance: one alone may have room, or meets
        // what is wrong in the order of the file.
        Err(error) if request.threads > 1 && !matches!(error.kind(), ErrorKind::Cancelled) => pass(1)?,
        passed => passed?,
    };
    finish(request, &looked, &rules, passed)
}

/// Opens each file, and lays the columns of all of them out by name.
fn look(request: &Request<'_>) -> Result<Looked, Error> {
    let mut layouts = Layouts::new(true);
    let (mut prints, mut formats, mut compressions) = (Vec::new(), Vec::new(), Vec::new());
    for file in request.files {
        let mut open = || -> Result<Box<dyn Table>, Error> {
            let raw = file.open_raw()?;
            prints.push(raw.fingerprint.clone());
            formats.push(raw.format);
            if raw.format == Format::Csv {
                let expected = formats[0];
                return Err(Error::new(ErrorKind::FormatsDiffer { found: raw.format, expected }));
            }
            table::open(&raw, request.budget)
        };
        let table = open().map_err(|error| error.in_file(&file.name))?;
        compressions.push(table.compression());
        layouts.add(Some(Preface { names: names(table.columns()), before: Position::START }));
    }
    let (names, layouts) = layouts.finish();
    let first = request.files.first();
    let in_first = |error: Error| match first {
        Some(file) => error.in_file(&file.name),
        None => error,
    };
    if names.is_empty() {
        let (what, remedy) = ("a table without columns", "there is nothing in it");
        return Err(in_first(Error::new(ErrorKind::Unsupported { what, remedy })));
    }
    let hints = request.hints_of(&names).map_err(in_first)?;
    Ok(Looked { names, layouts, prints, formats, compressions, hints })
}

/// The names of a file's columns, each its own.
pub(super) fn names(columns: &[SourceColumn]) -> Vec<String> {
    header::unique(&columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>())
}

/// Makes facts of what the columns have come to.
fn finish(request: &Request<'_>, looked: &Looked, rules: &FieldRules, passed: Passed) -> Result<Scan, Error> {
    let Passed { mut columns, columnar, rows, first_rows, _held } = passed;
    for (name, column) in looked.names.iter().zip(&mut columns) {
        if downcast::kind(column) != Kind::Text {
            continue;
        }
        match (column.hint, column.kind) {
            (TypeHint::Fixed(FixedType::Timestamp), _) | (_, Kind::Timestamp(_)) => {
                return Err(no_timestamp_unit(name));
            }
            (TypeHint::Inferred, Kind::Int | Kind::Float) => {
                let message = "no type of 64 bits holds all of its numbers exactly; read it as string";
                return Err(Error::new(ErrorKind::Option(message.to_owned())).in_column(name));
            }
            _ => column.settle_as_text(&rules.nulls),
        }
    }
    let facts = looked.names.iter().zip(&columns);
    let facts: Vec<ColumnFacts> =
        facts.map(|(name, column)| ColumnFacts::new(name, column, rows, request.downcast, rules)).collect();
    let schema = Arc::new(Schema::new(facts.iter().map(ColumnFacts::field).collect::<Vec<_>>()));
    Ok(Scan {
        dialect: Dialect::default(),
        columns: facts.into(),
        rows,
        rejected: 0,
        bytes: request.bytes,
        schema,
        passes: 1,
        prints: looked.prints.clone(),
        encodings: vec![Encoding::Utf8; request.files.len()],
        compressions: looked.compressions.clone(),
        first_rows,
        layouts: looked.layouts.clone(),
        checkpoints: Checkpoints::default(),
        // One thread makes the batches; others decode its columns.
        is_seekable: false,
        formats: looked.formats.clone(),
        columnar: Some(Arc::new(columnar)),
    })
}
