//! Whether the values of a chunk came in order.

/// Which way the values of a chunk that is sorted go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// Looks at values in passing. Once they have gone both ways it does no more.
#[derive(Debug)]
pub(super) struct Ordered<T> {
    last: Option<T>,
    is_ascending: bool,
    is_descending: bool,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { last: None, is_ascending: true, is_descending: true }
    }
}

impl<T: Copy> Ordered<T> {
    /// Takes the next values.
    pub(super) fn push(&mut self, values: &[T], less: impl Fn(&T, &T) -> bool) {
        let ([first, ..], [.., last]) = (values, values) else { return };
        let before = self.last.replace(*last).unwrap_or(*first);
        // Without a way out of the loop, many pairs are compared at a time.
        if self.is_ascending {
            let falls =
                values.windows(2).fold(less(first, &before), |falls, pair| falls | less(&pair[1], &pair[0]));
            self.is_ascending = !falls;
        }
        if self.is_descending {
            let rises =
                values.windows(2).fold(less(&before, first), |rises, pair| rises | less(&pair[0], &pair[1]));
            self.is_descending = !rises;
        }
    }

    /// Which way all values go, unless they are all the same, or in no order.
    pub(super) fn direction(&self) -> Option<Direction> {
        match (self.is_ascending, self.is_descending) {
            (true, false) => Some(Direction::Ascending),
            (false, true) => Some(Direction::Descending),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn direction(values: &[i32], cut: usize) -> Option<Direction> {
        let mut ordered = Ordered::default();
        values.chunks(cut).for_each(|values| ordered.push(values, |a, b| a < b));
        ordered.direction()
    }

    #[test]
    fn what_goes_one_way_is_sorted_and_what_does_not_move_is_not() {
        assert_eq!(direction(&[1, 1, 2, 5], 2), Some(Direction::Ascending));
        assert_eq!(direction(&[5, 5, 2], 1), Some(Direction::Descending));
        assert_eq!(direction(&[1, 2, 1], 3), None);
        assert_eq!(direction(&[3, 3, 3], 2), None);
        assert_eq!(direction(&[], 1), None);
    }

    proptest! {
        #[test]
        fn any_cut_tells_the_same_as_sorting(
            mut values in prop::collection::vec(0i32..6, 0..40),
            cut in 1usize..9,
            sorted in 0..3,
        ) {
            match sorted {
                0 => values.sort_unstable(),
                1 => values.sort_unstable_by(|a, b| b.cmp(a)),
                _ => {}
            }
            let is_ascending = values.is_sorted();
            let is_descending = values.is_sorted_by(|a, b| a >= b);
            let expected = match (is_ascending, is_descending) {
                (true, false) => Some(Direction::Ascending),
                (false, true) => Some(Direction::Descending),
                _ => None,
            };
            prop_assert_eq!(direction(&values, cut), expected);
        }
    }
}
