//! Undoing the compression of a page.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;

use crate::error::Error;

/// What decompressors take, whatever they decompress.
const ZSTD_BYTES: usize = 192 << 10;
const GZIP_BYTES: usize = 64 << 10;

/// How the pages of a column chunk are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Snappy,
    Gzip,
    Lz4,
    Zstd,
}

impl Codec {
    /// # Errors
    /// How a chunk is packed that is not read.
    pub(super) fn of(compression: Compression) -> Result<Codec, &'static str> {
        Ok(match compression {
            Compression::UNCOMPRESSED => Codec::None,
            Compression::SNAPPY => Codec::Snappy,
            Compression::GZIP(_) => Codec::Gzip,
            Compression::LZ4_RAW => Codec::Lz4,
            Compression::ZSTD(_) => Codec::Zstd,
            Compression::LZ4 => return Err("packed by LZ4 in Hadoop's framing"),
            Compression::LZO => return Err("packed by LZO"),
            Compression::BROTLI(_) => return Err("packed by Brotli"),
        })
    }

    /// Bytes that the decompressor takes beside what it reads and writes.
    pub(super) fn memory(self) -> usize {
        match self {
            Codec::None | Codec::Snappy | Codec::Lz4 => 0,
            Codec::Gzip => GZIP_BYTES,
            Codec::Zstd => ZSTD_BYTES,
        }
    }
}

/// Decompressors that are used again for the next page.
#[derive(Default)]
pub(crate) struct Decompressors {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressors {
    /// Decompresses `packed` to all of `out`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn decompress(&mut self, codec: Codec, packed: &[u8], out: &mut [u8]) -> Result<(), String> {
        let len = match codec {
            Codec::None => {
                if packed.len() == out.len() {
                    out.copy_from_slice(packed);
                }
                packed.len()
            }
            Codec::Snappy => snap::raw::Decoder::new().decompress(packed, out).map_err(|e| e.to_string())?,
            Codec::Lz4 => lz4_flex::block::decompress_into(packed, out).map_err(|e| e.to_string())?,
            Codec::Zstd => {
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    None => self.zstd.insert(zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?),
                };
                zstd.decompress_to_buffer(packed, out).map_err(|e| e.to_string())?
            }
            Codec::Gzip => {
                let mut gzip = MultiGzDecoder::new(packed);
                gzip.read_exact(out).map_err(|e| e.to_string())?;
                out.len() + gzip.read(&mut [0]).map_err(|e| e.to_string())?
            }
        };
        if len == out.len() { Ok(()) } else { Err(format!("found {len} bytes, expected {}", out.len())) }
    }
}

/// What all columns of a file decode in, one at a time.
pub(crate) struct Scratch {
    pub(super) packed: Vec<u8>,
    pub(super) decompressors: Decompressors,
    held: crate::columnar::held::Held,
}

impl Scratch {
    pub(crate) fn new(held: crate::columnar::held::Held) -> Scratch {
        Scratch { packed: Vec::new(), decompressors: Decompressors::default(), held }
    }

    /// Makes room for a page of `bytes` bytes, packed by `codec`.
    ///
    /// # Errors
    /// If the budget has none.
    pub(super) fn make_room(&mut self, bytes: usize, codec: Codec) -> Result<(), Error> {
        // A decompressor stays until the end.
        let needed = Codec::Zstd.memory().max(codec.memory()) + self.packed.capacity().max(bytes);
        self.held.resize(needed)?;
        if self.packed.len() < bytes {
            self.packed = Vec::new();
            self.packed = crate::columnar::held::zeroed(bytes)?;
        }
        Ok(())
    }

    /// The most that it has held.
    pub(crate) fn peak(&self) -> usize {
        self.held.peak()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn each_codec_gives_back_what_was_packed_and_nothing_else() {
        let text = "some text that is packed, ".repeat(100).into_bytes();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&text).unwrap();
        let packed = [
            (Codec::None, text.clone()),
            (Codec::Snappy, snap::raw::Encoder::new().compress_vec(&text).unwrap()),
            (Codec::Lz4, lz4_flex::block::compress(&text)),
            (Codec::Zstd, zstd::bulk::compress(&text, 3).unwrap()),
            (Codec::Gzip, gzip.finish().unwrap()),
        ];
        let mut decompressors = Decompressors::default();
        for (codec, packed) in packed {
            let mut out = vec![0; text.len()];
            decompressors.decompress(codec, &packed, &mut out).unwrap();
            assert!(out == text, "{codec:?}");
            for wrong in [text.len() - 1, text.len() + 1, 0] {
                let mut out = vec![0; wrong];
                assert!(decompressors.decompress(codec, &packed, &mut out).is_err(), "{codec:?} {wrong}");
            }
            for cut in (0..packed.len()).step_by(7) {
                let mut out = vec![0; text.len()];
                let end = decompressors.decompress(codec, &packed[..cut], &mut out);
                assert!(end.is_err() || out == text, "{codec:?} {cut}");
            }
        }
    }
}
