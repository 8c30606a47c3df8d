//! Means and deviations of columns on which sums of float64 go wrong: as near as float64 can be to the rational number,
//! in one piece and in up to 16 shards.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use incremental::Pipeline;
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::shards::fit_in_shards;
use crate::support::{fit, recipe};

/// All float64 are whole multiples of 2^-1074, the unit here.
fn units(x: f64) -> BigInt {
    assert!(x.is_finite());
    let bits = x.to_bits();
    let (exponent, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    let significand = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    let magnitude = BigInt::from(significand) << exponent.saturating_sub(1);
    if x < 0.0 { -magnitude } else { magnitude }
}

/// Twice the numbers halfway to the neighbours of `x`, beyond which another float is nearer.
fn twice_halfway(x: f64) -> [BigInt; 2] {
    [x.next_down(), x.next_up()].map(|neighbour| units(x) + units(neighbour))
}

/// Checks that `low ≤ value ≤ high`; the ends themselves belong to floats that end in a 0.
fn is_between(x: f64, low: &BigInt, value: &BigInt, high: &BigInt) -> bool {
    let takes_ties = x.to_bits() & 1 == 0;
    if takes_ties { low <= value && value <= high } else { low < value && value < high }
}

/// Whether no float is nearer to `numerator / denominator` units than `x`.
fn is_nearest(x: f64, numerator: &BigInt, denominator: &BigInt) -> bool {
    let [low, high] = twice_halfway(x).map(|twice| twice * denominator);
    is_between(x, &low, &(numerator * 2), &high)
}

/// The same for the root of `numerator / denominator` square units.
fn is_nearest_root(x: f64, numerator: &BigInt, denominator: &BigInt) -> bool {
    let [low, high] = twice_halfway(x).map(|twice| &twice * &twice * denominator);
    is_between(x, &low, &(numerator * 4), &high)
}

/// Values around one that cancels, at a scale that hides them.
fn hard() -> impl Strategy<Value = Vec<f64>> {
    let offsets = prop_oneof![
        Just(0.0),
        Just(1e9),
        Just(1e15),
        Just(-1e15),
        Just(1e300),
        Just(1.5),
        Just(2f64.powi(-1022)),
        Just(2f64.powi(52)),
    ];
    let value = |offset: f64| {
        prop_oneof![
            (-3..4i32).prop_map(move |ulps| (0..ulps.abs()).fold(offset, |x, _| if ulps < 0 {
                x.next_down()
            } else {
                x.next_up()
            })),
            any::<f64>().prop_filter_map("small", move |x| Some(offset + x % 1.0).filter(|x| x.is_finite())),
            Just(-offset),
            Just(5e-324),
            Just(-2.5e-310),
            Just(1e300),
            Just(-1e300),
            Just(0.1),
        ]
    };
    offsets.prop_flat_map(move |offset| vec(value(offset), 1..40))
}

fn column(values: &[f64]) -> RecordBatch {
    let array: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("x", array)]).unwrap()
}

/// The number under `key` of what the first step has learnt.
fn learnt(pipeline: &Pipeline, place: &str) -> f64 {
    let step = pipeline.learnt().next().unwrap().unwrap();
    let value = step.learnt.pointer(place).unwrap();
    // Numbers that JSON has no form for are texts.
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

proptest! {
    #[test]
    fn means_and_deviations_are_the_nearest_floats(
        values in hard(),
        shards in 1u32..=16,
        picks in vec(any::<usize>(), 1..20),
    ) {
        let n = BigInt::from(values.len());
        let sum: BigInt = values.iter().map(|x| units(*x)).sum();
        let squares: BigInt = values.iter().map(|x| units(*x)).map(|x| &x * &x).sum();
        // Of the variance, over n².
        let spread = &n * squares - &sum * &sum;
        let table = column(&values);
        let steps = |step: &str| {
            let step = format!("use = \"{step}\"\ncolumns = [\"x\"]");
            let (whole, _) = fit(&[&step], &table).unwrap();
            let (in_shards, _) = fit_in_shards(&recipe(&[&step]), &table, shards, &picks).unwrap();
            assert_eq!(whole.to_bytes().unwrap(), in_shards.to_bytes().unwrap());
            in_shards
        };
        let scaler = steps("standard_scaler");
        let (mean, scale) = (learnt(&scaler, "/0/mean"), learnt(&scaler, "/0/scale"));
        prop_assert!(is_nearest(mean, &sum, &n), "mean {mean:e}");
        // A deviation of half the least float or less rounds to zero, as that of a column that does not vary, which is not
        // scaled.
        let is_none = &spread * 4 <= &n * &n;
        if is_none {
            prop_assert_eq!(scale, 1.0);
        } else {
            prop_assert!(is_nearest_root(scale, &spread, &(&n * &n)), "scale {scale:e}");
        }
        let filled = steps("simple_imputer");
        // A fill is a category, of which −0.0 is none.
        prop_assert_eq!(learnt(&filled, "/0/fill/Float").to_bits(), (mean + 0.0).to_bits());
        if values.len() > 1 && let Ok((pca, _)) = fit(&["use = \"pca\"\ncolumns = [\"x\"]"], &table) {
            prop_assert_eq!(learnt(&pca, "/means/0").to_bits(), mean.to_bits());
        }
        // Above the variance no column stays; at it and below it, to the last place, as it is above or not.
        let deviation = if is_none { 0.0 } else { scale };
        let near = deviation * deviation;
        for threshold in [near.next_down().next_down(), near.next_down(), near, near.next_up(), near.next_up().next_up()] {
            if !(0.0..f64::INFINITY).contains(&threshold) {
                continue;
            }
            // Of the threshold as of the variance: square units, times n².
            let stays = spread > (units(threshold) << 1074) * &n * &n;
            let step = format!("use = \"variance_threshold\"\ncolumns = [\"x\"]\nthreshold = {threshold:?}");
            let chosen = fit(&[&step], &table).map(|(pipeline, _)| {
                let step = pipeline.learnt().next().unwrap().unwrap();
                step.learnt.pointer("/0/stays").unwrap().as_bool().unwrap()
            });
            // A step that would leave none of its columns says so.
            prop_assert_eq!(chosen.unwrap_or(false), stays, "{}", threshold);
        }
    }
}

#[test]
fn the_check_knows_neighbours_apart() {
    let three = units(1.0) * 3;
    for (x, expected) in [(1.5f64, true), (1.5f64.next_up(), false), (1.5f64.next_down(), false)] {
        assert_eq!(is_nearest(x, &three, &BigInt::from(2)), expected, "{x:?}");
        assert_eq!(is_nearest_root(x, &(&three * &three), &BigInt::from(4)), expected, "{x:?}");
    }
    // Halfway between 1 and its neighbour, which ends in a 1.
    let halfway = units(1.0) + units(1f64.next_up());
    assert!(
        is_nearest(1.0, &halfway, &BigInt::from(2))
            && !is_nearest(1f64.next_up(), &halfway, &BigInt::from(2))
    );
    assert_eq!(units(5e-324), BigInt::from(1));
    assert_eq!(units(-2f64.powi(-1022)), -(BigInt::from(1) << 52u32));
}
