//! An allocator that counts what is in use, by tag.

// The trait is unsafe to implement, and what is counted lies beside what is allocated.
#![allow(unsafe_code)]

mod slots;
mod tag;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;

use crate::bytes::Bytes;
use crate::snapshot::AllocationCounts;

use slots::Count;
pub use tag::{MOST_TAGS, Tag, TagGuard};

/// Counts what is allocated through it and not freed, in all and by [`Tag`], and leaves the work to another allocator.
///
/// Opt-in, and for programs only: a library sets no global allocator.
///
/// Each block is charged to the tag that its thread was under when it was allocated, and credited to the same tag
/// wherever it is freed. To know it then, the tag stands in front of the block: 8 bytes for each block, or as many as
/// its alignment, where that is more. (A map from addresses to tags would have to be searched for each free, and sizes
/// say nothing of who asked.) Threads count in a place of their own that nobody else writes, so that counting is a load
/// and a store; places of threads that have ended are taken over with what they counted.
///
/// Not counted: what the allocator below keeps for itself, these 8 bytes, and what C code allocates. The counts are of
/// the process, not of one value of this type.
///
/// It never panics, never allocates through itself, and works before `main` and while a thread is torn down. A block
/// of 16 bytes of alignment or less that is zeroed or grown costs what it costs below, so that fresh pages stay
/// untouched and large blocks are moved by the kernel; above that the system's allocator clears and copies by hand, as
/// it does without this one.
///
/// ```
/// use monitor::{Tag, TaggedAllocator};
///
/// #[global_allocator]
/// static ALLOCATOR: TaggedAllocator = TaggedAllocator::new();
///
/// let tag = Tag::new("rows");
/// let rows = {
///     let _here = tag.enter();
///     vec![7u64; 1000]
/// };
/// let held = |name| ALLOCATOR.tags().into_iter().find(|line| line.name == name).unwrap();
/// assert_eq!((held("rows").live_bytes.get(), held("rows").live_allocations), (8000, 1));
/// // Wherever it is freed.
/// std::thread::spawn(move || drop(rows)).join().unwrap();
/// assert_eq!(held("rows").live_allocations, 0);
/// ```
#[derive(Default)]
pub struct TaggedAllocator<A = System> {
    below: A,
}

impl TaggedAllocator {
    /// Over the system's allocator.
    pub const fn new() -> TaggedAllocator {
        TaggedAllocator::over(System)
    }
}

impl<A> TaggedAllocator<A> {
    /// Over another allocator.
    ///
    /// ```
    /// use std::alloc::System;
    /// use monitor::TaggedAllocator;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: TaggedAllocator<System> = TaggedAllocator::over(System);
    ///
    /// let before = ALLOCATOR.live();
    /// let block = Box::new([0u8; 100]);
    /// assert_eq!(ALLOCATOR.live().live_bytes.get() - before.live_bytes.get(), 100);
    /// # drop(block);
    /// ```
    pub const fn over(below: A) -> TaggedAllocator<A> {
        TaggedAllocator { below }
    }

    /// Bytes and blocks that are in use now, of all tags.
    ///
    /// Reads the place of each thread, one after the other: what other threads do meanwhile may be half in it.
    pub fn live(&self) -> AllocationCounts {
        let mut total = Count::default();
        (0..tag::known()).for_each(|tag| total.add(slots::sum(tag)));
        AllocationCounts { live_bytes: bytes_of(total), live_allocations: blocks_of(total) }
    }

    /// What each tag has in use now, in order of their making; the first is what no tag was entered for.
    pub fn tags(&self) -> Vec<TagUse> {
        (0..tag::known())
            .map(|index| {
                let sum = slots::sum(index);
                let name = tag::name(index);
                TagUse { name, live_bytes: bytes_of(sum), live_allocations: blocks_of(sum) }
            })
            .collect()
    }
}

/// What is allocated under one tag and not freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagUse {
    /// The tag's name; `untagged` for what no tag was entered for.
    pub name: &'static str,
    /// Bytes that were asked for and not given back.
    pub live_bytes: Bytes,
    /// Blocks that were asked for and not given back.
    pub live_allocations: u64,
}

// A block that moved from one thread to another between two reads counts below zero for a moment.
fn bytes_of(count: Count) -> Bytes {
    Bytes(u64::try_from(count.bytes).unwrap_or(0))
}

fn blocks_of(count: Count) -> u64 {
    u64::try_from(count.blocks).unwrap_or(0)
}

impl<A> fmt::Debug for TaggedAllocator<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaggedAllocator").field(&self.live()).finish()
    }
}

/// What stands right in front of each block.
type Mark = u64;

/// Bytes from the start of the block below to the caller's: room for the mark, and the caller's alignment kept.
const fn offset(layout: Layout) -> usize {
    if layout.align() > size_of::<Mark>() { layout.align() } else { size_of::<Mark>() }
}

/// What is asked of the allocator below; `None` if that is more than there can be.
fn layout_below(size: usize, layout: Layout) -> Option<Layout> {
    // A layout's size is at most `isize::MAX`, and so is its alignment: the sum is no overflow.
    let align = if layout.align() > align_of::<Mark>() { layout.align() } else { align_of::<Mark>() };
    Layout::from_size_align(size + offset(layout), align).ok()
}

impl<A> TaggedAllocator<A> {
    /// Marks and counts a block from below.
    ///
    /// # Safety
    ///
    /// `block` is null, or was just allocated for `layout_below(layout.size(), layout)` and is not used yet.
    unsafe fn open(&self, block: *mut u8, layout: Layout) -> *mut u8 {
        if block.is_null() {
            return block;
        }
        let tag = slots::allocated(layout.size());
        // SAFETY: the block has `offset` bytes before the caller's `size`.
        let user = unsafe { block.add(offset(layout)) };
        debug_assert!(user.addr().is_multiple_of(layout.align()));
        // SAFETY: `offset` is at least a mark's size, so these bytes are of the block; they are aligned for a mark
        // since block and offset are.
        unsafe { user.cast::<Mark>().sub(1).write(Mark::from(tag)) };
        user
    }

    /// The tag of a block that [`Self::open`] gave, as an index that is within the table.
    ///
    /// # Safety
    ///
    /// `user` came from `open` and is not freed.
    unsafe fn tag_of(user: *mut u8) -> u8 {
        // SAFETY: `open` wrote it there, and the caller's bytes begin behind it.
        let mark = unsafe { user.cast::<Mark>().sub(1).read() };
        debug_assert!(mark < MOST_TAGS as Mark, "the word in front of a block was overwritten: {mark:#x}");
        (mark % MOST_TAGS as Mark) as u8
    }
}

// SAFETY: each method forwards to one of the allocator below, with a layout that is as large as the caller's and what
// stands in front of it, and gives back the caller's part. That part is aligned as the caller asked, since `offset` is
// a multiple of its alignment and the block below is aligned to it. Nothing here panics or allocates through the
// global allocator: sizes do not overflow, and `slots` takes its memory from the system.
unsafe impl<A: GlobalAlloc> GlobalAlloc for TaggedAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(below) = layout_below(layout.size(), layout) else { return std::ptr::null_mut() };
        // SAFETY: `below` has a mark's size at least, so it is not empty; and `open` takes what it gives.
        unsafe { self.open(self.below.alloc(below), layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(below) = layout_below(layout.size(), layout) else { return std::ptr::null_mut() };
        // SAFETY: as in `alloc`; the mark is the one thing written, and it is not the caller's.
        unsafe { self.open(self.below.alloc_zeroed(below), layout) }
    }

    unsafe fn dealloc(&self, user: *mut u8, layout: Layout) {
        // SAFETY: the caller's block is one of ours and not freed.
        let tag = unsafe { Self::tag_of(user) };
        slots::changed(tag, (layout.size() as i64).wrapping_neg(), -1);
        // It could be made when the block was allocated.
        let Some(below) = layout_below(layout.size(), layout) else { return };
        // SAFETY: the block below begins `offset` bytes earlier and was allocated with this layout.
        unsafe { self.below.dealloc(user.sub(offset(layout)), below) }
    }

    unsafe fn realloc(&self, user: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (Some(below), Some(wanted)) = (layout_below(layout.size(), layout), layout_below(size, layout))
        else {
            return std::ptr::null_mut();
        };
        // SAFETY: the caller's block is one of ours and not freed.
        let tag = unsafe { Self::tag_of(user) };
        // SAFETY: the block below begins `offset` bytes earlier and was allocated with `below`; the new size is not
        // zero and, rounded up to the alignment, no more than there can be, or `wanted` would not be.
        let block = unsafe { self.below.realloc(user.sub(offset(layout)), below, wanted.size()) };
        if block.is_null() {
            return block;
        }
        // The mark was moved with the rest: a block stays with the tag that it was allocated for.
        slots::changed(tag, (size as i64).wrapping_sub(layout.size() as i64), 0);
        // SAFETY: the moved block is as large as `wanted`.
        unsafe { block.add(offset(layout)) }
    }
}

#[cfg(test)]
mod tests;
