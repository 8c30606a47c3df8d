//! Files that are no tables, such as pipelines and summaries: written whole, under their name, or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Writes the file `path` as `fill` does, which gives the bytes.
pub(crate) fn write(
    path: &Path,
    overwrite: bool,
    fill: impl FnOnce(&mut dyn Write) -> Result<u64, incremental::Error>,
) -> Result<u64, Failure> {
    stage(path, overwrite, fill)?.publish()
}

/// As [`write`], and leaves it to [`Staged::publish`] to give the file its name.
pub(crate) fn stage(
    path: &Path,
    overwrite: bool,
    fill: impl FnOnce(&mut dyn Write) -> Result<u64, incremental::Error>,
) -> Result<Staged, Failure> {
    put(path, overwrite, |out| fill(out).map_err(|e| Failure::in_file(path, e)))
}

/// A file that is whole and on the disk, and has no name yet. Dropped, it is gone.
pub(crate) struct Staged {
    file: NamedTempFile,
    path: PathBuf,
    overwrite: bool,
    bytes: u64,
}

impl Staged {
    /// Gives the file its name; returns its bytes.
    pub(crate) fn publish(self) -> Result<u64, Failure> {
        let Staged { file, path, overwrite, bytes } = self;
        let failed = |e| Failure::io(&path, "written", e);
        if overwrite {
            file.persist(&path).map_err(|e| failed(e.error))?;
        } else {
            file.persist_noclobber(&path).map_err(|e| failed(e.error))?;
        }
        File::open(folder(&path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(bytes)
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes `bytes` as the file `path`, in place of what it had. A link is followed; what is no file, such as a pipe, takes the
/// bytes as they come.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    // A reader that has gone is a failure: it is not the one of standard output.
    let failed = |error| Failure::Io { path: path.to_owned(), doing: "written", error };
    let (real, is_file) = match path.canonicalize() {
        // A name of a stream that is open already, whatever it leads to.
        Ok(_) if ["/dev", "/proc"].iter().any(|streams| path.starts_with(streams)) => {
            (path.to_owned(), false)
        }
        Ok(real) => {
            let is_file = real.is_file();
            (real, is_file)
        }
        Err(error) => (path.to_owned(), error.kind() == io::ErrorKind::NotFound),
    };
    if !is_file {
        return std::fs::write(path, bytes).map_err(failed);
    }
    let staged = put(&real, true, |out| out.write_all(bytes).map_err(failed).map(|()| bytes.len() as u64));
    staged?.publish().map(drop)
}

fn put(
    path: &Path,
    overwrite: bool,
    fill: impl FnOnce(&mut dyn Write) -> Result<u64, Failure>,
) -> Result<Staged, Failure> {
    let failed = |e| Failure::io(path, "written", e);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.tidegate-");
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder(path)).map_err(failed)?;
    let mut out = BufWriter::new(&mut file);
    let bytes = fill(&mut out)?;
    out.flush().map_err(failed)?;
    drop(out);
    file.as_file().sync_all().map_err(failed)?;
    Ok(Staged { file, path: path.to_owned(), overwrite, bytes })
}
