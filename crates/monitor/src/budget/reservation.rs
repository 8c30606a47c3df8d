//! Who may reserve, and the guard of what was reserved.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::births::{Place, now};
use crate::bytes::Bytes;
use crate::refusal::{BudgetExceeded, Refusal};

use super::{Account, Budget, raise_peak};

/// Somebody who may reserve from a [`Budget`]. Cheap to clone; clones share one account.
///
/// ```
/// use monitor::{Budget, Bytes};
///
/// let budget = Budget::new(Bytes::mib(64));
/// let batches = budget.consumer("batch");
/// let held = batches.clone().try_reserve(Bytes::mib(40))?;
/// assert_eq!(batches.name(), "batch");
/// assert_eq!(batches.budget().available(), Bytes::mib(24));
/// assert_eq!(batches.try_reserve(Bytes::mib(30)).unwrap_err().holders()[0].live, held.bytes());
/// # Ok::<(), monitor::BudgetExceeded>(())
/// ```
#[derive(Clone)]
pub struct Consumer {
    pub(super) budget: Budget,
    pub(super) account: Arc<Account>,
}

impl Consumer {
    /// The name that refusals and [`Budget::holders`] show.
    pub fn name(&self) -> &str {
        &self.account.name
    }

    /// The budget that it reserves from.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Reserves `bytes` until the guard is dropped.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] if the reserved total would pass the limit; nothing is reserved then.
    pub fn try_reserve(&self, bytes: Bytes) -> Result<Reservation, BudgetExceeded> {
        self.charge(bytes)?;
        let place = self.account.births.add(now());
        Ok(Reservation { consumer: self.clone(), bytes, place })
    }

    fn charge(&self, bytes: Bytes) -> Result<(), BudgetExceeded> {
        self.budget.raise(bytes).map_err(|reserved| self.refusal(bytes, reserved))?;
        // No overflow: an account is at or under the total, which is at or under the limit.
        let live = self.account.live.fetch_add(bytes.get(), Ordering::AcqRel) + bytes.get();
        raise_peak(&self.account.peak, live);
        Ok(())
    }

    fn release(&self, bytes: Bytes) {
        self.account.live.fetch_sub(bytes.get(), Ordering::AcqRel);
        self.budget.lower(bytes);
    }

    #[cold]
    fn refusal(&self, requested: Bytes, reserved: Bytes) -> BudgetExceeded {
        let mut holders = self.budget.holders();
        holders.retain(|holder| holder.live > Bytes::ZERO);
        BudgetExceeded::new(Refusal {
            consumer: self.name().to_owned(),
            requested,
            reserved,
            limit: self.budget.limit(),
            holders,
        })
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Bytes set aside for one consumer, given back when this guard is dropped.
///
/// May be sent to another thread and dropped there.
///
/// ```
/// use monitor::{Budget, Bytes};
///
/// let budget = Budget::new(Bytes(100));
/// let mut held = budget.consumer("batch").try_reserve(Bytes(60))?;
/// held.try_grow(Bytes(20))?;
/// held.try_resize(Bytes(90))?;
/// // Refused growth changes nothing.
/// assert!(held.try_grow(Bytes(20)).is_err() && held.bytes() == Bytes(90));
/// held.shrink_to(Bytes(50));
/// let part = held.split(Bytes(20));
/// assert_eq!((held.bytes(), part.bytes(), budget.reserved()), (Bytes(30), Bytes(20), Bytes(50)));
/// assert_eq!(part.consumer().name(), "batch");
/// drop(held);
/// assert_eq!(budget.reserved(), part.bytes());
/// # Ok::<(), monitor::BudgetExceeded>(())
/// ```
#[must_use = "a reservation that is not kept is given back at once"]
pub struct Reservation {
    consumer: Consumer,
    bytes: Bytes,
    place: Place,
}

impl Reservation {
    /// What is set aside.
    pub fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// For whom.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// Sets `more` bytes aside on top.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] if the reserved total would pass the limit; the reservation keeps the size that it
    /// had.
    pub fn try_grow(&mut self, more: Bytes) -> Result<(), BudgetExceeded> {
        self.consumer.charge(more)?;
        // No overflow: this guard is part of the total, which is at or under the limit.
        self.bytes = Bytes(self.bytes.get() + more.get());
        Ok(())
    }

    /// Makes it `bytes` large. Smaller always works.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] if it would grow and the reserved total would pass the limit; the reservation keeps
    /// the size that it had, and the request named is the difference.
    pub fn try_resize(&mut self, bytes: Bytes) -> Result<(), BudgetExceeded> {
        if bytes > self.bytes {
            self.try_grow(bytes.saturating_sub(self.bytes))
        } else {
            self.shrink_to(bytes);
            Ok(())
        }
    }

    /// Gives back what it has above `bytes`. Does nothing if it has no more than that.
    pub fn shrink_to(&mut self, bytes: Bytes) {
        let surplus = self.bytes.saturating_sub(bytes);
        if surplus > Bytes::ZERO {
            self.consumer.release(surplus);
            self.bytes = bytes;
        }
    }

    /// Moves `bytes` of it to a guard of their own, for the same consumer and of the same age. The total does not
    /// change.
    ///
    /// # Panics
    ///
    /// If `bytes` is more than [`Reservation::bytes`]: the caller has lost count of what it holds, and a
    /// smaller guard than asked for would let memory go uncounted.
    pub fn split(&mut self, bytes: Bytes) -> Reservation {
        assert!(
            bytes <= self.bytes,
            "cannot split {} from a reservation of {} for `{}`",
            bytes,
            self.bytes,
            self.consumer.name()
        );
        self.bytes = self.bytes.saturating_sub(bytes);
        let births = &self.consumer.account.births;
        let place = births.add(births.at(&self.place));
        Reservation { consumer: self.consumer.clone(), bytes, place }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.consumer.account.births.remove(&self.place);
        self.consumer.release(self.bytes);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("consumer", &self.consumer.name())
            .field("bytes", &self.bytes)
            .finish()
    }
}
