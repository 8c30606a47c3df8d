//! Xz, by liblzma. The decoder refuses a block that takes more memory than it was allowed, and goes on once it
//! is allowed more: that much is reserved in between.

use liblzma::stream::{Action, Error as XzError, Status, Stream};
use monitor::{Bytes, Reservation};

use super::{Begin, Codec, Failure, Step};

/// The decoder of the stream that is being read.
pub(super) struct Xz(Option<Stream>);

/// What a decoder is allowed before it has seen a block.
const MEMORY: Bytes = Bytes::kib(64);

/// More than any block can take: its dictionary is at most 4 GiB.
const MOST: u64 = 1 << 40;

impl Xz {
    pub(super) fn new() -> Xz {
        Xz(None)
    }
}

fn failure(error: XzError) -> Failure {
    match error {
        XzError::Mem => Failure::Other(crate::Error::io(std::io::ErrorKind::OutOfMemory.into())),
        error => Failure::Broken(error.into()),
    }
}

/// The least limit that `decoder` takes now. The library tells it in no other way than by refusing what is less.
fn least_limit(decoder: &mut Stream) -> u64 {
    let (mut refused, mut taken) = (decoder.memlimit(), MOST);
    while taken - refused > 4096 {
        let middle = refused + (taken - refused) / 2;
        match decoder.set_memlimit(middle) {
            Ok(()) => taken = middle,
            Err(_) => refused = middle,
        }
    }
    taken
}

impl Codec for Xz {
    fn begin(&mut self, head: &[u8], held: &mut Reservation) -> Result<Begin, Failure> {
        // Behind a stream, zeros in fours.
        if self.0.is_some() && head[0] == 0 {
            return match head {
                [0, 0, 0, 0, ..] => Ok(Begin::Padding(4)),
                _ => Err(Failure::Broken("padding that is not a multiple of four zeros".into())),
            };
        }
        // Before the next one takes memory.
        self.0 = None;
        if held.bytes() < MEMORY {
            held.try_resize(MEMORY)?;
        }
        self.0 = Some(Stream::new_stream_decoder(held.bytes().get(), 0).map_err(failure)?);
        Ok(Begin::Member)
    }

    fn step(&mut self, input: &[u8], out: &mut [u8], held: &mut Reservation) -> Result<Step, Failure> {
        let Some(decoder) = &mut self.0 else { return Err(Failure::Broken("no stream was begun".into())) };
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let mut step = Step::default();
        loop {
            let done = decoder.process(&input[step.consumed..], &mut out[step.produced..], Action::Run);
            step.consumed = (decoder.total_in() - before_in) as usize;
            step.produced = (decoder.total_out() - before_out) as usize;
            match done {
                Err(XzError::MemLimit) => {
                    let needed = least_limit(decoder);
                    held.try_resize(Bytes(needed))?;
                    decoder.set_memlimit(needed).map_err(failure)?;
                }
                Err(error) => return Err(failure(error)),
                Ok(status) => {
                    step.is_end = status == Status::StreamEnd;
                    return Ok(step);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use monitor::Budget;

    use super::*;

    #[test]
    fn the_dictionary_is_reserved_and_refused_by_the_budget() {
        let packed = {
            use std::io::Write;
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
            encoder.write_all(b"a,b\n1,2\n").unwrap();
            encoder.finish().unwrap()
        };
        let decode = |budget: &Budget| {
            let mut held = budget.consumer("decompress").try_reserve(Bytes::ZERO).unwrap();
            let mut codec = Xz::new();
            codec.begin(&packed, &mut held).ok().unwrap();
            let mut out = [0; 100];
            let step = codec.step(&packed, &mut out, &mut held);
            (step.map(|step| (step.produced, step.is_end)), held.bytes())
        };
        // Preset 6 has a dictionary of 8 MiB.
        let (step, held) = decode(&Budget::unbounded());
        assert!(matches!(step, Ok((8, true))));
        assert!(held > Bytes::mib(8) && held < Bytes::mib(9), "{held}");
        let (step, held) = decode(&Budget::new(Bytes::mib(8)));
        assert!(held == MEMORY, "{held}");
        match step {
            Err(Failure::Other(error)) => {
                assert!(matches!(error.kind(), crate::ErrorKind::Budget(_)), "{error}")
            }
            _ => panic!("not refused"),
        }
    }
}
