//! Compression: found by content, undone as a stream whose memory is reserved before it is used.
//!
//! A file is any number of members (gzip members, zstd frames, bzip2 and xz streams) one behind the other. Bytes
//! behind the last one that are no member are an error and never skipped: tools differ on them, and one that
//! ignores them loses the rest of a file in silence.

use std::io::{self, BufRead, Read};

use monitor::{Consumer, Reservation};

use crate::error::{Error, ErrorKind};
use crate::source::stored::Stored;

mod bzip2;
mod gzip;
mod xz;
mod zstd;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const XZ: &[u8] = b"\xfd7zXZ\0";

impl Compression {
    /// What the first bytes of a file say; `is_whole` if they are all there is.
    ///
    /// A file that ends inside such a mark was cut off, since no text begins with its first two bytes. Bzip2's is
    /// made of letters, so that what follows it is asked as well: `BZh9` may be a column's name.
    pub(crate) fn found(head: &[u8], is_whole: bool) -> Option<Compression> {
        let begins = |magic: &[u8]| {
            head.starts_with(magic) || (is_whole && head.len() >= 2 && magic.starts_with(head))
        };
        if begins(GZIP) {
            Some(Compression::Gzip)
        } else if begins(ZSTD) || zstd::is_skippable(head) {
            Some(Compression::Zstd)
        } else if begins(XZ) {
            Some(Compression::Xz)
        } else if bzip2::is_begin(head) {
            Some(Compression::Bzip2)
        } else {
            None
        }
    }

    /// The format's name, for messages and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
        }
    }

    /// What undoes it, with memory reserved from `consumer`.
    pub(crate) fn decoder(self, stored: Stored, consumer: &Consumer) -> Result<Decompressor, Error> {
        let mut held = consumer.try_reserve(monitor::Bytes::ZERO)?;
        let codec: Box<dyn Codec> = match self {
            Compression::Gzip => Box::new(gzip::Gzip::new(&mut held)?),
            Compression::Zstd => Box::new(zstd::Zstd::new(&mut held)?),
            Compression::Bzip2 => Box::new(bzip2::Bzip2::new()),
            Compression::Xz => Box::new(xz::Xz::new()),
        };
        Ok(Decompressor { name: self.name(), codec, stored, held, state: State::Between })
    }
}

/// Bytes before a member that a codec is shown.
const MEMBER_HEAD: usize = 18;

/// One format's push decoder.
///
/// It holds no more memory than it reserved: `held` is grown before the memory is asked for, and outlives it.
trait Codec: Send {
    /// Told where a member would begin. `head` is not empty, and has [`MEMBER_HEAD`] bytes unless the file ends
    /// before.
    fn begin(&mut self, head: &[u8], held: &mut Reservation) -> Result<Begin, Failure>;

    /// Decodes from `input` to `out`, neither of which need be used up. An empty `input` is the end of the file.
    fn step(&mut self, input: &[u8], out: &mut [u8], held: &mut Reservation) -> Result<Step, Failure>;
}

/// What stands between two members.
enum Begin {
    Member,
    /// So many bytes, at least one, that fill up a block of a tape or a disk.
    Padding(usize),
}

#[derive(Default)]
struct Step {
    consumed: usize,
    produced: usize,
    /// The member is at its end, checked, and all of it was put out.
    is_end: bool,
}

/// Why a codec cannot go on.
enum Failure {
    Broken(Box<dyn std::error::Error + Send + Sync>),
    Other(Error),
}

impl From<monitor::BudgetExceeded> for Failure {
    fn from(refusal: monitor::BudgetExceeded) -> Self {
        Failure::Other(refusal.into())
    }
}

/// The decompressed bytes of a file.
///
/// Its errors carry an [`Error`]; after one, every further read fails, so that nobody takes a broken file for one
/// that has ended.
pub(crate) struct Decompressor {
    name: &'static str,
    codec: Box<dyn Codec>,
    stored: Stored,
    // Behind the codec, so that it is given back after the codec's memory.
    held: Reservation,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    InMember,
    Failed,
}

impl Decompressor {
    fn damaged(&self, cause: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::new(ErrorKind::Damaged { format: self.name, byte: self.stored.position(), cause })
    }

    fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Broken(cause) => self.damaged(Some(cause)),
            Failure::Other(error) => error,
        }
    }

    /// 0 only behind a whole member.
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.state {
                State::Failed => return Err(Error::io(io::Error::other("it failed before"))),
                State::Between => {
                    let head = self.stored.peek(MEMBER_HEAD).map_err(Error::io)?;
                    if head.is_empty() {
                        return Ok(0);
                    }
                    match self.codec.begin(head, &mut self.held) {
                        Ok(Begin::Member) => self.state = State::InMember,
                        Ok(Begin::Padding(bytes)) => self.stored.consume(bytes),
                        Err(failure) => return Err(self.failed(failure)),
                    }
                }
                State::InMember => {
                    let input = self.stored.fill_buf().map_err(Error::io)?;
                    let is_at_end = input.is_empty();
                    let step = match self.codec.step(input, out, &mut self.held) {
                        Ok(step) => step,
                        Err(failure) => return Err(self.failed(failure)),
                    };
                    self.stored.consume(step.consumed);
                    if step.is_end {
                        self.state = State::Between;
                    }
                    if step.produced > 0 {
                        return Ok(step.produced);
                    }
                    if !step.is_end && step.consumed == 0 {
                        return Err(if is_at_end {
                            self.damaged(None)
                        } else {
                            self.damaged(Some("its decoder stands still".into()))
                        });
                    }
                }
            }
        }
    }
}

impl Read for Decompressor {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        self.decode(out).map_err(|e| {
            self.state = State::Failed;
            e.into()
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
