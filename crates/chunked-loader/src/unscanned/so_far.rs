//! What the columns of an input are as far as it is read, and where one turned out to be something else.

use arrow::datatypes::DataType;

use crate::column_scan::{ColumnScan, TextWitness, TypeHint};
use crate::downcast::{self, Downcast};
use crate::field_rules::FieldRules;
use crate::scan::ColumnFacts;
use crate::types::Kind;

/// A kind that a column had until a batch contradicted it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promotion {
    /// The kind of the batches before.
    pub from: Kind,
    /// The kind of this batch and all behind it, until the next promotion.
    pub to: Kind,
    /// First row of the first batch of the new kind, counted over the whole input from 0.
    pub first_row: u64,
    /// The value that made the column text. `None` where it was no single one: whole numbers or timestamps that no
    /// 64-bit type holds together, or whole numbers that are not exact as the floats they stand among.
    pub witness: Option<TextWitness>,
}

/// What is known of a column as far as the input is read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ColumnSoFar {
    /// Its name; unique in the input.
    pub name: String,
    /// The kind that holds every value so far. It only ever rises in the lattice of [`Kind`].
    pub kind: Kind,
    /// Its type without downcasting, which holds what all batches so far hold, unless it is text by a promotion.
    pub wide_type: DataType,
    /// Records whose value came out as null.
    pub nulls: u64,
    /// How many of the nulls were written as which token.
    pub null_tokens: Vec<(String, u64)>,
    /// Where the batches of before were contradicted, in the order of rows.
    pub promotions: Vec<Promotion>,
}

/// The running state of a column.
pub(super) struct Running {
    hint: TypeHint,
    dictionary_bytes: usize,
    /// All parts so far, their texts left aside.
    total: ColumnScan,
    pub(super) told: ColumnSoFar,
}

/// What a column of a batch comes to.
pub(super) enum Part {
    /// These facts.
    Facts(Box<ColumnFacts>),
    /// Text, but its texts were not counted: the records have to be typed once more.
    LateText,
}

impl Running {
    pub(super) fn new(name: &str, hint: TypeHint, dictionary_bytes: usize) -> Running {
        let mut total = ColumnScan::new(hint, dictionary_bytes);
        total.candidates = None;
        let told = ColumnSoFar {
            name: name.to_owned(),
            kind: total.kind,
            wide_type: DataType::Utf8,
            nulls: 0,
            null_tokens: Vec::new(),
            promotions: Vec::new(),
        };
        Running { hint, dictionary_bytes, total, told }
    }

    /// The state that the column of the next batch begins with: of the kind that the column has.
    pub(super) fn begin_batch(&self) -> ColumnScan {
        if self.told.kind == Kind::Text && self.hint == TypeHint::Inferred {
            return self.begin_text();
        }
        let mut part = ColumnScan::new(self.hint, self.dictionary_bytes);
        part.kind = self.total.kind;
        part
    }

    /// The state of a column that is text from the start.
    pub(super) fn begin_text(&self) -> ColumnScan {
        ColumnScan::new(TypeHint::Text, self.dictionary_bytes)
    }

    /// Adds the column of a batch of `rows` rows, the first of which is `first_row`.
    pub(super) fn add(
        &mut self,
        mut part: ColumnScan,
        first_row: u64,
        rows: u64,
        downcast: Downcast,
        rules: &FieldRules,
    ) -> Part {
        if part.hint == TypeHint::Text {
            return self.text(part, rows, downcast, rules);
        }
        // Where there is no value, the least type of the column's kind does.
        match part.kind {
            Kind::Int => drop(part.int_range.get_or_insert((0, 0))),
            Kind::Timestamp(_) if part.stamps.is_none() => part.stamps.clone_from(&self.total.stamps),
            _ => {}
        }
        let is_open = part.has_auto_tokens || part.empty_quoted > 0;
        if part.kind == Kind::Null && self.hint == TypeHint::Inferred && is_open {
            return self.undecided(part, rows, downcast, rules);
        }
        let is_late = downcast::kind(&part) == Kind::Text && !part.text_is_complete();
        let made = (!is_late).then(|| {
            if downcast::kind(&part) == Kind::Text {
                part.settle_as_text(&rules.nulls);
            }
            ColumnFacts::new(&self.told.name, &part, rows, downcast, rules)
        });
        self.total.merge(part);
        self.promote(first_row);
        match made {
            Some(facts) if facts.kind == self.told.kind => self.made(facts),
            // Single parts hold whole numbers, or timestamps, that all parts together do not.
            _ => Part::LateText,
        }
    }

    /// Adds a column of a batch that was typed as text once more.
    pub(super) fn text(
        &mut self,
        mut part: ColumnScan,
        rows: u64,
        downcast: Downcast,
        rules: &FieldRules,
    ) -> Part {
        part.settle_as_text(&rules.nulls);
        let facts = ColumnFacts::new(&self.told.name, &part, rows, downcast, rules);
        self.made(facts)
    }

    /// Adds a part without values but with what is a text in a text column and null in any other. As long as nobody
    /// knows which of them it is, it is written as text: that loses nothing.
    fn undecided(&mut self, mut part: ColumnScan, rows: u64, downcast: Downcast, rules: &FieldRules) -> Part {
        let tokens = part.tokens.clone();
        part.settle_as_text(&rules.nulls);
        let facts = ColumnFacts::new(&self.told.name, &part, rows, downcast, rules);
        (part.kind, part.tokens) = (Kind::Null, tokens);
        self.total.merge(part);
        self.made(facts)
    }

    /// Raises the kind to what all parts so far are together.
    fn promote(&mut self, first_row: u64) {
        // Tokens alone decide nothing before the end.
        let is_open = self.total.kind == Kind::Null;
        let to = if is_open { Kind::Null } else { downcast::kind(&self.total) };
        let from = std::mem::replace(&mut self.told.kind, to);
        if from != to && from != Kind::Null {
            let witness = self.total.witness().filter(|_| to == Kind::Text);
            self.told.promotions.push(Promotion { from, to, first_row, witness });
        }
        self.told.wide_type = downcast::wide_type(&self.total, to);
    }

    fn made(&mut self, mut facts: ColumnFacts) -> Part {
        facts.hint = self.hint;
        self.told.nulls += facts.nulls;
        for (token, count) in &facts.null_tokens {
            match self.told.null_tokens.iter_mut().find(|(known, _)| known == token) {
                Some((_, sum)) => *sum += count,
                None => self.told.null_tokens.push((token.clone(), *count)),
            }
        }
        Part::Facts(Box::new(facts))
    }

    /// Settles what stayed open to the end of the input.
    pub(super) fn settle(&mut self) {
        if self.told.kind == Kind::Null {
            self.told.kind = downcast::kind(&self.total);
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.total.heap_bytes() + self.told.name.capacity()
    }
}
