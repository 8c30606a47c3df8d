//! A fit in shards: partial states that merge in any order to what `fit` writes, over as many passes as it takes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::{Folder, Run, orders};

/// Two passes: the last scaler waits for the encoder, and the medians may take more.
const RECIPE: &str = "version = 1
[[steps]]
use = \"simple_imputer\"
columns = [\"rating\", \"loyalty_points\"]
strategy = \"median\"

[[steps]]
use = \"standard_scaler\"
columns = [\"rating\", \"loyalty_points\", \"amount\"]

[[steps]]
use = \"one_hot_encoder\"
columns = [\"category\"]

[[steps]]
use = \"target_encoder\"
columns = [\"country\"]
target = \"is_gift\"

[[steps]]
use = \"min_max_scaler\"
columns = [\"country\"]
";

fn folder() -> Folder {
    let folder = Folder::with(&["orders-1k.csv"]);
    folder.write("recipe.toml", RECIPE);
    folder.write("one.toml", "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"amount\"]\n");
    folder
}

#[track_caller]
fn refused(run: &Run, code: i32, message: &str) {
    assert_eq!(run.code, Some(code), "{run:?}");
    assert_eq!(run.stderr, format!("tidegate: {message}\n"));
}

/// Makes one pass over each shard, those of odd numbers merged to one state first, and merges what there is from the
/// last to the first. Gives the line on standard error.
fn pass(folder: &Folder, begin: &str, shards: u32, output: &str) -> String {
    let mut states = Vec::new();
    let mut odd = Vec::new();
    for number in 1..=shards {
        let threads = 1 + number % 2;
        let options = format!("--threads {threads} --batch-rows {}", 7 * number);
        folder
            .run(&format!(
                "fit orders-1k.csv -r {begin} -o s{number} --shard {number}/{shards} --overwrite {options}"
            ))
            .ok();
        if number % 2 == 1 { &mut odd } else { &mut states }.push(format!("s{number}"));
    }
    folder.run(&format!("merge {} --partial -o odd --overwrite", odd.join(" "))).ok();
    states.push("odd".into());
    states.reverse();
    folder.run(&format!("merge {} -o {output} --overwrite", states.join(" "))).ok().stderr
}

#[test]
fn any_number_of_shards_fits_the_same_pipeline() {
    let folder = folder();
    folder.run("fit orders-1k.csv -r recipe.toml -o whole").ok();
    for shards in [1, 2, 5, 16] {
        let mut begin = "recipe.toml".to_owned();
        for number in 1.. {
            let output = format!("merged{number}");
            let said = pass(&folder, &begin, shards, &output);
            if said.is_empty() {
                assert!(number > 1, "one pass cannot do");
                assert!(folder.read(&output) == folder.read("whole"), "{shards} shards");
                break;
            }
            assert!(
                said.contains(&format!(
                    "pass {number} has ended and the steps need another: run `tidegate fit INPUT... -r {output} -o STATE --shard I/{shards}`"
                )),
                "{said}"
            );
            begin = output;
        }
    }
    // What is unfinished can also be finished in one piece.
    folder.run("fit orders-1k.csv -r merged1 -o rest").ok();
    assert!(folder.read("rest") == folder.read("whole"));
    folder.run("transform orders-1k.csv -p rest -o out/x.parquet --memory 64MiB").ok();
}

#[test]
fn more_shards_than_rows_and_a_recipe_without_passes() {
    let folder = folder();
    folder.write("few.csv", "a,b\n1,x\n2,y\n4,x\n");
    for recipe in ["use = \"standard_scaler\"\ncolumns = [\"a\"]", "use = \"log1p\"\ncolumns = [\"a\"]"] {
        folder.write("r.toml", format!("version = 1\n[[steps]]\n{recipe}\n"));
        folder.run("fit few.csv -r r.toml -o whole --overwrite").ok();
        let states: Vec<String> = (1..=7).map(|number| format!("s{number}")).collect();
        for (number, state) in states.iter().enumerate() {
            folder
                .run(&format!("fit few.csv -r r.toml -o {state} --shard {}/7 --overwrite", number + 1))
                .ok();
        }
        let said = folder.run(&format!("merge {} -o merged --overwrite", states.join(" "))).ok();
        assert_eq!(folder.read("merged"), folder.read("whole"));
        assert!(said.text().starts_with("7 states -> merged: 7 shards, "), "{said:?}");
    }
}

#[test]
fn what_does_not_belong_together_is_refused_with_its_file() {
    let folder = folder();
    let fit = |args: &str| folder.run(&format!("fit {args}"));
    fit("orders-1k.csv -r one.toml -o a --shard 1/3").ok();
    fit("orders-1k.csv -r one.toml -o b --shard 2/3").ok();
    fit("orders-1k.csv -r recipe.toml -o other --shard 2/3").ok();
    fit("orders-1k.csv -r one.toml -o pipeline").ok();
    let merge = |args: &str| folder.run(&format!("merge {args}"));
    refused(
        &merge("a b -o out/p"),
        2,
        "2 states: of 3 shards 3 is missing; give their states too, or write what is there as one state with --partial",
    );
    refused(
        &merge("a b a -o out/p"),
        2,
        "a: holds shard 1/3, which the states before it hold too; leave one of the two out",
    );
    refused(
        &merge("a other -o out/p"),
        2,
        "other: is of another recipe than the states before it; merge states of one recipe",
    );
    refused(
        &merge("a pipeline -o out/p"),
        2,
        "pipeline: is no partial state but a pipeline; `tidegate transform` takes it",
    );
    refused(
        &merge("one.toml -o out/p"),
        2,
        "one.toml: is no partial state; give a file that `tidegate fit --shard` has written",
    );
    refused(
        &merge("a b -o a --overwrite"),
        2,
        "-o would write over the input a; give it another file; see `tidegate --help`",
    );
    assert_eq!(merge("a nothing -o out/p").code, Some(1));
    let mut damaged = folder.read("b");
    let last = damaged.len() - 3;
    damaged[last] ^= 1;
    folder.write("damaged", damaged);
    refused(
        &merge("a damaged -o out/p"),
        1,
        "damaged: is damaged: its checksum does not match; restore it or fit again",
    );
    refused(
        &fit("orders-1k.csv -r a -o out/p"),
        2,
        "a: is no recipe but a partial state; `tidegate merge` makes one of it and those of the other shards; see `tidegate --help`",
    );
    refused(
        &folder.run("transform orders-1k.csv -p a -o out/x.parquet"),
        2,
        "a: is no pipeline but a partial state; `tidegate merge` makes one of it and those of the other shards",
    );
    for wrong in ["0/3", "4/3", "1", "1/0", "x/2", "-1/2"] {
        let run = folder.run_args(&[
            "fit",
            "orders-1k.csv",
            "-r",
            "one.toml",
            "-o",
            "out/p",
            &format!("--shard={wrong}"),
        ]);
        refused(
            &run,
            2,
            &format!(
                "--shard: `{wrong}` is no shard, expected I/N with I from 1 to N and N up to 1048576, such as 1/4; see `tidegate --help`"
            ),
        );
    }
    assert_eq!(folder.outputs(), Vec::<String>::new());
}

#[test]
fn another_input_is_noticed_in_the_next_pass() {
    let folder = folder();
    folder.write("big.csv", orders(300_000));
    for number in [1, 2] {
        folder.run(&format!("fit big.csv -r recipe.toml -o s{number} --shard {number}/2")).ok();
    }
    folder.run("merge s1 s2 -o unfinished").ok();
    let run = folder.run("fit orders-1k.csv -r unfinished -o out/p --shard 1/2");
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.stderr.starts_with("tidegate: orders-1k.csv: has 1000 rows, and had "), "{run:?}");
    refused(
        &folder.run("fit-transform big.csv -r unfinished -o out/x.parquet"),
        2,
        "unfinished: is no recipe but an unfinished fit; `tidegate fit` takes it by `-r` and makes the next pass; see `tidegate --help`",
    );
}

#[test]
fn states_of_many_values_stay_within_the_budget() {
    let folder = folder();
    folder.write("big.csv", orders(6 << 20));
    folder.write("tokens.toml", "version = 1\n[[steps]]\nuse = \"count_encoder\"\ncolumns = [\"token\"]\n");
    for number in [1, 2] {
        folder
            .run(&format!("fit big.csv -r tokens.toml -o s{number} --shard {number}/2 --memory 128MiB"))
            .ok();
    }
    folder.run("fit big.csv -r tokens.toml -o whole --memory 128MiB").ok();
    folder.run("merge s2 s1 -o merged --memory 128MiB").ok();
    assert!(folder.read("merged") == folder.read("whole"));
    let refusal = folder.run("merge s1 s2 -o out/p --memory 24MiB");
    assert_eq!(refusal.code, Some(4), "{refusal:?}");
    assert_eq!(folder.outputs(), Vec::<String>::new());
}
