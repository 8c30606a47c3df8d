//! Files that the kernel writes anew for each read from their start, behind descriptors that stay open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// One such file.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    path: PathBuf,
}

/// `status`, `meminfo` and `memory.stat` take about 1 500 bytes each.
const USUAL_SIZE: usize = 4096;
/// `statm` takes at most 7 numbers of 20 digits, a pressure file at most 150 bytes, a single number 21. Clearing
/// a buffer of the usual size would cost a fifth of reading them.
const SHORT_SIZE: usize = 256;

impl Source {
    pub(super) fn open(path: impl AsRef<Path>) -> Result<Source, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| Error::read(path, source))?;
        Ok(Source { file, path: path.to_owned() })
    }

    /// `None` if the file does not exist or may not be seen, as within many sandboxes.
    pub(super) fn open_if_there(path: &Path) -> Result<Option<Source>, Error> {
        match File::open(path) {
            Ok(file) => Ok(Some(Source { file, path: path.to_owned() })),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(Error::read(path, error)),
        }
    }

    /// The same, open for [`Source::write`] too where that is allowed.
    pub(super) fn open_writable_if_there(path: &Path) -> Result<Option<Source>, Error> {
        match File::options().read(true).write(true).open(path) {
            Ok(file) => Ok(Some(Source { file, path: path.to_owned() })),
            Err(_) => Source::open_if_there(path),
        }
    }

    /// Writes at the start.
    pub(super) fn write(&self, text: &str) -> Result<(), Error> {
        self.file.write_all_at(text.as_bytes(), 0).map_err(|source| Error::write(&self.path, source))
    }

    pub(super) fn malformed(&self, expected: &'static str, found: &str) -> Error {
        Error::malformed(&self.path, expected, found)
    }

    /// Reads the file into a buffer on the stack, so that watching memory takes none.
    ///
    /// What does not fit is left out: every field that is asked for stands before the lines whose length has
    /// no bound, save `Groups:` of a process with hundreds of groups, for which there is a second, longer
    /// read.
    pub(super) fn with_text<T>(&self, parse: impl Fn(&str) -> Result<T, Error>) -> Result<T, Error> {
        self.text::<T, USUAL_SIZE>(&parse).map_err(|source| Error::read(&self.path, source))?
    }

    /// The same for a file that is short.
    pub(super) fn with_short_text<T>(&self, parse: impl Fn(&str) -> Result<T, Error>) -> Result<T, Error> {
        self.text::<T, SHORT_SIZE>(&parse).map_err(|source| Error::read(&self.path, source))?
    }

    /// The same for a file that may go away while it is open, as a removed group's do; `None` then.
    pub(super) fn with_text_if_there<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.unless_absent(self.text::<T, USUAL_SIZE>(&parse))
    }

    /// The same for a file that is short and may go away.
    pub(super) fn with_short_text_if_there<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.unless_absent(self.text::<T, SHORT_SIZE>(&parse))
    }

    fn unless_absent<T>(&self, parsed: io::Result<Result<T, Error>>) -> Result<Option<T>, Error> {
        match parsed {
            Ok(parsed) => parsed.map(Some),
            Err(error) if is_absence(&error) || is_removed(&error) => Ok(None),
            Err(error) => Err(Error::read(&self.path, error)),
        }
    }

    fn text<T, const SIZE: usize>(
        &self,
        parse: &impl Fn(&str) -> Result<T, Error>,
    ) -> io::Result<Result<T, Error>> {
        let mut buffer = [0; SIZE];
        let filled = self.read_from_start(&mut buffer)?;
        if filled < buffer.len() {
            return Ok(parse(&String::from_utf8_lossy(&buffer[..filled])));
        }
        // 65 536 groups of up to ten digits and a space each is the kernel's own bound.
        let mut long = vec![0; 1 << 20];
        let filled = self.read_from_start(&mut long)?;
        Ok(parse(&String::from_utf8_lossy(&long[..filled])))
    }

    fn read_from_start(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

pub(super) fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
}

fn is_removed(error: &io::Error) -> bool {
    // Pressure files say EOPNOTSUPP where the kernel was told not to keep them.
    let codes = [rustix::io::Errno::NODEV, rustix::io::Errno::OPNOTSUPP];
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_behind_a_long_line_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, format!("Groups:\t{}\nVmHWM:\t5 kB\n", "1000 ".repeat(9000))).unwrap();
        let source = Source::open(&path).unwrap();
        assert!(source.with_text(|text| Ok(text.ends_with("VmHWM:\t5 kB\n"))).unwrap());
    }

    #[test]
    fn what_is_absent_is_none_and_what_is_broken_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Source::open_if_there(&folder.path().join("none")).unwrap().is_none());
        assert!(Source::open_if_there(&folder.path().join("none/below")).unwrap().is_none());
        assert!(Source::open(folder.path().join("none")).is_err());
        // A folder opens, but has no text.
        let broken = Source::open_if_there(folder.path()).unwrap().unwrap();
        assert!(broken.with_text_if_there(|_| Ok(())).is_err());
    }
}
