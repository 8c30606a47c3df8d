//! What `inspect` tells of a file that a fit has written: a pipeline, a partial state or an unfinished fit.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use chunked_loader::type_name;
use incremental::{Column, FileKind, LearntStep, Lineage, PartialFit, Pipeline, UnfinishedFit};
use monitor::{Bytes, Monitor};
use serde_json::{Value, json};

use super::table::{self, printable, shortened, wrap};
use crate::args::Inspect;
use crate::failure::Failure;
use crate::job;
use crate::state_file::StateFile;

/// Entries of a list that people are shown.
const SHOWN: usize = 6;
/// Columns of a step, and of the output.
const COLUMNS_SHOWN: usize = 40;
/// Characters of a text.
const TEXT: usize = 24;

pub(super) fn run(args: &Inspect, path: &Path, kind: FileKind) -> Result<(), Failure> {
    let run = &args.run;
    let of_a_run = [
        ("--summary", run.summary.is_some()),
        ("--metrics", run.metrics.is_some()),
        ("--metrics-listen", run.metrics_listen.is_some()),
    ];
    if let Some((flag, _)) = of_a_run.iter().find(|(_, is_given)| *is_given) {
        let path = path.display();
        return Err(Failure::Usage(format!(
            "{flag}: no rows are read of {path}, which is {kind}; leave it out"
        )));
    }
    let watched = job::watch(run.memory.as_deref(), run.progress)?;
    let monitor = &watched.monitor;
    let file = StateFile::read(path, monitor)?;
    let told = tell(file.bytes(), kind, monitor, path)?;
    let text = if args.json {
        serde_json::to_string_pretty(&told.json()).map_err(|e| Failure::Data(e.to_string()))? + "\n"
    } else {
        told.text(&printable(&path.display().to_string()), table::terminal_columns().unwrap_or(usize::MAX))
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::io(Path::new("standard output"), "written", e))
}

/// What there is to tell.
struct Told {
    bytes: usize,
    input: Vec<Column>,
    about: About,
}

enum About {
    Pipeline {
        steps: Vec<LearntStep>,
        outputs: Vec<(Column, Lineage)>,
    },
    /// Shards by number with their rows, and those that are missing.
    Partial {
        recipe: String,
        pass: usize,
        of: u32,
        seen: Vec<(u32, u64)>,
        missing: Vec<u32>,
    },
    Unfinished {
        recipe: String,
        passes: usize,
        rows: u64,
    },
}

fn tell(bytes: &[u8], kind: FileKind, monitor: &Monitor, path: &Path) -> Result<Told, Failure> {
    let in_file = |e| Failure::in_file(path, e);
    let (input, about) = match kind {
        FileKind::PartialState => {
            let part = PartialFit::from_bytes(bytes, monitor).map_err(in_file)?;
            let seen: Vec<_> = part.shards().map(|(shard, rows)| (shard.number(), rows)).collect();
            let of = part.shards().next().map_or(0, |(shard, _)| shard.of());
            let missing = part.missing().iter().map(|shard| shard.number()).collect();
            let about =
                About::Partial { recipe: part.recipe().to_owned(), pass: part.pass(), of, seen, missing };
            (part.input().to_vec(), about)
        }
        FileKind::UnfinishedFit => {
            let fit = UnfinishedFit::from_bytes(bytes, monitor).map_err(in_file)?;
            let about =
                About::Unfinished { recipe: fit.recipe().to_owned(), passes: fit.passes(), rows: fit.rows() };
            (fit.input().to_vec(), about)
        }
        _ => {
            let pipeline = Pipeline::from_bytes(bytes).map_err(in_file)?;
            let held = Bytes::from(2 * pipeline.heap_bytes() + pipeline.bound_bytes());
            let _held = monitor.budget().consumer("pipeline").try_reserve(held)?;
            let steps = pipeline.learnt().collect::<Result<_, _>>().map_err(in_file)?;
            let outputs = pipeline.outputs().map_err(in_file)?;
            (pipeline.input().to_vec(), About::Pipeline { steps, outputs })
        }
    };
    Ok(Told { bytes: bytes.len(), input, about })
}

/// The type of an output; `None` if it is that of the input, whatever it is.
fn output_type(column: &Column, lineage: &Lineage) -> Option<String> {
    (!lineage.steps.is_empty()).then(|| type_name(&column.data_type))
}

impl Told {
    fn json(&self) -> Value {
        let input: Vec<Value> = self
            .input
            .iter()
            .map(|column| {
                let mut entry = json!({ "name": column.name, "kind": column.kind.to_string() });
                // A pipeline takes any.
                if !matches!(self.about, About::Pipeline { .. }) {
                    entry["type"] = json!(type_name(&column.data_type));
                }
                entry
            })
            .collect();
        let mut told = match &self.about {
            About::Pipeline { steps, outputs } => {
                let step = |step: &LearntStep| json!({ "use": step.name, "columns": step.columns, "learnt": step.learnt });
                let output = |(column, lineage): &(Column, Lineage)| {
                    let steps: Vec<Value> = lineage
                        .steps
                        .iter()
                        .map(|(index, name)| json!({ "step": index + 1, "use": name }))
                        .collect();
                    json!({
                        "name": column.name,
                        "kind": column.kind.to_string(),
                        "type": output_type(column, lineage),
                        "source": lineage.source,
                        "steps": steps,
                        "category": lineage.category,
                    })
                };
                json!({
                    "kind": "pipeline",
                    "steps": steps.iter().map(step).collect::<Vec<_>>(),
                    "outputs": outputs.iter().map(output).collect::<Vec<_>>(),
                })
            }
            About::Partial { recipe, pass, of, seen, missing } => {
                let seen: Vec<Value> =
                    seen.iter().map(|(number, rows)| json!({ "number": number, "rows": rows })).collect();
                json!({
                    "kind": "partial_state",
                    "recipe": recipe,
                    "pass": pass,
                    "shards": { "of": of, "seen": seen, "missing": missing },
                })
            }
            About::Unfinished { recipe, passes, rows } => {
                json!({ "kind": "unfinished_fit", "recipe": recipe, "passes": passes, "rows": rows })
            }
        };
        told["bytes"] = json!(self.bytes);
        told["input"] = json!(input);
        told
    }

    /// For people, in lines of at most `width` characters where that can be.
    fn text(&self, name: &str, width: usize) -> String {
        let mut out = String::new();
        let (bytes, columns) = (Bytes::from(self.bytes), self.input.len());
        let about = match &self.about {
            About::Pipeline { steps, outputs } => {
                format!("pipeline of {} steps, {columns} columns to {}, {bytes}", steps.len(), outputs.len())
            }
            About::Partial { pass, of, seen, missing, .. } => {
                let seen: Vec<String> =
                    seen.iter().map(|(number, rows)| format!("{number} (rows: {rows})")).collect();
                let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                format!(
                    "partial state of pass {pass}, {bytes}; of {of} shards it holds {}; missing: {}",
                    few(&seen, COLUMNS_SHOWN, ", "),
                    if missing.is_empty() { "none".to_owned() } else { few(&missing, COLUMNS_SHOWN, ", ") },
                )
            }
            About::Unfinished { passes, rows, .. } => {
                format!(
                    "unfinished fit, {bytes}; passes that have ended: {passes}, over rows: {rows}; another is needed"
                )
            }
        };
        wrap(&mut out, &format!("{name}: {about}"), width);
        let input: Vec<String> = self
            .input
            .iter()
            .map(|column| format!("{} {}", shortened(&printable(&column.name), TEXT), column.kind))
            .collect();
        wrap(&mut out, &format!("input: {}", few(&input, COLUMNS_SHOWN, ", ")), width);
        match &self.about {
            About::Pipeline { steps, outputs } => {
                for (index, step) in steps.iter().enumerate() {
                    write_step(&mut out, index, step, width);
                }
                write_outputs(&mut out, outputs);
            }
            About::Partial { recipe, .. } | About::Unfinished { recipe, .. } => {
                out.push_str("recipe:\n");
                for line in recipe.lines() {
                    let _ = writeln!(out, "  {}", printable(line));
                }
            }
        }
        out
    }
}

/// The first few of a list, and how many more there are.
fn few(items: &[String], most: usize, between: &str) -> String {
    let mut text = items.iter().take(most).cloned().collect::<Vec<_>>().join(between);
    if items.len() > most {
        let _ = write!(text, "{between}… {} more", items.len() - most);
    }
    text
}

fn write_step(out: &mut String, index: usize, step: &LearntStep, width: usize) {
    let _ = writeln!(out, "\nstep {}: {}", index + 1, step.name);
    let names: Vec<String> = step.columns.iter().map(|name| shortened(&printable(name), TEXT)).collect();
    match step.learnt.as_array() {
        // An entry for each column.
        Some(each) if each.len() == names.len() => {
            for (name, learnt) in names.iter().zip(each).take(COLUMNS_SHOWN) {
                wrap(out, &format!("  {name}: {}", brief(learnt)), width);
            }
            if names.len() > COLUMNS_SHOWN {
                let _ = writeln!(out, "  … {} more columns; --json gives all", names.len() - COLUMNS_SHOWN);
            }
        }
        _ => {
            wrap(out, &format!("  {}: {}", few(&names, COLUMNS_SHOWN, ", "), brief(&step.learnt)), width);
        }
    }
}

/// What was learnt, with the first few of long lists.
fn brief(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => shortened(&printable(text), TEXT),
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().take(SHOWN).map(brief).collect();
            let more = items.len() - shown.len();
            let more = if more > 0 { format!(", … {more} more") } else { String::new() };
            format!("[{}{more}]", shown.join(", "))
        }
        Value::Object(entries) if entries.is_empty() => "nothing to learn".to_owned(),
        Value::Object(entries) => {
            let mut entries = entries.iter();
            // A category is told by its kind and value, of which the value is enough.
            if let (Some((kind, value)), None) = (entries.next(), entries.next())
                && kind.starts_with(char::is_uppercase)
            {
                return brief(value);
            }
            let Value::Object(entries) = value else { return String::new() };
            let entry = |(key, value): (&String, &Value)| match value {
                Value::Object(inner) if inner.len() > 1 => format!("{key} ({})", brief(value)),
                _ => format!("{key} {}", brief(value)),
            };
            entries.iter().map(entry).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn write_outputs(out: &mut String, outputs: &[(Column, Lineage)]) {
    let row = |(column, lineage): &(Column, Lineage)| {
        let made: Vec<String> =
            lineage.steps.iter().map(|(index, name)| format!("{} {name}", index + 1)).collect();
        let category = lineage.category.as_ref().map(|category| shortened(&printable(category), TEXT));
        let source = shortened(&printable(&lineage.source), TEXT);
        [
            shortened(&printable(&column.name), TEXT),
            output_type(column, lineage).unwrap_or_else(|| "as the input".to_owned()),
            category.map_or_else(|| source.clone(), |category| format!("{source} = {category}")),
            made.join(", "),
        ]
    };
    let headings = ["output", "type", "from", "by steps"].map(str::to_owned);
    let rows: Vec<[String; 4]> =
        std::iter::once(headings).chain(outputs.iter().take(COLUMNS_SHOWN).map(row)).collect();
    let widths = [0, 1, 2, 3].map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    out.push('\n');
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell}{}  ", " ".repeat(width - cell.chars().count()));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if outputs.len() > COLUMNS_SHOWN {
        let _ = writeln!(out, "… {} more columns; --json gives all", outputs.len() - COLUMNS_SHOWN);
    }
}
