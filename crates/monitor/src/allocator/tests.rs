use std::alloc::{GlobalAlloc, Layout};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use proptest::prelude::*;

use super::*;

static ALLOCATOR: TaggedAllocator = TaggedAllocator::new();

/// Bytes and blocks in use under a tag. Tests have tags of their own, since they run side by side.
fn held(tag: Tag) -> (u64, u64) {
    let line = ALLOCATOR.tags().into_iter().find(|line| line.name == tag.name()).unwrap();
    (line.live_bytes.get(), line.live_allocations)
}

/// A block that frees itself, on whatever thread it is.
struct Block(*mut u8, Layout);

// SAFETY: nothing but this value refers to the block.
unsafe impl Send for Block {}

impl Block {
    fn new(size: usize, align: usize) -> Block {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: sizes here are not zero.
        let block = unsafe { ALLOCATOR.alloc(layout) };
        assert!(!block.is_null() && block.addr().is_multiple_of(align));
        Block(block, layout)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout and is dropped once.
        unsafe { ALLOCATOR.dealloc(self.0, self.1) }
    }
}

#[test]
fn a_free_is_credited_to_the_tag_that_allocated() {
    let (loader, sink) = (Tag::new("loader of a test"), Tag::new("sink of a test"));
    let block = {
        let _under = loader.enter();
        let block = Block::new(1000, 8);
        {
            let _inner = sink.enter();
            let _other = Block::new(70, 1);
            assert_eq!((held(loader), held(sink)), ((1000, 1), (70, 1)));
        }
        assert_eq!(Tag::current(), loader);
        block
    };
    assert_ne!(Tag::current(), loader);
    let _under = sink.enter();
    drop(block);
    assert_eq!((held(loader), held(sink)), ((0, 0), (0, 0)));
}

#[test]
fn a_free_on_another_thread_counts_and_what_a_thread_counted_outlives_it() {
    let tag = Tag::new("moves between threads");
    let (sender, receiver) = mpsc::channel::<Block>();
    let freer = thread::spawn(move || receiver.into_iter().for_each(drop));
    thread::spawn(move || {
        let _under = tag.enter();
        let kept: Vec<Block> = (0..100).map(|_| Block::new(10, 1)).collect();
        (0..50).for_each(|_| sender.send(Block::new(100, 1)).unwrap());
        std::mem::forget(kept);
    })
    .join()
    .unwrap();
    freer.join().unwrap();
    // Both threads are gone; one slot has 150 blocks, the other −50, and no drop freed the hundred.
    assert_eq!(held(tag), (1000, 100));
}

#[test]
fn slots_of_ended_threads_are_taken_over() {
    let tag = Tag::new("many threads");
    for _ in 0..300 {
        thread::spawn(move || {
            let _under = tag.enter();
            std::mem::forget(Block::new(3, 1));
        })
        .join()
        .unwrap();
    }
    assert_eq!(held(tag), (900, 300));
    // Other tests have threads, too, but not so many.
    assert!(slots::slot_count() < 150, "{}", slots::slot_count());
}

#[test]
fn no_count_is_lost_between_many_threads() {
    let tag = Tag::new("crowd");
    let alive = AtomicUsize::new(0);
    thread::scope(|scope| {
        for seed in 0..8u64 {
            let alive = &alive;
            scope.spawn(move || {
                for round in 0..40 {
                    // Threads that come and go while others count.
                    thread::scope(|inner| {
                        inner.spawn(|| {
                            let _under = tag.enter();
                            let mut blocks: Vec<Block> = Vec::new();
                            for step in 0..200u64 {
                                if (step * (seed + round) * 7919) % 3 == 0 {
                                    blocks.pop();
                                } else {
                                    blocks.push(Block::new(1 + (step % 90) as usize, 1));
                                }
                            }
                            let left = blocks.len();
                            blocks.into_iter().for_each(std::mem::forget);
                            alive.fetch_add(left, Ordering::Relaxed);
                        });
                    });
                }
            });
        }
    });
    assert_eq!(held(tag).1, alive.into_inner() as u64);
}

#[test]
fn it_works_while_a_thread_is_torn_down() {
    static TAG: std::sync::OnceLock<Tag> = std::sync::OnceLock::new();
    struct AtTheEnd(RefCell<Vec<Block>>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let _under = TAG.get().unwrap().enter();
            self.0.borrow_mut().clear();
            std::mem::forget(Block::new(5, 1));
        }
    }
    thread_local! { static KEPT: AtTheEnd = const { AtTheEnd(RefCell::new(Vec::new())) } }
    let tag = *TAG.get_or_init(|| Tag::new("torn down"));
    for order in 0..2 {
        thread::spawn(move || {
            let _under = tag.enter();
            // Drops run in reverse order of first use: once before the allocator's own, once after.
            if order == 0 {
                drop(Block::new(1, 1));
            }
            KEPT.with(|_| ());
            let block = Block::new(1000, 1);
            KEPT.with(|kept| kept.0.borrow_mut().push(block));
        })
        .join()
        .unwrap();
    }
    assert_eq!(held(tag), (10, 2));
}

#[test]
fn what_cannot_be_had_is_null_and_not_counted() {
    struct Empty;
    // SAFETY: it gives nothing.
    unsafe impl GlobalAlloc for Empty {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            std::ptr::null_mut()
        }
        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
        unsafe fn realloc(&self, _: *mut u8, _: Layout, _: usize) -> *mut u8 {
            std::ptr::null_mut()
        }
    }
    let tag = Tag::new("refused");
    let _under = tag.enter();
    let empty = TaggedAllocator::over(Empty);
    let small = Layout::new::<u64>();
    let most = Layout::from_size_align(isize::MAX as usize, 1).unwrap();
    // SAFETY: no layout here is empty, and what is reallocated is alive.
    unsafe {
        assert!(empty.alloc(small).is_null() && empty.alloc_zeroed(small).is_null());
        // With the mark, more than there can be.
        assert!(ALLOCATOR.alloc(most).is_null() && ALLOCATOR.alloc_zeroed(most).is_null());
        let block = Block::new(8, 8);
        block.0.cast::<u64>().write(77);
        assert!(empty.realloc(block.0, block.1, 16).is_null());
        assert!(ALLOCATOR.realloc(block.0, block.1, isize::MAX as usize - 7).is_null());
        // A growth that failed leaves the block as it was.
        assert_eq!((block.0.cast::<u64>().read(), held(tag)), (77, (8, 1)));
    }
    assert_eq!(held(tag), (0, 0));
}

#[derive(Clone, Debug)]
enum Act {
    Allocate { size: usize, align: u32, zeroed: bool },
    Resize { which: usize, size: usize },
    Free { which: usize },
}

fn acts() -> impl Strategy<Value = Act> {
    let size = prop_oneof![1usize..300, 1usize..100_000];
    prop_oneof![
        (size.clone(), 0u32..13, any::<bool>()).prop_map(|(size, align, zeroed)| Act::Allocate {
            size,
            align,
            zeroed
        }),
        (any::<usize>(), size).prop_map(|(which, size)| Act::Resize { which, size }),
        any::<usize>().prop_map(|which| Act::Free { which }),
    ]
}

proptest! {
    /// The twin is a list of what each block should hold. Every byte of every block is looked at after each step, so that
    /// a mark that lies in a block, or a block in another, shows.
    #[test]
    fn blocks_keep_what_is_written(acts in proptest::collection::vec(acts(), 0..40)) {
        let tag = Tag::new("twin");
        // Cases of one test run one after the other.
        let before = held(tag);
        let _under = tag.enter();
        let mut blocks: Vec<(Block, Vec<u8>)> = Vec::new();
        for (step, act) in acts.into_iter().enumerate() {
            let fill = |len: usize| (0..len).map(|i| (i + 31 * step) as u8).collect::<Vec<u8>>();
            match act {
                Act::Allocate { size, align, zeroed } => {
                    let layout = Layout::from_size_align(size, 1 << align).unwrap();
                    // SAFETY: the size is not zero.
                    let block = unsafe {
                        if zeroed { ALLOCATOR.alloc_zeroed(layout) } else { ALLOCATOR.alloc(layout) }
                    };
                    prop_assert!(!block.is_null() && block.addr().is_multiple_of(1 << align));
                    if zeroed {
                        // SAFETY: the block has that many bytes, all written.
                        let bytes = unsafe { std::slice::from_raw_parts(block, size) };
                        prop_assert!(bytes.iter().all(|byte| *byte == 0));
                    }
                    let content = fill(size);
                    // SAFETY: the block has that many bytes.
                    unsafe { block.copy_from_nonoverlapping(content.as_ptr(), size) };
                    blocks.push((Block(block, layout), content));
                }
                Act::Resize { which, size } if !blocks.is_empty() => {
                    let which = which % blocks.len();
                    let (block, content) = &mut blocks[which];
                    // SAFETY: the block is alive, and no size here is zero or near the most.
                    block.0 = unsafe { ALLOCATOR.realloc(block.0, block.1, size) };
                    let align = block.1.align();
                    prop_assert!(!block.0.is_null() && block.0.addr().is_multiple_of(align));
                    block.1 = Layout::from_size_align(size, align).unwrap();
                    let old = content.len().min(size);
                    content.truncate(old);
                    content.extend(fill(size - old));
                    // SAFETY: the block has `size` bytes, and the content, too.
                    unsafe { block.0.add(old).copy_from_nonoverlapping(content[old..].as_ptr(), size - old) };
                }
                Act::Free { which } if !blocks.is_empty() => {
                    blocks.swap_remove(which % blocks.len());
                }
                _ => {}
            }
            for (block, content) in &blocks {
                // SAFETY: the block has that many bytes, all written.
                let bytes = unsafe { std::slice::from_raw_parts(block.0, content.len()) };
                prop_assert_eq!(bytes, &content[..]);
            }
            let bytes: usize = blocks.iter().map(|(_, content)| content.len()).sum();
            prop_assert_eq!(held(tag), (before.0 + bytes as u64, before.1 + blocks.len() as u64));
        }
        drop(blocks);
        prop_assert_eq!(held(tag), before);
    }
}

#[test]
fn marks_are_no_smaller_than_alignment_wants() {
    for align in (0..13).map(|power| 1usize << power) {
        let layout = Layout::from_size_align(1, align).unwrap();
        assert_eq!(offset(layout), align.max(8));
        assert!(offset(layout).is_multiple_of(align));
        assert_eq!(layout_below(1, layout).unwrap().align(), align.max(8));
    }
}
