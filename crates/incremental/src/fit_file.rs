//! The text of the files that hold a fit: partial states and unfinished fits.
//!
//! Both hold the recipe, the columns of the input, and what each pass has seen; what the passes have learnt follows
//! from that, so that it is found anew when the file is read. After the first line stands one with the recipe,
//! columns and shards, then a line for each state of each pass.

use std::collections::BTreeMap;
use std::io::Write;

use arrow::datatypes::DataType;
use monitor::Monitor;
use serde::{Deserialize, Serialize};

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::fitting::Fitting;
use crate::recipe::Recipe;
use crate::sealed::{self, FileKind, archive_error};
use crate::shard::Shard;
use crate::state_text::MOST_ROWS;

/// The first line of either file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) recipe: String,
    pub(crate) input: Vec<Input>,
    pub(crate) passes: Vec<PassSeen>,
    /// None: all of them, and no pass is begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shards: Option<Shards>,
}

#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) kind: ValueKind,
    /// Arrow's name of the type.
    pub(crate) r#type: String,
}

/// A pass that has ended.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassSeen {
    pub(crate) rows: u64,
    pub(crate) states: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shards {
    pub(crate) of: u32,
    /// The rows of each shard that was seen.
    pub(crate) rows: BTreeMap<u32, u64>,
    /// How many states of the pass follow; none if nothing is to be learnt from rows.
    pub(crate) states: usize,
}

impl Head {
    pub(crate) fn of(fitting: &Fitting, shards: Option<Shards>) -> Head {
        let input = fitting.input.iter().map(|column| Input {
            name: column.name.clone(),
            kind: column.kind,
            r#type: column.data_type.to_string(),
        });
        Head {
            recipe: fitting.recipe.text().to_owned(),
            input: input.collect(),
            passes: fitting.earlier.passes.clone(),
            shards,
        }
    }

    fn columns(&self) -> Result<Vec<Column>, Error> {
        let columns = self.input.iter().map(|input| {
            let data_type: DataType = input.r#type.parse().map_err(|_| {
                archive_error(format!("has a type `{}`, which this program does not know", input.r#type))
                    .in_column(&input.name)
            })?;
            Ok(Column { name: input.name.clone(), kind: input.kind, data_type })
        });
        columns.collect()
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::new(ErrorKind::Io(e));
        serde_json::to_writer(&mut *out, self).map_err(|e| failed(e.into()))?;
        out.write_all(b"\n").map_err(failed)
    }

    /// The fit as it was after the passes that have ended, whose states are `lines`.
    pub(crate) fn replay(&self, lines: &str, monitor: &Monitor) -> Result<Fitting, Error> {
        let mut fitting = Fitting::new(Recipe::parse(&self.recipe)?, &self.columns()?, monitor);
        let mut states = lines.lines();
        for seen in &self.passes {
            let mut pass = fitting.next_pass()?.ok_or_else(too_many_passes)?;
            pass.decode(states.by_ref().take(seen.states), seen.rows)?;
            fitting.finish_pass(pass)?;
        }
        fitting.remember(&self.passes, lines)?;
        Ok(fitting)
    }
}

pub(crate) fn too_many_passes() -> Error {
    archive_error("holds more passes than its recipe needs; fit again")
}

/// What a file holds: its head, the states of passes that have ended, and those of the one that has not.
pub(crate) struct Parts<'a> {
    pub(crate) head: Head,
    pub(crate) earlier: &'a str,
    pub(crate) current: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn open(kind: FileKind, bytes: &'a [u8]) -> Result<Parts<'a>, Error> {
        let body = sealed::open(kind, bytes)?;
        let unread = |why: String| archive_error(format!("cannot be read: {why}; fit again"));
        let (head, lines) = body.split_once('\n').ok_or_else(|| unread("it ends too soon".into()))?;
        let head: Head = serde_json::from_str(head).map_err(|e| unread(e.to_string()))?;
        if head.shards.is_some() != (kind == FileKind::PartialState) {
            return Err(unread("it does not say what it holds".into()));
        }
        let ended = head.passes.iter().try_fold(0usize, |sum, pass| sum.checked_add(pass.states));
        let all = ended.and_then(|ended| ended.checked_add(head.shards.as_ref().map_or(0, |s| s.states)));
        let ends = |count: usize| match count {
            0 => Some(0),
            n => lines.match_indices('\n').nth(n - 1).map(|(place, _)| place + 1),
        };
        let split = ended.and_then(ends).zip(all.and_then(ends));
        let (ended, end) = split.ok_or_else(|| unread("it ends too soon".into()))?;
        if end != lines.len() {
            return Err(unread("it goes on after its end".into()));
        }
        let rows = head.shards.iter().flat_map(|shards| shards.rows.values());
        let rows = head.passes.iter().map(|pass| &pass.rows).chain(rows);
        if rows.copied().try_fold(0u64, u64::checked_add).is_none_or(|rows| rows > MOST_ROWS) {
            return Err(unread("it claims more rows than there can be".into()));
        }
        Ok(Parts { head, earlier: &lines[..ended], current: &lines[ended..] })
    }
}

impl Shards {
    /// Refuses shards that there cannot be.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let are_there = self.rows.keys().all(|number| Shard::new(*number, self.of).is_some());
        if self.rows.is_empty() || !are_there {
            return Err(archive_error("holds shards that there are not; fit again"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;
    use crate::column::Column;

    #[test]
    fn columns_of_every_type_come_back() {
        let dictionary = |key: DataType, text: DataType| DataType::Dictionary(Box::new(key), Box::new(text));
        let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        let zones = [None, Some("+00:00".into()), Some("UTC".into())];
        let timestamps =
            zones.iter().flat_map(|zone| units.map(|unit| DataType::Timestamp(unit, zone.clone())));
        let types = [
            DataType::Null,
            DataType::Boolean,
            DataType::Int8,
            DataType::Int64,
            DataType::UInt64,
            DataType::Float32,
            DataType::Float64,
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Date32,
            dictionary(DataType::UInt8, DataType::Utf8),
            dictionary(DataType::Int32, DataType::LargeUtf8),
        ];
        let column = |data_type| Column { name: "a \"b\"".to_owned(), kind: ValueKind::Text, data_type };
        let columns: Vec<Column> = types.into_iter().chain(timestamps).map(column).collect();
        let recipe = Recipe::parse("version = 1\n").unwrap();
        let head = Head::of(&Fitting::new(recipe, &columns, &Monitor::unbounded()), None);
        assert_eq!(head.columns().unwrap(), columns);
    }
}
