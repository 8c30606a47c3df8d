//! The distinct numbers of a column chunk, in the order in which they first stand there.

use super::numbers::Number;

const FREE: u32 = u32::MAX;

/// So few values have places far apart, where hardly one is in the way of another: what the processor guesses is right.
const LEAST_SLOTS: usize = 2048;

#[derive(Debug)]
pub(super) struct NumberDictionary<T> {
    values: Vec<T>,
    /// By hash, then the next ones: the index of a value, or free. A power of two, at most half of it taken.
    slots: Vec<u32>,
    /// Bytes that the values may take.
    most: usize,
}

impl<T: Number> NumberDictionary<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { values: Vec::new(), slots: Vec::new(), most }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    /// Whether the values take more than they may. Seen after each block.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() > self.most
    }

    pub(super) fn bytes(&self) -> usize {
        self.values.len() * size_of::<T>()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<T>() + self.slots.capacity() * size_of::<u32>()
    }

    /// Appends the index of each value.
    pub(super) fn look_up(&mut self, values: &[T], indices: &mut Vec<u32>) {
        if self.slots.is_empty() {
            self.grow();
        }
        indices.extend(values.iter().map(|value| {
            let place = self.place(*value);
            match self.slots[place] {
                FREE => self.insert(*value, place),
                index => index,
            }
        }));
    }

    #[cold]
    fn insert(&mut self, value: T, place: usize) -> u32 {
        let index = self.values.len() as u32;
        self.slots[place] = index;
        self.values.push(value);
        if self.values.len() * 2 >= self.slots.len() {
            self.grow();
        }
        index
    }

    /// Where the value is, or is to be.
    fn place(&self, value: T) -> usize {
        let mask = self.slots.len() - 1;
        // Fibonacci hashing: the golden ratio's bits spread what differs in any bit over the highest ones, and over no
        // others: those of floats of few digits differ in the highest bits alone.
        let hash = value.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut place = (hash >> (u64::BITS - self.slots.len().ilog2())) as usize;
        loop {
            let index = self.slots[place];
            if index == FREE || self.values[index as usize].bits() == value.bits() {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(LEAST_SLOTS);
        self.slots = vec![FREE; slots];
        for index in 0..self.values.len() {
            let place = self.place(self.values[index]);
            self.slots[place] = index as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn indices_are_those_of_a_map(values in prop::collection::vec(-300i64..300, 0..2000), scale in 0u32..54) {
            let values: Vec<f64> = values.into_iter().map(|value| (value << scale) as f64 / 8.0).collect();
            let (mut dictionary, mut indices) = (NumberDictionary::new(usize::MAX), Vec::new());
            let (early, late) = values.split_at(values.len() / 3);
            dictionary.look_up(early, &mut indices);
            dictionary.look_up(late, &mut indices);
            let mut map = HashMap::new();
            let expected: Vec<u32> = values
                .iter()
                .map(|value| {
                    let next = map.len() as u32;
                    *map.entry(value.to_bits()).or_insert(next)
                })
                .collect();
            prop_assert_eq!(indices, expected);
            prop_assert_eq!(dictionary.len(), map.len());
        }
    }

    #[test]
    fn floats_of_few_digits_are_found_at_once() {
        let mut dictionary = NumberDictionary::new(usize::MAX);
        let halves: Vec<f64> = (0..200).map(|n| f64::from(n) / 2.0).collect();
        dictionary.look_up(&halves, &mut Vec::new());
        let first = |value: f64| {
            let hash = value.to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (hash >> (u64::BITS - dictionary.slots.len().ilog2())) as usize
        };
        let displaced = halves.iter().filter(|value| dictionary.place(**value) != first(**value)).count();
        assert!(displaced < halves.len() / 8, "{displaced} of {}", halves.len());
    }

    #[test]
    fn zeros_of_both_signs_and_nan_are_values() {
        let (mut dictionary, mut indices) = (NumberDictionary::new(16), Vec::new());
        dictionary.look_up(&[0.0, -0.0, f64::NAN, 0.0, f64::NAN], &mut indices);
        assert_eq!(indices, [0, 1, 2, 0, 2]);
        assert!(dictionary.is_full());
    }
}
