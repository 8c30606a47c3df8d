//! Side by side against one by one: the kernels of one text are the slow twins, themselves held against the standard
//! library.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::block::{Block, PADDING, Padded};
use crate::column::{decimal, int, iso};
use crate::index::IndexKernel;
use crate::processor::WithAvx2;

/// Quotes that a dialect may have, among them what a number begins with or has.
const QUOTES: [Option<u8>; 5] = [Some(b'"'), None, Some(b'-'), Some(b'.'), Some(b'1')];

/// Calls `check` with the fields as every column of records of up to three, by the quote.
fn each_way(texts: &[String], quote: Option<u8>, check: impl Fn(Fields<'_>, WithAvx2)) {
    let Some(processor) = WithAvx2::if_it_is(IndexKernel::best()) else {
        eprintln!("skipped: this processor has no AVX2");
        return;
    };
    for columns in 1..=3 {
        for line_end in ["\n", "\r\n"] {
            let (mut bytes, mut ends) = (b"-".to_vec(), Vec::new());
            for text in texts {
                for column in 0..columns {
                    bytes.extend_from_slice(text.as_bytes());
                    bytes.extend_from_slice(if column + 1 < columns { b"," } else { line_end.as_bytes() });
                    ends.push(bytes.len() as u32 - 1);
                }
            }
            // Behind the last record stands what is worst for whom reads too far.
            bytes.resize(bytes.len() + PADDING, b'.');
            let block =
                Block::new(&bytes, 1, &ends, columns, line_end.len() as u32, quote, IndexKernel::best());
            (0..columns).for_each(|column| check(block.column(column), processor));
        }
    }
}

/// Checks that of all texts of `least` bytes to as many as the form has just those are valid that `one` knows, with the same bits.
fn check<T: Copy + Default + PartialEq + std::fmt::Debug>(
    texts: &[String],
    quote: Option<u8>,
    (form, least): (Form, usize),
    one: impl Fn(WithAvx2, Padded<'_>) -> (T, bool),
    many: impl Fn(&Texts, WithAvx2, &mut [T; ROWS]) -> u64,
) {
    each_way(texts, quote, |fields, processor| {
        let mut laid = Texts::new();
        for row in (0..fields.len()).step_by(ROWS) {
            let rows = (fields.len() - row).min(ROWS);
            laid.lay(form, fields, row, rows);
            let mut values = [T::default(); ROWS];
            let valid = many(&laid, processor, &mut values);
            assert_eq!(valid & !crate::column::validity::full(rows), 0);
            let mut longest = 0;
            for (i, value) in values[..rows].iter().enumerate() {
                let raw = fields.raw(row + i);
                longest = longest.max(raw.len());
                let (expected, is_value) = one(processor, fields.inner(raw));
                let is_value = is_value && (least..=form.bytes).contains(&raw.len());
                assert_eq!(valid >> i & 1 == 1, is_value, "{:?}", String::from_utf8_lossy(raw.bytes()));
                assert_eq!(*value, if is_value { expected } else { T::default() });
                assert_eq!(laid.empty(processor) >> i & 1 == 1, raw.len() == 0);
            }
            assert_eq!(laid.longest(), longest);
        }
    });
}

/// The texts as a file with this quote may have them: what begins with it ends with another one.
fn sound(texts: &[String], quote: Option<u8>) -> Vec<String> {
    let Some(quote) = quote.map(char::from) else { return texts.to_vec() };
    let is_sound = |text: &&String| {
        !text.starts_with(quote) || text.len() >= 2 && text[1..text.len() - 1].matches(quote).count() % 2 == 0
    };
    let closed = |text: &String| match text.starts_with(quote) && !text.ends_with(quote) {
        true => format!("{text}{quote}"),
        false => text.clone(),
    };
    texts.iter().map(closed).filter(|text| is_sound(&text)).collect()
}

fn check_ints(texts: &[String], range: RangeInclusive<i32>) {
    let one = |_: WithAvx2, text: Padded<'_>| {
        let (value, is_value) = int::parse_short(text);
        match i32::try_from(value) {
            Ok(value) if range.contains(&value) => (value, is_value),
            _ => (0, false),
        }
    };
    for quote in QUOTES {
        check(&sound(texts, quote), quote, (INT, 1), one, |texts, processor, values| {
            texts.ints(processor, range.clone(), values)
        });
    }
}

fn check_decimals(texts: &[String]) {
    let one = |processor: WithAvx2, text: Padded<'_>| {
        let (value, is_value) = decimal::parse_short(processor, text);
        (value.to_bits(), is_value)
    };
    for quote in QUOTES {
        check(&sound(texts, quote), quote, (DECIMAL, 1), one, |texts, processor, values| {
            let mut floats = [0.0; ROWS];
            let valid = texts.decimals(processor, &mut floats);
            *values = floats.map(f64::to_bits);
            valid
        });
    }
}

fn check_dates(texts: &[String]) {
    let day = |_: WithAvx2, text: Padded<'_>| iso::parse_date(text);
    let seconds = |_: WithAvx2, text: Padded<'_>| iso::parse_seconds(text);
    for quote in [Some(b'"'), None] {
        let texts = sound(texts, quote);
        check(&texts, quote, (DATE, DATE.bytes), day, |texts, processor, values| {
            texts.days(processor, values)
        });
        check(&texts, quote, (SECONDS, SECONDS.bytes), seconds, |texts, processor, values| {
            texts.seconds(processor, values)
        });
    }
}

#[test]
fn signs_zeros_points_and_lengths() {
    let mut texts = Vec::new();
    for text in [
        "0",
        "-0",
        "00",
        "7",
        "-7",
        "07",
        "-07",
        "127",
        "128",
        "-128",
        "-129",
        "99999999",
        "100000000",
        "-9999999",
        "-99999999",
        "",
        "-",
        "--1",
        "+1",
        "1-",
        ".",
        "-.",
        ".5",
        "5.",
        "0.5",
        "-0.5",
        "00.5",
        "-0.0",
        "0.0",
        "1.5.2",
        "1..5",
        "12345.67",
        "123456.78",
        "-12345.678",
        "1234567.",
        "12345678.",
        "12345678.5",
        "123456789.5",
        "0.12345678901234",
        "-0.1234567890123",
        "12345678901234.5",
        "123456789012345",
        "1234567890123456",
        "0123456789012345",
        "1e5",
        "nan",
        "2024-02-29",
        "2023-02-29",
        "2024-02-29T12:34:56",
        "2024-02-29 24:00:00",
    ] {
        texts.push(text.to_owned());
        texts.push(format!("\"{text}\""));
        texts.push(format!("-{text}-"));
    }
    texts.push("\"1\"\"2\"".to_owned());
    check_ints(&texts, i32::MIN..=i32::MAX);
    check_ints(&texts, 0..=i32::MAX);
    check_ints(&texts, -128..=127);
    check_decimals(&texts);
    check_dates(&texts);
    // Each alone: nothing depends on its neighbours.
    for text in texts {
        check_ints(std::slice::from_ref(&text), -128..=127);
        check_decimals(std::slice::from_ref(&text));
        check_dates(std::slice::from_ref(&text));
    }
}

#[test]
fn every_month_and_day_of_the_years_where_rules_change() {
    for year in [0, 1, 4, 99, 100, 400, 1599, 1600, 1899, 1900, 1970, 1999, 2000, 2023, 2024, 9999] {
        let dates: Vec<_> = (0..=13)
            .flat_map(|month| (0..=32).map(move |day| format!("{year:04}-{month:02}-{day:02}")))
            .collect();
        check_dates(&dates);
        let stamps: Vec<_> = dates.iter().map(|date| format!("{date}T23:59:59")).collect();
        check_dates(&stamps);
    }
}

#[test]
fn every_second_of_a_day_and_what_is_beyond() {
    let clocks: Vec<_> = (0..30u32)
        .flat_map(|hour| {
            (0..70u32).map(move |part| format!("1969-12-31 {hour:02}:{part:02}:{:02}", 69 - part))
        })
        .collect();
    check_dates(&clocks);
}

fn quoted(text: &'static str) -> impl Strategy<Value = String> {
    (text, 0..4).prop_map(|(text, quotes)| if quotes == 0 { format!("\"{text}\"") } else { text })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whole_numbers(
        texts in vec(quoted("-?[0-9]{0,10}|-?[1-9][0-9]{0,7}|[-+0-9.ea/:]{0,9}"), 1..140),
        narrow: bool,
    ) {
        check_ints(&texts, if narrow { -32_768..=32_767 } else { i32::MIN..=i32::MAX });
    }

    #[test]
    fn fractions(
        texts in vec(quoted("-?(0|[1-9][0-9]{0,8})\\.[0-9]{0,15}|-?[0-9]{0,17}|[-+0-9.e/:]{0,9}"), 1..140),
    ) {
        check_decimals(&texts);
    }

    #[test]
    fn short_fractions(texts in vec(quoted("-?(0|[1-9][0-9]{0,3})\\.[0-9]{0,2}|[0-9.]{0,6}"), 1..140)) {
        check_decimals(&texts);
    }

    #[test]
    fn dates_and_timestamps(
        texts in vec(
            (
                "[0-9]{4}-[01][0-9]-[0-3][0-9]|[0-9:/.-]{10}",
                "|[T t][0-2][0-9]:[0-6][0-9]:[0-6][0-9]|[T ][0-2][0-9]:[0-6][0-9][+Z.:0-9]{0,6}|[0-9:T ]{9}",
            ).prop_map(|(date, rest)| date + &rest),
            1..140,
        ),
    ) {
        check_dates(&texts);
    }
}
