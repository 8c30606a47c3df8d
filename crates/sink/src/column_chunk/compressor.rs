//! What compresses the bytes of a page.

use parquet::basic;
use parquet::errors::ParquetError;

use super::bits::write_varint;
use crate::compression::Compression;
use crate::error::Error;
use crate::output::Progress;

/// A codec with the memory that it compresses to. One serves a thread, page after page.
pub(super) struct Compressor {
    codec: Codec,
    compressed: Vec<u8>,
    progress: Progress,
}

impl Compressor {
    /// # Errors
    ///
    /// A codec that cannot be had.
    pub(super) fn new(compression: Compression, progress: &Progress) -> Result<Self, Error> {
        let codec = Codec::new(compression).map_err(|error| progress.encode(error))?;
        Ok(Self { codec, compressed: Vec::new(), progress: progress.clone() })
    }

    /// The most bytes that `bytes` become, or 0 where nothing is compressed.
    pub(super) fn most(&self, bytes: usize) -> usize {
        self.codec.most(bytes).unwrap_or(0)
    }

    /// What `first` and `rest` behind it become together, unless nothing is compressed. `first` may have `rest` appended.
    pub(super) fn compress(&mut self, first: &mut Vec<u8>, rest: &[u8]) -> Result<Option<&[u8]>, Error> {
        let Some(most) = self.codec.most(first.len() + rest.len()) else { return Ok(None) };
        if self.compressed.len() < most {
            self.compressed.resize(most, 0);
        }
        let out = &mut self.compressed;
        let length = match (&mut self.codec, first.as_slice(), rest) {
            (codec, [], all) | (codec, all, []) => codec.compress(all, out),
            (Codec::Snappy(encoder), first, rest) => compress_parts(encoder, first, rest, out),
            (codec, ..) => {
                first.extend_from_slice(rest);
                codec.compress(first, out)
            }
        };
        let length = length.map_err(|error| self.progress.encode(error))?;
        Ok(Some(&self.compressed[..length]))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.compressed.capacity()
    }

    /// Gives its memory back, until it is needed again.
    pub(super) fn clear(&mut self) {
        self.compressed = Vec::new();
    }
}

enum Codec {
    Snappy(Box<snap::raw::Encoder>),
    Zstd(Box<zstd::bulk::Compressor<'static>>),
    Lz4,
    None,
}

impl Codec {
    fn new(compression: Compression) -> Result<Codec, ParquetError> {
        Ok(match compression {
            Compression::Snappy => Codec::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::Zstd(level) => {
                let compressor = zstd::bulk::Compressor::new(level.get());
                Codec::Zstd(Box::new(compressor.map_err(external)?))
            }
            Compression::Lz4 => Codec::Lz4,
            Compression::None => Codec::None,
        })
    }

    /// The most bytes that `bytes` become, or `None` where nothing is compressed.
    fn most(&self, bytes: usize) -> Option<usize> {
        match self {
            // Of each part when there are two.
            Codec::Snappy(_) => Some(snap::raw::max_compress_len(bytes) + snap::raw::max_compress_len(0)),
            Codec::Zstd(_) => Some(zstd::zstd_safe::compress_bound(bytes)),
            Codec::Lz4 => Some(lz4_flex::block::get_maximum_output_size(bytes)),
            Codec::None => None,
        }
    }

    /// Compresses `bytes` into `out`, which has room for the [most](Self::most) that they become. Gives what is filled.
    fn compress(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<usize, ParquetError> {
        match self {
            Codec::Snappy(encoder) => encoder.compress(bytes, out).map_err(external),
            Codec::Zstd(compressor) => compressor.compress_to_buffer(bytes, out).map_err(external),
            Codec::Lz4 => lz4_flex::block::compress_into(bytes, out).map_err(external),
            Codec::None => Ok(0),
        }
    }
}

/// A page is stored compressed where that takes this share off its values. Who asks for Snappy or LZ4 is in a hurry, and what
/// hardly compresses takes those the longest: digits at random, of which Snappy takes off an eighth, take it more than twice
/// as long as words, of which it takes off two thirds.
pub(super) fn least_saved_share(compression: Compression) -> usize {
    match compression {
        Compression::Snappy | Compression::Lz4 => 6,
        Compression::Zstd(_) | Compression::None => 16,
    }
}

/// Compresses two parts as if they lay behind one another, without a copy of them: a length in front, and then what says
/// how the bytes are made, which may end and begin anywhere. See
/// <https://github.com/google/snappy/blob/main/format_description.txt>.
fn compress_parts(
    encoder: &mut snap::raw::Encoder,
    first: &[u8],
    rest: &[u8],
    out: &mut [u8],
) -> Result<usize, ParquetError> {
    let [length, of_first, of_rest] = [first.len() + rest.len(), first.len(), rest.len()].map(|bytes| {
        let mut length = Vec::new();
        write_varint(bytes as u64, &mut length);
        length
    });
    // The length of both takes the place of that of the first, which is no longer.
    let gap = length.len() - of_first.len();
    let end = gap + encoder.compress(first, &mut out[gap..]).map_err(external)?;
    out[..length.len()].copy_from_slice(&length);
    // That of the rest is written over what is there already, and that is put back.
    let from = end - of_rest.len();
    let covered = out[from..end].to_vec();
    let written = encoder.compress(rest, &mut out[from..]).map_err(external)?;
    out[from..end].copy_from_slice(&covered);
    Ok(from + written)
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// The name of a compression in the format.
pub(super) fn codec_name(compression: Compression) -> Result<basic::Compression, ParquetError> {
    Ok(match compression {
        Compression::Snappy => basic::Compression::SNAPPY,
        Compression::Zstd(level) => basic::Compression::ZSTD(basic::ZstdLevel::try_new(level.get())?),
        Compression::Lz4 => basic::Compression::LZ4_RAW,
        Compression::None => basic::Compression::UNCOMPRESSED,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_read_as_what_lay_behind_one_another(
            first in prop::collection::vec(0u8..4, 1..400),
            rest in prop::collection::vec(0u8..4, 1..400),
            repeated in (1usize..400, 1usize..400),
        ) {
            let (first, rest) = (first.repeat(repeated.0), rest.repeat(repeated.1));
            let all = [first.as_slice(), &rest].concat();
            let most = snap::raw::max_compress_len(all.len()) + snap::raw::max_compress_len(0);
            let mut out = vec![0; most];
            let length = compress_parts(&mut snap::raw::Encoder::new(), &first, &rest, &mut out).unwrap();
            let read = snap::raw::Decoder::new().decompress_vec(&out[..length]).unwrap();
            prop_assert!(read == all);
        }
    }
}
