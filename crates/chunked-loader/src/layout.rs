//! One schema over many files: which column each field of a file belongs to.

use std::collections::HashMap;

use crate::error::{Error, ErrorKind};
use crate::position::Position;
use crate::preface::Preface;

/// How the fields of one file map to the columns of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The column of each field.
    pub(crate) columns: Vec<usize>,
    /// Columns that the file lacks; null in its rows.
    pub(crate) missing: Vec<usize>,
    /// In front of its first record.
    pub(crate) before: Position,
}

/// Lays files out by the names of their columns, in the order in which the names first come up. A file without a
/// record (`None`) has no layout.
///
/// # Errors
/// [`ErrorKind::HeaderDiffers`], with the file's index, for files without header that have other numbers of columns:
/// nothing tells there which field is which.
pub(crate) fn lay_out(
    prefaces: &[Option<Preface>],
    has_header: bool,
) -> Result<(Vec<String>, Vec<Option<Layout>>), (usize, Error)> {
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (file, preface) in prefaces.iter().enumerate() {
        let Some(preface) = preface else { continue };
        if !has_header && !names.is_empty() && names.len() != preface.names.len() {
            let found = preface.names.clone();
            return Err((file, Error::new(ErrorKind::HeaderDiffers { expected: names, found })));
        }
        for name in &preface.names {
            places.entry(name).or_insert_with(|| {
                names.push(name.clone());
                names.len() - 1
            });
        }
    }
    let layouts = prefaces.iter().map(|preface| {
        preface.as_ref().map(|preface| {
            let columns: Vec<usize> = preface.names.iter().map(|name| places[name.as_str()]).collect();
            let mut has = vec![false; names.len()];
            columns.iter().for_each(|column| has[*column] = true);
            let missing = (0..names.len()).filter(|column| !has[*column]).collect();
            Layout { columns, missing, before: preface.before }
        })
    });
    let layouts = layouts.collect();
    Ok((names, layouts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preface(names: &[&str]) -> Option<Preface> {
        Some(Preface { names: names.iter().map(ToString::to_string).collect(), before: Position::START })
    }

    #[test]
    fn columns_are_joined_by_name_in_the_order_they_come_up() {
        let (names, layouts) =
            lay_out(&[preface(&["b", "a"]), None, preface(&["a", "c", "b"])], true).unwrap();
        assert_eq!(names, ["b", "a", "c"]);
        let first = layouts[0].as_ref().unwrap();
        assert_eq!((first.columns.as_slice(), first.missing.as_slice()), (&[0, 1][..], &[2][..]));
        assert!(layouts[1].is_none());
        assert_eq!(layouts[2].as_ref().unwrap().columns, [1, 2, 0]);
    }

    #[test]
    fn numbered_columns_have_to_be_as_many_in_each_file() {
        let error = lay_out(&[preface(&["column_1"]), preface(&["column_1", "column_2"])], false);
        assert_eq!(error.unwrap_err().0, 1);
    }
}
