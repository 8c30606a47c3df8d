//! The λ of greatest likelihood, found over several passes: each pass gives the slope of the likelihood at a few
//! λ, and the slopes together say where the next pass looks.
//!
//! A first pass covers a wide range. Where the slope changes from rising to falling, the λ between is
//! interpolated from the nearest four, by the inverse of the slope; the next pass takes points around it, as near
//! as the interpolation is sure. So the error falls to its fourth power from pass to pass, four
//! as a rule, until a point lies within 1e-11 of the data's own unit. The last one has its mean and deviation
//! measured, not interpolated.

/// What a pass gives at a λ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Knot {
    pub(super) lambda: f64,
    /// The slope of the likelihood by λ, for each value.
    pub(super) slope: f64,
    /// The likelihood, for each value and less a constant.
    pub(super) likelihood: f64,
    /// The mean of the curve's values.
    pub(super) mean: f64,
    /// Their population standard deviation.
    pub(super) std_dev: f64,
}

/// How the search goes on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// Another pass, at these λ, ascending.
    Points(Vec<f64>),
    Done(Knot),
    /// No λ had a likelihood that is a number.
    Nowhere,
}

/// Passes that any search ends in; one of an ordinary column takes four.
const MOST_PASSES: usize = 16;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Ascending in λ.
    knots: Vec<Knot>,
    /// Where λ may lie.
    range: (f64, f64),
    /// By how much λ changes the curve: one over the deviation of the logarithms.
    unit: f64,
    passes: usize,
}

impl Search {
    /// `unit` is finite and above 0, and the range not empty.
    pub(super) fn new(range: (f64, f64), unit: f64) -> Search {
        Search { knots: Vec::new(), range, unit, passes: 0 }
    }

    /// The points of the first pass, up to three times `spread` from the centre.
    pub(super) fn first_points(&self, centre: f64, spread: f64) -> Vec<f64> {
        let steps = [-3.0, -1.5, -0.75, -0.25, 0.25, 0.75, 1.5, 3.0];
        self.points(steps.map(|step| centre + step * spread))
    }

    /// The points within the range, ascending, each once.
    fn points<const N: usize>(&self, points: [f64; N]) -> Vec<f64> {
        let mut points = points.map(|point| point.clamp(self.range.0, self.range.1)).to_vec();
        points.sort_by(f64::total_cmp);
        points.dedup();
        points
    }

    /// Takes what a pass has given.
    pub(super) fn next(&mut self, found: Vec<Knot>) -> Next {
        self.passes += 1;
        self.knots.extend(found.into_iter().filter(|k| k.slope.is_finite() && k.likelihood.is_finite()));
        self.knots.sort_by(|a, b| a.lambda.total_cmp(&b.lambda));
        self.knots.dedup_by(|a, b| a.lambda == b.lambda);
        let Some(best) = self.knots.iter().copied().max_by(|a, b| a.likelihood.total_cmp(&b.likelihood))
        else {
            return Next::Nowhere;
        };
        if best.slope == 0.0 {
            return Next::Done(best);
        }
        match self.bracket() {
            Some(left) => self.within(left),
            None => self.beyond(best),
        }
    }

    /// The index of the knot left of the likeliest maximum between two.
    fn bracket(&self) -> Option<usize> {
        let likelihood = |left: &usize| self.knots[*left].likelihood.max(self.knots[left + 1].likelihood);
        let falls = |left: &usize| self.knots[*left].slope > 0.0 && self.knots[left + 1].slope <= 0.0;
        let brackets = (0..self.knots.len().saturating_sub(1)).filter(falls);
        brackets.max_by(|a, b| likelihood(a).total_cmp(&likelihood(b)))
    }

    /// Further out, on the side where the likelihood rises.
    fn beyond(&self, best: Knot) -> Next {
        let (Some(first), Some(last)) = (self.knots.first(), self.knots.last()) else { return Next::Nowhere };
        let step = (last.lambda - first.lambda).max(self.unit);
        let rises = last.slope > 0.0 && (first.slope > 0.0 || last.likelihood >= first.likelihood);
        let (from, out, end) = if rises { (last, step, self.range.1) } else { (first, -step, self.range.0) };
        if from.lambda == end || self.passes >= MOST_PASSES {
            return Next::Done(best);
        }
        let points = self.points([0.5, 1.0, 2.0, 4.0].map(|steps| from.lambda + steps * out));
        Next::Points(points)
    }

    /// Around the root of the slope between two knots.
    fn within(&self, left: usize) -> Next {
        let (low, high) = (self.knots[left], self.knots[left + 1]);
        let width = high.lambda - low.lambda;
        let (root, error) = self.root(left);
        let nearest = if root - low.lambda < high.lambda - root { low } else { high };
        let tolerance = (1e-11 * self.unit).max(8.0 * f64::EPSILON * root.abs());
        let is_near = (root - nearest.lambda).abs() <= tolerance || width <= tolerance;
        if is_near || self.passes >= MOST_PASSES {
            return Next::Done(nearest);
        }
        if error <= tolerance / 4.0 {
            return Next::Points(vec![root]);
        }
        let around = [-16.0, -2.0, 0.0, 2.0, 16.0].map(|steps| root + steps * error);
        // Where the interpolation is in doubt, no part of the bracket is left out.
        let quarters = [0.25, 0.75].map(|part| low.lambda + part * width);
        let points = around.into_iter().chain(quarters.into_iter().filter(|_| 16.0 * error > width / 4.0));
        let mut points: Vec<f64> = points.filter(|p| low.lambda < *p && *p < high.lambda).collect();
        points.sort_by(f64::total_cmp);
        points.dedup();
        if points.is_empty() { Next::Done(nearest) } else { Next::Points(points) }
    }

    /// The root between the knots `left` and the next, and how sure it is.
    fn root(&self, left: usize) -> (f64, f64) {
        let (low, high) = (self.knots[left], self.knots[left + 1]);
        let between = |root: f64| low.lambda < root && root < high.lambda;
        let middle = low.lambda / 2.0 + high.lambda / 2.0;
        let mut taken = vec![low, high];
        let mut root = Some(inverse(&taken)).filter(|root| between(*root)).unwrap_or(middle);
        let mut error = (high.lambda - low.lambda) / 4.0;
        // The nearest two knots outside, as long as the slope falls over all of them.
        let before = left.checked_sub(1).map(|left| self.knots[left]).filter(|k| k.slope > low.slope);
        let after = self.knots.get(left + 2).copied().filter(|k| k.slope < high.slope);
        for knot in [before, after].into_iter().flatten() {
            taken.push(knot);
            let better = inverse(&taken);
            if !between(better) {
                break;
            }
            error = (better - root).abs();
            root = better;
        }
        (root, error.max(f64::EPSILON * root.abs()))
    }
}

/// λ as a polynomial of the slope through the knots, at slope 0, by Neville's scheme.
fn inverse(knots: &[Knot]) -> f64 {
    let mut values: Vec<f64> = knots.iter().map(|knot| knot.lambda).collect();
    for order in 1..knots.len() {
        for i in 0..knots.len() - order {
            let (a, b) = (knots[i].slope, knots[i + order].slope);
            values[i] = (a * values[i + 1] - b * values[i]) / (a - b);
        }
    }
    values[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a likelihood given by its slope and itself; gives λ and the passes.
    fn search(
        search: &mut Search,
        slope: impl Fn(f64) -> f64,
        likelihood: impl Fn(f64) -> f64,
    ) -> (f64, usize) {
        let mut points = search.first_points(0.0, 1.0);
        for pass in 1.. {
            assert!(points.len() <= 8 && points.is_sorted());
            let knot = |lambda: &f64| Knot {
                lambda: *lambda,
                slope: slope(*lambda),
                likelihood: likelihood(*lambda),
                mean: 0.0,
                std_dev: 1.0,
            };
            match search.next(points.iter().map(knot).collect()) {
                Next::Points(next) => points = next,
                Next::Done(knot) => return (knot.lambda, pass),
                Next::Nowhere => panic!("every knot is finite"),
            }
        }
        unreachable!("a search ends")
    }

    const WIDE: (f64, f64) = (-1e9, 1e9);

    #[test]
    fn smooth_maxima_take_few_passes() {
        for at in [-2.2, -0.3, 0.0, 0.123_456_789, 1.0, 2.9] {
            // A slope that is steep on one side and flat on the other.
            let slope = |x: f64| -((x - at) * 0.7).exp_m1() - 0.1 * (x - at).powi(3);
            let likelihood = |x: f64| -((x - at) * 0.7).exp() / 0.7 + x - 0.025 * (x - at).powi(4);
            let (found, passes) = search(&mut Search::new(WIDE, 1.0), slope, likelihood);
            assert!((found - at).abs() <= 1e-10, "{at}: {found}");
            assert!(passes <= 7, "{at}: {passes}");
        }
    }

    #[test]
    fn far_maxima_are_reached() {
        for at in [-40_000.0, 250.0] {
            let slope = |x: f64| ((at - x) / 1000.0).tanh();
            let likelihood = |x: f64| -((at - x) / 1000.0).abs();
            let (found, passes) = search(&mut Search::new(WIDE, 1.0), slope, likelihood);
            assert!((found - at).abs() <= 1e-8, "{found}");
            assert!(passes <= MOST_PASSES, "{passes}");
        }
    }

    #[test]
    fn the_range_ends_a_search() {
        let found = search(&mut Search::new((-5.0, 7.0), 1.0), |_| 1.0, |x| x);
        assert_eq!(found.0, 7.0);
        let found = search(&mut Search::new((-5.0, 7.0), 1.0), |_| -1.0, |x| -x);
        assert_eq!(found.0, -5.0);
    }

    #[test]
    fn of_two_maxima_the_likelier_wins() {
        let likelihood = |x: f64| -((x - 1.9) * (x + 1.0)).powi(2) + 0.5 * x;
        let slope = |x: f64| -2.0 * (x - 1.9) * (x + 1.0) * (2.0 * x - 0.9) + 0.5;
        let (found, _) = search(&mut Search::new(WIDE, 1.0), slope, likelihood);
        assert!((found - 1.9).abs() < 0.1 && slope(found).abs() < 1e-9, "{found}");
    }

    #[test]
    fn noise_ends_a_search_too() {
        let noisy = |x: f64| -x + 1e-4 * f64::from((x.to_bits() >> 3) as u8) / 256.0;
        let (found, passes) = search(&mut Search::new(WIDE, 1.0), noisy, |x| -x * x);
        assert!(found.abs() < 1e-3 && passes <= MOST_PASSES, "{found} {passes}");
    }

    #[test]
    fn nothing_finite_is_nowhere() {
        let knot = Knot { lambda: 1.0, slope: f64::NAN, likelihood: 0.0, mean: 0.0, std_dev: 0.0 };
        assert_eq!(Search::new(WIDE, 1.0).next(vec![knot]), Next::Nowhere);
    }
}
