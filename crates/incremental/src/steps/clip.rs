//! `clip`: values below `lower` become `lower`, values above `upper` become `upper`.
//!
//! Equals `clip` of a pandas DataFrame, save that a `lower` above the `upper` is refused, where pandas swaps
//! the two.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `lower` | none | the least value that is kept |
//! | `upper` | none | the greatest value that is kept |
//!
//! At least one of them is given. Takes numbers. Integers stay integers where the bounds are whole, and take
//! the next type where theirs does not hold a bound; otherwise they become float64. Null stays null. Nothing is
//! learnt, so no pass is needed.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt64Type};
use serde::{Deserialize, Serialize};

use super::number_type::{narrowest_integer, range_of};
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::fitted_columns::FittedColumn;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnStep, NothingToLearn, PerColumn};
use crate::step::{OutputColumn, Step};

/// The bounds; at least one of them is there.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clip {
    lower: Option<Bound>,
    upper: Option<Bound>,
}

/// A finite number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Bound {
    Whole(i64),
    Float(f64),
}

impl Bound {
    fn read(value: &ParamValue) -> Option<Bound> {
        match value {
            ParamValue::Int(int) => Some(Bound::Whole(*int)),
            ParamValue::Float(float) => float.is_finite().then(|| Bound::of(*float)),
            _ => None,
        }
    }

    /// A whole bound is one however it is written, as for pandas.
    fn of(float: f64) -> Bound {
        let whole = float as i64;
        if whole as f64 == float && whole != i64::MAX { Bound::Whole(whole) } else { Bound::Float(float) }
    }

    fn whole(self) -> Option<i64> {
        match self {
            Bound::Whole(whole) => Some(whole),
            Bound::Float(_) => None,
        }
    }

    fn float(self) -> f64 {
        match self {
            Bound::Whole(whole) => whole as f64,
            Bound::Float(float) => float,
        }
    }
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let lower = params.read_optional("lower", "a finite number", Bound::read)?;
    let upper = params.read_optional("upper", "a finite number", Bound::read)?;
    let step = Clip { lower, upper };
    if lower.is_none() && upper.is_none() {
        return Err(Error::parameter("lower", "not given", "a number here, or in `upper`, or both"));
    }
    if !step.is_sound() {
        let lower = lower.map_or(f64::NAN, Bound::float);
        return Err(Error::parameter("lower", lower, "a number that is not above `upper`"));
    }
    Ok(PerColumn::boxed(step))
}

impl ColumnStep for Clip {
    type State = NothingToLearn<Clip>;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<NothingToLearn<Clip>, Error> {
        self.output(input)?;
        Ok(NothingToLearn(**self))
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![self.output(input).unwrap_or_else(|_| input.clone())], true)
    }
}

impl Clip {
    fn bounds(&self) -> impl Iterator<Item = Bound> {
        self.lower.into_iter().chain(self.upper)
    }

    fn output(&self, input: &Column) -> Result<Column, Error> {
        let same = match &input.data_type {
            DataType::Dictionary(_, values) => values.as_ref(),
            data_type => data_type,
        };
        let float64 = || Ok(Column::float64(&input.name));
        let data_type = match input.kind {
            ValueKind::Null => same.clone(),
            ValueKind::Float if *same == DataType::Float32 => {
                let is_exact = |bound: Bound| f64::from(bound.float() as f32) == bound.float();
                if !self.bounds().all(is_exact) {
                    return float64();
                }
                DataType::Float32
            }
            ValueKind::Float => return float64(),
            ValueKind::Int => {
                if self.bounds().any(|bound| bound.whole().is_none()) {
                    return float64();
                }
                self.integer(same)
            }
            found => return Err(Error::new(ErrorKind::WrongKind { expected: "numbers", found })),
        };
        Ok(Column { data_type, ..input.clone() })
    }

    /// A type that holds whatever the integers of `data_type` become.
    fn integer(&self, data_type: &DataType) -> DataType {
        let (low, high) = range_of(data_type);
        let bound = |bound: Option<Bound>, open: i128| bound.and_then(Bound::whole).map_or(open, i128::from);
        let (lower, upper) = (bound(self.lower, i128::MIN), bound(self.upper, i128::MAX));
        let (least, most) = (low.clamp(lower, upper), high.clamp(lower, upper));
        if low <= least && most <= high {
            return data_type.clone();
        }
        // A bound that the type does not hold is one of 64 signed bits, and so is the other end: beyond them
        // are only values of a type that holds every bound from 0.
        narrowest_integer(least.try_into().unwrap_or(i64::MIN), most.try_into().unwrap_or(i64::MAX))
    }
}

/// The values clipped; nulls stay null, and NaN stays NaN.
fn clip<T>(values: &ArrayRef, lower: Option<T::Native>, upper: Option<T::Native>) -> PrimitiveArray<T>
where
    T: ArrowPrimitiveType<Native: PartialOrd>,
{
    values.as_primitive::<T>().unary(|value| match (lower, upper) {
        (Some(lower), _) if value < lower => lower,
        (_, Some(upper)) if value > upper => upper,
        _ => value,
    })
}

impl FittedColumn for Clip {
    fn is_sound(&self) -> bool {
        match (self.lower, self.upper) {
            (Some(Bound::Whole(lower)), Some(Bound::Whole(upper))) => lower <= upper,
            (Some(lower), Some(upper)) => lower.float() <= upper.float(),
            (None, None) => false,
            _ => true,
        }
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        Ok(vec![OutputColumn::plain(self.output(input)?)])
    }

    fn transform(&self, values: &ArrayRef, outputs: &[Column], _: u64) -> Result<Vec<ArrayRef>, Error> {
        let [Column { data_type, .. }] = outputs else { return Ok(Vec::new()) };
        let clipped: ArrayRef = match data_type {
            DataType::Null => Arc::clone(values),
            DataType::Float32 => {
                let single = |bound: Bound| bound.float() as f32;
                let values = cast(values, &DataType::Float32)?;
                Arc::new(clip::<Float32Type>(&values, self.lower.map(single), self.upper.map(single)))
            }
            DataType::Float64 => {
                let values = cast(values, &DataType::Float64)?;
                let (lower, upper) = (self.lower.map(Bound::float), self.upper.map(Bound::float));
                Arc::new(clip::<Float64Type>(&values, lower, upper))
            }
            // Only here are values beyond 64 signed bits.
            DataType::UInt64 => {
                let natural = |bound: Bound| u64::try_from(bound.whole().unwrap_or(0)).unwrap_or(0);
                let values = cast(values, &DataType::UInt64)?;
                Arc::new(clip::<UInt64Type>(&values, self.lower.map(natural), self.upper.map(natural)))
            }
            _ => {
                let whole = |bound: Option<Bound>| bound.and_then(Bound::whole);
                Arc::new(self.clip_to_signed(values, whole(self.lower), whole(self.upper))?)
            }
        };
        Ok(vec![if clipped.data_type() == data_type { clipped } else { cast(&clipped, data_type)? }])
    }

    fn is_row_wise(&self) -> bool {
        true
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Clip {
    fn clip_to_signed(
        &self,
        values: &ArrayRef,
        lower: Option<i64>,
        upper: Option<i64>,
    ) -> Result<PrimitiveArray<Int64Type>, Error> {
        // What is beyond 64 signed bits is above every bound, and there is an upper one where the output is
        // not of 64 unsigned bits.
        if *values.data_type() == DataType::UInt64 {
            let top = upper.unwrap_or(i64::MAX);
            let values = values.as_primitive::<UInt64Type>();
            let signed: PrimitiveArray<Int64Type> =
                values.unary(|value| i64::try_from(value).map_or(top, |value| value.min(top)));
            let signed: ArrayRef = Arc::new(signed);
            return Ok(clip::<Int64Type>(&signed, lower, upper));
        }
        Ok(clip::<Int64Type>(&cast(values, &DataType::Int64)?, lower, upper))
    }
}
