//! `polynomial_features`: products of the columns up to a degree.
//!
//! Equals scikit-learn's `PolynomialFeatures`: for a, b and degree 2 the columns `1`, `a`, `b`, `a^2`, `a b` and
//! `b^2`, in this order, in the place of the first column that `columns` names.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `degree` | 2 | the greatest degree; or \[least, greatest\] |
//! | `interaction_only` | false | no column is multiplied with itself |
//! | `include_bias` | true | a column `1` of ones |
//! | `order` | C | nothing: columns are arrays of their own |
//!
//! Takes numbers and bools; a missing value or an infinity is refused. Gives float64; where storage is narrow a
//! column of degree 1 stays as narrow as it was, up to 32 bits. n columns up to degree d become
//! (n + d)! / (n! d!), at most 2^20. Nothing is learnt, so no pass is needed.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, UInt8Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::sealed;
use crate::stateless::Stateless;
use crate::step::{BoundStep, FittedStep, OutputColumn, Step};

/// So many that what is noted of the columns takes a gibibyte.
const MOST_COLUMNS: usize = 1 << 20;

/// Beyond it powers of all but the nearest values to 1 are 0 or infinite.
const MOST_DEGREE: u32 = 1000;

/// The parameters of scikit-learn's class. `order` is taken and has no effect.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolynomialFeatures {
    /// The least and the greatest.
    degree: (u32, u32),
    interaction_only: bool,
    include_bias: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let number = |value: &ParamValue| match value {
        ParamValue::Int(degree) => u32::try_from(*degree).ok().filter(|degree| *degree <= MOST_DEGREE),
        _ => None,
    };
    let expected = "a whole number from 0 to 1000, or two of them, the smaller first, such as [2, 3]";
    let degree = params.read("degree", (0, 2), expected, |value| match value {
        ParamValue::List(ends) => {
            let [low, high] = ends.as_slice() else { return None };
            Some((number(low)?, number(high)?)).filter(|(low, high)| low <= high)
        }
        one => Some((0, number(one)?)),
    })?;
    let interaction_only = params.flag("interaction_only", false)?;
    let include_bias = params.flag("include_bias", true)?;
    params.choice("order", &[("C", ()), ("F", ())])?;
    if degree.1 == 0 && !include_bias {
        return Err(Error::parameter("degree", 0, "a number from 1 without `include_bias`"));
    }
    Ok(Box::new(PolynomialFeatures { degree, interaction_only, include_bias }))
}

/// Reads what [`encode`](FittedStep::encode) wrote of the columns `inputs`.
pub(super) fn decode(learnt: &str, inputs: &[String]) -> Result<Box<dyn FittedStep>, Error> {
    let damaged = |message: String| Error::new(ErrorKind::Archive { message });
    let step: PolynomialFeatures = sealed::learnt(learnt)?;
    let is_degree = step.degree.0 <= step.degree.1 && step.degree.1 <= MOST_DEGREE;
    if inputs.is_empty() || !is_degree || step.width(inputs.len()) > MOST_COLUMNS {
        return Err(damaged("what a step learnt contradicts itself; fit again".to_owned()));
    }
    Ok(Box::new(Polynomial { step, inputs: inputs.to_vec() }))
}

impl Step for PolynomialFeatures {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        if self.width(inputs.len()) > MOST_COLUMNS {
            return Err(Error::contradiction(format!(
                "{} columns would become more than {MOST_COLUMNS}; lower `degree`, or take fewer columns",
                inputs.len()
            )));
        }
        let fitted = Polynomial { step: *self, inputs: inputs.iter().map(|c| c.name.clone()).collect() };
        Ok(Stateless::bind(fitted, inputs))
    }
}

impl PolynomialFeatures {
    /// Columns that `inputs` columns become, or more than [`MOST_COLUMNS`].
    fn width(&self, inputs: usize) -> usize {
        let mut width = usize::from(self.include_bias);
        for degree in self.degrees() {
            // Of `inputs` things, each at most once or any number of times.
            let things = if self.interaction_only { inputs } else { inputs + degree - 1 };
            if degree > things {
                break;
            }
            width += choose(things, degree.min(things - degree));
            if width > MOST_COLUMNS {
                break;
            }
        }
        width
    }

    /// Degrees of products.
    fn degrees(&self) -> impl Iterator<Item = usize> {
        (self.degree.0.max(1)..=self.degree.1).map(|degree| degree as usize)
    }

    /// The factors of each product, by the places of the columns, in the class's order; none for the bias.
    fn terms(&self, inputs: usize) -> impl Iterator<Item = Vec<usize>> {
        let is_distinct = self.interaction_only;
        let bias = self.include_bias.then(Vec::new);
        let products = self.degrees().flat_map(move |degree| {
            let first: Vec<usize> = if is_distinct { (0..degree).collect() } else { vec![0; degree] };
            let first = Some(first).filter(|factors| factors.iter().all(|factor| *factor < inputs));
            std::iter::successors(first, move |factors| following(factors, inputs, is_distinct))
        });
        // Products of more factors than columns do not exist, nor do those of a higher degree.
        bias.into_iter().chain(products.take(MOST_COLUMNS))
    }
}

/// `of` over `taken`, or more than [`MOST_COLUMNS`].
fn choose(of: usize, taken: usize) -> usize {
    let mut ways = 1usize;
    for i in 0..taken {
        // Whole at every step: it is `of` over i + 1.
        ways = match ways.checked_mul(of - i) {
            Some(product) => product / (i + 1),
            None => return MOST_COLUMNS + 1,
        };
        if ways > MOST_COLUMNS {
            break;
        }
    }
    ways
}

/// The factors after these, in lexicographic order and never falling.
fn following(factors: &[usize], inputs: usize, is_distinct: bool) -> Option<Vec<usize>> {
    let mut next = factors.to_vec();
    // The last factor that can still rise; behind it each is as small as may be.
    let most = |place: usize| if is_distinct { inputs - (factors.len() - place) } else { inputs - 1 };
    let place = (0..next.len()).rev().find(|place| next[*place] < most(*place))?;
    next[place] += 1;
    for behind in place + 1..next.len() {
        next[behind] = next[behind - 1] + usize::from(is_distinct);
    }
    Some(next)
}

/// The step with the names of its columns.
#[derive(Clone, Debug)]
struct Polynomial {
    step: PolynomialFeatures,
    inputs: Vec<String>,
}

/// `a^2 b` for the factors a, a and b.
fn name(factors: &[usize], inputs: &[Column]) -> String {
    let powers = factors.chunk_by(|a, b| a == b).map(|same| {
        let name = inputs.get(same[0]).map_or("", |input| input.name.as_str());
        if same.len() == 1 { name.to_owned() } else { format!("{name}^{}", same.len()) }
    });
    let powers: Vec<String> = powers.collect();
    if powers.is_empty() { "1".to_owned() } else { powers.join(" ") }
}

/// How the product of these factors is stored.
fn storage(factors: &[usize], inputs: &[Column], narrow: bool) -> DataType {
    let same = match factors {
        [] => Some(DataType::UInt8),
        [one] => inputs.get(*one).map(|input| match &input.data_type {
            DataType::Boolean => DataType::UInt8,
            data_type => data_type.clone(),
        }),
        _ => None,
    };
    let is_exact = |t: &DataType| t.is_numeric() && t.primitive_width().is_some_and(|width| width <= 4);
    same.filter(|t| narrow && is_exact(t)).unwrap_or(DataType::Float64)
}

impl FittedStep for Polynomial {
    fn outputs(&self, inputs: &[Column], narrow: bool) -> Result<Vec<Vec<OutputColumn>>, Error> {
        for input in inputs {
            numeric::check_arithmetic(input).map_err(|e| e.in_column(&input.name))?;
        }
        // The class gives floats, however they are stored.
        let column = |factors: Vec<usize>| Column {
            name: name(&factors, inputs),
            kind: ValueKind::Float,
            data_type: storage(&factors, inputs, narrow),
        };
        let mut outputs = vec![Vec::new(); inputs.len()];
        if let Some(first) = outputs.first_mut() {
            *first =
                self.step.terms(inputs.len()).map(|factors| OutputColumn::plain(column(factors))).collect();
        }
        Ok(outputs)
    }

    fn transform(
        &self,
        inputs: &[ArrayRef],
        outputs: &[Vec<Column>],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let floats = inputs
            .iter()
            .zip(&self.inputs)
            .map(|(values, name)| numeric::complete(values, first_row).map_err(|e| e.in_column(name)));
        let floats: Vec<Float64Array> = floats.collect::<Result<_, _>>()?;
        let rows = floats.first().map_or(0, |column| column.values().len());
        let product = |(factors, output): (Vec<usize>, &Column)| {
            let array: ArrayRef = match factors.as_slice() {
                [] => Arc::new(UInt8Array::from(vec![1; rows])),
                [one] => return Ok(cast(&inputs[*one], &output.data_type)?),
                [first, rest @ ..] => {
                    let mut products = floats[*first].values().to_vec();
                    for factor in rest {
                        let column = floats[*factor].values();
                        products.iter_mut().zip(column).for_each(|(product, x)| *product *= x);
                    }
                    Arc::new(Float64Array::from(products))
                }
            };
            Ok(cast(&array, &output.data_type)?)
        };
        self.step.terms(inputs.len()).zip(outputs.iter().flatten()).map(product).collect()
    }

    fn learnt(&self) -> Box<dyn erased_serde::Serialize + '_> {
        Box::new(self.step)
    }

    fn width(&self) -> usize {
        self.step.width(self.inputs.len())
    }

    fn heap_bytes(&self) -> usize {
        self.inputs.iter().map(|name| size_of::<String>() + name.capacity()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(degree: (u32, u32), interaction_only: bool, include_bias: bool) -> PolynomialFeatures {
        PolynomialFeatures { degree, interaction_only, include_bias }
    }

    #[test]
    fn terms_are_as_many_as_counted_and_all_different() {
        for inputs in 1..6 {
            for least in 0..4 {
                for greatest in least..6 {
                    for (interaction_only, include_bias) in
                        [(false, true), (true, false), (true, true), (false, false)]
                    {
                        let step = of((least, greatest), interaction_only, include_bias);
                        let terms: Vec<Vec<usize>> = step.terms(inputs).collect();
                        assert_eq!(terms.len(), step.width(inputs), "{step:?} of {inputs}");
                        let in_order = |a: &Vec<usize>, b: &Vec<usize>| (a.len(), a) < (b.len(), b);
                        assert!(terms.is_sorted_by(in_order), "{terms:?}");
                        assert!(terms.iter().flatten().all(|factor| *factor < inputs));
                    }
                }
            }
        }
    }

    #[test]
    fn widths_beyond_the_limit_are_found_without_counting_to_them() {
        assert_eq!(of((0, 2), false, true).width(1000), 1001 * 1002 / 2);
        assert_eq!(of((0, 1000), false, true).width(1), 1001);
        assert!(of((0, 1000), false, true).width(3) > MOST_COLUMNS);
        assert!(of((0, 50), false, true).width(100_000) > MOST_COLUMNS);
        assert_eq!(of((0, 1000), true, true).width(10), 1024);
        assert_eq!(of((5, 9), true, false).width(3), 0);
    }
}
