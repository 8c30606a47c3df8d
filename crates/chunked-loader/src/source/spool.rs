//! What cannot be read twice, copied to a file: as an LZ4 frame of small blocks, or as it came if it is compressed
//! or small, or no text.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use monitor::{Bytes, Consumer, Reservation};
use tempfile::TempPath;

use crate::error::{Error, ErrorKind};
use crate::source::compression::Compression;
use crate::source::format::Format;
use crate::source::stored::Stored;

/// A spooled file, deleted with its last clone.
#[derive(Clone, Debug)]
pub(crate) struct Spooled {
    path: Arc<TempPath>,
    /// Bytes that were packed to LZ4; `None` for those stored as they came.
    packed: Option<u64>,
}

/// Bytes that are read and written at a time. What fits in one piece is not worth packing.
const PIECE: usize = 256 << 10;

/// Bytes of text in a block of the frame. Each is packed for itself, so that reading it back takes little memory.
const BLOCK: usize = 64 << 10;

impl Spooled {
    /// Copies `reader`, named `name` in messages, to `folder`. `stop` is asked between two pieces.
    pub(crate) fn copy(
        name: &Arc<str>,
        mut reader: impl Read,
        folder: &Path,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Spooled, Error> {
        let unwritten = |error| Error::new(ErrorKind::Spool { folder: folder.to_owned(), error });
        let mut copy =
            tempfile::Builder::new().prefix("tidegate-spool-").tempfile_in(folder).map_err(unwritten)?;
        let mut piece = vec![0; PIECE];
        let mut len = 0;
        let mut writer = Writer::Undecided;
        loop {
            if stop() {
                return Err(Error::new(ErrorKind::Cancelled));
            }
            let is_end = match reader.read(&mut piece[len..]) {
                Ok(n) => {
                    len += n;
                    n == 0
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::io(e).in_file(name)),
            };
            if is_end || len == piece.len() {
                if matches!(writer, Writer::Undecided) {
                    // What is no text is read at any place, and packed as a rule.
                    let is_text = Format::of(&piece) == Format::Csv;
                    let is_worth_it = !is_end && is_text && Compression::found(&piece, false).is_none();
                    writer = Writer::new(copy.as_file_mut(), is_worth_it);
                }
                writer.write(&piece[..len]).map_err(unwritten)?;
                len = 0;
            }
            if is_end {
                break;
            }
        }
        let packed = writer.finish().map_err(unwritten)?;
        Ok(Spooled { path: Arc::new(copy.into_temp_path()), packed })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// Bytes of the text before it was packed; `None` if it is stored as it came.
    pub(crate) fn packed(&self) -> Option<u64> {
        self.packed
    }
}

enum Writer<'a> {
    /// Before the first piece.
    Undecided,
    AsItCame(&'a mut File),
    Packed(Box<FrameEncoder<&'a mut File>>, u64),
}

impl<'a> Writer<'a> {
    fn new(file: &'a mut File, is_packed: bool) -> Writer<'a> {
        if !is_packed {
            return Writer::AsItCame(file);
        }
        let info = FrameInfo::new()
            .block_size(BlockSize::Max64KB)
            .block_mode(BlockMode::Independent)
            .content_checksum(true);
        Writer::Packed(Box::new(FrameEncoder::with_frame_info(info, file)), 0)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Writer::Undecided => debug_assert!(false, "the first piece decides before it is written"),
            Writer::AsItCame(file) => file.write_all(bytes)?,
            Writer::Packed(encoder, count) => {
                encoder.write_all(bytes)?;
                *count += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// Ends the frame; bytes that were packed.
    fn finish(self) -> io::Result<Option<u64>> {
        let Writer::Packed(encoder, count) = self else { return Ok(None) };
        match encoder.finish() {
            Ok(_) => Ok(Some(count)),
            // The encoder's other errors wrap it.
            Err(lz4_flex::frame::Error::IoError(e)) => Err(e),
            Err(e) => Err(io::Error::other(e)),
        }
    }
}

/// Reads a packed copy back.
pub(crate) struct Unpacker {
    decoder: FrameDecoder<Stored>,
    /// Bytes of the text that are still to come.
    left: u64,
    is_failed: bool,
    _held: Reservation,
}

/// A packed and an unpacked block.
const MEMORY: usize = 2 * BLOCK;

impl Unpacker {
    /// What `stored` holds, which is `len` bytes long unpacked.
    pub(crate) fn new(stored: Stored, len: u64, consumer: &Consumer) -> Result<Unpacker, Error> {
        let _held = consumer.try_reserve(Bytes::from(MEMORY))?;
        Ok(Unpacker { decoder: FrameDecoder::new(stored), left: len, is_failed: false, _held })
    }

    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let damaged = |decoder: &FrameDecoder<Stored>, cause: Option<io::Error>| {
            let byte = decoder.get_ref().position();
            Error::new(ErrorKind::Damaged { format: "spooled LZ4", byte, cause: cause.map(Into::into) })
        };
        if self.is_failed {
            return Err(Error::io(io::Error::other("it failed before")));
        }
        match self.decoder.read(out) {
            // The decoder takes a file that ends before a block for one that is whole.
            Ok(0) if self.left > 0 => Err(damaged(&self.decoder, None)),
            Ok(n) => match self.left.checked_sub(n as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(n)
                }
                None => Err(damaged(&self.decoder, Some(io::Error::other("more text than was written")))),
            },
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(damaged(&self.decoder, None)),
            Err(e) if e.get_ref().is_some_and(|inner| inner.is::<lz4_flex::frame::Error>()) => {
                Err(damaged(&self.decoder, Some(e)))
            }
            Err(e) => Err(Error::io(e)),
        }
    }
}

impl Read for Unpacker {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        self.decode(out).map_err(|e| {
            self.is_failed = true;
            e.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use monitor::Budget;
    use proptest::prelude::*;

    use super::*;
    use crate::source::stored::tests::{Trickle, drain, stored};

    fn copy(bytes: &[u8], sizes: &[usize], folder: &Path) -> Spooled {
        Spooled::copy(&"input".into(), Trickle::new(bytes, sizes), folder, &mut || false).unwrap()
    }

    fn unpacker(packed: &[u8], len: u64) -> Unpacker {
        let consumer = Budget::unbounded().consumer("test");
        Unpacker::new(stored(packed, &[1 << 16]), len, &consumer).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_come_back(
            bytes in prop::collection::vec(prop_oneof![4 => Just(b'a'), 1 => any::<u8>()], 0..1000),
            times in prop::sample::select(&[1usize, 1, 3, 700, 2000][..]),
            sizes in prop::collection::vec(100usize..300_000, 1..4),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let bytes = bytes.repeat(times);
            let spooled = copy(&bytes, &sizes, folder.path());
            let file = std::fs::read(spooled.path()).unwrap();
            match spooled.packed() {
                Some(len) => {
                    prop_assert_eq!(len, bytes.len() as u64);
                    let (got, end) = drain(&mut unpacker(&file, len), &sizes);
                    prop_assert!(end.is_ok() && got == bytes);
                }
                None => prop_assert!(file == bytes),
            }
        }
    }

    #[test]
    fn what_is_compressed_or_small_is_stored_as_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        gzip.write_all(&[b'a'; PIECE]).unwrap();
        let gzip = gzip.finish().unwrap();
        let (small, large) = (vec![b'a'; PIECE - 1], vec![b'a'; PIECE]);
        for (bytes, is_packed) in [(&gzip, false), (&small, false), (&large, true), (&Vec::new(), false)] {
            let spooled = copy(bytes, &[10_000], folder.path());
            assert_eq!(spooled.packed(), is_packed.then_some(bytes.len() as u64));
            assert_eq!(std::fs::read(spooled.path()).unwrap() == *bytes, !is_packed);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "copies are deleted");
    }

    #[test]
    fn text_takes_less_room_than_it_has_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = (0..200_000).map(|n| format!("{n},some text,{}\n", n * 7)).collect();
        let spooled = copy(text.as_bytes(), &[1 << 20], folder.path());
        let bytes = std::fs::metadata(spooled.path()).unwrap().len();
        assert!(bytes * 3 < text.len() as u64 * 2, "{bytes} of {}", text.len());
    }

    #[test]
    fn a_copy_that_was_cut_or_changed_is_never_taken_for_whole() {
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..700_000u32).flat_map(|n| (n / 50).to_le_bytes()).collect();
        let text = &text[..600_000];
        let spooled = copy(text, &[1 << 20], folder.path());
        let file = std::fs::read(spooled.path()).unwrap();
        let fails = |bytes: &[u8]| {
            let (got, end) = drain(&mut unpacker(bytes, text.len() as u64), &[100_000]);
            assert!(text.starts_with(&got));
            matches!(end.map_err(Error::io), Err(e) if matches!(e.kind(), ErrorKind::Damaged { .. }))
        };
        // The last bytes are the end mark and the sum: the text is whole without them, and its sum unchecked.
        for cut in (0..file.len() - 8).step_by(997).chain(file.len() - 40..file.len() - 8) {
            assert!(fails(&file[..cut]), "cut to {cut} of {}", file.len());
        }
        for at in (0..file.len()).step_by(1009) {
            let mut flipped = file.clone();
            flipped[at] ^= 0x10;
            let (got, end) = drain(&mut unpacker(&flipped, text.len() as u64), &[100_000]);
            assert!(end.is_err() || got == text, "flipped at {at}");
        }
    }

    /// A reader that fails behind its first bytes.
    struct Torn(usize);

    impl Read for Torn {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 3 {
                return Err(io::Error::other("the line went dead"));
            }
            out[0] = b'a';
            Ok(1)
        }
    }

    #[test]
    fn errors_name_the_input_or_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let error = Spooled::copy(&"input".into(), Torn(0), folder.path(), &mut || false).unwrap_err();
        assert_eq!(error.to_string(), "input: cannot be read: the line went dead");
        let nowhere = Path::new("/nowhere/at/all");
        let error = Spooled::copy(&"input".into(), &b"a"[..], nowhere, &mut || false).unwrap_err();
        let message = error.to_string();
        assert!(
            message
                .starts_with("spool folder /nowhere/at/all cannot be written to: No such file or directory"),
            "{message}"
        );
        assert!(message.ends_with("; choose a folder that can"), "{message}");
        let full = ErrorKind::Spool { folder: "/x".into(), error: io::ErrorKind::StorageFull.into() };
        let expected = "spool folder /x is full; free space in it, or choose another";
        assert_eq!(Error::new(full).to_string(), expected);
    }
}
