//! `feature_hasher`: the values of several columns, each added to a column that a hash assigns.
//!
//! Equals scikit-learn's `FeatureHasher` on rows taken as dicts of their columns. A number is added to the
//! column abs(h) mod `n_features`, or taken away from it where h is negative, with h the MurmurHash3 in 32 bits
//! of its column's name; any other value adds 1 under `name=value`. Bools are 0 and 1; dates are named as Python
//! prints them. Missing values are left out. The outputs `featurehasher0`, `featurehasher1` and so on take the
//! place of the first column.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `n_features` | 1048576 | how many columns: dense ones, so that the default needs a budget of gigabytes, and is refused under less |
//! | `input_type` | dict | pair: the same; string: a row is the list of its values as texts, and each adds 1 under its own name |
//! | `alternate_sign` | true | false: always added |
//! | `dtype` | float64 | or float32 |
//!
//! Nothing is learnt and no pass is made. A row's values are added in the order of columns.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::categories;
use super::documents::{self, Float};
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::murmur3;
use crate::numeric;
use crate::params::Params;
use crate::sealed;
use crate::stateless::Stateless;
use crate::step::{BoundStep, FittedStep, OutputColumn, Step};

/// How a row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InputType {
    Dict,
    Text,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureHasher {
    n_features: u32,
    input_type: InputType,
    alternate_sign: bool,
    dtype: Float,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    Ok(Box::new(FeatureHasher {
        n_features: documents::n_features(params)?,
        input_type: params.choice(
            "input_type",
            &[("dict", InputType::Dict), ("pair", InputType::Dict), ("string", InputType::Text)],
        )?,
        alternate_sign: params.flag("alternate_sign", true)?,
        dtype: documents::dtype(params)?,
    }))
}

pub(super) fn decode(learnt: &str, inputs: &[String]) -> Result<Box<dyn FittedStep>, Error> {
    let damaged = |message: String| Error::new(ErrorKind::Archive { message });
    let step: FeatureHasher = sealed::learnt(learnt)?;
    if step.n_features == 0 {
        return Err(damaged("what a step learnt contradicts itself; fit again".to_owned()));
    }
    Ok(Box::new(Hashed { step, names: inputs.to_vec() }))
}

impl Step for FeatureHasher {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        let names = inputs.iter().map(|input| input.name.clone()).collect();
        Ok(Stateless::bind(Hashed { step: self.clone(), names }, inputs))
    }
}

/// The step with the names of its columns.
#[derive(Clone, Debug)]
struct Hashed {
    step: FeatureHasher,
    names: Vec<String>,
}

impl Hashed {
    /// Adds the values of a column to the outputs.
    fn add(&self, name: &str, values: &ArrayRef, columns: &mut [Vec<f64>]) -> Result<(), Error> {
        let bucket = |name: &str| {
            let (column, sign) = murmur3::bucket(name, self.step.n_features);
            (column as usize, if self.step.alternate_sign { sign } else { 1.0 })
        };
        let kind = ValueKind::of(values.data_type()).unwrap_or(ValueKind::Null);
        let is_dict = self.step.input_type == InputType::Dict;
        if is_dict && kind.is_arithmetic() {
            let (column, sign) = bucket(name);
            for (row, value) in numeric::as_float64(values)?.iter().enumerate() {
                columns[column][row] += sign * value.filter(|value| !value.is_nan()).unwrap_or(0.0);
            }
            return Ok(());
        }
        let mut key = if is_dict { format!("{name}=") } else { String::new() };
        let prefix = key.len();
        let mut hash = |value: &str| {
            key.truncate(prefix);
            key.push_str(value);
            bucket(&key)
        };
        if kind == ValueKind::Text {
            let texts = cast(values, &DataType::Utf8)?;
            for (row, text) in texts.as_string::<i32>().iter().enumerate() {
                if let Some((column, sign)) = text.map(&mut hash) {
                    columns[column][row] += sign;
                }
            }
        } else {
            for (row, category) in categories::categories_of(values)?.into_iter().enumerate() {
                if let Some((column, sign)) = category.map(|category| hash(&category.to_string())) {
                    columns[column][row] += sign;
                }
            }
        }
        Ok(())
    }
}

impl FittedStep for Hashed {
    fn outputs(&self, inputs: &[Column], _: bool) -> Result<Vec<Vec<OutputColumn>>, Error> {
        let mut outputs = vec![Vec::new(); inputs.len()];
        if let Some(first) = outputs.first_mut() {
            *first = (0..self.step.n_features)
                .map(|i| {
                    OutputColumn::plain(Column {
                        name: format!("featurehasher{i}"),
                        kind: ValueKind::Float,
                        data_type: self.step.dtype.data_type(),
                    })
                })
                .collect();
        }
        Ok(outputs)
    }

    fn transform(
        &self,
        inputs: &[ArrayRef],
        outputs: &[Vec<Column>],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let (Some(outputs), Some(first)) = (outputs.first(), inputs.first()) else { return Ok(Vec::new()) };
        let mut columns = vec![vec![0.0; first.len()]; outputs.len()];
        for (name, values) in self.names.iter().zip(inputs) {
            let added = numeric::refuse_infinities(values, first_row)
                .and_then(|()| self.add(name, values, &mut columns));
            added.map_err(|e| e.in_column(name))?;
        }
        documents::arrays(columns, outputs)
    }

    fn learnt(&self) -> Box<dyn erased_serde::Serialize + '_> {
        Box::new(&self.step)
    }

    fn width(&self) -> usize {
        if self.names.is_empty() { 0 } else { self.step.n_features as usize }
    }

    fn heap_bytes(&self) -> usize {
        self.names.iter().map(|name| name.capacity() + size_of::<String>()).sum()
    }
}
