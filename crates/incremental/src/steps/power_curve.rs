//! The curves of the power transforms, and how they change with λ.
//!
//! Both transforms are Box and Cox's (p^κ − 1)/κ, or ln p at κ = 0, of a positive p: Box-Cox takes p = x and
//! κ = λ; Yeo and Johnson take p = 1 + x and κ = λ from 0 on, and p = 1 − x, κ = 2 − λ and the negative of it
//! below.
//!
//! Far from p = 1 that overflows or loses digits. So for columns of one sign the curve is laid through an anchor
//! g, about the geometric mean of p: (e^(κ·u) − 1)/κ with u = ln(p/g). It differs from the true one by a factor
//! and an offset, which standardizing takes out again.

use serde::{Deserialize, Serialize};

/// Which transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Method {
    YeoJohnson,
    BoxCox,
}

/// A transform laid through an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Curve {
    method: Method,
    /// The x whose p is g. Under Yeo-Johnson: above 0 for columns without a negative value, below for those
    /// without a positive one, 0 for the true curve.
    anchor: f64,
}

impl Method {
    /// ln p, with the sign of the side.
    pub(super) fn signed_log(self, x: f64) -> f64 {
        match self {
            Method::BoxCox => x.ln(),
            Method::YeoJohnson => x.abs().ln_1p().copysign(x),
        }
    }

    /// The true curve's value at x.
    pub(super) fn value(self, lambda: f64, x: f64) -> f64 {
        match self {
            // The identity, without the rounding of a logarithm and back.
            Method::YeoJohnson if lambda == 1.0 => x,
            Method::YeoJohnson if x < 0.0 => -power(2.0 - lambda, (-x).ln_1p()),
            Method::YeoJohnson => power(lambda, x.ln_1p()),
            Method::BoxCox => power(lambda, x.ln()),
        }
    }
}

/// (e^(κ·u) − 1)/κ.
fn power(kappa: f64, u: f64) -> f64 {
    if kappa == 0.0 { u } else { (kappa * u).exp_m1() / kappa }
}

/// The derivative of [`power`] by κ, u²·(t·e^t − e^t + 1)/t² at t = κ·u.
fn power_slope(kappa: f64, u: f64) -> f64 {
    let t = kappa * u;
    let part = if t.abs() < 0.5 {
        // Σ t^k·(k + 1)/(k + 2)!, where the closed form cancels.
        let (mut term, mut sum) = (0.5, 0.5);
        for k in 1..16 {
            let k = f64::from(k);
            term *= t / (k + 2.0);
            sum += term * (k + 1.0);
        }
        sum
    } else {
        (t * t.exp() - t.exp_m1()) / (t * t)
    };
    u * u * part
}

impl Curve {
    /// The curve for a column of these ends, whose [logarithms](Method::signed_log) have this mean.
    pub(super) fn new(method: Method, (min, max): (f64, f64), mean_log: f64) -> Curve {
        let anchor = match method {
            Method::BoxCox => mean_log.exp().clamp(min, max),
            Method::YeoJohnson if min < 0.0 && max > 0.0 => 0.0,
            Method::YeoJohnson => mean_log.abs().exp_m1().copysign(mean_log).clamp(min, max),
        };
        Curve { method, anchor }
    }

    /// The true curve.
    pub(super) fn plain(method: Method) -> Curve {
        Curve { method, anchor: if method == Method::BoxCox { 1.0 } else { 0.0 } }
    }

    pub(super) fn method(&self) -> Method {
        self.method
    }

    pub(super) fn is_sound(&self) -> bool {
        self.anchor.is_finite() && (self.method == Method::YeoJohnson || self.anchor > 0.0)
    }

    /// Whether x is on the side of values below 0, whose powers are 2 − λ.
    fn is_below(&self, x: f64) -> bool {
        self.method == Method::YeoJohnson && (x < 0.0 || x == 0.0 && self.anchor < 0.0)
    }

    /// The λ where the sides meet in the middle: no power at all for columns of one side.
    pub(super) fn centre(&self) -> f64 {
        match self.method {
            Method::BoxCox => 0.0,
            Method::YeoJohnson if self.anchor == 0.0 => 1.0,
            Method::YeoJohnson if self.anchor > 0.0 => 0.0,
            Method::YeoJohnson => 2.0,
        }
    }

    /// u = ln(p/g) of an x on the anchor's side; on both sides where the anchor is 0.
    fn log(&self, x: f64) -> f64 {
        let (x, anchor, base) = match self.method {
            Method::BoxCox => (x, self.anchor, 0.0),
            Method::YeoJohnson if self.is_below(x) => (-x, -self.anchor, 1.0),
            Method::YeoJohnson => (x, self.anchor, 1.0),
        };
        let apart = (x - anchor) / (base + anchor);
        if apart.abs() < 0.5 {
            return apart.ln_1p();
        }
        // Far from the anchor 1 + apart has lost the digits of a small p.
        match self.method {
            Method::BoxCox => x.ln() - anchor.ln(),
            Method::YeoJohnson => x.ln_1p() - anchor.ln_1p(),
        }
    }

    /// u with the sign of its side, whose mean is the slope of the Jacobian's part of the likelihood.
    pub(super) fn signed_log(&self, x: f64) -> f64 {
        if self.is_below(x) { -self.log(x) } else { self.log(x) }
    }

    /// The curve's value at an x of the column, and its derivative by λ, from the [`signed_log`](Self::signed_log)
    /// of x.
    pub(super) fn value_and_slope(&self, lambda: f64, x: f64, signed_log: f64) -> (f64, f64) {
        if self.is_below(x) {
            let kappa = 2.0 - lambda;
            (-power(kappa, -signed_log), power_slope(kappa, -signed_log))
        } else {
            (power(lambda, signed_log), power_slope(lambda, signed_log))
        }
    }

    /// The curve's value at any x, also on the side where the column had none.
    pub(super) fn value(&self, lambda: f64, x: f64) -> f64 {
        if self.anchor == 0.0 {
            return self.method.value(lambda, x);
        }
        let is_other_side = self.method == Method::YeoJohnson && x * self.anchor < 0.0;
        if is_other_side {
            // The true value there, by the factor and the offset that lead from one curve to the other.
            let side = self.anchor.signum();
            let kappa = if side > 0.0 { lambda } else { 2.0 - lambda };
            let log = self.anchor.abs().ln_1p();
            return self.method.value(lambda, x) * (-kappa * log).exp() - side * power(-kappa, log);
        }
        self.value_and_slope(lambda, x, self.signed_log(x)).0
    }

    /// The λ between which nothing overflows for a column of these ends; always around the identity's 1.
    pub(super) fn range(&self, (min, max): (f64, f64)) -> (f64, f64) {
        /// e^700 is below the largest float64, as is 700 times it.
        const MOST: f64 = 700.0;
        let reach = |x: f64| self.log(x).abs();
        let has_two_sides = self.method == Method::YeoJohnson && self.anchor == 0.0;
        let (low, high) = if has_two_sides {
            (2.0 - MOST / reach(min), MOST / reach(max))
        } else {
            let power = MOST / reach(min).max(reach(max));
            (self.centre() - power, self.centre() + power)
        };
        (low.clamp(f64::MIN, 1.0), high.clamp(1.0, f64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAMBDAS: [f64; 9] = [-3.0, -1.0, -1e-9, 0.0, 0.3, 1.0, 2.0, 2.0 + 1e-9, 4.5];

    const YEO_JOHNSON: [(f64, f64, f64); 9] = [
        (0.5, 3.0, 2.0),
        (0.0, 3.0, 1.3862943611198906),
        (2.0, 3.0, 7.499999999999999),
        (1.0, -2.5, -2.5),
        (2.0, -2.5, -1.252762968495368),
        (0.0, -2.5, -5.625000000000001),
        (-1.5, 1e-08, 9.999999875000003e-09),
        (3.5, -1e-08, -9.999999875000003e-09),
        (0.25, 1000000000.0, 707.3117641933969),
    ];
    const BOX_COX: [(f64, f64, f64); 5] = [
        (0.5, 3.0, 1.4641016151377548),
        (0.0, 3.0, 1.0986122886681098),
        (-1.5, 0.001, -21081.184401122522),
        (2.0, 0.5, -0.375),
        (1e-10, 7.0, 1.9459101492446416),
    ];

    #[test]
    fn true_values_are_those_of_scipy() {
        // scipy.stats.yeojohnson and boxcox, scipy 1.17.
        let yeo_johnson = |lambda, x| Method::YeoJohnson.value(lambda, x);
        for (lambda, x, expected) in YEO_JOHNSON {
            let found = yeo_johnson(lambda, x);
            assert!((found - expected).abs() <= 1e-14 * f64::abs(expected), "{lambda} {x}: {found}");
        }
        for (lambda, x, expected) in BOX_COX {
            let found = Method::BoxCox.value(lambda, x);
            assert!((found - expected).abs() <= 1e-14 * f64::abs(expected), "{lambda} {x}: {found}");
        }
    }

    #[test]
    fn a_curve_through_an_anchor_is_the_true_one_by_a_factor_and_an_offset() {
        let xs = [-40.0, -3.0, -0.2, 0.0, 1e-9, 0.7, 5.0, 900.0];
        for (method, ends, mean) in [
            (Method::YeoJohnson, (0.0, 900.0), 1.3),
            (Method::YeoJohnson, (-40.0, 0.0), -1.3),
            (Method::YeoJohnson, (-40.0, 900.0), 1.3),
            (Method::BoxCox, (1e-9, 900.0), -0.4),
        ] {
            let curve = Curve::new(method, ends, mean);
            let xs: Vec<f64> = xs.into_iter().filter(|x| method == Method::YeoJohnson || *x > 0.0).collect();
            for lambda in LAMBDAS {
                let ours: Vec<f64> = xs.iter().map(|x| curve.value(lambda, *x)).collect();
                let truth: Vec<f64> = xs.iter().map(|x| method.value(lambda, *x)).collect();
                let last = xs.len() - 1;
                let factor = (truth[last] - truth[0]) / (ours[last] - ours[0]);
                for (ours_at, truth_at) in ours.iter().zip(&truth) {
                    let expected = truth[0] + factor * (ours_at - ours[0]);
                    let size = (truth[last] - truth[0]).abs();
                    assert!(
                        (expected - truth_at).abs() <= 1e-13 * size,
                        "{method:?} {lambda}: {expected} {truth_at}"
                    );
                }
            }
        }
    }

    #[test]
    fn slopes_are_those_of_the_values() {
        for kappa in LAMBDAS {
            for u in [-9.0, -0.3, -1e-4, 0.0, 1e-4, 0.2, 1.0, 30.0] {
                let step = 1e-4;
                // A difference of fourth order.
                let at = |steps: f64| power(kappa + steps * step, u);
                let expected = (at(-2.0) - 8.0 * at(-1.0) + 8.0 * at(1.0) - at(2.0)) / (12.0 * step);
                let found = power_slope(kappa, u);
                assert!(
                    (found - expected).abs() <= 1e-8 * expected.abs() + 1e-11 * u.abs(),
                    "{kappa} {u}: {found} {expected}"
                );
            }
        }
    }
}
