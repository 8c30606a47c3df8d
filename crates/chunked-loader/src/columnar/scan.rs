//! The scan of files of columns: every value, one column of one group at a time.

use std::sync::Arc;

use arrow::datatypes::Schema;
use monitor::{Bytes, Reservation};

use super::held::Held;
use super::parquet::Scratch;
use super::schema::{self, SourceColumn};
use super::table::{self, Table};
use crate::checkpoints::Checkpoints;
use crate::column_scan::{ColumnScan, Place, TypeHint};
use crate::dialect::Dialect;
use crate::downcast;
use crate::error::{Error, ErrorKind, Malformed};
use crate::field_rules::FieldRules;
use crate::header;
use crate::layout::{Layout, Layouts};
use crate::position::Position;
use crate::preface::Preface;
use crate::progress::Meter;
use crate::scan::{ColumnFacts, Request, Scan, dictionary_bytes, no_timestamp_unit};
use crate::source::{Encoding, Fingerprint, Format, SourceFile};
use crate::types::{FixedType, Kind};

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
struct Looked {
    names: Vec<String>,
    layouts: Vec<Option<Arc<Layout>>>,
    prints: Vec<Fingerprint>,
    formats: Vec<Format>,
    compressions: Vec<Option<&'static str>>,
    hints: Vec<TypeHint>,
}

/// Scans files of columns.
///
/// # Errors
/// See [`ErrorKind`].
pub(crate) fn scan(request: &Request<'_>) -> Result<Scan, Error> {
    let looked = look(request)?;
    let rules = FieldRules::new(&Dialect::default());
    let share = dictionary_bytes(looked.names.len());
    let columns = looked.hints.iter().map(|hint| ColumnScan::new(*hint, share));
    let mut pass = Pass {
        request,
        looked: &looked,
        rules: &rules,
        columns: columns.collect(),
        kind_files: vec![0; looked.names.len()],
        peaks: vec![0; looked.names.len()],
        scratch: 0,
        groups: Vec::new(),
        rows: 0,
        first_rows: Vec::new(),
        meter: Meter::new(request.bytes, request.on_progress.clone()),
        held: request.budget.consumer("scan").try_reserve(Bytes::ZERO)?,
    };
    let mut read = 0;
    for (index, file) in request.files.iter().enumerate() {
        pass.first_rows.push(pass.rows);
        pass.file(index, file).map_err(|error| error.in_file(&file.name))?;
        read += looked.prints[index].bytes();
        pass.meter.reach(read)?;
    }
    pass.finish()
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

/// A pass over all values.
struct Pass<'a> {
    request: &'a Request<'a>,
    looked: &'a Looked,
    rules: &'a FieldRules,
    columns: Vec<ColumnScan>,
    /// The file that gave each column its kind.
    kind_files: Vec<usize>,
    peaks: Vec<usize>,
    scratch: usize,
    groups: Vec<GroupPlace>,
    rows: u64,
    first_rows: Vec<u64>,
    meter: Meter,
    /// Holds the columns' state.
    held: Reservation,
}

impl Pass<'_> {
    fn file(&mut self, index: usize, file: &SourceFile) -> Result<(), Error> {
        let raw = file.open_raw()?;
        if raw.fingerprint != self.looked.prints[index] {
            return Err(Error::new(ErrorKind::Changed));
        }
        let gone_through = self.go_through(index, &raw);
        match gone_through {
            Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Budget(_)) => Err(error),
            gone_through if raw.is_unchanged()? => gone_through,
            _ => Err(Error::new(ErrorKind::Changed)),
        }
    }

    fn go_through(&mut self, index: usize, raw: &crate::source::RawFile) -> Result<(), Error> {
        let budget = self.request.budget;
        let Some(layout) = &self.looked.layouts[index] else { return Ok(()) };
        let table = table::open(raw, budget)?;
        let _step = budget.consumer("page").try_reserve(Bytes::from(table::step_bytes(STEP)))?;
        let mut scratch = Scratch::new(Held::of(&budget.consumer("page"))?);
        let mut rows_before = 0;
        for (number, group) in table.groups().iter().enumerate() {
            self.groups.push(GroupPlace {
                file: index,
                group: number,
                first_row: self.rows,
                rows: group.rows,
                byte: group.byte,
            });
            for (field, column) in layout.columns.iter().enumerate() {
                let before = Position { byte: group.byte, line: 0, record: rows_before };
                self.column(table.as_ref(), number, field, *column, before, index, &mut scratch).map_err(
                    |error| error.in_part(table.part(number)).in_column(&self.looked.names[*column]),
                )?;
                self.meter.count(table.column_bytes(number, field))?;
            }
            for column in &layout.missing {
                self.columns[*column].empty += group.rows;
            }
            self.rows += group.rows;
            rows_before += group.rows;
            let states = self.columns.iter().map(|column| size_of::<ColumnScan>() + column.heap_bytes());
            let places = self.groups.capacity() * size_of::<GroupPlace>();
            self.held.try_resize(Bytes::from(states.sum::<usize>() + places))?;
        }
        self.scratch = self.scratch.max(scratch.peak());
        Ok(())
    }

    /// Takes one column of one group, in front of which are the file's records up to `before`.
    #[allow(clippy::too_many_arguments)] // One column of the pass, and where it stands.
    fn column(
        &mut self,
        table: &dyn Table,
        group: usize,
        field: usize,
        column: usize,
        before: Position,
        file: usize,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let rows = table.groups()[group].rows;
        let kind = table.columns()[field].kind;
        let state = &mut self.columns[column];
        let is_typed = state.hint.takes(kind);
        let held = Held::of(&self.request.budget.consumer("page"))?;
        let mut reader = table.column(group, field, held)?;
        let mut left = rows;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(STEP).min(STEP);
            let values = reader.next(scratch, most)?;
            let taken = if is_typed {
                // A file that has only nulls goes with any: what it says of them is of no consequence.
                if !values.are_null(0..values.len()) {
                    let joined = schema::join(state.kind, kind).ok_or_else(|| {
                        let before = self.request.files[self.kind_files[column]].name.to_string();
                        let (found, expected) = (schema::kind_name(kind), schema::kind_name(state.kind));
                        Error::new(ErrorKind::TypesDiffer { found, expected, before })
                    })?;
                    if joined != state.kind {
                        self.kind_files[column] = file;
                    }
                }
                state.push_values(&values, kind)
            } else {
                let place = || Place { file, position: before };
                values.each_written(0..values.len(), |_, written| state.push(written, self.rules, place))
            };
            if let Err(row) = taken {
                let record = before.record + (rows - left) + row as u64 + 1;
                let expected = match state.hint {
                    TypeHint::Fixed(fixed) => fixed.to_string(),
                    _ => "text".to_owned(),
                };
                let excerpt = values.shown(row);
                let place = Position { record, ..before };
                return Err(Error::malformed(Malformed::Value { expected, excerpt }, place, b""));
            }
            left = left.saturating_sub(values.len() as u64);
            // Whoever wants to stop is asked, however long the column is.
            self.meter.count(0)?;
        }
        self.peaks[column] = self.peaks[column].max(reader.peak());
        Ok(())
    }

    fn finish(self) -> Result<Scan, Error> {
        let Pass { request, looked, rules, mut columns, peaks, scratch, groups, rows, first_rows, .. } = self;
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
        let facts: Vec<ColumnFacts> = facts
            .map(|(name, column)| ColumnFacts::new(name, column, rows, request.downcast, rules))
            .collect();
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
            // One thread decodes ahead of whoever takes the batches.
            is_seekable: false,
            formats: looked.formats.clone(),
            columnar: Some(Arc::new(ColumnarScan { groups, peaks, scratch })),
        })
    }
}
