//! The steps as a graph of column versions: which step makes which version from which.
//!
//! Every version of a column is a value with a number: the columns of the input first, then what each step
//! makes. A table, as a step sees it, is a list of values. So a pass can run just the steps, and read just the
//! columns, that what it wants depends on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};

use crate::column::{Column, Lineage};
use crate::error::{Error, ErrorKind};
use crate::step::{FittedStep, OutputColumn};

/// What is noted of a column that a step makes, names, lineage and type, in the graph, in the schema and with
/// who writes it: measured as 0.9 KiB.
pub(crate) const COLUMN_BYTES: usize = 1 << 10;

/// One version of a column.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) column: Column,
    pub(crate) lineage: Lineage,
    /// Whether every step behind it is fitted.
    pub(crate) is_ready: bool,
}

/// A fitted step between its inputs and outputs.
#[derive(Clone, Debug)]
struct Node {
    step: usize,
    name: &'static str,
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
    nodes: Vec<Node>,
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

/// A node to run, and the values that nobody needs after it.
#[derive(Clone, Debug)]
struct Run {
    node: usize,
    let_go: Vec<usize>,
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
            is_ready: true,
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
        let columns = self.columns_at(places);
        let outputs = fitted.outputs(&columns, self.narrow)?;
        let inputs: Vec<usize> = places.iter().map(|p| self.table[*p]).collect();
        // A step without anything to learn may stand behind one that still has to.
        let is_ready = inputs.iter().all(|v| self.values[*v].is_ready);
        let values = self.replace(step, name, places, &outputs, is_ready)?;
        let columns =
            outputs.into_iter().map(|group| group.into_iter().map(|o| o.column).collect()).collect();
        self.nodes.push(Node { step, name, fitted, inputs, outputs: values, columns });
        Ok(())
    }

    /// Appends what is known of a step that is not fitted yet.
    pub(crate) fn push_preview(
        &mut self,
        step: usize,
        name: &'static str,
        places: &[usize],
        columns: Vec<Vec<Column>>,
    ) -> Result<(), Error> {
        let outputs: Vec<Vec<OutputColumn>> =
            columns.into_iter().map(|group| group.into_iter().map(OutputColumn::plain).collect()).collect();
        self.replace(step, name, places, &outputs, false)?;
        Ok(())
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
        is_ready: bool,
    ) -> Result<Vec<usize>, Error> {
        let first = self.values.len();
        let mut made = vec![None; self.table.len()];
        for (place, group) in places.iter().zip(outputs) {
            let start = self.values.len();
            let origin = self.values[self.table[*place]].lineage.clone();
            for output in group {
                let mut lineage = origin.clone();
                lineage.steps.push((step, name.to_owned()));
                lineage.category = output.category.clone().or(lineage.category);
                self.values.push(Value { column: output.column.clone(), lineage, is_ready });
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
        for value in &table {
            let name = &self.values[*value].column.name;
            if !names.insert(name.as_str()) {
                return Err(Error::new(ErrorKind::DuplicateColumn).in_column(name));
            }
        }
        self.table = table;
        Ok((first..self.values.len()).collect())
    }

    /// How the whole table is computed. Steps that refuse rows run even if the table does not depend on them.
    pub(crate) fn plan_table(&self) -> Plan {
        self.plan_with(self.table.clone(), |node| node.fitted.refuses_rows())
    }

    /// How the values `wanted` are computed, by no more steps and from no more columns than they depend on.
    pub(crate) fn plan(&self, wanted: Vec<usize>) -> Plan {
        self.plan_with(wanted, |_| false)
    }

    fn plan_with(&self, wanted: Vec<usize>, must_run: impl Fn(&Node) -> bool) -> Plan {
        let mut is_needed = vec![false; self.values.len()];
        // What is needed later is not let go; what is wanted is needed to the end.
        for value in &wanted {
            is_needed[*value] = true;
        }
        let mut runs = Vec::new();
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if !must_run(node) && !node.outputs.iter().any(|v| is_needed[*v]) {
                continue;
            }
            // Values are let go after their last use, so that at most two versions of a column are alive.
            let mut let_go: Vec<usize> = node.outputs.iter().copied().filter(|v| !is_needed[*v]).collect();
            for input in &node.inputs {
                if !std::mem::replace(&mut is_needed[*input], true) {
                    let_go.push(*input);
                }
            }
            runs.push(Run { node: index, let_go });
        }
        runs.reverse();
        let sources = (0..self.sources).filter(|v| is_needed[*v]).collect();
        Plan { wanted, sources, runs }
    }

    /// Computes what a plan of this graph wants from the arrays of its [sources](Plan::sources).
    pub(crate) fn run(
        &self,
        plan: &Plan,
        sources: &[ArrayRef],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let mut arrays: Vec<Option<ArrayRef>> = vec![None; self.values.len()];
        for (value, array) in plan.sources.iter().zip(sources) {
            arrays[*value] = Some(Arc::clone(array));
        }
        for run in &plan.runs {
            let node = &self.nodes[run.node];
            let inputs: Vec<ArrayRef> = node.inputs.iter().map(|v| present(&arrays, *v)).collect();
            let outputs = node
                .fitted
                .transform(&inputs, &node.columns, first_row)
                .map_err(|e| e.in_step(node.step, node.name))?;
            for (value, array) in node.outputs.iter().zip(outputs) {
                debug_assert_eq!(array.data_type(), &self.values[*value].column.data_type, "{}", node.name);
                arrays[*value] = Some(array);
            }
            for value in &run.let_go {
                arrays[*value] = None;
            }
        }
        Ok(plan.wanted.iter().map(|v| present(&arrays, *v)).collect())
    }
}

/// # Panics
/// If a value is used before it is made, which the order of steps excludes.
fn present(arrays: &[Option<ArrayRef>], value: usize) -> ArrayRef {
    Arc::clone(arrays[value].as_ref().expect("a step runs after those that make its inputs"))
}
