//! `target_encoder`: each category by the mean of a target over the rows that have it, drawn to the mean of all.
//!
//! Equals scikit-learn's `TargetEncoder`; the formula is at [`Sums::encoding`](super::target_tallies::Sums::encoding). A target of two values counts the
//! second one in their order as 1 and the first as 0; one of more gives `{column}_{class}` for each. Missing is a
//! category of its own; an unseen category gets the mean of all rows.
//!
//! The rows of the fit get encodings that were learnt without them: each row is in one of `cv` folds, by a hash
//! of its number and the seed, and its encoding is that of all rows in other folds. Later steps of the recipe learn
//! from these, as in the class's `fit_transform`. Rows after the fit get the encodings of all rows. The class
//! shuffles rows into folds of equal size, and for classes of equal shares; here folds are about equal. Where
//! there is no row in another fold, the encoding is null.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `target` | must be given | the column of the target, which stays as it is; later rows may lack it, and selectors leave it out |
//! | `categories` | auto | for each column of `columns` the list of its categories; others are unseen |
//! | `target_type` | auto | continuous, binary or multiclass; auto: numbers with fractions are continuous |
//! | `smooth` | auto | how many rows the mean of all rows counts for; auto: as the variances say |
//! | `cv` | 5 | how many folds, 2 to 100 |
//! | `random_state` | 0 | the seed of the hash |
//! | `shuffle` | true | false is refused |
//!
//! Two passes: the first finds categories and classes, the second sums. A column's state is a
//! [`Counts`](crate::stats::Counts), then for each category and fold a count for each class, or about 200 bytes of
//! exact sums for numbers.

use std::any::Any;
use std::io::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::grouping::Declared;
use super::target_encoded;
use super::target_sums::Sum;
use super::target_tallies::{Smooth, Tallies};
use super::vocabulary::{Vocabulary, VocabularyFit};
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::state_text::{self, MOST_ROWS};
use crate::stats::Counts;
use crate::step::{BoundStep, Fit, FitState, OutputColumn, Preview, Step};

pub(super) use target_encoded::decode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetType {
    Auto,
    Continuous,
    Binary,
    Multiclass,
}

#[derive(Debug)]
pub(super) struct TargetEncoder {
    pub(super) target: String,
    pub(super) categories: Declared,
    pub(super) target_type: TargetType,
    pub(super) smooth: Smooth,
    pub(super) folds: u32,
    pub(super) seed: u64,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let expected = "the name of the column to learn from";
    let target = params.read("target", None, expected, |value| match value {
        ParamValue::Text(name) => Some(Some(name.clone())),
        _ => None,
    })?;
    let categories = Declared::parse(params)?;
    let target_type = params.choice(
        "target_type",
        &[
            ("auto", TargetType::Auto),
            ("continuous", TargetType::Continuous),
            ("binary", TargetType::Binary),
            ("multiclass", TargetType::Multiclass),
        ],
    )?;
    let smooth = params.read("smooth", Smooth::Auto, "\"auto\" or a number from 0", |value| match value {
        ParamValue::Text(word) if word == "auto" => Some(Smooth::Auto),
        value => value.as_f64().filter(|rows| *rows >= 0.0 && rows.is_finite()).map(Smooth::Rows),
    })?;
    let folds = params.read_optional("cv", "a whole number from 2 to 100", |value| match *value {
        ParamValue::Int(folds @ 2..=100) => u32::try_from(folds).ok(),
        _ => None,
    })?;
    let seed = params.seed("random_state")?;
    params.read("shuffle", (), "true: rows go to folds by a hash of their number", |value| {
        (*value == ParamValue::Bool(true)).then_some(())
    })?;
    let target = target.ok_or_else(|| Error::parameter("target", "not given", expected))?;
    let folds = folds.unwrap_or(5);
    Ok(Box::new(Arc::new(TargetEncoder { target, categories, target_type, smooth, folds, seed })))
}

impl Step for Arc<TargetEncoder> {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        let (target, inputs) = inputs.split_last().expect("the target is the last input");
        self.categories.check(inputs)?;
        let classes = |kind| matches!(kind, ValueKind::Text) && self.target_type != TargetType::Continuous;
        if !target.kind.is_arithmetic() && !classes(target.kind) {
            let expected = match self.target_type {
                TargetType::Continuous => "numbers as a continuous target",
                _ => "numbers, bools or text as a target",
            };
            return Err(
                Error::new(ErrorKind::WrongKind { expected, found: target.kind }).in_column(&target.name)
            );
        }
        let vocabularies = inputs.iter().enumerate().map(|(index, input)| {
            self.categories.start(index, input, false).map_err(|e| e.in_column(&input.name))
        });
        Ok(Box::new(Learning {
            vocabularies: vocabularies.collect::<Result<_, Error>>()?,
            target: Target::new(self, target.kind),
            target_kind: target.kind,
            rows: 0,
            inputs: inputs.to_vec(),
            step: Arc::clone(self),
        }))
    }

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }
}

/// The first pass: which categories there are, and what kind of target.
struct Learning {
    step: Arc<TargetEncoder>,
    inputs: Vec<Column>,
    vocabularies: Vec<VocabularyFit>,
    target_kind: ValueKind,
    target: Target,
    rows: u64,
}

/// What is known of the target.
enum Target {
    Numbers,
    Classes(VocabularyFit),
    /// Classes, unless there is a number with a fraction.
    Undecided(VocabularyFit),
}

/// What was seen of the target; `C` is [`Counts`], or lent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TargetSeen<C> {
    Numbers,
    Classes(C),
    Undecided(C),
}

/// What was seen in the first pass.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen<C> {
    rows: u64,
    target: TargetSeen<C>,
    columns: Vec<C>,
}

impl Target {
    fn seen(&self) -> TargetSeen<&Counts> {
        match self {
            Target::Numbers => TargetSeen::Numbers,
            Target::Classes(vocabulary) => TargetSeen::Classes(vocabulary.seen()),
            Target::Undecided(vocabulary) => TargetSeen::Undecided(vocabulary.seen()),
        }
    }

    /// The same target, of which this was seen, given that this one has seen nothing.
    fn having_seen(&self, seen: TargetSeen<Counts>) -> Option<Target> {
        match (self, seen) {
            (Target::Numbers | Target::Undecided(_), TargetSeen::Numbers) => Some(Target::Numbers),
            (Target::Classes(own), TargetSeen::Classes(seen)) => own.having_seen(seen).map(Target::Classes),
            (Target::Undecided(own), TargetSeen::Undecided(seen)) => {
                own.having_seen(seen).map(Target::Undecided)
            }
            _ => None,
        }
    }

    fn new(step: &TargetEncoder, kind: ValueKind) -> Target {
        let vocabulary = VocabularyFit::new(kind, None, false);
        match step.target_type {
            TargetType::Continuous => Target::Numbers,
            TargetType::Auto if kind == ValueKind::Float => Target::Undecided(vocabulary),
            _ => Target::Classes(vocabulary),
        }
    }

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        numeric::refuse_infinities(values, first_row)?;
        if let Some(row) = numeric::observed(values)?.and_then(|observed| observed.iter().position(|is| !is))
        {
            let expected = "a value: a target has none missing";
            return Err(Error::new(ErrorKind::Value { found: "null".into(), expected })
                .in_row(first_row + row as u64));
        }
        if let Target::Undecided(_) = self
            && numeric::as_float64(values)?.values().iter().any(|value| value.fract() != 0.0)
        {
            *self = Target::Numbers;
        }
        match self {
            Target::Numbers => Ok(()),
            Target::Classes(vocabulary) | Target::Undecided(vocabulary) => {
                vocabulary.update(values, first_row)
            }
        }
    }

    fn merge(&mut self, other: Target) {
        match (&mut *self, other) {
            (Target::Classes(a), Target::Classes(b)) | (Target::Undecided(a), Target::Undecided(b)) => {
                a.merge(&b)
            }
            _ => *self = Target::Numbers,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Target::Numbers => 0,
            Target::Classes(vocabulary) | Target::Undecided(vocabulary) => vocabulary.heap_bytes(),
        }
    }

    fn update_bytes(&self, values: &ArrayRef) -> usize {
        match self {
            Target::Numbers => 0,
            Target::Classes(vocabulary) | Target::Undecided(vocabulary) => vocabulary.update_bytes(values),
        }
    }

    fn merge_bytes(&self, other: &Target) -> usize {
        match (self, other) {
            (Target::Classes(a), Target::Classes(b)) | (Target::Undecided(a), Target::Undecided(b)) => {
                a.merge_bytes(b)
            }
            _ => self.heap_bytes(),
        }
    }

    fn finish_bytes(&self) -> usize {
        match self {
            Target::Numbers => 0,
            Target::Classes(vocabulary) | Target::Undecided(vocabulary) => {
                vocabulary.finish_bytes(size_of::<u64>())
            }
        }
    }

    /// The classes, in their order; `None` for numbers.
    fn finish(self) -> Result<Option<Vocabulary>, Error> {
        match self {
            Target::Numbers => Ok(None),
            Target::Classes(vocabulary) | Target::Undecided(vocabulary) => Ok(Some(vocabulary.finish()?.0)),
        }
    }
}

impl BoundStep for Learning {
    fn preview(&self) -> Preview {
        let plain = |input: &Column| {
            target_encoded::outputs(&input.name, None).into_iter().map(|o: OutputColumn| o.column).collect()
        };
        let has_one_output = matches!(self.step.target_type, TargetType::Continuous | TargetType::Binary);
        Preview { columns: self.inputs.iter().map(plain).collect(), is_final: has_one_output }
    }

    fn start(self: Box<Self>) -> Box<dyn FitState> {
        self
    }
}

impl FitState for Learning {
    fn update(&mut self, inputs: &[ArrayRef], first_row: u64) -> Result<(), Error> {
        let (target, inputs) = inputs.split_last().expect("the target is the last input");
        self.target.update(target, first_row).map_err(|e| e.in_column(&self.step.target))?;
        for ((vocabulary, input), values) in self.vocabularies.iter_mut().zip(&self.inputs).zip(inputs) {
            vocabulary.update(values, first_row).map_err(|e| e.in_column(&input.name))?;
        }
        self.rows += target.len() as u64;
        Ok(())
    }

    fn identity(&self) -> Box<dyn FitState> {
        Box::new(Learning {
            step: Arc::clone(&self.step),
            inputs: self.inputs.clone(),
            vocabularies: self.vocabularies.iter().map(VocabularyFit::identity).collect(),
            target_kind: self.target_kind,
            target: Target::new(&self.step, self.target_kind),
            rows: 0,
        })
    }

    fn merge(&mut self, other: Box<dyn FitState>) {
        let other: Box<dyn Any> = other;
        let other = other.downcast::<Self>().expect("only states of one step are merged");
        self.vocabularies.iter_mut().zip(&other.vocabularies).for_each(|(a, b)| a.merge(b));
        self.target.merge(other.target);
        self.rows += other.rows;
    }

    fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        let columns = self.vocabularies.iter().map(VocabularyFit::seen).collect();
        state_text::write(&Seen { rows: self.rows, target: self.target.seen(), columns }, out)
    }

    fn decode(&self, seen: &str) -> Result<Box<dyn FitState>, Error> {
        let Seen { rows, target, columns } = state_text::read::<Seen<Counts>>(seen)?;
        if columns.len() != self.vocabularies.len() || rows > MOST_ROWS {
            return Err(state_text::contradiction());
        }
        let target = Target::new(&self.step, self.target_kind).having_seen(target);
        let target = target.ok_or_else(|| state_text::contradiction().in_column(&self.step.target))?;
        let columns = self.vocabularies.iter().zip(columns).zip(&self.inputs).map(|((own, seen), input)| {
            own.having_seen(seen).ok_or_else(|| state_text::contradiction().in_column(&input.name))
        });
        Ok(Box::new(Learning {
            step: Arc::clone(&self.step),
            inputs: self.inputs.clone(),
            vocabularies: columns.collect::<Result<_, Error>>()?,
            target_kind: self.target_kind,
            target,
            rows,
        }))
    }

    fn heap_bytes(&self) -> usize {
        self.target.heap_bytes() + self.vocabularies.iter().map(VocabularyFit::heap_bytes).sum::<usize>()
    }

    fn update_bytes(&self, inputs: &[ArrayRef]) -> usize {
        let Some((target, inputs)) = inputs.split_last() else { return self.heap_bytes() };
        let columns = self.vocabularies.iter().zip(inputs);
        self.target.update_bytes(target)
            + columns.map(|(column, values)| column.update_bytes(values)).sum::<usize>()
    }

    fn merge_bytes(&self, other: &dyn FitState) -> usize {
        let other: &dyn Any = other;
        let other = other.downcast_ref::<Self>().expect("only states of one step are merged");
        let columns = self.vocabularies.iter().zip(&other.vocabularies);
        self.target.merge_bytes(&other.target) + columns.map(|(a, b)| a.merge_bytes(b)).sum::<usize>()
    }

    fn finish_bytes(&self) -> usize {
        // Counts, and of each category a place among the sums.
        let category = size_of::<u64>() + Tallies::CATEGORY_BYTES;
        let columns = self.vocabularies.iter().map(|column| column.finish_bytes(category));
        self.target.finish_bytes() + columns.sum::<usize>()
    }

    fn instead(&self) -> Option<&'static str> {
        Some("feature_hasher")
    }

    fn finish(self: Box<Self>) -> Result<Fit, Error> {
        let Learning { step, inputs, vocabularies, target, rows, .. } = *self;
        if rows == 0 {
            return Err(Error::contradiction("there is no row to learn from; give it some"));
        }
        let classes = target.finish()?;
        let number = classes.as_ref().map_or(0, Vocabulary::categories);
        if step.target_type == TargetType::Binary && number > 2 {
            return Err(Error::contradiction(format!(
                "has {number} values, and `target_type = \"binary\"` takes two; set it to \"multiclass\" or \"continuous\""
            ))
            .in_column(&step.target));
        }
        let columns = vocabularies.into_iter().zip(inputs).map(|(vocabulary, input)| {
            let (vocabulary, _) = vocabulary.finish().map_err(|e| e.in_column(&input.name))?;
            Ok((input.name, vocabulary))
        });
        let columns = columns.collect::<Result<_, Error>>()?;
        Ok(Fit::Again(Box::new(Sum::new(step, columns, classes))))
    }
}
