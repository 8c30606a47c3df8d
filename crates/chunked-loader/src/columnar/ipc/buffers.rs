//! The bytes of a buffer, read where they are wanted: from the file if they are stored as they are, else from memory.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::messages::{Part, damaged};
use crate::columnar::held::{Held, zeroed};
use crate::error::{Error, ErrorKind};

/// How buffers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Lz4,
    Zstd,
}

/// What a decompressor takes beside what it reads and writes: blocks of an LZ4 frame have up to 4 MiB, packed and not.
fn memory(packing: Packing, packed: usize, bytes: usize) -> usize {
    const LZ4_BLOCK: usize = 4 << 20;
    match packing {
        Packing::Lz4 => packed.min(LZ4_BLOCK) + 2 * bytes.min(LZ4_BLOCK) + (256 << 10),
        Packing::Zstd => 192 << 10,
    }
}

/// A buffer.
pub(super) enum Source {
    Stored { file: Arc<File>, part: Part },
    Unpacked(Bytes),
}

/// Bytes that tell how long a compressed buffer is.
const PREFIX: u64 = 8;

impl Source {
    /// The buffer at `part`; what it takes is added to `held`.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, or there is no room for what it unpacks to.
    pub(super) fn open(
        file: &Arc<File>,
        part: Part,
        packing: Option<Packing>,
        held: &mut Held,
    ) -> Result<Source, Error> {
        let stored = |part| Source::Stored { file: Arc::clone(file), part };
        let Some(packing) = packing.filter(|_| part.bytes > 0) else { return Ok(stored(part)) };
        let mut prefix = [0; PREFIX as usize];
        if part.bytes < PREFIX {
            return Err(damaged(part.at, "a buffer has no length"));
        }
        read_exact(file, &mut prefix, part.at)?;
        let part = Part { at: part.at + PREFIX, bytes: part.bytes - PREFIX };
        let bytes = match i64::from_le_bytes(prefix) {
            // Compression did not make it shorter.
            -1 => return Ok(stored(part)),
            length => usize::try_from(length).map_err(|_| damaged(part.at, "a buffer has no length"))?,
        };
        let packed_bytes = part.bytes as usize;
        let before = held.bytes();
        held.grow(bytes.saturating_add(packed_bytes).saturating_add(memory(packing, packed_bytes, bytes)))?;
        let mut packed = zeroed(packed_bytes)?;
        read_exact(file, &mut packed, part.at)?;
        let mut out = zeroed(bytes)?;
        unpack(packing, &packed, &mut out).map_err(|cause| damaged(part.at, &cause))?;
        drop(packed);
        held.resize(before + bytes)?;
        Ok(Source::Unpacked(out.into()))
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Source::Stored { part, .. } => part.bytes,
            Source::Unpacked(bytes) => bytes.len() as u64,
        }
    }

    /// Where it stands in the file, for messages.
    fn byte(&self) -> u64 {
        match self {
            Source::Stored { part, .. } => part.at,
            Source::Unpacked(_) => 0,
        }
    }

    /// Fills `into` from byte `at` of the buffer on.
    ///
    /// # Errors
    /// If the buffer or the file ends before, or the file cannot be read.
    pub(super) fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Error> {
        let end = at.checked_add(into.len() as u64).filter(|end| *end <= self.len());
        if end.is_none() {
            return Err(damaged(self.byte(), "a buffer is shorter than its column"));
        }
        match self {
            Source::Stored { file, part } => read_exact(file, into, part.at + at),
            Source::Unpacked(bytes) => {
                into.copy_from_slice(&bytes[at as usize..at as usize + into.len()]);
                Ok(())
            }
        }
    }

    /// Bytes `at..at + len` of the buffer, shared if they are in memory.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn bytes(&self, at: u64, len: usize) -> Result<Bytes, Error> {
        if let Source::Unpacked(bytes) = self {
            let end = at.checked_add(len as u64).filter(|end| *end <= self.len());
            return match end {
                Some(_) => Ok(bytes.slice(at as usize..at as usize + len)),
                None => Err(damaged(self.byte(), "a buffer is shorter than its column")),
            };
        }
        if at.checked_add(len as u64).is_none_or(|end| end > self.len()) {
            return Err(damaged(self.byte(), "a buffer is shorter than its column"));
        }
        let mut out = zeroed(len)?;
        self.read(at, &mut out)?;
        Ok(out.into())
    }
}

fn unpack(packing: Packing, packed: &[u8], out: &mut [u8]) -> Result<(), String> {
    let len = match packing {
        Packing::Zstd => zstd::bulk::Decompressor::new()
            .and_then(|mut zstd| zstd.decompress_to_buffer(packed, out))
            .map_err(|e| e.to_string())?,
        Packing::Lz4 => {
            let mut lz4 = lz4_flex::frame::FrameDecoder::new(packed);
            lz4.read_exact(out).map_err(|e| e.to_string())?;
            out.len() + lz4.read(&mut [0]).map_err(|e| e.to_string())?
        }
    };
    if len == out.len() { Ok(()) } else { Err(format!("found {len} bytes, expected {}", out.len())) }
}

/// Fills `into` from byte `at` of the file on.
///
/// # Errors
/// [`ErrorKind::Damaged`] if the file ends before, [`ErrorKind::Io`].
pub(super) fn read_exact(file: &File, into: &mut [u8], at: u64) -> Result<(), Error> {
    file.read_exact_at(into, at).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Damaged { format: "Arrow IPC", byte: at, cause: None })
        }
        _ => Error::io(error),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    #[test]
    fn a_buffer_is_read_wherever_it_is_wanted_however_it_is_stored() {
        let text = b"any bytes at all, again and again and again and again".to_vec();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&text).unwrap();
        let with_length = |length: i64, bytes: Vec<u8>| [&length.to_le_bytes()[..], &bytes].concat();
        let length = text.len() as i64;
        for (packing, stored) in [
            (None, text.clone()),
            (Some(Packing::Zstd), with_length(-1, text.clone())),
            (Some(Packing::Zstd), with_length(length, zstd::bulk::compress(&text, 1).unwrap())),
            (Some(Packing::Lz4), with_length(length, lz4.finish().unwrap())),
        ] {
            let file = file(&[b"before", &stored[..], b"behind"].concat());
            let part = Part { at: 6, bytes: stored.len() as u64 };
            let source = Source::open(&file, part, packing, &mut Held::within(4 << 20)).unwrap();
            assert_eq!(source.len(), text.len() as u64);
            let mut read = [0; 9];
            source.read(4, &mut read).unwrap();
            assert_eq!((&read[..], &source.bytes(4, 9).unwrap()[..]), (&text[4..13], &text[4..13]));
            for (at, len) in [(text.len() as u64 - 8, 9), (u64::MAX, 2), (0, text.len() + 1)] {
                assert!(source.bytes(at, len).is_err() && source.read(at, &mut vec![0; len]).is_err());
            }
        }
    }

    #[test]
    fn a_buffer_that_says_it_is_longer_than_there_is_room_for_is_refused() {
        let stored = [&i64::MAX.to_le_bytes()[..], b"short"].concat();
        let part = Part { at: 0, bytes: stored.len() as u64 };
        let opened = Source::open(&file(&stored), part, Some(Packing::Zstd), &mut Held::within(1 << 20));
        assert!(opened.is_err());
    }
}
