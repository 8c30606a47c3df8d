//! `tfidf_vectorizer`: how often each term of a text occurs, times how rare the term is.
//!
//! Equals scikit-learn's `TfidfVectorizer`. A term that occurs tf times in a text, and in d of all n texts, is
//! tf · (ln((n + 1) / (d + 1)) + 1) there; then the row is divided by its norm. One column of text gives way to a
//! column for each term, by code points, named as the term. A null is a text without terms.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `max_df`, `min_df` | 1.0, 1 | in how many texts a term may, or must, occur: texts, or a share of them |
//! | `max_features` | none | as many terms, the most frequent in all texts; among equals those that sort first |
//! | `vocabulary` | none | the list of terms, in the order of columns; what is above does not hold then |
//! | `binary` | false | tf is 1 |
//! | `sublinear_tf` | false | tf is ln(tf) + 1 |
//! | `use_idf` | true | false: how rare a term is does not count |
//! | `smooth_idf` | true | false: ln(n / d) + 1 |
//! | `norm` | l2 | l1 or none |
//! | `dtype` | float64 | or float32 |
//!
//! Those of [`analyzer`](super::analyzer) come on top. One pass; the state is a [`TermCounts`], which grows with
//! the distinct terms of all texts, rare ones too, unless `vocabulary` lists them.

use std::cmp::Reverse;
use std::sync::{Arc, OnceLock};

use ahash::AHashSet;
use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::analyzer::Analyzer;
use super::documents::{self, Float, Norm};
use crate::column::{Column, ValueKind};
use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::stats::{PlaceIndex, TermCounts, TextStore};
use crate::step::{OutputColumn, Step};

/// Beyond so many new terms, or bytes of them, no budget has room.
const MOST_COUNTED: usize = 1 << 44;

/// A number of documents.
#[derive(Clone, Copy, Debug)]
enum Documents {
    Count(u64),
    Share(f64),
}

impl Documents {
    fn parse(params: &mut Params, name: &'static str, default: Documents) -> Result<Documents, Error> {
        let expected = "a number of texts from 1, or a share of them from 0.0 to 1.0";
        params.read(name, default, expected, |value| match *value {
            ParamValue::Int(count @ 1..) => Some(Documents::Count(count as u64)),
            ParamValue::Float(share) if (0.0..=1.0).contains(&share) => Some(Documents::Share(share)),
            _ => None,
        })
    }

    fn of(self, all: u64) -> f64 {
        match self {
            Documents::Count(count) => count as f64,
            Documents::Share(share) => share * all as f64,
        }
    }
}

/// How counts become weights.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighting {
    binary: bool,
    sublinear_tf: bool,
    use_idf: bool,
    smooth_idf: bool,
    norm: Norm,
    dtype: Float,
}

#[derive(Debug)]
struct TfidfVectorizer {
    analyzer: Analyzer,
    max_df: Documents,
    min_df: Documents,
    max_features: Option<usize>,
    vocabulary: Option<Vec<Box<str>>>,
    weighting: Weighting,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let expected = "a list of terms, each once";
    let vocabulary = params.read_optional("vocabulary", expected, |value| {
        let ParamValue::List(terms) = value else { return None };
        let mut seen = AHashSet::with_capacity(terms.len());
        let terms = terms.iter().map(|term| match term {
            ParamValue::Text(term) if seen.insert(term.as_str()) => Some(term.as_str().into()),
            _ => None,
        });
        terms.collect::<Option<Vec<Box<str>>>>().filter(|terms| !terms.is_empty())
    })?;
    let max_features =
        params.read_optional("max_features", "a whole number from 1", |value| match *value {
            ParamValue::Int(most @ 1..) => usize::try_from(most).ok(),
            _ => None,
        })?;
    Ok(PerColumn::boxed(TfidfVectorizer {
        analyzer: Analyzer::parse(params)?,
        max_df: Documents::parse(params, "max_df", Documents::Share(1.0))?,
        min_df: Documents::parse(params, "min_df", Documents::Count(1))?,
        max_features,
        vocabulary,
        weighting: Weighting {
            binary: params.flag("binary", false)?,
            sublinear_tf: params.flag("sublinear_tf", false)?,
            use_idf: params.flag("use_idf", true)?,
            smooth_idf: params.flag("smooth_idf", true)?,
            norm: Norm::parse(params)?,
            dtype: documents::dtype(params)?,
        },
    }))
}

fn output(term: &str, dtype: Float) -> Column {
    Column { name: term.to_owned(), kind: ValueKind::Float, data_type: dtype.data_type() }
}

impl ColumnStep for TfidfVectorizer {
    type State = Fitting;

    fn check(&self, inputs: &[Column]) -> Result<(), Error> {
        documents::check_one(inputs)
    }

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<Fitting, Error> {
        documents::check_text(input)?;
        Ok(Fitting::new(self))
    }

    fn preview(&self, _: usize, _: &Column) -> (Vec<Column>, bool) {
        let terms = self.vocabulary.iter().flatten().map(|term| output(term, self.weighting.dtype));
        (terms.collect(), self.vocabulary.is_some())
    }
}

struct Fitting {
    step: Arc<TfidfVectorizer>,
    counts: TermCounts,
}

impl Fitting {
    fn new(step: &Arc<TfidfVectorizer>) -> Fitting {
        let counts = match &step.vocabulary {
            None => TermCounts::new(),
            Some(terms) => TermCounts::of_terms(terms.iter().map(AsRef::as_ref)),
        };
        Fitting { step: Arc::clone(step), counts }
    }
}

impl ColumnState for Fitting {
    type Fitted = Weighted;
    type Seen = TermCounts;
    const INSTEAD: Option<&'static str> = Some("hashing_vectorizer");

    fn update(&mut self, values: &ArrayRef, _: u64) -> Result<(), Error> {
        let mut texts = 0;
        documents::for_each(values, |text, rows| {
            texts += rows;
            self.counts.begin_document(rows);
            self.step.analyzer.for_each_token(text, |term| self.counts.add_term(term));
        })?;
        self.counts.begin_document(values.len() as u64 - texts);
        Ok(())
    }

    fn identity(&self) -> Self {
        Fitting::new(&self.step)
    }

    fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
    }

    fn seen(&self) -> impl Serialize {
        &self.counts
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        let counts = seen.among(&self.counts)?;
        Some(Fitting { step: Arc::clone(&self.step), counts })
    }

    fn heap_bytes(&self) -> usize {
        self.counts.bytes_ahead()
    }

    fn update_bytes(&self, values: &ArrayRef) -> usize {
        let (mut terms, mut bytes) = (0usize, 0usize);
        let counted = documents::for_each(values, |text, _| {
            let (tokens, token_bytes) = self.step.analyzer.most_tokens(text.len());
            terms = terms.saturating_add(tokens);
            bytes = bytes.saturating_add(token_bytes);
        });
        // What cannot be read is refused by the update.
        if counted.is_err() {
            return self.heap_bytes();
        }
        let (terms, bytes) = (terms.min(MOST_COUNTED), bytes.min(MOST_COUNTED));
        self.heap_bytes().max(self.counts.heap_bytes() + self.counts.growth_bytes(terms, bytes))
    }

    fn merge_bytes(&self, other: &Self) -> usize {
        self.heap_bytes().max(self.counts.merge_bytes(&other.counts))
    }

    fn finish_bytes(&self) -> usize {
        let terms = self.counts.distinct();
        // Which terms are chosen, how many documents have each, what finds them, and weights.
        let made =
            terms * (size_of::<u32>() + size_of::<u64>() + size_of::<f64>()) + PlaceIndex::bytes_of(terms);
        self.counts.sorting_bytes() + self.counts.heap_bytes() + made + self.step.analyzer.heap_bytes()
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let Fitting { step, counts } = self;
        let documents = counts.documents();
        let (terms, document_counts) = match &step.vocabulary {
            Some(terms) => {
                let with = terms.iter().map(|term| counts.documents_with(term)).collect();
                (terms.iter().map(AsRef::as_ref).collect(), with)
            }
            None => step.chosen(counts)?,
        };
        Ok(Progress::Done(Weighted {
            analyzer: step.analyzer.clone(),
            weighting: step.weighting,
            documents,
            terms,
            document_counts,
            index: OnceLock::new(),
        }))
    }
}

impl TfidfVectorizer {
    /// The terms that become columns, with the number of documents that have each.
    fn chosen(&self, counts: TermCounts) -> Result<(TextStore, Vec<u64>), Error> {
        if counts.distinct() == 0 {
            return Err(Error::contradiction(
                "has no term in any text; see `analyzer`, `token_pattern` and `stop_words`, or drop the column",
            ));
        }
        let (most, least) = (self.max_df.of(counts.documents()), self.min_df.of(counts.documents()));
        if most < least {
            return Err(Error::contradiction(format!(
                "`max_df` comes to {most} texts and `min_df` to {least}, so that no term is left; lower `min_df` or raise `max_df`"
            )));
        }
        let (terms, occurrences) = counts.into_sorted();
        let is_among =
            |place: &u32| (least..=most).contains(&(occurrences[*place as usize].documents as f64));
        let mut chosen = Vec::with_capacity(terms.len());
        chosen.extend((0..terms.len() as u32).filter(is_among));
        if let Some(most) = self.max_features
            && most < chosen.len()
        {
            let total = |place: &u32| {
                let occurrences = occurrences[*place as usize];
                let total = if self.weighting.binary { occurrences.documents } else { occurrences.total };
                // Among equals the first in their order.
                (Reverse(total), *place)
            };
            chosen.sort_unstable_by_key(total);
            chosen.truncate(most);
            chosen.sort_unstable();
        }
        if chosen.is_empty() {
            return Err(Error::contradiction(format!(
                "no term is in {least} to {most} texts; lower `min_df` or raise `max_df`"
            )));
        }
        let documents = chosen.iter().map(|place| occurrences[*place as usize].documents).collect();
        Ok((terms.select(&chosen), documents))
    }
}

/// What is learnt of a column: counts, since weights follow from them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weighted {
    analyzer: Analyzer,
    weighting: Weighting,
    documents: u64,
    /// The terms, each with the number of documents that have it.
    terms: TextStore,
    document_counts: Vec<u64>,
    #[serde(skip)]
    index: OnceLock<Index>,
}

#[derive(Debug)]
struct Index {
    places: PlaceIndex,
    /// What each term is multiplied by.
    weights: Vec<f64>,
}

impl Weighted {
    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let more = f64::from(u8::from(self.weighting.smooth_idf));
            let weight = |documents: &u64| {
                if !self.weighting.use_idf {
                    return 1.0;
                }
                ((self.documents as f64 + more) / (*documents as f64 + more)).ln() + 1.0
            };
            Index { places: self.terms.index(), weights: self.document_counts.iter().map(weight).collect() }
        })
    }

    /// The entries of a text, in the order of columns.
    fn row(&self, text: &str, entries: &mut Vec<(u32, f64)>) {
        let index = self.index();
        self.analyzer.for_each_token(text, |term| {
            if let Some(place) = self.terms.find(&index.places, term) {
                entries.push((place, 1.0));
            }
        });
        documents::add_up(entries);
        for (place, value) in entries.iter_mut() {
            if self.weighting.binary {
                *value = 1.0;
            }
            if self.weighting.sublinear_tf {
                *value = value.ln() + 1.0;
            }
            *value *= index.weights[*place as usize];
        }
        self.weighting.norm.apply(entries);
    }
}

impl FittedColumn for Weighted {
    fn is_sound(&self) -> bool {
        self.terms.len() == self.document_counts.len()
            && u32::try_from(self.terms.len()).is_ok()
            && self.document_counts.iter().all(|documents| *documents <= self.documents)
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        documents::check_text(input)?;
        let outputs = self.terms.iter().map(|term| OutputColumn {
            column: output(term, self.weighting.dtype),
            category: Some(term.to_string()),
        });
        Ok(outputs.collect())
    }

    fn transform(&self, values: &ArrayRef, outputs: &[Column], _: u64) -> Result<Vec<ArrayRef>, Error> {
        let columns = documents::dense(values, outputs.len(), |text, entries| self.row(text, entries))?;
        documents::arrays(columns, outputs)
    }

    fn width(&self) -> usize {
        self.terms.len()
    }

    fn heap_bytes(&self) -> usize {
        // What finds terms and weighs them the first batch makes.
        let index = PlaceIndex::bytes_of(self.terms.len()) + self.terms.len() * size_of::<f64>();
        let counts = self.document_counts.capacity() * size_of::<u64>();
        self.terms.heap_bytes() + counts + index + self.analyzer.heap_bytes()
    }
}
