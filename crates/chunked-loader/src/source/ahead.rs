//! A reader that is read ahead by a thread of its own, so that decompressing and parsing overlap.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use monitor::{Budget, BudgetExceeded, Bytes, Reservation, Tag};

/// The bytes of another reader, in the same order, with its error where it came.
///
/// Dropping it stops the thread and waits for it: no longer than the reader takes for one buffer.
pub(crate) struct Ahead {
    full: Option<Receiver<Piece>>,
    empty: Option<Sender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
    current: Vec<u8>,
    at: usize,
    end: End,
    _held: Reservation,
}

/// What the thread sends: bytes, then how they end, if they do.
struct Piece {
    bytes: Vec<u8>,
    end: Option<io::Result<()>>,
}

/// How it goes on behind `current`.
enum End {
    More,
    Ended,
    Failed(Option<io::Error>),
}

/// Bytes of one buffer.
const BUFFER: usize = 256 << 10;

/// Buffers: one that is filled, one that waits, one that is read.
const BUFFERS: usize = 3;

/// Buffers set aside for a reader that is to be read ahead.
pub(crate) fn reserve(budget: &Budget) -> Result<Reservation, BudgetExceeded> {
    budget.consumer("read ahead").try_reserve(Bytes::from(BUFFERS * BUFFER))
}

impl Ahead {
    /// Starts the thread. `held` is from [`reserve`].
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub(crate) fn new(mut reader: Box<dyn Read + Send>, held: Reservation) -> io::Result<Ahead> {
        // Room for all buffers, so that neither side waits for the other to take note.
        let (send_full, full) = sync_channel::<Piece>(BUFFERS);
        let (empty, take_empty) = channel();
        for _ in 1..BUFFERS {
            // The other end is alive: it is the next line's.
            let _ = empty.send(Vec::with_capacity(BUFFER));
        }
        let tag = Tag::current();
        let thread = std::thread::Builder::new().name("read ahead".to_owned()).spawn(move || {
            let _under = tag.enter();
            read_ahead(&mut reader, &take_empty, &send_full);
        })?;
        Ok(Ahead {
            full: Some(full),
            empty: Some(empty),
            thread: Some(thread),
            current: Vec::with_capacity(BUFFER),
            at: 0,
            end: End::More,
            _held: held,
        })
    }

    /// Waits for the thread, which is at its end or finds that nobody waits any more.
    fn join(&mut self) {
        self.full = None;
        self.empty = None;
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }

    /// Takes the next piece; `current` stays empty behind the last.
    fn next(&mut self) -> io::Result<()> {
        match &mut self.end {
            End::Ended => return Ok(()),
            End::Failed(error) => {
                return Err(error.take().unwrap_or_else(|| io::Error::other("it failed before")));
            }
            End::More => {}
        }
        match self.full.as_ref().and_then(|full| full.recv().ok()) {
            Some(piece) => {
                let used = std::mem::replace(&mut self.current, piece.bytes);
                self.at = 0;
                match piece.end {
                    // At its end the thread takes none any more, which is no matter.
                    None => drop(self.empty.as_ref().map(|empty| empty.send(used))),
                    Some(Ok(())) => self.end = End::Ended,
                    Some(Err(error)) => self.end = End::Failed(Some(error)),
                }
                Ok(())
            }
            None => {
                // It ended without saying how: a panic, which goes on here.
                self.join();
                Err(io::Error::other("the thread that reads ahead is gone"))
            }
        }
    }
}

fn read_ahead(reader: &mut dyn Read, empty: &Receiver<Vec<u8>>, full: &SyncSender<Piece>) {
    // An error of either channel means that nobody waits any more.
    while let Ok(mut bytes) = empty.recv() {
        // Clears nothing but what a recycled buffer had not in use.
        bytes.resize(BUFFER, 0);
        let mut len = 0;
        let mut end = None;
        while len < BUFFER && end.is_none() {
            match reader.read(&mut bytes[len..]) {
                Ok(0) => end = Some(Ok(())),
                Ok(n) => len += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => end = Some(Err(e)),
            }
        }
        bytes.truncate(len);
        let is_end = end.is_some();
        if full.send(Piece { bytes, end }).is_err() || is_end {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while self.at == self.current.len() {
            if matches!(self.end, End::Ended) {
                return Ok(0);
            }
            self.next()?;
        }
        let n = (&self.current[self.at..]).read(out)?;
        self.at += n;
        Ok(n)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::source::stored::tests::{Trickle, drain};

    fn ahead(reader: impl Read + Send + 'static) -> Ahead {
        Ahead::new(Box::new(reader), reserve(&Budget::unbounded()).unwrap()).unwrap()
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no more"))
        }
    }

    #[test]
    fn all_bytes_come_in_order() {
        for len in [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 5 * BUFFER + 7] {
            let expected = bytes(len);
            let (got, end) = drain(&mut ahead(Trickle::new(&expected, &[70_000, 3])), &[1000, 100_000]);
            assert!(end.is_ok() && got == expected, "{len}");
        }
    }

    #[test]
    fn an_error_comes_behind_the_bytes_before_it_and_stays() {
        for len in [0, 10, BUFFER, 2 * BUFFER + 1] {
            let expected = bytes(len);
            let mut reader = ahead(io::Cursor::new(expected.clone()).chain(Failing));
            let (got, end) = drain(&mut reader, &[10_000]);
            assert_eq!(end.unwrap_err().to_string(), "no more");
            assert!(got == expected, "{len}");
            assert!(reader.read(&mut [0; 10]).is_err());
        }
    }

    /// Never ends, and counts how often it is asked.
    struct Endless(Arc<AtomicUsize>);

    impl Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0.fetch_add(1, Ordering::Relaxed);
            out.fill(b'x');
            Ok(out.len())
        }
    }

    #[test]
    fn it_reads_no_further_than_its_buffers_and_stops_when_dropped() {
        let budget = Budget::new(Bytes::kib(768));
        let asked = Arc::new(AtomicUsize::new(0));
        let mut reader =
            Ahead::new(Box::new(Endless(Arc::clone(&asked))), reserve(&budget).unwrap()).unwrap();
        assert!(reserve(&budget).is_err(), "its buffers are reserved");
        for _ in 0..20 {
            assert_eq!(reader.read(&mut vec![0; BUFFER]).unwrap(), BUFFER);
        }
        drop(reader);
        let fills = asked.load(Ordering::Relaxed);
        assert!((20..=20 + BUFFERS).contains(&fills), "{fills}");
        assert_eq!(budget.reserved(), Bytes::ZERO);
    }

    struct Panicking;

    impl Read for Panicking {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("a defect")
        }
    }

    #[test]
    #[should_panic(expected = "a defect")]
    fn a_panic_of_the_thread_goes_on_in_the_reader() {
        let _ = ahead(Panicking).read(&mut [0; 10]);
    }
}
