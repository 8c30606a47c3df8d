//! The finished pages of a chunk, on their way to the file.

use std::collections::VecDeque;
use std::collections::vec_deque::IntoIter;

/// Pages behind one another, each in one or two pieces of memory of its own.
#[derive(Default)]
pub(crate) struct Pages {
    pieces: VecDeque<Vec<u8>>,
    bytes: usize,
    heap_bytes: usize,
}

impl Pages {
    pub(super) fn push(&mut self, piece: Vec<u8>) {
        self.bytes += piece.len();
        self.heap_bytes += piece.capacity();
        self.pieces.push_back(piece);
    }

    pub(super) fn push_front(&mut self, page: Vec<u8>) {
        self.bytes += page.len();
        self.heap_bytes += page.capacity();
        self.pieces.push_front(page);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.heap_bytes + self.pieces.capacity() * size_of::<Vec<u8>>()
    }
}

impl IntoIterator for Pages {
    type Item = Vec<u8>;
    type IntoIter = IntoIter<Vec<u8>>;

    /// The pieces in the order of the file. Each is freed when it is written.
    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter()
    }
}
