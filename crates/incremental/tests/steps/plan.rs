//! The plan of a fit, told before it starts, and what the fit then does.

use arrow::record_batch::RecordBatch;
use incremental::{Error, FitPlan, Fitting, Recipe};
use monitor::Monitor;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::cuts::table;
use crate::recipes::step;
use crate::support::{columns, fit_error, floats, ints, recipe, table as table_of, texts};

fn fitting(steps: &[&str], batch: &RecordBatch) -> Result<Fitting, Error> {
    Ok(Fitting::new(Recipe::parse(&recipe(steps))?, &columns(batch), &Monitor::unbounded()))
}

/// The columns that each pass of a fit reads.
fn read(fitting: &mut Fitting, batch: &RecordBatch) -> Result<Vec<Vec<String>>, Error> {
    let mut passes = Vec::new();
    while let Some(mut pass) = fitting.next_pass()? {
        let schema = batch.schema();
        passes.push(pass.projection().iter().map(|place| schema.field(*place).name().clone()).collect());
        pass.update(&batch.project(pass.projection()).unwrap(), 0)?;
        fitting.finish_pass(pass)?;
    }
    Ok(passes)
}

/// The plan, which the fit is checked to follow.
fn planned(steps: &[&str]) -> FitPlan {
    let batch = table_of([
        ("a", ints([Some(1), None, Some(4)])),
        ("b", floats([0.5, 1.5, 2.5])),
        ("city", texts(["x", "y", "x"])),
        ("c", ints([3, 1, 2])),
        ("unused", ints([0, 0, 1])),
    ]);
    let mut fitting = fitting(steps, &batch).unwrap();
    let plan = fitting.plan().unwrap();
    assert_eq!(fitting.plan().unwrap(), plan, "it changes nothing");
    let read = read(&mut fitting, &batch).unwrap();
    if plan.later().is_empty() {
        assert_eq!(plan.passes().iter().map(|pass| pass.reads.clone()).collect::<Vec<_>>(), read);
    }
    plan
}

fn on(step: &str, columns: &str) -> String {
    format!("use = \"{step}\"\ncolumns = [{columns}]")
}

#[test]
fn a_plan_says_what_each_pass_learns_and_reads() {
    let impute = on("simple_imputer", "\"a\", \"b\"");
    let clip = on("clip", "\"a\"") + "\nlower = 0";
    let scale = on("standard_scaler", "\"a\", \"b\", \"c\"");
    let one_hot = on("one_hot_encoder", "\"city\"");
    let min_max = on("min_max_scaler", "\"a\"");
    assert_eq!(
        planned(&[&impute, &clip, &scale, &one_hot, &min_max]).to_string(),
        "2 passes to fit 4 steps
  pass 1 reads 4 of 5 columns: simple_imputer (2 columns), standard_scaler (3 columns), one_hot_encoder (city)
  pass 2 reads 1 of 5 columns: min_max_scaler (a)"
    );
    let median = format!("{impute}\nstrategy = \"median\"");
    assert_eq!(
        planned(&[&median]).to_string(),
        "1 pass or more to fit 1 step\n  pass 1 reads 2 of 5 columns: simple_imputer (2 columns)"
    );
    assert!(!planned(&[&format!("{median}\napproximate = true")]).may_need_more());
    assert_eq!(
        planned(&[&one_hot, &on("min_max_scaler", "\"@numeric\""), &on("max_abs_scaler", "\"a\"")])
            .to_string(),
        "1 pass or more to fit 3 steps
  pass 1 reads 1 of 5 columns: one_hot_encoder (city)
  when their columns are known: min_max_scaler, max_abs_scaler"
    );
    let nothing = planned(&[&on("log1p", "\"b\"")]);
    assert!(nothing.passes().is_empty() && !nothing.may_need_more());
}

#[test]
fn a_plan_refuses_what_the_fit_does() {
    let batch = table_of([("a", ints([1]))]);
    let steps = [on("standard_scaler", "\"b\"")];
    let error = fitting(&[&steps[0]], &batch).unwrap().plan().unwrap_err().to_string();
    assert_eq!(error, fit_error(&[&steps[0]], &batch));
}

proptest! {
    #[test]
    fn the_first_pass_reads_what_is_planned(table in table(), steps in vec(step(), 1..5)) {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let Ok(mut fitting) = fitting(&steps, &table) else { return Ok(()) };
        let plan = fitting.plan();
        let first = fitting.next_pass();
        match (plan, first) {
            (Ok(plan), Ok(first)) => {
                let schema = table.schema();
                let read = first.map(|pass| {
                    pass.projection().iter().map(|place| schema.field(*place).name().clone()).collect::<Vec<_>>()
                });
                prop_assert_eq!(plan.passes().first().map(|pass| pass.reads.clone()), read);
            }
            (Err(_), Err(_)) => {}
            (plan, first) => panic!("{:?}, but planned {plan:?}", first.err()),
        }
    }
}
