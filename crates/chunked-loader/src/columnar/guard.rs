//! Calls of decoders that panic on some damaged bytes, which are outside bytes like any others.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// A panic cannot be handed anything, so that its hook has to ask.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls a decoder; an error is what it panicked with. Nothing that it has touched is used afterwards.
pub(super) fn guarded<R>(call: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let before = IS_GUARDED.replace(true);
    let called = catch_unwind(AssertUnwindSafe(call));
    IS_GUARDED.set(before);
    called
}

/// Whether a panic of this thread would be caught and told as an error of damaged input, so that the hook of a program
/// need not print it.
///
/// ```
/// assert!(!chunked_loader::catches_panics());
/// ```
pub fn catches_panics() -> bool {
    IS_GUARDED.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_known_as_one_while_it_unwinds() {
        assert!(guarded(catches_panics).unwrap());
        assert!(guarded(|| panic!("damaged")).is_err());
        assert!(!catches_panics());
    }
}
