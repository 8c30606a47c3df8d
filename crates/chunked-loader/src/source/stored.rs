//! The bytes of a stored file as decoders take them: buffered, counted, and open to a look ahead.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use monitor::{Bytes, Reservation};

use crate::error::Error;

/// A reader with one buffer of a fixed size.
pub(crate) struct Stored {
    reader: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    /// What is buffered and not taken yet.
    start: usize,
    end: usize,
    /// Bytes that came from the reader.
    read: u64,
    /// The same figure, for whoever shows progress.
    consumed: Arc<AtomicU64>,
    _held: Reservation,
}

/// Bytes of the buffer.
const BUFFER: usize = 64 << 10;

impl Stored {
    /// A buffer over `reader`, reserved from `consumer`, that adds what it reads to `consumed`.
    pub(crate) fn new(
        reader: Box<dyn Read + Send>,
        consumed: Arc<AtomicU64>,
        consumer: &monitor::Consumer,
    ) -> Result<Stored, Error> {
        let _held = consumer.try_reserve(Bytes::from(BUFFER))?;
        Ok(Stored { reader, buffer: vec![0; BUFFER].into(), start: 0, end: 0, read: 0, consumed, _held })
    }

    /// Offset in the file of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.read - (self.end - self.start) as u64
    }

    /// The next bytes without taking them: at least `bytes` of them unless the file ends before.
    ///
    /// # Panics
    /// If `bytes` is more than the buffer can hold.
    pub(crate) fn peek(&mut self, bytes: usize) -> io::Result<&[u8]> {
        assert!(bytes <= self.buffer.len(), "a look of {bytes} bytes ahead");
        if self.buffer.len() - self.start < bytes {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < bytes && self.fill()? > 0 {}
        Ok(&self.buffer[self.start..self.end])
    }

    /// Reads behind what is buffered; 0 at the end of the file.
    fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(n) => {
                    self.end += n;
                    self.read += n as u64;
                    self.consumed.fetch_add(n as u64, Ordering::Relaxed);
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl BufRead for Stored {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.end - self.start);
        self.start += bytes;
    }
}

impl Read for Stored {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use monitor::Budget;
    use proptest::prelude::*;

    use super::*;

    /// Gives at most as many bytes at a time as the sizes say, in turn.
    pub(in crate::source) struct Trickle {
        pub(in crate::source) bytes: Vec<u8>,
        pub(in crate::source) at: usize,
        pub(in crate::source) sizes: Vec<usize>,
        pub(in crate::source) turn: usize,
    }

    impl Trickle {
        pub(in crate::source) fn new(bytes: &[u8], sizes: &[usize]) -> Trickle {
            Trickle { bytes: bytes.to_vec(), at: 0, sizes: sizes.to_vec(), turn: 0 }
        }
    }

    impl Read for Trickle {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes[self.turn % self.sizes.len()];
            self.turn += 1;
            if self.turn % 5 == 3 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = size.max(1).min(out.len()).min(self.bytes.len() - self.at);
            out[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
            self.at += n;
            Ok(n)
        }
    }

    /// Bytes as a stored file that gives them in pieces of these sizes.
    pub(in crate::source) fn stored(bytes: &[u8], sizes: &[usize]) -> Stored {
        let consumer = Budget::unbounded().consumer("test");
        Stored::new(Box::new(Trickle::new(bytes, sizes)), Arc::default(), &consumer).unwrap()
    }

    /// Reads to the end through buffers of these sizes.
    pub(in crate::source) fn drain(reader: &mut dyn Read, sizes: &[usize]) -> (Vec<u8>, io::Result<()>) {
        let mut all = Vec::new();
        let mut buffer = vec![0; sizes.iter().copied().max().unwrap_or(0).max(1)];
        for size in sizes.iter().cycle() {
            match reader.read(&mut buffer[..(*size).max(1)]) {
                Ok(0) => break,
                Ok(n) => all.extend_from_slice(&buffer[..n]),
                Err(e) => return (all, Err(e)),
            }
        }
        (all, Ok(()))
    }

    proptest! {
        #[test]
        fn looks_ahead_take_nothing(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            sizes in prop::collection::vec(1usize..40, 1..6),
            looks in prop::collection::vec((0usize..64, 0usize..20), 1..40),
        ) {
            let mut reader = stored(&bytes, &sizes);
            let mut at = 0;
            for (look, take) in looks {
                let seen = reader.peek(look).unwrap().to_vec();
                prop_assert!(seen.len() >= look.min(bytes.len() - at));
                prop_assert_eq!(&seen, &bytes[at..at + seen.len()]);
                let take = take.min(seen.len());
                reader.consume(take);
                at += take;
                prop_assert_eq!(reader.position(), at as u64);
            }
            let (rest, end) = drain(&mut reader, &[7, 100]);
            prop_assert!(end.is_ok());
            prop_assert_eq!(&rest, &bytes[at..]);
            prop_assert_eq!(reader.consumed.load(Ordering::Relaxed), bytes.len() as u64);
        }
    }

    #[test]
    fn a_look_ahead_moves_what_is_at_the_end_of_the_buffer() {
        let bytes: Vec<u8> = (0..3 * BUFFER).map(|n| (n % 251) as u8).collect();
        let mut reader = stored(&bytes, &[BUFFER]);
        reader.fill_buf().unwrap();
        reader.consume(BUFFER - 3);
        assert_eq!(reader.peek(18).unwrap()[..18], bytes[BUFFER - 3..BUFFER + 15]);
        let (rest, end) = drain(&mut reader, &[1000]);
        assert!(end.is_ok() && rest == bytes[BUFFER - 3..]);
    }

    #[test]
    fn the_buffer_is_reserved() {
        let budget = Budget::new(Bytes(10));
        let error = Stored::new(Box::new(io::empty()), Arc::default(), &budget.consumer("x")).err().unwrap();
        assert!(matches!(error.kind(), crate::ErrorKind::Budget(_)));
    }
}
