//! A refused reservation, as an error that says what to do.

use std::error::Error;
use std::fmt;

use crate::budget::Holder;
use crate::bytes::Bytes;

/// A reservation was refused: who asked for how much, and who holds the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetExceeded(Box<Refusal>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) consumer: String,
    pub(crate) requested: Bytes,
    /// What was reserved when the request was found too large.
    pub(crate) reserved: Bytes,
    pub(crate) limit: Bytes,
    /// Largest first, none of them empty.
    pub(crate) holders: Vec<Holder>,
}

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
