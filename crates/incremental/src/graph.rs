//! The steps as a graph of column versions: which step makes which version from which.
//!
//! Every version of a column is a value with a number: the columns of the input first, then what each step
//! makes. A table, as a step sees it, is a list of values. So a pass can run just the steps, and read just the
//! columns, that what it wants depends on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};

use crate::column::{Column, Lineage};
use crate::error::{Error, ErrorKind};
use crate::step::{FittedStep, OutputColumn, Provisional};

/// What is noted of a column that a step makes, names, lineage and type, in the graph, in the schema and with
/// who writes it: measured as 0.9 KiB.
pub(crate) const COLUMN_BYTES: usize = 1 << 10;

/// One version of a column.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) column: Column,
    pub(crate) lineage: Lineage,
    pub(crate) known: Known,
}

/// What is known of the values of a version of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// All, since every step behind it is fitted.
    Whole,
    /// All, if it comes to be, but for one value, which stands as null in place of what a step will fill. `None`:
    /// nothing is filled.
    But(Option<Fill>),
    /// Nothing yet.
    Nothing,
}

/// The value that a step will fill its input with. Which of its inputs a value comes from, the graph says: columns
/// dropped by then move the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fill {
    step: usize,
}

/// A step between its inputs and outputs.
#[derive(Clone, Debug)]
struct Node {
    step: usize,
    name: &'static str,
    /// Or what is provisionally known of it.
    fitted: Arc<dyn FittedStep>,
    inputs: Vec<usize>,
    /// The values that take the place of the inputs, all behind one another.
    outputs: Vec<usize>,
    columns: Vec<Vec<Column>>,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    values: Vec<Value>,
    sources: usize,
    nodes: Vec<Arc<Node>>,
    table: Vec<usize>,
    narrow: bool,
}

/// How some values of a graph are computed: worked out once, run for every batch.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    wanted: Vec<usize>,
    sources: Vec<usize>,
    runs: Vec<Run>,
}

/// A node to run, or what is needed of it, and the values that nobody needs after it.
#[derive(Clone, Debug)]
struct Run {
    node: Arc<Node>,
    let_go: Vec<usize>,
}

impl Node {
    /// The place among the inputs of the one that an output is made from.
    fn input_of(&self, value: usize) -> Option<usize> {
        let place = value.checked_sub(*self.outputs.first()?)?;
        let mut end = 0;
        self.columns.iter().position(|group| {
            end += group.len();
            place < end
        })
    }

    /// The node, or the part of it, that makes all of its outputs that are needed. `None` if none is.
    fn needed(self: &Arc<Node>, is_needed: &[bool]) -> Option<Arc<Node>> {
        let mut rest = self.outputs.as_slice();
        let groups = self.columns.iter().map(|group| {
            let (outputs, tail) = rest.split_at(group.len());
            rest = tail;
            outputs
        });
        let groups: Vec<&[usize]> = groups.collect();
        let is_any = |input: &usize| groups.get(*input).is_some_and(|of| of.iter().any(|v| is_needed[*v]));
        let kept: Vec<usize> = (0..self.inputs.len()).filter(is_any).collect();
        if kept.is_empty() {
            return None;
        }
        let fitted = if kept.len() < self.inputs.len() { self.fitted.keep(&kept) } else { None };
        let Some(fitted) = fitted else { return Some(Arc::clone(self)) };
        Some(Arc::new(Node {
            fitted,
            inputs: kept.iter().map(|input| self.inputs[*input]).collect(),
            outputs: kept.iter().flat_map(|input| groups[*input]).copied().collect(),
            columns: kept.iter().map(|input| self.columns[*input].clone()).collect(),
            ..**self
        }))
    }
}

impl Plan {
    /// The columns of the input that it reads, by place, in input order.
    pub(crate) fn sources(&self) -> &[usize] {
        &self.sources
    }
}

impl Graph {
    /// The input alone. `narrow`: steps store what they make as narrow as loses nothing.
    pub(crate) fn new(input: &[Column], narrow: bool) -> Graph {
        let value = |column: &Column| Value {
            column: column.clone(),
            lineage: Lineage { source: column.name.clone(), steps: Vec::new(), category: None },
            known: Known::Whole,
        };
        Graph {
            values: input.iter().map(value).collect(),
            sources: input.len(),
            nodes: Vec::new(),
            table: (0..input.len()).collect(),
            narrow,
        }
    }

    /// The columns that the next step sees.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.table.iter().map(|v| self.values[*v].column.clone()).collect()
    }

    /// The values of the table, in order.
    pub(crate) fn table(&self) -> &[usize] {
        &self.table
    }

    pub(crate) fn value(&self, value: usize) -> &Value {
        &self.values[value]
    }

    /// The places of the columns `names` in the table, or the first name that is not there.
    pub(crate) fn places<'a>(&self, names: &'a [String]) -> Result<Vec<usize>, &'a str> {
        let named = self.table.iter().enumerate().map(|(p, v)| (self.values[*v].column.name.as_str(), p));
        let places: HashMap<&str, usize> = named.collect();
        names.iter().map(|name| places.get(name.as_str()).copied().ok_or(name.as_str())).collect()
    }

    /// Appends a fitted step that takes the columns at `places` of the table.
    pub(crate) fn push_fitted(
        &mut self,
        step: usize,
        name: &'static str,
        fitted: Arc<dyn FittedStep>,
        places: &[usize],
    ) -> Result<(), Error> {
        let inputs: Vec<Known> = places.iter().map(|place| self.known_at(*place)).collect();
        let known = if inputs.iter().all(|known| *known == Known::Whole) {
            inputs
        } else if fitted.is_row_wise() {
            // The step makes all its columns at a time, so that what it refuses in one is missing in all.
            inputs
                .iter()
                .map(|known| if *known == Known::Whole { Known::But(None) } else { *known })
                .collect()
        } else {
            vec![Known::Nothing; places.len()]
        };
        self.push_node(step, name, fitted, places, &known)
    }

    /// Appends what is provisionally known of a step that is not fitted yet. On an error the graph is as it was.
    pub(crate) fn push_provisional(
        &mut self,
        step: usize,
        name: &'static str,
        provisional: Provisional,
        places: &[usize],
    ) -> Result<(), Error> {
        let Provisional { step: fitted, fills } = provisional;
        let is_row_wise = fitted.is_row_wise();
        let known = places.iter().map(|place| match self.known_at(*place) {
            Known::Whole | Known::But(None) => Known::But(fills.then_some(Fill { step })),
            // It has been filled, so that no second step does.
            Known::But(fill) if is_row_wise => Known::But(fill),
            _ => Known::Nothing,
        });
        let known: Vec<Known> = known.collect();
        self.push_node(step, name, fitted, places, &known)
    }

    fn push_node(
        &mut self,
        step: usize,
        name: &'static str,
        fitted: Arc<dyn FittedStep>,
        places: &[usize],
        known: &[Known],
    ) -> Result<(), Error> {
        let outputs = fitted.outputs(&self.columns_at(places), self.narrow)?;
        let inputs: Vec<usize> = places.iter().map(|p| self.table[*p]).collect();
        let values = self.replace(step, name, places, &outputs, known)?;
        let columns =
            outputs.into_iter().map(|group| group.into_iter().map(|o| o.column).collect()).collect();
        self.nodes.push(Arc::new(Node { step, name, fitted, inputs, outputs: values, columns }));
        Ok(())
    }

    /// Appends the columns that a step will make, as far as they are known.
    pub(crate) fn push_preview(
        &mut self,
        step: usize,
        name: &'static str,
        places: &[usize],
        columns: Vec<Vec<Column>>,
        known: Known,
    ) -> Result<(), Error> {
        let outputs: Vec<Vec<OutputColumn>> =
            columns.into_iter().map(|group| group.into_iter().map(OutputColumn::plain).collect()).collect();
        self.replace(step, name, places, &outputs, &vec![known; places.len()])?;
        Ok(())
    }

    /// What is known of the column at a place of the table.
    pub(crate) fn known_at(&self, place: usize) -> Known {
        self.values[self.table[place]].known
    }

    pub(crate) fn columns_at(&self, places: &[usize]) -> Vec<Column> {
        places.iter().map(|p| self.values[self.table[*p]].column.clone()).collect()
    }

    /// Puts `outputs` in the places of what they are made from, and gives their values.
    fn replace(
        &mut self,
        step: usize,
        name: &str,
        places: &[usize],
        outputs: &[Vec<OutputColumn>],
        known: &[Known],
    ) -> Result<Vec<usize>, Error> {
        let first = self.values.len();
        let mut made = vec![None; self.table.len()];
        for ((place, group), known) in places.iter().zip(outputs).zip(known) {
            let start = self.values.len();
            let origin = self.values[self.table[*place]].lineage.clone();
            for output in group {
                let mut lineage = origin.clone();
                lineage.steps.push((step, name.to_owned()));
                lineage.category = output.category.clone().or(lineage.category);
                self.values.push(Value { column: output.column.clone(), lineage, known: *known });
            }
            made[*place] = Some(start..self.values.len());
        }
        let mut table = Vec::with_capacity(self.table.len() + self.values.len() - first);
        for (value, made) in self.table.iter().zip(made) {
            match made {
                None => table.push(*value),
                Some(values) => table.extend(values),
            }
        }
        let mut names = HashSet::with_capacity(table.len());
        let twice =
            table.iter().map(|v| &self.values[*v].column.name).find(|name| !names.insert(name.as_str()));
        if let Some(name) = twice {
            let error = Error::new(ErrorKind::DuplicateColumn).in_column(name);
            self.values.truncate(first);
            return Err(error);
        }
        self.table = table;
        Ok((first..self.values.len()).collect())
    }

    /// How the whole table is computed. Steps that refuse rows run even if the table does not depend on them.
    pub(crate) fn plan_table(&self) -> Plan {
        self.plan_with(self.table.clone(), |node, is_needed| {
            let is_any = node.outputs.iter().any(|v| is_needed[*v]);
            (is_any || node.fitted.refuses_rows()).then(|| Arc::clone(node))
        })
    }

    /// How the values `wanted` are computed, by no more of the steps and from no more columns than they depend on.
    pub(crate) fn plan(&self, wanted: Vec<usize>) -> Plan {
        self.plan_with(wanted, Node::needed)
    }

    fn plan_with(
        &self,
        wanted: Vec<usize>,
        needed: impl Fn(&Arc<Node>, &[bool]) -> Option<Arc<Node>>,
    ) -> Plan {
        let mut is_needed = vec![false; self.values.len()];
        // What is needed later is not let go; what is wanted is needed to the end.
        for value in &wanted {
            is_needed[*value] = true;
        }
        let mut runs = Vec::new();
        for node in self.nodes.iter().rev() {
            let Some(node) = needed(node, &is_needed) else { continue };
            // Values are let go after their last use, so that at most two versions of a column are alive.
            let mut let_go: Vec<usize> = node.outputs.iter().copied().filter(|v| !is_needed[*v]).collect();
            for input in &node.inputs {
                if !std::mem::replace(&mut is_needed[*input], true) {
                    let_go.push(*input);
                }
            }
            runs.push(Run { node, let_go });
        }
        runs.reverse();
        let sources = (0..self.sources).filter(|v| is_needed[*v]).collect();
        Plan { wanted, sources, runs }
    }

    /// Computes what a plan of this graph wants from the arrays of its [sources](Plan::sources), all of it
    /// [whole](Known::Whole).
    pub(crate) fn run(
        &self,
        plan: &Plan,
        sources: &[ArrayRef],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let arrays = self.run_provisionally(plan, sources, first_row)?;
        Ok(arrays.into_iter().map(|array| array.expect("steps that are fitted make all values")).collect())
    }

    /// As [`run`](Self::run), with values among them of which one value is not known yet. `None` for those that a
    /// step refuses to make: whether that is an error shows when the steps before it are fitted.
    pub(crate) fn run_provisionally(
        &self,
        plan: &Plan,
        sources: &[ArrayRef],
        first_row: u64,
    ) -> Result<Vec<Option<ArrayRef>>, Error> {
        let mut arrays: Vec<Option<ArrayRef>> = vec![None; self.values.len()];
        for (value, array) in plan.sources.iter().zip(sources) {
            arrays[*value] = Some(Arc::clone(array));
        }
        for run in &plan.runs {
            let node = &run.node;
            let inputs: Option<Vec<ArrayRef>> = node.inputs.iter().map(|v| arrays[*v].clone()).collect();
            if let Some(inputs) = inputs {
                let made = node.fitted.transform(&inputs, &node.columns, first_row);
                match made.map_err(|e| e.in_step(node.step, node.name)) {
                    Ok(outputs) => {
                        for (value, array) in node.outputs.iter().zip(outputs) {
                            let expected = &self.values[*value].column.data_type;
                            debug_assert_eq!(array.data_type(), expected, "{}", node.name);
                            arrays[*value] = Some(array);
                        }
                    }
                    Err(error) if self.is_whole(node) => return Err(error),
                    Err(_) => {}
                }
            }
            for value in &run.let_go {
                arrays[*value] = None;
            }
        }
        Ok(plan.wanted.iter().map(|v| arrays[*v].clone()).collect())
    }

    /// Whether a step is fitted and so are all before it.
    fn is_whole(&self, node: &Node) -> bool {
        let values = node.inputs.iter().chain(&node.outputs);
        values.into_iter().all(|v| self.values[*v].known == Known::Whole)
    }

    /// What becomes, in `value`, of the value that a step fills: an array of one. `None` if it comes to nothing.
    pub(crate) fn filled(&self, fill: Fill, value: usize) -> Option<ArrayRef> {
        let mut later = Vec::new();
        let mut origin = value;
        let (filler, input) = self.nodes.iter().rev().find_map(|node| {
            let input = node.input_of(origin)?;
            if node.step == fill.step {
                return Some((node, input));
            }
            later.push(node);
            origin = node.inputs[input];
            None
        })?;
        // The first of the columns that take the input's place; others say where something was missing.
        let output = filler.columns[input].first()?;
        let mut arrays = HashMap::from([(origin, filler.fitted.filled(input, output).ok()??)]);
        for node in later.into_iter().rev() {
            // Values are made one by one, so that it does not matter what the other columns hold.
            let other = |v: &usize| new_null_array(&self.values[*v].column.data_type, 1);
            let inputs: Vec<ArrayRef> =
                node.inputs.iter().map(|v| arrays.get(v).cloned().unwrap_or_else(|| other(v))).collect();
            // A step that refuses them does not make the value.
            let outputs = node.fitted.transform(&inputs, &node.columns, 0).ok()?;
            arrays.extend(node.outputs.iter().copied().zip(outputs));
        }
        arrays.remove(&value)
    }
}
