//! Which pages of a column are compressed to see whether that makes them shorter.

/// Pages that are stored as they are after one that compression did not make shorter; after each further one twice as many
/// and one, up to the most. A column that does not compress seldom begins to.
const LEAST_SKIPPED: u32 = 7;
const MOST_SKIPPED: u32 = 63;

/// See the module's documentation. It goes on from row group to row group, so that what is tried depends on the rows of the
/// file alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trials {
    /// Pages to come that are not tried.
    left: u32,
    /// Pages that were not tried after the last failure, if nothing has succeeded since.
    skipped: u32,
}

impl Trials {
    /// Whether the next page is tried.
    pub(super) fn next(&mut self) -> bool {
        let is_due = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_due
    }

    /// Notes what a trial has come to.
    pub(super) fn note(&mut self, is_shorter: bool) {
        self.skipped = match is_shorter {
            true => 0,
            false => (2 * self.skipped + 1).clamp(LEAST_SKIPPED, MOST_SKIPPED),
        };
        self.left = self.skipped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pages are passed over until the next trial.
    fn passed_over(trials: &mut Trials) -> usize {
        (0..).take_while(|_| !trials.next()).count()
    }

    #[test]
    fn failures_make_trials_rare_and_one_success_ends_that() {
        let mut trials = Trials::default();
        assert_eq!(passed_over(&mut trials), 0);
        let rarer = [7, 15, 31, 63, 63].map(|expected| {
            trials.note(false);
            (passed_over(&mut trials), expected)
        });
        assert!(rarer.iter().all(|(found, expected)| found == expected), "{rarer:?}");
        trials.note(true);
        assert_eq!(passed_over(&mut trials), 0);
        trials.note(false);
        assert_eq!(passed_over(&mut trials), 7);
    }
}
