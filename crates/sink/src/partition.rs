//! Rows parted by the values of a column, each value's in a folder of its own.

use std::fs;
use std::path::PathBuf;

use arrow::array::{Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use hashbrown::HashMap;
use monitor::{Bytes, Consumer, Reservation};

use crate::atomic::sync_directory;
use crate::csv::cells::{self, Cells};
use crate::encoder::{Encoder, Files};
use crate::error::{Error, ErrorKind, MOST_NAME_BYTES, PartitionProblem};
use crate::estimate::row_bytes;
use crate::hive::folder_name;
use crate::opener::Opener;
use crate::output::SMALL_BUFFER_BYTES;
use crate::pending_rows::PendingRows;
use crate::sink::Unnamed;
use crate::staging::{PART, Staging, numbered};

/// What is kept of a value beside its name, twice: places in tables, allocations, and room that these have to grow.
const VALUE_BYTES: usize = 256;

/// What rows may wait in at the most, whatever the budget.
const MOST_PENDING: Bytes = Bytes::mib(128);

/// Characters of a value in a message.
const EXCERPT: usize = 20;

/// The files of a partitioned table.
///
/// Each value's rows are in the order in which they came, over its files from the first to the last. A bounded number of
/// files is open at a time. For one more, one is ended that had no rows of late, or else the oldest, and if rows of its value
/// come again, they begin its next file.
///
/// Once files are ended for others, rows wait until there are many of them, so that each file gets what can be had of its
/// value.
pub(crate) struct PartitionedFiles {
    staging: Staging,
    opener: Opener,
    path: PathBuf,
    column: Column,
    /// What the files hold.
    schema: SchemaRef,
    /// Of values that are not null.
    by_value: HashMap<Box<str>, usize, ahash::RandomState>,
    of_nulls: Option<usize>,
    partitions: Vec<Partition>,
    names: Reservation,
    open: Vec<Open>,
    most_open: usize,
    /// What open files, but for the first, and rows that wait may reserve together. The rest is for pages, and for the rows of
    /// a batch.
    most_reserved: Bytes,
    /// Whether a file was ended for another one.
    is_crowded: bool,
    pending: PendingRows,
    /// Counts the batches, or lots of rows that have waited, for which file had no rows of late.
    clock: u64,
    rows: Consumer,
    buffers: Consumer,
    files: u64,
    bytes: u64,
}

struct Column {
    index: usize,
    name: String,
}

struct Partition {
    folder: PathBuf,
    files: u64,
}

struct Open {
    partition: usize,
    encoder: Box<dyn Encoder>,
    /// When it last had rows, and when it was begun.
    used: u64,
    begun: u64,
    /// Which share of the memory it has, from 0.
    slot: usize,
    buffer: Reservation,
}

impl PartitionedFiles {
    /// # Errors
    ///
    /// [`ErrorKind::Partition`], and those of a file without rows, so that types which cannot be written are told early.
    pub(crate) fn new(
        staging: Staging,
        opener: Opener,
        schema: &SchemaRef,
        path: PathBuf,
        column: String,
        most_open: usize,
    ) -> Result<Self, Error> {
        let fail = |problem| Error::from(ErrorKind::Partition { column: column.clone(), problem });
        let Some((index, field)) = schema.fields().find(&column) else {
            return Err(fail(PartitionProblem::Missing));
        };
        if schema.fields().len() == 1 {
            return Err(fail(PartitionProblem::Alone));
        }
        if !cells::is_supported(field.data_type()) {
            return Err(fail(PartitionProblem::Type(field.data_type().clone())));
        }
        let kept: Vec<usize> = (0..schema.fields().len()).filter(|other| *other != index).collect();
        // The places are those of the schema.
        let kept = schema.project(&kept).map_err(|error| Error::encode(&path, 0, error))?;
        let budget = opener.budget();
        let names = budget.consumer("partitions").try_reserve(Bytes::ZERO);
        let names = names.map_err(|source| ErrorKind::Budget { path: path.clone(), source })?;
        let pending = PendingRows::new(&budget.consumer("pending rows"));
        let pending = pending.map_err(|source| ErrorKind::Budget { path: path.clone(), source })?;
        let (rows, buffers) = (budget.consumer("partition rows"), budget.consumer("partition buffers"));
        Ok(Self {
            staging,
            path,
            column: Column { index, name: column },
            schema: kept.into(),
            by_value: HashMap::default(),
            of_nulls: None,
            partitions: Vec::new(),
            names,
            open: Vec::new(),
            most_open,
            most_reserved: Bytes(budget.available().get() / 2),
            is_crowded: false,
            pending,
            clock: 0,
            rows,
            buffers,
            files: 0,
            bytes: 0,
            opener,
        })
    }

    /// The number of a value's partition, with its folder if it is new.
    fn partition(&mut self, value: Option<&str>) -> Result<usize, Error> {
        let known = match value {
            Some(value) => self.by_value.get(value).copied(),
            None => self.of_nulls,
        };
        if let Some(partition) = known {
            return Ok(partition);
        }
        let name = folder_name(&self.column.name, value);
        if name.len() > MOST_NAME_BYTES {
            let excerpt = value.unwrap_or_default().chars().take(EXCERPT).collect();
            let problem = PartitionProblem::TooLong { excerpt, bytes: name.len() };
            return Err(ErrorKind::Partition { column: self.column.name.clone(), problem }.into());
        }
        let folder = self.staging.folder().join(name);
        let kept = 2 * (VALUE_BYTES + folder.as_os_str().len() + value.map_or(0, str::len));
        self.names
            .try_grow(Bytes::from(kept))
            .map_err(|source| ErrorKind::Budget { path: self.path.clone(), source })?;
        fs::create_dir(&folder).map_err(|error| Error::io(&self.path, 0, error))?;
        let partition = self.partitions.len();
        self.partitions.push(Partition { folder, files: 0 });
        match value {
            Some(value) => drop(self.by_value.insert(value.into(), partition)),
            None => self.of_nulls = Some(partition),
        }
        Ok(partition)
    }

    /// The partition of each row, by its number.
    fn partitions_of(&mut self, batch: &RecordBatch) -> Result<Vec<u32>, Error> {
        let column = batch.column(self.column.index);
        let (cells, nulls) = (Cells::of(column.as_ref()), column.logical_nulls());
        let mut text = Vec::new();
        let mut before: Option<(Option<String>, u32)> = None;
        let mut partitions = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            text.clear();
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if !is_null {
                cells.append(row, &mut text).map_err(|error| Error::encode(&self.path, 0, error))?;
            }
            // Digits, letters, or a text.
            let value = (!is_null).then(|| String::from_utf8_lossy(&text));
            let partition = match &before {
                Some((last, partition)) if last.as_deref() == value.as_deref() => *partition,
                _ => {
                    let partition = self.partition(value.as_deref())?;
                    // Each is a folder of a file system.
                    let partition = u32::try_from(partition).unwrap_or(u32::MAX);
                    before = Some((value.map(|value| value.into_owned()), partition));
                    partition
                }
            };
            partitions.push(partition);
        }
        Ok(partitions)
    }

    /// Writes rows of one partition, in its open file or another one.
    fn write_to(&mut self, partition: usize, rows: &RecordBatch) -> Result<(), Error> {
        let place = match self.open.iter().position(|open| open.partition == partition) {
            Some(place) => place,
            None => {
                let open = self.begin(partition)?;
                self.open.push(open);
                self.open.len() - 1
            }
        };
        let open = &mut self.open[place];
        open.used = self.clock;
        open.encoder.write(rows)
    }

    /// Begins a partition's next file, and ends others as long as there are too many or memory is short.
    fn begin(&mut self, partition: usize) -> Result<Open, Error> {
        while self.open.len() >= self.most_open || (!self.open.is_empty() && !self.has_room()) {
            self.end_idlest()?;
        }
        loop {
            match self.try_begin(partition) {
                Err(error) if matches!(error.kind(), ErrorKind::Budget { .. }) && !self.open.is_empty() => {
                    self.end_idlest()?;
                }
                begun => return begun,
            }
        }
    }

    /// Whether one more, if it is like the largest, has room. Where files are ended for others, half of it is for rows that
    /// wait.
    fn has_room(&self) -> bool {
        let most = if self.is_crowded { self.most_reserved.get() / 2 } else { self.most_reserved.get() };
        let reserved = self.open.iter().map(|open| open.encoder.reserved().get() + open.buffer.bytes().get());
        let (sum, largest) = reserved.fold((0, 0), |(sum, largest), bytes| (sum + bytes, bytes.max(largest)));
        sum + largest.min(most / 8) <= most
    }

    fn try_begin(&mut self, partition: usize) -> Result<Open, Error> {
        let buffer = self.buffers.try_reserve(Bytes::from(SMALL_BUFFER_BYTES));
        let buffer = buffer.map_err(|source| ErrorKind::Budget { path: self.path.clone(), source })?;
        let slot = (0..).find(|slot| self.open.iter().all(|open| open.slot != *slot)).unwrap_or_default();
        let Partition { folder, files } = &mut self.partitions[partition];
        let place = folder.join(numbered(PART.as_ref(), *files, self.opener.format.extension()));
        let most = share(self.opener.limits.bytes, slot, self.most_open);
        let opened = self.opener.open_part(&self.path, &place, SMALL_BUFFER_BYTES, &self.schema, most);
        let encoder = opened.inspect_err(|_| drop(fs::remove_file(&place)))?;
        *files += 1;
        self.files += 1;
        Ok(Open { partition, encoder, used: self.clock, begun: self.files, slot, buffer })
    }

    /// Ends the file that has waited longest for rows: of those that had some in the same lot the oldest, so that each in its
    /// turn is open for long.
    fn end_idlest(&mut self) -> Result<(), Error> {
        self.is_crowded = true;
        let files = self.open.iter().enumerate();
        let idlest = files.min_by_key(|(_, open)| (open.used, open.begun)).map(|(place, _)| place);
        if let Some(place) = idlest {
            let open = self.open.swap_remove(place);
            self.bytes += open.encoder.finish()?.settle()?.0;
        }
        Ok(())
    }

    /// The rows of a batch that are to be written, without the column.
    fn without_column(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let mut columns = batch.columns().to_vec();
        columns.remove(self.column.index);
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &rows)
            .map_err(|error| Error::encode(&self.path, 0, error))
    }

    /// Has rows wait, or else, where there is no room for that, writes them.
    fn take(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let partitions = self.partitions_of(batch)?;
        let rows = self.without_column(batch)?;
        if !self.is_crowded {
            return self.write_rows(&rows, &partitions);
        }
        let needed = PendingRows::needed(&rows);
        let most = Bytes(self.most_reserved.get() / 2).min(MOST_PENDING);
        if self.pending.bytes().saturating_add(needed) > most {
            self.write_pending()?;
        }
        let encode = |error| Error::encode(&self.path, 0, error);
        if needed <= most && self.pending.push(&rows, &partitions).map_err(encode)? {
            return Ok(());
        }
        self.write_pending()?;
        self.write_rows(&rows, &partitions)
    }

    /// Writes the rows that wait: those of open files first, before these are ended for others.
    fn write_pending(&mut self) -> Result<(), Error> {
        self.clock += 1;
        let mut is_open = vec![false; self.partitions.len()];
        self.open.iter().for_each(|open| is_open[open.partition] = true);
        let none = PendingRows::new(self.pending.consumer());
        let none = none.map_err(|source| ErrorKind::Budget { path: self.path.clone(), source })?;
        let path = self.path.clone();
        std::mem::replace(&mut self.pending, none).write(
            |partition| is_open[partition as usize],
            |error| Error::encode(&path, 0, error),
            |partition, rows| self.write_to(partition as usize, rows),
        )
    }

    /// Writes rows at once.
    fn write_rows(&mut self, rows: &RecordBatch, partitions: &[u32]) -> Result<(), Error> {
        self.clock += 1;
        // Stable, so that rows stay in their order.
        let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
        order.sort_by_key(|row| partitions[*row as usize]);
        for same in order.chunk_by(|a, b| partitions[*a as usize] == partitions[*b as usize]) {
            let (first, last) = (same[0] as usize, same[same.len() - 1] as usize);
            let taken = match last - first + 1 == same.len() {
                true => rows.slice(first, same.len()),
                false => take_record_batch(rows, &UInt32Array::from(same.to_vec()))
                    .map_err(|error| Error::encode(&self.path, 0, error))?,
            };
            self.write_to(partitions[first] as usize, &taken)?;
        }
        Ok(())
    }
}

impl Files for PartitionedFiles {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let mut from = 0;
        let mut most = batch.num_rows();
        while from < batch.num_rows() {
            let rows = most.min(batch.num_rows() - from);
            let part = batch.slice(from, rows);
            // The rows of one partition, and three numbers a row.
            let needed = Bytes(row_bytes(&part) + 12 * rows as u64);
            match self.rows.try_reserve(needed) {
                Ok(_held) => {
                    self.take(&part)?;
                    from += rows;
                }
                // No rows that wait, then fewer at a time, and then fewer files.
                Err(_) if !self.pending.is_empty() => self.write_pending()?,
                Err(_) if rows > 1 => most = rows / 2,
                Err(_) if !self.open.is_empty() => self.end_idlest()?,
                Err(source) => return Err(ErrorKind::Budget { path: self.path.clone(), source }.into()),
            }
        }
        Ok(())
    }

    fn settle(mut self: Box<Self>) -> Result<Unnamed, Error> {
        self.write_pending()?;
        while !self.open.is_empty() {
            self.end_idlest()?;
        }
        for partition in &self.partitions {
            sync_directory(&partition.folder).map_err(|error| Error::io(&self.path, 0, error))?;
        }
        Ok(Box::new(move || {
            self.staging.publish_folder()?;
            Ok((self.files, self.bytes))
        }))
    }
}

/// What a row group takes of the open file `slot`, of what row groups may take together.
///
/// The first few files, which may be all there are, have an eighth each; the next dozen share a quarter,
/// those up to the 64th an eighth, and so does the rest.
fn share(all: Bytes, slot: usize, most_open: usize) -> Bytes {
    let of = match slot {
        0..4 => 8,
        4..16 => 48,
        16..64 => 8 * 48,
        _ => 8 * most_open.saturating_sub(64).max(1) as u64,
    };
    Bytes((all.get() / of).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_come_to_more_than_all() {
        for most_open in [1, 4, 16, 17, 64, 65, 256, 1000] {
            let all = Bytes::mib(64);
            let sum: u64 = (0..most_open).map(|slot| share(all, slot, most_open).get()).sum();
            assert!(sum <= all.get(), "{most_open}");
        }
    }
}
