//! The formats, and how a path names one.

use std::fmt;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Apache Parquet, `.parquet`.
    Parquet,
    /// Arrow IPC, the file format with a footer (also known as Feather 2), `.arrow`.
    IpcFile,
    /// Arrow IPC, the stream format, `.arrows` and `-`.
    IpcStream,
    /// Comma-separated values, `.csv`.
    Csv,
}

impl Format {
    pub(crate) const ALL: [Self; 4] = [Self::Parquet, Self::IpcFile, Self::IpcStream, Self::Csv];

    /// The format that `path` asks for: by its extension in any case, and the IPC stream for `-`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownFormat`] when there is no extension, or one that names no format.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// assert_eq!(sink::Format::of(Path::new("out.PARQUET")).unwrap(), sink::Format::Parquet);
    /// assert_eq!(sink::Format::of(Path::new("-")).unwrap(), sink::Format::IpcStream);
    /// assert!(sink::Format::of(Path::new("out.xlsx")).is_err());
    /// ```
    pub fn of(path: &Path) -> Result<Self, Error> {
        if Self::is_stream_path(path) {
            return Ok(Self::IpcStream);
        }
        path.extension()
            .and_then(|extension| {
                Self::ALL.into_iter().find(|format| extension.eq_ignore_ascii_case(format.extension()))
            })
            .ok_or_else(|| ErrorKind::UnknownFormat { path: path.to_owned() }.into())
    }

    /// The extension of the format's files, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::IpcFile => "arrow",
            Self::IpcStream => "arrows",
            Self::Csv => "csv",
        }
    }

    /// Whether `path` stands for a stream instead of a file.
    pub(crate) fn is_stream_path(path: &Path) -> bool {
        path.as_os_str() == "-"
    }

    /// All extensions, as a message lists them.
    pub(crate) fn extensions() -> String {
        Self::ALL.map(|format| format!(".{}", format.extension())).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => "Parquet",
            Self::IpcFile => "Arrow IPC file",
            Self::IpcStream => "Arrow IPC stream",
            Self::Csv => "CSV",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_name_formats() {
        let cases = [
            ("a.parquet", Some(Format::Parquet)),
            ("dir.csv/a.arrow", Some(Format::IpcFile)),
            ("a.b.ARROWS", Some(Format::IpcStream)),
            ("a.csv", Some(Format::Csv)),
            ("-", Some(Format::IpcStream)),
            ("dir/-", None),
            ("parquet", None),
            (".parquet", None),
            ("a.parquet.gz", None),
            ("", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Format::of(Path::new(path)).ok(), expected, "{path}");
        }
    }
}
