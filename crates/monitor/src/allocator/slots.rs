//! Where threads count: one slot each, that only its owner writes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering};

use super::tag::{MOST_TAGS, UNTAGGED};

/// What one tag has in use, as far as one slot saw it: negative where the rest of it was allocated elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) bytes: i64,
    pub(super) blocks: i64,
}

impl Count {
    pub(super) fn add(&mut self, other: Count) {
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.blocks = self.blocks.wrapping_add(other.blocks);
    }
}

struct Cells {
    bytes: AtomicI64,
    blocks: AtomicI64,
}

/// On lines of its own, so that a thread that counts does not take another's line from it; two, since processors fetch
/// them in pairs.
#[repr(align(128))]
struct Slot {
    counts: [Cells; MOST_TAGS],
    /// Whether a living thread counts here.
    is_owned: AtomicBool,
    /// Set before the slot is published, and never again.
    next: Cell<*mut Slot>,
}

// SAFETY: `next` alone is not atomic. It is written by the thread that makes the slot, before the release that publishes
// it, and only read after.
unsafe impl Sync for Slot {}

impl Slot {
    const fn new(is_owned: bool) -> Slot {
        let counts = [const { Cells { bytes: AtomicI64::new(0), blocks: AtomicI64::new(0) } }; MOST_TAGS];
        Slot { counts, is_owned: AtomicBool::new(is_owned), next: Cell::new(null_mut()) }
    }

    fn count(&self, tag: usize) -> Count {
        let cells = &self.counts[tag];
        let (bytes, blocks) = (cells.bytes.load(Ordering::Relaxed), cells.blocks.load(Ordering::Relaxed));
        Count { bytes, blocks }
    }
}

/// Every slot but `SHARED`, newest first. Slots are never freed: there are as many as threads were alive at one time.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(null_mut());

/// For those who have no slot: a thread that is past its end, or at the very start of its first count.
static SHARED: Slot = Slot::new(true);

/// This needs no drop and no code to begin with, so it can be used at any time of a thread's life.
struct Local {
    /// None before the first count; `SHARED` past the thread's end.
    slot: Cell<Option<&'static Slot>>,
    tag: Cell<u8>,
}

thread_local! {
    static LOCAL: Local = const { Local { slot: Cell::new(None), tag: Cell::new(UNTAGGED) } };
    /// Its drop is the thread's end.
    static END: End = const { End };
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        // Others' drops may follow, and free.
        let slot = LOCAL.with(|local| local.slot.replace(Some(&SHARED)));
        if let Some(slot) = slot.filter(|slot| !std::ptr::eq(*slot, &SHARED)) {
            // Release: who takes the slot over goes on from the counts as they are now.
            slot.is_owned.store(false, Ordering::Release);
        }
    }
}

/// Counts a block for the tag that the thread is under, and gives that.
pub(super) fn allocated(size: usize) -> u8 {
    let tag = current_tag();
    changed(tag, size as i64, 1);
    tag
}

/// Counts a change of what `tag` has in use.
pub(super) fn changed(tag: u8, bytes: i64, blocks: i64) {
    let slot = LOCAL.with(|local| local.slot.get().unwrap_or_else(|| begin(local)));
    let cells = &slot.counts[usize::from(tag) % MOST_TAGS];
    if std::ptr::eq(slot, &SHARED) {
        cells.bytes.fetch_add(bytes, Ordering::Relaxed);
        cells.blocks.fetch_add(blocks, Ordering::Relaxed);
    } else {
        // Nobody else writes here, so that a load and a store lose nothing and lock nothing.
        let sum = cells.bytes.load(Ordering::Relaxed).wrapping_add(bytes);
        cells.bytes.store(sum, Ordering::Relaxed);
        let sum = cells.blocks.load(Ordering::Relaxed).wrapping_add(blocks);
        cells.blocks.store(sum, Ordering::Relaxed);
    }
}

/// Finds the thread a slot.
#[cold]
fn begin(local: &Local) -> &'static Slot {
    // Whatever is allocated from here on, be it by the next line, finds a place to count in.
    local.slot.set(Some(&SHARED));
    // Without a drop to come, nobody would give the slot back: then the thread is past its end.
    let can_end = END.try_with(|_| ()).is_ok();
    let slot = if can_end { adopt().or_else(make) } else { None };
    let slot = slot.unwrap_or(&SHARED);
    local.slot.set(Some(slot));
    slot
}

/// A slot whose thread has ended, with what it counted.
fn adopt() -> Option<&'static Slot> {
    slots().find(|slot| {
        // A look first: the lines of slots in use stay with their owners.
        !slot.is_owned.load(Ordering::Relaxed) && !slot.is_owned.swap(true, Ordering::Acquire)
    })
}

/// A new slot, from the system: the global allocator may be the one that asks. `None` if there is no memory.
fn make() -> Option<&'static Slot> {
    let layout = Layout::new::<Slot>();
    // SAFETY: the layout is not empty.
    let place = unsafe { System.alloc(layout) }.cast::<Slot>();
    if place.is_null() {
        return None;
    }
    // SAFETY: the block is as large and as aligned as a slot, and nobody else's.
    unsafe { place.write(Slot::new(true)) };
    // SAFETY: it is written whole, and never freed.
    let slot: &'static Slot = unsafe { &*place };
    let mut first = SLOTS.load(Ordering::Relaxed);
    loop {
        slot.next.set(first);
        match SLOTS.compare_exchange_weak(first, place, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Some(slot),
            Err(seen) => first = seen,
        }
    }
}

fn slots() -> impl Iterator<Item = &'static Slot> {
    // SAFETY: null, or published by a release that this acquires, written whole before, and never freed.
    let first = unsafe { SLOTS.load(Ordering::Acquire).as_ref() };
    // SAFETY: the same; who published a slot had acquired, or itself made, none of the others' contents, but their
    // `next` was written before their own release, which the exchanges in between carry on.
    std::iter::successors(first, |slot| unsafe { slot.next.get().as_ref() })
}

/// What one tag has in use, over all slots.
pub(super) fn sum(tag: usize) -> Count {
    let mut total = SHARED.count(tag);
    slots().for_each(|slot| total.add(slot.count(tag)));
    total
}

pub(super) fn current_tag() -> u8 {
    LOCAL.with(|local| local.tag.get())
}

/// Sets the tag that the thread is under, and gives the one before.
pub(super) fn set_tag(tag: u8) -> u8 {
    LOCAL.with(|local| local.tag.replace(tag))
}

#[cfg(test)]
pub(super) fn slot_count() -> usize {
    slots().count()
}
