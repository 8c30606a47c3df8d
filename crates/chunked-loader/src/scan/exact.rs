//! The scan from its first look at the files to the facts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::datatypes::Schema;
use monitor::{Budget, Bytes};

use super::pass::{OnReject, Pass, PassError, Passed};
use super::scanner::ScanPlan;
use super::{ColumnFacts, Scan};
use crate::column_scan::{ColumnScan, TypeHint};
use crate::dialect::Dialect;
use crate::downcast::{self, Downcast};
use crate::error::{Error, ErrorKind, Malformed};
use crate::field_rules::FieldRules;
use crate::layout::{Layout, Layouts};
use crate::position::Position;
use crate::preface::{self, Preface};
use crate::progress::{Meter, OnProgress};
use crate::record::{Flow, Record, RecordSink};
use crate::rejects::OnBadRecord;
use crate::source::{Encoding, Fingerprint, Format, Input, SourceFile};
use crate::types::{FixedType, Kind};
use crate::walker::{Gait, Step, Walker};
use crate::window::Window;

/// What is to be scanned, and how.
pub(crate) struct Request<'a> {
    pub(crate) files: &'a [SourceFile],
    pub(crate) bytes: u64,
    pub(crate) encoding: Encoding,
    /// How records are gone through; what is open in its dialect is found by looking.
    pub(crate) gait: Gait,
    pub(crate) hints: &'a [(String, TypeHint)],
    pub(crate) downcast: Downcast,
    pub(crate) on_bad_record: OnBadRecord,
    pub(crate) threads: usize,
    pub(crate) range: u64,
    pub(crate) budget: &'a Budget,
    pub(crate) on_progress: Option<OnProgress>,
}

/// Bytes that the different texts of all columns may take together, so that the choice of dictionaries
/// depends on the input alone and never on the budget.
const DICTIONARY_BYTES: usize = 8 << 20;
/// What one column may take of it, at the least and at the most.
const DICTIONARY_BYTES_A_COLUMN: (usize, usize) = (256, 1 << 20);

/// What the first look at the files has found.
pub(crate) struct Opened {
    pub(crate) dialect: Dialect,
    pub(crate) names: Vec<String>,
    pub(crate) layouts: Vec<Option<Arc<Layout>>>,
    pub(crate) prints: Vec<Fingerprint>,
    /// What each file says of its encoding by a mark, or the user.
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) compressions: Vec<Option<&'static str>>,
}

impl Request<'_> {
    /// Scans, and hands rejected records to `on_reject`.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub(crate) fn scan(&self, on_reject: OnReject<'_>) -> Result<Scan, Error> {
        self.gait.dialect.validate()?;
        let mut encodings = vec![self.encoding; self.files.len()];
        let mut threads = self.threads;
        let mut reported = 0;
        loop {
            // What was handed over before the scan began again is not handed over again.
            let mut seen = 0u64;
            let result = self.scan_in(&encodings, threads, &mut |reject| {
                seen += 1;
                if seen > reported { on_reject(reject) } else { Ok(()) }
            });
            match result {
                Err(failed) if failed.is_another_encoding() => {
                    encodings[failed.file] = Encoding::Windows1252;
                    reported = reported.max(seen);
                }
                // Each thread keeps the different texts of all columns; one alone may have room for them.
                Err(failed) if threads > 1 && matches!(failed.error.kind(), ErrorKind::Budget(_)) => {
                    threads = 1;
                    reported = reported.max(seen);
                }
                Err(failed) => return Err(failed.error),
                Ok(scan) => return Ok(scan),
            }
        }
    }

    fn scan_in(
        &self,
        encodings: &[Encoding],
        threads: usize,
        on_reject: OnReject<'_>,
    ) -> Result<Scan, PassError> {
        let opened = self.look(encodings)?;
        let gait = Gait { dialect: opened.dialect.clone(), ..self.gait.clone() };
        let first = |error: Error| PassError::of_file(0, self.files.first(), error);
        let plan = self.plan(&opened).map_err(first)?;
        let share = dictionary_bytes(opened.names.len());
        let columns = plan.hints.iter().map(|hint| Some(ColumnScan::new(*hint, share))).collect();
        // The zone of a timestamp column that is told to be one is that of its first value, so order matters.
        let ordered = plan.hints.contains(&TypeHint::Fixed(FixedType::Timestamp));
        let pass = Pass {
            plan: Arc::new(plan),
            files: self.files,
            encodings: &opened.encodings,
            prints: &opened.prints,
            layouts: &opened.layouts,
            gait: &gait,
            threads: if ordered { 1 } else { threads },
            range: self.range,
            budget: self.budget,
        };
        let mut meter = Meter::new(self.bytes, self.on_progress.clone());
        let mut passed = pass.run(columns, &mut meter, on_reject)?;
        let late: Vec<bool> = passed.columns.iter().map(|c| c.as_ref().is_some_and(is_late_text)).collect();
        let is_repeated = late.contains(&true);
        if is_repeated {
            let again = passed.columns.iter().zip(&late).map(|(column, is_late)| {
                let hint = column.as_ref()?.hint;
                // Fixed columns stay, so that the same records are rejected.
                match hint {
                    _ if *is_late => Some(ColumnScan::new(TypeHint::Text, share)),
                    TypeHint::Fixed(_) => Some(ColumnScan::new(hint, share)),
                    _ => None,
                }
            });
            let mut meter = Meter::new(self.bytes, self.on_progress.clone());
            let again = pass.run(again.collect(), &mut meter, &mut |_| Ok(()))?;
            for ((column, again), is_late) in passed.columns.iter_mut().zip(again.columns).zip(&late) {
                if let (Some(column), Some(again), true) = (column, again, is_late) {
                    column.take_texts(again);
                }
            }
        }
        for column in passed.columns.iter_mut().flatten().filter(|c| downcast::kind(c) == Kind::Text) {
            column.settle_as_text(&pass.plan.rules.nulls);
        }
        let scan = self.facts(&pass, &opened, passed, is_repeated).map_err(first)?;
        Ok(scan)
    }

    /// Looks at the beginning of all files, and says what a pass over them goes by.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub(crate) fn open(&self) -> Result<(Opened, ScanPlan), Error> {
        self.gait.dialect.validate()?;
        let opened = self.look(&vec![self.encoding; self.files.len()]).map_err(|failed| failed.error)?;
        let plan = self.plan(&opened)?;
        Ok((opened, plan))
    }

    fn plan(&self, opened: &Opened) -> Result<ScanPlan, Error> {
        let in_file = |error: Error| PassError::of_file(0, self.files.first(), error).error;
        Ok(ScanPlan {
            names: opened.names.clone(),
            rules: FieldRules::new(&opened.dialect),
            on_bad_record: self.on_bad_record,
            hints: self.hints_of(&opened.names).map_err(in_file)?,
        })
    }

    /// Looks at the beginning of all files.
    fn look(&self, told: &[Encoding]) -> Result<Opened, PassError> {
        let mut dialect = self.gait.dialect.clone();
        let (mut prints, mut encodings) = (Vec::new(), Vec::new());
        let mut compressions = Vec::new();
        let mut layouts = Layouts::new(dialect.header());
        for (index, file) in self.files.iter().enumerate() {
            let mut look = || -> Result<Option<Preface>, Error> {
                let mut open = file.open(told[index], self.budget, false)?;
                let held = self.budget.consumer("block").try_reserve(Bytes::ZERO)?;
                let mut window = Window::new(held);
                prints.push(open.fingerprint.clone());
                compressions.push(open.compression);
                // Without a mark, only the whole file can tell.
                let is_open =
                    told[index] == Encoding::Auto && open.encoding == Encoding::Utf8 && open.mark == 0;
                encodings.push(if is_open { Encoding::Auto } else { open.encoding });
                window.begin(open.take_input(), open.mark);
                if index == 0 {
                    window.want(preface::HEAD_BYTES)?;
                    // One byte more tells whether that was all.
                    window.want(window.len() + 1)?;
                    let is_whole = window.is_last();
                    let head = window.bytes(window.len().min(preface::HEAD_BYTES));
                    dialect = dialect.settled(head, is_whole);
                    dialect.validate()?;
                }
                preface::read(&mut window, open.mark, &dialect, self.gait.max_record_bytes)
            };
            let preface = look();
            // A mark decides, as much in the header as in the records.
            let is_open = encodings.get(index) == Some(&Encoding::Auto);
            let preface = preface
                .map_err(|error| PassError { is_open, ..PassError::of_file(index, Some(file), error) })?;
            layouts.add(preface);
        }
        let (names, layouts) = layouts.finish();
        if names.is_empty() {
            return Err(PassError::of_file(0, self.files.first(), Error::new(ErrorKind::Empty)));
        }
        Ok(Opened { dialect, names, layouts, prints, encodings, compressions })
    }

    /// The hint of each column; the last one for a name holds.
    pub(crate) fn hints_of(&self, names: &[String]) -> Result<Vec<TypeHint>, Error> {
        let places: HashMap<&str, usize> =
            names.iter().enumerate().map(|(column, name)| (name.as_str(), column)).collect();
        let mut hints = vec![TypeHint::default(); names.len()];
        for (name, hint) in self.hints {
            let Some(column) = places.get(name.as_str()) else {
                return Err(Error::new(ErrorKind::UnknownColumn { known: names.to_vec() }).in_column(name));
            };
            hints[*column] = *hint;
        }
        Ok(hints)
    }

    /// The facts of all columns, and the schema.
    fn facts(
        &self,
        pass: &Pass<'_>,
        opened: &Opened,
        passed: Passed,
        is_repeated: bool,
    ) -> Result<Scan, Error> {
        for (name, column) in opened.names.iter().zip(passed.columns.iter().flatten()) {
            if column.hint == TypeHint::Fixed(FixedType::Timestamp) && downcast::kind(column) == Kind::Text {
                return Err(no_timestamp_unit(name));
            }
        }
        let mut columns = Vec::with_capacity(opened.names.len());
        // Many columns become text in one record, as a rule the first.
        let mut located: HashMap<(usize, u64), Position> = HashMap::new();
        for (name, column) in opened.names.iter().zip(passed.columns.iter().flatten()) {
            let mut facts = ColumnFacts::new(name, column, passed.rows, self.downcast, &pass.plan.rules);
            if let Some(witness) = &mut facts.text_witness {
                witness.position = match located.entry((witness.file, witness.position.byte)) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(place) => {
                        *place.insert(locate(pass, &passed, witness.file, witness.position)?)
                    }
                };
            }
            columns.push(facts);
        }
        let schema = Arc::new(Schema::new(columns.iter().map(ColumnFacts::field).collect::<Vec<_>>()));
        Ok(Scan {
            dialect: opened.dialect.clone(),
            columns: columns.into(),
            rows: passed.rows,
            rejected: passed.rejected,
            bytes: self.bytes,
            schema,
            passes: 1 + usize::from(is_repeated),
            prints: opened.prints.clone(),
            // What has been read to its end without a bad byte is UTF-8.
            encodings: opened.encodings.iter().map(|e| e.unless_auto(Encoding::Utf8)).collect(),
            compressions: opened.compressions.clone(),
            first_rows: passed.first_rows,
            layouts: opened.layouts.clone(),
            checkpoints: passed.checkpoints,
            is_seekable: passed.is_seekable,
            formats: vec![Format::Csv; self.files.len()],
            columnar: None,
        })
    }
}

/// A column that is told to be timestamps holds such that do not go together.
pub(crate) fn no_timestamp_unit(column: &str) -> Error {
    let message = "no unit of 64 bits holds both its fractions and its years; read it as string";
    Error::new(ErrorKind::Option(message.to_owned())).in_column(column)
}

/// What the different texts of one of so many columns may take.
pub(crate) fn dictionary_bytes(columns: usize) -> usize {
    let (least, most) = DICTIONARY_BYTES_A_COLUMN;
    (DICTIONARY_BYTES / columns.max(1)).clamp(least, most)
}

impl PassError {
    fn of_file(file: usize, source: Option<&SourceFile>, error: Error) -> PassError {
        let error = match source {
            Some(source) => error.in_file(&source.name),
            None => error,
        };
        PassError { file, error, is_open: false }
    }

    /// Whether a file that says nothing of its encoding has turned out not to be UTF-8.
    fn is_another_encoding(&self) -> bool {
        let kind = self.error.kind();
        self.is_open && matches!(kind, ErrorKind::Malformed(Malformed::InvalidUtf8 { .. }))
    }
}

/// Whether a column came to text when values of it had already been seen as something else.
fn is_late_text(column: &ColumnScan) -> bool {
    downcast::kind(column) == Kind::Text && !column.text_is_complete()
}

/// The line and record of a record that begins at a byte: what several threads have scanned knows its byte only.
fn locate(pass: &Pass<'_>, passed: &Passed, file: usize, found: Position) -> Result<Position, Error> {
    let Some(layout) = &pass.layouts[file] else { return Ok(found) };
    let mut open = pass.files[file].open(pass.encodings[file], pass.budget, false)?;
    let Input::Plain(input) = open.take_input() else { return Ok(found) };
    if pass.threads < 2 {
        return Ok(found);
    }
    let before = passed.checkpoints.before_byte(file, found.byte).map_or(layout.before, |c| c.before);
    let mut walker = Walker::new(pass.gait, &pass.budget.consumer("block"))?;
    walker.begin(Input::Plain(input), layout.columns.len(), before, u64::MAX);
    let mut search = Search { byte: found.byte, found: None };
    while search.found.is_none() {
        match walker.step()? {
            Step::End => break,
            Step::Irregular => walker.read_irregular(&mut search)?,
            Step::Block => {
                let rows = walker.block().rows();
                let last = walker.place(rows - 1);
                if last.byte < found.byte {
                    walker.take(rows);
                } else {
                    walker.distrust();
                }
            }
        }
    }
    Ok(search.found.unwrap_or(found))
}

/// Looks for the record that begins at a byte.
struct Search {
    byte: u64,
    found: Option<Position>,
}

impl Search {
    fn look(&mut self, position: Position) -> Result<Flow, Error> {
        if position.byte < self.byte {
            return Ok(Flow::Continue);
        }
        self.found = Some(position);
        Ok(Flow::Stop)
    }
}

impl RecordSink for Search {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        self.look(record.position)
    }

    fn malformed(&mut self, _: Malformed, position: Position, _: &[u8]) -> Result<Flow, Error> {
        self.look(position)
    }
}
