//! Files that the flags name to be written: none is an input, none is written twice, and each has a folder.
//!
//! The output itself may take the place of its input, since it is moved there when it is whole.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Checks that no two of the files, each with its flag, are the same one.
pub(crate) fn check_apart(files: &[(&str, Option<&Path>)]) -> Result<(), Failure> {
    let files = files.iter().filter_map(|(flag, path)| path.map(|path| (*flag, path)));
    let files: Vec<_> = files.filter_map(|(flag, path)| Some((flag, path, identity(path)?))).collect();
    for (i, (flag, path, file)) in files.iter().enumerate() {
        if let Some((other, _, _)) = files[..i].iter().find(|(_, _, other)| other == file) {
            let path = path.display();
            return Err(Failure::Usage(format!(
                "{other} and {flag} both write {path}; give each its own file"
            )));
        }
    }
    Ok(())
}

/// Checks that `path`, which `flag` names to be written, is none of the files that are read.
pub(crate) fn check_not_read(flag: &str, path: &Path, read: &[&Path]) -> Result<(), Failure> {
    let Some(file) = identity(path) else { return Ok(()) };
    match read.iter().find(|read| identity(read).as_ref() == Some(&file)) {
        None => Ok(()),
        Some(read) => {
            let read = read.display();
            Err(Failure::Usage(format!("{flag} would write over the input {read}; give it another file")))
        }
    }
}

/// Checks that `path`, which `flag` names to be written, is no `-`, and that its folder is there.
pub(crate) fn check_folder(flag: &str, path: &Path) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Err(Failure::Usage(format!("{flag} -: only rows go to standard output; give it a file")));
    }
    if folder(path).is_dir() {
        return Ok(());
    }
    Err(Failure::io(path, "written", io::Error::other("its folder is not there; create it first")))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The same for all paths to a file, there or not. None for pipes and devices, which any number may write to.
fn identity(path: &Path) -> Option<PathBuf> {
    match path.canonicalize() {
        Ok(real) => real.is_file().then_some(real),
        Err(_) => Some(folder(path).canonicalize().ok()?.join(path.file_name()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_to_one_file_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let (there, other) = (dir.path().join("there"), dir.path().join("other"));
        std::fs::write(&there, "").unwrap();
        let detour = dir.path().join(".").join("there");
        let check =
            |a: &Path, b: &Path| check_apart(&[("-o", Some(a)), ("--save", None), ("--summary", Some(b))]);
        assert!(check(&there, &other).is_ok());
        assert!(check(&there, &detour).is_err());
        assert!(check(&other, &other).is_err());
        assert!(check(Path::new("/dev/null"), Path::new("/dev/null")).is_ok());
        assert!(check_not_read("--summary", &detour, &[&there]).is_err());
        assert!(check_not_read("--summary", &other, &[&there]).is_ok());
    }
}
