//! Fifty columns without nulls, for what downcasting saves: each type at many widths.

use std::io::{self, Write};

use super::WORDS;
use super::random::Random;

/// How many values each integer column takes, chosen around the edges of the integer widths.
/// Every third column (`i1`, `i4`, ...) has its range moved down by half, and is signed.
const INTEGER_SPANS: [i64; 20] = [
    2,
    10,
    100,
    127,
    200,
    255,
    1000,
    10_000,
    30_000,
    32_767,
    60_000,
    65_535,
    100_000,
    1_000_000,
    10_000_000,
    2_000_000_000,
    4_000_000_000,
    1 << 40,
    1 << 50,
    100,
];
const FLOATS: usize = 15;
const TEXTS: usize = 10;
const BOOLS: u64 = 5;

pub(super) fn header() -> String {
    let kinds = [("i", INTEGER_SPANS.len()), ("f", FLOATS), ("s", TEXTS), ("b", BOOLS as usize)];
    let names = kinds.into_iter().flat_map(|(kind, count)| (0..count).map(move |at| format!("{kind}{at}")));
    names.collect::<Vec<_>>().join(",")
}

/// Appends a record; the row's number is of no account.
///
/// The order of the draws is the format: a draw moved, added or left out changes every later byte.
pub(super) fn push_record(out: &mut Vec<u8>, _row: u64, random: &mut Random) -> io::Result<()> {
    for (at, span) in INTEGER_SPANS.into_iter().enumerate() {
        let lowest = if at % 3 == 1 { -(span / 2) } else { 0 };
        write!(out, "{},", lowest + random.below(span.unsigned_abs()) as i64)?;
    }
    for at in 0..FLOATS {
        let value = random.normal();
        match at % 5 {
            4 => write!(out, "{value},")?,
            short => write!(out, "{:.*},", short + 1, value * 10_f64.powi((at % 4) as i32))?,
        }
    }
    for (at, word) in WORDS.into_iter().take(TEXTS).enumerate() {
        write!(out, "{word}_{},", random.below((3 + 4 * at * at) as u64))?;
    }
    for at in 0..BOOLS {
        let end = if at + 1 == BOOLS { '\n' } else { ',' };
        write!(out, "{}{end}", random.one_in(2 + at))?;
    }
    Ok(())
}
