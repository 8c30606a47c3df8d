//! Chance that depends on a seed and a row's number alone, and so on no cut, order or number of workers.

/// What a row is drawn for. Draws for one thing tell nothing of those for another, under one seed too.
#[derive(Clone, Copy)]
enum Draw {
    Fold,
    Split,
}

/// The hash of a row's number: output `row` of SplitMix64 begun at the hash of the seed, an output of the same
/// generator as well.
///
/// G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", 2014,
/// <https://doi.org/10.1145/2714064.2660195>.
fn row_hash(draw: Draw, seed: u64, row: u64) -> u64 {
    const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64| {
        let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ (state >> 31)
    };
    let begin = mix(seed.wrapping_add((draw as u64 + 1).wrapping_mul(GOLDEN_GAMMA)));
    mix(begin.wrapping_add(row.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA)))
}

/// The fold of a row, one of `folds`.
pub(crate) fn fold(seed: u64, row: u64, folds: u32) -> u32 {
    // The top bits of the hash, as a share of all folds.
    ((u128::from(row_hash(Draw::Fold, seed, row)) * u128::from(folds)) >> 64) as u32
}

/// A number from 0 to 1, which is below a share of all rows for that share of them.
pub(crate) fn share(seed: u64, row: u64) -> f64 {
    // As many bits as a float64 has.
    (row_hash(Draw::Split, seed, row) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_split_mix_64() {
        // The generator of the paper's authors begun at 0 gives this first.
        let first = 0xe220_a839_7b1d_cdaf;
        // It is what the seed is hashed to, and row numbers go on from there.
        let mut state: u64 = first;
        for row in 0..3 {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut expected = state;
            expected = (expected ^ (expected >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            expected = (expected ^ (expected >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            assert_eq!(row_hash(Draw::Fold, 0, row), expected ^ (expected >> 31));
        }
    }

    #[test]
    fn folds_are_about_equal_and_differ_by_seed() {
        for seed in [0, 1, u64::MAX] {
            let mut rows = [0u32; 5];
            (0..10_000).for_each(|row| rows[fold(seed, row, 5) as usize] += 1);
            // Five standard deviations of a binomial count are 200.
            assert!(rows.iter().all(|rows| rows.abs_diff(2000) < 200), "{rows:?}");
        }
        assert!((0..100).any(|row| fold(0, row, 5) != fold(1, row, 5)));
        assert_eq!(fold(7, 3, 1), 0);
    }

    #[test]
    fn shares_are_kept_and_do_not_follow_the_folds() {
        for seed in [0, 1, u64::MAX] {
            let test: Vec<u64> = (0..10_000).filter(|row| share(seed, *row) < 0.2).collect();
            // Five standard deviations of a binomial count are 200.
            assert!(test.len().abs_diff(2000) < 200, "{}", test.len());
            let mut rows = [0usize; 5];
            test.iter().for_each(|row| rows[fold(seed, *row, 5) as usize] += 1);
            assert!(rows.iter().all(|rows| rows.abs_diff(test.len() / 5) < 100), "{rows:?}");
        }
    }
}
