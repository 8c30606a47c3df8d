//! `pca`: the columns turned into uncorrelated ones, the most variance first.
//!
//! Equals scikit-learn's `PCA` with every solver exact: the covariance is that of the true sums, rounded once, and
//! its eigenvectors come from [Jacobi's rotations](super::jacobi). The columns `pca0`, `pca1` and so on stand in
//! the place of the first column that `columns` names. The sign of a component is that which makes its entry of
//! largest magnitude positive, the first of those that are equal but for rounding.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `n_components` | none | how many, by default as many as there are columns, or rows if those are fewer; a share between 0 and 1: as many as explain more than that of the variance; mle: Minka's estimate |
//! | `whiten` | false | each column is divided by its standard deviation (ddof 1) |
//! | `svd_solver`, `tol`, `iterated_power`, `n_oversamples`, `power_iteration_normalizer`, `random_state` | auto, 0, auto, 10, auto, none | nothing: there is one solver, which is exact |
//! | `copy` | true | nothing: input is never overwritten |
//!
//! Takes numbers and bools; a missing value or an infinity is refused. Gives float64. One pass; n columns have n
//! [`ExactSum`]s and n·(n + 1)/2 [`ExactProductSum`]s, 1.1 KiB each: 1.4 MiB for 50 columns, 138 MiB for 500, which
//! the budget has to hold. A row costs n·(n + 1)/2 exact additions.

use std::any::Any;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use num_bigint::{BigInt, BigUint};
use num_traits::{Float, Zero};
use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

use super::jacobi::{self, Eigen};
use crate::column::Column;
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::sealed;
use crate::state_text::{self, MOST_ROWS};
use crate::stats::{ExactProductSum, ExactSum, round_ratio};
use crate::step::{BoundStep, Fit, FitState, FittedStep, OutputColumn, Preview, Step};

#[derive(Clone, Copy, Debug)]
enum Components {
    All,
    Count(usize),
    Share(f64),
    Mle,
}

/// The parameters of scikit-learn's class; those that are not here are taken and have no effect.
#[derive(Clone, Copy, Debug)]
struct Pca {
    components: Components,
    whiten: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let whole_from = |least: i64| {
        move |value: &ParamValue| matches!(value, ParamValue::Int(n) if *n >= least).then_some(())
    };
    let is_auto = |value: &ParamValue| *value == ParamValue::Text("auto".to_owned());
    params.flag("copy", true)?;
    let solvers = ["auto", "full", "covariance_eigh", "arpack", "randomized"].map(|name| (name, ()));
    params.choice("svd_solver", &solvers)?;
    params
        .read("tol", (), "a number from 0", |value| value.as_f64().filter(|tol| *tol >= 0.0).map(|_| ()))?;
    params.read("iterated_power", (), "\"auto\", or a whole number from 0", |value| {
        if is_auto(value) { Some(()) } else { whole_from(0)(value) }
    })?;
    params.read("n_oversamples", (), "a whole number from 1", whole_from(1))?;
    params.choice("power_iteration_normalizer", &["auto", "QR", "LU", "none"].map(|name| (name, ())))?;
    params.read_optional("random_state", "a whole number from 0", whole_from(0))?;
    let expected = "a whole number from 0, a share between 0 and 1, or \"mle\"";
    let components = params.read_optional("n_components", expected, |value| match value {
        ParamValue::Int(count) => usize::try_from(*count).ok().map(Components::Count),
        ParamValue::Float(share) => (0.0 < *share && *share < 1.0).then_some(Components::Share(*share)),
        ParamValue::Text(word) if word == "mle" => Some(Components::Mle),
        _ => None,
    })?;
    let components = components.unwrap_or(Components::All);
    Ok(Box::new(Pca { components, whiten: params.flag("whiten", false)? }))
}

impl Step for Pca {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        for input in inputs {
            numeric::check_arithmetic(input).map_err(|e| e.in_column(&input.name))?;
        }
        let names: Arc<[String]> = inputs.iter().map(|input| input.name.clone()).collect();
        if let Components::Count(count) = self.components
            && count > names.len()
        {
            return Err(too_many(count, names.len(), "columns"));
        }
        Ok(Box::new(Fitting { step: *self, names, count: 0, sums: Vec::new(), products: Vec::new() }))
    }
}

fn too_many(asked: usize, there: usize, of: &str) -> Error {
    Error::contradiction(format!(
        "`n_components = {asked}` is more than the {there} {of} there are; lower it"
    ))
}

/// The state, of which the sums are made once there is a row to add.
struct Fitting {
    step: Pca,
    names: Arc<[String]>,
    count: u64,
    /// Σx of each column.
    sums: Vec<ExactSum>,
    /// Σxy of each pair of columns, the first with itself and all behind it, then the second, and so on.
    products: Vec<ExactProductSum>,
}

/// The columns of the output, in the place of the first input.
fn outputs(inputs: usize, components: usize) -> Vec<Vec<Column>> {
    let mut outputs = vec![Vec::new(); inputs];
    if let Some(first) = outputs.first_mut() {
        *first = (0..components).map(|i| Column::float64(format!("pca{i}"))).collect();
    }
    outputs
}

impl BoundStep for Fitting {
    fn preview(&self) -> Preview {
        let (components, is_final) = match self.step.components {
            Components::Count(count) => (count, true),
            // There may be fewer rows than columns.
            Components::All => (self.names.len(), false),
            Components::Share(_) | Components::Mle => (0, false),
        };
        Preview { columns: outputs(self.names.len(), components), is_final }
    }

    fn start(self: Box<Self>) -> Box<dyn FitState> {
        self
    }
}

/// The values of every column as finite floats, none of them missing.
fn complete(names: &[String], inputs: &[ArrayRef], first_row: u64) -> Result<Vec<Float64Array>, Error> {
    let columns = inputs
        .iter()
        .zip(names)
        .map(|(values, name)| numeric::complete(values, first_row).map_err(|e| e.in_column(name)));
    columns.collect()
}

impl Fitting {
    fn pairs(&self) -> usize {
        self.names.len() * (self.names.len() + 1) / 2
    }

    fn make_sums(&mut self) {
        self.sums.resize_with(self.names.len(), ExactSum::new);
        self.products.resize_with(self.pairs(), ExactProductSum::new);
    }

    /// The covariance (ddof 1) divided by 4^`half`, and the `half` that leaves its largest entry near 1.
    fn covariance(&self) -> (Vec<Vec<f64>>, i64) {
        let n = self.names.len();
        let divisor = BigUint::from(self.count) * BigUint::from(self.count.saturating_sub(1).max(1));
        let places: Vec<(usize, usize)> = (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).collect();
        let centred = |(i, j): (usize, usize), product: &ExactProductSum| {
            product.centred(self.count, &self.sums[i], &self.sums[j])
        };
        let diagonal = places.iter().zip(&self.products).filter(|((i, j), _)| i == j);
        let sizes = diagonal.filter_map(|(place, product)| {
            let (numerator, exponent) = centred(*place, product);
            (!numerator.is_zero()).then(|| numerator.bits() as i64 + exponent - divisor.bits() as i64)
        });
        let half = sizes.max().unwrap_or(0).div_euclid(2);
        let mut matrix = vec![vec![0.0; n]; n];
        for ((i, j), product) in places.into_iter().zip(&self.products) {
            let (numerator, exponent) = centred((i, j), product);
            let entry = round_ratio(&numerator, &divisor, exponent - 2 * half);
            (matrix[i][j], matrix[j][i]) = (entry, entry);
        }
        (matrix, half)
    }

    /// How many components stay, of these variances.
    fn components(&self, variances: &[f64]) -> Result<usize, Error> {
        let rows = usize::try_from(self.count).unwrap_or(usize::MAX);
        let most = self.names.len().min(rows);
        match self.step.components {
            Components::All => Ok(most),
            Components::Count(count) if count > rows => Err(too_many(count, rows, "rows")),
            Components::Count(count) => Ok(count),
            Components::Share(share) => {
                let total: f64 = variances.iter().sum();
                let mut explained = 0.0;
                let enough = variances.iter().position(|variance| {
                    explained += variance / total;
                    explained > share
                });
                Ok(enough.map_or(most, |last| (last + 1).min(most)))
            }
            Components::Mle if rows < self.names.len() => Err(Error::contradiction(format!(
                "`n_components = \"mle\"` needs as many rows as columns, and there are {rows} for {}; give a number",
                self.names.len()
            ))),
            Components::Mle => Ok(likeliest_dimension(variances, self.count as f64)),
        }
    }
}

impl FitState for Fitting {
    fn update(&mut self, inputs: &[ArrayRef], first_row: u64) -> Result<(), Error> {
        let columns = complete(&self.names, inputs, first_row)?;
        let rows = columns.first().map_or(0, |column| column.values().len());
        if rows == 0 {
            return Ok(());
        }
        self.make_sums();
        self.count += rows as u64;
        for (sum, column) in self.sums.iter_mut().zip(&columns) {
            sum.add_slice(column.values());
        }
        let mut products = self.products.iter_mut();
        for (i, left) in columns.iter().enumerate() {
            for (right, product) in columns[i..].iter().zip(&mut products) {
                product.add_slices(left.values(), right.values());
            }
        }
        Ok(())
    }

    fn identity(&self) -> Box<dyn FitState> {
        let names = Arc::clone(&self.names);
        Box::new(Fitting { step: self.step, names, count: 0, sums: Vec::new(), products: Vec::new() })
    }

    fn merge(&mut self, other: Box<dyn FitState>) {
        let other: Box<dyn Any> = other;
        let other = other.downcast::<Self>().expect("only states of one step are merged");
        if other.count == 0 {
            return;
        }
        self.make_sums();
        self.count += other.count;
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| sum.merge(other));
        self.products.iter_mut().zip(&other.products).for_each(|(sum, other)| sum.merge(other));
    }

    /// The number of rows, the sums and those of products.
    fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        state_text::write(&(self.count, &self.sums, &self.products), out)
    }

    fn decode(&self, seen: &str) -> Result<Box<dyn FitState>, Error> {
        let (count, sums, products): (u64, Vec<ExactSum>, Vec<ExactProductSum>) = state_text::read(seen)?;
        let (columns, pairs) = if count == 0 { (0, 0) } else { (self.names.len(), self.pairs()) };
        if sums.len() != columns || products.len() != pairs || count > MOST_ROWS {
            return Err(state_text::contradiction());
        }
        Ok(Box::new(Fitting { step: self.step, names: Arc::clone(&self.names), count, sums, products }))
    }

    /// Of all sums, though they are made with the first row only: so they are refused before they are there.
    fn heap_bytes(&self) -> usize {
        let sum = size_of::<ExactSum>() + ExactSum::new().heap_bytes();
        let product = size_of::<ExactProductSum>() + ExactProductSum::new().heap_bytes();
        self.names.len() * sum + self.pairs() * product
    }

    fn finish(self: Box<Self>) -> Result<Fit, Error> {
        if self.count == 0 {
            return Err(Error::contradiction(
                "there is no row to find components of; fit on data that has rows",
            ));
        }
        let means = self.sums.iter().map(|sum| {
            let (numerator, exponent) = sum.to_big();
            round_ratio(&numerator, &self.count.into(), exponent.into())
        });
        let means: Vec<f64> = means.collect();
        let (covariance, half) = self.covariance();
        let Eigen { mut values, mut vectors } = jacobi::decompose(covariance);
        // A covariance has no negative eigenvalue but by rounding.
        values.iter_mut().for_each(|value| *value = value.max(0.0));
        let variances: Vec<f64> = values.iter().map(|value| times_power_of_two(*value, 2 * half)).collect();
        let components = self.components(&variances)?;
        vectors.truncate(components);
        vectors.iter_mut().for_each(|vector| point_forward(vector));
        let std_devs =
            values.iter().take(components).map(|value| times_power_of_two(value.sqrt(), half).min(f64::MAX));
        let learnt =
            Learnt { means, components: vectors, std_devs: std_devs.collect(), whiten: self.step.whiten };
        Ok(Fit::Done(Box::new(Projection { names: Arc::clone(&self.names), learnt })))
    }
}

/// `value`·2^`power`, rounded once.
fn times_power_of_two(value: f64, power: i64) -> f64 {
    let (mantissa, exponent, sign) = value.integer_decode();
    round_ratio(&(BigInt::from(mantissa) * sign), &BigUint::from(1u8), i64::from(exponent) + power)
}

/// Gives a component the sign that makes its entry of largest magnitude positive; of entries that differ from it
/// by rounding only, the first.
fn point_forward(component: &mut [f64]) {
    let largest = component.iter().fold(0.0, |largest: f64, entry| largest.max(entry.abs()));
    let first = component.iter().find(|entry| entry.abs() >= largest * (1.0 - 1e-10));
    if first.is_some_and(|entry| *entry < 0.0) {
        component.iter_mut().for_each(|entry| *entry = 0.0 - *entry);
    }
}

/// How many components are likeliest, of these variances of as many columns: T. P. Minka, "Automatic choice of
/// dimensionality for PCA", 2000, as the class computes it.
fn likeliest_dimension(variances: &[f64], rows: f64) -> usize {
    let mut best = (f64::NEG_INFINITY, 0);
    for rank in 1..variances.len() {
        let evidence = log_evidence(variances, rank, rows);
        if evidence > best.0 {
            best = (evidence, rank);
        }
    }
    best.1
}

/// The logarithm of the evidence for `rank` components, below the number of columns.
fn log_evidence(variances: &[f64], rank: usize, rows: f64) -> f64 {
    use std::f64::consts::{LN_2, PI};
    const LEAST: f64 = 1e-15;
    let columns = variances.len() as f64;
    let (kept, left_out) = variances.split_at(rank);
    if kept.last().is_some_and(|variance| *variance < LEAST) {
        return f64::NEG_INFINITY;
    }
    let k = rank as f64;
    let half_dimensions = (0..rank).map(|i| (columns - i as f64) / 2.0);
    let prior = half_dimensions.map(|half| ln_gamma(half) - PI.ln() * half).sum::<f64>() - k * LN_2;
    let noise = (left_out.iter().sum::<f64>() / (columns - k)).max(LEAST);
    let likelihood = -rows / 2.0 * (kept.iter().map(|v| v.ln()).sum::<f64>() + noise.ln() * (columns - k));
    let rotations = columns * k - k * (k + 1.0) / 2.0;
    let mut curvature = 0.0;
    for (i, variance) in kept.iter().enumerate() {
        for (j, other) in variances.iter().enumerate().skip(i + 1) {
            let damped = if j < rank { *other } else { noise };
            curvature += ((variance - other) * (1.0 / damped - 1.0 / variance)).ln() + rows.ln();
        }
    }
    prior + likelihood + (2.0 * PI).ln() * (rotations + k) / 2.0 - curvature / 2.0 - k * rows.ln() / 2.0
}

/// What is learnt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Learnt {
    /// Of each column.
    means: Vec<f64>,
    /// An entry for each column in each of them.
    components: Vec<Vec<f64>>,
    /// Of each component, the root of the variance that it explains.
    std_devs: Vec<f64>,
    whiten: bool,
}

/// What is learnt, with the names of the columns.
#[derive(Clone, Debug)]
struct Projection {
    names: Arc<[String]>,
    learnt: Learnt,
}

/// Reads what [`encode`](FittedStep::encode) wrote of the columns `inputs`.
pub(super) fn decode(learnt: &str, inputs: &[String]) -> Result<Box<dyn FittedStep>, Error> {
    let damaged = |message: String| Error::new(ErrorKind::Archive { message });
    let learnt: Learnt = sealed::learnt(learnt)?;
    let Learnt { means, components, std_devs, .. } = &learnt;
    let is_sound = !inputs.is_empty()
        && means.len() == inputs.len()
        && components.iter().all(|component| component.len() == inputs.len())
        && components.len() <= inputs.len()
        && std_devs.len() == components.len()
        && std_devs.iter().all(|deviation| *deviation >= 0.0);
    if !is_sound {
        return Err(damaged("what a step learnt contradicts itself; fit again".to_owned()));
    }
    Ok(Box::new(Projection { names: inputs.into(), learnt }))
}

impl FittedStep for Projection {
    fn outputs(&self, inputs: &[Column], _: bool) -> Result<Vec<Vec<OutputColumn>>, Error> {
        for input in inputs {
            numeric::check_arithmetic(input).map_err(|e| e.in_column(&input.name))?;
        }
        let outputs = outputs(inputs.len(), self.width());
        Ok(outputs.into_iter().map(|group| group.into_iter().map(OutputColumn::plain).collect()).collect())
    }

    fn transform(
        &self,
        inputs: &[ArrayRef],
        _: &[Vec<Column>],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let columns = complete(&self.names, inputs, first_row)?;
        let rows = columns.first().map_or(0, |column| column.values().len());
        let Learnt { means, components, std_devs, whiten } = &self.learnt;
        let project = |(component, std_dev): (&Vec<f64>, &f64)| -> ArrayRef {
            let mut projected = vec![0.0; rows];
            for ((column, mean), weight) in columns.iter().zip(means).zip(component) {
                projected.iter_mut().zip(column.values()).for_each(|(sum, x)| *sum += (x - mean) * weight);
            }
            if *whiten {
                // A component without variance is noise, which the class keeps from blowing up as well.
                let scale = std_dev.max(f64::EPSILON);
                projected.iter_mut().for_each(|value| *value /= scale);
            }
            Arc::new(Float64Array::from(projected))
        };
        Ok(components.iter().zip(std_devs).map(project).collect())
    }

    fn learnt(&self) -> Box<dyn erased_serde::Serialize + '_> {
        Box::new(&self.learnt)
    }

    fn width(&self) -> usize {
        self.learnt.components.len()
    }

    fn heap_bytes(&self) -> usize {
        let floats = self.learnt.means.len() * (self.width() + 1) + self.width();
        let names = self.names.iter().map(|name| size_of::<String>() + name.capacity());
        floats * size_of::<f64>() + self.width() * size_of::<Vec<f64>>() + names.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Offsets, values that cancel, subnormals and values near the ends of the range.
    fn hard_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -10.0..10.0,
            (-100i32..100).prop_map(|step| 1e15 + f64::from(step) / 8.0),
            prop::sample::select(vec![1e300, -1e300, 1e-300, 0.0, -0.0]),
            (0u64..1 << 52).prop_map(f64::from_bits),
        ]
    }

    fn of(rows: &[Vec<f64>]) -> Fitting {
        let step = Pca { components: Components::All, whiten: false };
        let names: Arc<[String]> = ["a", "b", "c"].map(str::to_owned).into();
        let mut fitting = Fitting { step, names, count: 0, sums: Vec::new(), products: Vec::new() };
        let column = |i: usize| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row[i])))
        };
        fitting.update(&[column(0), column(1), column(2)], 0).unwrap();
        fitting
    }

    /// In units of 2^−1074.
    fn units(value: f64) -> BigInt {
        let (mantissa, exponent, sign) = value.integer_decode();
        (BigInt::from(mantissa) * sign) << (exponent + 1075) >> 1
    }

    proptest! {
        #[test]
        fn the_covariance_is_that_of_rational_arithmetic(
            rows in prop::collection::vec(prop::collection::vec(hard_value(), 3), 2..20),
        ) {
            let (found, half) = of(&rows).covariance();
            let n = BigInt::from(rows.len());
            let columns: Vec<Vec<BigInt>> = (0..3).map(|i| rows.iter().map(|row| units(row[i])).collect()).collect();
            let sums: Vec<BigInt> = columns.iter().map(|column| column.iter().sum()).collect();
            // Σ(n·x − Σx)(n·y − Σy) is n²·(n − 1) times the covariance.
            let divisor = (n.pow(2) * (&n - 1u8)).magnitude().clone();
            for i in 0..3 {
                for j in 0..3 {
                    let pairs = columns[i].iter().zip(&columns[j]);
                    let sum: BigInt = pairs.map(|(x, y)| (x * &n - &sums[i]) * (y * &n - &sums[j])).sum();
                    prop_assert_eq!(found[i][j], round_ratio(&sum, &divisor, -2148 - 2 * half));
                }
            }
            let largest = (0..3).map(|i| found[i][i]).fold(0.0, f64::max);
            prop_assert!(largest == 0.0 || (0.01..10.0).contains(&largest), "{}", largest);
        }

        #[test]
        fn states_form_a_commutative_monoid(
            rows in prop::collection::vec(prop::collection::vec(hard_value(), 3), 0..20),
            cuts in prop::array::uniform2(any::<prop::sample::Index>()),
        ) {
            let mut cuts = cuts.map(|cut| cut.index(rows.len() + 1));
            cuts.sort_unstable();
            let parts = || [&rows[..cuts[0]], &rows[cuts[0]..cuts[1]], &rows[cuts[1]..]].map(of);
            let merged = |mut left: Fitting, right: Fitting| {
                left.merge(Box::new(right));
                left
            };
            let sums = |state: &Fitting| (state.count, state.sums.clone(), state.products.clone());
            let (whole, [a, b, c]) = (of(&rows), parts());
            let left = merged(merged(a, b), c);
            prop_assert_eq!(sums(&left), sums(&whole));
            let [a, b, c] = parts();
            prop_assert_eq!(sums(&merged(c, merged(b, a))), sums(&whole));
            prop_assert_eq!(sums(&merged(of(&[]), of(&rows))), sums(&whole));
            prop_assert_eq!(sums(&merged(of(&rows), of(&[]))), sums(&whole));
        }
    }

    #[test]
    fn the_sign_is_that_of_the_largest_entry() {
        let forward = |mut component: Vec<f64>| {
            point_forward(&mut component);
            component
        };
        assert_eq!(forward(vec![0.6, -0.8]), [-0.6, 0.8]);
        assert_eq!(forward(vec![-0.6, 0.0, 0.8]), [-0.6, 0.0, 0.8]);
        let half = 0.5f64.sqrt();
        assert_eq!(forward(vec![-half, half.next_up()]), [half, -half.next_up()]);
    }

    /// sklearn.decomposition._pca._assess_dimension, scikit-learn 1.9.1.
    const EVIDENCE: [(usize, f64); 4] = [
        (1, -333.2369271368642),
        (2, -270.01579568880396),
        (3, -272.95212566507826),
        (4, -275.5106252840989),
    ];

    #[test]
    fn evidence_is_that_of_the_class() {
        let variances = [9.0, 4.0, 1.0, 0.9, 0.8];
        for (rank, expected) in EVIDENCE {
            let found = log_evidence(&variances, rank, 150.0);
            assert!((found - expected).abs() < 1e-9, "{rank}: {found}");
        }
        assert_eq!(likeliest_dimension(&variances, 150.0), 2);
        assert_eq!(likeliest_dimension(&[3.0], 10.0), 0);
    }
}
