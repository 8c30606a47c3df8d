//! A figure that is dear to read, kept until it is too old.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::locks::locked;

/// The figure and when it was read.
#[derive(Debug)]
pub(super) struct Kept<T>(Mutex<Option<(Instant, T)>>);

impl<T: Copy> Kept<T> {
    pub(super) fn nothing() -> Kept<T> {
        Kept(Mutex::new(None))
    }

    /// The figure and its age, which is below `oldest` or zero: it is read anew if it is older.
    pub(super) fn get(
        &self,
        oldest: Duration,
        read: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(T, Duration), Error> {
        // Held while it is read, so that threads that find it too old together read it once.
        let mut kept = locked(&self.0);
        let now = Instant::now();
        if let Some((read_at, figure)) = *kept {
            let age = now - read_at;
            if age < oldest {
                return Ok((figure, age));
            }
        }
        let figure = read()?;
        *kept = Some((now, figure));
        Ok((figure, Duration::ZERO))
    }

    pub(super) fn forget(&self) {
        *locked(&self.0) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_once_until_it_is_too_old_or_forgotten() {
        let kept = Kept::nothing();
        assert_eq!(kept.get(Duration::MAX, || Ok(1)).unwrap(), (1, Duration::ZERO));
        let (figure, age) = kept.get(Duration::MAX, || Ok(2)).unwrap();
        assert!(figure == 1 && age > Duration::ZERO);
        assert_eq!(kept.get(Duration::ZERO, || Ok(3)).unwrap(), (3, Duration::ZERO));
        kept.forget();
        assert_eq!(kept.get(Duration::MAX, || Ok(4)).unwrap().0, 4);
        // A failure leaves what was kept.
        assert!(kept.get(Duration::ZERO, || Err(Error::unsupported())).is_err());
        assert_eq!(kept.get(Duration::MAX, || Ok(5)).unwrap().0, 4);
    }
}
