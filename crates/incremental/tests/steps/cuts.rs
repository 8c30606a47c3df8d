//! Random recipes over random tables: no cut and no tree of merges changes a bit of the pipeline's file or
//! of the output.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int8Array, NullArray,
    StringArray, TimestampSecondArray, UInt64Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::Int8Type;
use arrow::record_batch::RecordBatch;
use incremental::{Error, Pass, Pipeline};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{apply, columns, fit, fit_by};

const ROWS: usize = 40;

fn column() -> impl Strategy<Value = ArrayRef> {
    let floats = select(vec![0.0, -0.0, f64::NAN, 1.5, 2.0, 0.1, -1e308, 1e308, 5e-324, 1e9 + 0.1, -7.0]);
    let words = select(vec!["a", "b", "nan", "", "Å", "7", "a b", "bab  a"]);
    let array = |array: ArrayRef| array;
    prop_oneof![
        vec(weighted(0.8, -3i8..4), ROWS).prop_map(move |v| array(Arc::new(Int8Array::from(v)))),
        vec(weighted(0.8, any::<u64>()), ROWS).prop_map(move |v| array(Arc::new(UInt64Array::from(v)))),
        vec(weighted(0.8, floats), ROWS).prop_map(move |v| array(Arc::new(Float64Array::from(v)))),
        vec(weighted(0.9, any::<f32>().prop_filter("finite", |f| f.is_finite())), ROWS)
            .prop_map(move |v| array(Arc::new(Float32Array::from(v)))),
        vec(weighted(0.8, any::<bool>()), ROWS).prop_map(move |v| array(Arc::new(BooleanArray::from(v)))),
        vec(weighted(0.8, words.clone()), ROWS).prop_map(move |v| array(Arc::new(StringArray::from(v)))),
        vec(weighted(0.8, words), ROWS)
            .prop_map(move |v| array(Arc::new(v.into_iter().collect::<DictionaryArray<Int8Type>>()))),
        vec(weighted(0.8, -40_000i32..40_000), ROWS).prop_map(move |v| array(Arc::new(Date32Array::from(v)))),
        vec(weighted(0.8, any::<i32>().prop_map(i64::from)), ROWS)
            .prop_map(move |v| array(Arc::new(TimestampSecondArray::from(v)))),
        Just(array(Arc::new(NullArray::new(ROWS)))),
    ]
}

fn table() -> impl Strategy<Value = RecordBatch> {
    (vec(column(), 1..6), 0..=ROWS).prop_map(|(arrays, rows)| {
        let named = arrays.into_iter().enumerate().map(|(i, array)| (format!("c{i}"), array, true));
        RecordBatch::try_from_iter_with_nullable(named).unwrap().slice(0, rows)
    })
}

/// Steps with some of their parameters. Not every table suits every step, and then the fit must say so.
fn step() -> impl Strategy<Value = String> {
    let steps = vec![
        "use = \"standard_scaler\"",
        "use = \"standard_scaler\"\nwith_mean = false",
        "use = \"standard_scaler\"\nwith_std = false",
        "use = \"min_max_scaler\"\nfeature_range = [-1, 2.5]\nclip = true",
        "use = \"min_max_scaler\"",
        "use = \"simple_imputer\"",
        "use = \"simple_imputer\"\nstrategy = \"median\"\nadd_indicator = true",
        "use = \"simple_imputer\"\nstrategy = \"most_frequent\"",
        "use = \"simple_imputer\"\nstrategy = \"most_frequent\"\nkeep_empty_features = true\nadd_indicator = true",
        "use = \"simple_imputer\"\nstrategy = \"constant\"",
        "use = \"simple_imputer\"\nstrategy = \"constant\"\nfill_value = 300",
        "use = \"one_hot_encoder\"",
        "use = \"one_hot_encoder\"\ndrop = \"first\"\nmax_categories = 3",
        "use = \"one_hot_encoder\"\nmin_frequency = 0.2\nhandle_unknown = \"infrequent_if_exist\"",
        "use = \"ordinal_encoder\"",
        "use = \"ordinal_encoder\"\nmin_frequency = 4\nencoded_missing_value = -1",
        "use = \"ordinal_encoder\"\nhandle_unknown = \"use_encoded_value\"\nunknown_value = -7\ndtype = \"float32\"",
        "use = \"missing_indicator\"",
        "use = \"missing_indicator\"\nfeatures = \"all\"\nmissing_values = 2",
        "use = \"date_parts\"\nparts = [\"year\", \"second\"]",
        "use = \"count_encoder\"",
        "use = \"count_encoder\"\nnormalize = true\nmin_group_size = 0.1\nhandle_missing = \"return_nan\"",
        "use = \"hashing_vectorizer\"\nn_features = 3\nanalyzer = \"char\"",
        "use = \"feature_hasher\"\nn_features = 4",
        "use = \"feature_hasher\"\nn_features = 2\ninput_type = \"string\"\ndtype = \"float32\"",
        "use = \"tfidf_vectorizer\"\nanalyzer = \"char\"\nngram_range = [1, 2]",
        "use = \"tfidf_vectorizer\"\nanalyzer = \"char_wb\"\nmax_features = 2\nsublinear_tf = true",
        "use = \"target_encoder\"\ntarget = \"c0\"",
        "use = \"target_encoder\"\ntarget = \"c1\"\nsmooth = 2.5\ncv = 2",
        "use = \"target_encoder\"\ntarget = \"c1\"\ntarget_type = \"multiclass\"",
        "use = \"drop_columns\"",
        "use = \"select_columns\"",
    ];
    let selection = select(vec![
        "@numeric",
        "@string",
        "@bool",
        "@temporal",
        "@all",
        "c*",
        "c0",
        "c1",
        "c2",
        "c0\", \"c1",
        "*_a",
    ]);
    (select(steps), selection).prop_map(|(step, columns)| format!("{step}\ncolumns = [\"{columns}\"]"))
}

fn transform_cut(pipeline: &Pipeline, table: &RecordBatch, rows: usize, narrow: bool) -> RecordBatch {
    let bound = pipeline.bind(&columns(table), narrow).unwrap();
    let wanted = table.project(bound.projection()).unwrap();
    let batches = (0..table.num_rows()).step_by(rows).map(|first| {
        let rows = rows.min(table.num_rows() - first);
        bound.transform(&wanted.slice(first, rows), first as u64).unwrap()
    });
    concat_batches(bound.schema(), &batches.collect::<Vec<_>>()).unwrap()
}

/// Gives rows to three siblings by turns and merges them in one of many trees, some with a sibling that has
/// seen nothing.
fn merged(pass: Pass, wanted: &RecordBatch, tree: usize) -> Result<Pass, Error> {
    let empty = pass.sibling()?;
    let mut parts = vec![pass.sibling()?, pass.sibling()?, pass];
    for row in 0..wanted.num_rows() {
        parts[row * row % 3].update(&wanted.slice(row, 1), row as u64)?;
    }
    let merge = |mut a: Pass, b: Pass| a.merge(b).map(|()| a);
    let [a, b, c] = <[Pass; 3]>::try_from(parts).map_err(|_| ()).unwrap();
    match tree {
        0 => merge(merge(a, b)?, c),
        1 => merge(a, merge(b, c)?),
        2 => merge(merge(c, a)?, b),
        3 => merge(b, merge(c, a)?),
        4 => merge(empty, merge(merge(a, c)?, b)?),
        _ => merge(merge(merge(b, empty)?, a)?, c),
    }
}

proptest! {
    #[test]
    fn no_cut_changes_a_bit(table in table(), steps in vec(step(), 1..5), rows in 1usize..9) {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let in_batches = fit_by(&steps, &table, |mut pass, wanted| {
            for first in (0..wanted.num_rows()).step_by(rows) {
                pass.update(&wanted.slice(first, rows.min(wanted.num_rows() - first)), first as u64)?;
            }
            Ok(pass)
        });
        let (pipeline, passes) = match (fit(&steps, &table), &in_batches) {
            (Ok(whole), Ok(_)) => whole,
            (Err(_), Err(_)) => return Ok(()),
            (whole, _) => panic!("{:?} but in batches {:?}", whole.err(), in_batches.err()),
        };
        let bytes = pipeline.to_bytes().unwrap();
        let (in_batches, passes_in_batches) = in_batches.unwrap();
        prop_assert_eq!(passes, passes_in_batches);
        prop_assert_eq!(&bytes, &in_batches.to_bytes().unwrap());
        let read = Pipeline::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&bytes, &read.to_bytes().unwrap());
        for narrow in [true, false] {
            let whole = apply(&pipeline, &table, narrow).unwrap();
            prop_assert_eq!(&whole, &transform_cut(&read, &table, rows, narrow));
            let training = apply(&pipeline.training(), &table, narrow).unwrap();
            prop_assert_eq!(&training, &transform_cut(&in_batches.training(), &table, rows, narrow));
        }
    }

    #[test]
    fn merging_is_commutative_and_associative_and_has_an_identity(table in table(), step in step()) {
        let steps = [step.as_str()];
        let Ok((whole, _)) = fit(&steps, &table) else { return Ok(()) };
        for tree in 0..6 {
            let (pipeline, _) = fit_by(&steps, &table, |pass, wanted| merged(pass, wanted, tree)).unwrap();
            prop_assert_eq!(whole.to_bytes().unwrap(), pipeline.to_bytes().unwrap(), "tree {}", tree);
            let training = apply(&pipeline.training(), &table, true).unwrap();
            prop_assert_eq!(apply(&whole.training(), &table, true).unwrap(), training, "tree {}", tree);
        }
    }

    #[test]
    fn an_archive_with_other_numbers_in_it_never_panics(
        table in table(),
        step in step(),
        place in any::<prop::sample::Index>(),
        digit in select(vec!["0", "9", "-1", "1e300", "null", "77777777777"]),
    ) {
        let Ok((pipeline, _)) = fit(&[&step], &table) else { return Ok(()) };
        let text = String::from_utf8(pipeline.to_bytes().unwrap()).unwrap();
        let json = text.split_once('\n').unwrap().1;
        let digits: Vec<usize> = json.match_indices(|c: char| c.is_ascii_digit()).map(|(i, _)| i).collect();
        prop_assume!(!digits.is_empty());
        let at = *place.get(&digits);
        let json = format!("{}{digit}{}", &json[..at], &json[at + 1..]);
        let forged = format!("tidegate-pipeline 1 crc32:{:08x}\n{json}", crc32fast::hash(json.as_bytes()));
        if let Ok(pipeline) = Pipeline::from_bytes(forged.as_bytes()) {
            // Some numbers are as good as the true ones.
            let _ = apply(&pipeline, &table, true);
        }
    }
}
