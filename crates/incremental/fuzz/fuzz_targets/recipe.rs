//! Any text as a recipe: read or refused with a message, never a panic. A recipe that can be read is fitted and
//! applied to a small table, which may be refused as well.

#![no_main]

use std::sync::{Arc, OnceLock};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int8Array, NullArray,
    StringArray, TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::Int8Type;
use arrow::record_batch::RecordBatch;
use incremental::{Column, Error, Fitting, Pipeline, Recipe};
use libfuzzer_sys::fuzz_target;
use monitor::{Budget, Bytes, Monitor};

/// A column of each kind, named by one letter, with missing values among the others.
fn table() -> &'static (RecordBatch, Vec<Column>) {
    static TABLE: OnceLock<(RecordBatch, Vec<Column>)> = OnceLock::new();
    TABLE.get_or_init(|| {
        let keyed: DictionaryArray<Int8Type> = [Some("x"), None, Some("y"), Some("x")].into_iter().collect();
        let columns: [(&str, ArrayRef); 10] = [
            ("i", Arc::new(Int8Array::from(vec![Some(-1), None, Some(3), Some(3)]))),
            ("u", Arc::new(UInt64Array::from(vec![0, 1, u64::MAX, 1]))),
            ("f", Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN), None, Some(1e20)]))),
            ("g", Arc::new(Float32Array::from(vec![Some(0.5), Some(2.0), None, Some(-0.0)]))),
            ("h", Arc::new(Float64Array::from(vec![1e308, -1e308, 1.7e308, 5e-324]))),
            ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]))),
            ("s", Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("é")]))),
            ("k", Arc::new(keyed)),
            ("d", Arc::new(Date32Array::from(vec![Some(0), None, Some(-1), Some(20_000)]))),
            ("t", Arc::new(TimestampMillisecondArray::from(vec![Some(0), None, Some(-1), Some(1 << 40)]))),
        ];
        let empty: ArrayRef = Arc::new(NullArray::new(4));
        let columns = columns.into_iter().chain([("n", empty)]).map(|(name, array)| (name, array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("all columns have four rows");
        let columns = batch.schema().fields().iter().filter_map(|field| Column::of(field)).collect();
        (batch, columns)
    })
}

fn fit_and_apply(recipe: Recipe) -> Result<(), Error> {
    let (batch, columns) = table();
    // A recipe may ask for billions of columns.
    let budget = Budget::new(Bytes::from(64usize << 20));
    let monitor = Monitor::builder().with_budget(budget).build().expect("a budget is all it needs");
    let mut fitting = Fitting::new(recipe, columns, &monitor);
    while let Some(mut pass) = fitting.next_pass()? {
        let wanted = batch.project(pass.projection())?;
        pass.update(&wanted, 0)?;
        fitting.finish_pass(pass)?;
    }
    let pipeline = fitting.finish()?;
    let bytes = pipeline.to_bytes()?;
    let again = Pipeline::from_bytes(&bytes).expect("a pipeline reads its own file");
    assert_eq!(again.to_bytes()?, bytes);
    for narrow in [true, false] {
        let [fitted, read] = [&pipeline, &again].map(|pipeline| {
            let bound = pipeline.bind(columns, narrow)?;
            bound.transform(&batch.project(bound.projection())?, 0)
        });
        let message = |e: Error| e.to_string();
        // In words, where NaN equals itself.
        assert_eq!(format!("{:?}", fitted.map_err(message)), format!("{:?}", read.map_err(message)));
    }
    Ok(())
}

fuzz_target!(|text: &str| {
    match Recipe::parse(text) {
        Err(e) => assert!(!e.to_string().is_empty() && !format!("{e:?}").is_empty()),
        Ok(recipe) => {
            if let Err(e) = fit_and_apply(recipe) {
                let message = e.to_string();
                assert!(!message.is_empty());
                assert!(!matches!(e.kind(), incremental::ErrorKind::Arrow(_)), "{message}");
            }
        }
    }
});
