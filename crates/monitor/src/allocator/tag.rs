//! Tags: names for what a thread is at while it allocates.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::slots;

/// Tags that there can be in a process, the one for all else included.
pub const MOST_TAGS: usize = 32;

/// The index of what no tag was entered for.
pub(super) const UNTAGGED: u8 = 0;

/// In order of their making. The lock is not taken by the allocator, so it may be held while something is allocated.
static NAMES: Mutex<[&str; MOST_TAGS]> = Mutex::new({
    let mut names = [""; MOST_TAGS];
    names[UNTAGGED as usize] = "untagged";
    names
});
/// Of `NAMES`, those that are set.
static KNOWN: AtomicUsize = AtomicUsize::new(1);

/// A name for what is allocated while a thread is under it.
///
/// Counted by a [`TaggedAllocator`](crate::TaggedAllocator); without one, entering a tag does nothing that can be seen.
///
/// ```
/// use monitor::Tag;
///
/// let loader = Tag::new("loader");
/// assert_eq!(Tag::new("loader"), loader);
/// assert_eq!(loader.name(), "loader");
/// let _under = loader.enter();
/// assert_eq!(Tag::current(), loader);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(u8);

impl Tag {
    /// The tag of that name, made if there is none. Takes a lock: make it once and copy it.
    ///
    /// Tags are of the process and stay. When there are [`MOST_TAGS`], a new name gives the tag `untagged`: an
    /// observer must not bring a program down.
    pub fn new(name: &'static str) -> Tag {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = KNOWN.load(Ordering::Relaxed);
        if let Some(index) = names[..known].iter().position(|known| *known == name) {
            return Tag(index as u8);
        }
        let Some(free) = names.get_mut(known) else { return Tag(UNTAGGED) };
        *free = name;
        KNOWN.store(known + 1, Ordering::Release);
        Tag(known as u8)
    }

    /// The tag that this thread is under.
    pub fn current() -> Tag {
        Tag(slots::current_tag())
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        name(usize::from(self.0))
    }

    /// Charges what this thread allocates to the tag, until the guard is dropped; then to the one before.
    ///
    /// Threads that are started meanwhile begin without a tag.
    pub fn enter(self) -> TagGuard {
        TagGuard { before: slots::set_tag(self.0), on_this_thread: PhantomData }
    }
}

/// Keeps a thread under a [`Tag`]. Drop guards in the reverse order of their making.
#[derive(Debug)]
#[must_use = "a tag that is not kept is left at once"]
pub struct TagGuard {
    before: u8,
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for TagGuard {
    fn drop(&mut self) {
        slots::set_tag(self.before);
    }
}

/// How many tags there are; their indices are below.
pub(super) fn known() -> usize {
    KNOWN.load(Ordering::Acquire)
}

/// The name of a tag that is known.
pub(super) fn name(index: usize) -> &'static str {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)[index]
}
