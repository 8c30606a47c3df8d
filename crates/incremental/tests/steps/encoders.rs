//! `one_hot_encoder` and `ordinal_encoder`. Expected values were computed with scikit-learn 1.9.1.

use std::sync::Arc;

use arrow::array::{ArrayRef, LargeStringArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;

use crate::support::{
    apply, bools, dictionary, fit, fit_error, floats, ints, made, made_of, shown, table, texts,
};

const ONE_HOT: &str = "use = \"one_hot_encoder\"\ncolumns = [\"c\"]";
const ORDINAL: &str = "use = \"ordinal_encoder\"\ncolumns = [\"c\"]";

/// b three times, a twice, c and d once.
fn letters() -> RecordBatch {
    table([("c", texts(["b", "a", "b", "c", "d", "a", "b"]))])
}

fn with(step: &str, parameters: &str) -> String {
    format!("{step}\n{parameters}")
}

/// The categories of the one-hot columns that `letters` become, less `c_`.
fn columns_of_letters(parameters: &str) -> String {
    let made = made(&[&with(ONE_HOT, parameters)], &letters());
    let names: Vec<&str> =
        made.iter().map(|c| c.split_once(' ').unwrap().0.trim_start_matches("c_")).collect();
    names.join(" ")
}

/// The codes of `letters`.
fn codes_of_letters(parameters: &str) -> String {
    made(&[&with(ORDINAL, parameters)], &letters())[0].split_once(": ").unwrap().1.to_owned()
}

#[test]
fn infrequent_categories_are_grouped_by_count_share_and_number() {
    assert_eq!(columns_of_letters(""), "a b c d");
    assert_eq!(columns_of_letters("min_frequency = 2"), "a b infrequent_sklearn");
    assert_eq!(columns_of_letters("min_frequency = 0.3"), "b infrequent_sklearn");
    assert_eq!(columns_of_letters("min_frequency = 0.2857142857142857"), "a b infrequent_sklearn");
    assert_eq!(columns_of_letters("max_categories = 1"), "infrequent_sklearn");
    assert_eq!(columns_of_letters("max_categories = 2"), "b infrequent_sklearn");
    assert_eq!(columns_of_letters("max_categories = 3"), "a b infrequent_sklearn");
    assert_eq!(
        columns_of_letters("max_categories = 4"),
        "a b d infrequent_sklearn",
        "of equals the first goes"
    );
    assert_eq!(columns_of_letters("max_categories = 5"), "a b c d");
    assert_eq!(columns_of_letters("min_frequency = 2\nmax_categories = 2"), "b infrequent_sklearn");
    assert_eq!(codes_of_letters("min_frequency = 0.3"), "0 1 0 1 1 1 0");
    assert_eq!(codes_of_letters("max_categories = 2"), "0 1 0 1 1 1 0");
    let ties = table([("c", texts(["d", "c", "b", "a"]))]);
    assert_eq!(
        made(&[&with(ONE_HOT, "max_categories = 3")], &ties),
        ["c_c UInt8: 0 1 0 0", "c_d UInt8: 1 0 0 0", "c_infrequent_sklearn UInt8: 0 0 1 1"]
    );
    let with_null = table([("c", texts([Some("b"), Some("a"), Some("b"), Some("c"), None]))]);
    assert_eq!(
        made(&[&with(ORDINAL, "min_frequency = 2")], &with_null),
        ["c Int8: 0 1 0 1 null"],
        "missing is never grouped by the ordinal encoder"
    );
}

#[test]
fn a_category_can_be_dropped() {
    assert_eq!(columns_of_letters("drop = \"first\""), "b c d");
    assert_eq!(columns_of_letters("drop = \"if_binary\""), "a b c d");
    assert_eq!(columns_of_letters("drop = \"if_binary\"\nmin_frequency = 3"), "infrequent_sklearn");
    assert_eq!(columns_of_letters("drop = \"none\""), "a b c d");
    assert_eq!(columns_of_letters("drop = [\"c\"]"), "a b d");
    assert_eq!(columns_of_letters("drop = \"first\"\nmax_categories = 1"), "");
    let error = |parameters: &str| fit_error(&[&with(ONE_HOT, parameters)], &letters());
    assert_eq!(
        error("drop = [\"z\"]"),
        "step 1 (one_hot_encoder): column \"c\": `drop` names the category `z`, which the data does not have; name one that it has"
    );
    assert_eq!(
        error("drop = [\"c\"]\nmin_frequency = 2"),
        "step 1 (one_hot_encoder): column \"c\": `drop` names the category `c`, which is infrequent; name a frequent one"
    );
    assert_eq!(
        error("drop = [\"a\", \"b\"]"),
        "line 2: step 1 (one_hot_encoder): `drop` is a list of 2, expected one category for each of the 1 columns"
    );
    assert_eq!(
        error("drop = [1]"),
        "line 2: step 1 (one_hot_encoder): column \"c\": `drop` is 1, expected a value of a column of text values"
    );
    let codes = table([("b", ints([1, 2])), ("a", texts([Some("x"), None]))]);
    let step = "use = \"one_hot_encoder\"\ncolumns = [\"a\", \"b\"]\ndrop = [nan, 2]";
    assert_eq!(made(&[step], &codes), ["b_1 UInt8: 1 0", "a_x UInt8: 1 0"]);
}

#[test]
fn unseen_categories_get_what_handle_unknown_says() {
    let unseen = table([("c", texts([Some("a"), Some("z"), None]))]);
    let one_hot = |parameters: &str| made_of(&[&with(ONE_HOT, parameters)], &letters(), &unseen);
    let ordinal = |parameters: &str| made_of(&[&with(ORDINAL, parameters)], &letters(), &unseen);
    let refusal = |step: &str, value: &str, record: u8| {
        Err(format!(
            "step 1 ({step}): column \"c\": record {record}: found the category `{value}`, which the fit did not see; set `handle_unknown`, or fit on data that has it"
        ))
    };
    assert_eq!(one_hot(""), refusal("one_hot_encoder", "z", 2));
    assert_eq!(ordinal(""), refusal("ordinal_encoder", "z", 2));
    let null = table([("c", texts([Some("a"), None]))]);
    assert_eq!(made_of(&[ONE_HOT], &letters(), &null), refusal("one_hot_encoder", "nan", 2));
    let ok = |columns: &[&str]| Ok(columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
    assert_eq!(
        one_hot("handle_unknown = \"ignore\""),
        ok(&["c_a UInt8: 1 0 0", "c_b UInt8: 0 0 0", "c_c UInt8: 0 0 0", "c_d UInt8: 0 0 0"])
    );
    for handle in ["infrequent_if_exist", "warn"] {
        assert_eq!(
            one_hot(&format!("handle_unknown = \"{handle}\"\nmin_frequency = 2")),
            ok(&["c_a UInt8: 1 0 0", "c_b UInt8: 0 0 0", "c_infrequent_sklearn UInt8: 0 1 1"])
        );
        assert_eq!(
            one_hot(&format!("handle_unknown = \"{handle}\"\nmin_frequency = 1")),
            one_hot("handle_unknown = \"ignore\""),
            "no infrequent column"
        );
    }
    let code = "handle_unknown = \"use_encoded_value\"\nunknown_value = ";
    assert_eq!(ordinal(&format!("{code}-3")), ok(&["c Int8: 0 -3 -3"]));
    assert_eq!(ordinal(&format!("{code}nan")), ok(&["c Int8: 0 null null"]));
    assert_eq!(ordinal(&format!("{code}200")), ok(&["c UInt8: 0 200 200"]));
    assert_eq!(ordinal(&format!("{code}-1\nmax_categories = 2")), ok(&["c Int8: 1 -1 -1"]));
}

#[test]
fn declared_categories_give_order_and_names() {
    assert_eq!(columns_of_letters("categories = [[\"d\", \"c\", \"b\", \"a\", \"q\"]]"), "d c b a q");
    assert_eq!(
        columns_of_letters("categories = [[\"d\", \"c\", \"b\"]]\nhandle_unknown = \"ignore\""),
        "d c b"
    );
    let grouped =
        "categories = [[\"d\", \"c\", \"b\"]]\nhandle_unknown = \"infrequent_if_exist\"\nmin_frequency = ";
    assert_eq!(columns_of_letters(&format!("{grouped}2")), "b infrequent_sklearn");
    assert_eq!(columns_of_letters(&format!("{grouped}0.5")), "infrequent_sklearn", "a share of all rows");
    let batch = table([("b", floats([2.0, 0.5])), ("a", texts([Some("y"), None])), ("n", ints([3, 3]))]);
    let step = "use = \"ordinal_encoder\"\ncolumns = [\"a\", \"n\", \"b\"]\ncategories = [[\"y\", \"x\", nan], [1, 3.0], [0.5, 2]]";
    assert_eq!(
        made(&[step], &batch),
        ["b Int8: 1 0", "a Int8: 0 null", "n Int8: 1 1"],
        "lists go by `columns`"
    );
    let one_hot = step.replace("ordinal", "one_hot");
    let names: Vec<String> = made(&[&one_hot], &batch);
    let names: Vec<&str> = names.iter().map(|c| c.split_once(' ').unwrap().0).collect();
    assert_eq!(names, ["b_0.5", "b_2.0", "a_y", "a_x", "a_nan", "n_1", "n_3"]);

    let error = |step: &str, categories: &str| {
        fit_error(&[&with(step, &format!("categories = {categories}"))], &letters())
    };
    assert_eq!(
        error(ONE_HOT, "[[\"d\", \"c\", \"b\"]]"),
        "step 1 (one_hot_encoder): column \"c\": found the category `a`, which `categories` does not list; add it, or set `handle_unknown`"
    );
    assert_eq!(
        error(ORDINAL, "[[\"d\"], [\"a\"]]"),
        "line 2: step 1 (ordinal_encoder): `categories` is 2 lists, expected one list for each of the 1 columns"
    );
    assert_eq!(
        error(ORDINAL, "[[nan, \"a\"]]"),
        "line 2: step 1 (ordinal_encoder): column \"c\": `categories` is nan before the end of a list, expected nan in the last place"
    );
    assert_eq!(
        error(ORDINAL, "[[\"a\", \"a\"]]"),
        "line 2: step 1 (ordinal_encoder): column \"c\": `categories` is \"a\" twice, expected each category once"
    );
    let numbers = table([("c", ints([1, 2]))]);
    assert_eq!(
        fit_error(&[&with(ORDINAL, "categories = [[2, 1]]")], &numbers),
        "line 2: step 1 (ordinal_encoder): column \"c\": `categories` is not sorted, expected numbers from the smallest to the largest"
    );
}

#[test]
fn numbers_match_by_value_and_are_named_by_the_fit() {
    let (whole, halves) = (table([("c", ints([2, 1]))]), table([("c", floats([1.0, 2.0, -0.0]))]));
    assert_eq!(made(&[ONE_HOT], &halves)[0], "c_0.0 UInt8: 0 0 1");
    let ok = |columns: [&str; 2]| Ok(columns.map(str::to_owned).to_vec());
    let floats_then_ints = made_of(&[ONE_HOT], &table([("c", floats([2.0, 1.0]))]), &whole);
    assert_eq!(floats_then_ints, ok(["c_1.0 UInt8: 0 1", "c_2.0 UInt8: 1 0"]));
    let ints_then_floats = made_of(&[ONE_HOT], &whole, &table([("c", floats([1.0, 2.0]))]));
    assert_eq!(ints_then_floats, ok(["c_1 UInt8: 1 0", "c_2 UInt8: 0 1"]));
    let big = (1 << 53) + 1;
    let precise =
        made_of(&[ONE_HOT], &table([("c", ints([big, big - 1]))]), &table([("c", floats([2f64.powi(53)]))]));
    assert_eq!(precise.unwrap(), [format!("c_{} UInt8: 1", big - 1), format!("c_{big} UInt8: 0")]);
    let half = made_of(&[ORDINAL], &whole, &table([("c", floats([1.5]))]));
    assert!(half.unwrap_err().contains("record 1: found the category `1.5`"));
    assert_eq!(
        made(&[ONE_HOT], &table([("c", bools([Some(true), None]))])),
        ["c_True UInt8: 1 0", "c_nan UInt8: 0 1"]
    );
}

#[test]
fn every_way_to_store_text_and_numbers_gives_the_same() {
    let plain = texts([Some("b"), None, Some("a"), Some("b")]);
    let expected = made(&[ONE_HOT], &table([("c", Arc::clone(&plain))]));
    let (pipeline, _) = fit(&[ONE_HOT], &table([("c", Arc::clone(&plain))])).unwrap();
    let large: ArrayRef = Arc::new(LargeStringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
    let view: ArrayRef = Arc::new(StringViewArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
    for stored in [large, view, dictionary([Some("b"), None, Some("a"), Some("b")])] {
        let batch = table([("c", stored)]);
        assert_eq!(made(&[ONE_HOT], &batch), expected);
        assert_eq!(shown(&apply(&pipeline, &batch, true).unwrap()), expected);
        assert_eq!(shown(&apply(&pipeline, &batch.slice(1, 1), true).unwrap())[2], "c_nan UInt8: 1");
    }
    let numbers = ints([Some(3), None, Some(0), Some(3)]);
    let expected = made(&[ORDINAL], &table([("c", Arc::clone(&numbers))]));
    let keyed = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64));
    for stored in [DataType::Int8, DataType::UInt16, DataType::UInt64, DataType::Float32, keyed] {
        let batch = table([("c", cast(&numbers, &stored).unwrap())]);
        assert_eq!(made(&[ORDINAL], &batch), expected, "{stored}");
    }
}

#[test]
fn codes_fit_their_type_and_do_not_clash() {
    let with_null = table([("c", texts([Some("b"), None, Some("a")]))]);
    let made_with = |parameters: &str| made(&[&with(ORDINAL, parameters)], &with_null)[0].clone();
    assert_eq!(made_with(""), "c Int8: 1 null 0");
    assert_eq!(made_with("encoded_missing_value = -1"), "c Int8: 1 -1 0");
    assert_eq!(made_with("encoded_missing_value = 2\ndtype = \"float32\""), "c Float32: 1.0 2.0 0.0");
    assert_eq!(made_with("encoded_missing_value = 300\ndtype = \"int64\""), "c Int64: 1 300 0");
    assert_eq!(columns_of_letters("dtype = \"int16\""), "a b c d");
    assert_eq!(made(&[&with(ONE_HOT, "dtype = \"int16\"")], &with_null)[0], "c_a Int16: 0 0 1");
    assert_eq!(codes_of_letters("encoded_missing_value = 1"), "1 0 1 2 3 0 1", "there is no missing value");

    let error = |parameters: &str| fit_error(&[&with(ORDINAL, parameters)], &with_null);
    let place = "step 1 (ordinal_encoder): column \"c\": ";
    assert_eq!(
        error("encoded_missing_value = 1"),
        format!(
            "{place}`encoded_missing_value = 1` is the code of a category, which are 0 to 1; choose another"
        )
    );
    assert_eq!(
        error("handle_unknown = \"use_encoded_value\"\nunknown_value = 1"),
        format!("{place}`unknown_value = 1` is the code of a category, which are 0 to 1; choose another")
    );
    assert_eq!(
        error("dtype = \"int8\""),
        format!(
            "{place}has missing values, and an integer dtype has no NaN; set `encoded_missing_value`, or a float dtype"
        )
    );
    assert_eq!(
        error("dtype = \"int8\"\nencoded_missing_value = 200"),
        format!("{place}has 2 codes, which `dtype = \"int8\"` does not hold; choose a wider one")
    );
    let two = "handle_unknown = \"use_encoded_value\"\nunknown_value = 2";
    assert_eq!(made_with(two), "c Int8: 1 null 0", "missing has a code of its own");
}

#[test]
fn wide_outputs_are_floats() {
    let (one_hot, _) = fit(&[ONE_HOT], &letters()).unwrap();
    assert_eq!(shown(&apply(&one_hot, &letters().slice(0, 2), false).unwrap())[0], "c_a Float64: 0.0 1.0");
    let (ordinal, _) = fit(&[ORDINAL], &letters()).unwrap();
    assert_eq!(shown(&apply(&ordinal, &letters().slice(0, 2), false).unwrap()), ["c Float64: 1.0 0.0"]);
    let (typed, _) = fit(&[&with(ORDINAL, "dtype = \"int16\"")], &letters()).unwrap();
    assert_eq!(shown(&apply(&typed, &letters().slice(0, 2), false).unwrap()), ["c Int16: 1 0"]);
}

#[test]
fn a_later_encoder_names_codes_as_the_class_gives_them() {
    assert_eq!(made(&[ORDINAL, ONE_HOT], &letters().slice(0, 2))[0], "c_0.0 UInt8: 0 1");
    assert_eq!(
        made(&[&with(ORDINAL, "dtype = \"int8\""), ONE_HOT], &letters().slice(0, 2))[0],
        "c_0 UInt8: 0 1"
    );
}

#[test]
fn infinities_are_refused_with_their_record() {
    let infinite = table([("c", floats([1.0, f64::NAN, f64::NEG_INFINITY]))]);
    let refusal = |step: &str| {
        format!(
            "step 1 ({step}): column \"c\": record 3: found -inf, expected a finite number; mend or drop the value before this step"
        )
    };
    for (step, name) in [(ONE_HOT, "one_hot_encoder"), (ORDINAL, "ordinal_encoder")] {
        assert_eq!(fit_error(&[step], &infinite), refusal(name));
        let fitted_on = infinite.slice(0, 2);
        assert_eq!(made_of(&[step], &fitted_on, &infinite), Err(refusal(name)));
    }
}
