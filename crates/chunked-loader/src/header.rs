//! Names of columns.

use std::collections::{HashMap, HashSet};

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

/// The same for names that are written in another way than as a record.
pub(crate) fn unique(written: &[String]) -> Vec<String> {
    // The first of each name keeps it, so made-up names must avoid all written ones.
    let reserved: HashSet<&str> = written.iter().map(String::as_str).collect();
    let mut taken: HashSet<String> = HashSet::with_capacity(written.len());
    // The number that each name is tried with next. Those before it stay taken, and asking for each of them again
    // would make a header of one name over and over take the square of its length.
    let mut next: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::with_capacity(written.len());
    for (i, name) in written.iter().enumerate() {
        let is_free = |chosen: &String| !taken.contains(chosen) && !reserved.contains(chosen.as_str());
        let chosen = if name.is_empty() {
            let base = format!("column_{}", i + 1);
            let numbered = (1..).map(|n| format!("{base}_{n}"));
            std::iter::once(base.clone()).chain(numbered).find(is_free).unwrap_or(base)
        } else if taken.contains(name) {
            let next = next.entry(name).or_insert(1);
            loop {
                let numbered = format!("{name}_{next}");
                *next += 1;
                if is_free(&numbered) {
                    break numbered;
                }
            }
        } else {
            name.clone()
        };
        taken.insert(chosen.clone());
        names.push(chosen);
    }
    names
}

/// Names for a file without header.
pub(crate) fn numbered(columns: usize) -> Vec<String> {
    (1..=columns).map(|n| format!("column_{n}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_gets_a_name_of_its_own() {
        let written = ["a", "", "a", "a_1", "a", ""].map(str::to_owned);
        assert_eq!(unique(&written), ["a", "column_2", "a_2", "a_1", "a_3", "column_6"]);
    }

    #[test]
    fn one_name_for_all_columns_takes_no_longer_than_names_of_their_own() {
        let written = vec!["a".to_owned(); 30_000];
        let began = std::time::Instant::now();
        let names = unique(&written);
        // Asking for each number again would take half a billion questions.
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
        assert_eq!((names[0].as_str(), names[29_999].as_str()), ("a", "a_29999"));
    }
}
