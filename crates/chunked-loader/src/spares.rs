//! Buffers of batches that are done with, for those to come.
//!
//! Memory fresh from the system costs a page fault for every 4 KiB, a tenth of a load's time. A batch that its consumer
//! drops therefore leaves its columns here, with what they hold of the budget, and the next one is built in them. At
//! most as many wait as batches may be alive at a time, and all go when the budget refuses something, or when the monitor
//! reclaims memory.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::Buffer;
use arrow::datatypes::ArrowNativeType;
use arrow::record_batch::RecordBatch;
use monitor::{Bytes, Consumer, Giver, Reservation};

use crate::error::Error;

/// What a batch begins with.
pub(crate) struct Room {
    pub(crate) reservation: Reservation,
    /// Columns of a batch of the same plan, whose buffers may be used again.
    pub(crate) columns: Option<RecordBatch>,
}

/// Columns that wait to be used again.
#[derive(Debug)]
pub(crate) struct Spares {
    waiting: Mutex<Vec<(RecordBatch, Reservation)>>,
    most: usize,
}

impl Spares {
    /// Keeps at most `most` batches' columns.
    pub(crate) fn new(most: usize) -> Spares {
        Spares { waiting: Mutex::default(), most }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(RecordBatch, Reservation)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the columns of a batch that nobody needs any more.
    pub(crate) fn put(&self, columns: RecordBatch, reservation: Reservation) {
        let mut waiting = self.lock();
        if waiting.len() < self.most {
            waiting.push((columns, reservation));
        }
    }

    /// Bytes that are reserved here, and free for the next batches.
    pub(crate) fn reserved(&self) -> Bytes {
        reserved_by(&self.lock())
    }

    /// Room for a batch that takes `bytes`: that of an earlier one if there is any, else from the budget.
    ///
    /// # Errors
    /// If the budget has less, even without what waits here.
    pub(crate) fn room(&self, consumer: &Consumer, bytes: Bytes) -> Result<Room, Error> {
        let waiting = self.lock().pop();
        if let Some((columns, mut reservation)) = waiting
            && (reservation.bytes() >= bytes || reservation.try_resize(bytes).is_ok())
        {
            return Ok(Room { reservation, columns: Some(columns) });
        }
        if let Ok(reservation) = consumer.try_reserve(bytes) {
            return Ok(Room { reservation, columns: None });
        }
        self.lock().clear();
        Ok(Room { reservation: consumer.try_reserve(bytes)?, columns: None })
    }

    /// Gives all back.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }
}

impl Giver for Spares {
    fn give_back(&self) -> Bytes {
        let waiting = match self.waiting.try_lock() {
            Ok(mut waiting) => std::mem::take(&mut *waiting),
            Err(TryLockError::Poisoned(poisoned)) => std::mem::take(&mut *poisoned.into_inner()),
            // Somebody takes from them or adds to them: they are in use.
            Err(TryLockError::WouldBlock) => return Bytes::ZERO,
        };
        // Dropped without the lock: to free memory takes its time.
        reserved_by(&waiting)
    }
}

fn reserved_by(waiting: &[(RecordBatch, Reservation)]) -> Bytes {
    waiting.iter().map(|(_, reservation)| reservation.bytes()).sum()
}

/// The vector behind a buffer, emptied, if nobody else uses it and its capacity suits `len` elements: neither too small
/// for them, nor more than twice as large, since all of it stays reserved.
pub(crate) fn vec_of<T: ArrowNativeType>(buffer: Buffer, len: usize) -> Option<Vec<T>> {
    let mut vec = buffer.into_vec::<T>().ok()?;
    vec.clear();
    (len..=2 * len).contains(&vec.capacity()).then_some(vec)
}

/// The same for the values of an array, which is given up.
pub(crate) fn values_of<T: ArrowPrimitiveType>(array: ArrayRef, len: usize) -> Option<Vec<T::Native>> {
    let buffer = array.as_any().downcast_ref::<PrimitiveArray<T>>()?.values().inner().clone();
    drop(array);
    vec_of(buffer, len)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int32Array;
    use arrow::datatypes::Int32Type;
    use monitor::{Budget, Monitor};

    use super::*;

    fn columns(values: Vec<i32>) -> RecordBatch {
        RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(values)) as ArrayRef)]).unwrap()
    }

    #[test]
    fn buffers_come_back_with_what_they_hold_of_the_budget() {
        let budget = Budget::new(Bytes(1000));
        let consumer = budget.consumer("batch");
        let spares = Spares::new(1);
        spares.put(columns(vec![1; 100]), consumer.try_reserve(Bytes(400)).unwrap());
        spares.put(columns(vec![1; 50]), consumer.try_reserve(Bytes(200)).unwrap());
        assert_eq!((spares.reserved(), budget.reserved()), (Bytes(400), Bytes(400)));
        let room = spares.room(&consumer, Bytes(300)).unwrap();
        assert_eq!(room.reservation.bytes(), Bytes(400));
        let array = Arc::clone(room.columns.unwrap().column(0));
        // Somebody else has it still.
        let other = Arc::clone(&array);
        assert!(values_of::<Int32Type>(array, 60).is_none());
        let vec = values_of::<Int32Type>(other, 60).unwrap();
        assert!(vec.is_empty() && vec.capacity() == 100);
    }

    #[test]
    fn what_waits_is_given_up_before_anything_is_refused() {
        let budget = Budget::new(Bytes(1000));
        let consumer = budget.consumer("batch");
        let spares = Spares::new(2);
        spares.put(columns(vec![1]), consumer.try_reserve(Bytes(400)).unwrap());
        spares.put(columns(vec![1]), consumer.try_reserve(Bytes(400)).unwrap());
        let room = spares.room(&consumer, Bytes(900)).unwrap();
        assert_eq!(room.reservation.bytes(), Bytes(900));
        assert!(spares.room(&consumer, Bytes(200)).is_err());
    }

    #[test]
    fn what_waits_is_given_back_when_memory_is_reclaimed() {
        let monitor = Monitor::builder().with_budget(Budget::new(Bytes(1000))).build().unwrap();
        let consumer = monitor.budget().consumer("batch");
        let spares = Arc::new(Spares::new(2));
        monitor.register_giver("spare batches", &spares);
        // No owner: the loader alone keeps them.
        assert_eq!(Arc::strong_count(&spares), 1);
        spares.put(columns(vec![1]), consumer.try_reserve(Bytes(400)).unwrap());
        spares.put(columns(vec![1]), consumer.try_reserve(Bytes(300)).unwrap());
        let in_use = spares.lock();
        assert_eq!((monitor.reclaim().total(), monitor.budget().reserved()), (Bytes::ZERO, Bytes(700)));
        drop(in_use);
        assert_eq!(monitor.reclaim().by_giver, [("spare batches".to_owned(), Bytes(700))]);
        assert_eq!((monitor.budget().reserved(), spares.reserved()), (Bytes::ZERO, Bytes::ZERO));
        // They are of use as before.
        spares.put(columns(vec![1]), consumer.try_reserve(Bytes(400)).unwrap());
        assert!(spares.room(&consumer, Bytes(300)).unwrap().columns.is_some());
        drop(spares);
        assert!(monitor.reclaim().by_giver.is_empty());
    }

    #[test]
    fn capacities_that_do_not_suit_are_let_go() {
        let buffer = || Buffer::from_vec(vec![0i32; 100]);
        assert!(vec_of::<i32>(buffer(), 101).is_none());
        assert!(vec_of::<i32>(buffer(), 49).is_none());
        assert!(vec_of::<i32>(buffer(), 50).is_some());
        assert!(vec_of::<i64>(buffer(), 50).is_none());
    }
}
