//! Opening a file: what it is stored as, and how its text can be read.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use monitor::Budget;

use crate::error::{Error, ErrorKind};
use crate::source::ahead::{self, Ahead};
use crate::source::compression::Compression;
use crate::source::encoding::Encoding;
use crate::source::format::{self, Format};
use crate::source::spool::{Spooled, Unpacker};
use crate::source::stored::Stored;
use crate::source::transcode::Transcoder;

/// A file of a source, by its path or as a copy of what could not be read twice.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    pub(crate) name: Arc<str>,
    pub(crate) stored: Location,
}

#[derive(Clone, Debug)]
pub(crate) enum Location {
    Path(PathBuf),
    Spooled(Spooled),
}

/// What tells that a file was changed between two passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Device and inode, by which a file that took another's place is told from it.
    #[cfg(unix)]
    place: (u64, u64),
}

/// A file at its first record.
pub(crate) struct OpenFile {
    pub(crate) input: Input,
    pub(crate) fingerprint: Fingerprint,
    /// Bytes of a byte-order mark before the data, as stored inside any compression. A stream has passed over
    /// them; in a plain file the data begin behind them.
    pub(crate) mark: u64,
    /// What the text was found or told to be.
    pub(crate) encoding: Encoding,
    /// The compression that was found, for reports.
    pub(crate) compression: Option<&'static str>,
    /// Bytes of the stored file that a stream has taken. A plain file leaves it alone.
    pub(crate) consumed: Arc<AtomicU64>,
    /// Another handle of the stored file.
    stored: File,
}

/// How the text can be read.
pub(crate) enum Input {
    /// UTF-8 in a file of its own, which can be read at any offset. The data begin at [`OpenFile::mark`].
    Plain(Arc<File>),
    /// Text that can only be read from front to back: decompressed, transcoded to UTF-8, without its mark. Its
    /// errors carry an [`Error`], which [`Error::io`] takes out again.
    Stream(Box<dyn Read + Send>),
}

/// A file that is read as the bytes that it holds.
pub(crate) struct RawFile {
    pub(crate) file: Arc<File>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) format: Format,
}

impl RawFile {
    /// Whether the file is still what it was when it was opened.
    pub(crate) fn is_unchanged(&self) -> Result<bool, Error> {
        Ok(Fingerprint::of(&self.file.metadata().map_err(Error::io)?) == self.fingerprint)
    }
}

impl Location {
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Location::Path(path) => path.clone(),
            Location::Spooled(spooled) => spooled.path(),
        }
    }
}

impl SourceFile {
    /// Refuses the file if it is not the one that `print` was taken of.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`], or [`ErrorKind::Io`] if it is gone.
    pub(crate) fn expect(&self, print: &Fingerprint) -> Result<(), Error> {
        let found = std::fs::metadata(self.stored.path()).map_err(Error::io);
        match found.map(|metadata| Fingerprint::of(&metadata)) {
            Ok(found) if found == *print => Ok(()),
            Ok(_) => Err(Error::new(ErrorKind::Changed)),
            Err(error) => Err(error),
        }
        .map_err(|error| error.in_file(&self.name))
    }

    /// What the file is.
    pub(crate) fn format(&self) -> Result<Format, Error> {
        if let Location::Spooled(spooled) = &self.stored
            && spooled.packed().is_some()
        {
            // Only text is packed.
            return Ok(Format::Csv);
        }
        let opened = File::open(self.stored.path()).map_err(Error::io);
        let head = opened.and_then(|mut file| read_head(&mut file));
        Ok(Format::of(&head.map_err(|error| error.in_file(&self.name))?))
    }

    /// Opens a file that is no text.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub(crate) fn open_raw(&self) -> Result<RawFile, Error> {
        let open = || -> Result<RawFile, Error> {
            let mut file = File::open(self.stored.path()).map_err(Error::io)?;
            let fingerprint = Fingerprint::of(&file.metadata().map_err(Error::io)?);
            if let Location::Path(_) = self.stored {
                fingerprint.settle();
            }
            let format = Format::of(&read_head(&mut file)?);
            Ok(RawFile { file: Arc::new(file), fingerprint, format })
        };
        open().map_err(|error| error.in_file(&self.name))
    }

    /// Opens the file, whose text is in `encoding`.
    ///
    /// What a stream holds is reserved from `budget` as long as it lives. With `is_ahead` a thread of its own reads
    /// it ahead, if the budget has room for the buffers: they are a matter of speed alone.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Unsupported`] for other formats, [`ErrorKind::Damaged`],
    /// [`ErrorKind::Undecodable`], [`ErrorKind::Budget`]. The last three may also come later, as errors of the
    /// stream.
    pub(crate) fn open(
        &self,
        encoding: Encoding,
        budget: &Budget,
        is_ahead: bool,
    ) -> Result<OpenFile, Error> {
        self.open_unnamed(encoding, budget, is_ahead).map_err(|e| e.in_file(&self.name))
    }

    fn open_unnamed(&self, encoding: Encoding, budget: &Budget, is_ahead: bool) -> Result<OpenFile, Error> {
        let mut file = File::open(self.stored.path()).map_err(Error::io)?;
        let fingerprint = Fingerprint::of(&file.metadata().map_err(Error::io)?);
        if let Location::Path(_) = self.stored {
            fingerprint.settle();
        }
        let stored = file.try_clone().map_err(Error::io)?;
        let consumed = Arc::new(AtomicU64::new(0));
        let consumer = budget.consumer("decompress");

        let head = read_head(&mut file)?;
        let is_whole = head.len() < format::HEAD;
        let packed = match &self.stored {
            Location::Spooled(spooled) => spooled.packed(),
            Location::Path(_) => None,
        };
        let compression = if packed.is_some() { None } else { Compression::found(&head, is_whole) };
        let is_plain = packed.is_none() && compression.is_none();
        if is_plain && let (Encoding::Utf8, mark) = resolve(encoding, &head)? {
            return Ok(OpenFile {
                input: Input::Plain(Arc::new(file)),
                fingerprint,
                mark,
                encoding: Encoding::Utf8,
                compression: None,
                consumed,
                stored,
            });
        }

        let stored_bytes = Box::new(Cursor::new(head).chain(file));
        let stored_bytes = Stored::new(stored_bytes, Arc::clone(&consumed), &consumer)?;
        let mut bytes: Box<dyn Read + Send> = match (packed, compression) {
            (Some(len), _) => Box::new(Unpacker::new(stored_bytes, len, &consumer)?),
            (None, Some(compression)) => Box::new(compression.decoder(stored_bytes, &consumer)?),
            (None, None) => Box::new(stored_bytes),
        };
        let mut head = read_head(&mut bytes)?;
        if compression.is_some() && Compression::found(&head, head.len() < format::HEAD).is_some() {
            let (what, remedy) = ("compressed twice", "unpack it once first");
            return Err(Error::new(ErrorKind::Unsupported { what, remedy }));
        }
        let (encoding, mark) = resolve(encoding, &head)?;
        head.drain(..mark as usize);
        let bytes: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(bytes));
        let text: Box<dyn Read + Send> = match encoding {
            Encoding::Utf8 => bytes,
            _ => Box::new(Transcoder::new(bytes, encoding, mark, budget)?),
        };
        let text = match is_ahead.then(|| ahead::reserve(budget)) {
            Some(Ok(held)) => Box::new(Ahead::new(text, held).map_err(Error::io)?),
            _ => text,
        };
        Ok(OpenFile {
            input: Input::Stream(text),
            fingerprint,
            mark,
            encoding,
            compression: compression.map(Compression::name),
            consumed,
            stored,
        })
    }
}

/// The first bytes of a file, by which it is told what it is.
fn read_head(reader: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut head = Vec::with_capacity(format::HEAD);
    reader.take(format::HEAD as u64).read_to_end(&mut head).map_err(Error::io)?;
    Ok(head)
}

/// What uncompressed text is in, and the bytes of its mark.
fn resolve(told: Encoding, head: &[u8]) -> Result<(Encoding, u64), Error> {
    let unread = if told == Encoding::Auto { format::other_encoding(head) } else { None }
        .or(format::other_format(head));
    if let Some((what, remedy)) = unread {
        return Err(Error::new(ErrorKind::Unsupported { what, remedy }));
    }
    if told.is_contradicted(head) {
        return Err(Error::new(ErrorKind::Undecodable { encoding: told, byte: 0 }));
    }
    let (encoding, mark) = told.resolve(head);
    Ok((encoding, mark as u64))
}

impl OpenFile {
    /// The input, to be read. A plain file can be taken again.
    pub(crate) fn take_input(&mut self) -> Input {
        match &self.input {
            Input::Plain(file) => Input::Plain(Arc::clone(file)),
            Input::Stream(_) => std::mem::replace(&mut self.input, Input::Stream(Box::new(io::empty()))),
        }
    }

    /// Bytes of the stored file that were taken so far, where the input is a stream.
    pub(crate) fn consumed_bytes(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Whether the stored file is still what it was when it was opened.
    pub(crate) fn is_unchanged(&self) -> Result<bool, Error> {
        Ok(Fingerprint::of(&self.stored.metadata().map_err(Error::io)?) == self.fingerprint)
    }
}

/// How far the time of a file's last change may lag behind the clock: a tick of the slowest kernels. What file systems
/// with coarser times, such as FAT, hide is not seen.
const TICK: Duration = Duration::from_millis(10);

impl Fingerprint {
    /// Bytes of the stored file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits until a change from now on would have another time than the last one: two within one tick have the same,
    /// and the second could not be told. That only ever takes a moment, for a file written just now.
    fn settle(&self) {
        let age = self.modified.and_then(|modified| modified.elapsed().ok());
        if let Some(rest) = age.and_then(|age| (TICK + Duration::from_millis(1)).checked_sub(age)) {
            std::thread::sleep(rest);
        }
    }

    fn of(metadata: &std::fs::Metadata) -> Fingerprint {
        Fingerprint {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            place: {
                use std::os::unix::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            },
        }
    }
}

#[cfg(test)]
mod tests;
