//! Numbers, a category and a label that depends on them, for preprocessing and learning.

use std::io::{self, Write};

use super::random::Random;

const FEATURES: usize = 28;
const SEGMENTS: u64 = 6;

pub(super) fn header() -> String {
    let features = (0..FEATURES).map(|at| format!("x{at},"));
    features.collect::<String>() + "segment,y"
}

/// Appends a record; the row's number is of no account.
///
/// Column `x{c}` has mean `c` and standard deviation `c + 1`. The label is 1 with the probability that a
/// logistic model gives over the standardized columns (weights 0.4 and -0.3 in turn) and the segment.
/// A null hides its column's value from the reader, not from the label.
///
/// The order of the draws is the format: a draw moved, added or left out changes every later byte.
pub(super) fn push_record(out: &mut Vec<u8>, _row: u64, random: &mut Random) -> io::Result<()> {
    let mut logit = 0.0;
    for at in 0..FEATURES {
        let mean = at as f64;
        let spread = mean + 1.0;
        let weight = if at % 2 == 0 { 0.4 } else { -0.3 };
        let x = random.normal() * spread + mean;
        // From x rather than from the draw: the rounding of the two differs, and labels with it.
        logit += (x - mean) / spread * weight;
        if !random.one_in(50) {
            write!(out, "{x:.5}")?;
        }
        out.push(b',');
    }
    let segment = random.below(SEGMENTS);
    logit += segment as f64 * 0.2 - 0.5;
    let label = u8::from(1.0 / (1.0 + (-logit).exp()) > random.unit());
    writeln!(out, "seg{segment},{label}")
}
