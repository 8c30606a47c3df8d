//! Random recipes on random files through the command: batch rows, threads, budgets, shards and the tree of their
//! merges change no bit of the pipeline or of the values, and what is refused is refused in every cut.
//!
//! `PROPTEST_CASES` says how many recipes are tried.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;
#[path = "../../incremental/tests/random/recipes.rs"]
mod recipes;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::datatypes::{DataType, TimeUnit};
use common::table::{Column, read_ipc_stream, read_parquet};
use common::{Folder, Run};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use recipes::Takes;
use tidegate::incremental::{ErrorKind, Recipe};

/// What the fields of a column look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Narrow,
    Positive,
    Wide,
    Unsigned,
    Decimals,
    Extremes,
    Bools,
    Dates,
    Times,
    Zoned,
    Words,
    Tokens,
    Quoted,
    /// Numbers but for one field near the end.
    LateText,
    Nothing,
}

const LOOKS: &[Look] = &[
    Look::Narrow,
    Look::Narrow,
    Look::Positive,
    Look::Positive,
    Look::Wide,
    Look::Unsigned,
    Look::Decimals,
    Look::Decimals,
    Look::Extremes,
    Look::Bools,
    Look::Dates,
    Look::Times,
    Look::Zoned,
    Look::Words,
    Look::Words,
    Look::Tokens,
    Look::Quoted,
    Look::LateText,
    Look::Nothing,
];

const NUMBERS: &[Look] = &[Look::Narrow, Look::Positive, Look::Wide, Look::Unsigned, Look::Decimals];

/// What a column misses, in percent of its rows.
const HOLES: &[u64] = &[0, 0, 20];

/// A table in files, which a seed fills.
#[derive(Clone, Debug)]
struct Table {
    columns: Vec<(Look, u64)>,
    rows: u64,
    files: u64,
    seed: u64,
}

fn table() -> impl Strategy<Value = Table> {
    let column = (select(LOOKS), select(HOLES));
    let rows = prop_oneof![4 => 0..60u64, 1 => 300..700u64];
    (vec(column, 1..7), rows, 1..4u64, any::<u64>()).prop_map(|(columns, rows, files, seed)| Table {
        columns,
        rows,
        files,
        seed,
    })
}

/// SplitMix64's output function.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Table {
    /// The columns whose values are such.
    fn suiting(&self, values: Takes) -> Vec<String> {
        let suits = |(look, holes): &(Look, u64)| match values {
            Takes::Anything => true,
            Takes::Numbers => NUMBERS.contains(look),
            Takes::CompleteNumbers => NUMBERS.contains(look) && *holes == 0,
            Takes::Texts => matches!(look, Look::Words | Look::Tokens | Look::Quoted | Look::LateText),
            Takes::Times => matches!(look, Look::Dates | Look::Times | Look::Zoned),
        };
        let places = (0..self.columns.len()).filter(|place| suits(&self.columns[*place]));
        places.map(|place| format!("c{place}")).collect()
    }

    fn field(&self, place: usize, row: u64) -> String {
        let (look, holes) = self.columns[place];
        let dice = mix(self.seed ^ mix(row ^ mix(place as u64)));
        let (is_hole, dice) = (dice % 100 < holes, dice / 100);
        let one_of = |words: &[&str]| words[(dice % words.len() as u64) as usize].to_owned();
        if is_hole {
            // `NA` is a text in a column of texts.
            return ["", "", "NA"][(dice % 3) as usize].to_owned();
        }
        match look {
            Look::Narrow => (dice as i64 % 4 - 1).to_string(),
            Look::Positive => (1 + dice % 5).to_string(),
            Look::Wide => (dice.wrapping_mul(dice | 1) as i64 >> (dice % 60)).to_string(),
            Look::Unsigned => mix(dice).to_string(),
            Look::Decimals => format!("{}", (dice % 20_000) as f64 / 7.0 - 1000.0),
            Look::Extremes => one_of(&[
                "0.1",
                "-0.0",
                "1e300",
                "-1e300",
                "5e-324",
                "1000000000.1",
                "1000000000.2",
                "nan",
                "-inf",
                "2.5e-9",
            ]),
            Look::Bools => one_of(&["true", "False"]),
            Look::Dates => format!("{}-{:02}-{:02}", 1890 + dice % 200, 1 + dice % 12, 1 + dice % 28),
            Look::Times => format!("2020-02-{:02} {:02}:30:00.{:03}", 1 + dice % 28, dice % 24, dice % 1000),
            Look::Zoned => format!("2020-02-{:02}T{:02}:30:07+02:00", 1 + dice % 28, dice % 24),
            Look::Words => one_of(&["red", "green", "blue", "Åre", "red wine", "nan", "7"]),
            Look::Tokens => format!("t{}", dice % (1 + self.rows)),
            Look::Quoted => one_of(&["\"a,b\"", "\"a\"\"b\"", "\"two\nlines\"", "\"\"", "plain", "\" x \""]),
            Look::LateText if row + 2 == self.rows => "x".to_owned(),
            Look::LateText => (dice % 9).to_string(),
            Look::Nothing => String::new(),
        }
    }

    /// Writes the files, and gives their names.
    fn write(&self, folder: &Folder) -> String {
        let header: Vec<String> = (0..self.columns.len()).map(|place| format!("c{place}")).collect();
        let mut names = String::new();
        for file in 0..self.files {
            let mut text = header.join(",") + "\n";
            for row in self.rows * file / self.files..self.rows * (file + 1) / self.files {
                let fields: Vec<String> =
                    (0..self.columns.len()).map(|place| self.field(place, row)).collect();
                // A line without a field would be none.
                let only = if fields.len() == 1 && fields[0].is_empty() { "NA" } else { "" };
                let _ = writeln!(text, "{}{only}", fields.join(","));
            }
            let _ = write!(names, "in{file}.csv ");
            folder.write(&format!("in{file}.csv"), text);
        }
        names
    }
}

/// One way to cut the work.
#[derive(Clone, Debug)]
struct Cut {
    batch_rows: String,
    threads: u64,
    mebibytes: u64,
    extension: &'static str,
}

impl Cut {
    fn options(&self) -> String {
        let Cut { batch_rows, threads, mebibytes, .. } = self;
        format!("--batch-rows {batch_rows} --threads {threads} --memory {mebibytes}MiB --progress off")
    }
}

/// Every size of batches, with other threads and budgets each.
fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let sizes = ["1", "7", "1000", "100k", "auto"].map(|rows| Just(rows.to_owned()).boxed());
    let sizes = sizes.into_iter().chain([(2..500u32).prop_map(|rows| rows.to_string()).boxed()]);
    let cuts = sizes.map(|batch_rows| {
        let others =
            (select(vec![1, 2, 8]), select(vec![48, 64, 300, 1024]), select(vec!["parquet", "arrows"]));
        (batch_rows, others).prop_map(|(batch_rows, (threads, mebibytes, extension))| {
            // Each thread has a share of the budget that it cannot do without.
            let mebibytes = if threads == 8 { mebibytes.max(200) } else { mebibytes };
            Cut { batch_rows, threads, mebibytes, extension }
        })
    });
    cuts.collect::<Vec<_>>()
}

/// How a fit in shards is made and merged.
#[derive(Clone, Debug)]
struct Tree {
    shards: usize,
    picks: Vec<(usize, Index)>,
}

fn tree() -> impl Strategy<Value = Tree> {
    let shards = prop_oneof![3 => 1..5usize, 1 => 5..17usize];
    // Merging one state alone is tried too, and by itself comes to no end.
    let picks = (vec((1..5usize, any::<Index>()), 0..7), any::<Index>());
    let picks = picks.prop_map(|(mut picks, last)| {
        picks.push((2, last));
        picks
    });
    (shards, picks).prop_map(|(shards, picks)| Tree { shards, picks })
}

/// A refusal without its figures. Which of several bad values is met first depends on the batches, so that of bad data
/// only the code is the same.
fn refusal(run: &Run) -> (Option<i32>, String) {
    let mut message = String::new();
    if run.code == Some(3) {
        return (run.code, message);
    }
    for c in run.stderr.chars() {
        if !c.is_ascii_digit() {
            message.push(c);
        } else if !message.ends_with('#') {
            message.push('#');
        }
    }
    (run.code, message)
}

/// What a command has left: a pipeline, and values or a refusal.
#[derive(Debug)]
struct Left {
    pipeline: Option<Vec<u8>>,
    values: Result<Vec<Column>, (Option<i32>, String)>,
}

/// Runs a command that writes rows to `out/x.EXTENSION` and perhaps a pipeline to `out/p`.
fn run(folder: &Folder, args: &str, cut: &Cut) -> Left {
    let extension = cut.extension;
    let output = format!("x.{extension}");
    for old in folder.outputs() {
        std::fs::remove_file(folder.path("out").join(old)).unwrap();
    }
    let run = folder.run(&format!("{args} -o out/{output} {}", cut.options()));
    let left = folder.outputs();
    assert!(left.iter().all(|name| *name == output || name == "p"), "{left:?}");
    assert_eq!(left.contains(&output), run.code == Some(0), "{args} {}: {run:?}", cut.options());
    let values = match run.code {
        Some(0) if extension == "arrows" => {
            let mut columns = read_ipc_stream(&*folder.read("out/x.arrows"));
            for column in &mut columns {
                // Parquet has no timestamps in seconds.
                if let DataType::Timestamp(TimeUnit::Second, zone) = &column.data_type {
                    column.data_type = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
                }
            }
            Ok(columns)
        }
        Some(0) => Ok(read_parquet(&folder.path("out/x.parquet"))),
        // Only Arrow has tables without columns.
        Some(1) if run.stderr.contains("a table without columns") => Ok(Vec::new()),
        Some(2..=4) => Err(refusal(&run)),
        _ => panic!("{args}: {run:?}"),
    };
    Left { pipeline: left.contains(&"p".to_owned()).then(|| folder.read("out/p")), values }
}

/// Whether a budget below the others' refused, which no other cut has to do.
fn is_out_of_memory(left: &Left, cut: &Cut) -> bool {
    cut.mebibytes < 100 && left.values.as_ref().is_err_and(|(code, _)| *code == Some(4))
}

/// The fit in one; gives the pipeline, or what was said in its place.
fn fit(folder: &Folder, inputs: &str, cut: &Cut) -> Result<Vec<u8>, (Option<i32>, String)> {
    let run = folder.run(&format!("fit {inputs} -r recipe.toml -o alone {}", cut.options()));
    match run.code {
        Some(0) => Ok(folder.read("alone")),
        _ => Err(refusal(&run)),
    }
}

/// The fit in shards, pass by pass; gives the pipeline, or what was said in its place.
fn fit_in_shards(
    folder: &Folder,
    inputs: &str,
    tree: &Tree,
    cuts: &[Cut],
) -> Result<Vec<u8>, (Option<i32>, String)> {
    let mut begin = "recipe.toml".to_owned();
    let mut picks = tree.picks.iter().cycle();
    for pass in 1.. {
        let mut states = Vec::new();
        for number in 1..=tree.shards {
            // The budget of a cut may be too small for its output, and is large enough for all of these states.
            let options = Cut { mebibytes: 300, ..cuts[number % cuts.len()].clone() }.options();
            let state = format!("s{pass}-{number}");
            let shard =
                format!("fit {inputs} -r {begin} -o {state} --shard {number}/{} {options}", tree.shards);
            let run = folder.run(&shard);
            if run.code != Some(0) {
                return Err(refusal(&run));
            }
            states.push(state);
        }
        let mut merges = 0;
        let mut take = |states: &mut Vec<String>| {
            let (count, pick) = picks.next().unwrap();
            let taken: Vec<String> =
                (0..(*count).min(states.len())).map(|_| states.remove(pick.index(states.len()))).collect();
            taken.join(" ")
        };
        while states.len() > 4 || (merges == 0 && states.len() > 1) {
            merges += 1;
            let taken = take(&mut states);
            let merged = format!("m{pass}-{merges}");
            folder.run(&format!("merge {taken} --partial -o {merged}")).ok();
            states.push(merged);
        }
        let first = take(&mut states);
        let whole = format!("whole{pass}");
        let run = folder.run(&format!("merge {first} {} -o {whole}", states.join(" ")));
        match run.code {
            Some(0) if run.stderr.is_empty() => return Ok(folder.read(&whole)),
            Some(0) => begin = whole,
            _ => return Err(refusal(&run)),
        }
    }
    unreachable!("passes are counted without an end")
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

/// Recipes that were fitted, and not refused.
static FITTED: AtomicU32 = AtomicU32::new(0);

proptest! {
    // Some hundred runs of the command; shrinking tries as many again for each step.
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    fn no_cut_changes_a_bit(
        table in table(),
        steps in vec(recipes::any_step(), 1..4),
        split in select(vec!["", "", "[split]\ntest = 0.3\nseed = 5\n"]),
        cuts in cuts(),
        tree in tree(),
    ) {
        let folder = Folder::new();
        let inputs = table.write(&folder);
        let steps = steps.iter().fold(String::new(), |all, step| {
            format!("{all}[[steps]]\n{}\n", step.on(|values| table.suiting(values)))
        });
        folder.write("recipe.toml", format!("version = 1\n{steps}{split}"));

        let plain = Cut { batch_rows: "auto".into(), threads: 2, mebibytes: 512, extension: "parquet" };
        let both = format!("fit-transform {inputs} -r recipe.toml --save out/p");
        let whole = run(&folder, &both, &plain);
        for cut in &cuts {
            let again = run(&folder, &both, cut);
            if is_out_of_memory(&again, cut) {
                continue;
            }
            let left_by_both = again.pipeline.is_some() && whole.pipeline.is_some();
            // With a table without columns Parquet leaves nothing, and Arrow all.
            let is_refused_by_one = whole.values == Ok(Vec::new()) && !left_by_both;
            prop_assert!(
                is_refused_by_one || again.pipeline == whole.pipeline,
                "{:?}: another pipeline",
                cut
            );
            prop_assert_eq!(&again.values, &whole.values, "{:?}", cut);
        }
        let in_shards = fit_in_shards(&folder, &inputs, &tree, &cuts);
        // A fit may see no row that the recipe refuses where what is applied to all rows does.
        let fitted = whole.pipeline.map_or_else(|| fit(&folder, &inputs, &plain), Ok);
        FITTED.fetch_add(u32::from(fitted.is_ok()), Ordering::Relaxed);
        let pipeline = match (fitted, in_shards) {
            (Ok(pipeline), in_shards) => {
                prop_assert!(in_shards.as_ref() == Ok(&pipeline), "{:?}: another pipeline", tree);
                pipeline
            }
            // Which files a message names depends on what was to be written.
            (Err((code, _)), in_shards) => {
                prop_assert_eq!(in_shards.map_err(|(code, _)| code), Err(code));
                return Ok(());
            }
        };
        folder.write("pipeline", &pipeline);
        let apply = format!("transform {inputs} -p pipeline");
        let applied = run(&folder, &apply, &plain);
        let again = run(&folder, &apply, &cuts[0]);
        if !is_out_of_memory(&again, &cuts[0]) {
            prop_assert_eq!(&again.values, &applied.values, "{:?}", &cuts[0]);
        }
    }
}

#[test]
fn no_cut_through_the_command_changes_a_bit() {
    no_cut_changes_a_bit();
    // Refusals alone would prove little.
    let fitted = FITTED.load(Ordering::Relaxed);
    assert!(fitted >= cases() / 3, "{fitted} of {}", cases());
}

#[test]
fn every_step_there_is_may_be_tried() {
    let error = Recipe::parse("version = 1\n[[steps]]\nuse = \"none\"\n").unwrap_err();
    let ErrorKind::UnknownStep { known, .. } = error.kind() else { panic!("{error}") };
    let tried: BTreeSet<&str> = recipes::names().collect();
    assert_eq!(tried, known.iter().map(String::as_str).collect());
    assert_eq!(tried.len(), 25);
}

#[test]
fn rows_of_no_column_are_applied_from_what_a_fit_has_kept() {
    let folder = Folder::new();
    folder.write("in.csv", format!("a,b\n{}", "x,1\n".repeat(300)));
    let steps = "use = \"ordinal_encoder\"\ncolumns = [\"a\"]\n[[steps]]\nuse = \"drop_columns\"\ncolumns = [\"a\", \"b\"]\n";
    folder.write("recipe.toml", format!("version = 1\n[[steps]]\n{steps}"));
    for threads in [1, 2, 8] {
        let args = format!("fit-transform in.csv -r recipe.toml -o x.arrows --overwrite --threads {threads}");
        let run = folder.run(&args).ok();
        let told = String::from_utf8_lossy(&run.stdout);
        assert!(told.contains("300 rows, 0 columns"), "{run:?}");
    }
}
