mod stored;

use std::fmt;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use self::stored::Stored;
use super::allocation::table_bytes;
use super::ordered_float::OrderedFloat;

/// Bits of a float64, and of its place in the order.
const WIDTH: u32 = u64::BITS;

/// How much a state may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    /// Entries of a table of distinct values or prefixes.
    distinct: usize,
    /// A pass over one or two brackets resolves at least this many bits; the counters for two
    /// brackets are the most that there are.
    dense_bits: u32,
}

/// One entry less than what a table of 2^14 buckets takes before it doubles: 272 KiB. A pass of 16
/// bits ends in four at worst, and its counters for two brackets take 1 MiB.
const LIMITS: Limits = Limits { distinct: 14_335, dense_bits: 16 };

/// Exact order statistics (the value at a rank of the sorted column, so the median and any quantile)
/// in bounded memory, over as many passes as the data needs: nearly always one or two.
///
/// The first pass counts distinct values. When there are too many, it counts prefixes of their bits
/// in sorted order instead, as long as the limit allows. [`finish`](Self::finish) then either has
/// the answer or gives the state for another pass, which looks only at values inside the brackets
/// that hold the wanted ranks. For at most two brackets (a median) there are never more than four
/// passes, and a state stays below 1.1 MiB, mostly below 300 KiB. With k brackets there are at most
/// 1 + 48/(17 − log2 k) passes, rounded up, and a state holds another 32 bytes a bracket.
///
/// Which values share a prefix depends on the values alone, so states are the same for any order,
/// cut or merge tree. NaN stands for a missing value and is skipped; −0.0 is 0.0; infinities are the
/// ends.
///
/// ```
/// # use incremental::stats::{InputChanged, OrderStatistics, Outcome};
/// # fn main() -> Result<(), InputChanged> {
/// let column: Vec<f64> = (0..100_001).map(|row| f64::from(row * 7 % 100_001) / 8.0).collect();
/// let mut state = OrderStatistics::new();
/// let median = loop {
///     column.chunks(1000).for_each(|batch| state.update(batch));
///     match state.finish_median()? {
///         Outcome::Done(median) => break median,
///         Outcome::Again(next) => state = next,
///     }
/// };
/// assert_eq!(median, Some(6250.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct OrderStatistics {
    limits: Limits,
    /// Values of the whole column: those seen, or, after the first pass, those that it saw.
    count: u64,
    /// Leading bits that the brackets fix; 0 in the first pass.
    fixed: u32,
    /// Where this pass looks, ascending.
    brackets: Vec<Bracket>,
    /// Leading bits that the tally tells apart: the most for which it stays within its limit, but no
    /// fewer than `floor`.
    resolved: u32,
    tally: Tally,
}

/// All values whose ordinals start with the same `fixed` bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bracket {
    prefix: u64,
    /// Values of the column below this bracket: the rank of its first value.
    below: u64,
    /// Values in it; not known in the first pass.
    size: Option<u64>,
}

/// Counts of prefixes of `resolved` bits.
#[derive(Clone, Debug)]
enum Tally {
    Sparse(AHashMap<u64, u64>),
    /// One counter for every prefix in a bracket, bracket after bracket; only at the floor.
    Dense(Vec<u64>),
}

/// The end of a pass: an answer, or the state for another pass over the same values.
#[derive(Clone, Debug)]
pub enum Outcome<T> {
    /// The answer.
    Done(T),
    /// Feed all values of the column to this state (or to clones of it that are merged), then finish
    /// it in the same way.
    Again(OrderStatistics),
}

impl<T> Outcome<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(answer) => Outcome::Done(change(answer)),
            Self::Again(next) => Outcome::Again(next),
        }
    }
}

/// A later pass saw other values than the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputChanged {
    low: OrderedFloat,
    high: OrderedFloat,
    expected: u64,
    found: u64,
}

impl fmt::Display for InputChanged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the input changed between two passes: values from {:?} to {:?} were {} in the first pass and {} in a \
             later one; leave the input alone until the run has ended",
            self.low, self.high, self.expected, self.found
        )
    }
}

impl std::error::Error for InputChanged {}

impl OrderStatistics {
    /// The state for the first pass.
    pub fn new() -> Self {
        Self::with_limits(LIMITS)
    }

    fn with_limits(limits: Limits) -> Self {
        Self::for_brackets(limits, 0, 0, vec![Bracket { prefix: 0, below: 0, size: None }])
    }

    fn for_brackets(limits: Limits, count: u64, fixed: u32, brackets: Vec<Bracket>) -> Self {
        Self { limits, count, fixed, brackets, resolved: WIDTH, tally: Tally::Sparse(AHashMap::new()) }
    }

    /// The state of the same pass that has seen no value of it, which is the identity of
    /// [`merge`](Self::merge).
    pub fn identity(&self) -> Self {
        let count = if self.fixed == 0 { 0 } else { self.count };
        Self::for_brackets(self.limits, count, self.fixed, self.brackets.clone())
    }

    /// Whether both are of one pass over the same column, and so can be merged.
    pub(crate) fn is_sibling(&self, other: &Self) -> bool {
        self.fixed == other.fixed
            && self.brackets == other.brackets
            && (self.fixed == 0 || self.count == other.count)
    }

    /// Adds values; NaN is skipped.
    pub fn update(&mut self, values: &[f64]) {
        for &value in values {
            self.add(value);
        }
    }

    /// Adds one value; NaN is skipped.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let Some(float) = OrderedFloat::new(value) else { return };
        if self.fixed == 0 {
            self.count += 1;
            self.add_prefix(0, leading(float.ordinal(), self.resolved), 1);
        } else if let Some(bracket) = self.bracket_of(leading(float.ordinal(), self.fixed)) {
            self.add_prefix(bracket, leading(float.ordinal(), self.resolved), 1);
        }
    }

    fn bracket_of(&self, prefix: u64) -> Option<usize> {
        self.brackets.binary_search_by_key(&prefix, |bracket| bracket.prefix).ok()
    }

    #[inline]
    fn add_prefix(&mut self, bracket: usize, prefix: u64, n: u64) {
        match &mut self.tally {
            Tally::Sparse(counts) => {
                *counts.entry(prefix).or_insert(0) += n;
                if counts.len() > self.limits.distinct {
                    self.coarsen();
                }
            }
            Tally::Dense(counters) => {
                let bits = self.resolved - self.fixed;
                counters[(bracket << bits) | (prefix & mask(bits)) as usize] += n;
            }
        }
    }

    /// The fewest bits that a tally may resolve: there is room for a counter for each prefix.
    fn floor(&self) -> u32 {
        let brackets = self.brackets.len().next_power_of_two().trailing_zeros();
        let bits = (self.limits.dense_bits + 1).saturating_sub(brackets).clamp(1, self.limits.dense_bits);
        (self.fixed + bits).min(WIDTH)
    }

    /// Goes to the most bits at which the tally is within its limit again.
    #[cold]
    #[inline(never)]
    fn coarsen(&mut self) {
        let entries = self.entries();
        // Two neighbours fall together once their first different bit is no longer resolved.
        let mut parted_at = [0usize; WIDTH as usize + 1];
        for pair in entries.windows(2) {
            let different = WIDTH - (pair[0].0 ^ pair[1].0).leading_zeros();
            parted_at[(self.resolved - different + 1) as usize] += 1;
        }
        let mut resolved = self.floor();
        let mut distinct = 1 + parted_at[..=resolved as usize].iter().sum::<usize>();
        while resolved < self.resolved && distinct + parted_at[resolved as usize + 1] <= self.limits.distinct
        {
            resolved += 1;
            distinct += parted_at[resolved as usize];
        }
        self.coarsen_to(resolved, entries);
    }

    /// Counts `entries`, the present tally, by prefixes of `resolved` bits.
    fn coarsen_to(&mut self, resolved: u32, entries: Vec<(u64, u64)>) {
        let dropped = self.resolved - resolved;
        self.resolved = resolved;
        if resolved == self.floor() {
            self.tally = Tally::Dense(vec![0; self.brackets.len() << (resolved - self.fixed)]);
        } else if let Tally::Sparse(counts) = &mut self.tally {
            counts.clear();
        }
        self.add_entries(&entries, dropped);
    }

    /// Adds sorted entries of prefixes that are `extra` bits longer than the present ones.
    fn add_entries(&mut self, entries: &[(u64, u64)], extra: u32) {
        let mut extra = extra;
        for &(prefix, n) in entries {
            let before = self.resolved;
            let prefix = prefix >> extra;
            let bracket = self.bracket_of(prefix.checked_shr(before - self.fixed).unwrap_or(0));
            self.add_prefix(bracket.expect("a counted prefix lies in a bracket"), prefix, n);
            extra += before - self.resolved;
        }
    }

    /// Prefixes and counts, ascending.
    fn entries(&self) -> Vec<(u64, u64)> {
        match &self.tally {
            Tally::Sparse(counts) => {
                let mut entries: Vec<(u64, u64)> = counts.iter().map(|(&prefix, &n)| (prefix, n)).collect();
                entries.sort_unstable();
                entries
            }
            Tally::Dense(counters) => {
                let bits = self.resolved - self.fixed;
                let prefix =
                    |slot: usize| self.brackets[slot >> bits].prefix << bits | slot as u64 & mask(bits);
                let counted = counters.iter().enumerate().filter(|&(_, &n)| n > 0);
                counted.map(|(slot, &n)| (prefix(slot), n)).collect()
            }
        }
    }

    /// Whether two states belong to the same pass over the same column, so that they may be merged.
    pub fn same_pass(&self, other: &Self) -> bool {
        self.fixed == other.fixed
            && self.brackets == other.brackets
            && (self.fixed == 0 || self.count == other.count)
            && self.limits == other.limits
    }

    /// Adds what another state of the same pass holds.
    ///
    /// # Panics
    ///
    /// When the states are not of the [same pass](Self::same_pass).
    pub fn merge(&mut self, other: &Self) {
        assert!(self.same_pass(other), "only states of the same pass over the same column can be merged");
        if self.fixed == 0 {
            self.count += other.count;
        }
        if other.resolved < self.resolved {
            self.coarsen_to(other.resolved, self.entries());
        }
        self.add_entries(&other.entries(), other.resolved - self.resolved);
    }

    /// Values of the whole column, NaN excluded. In a later pass it is what the first pass saw.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Ends a pass: the values at `ranks` (0 is the least value), in the order asked for, or the state
    /// for another pass. For its own work it takes another 48 bytes an entry of the tally: 700 KiB, or
    /// 6 MiB where the tally had to go down to counters.
    ///
    /// # Errors
    ///
    /// [`InputChanged`] when this is a later pass and its values were not those of the first.
    ///
    /// # Panics
    ///
    /// When a rank is not below [`count`](Self::count), or was not asked for in the passes before.
    pub fn finish(self, ranks: &[u64]) -> Result<Outcome<Vec<f64>>, InputChanged> {
        let mut wanted = self.entries_at(ranks)?;
        if self.resolved == WIDTH {
            let value = |entry: &Bracket| OrderedFloat::from_ordinal(entry.prefix).map(OrderedFloat::get);
            let values =
                wanted.iter().map(|entry| value(entry).expect("only ordinals of floats are counted"));
            return Ok(Outcome::Done(values.collect()));
        }
        wanted.sort_unstable_by_key(|entry| entry.prefix);
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(Outcome::Done(Vec::new()));
        }
        Ok(Outcome::Again(Self::for_brackets(self.limits, self.count, self.resolved, wanted)))
    }

    /// The values at `ranks` as far as the pass tells them, in the order asked for, without ending it: each is
    /// cut, towards zero, to the leading bits that the tally resolves.
    ///
    /// All of them are resolved, and the values are exact, while there are at most 14 335 distinct ones. Else
    /// the cut is the finest that leaves no more than that many distinct values, and takes away at most a share
    /// of 2^(12 − bits) of a value, from the 16th bit on: in the first pass at most a sixteenth of the value,
    /// and for values of one sign and magnitude about a ten-thousandth.
    ///
    /// # Panics
    ///
    /// As for [`finish`](Self::finish); also when a later pass has not seen the values of the first.
    pub fn cut_values(&self, ranks: &[u64]) -> Vec<f64> {
        let wanted = self.entries_at(ranks).unwrap_or_else(|changed| panic!("{changed}"));
        let dropped = WIDTH - self.resolved;
        let cut = |entry: &Bracket| {
            let least = entry.prefix.checked_shl(dropped).unwrap_or(0);
            // A negative float has its largest magnitude at the least ordinal.
            let nearest = if least >> (WIDTH - 1) == 0 {
                least | !u64::MAX.checked_shl(dropped).unwrap_or(0)
            } else {
                least
            };
            OrderedFloat::nearest_to_zero(nearest)
        };
        wanted.iter().map(cut).collect()
    }

    /// The entries of the tally that hold the values at `ranks`.
    fn entries_at(&self, ranks: &[u64]) -> Result<Vec<Bracket>, InputChanged> {
        let entries = self.ranked_entries()?;
        let entry_at = |&rank: &u64| {
            assert!(rank < self.count, "rank {rank} of {} values", self.count);
            let last = entries.partition_point(|entry| entry.below <= rank).checked_sub(1);
            let entry = last.map(|last| &entries[last]);
            let entry = entry.filter(|entry| entry.size.is_some_and(|size| rank - entry.below < size));
            entry.unwrap_or_else(|| panic!("rank {rank} was not asked for in the passes before")).clone()
        };
        Ok(ranks.iter().map(entry_at).collect())
    }

    /// The entries of the tally with the ranks where they start, as brackets of a next pass.
    fn ranked_entries(&self) -> Result<Vec<Bracket>, InputChanged> {
        let mut entries = self.entries().into_iter().peekable();
        let mut ranked = Vec::with_capacity(entries.len());
        for bracket in &self.brackets {
            let mut below = bracket.below;
            let of_bracket =
                |prefix: u64| leading(prefix << (WIDTH - self.resolved), self.fixed) == bracket.prefix;
            while let Some((prefix, n)) = entries.next_if(|&(prefix, _)| of_bracket(prefix)) {
                ranked.push(Bracket { prefix, below, size: Some(n) });
                below += n;
            }
            let found = below - bracket.below;
            if let Some(expected) = bracket.size.filter(|&size| size != found) {
                let (low, high) = bracket.range(self.fixed);
                return Err(InputChanged { low, high, expected, found });
            }
        }
        Ok(ranked)
    }

    /// Ends a pass like [`finish`](Self::finish), for the median: the middle value, or the mean of the
    /// two middle ones as numpy computes it, save that the sum of large values does not overflow.
    /// `None` for no values.
    ///
    /// # Errors
    ///
    /// As for [`finish`](Self::finish).
    ///
    /// # Panics
    ///
    /// When the passes before were finished for other ranks.
    pub fn finish_median(self) -> Result<Outcome<Option<f64>>, InputChanged> {
        let Some(last) = self.count.checked_sub(1) else {
            return Ok(Outcome::Done(None));
        };
        let middle = [last / 2, self.count / 2];
        // Adding 0.0 keeps the middle of two zeros, or a sum that underflows, free of a sign.
        Ok(self.finish(&middle)?.map(|values| Some(f64::midpoint(values[0], values[1]) + 0.0)))
    }

    /// Bytes that are held at most while [`finish`](Self::finish) works, for so many ranks, this state included: the
    /// entries of the tally, those with their ranks, and what is wanted of them.
    pub fn finish_bytes(&self, ranks: usize) -> usize {
        let entries = match &self.tally {
            Tally::Sparse(counts) => counts.len(),
            // They are listed by a vector that doubles.
            Tally::Dense(counters) => 2 * counters.iter().filter(|n| **n > 0).count().max(4),
        };
        let entry = size_of::<(u64, u64)>() + size_of::<Bracket>();
        self.heap_bytes() + entries * entry + ranks * (size_of::<Bracket>() + size_of::<f64>())
    }

    /// Bytes held on the heap.
    pub fn heap_bytes(&self) -> usize {
        let tally = match &self.tally {
            Tally::Sparse(counts) => table_bytes::<(u64, u64)>(counts.capacity()),
            Tally::Dense(counters) => counters.capacity() * size_of::<u64>(),
        };
        tally + self.brackets.capacity() * size_of::<Bracket>()
    }
}

impl Default for OrderStatistics {
    fn default() -> Self {
        Self::new()
    }
}

/// States are equal when they are of the same pass and counted the same values.
impl PartialEq for OrderStatistics {
    fn eq(&self, other: &Self) -> bool {
        self.same_pass(other)
            && self.count == other.count
            && self.resolved == other.resolved
            && self.entries() == other.entries()
    }
}

impl Eq for OrderStatistics {}

impl Bracket {
    /// The least and the greatest float with this prefix. Ordinals of NaN are beyond the infinities.
    fn range(&self, fixed: u32) -> (OrderedFloat, OrderedFloat) {
        let least = self.prefix << (WIDTH - fixed);
        let float = |ordinal: u64| {
            OrderedFloat::from_ordinal(ordinal)
                .or_else(|| OrderedFloat::from_ordinal(ordinal.checked_add(1)?))
                .or_else(|| {
                    OrderedFloat::new(if ordinal >> (WIDTH - 1) == 0 {
                        f64::NEG_INFINITY
                    } else {
                        f64::INFINITY
                    })
                })
                .expect("infinities are ordered")
        };
        (float(least), float(least | mask(WIDTH - fixed)))
    }
}

/// The first `bits` bits of an ordinal; 0 of none.
#[inline]
fn leading(ordinal: u64, bits: u32) -> u64 {
    ordinal.checked_shr(WIDTH - bits).unwrap_or(0)
}

/// A number of `bits` ones.
fn mask(bits: u32) -> u64 {
    u64::MAX.checked_shr(WIDTH - bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// So small that a few dozen values meet every limit.
    const SMALL: Limits = Limits { distinct: 5, dense_bits: 2 };

    /// The values at the ranks and the number of passes, every pass cut into batches and merged.
    fn run(limits: Limits, values: &[f64], ranks: &[u64], batch: usize) -> (Vec<f64>, usize) {
        let mut state = OrderStatistics::with_limits(limits);
        for pass in 1.. {
            let fresh = state.clone();
            for part in values.chunks(batch) {
                let mut worker = fresh.clone();
                worker.update(part);
                state.merge(&worker);
            }
            match state.finish(ranks).unwrap() {
                Outcome::Done(found) => return (found, pass),
                Outcome::Again(next) => state = next,
            }
        }
        unreachable!("a pass resolves at least one bit")
    }

    fn sorted(values: &[f64]) -> Vec<f64> {
        let mut sorted: Vec<f64> =
            values.iter().filter(|value| !value.is_nan()).map(|value| value + 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn of(limits: Limits, values: &[f64]) -> OrderStatistics {
        let mut state = OrderStatistics::with_limits(limits);
        state.update(values);
        state
    }

    fn json(state: &OrderStatistics) -> String {
        serde_json::to_string(state).unwrap()
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -3.0..3.0,
            (-4i32..5).prop_map(f64::from),
            any::<u64>().prop_map(f64::from_bits),
            (0u64..40).prop_map(|step| f64::from_bits(1f64.to_bits() + step)),
            prop::sample::select(vec![
                0.0,
                -0.0,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                5e-324,
                f64::MAX
            ]),
        ]
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_the_sorted_column(
            values in prop::collection::vec(value(), 1..80),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            batch in 1usize..30,
        ) {
            let sorted = sorted(&values);
            prop_assume!(!sorted.is_empty());
            let places: Vec<usize> = picks.iter().map(|pick| pick.index(sorted.len())).collect();
            let ranks: Vec<u64> = places.iter().map(|&place| place as u64).collect();
            let expected: Vec<f64> = places.iter().map(|&place| sorted[place]).collect();
            let (found, passes) = run(SMALL, &values, &ranks, batch);
            prop_assert_eq!(bits(&found), bits(&expected));
            if ranks.len() <= 2 {
                prop_assert!(passes <= 32, "{} passes of 2 bits", passes);
            }
            prop_assert_eq!(run(LIMITS, &values, &ranks, batch), (found, 1));
        }

        #[test]
        fn any_cut_and_order_gives_the_same_bytes(
            values in prop::collection::vec(value(), 0..60),
            cut in any::<prop::sample::Index>(),
            rank in any::<prop::sample::Index>(),
        ) {
            let (left, right) = values.split_at(cut.index(values.len() + 1));
            let reversed: Vec<f64> = values.iter().rev().copied().collect();
            let mut whole = of(SMALL, &values);
            let mut merged = of(SMALL, right);
            merged.merge(&of(SMALL, left));
            prop_assert_eq!(json(&merged), json(&whole));
            prop_assert_eq!(json(&of(SMALL, &reversed)), json(&whole));
            // Later passes too, and written and read between them.
            while whole.count() > 0 {
                let read = Stored::from(whole.clone()).into_state(SMALL);
                prop_assert_eq!(read.as_ref(), Some(&whole));
                let rank = rank.index(whole.count() as usize) as u64;
                let Outcome::Again(next) = whole.finish(&[rank]).unwrap() else { break };
                let mut parts = [next.clone(), next.clone(), next];
                parts[0].update(&reversed);
                parts[1].update(left);
                parts[2].update(right);
                let [backwards, mut first, second] = parts;
                first.merge(&second);
                prop_assert_eq!(json(&first), json(&backwards));
                whole = first;
            }
        }

        #[test]
        fn the_tally_is_as_fine_as_its_limit_allows(values in prop::collection::vec(value(), 0..60)) {
            let state = of(SMALL, &values);
            let distinct = |resolved: u32| {
                let mut prefixes: Vec<u64> = sorted(&values)
                    .iter()
                    .map(|&value| leading(OrderedFloat::new(value).unwrap().ordinal(), resolved))
                    .collect();
                prefixes.dedup();
                prefixes.len()
            };
            let finest = (2..=WIDTH).rev().find(|&resolved| distinct(resolved) <= SMALL.distinct).unwrap_or(2);
            prop_assert_eq!(state.resolved, finest);
        }

        #[test]
        fn cut_values_are_those_of_the_sorted_column_cut(
            values in prop::collection::vec(value(), 1..60),
            cut in any::<prop::sample::Index>(),
        ) {
            let sorted = sorted(&values);
            let ranks: Vec<u64> = (0..sorted.len() as u64).collect();
            let whole = of(SMALL, &values);
            let kept = u64::MAX.checked_shl(WIDTH - whole.resolved).unwrap_or(0);
            // Of the magnitude, one zero for both signs.
            let cut_to = |value: &f64| (f64::from_bits(value.to_bits() & (kept | 1 << 63)) + 0.0).to_bits();
            let expected: Vec<u64> = sorted.iter().map(cut_to).collect();
            prop_assert_eq!(bits(&whole.cut_values(&ranks)), &expected[..]);
            let (left, right) = values.split_at(cut.index(values.len() + 1));
            let mut merged = of(SMALL, right);
            merged.merge(&of(SMALL, left));
            prop_assert_eq!(bits(&merged.cut_values(&ranks)), expected);
        }

        #[test]
        fn medians_are_those_of_the_sorted_column(values in prop::collection::vec(-1e3..1e3, 0..40)) {
            let sorted = sorted(&values);
            let expected = sorted.len().checked_sub(1).map(|last| (sorted[last / 2] + sorted[sorted.len() / 2]) / 2.0);
            match of(LIMITS, &values).finish_median().unwrap() {
                Outcome::Done(median) => prop_assert_eq!(median, expected),
                Outcome::Again(_) => prop_assert!(false, "40 values need one pass"),
            }
        }
    }

    /// Values that differ in their first 16 bits, then as many that agree in these and differ in the
    /// next 16, and so on: every pass of the median of all meets the limit.
    fn stubborn() -> Vec<f64> {
        let start = OrderedFloat::new(1.5).unwrap().ordinal();
        let mut values = Vec::new();
        for shift in [48, 32, 16, 0] {
            let above = start & !(mask(shift + 16));
            for step in 0..8_000 {
                let middle = start >> shift & 0xffff;
                for digit in [middle + 1 + step, middle.wrapping_sub(1 + step)] {
                    let below = u64::from(shift > 0) << (shift.max(1) - 1);
                    values.extend(OrderedFloat::from_ordinal(above | (digit & 0xffff) << shift | below));
                }
            }
        }
        values.retain(|value| value.get().is_finite());
        values.into_iter().map(OrderedFloat::get).collect()
    }

    #[test]
    fn four_passes_and_a_mebibyte_are_enough_for_a_median() {
        let values = stubborn();
        let sorted = sorted(&values);
        let target = sorted.iter().position(|value| value.to_bits() >> 16 == 1.5f64.to_bits() >> 16).unwrap();
        let mut state = OrderStatistics::new();
        let (mut passes, mut most) = (0, 0);
        let found = loop {
            passes += 1;
            state.update(&values);
            most = state.heap_bytes().max(most);
            match state.finish(&[target as u64, target as u64 + 1]).unwrap() {
                Outcome::Done(found) => break found,
                Outcome::Again(next) => state = next,
            }
        };
        assert_eq!(found, sorted[target..target + 2]);
        assert_eq!(passes, 4);
        assert!((500_000..1_100_000).contains(&most), "{most}");
    }

    #[test]
    fn ordinary_columns_take_two_passes() {
        let values: Vec<f64> = (0..60_000u64).map(|row| (row * 7919 % 60_000) as f64 / 60_000.0).collect();
        let mut state = of(LIMITS, &values);
        assert!(state.heap_bytes() < 300 * 1024, "{}", state.heap_bytes());
        let read: OrderStatistics = serde_json::from_str(&json(&state)).unwrap();
        assert_eq!(read, state);
        let Outcome::Again(next) = state.finish_median().unwrap() else {
            panic!("60 000 values are above the limit")
        };
        state = next;
        state.update(&values);
        let Outcome::Done(median) = state.finish_median().unwrap() else {
            panic!("a bracket holds few values")
        };
        assert_eq!(median, Some((29_999.0 / 60_000.0 + 0.5) / 2.0));
    }

    #[test]
    fn medians_do_not_overflow_or_lose_the_sign_of_infinity() {
        let median = |values: &[f64]| match of(LIMITS, values).finish_median().unwrap() {
            Outcome::Done(median) => median,
            Outcome::Again(_) => panic!("one pass is enough"),
        };
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(median(&[f64::INFINITY, 1.0]), Some(f64::INFINITY));
        assert!(median(&[f64::INFINITY, f64::NEG_INFINITY]).is_some_and(f64::is_nan));
        assert_eq!(median(&[-5e-324, -0.0]).map(f64::to_bits), Some(0));
        assert_eq!(median(&[f64::NAN]), None);
    }

    #[test]
    fn a_changed_input_is_an_error() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let Outcome::Again(mut next) = of(SMALL, &values).finish(&[3]).unwrap() else {
            panic!("100 values are above the limit")
        };
        next.update(&values[4..]);
        assert_eq!(
            next.finish(&[3]).unwrap_err().to_string(),
            "the input changed between two passes: values from 2.0 to 7.999999999999999 were 6 in the first pass and 4 \
             in a later one; leave the input alone until the run has ended"
        );
    }

    #[test]
    #[should_panic(expected = "rank 1 of 1 values")]
    fn ranks_beyond_the_column_panic() {
        let _ = of(LIMITS, &[1.0]).finish(&[1]);
    }

    #[test]
    #[should_panic(expected = "only states of the same pass over the same column can be merged")]
    fn states_of_different_passes_do_not_merge() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let first = of(SMALL, &values);
        let Outcome::Again(mut next) = first.clone().finish(&[3]).unwrap() else {
            panic!("100 values are above the limit")
        };
        next.merge(&first);
    }

    #[test]
    fn states_that_contradict_themselves_are_refused() {
        let good = r#"{"count":2,"fixed":0,"brackets":[{"prefix":0,"below":0,"size":null}],"resolved":64,"entries":[[9223372036854775808,2]]}"#;
        assert_eq!(serde_json::from_str::<OrderStatistics>(good).unwrap(), of(LIMITS, &[0.0, -0.0]));
        for (part, other) in [
            (r#""count":2"#, r#""count":3"#),
            (r#""fixed":0"#, r#""fixed":1"#),
            (r#""fixed":0"#, r#""fixed":64"#),
            (r#""prefix":0"#, r#""prefix":1"#),
            (r#""below":0"#, r#""below":1"#),
            (r#""size":null"#, r#""size":2"#),
            (r#""resolved":64"#, r#""resolved":15"#),
            (r#""resolved":64"#, r#""resolved":65"#),
            (r#""resolved":64"#, r#""resolved":60"#),
            ("9223372036854775808", "9223372036854775807"),
            ("[[9223372036854775808,2]]", "[[9223372036854775809,1],[9223372036854775808,1]]"),
            ("[[9223372036854775808,2]]", "[[9223372036854775808,2],[9223372036854775809,0]]"),
            (r#"[{"prefix":0,"below":0,"size":null}]"#, "[]"),
        ] {
            assert!(good.contains(part));
            let error =
                serde_json::from_str::<OrderStatistics>(&good.replace(part, other)).unwrap_err().to_string();
            assert_eq!(
                error, "a state of order statistics contradicts itself; write it again from the input",
                "{other}"
            );
        }
    }
}
