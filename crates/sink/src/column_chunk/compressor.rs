//! What compresses the bytes of a page.

use parquet::basic;
use parquet::errors::ParquetError;

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

    /// What `values` become, unless nothing is compressed.
    pub(super) fn compress(&mut self, values: &[u8]) -> Result<Option<&[u8]>, Error> {
        let Some(most) = self.codec.most(values.len()) else { return Ok(None) };
        if self.compressed.len() < most {
            self.compressed.resize(most, 0);
        }
        let length = self.codec.compress(values, &mut self.compressed);
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
            Codec::Snappy(_) => Some(snap::raw::max_compress_len(bytes)),
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
