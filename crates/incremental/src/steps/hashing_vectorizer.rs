//! `hashing_vectorizer`: how often the tokens of a text occur, in columns that a hash assigns.
//!
//! Equals scikit-learn's `HashingVectorizer`. A token is added to the column abs(h) mod `n_features`, or taken
//! away from it where h is negative, with h its MurmurHash3 in 32 bits; then the row is divided by its norm.
//! One column of text gives way to `hashingvectorizer0`, `hashingvectorizer1` and so on. A null is a text
//! without tokens.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `n_features` | 1048576 | how many columns: dense ones, so that the default needs a budget of gigabytes, and is refused under less |
//! | `binary` | false | 1 in each column that a token fell into |
//! | `norm` | l2 | l1 or none |
//! | `alternate_sign` | true | false: always added |
//! | `dtype` | float64 | or float32 |
//!
//! Those of [`analyzer`](super::analyzer) come on top. Nothing is learnt and no pass is made. Columns of 0 and 1
//! are uint8 where storage is narrow.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::analyzer::Analyzer;
use super::documents::{self, Float, Norm};
use crate::column::{Column, ValueKind};
use crate::error::Error;
use crate::fitted_columns::{FittedColumn, FittedColumns};
use crate::murmur3;
use crate::params::Params;
use crate::stateless::Stateless;
use crate::step::{BoundStep, OutputColumn, Step};

#[derive(Debug)]
struct HashingVectorizer(Hashed);

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    Ok(Box::new(HashingVectorizer(Hashed {
        analyzer: Analyzer::parse(params)?,
        n_features: documents::n_features(params)?,
        binary: params.flag("binary", false)?,
        norm: Norm::parse(params)?,
        alternate_sign: params.flag("alternate_sign", true)?,
        dtype: documents::dtype(params)?,
    })))
}

impl Step for HashingVectorizer {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        documents::check_one(inputs)?;
        Ok(Stateless::bind(FittedColumns::alike(inputs, self.0.clone()), inputs))
    }
}

/// The parameters, which are all there is to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hashed {
    analyzer: Analyzer,
    n_features: u32,
    binary: bool,
    norm: Norm,
    alternate_sign: bool,
    dtype: Float,
}

impl Hashed {
    /// The entries of a text, in the order of columns.
    fn row(&self, text: &str, entries: &mut Vec<(u32, f64)>) {
        self.analyzer.for_each_token(text, |token| {
            let (column, sign) = murmur3::bucket(token, self.n_features);
            entries.push((column, if self.alternate_sign { sign } else { 1.0 }));
        });
        documents::add_up(entries);
        if self.binary {
            // Where signs cancel too, as the class does.
            entries.iter_mut().for_each(|(_, value)| *value = 1.0);
        }
        self.norm.apply(entries);
    }
}

impl FittedColumn for Hashed {
    fn is_sound(&self) -> bool {
        self.n_features > 0
    }

    fn outputs(&self, input: &Column, narrow: bool) -> Result<Vec<OutputColumn>, Error> {
        documents::check_text(input)?;
        let is_flag = self.binary && self.norm == Norm::Nothing;
        let data_type = if narrow && is_flag { DataType::UInt8 } else { self.dtype.data_type() };
        let outputs = (0..self.n_features).map(|i| {
            let name = format!("hashingvectorizer{i}");
            OutputColumn::plain(Column { name, kind: ValueKind::Float, data_type: data_type.clone() })
        });
        Ok(outputs.collect())
    }

    fn transform(&self, values: &ArrayRef, outputs: &[Column], _: u64) -> Result<Vec<ArrayRef>, Error> {
        let columns = documents::dense(values, outputs.len(), |text, entries| self.row(text, entries))?;
        documents::arrays(columns, outputs)
    }

    fn width(&self) -> usize {
        self.n_features as usize
    }

    fn heap_bytes(&self) -> usize {
        self.analyzer.heap_bytes()
    }
}
