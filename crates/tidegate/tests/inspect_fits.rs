//! What `inspect` tells of the files that a fit writes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::Folder;
use serde_json::json;

const RECIPE: &str = "version = 1
[[steps]]
use = \"simple_imputer\"
columns = [\"amount\"]
[[steps]]
use = \"one_hot_encoder\"
columns = [\"category\"]
[[steps]]
use = \"standard_scaler\"
columns = [\"amount\"]
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write(
        "orders.csv",
        "id,amount,category\n1,10.5,online\n2,,retail\n3,11.5,online\n4,12.5,\u{1b}[1m\n",
    );
    folder.write("recipe.toml", RECIPE);
    folder
}

#[test]
fn a_pipeline_is_told_step_by_step() {
    let folder = folder();
    folder.run("fit orders.csv -r recipe.toml -o p").ok();
    let table = folder.run("inspect p").ok();
    let size = folder.read("p").len() as f64 / 1024.0;
    let expected = format!(
        "p: pipeline of 3 steps, 3 columns to 5, {size:.1} KiB
input: id integer, amount float, category text

step 1: simple_imputer
  amount: fill 11.5, indicator false, makes_floats true, missing_value none

step 2: one_hot_encoder
  category: dtype none, handle_unknown error, names [\\u{{1b}}[1m, online, retail], places [0, 1, 2], unknown_place none, vocabulary (categories [\\u{{1b}}[1m, online, retail], has_missing false, kind text, rows 4)

step 3: standard_scaler
  amount: is_empty false, mean 11.5, scale 0.7071067811865476

output              type          from                  by steps
id                  as the input  id
amount              float64       amount                1 simple_imputer, 3 standard_scaler
category_\\u{{1b}}[1m  uint8         category = \\u{{1b}}[1m  2 one_hot_encoder
category_online     uint8         category = online     2 one_hot_encoder
category_retail     uint8         category = retail     2 one_hot_encoder
"
    );
    assert_eq!(table.text(), expected);
    let told = folder.run("inspect p --json").ok().json();
    assert_eq!(told["kind"], "pipeline");
    assert_eq!(told["bytes"], folder.read("p").len());
    assert_eq!(told["input"][1], json!({ "name": "amount", "kind": "float" }));
    assert_eq!(told["steps"][2]["learnt"][0]["mean"], 11.5);
    assert_eq!(
        told["outputs"][3],
        json!({
            "name": "category_online",
            "kind": "float",
            "type": "uint8",
            "source": "category",
            "steps": [{ "step": 2, "use": "one_hot_encoder" }],
            "category": "online",
        })
    );
    assert_eq!(told["outputs"][0]["type"], json!(null));
}

#[test]
fn partial_states_and_unfinished_fits_are_told_apart() {
    let folder = folder();
    for number in [1, 2, 3] {
        folder.run(&format!("fit orders.csv -r recipe.toml -o s{number} --shard {number}/3")).ok();
    }
    folder.run("merge s1 s3 --partial -o both").ok();
    let told = folder.run("inspect both --json").ok().json();
    assert_eq!(
        (told["kind"].clone(), told["pass"].clone(), told["recipe"].clone()),
        (json!("partial_state"), json!(1), json!(RECIPE))
    );
    assert_eq!(
        told["shards"],
        json!({ "of": 3, "seen": [{ "number": 1, "rows": 1 }, { "number": 3, "rows": 2 }], "missing": [2] })
    );
    assert_eq!(told["input"][0], json!({ "name": "id", "kind": "integer", "type": "int8" }));
    let text = folder.run("inspect both").ok();
    assert!(text.text().contains("of 3 shards it holds 1 (rows: 1), 3 (rows: 2); missing: 2\n"), "{text:?}");
    assert!(text.text().ends_with("recipe:\n  version = 1\n  [[steps]]\n  use = \"simple_imputer\"\n  columns = [\"amount\"]\n  [[steps]]\n  use = \"one_hot_encoder\"\n  columns = [\"category\"]\n  [[steps]]\n  use = \"standard_scaler\"\n  columns = [\"amount\"]\n"), "{text:?}");
    folder.write(
        "two.toml",
        "version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"amount\"]\n[[steps]]\nuse = \"min_max_scaler\"\ncolumns = [\"amount\"]\n",
    );
    folder.run("fit orders.csv -r two.toml -o one --shard 1/1").ok();
    folder.run("merge one -o unfinished").ok();
    let told = folder.run("inspect unfinished --json").ok().json();
    assert_eq!(
        (told["kind"].clone(), told["passes"].clone(), told["rows"].clone()),
        (json!("unfinished_fit"), json!(1), json!(4))
    );
    let text = folder.run("inspect unfinished").ok();
    assert!(text.text().contains("passes that have ended: 1, over rows: 4; another is needed\n"), "{text:?}");
}

#[test]
fn a_damaged_file_is_refused_and_a_table_of_that_name_is_none() {
    let folder = folder();
    folder.run("fit orders.csv -r recipe.toml -o p").ok();
    let mut damaged = folder.read("p");
    let last = damaged.len() - 5;
    damaged[last] ^= 1;
    folder.write("damaged", damaged);
    let run = folder.run("inspect damaged");
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (Some(1), "tidegate: damaged: is damaged: its checksum does not match; restore it or fit again\n")
    );
    let run = folder.run("inspect p --summary out/s.json");
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.starts_with("tidegate: --summary: no rows are read of p, which is a pipeline"),
        "{run:?}"
    );
    // A table whose first column is called alike.
    folder.write("table.csv", "tidegate-pipeline,b\n1,2\n");
    assert_eq!(folder.run("inspect table.csv --json").ok().json()["rows"], 1);
}
