//! Bytes in, records out: a push parser that knows no file, clock or thread.
//!
//! One state machine reads byte by byte and keeps its state between two calls, so it gives the same
//! records however the input is cut. A record that lies whole in the input is handed over in place; only
//! the record that a cut goes through is copied. Decisions where tools disagree:
//!
//! - CR, LF and CR LF each end a record, also mixed in one file.
//! - An empty line is no record where there is more than one column; with one column it is a null.
//! - A quote that does not open its field is a plain character.
//! - Text behind a closing quote makes the record malformed, and so does a quote that is never closed.

use crate::dialect::Dialect;
use crate::error::{Error, Malformed};
use crate::position::Position;
use crate::record::{FieldSpan, Flow, Record, RecordSink};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    RecordStart,
    Comment,
    FieldStart,
    Unquoted,
    Quoted,
    /// Behind the escape character inside quotes.
    Escaped,
    /// Behind a quote inside quotes: the field's end, or the first half of a doubled quote.
    QuoteInQuoted,
    /// In what follows a misplaced quote, to the end of the line.
    Malformed,
    /// Behind a CR that ended a record: a LF here still belongs to it.
    CarriageReturn,
}

/// Jobs of a byte outside quotes.
const PLAIN: u8 = 0;
const DELIMITER: u8 = 1;
const LINE_END: u8 = 2;

/// The push parser. See the module's documentation.
pub(crate) struct RecordReader {
    class: [u8; 256],
    quote: Option<u8>,
    escape: Option<u8>,
    comment: Option<u8>,
    max_record_bytes: usize,
    /// Fields that a record must have; set by the first record, or by the files before.
    expected_fields: Option<usize>,
    /// A record of whole shape was met.
    has_begun: bool,
    skip_lines: u64,
    has_header: bool,

    state: State,
    /// Start of the record in progress.
    position: Position,
    /// Fields of the record in progress that are complete.
    spans: Vec<FieldSpan>,
    field: FieldSpan,
    /// Bytes of the record in progress that the state machine has seen.
    scanned: usize,
    /// Line ends inside the record in progress.
    inner_lines: u64,
    /// Length of the record without its line end, once that is known.
    content: usize,
    /// Bytes of a record that earlier inputs began.
    carry: Vec<u8>,
}

enum Found {
    /// A line end was reached; the record and its line end take `scanned` bytes.
    Record,
    /// The same for a record with text behind a closing quote.
    Malformed(Malformed),
    NeedMore,
}

impl RecordReader {
    /// `dialect` must have a delimiter.
    pub(crate) fn new(dialect: &Dialect, max_record_bytes: usize) -> Self {
        let mut class = [PLAIN; 256];
        class[b'\n' as usize] = LINE_END;
        class[b'\r' as usize] = LINE_END;
        class[dialect.delimiter.unwrap_or(b',') as usize] = DELIMITER;
        RecordReader {
            class,
            quote: dialect.quote(),
            escape: dialect.escape.filter(|e| Some(*e) != dialect.quote()),
            comment: dialect.comment,
            max_record_bytes: max_record_bytes.min(u32::MAX as usize),
            expected_fields: None,
            has_begun: false,
            skip_lines: dialect.skip_lines(),
            has_header: dialect.header,
            state: State::RecordStart,
            position: Position::START,
            spans: Vec::new(),
            field: FieldSpan { start: 0, end: 0, quoted: false, escaped: false },
            scanned: 0,
            inner_lines: 0,
            content: 0,
            carry: Vec::new(),
        }
    }

    /// A reader in the middle of a file, in front of the record behind `before`, or in a comment there.
    pub(crate) fn resume(
        dialect: &Dialect,
        max_record_bytes: usize,
        before: Position,
        columns: usize,
        is_in_comment: bool,
    ) -> Self {
        let mut reader = RecordReader::new(dialect, max_record_bytes);
        reader.position = before;
        reader.expected_fields = Some(columns);
        reader.has_begun = true;
        reader.skip_lines = 0;
        if is_in_comment {
            reader.state = State::Comment;
        }
        reader
    }

    /// Counts `bytes` before the first record as read, as for a byte-order mark.
    pub(crate) fn skip_bytes(&mut self, bytes: u64) {
        self.position.byte += bytes;
    }

    /// Fields that a record must have, as far as that is known.
    pub(crate) fn expected_fields(&self) -> Option<usize> {
        self.expected_fields
    }

    /// Start of the next record that will be handed over.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Whether [`position`](Self::position) lies in front of a record, and not within a comment that was passed over.
    pub(crate) fn is_between_records(&self) -> bool {
        self.state != State::Comment
    }

    /// Reads `input` and hands its records over; returns how many bytes were used up, which is all of
    /// them unless the sink said stop.
    pub(crate) fn push(&mut self, input: &[u8], sink: &mut impl RecordSink) -> Result<usize, Error> {
        let mut used = 0;
        if !self.carry.is_empty() {
            let mut carry = std::mem::take(&mut self.carry);
            // Small pieces, so that a long input is not copied whole for the end of one record.
            const PIECE: usize = 4096;
            let mut flow = Flow::Continue;
            let mut pending = true;
            while pending && used < input.len() {
                let before = carry.len();
                let piece = &input[used..input.len().min(used + PIECE.max(before))];
                carry.extend_from_slice(piece);
                match self.advance(&carry) {
                    Found::NeedMore => used += piece.len(),
                    found => {
                        let length = self.scanned;
                        used += length - before;
                        flow = self.hand_over(found, &carry[..length], sink)?;
                        pending = false;
                    }
                }
                if pending {
                    self.check_length(&carry)?;
                }
            }
            if pending {
                self.carry = carry;
                return Ok(used);
            }
            carry.clear();
            self.carry = carry;
            if flow != Flow::Continue {
                return Ok(used);
            }
        }
        while used < input.len() {
            let rest = &input[used..];
            match self.advance(rest) {
                // Nothing of a comment is needed, however long it is.
                Found::NeedMore if self.state == State::Comment => {
                    self.position.byte += rest.len() as u64;
                    self.scanned = 0;
                    return Ok(input.len());
                }
                Found::NeedMore => {
                    self.check_length(rest)?;
                    self.carry.extend_from_slice(rest);
                    return Ok(input.len());
                }
                found => {
                    let length = self.scanned;
                    used += length;
                    if self.hand_over(found, &rest[..length], sink)? != Flow::Continue {
                        return Ok(used);
                    }
                }
            }
        }
        Ok(used)
    }

    /// Hands over what the end of the file completes. A line end may be missing there, a quote may not.
    pub(crate) fn finish(&mut self, sink: &mut impl RecordSink) -> Result<(), Error> {
        let carry = std::mem::take(&mut self.carry);
        if carry.is_empty() {
            return Ok(());
        }
        let found = match self.state {
            State::RecordStart | State::Comment => Found::Record,
            State::FieldStart | State::Unquoted | State::QuoteInQuoted => {
                self.end_field(carry.len());
                self.content = carry.len();
                Found::Record
            }
            State::CarriageReturn => self.ended(),
            State::Quoted | State::Escaped => {
                self.content = carry.len();
                Found::Malformed(Malformed::UnclosedQuote)
            }
            State::Malformed => {
                self.content = carry.len();
                Found::Malformed(Malformed::TextAfterQuote)
            }
        };
        self.scanned = carry.len();
        self.hand_over(found, &carry, sink)?;
        Ok(())
    }

    /// Refuses a record in progress if what is here of it, `record`, is too long. The limit counts no line end.
    fn check_length(&self, record: &[u8]) -> Result<(), Error> {
        let length = if self.state == State::CarriageReturn { self.content } else { record.len() };
        if length <= self.max_record_bytes {
            return Ok(());
        }
        let malformed = Malformed::TooLong { limit: self.max_record_bytes };
        Err(Error::malformed(malformed, self.position_in_progress(), record))
    }

    /// Place of the record in progress, numbered as it will be when it is handed over.
    fn position_in_progress(&self) -> Position {
        let is_header = !self.has_begun && self.has_header;
        Position { record: self.position.record + u64::from(!is_header), ..self.position }
    }

    /// Goes on with the state machine from `scanned` in `buffer`, which begins with the record.
    fn advance(&mut self, buffer: &[u8]) -> Found {
        let quote = self.quote;
        let mut i = self.scanned;
        while i < buffer.len() {
            let b = buffer[i];
            match self.state {
                State::RecordStart => {
                    if self.position.line <= self.skip_lines || (self.comment == Some(b)) {
                        self.state = State::Comment;
                    } else {
                        self.state = State::FieldStart;
                    }
                    continue;
                }
                State::Comment => match memchr::memchr2(b'\n', b'\r', &buffer[i..]) {
                    Some(at) => {
                        i += at;
                        if let Some(found) = self.line_end(buffer, i) {
                            return found;
                        }
                        i += 1;
                        continue;
                    }
                    None => i = buffer.len() - 1,
                },
                State::FieldStart => {
                    self.field = FieldSpan { start: i as u32, end: i as u32, quoted: false, escaped: false };
                    if Some(b) == quote {
                        self.field.start += 1;
                        self.field.quoted = true;
                        self.state = State::Quoted;
                    } else {
                        self.state = State::Unquoted;
                        continue;
                    }
                }
                State::Unquoted => {
                    match buffer[i..].iter().position(|b| self.class[*b as usize] != PLAIN) {
                        Some(at) => i += at,
                        None => {
                            i = buffer.len();
                            break;
                        }
                    }
                    self.end_field(i);
                    if self.class[buffer[i] as usize] == DELIMITER {
                        self.state = State::FieldStart;
                    } else if let Some(found) = self.line_end(buffer, i) {
                        return found;
                    }
                }
                State::Quoted => {
                    // Plain bytes are passed over at once where there are only three others to look for.
                    if let (Some(quote), None) = (quote, self.escape)
                        && b != quote
                        && b != b'\n'
                        && b != b'\r'
                    {
                        match memchr::memchr3(quote, b'\n', b'\r', &buffer[i..]) {
                            Some(at) => i += at,
                            None => i = buffer.len(),
                        }
                        continue;
                    }
                    if Some(b) == quote {
                        self.field.end = i as u32;
                        self.state = State::QuoteInQuoted;
                    } else if Some(b) == self.escape {
                        self.field.escaped = true;
                        self.state = State::Escaped;
                    } else if b == b'\n' || (b == b'\r' && buffer.get(i + 1) != Some(&b'\n')) {
                        // A CR at the buffer's end is counted by its LF, if one follows, in the next call;
                        // a lone CR there is counted on arrival of the next byte, below.
                        if b == b'\r' && i + 1 == buffer.len() {
                            break;
                        }
                        self.inner_lines += 1;
                    }
                }
                State::Escaped => self.state = State::Quoted,
                State::QuoteInQuoted => {
                    if Some(b) == quote {
                        self.field.escaped = true;
                        self.state = State::Quoted;
                    } else if self.class[b as usize] == DELIMITER {
                        self.spans.push(self.field);
                        self.state = State::FieldStart;
                    } else if self.class[b as usize] == LINE_END {
                        self.spans.push(self.field);
                        if let Some(found) = self.line_end(buffer, i) {
                            return found;
                        }
                    } else {
                        self.state = State::Malformed;
                    }
                }
                State::Malformed => match memchr::memchr2(b'\n', b'\r', &buffer[i..]) {
                    Some(at) => {
                        i += at;
                        // How `ended` knows it again: no other record with content is without a field.
                        self.spans.clear();
                        if let Some(found) = self.line_end(buffer, i) {
                            return found;
                        }
                    }
                    None => i = buffer.len() - 1,
                },
                State::CarriageReturn => {
                    let length = if b == b'\n' { i + 1 } else { i };
                    self.scanned = length;
                    return self.ended();
                }
            }
            i += 1;
        }
        self.scanned = i;
        Found::NeedMore
    }

    /// Ends a field without quotes, or the last one before the end of the file.
    fn end_field(&mut self, at: usize) {
        if self.state == State::FieldStart {
            self.field = FieldSpan { start: at as u32, end: at as u32, quoted: false, escaped: false };
        }
        if !self.field.quoted {
            self.field.end = at as u32;
        }
        self.spans.push(self.field);
    }

    /// Takes the line end at `at`: done with LF, and with CR as soon as the byte behind it is known.
    fn line_end(&mut self, buffer: &[u8], at: usize) -> Option<Found> {
        self.content = if self.state == State::Comment { 0 } else { at };
        if buffer[at] == b'\n' {
            self.scanned = at + 1;
            return Some(self.ended());
        }
        self.state = State::CarriageReturn;
        None
    }

    /// What the record that a line end has closed is.
    fn ended(&mut self) -> Found {
        if self.spans.is_empty() && self.content > 0 {
            return Found::Malformed(Malformed::TextAfterQuote);
        }
        Found::Record
    }

    /// Hands over the record in `buffer`, whose line end is included, and makes ready for the next.
    fn hand_over(&mut self, found: Found, buffer: &[u8], sink: &mut impl RecordSink) -> Result<Flow, Error> {
        let raw = &buffer[..self.content];
        let position = self.position_in_progress();
        let blank = self.content == 0 && matches!(found, Found::Record);
        // A skipped line and a comment have no spans; a blank line has one, empty and unquoted.
        let no_record = self.spans.is_empty() && blank;
        let is_first = !self.has_begun;
        let skipped = no_record || (blank && (is_first || self.expected_fields != Some(1)));
        let flow = if skipped {
            Ok(Flow::Continue)
        } else {
            self.position.record = position.record;
            match found {
                // Checked here too, so that the limit holds whether or not a cut went through the record.
                _ if self.content > self.max_record_bytes => {
                    let malformed = Malformed::TooLong { limit: self.max_record_bytes };
                    Err(Error::malformed(malformed, position, raw))
                }
                Found::Malformed(malformed) => sink.malformed(malformed, position, raw),
                _ => {
                    self.has_begun = true;
                    let expected = *self.expected_fields.get_or_insert(self.spans.len());
                    if self.spans.len() == expected {
                        let record = Record {
                            position,
                            raw,
                            spans: &self.spans,
                            quote: self.quote.unwrap_or(0),
                            escape: self.escape,
                        };
                        // Of the bytes outside ASCII, only valid UTF-8 passes.
                        match simdutf8::basic::from_utf8(raw) {
                            Ok(_) => sink.record(&record),
                            Err(_) => {
                                let valid = std::str::from_utf8(raw).err().map_or(0, |e| e.valid_up_to());
                                let byte = position.byte + valid as u64;
                                let field = self.spans.iter().rposition(|s| s.start as usize <= valid);
                                let malformed = Malformed::InvalidUtf8 { byte, field: field.unwrap_or(0) };
                                sink.malformed(malformed, position, raw)
                            }
                        }
                    } else {
                        let found = self.spans.len();
                        sink.malformed(Malformed::FieldCount { expected, found }, position, raw)
                    }
                }
            }
        };
        self.position.byte += self.scanned as u64;
        self.position.line += self.inner_lines + 1;
        self.state = State::RecordStart;
        self.spans.clear();
        self.scanned = 0;
        self.inner_lines = 0;
        self.content = 0;
        flow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default, Debug, PartialEq, Clone)]
    struct Collected {
        rows: Vec<Vec<(Vec<u8>, bool)>>,
        positions: Vec<Position>,
        malformed: Vec<(Malformed, Position, Vec<u8>)>,
        stop_after_each: bool,
    }

    impl RecordSink for Collected {
        fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
            let mut scratch = Vec::new();
            let fields = (0..record.len()).map(|i| {
                let field = record.field(i, &mut scratch);
                (field.text.to_vec(), field.quoted)
            });
            self.rows.push(fields.collect());
            self.positions.push(record.position);
            Ok(if self.stop_after_each { Flow::Stop } else { Flow::Continue })
        }

        fn malformed(&mut self, malformed: Malformed, position: Position, raw: &[u8]) -> Result<Flow, Error> {
            self.malformed.push((malformed, position, raw.to_vec()));
            Ok(Flow::Continue)
        }
    }

    fn read(dialect: &Dialect, input: &[u8], block: usize, stop_after_each: bool) -> Collected {
        let mut reader = RecordReader::new(&dialect.clone().with_delimiter(b','), 1 << 20);
        let mut out = Collected { stop_after_each, ..Collected::default() };
        for piece in input.chunks(block) {
            let mut used = 0;
            while used < piece.len() {
                used += reader.push(&piece[used..], &mut out).unwrap();
            }
        }
        reader.finish(&mut out).unwrap();
        out.stop_after_each = false;
        out
    }

    fn texts(collected: &Collected) -> Vec<Vec<String>> {
        let text = |(bytes, _): &(Vec<u8>, bool)| String::from_utf8_lossy(bytes).into_owned();
        collected.rows.iter().map(|r| r.iter().map(text).collect()).collect()
    }

    #[test]
    fn quotes_line_ends_and_blank_lines() {
        let input = b"a,b\r\n\"x\ny\",\"\"\n\n\"say \"\"hi\"\"\",5\" pipe\rlast,";
        let out = read(&Dialect::default(), input, input.len(), false);
        assert_eq!(texts(&out), [["a", "b"], ["x\ny", ""], ["say \"hi\"", "5\" pipe"], ["last", ""]]);
        assert!(out.rows[1][1].1, "an empty quoted field is known as quoted");
        assert!(!out.rows[3][1].1);
        let lines: Vec<u64> = out.positions.iter().map(|p| p.line).collect();
        assert_eq!(lines, [1, 2, 5, 6]);
        let records: Vec<u64> = out.positions.iter().map(|p| p.record).collect();
        assert_eq!(records, [0, 1, 2, 3]);
    }

    #[test]
    fn malformed_records_are_told_apart_and_reading_goes_on() {
        let input = b"a,b\n\"abc\"def,2\n1\n1,2,3\n3,y\n4,\"open\n5,z\n";
        let out = read(&Dialect::default(), input, input.len(), false);
        assert_eq!(texts(&out), [["a", "b"], ["3", "y"]]);
        let kinds: Vec<_> =
            out.malformed.iter().map(|(m, p, raw)| (m.clone(), p.line, p.record, raw.len())).collect();
        assert_eq!(
            kinds,
            [
                (Malformed::TextAfterQuote, 2, 1, 10),
                (Malformed::FieldCount { expected: 2, found: 1 }, 3, 2, 1),
                (Malformed::FieldCount { expected: 2, found: 3 }, 4, 3, 5),
                (Malformed::UnclosedQuote, 6, 5, 12),
            ]
        );
    }

    #[test]
    fn one_column_keeps_its_blank_lines() {
        let out = read(&Dialect::default(), b"\ns\nx\n\ny\n", 3, false);
        assert_eq!(texts(&out), [["s"], ["x"], [""], ["y"]]);
    }

    #[test]
    fn skipped_lines_and_comments_are_no_records() {
        let dialect = Dialect::default().with_skip_lines(2).with_comment(Some(b'#'));
        let out = read(&dialect, b"pre\"amble\n\n#c\na,b\n#\n1,#2\n#end", 1, false);
        assert_eq!(texts(&out), [["a", "b"], ["1", "#2"]]);
        assert_eq!(out.positions[1], Position { byte: 20, line: 6, record: 1 });
    }

    #[test]
    fn an_escape_makes_the_next_byte_plain() {
        let dialect = Dialect::default().with_escape(Some(b'\\'));
        let out = read(&dialect, br#""say \"hi\"","back\\slash","x""y",a\b"#, 1, false);
        assert_eq!(texts(&out), [["say \"hi\"", "back\\slash", "x\"y", "a\\b"]]);
    }

    #[test]
    fn a_record_beyond_the_limit_is_refused_at_its_start_whole_or_cut() {
        let mut input = b"a,b\n1,2\n\"".to_vec();
        input.resize(100, b'x');
        for (tail, block) in [("\",1\n", 1), ("\",1\n", 200), ("", 7)] {
            let mut whole = input.clone();
            whole.extend_from_slice(tail.as_bytes());
            let mut reader = RecordReader::new(&Dialect::default().with_delimiter(b','), 64);
            let mut out = Collected::default();
            let error = whole.chunks(block).find_map(|piece| reader.push(piece, &mut out).err()).unwrap();
            assert_eq!(error.position(), Some(Position { byte: 8, line: 3, record: 2 }));
        }
    }

    /// What comes before the first error, and the error.
    fn read_limited(
        dialect: &Dialect,
        input: &[u8],
        block: usize,
        limit: usize,
    ) -> (Collected, Option<String>) {
        let mut reader = RecordReader::new(&dialect.clone().with_delimiter(b','), limit);
        let mut out = Collected::default();
        let pushed = input.chunks(block).try_for_each(|piece| reader.push(piece, &mut out).map(drop));
        let error = pushed.and_then(|()| reader.finish(&mut out)).err();
        (out, error.map(|e| e.to_string()))
    }

    #[test]
    fn the_limit_is_for_records_and_counts_no_line_end() {
        let dialect = Dialect::default().with_skip_lines(1).with_comment(Some(b'#'));
        let input = b"a long preamble\na,b\r\n# a long comment\r\nx,\"\"\r1,23\r\n";
        for block in 1..=input.len() {
            let (out, error) = read_limited(&dialect, input, block, 4);
            assert_eq!((texts(&out).len(), error), (3, None), "{block}");
            let (out, error) = read_limited(&dialect, input, block, 3);
            assert_eq!((texts(&out).len(), error.is_some()), (1, true), "{block}");
        }
        // Malformed and too long is too long: so it is found where a cut goes through it.
        let (out, error) = read_limited(&dialect, b"\na,b\n\"1\"23,4\n", 100, 6);
        assert!(out.malformed.is_empty() && error.is_some_and(|e| e.contains("within 6 bytes")));
    }

    #[test]
    fn a_comment_is_not_kept_while_it_is_read() {
        let dialect = Dialect::default().with_comment(Some(b'#')).with_delimiter(b',');
        let mut reader = RecordReader::new(&dialect, 64);
        let mut out = Collected::default();
        reader.push(b"#", &mut out).unwrap();
        for _ in 0..100 {
            reader.push(&[b'c'; 50], &mut out).unwrap();
        }
        assert_eq!((reader.carry.capacity(), reader.spans.capacity()), (0, 0));
        reader.push(b"\nx,y\n", &mut out).unwrap();
        assert_eq!(out.positions, [Position { byte: 5002, line: 2, record: 0 }]);
    }

    #[test]
    fn invalid_utf8_is_found_at_its_byte() {
        let out = read(&Dialect::default(), b"a,b\nx,\xff\n", 2, false);
        assert_eq!(out.malformed[0].0, Malformed::InvalidUtf8 { byte: 6, field: 1 });
    }

    /// Text made of the bytes that matter.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![
                Just(b','),
                Just(b'"'),
                Just(b'\n'),
                Just(b'\r'),
                Just(b'a'),
                Just(b'#'),
                Just(b'\\'),
                Just(0xc3),
                Just(0xa9)
            ],
            0..80,
        )
    }

    proptest! {
        #[test]
        fn the_cut_never_matters(input in hostile(), block in 1usize..90, stop: bool, escape: bool, comment: bool) {
            let dialect = Dialect::default()
                .with_escape(escape.then_some(b'\\'))
                .with_comment(comment.then_some(b'#'));
            let whole = read(&dialect, &input, input.len().max(1), false);
            prop_assert_eq!(read(&dialect, &input, block, stop), whole);
        }

        #[test]
        fn the_cut_never_matters_to_the_limit(
            input in hostile(),
            block in 1usize..90,
            limit in 0usize..20,
            skip_lines in 0u64..3,
            comment: bool,
        ) {
            let dialect =
                Dialect::default().with_comment(comment.then_some(b'#')).with_skip_lines(skip_lines / 2);
            let whole = read_limited(&dialect, &input, input.len().max(1), limit);
            prop_assert_eq!(read_limited(&dialect, &input, block, limit), whole);
        }

        /// The oracle: the `csv` crate on tables that a careful writer made.
        #[test]
        fn agrees_with_the_csv_crate(
            rows in proptest::collection::vec(proptest::collection::vec("[a,\"\n\r é]{0,6}", 3), 1..20),
            block in 1usize..200,
            crlf: bool,
        ) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let ours = read(&Dialect::default(), &bytes, block, false);
            let mut oracle = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
            let mut theirs = Vec::new();
            let mut places = Vec::new();
            for record in oracle.records() {
                let record = record.unwrap();
                places.push(record.position().unwrap().byte());
                theirs.push(record.iter().map(str::to_owned).collect::<Vec<_>>());
            }
            prop_assert_eq!(texts(&ours), theirs);
            if !crlf {
                // Behind a CR LF the csv crate places the next record on the LF.
                prop_assert_eq!(ours.positions.iter().map(|p| p.byte).collect::<Vec<_>>(), places);
            }
            prop_assert!(ours.malformed.is_empty());
        }
    }
}
