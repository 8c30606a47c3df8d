//! Compression by name, and which format has which.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::error::{CompressionProblem, Error, ErrorKind};
use crate::format::Format;

/// The zstd levels that both formats take.
pub(crate) const LEVELS: RangeInclusive<i32> = 1..=22;

/// How the bytes of a column are compressed.
///
/// Parsed from `snappy`, `zstd`, `zstd:LEVEL`, `lz4` and `none`. Parquet has all of them, Arrow IPC all
/// but snappy, CSV none.
///
/// ```
/// use sink::{Compression, ZstdLevel};
///
/// assert_eq!("zstd:9".parse::<Compression>()?, Compression::Zstd(ZstdLevel::new(9)?));
/// assert_eq!("zstd".parse::<Compression>()?.to_string(), "zstd:3");
/// assert!("gzip".parse::<Compression>().is_err());
/// # Ok::<(), sink::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Snappy, the default of Parquet.
    Snappy,
    /// Zstandard.
    Zstd(ZstdLevel),
    /// LZ4: raw blocks in Parquet, frames in Arrow IPC.
    Lz4,
    /// None, the default of Arrow IPC.
    None,
}

/// A zstd level, from 1 (fast) to 22 (small). The default is 3, zstd's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZstdLevel(i32);

impl ZstdLevel {
    /// A level.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Compression`] when it is not from 1 to 22.
    pub fn new(level: i32) -> Result<Self, Error> {
        if LEVELS.contains(&level) {
            Ok(Self(level))
        } else {
            Err(problem(&format!("zstd:{level}"), CompressionProblem::Level))
        }
    }

    /// The level as a number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl Default for ZstdLevel {
    fn default() -> Self {
        Self(3)
    }
}

impl Compression {
    /// What a format is compressed with unless told otherwise.
    pub fn default_for(format: Format) -> Self {
        match format {
            Format::Parquet => Self::Snappy,
            Format::IpcFile | Format::IpcStream | Format::Csv => Self::None,
        }
    }

    /// Checks that `format` has this compression.
    pub(crate) fn check(self, format: Format) -> Result<(), Error> {
        match (self, format) {
            (Self::Snappy, Format::IpcFile | Format::IpcStream)
            | (Self::Snappy | Self::Zstd(_) | Self::Lz4, Format::Csv) => {
                Err(problem(&self.to_string(), CompressionProblem::NotIn(format)))
            }
            _ => Ok(()),
        }
    }
}

fn problem(given: &str, problem: CompressionProblem) -> Error {
    ErrorKind::Compression { given: given.to_owned(), problem }.into()
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "snappy" => Ok(Self::Snappy),
            "zstd" => Ok(Self::Zstd(ZstdLevel::default())),
            "lz4" => Ok(Self::Lz4),
            "none" => Ok(Self::None),
            _ => {
                let level =
                    text.strip_prefix("zstd:").ok_or_else(|| problem(text, CompressionProblem::Unknown))?;
                level
                    .parse()
                    .ok()
                    .filter(|level| LEVELS.contains(level))
                    .map(|level| Self::Zstd(ZstdLevel(level)))
                    .ok_or_else(|| problem(text, CompressionProblem::Level))
            }
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snappy => f.write_str("snappy"),
            Self::Zstd(level) => write!(f, "zstd:{}", level.0),
            Self::Lz4 => f.write_str("lz4"),
            Self::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(text: &str) -> Option<CompressionProblem> {
        match text.parse::<Compression>().map_err(Error::into_kind) {
            Err(ErrorKind::Compression { problem, given }) if given == text => Some(problem),
            _ => None,
        }
    }

    #[test]
    fn what_is_shown_parses_back() {
        for text in ["snappy", "lz4", "none", "zstd:1", "zstd:22"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "gzip", "Snappy", "zstd ", "lz4:1"] {
            assert_eq!(problem_of(text), Some(CompressionProblem::Unknown), "{text}");
        }
        for text in ["zstd:", "zstd:0", "zstd:23", "zstd:-1", "zstd:x", "zstd:99999999999"] {
            assert_eq!(problem_of(text), Some(CompressionProblem::Level), "{text}");
        }
        assert_eq!(
            ZstdLevel::new(0).unwrap_err().to_string(),
            "compression \"zstd:0\": the zstd level must be a whole number from 1 to 22"
        );
    }

    #[test]
    fn csv_is_not_compressed() {
        for compression in ["snappy", "zstd", "lz4"] {
            assert!(compression.parse::<Compression>().unwrap().check(Format::Csv).is_err());
        }
        assert!(Compression::default_for(Format::Csv).check(Format::Csv).is_ok());
    }

    #[test]
    fn snappy_is_for_parquet_only() {
        for format in [Format::IpcFile, Format::IpcStream] {
            assert!(Compression::Snappy.check(format).is_err());
            assert!(Compression::Lz4.check(format).is_ok());
            assert!(Compression::default_for(format).check(format).is_ok());
        }
        assert!(Compression::Snappy.check(Format::Parquet).is_ok());
    }
}
