//! A file that appears under its name whole, or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tempfile::NamedTempFile;

use crate::error::{Error, ErrorKind, TargetProblem};
use crate::format::Format;
use crate::leftovers::{self, RANDOM_BYTES};
use crate::write_back::{WriteBack, Written};

/// Checks, before any work is done, that a file could be put at `path`.
///
/// It creates and removes an empty file in the target's directory, the one sure way to know. What it says
/// holds for that moment only: building and finishing a sink check again. A path of `-` always passes.
///
/// # Errors
///
/// [`ErrorKind::Exists`] when there is a file and `overwrite` is false; [`ErrorKind::Target`] when `path`
/// is a directory or no regular file, or its directory is missing or cannot be written.
///
/// ```
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("out.parquet");
/// assert!(sink::check_target(&path, false).is_ok());
/// std::fs::write(&path, "")?;
/// assert!(matches!(sink::check_target(&path, false).unwrap_err().kind(), sink::ErrorKind::Exists { .. }));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_target(path: &Path, overwrite: bool) -> Result<(), Error> {
    if Format::is_stream_path(path) {
        return Ok(());
    }
    AtomicFile::create(path, overwrite).map(drop)
}

/// A temporary file that becomes a [`WholeFile`] when all is written; dropped before, it is removed.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    temporary: NamedTempFile,
    write_back: WriteBack,
    /// Where the file goes: the target, or what it links to.
    place: PathBuf,
    /// The target as the caller named it.
    path: PathBuf,
    overwrite: bool,
}

impl AtomicFile {
    /// Creates the temporary file, after the checks of [`check_target`].
    pub(crate) fn create(path: &Path, overwrite: bool) -> Result<Self, Error> {
        let fail = |problem| Error::from(ErrorKind::Target { path: path.to_owned(), problem });
        let place = check_place(path, overwrite)?;
        let Some(name) = place.file_name() else {
            return Err(fail(TargetProblem::Directory));
        };
        let directory = parent(&place);
        missing_parent(directory).map_err(fail)?;
        let prefix = leftovers::prefix(name);
        leftovers::remove(directory, &prefix);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(RANDOM_BYTES);
        #[cfg(unix)]
        {
            // As `File::create` would: everything that the umask allows, not the 0600 of a secret file.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let temporary =
            builder.tempfile_in(directory).map_err(|error| fail(TargetProblem::Unwritable(error)))?;
        // Held as long as the file is open, and gone with the process. Where files cannot be locked, what a killed
        // process leaves stays.
        let _ = temporary.as_file().try_lock();
        let write_back = WriteBack::new();
        Ok(Self { temporary, write_back, place, path: path.to_owned(), overwrite })
    }

    /// Bytes that the system has taken so far.
    pub(crate) fn written(&self) -> &Written {
        self.write_back.written()
    }

    /// Makes the content durable.
    pub(crate) fn settle(self) -> Result<WholeFile, Error> {
        let Self { temporary, write_back, place, path, overwrite } = self;
        let written = Arc::clone(write_back.written());
        let io = |error| Error::io(&path, written.load(Ordering::Relaxed), error);
        write_back.end(temporary.as_file()).map_err(io)?;
        temporary.as_file().sync_all().map_err(io)?;
        Ok(WholeFile { temporary, written, place, path, overwrite })
    }
}

/// A temporary file with all its content, durable; dropped before it is published, it is removed.
pub(crate) struct WholeFile {
    temporary: NamedTempFile,
    written: Written,
    place: PathBuf,
    path: PathBuf,
    overwrite: bool,
}

impl WholeFile {
    /// Makes it visible under the target's name.
    pub(crate) fn publish(self) -> Result<(), Error> {
        let Self { temporary, written, place, path, overwrite } = self;
        let io = |error| Error::io(&path, written.load(Ordering::Relaxed), error);
        let renamed = if overwrite { temporary.persist(&place) } else { temporary.persist_noclobber(&place) };
        match renamed {
            Ok(_) => {}
            Err(refused) if !overwrite && refused.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ErrorKind::Exists { path }.into());
            }
            Err(refused) => return Err(io(refused.error)),
        }
        sync_directory(parent(&place)).map_err(io)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_back.write(self.temporary.as_file(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.as_file_mut().flush()
    }
}

/// Where the file for `path` goes: `path`, or, as a plain create would, what it links to.
fn check_place(path: &Path, overwrite: bool) -> Result<PathBuf, Error> {
    let problem = |problem| Err(ErrorKind::Target { path: path.to_owned(), problem }.into());
    // Not following links: a link to nowhere is in the way of a rename that must not replace.
    let Ok(link) = fs::symlink_metadata(path) else {
        return Ok(path.to_owned());
    };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => problem(TargetProblem::Directory),
        Ok(found) if !found.is_file() => problem(TargetProblem::Special),
        _ if !overwrite => Err(ErrorKind::Exists { path: path.to_owned() }.into()),
        Ok(_) if link.is_symlink() => fs::canonicalize(path).map_err(|error| Error::io(path, 0, error)),
        _ => Ok(path.to_owned()),
    }
}

/// Why nothing can be put into a directory, if it is none.
pub(crate) fn missing_parent(directory: &Path) -> Result<(), TargetProblem> {
    match fs::metadata(directory) {
        Ok(metadata) if !metadata.is_dir() => Err(TargetProblem::ParentNotDirectory),
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound => TargetProblem::MissingParent,
            io::ErrorKind::NotADirectory => TargetProblem::ParentNotDirectory,
            _ => TargetProblem::Unwritable(error),
        }),
    }
}

/// The directory that `place` is in; a bare name is in the current one.
pub(crate) fn parent(place: &Path) -> &Path {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a rename in `directory` survive a power cut, where the system can say so.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        // Some network and FUSE file systems cannot; a directory may be writable but not readable.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn problem(path: &Path) -> String {
        match check_target(path, true).map_err(Error::into_kind) {
            Err(ErrorKind::Target { problem, .. }) => format!("{problem:?}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_name_appears_when_the_file_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let mut file = AtomicFile::create(&path, false).unwrap();
        file.write_all(b"whole").unwrap();
        let before = names(directory.path());
        assert_eq!(before.len(), 1);
        assert!(before[0].starts_with(".out.parquet.tidegate-"), "{before:?}");
        file.settle().and_then(WholeFile::publish).unwrap();
        assert_eq!(names(directory.path()), ["out.parquet"]);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn dropped_it_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let mut file = AtomicFile::create(&path, false).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_being_written_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let hour = Duration::from_secs(3600);
        let old = |name: &str| {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - hour).unwrap();
        };
        old(".out.parquet.tidegate-aB3xYz");
        // Of another target, and no name that was made here.
        let others = [".out.parquet.tidegate-", ".out.parquet.tidegate-notes.txt", ".out.tidegate-aB3xYz"];
        others.into_iter().for_each(old);
        let first = AtomicFile::create(&path, false).unwrap();
        first.temporary.as_file().set_modified(SystemTime::now() - hour).unwrap();
        let second = AtomicFile::create(&path, false).unwrap();
        let mut expected: Vec<String> = others.iter().map(ToString::to_string).collect();
        for file in [&first, &second] {
            expected.push(file.temporary.path().file_name().unwrap().to_str().unwrap().to_owned());
        }
        expected.sort();
        assert_eq!(names(directory.path()), expected);
    }

    #[test]
    fn a_file_that_appeared_meanwhile_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let file = AtomicFile::create(&path, false).unwrap();
        fs::write(&path, "theirs").unwrap();
        let error = file.settle().and_then(WholeFile::publish).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Exists { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(directory.path()), ["out.parquet"]);
    }

    #[test]
    fn overwriting_replaces_only_when_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path, true).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.settle().and_then(WholeFile::publish).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(directory.path()), ["out.parquet"]);
    }

    #[test]
    fn targets_that_cannot_be_are_told_early() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(problem(directory.path()), "Directory");
        assert_eq!(problem(Path::new("/")), "Directory");
        assert_eq!(problem(&directory.path().join("none/out.parquet")), "MissingParent");
        assert_eq!(problem(&file.join("out.parquet")), "ParentNotDirectory");
        assert_eq!(names(directory.path()), ["file"]);
        check_target(Path::new("-"), false).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn special_files_and_unwritable_directories_are_told_early() {
        assert_eq!(problem(Path::new("/dev/null")), "Special");
        let unwritable = problem(Path::new("/proc/out.parquet"));
        assert!(unwritable.starts_with("Unwritable("), "{unwritable}");
    }

    #[test]
    fn a_long_name_still_fits_beside_its_target() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(format!("{}.parquet", "é".repeat(120)));
        AtomicFile::create(&path, false).unwrap().settle().and_then(WholeFile::publish).unwrap();
        assert!(path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_is_that_of_a_plain_create() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let (plain, atomic) = (directory.path().join("plain"), directory.path().join("atomic"));
        File::create(&plain).unwrap();
        AtomicFile::create(&atomic, false).unwrap().settle().and_then(WholeFile::publish).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&atomic), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        let refused = check_target(&link, false).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Exists { .. }), "{refused}");
        let mut file = AtomicFile::create(&link, true).unwrap();
        file.write_all(b"new").unwrap();
        file.settle().and_then(WholeFile::publish).unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
