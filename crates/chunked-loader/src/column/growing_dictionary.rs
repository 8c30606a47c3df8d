//! The values of a dictionary column that nobody has scanned: they get keys as they come up.
//!
//! All threads that build batches share one. Keys are given once and stay, so that the values of an earlier batch are the
//! first ones of every later batch's. Which text gets which key depends on the threads; what the rows hold does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::StringArray;
use monitor::{Bytes, Reservation};

use super::dictionary::DictionaryKeys;
use crate::column_scan::Candidates;

/// Texts and their keys, from the first on.
#[derive(Debug)]
pub(crate) struct GrowingDictionary {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The texts so far, as the exact scan would remember them: whether a dictionary is worth its while is for both to
    /// decide alike.
    candidates: Option<Candidates>,
    /// Those that `keys` does not hold yet.
    fresh: Vec<Box<[u8]>>,
    key_of_fresh: HashMap<Box<[u8]>, u32, ahash::RandomState>,
    keys: Arc<DictionaryKeys>,
    held: Reservation,
    /// The budget has no room for more.
    is_refused: bool,
}

/// What a text takes beside its bytes, and how often its bytes are there: as a candidate, as fresh, twice, and among the values
/// and keys of the last array and of the one that takes its place.
const BYTES_A_TEXT: usize = 384;
const COPIES: usize = 7;

impl GrowingDictionary {
    /// A dictionary that begins with `texts`, and holds `limit` bytes of them. `held` grows with it.
    pub(crate) fn new(texts: &Candidates, limit: usize, held: Reservation) -> GrowingDictionary {
        let keys = Arc::new(DictionaryKeys::new(&Arc::new(StringArray::from(Vec::<&str>::new()))));
        let state = State {
            candidates: Some(Candidates::new(limit)),
            fresh: Vec::new(),
            key_of_fresh: HashMap::default(),
            keys,
            held,
            is_refused: false,
        };
        let growing = GrowingDictionary { state: Mutex::new(state) };
        let mut texts: Vec<&[u8]> = texts.texts.iter().map(|text| &**text).collect();
        texts.sort_unstable();
        for text in texts {
            growing.key(text);
        }
        growing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked calls all off; what the others still see is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a text that [`keys`](Self::keys) did not hold; `None` once the texts are too many, or the budget is spent.
    pub(crate) fn key(&self, text: &[u8]) -> Option<u32> {
        let mut state = self.lock();
        if let Some(key) = state.keys.key(text).or_else(|| state.key_of_fresh.get(text).copied()) {
            return Some(key);
        }
        let needed = Bytes::from(BYTES_A_TEXT + COPIES * text.len());
        if state.is_refused || state.held.try_grow(needed).is_err() {
            state.is_refused = true;
            return None;
        }
        if !state.candidates.as_mut()?.insert(text) {
            state.candidates = None;
            return None;
        }
        let key = (state.keys.len() + state.fresh.len()) as u32;
        state.fresh.push(text.into());
        state.key_of_fresh.insert(text.into(), key);
        Some(key)
    }

    /// All texts so far and their keys.
    pub(crate) fn keys(&self) -> Arc<DictionaryKeys> {
        let mut state = self.lock();
        if !state.fresh.is_empty() {
            let fresh = std::mem::take(&mut state.fresh);
            state.key_of_fresh.clear();
            let known = state.keys.values();
            // Every record was checked to be UTF-8, and so is each of its fields.
            let fresh = fresh.iter().map(|text| String::from_utf8_lossy(text));
            let values = known.iter().flatten().map(Into::into).chain(fresh);
            state.keys = Arc::new(DictionaryKeys::new(&Arc::new(StringArray::from_iter_values(values))));
        }
        Arc::clone(&state.keys)
    }

    /// The texts as candidates for a dictionary; `None` if they were too many.
    pub(crate) fn take_candidates(&self) -> Option<Candidates> {
        self.lock().candidates.take()
    }

    /// Whether the texts were too many, whatever the budget.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.lock();
        state.candidates.is_none() && !state.is_refused
    }
}

#[cfg(test)]
mod tests {
    use monitor::Budget;

    use super::*;

    fn growing(texts: &[&str], limit: usize) -> GrowingDictionary {
        let mut candidates = Candidates::new(usize::MAX);
        for text in texts {
            candidates.insert(text.as_bytes());
        }
        let held = Budget::unbounded().consumer("dictionary").try_reserve(Bytes::ZERO).unwrap();
        GrowingDictionary::new(&candidates, limit, held)
    }

    #[test]
    fn keys_stay_and_earlier_values_are_the_first_of_later_ones() {
        let growing = growing(&["b", "a"], 1 << 20);
        let first = growing.keys();
        assert_eq!(first.values().iter().flatten().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((growing.key(b"c"), growing.key(b"a"), growing.key(b"c")), (Some(2), Some(0), Some(2)));
        let long = "a text that is longer than what is compared at once";
        assert_eq!(growing.key(long.as_bytes()), Some(3));
        let second = growing.keys();
        assert_eq!(second.values().iter().flatten().collect::<Vec<_>>(), ["a", "b", "c", long]);
        assert_eq!((first.len(), second.key(long.as_bytes())), (2, Some(3)));
        assert!(Arc::ptr_eq(&second, &growing.keys()));
    }

    #[test]
    fn a_budget_that_is_spent_ends_it_and_says_nothing_of_the_texts() {
        let held = Budget::new(Bytes::kib(4)).consumer("dictionary").try_reserve(Bytes::ZERO).unwrap();
        let growing = GrowingDictionary::new(&Candidates::new(1 << 20), 1 << 20, held);
        let given = (0..100).map_while(|n| growing.key(format!("text {n}").as_bytes())).count();
        assert!((1..100).contains(&given) && !growing.is_full());
        assert_eq!(growing.key(b"another"), None);
    }

    #[test]
    fn too_many_texts_end_it() {
        let growing = growing(&["a"], 100);
        let given = (0..10).map_while(|n| growing.key(format!("text {n}").as_bytes())).count();
        assert!(given < 3 && growing.is_full() && growing.take_candidates().is_none());
        assert_eq!(growing.key(b"another"), None);
    }
}
