//! Where the bytes come from: files that can be read again for a second pass.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempPath;

use crate::error::{Error, ErrorKind};

/// One or more files of one shape, read one behind the other.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) files: Vec<SourceFile>,
}

#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    pub(crate) name: Arc<str>,
    path: PathBuf,
    /// Deletes the copy of what could not be read twice.
    _spooled: Option<Arc<TempPath>>,
}

/// What tells that a file was changed between two passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    bytes: u64,
    modified: Option<SystemTime>,
}

/// A file at its first record.
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) fingerprint: Fingerprint,
    /// Bytes that were looked at and belong to the data.
    pub(crate) head: Vec<u8>,
    /// Bytes of a byte-order mark, left out of `head`.
    pub(crate) mark: u64,
}

/// How files of other formats and encodings begin.
///
/// Where the first bytes could be a column's name, what follows them is asked as well.
const MAGIC: [(&[u8], &str, &str); 9] = [
    (b"\x1f\x8b", "gzip", "unpack it first, for example with `gzip -dk`"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unpack it first, for example with `zstd -dk`"),
    (b"\xfd7zXZ\0", "xz", "unpack it first, for example with `xz -dk`"),
    (b"PK\x03\x04", "a zip archive", "unpack it first, for example with `unzip`"),
    // The first field of a page header or a footer follows, a whole number.
    (b"PAR1\x15", "a Parquet file", "give a CSV file"),
    (b"ARROW1\0\0", "an Arrow IPC file", "give a CSV file"),
    (b"\xff\xfe\0\0", "UTF-32", "convert it first, for example with `iconv -f UTF-32 -t UTF-8`"),
    (b"\xff\xfe", "UTF-16", "convert it first, for example with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "UTF-16", "convert it first, for example with `iconv -f UTF-16 -t UTF-8`"),
];

const BZIP2: (&str, &str) = ("bzip2", "unpack it first, for example with `bzip2 -dk`");

/// What else than CSV a file is by its first bytes, and what to do about it.
fn other_format(head: &[u8]) -> Option<(&'static str, &'static str)> {
    // "BZh", a level, then the magic number of a block.
    if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        return Some(BZIP2);
    }
    MAGIC.iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, what, remedy)| (*what, *remedy))
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Source {
    /// Files by their paths. A path that is no regular file, such as a pipe, is copied to `spool_dir` first,
    /// since the scan and the batches each read the input once.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] or [`ErrorKind::IsDirectory`] for a path that cannot be read, [`ErrorKind::Option`] if
    /// there is no path.
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
                return Ok(SourceFile { name, path: path.clone(), _spooled: None });
            }
            spool(&name, File::open(path).map_err(named)?, spool_dir, &mut || false)
        });
        Ok(Source { files: files.collect::<Result<_, _>>()? })
    }

    /// What a reader gives, copied to `spool_dir`, and named `name` in messages. `stop` is asked between
    /// two pieces.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the reader or the disk fails, [`ErrorKind::Cancelled`] if `stop` said so.
    pub fn spool(
        name: &str,
        reader: impl Read,
        spool_dir: &Path,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Source, Error> {
        Ok(Source { files: vec![spool(&name.into(), reader, spool_dir, stop)?] })
    }

    /// Bytes of all files together, or 0 for one that cannot be asked.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| std::fs::metadata(&f.path).map_or(0, |m| m.len())).sum()
    }

    /// The files' names, as messages give them.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.files.iter().map(|f| Arc::clone(&f.name)).collect()
    }
}

fn spool(
    name: &Arc<str>,
    mut reader: impl Read,
    spool_dir: &Path,
    stop: &mut dyn FnMut() -> bool,
) -> Result<SourceFile, Error> {
    let named = |e: io::Error| Error::io(e).in_file(name);
    let mut copy =
        tempfile::Builder::new().prefix("tidegate-spool-").tempfile_in(spool_dir).map_err(named)?;
    let mut piece = vec![0; 256 << 10];
    loop {
        if stop() {
            return Err(Error::new(ErrorKind::Cancelled));
        }
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => io::Write::write_all(copy.as_file_mut(), &piece[..n]).map_err(named)?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(named(e)),
        }
    }
    let path = copy.into_temp_path();
    Ok(SourceFile { name: Arc::clone(name), path: path.to_path_buf(), _spooled: Some(Arc::new(path)) })
}

impl OpenFile {
    /// Whether nothing follows `head`.
    pub(crate) fn is_whole(&self) -> bool {
        self.fingerprint.bytes <= self.head.len() as u64 + self.mark
    }
}

impl SourceFile {
    pub(crate) fn open(&self) -> Result<OpenFile, Error> {
        let named = |e: io::Error| Error::io(e).in_file(&self.name);
        let mut file = File::open(&self.path).map_err(named)?;
        let fingerprint = Fingerprint::of(&file).map_err(named)?;
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(HEAD_BYTES).read_to_end(&mut head).map_err(named)?;
        if let Some((what, remedy)) = other_format(&head) {
            return Err(Error::new(ErrorKind::Unsupported { what, remedy }).in_file(&self.name));
        }
        let mark = if head.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        head.drain(..mark);
        Ok(OpenFile { file, fingerprint, head, mark: mark as u64 })
    }
}

/// The first part of a file, which decides how it is read.
const HEAD_BYTES: u64 = 64 << 10;

impl Fingerprint {
    pub(crate) fn of(file: &File) -> io::Result<Fingerprint> {
        let metadata = file.metadata()?;
        Ok(Fingerprint { bytes: metadata.len(), modified: metadata.modified().ok() })
    }
}
