//! Any bytes as a pipeline's file, and valid files changed under a right checksum: read or refused, then bound
//! to a small table of the columns it asks for and applied, never a panic.
//!
//! The first byte of an input chooses: the rest is the whole file; or it is the part under the checksum; or it
//! edits a valid file, three bytes an edit.

#![no_main]

mod documents;

use std::sync::{Arc, OnceLock};

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;
use documents::{RECIPES, array, edit, table, under_checksum};
use incremental::{Column, ErrorKind, Fitting, Pipeline, Recipe};
use libfuzzer_sys::fuzz_target;
use monitor::Monitor;
use serde_json::Value;

const MAGIC: &str = "tidegate-pipeline";

/// The parts under the checksum of files that were fitted on a column of each kind.
fn valid_files() -> &'static Vec<Value> {
    static FILES: OnceLock<Vec<Value>> = OnceLock::new();
    FILES.get_or_init(|| {
        let (batch, columns) = table();
        let bodies = RECIPES.map(|recipe| {
            let recipe = Recipe::parse(recipe).expect("the recipe is right");
            let mut fitting = Fitting::new(recipe, columns, &Monitor::unbounded());
            while let Some(mut pass) = fitting.next_pass().expect("the columns suit the steps") {
                let wanted = batch.project(pass.projection()).expect("the projection is of this table");
                pass.update(&wanted, 0).expect("the values suit the steps");
                fitting.finish_pass(pass).expect("the values suit the steps");
            }
            let file = fitting.finish().and_then(|p| p.to_bytes()).expect("a fitted pipeline has a file");
            let body = file.iter().position(|b| *b == b'\n').map_or(&[][..], |end| &file[end + 1..]);
            serde_json::from_slice(body).expect("the part under the checksum is JSON")
        });
        bodies.to_vec()
    })
}

/// Binds and applies what was read.
fn apply(pipeline: &Pipeline, choice: u8) -> Result<(), incremental::Error> {
    let inputs = pipeline.input().iter().zip(choice..=u8::MAX);
    let (columns, arrays): (Vec<Column>, Vec<ArrayRef>) = inputs
        .map(|(input, choice)| {
            let array = array(input.kind, choice);
            let column =
                Column { name: input.name.clone(), kind: input.kind, data_type: array.data_type().clone() };
            (column, array)
        })
        .unzip();
    // As a caller with a budget: a file may speak of billions of columns.
    if pipeline.bound_bytes() > 64 << 20 {
        return Ok(());
    }
    for narrow in [true, false] {
        let bound = pipeline.bind(&columns, narrow)?;
        assert_eq!(bound.lineage().len(), bound.schema().fields().len());
        let wanted = bound.projection().iter().enumerate();
        let wanted = wanted.map(|(place, column)| (place.to_string(), Arc::clone(&arrays[*column]), true));
        // A batch without columns is none of this table.
        let Ok(batch) = RecordBatch::try_from_iter_with_nullable(wanted) else { continue };
        bound.transform(&batch, 7)?;
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let [mode, rest @ ..] = data else { return };
    let file = match mode % 8 {
        0 => rest.to_vec(),
        1 => under_checksum(MAGIC, rest),
        n => {
            let valid = valid_files();
            let mut document = valid[usize::from(n) % valid.len()].clone();
            // An edit's place has one byte, and the other half of a long document is reached from its middle.
            let (offsets, edits) = rest.split_first().unwrap_or((&0, &[]));
            for (i, at) in edits.as_chunks::<3>().0.iter().take(8).enumerate() {
                edit(&mut document, *at, if offsets >> i & 1 == 1 { 250 } else { 0 });
            }
            under_checksum(MAGIC, document.to_string().as_bytes())
        }
    };
    let error = match Pipeline::from_bytes(&file) {
        Err(e) => Some(e),
        Ok(pipeline) => {
            let bytes = pipeline.to_bytes().expect("what was read can be written");
            let again = Pipeline::from_bytes(&bytes).and_then(|p| p.to_bytes()).expect("and read again");
            assert_eq!(bytes, again);
            apply(&pipeline, mode >> 3).err()
        }
    };
    if let Some(e) = error {
        assert!(!e.to_string().is_empty());
        assert!(!matches!(e.kind(), ErrorKind::Io(_)), "no file is read here: {e}");
    }
});
