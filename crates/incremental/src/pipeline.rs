//! A fitted pipeline, and the same bound to the columns of an input.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use monitor::{Bytes, Reservation};

use crate::column::{Column, Lineage, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::graph::{COLUMN_BYTES, Graph, Plan};
use crate::sealed::archive_error;
use crate::split::{self, Split};
use crate::step::FittedStep;

/// Steps that have learnt what they need, for inputs with the columns of the one they were fitted on.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub(crate) input: Vec<Column>,
    pub(crate) steps: Vec<PipelineStep>,
    /// The rows that the fit did not see, as long as the fit's rows are known by their numbers.
    pub(crate) split: Option<Split>,
    /// Whether it is for the rows of the fit.
    pub(crate) is_training: bool,
    /// Whether these rows come apart by the split, instead of with a column that says it.
    pub(crate) is_apart: bool,
}

/// A fitted step and the columns that it takes.
#[derive(Clone, Debug)]
pub(crate) struct PipelineStep {
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<String>,
    pub(crate) fitted: Arc<dyn FittedStep>,
    /// What was reserved for it in a fit.
    pub(crate) held: Option<Arc<Reservation>>,
}

/// A fitted step as its pipeline's file holds it.
#[derive(Clone, Debug)]
pub struct LearntStep {
    /// The step's name.
    pub name: &'static str,
    /// The columns that it takes.
    pub columns: Vec<String>,
    /// What it has learnt: for most steps a list with an entry for each column.
    pub learnt: serde_json::Value,
}

/// A pipeline that knows where its input's columns are, and so its output schema and lineage.
#[derive(Clone, Debug)]
pub struct BoundPipeline {
    graph: Graph,
    plan: Plan,
    schema: SchemaRef,
    projection: Vec<usize>,
    /// For each source of the plan, its place in the batch.
    order: Vec<usize>,
    split: Option<BoundSplit>,
    /// What the steps hold of the budget of their fit.
    _held: Vec<Arc<Reservation>>,
}

/// How the rows of a fit are told apart.
#[derive(Clone, Debug)]
struct BoundSplit {
    split: Split,
    /// Of the last column of the output, which says so; none where rows come apart.
    data_type: Option<DataType>,
    /// For the rows that the fit did not see, if they get other values.
    later: Option<Box<BoundPipeline>>,
}

impl Pipeline {
    /// The columns that it was fitted on.
    pub fn input(&self) -> &[Column] {
        &self.input
    }

    /// The steps' names, in order.
    pub fn step_names(&self) -> impl Iterator<Item = &'static str> {
        self.steps.iter().map(|step| step.name)
    }

    /// The steps with what they have learnt, in order.
    ///
    /// # Errors
    /// A learnt value that JSON cannot hold, which is a defect.
    pub fn learnt(&self) -> impl Iterator<Item = Result<LearntStep, Error>> + '_ {
        self.steps.iter().map(|step| {
            let (name, columns) = (step.name, step.inputs.clone());
            Ok(LearntStep {
                name,
                columns,
                learnt: serde_json::to_value(step.fitted.learnt())
                    .map_err(|e| archive_error(e.to_string()))?,
            })
        })
    }

    /// The columns that it makes of an input like the one it was fitted on, and where each comes from. A column that
    /// no step made is as wide as its kind may be. [`bound_bytes`](Self::bound_bytes) says what that takes.
    ///
    /// # Errors
    /// As [`bind`](Self::bind), for a file that contradicts itself.
    pub fn outputs(&self) -> Result<Vec<(Column, Lineage)>, Error> {
        let wide = |column: &Column| Column { data_type: column.kind.widest(), ..column.clone() };
        let input: Vec<Column> = self.input.iter().map(wide).collect();
        let graph = self.bind(&input, true)?.graph;
        let values = graph.table().iter().map(|value| graph.value(*value));
        Ok(values.map(|value| (value.column.clone(), value.lineage.clone())).collect())
    }

    /// Binds to an input by the names of its columns, which may stand in another order. `narrow`: what steps
    /// make is stored in the narrowest type that loses nothing, else as the scikit-learn classes give it.
    ///
    /// An input may lack the [targets](Self::is_target) of steps: what is made of them alone is left out.
    ///
    /// # Errors
    /// [`ErrorKind::InputDiffers`] for a column that is missing, new or of another kind.
    pub fn bind(&self, columns: &[Column], narrow: bool) -> Result<BoundPipeline, Error> {
        let fitted: HashSet<&str> = self.input.iter().map(|c| c.name.as_str()).collect();
        if let Some(new) = columns.iter().find(|c| !fitted.contains(c.name.as_str())) {
            let message = "was not there when the pipeline was fitted; leave it out, or fit again with it";
            return Err(Error::new(ErrorKind::InputDiffers { message: message.into() }).in_column(&new.name));
        }
        let found: HashMap<&str, usize> =
            columns.iter().enumerate().map(|(place, c)| (c.name.as_str(), place)).collect();
        let mut places = Vec::with_capacity(self.input.len());
        let mut input = Vec::with_capacity(self.input.len());
        let mut lacking = HashSet::new();
        for fitted in &self.input {
            let Some(place) = found.get(fitted.name.as_str()).copied() else {
                if !self.is_target(&fitted.name) {
                    return Err(is_missing(&fitted.name));
                }
                lacking.insert(fitted.name.as_str());
                continue;
            };
            check_kind(fitted, &columns[place])?;
            places.push(place);
            input.push(columns[place].clone());
        }
        let mut graph = Graph::new(&input, narrow);
        let mut is_special = false;
        for (index, step) in self.steps.iter().enumerate() {
            let name = step.name;
            let located = |e: Error| e.in_step(index, name);
            let step = step.without(&lacking).map_err(located)?;
            let inputs = graph.places(&step.inputs).map_err(|name| {
                let message =
                    format!("the step takes the column \"{name}\", which no step before it makes; fit again");
                located(Error::new(ErrorKind::Archive { message }))
            })?;
            let training = if self.is_training { step.fitted.training() } else { None };
            is_special |= training.is_some();
            let fitted = training.unwrap_or(step.fitted);
            graph.push_fitted(index, step.name, fitted, &inputs).map_err(located)?;
        }
        let mut fields: Vec<Field> =
            graph.columns().into_iter().map(|c| Field::new(c.name, c.data_type, true)).collect();
        let split = match self.split.filter(|_| self.is_training) {
            None => None,
            Some(_) if !self.is_apart && fields.iter().any(|field| field.name() == split::COLUMN) => {
                return Err(Error::new(ErrorKind::DuplicateColumn).in_column(split::COLUMN));
            }
            Some(split) => {
                let field = (!self.is_apart).then(|| Split::field(narrow));
                let data_type = field.as_ref().map(|field| field.data_type().clone());
                fields.extend(field);
                let later = Pipeline { is_training: false, ..self.clone() };
                let later = if is_special { Some(Box::new(later.bind(columns, narrow)?)) } else { None };
                Some(BoundSplit { split, data_type, later })
            }
        };
        let schema = Arc::new(Schema::new(fields));
        let plan = graph.plan_table();
        let wanted: Vec<usize> = plan.sources().iter().map(|source| places[*source]).collect();
        let mut projection = wanted.clone();
        projection.sort_unstable();
        let order = wanted.iter().filter_map(|place| projection.binary_search(place).ok()).collect();
        let _held = self.steps.iter().filter_map(|step| step.held.clone()).collect();
        Ok(BoundPipeline { graph, plan, schema, projection, order, split, _held })
    }

    /// How many rows the fit has seen of an input of `rows`: all, unless the recipe has a split.
    pub fn rows_fitted(&self, rows: u64) -> u64 {
        self.split.map_or(rows, |split| split.training_rows(rows))
    }

    /// Whether a step has learnt from the column and does without it, so that an input may lack it.
    pub fn is_target(&self, column: &str) -> bool {
        self.steps.iter().any(|step| step.fitted.target() == Some(column))
    }

    /// The pipeline for the rows that it was fitted on: steps that learn from a target give them what they have
    /// learnt from other rows, so that no row's target is in what is made of it. Rows are known by their
    /// numbers. Where the recipe has a split, the rows that the fit did not see get what later rows get, and the
    /// output's last column, `split`, says which rows these are. A pipeline that was read from its file is the same
    /// for all rows.
    pub fn training(&self) -> Pipeline {
        Pipeline { is_training: true, ..self.clone() }
    }

    /// As [`training`](Self::training), without the column `split`: [`BoundPipeline::transform_apart`] gives the rows
    /// of the two shares apart.
    pub fn training_apart(&self) -> Pipeline {
        Pipeline { is_training: true, is_apart: true, ..self.clone() }
    }

    /// Whether the recipe kept rows from the fit. A pipeline that was read from its file does not know.
    pub fn has_split(&self) -> bool {
        self.split.is_some()
    }

    /// Bytes that binding takes: what is noted of each column that a step makes. A caller with a budget
    /// reserves them before it binds, since an encoder of many categories makes as many columns.
    pub fn bound_bytes(&self) -> usize {
        let made: usize = self.steps.iter().map(|step| step.fitted.width()).sum();
        let bound = if self.split.is_some() && self.is_training { 2 } else { 1 };
        bound * (self.input.len() + made) * COLUMN_BYTES
    }

    /// Bytes on the heap of what the steps have learnt, with what the first batch of a transform makes of it.
    pub fn heap_bytes(&self) -> usize {
        self.steps.iter().map(|step| step.fitted.heap_bytes()).sum()
    }

    /// How much of [`heap_bytes`](Self::heap_bytes) is reserved from the budget of the fit, and stays so until the
    /// pipeline and all that was bound of it are gone. Nothing of a pipeline that was read from its file.
    pub fn reserved(&self) -> Bytes {
        let held = self.steps.iter().filter_map(|step| step.held.as_ref());
        held.fold(Bytes::ZERO, |sum, held| sum.saturating_add(held.bytes()))
    }
}

impl PipelineStep {
    /// The step without the columns that an input lacks.
    fn without(&self, lacking: &HashSet<&str>) -> Result<PipelineStep, Error> {
        let is_there = |place: &usize| !lacking.contains(self.inputs[*place].as_str());
        let (kept, missing): (Vec<usize>, Vec<usize>) = (0..self.inputs.len()).partition(is_there);
        let Some(last) = missing.last() else { return Ok(self.clone()) };
        let fitted = self.fitted.keep(&kept).ok_or_else(|| is_missing(&self.inputs[*last]))?;
        let inputs = kept.iter().map(|place| self.inputs[*place].clone()).collect();
        Ok(PipelineStep { inputs, fitted, ..self.clone() })
    }
}

fn is_missing(column: &str) -> Error {
    let message = "is missing, and was there when the pipeline was fitted; add it, or fit again without";
    Error::new(ErrorKind::InputDiffers { message: message.into() }).in_column(column)
}

/// Numbers may be whole in one input and not in another; an input without values is of every kind.
fn check_kind(fitted: &Column, found: &Column) -> Result<(), Error> {
    let number = |kind| matches!(kind, ValueKind::Int | ValueKind::Float);
    let (a, b) = (fitted.kind, found.kind);
    if a == b || a == ValueKind::Null || b == ValueKind::Null || (number(a) && number(b)) {
        return Ok(());
    }
    let message = format!(
        "held {a} values when the pipeline was fitted, and holds {b} values here; mend the values or fit again"
    );
    Err(Error::new(ErrorKind::InputDiffers { message }).in_column(&fitted.name))
}

impl BoundPipeline {
    /// The schema of the output.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the input that the output depends on, by place, in input order.
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// Where each output column comes from, in order, but for that of a split, which is the last.
    pub fn lineage(&self) -> Vec<&Lineage> {
        self.graph.table().iter().map(|v| &self.graph.value(*v).lineage).collect()
    }

    /// Bytes that a row takes in the columns that steps make, text left aside.
    pub fn made_row_bytes(&self) -> usize {
        let later = self.split.as_ref().and_then(|split| split.later.as_ref());
        // Rows that come apart are copied.
        let is_apart = self.split.as_ref().is_some_and(|split| split.data_type.is_none());
        let copied = if is_apart { self.row_bytes_of(|_| true) } else { 0 };
        let own = self.row_bytes_of(|lineage| !lineage.steps.is_empty());
        later.map_or(0, |later| later.made_row_bytes()) + own + copied
    }

    fn row_bytes_of(&self, is_counted: impl Fn(&Lineage) -> bool) -> usize {
        let values = self.graph.table().iter().map(|v| self.graph.value(*v));
        let bytes = values.filter(|v| is_counted(&v.lineage)).map(|v| match &v.column.data_type {
            DataType::Dictionary(key, _) => key.primitive_width().unwrap_or(4),
            t => t.primitive_width().unwrap_or(1),
        });
        bytes.sum()
    }

    /// The output rows of a batch of the columns [`projection`](Self::projection). `first_row` is the number
    /// of its first row in the whole input, for messages.
    ///
    /// # Errors
    /// A value that a step cannot take, such as an unseen category.
    ///
    /// # Panics
    /// If the batch has fewer columns than the projection.
    pub fn transform(&self, batch: &RecordBatch, first_row: u64) -> Result<RecordBatch, Error> {
        let sources: Vec<_> = self.order.iter().map(|place| Arc::clone(batch.column(*place))).collect();
        let mut arrays = self.graph.run(&self.plan, &sources, first_row)?;
        if let Some(BoundSplit { split, data_type, later }) = &self.split {
            let training = split.training(first_row, batch.num_rows());
            if let Some(later) = later {
                let others = later.graph.run(&later.plan, &sources, first_row)?;
                let training = BooleanArray::new(training.clone(), None);
                for (array, other) in arrays.iter_mut().zip(&others).filter(|(array, other)| array != other) {
                    *array = zip(&training, array, other)?;
                }
            }
            if let Some(data_type) = data_type {
                arrays.push(Split::array(&training, data_type)?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }

    /// As [`transform`](Self::transform), the rows that were fitted and those of the test share apart, each in their
    /// order. Without a split, all are of the first kind.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    ///
    /// # Panics
    /// As [`transform`](Self::transform).
    pub fn transform_apart(
        &self,
        batch: &RecordBatch,
        first_row: u64,
    ) -> Result<(RecordBatch, RecordBatch), Error> {
        let made = self.transform(batch, first_row)?;
        let Some(BoundSplit { split, .. }) = &self.split else {
            let none = made.slice(0, 0);
            return Ok((made, none));
        };
        let training = split.training(first_row, batch.num_rows());
        let [fitted, test] = [training.clone(), !&training].map(|mask| BooleanArray::new(mask, None));
        Ok((filter_record_batch(&made, &fitted)?, filter_record_batch(&made, &test)?))
    }
}
