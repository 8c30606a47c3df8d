//! The memory that a page is made in. One serves a thread, page after page.

use monitor::{Bytes, Consumer, Reservation};
use parquet::errors::ParquetError;

use super::compressor::Compressor;
use super::values::Refused;
use crate::compression::Compression;
use crate::error::Error;
use crate::output::Progress;

pub(crate) struct Scratch {
    room: Option<Room>,
    /// What usual pages need, and kept between pages; those of long texts take more for a while.
    usual: Bytes,
    reservation: Reservation,
    /// Who reserves what columns keep of the dictionaries of batches.
    dictionaries: Consumer,
    progress: Progress,
}

/// Where the parts of a page are put together.
pub(super) struct Room {
    pub(super) levels: Vec<u8>,
    /// Before they are compressed.
    pub(super) values: Vec<u8>,
    pub(super) compressor: Compressor,
}

impl Scratch {
    /// Room for pages whose values take `usual_bytes`.
    ///
    /// # Errors
    ///
    /// A compressor that cannot be had, and the budget's refusal.
    pub(crate) fn new(
        compression: Compression,
        usual_bytes: usize,
        consumer: &Consumer,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let compressor = Compressor::new(compression, progress)?;
        let usual = Bytes((usual_bytes + compressor.most(usual_bytes)) as u64);
        let reservation = consumer.try_reserve(usual).map_err(|refusal| progress.exceeded(refusal))?;
        let dictionaries = consumer.budget().consumer("dictionaries");
        let room = Room { levels: Vec::new(), values: Vec::new(), compressor };
        Ok(Self { room: Some(room), usual, reservation, dictionaries, progress: progress.clone() })
    }

    /// An error of encoding, as the sink tells it.
    pub(crate) fn encode(&self, error: ParquetError) -> Error {
        self.progress.encode(error)
    }

    /// Values of a column that its page, or its dictionary's, cannot hold.
    pub(super) fn refused(&self, column: &str, refused: Refused) -> Error {
        match refused {
            Refused::TooLong(bytes) => self.progress.page_too_long(column, bytes),
            Refused::Arrow(error) => self.encode(error.into()),
        }
    }

    pub(super) fn dictionaries(&self) -> &Consumer {
        &self.dictionaries
    }

    /// Empty room for a page whose values take `bytes`, and a few for each of its rows.
    ///
    /// # Errors
    ///
    /// The budget's refusal.
    ///
    /// # Panics
    ///
    /// If the last page was not ended.
    pub(super) fn begin_page(&mut self, bytes: usize, rows: usize) -> Result<Room, Error> {
        let mut room = self.room.take().expect("the page before was ended");
        // The indices of a page are given at half of what they can take.
        let values = bytes + rows * 2 + (1 << 10);
        let compressed = room.compressor.most(values);
        let needed =
            room.values.capacity().max(values) + room.compressor.heap_bytes().max(compressed) + rows / 4;
        self.reservation
            .try_resize(Bytes(needed as u64))
            .map_err(|refusal| self.progress.exceeded(refusal))?;
        room.levels.clear();
        room.values.clear();
        room.values.reserve(values);
        Ok(room)
    }

    /// Keeps the room for the next page.
    pub(super) fn end_page(&mut self, mut room: Room) {
        if (room.values.capacity() + room.compressor.heap_bytes()) as u64 > self.usual.get() {
            room.values = Vec::new();
            room.compressor.clear();
            self.reservation.shrink_to(self.usual);
        }
        self.room = Some(room);
    }
}
