//! Amdahl's law.

/// Cores that the curve is given for.
pub(crate) const CORES: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

/// How many times faster work of which the share `serial` is serial is on so many cores than on one:
/// `1 / (s + (1 - s) / n)` (Amdahl 1967).
pub(crate) fn speed_up(serial: f64, cores: u32) -> f64 {
    1.0 / (serial + (1.0 - serial) / f64::from(cores))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_can_all_be_shared_grows_with_the_cores_and_serial_work_never() {
        assert_eq!(CORES.map(|cores| speed_up(0.0, cores)), CORES.map(f64::from));
        assert_eq!(CORES.map(|cores| speed_up(1.0, cores)), [1.0; 7]);
    }

    #[test]
    fn the_curve_is_the_formula_by_hand() {
        // 1 / (0.2 + 0.8 / 4) = 2.5.
        assert_eq!(speed_up(0.2, 4), 2.5);
        // Whatever the cores, less than the reciprocal of what is serial.
        assert!((99.0..100.0).contains(&speed_up(0.01, 100_000)));
    }
}
