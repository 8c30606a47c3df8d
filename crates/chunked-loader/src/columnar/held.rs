//! What decoding holds of the budget.

use monitor::{Bytes, Consumer, Reservation};

use crate::error::{Error, ErrorKind};

/// Memory of one decoder, claimed before it is allocated: from the budget by a scan, which finds out how much a column
/// takes at the most, and afterwards from what was reserved for so much.
#[derive(Debug)]
pub(crate) struct Held {
    from: From,
    bytes: usize,
    peak: usize,
}

#[derive(Debug)]
enum From {
    Budget(Reservation),
    Reserved { most: usize },
}

impl Held {
    /// Held of the budget itself.
    ///
    /// # Errors
    /// If the budget has not even room for the bookkeeping, which it always has.
    pub(crate) fn of(consumer: &Consumer) -> Result<Held, Error> {
        Ok(Held { from: From::Budget(consumer.try_reserve(Bytes::ZERO)?), bytes: 0, peak: 0 })
    }

    /// Held of `most` bytes that somebody has reserved.
    pub(crate) fn within(most: usize) -> Held {
        Held { from: From::Reserved { most }, bytes: 0, peak: 0 }
    }

    /// Makes it `bytes` bytes.
    ///
    /// # Errors
    /// If there are not so many.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), Error> {
        match &mut self.from {
            From::Budget(reservation) => reservation.try_resize(Bytes::from(bytes))?,
            // The scan has read the same with less.
            From::Reserved { most } if bytes > *most => return Err(Error::new(ErrorKind::Changed)),
            From::Reserved { .. } => {}
        }
        self.bytes = bytes;
        self.peak = self.peak.max(bytes);
        Ok(())
    }

    /// Adds `bytes` bytes.
    ///
    /// # Errors
    /// If there are not so many.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        self.resize(self.bytes.saturating_add(bytes))
    }

    /// What it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most that it was.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }
}

/// So many bytes that a file says there are, once they are claimed: where no budget refuses them the system may.
///
/// # Errors
/// If the system has not so many.
pub(crate) fn zeroed(bytes: usize) -> Result<Vec<u8>, Error> {
    let mut zeroed = Vec::new();
    zeroed.try_reserve_exact(bytes).map_err(|_| Error::io(std::io::ErrorKind::OutOfMemory.into()))?;
    zeroed.resize(bytes, 0);
    Ok(zeroed)
}

#[cfg(test)]
mod tests {
    use monitor::Budget;

    use super::*;

    #[test]
    fn what_a_scan_has_found_is_enough_afterwards() {
        let budget = Budget::new(Bytes(100));
        let mut held = Held::of(&budget.consumer("page")).unwrap();
        held.resize(60).unwrap();
        held.resize(10).unwrap();
        held.grow(20).unwrap();
        assert!(matches!(held.grow(100).unwrap_err().kind(), ErrorKind::Budget(_)));
        assert_eq!((held.peak(), budget.reserved()), (60, Bytes(30)));
        let mut later = Held::within(held.peak());
        later.resize(60).unwrap();
        assert!(matches!(later.grow(1).unwrap_err().kind(), ErrorKind::Changed));
    }
}
