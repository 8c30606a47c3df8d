//! Where the bytes come from: files that can be read again for a second pass.
//!
//! ```text
//!  file ──► Stored ──► Decompressor ──► Transcoder ──► Ahead ──► Input::Stream
//!           buffer     gzip, zstd,      UTF-8          thread
//!           count      bzip2, xz
//!
//!  a file of plain UTF-8 ──► Input::Plain, read at any offset
//!  a Parquet or Arrow IPC file ──► RawFile, read at any offset
//!
//!  pipe ──► Spooled: a file as above, or packed to LZ4
//! ```
//!
//! What a file is, its first bytes say, never its name. Every stage is left out where it has nothing to do, holds
//! no more than it reserved, and hands a typed error on through [`std::io::Error`].

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

mod ahead;
mod compression;
mod encoding;
mod file;
mod format;
mod spool;
mod stored;
mod transcode;

pub use encoding::{Encoding, LegacyEncoding, UnknownEncoding};
use file::Location;
pub(crate) use file::{Fingerprint, Input, OpenFile, RawFile, SourceFile};
pub use format::Format;
use spool::Spooled;

/// One or more files of one shape, read one behind the other.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) files: Vec<SourceFile>,
}

impl Source {
    /// Files by their paths. A path that is no regular file, such as a pipe, is copied to `spool_dir` first,
    /// since the scan and the batches each read the input once.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] or [`ErrorKind::IsDirectory`] for a path that cannot be read, [`ErrorKind::Spool`] if
    /// `spool_dir` cannot be written to, [`ErrorKind::Option`] if there is no path.
    pub fn open(paths: &[PathBuf], spool_dir: &Path) -> Result<Source, Error> {
        if paths.is_empty() {
            return Err(Error::new(ErrorKind::Option(
                "no input is named; name at least one file".to_owned(),
            )));
        }
        let files = paths.iter().map(|path| {
            let name: Arc<str> = path.display().to_string().into();
            let named = |e: io::Error| Error::io(e).in_file(&name);
            let metadata = std::fs::metadata(path).map_err(named)?;
            if metadata.is_dir() {
                return Err(Error::new(ErrorKind::IsDirectory).in_file(&name));
            }
            if metadata.is_file() {
                return Ok(SourceFile { name, stored: Location::Path(path.clone()) });
            }
            let copy = Spooled::copy(&name, File::open(path).map_err(named)?, spool_dir, &mut || false)?;
            Ok(SourceFile { name, stored: Location::Spooled(copy) })
        });
        Ok(Source { files: files.collect::<Result<_, _>>()? })
    }

    /// What a reader gives, copied to `spool_dir`, and named `name` in messages. `stop` is asked between
    /// two pieces. The copy is compressed if it is large, takes less than 1 MiB of memory to make, and
    /// is deleted with the source.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the reader fails, [`ErrorKind::Spool`] if `spool_dir` cannot be written to,
    /// [`ErrorKind::Cancelled`] if `stop` said so.
    pub fn spool(
        name: &str,
        reader: impl Read,
        spool_dir: &Path,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Source, Error> {
        let name = name.into();
        let copy = Spooled::copy(&name, reader, spool_dir, stop)?;
        Ok(Source { files: vec![SourceFile { name, stored: Location::Spooled(copy) }] })
    }

    /// Bytes of all files together as they are stored, or 0 for one that cannot be asked.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| std::fs::metadata(f.stored.path()).map_or(0, |m| m.len())).sum()
    }

    /// What each file is, in the order of the files.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] for one that cannot be read.
    pub fn formats(&self) -> Result<Vec<Format>, Error> {
        self.files.iter().map(SourceFile::format).collect()
    }

    /// The files' names, as messages give them.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.files.iter().map(|f| Arc::clone(&f.name)).collect()
    }
}
