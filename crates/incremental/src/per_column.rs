//! Steps that treat each column alone: the loops over columns, written once.

use std::any::Any;
use std::fmt::Debug;
use std::io::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::column::Column;
use crate::error::Error;
use crate::fitted_columns::{FittedColumn, FittedColumns, NamedColumn};
use crate::state_text;
use crate::step::{BoundStep, Fit, FitState, FittedStep, Preview, Provisional, Step};

/// A step's parameters, for one column at a time.
pub(crate) trait ColumnStep: Debug + Send + Sync + 'static {
    type State: ColumnState;

    /// Refuses parameters that do not fit the number of columns.
    fn check(&self, inputs: &[Column]) -> Result<(), Error> {
        let _ = inputs;
        Ok(())
    }

    /// The state for the `index`-th column, or why the step cannot take it.
    fn start(self: &Arc<Self>, index: usize, input: &Column) -> Result<Self::State, Error>;

    /// What takes the column's place, and whether that is final before the fit.
    fn preview(&self, index: usize, input: &Column) -> (Vec<Column>, bool);

    /// What gives the column's values as far as rows alone tell them, and whether its nulls stand for a value that
    /// the fit finds: see [`Provisional`].
    fn provisional(&self, input: &Column) -> Option<(Learnt<Self>, bool)> {
        let _ = input;
        None
    }
}

/// What a step learns of a column.
pub(crate) type Learnt<S> = <<S as ColumnStep>::State as ColumnState>::Fitted;

/// What the end of a pass gives for one column.
pub(crate) enum Progress<S: ColumnState> {
    Done(S::Fitted),
    Again(S),
}

/// The state of a fit of one column; see [`FitState`] for its laws.
pub(crate) trait ColumnState: Send + Sync + Sized + 'static {
    type Fitted: FittedColumn;
    /// What rows add to the state, as its file holds it.
    type Seen: DeserializeOwned;
    /// See [`FitState::instead`].
    const INSTEAD: Option<&'static str> = None;

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error>;
    /// The state of the same pass that has seen no value.
    fn identity(&self) -> Self;
    fn merge(&mut self, other: &Self);
    /// What was seen, which is written as [`Seen`](Self::Seen) is read.
    fn seen(&self) -> impl Serialize;
    /// The state of the same pass that has seen this; `None` if none can have.
    fn having_seen(&self, seen: Self::Seen) -> Option<Self>;
    fn heap_bytes(&self) -> usize;

    /// See [`FitState::update_bytes`].
    fn update_bytes(&self, values: &ArrayRef) -> usize {
        let _ = values;
        self.heap_bytes()
    }

    /// See [`FitState::merge_bytes`].
    fn merge_bytes(&self, other: &Self) -> usize {
        self.heap_bytes() + other.heap_bytes()
    }

    /// See [`FitState::finish_bytes`].
    fn finish_bytes(&self) -> usize {
        2 * self.heap_bytes()
    }

    fn finish(self) -> Result<Progress<Self>, Error>;

    /// See [`FitState::may_need_more`].
    fn may_need_more(&self) -> bool {
        false
    }

    /// What would be learnt, if no row is needed for it.
    fn without_rows(&self) -> Option<Self::Fitted> {
        None
    }
}

/// The state of a column of which nothing is to be learnt.
#[derive(Clone)]
pub(crate) struct NothingToLearn<F>(pub(crate) F);

impl<F: FittedColumn + Clone> ColumnState for NothingToLearn<F> {
    type Fitted = F;
    type Seen = ();

    fn update(&mut self, _: &ArrayRef, _: u64) -> Result<(), Error> {
        Ok(())
    }

    fn identity(&self) -> Self {
        self.clone()
    }

    fn merge(&mut self, _: &Self) {}

    fn seen(&self) -> impl Serialize {}

    fn having_seen(&self, (): ()) -> Option<Self> {
        Some(self.clone())
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        Ok(Progress::Done(self.0))
    }

    fn without_rows(&self) -> Option<F> {
        Some(self.0.clone())
    }
}

/// A [`Step`] over a [`ColumnStep`].
#[derive(Debug)]
pub(crate) struct PerColumn<S>(Arc<S>);

impl<S: ColumnStep> PerColumn<S> {
    pub(crate) fn boxed(step: S) -> Box<dyn Step> {
        Box::new(PerColumn(Arc::new(step)))
    }
}

impl<S: ColumnStep> Step for PerColumn<S> {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        self.0.check(inputs)?;
        let states = inputs.iter().enumerate().map(|(i, input)| {
            let state = self.0.start(i, input).map_err(|e| e.in_column(&input.name))?;
            Ok(ColumnFit { name: input.name.clone(), stage: Stage::Fitting(state) })
        });
        let fit = ColumnFits { columns: states.collect::<Result<_, Error>>()? };
        let previews: Vec<_> = inputs.iter().enumerate().map(|(i, input)| self.0.preview(i, input)).collect();
        let is_final = previews.iter().all(|(_, is_final)| *is_final);
        let columns = previews.into_iter().map(|(columns, _)| columns).collect();
        let provisional = inputs.iter().map(|input| {
            let (fitted, fills) = self.0.provisional(input)?;
            Some((NamedColumn { name: input.name.clone(), fitted: Arc::new(fitted) }, fills))
        });
        let provisional = provisional.collect();
        Ok(Box::new(BoundColumns { fit, preview: Preview { columns, is_final }, provisional }))
    }
}

struct BoundColumns<S: ColumnState> {
    fit: ColumnFits<S>,
    preview: Preview,
    /// None: one of the columns has none.
    provisional: Option<Vec<(NamedColumn<S::Fitted>, bool)>>,
}

impl<S: ColumnState> BoundStep for BoundColumns<S> {
    fn preview(&self) -> Preview {
        self.preview.clone()
    }

    fn start(self: Box<Self>) -> Box<dyn FitState> {
        Box::new(self.fit)
    }

    fn provisional(&self) -> Option<Provisional> {
        let columns = self.provisional.as_ref()?;
        let fills = columns.iter().any(|(_, fills)| *fills);
        let columns = columns.iter().map(|(column, _)| column.clone()).collect();
        Some(Provisional { step: Arc::new(FittedColumns { columns }), fills })
    }

    fn fitted(&self) -> Option<Box<dyn FittedStep>> {
        let known = |column: &ColumnFit<S>| match &column.stage {
            Stage::Fitting(state) => {
                Some(NamedColumn { name: column.name.clone(), fitted: Arc::new(state.without_rows()?) })
            }
            Stage::Done(_) => None,
        };
        let columns = self.fit.columns.iter().map(known).collect::<Option<Vec<_>>>()?;
        Some(Box::new(FittedColumns { columns }))
    }
}

/// One column's fit: some columns of a step may be done while others need another pass.
struct ColumnFit<S: ColumnState> {
    name: String,
    stage: Stage<S>,
}

impl<S: ColumnState> ColumnFit<S> {
    /// Bytes of the column: as many as `of_state` says while it is fitted.
    fn bytes(&self, of_state: impl FnOnce(&S) -> usize) -> usize {
        match &self.stage {
            Stage::Fitting(state) => size_of::<S>() + of_state(state),
            Stage::Done(fitted) => size_of::<S::Fitted>() + fitted.heap_bytes(),
        }
    }
}

enum Stage<S: ColumnState> {
    Fitting(S),
    Done(Arc<S::Fitted>),
}

struct ColumnFits<S: ColumnState> {
    columns: Vec<ColumnFit<S>>,
}

impl<S: ColumnState> FitState for ColumnFits<S> {
    fn update(&mut self, inputs: &[ArrayRef], first_row: u64) -> Result<(), Error> {
        for (column, values) in self.columns.iter_mut().zip(inputs) {
            if let Stage::Fitting(state) = &mut column.stage {
                state.update(values, first_row).map_err(|e| e.in_column(&column.name))?;
            }
        }
        Ok(())
    }

    fn identity(&self) -> Box<dyn FitState> {
        let columns = self.columns.iter().map(|column| {
            let stage = match &column.stage {
                Stage::Fitting(state) => Stage::Fitting(state.identity()),
                Stage::Done(fitted) => Stage::Done(Arc::clone(fitted)),
            };
            ColumnFit { name: column.name.clone(), stage }
        });
        Box::new(ColumnFits { columns: columns.collect() })
    }

    fn merge(&mut self, other: Box<dyn FitState>) {
        let other: Box<dyn Any> = other;
        let other = other.downcast::<Self>().expect("only states of one step are merged");
        for (column, other) in self.columns.iter_mut().zip(&other.columns) {
            if let (Stage::Fitting(state), Stage::Fitting(other)) = (&mut column.stage, &other.stage) {
                state.merge(other);
            }
        }
    }

    /// A list with an entry for each column that is not done.
    fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        let fitting = self.columns.iter().filter_map(|column| match &column.stage {
            Stage::Fitting(state) => Some(state.seen()),
            Stage::Done(_) => None,
        });
        state_text::write(&fitting.collect::<Vec<_>>(), out)
    }

    fn decode(&self, seen: &str) -> Result<Box<dyn FitState>, Error> {
        let mut seen = state_text::read::<Vec<S::Seen>>(seen)?.into_iter();
        let mut columns = Vec::with_capacity(self.columns.len());
        for ColumnFit { name, stage } in &self.columns {
            let stage = match stage {
                Stage::Fitting(state) => {
                    let state = seen.next().and_then(|seen| state.having_seen(seen));
                    Stage::Fitting(state.ok_or_else(|| state_text::contradiction().in_column(name))?)
                }
                Stage::Done(fitted) => Stage::Done(Arc::clone(fitted)),
            };
            columns.push(ColumnFit { name: name.clone(), stage });
        }
        if seen.next().is_some() {
            return Err(state_text::contradiction());
        }
        Ok(Box::new(ColumnFits::<S> { columns }))
    }

    fn heap_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.bytes(S::heap_bytes)).sum()
    }

    fn update_bytes(&self, inputs: &[ArrayRef]) -> usize {
        let columns = self.columns.iter().zip(inputs);
        columns.map(|(column, values)| column.bytes(|state| state.update_bytes(values))).sum()
    }

    fn merge_bytes(&self, other: &dyn FitState) -> usize {
        let other: &dyn Any = other;
        let other = other.downcast_ref::<Self>().expect("only states of one step are merged");
        let columns = self.columns.iter().zip(&other.columns);
        let bytes = columns.map(|(column, other)| match &other.stage {
            Stage::Fitting(other) => column.bytes(|state| state.merge_bytes(other)),
            Stage::Done(_) => column.bytes(S::heap_bytes),
        });
        bytes.sum()
    }

    fn finish_bytes(&self) -> usize {
        self.columns.iter().map(|column| size_of::<S::Fitted>() + column.bytes(S::finish_bytes)).sum()
    }

    fn instead(&self) -> Option<&'static str> {
        S::INSTEAD
    }

    fn may_need_more(&self) -> bool {
        self.columns.iter().any(|c| matches!(&c.stage, Stage::Fitting(state) if state.may_need_more()))
    }

    fn is_by_column(&self) -> bool {
        true
    }

    /// By the laws of a monoid, 2n equal rows are n of them merged with themselves: so the state is that of `times`
    /// rows to the bit, for as many merges as their number has digits.
    fn repeat(&mut self, input: usize, row: &ArrayRef, times: u64) -> Result<(), Error> {
        let Some(ColumnFit { name, stage: Stage::Fitting(state) }) = self.columns.get_mut(input) else {
            return Ok(());
        };
        let mut power = state.identity();
        power.update(row, 0).map_err(|e| e.in_column(name))?;
        let mut rest = times;
        while rest > 0 {
            if rest % 2 == 1 {
                state.merge(&power);
            }
            rest /= 2;
            if rest > 0 {
                let mut twice = power.identity();
                twice.merge(&power);
                twice.merge(&power);
                power = twice;
            }
        }
        Ok(())
    }

    fn keep(&mut self, inputs: &[usize]) {
        let mut place = 0;
        self.columns.retain(|_| {
            place += 1;
            inputs.binary_search(&(place - 1)).is_ok()
        });
    }

    fn finish(self: Box<Self>) -> Result<Fit, Error> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for ColumnFit { name, stage } in self.columns {
            let stage = match stage {
                Stage::Done(fitted) => Stage::Done(fitted),
                Stage::Fitting(state) => match state.finish().map_err(|e| e.in_column(&name))? {
                    Progress::Done(fitted) => Stage::Done(Arc::new(fitted)),
                    Progress::Again(state) => Stage::Fitting(state),
                },
            };
            columns.push(ColumnFit { name, stage });
        }
        let done = |column: &ColumnFit<S>| match &column.stage {
            Stage::Done(fitted) => {
                Some(NamedColumn { name: column.name.clone(), fitted: Arc::clone(fitted) })
            }
            Stage::Fitting(_) => None,
        };
        let fitted: Option<Vec<_>> = columns.iter().map(done).collect();
        Ok(match fitted {
            Some(columns) => {
                S::Fitted::check_together(&columns.iter().map(|c| c.fitted.as_ref()).collect::<Vec<_>>())?;
                Fit::Done(Box::new(FittedColumns { columns }))
            }
            None => Fit::Again(Box::new(ColumnFits::<S> { columns })),
        })
    }
}
