//! A fit whose rows are seen in several runs: partial states of shards, and what is between two passes.
//!
//! ```text
//!  Recipe ──► PartialFit of each shard ──► merged ──► Pipeline
//!                       ▲                    │
//!                       └── UnfinishedFit ◄──┘  if another pass is needed
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use arrow::record_batch::RecordBatch;
use monitor::Monitor;

use crate::column::Column;
use crate::error::{Error, ErrorKind};
use crate::fit_file::{Head, Parts, Shards, too_many_passes};
use crate::fitting::Fitting;
use crate::pass::Pass;
use crate::pipeline::Pipeline;
use crate::sealed::{self, FileKind};
use crate::shard::Shard;
use crate::unfinished_fit::UnfinishedFit;

/// What one pass of a fit has seen of some shards of an input; its file is a partial state.
///
/// Partial states of one recipe, input and pass are merged in any order and tree, to the same bytes, and end in
/// the same pipeline as a fit in one piece.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int8Array};
/// use arrow::record_batch::RecordBatch;
/// use incremental::{Column, Fitting, Merged, PartialFit, Recipe, Shard};
/// use monitor::Monitor;
///
/// let age: ArrayRef = Arc::new(Int8Array::from(vec![1, 2, 6]));
/// let batch = RecordBatch::try_from_iter([("age", age)])?;
/// let columns: Vec<Column> = batch.schema().fields().iter().filter_map(|f| Column::of(f)).collect();
/// let recipe = "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"age\"]\n";
///
/// let monitor = Monitor::unbounded();
/// let mut files = Vec::new();
/// for shard in ["1/2", "2/2"] {
///     let shard: Shard = shard.parse()?;
///     let fitting = Fitting::new(Recipe::parse(recipe)?, &columns, &monitor);
///     let mut part = PartialFit::new(fitting, shard)?;
///     let rows = shard.rows(3);
///     part.update(&batch.slice(rows.start as usize, (rows.end - rows.start) as usize), rows.start)?;
///     files.push(part.to_bytes()?);
/// }
/// let mut merged = PartialFit::from_bytes(&files[1], &monitor)?;
/// merged.merge(&files[0])?;
/// let Merged::Pipeline(pipeline) = merged.finish()? else { panic!("one pass is enough") };
/// assert_eq!(pipeline.step_names().collect::<Vec<_>>(), ["standard_scaler"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PartialFit {
    fitting: Fitting,
    /// None: nothing is to be learnt from rows.
    pass: Option<Pass>,
    of: u32,
    /// The rows of each shard.
    rows: BTreeMap<u32, u64>,
}

/// What comes of all shards together.
pub enum Merged {
    /// The fit is done.
    Pipeline(Pipeline),
    /// Another pass over all shards is needed.
    Unfinished(Box<UnfinishedFit>),
}

impl PartialFit {
    /// The next pass of a fit, over a shard of which no row is seen yet.
    ///
    /// # Errors
    /// As [`Fitting::next_pass`].
    ///
    /// # Panics
    /// If the fit has made a pass that was none of partial states.
    pub fn new(mut fitting: Fitting, shard: Shard) -> Result<PartialFit, Error> {
        fitting.assert_remembered();
        let pass = fitting.next_pass()?;
        Ok(PartialFit { fitting, pass, of: shard.of(), rows: BTreeMap::from([(shard.number(), 0)]) })
    }

    /// The columns of the input that the pass reads, by place, in input order; `None` if it reads no rows.
    pub fn projection(&self) -> Option<&[usize]> {
        self.pass.as_ref().map(Pass::projection)
    }

    /// Takes a batch of the columns [`projection`](Self::projection), of the shard that was begun. `first_row` is
    /// the number of its first row in the whole input.
    ///
    /// # Errors
    /// As [`Pass::update`].
    ///
    /// # Panics
    /// If the batch has fewer columns than the projection, or shards were merged already.
    pub fn update(&mut self, batch: &RecordBatch, first_row: u64) -> Result<(), Error> {
        assert!(self.rows.len() == 1, "rows are added to one shard");
        if let Some(pass) = &mut self.pass {
            pass.update(batch, first_row)?;
            self.rows.values_mut().for_each(|rows| *rows += batch.num_rows() as u64);
        }
        Ok(())
    }

    /// The number of the pass, from 1.
    pub fn pass(&self) -> usize {
        self.fitting.earlier.passes.len() + 1
    }

    /// The columns of the input.
    pub fn input(&self) -> &[Column] {
        &self.fitting.input
    }

    /// The recipe's text.
    pub fn recipe(&self) -> &str {
        self.fitting.recipe.text()
    }

    /// The shards that were seen, with the rows of each.
    pub fn shards(&self) -> impl Iterator<Item = (Shard, u64)> + '_ {
        self.rows.iter().filter_map(|(number, rows)| Some((Shard::new(*number, self.of)?, *rows)))
    }

    /// The shards that were not seen.
    pub fn missing(&self) -> Vec<Shard> {
        let missing = (1..=self.of).filter(|number| !self.rows.contains_key(number));
        missing.filter_map(|number| Shard::new(number, self.of)).collect()
    }

    /// Bytes that the states hold on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.pass.as_ref().map_or(0, Pass::heap_bytes)
    }

    /// Writes the partial state's file, and gives its bytes. Equal states are equal bytes.
    ///
    /// # Errors
    /// What `out` or the budget refuses.
    pub fn write_to(&self, out: &mut dyn Write) -> Result<u64, Error> {
        let states = self.pass.as_ref().map_or(0, Pass::states);
        let shards = Shards { of: self.of, rows: self.rows.clone(), states };
        let head = Head::of(&self.fitting, Some(shards));
        let _copied = self.pass.as_ref().map(Pass::reserve_copy).transpose()?;
        sealed::write(FileKind::PartialState, out, |out| {
            head.write(out)?;
            self.fitting.earlier.write(out)?;
            self.pass.as_ref().map_or(Ok(()), |pass| pass.encode(out))
        })
    }

    /// The file of [`write_to`](Self::write_to), in memory.
    ///
    /// # Errors
    /// What the budget refuses.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads what [`write_to`](Self::write_to) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::OtherFile`] for another kind of file, [`ErrorKind::Archive`] for another version or a damaged one; a refusal of the
    /// budget.
    pub fn from_bytes(bytes: &[u8], monitor: &Monitor) -> Result<PartialFit, Error> {
        let Parts { head, earlier, current } = Parts::open(FileKind::PartialState, bytes)?;
        let mut fitting = head.replay(earlier, monitor)?;
        let mut pass = fitting.next_pass()?;
        let shards = head.shards.ok_or_else(too_many_passes)?;
        shards.check()?;
        match &mut pass {
            Some(pass) => pass.decode(current.lines(), shards.rows.values().sum())?,
            None if shards.states > 0 => return Err(too_many_passes()),
            None => {}
        }
        Ok(PartialFit { fitting, pass, of: shards.of, rows: shards.rows })
    }

    /// Takes what another partial state's file holds.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes); [`ErrorKind::Shards`] for a state of another recipe, input, pass or
    /// number of shards, and for a shard that is there already. The state stays as it was then.
    pub fn merge(&mut self, file: &[u8]) -> Result<(), Error> {
        let Parts { head, earlier, current } = Parts::open(FileKind::PartialState, file)?;
        let shards = head.shards.as_ref().ok_or_else(too_many_passes)?;
        shards.check()?;
        self.check_alike(&head, shards, earlier)?;
        if let Some(pass) = &mut self.pass {
            let mut other = pass.sibling()?;
            other.decode(current.lines(), shards.rows.values().sum())?;
            pass.merge(other)?;
        } else if shards.states > 0 {
            return Err(too_many_passes());
        }
        self.rows.extend(&shards.rows);
        Ok(())
    }

    fn check_alike(&self, head: &Head, shards: &Shards, earlier: &str) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Shards { message }));
        let own = Head::of(&self.fitting, None);
        if head.recipe != own.recipe {
            return refuse(
                "is of another recipe than the states before it; merge states of one recipe".into(),
            );
        }
        if head.input != own.input {
            let differs = own.input.iter().zip(&head.input).find(|(own, other)| own != other);
            let which = match differs {
                Some((own, other)) => format!(
                    "\"{}\" ({}, {}) stands in the place of \"{}\" ({}, {})",
                    other.name, other.kind, other.r#type, own.name, own.kind, own.r#type
                ),
                None => format!("{} instead of {}", head.input.len(), own.input.len()),
            };
            return refuse(format!(
                "is of an input with other columns than the states before it: {which}; fit all shards on one input"
            ));
        }
        if head.passes.len() != own.passes.len() {
            return refuse(format!(
                "is of pass {}, and the states before it of pass {}; merge states of one pass",
                head.passes.len() + 1,
                own.passes.len() + 1
            ));
        }
        if head.passes != own.passes || earlier.as_bytes() != self.fitting.earlier.lines() {
            return refuse(
                "goes on from another unfinished fit than the states before it; fit all shards from one"
                    .into(),
            );
        }
        if shards.of != self.of {
            return refuse(format!(
                "is of an input in {} shards, and the states before it of one in {}; fit all shards of one number",
                shards.of, self.of
            ));
        }
        match shards.rows.keys().find(|number| self.rows.contains_key(number)) {
            Some(twice) => refuse(format!(
                "holds shard {twice}/{}, which the states before it hold too; leave one of the two out",
                self.of
            )),
            None => Ok(()),
        }
    }

    /// Ends the pass.
    ///
    /// # Errors
    /// [`ErrorKind::Shards`] if a shard is missing or its rows are not those of the shard;
    /// [`ErrorKind::InputChanged`] if an earlier pass has seen other rows; as [`Fitting::finish_pass`].
    pub fn finish(mut self) -> Result<Merged, Error> {
        self.check_complete()?;
        if let Some(pass) = self.pass {
            self.fitting.finish_remembered(pass)?;
        }
        Ok(match self.fitting.next_pass()? {
            None => Merged::Pipeline(self.fitting.finish()?),
            Some(pass) => {
                self.fitting.put_back(pass);
                Merged::Unfinished(Box::new(UnfinishedFit(self.fitting)))
            }
        })
    }

    fn check_complete(&self) -> Result<(), Error> {
        const SHOWN: usize = 8;
        let missing = self.missing();
        if !missing.is_empty() {
            let mut message = format!("of {} shards", self.of);
            for (i, shard) in missing.iter().take(SHOWN).enumerate() {
                let _ = write!(message, "{} {}", if i > 0 { "," } else { "" }, shard.number());
            }
            if missing.len() > SHOWN {
                let _ = write!(message, " and {} more", missing.len() - SHOWN);
            }
            message += if missing.len() == 1 { " is missing" } else { " are missing" };
            message += "; give their states too, or write what is there as one state with --partial";
            return Err(Error::new(ErrorKind::Shards { message }));
        }
        if self.pass.is_none() {
            return Ok(());
        }
        let all: u64 = self.rows.values().sum();
        let wrong = self.shards().find(|(shard, rows)| {
            let expected = shard.rows(all);
            expected.end - expected.start != *rows
        });
        if let Some((shard, rows)) = wrong {
            let message = format!(
                "shard {}/{} has {rows} rows, which is no such part of {all} rows: the shards are of different inputs; fit them all on one",
                shard.number(),
                shard.of()
            );
            return Err(Error::new(ErrorKind::Shards { message }));
        }
        match self.fitting.earlier.passes.last() {
            Some(earlier) if earlier.rows != all => Err(Error::new(ErrorKind::InputChanged)),
            _ => Ok(()),
        }
    }
}
