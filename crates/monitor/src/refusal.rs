//! A refused reservation, as an error that says what to do.

use std::error::Error;
use std::fmt;

use crate::budget::Holder;
use crate::bytes::Bytes;

/// A reservation was refused: who asked for how much, and who holds the rest.
///
/// Two are equal if they say the same. When it was is no part of that: [`Holder::oldest`] is left out.
///
/// ```
/// use monitor::{Budget, Bytes};
///
/// let budget = Budget::new(Bytes::mib(64));
/// let _held = budget.consumer("row group").try_reserve(Bytes::mib(40))?;
/// let refusal = budget.consumer("batch").try_reserve(Bytes::mib(30)).unwrap_err();
/// assert_eq!((refusal.consumer(), refusal.requested()), ("batch", Bytes::mib(30)));
/// assert_eq!((refusal.limit(), refusal.reserved()), (Bytes::mib(64), Bytes::mib(40)));
/// assert_eq!((refusal.available(), refusal.smallest_limit()), (Bytes::mib(24), Bytes::mib(70)));
/// assert_eq!(refusal.holders()[0].name, "row group");
/// assert_eq!(budget.consumer("batch").try_reserve(Bytes::mib(30)).unwrap_err(), refusal);
/// # Ok::<(), monitor::BudgetExceeded>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetExceeded(Box<Refusal>);

#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) consumer: String,
    pub(crate) requested: Bytes,
    /// What was reserved when the request was found too large.
    pub(crate) reserved: Bytes,
    pub(crate) limit: Bytes,
    /// Largest first, none of them empty.
    pub(crate) holders: Vec<Holder>,
}

impl PartialEq for Refusal {
    fn eq(&self, other: &Refusal) -> bool {
        // Taken apart, so that no field that comes later is forgotten here.
        let Refusal { consumer, requested, reserved, limit, holders } = self;
        let same = |(a, b): (&Holder, &Holder)| {
            let Holder { name, live, reservations, peak, oldest: _ } = a;
            (name, live, reservations, peak) == (&b.name, &b.live, &b.reservations, &b.peak)
        };
        (consumer, requested, reserved, limit)
            == (&other.consumer, &other.requested, &other.reserved, &other.limit)
            && holders.len() == other.holders.len()
            && holders.iter().zip(&other.holders).all(same)
    }
}

impl Eq for Refusal {}

impl BudgetExceeded {
    pub(crate) fn new(refusal: Refusal) -> BudgetExceeded {
        BudgetExceeded(Box::new(refusal))
    }

    /// The name of the consumer that was refused.
    pub fn consumer(&self) -> &str {
        &self.0.consumer
    }

    /// What it asked for.
    pub fn requested(&self) -> Bytes {
        self.0.requested
    }

    /// What was reserved, by all, at that moment.
    pub fn reserved(&self) -> Bytes {
        self.0.reserved
    }

    /// What was left at that moment.
    pub fn available(&self) -> Bytes {
        self.0.limit.saturating_sub(self.0.reserved)
    }

    /// The budget's limit.
    pub fn limit(&self) -> Bytes {
        self.0.limit
    }

    /// Who held bytes right after the refusal, largest first; those who held none are left out.
    pub fn holders(&self) -> &[Holder] {
        &self.0.holders
    }

    /// The least limit under which this request would have been met: what was reserved plus what was asked.
    pub fn smallest_limit(&self) -> Bytes {
        self.0.reserved.saturating_add(self.0.requested)
    }
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the memory budget of {} cannot give {} to `{}`: ",
            self.limit(),
            self.requested(),
            self.consumer()
        )?;
        if self.reserved() == Bytes::ZERO {
            f.write_str("nothing is reserved")?;
        } else {
            write!(f, "{} are reserved", self.reserved())?;
            for (i, holder) in self.holders().iter().enumerate() {
                write!(f, "{}{} {}", if i == 0 { " (" } else { ", " }, holder.name, holder.live)?;
            }
            if !self.holders().is_empty() {
                f.write_str(")")?;
            }
        }
        write!(f, "; this request would fit a budget of {}", self.smallest_limit().ceil_to_shown())
    }
}

impl Error for BudgetExceeded {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refusal() -> Refusal {
        let holder = Holder {
            name: "row group".to_owned(),
            live: Bytes(40),
            reservations: 2,
            peak: Bytes(50),
            oldest: Some(Duration::from_millis(10)),
        };
        Refusal {
            consumer: "batch".to_owned(),
            requested: Bytes(30),
            reserved: Bytes(40),
            limit: Bytes(64),
            holders: vec![holder],
        }
    }

    #[test]
    fn age_alone_makes_no_difference() {
        let changed = |change: fn(&mut Refusal)| {
            let mut other = refusal();
            change(&mut other);
            BudgetExceeded::new(refusal()) != BudgetExceeded::new(other)
        };
        assert!(!changed(|refusal| refusal.holders[0].oldest = Some(Duration::from_secs(7))));
        assert!(!changed(|refusal| refusal.holders[0].oldest = None));
        assert!(changed(|refusal| refusal.consumer.push('s')));
        assert!(changed(|refusal| refusal.requested = Bytes(31)));
        assert!(changed(|refusal| refusal.reserved = Bytes(41)));
        assert!(changed(|refusal| refusal.limit = Bytes(65)));
        assert!(changed(|refusal| refusal.holders[0].name.push('s')));
        assert!(changed(|refusal| refusal.holders[0].live = Bytes(41)));
        assert!(changed(|refusal| refusal.holders[0].reservations = 3));
        assert!(changed(|refusal| refusal.holders[0].peak = Bytes(51)));
        assert!(changed(|refusal| refusal.holders.clear()));
        assert!(changed(|refusal| refusal.holders.extend(refusal.holders.clone())));
    }
}
