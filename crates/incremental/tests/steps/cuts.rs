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

use crate::recipes::step;
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

pub(crate) fn table() -> impl Strategy<Value = RecordBatch> {
    (vec(column(), 1..6), 0..=ROWS).prop_map(|(arrays, rows)| {
        let named = arrays.into_iter().enumerate().map(|(i, array)| (format!("c{i}"), array, true));
        RecordBatch::try_from_iter_with_nullable(named).unwrap().slice(0, rows)
    })
}

fn transform_cut(
    pipeline: &Pipeline,
    table: &RecordBatch,
    rows: usize,
    narrow: bool,
) -> Result<RecordBatch, Error> {
    let bound = pipeline.bind(&columns(table), narrow).unwrap();
    let wanted = table.project(bound.projection()).unwrap();
    let batches = (0..table.num_rows()).step_by(rows).map(|first| {
        let rows = rows.min(table.num_rows() - first);
        bound.transform(&wanted.slice(first, rows), first as u64)
    });
    Ok(concat_batches(bound.schema(), &batches.collect::<Result<Vec<_>, _>>()?).unwrap())
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
    fn no_cut_changes_a_bit(
        table in table(),
        mut steps in vec(step(), 1..5),
        has_split in any::<bool>(),
        rows in 1usize..9,
    ) {
        if has_split && let Some(last) = steps.last_mut() {
            last.push_str("\n[split]\ntest = 0.3");
        }
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
            for (whole, cut) in [(&pipeline, &read), (&pipeline.training(), &in_batches.training())] {
                // A step that learns nothing meets a value that it cannot take only here.
                match (apply(whole, &table, narrow), transform_cut(cut, &table, rows, narrow)) {
                    (Ok(whole), Ok(cut)) => prop_assert_eq!(&whole, &cut),
                    (Err(_), Err(_)) => {}
                    (whole, cut) => panic!("{:?} but in batches {:?}", whole.err(), cut.err()),
                }
            }
        }
    }

    #[test]
    fn merging_is_commutative_and_associative_and_has_an_identity(
        table in table(),
        step in step(),
        split in select(vec!["", "\n[split]\ntest = 0.3"]),
    ) {
        let step = format!("{step}{split}");
        let steps = [step.as_str()];
        let Ok((whole, _)) = fit(&steps, &table) else { return Ok(()) };
        for tree in 0..6 {
            let (pipeline, _) = fit_by(&steps, &table, |pass, wanted| merged(pass, wanted, tree)).unwrap();
            prop_assert_eq!(whole.to_bytes().unwrap(), pipeline.to_bytes().unwrap(), "tree {}", tree);
            let [training, twin] = [&pipeline, &whole].map(|pipeline| {
                apply(&pipeline.training(), &table, true).map_err(|e| e.to_string())
            });
            prop_assert_eq!(training, twin, "tree {}", tree);
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

/// More different values than a state of order statistics holds, with nulls, offsets and outliers among them.
pub(crate) fn many_rows() -> RecordBatch {
    const ROWS: u32 = 16_000;
    let mixed = |row: u32| row.wrapping_mul(2_654_435_761) % ROWS;
    let column = |value: &dyn Fn(u32) -> Option<f64>| {
        let values: ArrayRef = Arc::new(Float64Array::from_iter((0..ROWS).map(value)));
        values
    };
    let skewed = |row: u32| (f64::from(mixed(row)) / 1234.5).exp();
    let columns = [
        ("far", column(&|row| Some(1e9 + f64::from(mixed(row)) / 7.0))),
        ("skewed", column(&|row| Some(skewed(row)))),
        ("holes", column(&|row| (row % 5 > 0).then(|| skewed(row) - 40.0))),
        ("wild", column(&|row| Some(if row % 4000 == 7 { 1e300 } else { f64::from(mixed(row)) * 1e-9 }))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

#[test]
fn no_merge_tree_of_many_rows_changes_a_bit() {
    let table = many_rows();
    let on = |step: &str, columns: &str| format!("use = \"{step}\"\ncolumns = [{columns}]");
    let all = "\"far\", \"skewed\", \"holes\", \"wild\"";
    let whole = "\"far\", \"skewed\", \"wild\"";
    for (step, columns, parameters, most) in [
        ("robust_scaler", all, "", 3),
        ("robust_scaler", all, "approximate = true", 1),
        ("quantile_transformer", all, "n_quantiles = 100", 4),
        ("k_bins_discretizer", whole, "n_bins = 7", 3),
        ("k_bins_discretizer", "\"skewed\"", "n_bins = 4\nstrategy = \"kmeans\"", 60),
        ("power_transformer", "\"far\", \"holes\"", "", 7),
        ("variance_threshold", all, "threshold = 2", 1),
        ("max_abs_scaler", all, "", 1),
        ("pca", whole, "", 1),
    ] {
        let step = format!("{}\n{parameters}", on(step, columns));
        let (pipeline, passes) = fit(&[&step], &table).unwrap();
        assert!(passes <= most, "{step}: {passes} passes");
        let bytes = pipeline.to_bytes().unwrap();
        for tree in 0..2 {
            let (merged, _) = fit_by(&[&step], &table, |pass, wanted| in_a_tree(pass, wanted, tree)).unwrap();
            assert!(merged.to_bytes().unwrap() == bytes, "{step}: tree {tree}");
        }
    }
}

/// Gives batches to five siblings by turns, and merges them from the left, or in pairs from the right.
fn in_a_tree(pass: Pass, wanted: &RecordBatch, tree: usize) -> Result<Pass, Error> {
    let mut parts = vec![pass.sibling()?, pass.sibling()?, pass.sibling()?, pass.sibling()?, pass];
    let rows = 997;
    for (index, first) in (0..wanted.num_rows()).step_by(rows).enumerate() {
        let batch = wanted.slice(first, rows.min(wanted.num_rows() - first));
        parts[index * 3 % 5].update(&batch, first as u64)?;
    }
    if tree == 0 {
        let rest = parts.split_off(1);
        let mut whole = parts.remove(0);
        rest.into_iter().try_for_each(|part| whole.merge(part))?;
        return Ok(whole);
    }
    while parts.len() > 1 {
        let (mut left, right) = (parts.pop().unwrap(), parts.pop().unwrap());
        left.merge(right)?;
        parts.insert(0, left);
    }
    Ok(parts.remove(0))
}
