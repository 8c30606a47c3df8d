//! Arrow IPC: files and streams of record batches.
//!
//! ```text
//!  messages ──► schema
//!     │    ──► dictionaries ───────────────► texts, whole, while a batch needs them
//!     └────► record batch ──► buffers ─────► values, a step of rows at a time: read from where they are in the file,
//!                                            or, if they are compressed, from memory, unpacked
//! ```
//!
//! So a record batch of any size takes no memory but for its steps, unless it is compressed: then each buffer that is read
//! is there whole, as the format has it, or is refused.

mod buffers;
mod column;
mod dictionary;
mod messages;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::DataType;
use monitor::{Budget, Bytes, Reservation};

use self::column::{BatchColumn, buffers_of};
use self::dictionary::{Dictionary, Entry};
use self::messages::{At, Buffers, Content, Messages, Parts, damaged};
use super::held::Held;
use super::schema::SourceColumn;
use super::table::{ColumnReader, Group, Part, Table};
use crate::error::{Error, ErrorKind};

/// An open file or stream.
pub(crate) struct IpcFile {
    messages: Messages,
    is_stream: bool,
    columns: Vec<SourceColumn>,
    buffers: Vec<Buffers>,
    /// The dictionary of each column.
    ids: Vec<Option<i64>>,
    /// Where each record batch is.
    groups: Vec<Group>,
    entries: Vec<Entry>,
    is_packed: Option<&'static str>,
    lately: Mutex<Lately>,
    budget: Budget,
    /// Holds the list of record batches.
    _held: Reservation,
}

/// What messages were met.
#[derive(Default)]
struct Found {
    groups: Vec<Group>,
    entries: Vec<Entry>,
    is_packed: Option<&'static str>,
}

impl Found {
    fn add(
        &mut self,
        byte: u64,
        message: &At,
        content: Content,
        held: &mut Reservation,
    ) -> Result<(), Error> {
        match content {
            Content::Dictionary { id, is_delta } => {
                self.entries.push(Entry { id, is_delta, byte, batches: self.groups.len() });
            }
            Content::Batch { rows } => {
                if self.groups.is_empty() {
                    self.is_packed = message.packing_name();
                }
                self.groups.push(Group { rows, byte });
            }
            Content::Schema(..) | Content::Other => {}
        }
        let entries = self.entries.capacity() * size_of::<Entry>();
        held.try_resize(Bytes::from(self.groups.capacity() * size_of::<Group>() + entries))?;
        Ok(())
    }
}

/// Record batches that are known where their buffers are: the one that is read, the next one, and those of another thread.
const LATELY: usize = 4;

/// What was read last.
#[derive(Default)]
struct Lately {
    /// The columns of record batches.
    batches: VecDeque<(usize, Arc<[Parts]>)>,
    /// Dictionaries by column, and the messages that made each.
    dictionaries: HashMap<usize, (Vec<u64>, Arc<Dictionary>)>,
}

impl IpcFile {
    /// Goes through the messages of a file of `bytes` bytes.
    ///
    /// # Errors
    /// If it cannot be read or is damaged, a column is of a type that is not read, or the budget has no room for what a
    /// message says.
    pub(crate) fn open(
        file: Arc<File>,
        bytes: u64,
        is_stream: bool,
        budget: &Budget,
    ) -> Result<IpcFile, Error> {
        let mut held = budget.consumer("footer").try_reserve(Bytes::ZERO)?;
        let mut found = Found::default();
        let (messages, schema, ids) = if is_stream {
            let messages = Messages::of_stream(file, bytes, budget);
            let mut schema = None;
            let mut at = 0;
            while let Some(message) = messages.at(at)? {
                match (message.content()?, &schema) {
                    (Content::Schema(first, ids), None) => schema = Some((first, ids)),
                    (Content::Schema(..), Some(_)) => {
                        return Err(damaged(at, "a schema follows another one"));
                    }
                    (_, None) => return Err(damaged(at, "the first message is no schema")),
                    (content, Some(_)) => found.add(at, &message, content, &mut held)?,
                }
                at = message.end;
            }
            let cut = || Error::new(ErrorKind::Damaged { format: "Arrow IPC", byte: at, cause: None });
            let (schema, ids) = schema.ok_or_else(cut)?;
            (messages, schema, ids)
        } else {
            let (messages, footer) = Messages::of_file(file, bytes, budget)?;
            for at in footer.dictionaries.iter().chain(&footer.batches) {
                let message = messages.at(*at)?.ok_or_else(|| damaged(*at, "a message is not there"))?;
                found.add(*at, &message, message.content()?, &mut held)?;
            }
            if found.groups.len() != footer.batches.len() {
                return Err(damaged(bytes, "the footer counts other record batches than there are"));
            }
            (messages, footer.schema, footer.ids)
        };
        let Found { groups, entries, is_packed } = found;
        let columns: Vec<SourceColumn> = schema
            .fields()
            .iter()
            .map(|field| SourceColumn::new(field.name(), field.data_type()))
            .collect::<Result<_, _>>()?;
        let buffers = columns.iter().map(|column| buffers_of(&column.data_type)).collect();
        Ok(IpcFile {
            messages,
            is_stream,
            columns,
            buffers,
            ids,
            groups,
            entries,
            is_packed,
            lately: Mutex::default(),
            budget: budget.clone(),
            _held: held,
        })
    }

    /// Where the columns of a record batch are.
    fn parts(&self, group: usize) -> Result<Arc<[Parts]>, Error> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, parts)) = lately.batches.iter().find(|(batch, _)| *batch == group) {
            return Ok(Arc::clone(parts));
        }
        let byte = self.groups[group].byte;
        let message = self.messages.at(byte)?.ok_or_else(|| damaged(byte, "a record batch is gone"))?;
        let parts: Arc<[Parts]> = message.columns(&self.buffers)?.into();
        lately.batches.truncate(LATELY - 1);
        lately.batches.push_front((group, Arc::clone(&parts)));
        Ok(parts)
    }

    /// The dictionary of a column as a record batch has it.
    fn dictionary(&self, group: usize, column: usize, values: &DataType) -> Result<Arc<Dictionary>, Error> {
        let byte = self.groups[group].byte;
        let id = self.ids.get(column).copied().flatten();
        let id = id.ok_or_else(|| damaged(byte, "a column has no dictionary"))?;
        let entries = dictionary::entries(&self.entries, id, group, self.is_stream);
        let made: Vec<u64> = entries.iter().map(|entry| entry.byte).collect();
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, dictionary)) = lately.dictionaries.get(&column)
            && *known == made
        {
            return Ok(Arc::clone(dictionary));
        }
        // What it was before is let go of first.
        lately.dictionaries.remove(&column);
        let read = dictionary::read(&self.messages, &entries, values, &self.budget)?;
        lately.dictionaries.insert(column, (made, Arc::clone(&read)));
        Ok(read)
    }
}

impl Table for IpcFile {
    fn columns(&self) -> &[SourceColumn] {
        &self.columns
    }

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn part(&self, group: usize) -> Part {
        Part::RecordBatch(group + 1)
    }

    fn compression(&self) -> Option<&'static str> {
        self.is_packed
    }

    fn column(&self, group: usize, column: usize, held: Held) -> Result<Box<dyn ColumnReader>, Error> {
        let parts = self.parts(group)?;
        let data_type = self.columns[column].data_type.clone();
        let dictionary = match &data_type {
            DataType::Dictionary(_, values) => Some(self.dictionary(group, column, values)?),
            _ => None,
        };
        Ok(Box::new(BatchColumn::new(&self.messages.file, &parts[column], data_type, dictionary, held)?))
    }

    fn column_bytes(&self, group: usize, column: usize) -> u64 {
        let parts = self.parts(group).ok();
        parts.map_or(0, |parts| parts[column].buffers.iter().map(|part| part.bytes).sum())
    }
}
