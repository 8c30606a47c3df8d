//! A recipe with a target: the rows of the fit get values that were learnt without them, later rows need no target.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::Folder;
use common::table::{Cell, Column, read_parquet};

const RECIPE: &str = "version = 1
[[steps]]
use = \"target_encoder\"
columns = [\"city\"]
target = \"y\"
smooth = 0

[[steps]]
use = \"standard_scaler\"
columns = [\"@numeric\"]
exclude = [\"city\"]
";

fn folder() -> Folder {
    let folder = Folder::new();
    // A city a row, so that a leak would show the row's own class.
    let rows = (0..40).map(|row| format!("{row},c{row},{}\n", if row % 3 == 0 { "won" } else { "lost" }));
    folder.write("train.csv", format!("a,city,y\n{}", rows.collect::<String>()));
    folder.write("later.csv", "city,a\nc0,1\nc1,2\nnew,3\n");
    folder.write("recipe.toml", RECIPE);
    folder
}

fn numbers(columns: &[Column], name: &str) -> Vec<f64> {
    let column = columns.iter().find(|column| column.name == name).unwrap();
    column.cells.iter().map(|cell| Cell::number(cell).unwrap()).collect()
}

#[test]
fn the_rows_of_the_fit_do_not_see_their_own_target() {
    let folder = folder();
    folder.run("fit-transform train.csv -r recipe.toml -o out.parquet --save saved").ok();
    let train = numbers(&read_parquet(&folder.path("out.parquet")), "city");
    // Folds of other rows have about a third of each class: nothing near the row's own 0 or 1.
    assert!(train.iter().all(|value| (0.15..0.55).contains(value)), "{train:?}");
    for options in ["--threads 1 --batch-rows 1", "--threads 2 --batch-rows 7"] {
        let args =
            format!("fit-transform train.csv -r recipe.toml -o cut.parquet --save cut --overwrite {options}");
        folder.run(&args).ok();
        assert_eq!(numbers(&read_parquet(&folder.path("cut.parquet")), "city"), train);
        assert_eq!(folder.read("cut"), folder.read("saved"));
    }
    folder.run("fit train.csv -r recipe.toml -o fitted").ok();
    assert_eq!(folder.read("fitted"), folder.read("saved"), "both are for later rows");
}

#[test]
fn later_rows_need_no_target_though_it_was_text() {
    let folder = folder();
    folder.run("fit train.csv -r recipe.toml -o saved").ok();
    folder.run("transform later.csv -p saved -o out.parquet").ok();
    let later = read_parquet(&folder.path("out.parquet"));
    assert_eq!(numbers(&later, "city"), [1.0, 0.0, 14.0 / 40.0]);
    assert_eq!(later.len(), 2);
    folder.write("short.csv", "a\n1\n");
    let refusal = folder.run("transform short.csv -p saved -o none.parquet");
    assert_eq!(refusal.code, Some(3));
    assert!(
        refusal.stderr.contains("short.csv: column \"city\": is missing, and was there"),
        "{}",
        refusal.stderr
    );
    // A reject is kept though the input had to be opened twice.
    folder.write("bad.csv", "city,a\nc0,1\nc1,2,3\nc1,2\n");
    folder.run("transform bad.csv -p saved -o out2.parquet --on-bad-row quarantine --rejects r.csv").ok();
    assert!(String::from_utf8(folder.read("r.csv")).unwrap().contains("c1,2,3"));
    assert_eq!(numbers(&read_parquet(&folder.path("out2.parquet")), "city"), [1.0, 0.0]);
}

#[test]
fn a_split_says_which_rows_were_fitted() {
    let folder = folder();
    folder.write("recipe.toml", format!("{RECIPE}\n[split]\ntest = 0.25\nseed = 1\n"));
    folder.run("fit-transform train.csv -r recipe.toml -o out.parquet --save saved").ok();
    let output = read_parquet(&folder.path("out.parquet"));
    let (city, split) = (numbers(&output, "city"), output.last().unwrap());
    assert_eq!(split.name, "split");
    let fitted = split.cells.iter().filter(|cell| **cell == Cell::Text("train".into())).count();
    let run = folder.run("fit train.csv -r recipe.toml -o fitted").ok();
    assert!(run.text().contains(&format!("2 steps fitted on {fitted} rows")), "{run:?}");
    // A city of its own that the fit has not seen gets the mean of the fit.
    let mut test = split.cells.iter().zip(&city).filter(|(cell, _)| **cell == Cell::Text("test".into()));
    let mean = *test.next().unwrap().1;
    assert!(test.all(|(_, value)| *value == mean));
    folder.run("transform later.csv -p saved -o later.parquet").ok();
    let later = read_parquet(&folder.path("later.parquet"));
    assert_eq!(numbers(&later, "city")[2], mean);
    assert!(later.iter().all(|column| column.name != "split"));
    folder.run("fit-transform train.csv -r recipe.toml -o wide.parquet --downcast none").ok();
    assert_eq!(numbers(&read_parquet(&folder.path("wide.parquet")), "city"), city);
    folder.run("fit-transform train.csv -r recipe.toml -o less.parquet --downcast aggressive").ok();
}
