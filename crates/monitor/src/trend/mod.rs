//! Whether memory grows, and whether that is a leak.

mod blocks;
mod floors;
mod mann_kendall;
mod theil_sen;

use std::fmt;
use std::time::Duration;

use crate::bytes::Bytes;

use blocks::{Blocks, median};
pub use floors::Floor;
pub(crate) use floors::{Floors, TagCounts, Thinned};
use mann_kendall::MannKendall;
use theil_sen::PairSlopes;

/// The fewest floors that a verdict is given on.
///
/// A warm-up, a cache that fills and a leak look the same at first. Of 70 batches the quarters that have to agree have
/// 17 each.
pub const LEAST_FLOORS: usize = 70;

/// The 99th percentile of the normal distribution: the interval has a confidence of 98 %, so that a floor without a
/// trend lies above its lower end in one case of a hundred.
const Z: f64 = 2.326_347_874_040_841;

/// How live bytes moved over a series of batches, and what that says.
///
/// What is judged is the *floor*: bytes that are alive after a batch is done with, when all that belongs to it is gone.
/// Resident size will not do: it lags, and keeps what the allocator keeps.
///
/// The slope is Theil and Sen's, the test for a trend Mann and Kendall's with Hamed and Rao's correction for
/// autocorrelation; both on the medians of at most 64 blocks of the series, so that it costs the same for any length.
/// A rise alone is no leak. A [`Verdict::Leak`] is a rise
///
/// * that is sure: the lower end of the slope's 98 % interval, which is corrected like the test, is above zero;
/// * that is material: over the series, even that lower end comes to 1 MiB and to 1 % of the median floor, whichever is
///   more. Less would take a hundred such series to double what the program holds;
/// * that goes on: the second half rises for sure and at least half as fast as the first, the last third at least 0.4
///   times as fast as the whole, and no quarter's median stands still.
///
/// Not promised: a cache that is still filling cannot be told from a leak by its size alone, nor can a warm-up that
/// takes longer than the series. Both are over when the series has moved past them, and
/// [`Monitor::top_holders`](crate::Monitor::top_holders) names who it is. A leak that comes in lumps, in one batch of
/// four, is missed in one series of 240 of a hundred, since its pace differs by chance from half to half: it is
/// [`Verdict::Growing`] until there are more batches. Where the floor varies by a fifth of itself, up to four series of
/// a hundred that rose and stopped are called leaks.
///
/// ```
/// use monitor::{Bytes, Trend, Verdict};
///
/// // 40 MiB, a batch's leftovers that differ by batch, and 64 KiB more after each.
/// let floor = |batch: u64| Bytes(Bytes::mib(40).get() + batch * 7919 % 5 * 100_000 + batch * (64 << 10));
/// let leak = Trend::of((0..240).map(floor));
/// assert_eq!(leak.verdict, Verdict::Leak);
/// let slope = leak.slope.unwrap();
/// assert!(slope.lower > 60_000.0 && slope.upper < 70_000.0);
///
/// let flat = Trend::of((0..240).map(|batch| Bytes(Bytes::mib(40).get() + batch * 7919 % 5 * 100_000)));
/// assert_eq!(flat.verdict, Verdict::Flat);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trend {
    /// Floors that were looked at.
    pub samples: usize,
    /// The median floor; zero if there was none.
    pub level: Bytes,
    /// How fast the floor moves; `None` for fewer than two floors.
    pub slope: Option<Slope>,
    /// The test for a trend; `None` for fewer than two floors.
    pub test: Option<TrendTest>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// How fast the floor moves, by Theil and Sen.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Slope {
    /// Bytes that one more floor is higher, negative for a fall.
    pub per_sample: f64,
    /// The lower end of its 98 % interval, in bytes a floor.
    pub lower: f64,
    /// The upper end of its 98 % interval, in bytes a floor.
    pub upper: f64,
    /// Bytes a second, at the mean pace of the floors; `None` if their times are not known, or all the same.
    pub per_second: Option<f64>,
}

/// The test for a trend, by Mann and Kendall with Hamed and Rao's correction.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrendTest {
    /// Kendall's S over the blocks: pairs that rise, less those that fall.
    pub s: i64,
    /// S in standard deviations from what it is without a trend; positive for a rise.
    pub z: f64,
    /// How likely a floor without a trend is to rise as surely as this one.
    pub p_rise: f64,
    /// By how much autocorrelation widens the variance of S; 1 where neighbours are not alike.
    pub correction: f64,
}

/// What a series of floors says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// No rise that matters: even the upper end of the interval stays below what is material. So it is, too, where an
    /// earlier rise is over and the second half of the series is long enough to say so.
    Flat,
    /// A sure and material rise, but slowing down, or by steps: a warm-up, or a cache that fills.
    Growing,
    /// A sure and material rise that goes on.
    Leak,
    /// The series does not say.
    Undetermined(Doubt),
}

/// Why a series of floors does not say whether there is a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// There are fewer floors than [`LEAST_FLOORS`].
    TooFewSamples,
    /// The floor varies so much that it may rise materially, or not at all.
    IntervalIncludesZero,
    /// It rises for sure, but perhaps by less than matters.
    NotMaterial,
    /// It rose, and the second half of the series does not, or not for sure: ask again after more batches.
    WarmUp,
}

impl Trend {
    /// Of floors in order of time, one a batch.
    pub fn of(floors: impl IntoIterator<Item = Bytes>) -> Trend {
        let values: Vec<f64> = floors.into_iter().map(|floor| floor.get() as f64).collect();
        Trend::judge(&values, None)
    }

    /// Of floors in order of time, with their times.
    ///
    /// ```
    /// use std::time::Duration;
    /// use monitor::{Bytes, Floor, Trend};
    ///
    /// let floors: Vec<Floor> =
    ///     (0..100).map(|i| Floor { elapsed: Duration::from_millis(500 * i), live: Bytes(1000 * i) }).collect();
    /// assert_eq!(Trend::of_timed(&floors).slope.unwrap().per_second, Some(2000.0));
    /// ```
    pub fn of_timed(floors: &[Floor]) -> Trend {
        let values: Vec<f64> = floors.iter().map(|floor| floor.live.get() as f64).collect();
        let interval = match floors {
            [first, .., last] => {
                let passed = last.elapsed.saturating_sub(first.elapsed);
                (!passed.is_zero()).then(|| passed.div_f64((floors.len() - 1) as f64))
            }
            _ => None,
        };
        Trend::judge(&values, interval)
    }

    fn judge(values: &[f64], interval: Option<Duration>) -> Trend {
        let blocks = Blocks::of(values);
        let medians = &blocks.medians;
        let level = if medians.is_empty() { 0.0 } else { median(&mut medians.clone()) };
        // A rise of 1 % of the level, but not of less than 1 MiB.
        let material = (level / 100.0).max(Bytes::mib(1).get() as f64);
        let rise = Rise::of(medians);
        let verdict = match &rise {
            Some(rise) if values.len() >= LEAST_FLOORS => verdict(medians, blocks.len, rise, material),
            _ => Verdict::Undetermined(Doubt::TooFewSamples),
        };
        let block = blocks.len as f64;
        Trend {
            samples: values.len(),
            level: Bytes(level as u64),
            slope: rise.map(|rise| Slope {
                per_sample: rise.middle / block,
                lower: rise.lower / block,
                upper: rise.upper / block,
                per_second: interval.map(|interval| rise.middle / block / interval.as_secs_f64()),
            }),
            test: rise.map(|rise| TrendTest {
                s: rise.test.s,
                z: rise.test.z(),
                p_rise: libm::erfc(rise.test.z() / std::f64::consts::SQRT_2) / 2.0,
                correction: rise.test.correction,
            }),
            verdict,
        }
    }
}

/// How a run of blocks moves, in bytes a block.
#[derive(Clone, Copy)]
struct Rise {
    lower: f64,
    middle: f64,
    upper: f64,
    test: MannKendall,
    /// Blocks from the first to the last.
    steps: f64,
}

impl Rise {
    /// `None` for fewer than two blocks.
    fn of(medians: &[f64]) -> Option<Rise> {
        let mut slopes = PairSlopes::of(medians);
        let middle = slopes.median()?;
        let test = MannKendall::of(medians, slopes.rising, middle);
        let interval = slopes.interval(Z * test.variance.sqrt())?;
        let steps = (medians.len() - 1) as f64;
        Some(Rise { lower: interval.lower, middle, upper: interval.upper, test, steps })
    }

    /// Whether it stays below what matters, for sure.
    fn is_flat(&self, material: f64) -> bool {
        self.upper * self.steps < material
    }

    fn is_sure(&self) -> bool {
        self.test.z() > Z && self.lower > 0.0
    }
}

fn verdict(medians: &[f64], block_len: usize, rise: &Rise, material: f64) -> Verdict {
    let (first, second) = medians.split_at(medians.len() / 2);
    // A series that is long enough for a verdict has 35 blocks or more, so that no part of it is short of two.
    let Some(after) = Rise::of(second) else { return Verdict::Undetermined(Doubt::TooFewSamples) };
    // Whatever was before, if the second half is long enough to say so.
    let is_over = after.is_flat(material) && second.len() * block_len >= LEAST_FLOORS;
    if rise.is_flat(material) || is_over {
        Verdict::Flat
    } else if !rise.is_sure() {
        Verdict::Undetermined(Doubt::IntervalIncludesZero)
    } else if rise.lower * rise.steps < material {
        Verdict::Undetermined(Doubt::NotMaterial)
    } else if goes_on(medians, rise, first, &after) {
        Verdict::Leak
    } else if after.is_sure() {
        Verdict::Growing
    } else {
        Verdict::Undetermined(Doubt::WarmUp)
    }
}

/// Whether a rise is one that does not slow down, stop, or come by a few steps.
fn goes_on(medians: &[f64], rise: &Rise, first: &[f64], after: &Rise) -> bool {
    // What saturates as `1 − exp(−t/τ)` loses half its pace from the first half of the series (without its first third,
    // for a short warm-up) to the second, unless τ is above 0.6 of the series.
    let before = PairSlopes::of(&first[first.len() / 3..]).median().unwrap_or(0.0);
    let keeps_pace = after.middle >= 0.5 * before.max(rise.middle);
    // By itself, too, the second half rises. How alike neighbours are, the whole series tells better than a part.
    let is_sure = after.test.z_corrected_by(rise.test.correction) > Z;
    let newest = PairSlopes::of(&medians[medians.len() - medians.len() / 3..]).median();
    let has_not_stopped = newest.is_some_and(|slope| slope >= 0.4 * rise.middle);
    let quarter = medians.len() / 4;
    let levels: Vec<f64> = medians[medians.len() % 4..]
        .chunks_exact(quarter)
        .map(|quarter| median(&mut quarter.to_vec()))
        .collect();
    let stands_nowhere =
        levels.windows(2).all(|pair| pair[1] - pair[0] >= 0.25 * rise.middle * quarter as f64);
    keeps_pace && is_sure && has_not_stopped && stands_nowhere
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Flat => f.write_str("flat"),
            Verdict::Growing => f.write_str("growing, but slowing down or by steps"),
            Verdict::Leak => f.write_str("leak"),
            Verdict::Undetermined(doubt) => write!(f, "undetermined: {doubt}"),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::TooFewSamples => write!(f, "fewer than {LEAST_FLOORS} batches"),
            Doubt::IntervalIncludesZero => f.write_str("it varies too much to tell a rise from none"),
            Doubt::NotMaterial => f.write_str("it rises, but perhaps by less than matters"),
            Doubt::WarmUp => f.write_str("it rose, and may have stopped"),
        }
    }
}
