//! Partial states: whatever the number of shards, the order and the tree of merges, through files the fit is the
//! same to the bit; and what merging refuses.

use arrow::record_batch::RecordBatch;
use incremental::{
    Error, ErrorKind, FileKind, Fitting, Merged, PartialFit, Pipeline, Recipe, Shard, UnfinishedFit,
};
use monitor::Monitor;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::cuts::{many_rows, table};
use crate::recipes::step;
use crate::support::{apply, columns, fit, floats, ints, recipe, table as table_of, texts};

/// Where a pass begins.
pub(crate) enum Begin<'a> {
    Recipe(&'a str),
    Unfinished(&'a [u8]),
}

pub(crate) fn begin(from: &Begin<'_>, table: &RecordBatch) -> Result<Fitting, Error> {
    let monitor = Monitor::unbounded();
    match from {
        Begin::Recipe(text) => Ok(Fitting::new(Recipe::parse(text)?, &columns(table), &monitor)),
        Begin::Unfinished(file) => UnfinishedFit::from_bytes(file, &monitor)?.resume(&columns(table)),
    }
}

fn part(from: &Begin<'_>, table: &RecordBatch, shard: Shard) -> Result<PartialFit, Error> {
    let mut part = PartialFit::new(begin(from, table)?, shard)?;
    if let Some(projection) = part.projection() {
        let wanted = table.project(projection).unwrap();
        let rows = shard.rows(table.num_rows() as u64);
        let batch = wanted.slice(rows.start as usize, (rows.end - rows.start) as usize);
        part.update(&batch, rows.start)?;
    }
    Ok(part)
}

/// Merges files by twos, chosen by `picks`, until one is left, each of them read and written.
fn merged(mut files: Vec<Vec<u8>>, picks: &[usize]) -> Result<Vec<u8>, Error> {
    let mut picks = picks.iter().cycle();
    while files.len() > 1 {
        let left = files.remove(picks.next().unwrap() % files.len());
        let right = files.remove(picks.next().unwrap() % files.len());
        let mut both = PartialFit::from_bytes(&left, &Monitor::unbounded())?;
        both.merge(&right)?;
        files.push(both.to_bytes()?);
    }
    Ok(files.remove(0))
}

/// The passes of a fit in shards. Also gives the file of each pass's states.
pub(crate) fn fit_in_shards(
    recipe: &str,
    table: &RecordBatch,
    shards: u32,
    picks: &[usize],
) -> Result<(Pipeline, Vec<Vec<u8>>), Error> {
    let mut unfinished: Option<Vec<u8>> = None;
    let mut passes = Vec::new();
    loop {
        let from = unfinished.as_deref().map_or(Begin::Recipe(recipe), Begin::Unfinished);
        let files =
            (1..=shards).map(|number| part(&from, table, Shard::new(number, shards).unwrap())?.to_bytes());
        let whole = merged(files.collect::<Result<_, Error>>()?, picks)?;
        let state = PartialFit::from_bytes(&whole, &Monitor::unbounded())?;
        assert_eq!(state.to_bytes()?, whole, "read and written again");
        passes.push(whole);
        match state.finish()? {
            Merged::Pipeline(pipeline) => return Ok((pipeline, passes)),
            Merged::Unfinished(next) => {
                let file = next.to_bytes()?;
                assert_eq!(FileKind::of(&file), Some(FileKind::UnfinishedFit));
                let read = UnfinishedFit::from_bytes(&file, &Monitor::unbounded())?;
                assert_eq!((read.passes(), read.to_bytes()?), (passes.len(), file.clone()));
                unfinished = Some(file);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_number_of_shards_and_no_tree_changes_a_bit(
        table in table(),
        steps in vec(step(), 1..5),
        shards in 1u32..=16,
        picks in vec(any::<usize>(), 1..32),
    ) {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let in_shards = fit_in_shards(&recipe(&steps), &table, shards, &picks);
        let (whole, in_shards, files) = match (fit(&steps, &table), in_shards) {
            (Ok((whole, _)), Ok((in_shards, files))) => (whole, in_shards, files),
            (Err(_), Err(_)) => return Ok(()),
            (whole, in_shards) => panic!("{:?} but in shards {:?}", whole.err(), in_shards.err()),
        };
        prop_assert_eq!(whole.to_bytes().unwrap(), in_shards.to_bytes().unwrap());
        let training = apply(&in_shards.training(), &table, true).ok();
        prop_assert_eq!(apply(&whole.training(), &table, true).ok(), training);
        let (_, in_one) = fit_in_shards(&recipe(&steps), &table, 1, &picks).unwrap();
        // But for the line that says which shards there are.
        let states = |file: &Vec<u8>| file.splitn(3, |b| *b == b'\n').nth(2).map(<[u8]>::to_vec);
        prop_assert_eq!(files.iter().map(states).collect::<Vec<_>>(), in_one.iter().map(states).collect::<Vec<_>>());
    }

    #[test]
    fn a_state_with_other_numbers_in_it_never_panics(
        table in table(),
        steps in vec(step(), 1..3),
        pass in any::<Index>(),
        places in vec((any::<Index>(), select(vec!["0", "9", "-1", "1e300", "null", "77777777777", "18446744073709551615"])), 1..3),
    ) {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let Ok((_, files)) = fit_in_shards(&recipe(&steps), &table, 1, &[0]) else { return Ok(()) };
        let file = String::from_utf8(pass.get(&files).clone()).unwrap();
        let mut body = file.split_once('\n').unwrap().1.to_owned();
        for (place, digit) in places {
            let states = body.find('\n').unwrap();
            let digits: Vec<usize> =
                body.match_indices(|c: char| c.is_ascii_digit()).map(|(i, _)| i).filter(|i| *i > states).collect();
            prop_assume!(!digits.is_empty());
            let at = *place.get(&digits);
            body.replace_range(at..=at, digit);
        }
        let forged = sealed("tidegate-partial-state", &body);
        if let Ok(mut state) = PartialFit::from_bytes(forged.as_bytes(), &Monitor::unbounded()) {
            // What is read is written, merged with itself under another shard's number, and finished.
            let _ = state.to_bytes().unwrap();
            let other = sealed("tidegate-partial-state", &body.replace("\"of\":1,\"rows\":{\"1\"", "\"of\":2,\"rows\":{\"2\""));
            let _ = state.merge(other.as_bytes());
            if let Ok(Merged::Pipeline(pipeline)) = state.finish() {
                let _ = pipeline.to_bytes();
            }
        }
    }
}

fn sealed(magic: &str, body: &str) -> String {
    format!("{magic} 1 crc32:{:08x}\n{body}", crc32fast::hash(body.as_bytes()))
}

#[test]
fn many_rows_over_several_passes_come_to_the_same_bits() {
    let table = many_rows();
    let picks = [3, 14, 15, 92, 65, 35];
    for steps in [
        "use = \"robust_scaler\"\ncolumns = [\"far\", \"skewed\", \"holes\", \"wild\"]",
        "use = \"k_bins_discretizer\"\ncolumns = [\"skewed\"]\nn_bins = 4\nstrategy = \"kmeans\"",
        "use = \"power_transformer\"\ncolumns = [\"far\", \"holes\"]",
        "use = \"pca\"\ncolumns = [\"far\", \"skewed\", \"wild\"]",
    ] {
        let (whole, passes) = fit(&[steps], &table).unwrap();
        for shards in [2, 5] {
            let (in_shards, files) = fit_in_shards(&recipe(&[steps]), &table, shards, &picks).unwrap();
            assert_eq!(files.len(), passes, "{steps}");
            assert!(whole.to_bytes().unwrap() == in_shards.to_bytes().unwrap(), "{steps}");
        }
    }
}

fn small() -> RecordBatch {
    table_of([("age", ints([1, 2, 4, 9])), ("city", texts(["Oslo", "Åre", "Oslo", "Bo"]))])
}

const SCALER: &str = "use = \"standard_scaler\"\ncolumns = [\"age\"]";
const TWO_PASSES: &str = "use = \"standard_scaler\"\ncolumns = [\"age\"]\n[[steps]]\nuse = \"min_max_scaler\"\ncolumns = [\"age\"]";

fn shard(steps: &str, table: &RecordBatch, shard: &str) -> Vec<u8> {
    part(&Begin::Recipe(&recipe(&[steps])), table, shard.parse().unwrap()).unwrap().to_bytes().unwrap()
}

fn read(file: &[u8]) -> Result<PartialFit, Error> {
    PartialFit::from_bytes(file, &Monitor::unbounded())
}

/// What the second of two files is refused for.
fn refusal(first: &[u8], second: &[u8]) -> String {
    let mut state = read(first).unwrap();
    let before = state.to_bytes().unwrap();
    let error = state.merge(second).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Shards { .. } | ErrorKind::Archive { .. } | ErrorKind::OtherFile { .. }
    ));
    assert_eq!(state.to_bytes().unwrap(), before);
    error.to_string()
}

#[test]
fn states_that_do_not_belong_together_are_refused_by_name() {
    let (table, first) = (small(), shard(SCALER, &small(), "1/3"));
    assert_eq!(
        refusal(&first, &shard("use = \"min_max_scaler\"\ncolumns = [\"age\"]", &table, "2/3")),
        "is of another recipe than the states before it; merge states of one recipe"
    );
    let other = table_of([("age", floats([1.0, 2.0, 4.0, 9.0])), ("city", texts(["a", "b", "c", "d"]))]);
    assert_eq!(
        refusal(&first, &shard(SCALER, &other, "2/3")),
        "is of an input with other columns than the states before it: \"age\" (float, Float64) stands in the place of \"age\" (integer, Int64); fit all shards on one input"
    );
    assert_eq!(
        refusal(&first, &shard(SCALER, &table.project(&[0]).unwrap(), "2/3")),
        "is of an input with other columns than the states before it: 1 instead of 2; fit all shards on one input"
    );
    assert_eq!(
        refusal(&first, &shard(SCALER, &table, "2/4")),
        "is of an input in 4 shards, and the states before it of one in 3; fit all shards of one number"
    );
    assert_eq!(
        refusal(&first, &first),
        "holds shard 1/3, which the states before it hold too; leave one of the two out"
    );
    let second = shard(TWO_PASSES, &table, "1/2");
    let both = merged(vec![second.clone(), shard(TWO_PASSES, &table, "2/2")], &[0]).unwrap();
    let Merged::Unfinished(unfinished) = read(&both).unwrap().finish().unwrap() else {
        panic!("another pass")
    };
    let unfinished = unfinished.to_bytes().unwrap();
    let next = part(&Begin::Unfinished(&unfinished), &table, "2/2".parse().unwrap()).unwrap();
    assert_eq!((next.pass(), next.shards().map(|(_, rows)| rows).sum::<u64>()), (2, 2));
    assert_eq!(
        refusal(&second, &next.to_bytes().unwrap()),
        "is of pass 2, and the states before it of pass 1; merge states of one pass"
    );
    let pipeline = fit(&[SCALER], &table).unwrap().0.to_bytes().unwrap();
    assert_eq!(
        refusal(&first, &pipeline),
        "is no partial state but a pipeline; `tidegate transform` takes it"
    );
    assert_eq!(
        Pipeline::from_bytes(&first).unwrap_err().to_string(),
        "is no pipeline but a partial state; `tidegate merge` makes one of it and those of the other shards"
    );
    assert_eq!(
        Pipeline::from_bytes(&unfinished).unwrap_err().to_string(),
        "is no pipeline but an unfinished fit; `tidegate fit` takes it by `-r` and makes the next pass"
    );
}

#[test]
fn a_fit_ends_with_all_shards_of_one_input() {
    let table = small();
    let finish = |files: &[Vec<u8>]| {
        let mut state = read(&files[0]).unwrap();
        files[1..].iter().for_each(|file| state.merge(file).unwrap());
        state.finish().map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        finish(&[shard(SCALER, &table, "2/4"), shard(SCALER, &table, "3/4")]),
        "of 4 shards 1, 4 are missing; give their states too, or write what is there as one state with --partial"
    );
    assert_eq!(
        finish(&[shard(SCALER, &table, "1/2"), shard(SCALER, &table.slice(0, 2), "2/2")]),
        "shard 1/2 has 2 rows, which is no such part of 3 rows: the shards are of different inputs; fit them all on one"
    );
    let monitor = Monitor::unbounded();
    let Merged::Unfinished(unfinished) = read(&shard(TWO_PASSES, &table, "1/1")).unwrap().finish().unwrap()
    else {
        panic!("another pass")
    };
    let unfinished = unfinished.to_bytes().unwrap();
    let changed = part(&Begin::Unfinished(&unfinished), &table.slice(1, 3), "1/1".parse().unwrap()).unwrap();
    assert_eq!(
        changed.finish().map(|_| ()).unwrap_err().to_string(),
        "the input changed between two passes; run again when it is complete"
    );
    let read = UnfinishedFit::from_bytes(&unfinished, &monitor).unwrap();
    let other = read.resume(&columns(&table.project(&[1, 0]).unwrap())).map(|_| ()).unwrap_err();
    assert_eq!(
        other.to_string(),
        "column \"age\": differs from the input of the passes before; give the same input, with the same options"
    );
}

#[test]
fn any_changed_byte_is_refused() {
    let file = shard(TWO_PASSES, &small(), "2/3");
    for place in 0..file.len() {
        let mut damaged = file.clone();
        damaged[place] ^= 1;
        let error = read(&damaged).map(|_| ()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Archive { .. } | ErrorKind::OtherFile { .. }));
        assert!(read(&file[..place]).is_err());
    }
    assert!(read(&file).is_ok());
}

#[test]
fn a_recipe_that_learns_nothing_from_rows_has_partial_states_too() {
    let steps = "use = \"log1p\"\ncolumns = [\"age\"]";
    let (whole, _) = fit(&[steps], &small()).unwrap();
    let (in_shards, files) = fit_in_shards(&recipe(&[steps]), &small(), 3, &[0]).unwrap();
    assert_eq!((whole.to_bytes().unwrap(), files.len()), (in_shards.to_bytes().unwrap(), 1));
}
