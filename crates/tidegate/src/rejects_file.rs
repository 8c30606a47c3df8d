//! The file of quarantined records: raw text, place and reason, one row each.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use chunked_loader::Reject;

use crate::failure::Failure;

/// A CSV file that rejected records are streamed to.
pub(crate) struct RejectsFile {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
}

impl RejectsFile {
    /// Where rejects go unless the user says otherwise: beside the output.
    pub(crate) fn default_path(output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_owned();
        name.push(".rejects.csv");
        PathBuf::from(name)
    }

    /// Creates the file with its header. One of an earlier run is replaced: it tells of that run alone.
    pub(crate) fn create(path: &Path) -> Result<RejectsFile, Failure> {
        let file = File::create(path).map_err(|e| Failure::io(path, "created", e))?;
        let mut rejects =
            RejectsFile { path: path.to_owned(), writer: csv::Writer::from_writer(BufWriter::new(file)) };
        let header = ["file", "line", "record", "byte", "column", "reason", "raw"];
        rejects.writer.write_record(header).map_err(|e| Failure::io(path, "written", e.into()))?;
        Ok(rejects)
    }

    /// Appends a record.
    pub(crate) fn write(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        let place = reject.position;
        let numbers = [place.line, place.record, place.byte].map(|n| n.to_string());
        let reason = reject.reason.to_string();
        let texts = [
            reject.file.as_bytes(),
            numbers[0].as_bytes(),
            numbers[1].as_bytes(),
            numbers[2].as_bytes(),
            reject.column.unwrap_or_default().as_bytes(),
            reason.as_bytes(),
            reject.raw,
        ];
        Ok(self.writer.write_byte_record(&csv::ByteRecord::from(texts.to_vec()))?)
    }

    /// Flushes what is buffered.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|e| Failure::io(&self.path, "written", e))
    }
}
