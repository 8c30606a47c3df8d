//! Collects the rows of one batch at a time, inside what is reserved for it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use monitor::{Bytes, Reservation};

use crate::batch::Batch;
use crate::block::Block;
use crate::column::{self, ColumnBuilder, DictionaryKeys, Presumed};
use crate::column_scan::{TypeHint, first_unfit, fixed_type_holds};
use crate::columnar::Values;
use crate::error::{Error, ErrorKind, Malformed};
use crate::field_rules::FieldRules;
use crate::layout::Layout;
use crate::nulls::TokenCounts;
use crate::position::Position;
use crate::record::{Field, Flow, Record, RecordSink};
use crate::rejects::OnBadRecord;
use crate::scan::Scan;
use crate::sizing::BatchLimit;
use crate::spares::{Room, Spares};
use crate::types::{FixedType, Kind, Zone};
use crate::walker::{Step, Walker};

/// What all batches of a pass have in common.
pub(crate) struct BatchPlan {
    pub(crate) scan: Arc<Scan>,
    /// Schema of the batches.
    pub(crate) schema: SchemaRef,
    /// Columns of the input that are wanted, in the order of the schema.
    pub(crate) projection: Vec<usize>,
    pub(crate) rules: FieldRules,
    pub(crate) on_bad_record: OnBadRecord,
    /// Columns with a fixed type that a record can break. Asked whatever the projection, so that the same records
    /// are rejected.
    pub(crate) fixed: Vec<(usize, FixedType, Option<Zone>)>,
    /// Keys of the dictionary columns among those that are wanted.
    dictionaries: Vec<Option<Arc<DictionaryKeys>>>,
    /// Of each column that is wanted, what is presumed of it, where no scan has told.
    presumed: Option<Vec<Presumed>>,
    widths: Vec<RowWidth>,
    fixed_row_bytes: f64,
}

impl BatchPlan {
    pub(crate) fn new(scan: Arc<Scan>, projection: &[usize], on_bad_record: OnBadRecord) -> BatchPlan {
        let fields: Vec<_> = projection.iter().map(|i| Arc::clone(&scan.schema.fields()[*i])).collect();
        let fixed = scan.columns.iter().enumerate().filter_map(|(column, facts)| match facts.hint {
            TypeHint::Fixed(FixedType::String | FixedType::Dictionary) => None,
            TypeHint::Fixed(fixed) if on_bad_record == OnBadRecord::Skip => {
                let zone = match facts.kind {
                    Kind::Timestamp(zone) => Some(zone),
                    _ if fixed == FixedType::Timestamp => Some(Zone::Naive),
                    _ => None,
                };
                Some((column, fixed, zone))
            }
            _ => None,
        });
        let widths: Vec<RowWidth> =
            projection.iter().map(|column| scan.columns[*column].row_width(scan.rows)).collect();
        let dictionaries = projection.iter().map(|column| {
            let values = scan.columns[*column].dictionary.as_ref()?;
            Some(Arc::new(DictionaryKeys::new(values)))
        });
        BatchPlan {
            dictionaries: dictionaries.collect(),
            presumed: None,
            schema: Arc::new(arrow::datatypes::Schema::new(fields)),
            projection: projection.to_vec(),
            rules: FieldRules::new(&scan.dialect),
            on_bad_record,
            fixed: fixed.collect(),
            fixed_row_bytes: widths.iter().map(|width| width.fixed).sum(),
            widths,
            scan,
        }
    }

    /// The same where the scan was none: its facts are presumed, and `presumed` says more of each column that is wanted.
    pub(crate) fn with_presumed(self, presumed: Vec<Presumed>) -> BatchPlan {
        BatchPlan { presumed: Some(presumed), ..self }
    }

    /// What is presumed of each column that is wanted; nothing where the scan was one.
    pub(crate) fn presumed(&self) -> &[Presumed] {
        self.presumed.as_deref().unwrap_or_default()
    }

    /// Bytes that the dictionaries of all batches take together.
    pub(crate) fn dictionary_bytes(&self) -> Bytes {
        Bytes::from(self.dictionaries.iter().flatten().map(|keys| keys.heap_bytes()).sum::<usize>())
    }

    /// Bytes that `rows` rows take as a rule, some more included for texts that are longer than others.
    pub(crate) fn room(&self, rows: u64) -> Bytes {
        let text: usize = self.widths.iter().map(|width| width.text_room(rows)).sum();
        Bytes::from((self.fixed_row_bytes * rows as f64) as usize + text + self.array_bytes())
    }

    /// Rows that fit in `bytes`, at least one.
    pub(crate) fn rows_in(&self, bytes: Bytes) -> usize {
        let row = self.fixed_row_bytes + self.widths.iter().map(|width| width.text).sum::<f64>();
        let bytes = bytes.saturating_sub(Bytes::from(self.array_bytes()));
        ((bytes.get() as f64 / row.max(1.0 / 64.0)) as usize).max(1)
    }

    /// Bytes that the arrays of a batch take beside their values.
    fn array_bytes(&self) -> usize {
        self.widths.len() * ARRAY_BYTES
    }
}

/// What an array takes beside its values, on 64-bit systems: itself, its buffers' owners, and what the allocator rounds
/// each of them up to. Few rows of very many columns are nearly nothing else.
const ARRAY_BYTES: usize = 512;

/// Bytes that a row of one column takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowWidth {
    /// Of values, offsets, keys and validity.
    pub(crate) fixed: f64,
    /// Of text, in the mean.
    pub(crate) text: f64,
}

impl RowWidth {
    fn text_room(&self, rows: u64) -> usize {
        // A sixteenth more: the mean of many rows lies near that of all.
        (self.text * rows as f64 * 1.0625) as usize
    }
}

/// Builds batches one behind the other.
pub(crate) struct BatchBuilder {
    plan: Arc<BatchPlan>,
    spares: Arc<Spares>,
    builders: Vec<Box<dyn ColumnBuilder>>,
    /// Field of the current file that each builder takes; `None` if the file lacks the column.
    fields: Vec<Option<usize>>,
    /// Field of the current file for each fixed column that it has.
    fixed: Vec<(usize, FixedType, Option<Zone>)>,
    width: usize,
    file: usize,

    limit: BatchLimit,
    /// Rows of the pass that are left, behind which the batch is full too.
    rows_left: u64,
    /// Rows that are passed over before any is taken.
    rows_to_skip: u64,
    reservation: Option<Reservation>,
    rows: usize,
    first_position: Position,
    first_file: usize,
    raw_bytes: u64,
    is_full: bool,
    /// The budget refused what the next rows need; the batch may be handed over and the rows tried again.
    is_refused: Option<Error>,
    scratch: Vec<u8>,
}

impl BatchBuilder {
    /// `spares` get the buffers of batches that are done with.
    pub(crate) fn new(plan: &Arc<BatchPlan>, spares: &Arc<Spares>) -> BatchBuilder {
        let builders = plan.projection.iter().enumerate().map(|(i, column)| {
            let facts = &plan.scan.columns[*column];
            match &plan.presumed {
                Some(presumed) => column::presumed_builder(&facts.data_type, facts.kind, &presumed[i]),
                None => column::builder(&facts.data_type, facts.kind, plan.dictionaries[i].as_ref()),
            }
        });
        BatchBuilder {
            builders: builders.collect(),
            plan: Arc::clone(plan),
            spares: Arc::clone(spares),
            fields: Vec::new(),
            fixed: Vec::new(),
            width: 0,
            file: 0,
            limit: BatchLimit { rows: 0, bytes: Bytes::ZERO, may_be_cut: false },
            rows_left: 0,
            rows_to_skip: 0,
            reservation: None,
            rows: 0,
            first_position: Position::START,
            first_file: 0,
            raw_bytes: 0,
            is_full: false,
            is_refused: None,
            scratch: Vec::new(),
        }
    }

    /// Turns to the records of another file.
    pub(crate) fn begin_file(&mut self, file: usize, layout: &Layout) {
        let mut field_of = vec![None; self.plan.scan.columns.len()];
        layout.columns.iter().enumerate().for_each(|(field, column)| field_of[*column] = Some(field));
        self.fields = self.plan.projection.iter().map(|column| field_of[*column]).collect();
        let fixed = self.plan.fixed.iter();
        self.fixed =
            fixed.filter_map(|(column, fixed, zone)| Some((field_of[*column]?, *fixed, *zone))).collect();
        self.width = layout.columns.len();
        self.file = file;
    }

    /// Passes over `skip` rows, then takes `rows` rows and no more.
    pub(crate) fn begin_rows(&mut self, skip: u64, rows: u64) {
        self.rows_to_skip = skip;
        self.rows_left = rows;
    }

    /// Rows that are still to come.
    pub(crate) fn rows_left(&self) -> u64 {
        self.rows_left
    }

    /// Begins a batch in `room`.
    pub(crate) fn begin_batch(&mut self, limit: BatchLimit, room: Room) {
        let Room { mut reservation, columns } = room;
        debug_assert!(self.rows == 0 && self.reservation.is_none());
        self.limit = limit;
        // As much room as is granted, at once: growing by doubling would copy, and take twice while it does.
        let rows = u64::try_from(limit.rows).unwrap_or(u64::MAX).min(self.rows_left);
        let granted = reservation.bytes();
        if self.plan.room(rows) <= granted {
            let mut columns = columns.map(|columns| columns.into_parts().1).unwrap_or_default().into_iter();
            for (builder, width) in self.builders.iter_mut().zip(&self.plan.widths) {
                builder.make_room(rows as usize, width.text_room(rows), columns.next());
            }
        }
        let held = Bytes::from(self.heap_bytes());
        if held > reservation.bytes() && reservation.try_resize(held).is_err() {
            self.builders.iter_mut().for_each(|builder| builder.make_room(0, 0, None));
        }
        self.reservation = Some(reservation);
        self.is_full = false;
        self.is_refused = None;
    }

    /// Whether the batch is complete.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full || self.rows_left == 0
    }

    /// The refusal that the last step has met, if it has. Nothing was taken since.
    pub(crate) fn take_refusal(&mut self) -> Option<Error> {
        self.is_refused.take()
    }

    /// Whether what was refused ends the batch instead of the run.
    pub(crate) fn may_be_cut(&self) -> bool {
        self.limit.may_be_cut && self.rows > 0
    }

    fn heap_bytes(&self) -> usize {
        self.plan.array_bytes() + self.builders.iter().map(|builder| builder.heap_bytes()).sum::<usize>()
    }

    /// Takes what comes next, up to the end of the batch; `false` at the end of the input.
    ///
    /// # Errors
    /// If the input cannot be read, a record is bad and bad records fail, or the input is not what was scanned.
    pub(crate) fn step(&mut self, walker: &mut Walker) -> Result<bool, Error> {
        debug_assert!(!self.is_full() && self.is_refused.is_none());
        match walker.step()? {
            Step::End => return Ok(false),
            Step::Irregular => {
                let before = walker.before().byte;
                walker.read_irregular(self)?;
                self.raw_bytes += walker.before().byte - before;
            }
            Step::Block => self.block(walker)?,
        }
        Ok(true)
    }

    fn block(&mut self, walker: &mut Walker) -> Result<(), Error> {
        let block = walker.block();
        if block.columns() != self.width {
            return Err(Error::new(ErrorKind::Changed).at(walker.place(0)));
        }
        let unfit = |(field, fixed, zone): &(usize, FixedType, Option<Zone>)| {
            first_unfit(block.column(*field), *fixed, *zone, &self.plan.rules).is_some()
        };
        if self.fixed.iter().any(unfit) {
            walker.distrust();
            return Ok(());
        }
        let skipped = usize::try_from(self.rows_to_skip).unwrap_or(usize::MAX).min(block.rows());
        if skipped > 0 {
            self.rows_to_skip -= skipped as u64;
            walker.take(skipped);
            return Ok(());
        }
        let wanted = (self.limit.rows - self.rows).min(usize::try_from(self.rows_left).unwrap_or(usize::MAX));
        let mut block = block.slice(0, block.rows().min(wanted));
        if !self.reserve_block(&mut block) {
            return Ok(());
        }
        if self.rows == 0 {
            self.first_position = walker.place(0);
            self.first_file = self.file;
        }
        for (builder, (field, column)) in
            self.builders.iter_mut().zip(self.fields.iter().zip(&self.plan.projection))
        {
            let pushed = match field {
                Some(field) => builder.push_block(block.column(*field), &self.plan.rules),
                None => push_nulls(builder.as_mut(), block.rows(), &self.plan.rules),
            };
            if let Err(row) = pushed {
                let name = &self.plan.scan.columns[*column].name;
                return Err(Error::new(ErrorKind::Changed).at(walker.place(row)).in_column(name));
            }
        }
        let rows = block.rows();
        self.raw_bytes += walker.input_bytes(rows);
        walker.take(rows);
        self.count(rows);
        Ok(())
    }

    /// Reserves what a block's rows may newly take; fewer rows if the budget or the limit has room for fewer only.
    /// `false`: for none.
    fn reserve_block(&mut self, block: &mut Block<'_>) -> bool {
        loop {
            let growth: usize = self
                .builders
                .iter()
                .zip(&self.fields)
                .map(|(builder, field)| match field {
                    Some(field) => builder.growth(block.column(*field)),
                    None => builder.growth_of_one(0) * block.rows(),
                })
                .sum();
            match self.reserve(growth) {
                Ok(()) => return true,
                Err(refusal) if block.rows() <= 1 => {
                    self.is_refused = Some(refusal);
                    return false;
                }
                // A block's growth is that of whole buffers; rows one by one may fit in what they have.
                Err(_) => *block = block.slice(0, block.rows() / 2),
            }
        }
    }

    /// Turns to the rows of a file of columns.
    pub(crate) fn begin_columnar_file(&mut self, file: usize) {
        self.file = file;
    }

    /// Takes the next rows of a file of columns, the first of which stands at `position`: `rows` of them, or fewer if the
    /// batch ends before, or the limit or the budget has room for fewer. How many: none if the budget refuses even one.
    ///
    /// # Errors
    /// If a value is not what the scan has seen, or breaks a fixed type.
    pub(crate) fn take_columns(
        &mut self,
        columns: &[ColumnRows<'_>],
        rows: usize,
        position: Position,
    ) -> Result<usize, Error> {
        debug_assert!(!self.is_full() && self.is_refused.is_none());
        let wanted = (self.limit.rows - self.rows).min(usize::try_from(self.rows_left).unwrap_or(usize::MAX));
        let mut rows = rows.min(wanted);
        loop {
            let growths = self.builders.iter().zip(columns).map(|(builder, column)| match column {
                ColumnRows::Missing => builder.growth_of_one(0) * rows,
                ColumnRows::Typed(values, first) => builder.values_growth(values, *first..first + rows),
                ColumnRows::Written(values, first) => {
                    let text = values.text_bytes(*first..first + rows);
                    // No number, date or timestamp is written in more.
                    builder.growth_of_one(text.max(WRITTEN_BYTES * rows)) + builder.growth_of_one(0) * rows
                }
            });
            match self.reserve(growths.sum()) {
                Ok(()) => break,
                Err(refusal) if rows <= 1 => {
                    self.is_refused = Some(refusal);
                    return Ok(0);
                }
                Err(_) => rows /= 2,
            }
        }
        if self.rows == 0 {
            self.first_position = position;
            self.first_file = self.file;
        }
        let BatchBuilder { builders, plan, .. } = self;
        for ((builder, column), wanted) in builders.iter_mut().zip(columns).zip(&plan.projection) {
            let (pushed, values, first) = match column {
                ColumnRows::Missing => {
                    push_nulls(builder.as_mut(), rows, &plan.rules)
                        .map_err(|_| Error::new(ErrorKind::Changed))?;
                    continue;
                }
                ColumnRows::Typed(values, first) => {
                    (builder.push_values(values, *first..first + rows), values, *first)
                }
                ColumnRows::Written(values, first) => {
                    let push = |_, field: Field<'_>| builder.push(field, &plan.rules);
                    (values.each_written(*first..first + rows, push), values, *first)
                }
            };
            if let Err(row) = pushed {
                let facts = &plan.scan.columns[*wanted];
                let place = Position { record: position.record + row as u64, ..position };
                let error = match facts.hint {
                    TypeHint::Fixed(fixed) => {
                        let (expected, excerpt) = (fixed.to_string(), values.shown(first + row));
                        Error::malformed(Malformed::Value { expected, excerpt }, place, b"")
                    }
                    _ => Error::new(ErrorKind::Changed).at(place),
                };
                return Err(error.in_column(&facts.name));
            }
        }
        self.count(rows);
        Ok(rows)
    }

    /// Counts bytes of the input that became rows of the batch.
    pub(crate) fn count_input(&mut self, bytes: u64) {
        self.raw_bytes += bytes;
    }

    /// Reserves `growth` bytes beyond what the builders hold.
    fn reserve(&mut self, growth: usize) -> Result<(), Error> {
        if growth == 0 {
            return Ok(());
        }
        let needed = Bytes::from(self.heap_bytes() + growth);
        let Some(reservation) = &mut self.reservation else { return Ok(()) };
        if needed > reservation.bytes() && reservation.try_resize(needed).is_err() {
            // What waits to be used again is given up before anything is refused.
            self.spares.clear();
            reservation.try_resize(needed)?;
        }
        Ok(())
    }

    fn count(&mut self, rows: usize) {
        self.rows += rows;
        self.rows_left -= rows as u64;
        let is_over = self.limit.may_be_cut && Bytes::from(self.filled_bytes()) >= self.limit.bytes;
        self.is_full |= self.rows >= self.limit.rows || is_over;
    }

    /// Bytes of the batch that rows have filled, whatever room there is beside them.
    fn filled_bytes(&self) -> usize {
        let fixed = self.plan.fixed_row_bytes * self.rows as f64;
        fixed as usize
            + self.plan.array_bytes()
            + self.builders.iter().map(|builder| builder.text_bytes()).sum::<usize>()
    }

    /// Null tokens that nobody listed, met since the builder is there, by column.
    pub(crate) fn null_tokens(&self) -> impl Iterator<Item = Option<&TokenCounts>> {
        self.builders.iter().map(|builder| builder.null_tokens())
    }

    fn breaks_a_fixed_type(&mut self, record: &Record<'_>) -> bool {
        let BatchBuilder { fixed, scratch, plan, .. } = self;
        fixed.iter().any(|(field, fixed, zone)| {
            !fixed_type_holds(*fixed, *zone, record.field(*field, scratch), &plan.rules)
        })
    }

    /// The rows since the batch began; `None` if there are none.
    ///
    /// # Errors
    /// [`ErrorKind::Arrow`] if the arrays do not fit together, which is a defect.
    pub(crate) fn finish(&mut self, first_row: u64) -> Result<Option<Batch>, Error> {
        let Some(mut reservation) = self.reservation.take() else { return Ok(None) };
        if self.rows == 0 {
            return Ok(None);
        }
        let held = Bytes::from(self.heap_bytes());
        let arrays: Result<Vec<_>, _> = self.builders.iter_mut().map(|builder| builder.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let columns = RecordBatch::try_new_with_options(Arc::clone(&self.plan.schema), arrays?, &options)?;
        reservation.shrink_to(held);
        let batch = Batch {
            held: Some((columns, reservation)),
            spares: Arc::downgrade(&self.spares),
            first_row,
            position: self.first_position,
            file: self.first_file,
            raw_bytes: std::mem::take(&mut self.raw_bytes),
            range: 0,
        };
        self.rows = 0;
        self.is_full = false;
        Ok(Some(batch))
    }
}

/// Rows of one column of a file of columns.
pub(crate) enum ColumnRows<'a> {
    /// The file lacks the column.
    Missing,
    /// Values from a row on, of the column's kind.
    Typed(&'a Values, usize),
    /// Values from a row on that are taken as their texts, since another type is demanded.
    Written(&'a Values, usize),
}

/// The longest text of a value that is no text.
const WRITTEN_BYTES: usize = 64;

/// Fills a column that the file lacks.
fn push_nulls(builder: &mut dyn ColumnBuilder, rows: usize, rules: &FieldRules) -> Result<(), usize> {
    let absent = Field { text: b"", quoted: false };
    (0..rows).try_for_each(|row| builder.push(absent, rules).map_err(|_| row))
}

impl RecordSink for BatchBuilder {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        if record.len() != self.width {
            return Err(Error::new(ErrorKind::Changed).at(record.position));
        }
        if self.breaks_a_fixed_type(record) {
            return Ok(Flow::Continue);
        }
        if self.rows_to_skip > 0 {
            self.rows_to_skip -= 1;
            return Ok(Flow::Continue);
        }
        if self.is_full() {
            return Ok(Flow::Decline);
        }
        let fields = self.builders.iter().zip(&self.fields);
        let growth = fields.map(|(builder, field)| {
            builder.growth_of_one(field.map_or(0, |field| record.spans[field].len()))
        });
        let growth = growth.sum();
        if let Err(refusal) = self.reserve(growth) {
            self.is_refused = Some(refusal);
            return Ok(Flow::Decline);
        }
        if self.rows == 0 {
            self.first_position = record.position;
            self.first_file = self.file;
        }
        let fields = self.fields.iter().zip(&self.plan.projection);
        for (builder, (field, column)) in self.builders.iter_mut().zip(fields) {
            let field = match field {
                Some(field) => record.field(*field, &mut self.scratch),
                None => Field { text: b"", quoted: false },
            };
            if builder.push(field, &self.plan.rules).is_err() {
                let name = &self.plan.scan.columns[*column].name;
                return Err(Error::new(ErrorKind::Changed).at(record.position).in_column(name));
            }
        }
        self.count(1);
        Ok(if self.is_full() { Flow::Stop } else { Flow::Continue })
    }

    fn malformed(&mut self, malformed: Malformed, position: Position, raw: &[u8]) -> Result<Flow, Error> {
        match self.plan.on_bad_record {
            OnBadRecord::Fail => Err(Error::malformed(malformed, position, raw)),
            OnBadRecord::Skip => Ok(Flow::Continue),
        }
    }
}
