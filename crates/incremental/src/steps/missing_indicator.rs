//! `missing_indicator`: columns replaced by flags, true where a value is missing.
//!
//! Equals scikit-learn's `MissingIndicator`; a flag is a bool. A column that the fit found complete gives no
//! flag unless `features = "all"`.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `missing_values` | null and NaN | another value that is missing; null is then refused |
//! | `features` | missing-only | all: a flag for complete columns too |
//! | `error_on_new` | true | a missing value in a column that was complete in the fit is refused; else it is ignored |
//! | `sparse` | auto | nothing: columns are always dense arrays |
//!
//! One pass; a column's state is one bit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::fill;
use super::missing;
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::stats::Category;
use crate::step::{OutputColumn, Step};

#[derive(Debug)]
struct MissingIndicator {
    missing_values: Option<ParamValue>,
    all_features: bool,
    error_on_new: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let missing_values = missing::parse(params)?;
    let all_features = params.choice("features", &[("missing-only", false), ("all", true)])?;
    params.read("sparse", (), "true, false or \"auto\"", |value| match value {
        ParamValue::Bool(_) => Some(()),
        ParamValue::Text(word) if word == "auto" => Some(()),
        _ => None,
    })?;
    let error_on_new = params.flag("error_on_new", true)?;
    Ok(PerColumn::boxed(MissingIndicator { missing_values, all_features, error_on_new }))
}

fn output(name: &str) -> Column {
    Column { name: format!("missingindicator_{name}"), kind: ValueKind::Bool, data_type: DataType::Boolean }
}

impl ColumnStep for MissingIndicator {
    type State = Fitting;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<Fitting, Error> {
        let missing_value = missing::category(self.missing_values.as_ref(), input.kind)?;
        Ok(Fitting { step: Arc::clone(self), missing_value, has_missing: false })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![output(&input.name)], self.all_features)
    }

    /// All but whether there is a flag.
    fn provisional(&self, input: &Column) -> Option<(Indicator, bool)> {
        let missing_value = missing::category(self.missing_values.as_ref(), input.kind).ok()?;
        Some((Indicator { missing_value, is_flagged: true, refuses_missing: false }, false))
    }
}

struct Fitting {
    step: Arc<MissingIndicator>,
    missing_value: Option<Category>,
    has_missing: bool,
}

impl ColumnState for Fitting {
    type Fitted = Indicator;
    type Seen = bool;

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        numeric::refuse_infinities(values, first_row)?;
        // Looked at in any case: another value for missing makes a null an error.
        let observed = missing::observed(values, self.missing_value.as_ref(), first_row)?;
        self.has_missing |= observed.is_some();
        Ok(())
    }

    fn identity(&self) -> Self {
        Fitting {
            step: Arc::clone(&self.step),
            missing_value: self.missing_value.clone(),
            has_missing: false,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.has_missing |= other.has_missing;
    }

    fn seen(&self) -> impl Serialize {
        self.has_missing
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        Some(Fitting { has_missing: seen, ..self.identity() })
    }

    fn heap_bytes(&self) -> usize {
        0
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let is_flagged = self.has_missing || self.step.all_features;
        let refuses_missing = !is_flagged && self.step.error_on_new;
        Ok(Progress::Done(Indicator { missing_value: self.missing_value, is_flagged, refuses_missing }))
    }
}

/// What is learnt of a column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Indicator {
    missing_value: Option<Category>,
    is_flagged: bool,
    refuses_missing: bool,
}

impl FittedColumn for Indicator {
    fn is_sound(&self) -> bool {
        !(self.is_flagged && self.refuses_missing)
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        let column = self.is_flagged.then(|| OutputColumn::plain(output(&input.name)));
        Ok(column.into_iter().collect())
    }

    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        numeric::refuse_infinities(values, first_row)?;
        let observed = missing::observed(values, self.missing_value.as_ref(), first_row)?;
        if self.refuses_missing
            && let Some(row) = observed.as_ref().and_then(|o| o.iter().position(|is_there| !is_there))
        {
            let expected = "a value, since the column was complete in the fit (or `error_on_new = false`)";
            let found = self.missing_value.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string);
            return Err(Error::new(ErrorKind::Value { found, expected }).in_row(first_row + row as u64));
        }
        let flag = |output: &Column| fill::indicate(values.len(), observed.as_ref(), &output.data_type);
        outputs.iter().map(flag).collect()
    }

    fn refuses_rows(&self) -> bool {
        self.refuses_missing
    }

    fn width(&self) -> usize {
        usize::from(self.is_flagged)
    }

    fn heap_bytes(&self) -> usize {
        match &self.missing_value {
            Some(Category::Text(text)) => text.len(),
            _ => 0,
        }
    }
}
