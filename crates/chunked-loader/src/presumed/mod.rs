//! Batches without a scan before, whose types are presumed from pieces of the input, and proved or disproved by the
//! pass that makes them.
//!
//! ```text
//!  pieces ──► types ──► batches, each thread a range ──► all went in: facts of the whole input, exact
//!  here and there       of bytes at a time           └─► a value did not: all of it was for nothing
//! ```
//!
//! Nothing rests on the presumption. What it says of a column is the join of values that are in the input, so that the
//! true type is that or a wider one; a builder refuses whatever would make it wider. That they are in the input, and no
//! lines within quotes, the pass finds out when it comes to them: a piece is the beginning of a range. Of an input that
//! went in to its end the presumed types are the true ones, and widths, nulls and dictionaries have been counted on the
//! way. Where something is refused, the caller starts over with a scan, which also says what is wrong if anything is.
//!
//! Whole numbers are built as wide as file formats store them, 32 bits or 64: what is narrower is known at the end.

mod batches;
mod proved;
mod range_reader;
mod sample;
mod tally;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use monitor::{Budget, Bytes, Reservation};

use crate::checkpoints::Checkpoints;
use crate::column::{GrowingDictionary, Presumed};
use crate::column_scan::{ColumnScan, TypeHint};
use crate::dialect::NullValues;
use crate::downcast::{self, Downcast};
use crate::error::Error;
use crate::field_rules::FieldRules;
use crate::layout::Layout;
use crate::rejects::OnBadRecord;
use crate::scan::{ColumnFacts, Opened, Request, Scan, ScanPlan, dictionary_bytes};
use crate::source::{Encoding, Format, Input, OpenFile};
use crate::types::{FixedType, Kind};
use crate::walker::Gait;

pub(crate) use batches::Options;
pub use batches::PresumedBatches;
use sample::Sample;

/// Bytes of the input that a thread makes batches of at a time: so many that threads seldom have to hand one over, or
/// fewer where this share of the budget is less.
const RANGES: std::ops::RangeInclusive<u64> = (128 << 10)..=(3 << 20);
const RANGE_SHARE: u64 = 48;
/// Bytes of a piece that is looked at.
const PIECE: u64 = 128 << 10;
/// An input of fewer pieces is scanned: that takes no time.
const LEAST_PIECES: u64 = 64;
/// Each file stays open.
const MOST_FILES: usize = 64;

/// What the types of an input may be, by what pieces of it hold.
///
/// See [`Loader::presume`](crate::Loader::presume).
pub struct Presumption {
    scan: Arc<Scan>,
    /// What the pieces hold, by column.
    columns: Vec<ColumnScan>,
    /// Where the first record of a range was taken to begin, by the range's number. What the pieces hold is in the input
    /// only if it does.
    firsts: Arc<BTreeMap<u64, u64>>,
    /// Holds the columns.
    _held: Reservation,
    hints: Vec<TypeHint>,
    downcast: Downcast,
    files: Vec<Option<PlainFile>>,
    range: u64,
}

/// A file that can be read at any place.
struct PlainFile {
    /// Knows whether the file has changed since.
    open: OpenFile,
    file: Arc<File>,
    bytes: u64,
    layout: Arc<Layout>,
}

impl Presumption {
    /// What is presumed, as a scan would tell it. How many rows there are is an estimate, and whole numbers are as wide
    /// as they are built.
    pub fn scan(&self) -> &Scan {
        &self.scan
    }

    /// Presumes the types of what is asked for; `None` where a scan is the better way, or the only one. `range`: bytes that
    /// a thread takes at a time, eight times those of a piece, where a test sets them.
    pub(crate) fn new(request: &Request<'_>, range: Option<u64>) -> Result<Option<Presumption>, Error> {
        let piece = range.map_or(PIECE, |range| range.div_ceil(8));
        let share = request.budget.available().get() / RANGE_SHARE;
        let range = range.unwrap_or(share.clamp(*RANGES.start(), *RANGES.end()));
        if request.threads < 2
            || request.on_bad_record != OnBadRecord::Fail
            || request.files.len() > MOST_FILES
            || request.bytes < LEAST_PIECES * piece
        {
            return Ok(None);
        }
        let (opened, plan) = request.open()?;
        let gait = Gait { dialect: opened.dialect.clone(), ..request.gait.clone() };
        // Listed tokens may be values of a type.
        if !gait.has_index() || !matches!(opened.dialect.null_values(), NullValues::Auto) {
            return Ok(None);
        }
        let Some(files) = plain_files(request, &opened)? else { return Ok(None) };
        let plan = Arc::new(plan);
        let Some(sample) = sample::take(&files, &plan, &gait, (range, piece), request)? else {
            return Ok(None);
        };
        let Some(scan) = presumed_scan(request, &opened, &plan, &sample) else {
            return Ok(None);
        };
        Ok(Some(Presumption {
            scan: Arc::new(scan),
            columns: sample.columns,
            firsts: Arc::new(sample.firsts),
            _held: sample.held,
            hints: plan.hints.clone(),
            downcast: request.downcast,
            files,
            range,
        }))
    }

    /// The same, where the columns `texts` have turned out to hold too many texts for a dictionary. `None` if one of them
    /// has to be one.
    fn with_plain_texts(mut self, texts: &[usize]) -> Option<Presumption> {
        let must_be = |column: &usize| self.hints[*column] == TypeHint::Fixed(FixedType::Dictionary);
        if texts.iter().any(must_be) {
            return None;
        }
        let scan = Arc::make_mut(&mut self.scan);
        let mut columns = scan.columns.to_vec();
        for column in texts {
            self.columns[*column].give_up_candidates();
            columns[*column].data_type = DataType::Utf8;
        }
        scan.columns = columns.into();
        scan.schema = schema_of(&scan.columns);
        Some(self)
    }

    /// What builders are told of each column.
    fn presumed(&self, budget: &Budget) -> Result<Vec<Presumed>, Error> {
        let share = dictionary_bytes(self.columns.len());
        let consumer = budget.consumer("dictionary");
        let columns = self.columns.iter().zip(self.scan.columns.iter()).zip(&self.hints);
        let presumed = columns.map(|((column, facts), hint)| {
            let growing = match (&facts.data_type, &column.candidates) {
                (DataType::Dictionary(..), Some(texts)) => {
                    let held = consumer.try_reserve(Bytes::ZERO)?;
                    Some(Arc::new(GrowingDictionary::new(texts, share, held)))
                }
                _ => None,
            };
            let may_round = self.downcast == Downcast::Aggressive || matches!(hint, TypeHint::Fixed(_));
            Ok(Presumed { growing, may_round })
        });
        presumed.collect()
    }
}

impl PlainFile {
    /// Ranges of so many bytes that its records are cut into.
    fn ranges(&self, range: u64) -> u64 {
        self.bytes.saturating_sub(self.layout.before.byte).div_ceil(range)
    }
}

/// The files, opened; `None` if one of them can only be read from front to back.
fn plain_files(request: &Request<'_>, opened: &Opened) -> Result<Option<Vec<Option<PlainFile>>>, Error> {
    let mut files = Vec::with_capacity(request.files.len());
    for (index, source) in request.files.iter().enumerate() {
        let Some(layout) = &opened.layouts[index] else {
            files.push(None);
            continue;
        };
        let mut open = source.open(opened.encodings[index], request.budget, false)?;
        let Input::Plain(file) = open.take_input() else { return Ok(None) };
        let bytes = file.metadata().map_err(Error::io)?.len();
        files.push(Some(PlainFile { open, file, bytes, layout: Arc::clone(layout) }));
    }
    Ok(Some(files))
}

fn schema_of(columns: &[ColumnFacts]) -> Arc<Schema> {
    Arc::new(Schema::new(columns.iter().map(ColumnFacts::field).collect::<Vec<_>>()))
}

/// What a scan would tell, if all of the input were as its pieces; `None` if there is a column that these say too little
/// of.
fn presumed_scan(request: &Request<'_>, opened: &Opened, plan: &ScanPlan, sample: &Sample) -> Option<Scan> {
    let rows = (request.bytes as f64 / sample.row_bytes()) as u64;
    let facts = opened.names.iter().zip(&sample.columns).map(|(name, column)| {
        let mut facts = presumed_facts(name, column, rows, request.downcast, &plan.rules)?;
        if facts.kind == Kind::Text {
            let text = column.text_bytes as f64 / sample.rows as f64 * rows as f64;
            facts.bytes_narrow = text as u64 + 4 * (rows + 1) + rows.div_ceil(8);
        }
        Some(facts)
    });
    let columns: Arc<[ColumnFacts]> = facts.collect::<Option<Vec<_>>>()?.into();
    Some(Scan {
        dialect: opened.dialect.clone(),
        schema: schema_of(&columns),
        columns,
        rows,
        rejected: 0,
        bytes: request.bytes,
        passes: 0,
        prints: opened.prints.clone(),
        encodings: opened.encodings.iter().map(|e| e.unless_auto(Encoding::Utf8)).collect(),
        compressions: opened.compressions.clone(),
        layouts: opened.layouts.clone(),
        checkpoints: Checkpoints::default(),
        first_rows: Vec::new(),
        is_seekable: true,
        formats: vec![Format::Csv; request.files.len()],
        columnar: None,
    })
}

fn is_within_int32((min, max): (i128, i128)) -> bool {
    min >= i32::MIN.into() && max <= i32::MAX.into()
}

fn presumed_facts(
    name: &str,
    column: &ColumnScan,
    rows: u64,
    downcast: Downcast,
    rules: &FieldRules,
) -> Option<ColumnFacts> {
    // Tokens alone, or numbers that only a wider kind could hold together, are text as long as nothing else comes.
    let is_open = column.has_auto_tokens || column.empty_quoted > 0;
    let is_late = column.kind == Kind::Text && !column.text_is_complete();
    // Times of several zones, which are no column of times.
    let is_mixed = column.hint == TypeHint::Fixed(FixedType::Timestamp) && column.kind == Kind::Text;
    let is_other = downcast::kind(column) != column.kind;
    if is_other || (column.kind == Kind::Null && is_open) || is_late || is_mixed {
        return None;
    }
    let mut facts = ColumnFacts::new(name, column, rows, downcast, rules);
    if facts.kind == Kind::Text {
        let is_dictionary = match facts.hint {
            TypeHint::Fixed(FixedType::Dictionary) => true,
            TypeHint::Fixed(FixedType::String) => false,
            _ => downcast != Downcast::None,
        };
        let is_dictionary = is_dictionary && column.candidates.is_some();
        facts.data_type = match is_dictionary {
            true => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            false => DataType::Utf8,
        };
    } else if facts.kind == Kind::Int
        && !matches!(facts.hint, TypeHint::Fixed(_))
        && downcast != Downcast::None
        && facts.int_range.is_some_and(is_within_int32)
    {
        facts.data_type = DataType::Int32;
    }
    facts.dictionary = None;
    // Nulls may come.
    facts.nulls = facts.nulls.max(1);
    Some(facts)
}
