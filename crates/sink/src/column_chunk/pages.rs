//! The finished pages of a chunk, on their way to the file.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Pages behind one another, each in memory of its own.
#[derive(Default)]
pub(crate) struct Pages {
    pages: VecDeque<Vec<u8>>,
    bytes: usize,
    heap_bytes: usize,
}

impl Pages {
    pub(super) fn push(&mut self, page: Vec<u8>) {
        self.bytes += page.len();
        self.heap_bytes += page.capacity();
        self.pages.push_back(page);
    }

    pub(super) fn push_front(&mut self, page: Vec<u8>) {
        self.bytes += page.len();
        self.heap_bytes += page.capacity();
        self.pages.push_front(page);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.heap_bytes + self.pages.capacity() * size_of::<Vec<u8>>()
    }

    /// What the crate reads a chunk from.
    pub(crate) fn into_reader(self) -> PagesReader {
        PagesReader { bytes: self.bytes as u64, pages: Arc::new(self.pages) }
    }
}

/// Reads pages from the first one's start.
pub(crate) struct PagesReader {
    pages: Arc<VecDeque<Vec<u8>>>,
    bytes: u64,
}

impl Length for PagesReader {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for PagesReader {
    type T = Reading;

    fn get_read(&self, start: u64) -> Result<Reading, ParquetError> {
        let mut reading = Reading { pages: Arc::clone(&self.pages), page: 0, at: 0 };
        io::copy(&mut reading.by_ref().take(start), &mut io::sink())?;
        Ok(reading)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<bytes::Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        self.get_read(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A place in the pages.
pub(crate) struct Reading {
    pages: Arc<VecDeque<Vec<u8>>>,
    page: usize,
    at: usize,
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(page) = self.pages.get(self.page) {
            let read = (&page[self.at..]).read(into)?;
            if read > 0 || into.is_empty() {
                self.at += read;
                return Ok(read);
            }
            (self.page, self.at) = (self.page + 1, 0);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_in_order_from_any_place() {
        let mut pages = Pages::default();
        for page in [&b"cde"[..], b"", b"f", b"ghij"] {
            pages.push(page.to_vec());
        }
        pages.push_front(b"ab".to_vec());
        assert_eq!(pages.bytes(), 10);
        let reader = pages.into_reader();
        for start in 0..=10 {
            let mut read = String::new();
            reader.get_read(start as u64).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, "abcdefghij"[start..]);
        }
        assert_eq!(&reader.get_bytes(1, 4).unwrap()[..], b"bcde");
        assert!(reader.get_bytes(8, 3).is_err());
    }
}
