//! The quantiles of a column, for the steps that learn from them: exact over as many passes as the column
//! takes, or from one pass as far as that tells them.

use arrow::array::{Array, Float64Array};

use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::stats::{Level, OrderStatistics, Outcome, QuantileMethod};

/// What a quantile takes while a pass is ended, its level, its ranks and the brackets between them.
const QUANTILE_BYTES: usize = 200;

/// The state behind the quantiles of a column. Mostly under 300 KiB, at most 1.1 MiB, and [`QUANTILE_BYTES`] for
/// each quantile.
pub(super) struct Quantiles {
    order: Box<OrderStatistics>,
    /// How many quantiles are wanted.
    wanted: usize,
    approximate: bool,
}

/// What the end of a pass gives.
pub(super) enum Found {
    /// The quantiles in the order of their levels; none for a column without values.
    Done(Vec<f64>),
    Again(Quantiles),
}

/// The parameter `approximate`, which the scikit-learn classes lack: one pass, and quantiles of the column
/// with every value cut as [`OrderStatistics::cut_values`] says.
pub(super) fn approximate(params: &mut Params) -> Result<bool, Error> {
    params.flag("approximate", false)
}

/// The parameters `subsample` and `random_state`, which have no effect: every row counts.
pub(super) fn sampling(params: &mut Params) -> Result<(), Error> {
    let whole_from = |least: i64| {
        move |value: &ParamValue| matches!(value, ParamValue::Int(n) if *n >= least).then_some(())
    };
    params.read_optional("subsample", "a whole number from 1", whole_from(1))?;
    params.read_optional("random_state", "a whole number from 0", whole_from(0))?;
    Ok(())
}

impl Quantiles {
    pub(super) fn new(wanted: usize, approximate: bool) -> Quantiles {
        Quantiles { order: Box::default(), wanted, approximate }
    }

    pub(super) fn update(&mut self, floats: &Float64Array) {
        self.order.update(&numeric::valid(floats, floats.nulls()));
    }

    pub(super) fn identity(&self) -> Quantiles {
        Quantiles { order: Box::new(self.order.identity()), ..*self }
    }

    pub(super) fn merge(&mut self, other: &Quantiles) {
        self.order.merge(&other.order);
    }

    pub(super) fn seen(&self) -> &OrderStatistics {
        &self.order
    }

    /// The state of the same pass that has seen this; `None` if none can have.
    pub(super) fn having_seen(&self, seen: OrderStatistics) -> Option<Quantiles> {
        seen.is_sibling(&self.order).then(|| Quantiles { order: Box::new(seen), ..*self })
    }

    pub(super) fn may_need_more(&self) -> bool {
        !self.approximate
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<OrderStatistics>() + self.order.heap_bytes() + self.wanted * QUANTILE_BYTES
    }

    /// See [`ColumnState::finish_bytes`](crate::per_column::ColumnState::finish_bytes).
    pub(super) fn finish_bytes(&self) -> usize {
        // A quantile is between two ranks.
        let order = self.order.finish_bytes(2 * self.wanted);
        self.heap_bytes() + size_of::<OrderStatistics>() + order - self.order.heap_bytes()
    }

    /// Ends a pass; `levels` are the same in every pass.
    pub(super) fn finish(self, levels: &[Level], method: QuantileMethod) -> Result<Found, Error> {
        if self.approximate {
            return Ok(Found::Done(self.order.cut_quantiles(levels, method)));
        }
        match self.order.finish_quantiles(levels, method) {
            Ok(Outcome::Done(found)) => Ok(Found::Done(found)),
            Ok(Outcome::Again(next)) => Ok(Found::Again(Quantiles { order: Box::new(next), ..self })),
            Err(_) => Err(Error::new(ErrorKind::InputChanged)),
        }
    }
}
