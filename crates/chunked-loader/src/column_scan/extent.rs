//! The first and the last value of a temporal column, with the texts that write them.

/// The extent of a temporal column, with the texts that write its ends.
#[derive(Clone, Debug)]
pub(crate) struct Extent<T> {
    pub(crate) min: T,
    pub(crate) max: T,
    pub(crate) min_text: String,
    pub(crate) max_text: String,
}

impl<T: Ord + Copy> Extent<T> {
    pub(super) fn heap_bytes(&self) -> usize {
        self.min_text.capacity() + self.max_text.capacity()
    }

    pub(super) fn extend(extent: &mut Option<Self>, value: T, text: &[u8]) {
        let owned = || String::from_utf8_lossy(text).into_owned();
        match extent {
            None => *extent = Some(Extent { min: value, max: value, min_text: owned(), max_text: owned() }),
            Some(e) if value < e.min => (e.min, e.min_text) = (value, owned()),
            Some(e) if value > e.max => (e.max, e.max_text) = (value, owned()),
            Some(e) => {
                // Where one value is written in several ways, the least text stands for it, so that the order in
                // which they come never matters.
                if value == e.min && text < e.min_text.as_bytes() {
                    e.min_text = owned();
                }
                if value == e.max && text < e.max_text.as_bytes() {
                    e.max_text = owned();
                }
            }
        }
    }

    /// Adds the extent of another part. Of two texts that write one value, the lesser is kept, whatever the order.
    pub(super) fn merge(extent: &mut Option<Self>, other: Option<Self>) {
        let Some(other) = other else { return };
        let Some(e) = extent else {
            *extent = Some(other);
            return;
        };
        if (other.min, &other.min_text) < (e.min, &e.min_text) {
            (e.min, e.min_text) = (other.min, other.min_text);
        }
        if other.max > e.max || (other.max == e.max && other.max_text < e.max_text) {
            (e.max, e.max_text) = (other.max, other.max_text);
        }
    }
}
