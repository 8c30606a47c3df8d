//! The budget: the ledger of what is reserved, in all and by whom.

mod reservation;

use std::cmp::Reverse;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::births::Births;
use crate::bytes::Bytes;

pub use reservation::{Consumer, Reservation};

/// A limit on the bytes that may be reserved at one time, shared by all its clones.
///
/// Each part of a program that holds memory is a [`Consumer`] with a name. It reserves before it allocates,
/// keeps the [`Reservation`] beside what it allocated, and handles a refusal: growth that can fail is the
/// only growth.
///
/// The reserved total is one atomic number, raised by compare-and-exchange, so that it never exceeds the
/// limit, not even for a moment. A reservation takes no lock; opening a consumer, a refusal and
/// [`Budget::holders`] do.
///
/// Not counted: what nobody reserves. A budget is a ledger, not an allocator.
///
/// ```
/// use monitor::{Budget, Bytes};
///
/// let budget = Budget::new(Bytes::mib(64));
/// let rows = budget.consumer("row group");
/// let held = rows.try_reserve(Bytes::mib(40))?;
/// assert_eq!(budget.available(), Bytes::mib(24));
///
/// let refusal = budget.consumer("batch").try_reserve(Bytes::mib(30)).unwrap_err();
/// assert_eq!(refusal.smallest_limit(), Bytes::mib(70));
///
/// drop(held);
/// assert_eq!(budget.reserved(), Bytes::ZERO);
/// assert_eq!(budget.peak(), Bytes::mib(40));
/// # Ok::<(), monitor::BudgetExceeded>(())
/// ```
#[derive(Clone)]
pub struct Budget(Arc<Ledger>);

struct Ledger {
    limit: Bytes,
    /// Never above `limit`.
    reserved: AtomicU64,
    /// The highest value that `reserved` ever had.
    peak: AtomicU64,
    /// The highest value since somebody took it last.
    recent_peak: AtomicU64,
    /// In order of opening. Only names of code, so few, and never removed.
    accounts: Mutex<Vec<Arc<Account>>>,
}

/// What one consumer holds. The total is raised before an account and lowered after it, so that accounts
/// never add up to more than was reserved.
struct Account {
    name: Box<str>,
    live: AtomicU64,
    peak: AtomicU64,
    births: Births,
}

/// One consumer's line in [`Budget::holders`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The consumer's name.
    pub name: String,
    /// Bytes that it has reserved now.
    pub live: Bytes,
    /// Guards that are alive now, those of zero bytes included.
    pub reservations: u64,
    /// The most bytes that it ever had reserved at once.
    pub peak: Bytes,
    /// How long its oldest guard is alive, by a clock that moves in steps of up to 10 ms; `None` if it has none.
    ///
    /// Of 64 guards that are alive at the same time the ages are kept. Where there are more, an older one may be among
    /// those whose age is not, until a place is free for the next guard; those that stay on get one sooner or later.
    pub oldest: Option<Duration>,
}

impl Budget {
    /// A budget of `limit` bytes. A limit of zero is legal: it refuses all but reservations of zero bytes.
    pub fn new(limit: Bytes) -> Budget {
        Budget(Arc::new(Ledger {
            limit,
            reserved: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            recent_peak: AtomicU64::new(0),
            accounts: Mutex::new(Vec::new()),
        }))
    }

    /// A budget that keeps the books but refuses nothing a machine could hold: its limit is [`Bytes::MAX`].
    pub fn unbounded() -> Budget {
        Budget::new(Bytes::MAX)
    }

    /// The most that may be reserved at once.
    pub fn limit(&self) -> Bytes {
        self.0.limit
    }

    /// Whether there is a limit at all.
    ///
    /// ```
    /// use monitor::{Budget, Bytes};
    ///
    /// assert!(Budget::new(Bytes::gib(1)).is_bounded());
    /// assert!(!Budget::unbounded().is_bounded());
    /// ```
    pub fn is_bounded(&self) -> bool {
        self.0.limit < Bytes::MAX
    }

    /// What is reserved now.
    pub fn reserved(&self) -> Bytes {
        Bytes(self.0.reserved.load(Ordering::Acquire))
    }

    /// What could be reserved now. Another thread may be faster: only [`Consumer::try_reserve`] decides.
    pub fn available(&self) -> Bytes {
        self.limit().saturating_sub(self.reserved())
    }

    /// The most that was ever reserved at once.
    pub fn peak(&self) -> Bytes {
        // Between the raise of the total and that of the peak, another thread may look: the total counts at
        // once.
        Bytes(self.0.peak.load(Ordering::Relaxed)).max(self.reserved())
    }

    /// The most that was reserved at once since this was called last, by whichever handle.
    ///
    /// For one caller at a time, such as the reader of an input that wants to know what came of a batch: what one takes,
    /// another does not see.
    ///
    /// ```
    /// use monitor::{Budget, Bytes};
    ///
    /// let budget = Budget::new(Bytes(100));
    /// let consumer = budget.consumer("batch");
    /// let held = consumer.try_reserve(Bytes(10))?;
    /// drop(consumer.try_reserve(Bytes(50))?);
    /// assert_eq!(budget.take_recent_peak(), Bytes(60));
    /// assert_eq!(budget.take_recent_peak(), held.bytes());
    /// assert_eq!(budget.peak(), Bytes(60));
    /// # Ok::<(), monitor::BudgetExceeded>(())
    /// ```
    pub fn take_recent_peak(&self) -> Bytes {
        let now = self.reserved();
        Bytes(self.0.recent_peak.swap(now.get(), Ordering::Relaxed)).max(now)
    }

    /// A handle for the consumer of that name. The same name gives the same account.
    ///
    /// Takes a lock and a search: open it once and clone it, not once a batch.
    pub fn consumer(&self, name: &str) -> Consumer {
        let mut accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = match accounts.iter().find(|account| &*account.name == name) {
            Some(account) => Arc::clone(account),
            None => {
                let account = Arc::new(Account {
                    name: name.into(),
                    live: AtomicU64::new(0),
                    peak: AtomicU64::new(0),
                    births: Births::new(),
                });
                accounts.push(Arc::clone(&account));
                account
            }
        };
        Consumer { budget: self.clone(), account }
    }

    /// Guards that are alive now, those of zero bytes included.
    pub(crate) fn reservations(&self) -> u64 {
        let accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().map(|account| account.births.count()).sum()
    }

    /// Every consumer ever opened, largest live bytes first, then by name.
    ///
    /// The lines are read one after the other: while other threads reserve, they need not add up.
    pub fn holders(&self) -> Vec<Holder> {
        let mut holders = self.holders_as_opened();
        holders.sort_by(|a, b| (Reverse(a.live), &a.name).cmp(&(Reverse(b.live), &b.name)));
        holders
    }

    /// Every consumer ever opened, in that order: the place of one never changes.
    pub(crate) fn holders_as_opened(&self) -> Vec<Holder> {
        let accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = |account: &Arc<Account>| Holder {
            name: account.name.to_string(),
            live: Bytes(account.live.load(Ordering::Acquire)),
            reservations: account.births.count(),
            peak: Bytes(account.peak.load(Ordering::Relaxed)),
            oldest: account.births.oldest(),
        };
        accounts.iter().map(holder).collect()
    }

    /// Live bytes of every consumer ever opened, in that order.
    pub(crate) fn live_as_opened(&self, mut each: impl FnMut(Bytes)) {
        let accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().for_each(|account| each(Bytes(account.live.load(Ordering::Acquire))));
    }

    /// Raises the total by `bytes`, or says what it was when that would have been too much.
    fn raise(&self, bytes: Bytes) -> Result<(), Bytes> {
        let limit = self.0.limit.get();
        let raised = self.0.reserved.fetch_update(Ordering::AcqRel, Ordering::Acquire, |total| {
            total.checked_add(bytes.get()).filter(|sum| *sum <= limit)
        });
        match raised {
            Ok(before) => {
                // No overflow: the sum was at or under the limit.
                raise_peak(&self.0.peak, before + bytes.get());
                raise_peak(&self.0.recent_peak, before + bytes.get());
                Ok(())
            }
            Err(total) => Err(Bytes(total)),
        }
    }

    fn lower(&self, bytes: Bytes) {
        self.0.reserved.fetch_sub(bytes.get(), Ordering::AcqRel);
    }
}

/// Most reservations set no record, and a look costs less than a write that changes nothing.
fn raise_peak(peak: &AtomicU64, reached: u64) {
    if peak.load(Ordering::Relaxed) < reached {
        peak.fetch_max(reached, Ordering::Relaxed);
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limit", &self.limit())
            .field("reserved", &self.reserved())
            .field("peak", &self.peak())
            .finish()
    }
}

#[cfg(test)]
mod tests;
