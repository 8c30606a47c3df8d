//! Types records and keeps nothing of them but what their columns are: the work of one thread of a scan.

use std::sync::Arc;

use crate::column_scan::{ColumnScan, Place, TypeHint, first_unfit, fixed_type_holds};
use crate::error::{Error, Malformed, excerpt};
use crate::field_rules::FieldRules;
use crate::layout::Layout;
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::rejects::OnBadRecord;
use crate::types::{FixedType, Kind, Zone};
use crate::walker::{Step, Walker};

/// What all threads of a scan have in common.
pub(crate) struct ScanPlan {
    pub(crate) names: Vec<String>,
    pub(crate) hints: Vec<TypeHint>,
    pub(crate) rules: FieldRules,
    pub(crate) on_bad_record: OnBadRecord,
}

/// A record that is left out, with what there is to tell about it.
pub(crate) struct Rejected {
    pub(crate) position: Position,
    /// The column whose value is at fault.
    pub(crate) column: Option<usize>,
    pub(crate) reason: Malformed,
    pub(crate) raw: Vec<u8>,
}

/// Types the records of one file at a time.
pub(crate) struct Scanner {
    plan: Arc<ScanPlan>,
    layout: Arc<Layout>,
    file: usize,
    /// Bytes that are not UTF-8 end the scan whatever becomes of bad records: the file is then read in another
    /// encoding.
    must_be_utf8: bool,
    /// `None` for columns that this scan leaves out.
    pub(crate) columns: Vec<Option<ColumnScan>>,
    /// Columns with a fixed type, and the field that holds each.
    fixed: Vec<(usize, usize, FixedType)>,
    pub(crate) rows: u64,
    pub(crate) rejected: Vec<Rejected>,
    scratch: Vec<u8>,
}

impl Scanner {
    pub(crate) fn new(
        plan: &Arc<ScanPlan>,
        columns: Vec<Option<ColumnScan>>,
        file: usize,
        layout: &Arc<Layout>,
        must_be_utf8: bool,
    ) -> Scanner {
        let fixed = layout.columns.iter().enumerate().filter_map(|(field, column)| {
            match columns[*column].as_ref()?.hint {
                TypeHint::Fixed(fixed) => Some((field, *column, fixed)),
                _ => None,
            }
        });
        let fixed = fixed.collect();
        Scanner {
            plan: Arc::clone(plan),
            layout: Arc::clone(layout),
            file,
            must_be_utf8,
            columns,
            fixed,
            rows: 0,
            rejected: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Bytes allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.columns.capacity() * size_of::<Option<ColumnScan>>()
            + self.columns.iter().flatten().map(ColumnScan::heap_bytes).sum::<usize>()
            + self.rejected.iter().map(|r| r.raw.capacity() + size_of::<Rejected>()).sum::<usize>()
    }

    /// Takes what comes next; `false` at the end.
    ///
    /// # Errors
    /// If the input cannot be read, or a record is bad and bad records fail.
    pub(crate) fn step(&mut self, walker: &mut Walker) -> Result<bool, Error> {
        match walker.step()? {
            Step::End => return Ok(false),
            Step::Irregular => walker.read_irregular(self)?,
            Step::Block => self.block(walker),
        }
        Ok(true)
    }

    fn block(&mut self, walker: &mut Walker) {
        let block = walker.block();
        for (field, column, fixed) in &self.fixed {
            let zone = self.columns[*column].as_ref().and_then(zone_of);
            if first_unfit(block.column(*field), *fixed, zone, &self.plan.rules).is_some() {
                return walker.distrust();
            }
        }
        let file = self.file;
        for (field, column) in self.layout.columns.iter().enumerate() {
            let Some(column) = &mut self.columns[*column] else { continue };
            let place = |row| Place { file, position: walker.place(row) };
            let unfit = column.push_block(block.column(field), &self.plan.rules, place);
            debug_assert!(unfit.is_ok(), "fixed types were asked before");
        }
        let rows = block.rows();
        for column in &self.layout.missing {
            if let Some(column) = &mut self.columns[*column] {
                column.empty += rows as u64;
            }
        }
        self.rows += rows as u64;
        walker.take(rows);
    }

    /// The first fixed column whose type does not hold its field, and the type.
    fn unfit_column(&mut self, record: &Record<'_>) -> Option<(usize, usize, FixedType)> {
        let Scanner { fixed, columns, scratch, plan, .. } = self;
        fixed.iter().copied().find(|(field, column, fixed)| {
            let zone = columns[*column].as_ref().and_then(zone_of);
            !fixed_type_holds(*fixed, zone, record.field(*field, scratch), &plan.rules)
        })
    }

    fn reject(
        &mut self,
        reason: Malformed,
        position: Position,
        column: Option<usize>,
        raw: &[u8],
    ) -> Result<Flow, Error> {
        let is_encoding = self.must_be_utf8 && matches!(reason, Malformed::InvalidUtf8 { .. });
        if self.plan.on_bad_record == OnBadRecord::Fail || is_encoding {
            let error = Error::malformed(reason, position, raw);
            return Err(match column {
                Some(column) => error.in_column(&self.plan.names[column]),
                None => error,
            });
        }
        self.rejected.push(Rejected { position, column, reason, raw: raw.to_vec() });
        Ok(Flow::Continue)
    }
}

/// The zone of a fixed timestamp column, once a value has set it.
fn zone_of(column: &ColumnScan) -> Option<Zone> {
    match column.kind {
        Kind::Timestamp(zone) => Some(zone),
        _ => None,
    }
}

impl RecordSink for Scanner {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        if let Some((field, column, fixed)) = self.unfit_column(record) {
            let excerpt = excerpt(record.field(field, &mut self.scratch).text);
            let reason = Malformed::Value { expected: fixed.to_string(), excerpt };
            return self.reject(reason, record.position, Some(column), record.raw);
        }
        let place = Place { file: self.file, position: record.position };
        for (field, column) in self.layout.columns.iter().enumerate() {
            let Some(column) = &mut self.columns[*column] else { continue };
            let unfit = column.push(record.field(field, &mut self.scratch), &self.plan.rules, || place);
            debug_assert!(unfit.is_ok(), "fixed types were asked before");
        }
        for column in &self.layout.missing {
            if let Some(column) = &mut self.columns[*column] {
                column.empty += 1;
            }
        }
        self.rows += 1;
        Ok(Flow::Continue)
    }

    fn malformed(&mut self, malformed: Malformed, position: Position, raw: &[u8]) -> Result<Flow, Error> {
        let column = match malformed {
            Malformed::InvalidUtf8 { field, .. } => self.layout.columns.get(field).copied(),
            _ => None,
        };
        self.reject(malformed, position, column, raw)
    }
}
