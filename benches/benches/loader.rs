//! The stages of reading CSV, one by one, on seeded `orders`: index, scan, columns by kind, load, compressed input.
//!
//! Throughput is of the input's bytes, unpacked. Each bench checks its answer. What threads gain is measured
//! on larger files by the binary `scaling`, memory by `tidegate bench` and in `peers/`.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use adaptive::AutoSize;
use arrow::array::{Array, AsArray, downcast_primitive_array};
use arrow::datatypes::{DataType, SchemaRef, ToByteSlice};
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

/// What a scan comes to: rows, schema, and bytes of all columns.
fn scan(loader: &Loader) -> (u64, SchemaRef, u64) {
    let scan = loader.scan().expect("well formed");
    (scan.rows(), scan.schema().clone(), scan.columns().iter().map(|facts| facts.bytes_narrow).sum())
}

/// Loads columns; the rows, and the [`checksum`] of the first column.
fn load(loader: &Loader, scan: &Scan, projection: &[usize]) -> (u64, u64) {
    let (mut rows, mut sum) = (0, 0u64);
    for batch in loader.batches(scan, projection, Box::new(AutoSize::new())) {
        let batch = batch.expect("the file is unchanged");
        rows += black_box(&batch).num_rows() as u64;
        sum = sum.wrapping_add(batch.columns().columns().first().map_or(0, |column| checksum(column)));
    }
    (rows, sum)
}

/// A sum over the values of a column that does not depend on how it is cut into batches: of their bits, or of the
/// lengths of texts. It takes little beside a load.
fn checksum(column: &dyn Array) -> u64 {
    downcast_primitive_array!(
        column => column.iter().flatten().map(bits).fold(0, u64::wrapping_add),
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            (offsets[offsets.len() - 1] - offsets[0]) as u64
        }
        DataType::Dictionary(_, _) => {
            let column = column.as_any_dictionary();
            let keys = column.normalized_keys();
            let lengths: Vec<u64> = column.values().as_string::<i32>().iter().flatten().map(|t| t.len() as u64).collect();
            keys.into_iter().map(|key| lengths[key]).sum()
        }
        other => unreachable!("orders begins no kind of columns with {other}")
    )
}

fn bits(value: impl ToByteSlice) -> u64 {
    value.to_byte_slice().iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// The ids are the numbers of the rows.
const ID_SUM: u64 = ROWS * (ROWS - 1) / 2;

/// Columns of `orders` by what reading them takes.
const KINDS: [(&str, &[&str]); 7] = [
    ("no column", &[]),
    ("whole numbers", &["id", "user_id", "age", "quantity", "discount_pct", "loyalty_points"]),
    ("short floats", &["amount", "unit_price", "latitude", "rating"]),
    ("floats of 17 digits", &["score"]),
    ("dates and timestamps", &["created_at", "ship_date"]),
    ("short texts", &["category", "country", "status", "zip"]),
    ("long texts", &["comment", "token"]),
];

fn columns(scan: &Scan, names: &[&str]) -> Vec<usize> {
    let place = |name: &&str| scan.columns().iter().position(|facts| facts.name == **name);
    names.iter().map(|name| place(name).expect("orders has the column")).collect()
}

fn stages(criterion: &mut Criterion) {
    let input = Input::new();
    let mut group = criterion.benchmark_group("loader");
    group.sample_size(10).throughput(Throughput::Bytes(input.csv.len() as u64));
    // The state machine, field by field, is what all else is held against.
    let states = loader(&input.path, 1).without_index();
    let scanned = scan(&states);
    assert_eq!(scanned.0, ROWS);
    for kernel in IndexKernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
        let loader = loader(&input.path, 1).with_index_kernel(kernel);
        group.bench_function(BenchmarkId::new("scan", kernel), |b| {
            b.iter(|| assert_eq!(scan(&loader), scanned));
        });
    }
    group.bench_function("scan/state machine alone", |b| b.iter(|| assert_eq!(scan(&states), scanned)));
    for threads in [1, 2] {
        let loader = loader(&input.path, threads);
        let types = loader.scan().expect("well formed");
        let all: Vec<usize> = (0..types.columns().len()).collect();
        group.bench_function(BenchmarkId::new("scan/threads", threads), |b| {
            b.iter(|| assert_eq!(scan(&loader), scanned));
        });
        group.bench_function(BenchmarkId::new("load/threads", threads), |b| {
            b.iter(|| assert_eq!(load(&loader, &types, &all), (ROWS, ID_SUM)));
        });
    }

    let loader = loader(&input.path, 1);
    let types = loader.scan().expect("well formed");
    for (kind, names) in KINDS {
        let columns = columns(&types, names);
        let expected = load(&states, &types, &columns);
        group.bench_function(BenchmarkId::new("load", kind), |b| {
            b.iter(|| assert_eq!(load(&loader, &types, &columns), expected));
        });
    }
    group.finish();
}

/// Packed input beside the bare unpacking of the same file by the same library. The ratio of the two is the figure: at 1,
/// reading CSV costs nothing on top.
fn compressed(criterion: &mut Criterion) {
    let input = Input::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&input.csv).expect("memory takes bytes");
    let gzip = input.packed("orders.csv.gz", gzip.finish().expect("memory takes bytes"));
    let zstd = zstd::encode_all(input.csv.as_slice(), 3).expect("memory takes bytes");
    let zstd = input.packed("orders.csv.zst", zstd);
    let open = |path: &Path| File::open(path).expect("the file is there");

    let mut group = criterion.benchmark_group("compressed");
    group.sample_size(10).throughput(Throughput::Bytes(input.csv.len() as u64));
    group.bench_function("gzip/unpack", |b| {
        b.iter(|| assert_eq!(drain(&mut flate2::read::MultiGzDecoder::new(open(&gzip))), input.csv.len()));
    });
    group.bench_function("zstd/unpack", |b| {
        b.iter(|| {
            let mut unpacked = zstd::Decoder::new(open(&zstd)).expect("a frame");
            assert_eq!(drain(&mut unpacked), input.csv.len());
        });
    });
    let scanned = scan(&loader(&input.path, 1));
    for (name, path) in [("gzip", &gzip), ("zstd", &zstd)] {
        // One thread unpacks ahead of the one that reads.
        let loader = loader(path, 2);
        let types = loader.scan().expect("well formed");
        let all: Vec<usize> = (0..types.columns().len()).collect();
        group.bench_function(format!("{name}/scan"), |b| b.iter(|| assert_eq!(scan(&loader), scanned)));
        group.bench_function(format!("{name}/load"), |b| {
            b.iter(|| assert_eq!(load(&loader, &types, &all), (ROWS, ID_SUM)));
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
