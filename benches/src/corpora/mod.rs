//! The shapes by name, and the loop that writes one.

mod mixed50;
mod orders;
mod random;
mod train;

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use self::random::Random;

/// Bytes gathered before the writer is called. Large enough that a pipe or a file costs one system
/// call for hundreds of records, small enough to stay in the second-level cache.
const CHUNK_BYTES: usize = 128 << 10;

/// The words that free text and categories are made of.
const WORDS: [&str; 15] = [
    "lorem",
    "ipsum",
    "dolor",
    "sit",
    "amet",
    "consectetur",
    "adipiscing",
    "elit",
    "sed",
    "do",
    "eiusmod",
    "tempor",
    "incididunt",
    "ut",
    "labore",
];

/// A kind of table that [`write()`] can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// 20 columns of a transaction table: integers, floats of several lengths, dates, timestamps,
    /// categories, codes with leading zeros, a bool, nulls in two columns, and a comment whose
    /// quoted fields hold commas, doubled quotes and, rarely, a line end.
    Orders,
    /// 50 columns without nulls: 20 integers from one bit to 50 bits wide, a third of them signed;
    /// 15 floats with two to five decimals or all 17 digits; 10 text columns of 3 to 327 values;
    /// 5 bools.
    Mixed50,
    /// 28 normally distributed numbers `x0`..`x27` with means and spreads that grow, 2 % of them
    /// null, a category `segment` of six values, and a 0/1 label `y` drawn from a logistic model.
    Train,
}

impl Shape {
    /// Every shape, in the order in which messages list them.
    pub const ALL: [Self; 3] = [Self::Orders, Self::Mixed50, Self::Train];

    /// The name that [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Mixed50 => "mixed50",
            Self::Train => "train",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Shape {
    type Err = ParseShapeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|shape| shape.name() == name)
            .ok_or_else(|| ParseShapeError { found: name.to_owned() })
    }
}

/// A name that is no [`Shape`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseShapeError {
    found: String,
}

impl fmt::Display for ParseShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown shape {:?}: expected one of ", self.found)?;
        for (at, shape) in Shape::ALL.into_iter().enumerate() {
            write!(f, "{}{shape}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Error for ParseShapeError {}

/// Writes a header and `rows` records of `shape` to `out`, as CSV with LF line ends.
///
/// The bytes depend on `shape`, `rows` and `seed` alone. They arrive in whole records, about
/// 128 KiB at a time, so `out` needs no buffer of its own; it is flushed at the end.
///
/// # Errors
///
/// Whatever `out` returns, as it came; what was written until then stays written.
///
/// # Example
///
/// ```
/// use benches::{Shape, write};
///
/// let mut csv = Vec::new();
/// write(Shape::Orders, 1, 1, &mut csv)?;
/// assert_eq!(
///     String::from_utf8_lossy(&csv),
///     "id,user_id,age,quantity,discount_pct,created_at,ship_date,amount,unit_price,score,latitude,\
///      category,country,status,is_gift,loyalty_points,rating,zip,token,comment\n\
///      0,444359,53,916,52,2020-09-28 12:17:47,2020-09-12,18.95,530.078998,0.6416953571143458,\
///      26.16023524,import,C132,new,true,8617,1.2,51551,b6b9aeef0d2df7ab0b331645445bcd27,\
///      sed consectetur adipiscing sit elit sed tempor incididunt eiusmod incididunt eiusmod sit do ut\n",
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write(shape: Shape, rows: u64, seed: u64, out: &mut impl Write) -> io::Result<()> {
    match shape {
        Shape::Orders => write_records(orders::HEADER, orders::push_record, rows, seed, out),
        Shape::Mixed50 => write_records(&mixed50::header(), mixed50::push_record, rows, seed, out),
        Shape::Train => write_records(&train::header(), train::push_record, rows, seed, out),
    }
}

/// Writes `header`, then what `push` appends for each row number from 0, line end included.
///
/// Generic over the function rather than a pointer to it, so that each shape gets a loop of its own.
fn write_records<F>(header: &str, push: F, rows: u64, seed: u64, out: &mut impl Write) -> io::Result<()>
where
    F: Fn(&mut Vec<u8>, u64, &mut Random) -> io::Result<()>,
{
    let mut random = Random::seeded(seed);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 4096);
    writeln!(chunk, "{header}")?;
    for row in 0..rows {
        push(&mut chunk, row, &mut random)?;
        if chunk.len() >= CHUNK_BYTES {
            out.write_all(&chunk)?;
            chunk.clear();
        }
    }
    out.write_all(&chunk)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(shape: Shape, rows: u64, seed: u64) -> Vec<u8> {
        let mut csv = Vec::new();
        write(shape, rows, seed, &mut csv).expect("a Vec takes everything");
        csv
    }

    /// FNV-1a, 64 bits.
    fn fnv(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        })
    }

    /// Records with their quotes gone, by a parser that knows quotes and nothing else.
    fn records(csv: &[u8]) -> Vec<Vec<String>> {
        let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), Vec::new(), false);
        for &byte in csv {
            match byte {
                b'"' => quoted = !quoted,
                b',' if !quoted => record.push(String::from_utf8(std::mem::take(&mut field)).unwrap()),
                b'\n' if !quoted => {
                    record.push(String::from_utf8(std::mem::take(&mut field)).unwrap());
                    records.push(std::mem::take(&mut record));
                }
                _ => field.push(byte),
            }
        }
        assert!(field.is_empty() && record.is_empty(), "the last record is not ended");
        records
    }

    fn column(records: &[Vec<String>], name: &str) -> Vec<String> {
        let at = records[0].iter().position(|header| header == name).unwrap();
        records[1..].iter().map(|record| record[at].clone()).collect()
    }

    #[test]
    fn a_thousand_rows_are_the_bytes_that_figures_were_taken_on() {
        let found = Shape::ALL.map(|shape| {
            let csv = corpus(shape, 1000, 1);
            (shape.name(), csv.len(), fnv(&csv))
        });
        assert_eq!(
            found,
            [
                ("orders", 229_754, 0x4AE2_3316_2548_D79A),
                ("mixed50", 386_670, 0x8B30_DBF2_3326_E7CE),
                ("train", 247_606, 0x3910_27DE_6415_50E9),
            ],
        );
    }

    #[test]
    fn every_record_has_every_field() {
        for (shape, columns) in [(Shape::Orders, 20), (Shape::Mixed50, 50), (Shape::Train, 30)] {
            let records = records(&corpus(shape, 2000, 7));
            assert_eq!(records.len(), 2001, "{shape}");
            assert!(records.iter().all(|record| record.len() == columns), "{shape}");
        }
    }

    #[test]
    fn a_shorter_corpus_begins_a_longer_one() {
        for shape in Shape::ALL {
            let (short, long) = (corpus(shape, 10, 3), corpus(shape, 5000, 3));
            assert!(long.len() > 2 * CHUNK_BYTES, "{shape} must take several chunks");
            assert!(long.starts_with(&short), "{shape}");
        }
    }

    #[test]
    fn seeds_differ_and_no_rows_leave_the_header() {
        for shape in Shape::ALL {
            assert_ne!(corpus(shape, 10, 1), corpus(shape, 10, 2), "{shape}");
            assert_eq!(corpus(shape, 0, 1), corpus(shape, 0, 2), "{shape}");
            assert_eq!(corpus(shape, 0, 1).iter().filter(|&&byte| byte == b'\n').count(), 1, "{shape}");
        }
    }

    #[test]
    fn orders_has_what_makes_csv_hard() {
        let csv = corpus(Shape::Orders, 5000, 1);
        let records = records(&csv);
        let text = String::from_utf8(csv).unwrap();
        assert!(text.contains("\nsecond line\""));
        assert!(text.contains(" \"\"quoted\"\""));
        assert!(column(&records, "comment").iter().any(|comment| comment.contains(", ")));
        assert!(column(&records, "zip").iter().any(|zip| zip.starts_with('0')));
        for (name, share) in [("loyalty_points", 0.10), ("rating", 0.05)] {
            let nulls = column(&records, name).iter().filter(|field| field.is_empty()).count();
            assert!((nulls as f64 / 5000.0 - share).abs() < 0.02, "{name}: {nulls} nulls");
        }
        assert!(column(&records, "id").iter().enumerate().all(|(row, id)| *id == row.to_string()));
    }

    #[test]
    fn mixed50_reaches_every_integer_width() {
        let records = records(&corpus(Shape::Mixed50, 2000, 1));
        let range = |name| {
            let values = column(&records, name).into_iter().map(|text| text.parse::<i64>().unwrap());
            values.fold((i64::MAX, i64::MIN), |(low, high), value| (low.min(value), high.max(value)))
        };
        assert_eq!(range("i0"), (0, 1));
        assert_eq!(range("i1"), (-5, 4));
        let (low, high) = range("i16");
        assert!(low < i64::from(i16::MIN) && high > i64::from(i16::MAX));
        assert!(range("i18").1 > 1 << 49);
    }

    #[test]
    fn a_label_can_be_learnt() {
        let records = records(&corpus(Shape::Train, 4000, 1));
        let labels = column(&records, "y");
        let ones = labels.iter().filter(|label| *label == "1").count();
        assert!((1000..3000).contains(&ones), "{ones} of 4000");

        let mean_of = |wanted: &str| {
            let (mut sum, mut count) = (0.0, 0.0);
            for (x, label) in column(&records, "x0").iter().zip(&labels) {
                if label == wanted && !x.is_empty() {
                    sum += x.parse::<f64>().unwrap();
                    count += 1.0;
                }
            }
            sum / count
        };
        assert!(mean_of("1") - mean_of("0") > 0.2, "x0 pushes towards 1");
    }

    #[test]
    fn names_are_read_back() {
        for shape in Shape::ALL {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
    }

    #[test]
    fn an_unknown_shape_is_named_with_what_there_is() {
        let error = "Orders".parse::<Shape>().unwrap_err();
        assert_eq!(error.to_string(), "unknown shape \"Orders\": expected one of orders, mixed50, train");
    }

    #[test]
    fn a_writer_that_fails_stops_the_run() {
        struct Full {
            left: usize,
        }
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if self.left == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let taken = bytes.len().min(self.left);
                self.left -= taken;
                Ok(taken)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        // Endless but for the error.
        let error = write(Shape::Orders, u64::MAX, 1, &mut Full { left: 300_000 }).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
