//! Random tables against slow, obvious twins: the `csv` crate for fields, `str::parse` for values, and a typing
//! written straight from the contract for types.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod values;

use std::collections::HashSet;

use chunked_loader::{Dialect, FixedRows, Loader, Scan, Source, type_name};
use proptest::prelude::*;
use values::Values;

const TOKENS: [&str; 8] = ["NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "\\N"];

/// How a table is written.
#[derive(Clone, Copy, Debug)]
struct Style {
    delimiter: u8,
    quote: Option<u8>,
    crlf: bool,
    header: bool,
    /// Every field stands in quotes, if there are any.
    always: bool,
}

fn style() -> impl Strategy<Value = Style> {
    let delimiter = prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')];
    let quote = prop_oneof![3 => Just(Some(b'"')), 1 => Just(Some(b'\'')), 1 => Just(None)];
    (delimiter, quote, any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(delimiter, quote, crlf, header, always)| Style {
            delimiter,
            quote,
            crlf,
            header,
            always: always && quote.is_some(),
        },
    )
}

/// A value of one kind, or what nearly is one.
fn value(kind: usize) -> BoxedStrategy<String> {
    let one_of = |all: &'static [&'static str]| prop::sample::select(all).prop_map(str::to_owned);
    match kind {
        0 => prop_oneof![
            8 => (-200i64..200).prop_map(|n| n.to_string()),
            1 => any::<i64>().prop_map(|n| n.to_string()),
            1 => any::<u64>().prop_map(|n| n.to_string()),
            1 => prop_oneof![Just(127i64), Just(128), Just(-129), Just(65_535), Just(65_536), Just(1 << 53)]
                .prop_map(|n| n.to_string()),
        ]
        .boxed(),
        1 => prop_oneof![
            4 => (-1000i32..1000).prop_map(|n| (f64::from(n) / 8.0).to_string()),
            2 => any::<f64>().prop_map(|x| x.to_string()),
            2 => any::<f64>().prop_map(|x| format!("{x:e}")),
            1 => one_of(&["-0", "0.1", ".5", "7.", "1E5", "nan", "-Inf", "+infinity", "9007199254740992", "1e22"]),
        ]
        .boxed(),
        2 => one_of(&["true", "false", "TRUE", "False", "tRuE"]).boxed(),
        3 => (1i32..=9999, 1u32..=12, 1u32..=28).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}")).boxed(),
        4 | 5 => {
            let clock = prop_oneof![
                (0u32..24, 0u32..60).prop_map(|(h, m)| format!("{h:02}:{m:02}")),
                (0u32..24, 0u32..60, 0u32..60).prop_map(|(h, m, s)| format!("{h:02}:{m:02}:{s:02}")),
                (0u32..24, 0u32..60, "[0-9]{1,6}").prop_map(|(h, m, f)| format!("{h:02}:{m:02}:09.{f}")),
            ];
            let zone = if kind == 4 { "" } else { "Z" };
            (1900i32..2100, 1u32..=12, prop::bool::ANY, clock)
                .prop_map(move |(y, m, t, c)| format!("{y}-{m:02}-17{}{c}{zone}", if t { 'T' } else { ' ' }))
                .boxed()
        }
        6 => one_of(&["red", "green", "blue", "a rather long colour"]).boxed(),
        7 => one_of(&[
            "007", "-01", "+1", "1e400", "1e-400", "9007199254740993", "2023-02-29", "0000-01-01", "24:00", "1_0",
            "2024-01-01T24:00", "2024-01-01T10:00+02:00", "nano", "t", "1e", ".", "-", "1,5", " 1", "1 ",
        ])
        .boxed(),
        _ => "[ -~é\n\r]{0,8}".boxed(),
    }
}

/// A column: mostly one kind, with nulls, tokens and rarely something else among them.
fn column(rows: usize) -> impl Strategy<Value = Vec<String>> {
    (0usize..9, 0usize..9, prop::bool::weighted(0.25), prop::bool::weighted(0.3), prop::bool::weighted(0.2))
        .prop_flat_map(move |(kind, other, is_mixed, has_empty, has_tokens)| {
            let field = prop_oneof![
                12 => value(kind),
                u32::from(is_mixed) => value(other),
                2 * u32::from(has_empty) => Just(String::new()),
                2 * u32::from(has_tokens) => prop::sample::select(&TOKENS[..]).prop_map(str::to_owned),
            ];
            prop::collection::vec(field, rows)
        })
}

fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    (2usize..5, 1usize..40).prop_flat_map(|(columns, rows)| prop::collection::vec(column(rows), columns))
}

/// The table as a careful writer writes it. Where nothing can be quoted, what would need quotes is left out.
fn write(columns: &mut [Vec<String>], style: Style) -> Vec<u8> {
    let Style { delimiter, quote, crlf, header, always } = style;
    if quote.is_none() {
        for field in columns.iter_mut().flatten() {
            field.retain(|c| !matches!(c, '\n' | '\r') && c != char::from(delimiter));
        }
    }
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .quote(quote.unwrap_or(b'"'))
        .quote_style(match quote {
            None => csv::QuoteStyle::Never,
            Some(_) if always => csv::QuoteStyle::Always,
            Some(_) => csv::QuoteStyle::Necessary,
        })
        .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
        .from_writer(Vec::new());
    if header {
        writer.write_record((0..columns.len()).map(|i| format!("name {i}"))).unwrap();
    }
    for row in 0..columns[0].len() {
        writer.write_record(columns.iter().map(|c| &c[row])).unwrap();
    }
    writer.into_inner().unwrap()
}

/// The fields that the `csv` crate reads, column by column.
fn oracle(bytes: &[u8], style: Style, columns: usize) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(style.delimiter)
        .quoting(style.quote.is_some())
        .quote(style.quote.unwrap_or(b'"'))
        .has_headers(style.header)
        .from_reader(bytes);
    let mut out = vec![Vec::new(); columns];
    for record in reader.records() {
        for (column, field) in out.iter_mut().zip(record.unwrap().iter()) {
            column.push(field.to_owned());
        }
    }
    out
}

// ---- the slow typing, from section 7 of the contract ----

fn whole(text: &str) -> Option<i128> {
    // What prints as it was written has no plus sign, no leading zero, and is not `-0`.
    text.parse::<i128>().ok().filter(|n| n.to_string() == text)
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if ["nan", "inf", "infinity"].contains(&unsigned.to_ascii_lowercase().as_str()) {
        return text.parse().ok();
    }
    let is_decimal = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let has_leading_zero =
        unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit();
    if !is_decimal || text.starts_with('+') || has_leading_zero {
        return None;
    }
    // A whole number that `whole` did not take has more digits than the loader counts.
    if text != "-0" && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    let mantissa = text.split(['e', 'E']).next()?;
    let is_lost = value == 0.0 && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b));
    (value.is_finite() && !is_lost).then_some(value)
}

fn is_exact(n: i128) -> bool {
    // Below 2^127 the cast back does not saturate.
    (n as f64) as i128 == n
}

fn is_date(text: &str) -> bool {
    let b = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).filter(|d| d.bytes().all(|b| b.is_ascii_digit())).and_then(|d| d.parse::<u32>().ok())
    };
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (digits(0..4), digits(5..7), digits(8..10)) else {
        return false;
    };
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=length).contains(&day)
}

/// The zone of a timestamp as it is written, and the digits that its fraction needs.
fn timestamp(text: &str) -> Option<(String, usize)> {
    if !text.is_char_boundary(10.min(text.len())) || text.len() < 16 {
        return None;
    }
    let (date, rest) = text.split_at(10);
    let time = rest.strip_prefix(['T', ' '])?;
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let most = [23, 59, 59];
    let right = parts.iter().zip(most).all(|(p, most)| {
        p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u32>().is_ok_and(|n| n <= most)
    });
    let length_is_right = parts.len() == 3 || (parts.len() == 2 && fraction.is_none());
    let digits = fraction.map_or("", |f| f.trim_end_matches('0'));
    let fraction_is_right =
        fraction.is_none_or(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 9);
    let zone_is_right = zone.is_empty() || zone == "Z" || (zone.len() == 6 && zone.as_bytes()[3] == b':');
    let all = is_date(date) && right && length_is_right && fraction_is_right && zone_is_right;
    all.then(|| (zone.to_owned(), digits.len()))
}

/// The type of a column, by the contract's names; for timestamps, with the unit.
fn slow_type(fields: &[String], quoted: bool) -> String {
    let values: Vec<&str> = fields.iter().map(String::as_str).filter(|f| !f.is_empty()).collect();
    let is_token = |f: &&str| !quoted && TOKENS.contains(f);
    let typed: Vec<&str> = values.iter().copied().filter(|f| !is_token(f)).collect();
    if values.is_empty() {
        return "string".to_owned();
    }
    if !typed.is_empty()
        && let Some(name) = slow_typed(&typed)
    {
        return name;
    }
    // Text: empty quoted fields are values, tokens are text.
    let texts: Vec<&str> = fields.iter().map(String::as_str).filter(|f| quoted || !f.is_empty()).collect();
    let distinct: HashSet<&str> = texts.iter().copied().collect();
    let key = match distinct.len() {
        0..=128 => 1,
        129..=32_768 => 2,
        _ => 4,
    };
    let bytes = |texts: &mut dyn Iterator<Item = &&str>| texts.map(|t| t.len()).sum::<usize>();
    let plain = bytes(&mut texts.iter()) + 4 * (fields.len() + 1);
    let dictionary = key * fields.len() + bytes(&mut distinct.iter()) + 4 * (distinct.len() + 1);
    if dictionary < plain { "dictionary".to_owned() } else { "string".to_owned() }
}

/// The type of values that are not text, or `None` if they are.
fn slow_typed(values: &[&str]) -> Option<String> {
    let wholes: Vec<i128> = values.iter().filter_map(|v| whole(v)).collect();
    if wholes.len() == values.len() {
        let (min, max) = (*wholes.iter().min()?, *wholes.iter().max()?);
        for bits in [8, 16, 32, 64] {
            if -(1i128 << (bits - 1)) <= min && max < 1i128 << (bits - 1) {
                return Some(format!("int{bits}"));
            }
            if 0 <= min && max < 1i128 << bits {
                return Some(format!("uint{bits}"));
            }
        }
        return None;
    }
    let floats: Vec<f64> = values
        .iter()
        .filter_map(|v| match whole(v) {
            Some(n) => is_exact(n).then_some(n as f64),
            None => float(v),
        })
        .collect();
    if floats.len() == values.len() {
        let is_narrow = floats.iter().all(|x| x.is_nan() || f64::from(*x as f32) == *x);
        return Some(if is_narrow { "float32" } else { "float64" }.to_owned());
    }
    if values.iter().all(|v| ["true", "false"].contains(&v.to_ascii_lowercase().as_str())) {
        return Some("bool".to_owned());
    }
    if values.iter().all(|v| is_date(v)) {
        return Some("date".to_owned());
    }
    let stamps: Vec<(String, usize)> = values.iter().filter_map(|v| timestamp(v)).collect();
    if stamps.len() == values.len() && stamps.iter().all(|s| s.0 == stamps[0].0) {
        let unit = ["s", "ms", "us", "ns"][stamps.iter().map(|s| s.1).max()?.div_ceil(3)];
        return Some(format!("timestamp[{unit}]"));
    }
    None
}

fn found_type(scan: &Scan, column: usize) -> String {
    use arrow::datatypes::{DataType, TimeUnit};
    let data_type = &scan.columns()[column].data_type;
    match data_type {
        DataType::Timestamp(unit, _) => {
            let unit = match unit {
                TimeUnit::Second => "s",
                TimeUnit::Millisecond => "ms",
                TimeUnit::Microsecond => "us",
                TimeUnit::Nanosecond => "ns",
            };
            format!("timestamp[{unit}]")
        }
        other => type_name(other),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_and_types_are_those_of_the_slow_twins(
        mut columns in table(),
        style in style(),
        block in prop_oneof![1usize..20, Just(64), Just(4096)],
        batch_rows in prop_oneof![1usize..10, Just(1000)],
    ) {
        let bytes = write(&mut columns, style);
        let fields = oracle(&bytes, style, columns.len());
        // In the oracle an empty field is empty, quoted or not; the writer says which it was.
        prop_assert_eq!(&fields, &columns);

        let source = Source::spool("table", bytes.as_slice(), &std::env::temp_dir(), &mut || false).unwrap();
        let dialect = Dialect::default()
            .with_delimiter(style.delimiter)
            .with_quote(style.quote)
            .with_header(style.header);
        let loader = Loader::new(source).with_dialect(dialect).with_block_bytes(block);
        let scan = loader.scan().unwrap();
        prop_assert_eq!(scan.rows() as usize, fields[0].len());
        prop_assert_eq!(scan.columns().len(), fields.len());
        let types: Vec<String> = (0..fields.len()).map(|i| found_type(&scan, i)).collect();
        let slow: Vec<String> = fields.iter().map(|f| slow_type(f, style.always)).collect();
        prop_assert_eq!(&types, &slow);

        let all: Vec<usize> = (0..fields.len()).collect();
        let batches: Vec<_> = loader
            .batches(&scan, &all, Box::new(FixedRows(batch_rows)))
            .map(|b| b.unwrap().into_parts().0)
            .collect();
        let read = arrow::compute::concat_batches(scan.schema(), &batches).unwrap();
        prop_assert_eq!(read.num_rows(), fields[0].len());
        for (i, column) in fields.iter().enumerate() {
            let values = Values::new(read.column(i));
            let is_text = matches!(slow[i].as_str(), "string" | "dictionary");
            let has_value = column.iter().any(|f| !f.is_empty());
            prop_assert_eq!(scan.columns()[i].nulls as usize, read.column(i).null_count());
            for (n, field) in column.iter().enumerate() {
                let is_token = !style.always && TOKENS.contains(&field.as_str());
                let is_null = if is_text && has_value {
                    field.is_empty() && !style.always
                } else {
                    field.is_empty() || is_token
                };
                let expected = (!is_null).then_some(field.as_str());
                prop_assert_eq!(values.unlike(n, expected), None, "row {}, column {}: {:?}", n, i, field);
            }
        }
    }
}
