//! Zstandard, RFC 8878. A frame's header names its window, which is reserved before the decoder makes it.

use monitor::{Bytes, Reservation};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::{Begin, Codec, Failure, Step};

pub(super) struct Zstd(DCtx<'static>);

/// The decoder itself, and three blocks of 128 KiB: one that arrives, and two more beside the window.
const MEMORY: Bytes = Bytes::kib(192 + 3 * 128);

/// The largest window that the decoder knows. What may really be used, the budget decides.
const WINDOW_LOG_MAX: u32 = if usize::BITS == 64 { 31 } else { 30 };

/// Whether the bytes begin a frame for others, which tools put before frames of their own.
pub(super) fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Bytes that a frame's decoder looks back, by RFC 8878, 3.1.1.1; 0 for a skippable or a broken one.
fn window(head: &[u8]) -> u64 {
    let Some([descriptor, rest @ ..]) = head.strip_prefix(super::ZSTD) else { return 0 };
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let Some(byte) = rest.first() else { return 0 };
        let base = 1u64 << (10 + (byte >> 3));
        return base + base / 8 * u64::from(byte & 7);
    }
    // The window is the whole content, whose size stands behind the dictionary's number.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let Some(size) = rest.get(dictionary..dictionary + size) else { return 0 };
    let mut bytes = [0; 8];
    bytes[..size.len()].copy_from_slice(size);
    u64::from_le_bytes(bytes) + if size.len() == 2 { 256 } else { 0 }
}

fn broken(code: usize) -> Failure {
    Failure::Broken(get_error_name(code).into())
}

impl Zstd {
    pub(super) fn new(held: &mut Reservation) -> Result<Zstd, crate::Error> {
        held.try_grow(MEMORY)?;
        let no_memory = || crate::Error::io(std::io::ErrorKind::OutOfMemory.into());
        let mut decoder = DCtx::try_create().ok_or_else(no_memory)?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(|_| no_memory())?;
        Ok(Zstd(decoder))
    }
}

impl Codec for Zstd {
    fn begin(&mut self, head: &[u8], held: &mut Reservation) -> Result<Begin, Failure> {
        // The decoder keeps the largest window that it had.
        let memory = MEMORY.saturating_add(Bytes(window(head)));
        if memory > held.bytes() {
            held.try_resize(memory)?;
        }
        Ok(Begin::Member)
    }

    fn step(&mut self, input: &[u8], out: &mut [u8], _: &mut Reservation) -> Result<Step, Failure> {
        let mut input = InBuffer::around(input);
        let mut out = OutBuffer::around(out);
        let hint = self.0.decompress_stream(&mut out, &mut input).map_err(broken)?;
        Ok(Step { consumed: input.pos(), produced: out.pos(), is_end: hint == 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_read_from_the_header() {
        // A window descriptor: exponent 7, mantissa 3.
        assert_eq!(window(b"\x28\xb5\x2f\xfd\x00\x3b"), (1 << 17) + 3 * (1 << 14));
        // Single segments, with sizes of one, two, four and eight bytes, and dictionaries.
        assert_eq!(window(b"\x28\xb5\x2f\xfd\x20\x07"), 7);
        assert_eq!(window(b"\x28\xb5\x2f\xfd\x60\x01\x01"), 513);
        assert_eq!(window(b"\x28\xb5\x2f\xfd\xa1\xff\x01\0\0\x01"), (1 << 24) + 1);
        assert_eq!(window(b"\x28\xb5\x2f\xfd\xe3\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), u64::MAX);
        // Cut off, skippable, or nothing of the kind.
        for head in [
            &b""[..],
            b"\x28\xb5\x2f\xfd",
            b"\x28\xb5\x2f\xfd\x00",
            b"\x28\xb5\x2f\xfd\x60\x01",
            b"\x50\x2a\x4d\x18abcdef",
        ] {
            assert_eq!(window(head), 0, "{head:?}");
        }
    }

    #[test]
    fn the_decoder_stays_within_what_is_reserved() {
        use std::io::Write;
        let text = vec![7u8; 5 << 20];
        for log in [10, 17, 20, 22] {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(log)).unwrap();
            encoder.write_all(&text).unwrap();
            let packed = encoder.finish().unwrap();
            let mut held = monitor::Budget::unbounded().consumer("test").try_reserve(Bytes::ZERO).unwrap();
            let mut codec = Zstd::new(&mut held).unwrap();
            assert!(matches!(codec.begin(&packed, &mut held), Ok(Begin::Member)));
            assert!(held.bytes().get() >= 1 << log);
            let (mut at, mut out) = (0, vec![0; 1000]);
            loop {
                let end = (at + 100).min(packed.len());
                let Ok(step) = codec.step(&packed[at..end], &mut out, &mut held) else { panic!("broken") };
                at += step.consumed;
                let used = Bytes::from(codec.0.sizeof());
                assert!(used <= held.bytes(), "{used} of {}", held.bytes());
                if step.is_end {
                    break;
                }
            }
            assert_eq!(at, packed.len());
        }
    }
}
