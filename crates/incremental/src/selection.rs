//! Which columns a step takes: names, globs and selectors, less what is excluded.

use std::collections::HashMap;

use glob::Pattern;

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};

/// One entry of `columns` or `exclude`.
#[derive(Clone, Debug, PartialEq)]
enum Matcher {
    /// A column's whole name. A name with `*`, `?` or `[` in it is taken as it is if there is such a column.
    Name(String),
    Glob(String, Pattern),
    Selector(&'static str, &'static [ValueKind]),
}

const SELECTORS: [(&str, &[ValueKind]); 5] = [
    ("@numeric", &[ValueKind::Int, ValueKind::Float]),
    ("@string", &[ValueKind::Text]),
    ("@bool", &[ValueKind::Bool]),
    ("@temporal", &[ValueKind::Date, ValueKind::Timestamp]),
    (
        "@all",
        &[
            ValueKind::Null,
            ValueKind::Bool,
            ValueKind::Int,
            ValueKind::Float,
            ValueKind::Date,
            ValueKind::Timestamp,
            ValueKind::Text,
        ],
    ),
];

/// Which columns a step takes.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    columns: Vec<Matcher>,
    exclude: Vec<Matcher>,
}

/// What a selection comes to on a table.
pub(crate) enum Selected {
    /// The places of the columns in the table, in the order in which the selection lists them.
    Columns(Vec<usize>),
    /// What the selection matches depends on columns that are not made yet.
    NotYet,
}

impl Matcher {
    fn parse(text: &str) -> Result<Matcher, Error> {
        if text.starts_with('@') {
            let selector = SELECTORS.iter().find(|(name, _)| *name == text);
            let (name, kinds) = selector.ok_or_else(|| {
                let known = SELECTORS.iter().map(|(name, _)| (*name).to_owned()).collect();
                Error::new(ErrorKind::UnknownColumn { name: text.to_owned(), known })
            })?;
            return Ok(Matcher::Selector(name, kinds));
        }
        if text.contains(['*', '?', '[']) {
            let expected = "a glob with `*`, `?` or `[…]`";
            let pattern = Pattern::new(text)
                .map_err(|_| Error::parameter("columns", format!("\"{text}\""), expected))?;
            return Ok(Matcher::Glob(text.to_owned(), pattern));
        }
        Ok(Matcher::Name(text.to_owned()))
    }

    fn text(&self) -> &str {
        match self {
            Matcher::Name(text) | Matcher::Glob(text, _) => text,
            Matcher::Selector(name, _) => name,
        }
    }

    /// The columns that match, by place.
    fn select(&self, table: &[Column], names: &HashMap<&str, usize>, targets: &[&str]) -> Vec<usize> {
        let all =
            |matches: &dyn Fn(&Column) -> bool| (0..table.len()).filter(|i| matches(&table[*i])).collect();
        match self {
            Matcher::Name(name) => names.get(name.as_str()).copied().into_iter().collect(),
            Matcher::Glob(text, pattern) => match names.get(text.as_str()) {
                Some(place) => vec![*place],
                None => all(&|column| pattern.matches(&column.name)),
            },
            Matcher::Selector(_, kinds) => {
                all(&|column| kinds.contains(&column.kind) && !targets.contains(&column.name.as_str()))
            }
        }
    }
}

impl Selection {
    pub(crate) fn parse(columns: &[String], exclude: &[String]) -> Result<Selection, Error> {
        let parse = |texts: &[String]| texts.iter().map(|t| Matcher::parse(t)).collect::<Result<Vec<_>, _>>();
        Ok(Selection { columns: parse(columns)?, exclude: parse(exclude)? })
    }

    /// Applies the selection. `is_final`: no column of the table can still be added, dropped or retyped.
    ///
    /// A name that is not there is an error; a glob or selector that matches nothing is one too, since it is
    /// nearly always misspelt. What is excluded need not be there for a selector or glob. Selectors leave out
    /// `targets`, which later rows may lack.
    pub(crate) fn select(
        &self,
        table: &[Column],
        is_final: bool,
        targets: &[&str],
    ) -> Result<Selected, Error> {
        let names: HashMap<&str, usize> =
            table.iter().enumerate().map(|(place, column)| (column.name.as_str(), place)).collect();
        let mut taken: Vec<usize> = Vec::new();
        let mut is_taken = vec![false; table.len()];
        for (matchers, value) in [(&self.columns, true), (&self.exclude, false)] {
            for matcher in matchers {
                let is_name = matches!(matcher, Matcher::Name(_));
                if !is_name && !is_final {
                    return Ok(Selected::NotYet);
                }
                let places = matcher.select(table, &names, targets);
                if places.is_empty() {
                    if !is_final {
                        return Ok(Selected::NotYet);
                    }
                    if value || is_name {
                        let known = table.iter().map(|c| c.name.clone()).collect();
                        return Err(Error::new(ErrorKind::UnknownColumn {
                            name: matcher.text().to_owned(),
                            known,
                        }));
                    }
                }
                for place in places {
                    if !std::mem::replace(&mut is_taken[place], value) && value {
                        taken.push(place);
                    }
                }
            }
        }
        taken.retain(|place| is_taken[*place]);
        Ok(Selected::Columns(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    fn table() -> Vec<Column> {
        let column = |name: &str, kind| Column { name: name.into(), kind, data_type: DataType::Utf8 };
        vec![
            column("id", ValueKind::Int),
            column("x0", ValueKind::Float),
            column("x1", ValueKind::Float),
            column("a*", ValueKind::Text),
            column("day", ValueKind::Date),
        ]
    }

    fn selected(columns: &[&str], exclude: &[&str]) -> Result<Vec<usize>, String> {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let selection = Selection::parse(&owned(columns), &owned(exclude)).map_err(|e| e.to_string())?;
        match selection.select(&table(), true, &[]).map_err(|e| e.to_string())? {
            Selected::Columns(places) => Ok(places),
            Selected::NotYet => Err("not yet".into()),
        }
    }

    #[test]
    fn names_globs_selectors_and_exclusions() {
        assert_eq!(selected(&["x*", "id"], &[]), Ok(vec![1, 2, 0]));
        assert_eq!(selected(&["@numeric"], &["id"]), Ok(vec![1, 2]));
        assert_eq!(selected(&["@all"], &["x?", "@temporal"]), Ok(vec![0, 3]));
        assert_eq!(selected(&["a*"], &[]), Ok(vec![3]), "a name that looks like a glob");
    }

    #[test]
    fn what_matches_nothing_is_an_error() {
        assert_eq!(selected(&["idd"], &[]), Err("no column matches `idd`; did you mean `id`?".into()));
        assert_eq!(
            selected(&["@bool"], &[]),
            Err("no column matches `@bool`; there are `id`, `x0`, `x1`, `a*`, `day`".into())
        );
        assert_eq!(
            selected(&["@numerc"], &[]),
            Err("no column matches `@numerc`; did you mean `@numeric`?".into())
        );
        assert!(selected(&["@all"], &["y*"]).is_ok());
    }
}
