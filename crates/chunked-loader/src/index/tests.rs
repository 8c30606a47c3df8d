use proptest::prelude::*;

use super::*;
use crate::dialect::Dialect;
use crate::error::{Error, Malformed};
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::record_reader::RecordReader;

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    // What lies behind must not matter, so it looks like data.
    padded.extend(b"\",\"\n\r,\n\"".iter().cycle().take(PADDING));
    padded
}

fn kernels() -> impl Iterator<Item = IndexKernel> {
    IndexKernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

fn indexed(kernel: IndexKernel, bytes: &[u8], columns: usize, is_end: bool) -> (Indexed, Vec<u32>) {
    let mut index = Index::new(kernel, b',', Some(b'"'));
    let found = index.index(&padded(bytes), columns, is_end);
    (found, index.ends)
}

/// The fields of a record, quoted or not, its place and its bytes.
type Row = (Vec<(Vec<u8>, bool)>, Position, Vec<u8>);

/// What the state machine makes of some bytes.
#[derive(Default)]
struct States {
    rows: Vec<Row>,
    has_malformed: bool,
}

impl RecordSink for States {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        let mut scratch = Vec::new();
        let fields = (0..record.len()).map(|i| {
            let field = record.field(i, &mut scratch);
            (field.text.to_vec(), field.quoted)
        });
        self.rows.push((fields.collect(), record.position, record.raw.to_vec()));
        Ok(Flow::Continue)
    }

    fn malformed(&mut self, _: Malformed, _: Position, _: &[u8]) -> Result<Flow, Error> {
        self.has_malformed = true;
        Ok(Flow::Continue)
    }
}

fn hostile(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(b','),
        2 => Just(b'"'),
        2 => Just(b'\n'),
        1 => Just(b'\r'),
        4 => Just(b'a'),
        1 => Just(0xc3),
        1 => Just(0xa9)
    ];
    proptest::collection::vec(byte, 0..most)
}

/// Tables that a careful writer made, whose records are mostly for the index.
fn regular() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let field = prop_oneof![
        4 => "[a-z0-9é]{0,12}".prop_map(|f| f),
        2 => "[a,\n\r\"é]{0,9}".prop_map(|f| format!("\"{}\"", f.replace('"', "\"\""))),
    ];
    (1usize..5, any::<bool>())
        .prop_flat_map(move |(columns, crlf)| {
            let row = proptest::collection::vec(field.clone(), columns);
            (proptest::collection::vec(row, 1..40), Just(columns), Just(crlf))
        })
        .prop_map(|(rows, columns, crlf)| {
            let end = if crlf { "\r\n" } else { "\n" };
            let text: String = rows.iter().map(|row| row.join(",") + end).collect();
            (text.into_bytes(), columns)
        })
}

/// Holds what the index says of `bytes` against the state machine.
fn agrees_with_the_states(kernel: IndexKernel, bytes: &[u8], columns: usize) -> bool {
    let padded = padded(bytes);
    let mut index = Index::new(kernel, b',', Some(b'"'));
    let Indexed::Records(records) = index.index(&padded, columns, false) else { return false };
    let dialect = Dialect::default().with_delimiter(b',');
    let mut states = States::default();
    let mut reader = RecordReader::resume(&dialect, usize::MAX, Position::START, columns, false);
    reader.push(&bytes[..records.bytes], &mut states).unwrap();
    assert!(!states.has_malformed);
    assert_eq!(reader.position().byte, records.bytes as u64);
    assert_eq!(reader.position().line, records.lines as u64 + 1);
    let block = index.block(&padded, &records, columns);
    assert_eq!((block.rows(), states.rows.len()), (records.rows, records.rows));
    let mut scratch = Vec::new();
    for (row, (fields, position, raw)) in states.rows.iter().enumerate() {
        assert_eq!(block.row_start(row) as u64, position.byte);
        assert_eq!(block.raw(row), raw);
        for (column, (text, quoted)) in fields.iter().enumerate() {
            let field = block.column(column).field(row, &mut scratch);
            assert_eq!((field.text, field.quoted), (text.as_slice(), *quoted));
        }
    }
    true
}

#[test]
fn what_only_the_state_machine_can_tell_is_irregular() {
    let irregular = [
        "5\" pipe,x\n",
        "\"a\"b,x\n",
        "a,\"b\" \n",
        "a,b\nc\n",
        "a,b\n\nc,d\n",
        "a,b,c\n",
        "a,b\rc,d\n",
        "a,b\nc,d\r\n",
        "a,b\r\r\n",
        "a,\"b\"\"c\"d\n",
        "a,b\r\"\"\n\"c\r",
    ];
    for text in irregular {
        for kernel in kernels() {
            for shift in [0, 50, 61, 62, 63, 64] {
                let bytes = ["x,y\n".repeat(shift).as_bytes(), text.as_bytes()].concat();
                assert_eq!(indexed(kernel, &bytes, 2, false).0, Indexed::Irregular, "{kernel} {text:?}");
            }
        }
    }
    for kernel in kernels() {
        assert_eq!(indexed(kernel, b"a,b\n\xff,c\n", 2, false).0, Indexed::Irregular);
        assert_eq!(indexed(kernel, b"a,\"open", 2, true).0, Indexed::Irregular);
        assert_eq!(indexed(kernel, b"a,\"open", 2, false).0, Indexed::NoEnd);
        assert_eq!(indexed(kernel, b"", 2, false).0, Indexed::NoEnd);
    }
}

#[test]
fn careful_tables_are_for_the_index() {
    for kernel in kernels() {
        for text in
            ["a,\"b\n,\"\"c\"\n,\n", "1,2\r\n\"\",\"\r\n\"\r\n", "x,y\n\"cut,", "x,y\r\n1\r", "x,y\r\n1,\r"]
        {
            assert!(agrees_with_the_states(kernel, text.as_bytes(), 2), "{kernel} {text:?}");
        }
    }
}

proptest! {
    #[test]
    fn the_index_agrees_with_the_state_machine_on_whatever_it_takes(bytes in hostile(300), columns in 1usize..4) {
        for kernel in kernels() {
            agrees_with_the_states(kernel, &bytes, columns);
        }
    }

    #[test]
    fn the_index_takes_what_a_careful_writer_made((bytes, columns) in regular()) {
        for kernel in kernels() {
            prop_assert!(agrees_with_the_states(kernel, &bytes, columns));
        }
    }

    #[test]
    fn all_kernels_agree(bytes in hostile(400), columns in 1usize..4, is_end: bool) {
        let first = indexed(IndexKernel::Portable, &bytes, columns, is_end);
        for kernel in kernels() {
            let found = indexed(kernel, &bytes, columns, is_end);
            prop_assert_eq!(found.0, first.0);
            if let Indexed::Records(_) = first.0 {
                prop_assert_eq!(found.1, first.1.clone());
            }
        }
    }

    /// The slow twin of the survey: the parity of each byte by itself.
    #[test]
    fn surveys_are_what_counting_byte_by_byte_gives(bytes in hostile(300), cut in 0usize..300, length in 0usize..200) {
        let cut = cut.min(bytes.len());
        let end = (cut + length).min(bytes.len());
        let part = &bytes[cut..end];
        let before = cut.checked_sub(1).map(|at| bytes[at]);
        let behind = bytes.get(end).copied();
        let is_edge = |b: Option<&u8>| b.is_none_or(|b| b",\n\r\"".contains(b));
        let mut expected = Survey {
            flips: part.iter().filter(|b| **b == b'"').count() % 2 == 1,
            is_stray: [false; 2],
            first_record: [before.is_none_or(|b| b == b'\n').then_some(0), None],
        };
        for supposition in 0..2 {
            let mut inside = supposition == 1;
            for (at, byte) in part.iter().enumerate() {
                let place = cut + at;
                if *byte == b'"' {
                    inside = !inside;
                    let neighbour = if inside { place.checked_sub(1).map(|p| &bytes[p]) } else { bytes.get(place + 1) };
                    expected.is_stray[supposition] |= !is_edge(neighbour);
                } else if *byte == b'\n' && !inside && expected.first_record[supposition].is_none() {
                    expected.first_record[supposition] = Some(at + 1);
                }
            }
        }
        for kernel in kernels() {
            let index = Index::new(kernel, b',', Some(b'"'));
            prop_assert_eq!(index.survey(&padded(part), before, behind), expected, "{}", kernel);
        }
    }
}
