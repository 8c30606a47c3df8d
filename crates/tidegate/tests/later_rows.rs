//! Rows that come after the fit and are not like it: what each class says of them, or a refusal that leaves nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::Folder;

/// `m` misses a value in the fit, `c` and `n` do not.
const FITTED: &str = "c,n,m\na,1,\nb,2,5\na,3,7\n";

/// What a pipeline of `step`, fitted on [`FITTED`], makes of `input`, as CSV without its header, or the refusal.
fn made(step: &str, input: &str) -> Result<String, String> {
    let folder = Folder::new();
    folder.write("fitted.csv", FITTED);
    folder.write("r.toml", format!("version = 1\n[[steps]]\n{step}\n"));
    folder.run("fit fitted.csv -r r.toml -o p").ok();
    folder.write("later.csv", input);
    let run = folder.run("transform later.csv -p p -o out/x.csv");
    if run.code == Some(0) {
        let text = String::from_utf8(folder.read("out/x.csv")).unwrap();
        return Ok(text.split_once('\n').unwrap().1.to_owned());
    }
    assert_eq!((run.code, folder.outputs()), (Some(3), Vec::new()), "{run:?}");
    assert!(run.stderr.starts_with("tidegate: later.csv: "), "{run:?}");
    Err(run.stderr)
}

#[track_caller]
fn makes(step: &str, input: &str, expected: &str) {
    assert_eq!(made(step, input).unwrap(), expected, "{step}");
}

#[track_caller]
fn refuses(step: &str, input: &str, part: &str) {
    let refusal = made(step, input).unwrap_err();
    assert!(refusal.contains(part), "{step}: {refusal}");
}

#[test]
fn unseen_categories() {
    // In the last row, so that rows before it have been transformed.
    let input = "c,n,m\na,1,1\nzebra,2,1\n";
    let on = |step: &str, more: &str| format!("use = \"{step}\"\ncolumns = [\"c\"]\n{more}");
    let unseen = "line 3, record 2, byte 12: step 1";
    refuses(&on("one_hot_encoder", ""), input, unseen);
    refuses(&on("ordinal_encoder", ""), input, unseen);
    refuses(&on("count_encoder", "handle_unknown = \"error\""), input, unseen);
    makes(&on("one_hot_encoder", "handle_unknown = \"ignore\""), input, "1,0,1,1\n0,0,2,1\n");
    let infrequent = "handle_unknown = \"infrequent_if_exist\"\nmin_frequency = 2";
    makes(&on("one_hot_encoder", infrequent), input, "1,0,1,1\n0,1,2,1\n");
    let coded = "handle_unknown = \"use_encoded_value\"\nunknown_value = -1";
    makes(&on("ordinal_encoder", coded), input, "0,1,1\n-1,2,1\n");
    makes(&on("count_encoder", ""), input, "2,1,1\n0,2,1\n");
    makes(&on("count_encoder", "handle_unknown = 7"), input, "2,1,1\n7,2,1\n");
    // The mean of the target, which is 2.
    let encoded = made(&on("target_encoder", "target = \"n\"\ntarget_type = \"continuous\""), input).unwrap();
    assert!(encoded.ends_with("\n2.0,2,1\n"), "{encoded}");
    makes(&on("tfidf_vectorizer", "token_pattern = \"[a-z]+\""), input, "1.0,0.0,1,1\n0.0,0.0,2,1\n");
}

#[test]
fn new_nulls() {
    let input = "c,n,m\na,1,1\nb,,1\n";
    let on = |step: &str, more: &str| format!("use = \"{step}\"\ncolumns = [\"n\"]\n{more}");
    let place = "line 3, record 2, byte 12: step 1";
    makes(&on("min_max_scaler", ""), input, "a,0.0,1\nb,,1\n");
    makes(&on("max_abs_scaler", ""), &input.replace("a,1,", "a,3,"), "a,1.0,1\nb,,1\n");
    makes(&on("simple_imputer", ""), input, "a,1.0,1\nb,2.0,1\n");
    makes(&on("clip", "upper = 0"), input, "a,0,1\nb,,1\n");
    makes(&on("missing_indicator", "features = \"all\""), input, "a,false,1\nb,true,1\n");
    makes(&on("count_encoder", ""), input, "a,1,1\nb,0,1\n");
    makes(&on("one_hot_encoder", "handle_unknown = \"ignore\""), input, "a,1,0,0,1\nb,0,0,0,1\n");
    refuses(&on("missing_indicator", ""), input, place);
    refuses(&on("one_hot_encoder", ""), input, place);
    refuses(&on("ordinal_encoder", ""), input, place);
    for step in ["k_bins_discretizer", "polynomial_features", "pca"] {
        refuses(&on(step, ""), input, place);
    }
    // Missing was a category of the fit, and one of its columns.
    let m = "use = \"one_hot_encoder\"\ncolumns = [\"m\"]\n";
    makes(m, "c,n,m\na,1,\n", "a,1,0,0,1\n");
}

#[test]
fn columns_in_another_order_and_of_other_types() {
    let step = "use = \"min_max_scaler\"\ncolumns = [\"n\"]\n";
    makes(step, "m,n,c\n1,3,a\n", "a,1.0,1\n");
    // Whole numbers where there were none, and the other way round.
    makes(step, "c,n,m\na,2.5,1\n", "a,0.75,1\n");
    // A column of texts that look like numbers here, and one without a value.
    makes(step, "c,n,m\n7,3,1\n", "7,1.0,1\n");
    makes(step, "c,n,m\na,,\n", "a,,\n");
    refuses(step, "c,n,m\na,many,1\n", "column \"n\": held integer values when the pipeline was fitted");
    refuses(
        step,
        "c,n,m\na,2020-01-31,1\n",
        "column \"n\": held integer values when the pipeline was fitted",
    );
    refuses(step, "c,n\na,1\n", "column \"m\": is missing, and was there when the pipeline was fitted");
    refuses(step, "c,n,m,x\na,1,1,1\n", "column \"x\": was not there when the pipeline was fitted");
    refuses(step, "c,N,m\na,1,1\n", "column \"N\": was not there when the pipeline was fitted");
}
