//! Names of columns.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind};
use crate::record::Record;

/// The names that a header gives. Every column is kept: one without a name is `column_N`, N its place from
/// 1; a name that is taken gets `_1`, `_2`, … appended.
pub(crate) fn names(record: &Record<'_>) -> Vec<String> {
    let mut scratch = Vec::new();
    let written: Vec<String> = (0..record.len())
        .map(|i| String::from_utf8_lossy(record.field(i, &mut scratch).text).into_owned())
        .collect();
    unique(&written)
}

fn unique(written: &[String]) -> Vec<String> {
    // The first of each name keeps it, so made-up names must avoid all written ones.
    let reserved: HashSet<&str> = written.iter().map(String::as_str).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut names = Vec::with_capacity(written.len());
    for (i, name) in written.iter().enumerate() {
        let mut chosen = name.clone();
        if name.is_empty() || taken.contains(name) {
            let base = if name.is_empty() { format!("column_{}", i + 1) } else { name.clone() };
            let numbered = (1..).map(|n| format!("{base}_{n}"));
            let mut candidates = name.is_empty().then(|| base.clone()).into_iter().chain(numbered);
            chosen =
                candidates.find(|c| !taken.contains(c) && !reserved.contains(c.as_str())).unwrap_or(base);
        }
        taken.insert(chosen.clone());
        names.push(chosen);
    }
    names
}

/// Names for a file without header.
pub(crate) fn numbered(columns: usize) -> Vec<String> {
    (1..=columns).map(|n| format!("column_{n}")).collect()
}

/// Checks the header of a later file.
pub(crate) fn check_same(expected: &[String], found: Vec<String>) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::new(ErrorKind::HeaderDiffers { expected: expected.to_vec(), found }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_gets_a_name_of_its_own() {
        let written = ["a", "", "a", "a_1", "a", ""].map(str::to_owned);
        assert_eq!(unique(&written), ["a", "column_2", "a_2", "a_1", "a_3", "column_6"]);
    }
}
