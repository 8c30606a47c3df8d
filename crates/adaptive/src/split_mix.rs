//! Numbers that look random, the same on every machine and in every version.

/// The generator SplitMix64 of Steele, Lea and Flood (2014), which passes the usual tests and is a few lines.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    pub(crate) fn new(seed: u64) -> SplitMix {
        SplitMix(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, and without, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number whose logarithm is as likely anywhere between 1 and `most`.
    pub(crate) fn up_to(&mut self, most: f64) -> f64 {
        most.powf(self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_sequence() {
        // The first numbers of the authors' implementation for this seed.
        let mut numbers = SplitMix::new(1_234_567);
        let first = [numbers.bits(), numbers.bits(), numbers.bits()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_are_where_they_should_be() {
        let mut numbers = SplitMix::new(1);
        let sum: f64 = (0..10_000).map(|_| numbers.unit()).sum();
        // Within six standard deviations, of 29 and 50.
        assert!((4_827.0..5_173.0).contains(&sum), "{sum}");
        let small = (0..10_000).filter(|_| numbers.up_to(10_000.0) < 100.0).count();
        assert!((4_700..5_300).contains(&small), "{small}");
    }
}
