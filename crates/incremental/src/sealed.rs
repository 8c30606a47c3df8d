//! What all files of this crate have in common: a first line that says what the file is and holds a checksum of
//! the rest, which is text.

use std::fmt;
use std::io::{self, BufWriter, Write};

use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};

/// The version of all files that this program reads and writes.
const VERSION: u32 = 1;

/// What kind of file it is.
///
/// ```
/// use incremental::FileKind;
///
/// assert_eq!(FileKind::of(b"tidegate-pipeline 1 crc32:00000000\n"), Some(FileKind::Pipeline));
/// assert_eq!(FileKind::of(b"id,amount\n1,2.5\n"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A fitted [`Pipeline`](crate::Pipeline).
    Pipeline,
    /// A [`PartialFit`](crate::PartialFit): what a pass has seen of some shards.
    PartialState,
    /// An [`UnfinishedFit`](crate::UnfinishedFit): what the passes so far have seen, of all shards.
    UnfinishedFit,
}

impl FileKind {
    const ALL: [FileKind; 3] = [FileKind::Pipeline, FileKind::PartialState, FileKind::UnfinishedFit];

    /// The kind that the first bytes of a file tell; `None` if it is no file of this crate.
    pub fn of(bytes: &[u8]) -> Option<FileKind> {
        let begins = |kind: &FileKind| {
            bytes.strip_prefix(kind.magic().as_bytes()).is_some_and(|rest| rest.starts_with(b" "))
        };
        FileKind::ALL.into_iter().find(begins)
    }

    fn magic(self) -> &'static str {
        match self {
            FileKind::Pipeline => "tidegate-pipeline",
            FileKind::PartialState => "tidegate-partial-state",
            FileKind::UnfinishedFit => "tidegate-unfinished-fit",
        }
    }

    fn name(self) -> &'static str {
        self.with_article().split_once(' ').map_or("", |(_, name)| name)
    }

    fn with_article(self) -> &'static str {
        match self {
            FileKind::Pipeline => "a pipeline",
            FileKind::PartialState => "a partial state",
            FileKind::UnfinishedFit => "an unfinished fit",
        }
    }

    /// What takes a file of this kind.
    fn purpose(self) -> &'static str {
        match self {
            FileKind::Pipeline => "`tidegate transform` takes it",
            FileKind::PartialState => "`tidegate merge` makes one of it and those of the other shards",
            FileKind::UnfinishedFit => "`tidegate fit` takes it by `-r` and makes the next pass",
        }
    }

    fn source(self) -> &'static str {
        match self {
            FileKind::Pipeline => "`tidegate fit`",
            FileKind::PartialState => "`tidegate fit --shard`",
            FileKind::UnfinishedFit => "`tidegate merge`",
        }
    }
}

/// With what to do with it: `a pipeline; …`.
impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.with_article(), self.purpose())
    }
}

pub(crate) fn archive_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Archive { message: message.into() })
}

/// Reads what a step has learnt from its part of a file.
pub(crate) fn learnt<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| {
        // Its line and column would be those of the part.
        let message = e.to_string();
        let what = message.split_once(" at line ").map_or(message.as_str(), |(what, _)| what);
        archive_error(format!("what a step learnt cannot be read: {what}; fit again"))
    })
}

/// What is written comes in words and spaces; it is summed and given on in pieces of this size.
const PIECE: usize = 1 << 16;

/// Where the text of a file is written to.
pub(crate) type Body<'a> = BufWriter<&'a mut dyn Write>;

/// Gives what `body` writes to `out`, in large pieces.
pub(crate) fn in_pieces(
    out: &mut dyn Write,
    body: impl FnOnce(&mut Body<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut pieces = BufWriter::with_capacity(PIECE, out);
    body(&mut pieces)?;
    pieces.flush().map_err(|e| Error::new(ErrorKind::Io(e)))
}

/// Writes a file. `body` is called twice, for the checksum and for the text, and writes the same both times; so
/// nothing of it is held in memory. Gives the bytes written.
pub(crate) fn write(
    kind: FileKind,
    out: &mut dyn Write,
    body: impl Fn(&mut Body<'_>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut sum = Checksum::default();
    in_pieces(&mut sum, &body)?;
    let head = format!("{} {VERSION} crc32:{:08x}\n", kind.magic(), sum.hasher.finalize());
    out.write_all(head.as_bytes()).map_err(|e| Error::new(ErrorKind::Io(e)))?;
    in_pieces(out, body)?;
    Ok(head.len() as u64 + sum.bytes)
}

/// The text that [`write`] wrote.
pub(crate) fn open(kind: FileKind, bytes: &[u8]) -> Result<&str, Error> {
    let (name, a_name) = (kind.name(), kind.with_article());
    match FileKind::of(bytes) {
        Some(found) if found == kind => {}
        Some(other) => {
            return Err(Error::new(ErrorKind::OtherFile { message: format!("is no {name} but {other}") }));
        }
        None => {
            let message = format!("is no {name}; give a file that {} has written", kind.source());
            return Err(Error::new(ErrorKind::OtherFile { message }));
        }
    }
    let damaged = || archive_error("is damaged: its checksum does not match; restore it or fit again");
    let rest = &bytes[kind.magic().len() + 1..];
    let (head, body) =
        std::str::from_utf8(rest).ok().and_then(|text| text.split_once('\n')).ok_or_else(damaged)?;
    let (version, found) = head.split_once(' ').ok_or_else(damaged)?;
    if version != VERSION.to_string() {
        return Err(archive_error(format!(
            "is {a_name} of version {version}, and this program reads version {VERSION}; fit again, or use the program that wrote it"
        )));
    }
    if found != format!("crc32:{:08x}", crc32fast::hash(body.as_bytes())) {
        return Err(damaged());
    }
    Ok(body)
}

/// Sums what is written, and counts it.
#[derive(Default)]
pub(crate) struct Checksum {
    hasher: crc32fast::Hasher,
    pub(crate) bytes: u64,
}

impl Write for Checksum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
