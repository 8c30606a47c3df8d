//! Public tables as their publishers wrote them: `inspect` finds the facts that any correct reader arrives at.
//!
//! The mean is compared to the bit, like everything else. Most of them are too large to be kept with the code, and
//! are looked for where they are shared; the aircraft are always there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Folder, gunzip, skip, testdata};
use serde_json::{Map, Value};

/// The folder of the large tables, if it is there.
fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/real");
    folder.is_dir().then_some(folder)
}

/// The facts of every table in a folder, by file name.
fn tables(folder: &Path) -> Vec<Value> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

/// The options of a table as arguments.
fn arguments(options: &Map<String, Value>) -> Vec<String> {
    let argument = |(name, value): (&String, &Value)| match value {
        Value::Bool(true) => vec![format!("--{name}")],
        Value::Array(list) => {
            let list: Vec<&str> = list.iter().map(|item| item.as_str().unwrap()).collect();
            vec![format!("--{name}"), list.join(",")]
        }
        other => vec![format!("--{name}"), other.as_str().unwrap().to_owned()],
    };
    options.iter().flat_map(argument).collect()
}

/// Whether two JSON values are the same number or text. Large integers come as text.
fn is_same(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        (Value::Number(got), Value::Number(expected)) => got.as_f64() == expected.as_f64(),
        (Value::String(got), Value::Number(expected)) => *got == expected.to_string(),
        _ => got == expected,
    }
}

/// What is wrong with a column, against its facts.
fn differences(name: &str, got: &Value, facts: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (fact, expected) in facts {
        let got = &got[fact];
        let holds = match (fact.as_str(), expected) {
            ("type", Value::Null) => true,
            ("type", expected) => {
                let found = match got.as_str().unwrap() {
                    "dictionary" => "string",
                    other => other.split(['[', '(']).next().unwrap(),
                };
                let allowed = expected.as_array().cloned().unwrap_or_else(|| vec![expected.clone()]);
                allowed.iter().any(|allowed| allowed == found)
            }
            _ => is_same(got, expected),
        };
        if !holds {
            wrong.push(format!("{name}: {fact} is {got}, expected {expected}"));
        }
    }
    wrong
}

/// Inspects a table and gives what differs from its facts.
fn check(folder: &Folder, data: &Path, facts: &Value) -> Vec<String> {
    let name = facts["name"].as_str().unwrap();
    let bytes = gunzip(&data.join(facts["file"].as_str().unwrap()));
    let file = format!("{name}.csv");
    folder.write(&file, &bytes);
    let options = arguments(facts["options"].as_object().unwrap());
    let mut command = folder.command();
    let run: common::Run = command.args(["inspect", "--json", &file]).args(options).output().unwrap().into();
    let got = run.ok().json();
    fs::remove_file(folder.path(&file)).unwrap();

    let columns = got["columns"].as_array().unwrap();
    let mut wrong = Vec::new();
    for (ours, theirs) in [("rows", "row_count"), ("bytes", "bytes"), ("encoding", "encoding")] {
        if got[ours] != facts[theirs] {
            wrong.push(format!("{name}: {ours} is {}, expected {}", got[ours], facts[theirs]));
        }
    }
    if columns.len() as u64 != facts["column_count"].as_u64().unwrap() {
        wrong.push(format!("{name}: {} columns", columns.len()));
        return wrong;
    }
    if let Some(by_name) = facts.get("columns").and_then(Value::as_object) {
        let header = facts["header"].as_array().unwrap();
        for (column, header) in columns.iter().zip(header) {
            let header = header.as_str().unwrap();
            if column["name"] != header {
                wrong.push(format!("{name}: a column is called {}, expected {header}", column["name"]));
            }
            let facts = by_name[header].as_object().unwrap();
            wrong.extend(differences(&format!("{name}.{header}"), column, facts));
        }
    } else {
        let by_position = facts["columns_by_position"].as_array().unwrap();
        for (i, (column, facts)) in columns.iter().zip(by_position).enumerate() {
            wrong.extend(differences(&format!("{name}.{i}"), column, facts.as_object().unwrap()));
        }
    }
    if let Some(column) = columns.iter().find(|column| column["distinct_exact"] != true) {
        wrong.push(format!("{name}: the distinct values of {} are not exact", column["name"]));
    }
    wrong
}

#[test]
fn aircraft() {
    let planes = tables(testdata("").as_path());
    let planes = planes.iter().find(|facts| facts["name"] == "nycflights13-planes").unwrap();
    assert_eq!(check(&Folder::new(), &testdata(""), planes), Vec::<String>::new());
}

#[test]
fn a_wrong_fact_is_found() {
    let mut facts: Value =
        serde_json::from_slice(&fs::read(testdata("nycflights13-planes.json")).unwrap()).unwrap();
    facts["columns"]["year"]["mean"] = 2000.484009840099.into();
    facts["columns"]["engine"]["type"] = "int8".into();
    let wrong = check(&Folder::new(), &testdata(""), &facts);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("planes.year: mean is 2000.4840098400985, expected"), "{wrong:?}");
}

#[test]
fn all_tables_that_are_shared() {
    let Some(data) = shared() else {
        return skip("the large public tables", "../shared/corpus/real is not there");
    };
    let folder = Folder::new();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for facts in tables(&data) {
        wrong.extend(check(&folder, &data, &facts));
        checked += 1;
    }
    assert_eq!(checked, 25, "some tables are not there");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
