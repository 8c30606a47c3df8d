use num_bigint::{BigInt, BigUint, Sign};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::allocation::allocated;
use super::exact_sum::split;
use super::superaccumulator::{deserialize_hexadecimal, out_of_range, serialize_hexadecimal};

const WORD_BITS: u32 = u64::BITS;

/// The exact sum of numbers, in as many words as lie between the first and the last digit that any of them or
/// their sum has: two's complement in units of 2^(64·`low` + `LOWEST`).
#[derive(Clone, Debug, Default)]
struct CompactSum<const LOWEST: i32> {
    words: Vec<u64>,
    low: u32,
}

impl<const LOWEST: i32> CompactSum<LOWEST> {
    /// Adds ±`magnitude`·2^(`position` + `LOWEST`).
    fn add(&mut self, magnitude: u128, position: u32, is_negative: bool) {
        if magnitude == 0 {
            return;
        }
        let (word, shift) = (position / WORD_BITS, position % WORD_BITS);
        let low = magnitude << shift;
        let high = if shift == 0 { 0 } else { (magnitude >> (u128::BITS - shift)) as u64 };
        let mut addend = [low as u64, (low >> WORD_BITS) as u64, high];
        if is_negative {
            negate(&mut addend);
        }
        // Words that say no more than the sign are left out.
        let sign = extension(is_negative);
        let says_more = |i: usize| addend[i] != sign || addend[i - 1] >> 63 != sign & 1;
        let used = (1..3).rev().find(|i| says_more(*i)).map_or(1, |i| i + 1);
        self.add_words(word, &addend[..used], is_negative);
    }

    /// Adds a number in two's complement whose first word is the `word`-th.
    fn add_words(&mut self, word: u32, addend: &[u64], is_negative: bool) {
        if self.words.is_empty() {
            self.low = word;
        }
        let below = self.low.saturating_sub(word) as usize;
        let place = word.saturating_sub(self.low) as usize;
        let above = (place + addend.len()).saturating_sub(below + self.words.len());
        let was_negative = self.is_negative();
        self.words.reserve_exact(below + above);
        self.words.splice(..0, std::iter::repeat_n(0, below));
        self.words.extend(std::iter::repeat_n(extension(was_negative), above));
        self.low = self.low.min(word);
        let mut carry = false;
        let addend = addend.iter().copied().chain(std::iter::repeat(extension(is_negative)));
        for (word, more) in self.words[place..].iter_mut().zip(addend) {
            let (sum, over) = word.overflowing_add(more);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, over || over_again);
        }
        // Two numbers of one sign have a sum of that sign.
        if was_negative == is_negative && self.is_negative() != is_negative {
            self.words.reserve_exact(1);
            self.words.push(extension(is_negative));
        }
    }

    fn merge(&mut self, other: &Self) {
        if !other.words.is_empty() {
            self.add_words(other.low, &other.words, other.is_negative());
        }
    }

    fn is_negative(&self) -> bool {
        self.words.last().is_some_and(|word| word >> 63 == 1)
    }

    /// The exponent of the unit; `None` for a sum of nothing.
    fn exponent(&self) -> Option<i64> {
        (!self.words.is_empty()).then(|| i64::from(self.low * WORD_BITS) + i64::from(LOWEST))
    }

    /// The sum in units of 2^`exponent`, which is no larger than its own unit.
    fn in_units(&self, exponent: i64) -> BigInt {
        let Some(own) = self.exponent() else { return BigInt::ZERO };
        let mut words = self.words.clone();
        if self.is_negative() {
            negate(&mut words);
        }
        let digits = words.into_iter().flat_map(|word| [word as u32, (word >> 32) as u32]);
        let magnitude = BigUint::new(digits.collect());
        let sign = if self.is_negative() { Sign::Minus } else { Sign::Plus };
        BigInt::from_biguint(sign, magnitude) << (own - exponent) as u64
    }

    fn heap_bytes(&self) -> usize {
        allocated(self.words.capacity() * size_of::<u64>())
    }
}

/// By value alone, as a [superaccumulator](super::superaccumulator) is: how many words a sum has depends on its history.
impl<const LOWEST: i32> Serialize for CompactSum<LOWEST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let exponent = self.exponent().unwrap_or(0);
        let mantissa = self.in_units(exponent);
        // The exponent of zero, and of what ends in zeros, is the value's own.
        let zeros = mantissa.trailing_zeros();
        let exponent = zeros.map_or(0, |zeros| exponent + zeros as i64);
        serialize_hexadecimal(&(mantissa >> zeros.unwrap_or(0)), exponent as i32, serializer)
    }
}

impl<'de, const LOWEST: i32> Deserialize<'de> for CompactSum<LOWEST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mantissa, exponent) = deserialize_hexadecimal(deserializer)?;
        if mantissa.sign() == Sign::NoSign {
            return Ok(Self::default());
        }
        // As many values as there may be, all as large as a value or its square can be.
        let most = i64::from(LOWEST / -1074) * i64::from(f64::MAX_EXP) + i64::from(u64::BITS);
        let position = i64::from(exponent) - i64::from(LOWEST);
        let end = i64::try_from(mantissa.bits()).ok().and_then(|bits| bits.checked_add(exponent.into()));
        if position < 0 || end.is_none_or(|end| end > most) {
            return Err(out_of_range());
        }
        let (word, shift) = (position / i64::from(WORD_BITS), position % i64::from(WORD_BITS));
        let mut words = (mantissa.magnitude() << shift as u64).to_u64_digits();
        // Room for the sign.
        words.push(0);
        let is_negative = mantissa.sign() == Sign::Minus;
        if is_negative {
            negate(&mut words);
        }
        let mut sum = Self::default();
        sum.add_words(word as u32, &words, is_negative);
        Ok(sum)
    }
}

/// The word that repeats the sign of a number in two's complement.
fn extension(is_negative: bool) -> u64 {
    if is_negative { u64::MAX } else { 0 }
}

fn negate(words: &mut [u64]) {
    let mut carry = true;
    for word in words {
        (*word, carry) = (!*word).overflowing_add(u64::from(carry));
    }
}

/// Count, Σx and Σx² of finite numbers, exact as those of [`Moments`](super::Moments), in a tenth of its memory:
/// mostly 200 bytes. For many groups of a few rows each.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CompactMoments {
    count: u64,
    sum: CompactSum<-1074>,
    squares: CompactSum<-2148>,
}

impl CompactMoments {
    /// Adds a value, and its square too if `with_square`.
    ///
    /// # Panics
    /// If the value is not finite.
    pub(crate) fn add(&mut self, value: f64, with_square: bool) {
        let parts = split(value).expect("values are finite");
        self.count += 1;
        let (mantissa, position) = (u128::from(parts.mantissa), parts.position as u32);
        self.sum.add(mantissa, position, parts.sign != 0);
        if with_square {
            self.squares.add(mantissa * mantissa, 2 * position, false);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// An exponent of which the unit of the sum is a multiple, and with its double that of the squares.
    pub(crate) fn exponent(&self) -> i64 {
        let squares = self.squares.exponent().map(|exponent| exponent.div_euclid(2));
        self.sum.exponent().into_iter().chain(squares).min().unwrap_or(0)
    }

    /// Σx in units of 2^`exponent` and Σx² in units of 2^(2·`exponent`), for an exponent no larger than
    /// [`exponent`](Self::exponent).
    pub(crate) fn in_units(&self, exponent: i64) -> (BigInt, BigInt) {
        (self.sum.in_units(exponent), self.squares.in_units(2 * exponent))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.sum.heap_bytes() + self.squares.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use num_traits::Float;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The lowest unit of both sums.
    const LOWEST: i64 = -1088;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -10.0..10.0,
            (-100i32..100).prop_map(|step| 1e15 + f64::from(step) / 8.0),
            prop_oneof![
                Just(1e300),
                Just(-1e300),
                Just(5e-324),
                Just(0.0),
                Just(-0.0),
                Just(-1.0),
                Just(f64::MAX)
            ],
            any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
        ]
    }

    fn of(values: &[f64]) -> CompactMoments {
        let mut moments = CompactMoments::default();
        values.iter().for_each(|value| moments.add(*value, true));
        moments
    }

    fn results(moments: &CompactMoments) -> (u64, BigInt, BigInt) {
        assert!(LOWEST <= moments.exponent());
        let (sum, squares) = moments.in_units(LOWEST);
        (moments.count(), sum, squares)
    }

    fn merged(mut left: CompactMoments, right: &CompactMoments) -> CompactMoments {
        left.merge(right);
        left
    }

    proptest! {
        #[test]
        fn sums_are_those_of_big_integers(values in vec(value(), 0..30)) {
            let units = values.iter().map(|value| {
                let (mantissa, exponent, sign) = Float::integer_decode(*value);
                (BigInt::from(mantissa) * sign) << (i64::from(exponent) - LOWEST) as u64
            });
            let units: Vec<BigInt> = units.collect();
            let squares: BigInt = units.iter().map(|unit| unit * unit).sum();
            let sum: BigInt = units.iter().sum();
            prop_assert_eq!(results(&of(&values)), (values.len() as u64, sum, squares));
        }

        #[test]
        fn states_form_a_commutative_monoid(
            first in vec(value(), 0..12),
            second in vec(value(), 0..12),
            third in vec(value(), 0..12),
        ) {
            let (a, b, c) = (of(&first), of(&second), of(&third));
            let left = results(&merged(merged(a.clone(), &b), &c));
            prop_assert_eq!(&left, &results(&merged(a.clone(), &merged(b.clone(), &c))));
            prop_assert_eq!(results(&merged(a.clone(), &b)), results(&merged(b, &a)));
            prop_assert_eq!(results(&merged(a.clone(), &CompactMoments::default())), results(&a));
            prop_assert_eq!(results(&merged(CompactMoments::default(), &a)), results(&a));
            prop_assert_eq!(&left, &results(&of(&[first, second, third].concat())));
        }
    }

    #[test]
    fn ordinary_values_take_few_words() {
        let moments = of(&[12.5, -0.1, 3e4, 7.75, 1e-3]);
        assert!(moments.heap_bytes() <= 96, "{}", moments.heap_bytes());
        assert_eq!(of(&[]).heap_bytes(), 0);
    }
}
