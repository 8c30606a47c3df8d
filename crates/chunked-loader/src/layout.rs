//! One schema over many files: which column each field of a file belongs to.

use std::collections::HashMap;
use std::sync::Arc;

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

/// Lays files out by the names of their columns, in the order in which the names first come up.
///
/// Without header nothing tells which field is which but its place: all files have the columns of the first, as if they
/// were one file, and a record of another width is malformed wherever it stands.
///
/// Of each file no more is kept than where it differs from all before it: thousands of files of one shape are one
/// layout.
pub(crate) struct Layouts {
    has_header: bool,
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// The columns of each field and the place of the first record, each pair once.
    shapes: HashMap<(Vec<usize>, Position), usize>,
    /// The shape of each file; `None` for one without a record.
    files: Vec<Option<usize>>,
}

impl Layouts {
    pub(crate) fn new(has_header: bool) -> Self {
        Layouts {
            has_header,
            names: Vec::new(),
            places: HashMap::new(),
            shapes: HashMap::new(),
            files: Vec::new(),
        }
    }

    /// Adds the next file; `None` for one without a record, which has no layout.
    pub(crate) fn add(&mut self, preface: Option<Preface>) {
        let Some(mut preface) = preface else {
            self.files.push(None);
            return;
        };
        if !self.has_header && !self.names.is_empty() {
            preface.names.clone_from(&self.names);
        }
        let columns = preface.names.into_iter().map(|name| match self.places.get(&name) {
            Some(column) => *column,
            None => {
                self.places.insert(name.clone(), self.names.len());
                self.names.push(name);
                self.names.len() - 1
            }
        });
        let shape = (columns.collect(), preface.before);
        let next = self.shapes.len();
        self.files.push(Some(*self.shapes.entry(shape).or_insert(next)));
    }

    /// The names of all columns, and the layout of each file.
    pub(crate) fn finish(self) -> (Vec<String>, Vec<Option<Arc<Layout>>>) {
        let mut layouts = vec![None; self.shapes.len()];
        for ((columns, before), shape) in self.shapes {
            let mut has = vec![false; self.names.len()];
            columns.iter().for_each(|column| has[*column] = true);
            let missing = (0..self.names.len()).filter(|column| !has[*column]).collect();
            layouts[shape] = Some(Arc::new(Layout { columns, missing, before }));
        }
        let files = self.files.into_iter().map(|shape| layouts[shape?].clone());
        (self.names, files.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preface(names: &[&str]) -> Option<Preface> {
        Some(Preface { names: names.iter().map(ToString::to_string).collect(), before: Position::START })
    }

    #[test]
    fn columns_are_joined_by_name_in_the_order_they_come_up() {
        let mut layouts = Layouts::new(true);
        for file in [preface(&["b", "a"]), None, preface(&["a", "c", "b"]), preface(&["b", "a"])] {
            layouts.add(file);
        }
        let (names, layouts) = layouts.finish();
        assert_eq!(names, ["b", "a", "c"]);
        let first = layouts[0].as_ref().unwrap();
        assert_eq!((first.columns.as_slice(), first.missing.as_slice()), (&[0, 1][..], &[2][..]));
        assert!(layouts[1].is_none());
        assert_eq!(layouts[2].as_ref().unwrap().columns, [1, 2, 0]);
        assert!(Arc::ptr_eq(first, layouts[3].as_ref().unwrap()));
    }

    #[test]
    fn files_without_header_have_the_columns_of_the_first() {
        let mut layouts = Layouts::new(false);
        for names in [&["column_1", "column_2"][..], &["column_1"], &["column_1", "column_2", "column_3"]] {
            layouts.add(preface(names));
        }
        let (names, layouts) = layouts.finish();
        assert_eq!(names, ["column_1", "column_2"]);
        for layout in layouts {
            let layout = layout.unwrap();
            assert_eq!((layout.columns.as_slice(), layout.missing.len()), (&[0, 1][..], 0));
        }
    }
}
