//! The load under the tagged allocator: `allocator_cost` runs it.

mod job;

use std::process::ExitCode;

use monitor::{Tag, TaggedAllocator};

#[global_allocator]
static ALLOCATOR: TaggedAllocator = TaggedAllocator::new();

fn main() -> ExitCode {
    let _under = Tag::new("load").enter();
    job::run(std::env::args().skip(1))
}
