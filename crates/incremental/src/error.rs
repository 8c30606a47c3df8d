//! What can go wrong with a recipe, a fit, a transform or a fitted pipeline's file.

use std::fmt;
use std::io;

use monitor::{BudgetExceeded, Bytes};

use crate::column::ValueKind;

/// An error with its kind, the step, column and row it is about, and its cause.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    line: Option<usize>,
    step: Option<(usize, String)>,
    column: Option<String>,
    row: Option<u64>,
}

/// What kind of error it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The recipe is not TOML.
    Toml(Box<toml::de::Error>),
    /// The recipe's `version` is missing or unknown.
    Version {
        /// What it says.
        found: Option<i64>,
    },
    /// A key that has no meaning where it stands.
    UnknownKey {
        /// The key.
        key: String,
        /// The keys there are.
        known: Vec<String>,
    },
    /// A step that does not exist.
    UnknownStep {
        /// Its name.
        name: String,
        /// The steps there are.
        known: Vec<String>,
    },
    /// A step or table of the contract that this version does not have.
    NotBuilt {
        /// Its name.
        what: String,
    },
    /// A parameter's value that the step does not take.
    Parameter {
        /// The parameter.
        name: String,
        /// What the recipe says.
        found: String,
        /// What it may say.
        expected: String,
    },
    /// A column, glob or selector that matches nothing.
    UnknownColumn {
        /// As the recipe writes it.
        name: String,
        /// The columns there are at this step.
        known: Vec<String>,
    },
    /// A column whose values the step cannot take.
    WrongKind {
        /// What the step takes.
        expected: &'static str,
        /// What the column has.
        found: ValueKind,
    },
    /// Two columns of the output have one name.
    DuplicateColumn,
    /// A category that the fit did not see.
    UnknownCategory {
        /// The category, by name.
        value: String,
    },
    /// A value that the step cannot compute with.
    Value {
        /// The value.
        found: String,
        /// What was expected in its place.
        expected: &'static str,
    },
    /// The parameters contradict what the fit found in the data.
    Contradiction {
        /// What, and what to do about it.
        message: String,
    },
    /// The input of a transform is not like the one that was fitted.
    InputDiffers {
        /// How, and what to do about it.
        message: String,
    },
    /// The input changed between two passes of a fit.
    InputChanged,
    /// The memory budget refused what a fit state needs.
    Budget(BudgetExceeded),
    /// The memory budget refused what a step's vocabulary has grown to.
    VocabularyFull {
        /// Bytes that it holds.
        held: Bytes,
        /// A step that does without.
        instead: &'static str,
        /// The refusal.
        refusal: BudgetExceeded,
    },
    /// The memory budget refused the columns that a step makes.
    TooWide {
        /// How many they are.
        columns: usize,
        /// The refusal.
        refusal: BudgetExceeded,
    },
    /// Shards that are not those of one fit, or not all of them.
    Shards {
        /// Which, and what to do about it.
        message: String,
    },
    /// A file of another kind than the one that was asked for.
    OtherFile {
        /// What it is, if that is known, and what to give.
        message: String,
    },
    /// A pipeline's or a partial state's file that cannot be used.
    Archive {
        /// Why, and what to do about it.
        message: String,
    },
    /// The system refused to read or write a file.
    Io(io::Error),
    /// Arrow refused an array, which is a defect of this crate.
    Arrow(arrow::error::ArrowError),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Error(Box::new(Inner { kind, line: None, step: None, column: None, row: None }))
    }

    pub(crate) fn parameter(name: &str, found: impl fmt::Display, expected: impl Into<String>) -> Self {
        Error::new(ErrorKind::Parameter {
            name: name.to_owned(),
            found: found.to_string(),
            expected: expected.into(),
        })
    }

    pub(crate) fn contradiction(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Contradiction { message: message.into() })
    }

    pub(crate) fn at_line(mut self, line: usize) -> Self {
        self.0.line.get_or_insert(line);
        self
    }

    pub(crate) fn in_step(mut self, index: usize, name: &str) -> Self {
        self.0.step.get_or_insert_with(|| (index, name.to_owned()));
        self
    }

    pub(crate) fn in_column(mut self, column: &str) -> Self {
        self.0.column.get_or_insert_with(|| column.to_owned());
        self
    }

    pub(crate) fn in_row(mut self, row: u64) -> Self {
        self.0.row.get_or_insert(row);
        self
    }

    /// The same error with the row that `f` makes of its own.
    pub(crate) fn map_row(mut self, f: impl FnOnce(u64) -> u64) -> Self {
        self.0.row = self.0.row.map(f);
        self
    }

    /// The same error for a caller who names the row's place in a better way.
    pub fn without_row(mut self) -> Self {
        self.0.row = None;
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The line of the recipe, from 1.
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }

    /// The step, by its place in the recipe from 0.
    pub fn step(&self) -> Option<usize> {
        self.0.step.as_ref().map(|(index, _)| *index)
    }

    /// The column.
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    /// The row of the input, from 0.
    pub fn row(&self) -> Option<u64> {
        self.0.row
    }
}

impl From<BudgetExceeded> for Error {
    fn from(refusal: BudgetExceeded) -> Self {
        Error::new(ErrorKind::Budget(refusal))
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Error::new(ErrorKind::Arrow(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.0.line {
            write!(f, "line {line}: ")?;
        }
        if let Some((index, name)) = &self.0.step {
            write!(f, "step {} ({name}): ", index + 1)?;
        }
        if let Some(column) = &self.0.column {
            write!(f, "column \"{column}\": ")?;
        }
        if let Some(row) = self.0.row {
            write!(f, "record {}: ", row + 1)?;
        }
        self.0.kind.fmt(f)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Toml(e) => write!(f, "not TOML: {}", e.message()),
            ErrorKind::Version { found: None } => {
                write!(f, "no version; begin the recipe with `version = 1`")
            }
            ErrorKind::Version { found: Some(v) } => {
                write!(f, "version {v} is not known; this program reads `version = 1`")
            }
            ErrorKind::UnknownKey { key, known } => {
                write!(f, "unknown key `{key}`; {}", did_you_mean(key, known))
            }
            ErrorKind::UnknownStep { name, known } => {
                write!(f, "no step is called `{name}`; {}", did_you_mean(name, known))
            }
            ErrorKind::NotBuilt { what } => {
                write!(f, "`{what}` is not built in this version; leave it out")
            }
            ErrorKind::Parameter { name, found, expected } => {
                write!(f, "`{name}` is {found}, expected {expected}")
            }
            ErrorKind::UnknownColumn { name, known } => {
                write!(f, "no column matches `{name}`; {}", did_you_mean(name, known))
            }
            ErrorKind::WrongKind { expected, found } => {
                write!(
                    f,
                    "holds {found} values, expected {expected}; take the column out of the step, or give it another type"
                )
            }
            ErrorKind::DuplicateColumn => {
                write!(f, "would be in the output twice; drop or rename one of the two")
            }
            ErrorKind::UnknownCategory { value } => {
                write!(
                    f,
                    "found the category `{value}`, which the fit did not see; set `handle_unknown`, or fit on data that has it"
                )
            }
            ErrorKind::Value { found, expected } => {
                write!(f, "found {found}, expected {expected}; mend or drop the value before this step")
            }
            ErrorKind::Contradiction { message }
            | ErrorKind::InputDiffers { message }
            | ErrorKind::Shards { message }
            | ErrorKind::OtherFile { message }
            | ErrorKind::Archive { message } => f.write_str(message),
            ErrorKind::InputChanged => {
                write!(f, "the input changed between two passes; run again when it is complete")
            }
            ErrorKind::Budget(refusal) => refusal.fmt(f),
            ErrorKind::VocabularyFull { held, instead, refusal } => {
                write!(
                    f,
                    "its vocabulary has come to {held}, room to grow included, and {refusal}; use `{instead}`, which keeps none"
                )
            }
            ErrorKind::TooWide { columns, refusal } => {
                let fewer =
                    "make fewer, by `n_features`, `max_features` or `max_categories`, or by another step";
                write!(f, "makes {columns} columns, and {refusal}; {fewer}")
            }
            ErrorKind::Io(e) => match e.kind() {
                io::ErrorKind::NotFound => write!(f, "no such file; check the path"),
                _ => e.fmt(f),
            },
            ErrorKind::Arrow(e) => write!(f, "an array could not be built: {e}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Toml(e) => Some(e.as_ref()),
            ErrorKind::Budget(e)
            | ErrorKind::VocabularyFull { refusal: e, .. }
            | ErrorKind::TooWide { refusal: e, .. } => Some(e),
            ErrorKind::Io(e) => Some(e),
            ErrorKind::Arrow(e) => Some(e),
            _ => None,
        }
    }
}

/// The nearest valid name, and the others if they are few.
fn did_you_mean(name: &str, known: &[String]) -> String {
    const SHOWN: usize = 16;
    // The last of equals wins in `max_by`, and the first is what a reader expects.
    let nearest = known
        .iter()
        .rev()
        .map(|k| (strsim::normalized_damerau_levenshtein(name, k), k))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity >= 0.4);
    let mut list: Vec<String> = known.iter().take(SHOWN).map(|k| format!("`{k}`")).collect();
    if known.len() > SHOWN {
        list.push(format!("and {} more", known.len() - SHOWN));
    }
    match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", list.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_place_and_nearest_valid_name() {
        let known = ["amount", "score", "age"].map(str::to_owned).to_vec();
        let error = Error::new(ErrorKind::UnknownColumn { name: "amuont".into(), known: known.clone() })
            .in_step(1, "standard_scaler")
            .at_line(7);
        assert_eq!(
            error.to_string(),
            "line 7: step 2 (standard_scaler): no column matches `amuont`; did you mean `amount`?"
        );
        let error = Error::new(ErrorKind::UnknownColumn { name: "xyzzy".into(), known });
        assert_eq!(error.to_string(), "no column matches `xyzzy`; there are `amount`, `score`, `age`");
    }
}
