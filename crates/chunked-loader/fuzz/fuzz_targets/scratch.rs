//! A file that every run writes anew.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Its path: in memory where the system has a place for that, and of this process alone.
pub(crate) fn path() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("chunked-loader-fuzz-").tempdir_in(parent);
        folder.expect("a folder for the inputs").keep().join("input.csv")
    })
}
