//! `k_bins_discretizer`: each value becomes the number of the interval that it lies in.
//!
//! Equals scikit-learn's `KBinsDiscretizer`, with edges from all rows, exact before they are rounded once. Bins
//! narrower than 1e-8 are merged with the one before (not under `uniform`); a column of one value is one bin.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `n_bins` | 5 | bins, 2 or more; or for each column of `columns` how many |
//! | `encode` | onehot | a column of 0 and 1 for each bin, also written onehot-dense; ordinal: the bin's number |
//! | `strategy` | quantile | bins of equal counts; uniform: bins of equal width; kmeans: bins around the means of clusters |
//! | `quantile_method` | averaged_inverted_cdf | one of the nine of `numpy.percentile` |
//! | `dtype` | none | float32 or float64; else uint8 or the narrowest integer where storage is narrow, else float64 |
//! | `subsample`, `random_state` | 200000, none | nothing: every row counts |
//! | `approximate` | false | one pass: quantiles of values cut to their leading bits (not in scikit-learn) |
//!
//! Takes numbers and bools; a missing value or an infinity is refused. A value on an edge belongs to the bin above.
//!
//! | strategy | passes | a column's state |
//! |---|---|---|
//! | quantile | one to three as a rule, see [`OrderStatistics`](crate::stats::OrderStatistics) | mostly under 300 KiB, at most 1.1 MiB and 200 bytes a bin |
//! | uniform | one | an [`Extrema`], 24 bytes |
//! | kmeans | one, and one for each step of the [iteration](super::k_means_bins): as a rule 5 to 30, at most 301 | 1.6 KiB, and 0.6 KiB a bin |

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt8Array, UInt16Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::k_means_bins::{self, KMeans};
use super::number_type::{narrowest_integer, numeric_type};
use super::quantiles::{self, Found, Quantiles};
use crate::column::{Column, ValueKind};
use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::stats::{Extrema, Level, OrderStatistics, QuantileMethod, interpolate};
use crate::step::{OutputColumn, Step};

/// A bin's number has 16 bits.
const MOST_BINS: u64 = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Quantile,
    Uniform,
    KMeans,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Encode {
    OneHot,
    Ordinal,
}

#[derive(Clone, Debug)]
enum BinCounts {
    Same(u64),
    Each(Vec<u64>),
}

/// The parameters of scikit-learn's class. `subsample` and `random_state` are taken and have no effect.
#[derive(Debug)]
struct KBinsDiscretizer {
    n_bins: BinCounts,
    encode: Encode,
    strategy: Strategy,
    method: QuantileMethod,
    dtype: Option<String>,
    approximate: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let number = |value: &ParamValue| match value {
        ParamValue::Int(n) => u64::try_from(*n).ok().filter(|n| (2..=MOST_BINS).contains(n)),
        _ => None,
    };
    let expected = "a whole number from 2 to 65536, or a list with one for each column";
    let n_bins = params.read("n_bins", BinCounts::Same(5), expected, |value| match value {
        ParamValue::List(each) => Some(BinCounts::Each(each.iter().map(number).collect::<Option<_>>()?)),
        one => number(one).map(BinCounts::Same),
    })?;
    let encode = params.choice(
        "encode",
        &[("onehot", Encode::OneHot), ("onehot-dense", Encode::OneHot), ("ordinal", Encode::Ordinal)],
    )?;
    let strategies =
        [("quantile", Strategy::Quantile), ("uniform", Strategy::Uniform), ("kmeans", Strategy::KMeans)];
    let strategy = params.choice("strategy", &strategies)?;
    let method = params.choice(
        "quantile_method",
        &[
            ("averaged_inverted_cdf", QuantileMethod::AveragedInvertedCdf),
            ("inverted_cdf", QuantileMethod::InvertedCdf),
            ("closest_observation", QuantileMethod::ClosestObservation),
            ("interpolated_inverted_cdf", QuantileMethod::InterpolatedInvertedCdf),
            ("hazen", QuantileMethod::Hazen),
            ("weibull", QuantileMethod::Weibull),
            ("linear", QuantileMethod::Linear),
            ("median_unbiased", QuantileMethod::MedianUnbiased),
            ("normal_unbiased", QuantileMethod::NormalUnbiased),
        ],
    )?;
    let dtype = params.read_optional("dtype", "float32 or float64", |value| match value {
        ParamValue::Text(name) if name == "float32" || name == "float64" => Some(name.clone()),
        _ => None,
    })?;
    quantiles::sampling(params)?;
    let approximate = quantiles::approximate(params)?;
    Ok(PerColumn::boxed(KBinsDiscretizer { n_bins, encode, strategy, method, dtype, approximate }))
}

impl ColumnStep for KBinsDiscretizer {
    type State = Fitting;

    fn check(&self, inputs: &[Column]) -> Result<(), Error> {
        match &self.n_bins {
            BinCounts::Each(each) if each.len() != inputs.len() => {
                let expected = format!("one number for each of the {} columns", inputs.len());
                Err(Error::parameter("n_bins", format!("a list of {}", each.len()), expected))
            }
            _ => Ok(()),
        }
    }

    fn start(self: &Arc<Self>, index: usize, input: &Column) -> Result<Fitting, Error> {
        numeric::check_arithmetic(input)?;
        let bins = match &self.n_bins {
            BinCounts::Same(bins) => *bins,
            BinCounts::Each(each) => each.get(index).copied().unwrap_or(2),
        };
        let learning = match self.strategy {
            Strategy::Quantile => Learning::Quantiles(Quantiles::new(bins as usize + 1, self.approximate)),
            Strategy::Uniform => Learning::Ends(Extrema::new()),
            Strategy::KMeans => Learning::KMeans(KMeans::new(bins as usize)),
        };
        Ok(Fitting { step: Arc::clone(self), bins, learning })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        match self.encode {
            Encode::OneHot => (Vec::new(), false),
            // Narrow or not, it is a column of numbers under the same name.
            Encode::Ordinal => (vec![Column::float64(&input.name)], true),
        }
    }
}

enum Learning {
    Quantiles(Quantiles),
    Ends(Extrema),
    KMeans(KMeans),
}

/// What was seen, of one of the strategies.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Seen {
    Quantiles(Box<OrderStatistics>),
    Ends(Extrema),
    KMeans(k_means_bins::Seen),
}

impl Learning {
    fn seen(&self) -> Seen {
        match self {
            Learning::Quantiles(quantiles) => Seen::Quantiles(Box::new(quantiles.seen().clone())),
            Learning::Ends(extrema) => Seen::Ends(extrema.clone()),
            Learning::KMeans(means) => Seen::KMeans(means.seen()),
        }
    }
}

struct Fitting {
    step: Arc<KBinsDiscretizer>,
    bins: u64,
    learning: Learning,
}

impl Fitting {
    fn with(&self, learning: Learning) -> Fitting {
        Fitting { step: Arc::clone(&self.step), bins: self.bins, learning }
    }
}

impl ColumnState for Fitting {
    type Fitted = Binned;
    type Seen = Seen;

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        let floats = numeric::complete(values, first_row)?;
        match &mut self.learning {
            Learning::Quantiles(quantiles) => quantiles.update(&floats),
            Learning::Ends(extrema) => extrema.update(floats.values()),
            Learning::KMeans(means) => means.update(floats.values()),
        }
        Ok(())
    }

    fn identity(&self) -> Self {
        self.with(match &self.learning {
            Learning::Quantiles(quantiles) => Learning::Quantiles(quantiles.identity()),
            Learning::Ends(_) => Learning::Ends(Extrema::new()),
            Learning::KMeans(means) => Learning::KMeans(means.identity()),
        })
    }

    fn merge(&mut self, other: &Self) {
        match (&mut self.learning, &other.learning) {
            (Learning::Quantiles(a), Learning::Quantiles(b)) => a.merge(b),
            (Learning::Ends(a), Learning::Ends(b)) => a.merge(b),
            (Learning::KMeans(a), Learning::KMeans(b)) => a.merge(b),
            _ => {}
        }
    }

    fn seen(&self) -> impl Serialize {
        self.learning.seen()
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        let learning = match (&self.learning, seen) {
            (Learning::Quantiles(own), Seen::Quantiles(seen)) => Learning::Quantiles(own.having_seen(*seen)?),
            (Learning::Ends(_), Seen::Ends(seen)) => Learning::Ends(seen),
            (Learning::KMeans(own), Seen::KMeans(seen)) => Learning::KMeans(own.having_seen(seen)?),
            _ => return None,
        };
        Some(self.with(learning))
    }

    fn may_need_more(&self) -> bool {
        match &self.learning {
            Learning::Quantiles(quantiles) => quantiles.may_need_more(),
            Learning::Ends(_) => false,
            Learning::KMeans(_) => true,
        }
    }

    fn heap_bytes(&self) -> usize {
        match &self.learning {
            Learning::Quantiles(quantiles) => quantiles.heap_bytes(),
            Learning::Ends(extrema) => extrema.heap_bytes(),
            Learning::KMeans(means) => means.heap_bytes(),
        }
    }

    fn finish_bytes(&self) -> usize {
        match &self.learning {
            Learning::Quantiles(quantiles) => quantiles.finish_bytes(),
            // Edges are made of the two ends.
            Learning::Ends(_) => self.heap_bytes() + (self.bins as usize + 1) * 2 * size_of::<f64>(),
            Learning::KMeans(_) => 2 * self.heap_bytes(),
        }
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let again = |learning: Learning| {
            Ok(Progress::Again(Fitting { step: Arc::clone(&self.step), bins: self.bins, learning }))
        };
        let edges = match self.learning {
            Learning::Quantiles(quantiles) => {
                let levels: Vec<Level> = (0..=self.bins).map(|bin| Level::ratio(bin, self.bins)).collect();
                match quantiles.finish(&levels, self.step.method)? {
                    Found::Done(edges) => without_narrow_bins(&edges),
                    Found::Again(next) => return again(Learning::Quantiles(next)),
                }
            }
            Learning::KMeans(means) => match means.finish() {
                k_means_bins::Found::Edges(edges) => without_narrow_bins(&edges),
                k_means_bins::Found::Again(next) => return again(Learning::KMeans(next)),
            },
            Learning::Ends(extrema) => {
                let ends = extrema.min().zip(extrema.max());
                let edge = |bin: u64, (min, max): (f64, f64)| {
                    if min == max { min } else { interpolate(min, max, &bin.into(), &self.bins.into()) }
                };
                ends.map_or(Vec::new(), |ends| (0..=self.bins).map(|bin| edge(bin, ends)).collect())
            }
        };
        let [first, .., last] = edges[..] else {
            if edges.is_empty() {
                return Err(Error::contradiction("has no value to make bins of; fit on data that has rows"));
            }
            return Ok(Progress::Done(Binned::new(&self.step, Vec::new())));
        };
        let inner = if first == last { Vec::new() } else { edges[1..edges.len() - 1].to_vec() };
        Ok(Progress::Done(Binned::new(&self.step, inner)))
    }
}

/// Takes out every edge that is no more than 1e-8 above the one before it, as the class does.
fn without_narrow_bins(edges: &[f64]) -> Vec<f64> {
    let first = edges.first().copied();
    let wide = edges.windows(2).filter(|pair| pair[1] - pair[0] > 1e-8).map(|pair| pair[1]);
    first.into_iter().chain(wide).collect()
}

/// What is learnt of a column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Binned {
    /// Where each bin but the first begins, ascending.
    edges: Vec<f64>,
    encode: Encode,
    dtype: Option<String>,
}

impl Binned {
    fn new(step: &KBinsDiscretizer, edges: Vec<f64>) -> Binned {
        Binned { edges, encode: step.encode, dtype: step.dtype.clone() }
    }

    fn bins(&self) -> usize {
        self.edges.len() + 1
    }
}

impl FittedColumn for Binned {
    fn is_sound(&self) -> bool {
        self.edges.is_sorted() && self.bins() as u64 <= MOST_BINS
    }

    fn outputs(&self, input: &Column, narrow: bool) -> Result<Vec<OutputColumn>, Error> {
        numeric::check_arithmetic(input)?;
        let narrowest = match self.encode {
            Encode::OneHot => DataType::UInt8,
            Encode::Ordinal => narrowest_integer(0, self.edges.len() as i64),
        };
        let data_type = self.dtype.as_deref().and_then(numeric_type);
        let data_type = data_type.unwrap_or(if narrow { narrowest } else { DataType::Float64 });
        // The class gives floats, and so a later encoder names them `1.0`.
        let column = |name| Column { name, kind: ValueKind::Float, data_type: data_type.clone() };
        Ok(match self.encode {
            Encode::Ordinal => vec![OutputColumn::plain(column(input.name.clone()))],
            Encode::OneHot => {
                let bin = |bin| {
                    let category = format!("{bin}.0");
                    let name = format!("{}_{category}", input.name);
                    OutputColumn { column: column(name), category: Some(category) }
                };
                (0..self.bins()).map(bin).collect()
            }
        })
    }

    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let floats = numeric::complete(values, first_row)?;
        let bin_of = |x: &f64| self.edges.partition_point(|edge| edge <= x);
        let arrays: Vec<ArrayRef> = match self.encode {
            Encode::Ordinal => {
                vec![Arc::new(UInt16Array::from_iter_values(
                    floats.values().iter().map(|x| bin_of(x) as u16),
                ))]
            }
            Encode::OneHot => {
                let mut columns = vec![vec![0u8; floats.len()]; self.bins()];
                for (row, x) in floats.values().iter().enumerate() {
                    columns[bin_of(x)][row] = 1;
                }
                columns.into_iter().map(|column| Arc::new(UInt8Array::from(column)) as ArrayRef).collect()
            }
        };
        let typed =
            arrays.into_iter().zip(outputs).map(|(array, output)| Ok(cast(&array, &output.data_type)?));
        typed.collect()
    }

    fn width(&self) -> usize {
        match self.encode {
            Encode::Ordinal => 1,
            Encode::OneHot => self.bins(),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.edges.capacity() * size_of::<f64>()
    }
}
