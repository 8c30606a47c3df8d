//! The policies in the simulator: what must hold of them, and traces that show any change of what they do.
//!
//! `UPDATE_GOLDEN=1 cargo test -p adaptive --test simulator` writes the traces anew; what they show is then to be read
//! before it is committed. Logarithms and powers come from the platform's mathematical library, which is the one way in
//! which two platforms could differ in a last byte; the traces hold on Linux with glibc.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::Write;
use std::path::Path;

use adaptive::simulator::{Course, Loader, Outcome, Scenario};
use adaptive::{Aimd, AutoSize, Policy, State, StepRule};
use monitor::Bytes;

/// With so few, the 99th percentile is the worst of them.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=32;

fn runs<P: Policy>(scenario: Scenario, policy: fn(&Course) -> P, loader: Loader) -> Vec<(Course, Outcome)> {
    let run = |seed| {
        let course = Course::new(scenario, seed);
        let outcome = course.run(&mut policy(&course), loader);
        (course, outcome)
    };
    SEEDS.map(run).collect()
}

fn worst<P: Policy>(scenario: Scenario, policy: fn(&Course) -> P, loader: Loader) -> f64 {
    runs(scenario, policy, loader).iter().map(|(_, outcome)| outcome.overshoot).fold(0.0, f64::max)
}

/// As the command has it: what is made of a row is known beforehand, if the consumer knows it.
fn auto(course: &Course) -> AutoSize {
    AutoSize::new().with_row_bytes_downstream(course.row_bytes_downstream())
}

/// The law alone, without the sizes that are worth it.
fn without_caps(course: &Course) -> AutoSize {
    auto(course).with_most(Bytes::MAX, usize::MAX)
}

#[test]
fn auto_never_overshoots_and_is_nearly_as_fast_as_an_oracle() {
    for scenario in Scenario::ALL {
        let most = if scenario == Scenario::Neighbour { 0.05 } else { 0.0 };
        for (seed, (course, outcome)) in SEEDS.zip(runs(scenario, auto, Loader::Cutting)) {
            let about = format!("{}, seed {seed}: {outcome:?}", scenario.name());
            assert!(!outcome.is_refused, "{about}");
            assert!(outcome.overshoot <= most, "{about}");
            let throughput = course.oracle_seconds() / outcome.seconds;
            assert!((0.95..=1.0 + 1e-9).contains(&throughput), "{about}: {throughput}");
            assert!(outcome.recovery.is_some_and(|batches| batches <= 40), "{about}");
        }
    }
}

#[test]
fn the_cut_is_the_guarantee() {
    // The worst that the law does alone, it does by far; with the cut, whatever the rows are, nothing is overdrawn.
    assert!(worst(Scenario::WiderRows, without_caps, Loader::Uncut) > 1.0);
    for scenario in [
        Scenario::Steady,
        Scenario::LittleMemory,
        Scenario::WiderRows,
        Scenario::HeavyTail,
        Scenario::WideConsumer,
    ] {
        assert_eq!(worst(scenario, without_caps, Loader::Cutting), 0.0, "{}", scenario.name());
    }
}

#[test]
fn the_others_show_what_the_scenarios_are_for() {
    // A neighbour catches those who have taken what there was.
    let caught = worst(Scenario::Neighbour, without_caps, Loader::Cutting);
    assert!((0.0..0.15).contains(&caught), "{caught}");
    // A rule that looks at no row asks for too many of the wide ones, and its consumer is refused.
    let step = |_: &Course| StepRule::default();
    let refused = runs(Scenario::WiderRows, step, Loader::Cutting);
    assert!(refused.iter().all(|(_, outcome)| outcome.is_refused));
    assert!(worst(Scenario::WiderRows, step, Loader::Uncut) > 1.0);
    assert!(worst(Scenario::WiderRows, |_| Aimd::default(), Loader::Uncut) > 1.0);
    // A consumer that makes three times as much is refused what came of the largest batches.
    assert!(
        runs(Scenario::Amplification, without_caps, Loader::Cutting)
            .iter()
            .all(|(_, outcome)| outcome.is_refused)
    );
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let outcome = |seed| Course::new(Scenario::Neighbour, seed).run(&mut AutoSize::new(), Loader::Cutting);
    assert_eq!(outcome(1), outcome(1));
    assert_ne!(outcome(1), outcome(2));
}

/// Lines of a trace, at the most: where each batch differs from the one before, as many more would tell no more.
const LINES: usize = 40;

/// A run as text: a line for each batch whose state or reason is new, and for every 50th.
fn trace(scenario: Scenario, policy: fn(&Course) -> AutoSize) -> String {
    let course = Course::new(scenario, 1);
    let policy = &mut policy(&course);
    let mut text =
        "batch state reason most_bytes rows bytes reserved reserved_peak resident limit stalled a\n"
            .to_owned();
    let (mut number, mut lines, mut before) = (0, 0, None);
    let outcome = course.trace(policy, Loader::Cutting, |step| {
        let (seen, decision) = (&step.seen, &step.decision);
        let now = Some((decision.state, decision.reason));
        if (now != before || number % 50 == 0) && lines < LINES {
            lines += 1;
            writeln!(
                text,
                "{number} {} {} {} {} {} {} {} {} {} {:.3} {:.3}",
                decision.state,
                decision.reason,
                decision.limit.bytes.get(),
                step.rows,
                step.bytes.get(),
                seen.reserved.get(),
                seen.reserved_peak.get(),
                seen.outside.resident.unwrap().get(),
                seen.outside.limit.unwrap().get(),
                seen.outside.stalled,
                decision.amplification,
            )
            .unwrap();
        }
        (number, before) = (number + 1, now);
    });
    let Outcome { overshoot, seconds, batches, cuts, is_refused, recovery } = outcome;
    writeln!(
        text,
        "overshoot {overshoot:.4} seconds {seconds:.4} batches {batches} cuts {cuts} refused {is_refused} recovery {recovery:?}"
    )
    .unwrap();
    text
}

#[track_caller]
fn check_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = golden.lines().zip(text.lines()).find(|(golden, text)| golden != text);
    assert!(
        golden == text,
        "{}: the trace is another one; the first line that differs is {differs:?}; if that is meant, write it with \
         UPDATE_GOLDEN=1",
        path.display()
    );
}

#[test]
fn traces_are_as_they_were() {
    for scenario in Scenario::ALL {
        check_golden(&format!("{}.txt", scenario.name()), &trace(scenario, auto));
    }
    // Where the law itself decides, and everything happens to it.
    for scenario in [Scenario::Neighbour, Scenario::Leak, Scenario::SlowConsumer] {
        check_golden(&format!("{}-without-caps.txt", scenario.name()), &trace(scenario, without_caps));
    }
}

#[test]
fn pressure_is_answered_by_the_next_batch() {
    let course = Course::new(Scenario::Neighbour, 1);
    let mut steps = Vec::new();
    course.trace(&mut without_caps(&course), Loader::Cutting, |step| steps.push(*step));
    let limit = |step: &adaptive::simulator::Step| step.seen.outside.limit.unwrap();
    let fell = steps.windows(2).position(|pair| limit(&pair[1]) < limit(&pair[0])).unwrap() + 1;
    let (before, now) = (&steps[fell - 1].decision, &steps[fell].decision);
    assert!(now.limit.bytes < before.limit.bytes, "{before:?} {now:?}");
    assert!(now.state >= State::Squeeze, "{now:?}");
    let grew =
        steps[fell..].windows(2).position(|pair| limit(&pair[1]) > limit(&pair[0])).unwrap() + fell + 1;
    let after = steps[grew..].iter().position(|step| step.decision.state <= State::Steady);
    assert!(after.is_some_and(|batches| batches <= 10), "{after:?}");
}
