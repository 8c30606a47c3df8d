//! A folder that files are written in until all of them are whole, and how they get from there to their names.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{TempDir, TempPath};

use crate::atomic::{missing_parent, parent, sync_directory};
use crate::error::{Error, ErrorKind, TargetProblem};
use crate::format::Format;
use crate::leftovers::{self, RANDOM_BYTES};

/// Digits of a file's number at least.
const DIGITS: usize = 5;

/// How the files of a partition are named, before their number.
pub(crate) const PART: &str = "part";

/// The name of the file `number` of those of `stem`.
pub(crate) fn numbered(stem: &OsStr, number: u64, extension: &str) -> OsString {
    let mut name = stem.to_owned();
    name.push(format!("-{number:0DIGITS$}.{extension}"));
    name
}

/// The number in a name that [`numbered`] made.
fn number_of(name: &OsStr, stem: &OsStr, extension: &str) -> Option<u64> {
    let rest = name.as_encoded_bytes().strip_prefix(stem.as_encoded_bytes())?.strip_prefix(b"-")?;
    let digits = rest.strip_suffix(extension.as_bytes())?.strip_suffix(b".")?;
    let number = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
    let number = number.parse().ok()?;
    (numbered(stem, number, extension) == name).then_some(number)
}

/// What a target becomes that is not one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Files beside each other, with numbers in their names.
    Numbered,
    /// A folder of folders.
    Folder,
}

/// A temporary folder beside the target. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: TempDir,
    /// Held as long as it is open, and gone with the process.
    _lock: Option<File>,
    layout: Layout,
    /// Where the files go: the target, or, if it is a link to a folder, what it links to.
    place: PathBuf,
    /// The target as the caller named it.
    path: PathBuf,
    overwrite: bool,
}

impl Staging {
    /// Creates the folder after checking that its content could be put where it belongs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Exists`] when something is there and `overwrite` is false; [`ErrorKind::Target`] when the target
    /// cannot be, or holds what was not written by a sink.
    pub(crate) fn create(path: &Path, layout: Layout, overwrite: bool) -> Result<Self, Error> {
        let place = check_place(path, layout, overwrite)?;
        let fail = |problem| Error::from(ErrorKind::Target { path: path.to_owned(), problem });
        let name = place.file_name().ok_or_else(|| fail(TargetProblem::Directory))?;
        let directory = parent(&place);
        missing_parent(directory).map_err(fail)?;
        let prefix = leftovers::prefix(name);
        leftovers::remove(directory, &prefix);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(RANDOM_BYTES);
        #[cfg(unix)]
        {
            // As `create_dir` would: everything that the umask allows.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let folder = builder.tempdir_in(directory).map_err(|error| fail(TargetProblem::Unwritable(error)))?;
        let lock = File::open(folder.path()).ok().inspect(|folder| {
            // Where folders cannot be locked, what a killed process leaves is taken for that of one at work.
            let _ = folder.try_lock();
        });
        Ok(Self { folder, _lock: lock, layout, place, path: path.to_owned(), overwrite })
    }

    /// Where files are written.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The target, without its extension.
    pub(crate) fn stem(&self) -> &OsStr {
        self.place.file_stem().unwrap_or_default()
    }

    /// Puts numbered files, `count` of them, beside each other under their names.
    ///
    /// From the last to the first, and those of an earlier run begin to go with the first: whenever there is a file 0, all
    /// are there.
    ///
    /// # Panics
    ///
    /// If this is a folder.
    pub(crate) fn publish_numbered(self, count: u64, extension: &str) -> Result<(), Error> {
        assert_eq!(self.layout, Layout::Numbered);
        let fail = |error| Error::io(&self.path, 0, error);
        sync_directory(self.folder.path()).map_err(fail)?;
        let (directory, stem) = (parent(&self.place), self.stem());
        let name = |number| numbered(stem, number, extension);
        let mut old = existing(directory, stem, extension).map_err(fail)?;
        if let Some(first) = old.first().filter(|_| !self.overwrite) {
            return Err(ErrorKind::Exists { path: directory.join(name(*first)) }.into());
        }
        // The first goes first; later ones that are replaced stay until then.
        old.retain(|number| *number == 0 || *number >= count);
        old.sort_unstable();
        for number in old {
            fs::remove_file(directory.join(name(number))).map_err(fail)?;
        }
        let mut placed = Vec::new();
        for number in (0..count).rev() {
            let (from, to) = (self.folder.path().join(name(number)), directory.join(name(number)));
            let done = match self.overwrite {
                true => fs::rename(&from, &to),
                false => TempPath::try_from_path(&from)
                    .and_then(|from| from.persist_noclobber(&to).map_err(|refused| refused.error)),
            };
            let Err(error) = done else {
                placed.push(to);
                continue;
            };
            if !self.overwrite {
                // Nothing was there before, so nothing is to be there.
                placed.iter().for_each(|path| drop(fs::remove_file(path)));
                if error.kind() == io::ErrorKind::AlreadyExists {
                    return Err(ErrorKind::Exists { path: to }.into());
                }
            }
            return Err(fail(error));
        }
        sync_directory(directory).map_err(fail)
    }

    /// Puts the folder itself under the target's name.
    ///
    /// # Panics
    ///
    /// If these are files.
    pub(crate) fn publish_folder(self) -> Result<(), Error> {
        assert_eq!(self.layout, Layout::Folder);
        let fail = |error| Error::io(&self.path, 0, error);
        sync_directory(self.folder.path()).map_err(fail)?;
        // What came to be there in the meantime is asked the same.
        check_place(&self.path, self.layout, self.overwrite)?;
        match fs::rename(self.folder.path(), &self.place) {
            Ok(()) => {
                let _ = self.folder.keep();
            }
            Err(error) if self.overwrite && is_in_the_way(&error) => {
                exchange(self.folder, &self.place).map_err(fail)?;
            }
            Err(error) if is_in_the_way(&error) => return Err(ErrorKind::Exists { path: self.path }.into()),
            Err(error) => return Err(fail(error)),
        }
        sync_directory(parent(&self.place)).map_err(fail)
    }
}

/// Whether a rename was refused because the target is there, and holds something.
fn is_in_the_way(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

/// Puts a folder in the place of another one, which is removed.
fn exchange(new: TempDir, place: &Path) -> io::Result<()> {
    // The one way without a moment in which neither is there.
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new.path(), CWD, place, RenameFlags::EXCHANGE).is_ok() {
            return new.close();
        }
    }
    let prefix = leftovers::prefix(place.file_name().unwrap_or_default());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).rand_bytes(RANDOM_BYTES);
    let old = builder.tempdir_in(parent(place))?;
    fs::rename(place, old.path())?;
    if let Err(error) = fs::rename(new.path(), place) {
        fs::rename(old.path(), place)?;
        return Err(error);
    }
    let _ = new.keep();
    old.close()
}

/// Where the files go: what the target links to, or the target.
fn check_place(path: &Path, layout: Layout, overwrite: bool) -> Result<PathBuf, Error> {
    let problem = |problem| Err(ErrorKind::Target { path: path.to_owned(), problem }.into());
    match layout {
        Layout::Numbered => {
            let (Some(stem), Some(extension)) = (path.file_stem(), path.extension().and_then(OsStr::to_str))
            else {
                return problem(TargetProblem::Directory);
            };
            // A folder that is not there is told of later.
            let old = existing(parent(path), stem, extension).unwrap_or_default();
            match old.first() {
                Some(first) if !overwrite => {
                    Err(ErrorKind::Exists { path: path.with_file_name(numbered(stem, *first, extension)) }
                        .into())
                }
                _ => Ok(path.to_owned()),
            }
        }
        Layout::Folder => {
            if fs::symlink_metadata(path).is_err() {
                return Ok(path.to_owned());
            }
            if !overwrite {
                return Err(ErrorKind::Exists { path: path.to_owned() }.into());
            }
            match fs::metadata(path) {
                Ok(found) if found.is_dir() => {}
                _ => return problem(TargetProblem::NotDirectory),
            }
            let io = |error| Error::io(path, 0, error);
            if let Some(stranger) = stranger_in(path).map_err(io)? {
                return problem(TargetProblem::Stranger(stranger));
            }
            fs::canonicalize(path).map_err(io)
        }
    }
}

/// The numbers of the files of `stem` that are there, least first.
fn existing(directory: &Path, stem: &OsStr, extension: &str) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(number) = number_of(&entry.file_name(), stem, extension)
            && !entry.file_type()?.is_dir()
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Something in a folder that was not written there as a partition, by its path in the folder.
fn stranger_in(folder: &Path) -> io::Result<Option<PathBuf>> {
    for partition in fs::read_dir(folder)? {
        let partition = partition?;
        let name = partition.file_name();
        if !partition.file_type()?.is_dir() || !name.as_encoded_bytes().contains(&b'=') {
            return Ok(Some(name.into()));
        }
        for file in fs::read_dir(partition.path())? {
            let file = file?;
            let is_part = |format: Format| number_of(&file.file_name(), PART.as_ref(), format.extension());
            if !file.file_type()?.is_file() || Format::ALL.into_iter().find_map(is_part).is_none() {
                return Ok(Some(Path::new(&name).join(file.file_name())));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn stage(path: &Path, overwrite: bool, contents: &[&str]) -> Staging {
        let staging = Staging::create(path, Layout::Numbered, overwrite).unwrap();
        for (number, content) in (0..).zip(contents) {
            fs::write(staging.folder().join(numbered(staging.stem(), number, "csv")), content).unwrap();
        }
        staging
    }

    #[test]
    fn numbers_are_found_in_names_and_nowhere_else() {
        let stem = OsStr::new("out");
        for number in [0, 99_999, 100_000, u64::MAX] {
            assert_eq!(number_of(&numbered(stem, number, "csv"), stem, "csv"), Some(number));
        }
        for name in
            ["out-0.csv", "out-000001.csv", "out-00001.parquet", "out-+0001.csv", "out.csv", "out00001.csv"]
        {
            assert_eq!(number_of(OsStr::new(name), stem, "csv"), None, "{name}");
        }
    }

    #[test]
    fn files_appear_together_and_an_old_set_goes_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let staging = stage(&path, false, &["a", "b", "c"]);
        assert_eq!(names(directory.path()).len(), 1);
        staging.publish_numbered(3, "csv").unwrap();
        assert_eq!(names(directory.path()), ["out-00000.csv", "out-00001.csv", "out-00002.csv"]);
        let refused = Staging::create(&path, Layout::Numbered, false).unwrap_err();
        assert!(refused.to_string().contains("out-00000.csv\" already exists"), "{refused}");
        // Others of the name are no parts of the set.
        fs::write(directory.path().join("out-1.csv"), "theirs").unwrap();
        stage(&path, true, &["d", "e"]).publish_numbered(2, "csv").unwrap();
        assert_eq!(names(directory.path()), ["out-00000.csv", "out-00001.csv", "out-1.csv"]);
        assert_eq!(fs::read(directory.path().join("out-00001.csv")).unwrap(), b"e");
    }

    #[test]
    fn one_that_came_meanwhile_stays_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let staging = stage(&path, false, &["a", "b", "c"]);
        fs::write(directory.path().join("out-00001.csv"), "theirs").unwrap();
        let refused = staging.publish_numbered(3, "csv").unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Exists { .. }), "{refused}");
        assert_eq!(names(directory.path()), ["out-00001.csv"]);
    }

    #[test]
    fn a_folder_is_replaced_only_by_who_wrote_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let publish = |content: &str| {
            let staging = Staging::create(&path, Layout::Folder, true)?;
            let partition = staging.folder().join(format!("k={content}"));
            fs::create_dir(&partition).unwrap();
            fs::write(partition.join("part-00000.csv"), content).unwrap();
            staging.publish_folder()
        };
        publish("1").unwrap();
        let refused = Staging::create(&path, Layout::Folder, false).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Exists { .. }), "{refused}");
        publish("2").unwrap();
        assert_eq!(names(&path), ["k=2"]);
        assert_eq!(names(directory.path()), ["out.csv"]);
        fs::write(path.join("k=2/notes.txt"), "theirs").unwrap();
        let refused = publish("3").unwrap_err().to_string();
        assert!(refused.contains("holds \"k=2/notes.txt\""), "{refused}");
        fs::remove_file(path.join("k=2/notes.txt")).unwrap();
        fs::write(path.join("notes.txt"), "theirs").unwrap();
        assert!(publish("3").is_err());
        assert_eq!(names(&path), ["k=2", "notes.txt"]);
        assert_eq!(names(directory.path()), ["out.csv"]);
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let left = directory.path().join(".out.csv.tidegate-aB3xYz");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("out-00000.csv"), "half").unwrap();
        let hour = std::time::Duration::from_secs(3600);
        File::open(&left).unwrap().set_modified(std::time::SystemTime::now() - hour).unwrap();
        let first = Staging::create(&path, Layout::Folder, false).unwrap();
        assert!(!left.exists());
        // That of one at work stays, however old.
        File::open(first.folder()).unwrap().set_modified(std::time::SystemTime::now() - hour).unwrap();
        let second = Staging::create(&path, Layout::Numbered, false).unwrap();
        assert!(first.folder().exists() && second.folder().exists());
    }
}
