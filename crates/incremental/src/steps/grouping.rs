//! The parameters that both encoders have: which categories there are, and which are grouped as infrequent.

use ahash::AHashSet;

use super::categories::category_of;
use super::vocabulary::VocabularyFit;
use crate::column::{Column, ValueKind};
use crate::error::Error;
use crate::params::{ParamValue, Params};
use crate::stats::Category;

/// From how many rows on a category stands for itself.
#[derive(Clone, Copy, Debug)]
enum MinFrequency {
    Rows(u64),
    Share(f64),
}

/// The parameter `categories`: for each column the list of its categories, or none for those of the data.
#[derive(Clone, Debug)]
pub(super) struct Declared(Option<Vec<Vec<ParamValue>>>);

impl Declared {
    pub(super) fn parse(params: &mut Params) -> Result<Declared, Error> {
        let expected = "\"auto\", or for each column the list of its categories";
        let declared = params.read("categories", None, expected, |value| match value {
            ParamValue::Text(word) if word == "auto" => Some(None),
            ParamValue::List(columns) => {
                let lists = columns.iter().map(|list| match list {
                    ParamValue::List(values) if !values.is_empty() => Some(values.clone()),
                    _ => None,
                });
                lists.collect::<Option<Vec<_>>>().map(Some)
            }
            _ => None,
        })?;
        Ok(Declared(declared))
    }

    /// Refuses another number of lists than there are columns.
    pub(super) fn check(&self, inputs: &[Column]) -> Result<(), Error> {
        match &self.0 {
            Some(lists) if lists.len() != inputs.len() => Err(Error::parameter(
                "categories",
                format!("{} lists", lists.len()),
                format!("one list for each of the {} columns", inputs.len()),
            )),
            _ => Ok(()),
        }
    }

    /// A fit of the `index`-th column. `unknown_is_error`: a value outside the declared categories is refused.
    pub(super) fn start(
        &self,
        index: usize,
        input: &Column,
        unknown_is_error: bool,
    ) -> Result<VocabularyFit, Error> {
        let declared = match &self.0 {
            None => None,
            Some(lists) => Some(declared_categories(&lists[index], input)?),
        };
        Ok(VocabularyFit::new(input.kind, declared, unknown_is_error))
    }

    /// Whether the categories are those of the data.
    pub(super) fn is_auto(&self) -> bool {
        self.0.is_none()
    }
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    declared: Declared,
    min_frequency: Option<MinFrequency>,
    max_categories: Option<u64>,
}

impl Grouping {
    pub(super) fn parse(params: &mut Params) -> Result<Grouping, Error> {
        let declared = Declared::parse(params)?;
        let expected = "a number of rows from 1, or a share of them between 0 and 1";
        let min_frequency = params.read_optional("min_frequency", expected, |value| match *value {
            ParamValue::Int(rows @ 1..) => Some(MinFrequency::Rows(rows as u64)),
            ParamValue::Float(share) if share > 0.0 && share < 1.0 => Some(MinFrequency::Share(share)),
            _ => None,
        })?;
        let max_categories =
            params.read_optional("max_categories", "a whole number from 1", |value| match *value {
                ParamValue::Int(most @ 1..) => Some(most as u64),
                _ => None,
            })?;
        Ok(Grouping { declared, min_frequency, max_categories })
    }

    pub(super) fn check(&self, inputs: &[Column]) -> Result<(), Error> {
        self.declared.check(inputs)
    }

    /// See [`Declared::start`].
    pub(super) fn start(
        &self,
        index: usize,
        input: &Column,
        unknown_is_error: bool,
    ) -> Result<VocabularyFit, Error> {
        self.declared.start(index, input, unknown_is_error)
    }

    /// How many of the categories that occur so often stand for themselves at the most.
    pub(super) fn most_frequent(&self, counts: impl Iterator<Item = u64>, rows: u64) -> usize {
        let frequent = counts.filter(|count| !self.is_rare(*count, rows)).count();
        let most = self.max_categories.and_then(|most| usize::try_from(most).ok());
        most.map_or(frequent, |most| most.min(frequent))
    }

    fn is_rare(&self, count: u64, rows: u64) -> bool {
        match self.min_frequency {
            None => false,
            Some(MinFrequency::Rows(least)) => count < least,
            Some(MinFrequency::Share(share)) => (count as f64) < rows as f64 * share,
        }
    }

    /// Which of `counts` are infrequent. As scikit-learn: the rarest go first, among equals those that sort first.
    pub(super) fn infrequent(&self, counts: &[u64], rows: u64) -> Vec<bool> {
        let mut infrequent: Vec<bool> = counts.iter().map(|count| self.is_rare(*count, rows)).collect();
        // One place is counted for the infrequent ones even if there are none.
        let features = counts.len() - infrequent.iter().filter(|i| **i).count() + 1;
        if let Some(most) = self.max_categories
            && most < features as u64
        {
            let mut by_count: Vec<u32> = (0..counts.len() as u32).collect();
            by_count.sort_unstable_by_key(|place| (counts[*place as usize], *place));
            let kept = (most - 1) as usize;
            for place in &by_count[..counts.len().saturating_sub(kept)] {
                infrequent[*place as usize] = true;
            }
        }
        infrequent
    }
}

/// For each category its place among the `frequent` ones, or behind them the place that the infrequent share.
pub(super) fn groups(infrequent: &[bool], frequent: u32) -> Vec<u32> {
    let mut next = 0..;
    infrequent.iter().map(|i| if *i { frequent } else { next.next().unwrap_or(frequent) }).collect()
}

/// The categories that a recipe declares for a column; `None` in the last place stands for missing.
fn declared_categories(list: &[ParamValue], input: &Column) -> Result<Vec<Option<Category>>, Error> {
    let mut categories: Vec<Option<Category>> = Vec::with_capacity(list.len());
    let mut seen = AHashSet::with_capacity(list.len());
    for (i, value) in list.iter().enumerate() {
        let category = category_of("categories", value, input.kind)?;
        if category.is_none() && i + 1 < list.len() {
            return Err(Error::parameter(
                "categories",
                "nan before the end of a list",
                "nan in the last place",
            ));
        }
        if !seen.insert(category.clone()) {
            return Err(Error::parameter("categories", format!("{value} twice"), "each category once"));
        }
        categories.push(category);
    }
    let is_sorted = categories.iter().flatten().is_sorted();
    if input.kind.is_arithmetic() && input.kind != ValueKind::Null && !is_sorted {
        return Err(Error::parameter("categories", "not sorted", "numbers from the smallest to the largest"));
    }
    Ok(categories)
}
