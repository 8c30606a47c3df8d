//! Names of what is not finished yet, and the removal of what a killed process has left under such a name.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

/// What the name of an unfinished file or folder contains, so that one left by a killed process is known for what
/// it is: `.NAME.tidegate-XXXXXX`, beside `NAME`.
const MARK: &str = ".tidegate-";

/// Length of what stands for `XXXXXX` there.
pub(crate) const RANDOM_BYTES: usize = 6;

/// More than it takes from making a file to locking it.
const SETTLED: Duration = Duration::from_secs(1);

/// Longest part of the target's name that goes into the temporary one; file systems stop at 255 bytes.
const MAX_NAME_BYTES: usize = 200;

/// How the names begin of what is to become `name`.
pub(crate) fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    match name.to_str() {
        Some(name) => prefix.push(&name[..name.floor_char_boundary(MAX_NAME_BYTES)]),
        None if name.len() <= MAX_NAME_BYTES => prefix.push(name),
        None => {}
    }
    prefix.push(MARK);
    prefix
}

/// Removes the files and folders of that prefix whose writers are gone: whoever writes one holds its lock.
///
/// What cannot be looked at or removed stays: it is in nobody's way.
pub(crate) fn remove(directory: &Path, prefix: &OsStr) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_one = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        if is_one.is_none_or(|rest| rest.len() != RANDOM_BYTES) {
            continue;
        }
        // No link is one, wherever it leads.
        let Ok(kind) = entry.file_type() else { continue };
        if !(kind.is_file() || kind.is_dir()) {
            continue;
        }
        if let Ok(file) = File::open(entry.path())
            && file.metadata().is_ok_and(|found| is_settled(&found))
            && file.try_lock().is_ok()
        {
            let _ = match kind.is_dir() {
                true => fs::remove_dir_all(entry.path()),
                false => fs::remove_file(entry.path()),
            };
        }
    }
}

/// Whether a file was written to so long ago that whoever made it has had the time to lock it.
fn is_settled(file: &fs::Metadata) -> bool {
    file.modified().is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > SETTLED))
}
