//! The least and greatest values of pages and of a whole column chunk, and whether pages come in order.

use parquet::basic::BoundaryOrder;

/// Texts in an index are cut to so many bytes.
const MOST_INDEXED: usize = 64;

/// What a column chunk ranges over, page by page.
#[derive(Debug)]
pub(super) struct Bounds<T> {
    page: Option<(T, T)>,
    /// Of the last ended page that had values.
    before: Option<(T, T)>,
    chunk: Option<(T, T)>,
    is_ascending: bool,
    is_descending: bool,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Self { page: None, before: None, chunk: None, is_ascending: true, is_descending: true }
    }
}

impl<T: Clone> Bounds<T> {
    /// Takes a range of values into the page.
    pub(super) fn widen(&mut self, (least, greatest): (T, T), less: impl Fn(&T, &T) -> bool) {
        self.page = Some(join(self.page.take(), (least, greatest), less));
    }

    /// What the page ranges over so far.
    pub(super) fn page(&self) -> Option<&(T, T)> {
        self.page.as_ref()
    }

    /// Ends the page and gives what it ranges over, unless it has no values that compare.
    pub(super) fn end_page(&mut self, less: impl Fn(&T, &T) -> bool) -> Option<(T, T)> {
        let page = self.page.take()?;
        if let Some((least, greatest)) = &self.before {
            self.is_ascending &= !less(&page.0, least) && !less(&page.1, greatest);
            self.is_descending &= !less(least, &page.0) && !less(greatest, &page.1);
        }
        self.before = Some(page.clone());
        self.chunk = Some(join(self.chunk.take(), page.clone(), less));
        Some(page)
    }

    /// What the last ended page that had values ranges over.
    pub(super) fn last_page(&self) -> Option<&(T, T)> {
        self.before.as_ref()
    }

    /// What all ended pages range over.
    pub(super) fn chunk(&self) -> Option<&(T, T)> {
        self.chunk.as_ref()
    }

    pub(super) fn order(&self) -> BoundaryOrder {
        match (self.is_ascending, self.is_descending) {
            (true, _) => BoundaryOrder::ASCENDING,
            (false, true) => BoundaryOrder::DESCENDING,
            (false, false) => BoundaryOrder::UNORDERED,
        }
    }
}

fn join<T>(held: Option<(T, T)>, (least, greatest): (T, T), less: impl Fn(&T, &T) -> bool) -> (T, T) {
    match held {
        None => (least, greatest),
        Some((low, high)) => (
            if less(&least, &low) { least } else { low },
            if less(&high, &greatest) { greatest } else { high },
        ),
    }
}

/// `bytes`, or where they are long a short beginning of them, which is not greater. Text stays text.
pub(super) fn lower(bytes: &[u8], is_text: bool) -> &[u8] {
    match bytes.len() > MOST_INDEXED {
        true => &bytes[..cut(bytes, is_text)],
        false => bytes,
    }
}

/// `bytes`, or where they are long something short that is greater; `bytes` again where there is none.
pub(super) fn upper(bytes: &[u8], is_text: bool) -> Vec<u8> {
    if bytes.len() <= MOST_INDEXED {
        return bytes.to_vec();
    }
    let start = &bytes[..cut(bytes, is_text)];
    let next = match (is_text, std::str::from_utf8(start)) {
        (true, Ok(text)) => next_text(text),
        _ => next_bytes(start),
    };
    next.unwrap_or_else(|| bytes.to_vec())
}

fn cut(bytes: &[u8], is_text: bool) -> usize {
    let is_boundary = |at: usize| bytes[at] & 0b1100_0000 != 0b1000_0000;
    match is_text {
        true => (MOST_INDEXED - 3..=MOST_INDEXED).rev().find(|at| is_boundary(*at)).unwrap_or(MOST_INDEXED),
        false => MOST_INDEXED,
    }
}

/// The least text that is greater than all that begin with `text`, of no more characters.
fn next_text(text: &str) -> Option<Vec<u8>> {
    text.char_indices().rev().find_map(|(at, last)| {
        // Nothing is assigned between these two.
        let next = if last == '\u{d7ff}' { '\u{e000}' } else { char::from_u32(last as u32 + 1)? };
        Some([&text.as_bytes()[..at], next.encode_utf8(&mut [0; 4]).as_bytes()].concat())
    })
}

fn next_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let at = bytes.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = bytes[..=at].to_vec();
    next[at] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn less(a: &i32, b: &i32) -> bool {
        a < b
    }

    fn order(pages: &[(i32, i32)]) -> BoundaryOrder {
        let mut bounds = Bounds::default();
        for page in pages {
            bounds.widen(*page, less);
            bounds.end_page(less);
            // A page of nulls only.
            assert_eq!(bounds.end_page(less), None);
        }
        bounds.order()
    }

    #[test]
    fn pages_in_order_are_known() {
        assert_eq!(order(&[(1, 3), (2, 3), (2, 9)]), BoundaryOrder::ASCENDING);
        assert_eq!(order(&[(5, 9), (5, 8), (1, 2)]), BoundaryOrder::DESCENDING);
        assert_eq!(order(&[(1, 3), (2, 2)]), BoundaryOrder::UNORDERED);
        assert_eq!(order(&[(1, 1), (1, 1)]), BoundaryOrder::ASCENDING);
    }

    #[test]
    fn a_chunk_ranges_over_all_its_pages() {
        let mut bounds = Bounds::default();
        for (least, greatest) in [(3, 4), (-1, 2), (9, 9)] {
            bounds.widen((least, greatest), less);
            bounds.widen((4, 4), less);
            assert_eq!(bounds.end_page(less), Some((least.min(4), greatest.max(4))));
        }
        assert_eq!(bounds.chunk(), Some(&(-1, 9)));
    }

    proptest! {
        #[test]
        fn cut_texts_still_bound(text in "\\PC{0,90}|[\u{10fff0}-\u{10ffff}é]{0,90}") {
            for is_text in [true, false] {
                let bytes = text.as_bytes();
                let (low, high) = (lower(bytes, is_text), upper(bytes, is_text));
                prop_assert!(low <= bytes && high.as_slice() >= bytes);
                prop_assert!(low.len() <= MOST_INDEXED);
                if is_text {
                    prop_assert!(std::str::from_utf8(low).is_ok() && std::str::from_utf8(&high).is_ok());
                }
            }
        }
    }

    #[test]
    fn what_has_no_next_stays_whole() {
        let greatest = [u8::MAX; 70];
        assert_eq!(upper(&greatest, false), greatest);
        let greatest = "\u{10ffff}".repeat(20);
        assert_eq!(upper(greatest.as_bytes(), true), greatest.as_bytes());
        let mixed = format!("a{greatest}");
        assert_eq!(upper(mixed.as_bytes(), true), b"b");
    }
}
