//! What the passes of a fit are going to be, told before the first.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::column::Column;
use crate::error::Error;
use crate::fitting::{Fitting, Stage};
use crate::learning::Learning;
use crate::step::{FittedStep, OutputColumn};

/// The passes that a fit is going to make, as far as the recipe and the columns of the input tell: which steps learn
/// in each, and what it reads.
///
/// It is what [`Fitting`] will do unless the rows say otherwise: a step that learns quantiles may need more passes for
/// them, one that learns ahead of others may have guessed wrong or find no room in the budget, and columns that are
/// made of categories are known when these are.
///
/// ```
/// use std::sync::Arc;
/// use arrow::datatypes::{DataType, Field};
/// use incremental::{Column, Fitting, Recipe};
/// use monitor::Monitor;
///
/// let columns = ["amount", "age"].map(|name| Column::of(&Field::new(name, DataType::Float64, true)).unwrap());
/// let step = |step: &str| format!("[[steps]]\nuse = \"{step}\"\ncolumns = [\"amount\"]\n");
/// let recipe = ["simple_imputer", "standard_scaler", "min_max_scaler"].map(step).concat();
/// let mut fitting = Fitting::new(Recipe::parse(&format!("version = 1\n{recipe}"))?, &columns, &Monitor::unbounded());
/// let plan = fitting.plan()?;
/// assert_eq!(plan.passes().len(), 2);
/// assert_eq!(
///     plan.to_string(),
///     "2 passes to fit 3 steps
///   pass 1 reads 1 of 2 columns: simple_imputer (amount), standard_scaler (amount)
///   pass 2 reads 1 of 2 columns: min_max_scaler (amount)"
/// );
/// # Ok::<(), incremental::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitPlan {
    passes: Vec<PlannedPass>,
    later: Vec<(usize, &'static str)>,
    columns: usize,
    /// Passes that have been made.
    made: usize,
}

/// A pass over the input that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPass {
    /// The steps that learn in it, in the order of the recipe. Steps that go on in it for having learnt too little in
    /// the pass before are not known in advance.
    pub steps: Vec<PlannedStep>,
    /// The columns of the input that it reads, in input order.
    pub reads: Vec<String>,
}

/// A step that is to learn in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Its place in the recipe, from 0.
    pub step: usize,
    /// Its name.
    pub name: &'static str,
    /// The columns that it learns from, as they are called then.
    pub columns: Vec<String>,
    /// Whether it may need another pass, or more.
    pub may_need_more: bool,
}

impl FitPlan {
    /// The passes to come, from the next on.
    pub fn passes(&self) -> &[PlannedPass] {
        &self.passes
    }

    /// The steps, by place in the recipe from 0 and by name, whose columns are known only when others are fitted. They
    /// learn in passes after that.
    pub fn later(&self) -> &[(usize, &'static str)] {
        &self.later
    }

    /// Whether more passes than [`passes`](Self::passes) may be needed for what is learnt.
    pub fn may_need_more(&self) -> bool {
        let mut steps = self.passes.iter().flat_map(|pass| &pass.steps);
        !self.later.is_empty() || steps.any(|step| step.may_need_more)
    }
}

/// A line, and one more for each pass.
impl fmt::Display for FitPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: usize, thing: &str| format!("{n} {thing}{}", if n == 1 { "" } else { "s" });
        let passes = match self.passes.len() {
            1 => "1 pass".to_owned(),
            n => format!("{n} passes"),
        };
        let steps = self.passes.iter().map(|pass| pass.steps.len()).sum::<usize>() + self.later.len();
        let or_more = if self.may_need_more() { " or more" } else { "" };
        write!(f, "{passes}{or_more} to fit {}", count(steps, "step"))?;
        for (index, pass) in self.passes.iter().enumerate() {
            let (number, read) = (self.made + index + 1, pass.reads.len());
            write!(f, "\n  pass {number} reads {read} of {}", count(self.columns, "column"))?;
            for (place, step) in pass.steps.iter().enumerate() {
                let of = match step.columns.as_slice() {
                    [one] => one.clone(),
                    several => count(several.len(), "column"),
                };
                write!(f, "{} {} ({of})", if place == 0 { ":" } else { "," }, step.name)?;
            }
        }
        for (place, (_, name)) in self.later.iter().enumerate() {
            let begin = if place == 0 { "\n  when their columns are known:" } else { "," };
            write!(f, "{begin} {name}")?;
        }
        Ok(())
    }
}

impl Fitting {
    /// What the passes from the next on are going to be. Nothing changes by being asked.
    ///
    /// # Errors
    /// As [`next_pass`](Self::next_pass).
    pub fn plan(&mut self) -> Result<FitPlan, Error> {
        let forecast = self.stages.iter().map(Stage::foreseen).collect();
        let stages = std::mem::replace(&mut self.stages, forecast);
        let plan = self.foresee();
        self.stages = stages;
        plan
    }

    /// Plays the passes through with what is known of the columns that steps will make.
    fn foresee(&mut self) -> Result<FitPlan, Error> {
        let mut passes = Vec::new();
        let mut schedule = self.schedule()?;
        let mut reached = schedule.reached;
        while !schedule.fits.is_empty() {
            let values = schedule.fits.iter().flat_map(|fit| fit.values.iter().copied());
            let plan = schedule.graph.plan(values.collect());
            let reads = plan.sources().iter().map(|place| self.input[*place].name.clone()).collect();
            let steps = schedule.fits.into_iter().map(|fit| {
                self.stages[fit.step] = Stage::Foreseen;
                PlannedStep {
                    step: fit.step,
                    name: fit.name,
                    columns: fit.inputs,
                    may_need_more: fit.learning.may_need_more(),
                }
            });
            passes.push(PlannedPass { steps: steps.collect(), reads });
            // What columns are not yet as foreseen is refused for is no error before they are.
            let Ok(next) = self.schedule() else { break };
            schedule = next;
            reached = schedule.reached;
        }
        let later = self.recipe.steps.iter().enumerate().skip(reached);
        let later = later.map(|(index, step)| (index, step.name)).collect();
        Ok(FitPlan { passes, later, columns: self.input.len(), made: self.made() })
    }
}

impl Stage {
    /// The stage from which a plan starts.
    fn foreseen(&self) -> Stage {
        match self {
            Stage::Fitted { fitted, inputs, .. } => {
                Stage::Fitted { fitted: Arc::clone(fitted), inputs: inputs.clone(), reservation: None }
            }
            // It needs no pass but that of the steps before it.
            Stage::Ahead { .. } | Stage::Foreseen => Stage::Foreseen,
            Stage::Waiting | Stage::Continuing { .. } => Stage::Waiting,
        }
    }
}

impl Learning {
    fn may_need_more(&self) -> bool {
        match self {
            Learning::Now(state) => state.may_need_more(),
            Learning::Ahead(ahead) => ahead.may_need_more(),
        }
    }
}

/// A step in the place that it will have when it is fitted. It makes nothing.
#[derive(Debug)]
pub(crate) struct Foreseen {
    pub(crate) columns: Vec<Vec<Column>>,
    /// Whether it will make the columns one by one.
    pub(crate) is_by_column: bool,
}

impl FittedStep for Foreseen {
    fn outputs(&self, _: &[Column], _: bool) -> Result<Vec<Vec<OutputColumn>>, Error> {
        let plain = |group: &Vec<Column>| group.iter().cloned().map(OutputColumn::plain).collect();
        Ok(self.columns.iter().map(plain).collect())
    }

    fn transform(&self, _: &[ArrayRef], _: &[Vec<Column>], _: u64) -> Result<Vec<ArrayRef>, Error> {
        Ok(Vec::new())
    }

    fn keep(&self, places: &[usize]) -> Option<Arc<dyn FittedStep>> {
        let is_by_column = self.is_by_column;
        let columns = || places.iter().map(|place| self.columns[*place].clone()).collect();
        is_by_column.then(|| Arc::new(Foreseen { columns: columns(), is_by_column }) as Arc<dyn FittedStep>)
    }

    fn learnt(&self) -> Box<dyn erased_serde::Serialize + '_> {
        Box::new(())
    }

    fn width(&self) -> usize {
        self.columns.iter().map(Vec::len).sum()
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
