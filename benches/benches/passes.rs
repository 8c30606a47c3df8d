//! The passes of the main job, one by one, on seeded `orders`: scan, load, fit, transform to Parquet.
//!
//! Throughput is of the input's bytes. Each bench checks its answer. Memory is not measured here, since peaks
//! of one process add up: `tidegate bench` and the peers' runner start a process for each run.

use std::hint::black_box;

use adaptive::AutoSize;
use benches::Shape;
use chunked_loader::{FixedRows, Loader, Scan, Sizing, Source};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use incremental::{Column, Fitting, Pipeline, Recipe};
use monitor::Monitor;
use sink::SinkBuilder;

const ROWS: u64 = 200_000;
const SEED: u64 = 1;
const RECIPE: &str = include_str!("../../testdata/orders_two_pass.toml");

struct Input {
    folder: tempfile::TempDir,
    loader: Loader,
    scan: Scan,
    columns: Vec<Column>,
}

impl Input {
    fn new() -> Input {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("orders.csv");
        let mut csv = Vec::new();
        benches::write(Shape::Orders, ROWS, SEED, &mut csv).expect("memory takes bytes");
        std::fs::write(&path, csv).expect("a temporary file");
        let loader = Loader::new(Source::open(&[path], folder.path()).expect("the file is there"));
        let scan = loader.scan().expect("the corpus is well formed");
        let columns = scan.schema().fields().iter().filter_map(|field| Column::of(field)).collect();
        Input { folder, loader, scan, columns }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.columns.len()).collect()
    }

    fn load(&self, sizing: Box<dyn Sizing>) -> u64 {
        let batches = self.loader.batches(&self.scan, &self.all(), sizing);
        batches.map(|batch| black_box(batch.expect("the file is unchanged")).num_rows() as u64).sum()
    }

    fn fit(&self) -> Pipeline {
        let recipe = Recipe::parse(RECIPE).expect("the recipe is valid");
        let mut fitting = Fitting::new(recipe, &self.columns, &Monitor::unbounded());
        while let Some(mut pass) = fitting.next_pass().expect("the columns are there") {
            let projection = pass.projection().to_vec();
            for batch in self.loader.batches(&self.scan, &projection, Box::new(AutoSize::new())) {
                let batch = batch.expect("the file is unchanged");
                pass.update(batch.columns(), batch.first_row()).expect("values are finite");
            }
            fitting.finish_pass(pass).expect("the recipe fits the data");
        }
        fitting.finish().expect("every step is fitted")
    }

    fn transform(&self, pipeline: &Pipeline) -> u64 {
        let bound = pipeline.bind(&self.columns, true).expect("the columns are those of the fit");
        let path = self.folder.path().join("out.parquet");
        let builder = SinkBuilder::new(path).with_overwrite(true);
        let mut sink = builder.build(bound.schema().clone()).expect("the folder can be written");
        for batch in self.loader.batches(&self.scan, bound.projection(), Box::new(AutoSize::new())) {
            let batch = batch.expect("the file is unchanged");
            let made = bound.transform(batch.columns(), batch.first_row()).expect("categories are known");
            sink.write(&made).expect("the disk has room");
        }
        sink.finish().expect("the disk has room").rows
    }
}

fn passes(criterion: &mut Criterion) {
    let input = Input::new();
    let rows = input.scan.rows();
    assert_eq!(rows, ROWS);
    let mut group = criterion.benchmark_group("orders");
    group.sample_size(10).throughput(Throughput::Bytes(input.scan.bytes()));
    group.bench_function("scan", |b| {
        b.iter(|| assert_eq!(input.loader.scan().expect("well formed").rows(), rows))
    });
    for size in [1_000, 10_000, 100_000] {
        group.bench_with_input(BenchmarkId::new("load", size), &size, |b, size| {
            b.iter(|| assert_eq!(input.load(Box::new(FixedRows(*size))), rows));
        });
    }
    group.bench_function("load/auto", |b| b.iter(|| assert_eq!(input.load(Box::new(AutoSize::new())), rows)));
    let pipeline = input.fit();
    let learnt = pipeline.to_bytes().expect("JSON holds what was learnt");
    group.bench_function("fit", |b| b.iter(|| assert_eq!(input.fit().to_bytes().expect("JSON"), learnt)));
    group.bench_function("transform", |b| b.iter(|| assert_eq!(input.transform(&pipeline), rows)));
    group.finish();
}

criterion_group!(benches_of_passes, passes);
criterion_main!(benches_of_passes);
