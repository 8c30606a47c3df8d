//! The life of a step: parameters, bound to columns, fitted by a mergeable state, applied to batches.
//!
//! ```text
//!  Step ── bind(columns) ──► BoundStep ── start() ──► FitState ── finish() ──► FittedStep
//!  recipe                    outputs, as far          update,     or again,    outputs, transform,
//!                            as known before          merge       with         encode
//!                            the fit                              another pass
//! ```

use std::any::Any;
use std::fmt::Debug;
use std::io::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::column::Column;
use crate::error::Error;

/// A step with its parameters.
pub trait Step: Debug + Send + Sync {
    /// Binds the step to the columns that its selection came to.
    ///
    /// # Errors
    /// Columns whose values the step cannot take; parameters that do not fit their number.
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error>;

    /// Whether the step takes the columns that its selection leaves out, as `select_columns` does.
    fn takes_the_others(&self) -> bool {
        false
    }

    /// The column that a fit learns from beside those of the selection, and that a transform does without. It
    /// is the last of the inputs of [`bind`](Self::bind) and of [`FitState::update`], and none of those of the
    /// fitted step.
    fn target(&self) -> Option<&str> {
        None
    }
}

/// What is known of a step's outputs before it is fitted.
#[derive(Clone, Debug)]
pub struct Preview {
    /// For each input but a target, the columns that take its place.
    pub columns: Vec<Vec<Column>>,
    /// Whether the fit can no longer add, drop or retype any of them.
    pub is_final: bool,
}

/// What is known of a step's values before it is fitted: all of them, but for one value for each column.
#[derive(Debug)]
pub struct Provisional {
    /// Gives the values. Of its output columns some may come to nothing; those that come to be are these, of these
    /// kinds and types.
    pub step: Arc<dyn FittedStep>,
    /// Whether its nulls stand for the value that the fit will [fill](FittedStep::filled) them with. Else they are
    /// nulls.
    pub fills: bool,
}

/// A step that knows its input columns.
pub trait BoundStep: Send + Sync {
    /// What is known of the outputs.
    fn preview(&self) -> Preview;

    /// The state of a fit that has seen no row.
    fn start(self: Box<Self>) -> Box<dyn FitState>;

    /// The fitted step, if there is nothing to learn.
    fn fitted(&self) -> Option<Box<dyn FittedStep>> {
        None
    }

    /// What rows alone tell of the step's values, if it is so much that a later step can learn from it.
    fn provisional(&self) -> Option<Provisional> {
        None
    }
}

/// What the end of a pass gives.
pub enum Fit {
    /// The step is fitted.
    Done(Box<dyn FittedStep>),
    /// Another pass over the same rows is needed, with this state.
    Again(Box<dyn FitState>),
}

/// The state of a fit: a commutative monoid over rows. Any cut of the rows, any order and any tree of merges
/// give the same fitted step, to the bit.
///
/// What is *not* promised: that two states of different passes, steps or recipes can be merged.
pub trait FitState: Any + Send {
    /// Takes the rows of a batch. `first_row` is the number of the first one in the whole input, from 0.
    ///
    /// # Errors
    /// A value that the step cannot compute with.
    fn update(&mut self, inputs: &[ArrayRef], first_row: u64) -> Result<(), Error>;

    /// A state of the same step and pass that has seen no row: the identity of [`merge`](Self::merge).
    fn identity(&self) -> Box<dyn FitState>;

    /// Bytes that the state of [`identity`](Self::identity) takes beside what it shares with this one, where that is more
    /// than some kibibytes.
    fn identity_bytes(&self) -> usize {
        0
    }

    /// Takes what another state of the same step and pass has seen.
    ///
    /// # Panics
    /// If `other` is of another step.
    fn merge(&mut self, other: Box<dyn FitState>);

    /// Writes what the state has seen, as JSON without line ends. Equal states are equal bytes. What the recipe and
    /// earlier passes say is not part of it.
    ///
    /// # Errors
    /// What `out` refuses.
    fn encode(&self, out: &mut dyn Write) -> Result<(), Error>;

    /// The state of the same step and pass that has seen what [`encode`](Self::encode) wrote, instead of what this
    /// one has.
    ///
    /// # Errors
    /// [`ErrorKind::Archive`](crate::ErrorKind::Archive) for text of another step or pass, or that no state wrote.
    fn decode(&self, seen: &str) -> Result<Box<dyn FitState>, Error>;

    /// Bytes on the heap, by capacity, with what a table takes that is about to grow: they are reserved before the next
    /// batch.
    fn heap_bytes(&self) -> usize;

    /// Bytes that the state holds at most while [`update`](Self::update) takes these inputs, which may be more than the
    /// update needs: it is not known before which values are new. They are reserved before, for no more rows at a time
    /// than are granted.
    fn update_bytes(&self, inputs: &[ArrayRef]) -> usize {
        let _ = inputs;
        self.heap_bytes()
    }

    /// Bytes that the state holds at most while [`merge`](Self::merge) takes `other`, those of `other` left aside.
    ///
    /// # Panics
    /// If `other` is of another step.
    fn merge_bytes(&self, other: &dyn FitState) -> usize {
        self.heap_bytes() + other.heap_bytes()
    }

    /// Bytes that are held at most while [`finish`](Self::finish) works, this state and what comes of it included. Those of
    /// a state of fixed size make something smaller.
    fn finish_bytes(&self) -> usize {
        2 * self.heap_bytes()
    }

    /// Whether rows are told apart by their numbers, and not only in messages. Then rows that a split leaves out
    /// part a batch in two, while for others they are taken out of it.
    fn needs_row_numbers(&self) -> bool {
        false
    }

    /// Whether each input is learnt from by itself, whatever the others hold. Then the arrays of an update may
    /// differ in length, and [`repeat`](Self::repeat) and [`keep`](Self::keep) can be called.
    fn is_by_column(&self) -> bool {
        false
    }

    /// Takes `times` more values of the `input`-th input, all equal to that of `row`, an array of one.
    ///
    /// # Errors
    /// A value that the step cannot compute with.
    ///
    /// # Panics
    /// If the state is not [by column](Self::is_by_column).
    fn repeat(&mut self, input: usize, row: &ArrayRef, times: u64) -> Result<(), Error> {
        let _ = (input, row, times);
        panic!("only a state by column takes values of one of its inputs")
    }

    /// Forgets all inputs but those at these places, which ascend.
    ///
    /// # Panics
    /// If the state is not [by column](Self::is_by_column).
    fn keep(&mut self, inputs: &[usize]) {
        let _ = inputs;
        panic!("only a state by column is one without some of its inputs")
    }

    /// Whether [`finish`](Self::finish) may ask for another pass.
    fn may_need_more(&self) -> bool {
        false
    }

    /// The step to use in place of this one where the budget refuses what its vocabulary grows to.
    fn instead(&self) -> Option<&'static str> {
        None
    }

    /// Ends the pass.
    ///
    /// # Errors
    /// What the rows together make impossible.
    fn finish(self: Box<Self>) -> Result<Fit, Error>;
}

/// An output column with what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// The column.
    pub column: Column,
    /// The category that it stands for, by name.
    pub category: Option<String>,
}

impl OutputColumn {
    pub(crate) fn plain(column: Column) -> Self {
        OutputColumn { column, category: None }
    }
}

/// A step that has learnt what it needs. Immutable.
pub trait FittedStep: Debug + Send + Sync {
    /// For each input, the columns that take its place. `narrow`: stored in the narrowest type that loses
    /// nothing, else as the scikit-learn class gives them.
    ///
    /// # Errors
    /// Inputs of kinds that the fit did not have.
    fn outputs(&self, inputs: &[Column], narrow: bool) -> Result<Vec<Vec<OutputColumn>>, Error>;

    /// The values of `outputs`, in their order and types. `first_row` is the number of the first row in the
    /// whole input, from 0.
    ///
    /// # Errors
    /// A value that the step cannot take.
    fn transform(
        &self,
        inputs: &[ArrayRef],
        outputs: &[Vec<Column>],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error>;

    /// Whether each output depends on the input whose place it takes and on no other, value by value, and is null
    /// just where that is.
    fn is_row_wise(&self) -> bool {
        false
    }

    /// What it fills the missing values of its `input`-th input with: an array of one, of the type of `output`,
    /// the first column that takes the input's place. `None`: it fills nothing.
    ///
    /// # Errors
    /// A type that does not hold it.
    fn filled(&self, input: usize, output: &Column) -> Result<Option<ArrayRef>, Error> {
        let _ = (input, output);
        Ok(None)
    }

    /// The step for the rows that it was fitted on, where it gives them other values than it gives later ones:
    /// what it learnt without them. A step read from an archive has none.
    fn training(&self) -> Option<Arc<dyn FittedStep>> {
        None
    }

    /// The column that it learnt from and does without.
    fn target(&self) -> Option<&str> {
        None
    }

    /// The step with no inputs but those at `places`, which ascend; `None` if what it makes of them depends on others.
    fn keep(&self, places: &[usize]) -> Option<Arc<dyn FittedStep>> {
        let _ = places;
        None
    }

    /// Whether the rows must pass through it even where nobody wants what it makes, since it refuses some.
    fn refuses_rows(&self) -> bool {
        false
    }

    /// What was learnt, for the archive, which writes it without a copy.
    fn learnt(&self) -> Box<dyn erased_serde::Serialize + '_>;

    /// Columns that it makes.
    fn width(&self) -> usize;

    /// Bytes on the heap.
    fn heap_bytes(&self) -> usize;
}
