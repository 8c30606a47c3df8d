//! The flights out of New York through a recipe: the values that scikit-learn gives, and the same bits however
//! the work was cut.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs;

use common::table::{Cell, Column, read_parquet};
use common::{Folder, testdata};
use serde_json::Value;

const FLIGHTS: &str = "nycflights13-flights-10k.csv";

fn folder() -> Folder {
    Folder::with(&[FLIGHTS, "flights.toml"])
}

/// Runs `fit-transform` on the flights; gives the output and the pipeline's bytes.
fn fit_transform(folder: &Folder, options: &str) -> (Vec<Column>, Vec<u8>) {
    let args = format!(
        "fit-transform {FLIGHTS} -r flights.toml --null-values NA -o out/x.parquet --save out/p --overwrite {options}"
    );
    folder.run(&args).ok();
    (read_parquet(&folder.path("out/x.parquet")), folder.read("out/p"))
}

/// What the values are held against.
struct Expected {
    facts: Value,
    rtol: f64,
    atol: f64,
    sum_atol: f64,
}

impl Expected {
    fn read() -> Expected {
        let text = fs::read(testdata("flights-expected.json")).unwrap();
        let facts: Value = serde_json::from_slice(&text).unwrap();
        let tolerance = |name: &str| facts[name].as_f64().unwrap();
        let (rtol, atol, sum_atol) = (tolerance("rtol"), tolerance("atol"), tolerance("sum_atol"));
        Expected { facts, rtol, atol, sum_atol }
    }

    fn is_near(&self, got: f64, expected: f64, atol: f64) -> bool {
        (got - expected).abs() <= atol + self.rtol * expected.abs()
    }

    #[track_caller]
    fn check_cell(&self, column: &str, what: &str, got: &Cell, expected: &Value) {
        let equal = match (got, expected) {
            (Cell::Null, Value::Null) => true,
            (Cell::Text(got), Value::String(expected)) => got == expected,
            (got, Value::Number(expected)) => {
                got.number().is_some_and(|got| self.is_near(got, expected.as_f64().unwrap(), self.atol))
            }
            _ => false,
        };
        assert!(equal, "{column}: {what} is {got:?}, expected {expected}");
    }

    fn check_column(&self, got: &Column, facts: &Value) {
        let name = facts["name"].as_str().unwrap();
        let values: Vec<&Cell> = got.cells.iter().filter(|cell| **cell != Cell::Null).collect();
        assert_eq!(values.len() as u64, facts["count"].as_u64().unwrap(), "{name}");
        assert_eq!((got.cells.len() - values.len()) as u64, facts["nulls"].as_u64().unwrap(), "{name}");
        for (i, expected) in facts["first"].as_array().unwrap().iter().enumerate() {
            self.check_cell(name, &format!("row {i}"), &got.cells[i], expected);
        }
        let last = facts["last"].as_array().unwrap();
        for (i, expected) in last.iter().enumerate() {
            let row = got.cells.len() - last.len() + i;
            self.check_cell(name, &format!("row {row}"), &got.cells[row], expected);
        }
        if facts["min"].is_string() {
            let texts = values.iter().map(|cell| match cell {
                Cell::Text(text) => text.as_str(),
                other => panic!("{name}: {other:?}"),
            });
            assert_eq!(texts.clone().min(), facts["min"].as_str(), "{name}");
            assert_eq!(texts.max(), facts["max"].as_str(), "{name}");
            return;
        }
        let numbers: Vec<f64> = values.iter().map(|cell| cell.number().unwrap()).collect();
        let near = |got: f64, what: &str, atol: f64| {
            let expected = facts[what].as_f64().unwrap();
            assert!(self.is_near(got, expected, atol), "{name}: {what} is {got}, expected {expected}");
        };
        near(numbers.iter().copied().fold(f64::INFINITY, f64::min), "min", self.atol);
        near(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max), "max", self.atol);
        near(numbers.iter().sum(), "sum", self.sum_atol);
    }
}

#[test]
fn values_are_those_of_scikit_learn() {
    let (columns, _) = fit_transform(&folder(), "");
    let expected = Expected::read();
    let facts = expected.facts["columns"].as_array().unwrap();
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let expected_names: Vec<&str> = facts.iter().map(|facts| facts["name"].as_str().unwrap()).collect();
    assert_eq!(names, expected_names);
    for (column, facts) in columns.iter().zip(facts) {
        expected.check_column(column, facts);
    }
}

#[test]
fn values_and_pipeline_are_the_same_however_the_work_is_cut() {
    let folder = folder();
    let (columns, pipeline) = fit_transform(&folder, "");
    assert_eq!(columns[0].cells.len(), 10_000);
    for options in [
        "--batch-rows 7 --threads 1",
        "--batch-rows 1000 --threads 2",
        "--batch-rows 10k --threads 1 --memory 64MiB",
        "--batch-rows 100k --threads 2 --memory 1GiB",
        "--batch-rows auto --threads 1 --memory 64MiB",
        "--batch-rows auto --threads 2 --memory 1GiB",
    ] {
        let (again, pipeline_again) = fit_transform(&folder, options);
        assert!(pipeline_again == pipeline, "{options}: the pipeline has other bytes");
        assert_eq!(again.len(), columns.len(), "{options}");
        for (again, column) in again.iter().zip(&columns) {
            assert!(again == column, "{options}: column {} differs", column.name);
        }
    }
}

#[test]
fn the_same_bits_are_compared() {
    // The comparison above would be worth nothing if it took two zeros, or 1 and 1.0, for the same.
    let column = |cell: Cell| Column {
        name: "x".into(),
        data_type: arrow::datatypes::DataType::Float64,
        cells: vec![cell],
    };
    assert_ne!(column(Cell::Float(0f64.to_bits())), column(Cell::Float((-0f64).to_bits())));
    assert_ne!(column(Cell::Float(1f64.to_bits())), column(Cell::Int(1)));
}

#[test]
fn fit_and_transform_equal_fit_transform() {
    let folder = folder();
    let (columns, pipeline) = fit_transform(&folder, "");
    for options in ["--batch-rows 7 --threads 1", "--batch-rows 100k --threads 2", "--memory 64MiB"] {
        let run = |args: &str| folder.run(&format!("{args} --null-values NA --overwrite {options}")).ok();
        run(&format!("fit {FLIGHTS} -r flights.toml -o out/q"));
        assert!(folder.read("out/q") == pipeline, "{options}: the pipeline has other bytes");
        run(&format!("transform {FLIGHTS} -p out/q -o out/y.parquet"));
        let again = read_parquet(&folder.path("out/y.parquet"));
        assert!(again == columns, "{options}: the rows differ");
    }
}
