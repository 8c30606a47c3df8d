//! A part of the rows of an input.

use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// The I-th of N parts of the rows of an input, which follow each other and are as long as each other, to a row.
///
/// ```
/// use incremental::Shard;
///
/// let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].map(|s| s.parse().unwrap()).to_vec();
/// assert_eq!(shards.iter().map(|s| s.rows(10)).collect::<Vec<_>>(), [0..3, 3..6, 6..10]);
/// assert!("0/3".parse::<Shard>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// As many shards as there may be.
    pub const MOST: u32 = 1 << 20;

    /// The shard `number`, from 1, of `of`; `None` if there is no such shard.
    pub fn new(number: u32, of: u32) -> Option<Shard> {
        (of <= Shard::MOST && (1..=of).contains(&number)).then_some(Shard { number, of })
    }

    /// Which one it is, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Its rows, of an input of so many, from 0.
    pub fn rows(self, all: u64) -> Range<u64> {
        let end = |shards: u32| (u128::from(all) * u128::from(shards) / u128::from(self.of)) as u64;
        end(self.number - 1)..end(self.number)
    }
}

impl FromStr for Shard {
    type Err = Error;

    /// Reads `I/N`.
    fn from_str(text: &str) -> Result<Shard, Error> {
        let parts = text.split_once('/');
        let shard = parts.and_then(|(number, of)| Shard::new(number.parse().ok()?, of.parse().ok()?));
        shard.ok_or_else(|| {
            let message = format!(
                "`{text}` is no shard, expected I/N with I from 1 to N and N up to {}, such as 1/4",
                Shard::MOST
            );
            Error::new(ErrorKind::Shards { message })
        })
    }
}
