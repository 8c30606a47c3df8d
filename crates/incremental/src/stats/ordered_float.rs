use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A float64 that is not NaN, with a total order and a hash: −0.0 is 0.0, infinities are the ends.
///
/// It is kept as an integer that orders as the floats do, so the top bits of that integer are a
/// coarser value on the same scale.
///
/// ```
/// # use incremental::stats::OrderedFloat;
/// let zero = OrderedFloat::new(-0.0).unwrap();
/// assert_eq!(zero, OrderedFloat::new(0.0).unwrap());
/// assert!(zero > OrderedFloat::new(-5e-324).unwrap());
/// assert_eq!(OrderedFloat::new(f64::NAN), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderedFloat(u64);

const SIGN: u64 = 1 << 63;

impl OrderedFloat {
    /// `None` for NaN.
    #[inline]
    pub fn new(value: f64) -> Option<Self> {
        if value.is_nan() {
            return None;
        }
        // IEEE 754: −0.0 + 0.0 is 0.0, and nothing else changes.
        let bits = (value + 0.0).to_bits();
        let negative = (bits as i64 >> 63) as u64;
        Some(Self(bits ^ (negative | SIGN)))
    }

    /// The float, never −0.0 or NaN.
    #[inline]
    pub fn get(self) -> f64 {
        let negative = !((self.0 as i64 >> 63) as u64);
        f64::from_bits(self.0 ^ (negative | SIGN))
    }

    /// The integer that orders as the floats do.
    #[inline]
    pub(super) fn ordinal(self) -> u64 {
        self.0
    }

    /// The float at an ordinal that ends in as many zeros of its magnitude as were cut off.
    pub(super) fn nearest_to_zero(ordinal: u64) -> f64 {
        Self(ordinal).get() + 0.0
    }

    /// The inverse of `ordinal`; `None` for an integer that belongs to NaN or −0.0.
    pub(super) fn from_ordinal(ordinal: u64) -> Option<Self> {
        Self::new(Self(ordinal).get()).filter(|float| float.0 == ordinal)
    }
}

impl fmt::Debug for OrderedFloat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), formatter)
    }
}

/// As text with the fewest digits that read back to the same bits: exact in every format, infinities
/// too, and a person can read it.
impl Serialize for OrderedFloat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OrderedFloat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().ok().and_then(Self::new).ok_or_else(|| {
            D::Error::custom(format_args!("expected a float64 that is not NaN, found \"{text}\""))
        })
    }
}

impl fmt::Display for OrderedFloat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), formatter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_is_that_of_floats(left in any::<u64>(), right in any::<u64>()) {
            let (left, right) = (f64::from_bits(left), f64::from_bits(right));
            prop_assume!(!left.is_nan() && !right.is_nan());
            let ordered = OrderedFloat::new(left).unwrap().cmp(&OrderedFloat::new(right).unwrap());
            prop_assert_eq!(ordered, left.partial_cmp(&right).unwrap());
        }

        #[test]
        fn floats_come_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            let ordered = OrderedFloat::new(value).unwrap();
            prop_assert_eq!(ordered.get(), value);
            prop_assert_eq!(OrderedFloat::from_ordinal(ordered.ordinal()), Some(ordered));
            let text = serde_json::to_string(&ordered).unwrap();
            prop_assert_eq!(serde_json::from_str::<OrderedFloat>(&text).unwrap(), ordered);
        }
    }

    #[test]
    fn there_is_one_zero_and_no_nan() {
        assert_eq!(OrderedFloat::new(-0.0).unwrap().get().to_bits(), 0);
        assert_eq!(OrderedFloat::from_ordinal(0), None);
        assert_eq!(OrderedFloat::from_ordinal(SIGN - 1), None);
        assert_eq!(OrderedFloat::from_ordinal(SIGN).unwrap().get(), 0.0);
        assert_eq!(serde_json::to_string(&OrderedFloat::new(12.5)).unwrap(), "\"12.5\"");
        for text in ["\"NaN\"", "\"twelve\"", "\"\""] {
            let error = serde_json::from_str::<OrderedFloat>(text).unwrap_err();
            let expected = format!("expected a float64 that is not NaN, found {text}");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }
}
