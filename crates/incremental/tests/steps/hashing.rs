//! `hashing_vectorizer` and `feature_hasher`. Expected values were computed with scikit-learn 1.9.1.

use arrow::compute::cast;
use arrow::datatypes::DataType;
use incremental::{ErrorKind, Fitting, Recipe};
use monitor::{Budget, Bytes, Monitor};

use crate::support::{
    apply, bools, columns, dictionary, fit, fit_error, floats, ints, made, nulls, recipe, shown, table, texts,
};

const VECTORIZER: &str = "use = \"hashing_vectorizer\"\ncolumns = [\"t\"]";
const HASHER: &str = "use = \"feature_hasher\"\ncolumns = [\"t\"]";

fn of(parameters: &str, batch: &arrow::array::RecordBatch) -> Vec<String> {
    made(&[&format!("{VECTORIZER}\n{parameters}")], batch)
}

#[test]
fn a_null_is_a_text_without_tokens() {
    let batch = table([("t", texts([Some("tide tide gate"), None, Some("")]))]);
    assert_eq!(
        of("n_features = 2\nnorm = \"none\"\nalternate_sign = false", &batch),
        ["hashingvectorizer0 Float64: 2.0 0.0 0.0", "hashingvectorizer1 Float64: 1.0 0.0 0.0"]
    );
    let empty = table([("t", nulls(1))]);
    assert_eq!(of("n_features = 1", &empty), ["hashingvectorizer0 Float64: 0.0"]);
}

#[test]
fn flags_are_narrow_and_floats_as_asked_for() {
    let batch = table([("t", texts(["tide tide gate"]))]);
    assert_eq!(of("n_features = 1\nbinary = true\nnorm = \"none\"", &batch), ["hashingvectorizer0 UInt8: 1"]);
    assert_eq!(of("n_features = 1\nbinary = true", &batch), ["hashingvectorizer0 Float64: 1.0"]);
    assert_eq!(of("n_features = 1\ndtype = \"float32\"", &batch), ["hashingvectorizer0 Float32: 1.0"]);
    let (pipeline, _) =
        fit(&[&format!("{VECTORIZER}\nn_features = 1\nbinary = true\nnorm = \"none\"")], &batch).unwrap();
    assert_eq!(shown(&apply(&pipeline, &batch, false).unwrap()), ["hashingvectorizer0 Float64: 1.0"]);
}

#[test]
fn dictionaries_give_what_their_texts_give() {
    let words = [Some("tide gate"), None, Some("river"), Some("tide gate"), Some("")];
    let plain = table([("t", texts(words))]);
    let keyed = table([("t", dictionary(words))]);
    assert_eq!(of("n_features = 5", &plain), of("n_features = 5", &keyed));
    let hasher = format!("{HASHER}\nn_features = 5");
    assert_eq!(made(&[&hasher], &plain), made(&[&hasher], &keyed));
    for stored in [DataType::LargeUtf8, DataType::Utf8View] {
        let stored = table([("t", cast(plain.column(0), &stored).unwrap())]);
        assert_eq!(of("n_features = 5", &plain), of("n_features = 5", &stored));
    }
}

#[test]
fn each_kind_of_value_is_hashed_as_python_writes_it() {
    let batch = table([
        ("t", texts([Some("x"), None])),
        ("n", ints([Some(3), None])),
        ("f", floats([Some(2.0), Some(f64::NAN)])),
        ("b", bools([true, false])),
    ]);
    let of = |parameters: &str| {
        let step = format!(
            "use = \"feature_hasher\"\ncolumns = [\"t\", \"n\", \"f\", \"b\"]\nn_features = 4\n{parameters}"
        );
        made(&[&step], &batch)
    };
    // FeatureHasher(4).transform([{"t": "x", "n": 3, "f": 2.0, "b": True}, {"b": False}])
    assert_eq!(
        of(""),
        [
            "featurehasher0 Float64: -3.0 0.0",
            "featurehasher1 Float64: -1.0 0.0",
            "featurehasher2 Float64: 0.0 0.0",
            "featurehasher3 Float64: 1.0 0.0"
        ]
    );
    assert_eq!(
        of("input_type = \"pair\""),
        [
            "featurehasher0 Float64: -3.0 0.0",
            "featurehasher1 Float64: -1.0 0.0",
            "featurehasher2 Float64: 0.0 0.0",
            "featurehasher3 Float64: 1.0 0.0"
        ]
    );
    // FeatureHasher(4, input_type="string").transform([["x", "3", "2.0", "True"], ["False"]])
    assert_eq!(
        of("input_type = \"string\""),
        [
            "featurehasher0 Float64: 3.0 0.0",
            "featurehasher1 Float64: 0.0 0.0",
            "featurehasher2 Float64: 0.0 1.0",
            "featurehasher3 Float64: 1.0 0.0"
        ]
    );
}

#[test]
fn what_cannot_be_held_is_refused_with_its_figure() {
    let batch = table([("t", texts(["a b"]))]);
    for step in [VECTORIZER, HASHER] {
        let recipe = Recipe::parse(&recipe(&[step])).unwrap();
        let monitor =
            Monitor::builder().with_budget(Budget::new(Bytes::from(64usize << 20))).build().unwrap();
        let mut fitting = Fitting::new(recipe, &columns(&batch), &monitor);
        let error = fitting.next_pass().map(|_| ()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TooWide { columns: 1_048_576, .. }));
        let message = error.to_string();
        assert!(message.contains(": makes 1048576 columns, and the memory budget of 64.0 MiB cannot give 1.0 GiB to `columns made`: "), "{message}");
        assert!(message.contains("; make fewer, by `n_features`, "), "{message}");
    }
}

#[test]
fn columns_that_are_no_text_and_several_are_refused() {
    let batch = table([("t", ints([1])), ("u", texts(["a"]))]);
    assert_eq!(
        fit_error(&[&format!("{VECTORIZER}\nn_features = 2")], &batch),
        "line 2: step 1 (hashing_vectorizer): column \"t\": holds integer values, expected text; take the column out of the step, or give it another type"
    );
    assert_eq!(
        fit_error(&["use = \"hashing_vectorizer\"\ncolumns = [\"@all\"]"], &batch),
        "line 2: step 1 (hashing_vectorizer): `columns` is 2 columns, expected one column of text"
    );
}
