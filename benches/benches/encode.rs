//! Encoding, column by column, on seeded `orders` in the types that the loader gives them: time and bytes a value.
//!
//! Files are written in memory where the system has a place for them, so that the disk is not what is measured. The bytes
//! a value are printed, and stay the same from run to run; criterion gives the time for all values of a column.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use benches::Shape;
use chunked_loader::{FixedRows, Loader, Scan, Source};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sink::{Compression, SinkBuilder};

const ROWS: u64 = 400_000;
const SEED: u64 = 1;
/// What `convert` makes of `orders` in 128 MiB, about.
const BATCH_ROWS: usize = 30_000;

struct Input {
    folder: tempfile::TempDir,
    loader: Loader,
    scan: Scan,
}

impl Input {
    fn new() -> Input {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("a temporary folder");
        let path = folder.path().join("orders.csv");
        let mut csv = Vec::new();
        benches::write(Shape::Orders, ROWS, SEED, &mut csv).expect("memory takes bytes");
        std::fs::write(&path, csv).expect("a temporary file");
        let loader = Loader::new(Source::open(&[path], folder.path()).expect("the file is there"));
        let scan = loader.scan().expect("the corpus is well formed");
        Input { folder, loader, scan }
    }

    fn batches(&self, projection: &[usize]) -> Vec<RecordBatch> {
        let batches = self.loader.batches(&self.scan, projection, Box::new(FixedRows(BATCH_ROWS)));
        batches.map(|batch| batch.expect("the file is unchanged").columns().clone()).collect()
    }

    fn target(&self, extension: &str) -> PathBuf {
        self.folder.path().join("out").with_extension(extension)
    }
}

/// Writes all rows; the bytes of the file.
fn encode(batches: &[RecordBatch], path: &Path, compression: Option<Compression>) -> u64 {
    let mut builder = SinkBuilder::new(path).with_overwrite(true);
    if let Some(compression) = compression {
        builder = builder.with_compression(compression);
    }
    let mut sink = builder.build(batches[0].schema()).expect("the folder can be written");
    for batch in batches {
        sink.write(batch).expect("there is room");
    }
    let written = sink.finish().expect("there is room");
    assert_eq!(written.rows, ROWS);
    written.bytes
}

fn columns(criterion: &mut Criterion) {
    let input = Input::new();
    let path = input.target("parquet");
    for compression in [Compression::Snappy, Compression::None] {
        let mut group = criterion.benchmark_group(format!("parquet/{compression}"));
        group.sample_size(10).throughput(Throughput::Elements(ROWS));
        for (column, facts) in input.scan.columns().iter().enumerate() {
            let batches = input.batches(&[column]);
            let bytes = encode(&batches, &path, Some(compression));
            let data_type = batches[0].column(0).data_type().clone();
            println!("{} ({data_type}): {:.3} bytes a value", facts.name, bytes as f64 / ROWS as f64);
            group.bench_function(BenchmarkId::from_parameter(&facts.name), |b| {
                b.iter(|| assert_eq!(encode(&batches, &path, Some(compression)), bytes));
            });
        }
        group.finish();
    }
}

fn tables(criterion: &mut Criterion) {
    let input = Input::new();
    let all: Vec<usize> = (0..input.scan.columns().len()).collect();
    let batches = input.batches(&all);
    let mut group = criterion.benchmark_group("table");
    group.sample_size(10).throughput(Throughput::Elements(ROWS));
    for format in ["parquet", "arrow", "csv"] {
        let path = input.target(format);
        let bytes = encode(&batches, &path, None);
        println!("{format}: {:.3} bytes a row", bytes as f64 / ROWS as f64);
        group.bench_function(BenchmarkId::from_parameter(format), |b| {
            b.iter(|| assert_eq!(encode(&batches, &path, None), bytes));
        });
    }
    group.finish();
}

criterion_group!(benches_of_encoding, columns, tables);
criterion_main!(benches_of_encoding);
