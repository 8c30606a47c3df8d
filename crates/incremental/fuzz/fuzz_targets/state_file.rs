//! Any bytes as a partial state or an unfinished fit, and valid ones changed under a right checksum: read or refused,
//! then written, merged and finished, never a panic.
//!
//! The first byte of an input chooses: the rest is the whole file; or it is the part under the checksum; or it
//! edits a valid file, four bytes an edit.

#![no_main]

mod documents;

use std::sync::OnceLock;

use documents::{RECIPES, edit, table, under_checksum};
use incremental::{Error, ErrorKind, FileKind, Fitting, Merged, PartialFit, Recipe, UnfinishedFit};
use libfuzzer_sys::fuzz_target;
use monitor::{Budget, Bytes, Monitor};
use serde_json::Value;

const STATE: &str = "tidegate-partial-state";
const UNFINISHED: &str = "tidegate-unfinished-fit";

/// A budget, since a file may speak of more than there is.
fn monitor() -> Monitor {
    let budget = Budget::new(Bytes::from(64usize << 20));
    Monitor::builder().with_budget(budget).build().expect("a budget is all it needs")
}

/// What shard 1 of 1 has seen in the next pass.
fn seen(fitting: Fitting) -> Result<PartialFit, Error> {
    let mut part = PartialFit::new(fitting, "1/1".parse().expect("it is one"))?;
    if let Some(projection) = part.projection().map(<[usize]>::to_vec) {
        part.update(&table().0.project(&projection)?, 0)?;
    }
    Ok(part)
}

/// The lines under the checksum of the files of every pass of fits on a column of each kind, with their first words.
fn valid_files() -> &'static Vec<(&'static str, Vec<Value>)> {
    static FILES: OnceLock<Vec<(&'static str, Vec<Value>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let lines = |file: Vec<u8>| {
            let text = String::from_utf8(file).expect("files are text");
            let lines = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("lines are JSON"));
            lines.collect::<Vec<Value>>()
        };
        let mut files = Vec::new();
        for recipe in RECIPES {
            let recipe = Recipe::parse(recipe).expect("the recipe is right");
            let mut fitting = Fitting::new(recipe, &table().1, &monitor());
            loop {
                let part = seen(fitting).expect("the values suit the steps");
                files.push((STATE, lines(part.to_bytes().expect("a state has a file"))));
                let Merged::Unfinished(next) = part.finish().expect("the values suit the steps") else {
                    break;
                };
                let file = next.to_bytes().expect("an unfinished fit has a file");
                let read = UnfinishedFit::from_bytes(&file, &monitor()).expect("it is read again");
                fitting = read.resume(&table().1).expect("the columns are the same");
                files.push((UNFINISHED, lines(file)));
            }
        }
        files
    })
}

/// Reads a partial state, and does with it all that can be done.
fn use_state(file: &[u8]) -> Result<(), Error> {
    let monitor = monitor();
    let mut state = PartialFit::from_bytes(file, &monitor)?;
    let bytes = state.to_bytes()?;
    let again = PartialFit::from_bytes(&bytes, &monitor)?.to_bytes()?;
    assert!(bytes == again, "what was read is written and read again");
    // Mostly refused, since it holds the same shards; the state is then as it was.
    if state.merge(&bytes).is_err() {
        assert!(state.to_bytes()? == bytes, "a refused merge changes nothing");
    }
    if let Merged::Pipeline(pipeline) = state.finish()? {
        pipeline.to_bytes()?;
    }
    Ok(())
}

/// Reads an unfinished fit, and makes its next pass.
fn use_unfinished(file: &[u8]) -> Result<(), Error> {
    let unfinished = UnfinishedFit::from_bytes(file, &monitor())?;
    let bytes = unfinished.to_bytes()?;
    let again = UnfinishedFit::from_bytes(&bytes, &monitor())?.to_bytes()?;
    assert!(bytes == again, "what was read is written and read again");
    seen(unfinished.resume(&table().1)?)?.finish().map(drop)
}

fuzz_target!(|data: &[u8]| {
    let [mode, rest @ ..] = data else { return };
    let file = match mode % 16 {
        0 => rest.to_vec(),
        1 => under_checksum(STATE, rest),
        2 => under_checksum(UNFINISHED, rest),
        _ => {
            let valid = valid_files();
            let [which, edits @ ..] = rest else { return };
            let (magic, lines) = &valid[usize::from(*which) % valid.len()];
            let mut lines = lines.clone();
            for [line, at @ ..] in edits.as_chunks::<4>().0.iter().take(8) {
                let line = usize::from(*line) % lines.len();
                edit(&mut lines[line], *at, if mode & 16 > 0 { 250 } else { 0 });
            }
            let body: String = lines.iter().map(|line| line.to_string() + "\n").collect();
            under_checksum(magic, body.as_bytes())
        }
    };
    let done = match FileKind::of(&file) {
        Some(FileKind::UnfinishedFit) => use_unfinished(&file),
        _ => use_state(&file),
    };
    if let Err(e) = done {
        assert!(!e.to_string().is_empty());
        assert!(!matches!(e.kind(), ErrorKind::Io(_)), "no file is read here: {e}");
    }
});
