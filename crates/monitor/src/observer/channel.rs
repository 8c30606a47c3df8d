//! An observer at the other end of a channel, such as the progress bar of a task queue.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::{Observer, Progress};

/// Sends each [`Progress`] to a [`ProgressReceiver`]. See [`progress_channel`].
///
/// It never waits. What finds the channel full takes the place of what found it full before, and goes ahead of
/// the next one as soon as there is room, so that a slow reader misses what lies between and never the latest.
/// The last of all is sent when this is dropped, if there is room then.
#[derive(Debug)]
pub struct ChannelObserver {
    sender: SyncSender<Progress>,
    /// The latest that did not fit.
    waiting: Option<Progress>,
}

/// The other end of a [`ChannelObserver`]'s channel.
///
/// ```
/// use monitor::{Observer, Progress, progress_channel};
///
/// let (mut observer, progress) = progress_channel(1);
/// for _ in 0..5 {
///     observer.observe(&Progress::default())?;
/// }
/// assert!(progress.try_recv().is_some());
/// // The last one waited for room.
/// drop(observer);
/// assert_eq!(progress.iter().count(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ProgressReceiver(Receiver<Progress>);

/// A channel that holds up to `capacity` reports, at least one.
///
/// ```
/// use monitor::{Monitor, progress_channel};
///
/// let (observer, progress) = progress_channel(8);
/// let monitor = Monitor::builder().with_observer(observer).build()?;
/// let scan = monitor.scope("scan");
/// scan.add_rows(10);
/// monitor.report(512, Some(512));
/// let seen = progress.try_recv().expect("it was told");
/// assert_eq!((seen.phase.as_deref(), seen.rows, seen.bytes), (Some("scan"), 10, 512));
/// assert_eq!(progress.try_recv(), None);
/// # Ok::<(), monitor::Error>(())
/// ```
pub fn progress_channel(capacity: usize) -> (ChannelObserver, ProgressReceiver) {
    let (sender, receiver) = sync_channel(capacity.max(1));
    (ChannelObserver { sender, waiting: None }, ProgressReceiver(receiver))
}

impl ChannelObserver {
    fn send(&mut self, progress: Progress) -> io::Result<()> {
        match self.sender.try_send(progress) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(progress)) => {
                self.waiting = Some(progress);
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => {
                Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody receives progress any more"))
            }
        }
    }
}

impl Observer for ChannelObserver {
    fn observe(&mut self, progress: &Progress) -> io::Result<()> {
        if let Some(waiting) = self.waiting.take() {
            self.send(waiting)?;
        }
        if self.waiting.is_some() {
            // Still no room, or there was none a moment ago: sent now, it could overtake what waits.
            self.waiting = Some(progress.clone());
            return Ok(());
        }
        self.send(progress.clone())
    }
}

impl Drop for ChannelObserver {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            // Nobody is left to be told that it was lost.
            let _ = self.sender.try_send(waiting);
        }
    }
}

impl ProgressReceiver {
    /// The next one, if it is there.
    pub fn try_recv(&self) -> Option<Progress> {
        self.0.try_recv().ok()
    }

    /// The next one, waiting up to `timeout` for it; `None` if none came, or none will.
    ///
    /// ```
    /// use std::time::Duration;
    /// use monitor::{Observer, Progress, progress_channel};
    ///
    /// let (mut observer, progress) = progress_channel(1);
    /// let work = std::thread::spawn(move || observer.observe(&Progress::default()));
    /// assert_eq!(progress.recv_timeout(Duration::from_secs(60)), Some(Progress::default()));
    /// assert!(work.join().unwrap().is_ok());
    /// // The other end is gone, so there is nothing to wait for.
    /// assert_eq!(progress.recv_timeout(Duration::from_secs(60)), None);
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Progress> {
        self.0.recv_timeout(timeout).ok()
    }

    /// All from now on, waiting for each, until the observer is dropped.
    pub fn iter(&self) -> impl Iterator<Item = Progress> + '_ {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bytes: u64) -> Progress {
        Progress { bytes, ..Progress::default() }
    }

    fn received(receiver: &ProgressReceiver) -> Vec<u64> {
        std::iter::from_fn(|| receiver.try_recv()).map(|progress| progress.bytes).collect()
    }

    #[test]
    fn a_slow_reader_misses_what_lies_between_and_never_the_latest() {
        let (mut observer, receiver) = progress_channel(2);
        for bytes in 1..=5 {
            observer.observe(&at(bytes)).unwrap();
        }
        assert_eq!(received(&receiver), [1, 2]);
        observer.observe(&at(6)).unwrap();
        assert_eq!(received(&receiver), [5, 6]);
        for bytes in 7..=9 {
            observer.observe(&at(bytes)).unwrap();
        }
        assert_eq!(received(&receiver), [7, 8]);
        drop(observer);
        assert_eq!(received(&receiver), [9]);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), None);
    }

    #[test]
    fn what_is_behind_what_waits_does_not_overtake_it() {
        let (mut observer, receiver) = progress_channel(1);
        for bytes in [1, 2] {
            observer.observe(&at(bytes)).unwrap();
        }
        assert_eq!(received(&receiver), [1]);
        // 2 takes the room, 3 waits.
        observer.observe(&at(3)).unwrap();
        assert_eq!(received(&receiver), [2]);
        drop(observer);
        assert_eq!(receiver.iter().map(|progress| progress.bytes).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn nobody_at_the_other_end_is_an_error() {
        let (mut observer, receiver) = progress_channel(1);
        drop(receiver);
        assert_eq!(observer.observe(&at(1)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
