//! Gzip, RFC 1952, by zlib-rs, which checks headers, sums and lengths itself.

use flate2::{Decompress, FlushDecompress, Status};
use monitor::{Bytes, Reservation};

use super::{Begin, Codec, Failure, Step};

pub(super) struct Gzip {
    decoder: Decompress,
    is_used: bool,
}

/// The window of 32 KiB, twice for what the decoder keeps behind it, and its tables.
const MEMORY: Bytes = Bytes::kib(128);

/// The largest window there is; a member's header names none.
const WINDOW_BITS: u8 = 15;

impl Gzip {
    pub(super) fn new(held: &mut Reservation) -> Result<Gzip, crate::Error> {
        held.try_grow(MEMORY)?;
        Ok(Gzip { decoder: Decompress::new_gzip(WINDOW_BITS), is_used: false })
    }
}

impl Codec for Gzip {
    fn begin(&mut self, head: &[u8], _: &mut Reservation) -> Result<Begin, Failure> {
        // Zeros fill up the blocks of a tape, and may stand between members that were copied together.
        let zeros = head.iter().take_while(|byte| **byte == 0).count();
        if zeros > 0 && self.is_used {
            return Ok(Begin::Padding(zeros));
        }
        if self.is_used {
            self.decoder.reset(true);
        }
        self.is_used = true;
        Ok(Begin::Member)
    }

    fn step(&mut self, input: &[u8], out: &mut [u8], _: &mut Reservation) -> Result<Step, Failure> {
        let (before_in, before_out) = (self.decoder.total_in(), self.decoder.total_out());
        let status = self
            .decoder
            .decompress(input, out, FlushDecompress::None)
            .map_err(|e| Failure::Broken(e.into()))?;
        Ok(Step {
            consumed: (self.decoder.total_in() - before_in) as usize,
            produced: (self.decoder.total_out() - before_out) as usize,
            is_end: status == Status::StreamEnd,
        })
    }
}
