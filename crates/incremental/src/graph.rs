//! The steps as a graph of column versions: which step makes which version from which.
//!
//! Every version of a column is a value with a number: the columns of the input first, then what each step
//! makes. A table, as a step sees it, is a list of values. So a pass can run just the steps, and read just the
//! columns, that what it wants depends on.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};

use crate::column::{Column, Lineage};
use crate::error::{Error, ErrorKind};
use crate::step::{FittedStep, OutputColumn};

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
    /// For each input the values that take its place.
    outputs: Vec<Vec<usize>>,
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
        let inputs = places.iter().map(|p| self.table[*p]).collect();
        let values = self.replace(step, name, places, &outputs, true)?;
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

    fn replace(
        &mut self,
        step: usize,
        name: &str,
        places: &[usize],
        outputs: &[Vec<OutputColumn>],
        is_ready: bool,
    ) -> Result<Vec<Vec<usize>>, Error> {
        let mut made: Vec<Vec<usize>> = Vec::with_capacity(outputs.len());
        for (place, group) in places.iter().zip(outputs) {
            let origin = self.values[self.table[*place]].lineage.clone();
            let values = group.iter().map(|output| {
                let mut lineage = origin.clone();
                lineage.steps.push((step, name.to_owned()));
                lineage.category = output.category.clone().or(lineage.category);
                self.values.push(Value { column: output.column.clone(), lineage, is_ready });
                self.values.len() - 1
            });
            made.push(values.collect());
        }
        let mut table = Vec::with_capacity(self.table.len());
        for (place, value) in self.table.iter().enumerate() {
            match places.iter().position(|p| *p == place) {
                None => table.push(*value),
                Some(input) => table.extend(&made[input]),
            }
        }
        let mut names = HashSet::new();
        for value in &table {
            let name = &self.values[*value].column.name;
            if !names.insert(name.as_str()) {
                return Err(Error::new(ErrorKind::DuplicateColumn).in_column(name));
            }
        }
        self.table = table;
        Ok(made)
    }

    /// The columns of the input that `wanted` goes back to, in input order.
    pub(crate) fn sources_of(&self, wanted: &[usize]) -> Vec<usize> {
        let needed = self.needed(wanted);
        (0..self.sources).filter(|v| needed[*v]).collect()
    }

    fn needed(&self, wanted: &[usize]) -> Vec<bool> {
        let mut needed = vec![false; self.values.len()];
        for value in wanted {
            needed[*value] = true;
        }
        for node in self.nodes.iter().rev() {
            if node.outputs.iter().flatten().any(|v| needed[*v]) {
                for input in &node.inputs {
                    needed[*input] = true;
                }
            }
        }
        needed
    }

    /// Computes `wanted` from the arrays of the input columns [`sources_of`](Self::sources_of) them.
    pub(crate) fn run(
        &self,
        wanted: &[usize],
        sources: &[ArrayRef],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let needed = self.needed(wanted);
        let mut arrays: Vec<Option<ArrayRef>> = vec![None; self.values.len()];
        let source_values = (0..self.sources).filter(|v| needed[*v]);
        for (value, array) in source_values.zip(sources) {
            arrays[value] = Some(Arc::clone(array));
        }
        // Values are let go after their last use, so that at most two versions of a column are alive.
        let mut last_use = vec![0usize; self.values.len()];
        for (n, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                last_use[*input] = n;
            }
        }
        let is_wanted: HashSet<usize> = wanted.iter().copied().collect();
        for (n, node) in self.nodes.iter().enumerate() {
            if !node.outputs.iter().flatten().any(|v| needed[*v]) {
                continue;
            }
            let inputs: Vec<ArrayRef> = node.inputs.iter().map(|v| present(&arrays, *v)).collect();
            for input in &node.inputs {
                if last_use[*input] == n && !is_wanted.contains(input) {
                    arrays[*input] = None;
                }
            }
            let outputs = node
                .fitted
                .transform(&inputs, &node.columns, first_row)
                .map_err(|e| self.with_column(node, e).in_step(node.step, node.name))?;
            for (value, array) in node.outputs.iter().flatten().zip(outputs) {
                debug_assert_eq!(array.data_type(), &self.values[*value].column.data_type, "{}", node.name);
                arrays[*value] = Some(array);
            }
        }
        Ok(wanted.iter().map(|v| present(&arrays, *v)).collect())
    }

    /// Names the column of an error if the step has only one.
    fn with_column(&self, node: &Node, error: Error) -> Error {
        match node.inputs.as_slice() {
            [input] => error.in_column(&self.values[*input].column.name),
            _ => error,
        }
    }
}

/// # Panics
/// If a value is used before it is made, which the order of steps excludes.
fn present(arrays: &[Option<ArrayRef>], value: usize) -> ArrayRef {
    Arc::clone(arrays[value].as_ref().expect("a step runs after those that make its inputs"))
}
