//! A fit: how far each step is, and the passes that are left.

use std::sync::Arc;

use monitor::{Bytes, Monitor, Reservation};

use crate::ahead::Ahead;
use crate::column::Column;
use crate::earlier::Earlier;
use crate::error::Error;
use crate::fit_file::PassSeen;
use crate::learning::{Learning, StepFit};
use crate::pass::Pass;
use crate::pipeline::{Pipeline, PipelineStep};
use crate::recipe::Recipe;
use crate::step::{Fit, FitState, FittedStep};

/// A fit of a recipe on an input, pass by pass.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int8Array};
/// use arrow::record_batch::RecordBatch;
/// use incremental::{Column, Fitting, Recipe};
/// use monitor::Monitor;
///
/// let age: ArrayRef = Arc::new(Int8Array::from(vec![Some(1), None, Some(3)]));
/// let batch = RecordBatch::try_from_iter([("age", age)])?;
/// let columns: Vec<Column> = batch.schema().fields().iter().filter_map(|f| Column::of(f)).collect();
///
/// let recipe = Recipe::parse("version = 1\n[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"age\"]\n")?;
/// let mut fitting = Fitting::new(recipe, &columns, &Monitor::unbounded());
/// while let Some(mut pass) = fitting.next_pass()? {
///     let wanted = batch.project(pass.projection())?;
///     pass.update(&wanted, 0)?;
///     fitting.finish_pass(pass)?;
/// }
/// let pipeline = fitting.finish()?.bind(&columns, true)?;
/// let filled = pipeline.transform(&batch, 0)?;
/// assert_eq!(format!("{:?}", filled.column(0)).matches("2.0").count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fitting {
    pub(crate) recipe: Recipe,
    pub(crate) input: Vec<Column>,
    pub(crate) monitor: Monitor,
    pub(crate) stages: Vec<Stage>,
    /// Whether a step may learn before those ahead of it are fitted.
    pub(crate) learns_ahead: bool,
    passes: usize,
    /// What passes have seen that are to be written.
    pub(crate) earlier: Earlier,
    /// A pass that was begun and is to be given again.
    put_back: Option<Pass>,
}

/// How far a step's fit is.
pub(crate) enum Stage {
    Waiting,
    /// It has seen the rows of a pass, and waits for the steps before it.
    Ahead {
        ahead: Ahead,
        reservation: Reservation,
    },
    /// In a plan: it is going to be fitted.
    Foreseen,
    /// Fitted partly; the state takes another pass.
    Continuing {
        state: Box<dyn FitState>,
        reservation: Reservation,
    },
    Fitted {
        fitted: Arc<dyn FittedStep>,
        /// The columns that the selection came to.
        inputs: Vec<String>,
        /// None: it has learnt nothing.
        reservation: Option<Reservation>,
    },
}

impl Stage {
    /// The stage of a step after a pass, which takes over its share of what is reserved for the end of the pass.
    pub(crate) fn after(
        state: Box<dyn FitState>,
        inputs: Vec<String>,
        reserved: &mut Reservation,
    ) -> Result<Stage, Error> {
        Ok(match state.finish()? {
            Fit::Done(fitted) => {
                let reservation = Some(share(reserved, fitted.heap_bytes())?);
                Stage::Fitted { fitted: fitted.into(), inputs, reservation }
            }
            Fit::Again(state) => {
                let reservation = share(reserved, state.heap_bytes())?;
                Stage::Continuing { state, reservation }
            }
        })
    }
}

fn share(reserved: &mut Reservation, bytes: usize) -> Result<Reservation, Error> {
    let bytes = Bytes::from(bytes);
    reserved.try_grow(bytes.saturating_sub(reserved.bytes()))?;
    Ok(reserved.split(bytes))
}

impl Fitting {
    /// A fit of `recipe` on an input with these columns. States are reserved from the monitor's budget.
    pub fn new(recipe: Recipe, input: &[Column], monitor: &Monitor) -> Fitting {
        let stages = recipe.steps.iter().map(|_| Stage::Waiting).collect();
        Fitting {
            recipe,
            input: input.to_vec(),
            monitor: monitor.clone(),
            stages,
            learns_ahead: true,
            passes: 0,
            earlier: Earlier::default(),
            put_back: None,
        }
    }

    /// Goes on with columns of the same names and kinds whose types have turned out to be others, between two passes.
    ///
    /// # Panics
    /// If a name or a kind differs.
    pub fn retype(&mut self, input: &[Column]) {
        let is_same = |(a, b): (&Column, &Column)| a.name == b.name && a.kind == b.kind;
        assert!(
            self.input.len() == input.len() && self.input.iter().zip(input).all(is_same),
            "these are other columns"
        );
        self.input = input.to_vec();
    }

    /// The same fit with a pass of its own for every step behind another one of the same column. The pipeline is the
    /// same to the bit, for more passes and less memory in each.
    #[must_use]
    pub fn with_passes_apart(self) -> Fitting {
        Fitting { learns_ahead: false, ..self }
    }

    /// Passes begun so far.
    pub fn passes(&self) -> usize {
        self.passes
    }

    /// The next pass over the input; `None` when every step is fitted.
    ///
    /// # Errors
    /// A selection that matches nothing, a column that its step cannot take, or a refusal of the budget.
    pub fn next_pass(&mut self) -> Result<Option<Pass>, Error> {
        if let Some(pass) = self.put_back.take() {
            return Ok(Some(pass));
        }
        let schedule = self.schedule()?;
        if schedule.fits.is_empty() {
            return Ok(None);
        }
        self.passes += 1;
        let states = self.monitor.budget().consumer("fit state");
        Ok(Some(Pass::new(self.passes, schedule, self.recipe.split, &states)?))
    }

    /// Ends a pass: its steps are fitted, or ready for another pass.
    ///
    /// # Errors
    /// What the rows together make impossible, such as a parameter that contradicts them.
    pub fn finish_pass(&mut self, mut pass: Pass) -> Result<(), Error> {
        pass.reserve_finish()?;
        let Pass { fits, mut reservation, .. } = pass;
        for StepFit { step, name, inputs, learning, .. } in fits {
            self.stages[step] = match learning {
                Learning::Now(state) => {
                    Stage::after(state, inputs, &mut reservation).map_err(|e| e.in_step(step, name))?
                }
                Learning::Ahead(ahead) => {
                    let reservation = share(&mut reservation, ahead.heap_bytes())?;
                    Stage::Ahead { ahead, reservation }
                }
            };
        }
        Ok(())
    }

    /// Ends a pass whose states are to be written with those of later passes.
    pub(crate) fn finish_remembered(&mut self, pass: Pass) -> Result<(), Error> {
        let copied = pass.reserve_copy()?;
        self.earlier.add(&pass, &self.monitor)?;
        drop(copied);
        self.finish_pass(pass)
    }

    /// Notes what the passes so far have seen, as it was written.
    pub(crate) fn remember(&mut self, passes: &[PassSeen], lines: &str) -> Result<(), Error> {
        self.earlier = Earlier::new(passes, lines, &self.monitor)?;
        Ok(())
    }

    /// Passes that were begun and not given back.
    pub(crate) fn made(&self) -> usize {
        self.passes - usize::from(self.put_back.is_some())
    }

    /// Gives a pass back that was begun and not used: it will be the next.
    pub(crate) fn put_back(&mut self, pass: Pass) {
        self.put_back = Some(pass);
    }

    /// # Panics
    /// If there was a pass whose states are forgotten.
    pub(crate) fn assert_remembered(&self) {
        assert!(self.made() == self.earlier.passes.len(), "a pass was made that no partial state holds");
    }

    /// The fitted pipeline.
    ///
    /// # Errors
    /// As [`next_pass`](Self::next_pass), if a pass is still to be made.
    ///
    /// # Panics
    /// If [`next_pass`](Self::next_pass) has not given `None` yet.
    pub fn finish(self) -> Result<Pipeline, Error> {
        let mut steps = Vec::with_capacity(self.stages.len());
        for (stage, step) in self.stages.into_iter().zip(&self.recipe.steps) {
            let Stage::Fitted { fitted, inputs, reservation } = stage else {
                panic!("a pass over the input is still to be made")
            };
            steps.push(PipelineStep { name: step.name, inputs, fitted, held: reservation.map(Arc::new) });
        }
        Ok(Pipeline {
            input: self.input,
            steps,
            split: self.recipe.split,
            is_training: false,
            is_apart: false,
        })
    }
}
