//! Text of any encoding to UTF-8, as a stream, exactly: bytes without a character are an error.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, mem::convert_latin1_to_utf8_partial};
use monitor::{Budget, Bytes, Reservation};

use crate::error::{Error, ErrorKind};
use crate::source::encoding::Encoding;

/// Reads another encoding and gives UTF-8.
///
/// Its errors carry an [`Error`]. What was decoded before an error is given first; behind it every read fails.
pub(crate) struct Transcoder {
    reader: Box<dyn Read + Send>,
    encoding: Encoding,
    table: Table,
    input: Box<[u8]>,
    /// What of `input` is not decoded yet.
    start: usize,
    end: usize,
    /// Offset in the stored text behind the bytes that the decoder has taken.
    taken: u64,
    /// Decoded bytes that wait because the caller's buffer has no room for a whole character.
    small: [u8; ROOM],
    waiting: std::ops::Range<usize>,
    state: State,
    _held: Reservation,
}

enum Table {
    Latin1,
    Other(Box<Decoder>),
}

enum State {
    Reading,
    /// The reader has ended; the decoder may have something left.
    AtEnd,
    Done,
    /// The bytes from this offset on have no character.
    Undecodable(u64),
}

/// Bytes of `input`.
const INPUT: usize = 32 << 10;

/// Bytes that a buffer must have to be decoded into: more than a decoder writes at once.
const ROOM: usize = 32;

impl Transcoder {
    /// What `reader` gives in `encoding`, which is any but UTF-8, and whose mark, of `mark` bytes, is passed over
    /// already.
    pub(crate) fn new(
        reader: Box<dyn Read + Send>,
        encoding: Encoding,
        mark: u64,
        budget: &Budget,
    ) -> Result<Transcoder, Error> {
        let _held = budget.consumer("transcode").try_reserve(Bytes::from(INPUT))?;
        debug_assert!(!matches!(encoding, Encoding::Auto | Encoding::Utf8), "{encoding} is not transcoded");
        let table = match encoding.table() {
            Some(table) => Table::Other(Box::new(table.new_decoder_without_bom_handling())),
            None => Table::Latin1,
        };
        Ok(Transcoder {
            reader,
            encoding,
            table,
            input: vec![0; INPUT].into(),
            start: 0,
            end: 0,
            taken: mark,
            small: [0; ROOM],
            waiting: 0..0,
            state: State::Reading,
            _held,
        })
    }

    /// Reads until there is something to decode or the reader has ended.
    fn fill(&mut self) -> io::Result<()> {
        while self.start == self.end && matches!(self.state, State::Reading) {
            match self.reader.read(&mut self.input) {
                Ok(0) => self.state = State::AtEnd,
                Ok(n) => (self.start, self.end) = (0, n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Decodes to `out`, which has room for a character; 0 at the end.
    fn decode(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            self.fill()?;
            let is_last = match self.state {
                State::Reading => false,
                State::AtEnd => true,
                State::Done => return Ok(0),
                State::Undecodable(byte) => {
                    return Err(Error::new(ErrorKind::Undecodable { encoding: self.encoding, byte }).into());
                }
            };
            let input = &self.input[self.start..self.end];
            let (result, read, written) = match &mut self.table {
                Table::Latin1 => {
                    let (read, written) = convert_latin1_to_utf8_partial(input, out);
                    let is_all = read == input.len();
                    (
                        if is_all { DecoderResult::InputEmpty } else { DecoderResult::OutputFull },
                        read,
                        written,
                    )
                }
                Table::Other(decoder) => decoder.decode_to_utf8_without_replacement(input, out, is_last),
            };
            self.start += read;
            self.taken += read as u64;
            match result {
                DecoderResult::InputEmpty if is_last => self.state = State::Done,
                DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
                DecoderResult::Malformed(bad, behind) => {
                    let byte = self.taken.saturating_sub(u64::from(bad) + u64::from(behind));
                    self.state = State::Undecodable(byte);
                }
            }
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

impl Read for Transcoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.waiting.is_empty() {
            if out.len() >= ROOM {
                return self.decode(out);
            }
            let mut small = [0; ROOM];
            self.waiting = 0..self.decode(&mut small)?;
            self.small = small;
        }
        let n = out.len().min(self.waiting.len());
        out[..n].copy_from_slice(&self.small[self.waiting.start..self.waiting.start + n]);
        self.waiting.start += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::stored::tests::{Trickle, drain};

    /// Through any cut: what was decoded, and where it failed.
    fn transcode(
        bytes: &[u8],
        encoding: Encoding,
        cuts: &[usize],
        reads: &[usize],
    ) -> (Vec<u8>, Option<u64>) {
        let reader = Box::new(Trickle::new(bytes, cuts));
        let mut transcoder = Transcoder::new(reader, encoding, 0, &Budget::unbounded()).unwrap();
        let (text, end) = drain(&mut transcoder, reads);
        let failed = end.err().map(|e| match Error::io(e).kind() {
            ErrorKind::Undecodable { byte, .. } => *byte,
            other => panic!("{other:?}"),
        });
        assert_eq!(failed.is_some(), drain(&mut transcoder, reads).1.is_err(), "an error or an end stays");
        (text, failed)
    }

    /// The obvious decoder: the text before the first unit that is no character, and that unit's offset.
    fn utf16(bytes: &[u8], is_big: bool) -> (Vec<u8>, Option<u64>) {
        let units = bytes.chunks_exact(2).map(|pair| {
            let pair = [pair[0], pair[1]];
            if is_big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        });
        let (mut text, mut at) = (String::new(), 0);
        for character in char::decode_utf16(units) {
            match character {
                Ok(character) => {
                    text.push(character);
                    at += 2 * character.len_utf16() as u64;
                }
                Err(_) => return (text.into_bytes(), Some(at)),
            }
        }
        (text.into_bytes(), (!bytes.len().is_multiple_of(2)).then_some(at))
    }

    fn sizes() -> impl Strategy<Value = Vec<usize>> {
        prop_oneof![
            prop::collection::vec(1usize..5, 1..5),
            prop::collection::vec(1usize..200, 1..5),
            Just(vec![100_000])
        ]
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_utf16(text in ".{0,80}", is_big: bool, cuts in sizes(), reads in sizes()) {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            let encoding = if is_big { Encoding::Utf16Be } else { Encoding::Utf16Le };
            prop_assert_eq!(transcode(&bytes, encoding, &cuts, &reads), (text.into_bytes(), None));
        }

        #[test]
        fn any_bytes_as_utf16_fail_where_the_obvious_decoder_does(
            units in prop::collection::vec(prop_oneof![0x20u16..0x7f, 0xd7f0u16..0xe010, any::<u16>()], 0..40),
            odd: bool, is_big: bool, cuts in sizes(), reads in sizes(),
        ) {
            let mut bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            if odd {
                bytes.push(0xd8);
            }
            let encoding = if is_big { Encoding::Utf16Be } else { Encoding::Utf16Le };
            prop_assert_eq!(transcode(&bytes, encoding, &cuts, &reads), utf16(&bytes, is_big));
        }

        #[test]
        fn latin1_is_each_byte_its_code_point(
            bytes in prop::collection::vec(any::<u8>(), 0..300), cuts in sizes(), reads in sizes(),
        ) {
            let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            prop_assert_eq!(transcode(&bytes, Encoding::Latin1, &cuts, &reads), (text.into_bytes(), None));
        }

        #[test]
        fn tables_decode_in_pieces_as_they_do_at_once(
            bytes in prop::collection::vec(prop_oneof![0x20u8..0x7f, any::<u8>()], 0..200),
            name in prop::sample::select(&["windows-1252", "windows-1253", "shift_jis", "gb18030", "big5", "euc-kr", "koi8-r"][..]),
            cuts in sizes(), reads in sizes(),
        ) {
            let encoding: Encoding = name.parse().unwrap();
            let table = encoding.table().unwrap();
            let (text, failed) = transcode(&bytes, encoding, &cuts, &reads);
            match table.decode_without_bom_handling_and_without_replacement(&bytes) {
                Some(whole) => {
                    prop_assert_eq!(failed, None);
                    prop_assert_eq!(&text, whole.as_bytes());
                }
                None => {
                    // What stands before the offset is sound, and is what was given.
                    let at = failed.unwrap() as usize;
                    let before = table.decode_without_bom_handling_and_without_replacement(&bytes[..at]);
                    prop_assert_eq!(before.as_deref().map(str::as_bytes), Some(&text[..]));
                }
            }
        }
    }

    #[test]
    fn long_texts_go_through_the_buffers_edges() {
        for shift in 0..4 {
            let text = format!("{}{}", "a".repeat(shift), "é😀\n".repeat(20_000));
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for read in [ROOM - 1, ROOM, 1000, 1 << 20] {
                let (decoded, failed) = transcode(&bytes, Encoding::Utf16Le, &[INPUT - 1, 3], &[read]);
                assert!(failed.is_none() && decoded == text.as_bytes(), "{shift} {read}");
            }
        }
    }

    #[test]
    fn a_failure_tells_its_place_behind_what_is_sound() {
        let (text, at) = transcode(b"a\0b\0\x00\xd8c\0", Encoding::Utf16Le, &[3], &[100]);
        assert_eq!((text.as_slice(), at), (&b"ab"[..], Some(4)));
        // Windows-1253 has no character for 0xd2.
        let (text, at) = transcode(b"ab\xd2c", "windows-1253".parse().unwrap(), &[3], &[1]);
        assert_eq!((text.as_slice(), at), (&b"ab"[..], Some(2)));
        let reader = Box::new(&b"\0"[..]);
        let mut odd = Transcoder::new(reader, Encoding::Utf16Le, 2, &Budget::unbounded()).unwrap();
        let error = Error::io(odd.read(&mut [0; 100]).unwrap_err());
        assert!(matches!(error.kind(), ErrorKind::Undecodable { byte: 2, encoding: Encoding::Utf16Le }));
    }
}
