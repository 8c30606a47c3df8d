//! Tables that the `csv` crate writes, whatever their fields hold, are read to what the `csv` crate reads.
//!
//! The first two bytes of an input choose the dialect and the way of writing, the third the number of columns; the
//! rest is cut at each 0x1F into fields. Where nothing can be quoted, fields lose what would need it. What the two
//! read differently by decision (stray quotes, blank lines, lone CR) a careful writer does not write.

#![no_main]

mod scratch;

use std::path::Path;

use arrow::array::AsArray;
use chunked_loader::{Dialect, FixedRows, Loader, Source, TypeHint};
use libfuzzer_sys::{Corpus, fuzz_target};

const BETWEEN_FIELDS: u8 = 0x1f;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(([flags, block, columns], rest)) = data.split_first_chunk::<3>() else { return Corpus::Reject };
    // A blank line is a record of one empty field to one of the two and none to the other.
    let columns = 2 + usize::from(columns % 5);
    let bit = |n: u8| flags >> n & 1 == 1;
    let delimiter = [b',', b';', b'\t', b'|'][usize::from(flags & 3)];
    let quote = [Some(b'"'), Some(b'\''), None, Some(b'"')][usize::from(flags >> 2 & 3)];
    let mut fields: Vec<String> =
        rest.split(|b| *b == BETWEEN_FIELDS).map(|f| String::from_utf8_lossy(f).into_owned()).collect();
    if quote.is_none() {
        fields.iter_mut().for_each(|f| f.retain(|c| !matches!(c, '\n' | '\r') && c != char::from(delimiter)));
    }
    fields.resize(fields.len().next_multiple_of(columns), String::new());

    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .quote(quote.unwrap_or(b'"'))
        .quote_style(match quote {
            None => csv::QuoteStyle::Never,
            Some(_) if bit(4) => csv::QuoteStyle::Always,
            Some(_) => csv::QuoteStyle::Necessary,
        })
        .terminator(if bit(5) { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
        .from_writer(Vec::new());
    let names: Vec<String> = (0..columns).map(|column| format!("name {column}")).collect();
    writer.write_record(&names).expect("a header");
    for record in fields.chunks(columns) {
        writer.write_record(record).expect("records of one width");
    }
    let file = writer.into_inner().expect("nothing that fails");
    std::fs::write(scratch::path(), &file).expect("the input is written");

    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(quote.is_some())
        .quote(quote.unwrap_or(b'"'))
        .from_reader(file.as_slice());
    let expected: Vec<csv::StringRecord> =
        reader.records().map(|record| record.expect("the crate reads what it wrote")).collect();

    let source = Source::open(std::slice::from_ref(scratch::path()), Path::new("/nowhere"));
    let loader = Loader::new(source.expect("the file is there"))
        .with_dialect(Dialect::default().with_delimiter(delimiter).with_quote(quote))
        .with_type_hints(
            names.into_iter().map(|name| (name, TypeHint::Fixed("string".parse().expect("a type")))),
        )
        .with_block_bytes(1 + usize::from(*block))
        .with_threads(if bit(6) { 2 } else { 1 });
    for loader in [loader.clone().without_index(), loader] {
        let scan = loader.scan().expect("what a careful writer wrote");
        assert_eq!(scan.rows(), expected.len() as u64);
        let all: Vec<usize> = (0..columns).collect();
        for batch in loader.batches(&scan, &all, Box::new(FixedRows(5))) {
            let batch = batch.expect("what was scanned");
            let first = batch.first_row() as usize;
            for (column, array) in batch.columns().columns().iter().enumerate() {
                for (row, text) in array.as_string::<i32>().iter().enumerate() {
                    // An empty field without quotes is null.
                    assert_eq!(text.unwrap_or_default(), &expected[first + row][column]);
                }
            }
        }
    }
    Corpus::Keep
});
