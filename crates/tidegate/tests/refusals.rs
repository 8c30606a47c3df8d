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

#[test]
fn many_threads_do_with_the_room_of_few() {
    let folder = Folder::new();
    folder.write("orders.csv", orders(3 << 20));
    let convert = |threads: usize| {
        let args = format!(
            "convert orders.csv -o out/{threads}.parquet --overwrite --threads {threads} --memory 48MiB"
        );
        folder.run(&args).ok();
        folder.read(&format!("out/{threads}.parquet"))
    };
    let alone = convert(1);
    assert!(convert(8) == alone && convert(16) == alone);
}

#[test]
fn a_pipeline_is_read_within_the_budget() {
    let folder = Folder::new();
    let texts: String =
        (0..200_000).map(|n| format!("a text, number {:016x}\n", n * 0x9e37_79b9_u64)).collect();
    folder.write("texts.csv", format!("text\n{}", texts.replace("a text, ", "a text ")));
    folder.write("few.csv", "text\na text number 0000000000000000\n");
    folder.write("recipe.toml", "version = 1\n[[steps]]\nuse = \"ordinal_encoder\"\ncolumns = [\"text\"]\n");
    folder.run("fit texts.csv -r recipe.toml -o p --memory 512MiB").ok();
    let transform = |memory: &str| {
        folder.run(&format!("transform few.csv -p p -o out/x.csv --overwrite --memory {memory}"))
    };
    let refused = transform("30MiB");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("file of a fit"), "{refused:?}");
    // The next that is refused is what is read of it.
    let mut memory = advised(&refused).to_owned();
    for _ in 0..3 {
        let run = transform(&memory);
        match run.code {
            Some(0) => return,
            _ => memory = advised(&run).to_owned(),
        }
    }
    panic!("{memory} is not enough");
}
