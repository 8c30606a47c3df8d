use std::cmp::Reverse;
use std::hash::Hash;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::allocation::allocated;
use super::category::{Category, decimal, whole};
use super::category_list::CategoryList;
use super::ordered_float::OrderedFloat;
use super::tally::Tally;
use super::text_tally::TextTally;

/// How often each value of a column occurs, and how often none is there.
///
/// Integers and floats are counted together by exact value: `2` and `2.0` are one category. Once a
/// float was counted, whole numbers are named as floats where float64 holds them exactly (so a column
/// that only one shard saw as floats ends with one kind of names), else as integers. Other kinds keep
/// apart. Counts stop at `u64::MAX`.
///
/// Memory grows with the number of distinct values: 16 bytes for each, those of its text, and an index of 6 to 12
/// bytes. [`heap_bytes`](Self::heap_bytes) is cheap. An index that grows holds its old half as well until it has moved, so
/// [`growth_bytes`](Self::growth_bytes) is what is compared with a budget before values are added, and
/// [`bytes_ahead`](Self::bytes_ahead) between batches.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Stored")]
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
    texts: TextTally<u64>,
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
        if n > 0 {
            self.texts.update(text, |count| *count = count.saturating_add(n), || Some(n));
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
        other.texts.iter().for_each(|(text, n)| self.add_text(text, n));
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
            self.texts.iter().fold(0, |total: u64, (_, n)| total.saturating_add(n)),
            self.dates.total(),
            self.timestamps.total(),
        ];
        totals.into_iter().fold(0, u64::saturating_add)
    }

    /// How many different values there are, missing not among them.
    pub fn distinct(&self) -> usize {
        self.bools.iter().filter(|&&n| n > 0).count()
            + self.integers.len()
            + self.wide_integers.len()
            + self.fractions.len()
            + self.texts.len()
            + self.dates.len()
            + self.timestamps.len()
    }

    /// How often a category occurs.
    pub fn get(&self, category: &Category) -> u64 {
        let integer = |value: i128| match i64::try_from(value) {
            Ok(value) => self.integers.get(value),
            Err(_) => self.wide_integers.get(value),
        };
        match category {
            Category::Bool(value) => self.bools[usize::from(*value)],
            Category::Int(value) => integer(*value),
            Category::Float(value) => whole(*value).map_or_else(|| self.fractions.get(*value), integer),
            Category::Text(value) => self.texts.get(value).unwrap_or(0),
            Category::Date(days) => self.dates.get(*days),
            Category::Timestamp(nanos) => self.timestamps.get(*nanos),
        }
    }

    /// The count of each category, in no order.
    pub(crate) fn each(&self) -> impl Iterator<Item = u64> {
        let numbers = self.integers.iter().map(|(_, n)| n).chain(self.wide_integers.iter().map(|(_, n)| n));
        let numbers = numbers.chain(self.fractions.iter().map(|(_, n)| n));
        let times = self.dates.iter().map(|(_, n)| n).chain(self.timestamps.iter().map(|(_, n)| n));
        let texts = self.texts.iter().map(|(_, n)| n);
        self.bools.into_iter().filter(|n| *n > 0).chain(numbers).chain(texts).chain(times)
    }

    /// Every category with its count, in the order of categories.
    pub fn sorted(&self) -> Vec<(Category, u64)> {
        let mut sorted = Vec::with_capacity(self.distinct());
        sorted.extend(self.bool_counts());
        sorted.extend(self.integers.iter().map(|(value, n)| (self.number(value.into()), n)));
        sorted.extend(self.wide_integers.iter().map(|(value, n)| (self.number(value), n)));
        sorted.extend(self.fractions.iter().map(|(value, n)| (Category::Float(value), n)));
        sorted.extend(self.texts.iter().map(|(text, n)| (Category::text(text), n)));
        sorted.extend(self.dates.iter().map(|(days, n)| (Category::Date(days), n)));
        sorted.extend(self.timestamps.iter().map(|(nanos, n)| (Category::Timestamp(nanos), n)));
        sorted.sort_unstable();
        sorted
    }

    /// As [`sorted`](Self::sorted), without a copy of what there is much of: the categories, and the count of each.
    /// `float_names`: numbers are named as floats where float64 holds them, whether one was counted or not.
    pub(crate) fn into_sorted(mut self, float_names: bool) -> (CategoryList, Vec<u64>) {
        self.has_floats = float_names;
        match self.kind(float_names) {
            Kind::Texts => {
                let (texts, counts) = self.texts.into_sorted();
                (CategoryList::Texts(texts), counts)
            }
            Kind::Integers => {
                let (values, counts) =
                    split(into_sorted_pairs(self.integers.len(), self.integers.into_entries()));
                (CategoryList::Integers(values), counts)
            }
            Kind::Floats => {
                let float = |(value, n)| OrderedFloat::new(value as f64).map(|float| (float, n));
                let length = self.integers.len() + self.fractions.len();
                let (integers, fractions) = (self.integers.into_entries(), self.fractions.into_entries());
                let (values, counts) =
                    split(into_sorted_pairs(length, integers.filter_map(float).chain(fractions)));
                (CategoryList::Floats(values), counts)
            }
            Kind::Others => {
                let sorted = self.sorted();
                drop(self);
                let (categories, counts) = split(sorted);
                (CategoryList::Others(categories), counts)
            }
        }
    }

    /// Whether a float was counted.
    pub(crate) fn has_floats(&self) -> bool {
        self.has_floats
    }

    fn kind(&self, float_names: bool) -> Kind {
        let numbers = self.integers.len() + self.fractions.len();
        let others = self.distinct() - self.texts.len() - numbers;
        let is_float = |(value, _): (i64, u64)| value as f64 as i128 == i128::from(value);
        match (others, self.texts.len(), numbers) {
            (0, _, 0) => Kind::Texts,
            (0, 0, _) if !float_names && self.fractions.len() == 0 => Kind::Integers,
            (0, 0, _) if float_names && self.integers.iter().all(is_float) => Kind::Floats,
            _ => Kind::Others,
        }
    }

    /// The most frequent category and its count, the smallest one of equals; `None` for no values.
    pub fn most_frequent(&self) -> Option<(Category, u64)> {
        let text = self.texts.iter().max_by_key(|(text, n)| (*n, Reverse(*text)));
        let candidates = [
            self.integers.most_frequent().map(|(value, n)| (self.number(value.into()), n)),
            self.wide_integers.most_frequent().map(|(value, n)| (self.number(value), n)),
            self.fractions.most_frequent().map(|(value, n)| (Category::Float(value), n)),
            text.map(|(text, n)| (Category::text(text), n)),
            self.dates.most_frequent().map(|(days, n)| (Category::Date(days), n)),
            self.timestamps.most_frequent().map(|(nanos, n)| (Category::Timestamp(nanos), n)),
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

    /// Bytes that `more` values take beside what is held, while they are added, if all of them are new; `text_bytes` are
    /// those of texts among them.
    pub fn growth_bytes(&self, more: usize, text_bytes: usize) -> usize {
        if text_bytes > 0 {
            return self.texts.growth_bytes(more, text_bytes);
        }
        // They are of a kind that has come up, or of the one whose values are largest.
        let timestamps = self.timestamps.len() > 0 || self.distinct() == 0;
        growth_if(timestamps, &self.timestamps, more)
            + growth_if(self.integers.len() > 0, &self.integers, more)
            + growth_if(self.has_floats, &self.fractions, more)
            + growth_if(self.wide_integers.len() > 0, &self.wide_integers, more)
            + growth_if(self.dates.len() > 0, &self.dates, more)
    }

    /// Bytes that are held at most while another state is merged into this one, those of the other left aside.
    pub fn merge_bytes(&self, other: &Self) -> usize {
        self.heap_bytes()
            + self.integers.growth_bytes(other.integers.len())
            + self.wide_integers.growth_bytes(other.wide_integers.len())
            + self.fractions.growth_bytes(other.fractions.len())
            + self.texts.growth_bytes(other.texts.len(), other.texts.text_bytes())
            + self.dates.growth_bytes(other.dates.len())
            + self.timestamps.growth_bytes(other.timestamps.len())
    }

    /// [`heap_bytes`](Self::heap_bytes), and what is about to be taken: room for an eighth more values, or for some ten
    /// thousand where that is less, and the index that goes with it.
    pub fn bytes_ahead(&self) -> usize {
        self.heap_bytes()
            + self.integers.ahead_bytes()
            + self.wide_integers.ahead_bytes()
            + self.fractions.ahead_bytes()
            + self.texts.ahead_bytes()
            + self.dates.ahead_bytes()
            + self.timestamps.ahead_bytes()
    }

    /// Bytes that are held at most while [`into_sorted`](Self::into_sorted) works, which drops what values are found by
    /// before it begins.
    pub(crate) fn sorting_bytes(&self, float_names: bool) -> usize {
        const PAIR: usize = size_of::<(i64, u64)>();
        let length = self.distinct();
        match self.kind(float_names) {
            Kind::Texts => self.texts.sorting_bytes(),
            // Sorted pairs are made of the entries; then they are split, and the entries are gone.
            Kind::Integers | Kind::Floats => {
                self.integers.entry_bytes() + self.fractions.entry_bytes() + length * PAIR
            }
            Kind::Others => {
                let texts = self.texts.text_bytes() + self.texts.len() * allocated(1);
                let pairs = length * size_of::<(Category, u64)>() + texts;
                let halves = length * (size_of::<Category>() + size_of::<u64>());
                pairs + halves.max(self.heap_bytes())
            }
        }
    }

    /// Bytes of the longest text.
    pub(crate) fn longest_text(&self) -> usize {
        self.texts.iter().map(|(text, _)| allocated(text.len())).max().unwrap_or(0)
    }

    /// Bytes of the texts that are counted, each once.
    pub(crate) fn text_bytes(&self) -> usize {
        self.texts.text_bytes()
    }

    /// Bytes of the categories that [`into_sorted`](Self::into_sorted) gives.
    pub(crate) fn list_bytes(&self, float_names: bool) -> usize {
        let length = self.distinct();
        match self.kind(float_names) {
            Kind::Texts => self.texts.store_bytes(),
            Kind::Integers | Kind::Floats => length * size_of::<i64>(),
            Kind::Others => {
                length * size_of::<Category>() + self.texts.text_bytes() + self.texts.len() * allocated(1)
            }
        }
    }

    /// Bytes held on the heap, with spare room.
    pub fn heap_bytes(&self) -> usize {
        self.integers.heap_bytes()
            + self.wide_integers.heap_bytes()
            + self.fractions.heap_bytes()
            + self.texts.heap_bytes()
            + self.dates.heap_bytes()
            + self.timestamps.heap_bytes()
    }
}

fn growth_if<K: Copy + Eq + Hash + Ord>(grows: bool, tally: &Tally<K>, more: usize) -> usize {
    if grows { tally.growth_bytes(more) } else { 0 }
}

/// Of what the categories are, all of them.
enum Kind {
    Texts,
    /// Integers of 64 bits, under the names of integers.
    Integers,
    /// Floats, and integers under the names of floats.
    Floats,
    /// Others, or several of these.
    Others,
}

fn into_sorted_pairs<K: Ord>(length: usize, pairs: impl Iterator<Item = (K, u64)>) -> Vec<(K, u64)> {
    let mut sorted = Vec::with_capacity(length);
    sorted.extend(pairs);
    sorted.sort_unstable();
    sorted
}

fn split<K>(pairs: Vec<(K, u64)>) -> (Vec<K>, Vec<u64>) {
    let mut keys = Vec::with_capacity(pairs.len());
    let mut counts = Vec::with_capacity(pairs.len());
    for (key, n) in pairs {
        keys.push(key);
        counts.push(n);
    }
    (keys, counts)
}

/// Written with each kind sorted, so that equal counts are equal bytes.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Counts", 9)?;
        fields.serialize_field("missing", &self.missing)?;
        fields.serialize_field("bools", &self.bools)?;
        fields.serialize_field("integers", &self.integers)?;
        fields.serialize_field("wide_integers", &decimals(&self.wide_integers))?;
        fields.serialize_field("fractions", &self.fractions)?;
        fields.serialize_field("has_floats", &self.has_floats)?;
        fields.serialize_field("texts", &self.texts)?;
        fields.serialize_field("dates", &self.dates)?;
        fields.serialize_field("timestamps", &decimals(&self.timestamps))?;
        fields.end()
    }
}

fn decimals(tally: &Tally<i128>) -> Vec<(Decimal, u64)> {
    tally.sorted().into_iter().map(|(value, n)| (Decimal(value), n)).collect()
}

/// What is read: entries in a wrong place or twice do no harm, since all are counted anew.
#[derive(Deserialize)]
struct Stored {
    missing: u64,
    bools: [u64; 2],
    integers: Tally<i64>,
    wide_integers: Vec<(Decimal, u64)>,
    fractions: Vec<(OrderedFloat, u64)>,
    has_floats: bool,
    texts: TextTally<u64>,
    dates: Tally<i32>,
    timestamps: Vec<(Decimal, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Decimal(#[serde(with = "decimal")] i128);

impl From<Stored> for Counts {
    fn from(stored: Stored) -> Self {
        let mut counts = Self {
            missing: stored.missing,
            bools: stored.bools,
            has_floats: stored.has_floats,
            integers: stored.integers,
            texts: stored.texts,
            dates: stored.dates,
            ..Self::new()
        };
        stored.wide_integers.into_iter().for_each(|(value, n)| counts.add_int(value.0, n));
        stored.fractions.into_iter().for_each(|(value, n)| counts.add_float(value.get(), n));
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

    /// With the kind of a number, by which equal ones differ.
    fn named(category: Category) -> String {
        format!("{category:?}")
    }

    fn twin_names(entries: &[Entry]) -> Vec<(String, u64)> {
        of(entries).sorted().into_iter().map(|(category, n)| (named(category), n)).collect()
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
            prop_assert_eq!(&counts.sorted(), &twin);
            let float_names = counts.has_floats();
            let (categories, ns) = counts.into_sorted(float_names);
            let categories = (0..categories.len()).map(|place| categories.get(place));
            prop_assert_eq!(categories.map(named).zip(ns).collect::<Vec<_>>(), twin_names(&entries));
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
        // An index of 4 buckets with a control byte each and a group; 4 spans with a count; a block; lists of both.
        let lists = counts.heap_bytes() - (4 * 5 + 12 + 16) - 4 * 16 - 21;
        assert!(lists > 0 && lists <= 4 * 2 * 24, "{lists}");
        let held = counts.heap_bytes();
        counts.add_text("a name of 21 letters.", 1);
        counts.add_text("", 1);
        assert_eq!((counts.heap_bytes(), counts.distinct()), (held, 2));
        for value in 0..100_000 {
            counts.add_int(value, 1);
        }
        let integers = counts.heap_bytes() - held;
        assert!(
            (100_000 * 16 + 131_072 * 5..4 * 32_768 * 16 + 132_000 * 5).contains(&integers),
            "{integers}"
        );
    }

    #[test]
    fn a_state_never_holds_more_than_it_was_told_to_before() {
        // A table that grows is held beside the one that it grows to, so that what is held at most is not seen from
        // outside; here it is that the new one is told of.
        let mut grown = 0;
        let mut counts = Counts::new();
        for batch in 0..40i128 {
            for text in [false, true] {
                let held = counts.heap_bytes();
                let growth = counts.growth_bytes(10_000, if text { 70_000 } else { 0 });
                for value in batch * 10_000..(batch + 1) * 10_000 {
                    if text { counts.add_text(&format!("{value:07}"), 1) } else { counts.add_int(value, 1) }
                }
                assert!(counts.heap_bytes() <= held + growth, "batch {batch}");
                grown += usize::from(counts.heap_bytes() > held);
            }
        }
        assert!(grown >= 20, "{grown}");
        // Far from its end, a table is what it holds, and a segment or a block more.
        assert!(counts.bytes_ahead() <= counts.heap_bytes() + (5 << 20) + (1 << 19));
        let (other, held) = (counts.clone(), counts.heap_bytes());
        assert!(counts.merge_bytes(&other) > held);
        let mut empty = Counts::new();
        let told = empty.merge_bytes(&other);
        empty.merge(&other);
        assert!(empty.heap_bytes() <= told && empty == other);
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
