//! Fitted steps that treat each column alone.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::ArrayRef;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::column::Column;
use crate::error::{Error, ErrorKind};
use crate::sealed;
use crate::step::{FittedStep, OutputColumn};

/// What was learnt of one column.
pub(crate) trait FittedColumn: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// Whether its parts agree, asked of what was read from an archive. What was fitted always is.
    fn is_sound(&self) -> bool;

    /// Refuses what the columns of a step have come to together.
    fn check_together(columns: &[&Self]) -> Result<(), Error> {
        let _ = columns;
        Ok(())
    }

    fn outputs(&self, input: &Column, narrow: bool) -> Result<Vec<OutputColumn>, Error>;
    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error>;
    /// See [`FittedStep::refuses_rows`].
    fn refuses_rows(&self) -> bool {
        false
    }

    /// See [`FittedStep::is_row_wise`].
    fn is_row_wise(&self) -> bool {
        false
    }

    /// See [`FittedStep::filled`].
    fn filled(&self, output: &Column) -> Result<Option<ArrayRef>, Error> {
        let _ = output;
        Ok(None)
    }

    /// Columns that take the column's place.
    fn width(&self) -> usize {
        1
    }

    fn heap_bytes(&self) -> usize;
}

/// A [`FittedStep`] over what was learnt of each column.
#[derive(Debug)]
pub(crate) struct FittedColumns<F> {
    pub(crate) columns: Vec<NamedColumn<F>>,
}

/// What was learnt of a column, with its name for messages.
#[derive(Debug)]
pub(crate) struct NamedColumn<F> {
    pub(crate) name: String,
    pub(crate) fitted: Arc<F>,
}

// Not derived, since what was learnt is shared.
impl<F> Clone for FittedColumns<F> {
    fn clone(&self) -> Self {
        FittedColumns { columns: self.columns.clone() }
    }
}

impl<F> Clone for NamedColumn<F> {
    fn clone(&self) -> Self {
        NamedColumn { name: self.name.clone(), fitted: Arc::clone(&self.fitted) }
    }
}

impl<F: FittedColumn> FittedColumns<F> {
    /// A step that has nothing to learn of its columns and treats all alike.
    pub(crate) fn alike(inputs: &[Column], fitted: F) -> Self {
        let fitted = Arc::new(fitted);
        let columns = inputs.iter();
        let columns = columns.map(|c| NamedColumn { name: c.name.clone(), fitted: Arc::clone(&fitted) });
        FittedColumns { columns: columns.collect() }
    }

    /// Reads what [`encode`](FittedStep::encode) wrote of the columns `inputs`.
    pub(crate) fn decode(learnt: &str, inputs: &[String]) -> Result<Box<dyn FittedStep>, Error> {
        let damaged = |message: String| Error::new(ErrorKind::Archive { message });
        let columns: Vec<F> = sealed::learnt(learnt)?;
        if columns.len() != inputs.len() {
            return Err(damaged(format!(
                "a step of {} columns has learnt {}; fit again",
                inputs.len(),
                columns.len()
            )));
        }
        if let Some((_, name)) = columns.iter().zip(inputs).find(|(fitted, _)| !fitted.is_sound()) {
            let message = "what a step learnt of it contradicts itself; fit again".to_owned();
            return Err(damaged(message).in_column(name));
        }
        let columns = columns.into_iter().zip(inputs);
        let columns =
            columns.map(|(fitted, name)| NamedColumn { name: name.clone(), fitted: Arc::new(fitted) });
        Ok(Box::new(FittedColumns { columns: columns.collect() }))
    }
}

impl<F: FittedColumn> FittedStep for FittedColumns<F> {
    fn outputs(&self, inputs: &[Column], narrow: bool) -> Result<Vec<Vec<OutputColumn>>, Error> {
        let outputs = self.columns.iter().zip(inputs);
        outputs
            .map(|(column, input)| {
                column.fitted.outputs(input, narrow).map_err(|e| e.in_column(&column.name))
            })
            .collect()
    }

    fn transform(
        &self,
        inputs: &[ArrayRef],
        outputs: &[Vec<Column>],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let mut arrays = Vec::new();
        for ((column, values), outputs) in self.columns.iter().zip(inputs).zip(outputs) {
            let made = column.fitted.transform(values, outputs, first_row);
            arrays.extend(made.map_err(|e| e.in_column(&column.name))?);
        }
        Ok(arrays)
    }

    fn keep(&self, places: &[usize]) -> Option<Arc<dyn FittedStep>> {
        let columns = places.iter().map(|place| self.columns[*place].clone()).collect();
        Some(Arc::new(FittedColumns { columns }))
    }

    fn refuses_rows(&self) -> bool {
        self.columns.iter().any(|c| c.fitted.refuses_rows())
    }

    fn is_row_wise(&self) -> bool {
        self.columns.iter().all(|c| c.fitted.is_row_wise())
    }

    fn filled(&self, input: usize, output: &Column) -> Result<Option<ArrayRef>, Error> {
        self.columns
            .get(input)
            .map_or(Ok(None), |c| c.fitted.filled(output).map_err(|e| e.in_column(&c.name)))
    }

    fn learnt(&self) -> Box<dyn erased_serde::Serialize + '_> {
        Box::new(self.columns.iter().map(|c| c.fitted.as_ref()).collect::<Vec<&F>>())
    }

    fn width(&self) -> usize {
        self.columns.iter().map(|c| c.fitted.width()).sum()
    }

    fn heap_bytes(&self) -> usize {
        self.columns.iter().map(|c| size_of::<F>() + c.name.capacity() + c.fitted.heap_bytes()).sum()
    }
}
