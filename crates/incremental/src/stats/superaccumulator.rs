use std::str::FromStr;

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{Num, Zero};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bits by which neighbouring chunks differ.
const CHUNK_BITS: usize = 32;
const CHUNK_MASK: i64 = (1 << CHUNK_BITS) - 1;

/// Additions between two carry passes.
///
/// A chunk is below 2^32 after a pass, and one addition changes it by less than 2^52, so with the
/// carry that the next pass brings in it stays below 2^32 + 2046·2^52 + 2^31 < 2^63.
const MAX_PENDING: usize = 2046;

/// A fixed-point integer in units of 2^`LOWEST`, wide enough that adding float64 values (or their
/// squares) neither rounds nor overflows.
///
/// The value is Σ `chunks[i]`·2^(32·i + `LOWEST`). Chunks are signed 64-bit words of which 32 bits
/// are weight and the rest is room for carries, which are passed on only once in 2046 additions:
/// the small superaccumulator of R. M. Neal, "Fast exact summation using small and large
/// superaccumulators", 2015, <https://arxiv.org/abs/1505.05571>.
#[derive(Clone, Debug)]
pub(super) struct Superaccumulator<const CHUNKS: usize, const LOWEST: i32> {
    chunks: Box<[i64; CHUNKS]>,
    /// Additions since the last carry pass; never above `MAX_PENDING`.
    pending: usize,
}

impl<const CHUNKS: usize, const LOWEST: i32> Superaccumulator<CHUNKS, LOWEST> {
    /// Widest magnitude that a stored state may have. It holds 2^64 of the largest terms, and leaves
    /// the top chunk 31 bits for merging such states.
    const MAX_BITS: u64 = (CHUNK_BITS * CHUNKS) as u64;

    /// How many values may follow one `reserve`.
    pub(super) const BLOCK: usize = MAX_PENDING;

    pub(super) fn new() -> Self {
        Self { chunks: Box::new([0; CHUNKS]), pending: 0 }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<[i64; CHUNKS]>()
    }

    /// Makes room for `additions`, at most `BLOCK`, without a carry pass between them.
    #[inline]
    pub(super) fn reserve(&mut self, additions: usize) {
        debug_assert!(additions <= MAX_PENDING);
        if self.pending + additions > MAX_PENDING {
            self.carry();
        }
        self.pending += additions;
    }

    /// Adds ±`mantissa`·2^(`position` + `LOWEST`); `mantissa` is below 2^53, `sign` is 0 or −1.
    /// The caller has reserved.
    #[inline(always)]
    pub(super) fn add_single(&mut self, mantissa: u64, position: usize, sign: i64) {
        let (index, shift) = (position / CHUNK_BITS, position % CHUNK_BITS);
        let low = ((mantissa << shift) as i64) & CHUNK_MASK;
        let high = (mantissa >> (CHUNK_BITS - shift)) as i64;
        self.chunks[index] += (low ^ sign) - sign;
        self.chunks[index + 1] += (high ^ sign) - sign;
    }

    /// Adds ±`mantissa`·2^(`position` + `LOWEST`); `mantissa` is below 2^106, `sign` is 0 or −1. The caller has
    /// reserved.
    #[inline(always)]
    pub(super) fn add_double(&mut self, mantissa: u128, position: usize, sign: i64) {
        let (index, shift) = (position / CHUNK_BITS, position % CHUNK_BITS);
        let low = ((mantissa as u64) << shift) as i64 & CHUNK_MASK;
        let rest = mantissa >> (CHUNK_BITS - shift);
        let middle = rest as u64;
        self.chunks[index] += (low ^ sign) - sign;
        self.chunks[index + 1] += ((middle as i64 & CHUNK_MASK) ^ sign) - sign;
        self.chunks[index + 2] += ((middle >> CHUNK_BITS) as i64 ^ sign) - sign;
        self.chunks[index + 3] += ((rest >> 64) as i64 ^ sign) - sign;
    }

    /// Adds ±`magnitude`·2^(`position` + `LOWEST`), a word of 32 bits at a time, with a carry pass of
    /// its own: for whole totals, not for single values.
    pub(super) fn add_total(&mut self, magnitude: u128, position: usize, negative: bool) {
        let sign = -i64::from(negative);
        for word in 0..4 {
            self.reserve(1);
            let digits = (magnitude >> (CHUNK_BITS * word)) as u64 & CHUNK_MASK as u64;
            self.add_single(digits, position + CHUNK_BITS * word, sign);
        }
    }

    /// Passes every carry on. Afterwards all chunks but the last are in 0..2^32, and the last carries
    /// the sign, so equal values have equal chunks.
    #[cold]
    #[inline(never)]
    fn carry(&mut self) {
        let mut carry = 0;
        let (top, rest) = self.chunks.split_last_mut().expect("an accumulator has chunks");
        for chunk in rest {
            let sum = *chunk + carry;
            *chunk = sum & CHUNK_MASK;
            carry = sum >> CHUNK_BITS;
        }
        *top += carry;
        self.pending = 0;
    }

    fn carried(&self) -> Self {
        let mut copy = self.clone();
        copy.carry();
        copy
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.carry();
        for (chunk, added) in self.chunks.iter_mut().zip(other.carried().chunks.iter()) {
            *chunk += added;
        }
        self.carry();
    }

    /// The value as `mantissa`·2^`exponent`, the mantissa odd; zero is 0·2^0.
    pub(super) fn to_big(&self) -> (BigInt, i32) {
        let mut copy = self.carried();
        let negative = copy.chunks[CHUNKS - 1] < 0;
        if negative {
            copy.chunks.iter_mut().for_each(|chunk| *chunk = -*chunk);
            copy.carry();
        }
        let top = copy.chunks[CHUNKS - 1] as u64;
        let mut digits: Vec<u32> = copy.chunks[..CHUNKS - 1].iter().map(|&chunk| chunk as u32).collect();
        digits.extend([top as u32, (top >> CHUNK_BITS) as u32]);
        let magnitude = BigUint::new(digits);
        let zeros = magnitude.trailing_zeros().unwrap_or(0);
        if magnitude.is_zero() {
            return (BigInt::zero(), 0);
        }
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        (BigInt::from_biguint(sign, magnitude >> zeros), LOWEST + zeros as i32)
    }

    /// The inverse of `to_big`; `None` when the value needs bits that the accumulator does not have.
    fn from_big(mantissa: &BigInt, exponent: i32) -> Option<Self> {
        let position = u64::try_from(i64::from(exponent) - i64::from(LOWEST)).ok()?;
        let mut accumulator = Self::new();
        if mantissa.is_zero() {
            return Some(accumulator);
        }
        if mantissa.bits().checked_add(position)? > Self::MAX_BITS {
            return None;
        }
        let scaled: BigUint = mantissa.magnitude() << position;
        let sign = if mantissa.sign() == Sign::Minus { -1 } else { 1 };
        for (chunk, digit) in accumulator.chunks.iter_mut().zip(scaled.iter_u32_digits()) {
            *chunk = sign * i64::from(digit);
        }
        accumulator.carry();
        Some(accumulator)
    }
}

impl<const CHUNKS: usize, const LOWEST: i32> PartialEq for Superaccumulator<CHUNKS, LOWEST> {
    fn eq(&self, other: &Self) -> bool {
        self.carried().chunks == other.carried().chunks
    }
}

impl<const CHUNKS: usize, const LOWEST: i32> Eq for Superaccumulator<CHUNKS, LOWEST> {}

/// As a hexadecimal float of unlimited length: `-0x1f3p-12` is −499·2^−12.
impl<const CHUNKS: usize, const LOWEST: i32> Serialize for Superaccumulator<CHUNKS, LOWEST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mantissa, exponent) = self.to_big();
        serialize_hexadecimal(&mantissa, exponent, serializer)
    }
}

impl<'de, const CHUNKS: usize, const LOWEST: i32> Deserialize<'de> for Superaccumulator<CHUNKS, LOWEST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mantissa, exponent) = deserialize_hexadecimal(deserializer)?;
        Self::from_big(&mantissa, exponent).ok_or_else(out_of_range)
    }
}

/// Writes `mantissa`·2^`exponent`.
pub(super) fn serialize_hexadecimal<S: Serializer>(
    mantissa: &BigInt,
    exponent: i32,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let sign = if mantissa.sign() == Sign::Minus { "-" } else { "" };
    serializer.collect_str(&format_args!("{sign}{:#x}p{exponent}", mantissa.magnitude()))
}

/// Reads what [`serialize_hexadecimal`] wrote, of any size.
pub(super) fn deserialize_hexadecimal<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(BigInt, i32), D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_hexadecimal(&text).ok_or_else(|| {
        D::Error::custom(format_args!(
            "expected an exact sum such as \"-0x1f3p-12\", found {} bytes of something else",
            text.len()
        ))
    })
}

/// The error for a sum that no float64 values have.
pub(super) fn out_of_range<E: serde::de::Error>() -> E {
    E::custom("an exact sum is outside the range of sums of float64 values")
}

fn parse_hexadecimal(text: &str) -> Option<(BigInt, i32)> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (Sign::Minus, rest),
        None => (Sign::Plus, text),
    };
    let (digits, exponent) = rest.strip_prefix("0x")?.split_once('p')?;
    // The parser of num-bigint also takes signs and underscores.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = BigUint::from_str_radix(digits, 16).ok()?;
    Some((BigInt::from_biguint(sign, magnitude), i32::from_str(exponent).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Narrow = Superaccumulator<6, -8>;

    fn json(text: &str) -> Result<Narrow, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn text_is_the_exact_value() {
        for (text, mantissa, exponent) in [
            (r#""0x0p0""#, 0, 0),
            (r#""-0x1f3p-3""#, -499, -3),
            (r#""0x1p-8""#, 1, -8),
            (r#""0x5p70""#, 5, 70),
        ] {
            let state = json(text).unwrap();
            assert_eq!(state.to_big(), (BigInt::from(mantissa), exponent));
            assert_eq!(serde_json::to_string(&state).unwrap(), text);
        }
    }

    #[test]
    fn foreign_text_is_refused() {
        let foreign = "expected an exact sum such as \"-0x1f3p-12\", found ";
        for text in ["", "1p0", "0xp0", "0x1", "0x+1p0", "0x1_0p0", "--0x1p0", "0x1p", "0x1p99999999999"] {
            let message = json(&format!("{text:?}")).unwrap_err();
            assert!(message.starts_with(foreign), "{text}: {message}");
        }
        let range = "an exact sum is outside the range of sums of float64 values";
        for text in ["0x1p-9", "0x1p184", "-0x1p2147483647", "0x1p-2147483648"] {
            assert!(json(&format!("{text:?}")).unwrap_err().starts_with(range), "{text}");
        }
        assert!(json(r#""-0x1p183""#).is_ok());
    }

    #[test]
    fn carries_wait_for_the_last_possible_moment() {
        let mut state = Narrow::new();
        let mantissa = (1 << 53) - 1;
        for _ in 0..3 {
            state.reserve(Narrow::BLOCK);
            for _ in 0..Narrow::BLOCK {
                state.add_single(mantissa, 31, -1);
            }
        }
        let expected = -BigInt::from(mantissa) * 3 * Narrow::BLOCK;
        let (found, exponent) = state.to_big();
        assert_eq!(found << (exponent + 8 - 31), expected);
    }

    #[test]
    fn totals_add_all_their_words() {
        let mut state = Narrow::new();
        state.add_total(u128::MAX, 8, false);
        assert_eq!(state.to_big(), (BigInt::from(u128::MAX), 0));
        state.add_total(u128::MAX, 8, true);
        assert_eq!(state, Narrow::new());
    }
}
