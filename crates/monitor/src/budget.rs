//! The budget: every byte is reserved before it is used, and a guard gives it back.

use std::cmp::Reverse;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::births::{Births, Place, now};
use crate::bytes::Bytes;
use crate::refusal::{BudgetExceeded, Refusal};

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

/// Somebody who may reserve from a [`Budget`]. Cheap to clone; clones share one account.
#[derive(Clone)]
pub struct Consumer {
    budget: Budget,
    account: Arc<Account>,
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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dropped_guard_gives_back() {
        let budget = Budget::new(Bytes(100));
        let consumer = budget.consumer("batch");
        let held = consumer.try_reserve(Bytes(60)).unwrap();
        assert_eq!((budget.reserved(), budget.available()), (Bytes(60), Bytes(40)));
        assert!(consumer.try_reserve(Bytes(41)).is_err());
        drop(held);
        assert_eq!((budget.reserved(), budget.available()), (Bytes(0), Bytes(100)));
        assert_eq!(budget.peak(), Bytes(60));
        assert!(consumer.try_reserve(Bytes(100)).is_ok());
    }

    #[test]
    fn one_name_is_one_account() {
        let budget = Budget::new(Bytes(100));
        let _a = budget.consumer("pool").try_reserve(Bytes(10)).unwrap();
        let _b = budget.consumer("pool").try_reserve(Bytes(20)).unwrap();
        let _c = budget.consumer("batch").try_reserve(Bytes(30)).unwrap();
        let idle = budget.consumer("idle");
        drop(idle.try_reserve(Bytes(5)).unwrap());
        let holders = budget.holders();
        let figures = holders.iter().map(|h| (h.name.as_str(), h.live.get(), h.reservations, h.peak.get()));
        // Equal sizes stand in order of their names.
        assert!(figures.eq([("batch", 30, 1, 30), ("pool", 30, 2, 30), ("idle", 0, 0, 5)]), "{holders:?}");
        assert!(holders[..2].iter().all(|holder| holder.oldest.is_some()));
        assert_eq!((holders[2].oldest, budget.reservations()), (None, 3));
    }

    #[test]
    fn what_is_split_off_is_as_old() {
        let budget = Budget::unbounded();
        let mut held = budget.consumer("batch").try_reserve(Bytes(10)).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let part = held.split(Bytes(4));
        drop(held);
        assert!(budget.holders()[0].oldest.unwrap() >= Duration::from_millis(30));
        drop(part);
    }

    #[test]
    fn a_failed_growth_leaves_the_guard_as_it_was() {
        let budget = Budget::new(Bytes(100));
        let mut held = budget.consumer("batch").try_reserve(Bytes(60)).unwrap();
        let refusal = held.try_resize(Bytes(101)).unwrap_err();
        assert_eq!((refusal.requested(), refusal.available()), (Bytes(41), Bytes(40)));
        assert_eq!((held.bytes(), budget.reserved()), (Bytes(60), Bytes(60)));
        assert!(held.try_grow(Bytes::MAX).is_err());
        held.try_resize(Bytes(100)).unwrap();
        held.shrink_to(Bytes(200));
        assert_eq!(budget.available(), Bytes(0));
    }

    #[test]
    #[should_panic(expected = "cannot split 11 B from a reservation of 10 B for `batch`")]
    fn no_guard_splits_into_more_than_it_has() {
        let budget = Budget::unbounded();
        let _ = budget.consumer("batch").try_reserve(Bytes(10)).unwrap().split(Bytes(11));
    }

    #[test]
    fn even_an_unbounded_budget_does_not_overflow() {
        let budget = Budget::unbounded();
        let consumer = budget.consumer("batch");
        let _held = consumer.try_reserve(Bytes::MAX).unwrap();
        let refusal = consumer.try_reserve(Bytes(1)).unwrap_err();
        assert_eq!(refusal.smallest_limit(), Bytes::MAX);
    }

    #[test]
    fn a_refusal_says_who_holds_what() {
        let budget = Budget::new(Bytes::mib(64));
        let _rows = budget.consumer("row group").try_reserve(Bytes::mib(40)).unwrap();
        let batch = budget.consumer("batch");
        let _batch = batch.try_reserve(Bytes(18 * (1 << 20) + 300_000)).unwrap();
        let _opened_only = budget.consumer("pool");
        let refusal = batch.try_reserve(Bytes::mib(12)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the memory budget of 64.0 MiB cannot give 12.0 MiB to `batch`: 58.3 MiB are reserved \
             (row group 40.0 MiB, batch 18.3 MiB); this request would fit a budget of 70.3 MiB"
        );
        assert_eq!(refusal.smallest_limit(), Bytes(70 * (1 << 20) + 300_000));
        assert_eq!(refusal.available(), Bytes(64 * (1 << 20) - 58 * (1 << 20) - 300_000));
        assert_eq!(refusal.consumer(), "batch");
        assert_eq!(refusal.holders().len(), 2);
    }

    #[test]
    fn the_advice_in_a_refusal_is_rounded_up() {
        let budget = Budget::new(Bytes::mib(64));
        let _held = budget.consumer("pool").try_reserve(Bytes::mib(60)).unwrap();
        let refusal = budget.consumer("batch").try_reserve(Bytes(Bytes::mib(10).get() + 1)).unwrap_err();
        let message = refusal.to_string();
        assert!(message.ends_with("; this request would fit a budget of 70.1 MiB"), "{message}");
    }

    #[test]
    fn a_refusal_by_an_empty_budget() {
        let budget = Budget::new(Bytes::kib(1));
        assert_eq!(
            budget.consumer("block").try_reserve(Bytes::mib(1)).unwrap_err().to_string(),
            "the memory budget of 1.0 KiB cannot give 1.0 MiB to `block`: nothing is reserved; \
             this request would fit a budget of 1.0 MiB"
        );
    }

    /// Each thread also adds what it holds to a tally of the test's own: after it was given bytes, and off
    /// before it gives them back. So the tally is never above what the budget let out, whatever the budget
    /// says of itself.
    #[test]
    fn threads_never_hold_more_than_the_limit() {
        const LIMIT: u64 = 1000;
        const THREADS: u64 = 8;
        let budget = Budget::new(Bytes(LIMIT));
        let tally = AtomicU64::new(0);
        let highest = AtomicU64::new(0);
        let refused = AtomicU64::new(0);
        let granted = AtomicU64::new(0);
        let start = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for seed in 0..THREADS {
                let (budget, tally, highest) = (&budget, &tally, &highest);
                let (refused, granted, start) = (&refused, &granted, &start);
                scope.spawn(move || {
                    let consumer = budget.consumer(if seed % 2 == 0 { "even" } else { "odd" });
                    let note = |bytes: u64| {
                        let now = tally.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        highest.fetch_max(now, Ordering::SeqCst);
                    };
                    let mut held: Vec<Reservation> = Vec::new();
                    let mut random = seed + 1;
                    start.wait();
                    for _ in 0..200_000 {
                        // Knuth's multiplier for 64 bits; the high bits are the good ones.
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        let bytes = (random >> 40) % 200;
                        let outcome = match (random >> 33) % 4 {
                            0 => consumer.try_reserve(Bytes(bytes)).map(|guard| held.push(guard)),
                            1 => match held.last_mut() {
                                Some(guard) => guard.try_grow(Bytes(bytes)),
                                None => continue,
                            },
                            _ => {
                                if let Some(guard) = held.pop() {
                                    tally.fetch_sub(guard.bytes().get(), Ordering::SeqCst);
                                }
                                continue;
                            }
                        };
                        match outcome {
                            Ok(()) => {
                                note(bytes);
                                granted.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(refusal) => {
                                assert!(refusal.smallest_limit() > Bytes(LIMIT));
                                refused.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        assert!(budget.reserved() <= budget.limit());
                    }
                    for guard in held.drain(..) {
                        tally.fetch_sub(guard.bytes().get(), Ordering::SeqCst);
                    }
                });
            }
        });
        let highest = highest.into_inner();
        assert!(highest <= LIMIT, "{highest}");
        assert!(Bytes(highest) <= budget.peak() && budget.peak() <= budget.limit());
        assert_eq!(budget.reserved(), Bytes::ZERO);
        assert!(budget.holders().iter().all(|holder| holder.live == Bytes::ZERO && holder.reservations == 0));
        // Both outcomes were met, or the limit was never tried.
        assert!(refused.into_inner() > 0 && granted.into_inner() > 0);
    }

    #[derive(Clone, Debug)]
    enum Act {
        Reserve { who: usize, bytes: u64 },
        Grow { which: usize, bytes: u64 },
        Resize { which: usize, bytes: u64 },
        Shrink { which: usize, bytes: u64 },
        Split { which: usize, share: u64 },
        Drop { which: usize },
    }

    fn acts() -> impl Strategy<Value = Act> {
        let bytes = 0u64..120;
        prop_oneof![
            (0usize..3, bytes.clone()).prop_map(|(who, bytes)| Act::Reserve { who, bytes }),
            (any::<usize>(), bytes.clone()).prop_map(|(which, bytes)| Act::Grow { which, bytes }),
            (any::<usize>(), bytes.clone()).prop_map(|(which, bytes)| Act::Resize { which, bytes }),
            (any::<usize>(), bytes).prop_map(|(which, bytes)| Act::Shrink { which, bytes }),
            (any::<usize>(), 0u64..=100).prop_map(|(which, share)| Act::Split { which, share }),
            any::<usize>().prop_map(|which| Act::Drop { which }),
        ]
    }

    proptest! {
        /// The twin is a list of (consumer, bytes) and the rule that their sum stays at or under the limit.
        #[test]
        fn agrees_with_plain_numbers(limit in 0u64..300, acts in proptest::collection::vec(acts(), 0..60)) {
            const NAMES: [&str; 3] = ["a", "b", "c"];
            let budget = Budget::new(Bytes(limit));
            let mut guards: Vec<Reservation> = Vec::new();
            let mut twin: Vec<(usize, u64)> = Vec::new();
            let (mut peak, mut peaks) = (0, [0; 3]);
            for act in acts {
                let total: u64 = twin.iter().map(|(_, bytes)| bytes).sum();
                let index = match act {
                    Act::Reserve { .. } => 0,
                    _ if twin.is_empty() => continue,
                    Act::Grow { which, .. }
                    | Act::Resize { which, .. }
                    | Act::Shrink { which, .. }
                    | Act::Split { which, .. }
                    | Act::Drop { which } => which % twin.len(),
                };
                let (asked, outcome) = match act {
                    Act::Reserve { who, bytes } => {
                        let outcome = budget.consumer(NAMES[who]).try_reserve(Bytes(bytes));
                        if total + bytes <= limit {
                            twin.push((who, bytes));
                        }
                        (bytes, outcome.map(|guard| guards.push(guard)))
                    }
                    Act::Grow { bytes, .. } => {
                        if total + bytes <= limit {
                            twin[index].1 += bytes;
                        }
                        (bytes, guards[index].try_grow(Bytes(bytes)))
                    }
                    Act::Resize { bytes, .. } => {
                        let more = bytes.saturating_sub(twin[index].1);
                        if total + more <= limit {
                            twin[index].1 = bytes;
                        }
                        (more, guards[index].try_resize(Bytes(bytes)))
                    }
                    Act::Shrink { bytes, .. } => {
                        twin[index].1 = twin[index].1.min(bytes);
                        guards[index].shrink_to(Bytes(bytes));
                        (0, Ok(()))
                    }
                    Act::Split { share, .. } => {
                        let part = twin[index].1 * share / 100;
                        twin[index].1 -= part;
                        twin.push((twin[index].0, part));
                        let guard = guards[index].split(Bytes(part));
                        guards.push(guard);
                        (0, Ok(()))
                    }
                    Act::Drop { .. } => {
                        twin.swap_remove(index);
                        drop(guards.swap_remove(index));
                        (0, Ok(()))
                    }
                };
                prop_assert_eq!(outcome.is_ok(), total + asked <= limit);
                if let Err(refusal) = outcome {
                    prop_assert_eq!(refusal.smallest_limit(), Bytes(total + asked));
                    prop_assert_eq!(refusal.available(), Bytes(limit - total));
                    let held: Bytes = refusal.holders().iter().map(|holder| holder.live).sum();
                    prop_assert_eq!(held, Bytes(total));
                }

                let total: u64 = twin.iter().map(|(_, bytes)| bytes).sum();
                peak = peak.max(total);
                prop_assert_eq!(budget.reserved(), Bytes(total));
                prop_assert_eq!(budget.peak(), Bytes(peak));
                let held = guards.iter().map(|guard| guard.bytes().get());
                prop_assert!(held.eq(twin.iter().map(|(_, bytes)| *bytes)));
                for (who, name) in NAMES.iter().enumerate() {
                    let mine: Vec<u64> =
                        twin.iter().filter(|(owner, _)| *owner == who).map(|(_, bytes)| *bytes).collect();
                    let live = mine.iter().sum();
                    peaks[who] = peaks[who].max(live);
                    if let Some(holder) = budget.holders().into_iter().find(|holder| holder.name == *name) {
                        prop_assert_eq!(holder.live, Bytes(live));
                        prop_assert_eq!(holder.reservations, mine.len() as u64);
                        prop_assert_eq!(holder.peak, Bytes(peaks[who]));
                    } else {
                        prop_assert_eq!(live, 0);
                    }
                }
            }
        }
    }
}
