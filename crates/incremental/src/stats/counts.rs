use std::borrow::Borrow;
use std::cmp::Reverse;
use std::hash::Hash;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use super::category::{Category, decimal, whole};
use super::ordered_float::OrderedFloat;

/// How often each value of a column occurs, and how often none is there.
///
/// Integers and floats are counted together by exact value: `2` and `2.0` are one category. Once a
/// float was counted, whole numbers are named as floats where float64 holds them exactly (so a column
/// that only one shard saw as floats ends with one kind of names), else as integers. Other kinds keep
/// apart. Counts stop at `u64::MAX`.
///
/// Memory grows with the number of distinct values; [`heap_bytes`](Self::heap_bytes) is cheap. A table
/// that grows holds its old half as well until it has moved, so what is compared with a budget after each
/// batch is [`bytes_ahead`](Self::bytes_ahead).
///
/// ```
/// # use incremental::stats::{Category, Counts};
/// let mut counts = Counts::new();
/// for name in ["red", "blue", "red", "blue", "green"] {
///     counts.add_text(name, 1);
/// }
/// counts.add_missing(2);
/// assert_eq!(counts.most_frequent(), Some((Category::text("blue"), 2)));
/// assert_eq!((counts.distinct(), counts.present(), counts.missing()), (3, 5, 2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Counts {
    missing: u64,
    /// Of `false` and of `true`.
    bools: [u64; 2],
    integers: Tally<i64>,
    /// Integers that need more than 64 bits.
    wide_integers: Tally<i128>,
    /// Floats that are no integer of 128 bits; the others are among the integers.
    fractions: Tally<OrderedFloat>,
    /// Whether any float was counted.
    has_floats: bool,
    texts: Tally<Box<str>>,
    /// What the allocator gives out for the keys of `texts`.
    text_bytes: usize,
    dates: Tally<i32>,
    timestamps: Tally<i128>,
}

impl Counts {
    /// Counts of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `n` missing values.
    pub fn add_missing(&mut self, n: u64) {
        self.missing = self.missing.saturating_add(n);
    }

    /// Counts a bool `n` times.
    pub fn add_bool(&mut self, value: bool, n: u64) {
        let count = &mut self.bools[usize::from(value)];
        *count = count.saturating_add(n);
    }

    /// Counts an integer `n` times.
    pub fn add_int(&mut self, value: i128, n: u64) {
        match i64::try_from(value) {
            Ok(value) => self.integers.add(value, n),
            Err(_) => self.wide_integers.add(value, n),
        }
    }

    /// Counts a float `n` times; NaN is missing.
    pub fn add_float(&mut self, value: f64, n: u64) {
        let Some(float) = OrderedFloat::new(value) else {
            return self.add_missing(n);
        };
        self.has_floats |= n > 0;
        match whole(float) {
            Some(integer) => self.add_int(integer, n),
            None => self.fractions.add(float, n),
        }
    }

    /// Counts a text `n` times; it is copied when it is new.
    pub fn add_text(&mut self, text: &str, n: u64) {
        if n > 0 && !self.texts.add_known(text, n) {
            self.text_bytes += allocated(text.len());
            self.texts.add(text.into(), n);
        }
    }

    /// Counts a date, in days since 1970-01-01, `n` times.
    pub fn add_date(&mut self, days: i32, n: u64) {
        self.dates.add(days, n);
    }

    /// Counts a timestamp, in nanoseconds since 1970-01-01T00:00:00, `n` times.
    pub fn add_timestamp(&mut self, nanos: i128, n: u64) {
        self.timestamps.add(nanos, n);
    }

    /// Counts a category of any kind `n` times.
    pub fn add(&mut self, category: &Category, n: u64) {
        match category {
            Category::Bool(value) => self.add_bool(*value, n),
            Category::Int(value) => self.add_int(*value, n),
            Category::Float(value) => self.add_float(value.get(), n),
            Category::Text(value) => self.add_text(value, n),
            Category::Date(days) => self.add_date(*days, n),
            Category::Timestamp(nanos) => self.add_timestamp(*nanos, n),
        }
    }

    /// Adds what another state holds.
    pub fn merge(&mut self, other: &Self) {
        self.add_missing(other.missing);
        self.add_bool(false, other.bools[0]);
        self.add_bool(true, other.bools[1]);
        self.integers.merge(&other.integers);
        self.wide_integers.merge(&other.wide_integers);
        self.fractions.merge(&other.fractions);
        self.has_floats |= other.has_floats;
        for (text, &n) in &other.texts.counts {
            self.add_text(text, n);
        }
        self.dates.merge(&other.dates);
        self.timestamps.merge(&other.timestamps);
    }

    /// How many values were missing.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// How many values were not missing.
    pub fn present(&self) -> u64 {
        let totals = [
            self.bools[0],
            self.bools[1],
            self.integers.total(),
            self.wide_integers.total(),
            self.fractions.total(),
            self.texts.total(),
            self.dates.total(),
            self.timestamps.total(),
        ];
        totals.into_iter().fold(0, u64::saturating_add)
    }

    /// How many different values there are, missing not among them.
    pub fn distinct(&self) -> usize {
        self.bools.iter().filter(|&&n| n > 0).count()
            + self.integers.counts.len()
            + self.wide_integers.counts.len()
            + self.fractions.counts.len()
            + self.texts.counts.len()
            + self.dates.counts.len()
            + self.timestamps.counts.len()
    }

    /// How often a category occurs.
    pub fn get(&self, category: &Category) -> u64 {
        let integer = |value: i128| match i64::try_from(value) {
            Ok(value) => self.integers.get(&value),
            Err(_) => self.wide_integers.get(&value),
        };
        match category {
            Category::Bool(value) => self.bools[usize::from(*value)],
            Category::Int(value) => integer(*value),
            Category::Float(value) => whole(*value).map_or_else(|| self.fractions.get(value), integer),
            Category::Text(value) => self.texts.get(value),
            Category::Date(days) => self.dates.get(days),
            Category::Timestamp(nanos) => self.timestamps.get(nanos),
        }
    }

    /// Every category with its count, in the order of categories.
    pub fn sorted(&self) -> Vec<(Category, u64)> {
        let mut sorted = Vec::with_capacity(self.distinct());
        sorted.extend(self.bool_counts());
        sorted.extend(self.integers.iter().map(|(&value, n)| (self.number(value.into()), n)));
        sorted.extend(self.wide_integers.iter().map(|(&value, n)| (self.number(value), n)));
        sorted.extend(self.fractions.iter().map(|(&value, n)| (Category::Float(value), n)));
        sorted.extend(self.texts.iter().map(|(text, n)| (Category::Text(text.clone()), n)));
        sorted.extend(self.dates.iter().map(|(&days, n)| (Category::Date(days), n)));
        sorted.extend(self.timestamps.iter().map(|(&nanos, n)| (Category::Timestamp(nanos), n)));
        sorted.sort_unstable();
        sorted
    }

    /// The most frequent category and its count, the smallest one of equals; `None` for no values.
    pub fn most_frequent(&self) -> Option<(Category, u64)> {
        let candidates = [
            self.integers.most_frequent().map(|(&value, n)| (self.number(value.into()), n)),
            self.wide_integers.most_frequent().map(|(&value, n)| (self.number(value), n)),
            self.fractions.most_frequent().map(|(&value, n)| (Category::Float(value), n)),
            self.texts.most_frequent().map(|(text, n)| (Category::Text(text.clone()), n)),
            self.dates.most_frequent().map(|(&days, n)| (Category::Date(days), n)),
            self.timestamps.most_frequent().map(|(&nanos, n)| (Category::Timestamp(nanos), n)),
        ];
        self.bool_counts()
            .chain(candidates.into_iter().flatten())
            .max_by(|(left, n), (right, m)| n.cmp(m).then_with(|| right.cmp(left)))
    }

    fn bool_counts(&self) -> impl Iterator<Item = (Category, u64)> {
        [false, true].into_iter().map(Category::Bool).zip(self.bools).filter(|&(_, n)| n > 0)
    }

    /// A whole number under the name that it has in this column.
    fn number(&self, value: i128) -> Category {
        let float =
            OrderedFloat::new(value as f64).filter(|&float| self.has_floats && whole(float) == Some(value));
        float.map_or(Category::Int(value), Category::Float)
    }

    /// [`heap_bytes`](Self::heap_bytes), and what the tables that are about to grow will take beside
    /// themselves. Whoever keeps to a budget reserves this before the next batch, of some ten thousand new values at
    /// most.
    pub fn bytes_ahead(&self) -> usize {
        self.heap_bytes()
            + self.integers.growth_bytes()
            + self.wide_integers.growth_bytes()
            + self.fractions.growth_bytes()
            + self.texts.growth_bytes()
            + self.dates.growth_bytes()
            + self.timestamps.growth_bytes()
    }

    /// Bytes held on the heap: the tables with their spare room, and the texts as the allocator
    /// rounds them.
    pub fn heap_bytes(&self) -> usize {
        self.integers.heap_bytes()
            + self.wide_integers.heap_bytes()
            + self.fractions.heap_bytes()
            + self.texts.heap_bytes()
            + self.text_bytes
            + self.dates.heap_bytes()
            + self.timestamps.heap_bytes()
    }
}

/// Entries that a batch may add without being asked: a table that has no room for so many, or is seven
/// eighths full, grows soon.
const NEAR: usize = 1 << 14;

/// Bytes that a table of `length` entries takes when it grows, as far as it is about to; its old one is there
/// meanwhile.
pub(super) fn growth_bytes<Entry>(length: usize, capacity: usize) -> usize {
    let is_near = capacity > 0 && length + NEAR.max(capacity / 8) > capacity;
    if is_near { table_bytes::<Entry>(capacity + 1) } else { 0 }
}

/// Bytes that a heap allocation of `length` takes: the usual allocators of 64-bit systems give out
/// multiples of 16, of which they keep 8, and never less than 32.
pub(super) fn allocated(length: usize) -> usize {
    if length == 0 { 0 } else { (length + 8).next_multiple_of(16).max(32) }
}

/// Keys of one type and their counts, none of them zero.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tally<K: Eq + Hash> {
    counts: AHashMap<K, u64>,
}

impl<K: Eq + Hash> Default for Tally<K> {
    fn default() -> Self {
        Self { counts: AHashMap::new() }
    }
}

impl<K: Eq + Hash + Ord> Tally<K> {
    fn add(&mut self, key: K, n: u64) {
        if n > 0 {
            let count = self.counts.entry(key).or_insert(0);
            *count = count.saturating_add(n);
        }
    }

    /// Counts a key that is there already; otherwise does nothing and says so.
    fn add_known<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, n: u64) -> bool
    where
        K: Borrow<Q>,
    {
        let known = self.counts.get_mut(key);
        known.map(|count| *count = count.saturating_add(n)).is_some()
    }

    fn merge(&mut self, other: &Self)
    where
        K: Clone,
    {
        for (key, &n) in &other.counts {
            self.add(key.clone(), n);
        }
    }

    fn get(&self, key: &K) -> u64 {
        self.counts.get(key).copied().unwrap_or(0)
    }

    fn iter(&self) -> impl Iterator<Item = (&K, u64)> {
        self.counts.iter().map(|(key, &n)| (key, n))
    }

    fn total(&self) -> u64 {
        self.counts.values().fold(0, |total, &n| total.saturating_add(n))
    }

    fn most_frequent(&self) -> Option<(&K, u64)> {
        self.iter().max_by_key(|&(key, n)| (n, Reverse(key)))
    }

    fn heap_bytes(&self) -> usize {
        table_bytes::<(K, u64)>(self.counts.capacity())
    }

    fn growth_bytes(&self) -> usize {
        growth_bytes::<(K, u64)>(self.counts.len(), self.counts.capacity())
    }

    fn into_sorted(self) -> Vec<(K, u64)> {
        let mut sorted: Vec<(K, u64)> = self.counts.into_iter().collect();
        sorted.sort_unstable();
        sorted
    }
}

/// Bytes of a hash table of the standard library: a power of two of buckets, at most 7 of 8 in use,
/// with one control byte each and a last group of 16.
pub(super) fn table_bytes<Entry>(capacity: usize) -> usize {
    if capacity == 0 {
        return 0;
    }
    let buckets = (capacity * 8 / 7).next_power_of_two();
    buckets * (size_of::<Entry>() + 1) + 16
}

/// What is written: each kind sorted, so that equal counts are equal bytes.
#[derive(Serialize, Deserialize)]
struct Stored {
    missing: u64,
    bools: [u64; 2],
    integers: Vec<(i64, u64)>,
    wide_integers: Vec<(Decimal, u64)>,
    fractions: Vec<(OrderedFloat, u64)>,
    has_floats: bool,
    texts: Vec<(Box<str>, u64)>,
    dates: Vec<(i32, u64)>,
    timestamps: Vec<(Decimal, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Decimal(#[serde(with = "decimal")] i128);

impl From<Counts> for Stored {
    fn from(counts: Counts) -> Self {
        let decimals = |tally: Tally<i128>| {
            tally.into_sorted().into_iter().map(|(value, n)| (Decimal(value), n)).collect()
        };
        Self {
            missing: counts.missing,
            bools: counts.bools,
            integers: counts.integers.into_sorted(),
            wide_integers: decimals(counts.wide_integers),
            fractions: counts.fractions.into_sorted(),
            has_floats: counts.has_floats,
            texts: counts.texts.into_sorted(),
            dates: counts.dates.into_sorted(),
            timestamps: decimals(counts.timestamps),
        }
    }
}

/// Counts everything anew, so entries in a wrong place or twice do no harm.
impl From<Stored> for Counts {
    fn from(stored: Stored) -> Self {
        let mut counts = Self {
            missing: stored.missing,
            bools: stored.bools,
            has_floats: stored.has_floats,
            ..Self::new()
        };
        stored.integers.into_iter().for_each(|(value, n)| counts.add_int(value.into(), n));
        stored.wide_integers.into_iter().for_each(|(value, n)| counts.add_int(value.0, n));
        stored.fractions.into_iter().for_each(|(value, n)| counts.add_float(value.get(), n));
        stored.texts.into_iter().for_each(|(text, n)| counts.add_text(&text, n));
        stored.dates.into_iter().for_each(|(days, n)| counts.add_date(days, n));
        stored.timestamps.into_iter().for_each(|(nanos, n)| counts.add_timestamp(nanos.0, n));
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Entry = (Option<Category>, u64);

    fn entry() -> impl Strategy<Value = Entry> {
        let float = |value| Category::float(value).unwrap();
        let category = prop_oneof![
            any::<bool>().prop_map(Category::Bool),
            (-2i128..3).prop_map(Category::Int),
            prop::sample::select(vec![i128::MAX, i128::MIN, i128::from(u64::MAX), (1 << 53) + 1])
                .prop_map(Category::Int),
            (-4i32..5).prop_map(move |value| float(f64::from(value) / 2.0)),
            prop::sample::select(vec![-0.0, 2f64.powi(64), 1e300, f64::INFINITY, -2f64.powi(127)])
                .prop_map(float),
            "[ab]{0,2}".prop_map(|text: String| Category::text(&text)),
            (0..3).prop_map(Category::Date),
            (0i128..3).prop_map(|step| Category::Timestamp(step << 70)),
        ];
        (prop::option::weighted(0.9, category), 0u64..4)
    }

    fn of(entries: &[Entry]) -> Counts {
        let mut counts = Counts::new();
        for (category, n) in entries {
            match category {
                Some(category) => counts.add(category, *n),
                None => counts.add_missing(*n),
            }
        }
        counts
    }

    fn merged(mut left: Counts, right: &Counts) -> Counts {
        left.merge(right);
        left
    }

    fn json(counts: &Counts) -> String {
        serde_json::to_string(counts).unwrap()
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_sorted_map(entries in prop::collection::vec(entry(), 0..40)) {
            let counts = of(&entries);
            let mut twin = BTreeMap::new();
            for (category, n) in entries.iter().filter(|(_, n)| *n > 0) {
                *twin.entry(category.clone()).or_insert(0) += n;
            }
            prop_assert_eq!(counts.missing(), twin.remove(&None).unwrap_or(0));
            let twin: Vec<(Category, u64)> = twin.into_iter().map(|(category, n)| (category.unwrap(), n)).collect();
            prop_assert_eq!(counts.present(), twin.iter().map(|(_, n)| n).sum::<u64>());
            prop_assert_eq!(counts.distinct(), twin.len());
            for (category, n) in &twin {
                prop_assert_eq!(counts.get(category), *n);
            }
            // The first of the largest, in ascending order.
            let most = twin.iter().map(|(_, n)| *n).max();
            prop_assert_eq!(counts.most_frequent(), twin.iter().find(|(_, n)| Some(*n) == most).cloned());
            prop_assert_eq!(counts.sorted(), twin);
        }

        #[test]
        fn states_form_a_commutative_monoid(
            first in prop::collection::vec(entry(), 0..15),
            second in prop::collection::vec(entry(), 0..15),
            third in prop::collection::vec(entry(), 0..15),
        ) {
            let (a, b, c) = (of(&first), of(&second), of(&third));
            let whole = json(&of(&[first, second, third].concat()));
            prop_assert_eq!(json(&merged(merged(a.clone(), &b), &c)), whole.as_str());
            prop_assert_eq!(json(&merged(c.clone(), &merged(b.clone(), &a))), whole.as_str());
            prop_assert_eq!(&merged(Counts::new(), &a), &a);
            prop_assert_eq!(&merged(a.clone(), &Counts::new()), &a);
            prop_assert_eq!(json(&serde_json::from_str(&whole).unwrap()), whole);
        }
    }

    fn names(counts: &Counts) -> Vec<String> {
        counts.sorted().into_iter().map(|(category, _)| category.to_string()).collect()
    }

    #[test]
    fn one_float_gives_all_numbers_float_names() {
        let mut counts = Counts::new();
        counts.add_int(10, 1);
        counts.add_int((1 << 53) + 1, 1);
        assert_eq!(names(&counts), ["10", "9007199254740993"]);
        counts.add_float(f64::NAN, 1);
        counts.add_float(2.5, 0);
        assert_eq!(names(&counts), ["10", "9007199254740993"]);
        counts.add_float(10.0, 1);
        assert_eq!(names(&counts), ["10.0", "9007199254740993"]);
        assert_eq!((counts.missing(), counts.get(&Category::Int(10))), (1, 2));
    }

    #[test]
    fn memory_is_counted_with_its_spare_room() {
        let mut counts = Counts::new();
        assert_eq!(counts.heap_bytes(), 0);
        counts.add_text("a name of 21 letters.", 1);
        // 4 buckets of a fat pointer, a count and a control byte; a group; the text.
        assert_eq!(counts.heap_bytes(), 4 * 25 + 16 + 32);
        counts.add_text("a name of 21 letters.", 1);
        counts.add_text("", 1);
        assert_eq!(counts.heap_bytes(), 4 * 25 + 16 + 32);
        for value in 0..1000 {
            counts.add_int(value, 1);
        }
        assert_eq!(counts.heap_bytes(), 4 * 25 + 16 + 32 + 2048 * 17 + 16);
        assert_eq!(counts.clone().texts.counts.len(), 2);
    }

    #[test]
    fn a_table_never_holds_more_than_it_was_told_to_before() {
        let mut counts = Counts::new();
        let mut grown = 0;
        for batch in 0..40 {
            let (ahead, held) = (counts.bytes_ahead(), counts.heap_bytes());
            (0..10_000).for_each(|value| counts.add_int(i128::from(batch * 10_000 + value), 1));
            // The first batch meets tables of nothing.
            if batch > 0 && counts.heap_bytes() > held {
                grown += 1;
                assert!(ahead >= held + counts.heap_bytes(), "batch {batch}");
            }
        }
        assert!(grown >= 4, "{grown}");
        // Far from its end, a table is what it holds.
        assert_eq!((counts.distinct(), counts.integers.counts.capacity()), (400_000, 458_752));
        assert_eq!(counts.bytes_ahead(), counts.heap_bytes());
        (400_000..405_000).for_each(|value| counts.add_int(value, 1));
        assert!(counts.bytes_ahead() > counts.heap_bytes());
    }

    #[test]
    fn counts_stop_at_the_largest_number() {
        let mut counts = Counts::new();
        counts.add_text("x", u64::MAX);
        counts.add_text("x", 2);
        counts.add_bool(true, 1);
        assert_eq!((counts.get(&Category::text("x")), counts.present()), (u64::MAX, u64::MAX));
    }
}
