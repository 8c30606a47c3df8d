//! The different categories of a column in an order, as small as their kind allows.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::allocation::allocated;
use super::category::{Category, decimal};
use super::listed;
use super::ordered_float::OrderedFloat;
use super::place_index::PlaceIndex;
use super::text_store::TextStore;

/// Categories by place, written as a list of [`Category`].
#[derive(Clone, Debug)]
pub(crate) enum CategoryList {
    Texts(TextStore),
    Integers(Vec<i64>),
    Floats(Vec<OrderedFloat>),
    /// Kinds that have few different values, and kinds together.
    Others(Vec<Category>),
}

/// A category to be looked up: equal for equal numbers, however they are named.
#[derive(Debug, Hash, PartialEq, Eq)]
pub(crate) enum CategoryKey<'a> {
    Text(&'a str),
    Integer(i64),
    /// Neither of both; it holds no text.
    Other(Category),
}

impl CategoryKey<'_> {
    pub(crate) fn of(category: &Category) -> CategoryKey<'_> {
        match category {
            Category::Text(text) => CategoryKey::Text(text),
            Category::Float(value) => CategoryKey::of_float(*value),
            Category::Int(value) => match i64::try_from(*value) {
                Ok(value) => CategoryKey::Integer(value),
                Err(_) => CategoryKey::Other(category.clone()),
            },
            other => CategoryKey::Other(other.clone()),
        }
    }

    pub(crate) fn of_float(value: OrderedFloat) -> CategoryKey<'static> {
        let float = value.get();
        let integer = float as i64;
        // Beyond 2^63 the conversion saturates, to a number that as a float is 2^63 again.
        let is_whole = integer as f64 == float && integer != i64::MAX;
        if is_whole { CategoryKey::Integer(integer) } else { CategoryKey::Other(Category::Float(value)) }
    }
}

/// A category that is written from where it stands.
#[derive(Serialize)]
enum Lent<'a> {
    Int(#[serde(with = "decimal")] i128),
    Float(OrderedFloat),
    Text(&'a str),
}

impl Default for CategoryList {
    fn default() -> Self {
        CategoryList::Others(Vec::new())
    }
}

impl CategoryList {
    pub(crate) fn len(&self) -> usize {
        match self {
            CategoryList::Texts(texts) => texts.len(),
            CategoryList::Integers(values) => values.len(),
            CategoryList::Floats(values) => values.len(),
            CategoryList::Others(categories) => categories.len(),
        }
    }

    /// # Panics
    /// If there is no such place.
    pub(crate) fn get(&self, place: usize) -> Category {
        match self {
            CategoryList::Texts(texts) => Category::text(texts.get(place)),
            CategoryList::Integers(values) => Category::Int(values[place].into()),
            CategoryList::Floats(values) => Category::Float(values[place]),
            CategoryList::Others(categories) => categories[place].clone(),
        }
    }

    /// # Panics
    /// If there is no such place.
    pub(crate) fn key(&self, place: usize) -> CategoryKey<'_> {
        match self {
            CategoryList::Texts(texts) => CategoryKey::Text(texts.get(place)),
            CategoryList::Integers(values) => CategoryKey::Integer(values[place]),
            CategoryList::Floats(values) => CategoryKey::of_float(values[place]),
            CategoryList::Others(categories) => CategoryKey::of(&categories[place]),
        }
    }

    /// Appends a category. The list becomes one of kinds together where it is of another kind than those before.
    pub(crate) fn push(&mut self, category: Category) {
        if self.len() == 0 {
            *self = match &category {
                Category::Text(_) => CategoryList::Texts(TextStore::default()),
                Category::Int(value) if i64::try_from(*value).is_ok() => CategoryList::Integers(Vec::new()),
                Category::Float(_) => CategoryList::Floats(Vec::new()),
                _ => CategoryList::default(),
            };
        }
        match (&mut *self, category) {
            (CategoryList::Texts(texts), Category::Text(text)) => texts.push(&text),
            (CategoryList::Floats(values), Category::Float(value)) => values.push(value),
            (CategoryList::Others(categories), category) => categories.push(category),
            (CategoryList::Integers(values), Category::Int(value)) if i64::try_from(value).is_ok() => {
                values.push(value as i64);
            }
            (_, category) => {
                let mut categories: Vec<Category> = (0..self.len()).map(|place| self.get(place)).collect();
                categories.push(category);
                *self = CategoryList::Others(categories);
            }
        }
    }

    /// An index of all categories. Of equal ones the last counts.
    pub(crate) fn index(&self) -> CategoryIndex {
        let mut index = PlaceIndex::with_capacity(self.len());
        for place in (0..self.len()).rev() {
            let key = self.key(place);
            let hash = index.hash(&key);
            if index.find(hash, |other| self.key(other as usize) == key).is_none() {
                index.insert(hash, place as u32, |other| self.key(other as usize));
            }
        }
        CategoryIndex(index)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            CategoryList::Texts(texts) => texts.heap_bytes(),
            CategoryList::Integers(values) => values.capacity() * size_of::<i64>(),
            CategoryList::Floats(values) => values.capacity() * size_of::<OrderedFloat>(),
            CategoryList::Others(categories) => {
                let text = |category: &Category| match category {
                    Category::Text(text) => allocated(text.len()),
                    _ => 0,
                };
                let texts: usize = categories.iter().map(text).sum();
                categories.capacity() * size_of::<Category>() + texts
            }
        }
    }
}

impl FromIterator<Category> for CategoryList {
    fn from_iter<I: IntoIterator<Item = Category>>(categories: I) -> Self {
        let mut list = CategoryList::default();
        categories.into_iter().for_each(|category| list.push(category));
        list
    }
}

/// The places of the categories of one list.
#[derive(Debug)]
pub(crate) struct CategoryIndex(PlaceIndex);

impl CategoryIndex {
    /// The place of a category in the list that the index is of.
    pub(crate) fn find(&self, list: &CategoryList, key: &CategoryKey<'_>) -> Option<u32> {
        self.0.find(self.0.hash(key), |place| list.key(place as usize) == *key)
    }

    /// Bytes of the index of a list of so many.
    pub(crate) fn bytes_of(categories: usize) -> usize {
        PlaceIndex::bytes_of(categories)
    }
}

impl Serialize for CategoryList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_seq(Some(self.len()))?;
        match self {
            CategoryList::Texts(texts) => {
                texts.iter().try_for_each(|text| written.serialize_element(&Lent::Text(text)))?;
            }
            CategoryList::Integers(values) => {
                values.iter().try_for_each(|value| written.serialize_element(&Lent::Int((*value).into())))?;
            }
            CategoryList::Floats(values) => {
                values.iter().try_for_each(|value| written.serialize_element(&Lent::Float(*value)))?;
            }
            CategoryList::Others(categories) => {
                categories.iter().try_for_each(|category| written.serialize_element(category))?;
            }
        }
        written.end()
    }
}

impl<'de> Deserialize<'de> for CategoryList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut list = CategoryList::default();
        listed::for_each(deserializer, |category| list.push(category))?;
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn category() -> impl Strategy<Value = Category> {
        let float = |value| Category::float(value).unwrap();
        prop_oneof![
            "[ab]{0,2}".prop_map(|text: String| Category::text(&text)),
            (-3i128..3).prop_map(Category::Int),
            prop::sample::select(vec![i128::from(i64::MAX), i128::from(i64::MIN), 1 << 64, 1 << 63])
                .prop_map(Category::Int),
            prop::sample::select(vec![0.5, -2.0, 2f64.powi(63), 2f64.powi(64), 1e300, f64::INFINITY])
                .prop_map(float),
            any::<bool>().prop_map(Category::Bool),
            (0..3).prop_map(Category::Date),
            (0i128..3).prop_map(|step| Category::Timestamp(step << 70)),
        ]
    }

    /// Of one kind mostly.
    fn categories() -> impl Strategy<Value = Vec<Category>> {
        let of_kind = (0u8..6, vec(category(), 0..60)).prop_map(|(kind, categories)| {
            let is_it = |category: &Category| match category {
                Category::Text(_) => kind == 0,
                Category::Int(_) => kind == 1,
                Category::Float(_) => kind == 2,
                _ => kind == 3,
            };
            categories.into_iter().filter(|category| kind > 3 || is_it(category)).collect()
        });
        of_kind.boxed()
    }

    proptest! {
        #[test]
        fn a_list_is_written_found_and_given_as_categories_are(
            categories in categories(),
            others in vec(category(), 0..20),
        ) {
            let list: CategoryList = categories.iter().cloned().collect();
            let written = serde_json::to_string(&list).unwrap();
            prop_assert_eq!(&written, &serde_json::to_string(&categories).unwrap());
            let read: CategoryList = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), written);
            let given: Vec<Category> = (0..list.len()).map(|place| list.get(place)).collect();
            prop_assert_eq!(&given, &categories);
            let index = list.index();
            for category in others.iter().chain(&categories) {
                let expected = categories.iter().rposition(|other| other == category);
                let found = index.find(&list, &CategoryKey::of(category)).map(|place| place as usize);
                prop_assert_eq!(found, expected, "{:?}", category);
            }
            prop_assert!(index.0.heap_bytes() <= CategoryIndex::bytes_of(list.len()));
        }
    }
}
