use std::f64::consts::SQRT_2;

use statrs::function::erf::erfc_inv;

/// The quantile of the standard normal distribution: the z below which the share `level` lies.
///
/// −∞ at 0 and ∞ at 1; a level beyond them is taken for the nearer one.
///
/// ```
/// # use incremental::stats::normal_quantile;
/// assert_eq!(normal_quantile(0.5), 0.0);
/// assert!((normal_quantile(0.975) - 1.959963984540054).abs() < 1e-15);
/// ```
pub fn normal_quantile(level: f64) -> f64 {
    // From the nearer tail, where a level has its digits; +0.0 in the middle.
    if level > 0.5 { SQRT_2 * erfc_inv(2.0 * (1.0 - level)) } else { 0.0 - SQRT_2 * erfc_inv(2.0 * level) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.norm.ppf, scipy 1.17.
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (level, expected) in [
            (1e-300, -37.0470962993612),
            (1e-7 - f64::EPSILON, -5.199337582605575),
            (0.001, -3.090232306167813),
            (0.1, -1.2815515655446004),
            (0.25, -0.6744897501960817),
            (0.4999, -0.0002506628300880075),
            (0.5, 0.0),
            (0.75, 0.6744897501960817),
            (0.9, 1.2815515655446004),
            (0.999999, 4.753424308817087),
        ] {
            let found = normal_quantile(level);
            assert!((found - expected).abs() <= 1e-12 * f64::abs(expected), "{level}: {found}");
        }
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
    }
}
