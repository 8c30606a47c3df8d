//! The second pass of `target_encoder`: sums of the target for each category and fold.

use std::any::Any;
use std::io::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;

use super::target_encoded::{ColumnEncodings, Encodings, OutOfFold, TargetEncoded};
use super::target_encoder::{TargetEncoder, TargetType};
use super::target_tallies::{self, Smooth, Summed, Sums, Tallies};
use super::vocabulary::{UNKNOWN, Vocabulary};
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::row_hash;
use crate::state_text;
use crate::step::{Fit, FitState};

/// The state of the pass.
pub(super) struct Sum {
    step: Arc<TargetEncoder>,
    classes: Option<Arc<Vocabulary>>,
    /// Of all rows, as one category.
    all: Tallies,
    columns: Vec<Summing>,
}

struct Summing {
    name: String,
    vocabulary: Arc<Vocabulary>,
    tallies: Tallies,
}

impl Sum {
    /// Sums of nothing for columns with these names and categories. `classes`: those of the target, none for
    /// numbers.
    pub(super) fn new(
        step: Arc<TargetEncoder>,
        columns: Vec<(String, Vocabulary)>,
        classes: Option<Vocabulary>,
    ) -> Sum {
        let summed = match &classes {
            None => Summed::Numbers { with_squares: step.smooth == Smooth::Auto },
            Some(classes) => Summed::Classes(classes.categories()),
        };
        let folds = step.folds as usize;
        let columns = columns.into_iter().map(|(name, vocabulary)| {
            let categories = vocabulary.categories() + usize::from(vocabulary.has_missing);
            let tallies = Tallies::new(categories, folds, summed);
            Summing { name, vocabulary: Arc::new(vocabulary), tallies }
        });
        let columns = columns.collect();
        Sum { step, classes: classes.map(Arc::new), all: Tallies::new(1, folds, summed), columns }
    }

    /// Two classes are one output: how much there is of the second.
    fn is_multiclass(&self) -> bool {
        match self.step.target_type {
            TargetType::Multiclass => true,
            _ => self.classes.as_ref().is_some_and(|classes| classes.categories() > 2),
        }
    }

    /// The class that each output is about.
    fn outputs(&self) -> Vec<usize> {
        match &self.classes {
            Some(classes) if self.is_multiclass() => (0..classes.categories()).collect(),
            Some(_) => vec![1],
            None => vec![0],
        }
    }

    /// Adds a batch to one state of sums: `categories` are its rows' places there, [`UNKNOWN`] for none.
    fn add(
        tallies: &mut Tallies,
        categories: impl Iterator<Item = u32>,
        folds: &[usize],
        target: &TargetValues,
    ) {
        for (row, category) in categories.enumerate().filter(|(_, category)| *category != UNKNOWN) {
            match target {
                TargetValues::Classes(classes) => {
                    tallies.add_class(category as usize, folds[row], classes[row] as usize);
                }
                TargetValues::Numbers(numbers) => {
                    tallies.add_number(category as usize, folds[row], numbers[row]);
                }
            }
        }
    }
}

/// The target of a batch.
enum TargetValues {
    Classes(Vec<u32>),
    Numbers(Vec<f64>),
}

impl FitState for Sum {
    fn update(&mut self, inputs: &[ArrayRef], first_row: u64) -> Result<(), Error> {
        let (target, inputs) = inputs.split_last().expect("the target is the last input");
        let changed = || Error::new(ErrorKind::InputChanged);
        if numeric::observed(target)?.is_some() {
            return Err(changed());
        }
        let target = match &self.classes {
            None => TargetValues::Numbers(numeric::finite(target, first_row)?.values().to_vec()),
            Some(classes) => TargetValues::Classes(classes.encode(target, first_row)?),
        };
        if matches!(&target, TargetValues::Classes(classes) if classes.contains(&UNKNOWN)) {
            return Err(changed());
        }
        let rows = match &target {
            TargetValues::Classes(classes) => classes.len(),
            TargetValues::Numbers(numbers) => numbers.len(),
        };
        let numbered = (first_row..).take(rows);
        let folds: Vec<usize> =
            numbered.map(|row| row_hash::fold(self.step.seed, row, self.step.folds) as usize).collect();
        Sum::add(&mut self.all, std::iter::repeat_n(0, rows), &folds, &target);
        for (column, values) in self.columns.iter_mut().zip(inputs) {
            let codes = column.vocabulary.encode(values, first_row).map_err(|e| e.in_column(&column.name))?;
            if self.step.categories.is_auto() && codes.contains(&UNKNOWN) {
                return Err(changed());
            }
            Sum::add(&mut column.tallies, codes.into_iter(), &folds, &target);
        }
        Ok(())
    }

    fn identity(&self) -> Box<dyn FitState> {
        let columns = self.columns.iter().map(|column| Summing {
            name: column.name.clone(),
            vocabulary: Arc::clone(&column.vocabulary),
            tallies: column.tallies.identity(),
        });
        Box::new(Sum {
            step: Arc::clone(&self.step),
            classes: self.classes.clone(),
            all: self.all.identity(),
            columns: columns.collect(),
        })
    }

    fn merge(&mut self, other: Box<dyn FitState>) {
        let other: Box<dyn Any> = other;
        let other = other.downcast::<Self>().expect("only states of one step are merged");
        self.all.merge(&other.all);
        self.columns.iter_mut().zip(&other.columns).for_each(|(a, b)| a.tallies.merge(&b.tallies));
    }

    /// The sums of all rows, then those of each column.
    fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        let columns: Vec<_> = self.columns.iter().map(|column| column.tallies.seen()).collect();
        state_text::write(&(self.all.seen(), columns), out)
    }

    fn decode(&self, seen: &str) -> Result<Box<dyn FitState>, Error> {
        let (all, columns): (target_tallies::Seen, Vec<target_tallies::Seen>) = state_text::read(seen)?;
        if columns.len() != self.columns.len() {
            return Err(state_text::contradiction());
        }
        let columns = self.columns.iter().zip(columns).map(|(column, seen)| {
            let tallies = column.tallies.having_seen(seen);
            Ok(Summing {
                name: column.name.clone(),
                vocabulary: Arc::clone(&column.vocabulary),
                tallies: tallies.ok_or_else(|| state_text::contradiction().in_column(&column.name))?,
            })
        });
        Ok(Box::new(Sum {
            step: Arc::clone(&self.step),
            classes: self.classes.clone(),
            all: self.all.having_seen(all).ok_or_else(state_text::contradiction)?,
            columns: columns.collect::<Result<_, Error>>()?,
        }))
    }

    fn heap_bytes(&self) -> usize {
        let column = |column: &Summing| column.vocabulary.heap_bytes() + column.tallies.heap_bytes();
        let classes = self.classes.as_ref().map_or(0, |classes| classes.heap_bytes());
        classes + self.all.heap_bytes() + self.columns.iter().map(column).sum::<usize>()
    }

    fn update_bytes(&self, inputs: &[ArrayRef]) -> usize {
        let rows = inputs.last().map_or(0, |target| target.len());
        let growth = self.columns.iter().map(|column| column.tallies.growth_bytes(rows));
        self.heap_bytes() + self.all.growth_bytes(rows.min(1)) + growth.sum::<usize>()
    }

    fn identity_bytes(&self) -> usize {
        let categories = self.columns.iter().map(|column| column.tallies.categories());
        categories.sum::<usize>() * Tallies::CATEGORY_BYTES
    }

    fn finish_bytes(&self) -> usize {
        let outputs = self.outputs().len();
        // For each output of a category what all rows come to, and what those of all folds but one do.
        let encodings = |column: &Summing| {
            let values = (1 + self.step.folds as usize) * outputs;
            values * (column.tallies.categories() * size_of::<f64>() + size_of::<Vec<f64>>())
        };
        self.heap_bytes() + self.columns.iter().map(encodings).sum::<usize>()
    }

    fn needs_row_numbers(&self) -> bool {
        true
    }

    fn instead(&self) -> Option<&'static str> {
        Some("feature_hasher")
    }

    fn finish(self: Box<Self>) -> Result<Fit, Error> {
        let (outputs, is_multiclass) = (self.outputs(), self.is_multiclass());
        let Sum { step, classes, all, columns } = *self;
        let names = columns.iter().map(|column| column.name.clone()).collect();
        let exponent = all.exponent();
        let all = Totals::each(&all.sums(0, &outputs, exponent));
        let folds = step.folds as usize;
        let mut out_of_fold = OutOfFold {
            seed: step.seed,
            folds: step.folds,
            means: (0..folds)
                .map(|fold| all.iter().map(|totals| totals.others[fold].mean(exponent)).collect())
                .collect(),
            columns: Vec::with_capacity(columns.len()),
        };
        let means = all.iter().map(|totals| totals.all.mean(exponent)).collect();
        let mut encoded = Vec::with_capacity(columns.len());
        for Summing { vocabulary, tallies, .. } in columns {
            let categories = tallies.categories();
            // A clone of an empty vector has no room.
            let empty =
                || -> Vec<Vec<f64>> { outputs.iter().map(|_| Vec::with_capacity(categories)).collect() };
            let mut encodings = empty();
            let mut of_folds: Vec<_> = (0..folds).map(|_| empty()).collect();
            for category in 0..categories {
                let own = Totals::each(&tallies.sums(category, &outputs, exponent));
                for (output, (own, all)) in own.iter().zip(&all).enumerate() {
                    encodings[output].push(own.all.encoding(&all.all, step.smooth, exponent));
                    let others = own.others.iter().zip(&all.others);
                    for (of_fold, (own, all)) in of_folds.iter_mut().zip(others) {
                        of_fold[output].push(own.encoding(all, step.smooth, exponent));
                    }
                }
            }
            out_of_fold.columns.push(of_folds);
            let vocabulary = Arc::try_unwrap(vocabulary).unwrap_or_else(|shared| shared.copy());
            encoded.push(ColumnEncodings { vocabulary, encodings });
        }
        let class_names =
            |classes: &Arc<Vocabulary>| (0..classes.categories()).map(|c| classes.name(c)).collect();
        let all = Encodings {
            target: step.target.clone(),
            classes: classes.as_ref().filter(|_| is_multiclass).map(class_names),
            means,
            columns: encoded,
        };
        Ok(Fit::Done(Box::new(TargetEncoded::new(names, all, out_of_fold))))
    }
}

/// Sums of all rows, and for each fold those of all other folds.
struct Totals {
    all: Sums,
    others: Vec<Sums>,
}

impl Totals {
    /// Of each output.
    fn each(outputs: &[Vec<Sums>]) -> Vec<Totals> {
        let totals = outputs.iter().map(|folds| {
            let all = Sums::total(folds);
            Totals { others: folds.iter().map(|fold| all.minus(fold)).collect(), all }
        });
        totals.collect()
    }
}
