//! What a refused budget tells to give instead is enough.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::{Folder, Run, orders};

/// The size behind `--memory` in what a run has said.
fn advised(run: &Run) -> &str {
    let (_, advice) = run.stderr.rsplit_once("; give --memory ").unwrap_or_else(|| panic!("{run:?}"));
    advice.split([',', '\n']).next().unwrap()
}

#[test]
fn the_budget_that_a_refusal_names_is_enough() {
    let folder = Folder::new();
    folder.write("orders.csv", orders(3 << 20));
    let numbers: String = (0..40).map(|n| format!("{n},")).collect();
    folder.write("wide.csv", format!("{numbers}0\n").repeat(2000));
    let texts: String = (0..40).map(|row| format!("{row},{}\n", "long ".repeat(40_000 + row))).collect();
    folder.write("long.csv", format!("id,text\n{texts}"));
    folder.write(
        "recipe.toml",
        "version = 1\n[[steps]]\nuse = \"one_hot_encoder\"\ncolumns = [\"category\"]\n",
    );
    let jobs = [
        "convert orders.csv",
        "convert wide.csv --no-header",
        "convert long.csv",
        "fit-transform orders.csv -r recipe.toml",
    ];
    let mut refused = 0;
    for (job, threads) in jobs.iter().flat_map(|job| [(job, 1), (job, 2)]) {
        for mib in [16, 24, 30, 36, 40] {
            let with = |memory: &str| {
                let args =
                    format!("{job} -o out/x.parquet --overwrite --threads {threads} --memory {memory}");
                folder.run(&args)
            };
            let run = with(&format!("{mib}MiB"));
            if run.code == Some(0) {
                continue;
            }
            refused += 1;
            assert_eq!(run.code, Some(4), "{run:?}");
            let memory = advised(&run);
            let again = with(memory);
            assert_eq!(again.code, Some(0), "{job} on {threads} with {memory}: {again:?}");
        }
    }
    assert!(refused >= 8, "{refused}");
}
