//! What a loader's threads do when there is something more urgent than the next batch, or nothing else.

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

/// Does the one or the other when it is dropped.
pub(crate) struct Until<'a> {
    work: &'a dyn SideWork,
    end: fn(&dyn SideWork),
}

impl<'a> Until<'a> {
    /// A thread that comes by, until it leaves.
    pub(crate) fn it_leaves(work: &'a dyn SideWork) -> Until<'a> {
        work.arrive();
        Until { work, end: |work| work.leave() }
    }

    /// A thread that comes by and waits for something else, until it is back.
    pub(crate) fn it_is_back(work: &'a dyn SideWork) -> Until<'a> {
        work.leave();
        Until { work, end: |work| work.arrive() }
    }
}

impl Drop for Until<'_> {
    fn drop(&mut self) {
        (self.end)(self.work);
    }
}
