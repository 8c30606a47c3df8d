//! The stages of reading CSV, one by one, on seeded `orders`: index, scan, columns by kind, load, compressed input.
//!
//! Throughput is of the input's bytes, unpacked. Each bench checks its answer. Figures of the whole file's size are in
//! `scaling.rs` and in `peers/`.

use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use adaptive::AutoSize;
use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int32Type};
use benches::Shape;
use chunked_loader::{IndexKernel, Loader, Scan, Source};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use monitor::{Budget, Bytes, Monitor};

const ROWS: u64 = 400_000;
const SEED: u64 = 1;
const BUDGET: Bytes = Bytes::mib(64);

struct Input {
    _folder: tempfile::TempDir,
    path: PathBuf,
    csv: Vec<u8>,
}

impl Input {
    fn new() -> Input {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("orders.csv");
        let mut csv = Vec::new();
        benches::write(Shape::Orders, ROWS, SEED, &mut csv).expect("memory takes bytes");
        std::fs::write(&path, &csv).expect("a temporary file");
        Input { _folder: folder, path, csv }
    }

    /// The same packed, beside it.
    fn packed(&self, name: &str, packed: Vec<u8>) -> PathBuf {
        let path = self.path.with_file_name(name);
        std::fs::write(&path, packed).expect("a temporary file");
        path
    }
}

fn loader(path: &Path, threads: usize) -> Loader {
    let monitor = Monitor::builder().with_budget(Budget::new(BUDGET)).build().expect("a probe");
    let source = Source::open(&[path.to_owned()], &std::env::temp_dir()).expect("the file is there");
    Loader::new(source).with_threads(threads).with_monitor(monitor)
}

/// Loads columns; the rows, and the sum of what stands in the first of them where it is `id`.
fn load(loader: &Loader, scan: &Scan, projection: &[usize]) -> (u64, i64) {
    let (mut rows, mut sum) = (0, 0);
    for batch in loader.batches(scan, projection, Box::new(AutoSize::new())) {
        let batch = batch.expect("the file is unchanged");
        rows += black_box(&batch).num_rows() as u64;
        if let Some(ids) = batch.columns().columns().first().and_then(|c| c.as_primitive_opt::<Int32Type>()) {
            sum += ids.iter().flatten().map(i64::from).sum::<i64>();
        }
    }
    (rows, sum)
}

/// The ids are the numbers of the rows.
const ID_SUM: i64 = (ROWS * (ROWS - 1) / 2) as i64;

fn stages(criterion: &mut Criterion) {
    let input = Input::new();
    let mut group = criterion.benchmark_group("loader");
    group.sample_size(10).throughput(Throughput::Bytes(input.csv.len() as u64));
    let scanned = |loader: &Loader| assert_eq!(loader.scan().expect("well formed").rows(), ROWS);
    for kernel in IndexKernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
        let loader = loader(&input.path, 1).with_index_kernel(kernel);
        group.bench_function(BenchmarkId::new("scan", kernel), |b| b.iter(|| scanned(&loader)));
    }
    let states = loader(&input.path, 1).without_index();
    group.bench_function("scan/state machine alone", |b| b.iter(|| scanned(&states)));
    for threads in [1, 2] {
        let loader = loader(&input.path, threads);
        let scan = loader.scan().expect("well formed");
        let all: Vec<usize> = (0..scan.columns().len()).collect();
        group.bench_function(BenchmarkId::new("scan/threads", threads), |b| b.iter(|| scanned(&loader)));
        group.bench_function(BenchmarkId::new("load/threads", threads), |b| {
            b.iter(|| assert_eq!(load(&loader, &scan, &all), (ROWS, ID_SUM)));
        });
    }

    let loader = loader(&input.path, 1);
    let scan = loader.scan().expect("well formed");
    type Is = fn(&DataType) -> bool;
    let kinds: [(&str, Is); 6] = [
        ("no column", |_| false),
        ("whole numbers", DataType::is_integer),
        ("floats", DataType::is_floating),
        ("dates and timestamps", DataType::is_temporal),
        ("dictionaries", |t| matches!(t, DataType::Dictionary(..))),
        ("text", |t| *t == DataType::Utf8),
    ];
    for (kind, is) in kinds {
        let columns = scan.columns().iter().enumerate().filter(|(_, facts)| is(&facts.data_type));
        let columns: Vec<usize> = columns.map(|(column, _)| column).collect();
        assert!(kind == "no column" || !columns.is_empty(), "orders has no {kind}");
        group.bench_function(BenchmarkId::new("load", format!("{kind} ({})", columns.len())), |b| {
            b.iter(|| assert_eq!(load(&loader, &scan, &columns).0, ROWS));
        });
    }
    group.finish();
}

/// Packed input beside the bare unpacking of the same bytes.
fn compressed(criterion: &mut Criterion) {
    let input = Input::new();
    let mut group = criterion.benchmark_group("compressed");
    group.sample_size(10).throughput(Throughput::Bytes(input.csv.len() as u64));

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&input.csv).expect("memory takes bytes");
    let gzip = gzip.finish().expect("memory takes bytes");
    group.bench_function("gzip/unpack", |b| {
        b.iter(|| {
            let mut unpacked = flate2::read::GzDecoder::new(gzip.as_slice());
            assert_eq!(drain(&mut unpacked), input.csv.len());
        });
    });
    let zstd = zstd::encode_all(input.csv.as_slice(), 3).expect("memory takes bytes");
    group.bench_function("zstd/unpack", |b| {
        b.iter(|| {
            let mut unpacked = zstd::Decoder::new(zstd.as_slice()).expect("a frame");
            assert_eq!(drain(&mut unpacked), input.csv.len());
        });
    });
    for (name, path) in [("gzip", input.packed("o.csv.gz", gzip)), ("zstd", input.packed("o.csv.zst", zstd))]
    {
        let loader = loader(&path, 2);
        let scan = loader.scan().expect("well formed");
        let all: Vec<usize> = (0..scan.columns().len()).collect();
        group.bench_function(format!("{name}/load"), |b| {
            b.iter(|| assert_eq!(load(&loader, &scan, &all), (ROWS, ID_SUM)));
        });
    }
    group.finish();
}

/// Reads to the end in pieces, as a reader in little memory does; the bytes.
fn drain(from: &mut impl Read) -> usize {
    let mut piece = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        match from.read(&mut piece).expect("what was packed can be unpacked") {
            0 => return bytes,
            read => bytes += black_box(read),
        }
    }
}

criterion_group!(benches_of_stages, stages, compressed);
criterion_main!(benches_of_stages);
