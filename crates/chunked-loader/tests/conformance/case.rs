//! A case as its file describes it.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// What a case expects.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    keys: Map<String, Value>,
    folder: PathBuf,
}

/// A file with one quirk.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) options: Map<String, Value>,
    pub(crate) main: Expected,
    /// What is left where bad records are skipped.
    pub(crate) skip: Option<Expected>,
    file: PathBuf,
    is_stored_packed: bool,
}

/// Cases that say the same of the same bytes.
impl PartialEq for Case {
    fn eq(&self, other: &Case) -> bool {
        let bytes = |case: &Case| std::fs::read(&case.file).unwrap();
        self.main.keys == other.main.keys && bytes(self) == bytes(other)
    }
}

impl Case {
    /// The cases of a folder, by name.
    pub(crate) fn all(folder: &Path) -> Vec<Case> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
        paths.sort();
        paths.iter().map(|path| Case::read(path, folder)).collect()
    }

    fn read(path: &Path, folder: &Path) -> Case {
        let value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let keys = value.as_object().unwrap().clone();
        let expected = |keys: Map<String, Value>| Expected { keys, folder: folder.to_owned() };
        let skip = keys.get("with").and_then(|with| with.get("skip")).map(|skip| {
            let mut keys = skip.as_object().unwrap().clone();
            keys.insert("expect".to_owned(), "ok".into());
            expected(keys)
        });
        Case {
            name: keys["name"].as_str().unwrap().to_owned(),
            options: keys["options"].as_object().unwrap().clone(),
            skip,
            file: folder.join(keys["file"].as_str().unwrap()),
            is_stored_packed: keys.get("stored").is_some_and(|s| s == "gzip"),
            main: expected(keys),
        }
    }

    /// Whether the case's options ask that bad records be left out.
    pub(crate) fn skips(&self) -> bool {
        self.options.get("on-bad-row").is_some_and(|v| v != "fail")
    }

    /// How many records its options allow to be left out; the loader counts, its caller enforces.
    pub(crate) fn max_rejects(&self) -> Option<u64> {
        self.options.get("max-rejects").and_then(Value::as_str).map(|n| n.parse().unwrap())
    }

    /// A number as the case writes it, with a point for its decimal mark and without marks between thousands.
    pub(crate) fn plain_number(&self, text: &str) -> String {
        let mark = |key: &str| {
            let told = self.options.get(key).or_else(|| self.main.keys.get("numbers")?.get(key));
            told.and_then(Value::as_str)
        };
        let text = text.replace(mark("thousands").unwrap_or(""), "");
        match mark("decimal") {
            // A point that is no mark makes the text no number.
            Some(decimal) if decimal != "." => text.replace('.', "!").replace(decimal, "."),
            _ => text,
        }
    }

    /// The file to read: where it lies, or unpacked into `dir`.
    pub(crate) fn write(&self, dir: &Path) -> PathBuf {
        if !self.is_stored_packed {
            return self.file.clone();
        }
        let unpacked = dir.join(&self.name).with_extension("csv");
        std::fs::write(&unpacked, unpack(&self.file)).unwrap();
        unpacked
    }
}

fn unpack(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

impl Expected {
    pub(crate) fn is_error(&self) -> bool {
        self.keys["expect"] == "error"
    }

    /// A key of `error`, as one number or a list of which one is right.
    pub(crate) fn error_numbers(&self, key: &str) -> Option<Vec<u64>> {
        let value = self.keys.get("error")?.get(key)?;
        let numbers = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        Some(numbers.iter().map(|n| n.as_u64().unwrap()).collect())
    }

    pub(crate) fn error_column(&self) -> Option<&str> {
        self.keys.get("error")?.get("column")?.as_str()
    }

    pub(crate) fn header(&self) -> Option<Vec<String>> {
        let names = self.keys.get("header")?.as_array()?;
        Some(names.iter().map(|n| n.as_str().unwrap().to_owned()).collect())
    }

    pub(crate) fn header_is_lenient(&self) -> bool {
        self.keys.get("header_rule").is_some_and(|rule| rule == "lenient")
    }

    pub(crate) fn row_count(&self) -> Option<u64> {
        self.keys.get("row_count").and_then(Value::as_u64)
    }

    pub(crate) fn rejects(&self) -> Option<u64> {
        self.keys.get("rejects").and_then(Value::as_u64)
    }

    /// The text of every field.
    pub(crate) fn rows(&self) -> Option<Vec<Vec<Option<String>>>> {
        if let Some(file) = self.keys.get("rows_file").filter(|_| !self.keys.contains_key("rows")) {
            let lines = String::from_utf8(unpack(&self.folder.join(file.as_str().unwrap()))).unwrap();
            return Some(
                lines.split_terminator('\n').map(|l| row(&serde_json::from_str(l).unwrap())).collect(),
            );
        }
        Some(self.keys.get("rows")?.as_array()?.iter().map(row).collect())
    }

    /// This expectation with one thing in it changed, for each thing that can be.
    pub(crate) fn made_wrong(&self) -> Vec<Expected> {
        let mut all = Vec::new();
        let mut push = |key: &str, value: Value| {
            let mut wrong = self.clone();
            wrong.keys.insert(key.to_owned(), value);
            all.push(wrong);
        };
        if let Some(mut rows) = self.keys.get("rows").cloned()
            && let Some(field) = rows.as_array_mut().unwrap().last_mut().and_then(|r| r.get_mut(0))
        {
            *field = format!("{}!", field.as_str().unwrap_or("")).into();
            push("rows", rows);
        }
        if let Some(mut header) = self.keys.get("header").cloned()
            && !self.header_is_lenient()
        {
            header[0] = "another name".into();
            push("header", header);
        }
        if let Some(mut types) = self.keys.get("types").cloned() {
            for (_, right) in types.as_object_mut().unwrap().iter_mut() {
                *right = "float16".into();
            }
            push("types", types);
        }
        if let Some(line) = self.keys.get("error").and_then(|error| error.get("line")).and_then(Value::as_u64)
        {
            let mut error = self.keys["error"].clone();
            error["line"] = (line + 1).into();
            push("error", error);
        }
        if let Some(rows) = self.row_count() {
            push("row_count", (rows + 1).into());
        }
        all
    }

    /// Types that are right, by column: those of a name, or of a place.
    pub(crate) fn types(&self, index: usize, name: &str) -> Option<Vec<String>> {
        let by_name = self.keys.get("types").and_then(|types| types.get(name));
        let by_place = self.keys.get("types_by_position").and_then(|types| match types {
            Value::Array(list) => list.get(index),
            other => other.get(index.to_string()),
        });
        let types = by_name.or(by_place).filter(|v| !v.is_null())?;
        let list = types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]);
        Some(list.iter().map(|t| t.as_str().unwrap().to_owned()).collect())
    }
}

fn row(value: &Value) -> Vec<Option<String>> {
    value.as_array().unwrap().iter().map(|field| field.as_str().map(str::to_owned)).collect()
}
