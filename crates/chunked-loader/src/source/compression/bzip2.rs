//! Bzip2, by libbz2-rs. A stream's header names its block size, from which its memory follows.

use bzip2::{Decompress, Status};
use monitor::{Bytes, Reservation};

use super::{Begin, Codec, Failure, Step};

/// The decoder of the stream that is being read.
pub(super) struct Bzip2(Option<Decompress>);

/// How the first block, or the end of a stream without a block, begins: digits of π and of its root.
const BLOCK: &[u8] = b"1AY&SY";
const END: &[u8] = b"\x17\x72\x45\x38\x50\x90";

/// Whether a file that begins so is bzip2: its mark and a level, which are letters, and what must follow them.
pub(super) fn is_begin(head: &[u8]) -> bool {
    level(head).is_some() && head.get(4..10).is_some_and(|next| next == BLOCK || next == END)
}

/// Hundreds of thousands of bytes in a block.
fn level(head: &[u8]) -> Option<u64> {
    match head {
        [b'B', b'Z', b'h', level @ b'1'..=b'9', ..] => Some(u64::from(level - b'0')),
        _ => None,
    }
}

/// What a stream of that level takes: four bytes for each of a block (`bzip2(1)`: 100k + 4 × block size), and the
/// decoder's own state.
fn memory(level: u64) -> Bytes {
    Bytes::kib(256).saturating_add(Bytes(level * 400_000))
}

impl Bzip2 {
    pub(super) fn new() -> Bzip2 {
        Bzip2(None)
    }
}

impl Codec for Bzip2 {
    fn begin(&mut self, head: &[u8], held: &mut Reservation) -> Result<Begin, Failure> {
        // Before the next one takes memory.
        self.0 = None;
        // A header that is cut off or wrong takes no block: the decoder says what is wrong with it.
        let memory = memory(level(head).unwrap_or(0));
        if memory > held.bytes() {
            held.try_resize(memory)?;
        }
        self.0 = Some(Decompress::new(false));
        Ok(Begin::Member)
    }

    fn step(&mut self, input: &[u8], out: &mut [u8], _: &mut Reservation) -> Result<Step, Failure> {
        let Some(decoder) = &mut self.0 else { return Err(Failure::Broken("no stream was begun".into())) };
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(input, out).map_err(|e| Failure::Broken(e.into()))?;
        Ok(Step {
            consumed: (decoder.total_in() - before_in) as usize,
            produced: (decoder.total_out() - before_out) as usize,
            is_end: status == Status::StreamEnd,
        })
    }
}
