//! A transaction table: what a shop's export looks like, with everything that makes CSV hard.

use std::io::{self, Write};

use super::WORDS;
use super::random::Random;

pub(super) const HEADER: &str = "id,user_id,age,quantity,discount_pct,created_at,ship_date,amount,\
    unit_price,score,latitude,category,country,status,is_gift,loyalty_points,rating,zip,token,comment";

const CATEGORIES: [&str; 8] =
    ["retail", "wholesale", "online", "partner", "internal", "export", "import", "other"];

/// From the most to the least frequent.
const STATUSES: [&str; 5] = ["new", "paid", "shipped", "returned", "cancelled"];

/// Appends the record of row `row`.
///
/// The order of the draws is the format: a draw moved, added or left out changes every later byte.
pub(super) fn push_record(out: &mut Vec<u8>, row: u64, random: &mut Random) -> io::Result<()> {
    let (year, month, day) = (2015 + random.below(10), 1 + random.below(12), 1 + random.below(28));
    let user = random.below(1_000_000);
    let age = 18 + random.below(80);
    let quantity = 1 + random.below(1200);
    let discount = random.below(60);
    write!(out, "{row},{user},{age},{quantity},{discount},")?;

    let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
    let ship_day = 1 + random.below(28);
    write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},")?;
    write!(out, "{year:04}-{month:02}-{ship_day:02},")?;

    // Log-normal, so that a few orders are far larger than the rest.
    let amount = (random.normal() * 1.1 + 4.0).exp();
    let unit_price = random.unit() * 1000.0;
    let score = random.normal();
    let latitude = random.unit() * 180.0 - 90.0;
    write!(out, "{amount:.2},{unit_price:.6},{score},{latitude:.8},")?;

    let category = random.pick(&CATEGORIES);
    let country = random.below(195);
    // The product of two uniforms leans to zero: statuses early in the list are the frequent ones.
    let status = STATUSES[(random.unit() * random.unit() * STATUSES.len() as f64) as usize];
    let is_gift = random.one_in(10);
    write!(out, "{category},C{country:03},{status},{is_gift},")?;

    if !random.one_in(10) {
        write!(out, "{}", random.below(70_000))?;
    }
    out.push(b',');
    if !random.one_in(20) {
        write!(out, "{:.1}", 1.0 + random.unit() * 4.0)?;
    }
    out.push(b',');

    let zip = random.below(100_000);
    let (token_high, token_low) = (random.bits(), random.bits());
    write!(out, "{zip:05},{token_high:016x}{token_low:016x},")?;
    push_comment(out, random);
    out.push(b'\n');
    Ok(())
}

/// Three to fourteen words. One comment in four is quoted, and only those hold commas, doubled
/// quotes and line ends.
fn push_comment(out: &mut Vec<u8>, random: &mut Random) {
    let words = 3 + random.below(12);
    let quoted = random.one_in(4);
    if quoted {
        out.push(b'"');
    }
    for word in 0..words {
        if word > 0 {
            out.extend_from_slice(if quoted && random.one_in(5) { b", " } else { b" " });
        }
        out.extend_from_slice(random.pick(&WORDS).as_bytes());
        if quoted && random.one_in(60) {
            out.extend_from_slice(b" \"\"quoted\"\"");
        }
    }
    if quoted {
        if random.one_in(50) {
            out.extend_from_slice(b"\nsecond line");
        }
        out.push(b'"');
    }
}
