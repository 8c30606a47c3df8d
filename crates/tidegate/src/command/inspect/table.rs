//! The table that `inspect` prints for people: some lines about the input, and one for each column.

use std::fmt::Write as _;
use std::io::IsTerminal;

use chunked_loader::{AUTO_NULL_TOKENS, NullValues};
use monitor::Bytes;
use serde_json::{Value, json};

use super::{Inspected, narrow_name};

/// Widest and narrowest that a name or a value is shown.
const CELL: (usize, usize) = (24, 7);
const HEADINGS: [&str; 9] = ["column", "type", "nulls", "distinct", "min", "max", "mean", "wide", "narrow"];
/// Headings whose cells can be shortened.
const SHORTENED: [usize; 4] = [0, 4, 5, 6];
/// Headings that are left out on a narrow terminal, the first of these first.
const LEFT_OUT: [usize; 7] = [7, 6, 8, 5, 4, 2, 3];

/// Characters of a line of the terminal, if there is one.
pub(super) fn terminal_columns() -> Option<usize> {
    let is_terminal = std::io::stdout().is_terminal();
    is_terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| width.0.into())
}

/// The whole text, in lines of at most `width` characters where that can be.
pub(super) fn write(input: &Inspected<'_>, width: Option<usize>) -> String {
    let mut out = String::new();
    for line in about(input) {
        wrap(&mut out, &line, width.unwrap_or(usize::MAX));
    }
    out.push('\n');
    lay_out(&mut out, &rows(input), width.unwrap_or(usize::MAX));
    out
}

/// What there is to tell of the input as a whole.
fn about(input: &Inspected<'_>) -> Vec<String> {
    let (scan, dialect) = (input.scan, input.scan.dialect());
    let shown = |byte: Option<u8>| {
        byte.map_or("none".to_owned(), |b| match b {
            b' '..=b'~' => format!("`{}`", char::from(b)),
            other => format!("`{}`", other.escape_ascii()),
        })
    };
    let nulls = match dialect.null_values() {
        NullValues::Auto => format!("empty, and outside of text {}", AUTO_NULL_TOKENS.join(" ")),
        NullValues::Listed(tokens) => format!("empty {}", tokens.join(" ")).trim_end().to_owned(),
    };
    let mut lines = vec![format!(
        "{}: {}, {} rows, {} columns",
        printable(&input.name),
        Bytes(scan.bytes()),
        scan.rows(),
        input.figures.len()
    )];
    let formats = input.formats();
    let mut stored = match formats.is_empty() {
        true => format!("encoding: {}", input.encodings().join(", ")),
        false => format!("format: {}", formats.join(", ")),
    };
    let compressions = input.compressions();
    if compressions.len() == input.files.len() && compressions.iter().all(|(_, c)| *c == compressions[0].1) {
        let _ = write!(stored, ", compression: {}", compressions[0].1);
    } else if !compressions.is_empty() {
        let by_file: Vec<String> =
            compressions.iter().map(|(file, name)| format!("{} {name}", printable(file))).collect();
        let _ = write!(stored, ", compression: {}", by_file.join(", "));
    }
    lines.push(stored);
    let dialect = format!(
        "dialect: delimiter {}, quote {}, escape {}, comment {}, header {}, skipped rows {}, decimal {}, \
         thousands {}, nulls: {}",
        shown(dialect.delimiter()),
        shown(dialect.quote()),
        shown(dialect.escape()),
        shown(dialect.comment()),
        if dialect.header() { "yes" } else { "no" },
        dialect.skip_lines(),
        shown(Some(dialect.decimal())),
        shown(dialect.thousands()),
        printable(&nulls),
    );
    if formats.is_empty() {
        lines.push(dialect);
    }
    if scan.rejected() > 0 {
        lines.push(format!("rejected: {} records", scan.rejected()));
    }
    for (facts, missing) in scan.columns().iter().zip(input.missing()).filter(|(_, m)| !m.is_empty()) {
        let files: Vec<String> = missing.iter().map(|file| printable(file)).collect();
        lines.push(format!("missing: {} in {}, null there", printable(&facts.name), files.join(", ")));
    }
    for facts in scan.columns().iter().filter(|facts| !facts.null_tokens.is_empty()) {
        let tokens: Vec<String> =
            facts.null_tokens.iter().map(|(token, n)| format!("{} {n} times", printable(token))).collect();
        lines.push(format!("null in {}: {}", printable(&facts.name), tokens.join(", ")));
    }
    if let Some(error) = input.figures.iter().filter_map(|f| f.distinct_error).reduce(f64::max) {
        lines.push(format!("distinct: ~ marks an estimate, within {:.1}% two times of three", 100.0 * error));
    }
    let (wide, narrow) = scan
        .columns()
        .iter()
        .fold((0, 0), |(wide, narrow), c| (wide + c.bytes_wide, narrow + c.bytes_narrow));
    lines.push(format!("in memory: {} wide, {} narrow", Bytes(wide), Bytes(narrow)));
    lines
}

/// The cells of every column, at full length.
fn rows(input: &Inspected<'_>) -> Vec<[String; 9]> {
    let columns = input.scan.columns().iter().zip(input.figures).map(|(facts, figures)| {
        let about = if figures.distinct_error.is_none() { "" } else { "~" };
        [
            cell(&json!(facts.name)),
            narrow_name(facts),
            facts.nulls.to_string(),
            format!("{about}{}", figures.distinct),
            cell(&figures.min),
            cell(&figures.max),
            cell(&figures.mean),
            Bytes(facts.bytes_wide).to_string(),
            Bytes(facts.bytes_narrow).to_string(),
        ]
    });
    columns.collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => shortened(&printable(text), CELL.0),
        other => other.to_string(),
    }
}

/// A text without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(escaped).collect()
}

pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// Writes a line, broken at blanks and indented where it is longer than `width`.
pub(super) fn wrap(out: &mut String, line: &str, width: usize) {
    let mut used = 0;
    for (i, word) in line.split(' ').enumerate() {
        let length = word.chars().count();
        if i > 0 && used + 1 + length > width {
            out.push_str("\n  ");
            used = 2;
        } else if i > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
}

/// Writes the rows under their headings. Values are shortened, and then headings left out, until a line has room.
fn lay_out(out: &mut String, rows: &[[String; 9]], width: usize) {
    let mut shown: Vec<usize> = (0..HEADINGS.len()).collect();
    let mut most = CELL.0;
    let text = |row: &[String; 9], column: usize, most: usize| {
        if SHORTENED.contains(&column) { shortened(&row[column], most) } else { row[column].clone() }
    };
    let widths = |shown: &[usize], most: usize| -> Vec<usize> {
        let widest = |column: usize| {
            let cells = rows.iter().map(|row| {
                let length = row[column].chars().count();
                if SHORTENED.contains(&column) { length.min(most) } else { length }
            });
            cells.chain([HEADINGS[column].len()]).max().unwrap_or(0)
        };
        shown.iter().map(|column| widest(*column)).collect()
    };
    let mut left_out = Vec::new();
    let widths = loop {
        let found = widths(&shown, most);
        if found.iter().sum::<usize>() + 2 * (shown.len() - 1) <= width {
            break found;
        }
        if most > CELL.1 {
            most -= 1;
        } else if let Some(column) = LEFT_OUT.get(left_out.len()) {
            left_out.push(HEADINGS[*column]);
            shown.retain(|known| known != column);
        } else {
            break found;
        }
    };
    let headings = HEADINGS.map(str::to_owned);
    for row in [&headings].into_iter().chain(rows) {
        let mut line = String::new();
        for (&column, width) in shown.iter().zip(&widths) {
            let text = text(row, column, most);
            let pad = " ".repeat(width - text.chars().count());
            // Names stand at their left end, figures at their right one.
            let (before, behind) = if column < 2 { ("", pad.as_str()) } else { (pad.as_str(), "") };
            let _ = write!(line, "{before}{text}{behind}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if !left_out.is_empty() {
        wrap(out, &format!("no room for {}: widen the terminal, or use --json", left_out.join(", ")), width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(rows: &[[&str; 9]], width: usize) -> Vec<String> {
        let rows: Vec<[String; 9]> = rows.iter().map(|row| row.map(str::to_owned)).collect();
        let mut out = String::new();
        lay_out(&mut out, &rows, width);
        out.lines().map(str::to_owned).collect()
    }

    const ROWS: [[&str; 9]; 2] = [
        ["id", "uint16", "0", "3", "1", "300", "101.0", "24 B", "6 B"],
        [
            "a rather long name of it",
            "dictionary",
            "1",
            "~2000",
            "first of the values",
            "last of the values",
            "",
            "1.2 KiB",
            "300 B",
        ],
    ];

    #[test]
    fn it_is_as_wide_as_its_cells() {
        assert_eq!(
            laid_out(&ROWS[..1], usize::MAX),
            [
                "column  type    nulls  distinct  min  max   mean  wide  narrow",
                "id      uint16      0         3    1  300  101.0  24 B     6 B",
            ]
        );
    }

    #[test]
    fn values_are_shortened_and_then_headings_left_out() {
        for width in [130, 110, 95, 80, 60, 40, 30] {
            let lines = laid_out(&ROWS, width);
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:#?}");
            assert!(lines[0].starts_with("column "));
        }
        let lines = laid_out(&ROWS, 80);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert!(lines[2].starts_with("a rath…"), "{lines:#?}");
        let lines = laid_out(&ROWS, 65).join(" ");
        assert!(lines.contains("no room for wide, mean: widen the terminal, or use --json"), "{lines}");
        // There is always a name and a type, however narrow.
        assert_eq!(laid_out(&ROWS, 10)[1], "id       uint16");
    }

    #[test]
    fn long_lines_are_broken_at_blanks() {
        let mut out = String::new();
        wrap(&mut out, "one two three four", 9);
        assert_eq!(out, "one two\n  three\n  four\n");
    }
}
