//! The part of an input that is in memory: a stretch of bytes that moves forward.

use std::io;
use std::os::unix::fs::FileExt;

use monitor::{Bytes, Reservation};

use crate::block::PADDING;
use crate::error::Error;
use crate::source::Input;

/// A stretch of the input, with [`PADDING`] bytes behind it.
pub(crate) struct Window {
    input: Option<Input>,
    buffer: Vec<u8>,
    /// The stretch within the buffer.
    start: usize,
    end: usize,
    /// Offset of `start` in the input.
    at: u64,
    is_last: bool,
    /// Holds the buffer.
    held: Reservation,
}

impl Window {
    /// An empty window over nothing. `held` grows with the buffer.
    pub(crate) fn new(held: Reservation) -> Window {
        Window { input: None, buffer: Vec::new(), start: 0, end: 0, at: 0, is_last: true, held }
    }

    /// Turns to byte `at` of an input; a stream has to stand there already.
    pub(crate) fn begin(&mut self, input: Input, at: u64) {
        self.input = Some(input);
        self.seek(at);
    }

    /// Turns to byte `at` of the same file.
    pub(crate) fn seek(&mut self, at: u64) {
        (self.start, self.end, self.at, self.is_last) = (0, 0, at, false);
    }

    /// Offset of the first byte in the input.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes in the window.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether the input ends with the window.
    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// The first `bytes` bytes.
    pub(crate) fn bytes(&self, bytes: usize) -> &[u8] {
        &self.buffer[self.start..self.start + bytes]
    }

    /// The first `bytes` bytes and [`PADDING`] more, whatever they hold.
    pub(crate) fn padded(&self, bytes: usize) -> &[u8] {
        &self.buffer[self.start..self.start + bytes + PADDING]
    }

    /// Passes over the first `bytes` bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.len(), "no more than the window has can be passed over");
        self.start += bytes;
        self.at += bytes as u64;
    }

    /// Reads until the window has `bytes` bytes, or the input ends. Returns how many were read.
    ///
    /// # Errors
    /// If the input cannot be read, or the budget has no room for a larger buffer.
    pub(crate) fn want(&mut self, bytes: usize) -> Result<usize, Error> {
        if self.len() >= bytes || self.is_last {
            return Ok(0);
        }
        self.make_room(bytes)?;
        let before = self.end;
        // Whatever of the wanted bytes is missing, but no more: what is read now stays in the nearest cache.
        let end = self.start + bytes;
        while self.end < end && !self.is_last {
            let place = self.at + self.len() as u64;
            let into = &mut self.buffer[self.end..end];
            let read = match &mut self.input {
                Some(Input::Plain(file)) => file.read_at(into, place),
                Some(Input::Stream(stream)) => stream.read(into),
                None => Ok(0),
            };
            match read {
                Ok(0) => self.is_last = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(e)),
            }
        }
        Ok(self.end - before)
    }

    /// Makes sure that `bytes` bytes and the padding have room from `start` on.
    fn make_room(&mut self, bytes: usize) -> Result<(), Error> {
        if self.start + bytes + PADDING <= self.buffer.len() {
            return Ok(());
        }
        if bytes + PADDING > self.buffer.len() {
            // Both buffers are there while one is copied to the other.
            let size = (bytes + PADDING).next_multiple_of(4096);
            self.held.try_resize(Bytes::from(self.buffer.len() + size))?;
            let mut larger = vec![0; size];
            larger[..self.len()].copy_from_slice(&self.buffer[self.start..self.end]);
            self.buffer = larger;
            self.held.shrink_to(Bytes::from(size));
        } else {
            self.buffer.copy_within(self.start..self.end, 0);
        }
        self.end -= self.start;
        self.start = 0;
        Ok(())
    }

    /// Puts a line end behind the last byte of the input, which lacks one. The next byte's place is not moved.
    pub(crate) fn end_last_line(&mut self) -> Result<(), Error> {
        debug_assert!(self.is_last);
        self.make_room(self.len() + 1)?;
        self.buffer[self.end] = b'\n';
        self.end += 1;
        Ok(())
    }

    /// Takes back the line end that [`end_last_line`](Self::end_last_line) put there.
    pub(crate) fn remove_last_byte(&mut self) {
        self.end -= 1;
    }

    /// Takes an input that failed out of the window, or one that is done with.
    pub(crate) fn close(&mut self) {
        self.input = None;
        (self.start, self.end, self.is_last) = (0, 0, true);
    }
}
