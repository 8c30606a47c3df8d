//! A long series as a short one: the median of each run of neighbours.

/// The most blocks that a series is cut into.
pub(super) const MOST_BLOCKS: usize = 64;

/// The medians of a series' blocks.
///
/// Comparing all pairs of a thousand values takes milliseconds. Of 64 blocks there are 2016 pairs. Blocks of the same
/// length of a series without a trend are exchangeable as its values are, so both tests remain what they were; their
/// medians are alike to a lesser degree than neighbours are, and an odd value cannot move one. A slope of blocks is a
/// slope of the series times [`Blocks::len`]. What is lost is a few percent of the power.
pub(super) struct Blocks {
    /// Oldest first.
    pub(super) medians: Vec<f64>,
    /// Values in each block.
    pub(super) len: usize,
}

impl Blocks {
    /// Of a series of finite values. The oldest ones are left out where they do not fill a block: the newest matter.
    pub(super) fn of(values: &[f64]) -> Blocks {
        let len = values.len().div_ceil(MOST_BLOCKS).max(1);
        let rest = values.len() % len;
        let mut block = vec![0.0; len];
        let medians = values[rest..]
            .chunks_exact(len)
            .map(|values| {
                block.copy_from_slice(values);
                median(&mut block)
            })
            .collect();
        Blocks { medians, len }
    }
}

/// The median of values that are not none; their order is lost.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    if n % 2 == 1 { values[n / 2] } else { (values[n / 2 - 1] + values[n / 2]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_blocks_than_may_be() {
        for n in 0..1500 {
            let values: Vec<f64> = (0..n).map(f64::from).collect();
            let blocks = Blocks::of(&values);
            assert!(blocks.medians.len() <= MOST_BLOCKS);
            assert!(n < 64 || blocks.medians.len() >= MOST_BLOCKS / 2, "{n}: {}", blocks.medians.len());
            // The newest are in, and blocks of a straight line are as far apart as they are long.
            assert!(blocks.medians.windows(2).all(|pair| pair[1] - pair[0] == blocks.len as f64));
            if let Some(last) = blocks.medians.last() {
                assert_eq!(*last, f64::from(n) - (blocks.len as f64 + 1.0) / 2.0);
            }
        }
    }

    #[test]
    fn short_series_stay_as_they_are() {
        let values = [3.0, 1.0, 2.0];
        assert_eq!(Blocks::of(&values).medians, values);
    }
}
