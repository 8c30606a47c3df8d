//! What the scan learns of one column: the narrowest kind that holds every value, and how wide they are.

mod block;
mod candidates;
mod extent;
mod fixed;
mod typed;

use crate::column::temporal::{self, Stamp};
use crate::column::{Unfit, boolean, float, int};
use crate::error::excerpt;
use crate::field_rules::FieldRules;
use crate::nulls::{NullRule, Presence};
use crate::position::Position;
use crate::record::Field;
use crate::types::{FixedType, Kind};

pub(crate) use candidates::Candidates;
pub(crate) use extent::Extent;
pub(crate) use fixed::{first_unfit, fixed_type_holds};

/// What is demanded of a column before its values are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeHint {
    /// Nothing: the values decide.
    #[default]
    Inferred,
    /// Text, even if every value looks like a number; a dictionary where that saves bytes.
    Text,
    /// This type; a value that it cannot hold makes its record malformed.
    Fixed(FixedType),
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its file, by index.
    pub(crate) file: usize,
    /// Its record.
    pub(crate) position: Position,
}

impl Place {
    /// What places are ordered by.
    fn order(&self) -> (usize, u64) {
        (self.file, self.position.byte)
    }
}

/// The first value of its class in a column.
#[derive(Clone, Debug)]
struct First {
    class: Kind,
    place: Place,
    excerpt: String,
}

/// The value that made a column text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextWitness {
    /// Its record.
    pub position: Position,
    /// The file of its record, by index.
    pub file: usize,
    /// Its start, at most 40 characters.
    pub excerpt: String,
}

/// The state of one column. It grows with the different texts only, and those are bounded.
#[derive(Debug)]
pub(crate) struct ColumnScan {
    pub(crate) hint: TypeHint,
    pub(crate) kind: Kind,
    /// Empty unquoted fields.
    pub(crate) empty: u64,
    pub(crate) empty_quoted: u64,
    /// Null tokens met, by index; empty until the first.
    pub(crate) tokens: Vec<u64>,
    /// Nobody has listed the tokens, so that they are null only in a column that is no text without them.
    pub(crate) has_auto_tokens: bool,
    pub(crate) int_range: Option<(i128, i128)>,
    pub(crate) ints_exact_in_f64: bool,
    pub(crate) exact_in_f32: bool,
    /// Whether all finite floats lie within float32's range.
    pub(crate) fits_float32_range: bool,
    pub(crate) dates: Option<Extent<i32>>,
    pub(crate) stamps: Option<Extent<Stamp>>,
    /// Most fraction digits that a timestamp needs.
    pub(crate) digits: u8,
    pub(crate) text_bytes: u64,
    pub(crate) candidates: Option<Candidates>,
    /// The first value of each class that was met before the column was text, and the one that made it text.
    firsts: Vec<First>,
    /// Whether the texts of all values are counted in `text_bytes` and `candidates`.
    is_counted: bool,
    /// Values to come whose texts are counted even if the column is no text.
    left_to_remember: usize,
    dictionary_bytes: usize,
    /// Whether the column's last texts were as short as those that are parsed side by side.
    fits_lanes: bool,
    /// A number without its marks.
    scratch: Vec<u8>,
    /// A field without its quotes.
    scratch_field: Vec<u8>,
}

/// Values of a column that is no text whose texts are counted all the same.
const REMEMBERED: usize = 4096;

impl ColumnScan {
    /// `dictionary_bytes` bounds the different texts that are remembered.
    pub(crate) fn new(hint: TypeHint, dictionary_bytes: usize) -> Self {
        let is_text =
            matches!(hint, TypeHint::Text | TypeHint::Fixed(FixedType::String | FixedType::Dictionary));
        let limit = match hint {
            TypeHint::Fixed(FixedType::Dictionary) => usize::MAX,
            // No dictionary, or no text at all.
            TypeHint::Fixed(_) => 0,
            _ => dictionary_bytes,
        };
        ColumnScan {
            hint,
            kind: if is_text { Kind::Text } else { Kind::Null },
            empty: 0,
            empty_quoted: 0,
            tokens: Vec::new(),
            has_auto_tokens: false,
            int_range: None,
            ints_exact_in_f64: true,
            exact_in_f32: true,
            fits_float32_range: true,
            dates: None,
            stamps: None,
            digits: 0,
            text_bytes: 0,
            candidates: (limit > 0).then(|| Candidates::new(limit)),
            firsts: Vec::new(),
            is_counted: true,
            left_to_remember: if matches!(hint, TypeHint::Fixed(_)) { 0 } else { REMEMBERED },
            dictionary_bytes,
            scratch: Vec::new(),
            fits_lanes: true,
            scratch_field: Vec::new(),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let extents = self.dates.as_ref().map_or(0, Extent::heap_bytes)
            + self.stamps.as_ref().map_or(0, Extent::heap_bytes);
        let firsts: usize =
            self.firsts.iter().map(|first| size_of::<First>() + first.excerpt.capacity()).sum();
        let scratch = self.scratch.capacity() + self.scratch_field.capacity();
        let candidates = self.candidates.as_ref().map_or(0, Candidates::heap_bytes);
        candidates + extents + firsts + scratch + self.tokens.capacity() * size_of::<u64>()
    }

    /// Takes the next record's field.
    pub(crate) fn push(
        &mut self,
        field: Field<'_>,
        rules: &FieldRules,
        place: impl FnOnce() -> Place,
    ) -> Result<(), Unfit> {
        match rules.nulls.presence(field) {
            Presence::Null => self.empty += 1,
            Presence::Token(token) => self.count_token(token, rules),
            Presence::EmptyQuoted => {
                self.empty_quoted += 1;
                if self.kind == Kind::Text {
                    self.push_text(b"");
                }
            }
            Presence::Value if self.kind == Kind::Text => self.push_text(field.text),
            Presence::Value => return self.push_value(field, rules, place),
        }
        Ok(())
    }

    fn count_token(&mut self, token: usize, rules: &FieldRules) {
        if self.tokens.is_empty() {
            self.tokens.resize(rules.nulls.tokens().len(), 0);
        }
        self.has_auto_tokens = rules.nulls.is_auto();
        self.tokens[token] += 1;
    }

    fn push_text(&mut self, text: &[u8]) {
        self.text_bytes += text.len() as u64;
        if let Some(candidates) = &mut self.candidates
            && !candidates.insert(text)
        {
            self.candidates = None;
        }
    }

    fn push_value(
        &mut self,
        field: Field<'_>,
        rules: &FieldRules,
        place: impl FnOnce() -> Place,
    ) -> Result<(), Unfit> {
        let text = field.text;
        // The parser of the column's kind so far comes first: nearly every value is of that kind.
        let seen = match self.kind {
            Kind::Int => self.number(text, rules, Self::int),
            Kind::Float => self.number(text, rules, Self::float),
            Kind::Date => self.date(text),
            Kind::Timestamp(_) => self.timestamp(text),
            Kind::Bool => boolean::parse(text).map(|_| Kind::Bool),
            Kind::Null | Kind::Text => None,
        };
        if seen == Some(self.kind) {
            self.remember(text);
            return self.fits();
        }
        if let Some(kind) = seen.or_else(|| self.classify(text, rules)) {
            let joined = self.kind.join(kind);
            if joined == Kind::Text {
                return self.become_text(text, kind, place);
            }
            if self.kind != joined {
                self.note(kind, text, place);
            }
            self.remember(text);
            self.kind = joined;
            return self.fits();
        }
        if let Some(token) = rules.nulls.auto_token(field) {
            self.count_token(token, rules);
            return Ok(());
        }
        self.become_text(text, Kind::Text, place)
    }

    /// Notes the first value of its class. Whole numbers and floats are of one class, since neither makes the other
    /// text.
    fn note(&mut self, kind: Kind, text: &[u8], place: impl FnOnce() -> Place) {
        let class = if kind == Kind::Int { Kind::Float } else { kind };
        if self.firsts.iter().all(|first| first.class != class) {
            self.firsts.push(First { class, place: place(), excerpt: excerpt(text) });
        }
    }

    /// Counts the text of a value that is no text so far, as long as these are few: a column like `501`, `00501`
    /// turns out to be text soon or never, and then its texts need no second scan.
    fn remember(&mut self, text: &[u8]) {
        if self.left_to_remember > 0 {
            self.left_to_remember -= 1;
            self.push_text(text);
        } else if self.is_counted {
            self.give_up_counting();
        }
    }

    /// Whether the texts of values that are no text are still counted.
    fn is_remembering(&self) -> bool {
        self.left_to_remember > 0
    }

    fn give_up_counting(&mut self) {
        self.is_counted = false;
        self.text_bytes = 0;
        self.candidates = None;
    }

    /// Takes the value that makes the column text.
    fn become_text(&mut self, text: &[u8], kind: Kind, place: impl FnOnce() -> Place) -> Result<(), Unfit> {
        if matches!(self.hint, TypeHint::Fixed(_)) {
            return Err(Unfit);
        }
        self.note(kind, text, place);
        self.kind = Kind::Text;
        self.push_text(text);
        Ok(())
    }

    /// Whether the texts of all values are counted; else a column that comes to text is scanned once more.
    pub(crate) fn text_is_complete(&self) -> bool {
        self.is_counted
    }

    /// A scan of another part of the same column.
    pub(crate) fn begin_part(&self) -> ColumnScan {
        ColumnScan::new(self.hint, self.dictionary_bytes)
    }

    /// A scan of another part, which remembers no more than this one has left.
    pub(crate) fn go_on_in_part(&self) -> ColumnScan {
        let left_to_remember = if self.kind == Kind::Text { REMEMBERED } else { self.left_to_remember };
        ColumnScan { left_to_remember, ..self.begin_part() }
    }

    /// Adds what the scan of another part has found. The order of the parts does not matter.
    pub(crate) fn merge(&mut self, other: ColumnScan) {
        self.kind = self.kind.join(other.kind);
        self.empty += other.empty;
        self.empty_quoted += other.empty_quoted;
        self.has_auto_tokens |= other.has_auto_tokens;
        if self.tokens.len() < other.tokens.len() {
            self.tokens.resize(other.tokens.len(), 0);
        }
        self.tokens.iter_mut().zip(&other.tokens).for_each(|(count, more)| *count += more);
        self.int_range = match (self.int_range, other.int_range) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (range, None) | (None, range) => range,
        };
        self.ints_exact_in_f64 &= other.ints_exact_in_f64;
        self.exact_in_f32 &= other.exact_in_f32;
        self.fits_float32_range &= other.fits_float32_range;
        self.digits = self.digits.max(other.digits);
        Extent::merge(&mut self.dates, other.dates);
        Extent::merge(&mut self.stamps, other.stamps);
        for first in other.firsts {
            match self.firsts.iter_mut().find(|known| known.class == first.class) {
                Some(known) if first.place.order() < known.place.order() => *known = first,
                Some(_) => {}
                None => self.firsts.push(first),
            }
        }
        self.left_to_remember = self.left_to_remember.min(other.left_to_remember);
        if !(self.is_counted && other.is_counted) {
            return self.give_up_counting();
        }
        self.text_bytes += other.text_bytes;
        match (&mut self.candidates, other.candidates) {
            (Some(candidates), Some(others)) => {
                if !others.texts.iter().all(|text| candidates.insert(text)) {
                    self.candidates = None;
                }
            }
            (candidates, _) => *candidates = None,
        }
    }

    /// Leaves the choice of a dictionary.
    pub(crate) fn give_up_candidates(&mut self) {
        self.candidates = None;
    }

    /// Takes what was counted over the whole input of a column that has come to the kind it has here: its nulls, the null
    /// tokens among them, and of a text column the bytes of its texts, and the texts if they are not too many.
    pub(crate) fn take_counts(&mut self, nulls: u64, tokens: Vec<u64>, texts: (u64, Option<Candidates>)) {
        self.empty = nulls - tokens.iter().sum::<u64>();
        self.empty_quoted = 0;
        self.tokens = tokens;
        (self.text_bytes, self.candidates) = texts;
        self.is_counted = true;
    }

    /// Takes the texts of a repeated scan in which the column was text from the start.
    pub(crate) fn take_texts(&mut self, again: ColumnScan) {
        let first = std::mem::replace(self, again);
        self.hint = first.hint;
        self.firsts = first.firsts;
    }

    /// Counts what is text in a column that comes to text, and was kept apart as long as it could come to something
    /// else: tokens that nobody listed, and empty quoted fields.
    pub(crate) fn settle_as_text(&mut self, nulls: &NullRule) {
        let tokens = if nulls.is_auto() { std::mem::take(&mut self.tokens) } else { Vec::new() };
        for (token, count) in nulls.tokens().iter().zip(tokens).filter(|(_, count)| *count > 0) {
            self.push_text(token.as_bytes());
            self.text_bytes += token.len() as u64 * (count - 1);
        }
        if self.empty_quoted > 0 {
            self.push_text(b"");
        }
        self.kind = Kind::Text;
    }

    /// The value that made the column text, the first in file order.
    pub(crate) fn witness(&self) -> Option<TextWitness> {
        let mut firsts: Vec<&First> = self.firsts.iter().collect();
        firsts.sort_by_key(|first| first.place.order());
        let mut kind = Kind::Null;
        let made_text = firsts.into_iter().find(|first| {
            kind = kind.join(first.class);
            kind == Kind::Text
        });
        made_text.map(|first| TextWitness {
            position: first.place.position,
            file: first.place.file,
            excerpt: first.excerpt.clone(),
        })
    }

    /// Earliest and latest value of a column that comes to dates or timestamps, as the file writes them.
    pub(crate) fn extent(&self, kind: Kind) -> Option<(String, String)> {
        match kind {
            Kind::Date => self.dates.as_ref().map(|e| (e.min_text.clone(), e.max_text.clone())),
            Kind::Timestamp(_) => self.stamps.as_ref().map(|e| (e.min_text.clone(), e.max_text.clone())),
            _ => None,
        }
    }

    /// The kind of a value that is not of the column's kind so far.
    fn classify(&mut self, text: &[u8], rules: &FieldRules) -> Option<Kind> {
        match text[0] {
            b if b == rules.marks.decimal => self.number(text, rules, Self::float),
            b't' | b'T' | b'f' | b'F' => boolean::parse(text).map(|_| Kind::Bool),
            b'0'..=b'9' | b'-' | b'+' | b'.' | b'n' | b'N' | b'i' | b'I' => {
                // A fixed float takes whole numbers as floats, so that only one of the two is asked.
                let fixed_float =
                    matches!(self.hint, TypeHint::Fixed(FixedType::Float32 | FixedType::Float64));
                let int = if fixed_float { None } else { self.number(text, rules, Self::int) };
                int.or_else(|| self.number(text, rules, Self::float))
                    .or_else(|| self.date(text))
                    .or_else(|| self.timestamp(text))
            }
            _ => None,
        }
    }

    /// Asks `parse` for the number that `text` writes under the dialect's marks.
    #[inline]
    fn number(
        &mut self,
        text: &[u8],
        rules: &FieldRules,
        parse: fn(&mut Self, &[u8]) -> Option<Kind>,
    ) -> Option<Kind> {
        if rules.marks.is_plain() {
            return parse(self, text);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let kind = rules.marks.canonical(text, &mut scratch).and_then(|text| parse(self, text));
        self.scratch = scratch;
        kind
    }

    #[inline]
    fn int(&mut self, text: &[u8]) -> Option<Kind> {
        let value = int::parse(text)?;
        let (min, max) = self.int_range.get_or_insert((value, value));
        *min = value.min(*min);
        *max = value.max(*max);
        self.ints_exact_in_f64 &= int::exact_in_f64(value);
        self.exact_in_f32 = self.exact_in_f32 && int::exact_in_f32(value);
        Some(Kind::Int)
    }

    #[inline]
    fn float(&mut self, text: &[u8]) -> Option<Kind> {
        // A whole number among floats is judged as one: float64 must hold it exactly.
        if self.kind == Kind::Float && !matches!(self.hint, TypeHint::Fixed(_)) && self.int(text).is_some() {
            return Some(Kind::Float);
        }
        let value = float::parse(text)?;
        self.exact_in_f32 &= value.is_nan() || f64::from(value as f32) == value;
        if value.is_finite() {
            self.fits_float32_range &= value.abs() <= f64::from(f32::MAX);
        }
        Some(Kind::Float)
    }

    fn date(&mut self, text: &[u8]) -> Option<Kind> {
        Extent::extend(&mut self.dates, temporal::parse_date(text)?, text);
        Some(Kind::Date)
    }

    fn timestamp(&mut self, text: &[u8]) -> Option<Kind> {
        let stamp = temporal::parse_timestamp(text)?;
        self.digits = self.digits.max(stamp.digits);
        Extent::extend(&mut self.stamps, stamp, text);
        Some(Kind::Timestamp(stamp.zone()))
    }

    /// Whether a fixed type still holds what was seen.
    #[inline]
    fn fits(&self) -> Result<(), Unfit> {
        let TypeHint::Fixed(fixed) = self.hint else { return Ok(()) };
        let fits = match fixed {
            FixedType::Float64 => self.kind == Kind::Float,
            FixedType::Float32 => self.kind == Kind::Float && self.fits_float32_range,
            FixedType::Bool => self.kind == Kind::Bool,
            FixedType::Date => self.kind == Kind::Date,
            FixedType::Timestamp => matches!(self.kind, Kind::Timestamp(_)),
            FixedType::String | FixedType::Dictionary => true,
            int => {
                let (low, high) = int.int_range().unwrap_or((0, 0));
                self.kind == Kind::Int && self.int_range.is_none_or(|(min, max)| low <= min && max <= high)
            }
        };
        if fits { Ok(()) } else { Err(Unfit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::downcast;

    /// Scans fields, an empty quoted one written as `""`.
    fn scanned(hint: TypeHint, fields: &[&str]) -> ColumnScan {
        let rules = FieldRules::new(&Dialect::default());
        let mut column = ColumnScan::new(hint, 1 << 20);
        for field in fields {
            let quoted = *field == "\"\"";
            let text = if quoted { b"" } else { field.as_bytes() };
            column
                .push(Field { text, quoted }, &rules, || Place { file: 0, position: Position::START })
                .unwrap();
        }
        if downcast::kind(&column) == Kind::Text && column.text_is_complete() {
            column.settle_as_text(&rules.nulls);
        }
        column
    }

    #[test]
    fn a_column_that_soon_turns_out_to_be_text_is_counted_as_if_it_was_known_to_be() {
        let mut fields = vec!["501", "NA", "\"\"", "", "NA", "10001", "501", "00501", "NA", "7"];
        for repeats in [1, 500] {
            fields = fields.repeat(repeats);
            let (mut found, mut told) =
                (scanned(TypeHint::Inferred, &fields), scanned(TypeHint::Text, &fields));
            let nulls = FieldRules::new(&Dialect::default()).nulls;
            [&mut found, &mut told].into_iter().for_each(|column| column.settle_as_text(&nulls));
            assert!(found.text_is_complete());
            assert_eq!((found.kind, found.text_bytes), (Kind::Text, told.text_bytes));
            assert_eq!(
                found.candidates.as_ref().map(|c| &c.texts),
                told.candidates.as_ref().map(|c| &c.texts)
            );
            assert_eq!(downcast::nulls(&found, Kind::Text), downcast::nulls(&told, Kind::Text));
        }
    }

    #[test]
    fn late_text_is_left_to_a_second_scan() {
        let mut fields = vec!["1"; REMEMBERED + 1];
        fields.push("A");
        assert!(!scanned(TypeHint::Inferred, &fields).text_is_complete());
        fields.remove(0);
        assert!(scanned(TypeHint::Inferred, &fields).text_is_complete());
    }
}
