//! `tfidf_vectorizer`, beside scikit-learn 1.9.1.

use arrow::array::RecordBatch;

use crate::support::{dictionary, fit, fit_error, floats, made, made_of, nulls, table, texts};

fn step(parameters: &str) -> String {
    format!("use = \"tfidf_vectorizer\"\ncolumns = [\"t\"]\n{parameters}")
}

fn notes() -> RecordBatch {
    table([("t", texts([Some("tide gate tide"), Some("gate été"), None, Some("tide")]))])
}

fn of(parameters: &str) -> Vec<String> {
    made(&[&step(parameters)], &notes())
}

#[test]
fn a_null_is_a_text_without_terms() {
    // ln((4 + 1) / (2 + 1)) + 1 and ln((4 + 1) / (1 + 1)) + 1.
    let (common, rare) = ((5f64 / 3.0).ln() + 1.0, 2.5f64.ln() + 1.0);
    assert_eq!(
        of("norm = \"none\""),
        [
            format!("gate Float64: {common} {common} 0.0 0.0"),
            format!("tide Float64: {} 0.0 0.0 {common}", 2.0 * common),
            format!("été Float64: 0.0 {rare} 0.0 0.0"),
        ]
    );
}

#[test]
fn dictionaries_give_what_their_texts_give() {
    let words = [Some("tide gate"), None, Some("river"), Some("tide gate"), Some("gate")];
    let (plain, keyed) = (table([("t", texts(words))]), table([("t", dictionary(words))]));
    assert_eq!(made(&[&step("max_df = 2")], &plain), made(&[&step("max_df = 2")], &keyed));
    assert_eq!(made(&[&step("max_df = 2")], &keyed).len(), 2);
}

#[test]
fn the_most_frequent_terms_stay_and_the_first_of_equals() {
    let names = |parameters: &str| -> Vec<String> {
        of(parameters).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(""), ["gate", "tide", "été"]);
    assert_eq!(names("max_features = 1"), ["tide"]);
    assert_eq!(names("max_features = 1\nbinary = true"), ["gate"], "both are in two texts");
    assert_eq!(names("min_df = 0.5"), ["gate", "tide"]);
    assert_eq!(names("max_df = 0.25"), ["été"]);
    assert_eq!(names("vocabulary = [\"x\", \"gate\"]"), ["x", "gate"]);
}

#[test]
fn a_given_vocabulary_is_known_before_the_fit() {
    let scale = "use = \"standard_scaler\"\ncolumns = [\"@numeric\"]";
    assert_eq!(fit(&[&step("vocabulary = [\"gate\"]"), scale], &notes()).unwrap().1, 2);
    let later = table([("t", texts(["gate gate", "x"]))]);
    assert_eq!(
        made_of(&[&step("vocabulary = [\"gate\"]")], &notes(), &later).unwrap(),
        ["gate Float64: 1.0 0.0"]
    );
}

#[test]
fn what_leaves_no_term_says_what_to_do() {
    let error = |parameters: &str| {
        let error = fit_error(&[&step(parameters)], &notes());
        error.strip_prefix("step 1 (tfidf_vectorizer): column \"t\": ").unwrap().to_owned()
    };
    assert_eq!(
        error("min_df = 3\nmax_df = 2"),
        "`max_df` comes to 2 texts and `min_df` to 3, so that no term is left; lower `min_df` or raise `max_df`"
    );
    assert_eq!(error("min_df = 3"), "no term is in 3 to 4 texts; lower `min_df` or raise `max_df`");
    assert_eq!(
        error("token_pattern = '\\d+'"),
        "has no term in any text; see `analyzer`, `token_pattern` and `stop_words`, or drop the column"
    );
    assert!(fit_error(&[&step("")], &table([("t", nulls(2))])).contains("has no term in any text"));
}

#[test]
fn a_term_that_is_a_column_already_is_refused() {
    let batch = table([("t", texts(["tide gate"])), ("gate", floats([1.0]))]);
    assert_eq!(
        fit_error(&[&step("")], &batch),
        "line 2: step 1 (tfidf_vectorizer): column \"gate\": would be in the output twice; drop or rename one of the two"
    );
}
