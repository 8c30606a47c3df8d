//! The structural index: where fields and records end, found 64 bytes at a time.
//!
//! ```text
//!  bytes ──► masks of quotes, delimiters, line ends ──► quoted or not ──► ends outside quotes
//!            one kernel a processor                     prefix XOR         u32 each
//! ```
//!
//! The index assumes that every quote opens or closes a field, which the parity of quotes then tells apart. It
//! checks that: an opening quote that does not begin its field, or a closing one that does not end it, makes the
//! bytes *stray*, and a lone CR or line ends of two kinds make them *mixed*. Such bytes are for the state machine of
//! [`RecordReader`](crate::record_reader::RecordReader), whose answers the index gives on all others.
//!
//! The kernels differ in how they find the masks of 64 bytes. [`IndexKernel::Portable`] runs on every processor and
//! is the twin that the others are tested against.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod masks;
mod portable;
mod survey;

use std::fmt;

use crate::block::{Block, PADDING};
use masks::{Found, Marks};
pub(crate) use survey::Survey;

/// How the masks of 64 bytes are found. The answer is the same for all; only the speed differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKernel {
    /// Eight bytes at a time in ordinary registers, on every processor.
    Portable,
    /// 32 bytes at a time, where the processor has AVX2, BMI1, BMI2 and PCLMULQDQ.
    Avx2,
    /// 64 bytes at a time, where the processor has AVX-512 F, BW and VBMI2 as well.
    Avx512,
}

impl IndexKernel {
    /// All, the plainest first.
    pub const ALL: [IndexKernel; 3] = [IndexKernel::Portable, IndexKernel::Avx2, IndexKernel::Avx512];

    /// Whether this processor has what the kernel needs.
    pub fn is_available(self) -> bool {
        match self {
            IndexKernel::Portable => true,
            #[cfg(target_arch = "x86_64")]
            IndexKernel::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("lzcnt")
                    && is_x86_feature_detected!("popcnt")
                    && is_x86_feature_detected!("pclmulqdq")
            }
            #[cfg(target_arch = "x86_64")]
            IndexKernel::Avx512 => {
                IndexKernel::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vbmi2")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The fastest one that this processor has.
    pub fn best() -> IndexKernel {
        Self::ALL.into_iter().rev().find(|kernel| kernel.is_available()).unwrap_or(IndexKernel::Portable)
    }
}

impl fmt::Display for IndexKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IndexKernel::Portable => "portable",
            IndexKernel::Avx2 => "avx2",
            IndexKernel::Avx512 => "avx512",
        })
    }
}

/// The ends of the fields of some whole records.
pub(crate) struct Index {
    kernel: IndexKernel,
    marks: Marks,
    quote: Option<u8>,
    ends: Vec<u32>,
}

/// What the index makes of some bytes that begin with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indexed {
    /// The first `bytes` bytes are whole records.
    Records(Records),
    /// Not even one record ends in here.
    NoEnd,
    /// Not for the index: what is wrong, and where, the state machine will say.
    Irregular,
}

/// Whole records that are as they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) rows: usize,
    /// Their bytes, line ends included.
    pub(crate) bytes: usize,
    /// Physical lines, counted as [`Position`](crate::Position) counts them.
    pub(crate) lines: usize,
    line_end: u32,
}

impl Index {
    /// An index for records whose fields stand between `delimiter`s. `kernel` must be available.
    pub(crate) fn new(kernel: IndexKernel, delimiter: u8, quote: Option<u8>) -> Index {
        assert!(kernel.is_available(), "{kernel} needs another processor");
        Index { kernel, marks: Marks::new(delimiter, quote), quote, ends: Vec::new() }
    }

    /// Bytes that an index of `bytes` bytes takes at the most.
    pub(crate) fn most_bytes(bytes: usize) -> usize {
        (bytes + masks::SLACK) * size_of::<u32>()
    }

    /// Indexes the records of `columns` fields each that `padded` begins with, [`PADDING`] bytes at its end left
    /// aside. `is_end`: nothing follows, so that a byte that would have to be seen behind them is not missed.
    pub(crate) fn index(&mut self, padded: &[u8], columns: usize, is_end: bool) -> Indexed {
        let bytes = &padded[..padded.len() - PADDING];
        let found = self.find(padded);
        if found.is_stray {
            return Indexed::Irregular;
        }
        let Some(last) = self.ends.iter().rposition(|end| bytes[*end as usize] == b'\n') else {
            return if found.carriage_returns > 0 || is_end { Indexed::Irregular } else { Indexed::NoEnd };
        };
        self.ends.truncate(last + 1);
        let rows = found.line_feeds;
        let end = self.ends[last] as usize + 1;
        let tail = &bytes[end..];
        // Behind the last record, CRs are not this block's; one outside quotes there may be the first half of CR LF.
        let lone = found.carriage_returns - found.pairs;
        let half = || tail.last() == Some(&b'\r') && self.quotes(tail).is_multiple_of(2);
        if lone > 0 && (lone > 1 || is_end || !half()) {
            return Indexed::Irregular;
        }
        let line_end = match found.pairs {
            0 => 1,
            pairs if pairs == rows => 2,
            _ => return Indexed::Irregular,
        };
        if self.ends.len() != rows * columns {
            return Indexed::Irregular;
        }
        // As many line ends as rows: if each row has its own at its end, none stands elsewhere.
        let mut last_fields = self.ends.iter().skip(columns - 1).step_by(columns);
        if !last_fields.all(|end| bytes[*end as usize] == b'\n') {
            return Indexed::Irregular;
        }
        if !found.is_ascii && simdutf8::basic::from_utf8(&bytes[..end]).is_err() {
            return Indexed::Irregular;
        }
        let lines = found.lines - count_lines(tail);
        Indexed::Records(Records { rows, bytes: end, lines, line_end })
    }

    fn quotes(&self, bytes: &[u8]) -> usize {
        self.quote.map_or(0, |quote| memchr::memchr_iter(quote, bytes).count())
    }

    fn find(&mut self, padded: &[u8]) -> Found {
        let most = padded.len() - PADDING + masks::SLACK;
        self.ends.clear();
        self.ends.reserve(most);
        match self.kernel {
            IndexKernel::Portable => portable::index(padded, &self.marks, &mut self.ends),
            #[cfg(target_arch = "x86_64")]
            IndexKernel::Avx2 => avx2::index(padded, &self.marks, &mut self.ends),
            #[cfg(target_arch = "x86_64")]
            IndexKernel::Avx512 => avx512::index(padded, &self.marks, &mut self.ends),
            #[cfg(not(target_arch = "x86_64"))]
            _ => portable::index(padded, &self.marks, &mut self.ends),
        }
    }

    /// The records that were indexed last in `padded`.
    pub(crate) fn block<'a>(&'a self, padded: &'a [u8], records: &Records, columns: usize) -> Block<'a> {
        Block::new(padded, 0, &self.ends, columns, records.line_end, self.quote, self.kernel)
    }

    /// The first `rows` of the records that were indexed last.
    pub(crate) fn cut(&mut self, padded: &[u8], records: Records, rows: usize, columns: usize) -> Records {
        self.ends.truncate(rows * columns);
        let bytes = self.ends.last().map_or(0, |end| *end as usize + 1);
        let lines = records.lines - count_lines(&padded[bytes..records.bytes]);
        Records { rows, bytes, lines, ..records }
    }

    /// Surveys bytes that may begin anywhere. `before` and `behind` are the bytes around them; `None` at the ends of
    /// the file.
    pub(crate) fn survey(&self, padded: &[u8], before: Option<u8>, behind: Option<u8>) -> Survey {
        match self.kernel {
            IndexKernel::Portable => portable::survey(padded, &self.marks, before, behind),
            #[cfg(target_arch = "x86_64")]
            IndexKernel::Avx2 => avx2::survey(padded, &self.marks, before, behind),
            #[cfg(target_arch = "x86_64")]
            IndexKernel::Avx512 => avx512::survey(padded, &self.marks, before, behind),
            #[cfg(not(target_arch = "x86_64"))]
            _ => portable::survey(padded, &self.marks, before, behind),
        }
    }
}

/// Physical lines that end in `bytes`: at each LF, and at each CR that no LF follows.
pub(crate) fn count_lines(bytes: &[u8]) -> usize {
    let feeds = memchr::memchr_iter(b'\n', bytes).count();
    let returns = memchr::memchr_iter(b'\r', bytes);
    feeds + returns.filter(|at| bytes.get(at + 1) != Some(&b'\n')).count()
}

#[cfg(test)]
mod tests;
