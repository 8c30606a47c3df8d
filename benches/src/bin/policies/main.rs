//! What each policy does in each of the simulator's scenarios, as a Markdown table for the project's README.

use std::io::{self, Write};

use adaptive::simulator::{Course, Loader, Outcome, Scenario};
use adaptive::{Aimd, AutoSize, Policy, StepRule};
use chunked_loader::FixedRows;
use monitor::Bytes;

/// Runs of each policy in each scenario.
const SEEDS: u64 = 32;

/// A policy, and how to begin with it.
type Entry = (&'static str, fn() -> Box<dyn Policy>);

const POLICIES: [Entry; 5] = [
    ("`auto`", || Box::new(AutoSize::new())),
    ("`auto` without its caps", || Box::new(AutoSize::new().with_most(Bytes::MAX, usize::MAX))),
    ("`step`", || Box::<StepRule>::default()),
    ("`aimd`", || Box::<Aimd>::default()),
    ("`fixed`, 50 000 rows", || Box::new(FixedRows(50_000))),
];

/// A run with the cut, and the seconds that the oracle takes for it.
#[derive(Clone)]
struct Run {
    outcome: Outcome,
    oracle: f64,
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "| scenario | policy | overshoot | without the cut | throughput | recovery | refused |")?;
    writeln!(out, "|---|---|--:|--:|--:|--:|--:|")?;
    for scenario in Scenario::ALL {
        let mut rows: Vec<(Vec<Run>, Vec<Outcome>)> = vec![Default::default(); POLICIES.len()];
        for seed in 1..=SEEDS {
            let course = Course::new(scenario, seed);
            let oracle = course.oracle_seconds();
            for ((cut, uncut), (_, policy)) in rows.iter_mut().zip(POLICIES) {
                cut.push(Run { outcome: course.run(&mut policy(), Loader::Cutting), oracle });
                uncut.push(course.run(&mut policy(), Loader::Uncut));
            }
        }
        for ((cut, uncut), (name, _)) in rows.iter().zip(POLICIES) {
            let whole = || cut.iter().filter(|run| !run.outcome.is_refused);
            writeln!(
                out,
                "| {} | {name} | {} | {} | {} | {} | {} |",
                scenario.name(),
                percent(percentile(cut.iter().map(|run| run.outcome.overshoot), 0.99)),
                percent(percentile(uncut.iter().map(|outcome| outcome.overshoot), 0.99)),
                percent(percentile(whole().map(|run| run.oracle / run.outcome.seconds), 0.5)),
                batches(percentile(whole().map(|run| recovery(&run.outcome)), 0.99)),
                cut.len() - whole().count(),
            )?;
        }
    }
    Ok(())
}

fn recovery(outcome: &Outcome) -> f64 {
    outcome.recovery.map_or(f64::INFINITY, |batches| batches as f64)
}

/// The least of the figures that `share` of them do not exceed; `None` without any.
fn percentile(figures: impl Iterator<Item = f64>, share: f64) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let rank = (share * figures.len() as f64).ceil() as usize;
    figures.get(rank.saturating_sub(1)).copied()
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

fn batches(count: Option<f64>) -> String {
    match count {
        Some(count) if count.is_finite() => format!("{count}"),
        Some(_) => "never".to_owned(),
        None => "-".to_owned(),
    }
}
