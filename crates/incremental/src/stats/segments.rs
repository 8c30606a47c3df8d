//! A list that grows without moving what it holds.

use std::ops::{Index, IndexMut};

/// Entries of a segment. So large, that blocks of entries are given back to the system when they are freed.
const SEGMENT: usize = 1 << 15;

/// A list in segments: one that grows takes a segment more, and never holds its old half as well. Only the first
/// segment grows as a vector does, so that a short list is small.
#[derive(Clone, Debug)]
pub(super) struct Segments<T> {
    /// All but the last are full.
    segments: Vec<Vec<T>>,
    length: usize,
}

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Segments { segments: Vec::new(), length: 0 }
    }
}

impl<T> Segments<T> {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn push(&mut self, value: T) {
        match self.segments.last_mut() {
            Some(last) if last.len() < SEGMENT => {
                if last.len() == last.capacity() {
                    last.reserve_exact(last.len().max(4).min(SEGMENT - last.len()));
                }
                last.push(value);
            }
            last => {
                let room = if last.is_some() { SEGMENT } else { 4 };
                let mut segment = Vec::with_capacity(room);
                segment.push(value);
                self.segments.push(segment);
            }
        }
        self.length += 1;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().flatten()
    }

    /// Gives each segment back when its last entry is taken.
    pub(super) fn into_values(self) -> impl Iterator<Item = T> {
        self.segments.into_iter().flatten()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let full = self.segments.len().saturating_sub(1) * SEGMENT;
        (full + self.segments.last().map_or(0, Vec::capacity)) * size_of::<T>()
            + self.segments.capacity() * size_of::<Vec<T>>()
    }

    /// Bytes that `more` entries take beside what is held, while they come.
    pub(super) fn growth_bytes(&self, more: usize) -> usize {
        let after = self.length + more;
        let last = self.segments.last().map_or(0, Vec::capacity);
        let room = self.segments.len().saturating_sub(1) * SEGMENT + last;
        if after <= room {
            return 0;
        }
        // A first segment that grows holds its old half as well until that has moved.
        let entries = match self.segments.len() {
            0 | 1 if after <= SEGMENT / 2 => 2 * after + 4,
            0 | 1 => after.next_multiple_of(SEGMENT).max(SEGMENT),
            _ => after.next_multiple_of(SEGMENT) - room,
        };
        let list = 2 * (after / SEGMENT + 4) * size_of::<Vec<T>>();
        entries * size_of::<T>() + list
    }
}

impl<T> Index<usize> for Segments<T> {
    type Output = T;

    fn index(&self, place: usize) -> &T {
        &self.segments[place / SEGMENT][place % SEGMENT]
    }
}

impl<T> IndexMut<usize> for Segments<T> {
    fn index_mut(&mut self, place: usize) -> &mut T {
        &mut self.segments[place / SEGMENT][place % SEGMENT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_in_their_order() {
        let mut list = Segments::default();
        for value in 0..3 * SEGMENT + 5 {
            assert_eq!(list.len(), value);
            let (before, more) = (list.heap_bytes(), list.growth_bytes(1));
            list.push(value);
            assert!(list.heap_bytes() <= before + more, "{value}");
        }
        list[SEGMENT] = 7;
        assert!(list.iter().enumerate().all(|(place, value)| list[place] == *value));
        assert_eq!((list[SEGMENT - 1], list[SEGMENT], list[SEGMENT + 1]), (SEGMENT - 1, 7, SEGMENT + 1));
        assert!(list.heap_bytes() < (4 * SEGMENT + 100) * size_of::<usize>());
        assert_eq!(list.into_values().nth(3 * SEGMENT + 4), Some(3 * SEGMENT + 4));
    }
}
