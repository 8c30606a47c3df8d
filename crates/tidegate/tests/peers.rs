//! Files that other tools make: pyarrow, pandas, Polars and DuckDB, of a Python environment that this test makes in the
//! target folder, or that the tests of the sink have made there. Skipped, with a word, where there is no Python or no
//! network to make it with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;
#[path = "../../sink/tests/python/mod.rs"]
mod python;

use std::path::Path;
use std::process::Command;

use common::Folder;
use serde_json::Value;

const PACKAGES: [&str; 4] = ["pandas", "polars", "duckdb", "pyarrow"];

/// Runs the script, and says what it says.
fn script(python: &Path, action: &str, folder: &Folder) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/foreign.py");
    let output = Command::new(python).arg(script).arg(action).arg(folder.path("")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    eprintln!("{stdout}");
}

#[test]
fn files_that_other_tools_make_are_read_as_they_read_them_or_refused_by_name() {
    let python = match python::python(&PACKAGES) {
        Ok(python) => python,
        Err(why) => {
            eprintln!("skipped: reading files of other tools: {why}");
            return;
        }
    };
    let folder = Folder::new();
    script(&python, "write", &folder);
    let manifest: Value = serde_json::from_slice(&folder.read("manifest.json")).unwrap();
    for (number, file) in manifest.as_array().unwrap().iter().enumerate() {
        let name = file["name"].as_str().unwrap();
        // Each in some other way, so that all ways are gone.
        let threads = 1 + number % 2;
        for (extension, rows) in [("parquet", ""), ("csv", " --batch-rows 777")] {
            let convert = format!("convert {name} -o {name}.out.{extension} --threads {threads}{rows}");
            let run = folder.run(&convert);
            match file["refused"].as_str() {
                None => assert_eq!(run.code, Some(0), "{name}: {run:?}"),
                Some(refused) => {
                    assert!(matches!(run.code, Some(2 | 3)), "{name}: {run:?}");
                    assert!(run.stderr.contains(refused), "{name}: expected {refused:?}: {run:?}");
                }
            }
        }
    }
    script(&python, "check", &folder);
}
