//! What `target_encoder` has learnt, and what it makes of rows: later ones, and those that it has learnt from.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use serde::{Deserialize, Serialize};

use super::vocabulary::Vocabulary;
use crate::column::Column;
use crate::error::{Error, ErrorKind};
use crate::row_hash;
use crate::sealed;
use crate::step::{FittedStep, OutputColumn};

/// What was learnt of all rows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Encodings {
    pub(super) target: String,
    /// The classes that outputs stand for, if there is more than one output a column.
    pub(super) classes: Option<Vec<String>>,
    /// For each output of a column, what an unseen category gets.
    pub(super) means: Vec<f64>,
    pub(super) columns: Vec<ColumnEncodings>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnEncodings {
    pub(super) vocabulary: Vocabulary,
    /// For each output what each category gets, missing the last, if it occurs.
    pub(super) encodings: Vec<Vec<f64>>,
}

/// What was learnt for the rows of each fold from all rows but these.
#[derive(Debug)]
pub(super) struct OutOfFold {
    pub(super) seed: u64,
    pub(super) folds: u32,
    /// For each fold what [`Encodings::means`] are for all.
    pub(super) means: Vec<Vec<f64>>,
    /// For each column and fold what [`ColumnEncodings::encodings`] are for all.
    pub(super) columns: Vec<Vec<Vec<Vec<f64>>>>,
}

/// The fitted step, for later rows or for those of the fit.
#[derive(Clone, Debug)]
pub(super) struct TargetEncoded {
    names: Vec<String>,
    all: Arc<Encodings>,
    out_of_fold: Option<Arc<OutOfFold>>,
    is_training: bool,
}

impl TargetEncoded {
    pub(super) fn new(names: Vec<String>, all: Encodings, out_of_fold: OutOfFold) -> TargetEncoded {
        TargetEncoded {
            names,
            all: Arc::new(all),
            out_of_fold: Some(Arc::new(out_of_fold)),
            is_training: false,
        }
    }

    /// What the training rows of a column get; `None` for later rows.
    fn of_folds(&self, column: usize) -> Option<(&OutOfFold, &[Vec<Vec<f64>>])> {
        let out_of_fold = self.out_of_fold.as_deref().filter(|_| self.is_training)?;
        Some((out_of_fold, &out_of_fold.columns[column]))
    }
}

pub(super) fn decode(learnt: &str, inputs: &[String]) -> Result<Box<dyn FittedStep>, Error> {
    let damaged = |message: String| Error::new(ErrorKind::Archive { message });
    let all: Encodings = sealed::learnt(learnt)?;
    if all.columns.len() != inputs.len() {
        return Err(damaged(format!(
            "a step of {} columns has learnt {}; fit again",
            inputs.len(),
            all.columns.len()
        )));
    }
    let outputs = all.means.len();
    let is_sound = |column: &ColumnEncodings| {
        let categories = column.vocabulary.categories() + usize::from(column.vocabulary.has_missing);
        column.encodings.len() == outputs && column.encodings.iter().all(|values| values.len() == categories)
    };
    let names_fit = all.classes.as_ref().map_or(outputs == 1, |classes| classes.len() == outputs);
    if !names_fit || !all.columns.iter().all(is_sound) {
        return Err(damaged("what a step learnt contradicts itself; fit again".to_owned()));
    }
    Ok(Box::new(TargetEncoded {
        names: inputs.to_vec(),
        all: Arc::new(all),
        out_of_fold: None,
        is_training: false,
    }))
}

/// The columns that take a column's place.
pub(super) fn outputs(name: &str, classes: Option<&[String]>) -> Vec<OutputColumn> {
    match classes {
        None => vec![OutputColumn::plain(Column::float64(name))],
        Some(classes) => {
            let output = |class: &String| OutputColumn {
                column: Column::float64(format!("{name}_{class}")),
                category: Some(class.clone()),
            };
            classes.iter().map(output).collect()
        }
    }
}

impl FittedStep for TargetEncoded {
    fn outputs(&self, inputs: &[Column], _: bool) -> Result<Vec<Vec<OutputColumn>>, Error> {
        let columns = self.all.columns.iter().zip(inputs).map(|(column, input)| {
            column.vocabulary.check(input).map_err(|e| e.in_column(&input.name))?;
            Ok(outputs(&input.name, self.all.classes.as_deref()))
        });
        columns.collect()
    }

    fn transform(
        &self,
        inputs: &[ArrayRef],
        _: &[Vec<Column>],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.width());
        for (place, (column, values)) in self.all.columns.iter().zip(inputs).enumerate() {
            let codes = column.vocabulary.encode(values, first_row);
            let codes = codes.map_err(|e| e.in_column(&self.names[place]))?;
            for output in 0..self.all.means.len() {
                let rows = codes.iter().map(|code| *code as usize);
                let encoded: Float64Array = match self.of_folds(place) {
                    None => {
                        let (encodings, mean) = (&column.encodings[output], self.all.means[output]);
                        rows.map(|code| Some(encodings.get(code).copied().unwrap_or(mean))).collect()
                    }
                    Some((out_of_fold, encodings)) => {
                        let encoded = (first_row..).zip(rows).map(|(row, code)| {
                            let fold = row_hash::fold(out_of_fold.seed, row, out_of_fold.folds) as usize;
                            let mean = out_of_fold.means[fold][output];
                            let encoded = encodings[fold][output].get(code).copied().unwrap_or(mean);
                            (!encoded.is_nan()).then_some(encoded)
                        });
                        encoded.collect()
                    }
                };
                arrays.push(Arc::new(encoded));
            }
        }
        Ok(arrays)
    }

    fn training(&self) -> Option<Arc<dyn FittedStep>> {
        self.out_of_fold.as_ref()?;
        Some(Arc::new(TargetEncoded { is_training: true, ..self.clone() }))
    }

    fn target(&self) -> Option<&str> {
        Some(&self.all.target)
    }

    fn learnt(&self) -> Box<dyn erased_serde::Serialize + '_> {
        Box::new(&*self.all)
    }

    fn width(&self) -> usize {
        self.all.means.len() * self.all.columns.len()
    }

    fn heap_bytes(&self) -> usize {
        let folds = 1 + self.out_of_fold.as_ref().map_or(0, |out_of_fold| out_of_fold.means.len());
        let columns = self.all.columns.iter().map(|column| {
            let encodings: usize = column.encodings.iter().map(Vec::capacity).sum();
            column.vocabulary.heap_bytes() + folds * encodings * size_of::<f64>()
        });
        columns.sum::<usize>() + self.names.iter().map(|name| name.capacity() + 64).sum::<usize>()
    }
}
