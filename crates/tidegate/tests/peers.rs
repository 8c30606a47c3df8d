//! Files that other tools make: pyarrow, pandas, Polars and DuckDB, of a Python environment that this test makes in the
//! target folder, or that the tests of the sink have made there. Skipped, with a word, where there is no Python or no
//! network to make it with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::Folder;
use serde_json::Value;

const PACKAGES: [&str; 4] = ["pandas", "polars", "duckdb", "pyarrow"];

/// A Python that has the packages. `TIDEGATE_PEERS_PYTHON` names one that is there.
fn python() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("TIDEGATE_PEERS_PYTHON") {
        return Ok(given.into());
    }
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let python = home.join("bin/python3");
    let imports = format!("import {}", PACKAGES.join(", "));
    let run = |program: &Path, args: &[&str]| {
        let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if run(&python, &["-c", &imports]) {
        return Ok(python);
    }
    if !run(Path::new("python3"), &["-m", "venv", &home.display().to_string()]) {
        return Err("there is no python3 that can make an environment".into());
    }
    let install =
        [&["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20"][..], &PACKAGES].concat();
    match run(&python, &install) && run(&python, &["-c", &imports]) {
        true => Ok(python),
        false => Err(format!("{} cannot be installed", PACKAGES.join(", "))),
    }
}

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
    let python = match python() {
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
