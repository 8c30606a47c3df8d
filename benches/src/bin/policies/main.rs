//! What each policy does in each of the simulator's scenarios, as Markdown tables for the project's README.

use std::io::{self, Write};

use adaptive::simulator::{Course, Loader, Outcome, Scenario};
use adaptive::{Aimd, AutoSize, Policy, StepRule};
use chunked_loader::FixedRows;
use monitor::Bytes;

/// Runs of each policy in each scenario.
const SEEDS: u64 = 32;

/// A policy, and how to begin with it.
type Entry = (&'static str, fn(&Course) -> Box<dyn Policy>);

const POLICIES: [Entry; 6] = [
    ("`auto`", |course| Box::new(auto(course))),
    ("its law alone", |course| Box::new(auto(course).with_most(Bytes::MAX, usize::MAX))),
    ("`step`", |_| Box::<StepRule>::default()),
    ("`aimd`", |_| Box::<Aimd>::default()),
    ("10 000 rows", |_| Box::new(FixedRows(10_000))),
    ("50 000 rows", |_| Box::new(FixedRows(50_000))),
];

/// As the command has it: what is made of a row is known beforehand, if the consumer knows it.
fn auto(course: &Course) -> AutoSize {
    AutoSize::new().with_row_bytes_downstream(course.row_bytes_downstream())
}

/// The runs of one policy in one scenario.
#[derive(Clone, Default)]
struct Runs {
    cutting: Vec<Outcome>,
    uncut: Vec<Outcome>,
    /// Throughput with the cut over the oracle's, of the runs that were not refused.
    throughput: Vec<f64>,
}

fn main() -> io::Result<()> {
    let all: Vec<(Scenario, Vec<Runs>)> = Scenario::ALL.map(|scenario| (scenario, runs(scenario))).into();
    let out = &mut io::stdout().lock();
    writeln!(out, "Overshoot with the cut, and without it where that is another:\n")?;
    table(out, &all, |runs| {
        let [cutting, uncut] = [&runs.cutting, &runs.uncut].map(|outcomes| {
            percent(percentile(outcomes.iter().map(|outcome| outcome.overshoot), 0.99).unwrap_or(0.0))
        });
        if cutting == uncut { cutting } else { format!("{cutting}, {uncut}") }
    })?;
    writeln!(out, "\nThroughput over the oracle's, and batches until one is as good within 10 %:\n")?;
    table(out, &all, |runs| {
        let refused = runs.cutting.len() - runs.throughput.len();
        let Some(throughput) = percentile(runs.throughput.iter().copied(), 0.5) else {
            return "refused".to_owned();
        };
        let whole = runs.cutting.iter().filter(|outcome| !outcome.is_refused);
        let recovery = whole.map(|outcome| outcome.recovery.map_or(f64::INFINITY, |batches| batches as f64));
        let recovery = percentile(recovery, 0.99).filter(|batches| batches.is_finite());
        let mut cell =
            format!("{}, {}", percent(throughput), recovery.map_or("never".to_owned(), |n| n.to_string()));
        if refused > 0 {
            cell += &format!(" ({refused} of {SEEDS} refused)");
        }
        cell
    })
}

fn runs(scenario: Scenario) -> Vec<Runs> {
    let mut all = vec![Runs::default(); POLICIES.len()];
    for seed in 1..=SEEDS {
        let course = Course::new(scenario, seed);
        let oracle = course.oracle_seconds();
        for (runs, (_, policy)) in all.iter_mut().zip(POLICIES) {
            let outcome = course.run(&mut policy(&course), Loader::Cutting);
            if !outcome.is_refused {
                runs.throughput.push(oracle / outcome.seconds);
            }
            runs.cutting.push(outcome);
            runs.uncut.push(course.run(&mut policy(&course), Loader::Uncut));
        }
    }
    all
}

fn table(
    out: &mut impl Write,
    all: &[(Scenario, Vec<Runs>)],
    cell: impl Fn(&Runs) -> String,
) -> io::Result<()> {
    let names = POLICIES.map(|(name, _)| name);
    writeln!(out, "|  | {} |\n|---|{}", names.join(" | "), "--:|".repeat(names.len()))?;
    for (scenario, runs) in all {
        let cells: Vec<String> = runs.iter().map(&cell).collect();
        writeln!(out, "| {} | {} |", scenario.name(), cells.join(" | "))?;
    }
    Ok(())
}

/// The least of the figures that `share` of them do not exceed; `None` without any.
fn percentile(figures: impl Iterator<Item = f64>, share: f64) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let rank = (share * figures.len() as f64).ceil() as usize;
    figures.get(rank.saturating_sub(1)).copied()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
