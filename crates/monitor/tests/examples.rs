//! Every public function of the crate is called by an example that runs, and every example asserts something.
//!
//! Reads the sources as rustfmt leaves them: what belongs to a module stands at its margin, what belongs to an `impl` or
//! a trait is indented by four.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One file of the crate, without its tests.
struct Source {
    path: PathBuf,
    lines: Vec<String>,
}

/// One example.
struct Example {
    path: PathBuf,
    line: usize,
    code: String,
}

/// A function that users of the crate can call.
#[derive(Debug)]
struct Function {
    path: PathBuf,
    line: usize,
    /// The type or trait that it belongs to; `None` for one of the crate itself.
    of: Option<String>,
    name: String,
}

fn sources(folder: &Path, into: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::to_owned).collect();
            into.push(Source { path, lines });
        }
    }
}

/// The name that a text begins with.
fn name_of(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// What `pub use` exports at the root.
fn exports(root: &str) -> BTreeSet<String> {
    let uses = root.split("pub use ").skip(1).map(|rest| &rest[..rest.find(';').unwrap()]);
    let names = uses.flat_map(|path| {
        let names = path.split_once("::").unwrap().1;
        names.trim_matches(['{', '}']).split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// The type of an inherent `impl`, or the trait, whose head stands on this line.
fn owner(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("pub trait ") {
        return Some(name_of(rest));
    }
    let rest = line.strip_prefix("unsafe ").unwrap_or(line).strip_prefix("impl")?;
    if rest.contains(" for ") {
        return None;
    }
    let mut depth = 0;
    let end = rest.find(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth == 0 && (c == '>' || c == ' ')
    })?;
    Some(name_of(rest[end + 1..].trim_start()))
}

fn functions(source: &Source, exported: &BTreeSet<String>) -> Vec<Function> {
    let mut found = Vec::new();
    let mut inside: Option<String> = None;
    let mut is_trait = false;
    for (line, text) in (1..).zip(&source.lines) {
        if text.starts_with("impl") || text.starts_with("pub trait ") {
            inside = owner(text).filter(|name| exported.contains(name));
            is_trait = text.starts_with("pub trait ");
        } else if text == "}" {
            inside = None;
        }
        let declared = |margin: &str| {
            let rest = text.strip_prefix(margin)?;
            let rest = if is_trait && !margin.is_empty() { rest } else { rest.strip_prefix("pub ")? };
            let rest = rest.strip_prefix("const ").unwrap_or(rest);
            rest.strip_prefix("fn ").map(name_of)
        };
        let function = |of, name| Function { path: source.path.clone(), line, of, name };
        if let Some(name) = declared("").filter(|name| exported.contains(name)) {
            found.push(function(None, name));
        } else if let (Some(of), Some(name)) = (&inside, declared("    ")) {
            found.push(function(Some(of.clone()), name));
        }
    }
    found
}

fn examples(source: &Source) -> Vec<Example> {
    let mut found = Vec::new();
    let mut open: Option<Example> = None;
    let mut is_fenced = false;
    for (line, text) in (1..).zip(&source.lines) {
        let text = text.trim_start();
        let Some(doc) = text.strip_prefix("///").or_else(|| text.strip_prefix("//!")) else { continue };
        let doc = doc.strip_prefix(' ').unwrap_or(doc);
        if let Some(language) = doc.strip_prefix("```") {
            is_fenced = !is_fenced;
            found.extend(open.take());
            if is_fenced && language.is_empty() {
                open = Some(Example { path: source.path.clone(), line, code: String::new() });
            }
        } else if let Some(example) = &mut open {
            example.code.push_str(doc);
            example.code.push('\n');
        }
    }
    found
}

/// Where a name stands in a text, and not as a part of a longer one.
fn words<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let places = text.match_indices(name).map(|(at, _)| at);
    places.filter(move |at| {
        let (before, after) = (&text[..*at], &text[at + name.len()..]);
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

impl Function {
    /// Whether that example calls it, or implements it. Many types have a function of the same name, so the example
    /// must stand in the same file or name the type.
    fn is_in(&self, example: &Example) -> bool {
        let code = &example.code;
        let calls = |by: &[&str]| {
            words(code, &self.name).any(|at| {
                let after = &code[at + self.name.len()..];
                by.iter().any(|by| code[..at].ends_with(by)) && after.starts_with(['(', ':'])
            })
        };
        match &self.of {
            None => calls(&[""]),
            Some(of) => {
                let is_near = example.path == self.path || words(code, of).next().is_some();
                is_near && calls(&[".", "::", "fn "])
            }
        }
    }
}

#[test]
fn every_public_function_is_in_an_example_that_asserts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    let exported = exports(&fs::read_to_string(folder.join("lib.rs")).unwrap());
    let functions: Vec<Function> = files.iter().flat_map(|source| functions(source, &exported)).collect();
    let examples: Vec<Example> = files.iter().flat_map(examples).collect();
    // The search itself works: these are of each kind that there is.
    for (of, name) in [
        (None, "log_memory"),
        (Some("Bytes"), "mib"),
        (Some("MemoryCache"), "get"),
        (Some("Monitor"), "reclaim_from"),
        (Some("Giver"), "give_back"),
    ] {
        let is_it = |function: &&Function| function.of.as_deref() == of && function.name == name;
        assert_eq!(functions.iter().filter(is_it).count(), 1, "{of:?} {name}");
    }
    let place = |path: &Path, line| format!("{}:{line}", path.strip_prefix(&folder).unwrap().display());
    let bare = functions.iter().filter(|function| !examples.iter().any(|example| function.is_in(example)));
    let bare = bare.map(|f| {
        let of = f.of.as_deref().map(|of| format!("{of}::")).unwrap_or_default();
        format!("{} {of}{}: no example calls it", place(&f.path, f.line), f.name)
    });
    let idle = examples.iter().filter(|example| !example.code.contains("assert"));
    let idle = idle.map(|example| format!("{} asserts nothing", place(&example.path, example.line)));
    let wanting: Vec<String> = bare.chain(idle).collect();
    assert!(
        wanting.is_empty(),
        "{} of {} functions and {} examples:\n{}",
        wanting.len(),
        functions.len(),
        examples.len(),
        wanting.join("\n")
    );
}
