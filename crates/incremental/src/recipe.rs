//! The recipe: TOML read strictly, each mistake named with its line and the nearest valid word.
//!
//! | table or key | means |
//! |---|---|
//! | `version` | 1 |
//! | `[[steps]]` | a step: `use` names it, `columns` and `exclude` its columns, and the rest are its parameters |
//! | `[split]` | a share of the rows, `test`, is kept from the fit, by a hash of the row's number and `seed` (0) |
//!
//! Where there is a split, what is made of the rows of the fit has a last column `split`, `train` or `test`. Rows
//! of the test share get what later rows would get.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, ErrorKind};
use crate::params::{ParamValue, Params};
use crate::selection::Selection;
use crate::split::Split;
use crate::step::Step;
use crate::steps;

/// What the user wants done to the columns, step by step.
///
/// ```
/// use incremental::Recipe;
///
/// let recipe = Recipe::parse("version = 1\n[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"x*\"]\n")?;
/// assert_eq!(recipe.step_names().collect::<Vec<_>>(), ["standard_scaler"]);
///
/// let error = Recipe::parse("version = 1\n[[steps]]\nuse = \"standard_scalar\"\n").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "line 3: no step is called `standard_scalar`; did you mean `standard_scaler`?"
/// );
/// # Ok::<(), incremental::Error>(())
/// ```
#[derive(Debug)]
pub struct Recipe {
    text: String,
    pub(crate) steps: Vec<RecipeStep>,
    pub(crate) split: Option<Split>,
}

/// One `[[steps]]` table.
#[derive(Debug)]
pub(crate) struct RecipeStep {
    pub(crate) name: &'static str,
    pub(crate) line: usize,
    pub(crate) selection: Selection,
    pub(crate) step: Box<dyn Step>,
}

/// Keys of a recipe that later versions read.
const NOT_BUILT: [&str; 2] = ["model", "evaluation"];

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// See [`ErrorKind`]; every error about the text has its line.
    pub fn parse(text: &str) -> Result<Recipe, Error> {
        let line_of = |offset: usize| {
            1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count()
        };
        let document = DeTable::parse(text).map_err(|e| {
            let line = e.span().map(|span| line_of(span.start));
            let error = Error::new(ErrorKind::Toml(Box::new(e)));
            if let Some(line) = line { error.at_line(line) } else { error }
        })?;
        let mut version = None;
        let mut steps = Vec::new();
        let mut split = None;
        for (key, value) in document.get_ref() {
            let line = line_of(key.span().start);
            match key.get_ref().as_ref() {
                "version" => {
                    version = value.get_ref().as_integer().and_then(|v| v.as_str().parse::<i64>().ok())
                }
                "steps" => steps = Recipe::steps(value, &line_of)?,
                "split" => {
                    let table = value.get_ref().as_table().ok_or_else(|| {
                        Error::parameter("split", "something else", "a table `[split]`").at_line(line)
                    })?;
                    split = Some(Split::parse(&mut Params::new(table, line_of), line)?);
                }
                other if NOT_BUILT.contains(&other) => {
                    return Err(Error::new(ErrorKind::NotBuilt { what: format!("[{other}]") }).at_line(line));
                }
                other => {
                    let known =
                        ["version", "steps", "model", "evaluation", "split"].map(str::to_owned).to_vec();
                    return Err(
                        Error::new(ErrorKind::UnknownKey { key: other.to_owned(), known }).at_line(line)
                    );
                }
            }
        }
        if version != Some(1) {
            return Err(Error::new(ErrorKind::Version { found: version }));
        }
        Ok(Recipe { text: text.to_owned(), steps, split })
    }

    fn steps(
        value: &Spanned<DeValue<'_>>,
        line_of: &impl Fn(usize) -> usize,
    ) -> Result<Vec<RecipeStep>, Error> {
        let line = line_of(value.span().start);
        let expected = "tables that begin with `[[steps]]`";
        let wrong = |line| Error::parameter("steps", "something else", expected).at_line(line);
        let tables = value.get_ref().as_array().ok_or_else(|| wrong(line))?;
        let steps = tables.iter().map(|table| {
            let line = line_of(table.span().start);
            RecipeStep::parse(table.get_ref().as_table().ok_or_else(|| wrong(line))?, line, line_of)
        });
        steps.collect()
    }

    /// The text that it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The columns that steps learn from and that later rows may lack.
    pub(crate) fn targets(&self) -> Vec<&str> {
        self.steps.iter().filter_map(|step| step.step.target()).collect()
    }

    /// Whether a share of the rows is kept from the fit.
    pub fn has_split(&self) -> bool {
        self.split.is_some()
    }

    /// The steps' names, in order.
    pub fn step_names(&self) -> impl Iterator<Item = &'static str> {
        self.steps.iter().map(|step| step.name)
    }
}

impl RecipeStep {
    fn parse(
        table: &DeTable<'_>,
        line: usize,
        line_of: &impl Fn(usize) -> usize,
    ) -> Result<RecipeStep, Error> {
        let mut params = Params::new(table, line_of);
        let (name, name_line) = match params.take("use") {
            Some((ParamValue::Text(name), line)) => (name, line),
            Some((other, line)) => {
                return Err(Error::parameter("use", other, "the name of a step").at_line(line));
            }
            None => return Err(Error::parameter("use", "not given", "the name of a step").at_line(line)),
        };
        let Some(kind) = steps::find(&name) else {
            let known = steps::STEPS.iter().map(|s| s.name.to_owned()).collect();
            let kind = ErrorKind::UnknownStep { name, known };
            return Err(Error::new(kind).at_line(name_line));
        };
        let columns = params.words("columns")?;
        let exclude = params.words("exclude")?;
        let step = (kind.parse)(&mut params).map_err(|e| e.at_line(line))?;
        // Before what is missing: a key that nobody knows is probably the missing one, misspelt.
        params.finish()?;
        if columns.is_empty() {
            let expected = "a list of names, globs or selectors such as \"@numeric\"";
            return Err(Error::parameter("columns", "not given", expected).at_line(line));
        }
        let selection = Selection::parse(&columns, &exclude).map_err(|e| e.at_line(line))?;
        Ok(RecipeStep { name: kind.name, line, selection, step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Recipe::parse(text).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        assert_eq!(error("[[steps]]\n"), "line 1: `use` is not given, expected the name of a step");
        assert_eq!(error("version = 2\n"), "version 2 is not known; this program reads `version = 1`");
        assert_eq!(error(""), "no version; begin the recipe with `version = 1`");
        assert_eq!(error("version = 1\nstep = 1\n"), "line 2: unknown key `step`; did you mean `steps`?");
        assert_eq!(
            error(
                "version = 1\n[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"a\"]\nstratgy = \"mean\"\n"
            ),
            "line 5: unknown key `stratgy`; did you mean `strategy`?"
        );
        assert_eq!(
            error("version = 1\n[[steps]]\nuse = \"simple_imputer\"\ncolumms = [\"a\"]\n"),
            "line 4: unknown key `columms`; did you mean `columns`?"
        );
        assert_eq!(
            error(
                "version = 1\n[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"a\"]\nstrategy = \"average\"\n"
            ),
            "line 5: `strategy` is \"average\", expected one of \"mean\", \"median\", \"most_frequent\", \"constant\""
        );
        assert_eq!(
            error("version = 1\n[model]\nuse = \"ridge\"\n"),
            "line 2: `[model]` is not built in this version; leave it out"
        );
        assert!(error("version = \n").starts_with("line 1: not TOML: "));
        assert_eq!(
            error("version = 1\n[[steps]]\nuse = \"drop_columns\"\n"),
            "line 2: `columns` is not given, expected a list of names, globs or selectors such as \"@numeric\""
        );
    }
}
