//! What decides how large batches are, and that it never reaches the values.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use common::table::read_parquet;
use common::{Folder, testdata};
use serde_json::Value;
use tidegate::incremental::{Column, Fitting, Recipe};
use tidegate::loader::{FixedRows, Loader, Scan, Sizing, Source};
use tidegate::monitor::{Budget, Bytes, Monitor};
use tidegate::sizing::RandomSize;

/// Both passes of a job through the library, each pass in batches of its own sizes.
struct Job {
    loader: Loader,
    scan: Scan,
    recipe: String,
    monitor: Monitor,
}

impl Job {
    fn new(input: &str, recipe: &str) -> Job {
        let source = Source::open(&[testdata(input)], &std::env::temp_dir()).unwrap();
        let monitor = Monitor::builder().with_budget(Budget::new(Bytes::mib(256))).build().unwrap();
        let loader = Loader::new(source).with_monitor(monitor.clone());
        let recipe = std::fs::read_to_string(testdata(recipe)).unwrap();
        Job { scan: loader.scan().unwrap(), loader, recipe, monitor }
    }

    /// The pipeline's bytes, the output, and how many batches there were.
    fn run(
        &self,
        threads: usize,
        mut sizing: impl FnMut() -> Box<dyn Sizing>,
    ) -> (Vec<u8>, RecordBatch, usize) {
        let loader = self.loader.clone().with_threads(threads);
        let columns: Vec<Column> =
            self.scan.schema().fields().iter().map(|field| Column::of(field).unwrap()).collect();
        let mut fitting = Fitting::new(Recipe::parse(&self.recipe).unwrap(), &columns, &self.monitor);
        let mut cuts = 0;
        while let Some(mut pass) = fitting.next_pass().unwrap() {
            let projection = pass.projection().to_vec();
            for batch in loader.batches(&self.scan, &projection, sizing()) {
                let batch = batch.unwrap();
                pass.update(batch.columns(), batch.first_row()).unwrap();
                cuts += 1;
            }
            fitting.finish_pass(pass).unwrap();
        }
        let pipeline = fitting.finish().unwrap();
        let bytes = pipeline.to_bytes().unwrap();
        let bound = pipeline.bind(&columns, true).unwrap();
        let made: Vec<RecordBatch> = loader
            .batches(&self.scan, bound.projection(), sizing())
            .map(|batch| {
                let batch = batch.unwrap();
                bound.transform(batch.columns(), batch.first_row()).unwrap()
            })
            .collect();
        cuts += made.len();
        (bytes, concat_batches(bound.schema(), &made).unwrap(), cuts)
    }
}

#[test]
fn sizes_that_change_all_the_time_never_reach_the_values() {
    for (input, recipe) in
        [("nycflights13-flights-10k.csv", "flights.toml"), ("orders-1k.csv", "orders_two_pass.toml")]
    {
        let job = Job::new(input, recipe);
        let (pipeline, output, cuts) = job.run(1, || Box::new(FixedRows(1 << 20)));
        assert!(output.num_rows() >= 1000 && cuts <= 3, "{input}: {cuts}");
        for seed in 0..4 {
            let mut passes = 0;
            let (again, values, cuts) = job.run(1 + seed as usize % 2, || {
                passes += 1;
                Box::new(RandomSize::new(100 * seed + passes, 700))
            });
            assert!(cuts > 10, "{input}: {cuts}");
            assert!(again == pipeline, "{input}, seed {seed}: the pipeline has other bytes");
            assert!(values == output, "{input}, seed {seed}: other values");
        }
    }
}

#[test]
fn every_sizing_gives_the_same_and_says_what_it_did() {
    let folder = Folder::with(&["nycflights13-flights-10k.csv", "flights.toml"]);
    let run = |options: &str| {
        let args = "fit-transform nycflights13-flights-10k.csv -r flights.toml -o out/x.parquet --save out/p --overwrite";
        folder.run(&format!("{args} --null-values NA --summary s.json {options}")).ok();
        let summary = folder.read_json("s.json");
        let sizing = summary["sizing"].as_array().unwrap();
        assert!(sizing.len() <= 256 && sizing.iter().all(|entry| entry["reserved_bytes"].as_u64() > Some(0)));
        // The other passes go over what the first one has kept.
        assert!(sizing.iter().all(|entry| entry["phase"] == "fit"), "{sizing:?}");
        assert_eq!(sizing[0]["number"], 0);
        (
            folder.read("out/p"),
            read_parquet(&folder.path("out/x.parquet")),
            summary["resizes"].as_u64().unwrap(),
        )
    };
    let (pipeline, columns, resizes) = run("--sizing fixed --batch-rows 500");
    assert_eq!(resizes, 0);
    for options in
        ["--sizing auto", "--sizing step", "--sizing aimd --threads 1 --memory 48MiB", "--batch-rows auto"]
    {
        let (again, values, _) = run(options);
        assert!(again == pipeline, "{options}: the pipeline has other bytes");
        assert!(values == columns, "{options}: other values");
    }
}

#[test]
fn metrics_have_a_line_for_each_change_of_state() {
    let folder = Folder::with(&["nycflights13-flights-10k.csv", "flights.toml"]);
    // Two passes, which a plain fit makes over the file each.
    let step = |name: &str| format!("[[steps]]\nuse = \"{name}\"\ncolumns = [\"distance\"]\n");
    folder.write("r.toml", format!("version = 1\n{}{}", step("standard_scaler"), step("min_max_scaler")));
    let args = "fit nycflights13-flights-10k.csv -r r.toml -o out/p --null-values NA";
    folder.run(&format!("{args} --memory 64MiB --metrics m.jsonl --summary s.json")).ok();
    let text = String::from_utf8(folder.read("m.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["rss_bytes"].as_u64() > Some(0)), "{lines:?}");
    let told: Vec<&Value> =
        lines.iter().map(|line| &line["sizing"]).filter(|sizing| !sizing.is_null()).collect();
    // As the summary has them: the first of each pass, and those whose state is another than that before.
    let summary = folder.read_json("s.json");
    let entries = summary["sizing"].as_array().unwrap();
    let is_change = |at: usize| {
        let state = |at: usize| (&entries[at]["phase"], &entries[at]["state"]);
        at == 0 || entries[at]["reason"] == "first" || state(at) != state(at - 1)
    };
    let changes: Vec<&Value> =
        (0..entries.len()).filter(|at| is_change(*at)).map(|at| &entries[at]).collect();
    assert_eq!(told, changes);
    assert!(told.len() >= 2 && told.iter().all(|entry| entry["limit_bytes"].as_u64() <= Some(64 << 20)));
}

#[test]
fn what_is_no_sizing() {
    let folder = Folder::with(&["orders-1k.csv"]);
    for (options, part) in [
        ("--sizing fixed", "tidegate: --sizing fixed needs --batch-rows N"),
        (
            "--sizing step --batch-rows 10k",
            "tidegate: --sizing step decides how many rows a batch has, and --batch-rows 10000 says so too; leave one \
             of them out",
        ),
        ("--sizing best", "invalid value 'best' for '--sizing <SIZING>'"),
    ] {
        let run = folder.run(&format!("convert orders-1k.csv -o out/x.parquet {options}"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(part), "{run:?}");
        assert_eq!(folder.outputs(), Vec::<String>::new());
    }
    let run = folder.run("bench orders-1k.csv --sizing fixed --batch-rows 100");
    assert_eq!(run.code, Some(2), "{run:?}");
    folder.run("bench orders-1k.csv --sizing aimd --batch-rows 100,auto").ok();
}
