//! A pass over all values, columns side by side.
//!
//! What a column has come to is in nobody's hands but the thread's that takes its next group, and each takes its groups in
//! order. So threads need nothing of each other, and what comes out is the same however many they are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use monitor::{Bytes, Reservation, Tag};

use super::held::Held;
use super::parquet::Scratch;
use super::scan::{ColumnarScan, GroupPlace, Looked, STEP};
use super::schema;
use super::table::{self, Table};
use crate::column_scan::{ColumnScan, Place, TypeHint};
use crate::error::{Error, ErrorKind, Malformed};
use crate::field_rules::FieldRules;
use crate::layout::Layout;
use crate::position::Position;
use crate::progress::Meter;
use crate::scan::{Request, dictionary_bytes};
use crate::source::{RawFile, SourceFile};

/// What the values of a column have come to.
pub(super) struct Column {
    pub(super) scan: ColumnScan,
    /// The file that gave it its kind.
    kind_file: usize,
    /// What decoding it takes at the most.
    peak: usize,
    /// Bytes that are held for it.
    held: usize,
}

impl Column {
    fn bytes(&self) -> usize {
        size_of::<Column>() + self.scan.heap_bytes()
    }
}

/// What a pass has come to.
pub(super) struct Passed {
    pub(super) columns: Vec<ColumnScan>,
    pub(super) columnar: ColumnarScan,
    pub(super) rows: u64,
    /// Rows before each file.
    pub(super) first_rows: Vec<u64>,
    /// Holds the columns and the groups.
    pub(super) _held: [Reservation; 2],
}

/// A pass over all values.
pub(super) struct Pass<'a> {
    request: &'a Request<'a>,
    looked: &'a Looked,
    rules: &'a FieldRules,
    threads: usize,
    /// None where a thread has it.
    columns: Vec<Option<Column>>,
    scratch: usize,
    groups: Vec<GroupPlace>,
    rows: u64,
    first_rows: Vec<u64>,
    meter: Meter,
    /// Hold the columns and the groups.
    columns_held: Reservation,
    groups_held: Reservation,
}

impl<'a> Pass<'a> {
    /// # Errors
    /// If the budget has not even room for the bookkeeping, which it always has.
    pub(super) fn new(
        request: &'a Request<'a>,
        looked: &'a Looked,
        rules: &'a FieldRules,
        threads: usize,
    ) -> Result<Pass<'a>, Error> {
        let share = dictionary_bytes(looked.names.len());
        let scan = request.budget.consumer("scan");
        let columns = looked
            .hints
            .iter()
            .map(|hint| Some(Column { scan: ColumnScan::new(*hint, share), kind_file: 0, peak: 0, held: 0 }));
        Ok(Pass {
            request,
            looked,
            rules,
            threads,
            columns: columns.collect(),
            scratch: 0,
            groups: Vec::new(),
            rows: 0,
            first_rows: Vec::new(),
            meter: Meter::new(request.bytes, request.on_progress.clone()),
            columns_held: scan.try_reserve(Bytes::ZERO)?,
            groups_held: scan.try_reserve(Bytes::ZERO)?,
        })
    }

    /// Goes through all files.
    ///
    /// # Errors
    /// See [`ErrorKind`]. Where several threads go through a file, another one may be met first than by one.
    pub(super) fn run(mut self) -> Result<Passed, Error> {
        let mut read = 0;
        for (index, file) in self.request.files.iter().enumerate() {
            self.first_rows.push(self.rows);
            self.file(index, file).map_err(|error| error.in_file(&file.name))?;
            read += self.looked.prints[index].bytes();
            self.meter.reach(read)?;
        }
        let Pass { columns, scratch, groups, rows, first_rows, .. } = self;
        let (columns, peaks) = columns.into_iter().flatten().map(|c| (c.scan, c.peak)).unzip();
        let columnar = ColumnarScan { groups, peaks, scratch };
        Ok(Passed { columns, columnar, rows, first_rows, _held: [self.columns_held, self.groups_held] })
    }

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

    fn go_through(&mut self, index: usize, raw: &RawFile) -> Result<(), Error> {
        let Some(layout) = &self.looked.layouts[index] else { return Ok(()) };
        let table = table::open(raw, self.request.budget)?;
        let before = (self.rows, self.groups.len());
        let groups = before.1 + table.groups().len();
        // Growing, they are there twice.
        self.groups_held.try_resize(Bytes::from(3 * groups * size_of::<GroupPlace>()))?;
        for (number, group) in table.groups().iter().enumerate() {
            let (first_row, rows, byte) = (self.rows, group.rows, group.byte);
            self.groups.push(GroupPlace { file: index, group: number, first_row, rows, byte });
            // What is beyond all counting is found to be missing when it is read.
            self.rows = self.rows.saturating_add(group.rows);
        }
        self.groups_held.shrink_to(Bytes::from(self.groups.capacity() * size_of::<GroupPlace>()));
        for column in &layout.missing {
            if let Some(column) = &mut self.columns[*column] {
                column.scan.empty = column.scan.empty.saturating_add(self.rows - before.0);
            }
        }
        // What would be one range of text is not worth a second thread.
        let threads = if raw.fingerprint.bytes() > self.request.range { self.threads } else { 1 };
        let threads = threads.min(layout.columns.len());
        let sweep = Sweep {
            request: self.request,
            looked: self.looked,
            rules: self.rules,
            file: index,
            table: table.as_ref(),
            layout,
            places: &self.groups[before.1..],
            is_alone: threads < 2,
            work: Mutex::new(Work {
                columns: &mut self.columns,
                next: BinaryHeap::new(),
                meter: &mut self.meter,
                held: &mut self.columns_held,
                scratch: &mut self.scratch,
                failed: None,
            }),
        };
        let first = (0..layout.columns.len()).filter_map(|field| sweep.task(0, field));
        sweep.work().next.extend(first);
        sweep.run(threads)
    }
}

/// One file of a pass.
struct Sweep<'a> {
    request: &'a Request<'a>,
    looked: &'a Looked,
    rules: &'a FieldRules,
    file: usize,
    table: &'a dyn Table,
    layout: &'a Layout,
    places: &'a [GroupPlace],
    is_alone: bool,
    work: Mutex<Work<'a>>,
}

/// What threads take turns with.
struct Work<'a> {
    columns: &'a mut [Option<Column>],
    next: BinaryHeap<Reverse<Task>>,
    meter: &'a mut Meter,
    held: &'a mut Reservation,
    scratch: &'a mut usize,
    /// Why all is over.
    failed: Option<Error>,
}

/// A column's next group. The first one is that of the first group, so that what is read together lies together; of one group
/// the longest, so that none of the threads is left with it at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    group: usize,
    /// Nothing where one thread is alone, which goes by the order of the columns.
    bytes: Reverse<u64>,
    field: usize,
}

impl<'a> Sweep<'a> {
    fn work(&self) -> MutexGuard<'_, Work<'a>> {
        // A column whose thread has panicked is not there, and nobody goes on with it.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group of a column, if there is one.
    fn task(&self, group: usize, field: usize) -> Option<Reverse<Task>> {
        (group < self.places.len()).then(|| {
            let bytes = if self.is_alone { 0 } else { self.table.column_bytes(group, field) };
            Reverse(Task { group, bytes: Reverse(bytes), field })
        })
    }

    fn run(&self, threads: usize) -> Result<(), Error> {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                let named = std::thread::Builder::new().name("tidegate-scan".to_owned());
                let tag = Tag::current();
                let work = move || {
                    let _under = tag.enter();
                    self.take_part();
                };
                // One thread is enough; the others are for speed.
                if named.spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            self.take_part();
        });
        self.work().failed.take().map_or(Ok(()), Err)
    }

    /// Takes one column after the other, until there is none left or one of the threads has failed.
    fn take_part(&self) {
        let ended = self.columns();
        if let Err(error) = ended {
            self.work().failed.get_or_insert(error);
        }
    }

    fn columns(&self) -> Result<(), Error> {
        let page = self.request.budget.consumer("page");
        let _step = page.try_reserve(Bytes::from(table::step_bytes(STEP)))?;
        let mut scratch = Scratch::new(Held::of(&page)?);
        loop {
            let (task, mut column) = {
                let mut work = self.work();
                if work.failed.is_some() {
                    break;
                }
                let Some(Reverse(task)) = work.next.pop() else { break };
                let Some(column) = work.columns[self.layout.columns[task.field]].take() else { break };
                (task, column)
            };
            let name = &self.looked.names[self.layout.columns[task.field]];
            let taken = self.column(&task, &mut column, &mut scratch);
            taken.map_err(|error| error.in_part(self.table.part(task.group)).in_column(name))?;
            let bytes = self.table.column_bytes(task.group, task.field);
            let next = self.task(task.group + 1, task.field);
            let mut work = self.work();
            let held = work.held.bytes().get() as usize - column.held + column.bytes();
            column.held = column.bytes();
            work.columns[self.layout.columns[task.field]] = Some(column);
            work.held.try_resize(Bytes::from(held))?;
            work.meter.count(bytes)?;
            work.next.extend(next);
        }
        let mut work = self.work();
        *work.scratch = scratch.peak().max(*work.scratch);
        Ok(())
    }

    /// Takes a group of a column.
    fn column(&self, task: &Task, state: &mut Column, scratch: &mut Scratch) -> Result<(), Error> {
        let place = self.places[task.group];
        let records = place.first_row - self.places[0].first_row;
        let before = Position { byte: place.byte, line: 0, record: records };
        let kind = self.table.columns()[task.field].kind;
        let is_typed = state.scan.hint.takes(kind);
        let held = Held::of(&self.request.budget.consumer("page"))?;
        let mut reader = self.table.column(task.group, task.field, held)?;
        let mut left = place.rows;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(STEP).min(STEP);
            let values = reader.next(scratch, most)?;
            let taken = if is_typed {
                // A file that has only nulls goes with any: what it says of them is of no consequence.
                if !values.are_null(0..values.len()) {
                    let joined = schema::join(state.scan.kind, kind).ok_or_else(|| {
                        let before = self.request.files[state.kind_file].name.to_string();
                        let (found, expected) = (schema::kind_name(kind), schema::kind_name(state.scan.kind));
                        Error::new(ErrorKind::TypesDiffer { found, expected, before })
                    })?;
                    if joined != state.scan.kind {
                        state.kind_file = self.file;
                    }
                }
                state.scan.push_values(&values, kind)
            } else {
                let place = || Place { file: self.file, position: before };
                values.each_written(0..values.len(), |_, field| state.scan.push(field, self.rules, place))
            };
            if let Err(row) = taken {
                let record = before.record + (place.rows - left) + row as u64 + 1;
                let expected = match state.scan.hint {
                    TypeHint::Fixed(fixed) => fixed.to_string(),
                    _ => "text".to_owned(),
                };
                let excerpt = values.shown(row);
                let place = Position { record, ..before };
                return Err(Error::malformed(Malformed::Value { expected, excerpt }, place, b""));
            }
            left = left.saturating_sub(values.len() as u64);
            // Whoever wants to stop is asked, however long the column is.
            let mut work = self.work();
            if work.failed.is_some() {
                return Err(Error::new(ErrorKind::Cancelled));
            }
            work.meter.count(0)?;
        }
        state.peak = state.peak.max(reader.peak());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_column_of_the_first_group_is_next() {
        let task = |group, bytes, field| Reverse(Task { group, bytes: Reverse(bytes), field });
        let mut next = BinaryHeap::from([task(1, 90, 0), task(0, 5, 3), task(0, 7, 2), task(0, 7, 1)]);
        let order: Vec<usize> = std::iter::from_fn(|| next.pop().map(|task| task.0.field)).collect();
        assert_eq!(order, [1, 2, 3, 0]);
    }
}
