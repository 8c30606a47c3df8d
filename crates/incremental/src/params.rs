//! Parameters of a step as the recipe writes them, read strictly.

use std::fmt;

use toml::de::{DeTable, DeValue};

use crate::error::{Error, ErrorKind};

/// A value of the recipe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ParamValue {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<ParamValue>),
    /// A table or a date, which no parameter is.
    Other(&'static str),
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParamValue::Text(text) => write!(f, "\"{text}\""),
            ParamValue::Int(value) => value.fmt(f),
            ParamValue::Float(value) => value.fmt(f),
            ParamValue::Bool(value) => value.fmt(f),
            ParamValue::List(values) => {
                let items: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            ParamValue::Other(what) => f.write_str(what),
        }
    }
}

impl ParamValue {
    fn read(value: &DeValue<'_>) -> ParamValue {
        match value {
            DeValue::String(text) => ParamValue::Text(text.to_string()),
            DeValue::Integer(int) => i64::from_str_radix(int.as_str(), int.radix())
                .map_or(ParamValue::Other("a whole number beyond 64 bits"), ParamValue::Int),
            DeValue::Float(float) => {
                float.as_str().parse().map_or(ParamValue::Other("a malformed number"), ParamValue::Float)
            }
            DeValue::Boolean(value) => ParamValue::Bool(*value),
            DeValue::Array(values) => {
                ParamValue::List(values.iter().map(|v| ParamValue::read(v.get_ref())).collect())
            }
            DeValue::Table(_) => ParamValue::Other("a table"),
            DeValue::Datetime(_) => ParamValue::Other("a date"),
        }
    }

    /// The value as a float64, if it is a number.
    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self {
            ParamValue::Int(value) => Some(*value as f64),
            ParamValue::Float(value) => Some(*value),
            _ => None,
        }
    }
}

struct Entry {
    key: String,
    value: ParamValue,
    line: usize,
    is_used: bool,
}

/// The keys of one `[[steps]]` table. A key that nobody asked for is an error in [`finish`](Params::finish).
pub(crate) struct Params {
    entries: Vec<Entry>,
    asked: Vec<&'static str>,
}

impl Params {
    /// `line_of` turns an offset in the recipe's text into a line.
    pub(crate) fn new(table: &DeTable<'_>, line_of: impl Fn(usize) -> usize) -> Params {
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            value: ParamValue::read(value.get_ref()),
            line: line_of(key.span().start),
            is_used: false,
        });
        Params { entries: entries.collect(), asked: Vec::new() }
    }

    /// The value of a key, with its line.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<(ParamValue, usize)> {
        self.asked.push(name);
        let entry = self.entries.iter_mut().find(|e| e.key == name)?;
        entry.is_used = true;
        Some((entry.value.clone(), entry.line))
    }

    /// The value of a key for which `"none"` means the same as leaving it out.
    pub(crate) fn take_unless_none(&mut self, name: &'static str) -> Option<(ParamValue, usize)> {
        self.take(name).filter(|(value, _)| *value != ParamValue::Text("none".to_owned()))
    }

    /// A value read by `read`, which gives `None` for what the parameter does not take.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        default: T,
        expected: &'static str,
        read: impl FnOnce(&ParamValue) -> Option<T>,
    ) -> Result<T, Error> {
        match self.take(name) {
            None => Ok(default),
            Some((value, line)) => {
                read(&value).ok_or_else(|| Error::parameter(name, &value, expected).at_line(line))
            }
        }
    }

    /// As [`read`](Self::read), for a parameter that may be None, which is its default.
    pub(crate) fn read_optional<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&ParamValue) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.take_unless_none(name) {
            None => Ok(None),
            Some((value, line)) => {
                read(&value).map(Some).ok_or_else(|| Error::parameter(name, &value, expected).at_line(line))
            }
        }
    }

    /// A flag.
    pub(crate) fn flag(&mut self, name: &'static str, default: bool) -> Result<bool, Error> {
        self.read(name, default, "true or false", |value| match value {
            ParamValue::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// The seed of a hash, 0 unless it is given.
    pub(crate) fn seed(&mut self, name: &'static str) -> Result<u64, Error> {
        let seed = self.read_optional(name, "a whole number from 0", |value| match *value {
            ParamValue::Int(seed @ 0..) => u64::try_from(seed).ok(),
            _ => None,
        })?;
        Ok(seed.unwrap_or(0))
    }

    /// One of a few words; the first is the default.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<T, Error> {
        let (value, line) = match self.take(name) {
            None => return Ok(choices[0].1),
            Some(found) => found,
        };
        let chosen = choices.iter().find(|(word, _)| value == ParamValue::Text((*word).to_owned()));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            Error::parameter(name, &value, format!("one of {}", words.join(", "))).at_line(line)
        })
    }

    /// A list of words, or one word for a list of one.
    pub(crate) fn words(&mut self, name: &'static str) -> Result<Vec<String>, Error> {
        self.read(name, Vec::new(), "a list of texts", |value| match value {
            ParamValue::Text(word) => Some(vec![word.clone()]),
            ParamValue::List(values) => values
                .iter()
                .map(|v| match v {
                    ParamValue::Text(word) => Some(word.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    /// Refuses keys that nobody asked for.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.entries.iter().find(|e| !e.is_used) {
            None => Ok(()),
            Some(entry) => {
                let known = self.asked.iter().map(|name| (*name).to_owned()).collect();
                Err(Error::new(ErrorKind::UnknownKey { key: entry.key.clone(), known }).at_line(entry.line))
            }
        }
    }
}
