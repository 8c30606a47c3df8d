//! The exact scan: every record of the whole input is typed, nothing is kept of it but what its columns are.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};

use crate::column_scan::{ColumnScan, TextWitness, TypeHint, fixed_type_holds};
use crate::dialect::Dialect;
use crate::downcast::{self, Downcast};
use crate::error::{Error, ErrorKind, Malformed, excerpt};
use crate::field_rules::FieldRules;
use crate::header;
use crate::position::Position;
use crate::record::{Field, Flow, Record, RecordSink};
use crate::rejects::{OnBadRecord, Reject};
use crate::source::Fingerprint;
use crate::types::{FixedType, Kind, Zone};

/// What the scan found out about one column.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ColumnFacts {
    /// Its name; unique in the input.
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
    /// The type of its arrays, as narrow as was asked for.
    pub data_type: DataType,
    /// Its type without downcasting.
    pub wide_type: DataType,
    /// Records whose value is null.
    pub nulls: u64,
    /// How many of the nulls were written as which token.
    pub null_tokens: Vec<(String, u64)>,
    /// Smallest and largest value of a column of whole numbers.
    pub int_range: Option<(i128, i128)>,
    /// Whether a lossy downcast may make a column of floats float32: its type is not fixed, and no finite value
    /// lies beyond float32's range.
    pub may_be_float32: bool,
    /// Earliest and latest value of a date or timestamp column, as the file writes them.
    pub extent: Option<(String, String)>,
    /// The value that made the column text, if others before it were no text.
    pub text_witness: Option<TextWitness>,
    /// Bytes of its arrays for the whole input in the wide type.
    pub bytes_wide: u64,
    /// The same in [`data_type`](Self::data_type).
    pub bytes_narrow: u64,
    pub(crate) dictionary: Option<Arc<StringArray>>,
    pub(crate) hint: TypeHint,
}

/// What the scan found out about the whole input.
#[derive(Clone, Debug)]
pub struct Scan {
    pub(crate) dialect: Dialect,
    pub(crate) columns: Vec<ColumnFacts>,
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    pub(crate) bytes: u64,
    pub(crate) schema: SchemaRef,
    pub(crate) prints: Vec<Fingerprint>,
    pub(crate) passes: usize,
}

impl Scan {
    /// The dialect, with what was found by looking filled in.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The columns in file order.
    pub fn columns(&self) -> &[ColumnFacts] {
        &self.columns
    }

    /// Records that are not rejected.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Records that were rejected; 0 unless bad records are skipped.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How often the input was read: once, or twice where a column became text too late to count its texts.
    pub fn passes(&self) -> usize {
        self.passes
    }

    /// The schema of the batches, all columns included.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// Called for each rejected record.
pub(crate) type OnReject<'a> = &'a mut dyn FnMut(&Reject<'_>) -> std::io::Result<()>;

/// Receives records and types them.
pub(crate) struct Scanner<'a> {
    hints: &'a [(String, TypeHint)],
    pub(crate) rules: FieldRules,
    has_header: bool,
    on_bad_record: OnBadRecord,
    on_reject: OnReject<'a>,
    pub(crate) files: &'a [Arc<str>],
    pub(crate) file: usize,
    pub(crate) names: Option<Vec<String>>,
    /// `None` for columns that this scan leaves out.
    pub(crate) columns: Vec<Option<ColumnScan>>,
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    scratch: Vec<u8>,
    /// Rejected records were reported by an earlier scan.
    is_repeated: bool,
}

/// Whether a column came to text when values of it had already been seen as something else.
fn is_late_text(column: &ColumnScan) -> bool {
    downcast::kind(column) == Kind::Text && !column.text_is_complete
}

/// Bytes that the different texts of all columns may take together, so that the choice of dictionaries
/// depends on the input alone and never on the budget.
const DICTIONARY_BYTES: usize = 8 << 20;
/// What one column may take of it, at the least and at the most.
const DICTIONARY_BYTES_A_COLUMN: (usize, usize) = (2 << 10, 1 << 20);

impl<'a> Scanner<'a> {
    pub(crate) fn new(
        dialect: &Dialect,
        hints: &'a [(String, TypeHint)],
        files: &'a [Arc<str>],
        on_bad_record: OnBadRecord,
        on_reject: OnReject<'a>,
    ) -> Self {
        Scanner {
            hints,
            rules: FieldRules::new(dialect),
            has_header: dialect.header,
            on_bad_record,
            on_reject,
            files,
            file: 0,
            names: None,
            columns: Vec::new(),
            rows: 0,
            rejected: 0,
            scratch: Vec::new(),
            is_repeated: false,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.columns.capacity() * size_of::<Option<ColumnScan>>()
            + self.columns.iter().flatten().map(ColumnScan::heap_bytes).sum::<usize>()
    }

    /// Sets up the columns once their names are known.
    fn begin(&mut self, names: Vec<String>) -> Result<(), Error> {
        let (least, most) = DICTIONARY_BYTES_A_COLUMN;
        let share = (DICTIONARY_BYTES / names.len().max(1)).clamp(least, most);
        for (name, _) in self.hints {
            if !names.contains(name) {
                return Err(Error::new(ErrorKind::UnknownColumn { known: names }).in_column(name));
            }
        }
        self.columns = names
            .iter()
            .map(|name| {
                let hint =
                    self.hints.iter().rev().find(|(n, _)| n == name).map_or(TypeHint::Inferred, |(_, h)| *h);
                Some(ColumnScan::new(hint, share))
            })
            .collect();
        self.names = Some(names);
        Ok(())
    }

    /// Prepares another scan of the same input for the columns that became text too late to count their
    /// texts, and gives the columns of the first one. `None`: there are no such columns.
    pub(crate) fn begin_again_for_late_texts(&mut self) -> Option<Vec<Option<ColumnScan>>> {
        if !self.columns.iter().flatten().any(is_late_text) {
            return None;
        }
        let (least, most) = DICTIONARY_BYTES_A_COLUMN;
        let share = (DICTIONARY_BYTES / self.columns.len().max(1)).clamp(least, most);
        let again = self.columns.iter_mut().map(|column| match column {
            Some(c) if is_late_text(c) => {
                let mut next = ColumnScan::new(TypeHint::Text, share);
                next.witness = c.witness.take();
                Some(next)
            }
            // Kept, so that the same records are rejected.
            Some(c) if matches!(c.hint, TypeHint::Fixed(_)) => Some(ColumnScan::new(c.hint, share)),
            _ => None,
        });
        let again = again.collect();
        let first = std::mem::replace(&mut self.columns, again);
        self.rows = 0;
        self.rejected = 0;
        self.file = 0;
        self.is_repeated = true;
        Some(first)
    }

    /// Puts the columns of both scans together.
    pub(crate) fn merge_late_texts(&mut self, first: Vec<Option<ColumnScan>>) {
        for (column, first) in self.columns.iter_mut().zip(first) {
            let (Some(first), hint) = (first, column.as_ref().map(|c| c.hint)) else { continue };
            if !(hint == Some(TypeHint::Text) && is_late_text(&first)) {
                *column = Some(first);
            } else if let Some(column) = column {
                column.hint = first.hint;
            }
        }
    }

    fn reject(
        &mut self,
        malformed: Malformed,
        position: Position,
        column: Option<&str>,
        raw: &[u8],
    ) -> Result<Flow, Error> {
        let file = &self.files[self.file];
        match self.on_bad_record {
            OnBadRecord::Fail => {
                let error = Error::malformed(malformed, position).in_file(file);
                Err(if let Some(column) = column { error.in_column(column) } else { error })
            }
            OnBadRecord::Skip => {
                self.rejected += 1;
                if self.is_repeated {
                    return Ok(Flow::Continue);
                }
                let reject = Reject { file, position, column, reason: &malformed, raw };
                (self.on_reject)(&reject).map_err(Error::io)?;
                Ok(Flow::Continue)
            }
        }
    }

    /// The first fixed column whose type does not hold its field.
    fn unfit_column(&mut self, record: &Record<'_>) -> Option<usize> {
        if self.hints.is_empty() {
            return None;
        }
        for index in 0..self.columns.len() {
            let Some(column) = &self.columns[index] else { continue };
            let TypeHint::Fixed(fixed) = column.hint else { continue };
            let zone = zone_of(column);
            if !fixed_type_holds(fixed, zone, record.field(index, &mut self.scratch), &self.rules) {
                return Some(index);
            }
        }
        None
    }

    /// The facts of all columns, and the schema.
    pub(crate) fn finish(self, dialect: &Dialect, downcast: Downcast, bytes: u64) -> Result<Scan, Error> {
        let Some(names) = self.names else { return Err(Error::new(ErrorKind::Empty)) };
        for (name, column) in names.iter().zip(self.columns.iter().flatten()) {
            if column.hint == TypeHint::Fixed(FixedType::Timestamp) && downcast::kind(column) == Kind::Text {
                let message = "no unit of 64 bits holds both its fractions and its years; read it as string";
                return Err(Error::new(ErrorKind::Option(message.to_owned())).in_column(name));
            }
        }
        let facts = names.into_iter().zip(self.columns.iter().flatten()).map(|(name, column)| {
            let resolved = downcast::resolve(column, self.rows, downcast);
            let text = resolved.kind == Kind::Text;
            let tokens = self.rules.nulls.tokens().iter().zip(&column.tokens).filter(|(_, n)| **n > 0);
            let extent = match resolved.kind {
                Kind::Date => column.dates.as_ref().map(|e| (e.min_text.clone(), e.max_text.clone())),
                Kind::Timestamp(_) => {
                    column.stamps.as_ref().map(|e| (e.min_text.clone(), e.max_text.clone()))
                }
                _ => None,
            };
            ColumnFacts {
                name,
                kind: resolved.kind,
                data_type: resolved.narrow,
                wide_type: resolved.wide,
                nulls: downcast::nulls(column, resolved.kind),
                null_tokens: tokens.map(|(token, n)| (token.clone(), *n)).collect(),
                int_range: column.int_range.filter(|_| resolved.kind == Kind::Int),
                may_be_float32: column.hint == TypeHint::Inferred && column.magnitude <= f64::from(f32::MAX),
                extent,
                text_witness: column.witness.clone().filter(|_| text),
                bytes_wide: resolved.bytes_wide,
                bytes_narrow: resolved.bytes_narrow,
                dictionary: resolved.dictionary,
                hint: column.hint,
            }
        });
        let columns: Vec<ColumnFacts> = facts.collect();
        let fields = columns.iter().map(|c| ArrowField::new(&c.name, c.data_type.clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Scan {
            dialect: dialect.clone(),
            columns,
            rows: self.rows,
            rejected: self.rejected,
            bytes,
            schema,
            prints: Vec::new(),
            passes: 1 + usize::from(self.is_repeated),
        })
    }
}

/// The zone of a fixed timestamp column, once a value has set it.
fn zone_of(column: &ColumnScan) -> Option<Zone> {
    match column.kind {
        Kind::Timestamp(zone) => Some(zone),
        _ => None,
    }
}

impl RecordSink for Scanner<'_> {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        if self.has_header && record.position.record == 0 {
            let names = header::names(record);
            match &self.names {
                None => self.begin(names)?,
                Some(expected) => header::check_same(expected, names)?,
            }
            return Ok(Flow::Continue);
        }
        if self.names.is_none() {
            self.begin(header::numbered(record.len()))?;
        }
        if let Some(index) = self.unfit_column(record) {
            let Some(TypeHint::Fixed(fixed)) = self.columns[index].as_ref().map(|c| c.hint) else {
                return Ok(Flow::Continue);
            };
            let excerpt = excerpt(record.field(index, &mut self.scratch).text);
            let name = self.names.as_ref().map_or(String::new(), |names| names[index].clone());
            let malformed = Malformed::Value { expected: fixed.to_string(), excerpt };
            return self.reject(malformed, record.position, Some(&name), record.raw);
        }
        let file = self.file;
        for (index, column) in self.columns.iter_mut().enumerate() {
            let Some(column) = column else { continue };
            let field: Field<'_> = record.field(index, &mut self.scratch);
            let unfit = column.push(field, &self.rules, || (file, record.position));
            debug_assert!(unfit.is_ok(), "fixed types were asked before");
        }
        self.rows += 1;
        Ok(Flow::Continue)
    }

    fn malformed(&mut self, malformed: Malformed, position: Position, raw: &[u8]) -> Result<Flow, Error> {
        if self.has_header && position.record == 0 {
            // Without its names no record has a meaning, and the next record must not be taken for them.
            return Err(Error::malformed(malformed, position));
        }
        self.reject(malformed, position, None, raw)
    }
}

/// Whether any hint fixes a type, so that a record can break it.
pub(crate) fn has_fixed_types(columns: &[ColumnFacts]) -> bool {
    columns
        .iter()
        .any(|c| matches!(c.hint, TypeHint::Fixed(f) if f != FixedType::String && f != FixedType::Dictionary))
}
