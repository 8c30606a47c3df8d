use serde::{Deserialize, Serialize};

use super::ordered_float::OrderedFloat;

/// The least and the greatest value of a column.
///
/// NaN stands for a missing value and is skipped; infinities count. Zeros are one value, given as
/// +0.0 whatever signs were seen, so the result depends on no order.
///
/// ```
/// # use incremental::stats::Extrema;
/// let mut extrema = Extrema::new();
/// extrema.update(&[3.0, f64::NAN, -1.5]);
/// assert_eq!((extrema.min(), extrema.max()), (Some(-1.5), Some(3.0)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Option<(OrderedFloat, OrderedFloat)>", into = "Option<(OrderedFloat, OrderedFloat)>")]
pub struct Extrema {
    /// Least and greatest, once there is a value.
    range: Option<(OrderedFloat, OrderedFloat)>,
}

impl Extrema {
    /// The extrema of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds values; NaN is skipped.
    pub fn update(&mut self, values: &[f64]) {
        // The minimum of a float and NaN is the float, so the loop has no branch; without a value the
        // ends stay crossed.
        let (min, max) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), &value| (min.min(value), max.max(value)));
        if min <= max {
            self.widen(OrderedFloat::new(min).zip(OrderedFloat::new(max)));
        }
    }

    /// Adds one value; NaN is skipped.
    pub fn add(&mut self, value: f64) {
        self.update(&[value]);
    }

    /// Adds what another state holds.
    pub fn merge(&mut self, other: &Self) {
        self.widen(other.range);
    }

    fn widen(&mut self, range: Option<(OrderedFloat, OrderedFloat)>) {
        self.range = match (self.range, range) {
            (Some((min, max)), Some((other_min, other_max))) => {
                Some((min.min(other_min), max.max(other_max)))
            }
            (own, other) => own.or(other),
        };
    }

    /// The least value; `None` for no values.
    pub fn min(&self) -> Option<f64> {
        self.range.map(|(min, _)| min.get())
    }

    /// The greatest value; `None` for no values.
    pub fn max(&self) -> Option<f64> {
        self.range.map(|(_, max)| max.get())
    }

    /// Bytes held on the heap: none.
    pub fn heap_bytes(&self) -> usize {
        0
    }
}

impl From<Extrema> for Option<(OrderedFloat, OrderedFloat)> {
    fn from(extrema: Extrema) -> Self {
        extrema.range
    }
}

impl TryFrom<Option<(OrderedFloat, OrderedFloat)>> for Extrema {
    type Error = &'static str;

    fn try_from(range: Option<(OrderedFloat, OrderedFloat)>) -> Result<Self, Self::Error> {
        match range {
            Some((min, max)) if min > max => {
                Err("expected extrema with the least value first, found the greater one there")
            }
            _ => Ok(Self { range }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Extrema {
        let mut extrema = Extrema::new();
        extrema.update(values);
        extrema
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let special = prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        prop::collection::vec(prop_oneof![special, any::<u64>().prop_map(f64::from_bits), -2.0..2.0], 0..12)
    }

    proptest! {
        #[test]
        fn extrema_are_the_ends_of_the_sorted_values(values in values()) {
            let mut sorted: Vec<f64> = values.iter().filter(|value| !value.is_nan()).map(|value| value + 0.0).collect();
            sorted.sort_by(f64::total_cmp);
            let extrema = of(&values);
            prop_assert_eq!(extrema.min().map(f64::to_bits), sorted.first().map(|value| value.to_bits()));
            prop_assert_eq!(extrema.max().map(f64::to_bits), sorted.last().map(|value| value.to_bits()));
        }

        #[test]
        fn any_cut_and_order_gives_the_same_state(first in values(), second in values()) {
            let mut merged = of(&second);
            merged.merge(&of(&first));
            prop_assert_eq!(&merged, &of(&[first, second].concat()));
            let text = serde_json::to_string(&merged).unwrap();
            prop_assert_eq!(serde_json::from_str::<Extrema>(&text).unwrap(), merged);
        }
    }

    #[test]
    fn crossed_ends_are_refused() {
        let error = serde_json::from_str::<Extrema>("[\"1.0\",\"0.0\"]").unwrap_err().to_string();
        assert_eq!(error, "expected extrema with the least value first, found the greater one there");
    }
}
