//! `log1p`: ln(1 + x), accurate for small x as well.
//!
//! Equals `numpy.log1p`, for which scikit-learn has a `FunctionTransformer`. Where numpy warns and writes −∞ or
//! NaN, which is for x ≤ −1, the value is refused instead; `clip` with a `lower` above −1 lets it pass.
//!
//! No parameters. Takes numbers and bools, gives float64; null stays null and +∞ stays +∞. Nothing is learnt,
//! so no pass is needed.

use std::sync::Arc;

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use crate::column::Column;
use crate::error::{Error, ErrorKind};
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::Params;
use crate::per_column::{ColumnStep, NothingToLearn, PerColumn};
use crate::step::{OutputColumn, Step};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log1p {}

pub(super) fn parse(_: &mut Params) -> Result<Box<dyn Step>, Error> {
    Ok(PerColumn::boxed(Log1p {}))
}

impl ColumnStep for Log1p {
    type State = NothingToLearn<Log1p>;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<NothingToLearn<Log1p>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(NothingToLearn(Log1p {}))
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![Column::float64(&input.name)], true)
    }
}

impl FittedColumn for Log1p {
    fn is_sound(&self) -> bool {
        true
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(vec![OutputColumn::plain(Column::float64(&input.name))])
    }

    fn transform(&self, values: &ArrayRef, _: &[Column], first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let floats = numeric::as_float64(values)?;
        if let Some(row) = floats.iter().position(|value| value.is_some_and(|x| x <= -1.0)) {
            let (found, expected) = (floats.value(row).to_string(), "a number above -1");
            return Err(Error::new(ErrorKind::Value { found, expected }).in_row(first_row + row as u64));
        }
        Ok(vec![Arc::new(numeric::map(&floats, f64::ln_1p))])
    }

    fn is_row_wise(&self) -> bool {
        true
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
