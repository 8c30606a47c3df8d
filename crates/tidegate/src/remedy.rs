//! What the flags can do about a refused reservation, with figures as far as they are known.

use monitor::{BudgetExceeded, Bytes};

use crate::args::{Command, Run};

/// What jobs are made for whatever their input is like: below it more may be refused later, by those whose turn it is then.
const LEAST_BUDGET: Bytes = Bytes::mib(48);
/// Those that hold a part for each thread.
const BY_THREADS: [&str; 6] = ["block", "index", "scan", "page", "encoding threads", "batch"];
/// What comes behind a request takes more, as a rule: this part of what the request alone would need.
const LATER_PART: u64 = 8;

/// What a remedy depends on of a command's flags.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    threads: usize,
    has_batch_rows: bool,
}

impl Flags {
    pub(crate) fn of(command: &Command) -> Flags {
        let run = match command {
            Command::Inspect(args) => &args.run,
            Command::Convert(args) => &args.run,
            Command::Fit(args) => &args.run,
            Command::Transform(args) => &args.run,
            Command::FitTransform(args) => &args.run,
            Command::Bench(_) | Command::Merge(_) | Command::Train(_) | Command::Predict(_) => {
                return Flags::default();
            }
        };
        let Run { threads, batch_rows, .. } = run;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Flags {
            threads: threads.unwrap_or_else(cores),
            has_batch_rows: batch_rows.as_ref().is_some_and(|rows| rows != "auto"),
        }
    }

    /// What to give instead, behind a refusal's own words.
    pub(crate) fn remedy(self, refusal: &BudgetExceeded) -> String {
        let mut remedy = format!("; give --memory {}", memory(refusal));
        if self.is_enough_on_one_thread(refusal) {
            remedy += ", or --threads 1";
        }
        if self.has_batch_rows {
            remedy += ", or --batch-rows less";
        }
        remedy
    }

    /// Whether one thread leaves what was asked for, by what each of them holds.
    fn is_enough_on_one_thread(self, refusal: &BudgetExceeded) -> bool {
        let Some(others) = self.threads.checked_sub(1).filter(|others| *others > 0) else { return false };
        let held = refusal.holders().iter().filter(|holder| BY_THREADS.contains(&holder.name.as_str()));
        let held: Bytes = held.map(|holder| holder.live).sum();
        let given_back = held.get() / self.threads as u64 * others as u64;
        given_back >= refusal.requested().saturating_sub(refusal.available()).get()
    }
}

/// A budget at which the job should go through, as `--memory` takes it. Where the request alone needs little, it is what
/// is enough for any input; else a part more than that, for what comes later and is not known yet.
fn memory(refusal: &BudgetExceeded) -> String {
    let least = refusal.smallest_limit();
    shown(least.saturating_add(Bytes(least.get() / LATER_PART)))
}

/// At least `bytes`, and what is enough for any input, in whole MiB.
pub(crate) fn shown(bytes: Bytes) -> String {
    format!("{}MiB", bytes.max(LEAST_BUDGET).get().div_ceil(Bytes::mib(1).get()))
}

#[cfg(test)]
mod tests {
    use monitor::Budget;

    use super::*;

    /// The refusal of a request within `limit` of which `process` and `block` hold something, in MiB.
    fn refusal(limit: u64, process: u64, block: u64, requested: u64) -> BudgetExceeded {
        let budget = Budget::new(Bytes::mib(limit));
        let _process = budget.consumer("process").try_reserve(Bytes::mib(process)).unwrap();
        let _block = budget.consumer("block").try_reserve(Bytes::mib(block)).unwrap();
        budget.consumer("scan").try_reserve(Bytes::mib(requested)).unwrap_err()
    }

    #[test]
    fn a_figure_leaves_room_for_what_comes_later() {
        let flags = Flags { threads: 1, has_batch_rows: false };
        assert_eq!(flags.remedy(&refusal(20, 18, 1, 2)), "; give --memory 48MiB");
        assert_eq!(flags.remedy(&refusal(100, 20, 70, 20)), "; give --memory 124MiB");
    }

    #[test]
    fn one_thread_is_advised_where_it_is_enough() {
        let flags = |threads| Flags { threads, has_batch_rows: true };
        let (enough, short) = (refusal(48, 20, 20, 18), refusal(48, 20, 18, 20));
        let alone = "; give --memory 66MiB, or --threads 1, or --batch-rows less";
        assert_eq!(flags(2).remedy(&enough), alone);
        assert_eq!(flags(2).remedy(&short), "; give --memory 66MiB, or --batch-rows less");
        assert_eq!(flags(4).remedy(&short), alone);
        assert_eq!(flags(1).remedy(&enough), "; give --memory 66MiB, or --batch-rows less");
    }
}
