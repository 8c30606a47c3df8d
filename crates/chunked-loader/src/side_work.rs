//! What a loader's threads do when there is something more urgent than the next batch, or nothing else.

use std::sync::Arc;

/// Work of somebody else in which the threads of a loader take part: mostly of whoever takes the batches, and cannot go
/// on before it is done.
///
/// With threads of his own for that, there would be more of them than processors: they would take the processors from the
/// loader's, and from each other.
///
/// See [`Loader::with_side_work`](crate::Loader::with_side_work).
pub trait SideWork: Send + Sync {
    /// The calling thread begins to come by.
    fn arrive(&self) {}

    /// Does what there is to do, and says whether there was anything. Called between batches.
    fn help(&self) -> bool;

    /// The calling thread is about to wait, or to end: what there is to do is somebody else's until it
    /// [arrives](Self::arrive) again.
    fn leave(&self) {}
}

/// A thread that waits for something else, until this is dropped.
pub(crate) struct Away<'a>(&'a dyn SideWork);

impl<'a> Away<'a> {
    pub(crate) fn new(work: Option<&'a Arc<dyn SideWork>>) -> Option<Away<'a>> {
        work.map(|work| {
            work.leave();
            Away(work.as_ref())
        })
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.0.arrive();
    }
}

/// A thread that comes by, until this is dropped.
pub(crate) struct Present<'a>(&'a dyn SideWork);

impl<'a> Present<'a> {
    pub(crate) fn new(work: Option<&'a Arc<dyn SideWork>>) -> Option<Present<'a>> {
        work.map(|work| {
            work.arrive();
            Present(work.as_ref())
        })
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
