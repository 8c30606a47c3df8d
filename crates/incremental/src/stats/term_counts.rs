use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::text_store::TextStore;
use super::text_tally::TextTally;

/// In how many documents each term occurs, and how often in all of them together.
///
/// Documents are counted too, those without terms among them. The state is whole numbers, so that any order, cut
/// and merge tree gives the same results. Counts stop at `u64::MAX`.
///
/// Memory grows with the distinct terms, unless they are given; [`heap_bytes`](Self::heap_bytes) is cheap. An index
/// that grows holds its old half as well until it has moved, so [`growth_bytes`](Self::growth_bytes) is what is compared
/// with a budget before documents are added, and [`bytes_ahead`](Self::bytes_ahead) between batches.
///
/// ```
/// # use incremental::stats::TermCounts;
/// let mut counts = TermCounts::new();
/// counts.begin_document(1);
/// for term in ["tide", "gate", "tide"] {
///     counts.add_term(term);
/// }
/// // Two documents that are the same.
/// counts.begin_document(2);
/// counts.add_term("gate");
/// assert_eq!(counts.documents(), 3);
/// assert_eq!(counts.sorted(), [("gate".into(), 3, 3), ("tide".into(), 1, 2)]);
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Stored")]
pub struct TermCounts {
    documents: u64,
    terms: TextTally<Occurrences>,
    /// Whether terms that are not there yet are left out.
    is_closed: bool,
    /// The number of the document that terms are added to, from 1, and how many there are of it.
    current: u64,
    copies: u64,
}

/// Written with the terms by code points, so that equal counts are equal bytes. Whether others are left out is not: a
/// state that is read takes all.
impl Serialize for TermCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("TermCounts", 2)?;
        fields.serialize_field("documents", &self.documents)?;
        fields.serialize_field("terms", &Terms(&self.terms))?;
        fields.end()
    }
}

struct Terms<'a>(&'a TextTally<Occurrences>);

impl Serialize for Terms<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.sorted().map(|(term, known)| (term, known.documents, known.total)))
    }
}

#[derive(Deserialize)]
struct Stored {
    documents: u64,
    terms: Vec<(Box<str>, u64, u64)>,
}

/// Counts everything anew, so entries in a wrong place or twice do no harm.
impl From<Stored> for TermCounts {
    fn from(stored: Stored) -> Self {
        let mut counts = TermCounts { documents: stored.documents, ..TermCounts::new() };
        for (term, documents, total) in stored.terms {
            counts.add(&term, Occurrences { documents, total, last: 0 });
        }
        counts
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Occurrences {
    pub(crate) documents: u64,
    pub(crate) total: u64,
    /// The last document that had the term.
    last: u64,
}

impl TermCounts {
    /// Counts of no document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts of no document, to which only these terms will be added.
    pub fn of_terms<'a>(terms: impl IntoIterator<Item = &'a str>) -> Self {
        let mut counts = Self::default();
        terms.into_iter().for_each(|term| counts.add(term, Occurrences::default()));
        Self { is_closed: true, ..counts }
    }

    /// Begins a document that there is `copies` times, to which the terms that follow belong.
    pub fn begin_document(&mut self, copies: u64) {
        self.documents = self.documents.saturating_add(copies);
        self.current += 1;
        self.copies = copies;
    }

    /// Adds a term to the document that was begun; it is copied when it is new.
    pub fn add_term(&mut self, term: &str) {
        let (current, copies) = (self.current, self.copies);
        let repeated = |known: &mut Occurrences| {
            known.total = known.total.saturating_add(copies);
            if known.last != current {
                known.documents = known.documents.saturating_add(copies);
                known.last = current;
            }
        };
        let new = Occurrences { documents: copies, total: copies, last: current };
        let is_taken = !self.is_closed;
        self.terms.update(term, repeated, || is_taken.then_some(new));
    }

    fn add(&mut self, term: &str, more: Occurrences) {
        let known = |known: &mut Occurrences| {
            known.documents = known.documents.saturating_add(more.documents);
            known.total = known.total.saturating_add(more.total);
        };
        self.terms.update(term, known, || Some(more));
    }

    /// Adds what another state holds. Both know the same terms, or both take all.
    pub fn merge(&mut self, other: &Self) {
        self.documents = self.documents.saturating_add(other.documents);
        for (term, occurrences) in other.terms.iter() {
            // Documents are numbered by each state for itself.
            self.add(term, Occurrences { last: 0, ..occurrences });
        }
    }

    /// The same counts, which take the terms that `like` takes; `None` if they have others.
    pub(crate) fn among(self, like: &Self) -> Option<Self> {
        let others = like.is_closed
            && (self.terms.len() != like.terms.len()
                || self.terms.iter().any(|(term, _)| like.terms.get(term).is_none()));
        (!others).then_some(Self { is_closed: like.is_closed, ..self })
    }

    /// How many documents there are.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// In how many documents a term occurs.
    pub fn documents_with(&self, term: &str) -> u64 {
        self.terms.get(term).map_or(0, |known| known.documents)
    }

    /// Every term with the number of documents that have it, and how often it occurs in all of them; by code
    /// points.
    pub fn sorted(&self) -> Vec<(Box<str>, u64, u64)> {
        self.terms.sorted().map(|(term, known)| (term.into(), known.documents, known.total)).collect()
    }

    /// As [`sorted`](Self::sorted), without a copy of the terms.
    pub(crate) fn into_sorted(self) -> (TextStore, Vec<Occurrences>) {
        self.terms.into_sorted()
    }

    /// How many different terms there are.
    pub fn distinct(&self) -> usize {
        self.terms.len()
    }

    /// Bytes that `more` terms of `text_bytes` together take beside what is held, while they are added, if all are new.
    pub fn growth_bytes(&self, more: usize, text_bytes: usize) -> usize {
        if self.is_closed { 0 } else { self.terms.growth_bytes(more, text_bytes) }
    }

    /// Bytes that are held at most while another state is merged into this one, those of the other left aside.
    pub fn merge_bytes(&self, other: &Self) -> usize {
        self.heap_bytes() + self.growth_bytes(other.terms.len(), other.terms.text_bytes())
    }

    /// Bytes that are held at most while [`into_sorted`](Self::into_sorted) works.
    pub(crate) fn sorting_bytes(&self) -> usize {
        self.terms.sorting_bytes()
    }

    /// [`heap_bytes`](Self::heap_bytes), and what is about to be taken.
    pub fn bytes_ahead(&self) -> usize {
        self.heap_bytes() + if self.is_closed { 0 } else { self.terms.ahead_bytes() }
    }

    /// Bytes held on the heap, with spare room.
    pub fn heap_bytes(&self) -> usize {
        self.terms.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Documents = Vec<(Vec<String>, u64)>;

    fn documents() -> impl Strategy<Value = Documents> {
        vec((vec("[a-c]{1,2}", 0..6), 1u64..4), 0..8)
    }

    fn of(mut counts: TermCounts, documents: &Documents) -> TermCounts {
        for (terms, copies) in documents {
            counts.begin_document(*copies);
            terms.iter().for_each(|term| counts.add_term(term));
        }
        counts
    }

    fn merged(mut left: TermCounts, right: &TermCounts) -> TermCounts {
        left.merge(right);
        left
    }

    fn results(counts: &TermCounts) -> (u64, Vec<(Box<str>, u64, u64)>) {
        (counts.documents(), counts.sorted())
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_plain_list(documents in documents()) {
            let mut twin: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
            for (terms, copies) in &documents {
                terms.iter().for_each(|term| twin.entry(term).or_default().1 += copies);
                let distinct: BTreeSet<&String> = terms.iter().collect();
                distinct.into_iter().for_each(|term| twin.entry(term).or_default().0 += copies);
            }
            let counts = of(TermCounts::new(), &documents);
            let expected: Vec<_> = twin.into_iter().map(|(term, (d, t))| (term.into(), d, t)).collect();
            prop_assert_eq!(results(&counts), (documents.iter().map(|(_, n)| n).sum(), expected));
            // The terms that are given, and no others.
            let closed = of(TermCounts::of_terms(["a", "zz"]), &documents);
            let known: Vec<_> = closed.sorted().into_iter().map(|(term, ..)| term).collect();
            prop_assert_eq!(known, ["a".into(), "zz".into()] as [Box<str>; 2]);
            prop_assert_eq!(closed.documents_with("a"), counts.documents_with("a"));
        }

        #[test]
        fn states_form_a_commutative_monoid(first in documents(), second in documents(), third in documents()) {
            for start in [TermCounts::new(), TermCounts::of_terms(["a", "b", "cc"])] {
                let [a, b, c] = [&first, &second, &third].map(|part| of(start.clone(), part));
                let left = merged(merged(a.clone(), &b), &c);
                prop_assert_eq!(results(&left), results(&merged(a.clone(), &merged(b.clone(), &c))));
                prop_assert_eq!(results(&merged(a.clone(), &b)), results(&merged(b, &a)));
                prop_assert_eq!(results(&merged(a.clone(), &start)), results(&a));
                prop_assert_eq!(results(&merged(start.clone(), &a)), results(&a));
                let whole = [first.clone(), second.clone(), third.clone()].concat();
                prop_assert_eq!(results(&left), results(&of(start.clone(), &whole)));
                // A merged state counts on as any other.
                let on = of(merged(of(start.clone(), &second), &a), &third);
                prop_assert_eq!(results(&on), results(&left));
            }
        }
    }
}
