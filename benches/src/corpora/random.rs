//! The one source of chance: seeded, fast, and the same on every platform.

use std::f64::consts::TAU;

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014),
/// with the output function's constants of Stafford's variant 13.
///
/// Every seed is as good as any other, zero too. Not for secrets.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) const fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 uniform bits.
    pub(super) const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A whole number in `0..bound`, by the high half of a 128-bit product. The bias is below
    /// `bound / 2^64`, and no bits are drawn again, so every call takes one draw.
    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// True once in `times` draws.
    pub(super) const fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of `choices`.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub(super) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A float in `[0, 1)`, a multiple of 2^-53.
    pub(super) const fn unit(&mut self) -> f64 {
        const STEPS: f64 = (1_u64 << 53) as f64;
        (self.bits() >> 11) as f64 / STEPS
    }

    /// A standard normal float, by Box and Muller's transform (Annals of Mathematical Statistics 29,
    /// 1958). Its second half is thrown away: a call then takes two draws whatever came before it.
    pub(super) fn normal(&mut self) -> f64 {
        // The logarithm of zero is not finite.
        let radius = (-2.0 * self.unit().max(1e-300).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs for seed 1234567 in Rosetta Code's task "Pseudo-random numbers/Splitmix64".
    #[test]
    fn bits_are_splitmix64() {
        let mut random = Random::seeded(1_234_567);
        let found: [u64; 3] = std::array::from_fn(|_| random.bits());
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn bounds_hold_and_are_reached() {
        let mut random = Random::seeded(0);
        let mut seen = [0_u32; 7];
        for _ in 0..7000 {
            seen[random.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(random.below(1), 0);
        assert!((0..1000).map(|_| random.unit()).all(|unit| (0.0..1.0).contains(&unit)));
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut random = Random::seeded(5);
        let values: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }
}
