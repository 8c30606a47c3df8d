//! Public tables as their publishers wrote them: rows, types and nulls are the facts, on every path.
//!
//! Extremes, means and different values are computed by the program, and checked there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::Read;
use std::path::{Path, PathBuf};

use chunked_loader::{
    Dialect, Encoding, FixedRows, IndexKernel, Kind, Loader, NullValues, Scan, Source, type_name,
};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/real")
}

fn loader(facts: &Value, file: &Path) -> Loader {
    let (mut dialect, mut encoding) = (Dialect::default(), Encoding::Auto);
    for (option, value) in facts["options"].as_object().unwrap() {
        match option.as_str() {
            "no-header" => dialect = dialect.with_header(false),
            "encoding" => encoding = value.as_str().unwrap().parse().unwrap(),
            "null-values" => {
                let tokens = value.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned());
                dialect = dialect.with_null_values(NullValues::Listed(tokens.collect()));
            }
            other => panic!("unknown option {other}"),
        }
    }
    let source = Source::open(&[file.to_owned()], &std::env::temp_dir()).unwrap();
    Loader::new(source).with_dialect(dialect).with_encoding(encoding)
}

/// What is not as the facts say.
fn differences(facts: &Value, scan: &Scan) -> Vec<String> {
    let mut wrong = Vec::new();
    if scan.rows() != facts["row_count"] {
        wrong.push(format!("{} rows, expected {}", scan.rows(), facts["row_count"]));
    }
    if scan.columns().len() as u64 != facts["column_count"] {
        return vec![format!("{} columns, expected {}", scan.columns().len(), facts["column_count"])];
    }
    for (i, column) in scan.columns().iter().enumerate() {
        let facts = match &facts["columns"] {
            Value::Null => &facts["columns_by_position"][i],
            by_name => &by_name[&column.name],
        };
        if column.nulls != facts["nulls"] {
            wrong.push(format!("{} has {} nulls, expected {}", column.name, column.nulls, facts["nulls"]));
        }
        let found = if column.kind == Kind::Null { "null".into() } else { type_name(&column.data_type) };
        let found = if found == "dictionary" { "string" } else { &found };
        let is_right = match &facts["type"] {
            Value::Null => true,
            Value::Array(several) => several.iter().any(|t| t == found),
            one => one == found,
        };
        if !is_right {
            wrong.push(format!("{} is {found}, expected {}", column.name, facts["type"]));
        }
    }
    wrong
}

/// Kernel, threads, bytes of a block; without a kernel the state machine alone.
fn ways(bytes: usize) -> Vec<(Option<IndexKernel>, usize, usize)> {
    let is_there = |kernel: &IndexKernel| kernel.is_available();
    let mut ways: Vec<_> =
        IndexKernel::ALL.into_iter().filter(is_there).map(|k| (Some(k), 2, 64 << 10)).collect();
    ways.push((None, 1, 4 << 20));
    // What takes its time is spared where the same ways have been gone by smaller tables.
    if bytes < 8 << 20 {
        ways.extend([(Some(IndexKernel::best()), 8, 4096), (Some(IndexKernel::best()), 1, 4 << 20)]);
    }
    ways
}

#[test]
fn facts_of_all_tables_that_are_shared() {
    if !folder().is_dir() {
        eprintln!("skipped: {} is not there", folder().display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let paths = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let (mut wrong, mut tables) = (Vec::new(), 0);
    for path in paths.filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let facts: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let packed = folder().join(facts["file"].as_str().unwrap());
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(std::fs::File::open(&packed).unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
        let file = dir.path().join("table.csv");
        std::fs::write(&file, &bytes).unwrap();
        let mut first: Option<String> = None;
        for (kernel, threads, block) in ways(bytes.len()) {
            let loader = loader(&facts, &file).with_threads(threads).with_block_bytes(block);
            let loader = match kernel {
                Some(kernel) => loader.with_index_kernel(kernel),
                None => loader.without_index(),
            };
            let scan = loader.scan().unwrap();
            let way = format!("{}, {kernel:?}, {threads} threads, blocks of {block}", facts["name"]);
            wrong.extend(differences(&facts, &scan).into_iter().map(|w| format!("{way}: {w}")));
            let found = format!("{:?}", scan.columns());
            assert_eq!(*first.get_or_insert_with(|| found.clone()), found, "{way}");
            let all: Vec<usize> = (0..scan.columns().len()).collect();
            let batches = loader.batches(&scan, &all, Box::new(FixedRows(10_000)));
            let (mut rows, mut nulls) = (0, vec![0; all.len()]);
            for batch in batches {
                let batch = batch.unwrap();
                rows += batch.num_rows() as u64;
                for (nulls, column) in nulls.iter_mut().zip(batch.columns().columns()) {
                    *nulls += column.null_count() as u64;
                }
            }
            assert_eq!(rows, scan.rows(), "{way}");
            let expected: Vec<u64> = scan.columns().iter().map(|c| c.nulls).collect();
            assert_eq!(nulls, expected, "{way}");
        }
        // The same packed, as it is stored.
        let scan = loader(&facts, &packed).with_threads(2).scan().unwrap();
        wrong
            .extend(differences(&facts, &scan).into_iter().map(|w| format!("{} packed: {w}", facts["name"])));
        tables += 1;
    }
    assert_eq!(tables, 25);
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
