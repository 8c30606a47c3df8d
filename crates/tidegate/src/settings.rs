//! Checked arguments: what the raw flags mean, or why they mean nothing.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use adaptive::BatchRows;
use chunked_loader::{
    Dialect, Downcast, Encoding, FixedType, Format, MAX_RECORD_BYTES, NullValues, Source, TypeHint,
};
use monitor::{Bytes, Limits};

use crate::args::{DowncastArg, Input, OnBadRow, Output, ProgressArg, Run, SizingArg};
use crate::failure::Failure;
use crate::metrics;

/// How the work is done and watched.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) memory: Bytes,
    pub(crate) threads: usize,
    pub(crate) sizing: SizeBy,
    pub(crate) downcast: Downcast,
    pub(crate) progress: ProgressArg,
    pub(crate) summary: Option<PathBuf>,
    pub(crate) metrics: Option<PathBuf>,
    pub(crate) metrics_listen: Option<SocketAddr>,
}

/// What decides how many rows a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeBy {
    Auto,
    Step,
    Aimd,
    Fixed(NonZeroUsize),
}

/// How many rejected records are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MaxRejects {
    Records(u64),
    Percent(f64),
}

impl MaxRejects {
    /// Whether `rejected` of `records` are too many.
    pub(crate) fn is_exceeded(self, rejected: u64, records: u64) -> bool {
        match self {
            MaxRejects::Records(most) => rejected > most,
            MaxRejects::Percent(most) => rejected as f64 * 100.0 > most * records as f64,
        }
    }
}

/// Far beyond what any job gains from, and few enough for every system to start.
const MOST_THREADS: usize = 1024;

impl Settings {
    /// Checks the flags of a run. `limits` decide the budget where none is given.
    pub(crate) fn check(run: &Run, limits: &Limits) -> Result<Settings, Failure> {
        let not_built = [("--report", run.report.is_some()), ("--resume", run.resume)];
        if let Some((flag, _)) = not_built.iter().find(|(_, given)| *given) {
            return Err(Failure::NotBuilt((*flag).to_owned()));
        }
        let memory = memory(run.memory.as_deref(), limits)?;
        let threads = match run.threads {
            Some(0) => return Err(Failure::Usage("--threads 0: expected at least 1".into())),
            Some(threads) if threads > MOST_THREADS => {
                return Err(Failure::Usage(format!("--threads {threads}: expected at most {MOST_THREADS}")));
            }
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let batch_rows = match &run.batch_rows {
            None => BatchRows::Auto,
            Some(text) => parse_batch_rows(text)?,
        };
        let downcast = match run.downcast {
            DowncastArg::None => Downcast::None,
            DowncastArg::Safe => Downcast::Safe,
            DowncastArg::Aggressive => Downcast::Aggressive,
        };
        Ok(Settings {
            memory,
            threads,
            sizing: size_by(run.sizing, batch_rows)?,
            downcast,
            progress: run.progress,
            summary: run.summary.clone(),
            metrics: run.metrics.clone(),
            metrics_listen: run.metrics_listen.as_deref().map(metrics::parse_address).transpose()?,
        })
    }
}

/// What `--sizing` and `--batch-rows` mean together.
pub(crate) fn size_by(sizing: Option<SizingArg>, batch_rows: BatchRows) -> Result<SizeBy, Failure> {
    match (sizing, batch_rows) {
        (None | Some(SizingArg::Fixed), BatchRows::Rows(rows)) => Ok(SizeBy::Fixed(rows)),
        (Some(SizingArg::Fixed), BatchRows::Auto) => {
            Err(Failure::Usage("--sizing fixed needs --batch-rows N".into()))
        }
        (Some(sizing), BatchRows::Rows(rows)) => Err(Failure::Usage(format!(
            "--sizing {} decides how many rows a batch has, and --batch-rows {rows} says so too; leave one of them out",
            sizing.name()
        ))),
        (None | Some(SizingArg::Auto), BatchRows::Auto) => Ok(SizeBy::Auto),
        (Some(SizingArg::Step), BatchRows::Auto) => Ok(SizeBy::Step),
        (Some(SizingArg::Aimd), BatchRows::Auto) => Ok(SizeBy::Aimd),
    }
}

/// The budget, which `limits` decide where none is given.
pub(crate) fn memory(given: Option<&str>, limits: &Limits) -> Result<Bytes, Failure> {
    match given {
        None => Ok(monitor::default_budget(limits)),
        Some(text) => text.parse().map_err(|e| Failure::Usage(format!("--memory {text}: {e}"))),
    }
}

/// One batch size.
pub(crate) fn parse_batch_rows(text: &str) -> Result<BatchRows, Failure> {
    text.parse().map_err(|e| Failure::Usage(format!("--batch-rows {text}: {e}")))
}

/// How the output's rows are brought to several files, if they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Division {
    pub(crate) split_rows: Option<u64>,
    pub(crate) split_bytes: Option<Bytes>,
    pub(crate) partition_by: Option<String>,
}

impl Division {
    pub(crate) fn check(output: &Output) -> Result<Division, Failure> {
        let wrong = |flag: &str, text: &str, why: &str| Failure::Usage(format!("{flag} {text}: {why}"));
        let split_rows = match &output.split_rows {
            None => None,
            Some(text) => match text.parse() {
                Ok(BatchRows::Rows(rows)) => Some(rows.get() as u64),
                _ => return Err(wrong("--split-rows", text, "expected a number of rows, such as 1000k")),
            },
        };
        let split_bytes = match &output.split_bytes {
            None => None,
            Some(text) => match text.parse() {
                Ok(Bytes::ZERO) => return Err(wrong("--split-bytes", text, "expected at least 1 B")),
                Ok(bytes) => Some(bytes),
                Err(error) => {
                    let error: monitor::ParseBytesError = error;
                    return Err(wrong("--split-bytes", text, &error.to_string()));
                }
            },
        };
        let given = [
            ("--split-rows", split_rows.is_some()),
            ("--split-bytes", split_bytes.is_some()),
            ("--partition-by", output.partition_by.is_some()),
        ];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
            if output.output == Path::new("-") {
                let message = format!("{flag} makes several files, and -o - is one stream; give -o a name");
                return Err(Failure::Usage(message));
            }
            if output.partition_by.is_some() && *flag != "--partition-by" {
                let message = format!("{flag} and --partition-by do not go together; leave one out");
                return Err(Failure::Usage(message));
            }
        }
        Ok(Division { split_rows, split_bytes, partition_by: output.partition_by.clone() })
    }
}

/// The dialect that the flags describe.
pub(crate) fn dialect(input: &Input) -> Result<Dialect, Failure> {
    let mut dialect = Dialect::default()
        .with_header(!input.no_header)
        .with_escape(optional_byte("--escape", input.escape.as_deref())?)
        .with_comment(optional_byte("--comment", input.comment.as_deref())?)
        .with_thousands(optional_byte("--thousands", input.thousands.as_deref())?)
        .with_null_values(match input.null_values.as_str() {
            "auto" => NullValues::Auto,
            list => NullValues::Listed(list.split(',').map(str::to_owned).collect()),
        });
    if let Some(text) = &input.delimiter {
        dialect = dialect.with_delimiter(byte("--delimiter", text)?);
    }
    if input.quote.is_some() {
        dialect = dialect.with_quote(optional_byte("--quote", input.quote.as_deref())?);
    }
    if let Some(lines) = input.skip_rows {
        dialect = dialect.with_skip_lines(lines);
    }
    if let Some(text) = &input.decimal {
        dialect = dialect.with_decimal(byte("--decimal", text)?);
    }
    dialect.validate().map_err(|e| Failure::Usage(e.to_string()))?;
    Ok(dialect)
}

/// Refuses flags that say how text is read where the input is none.
pub(crate) fn check_format(input: &Input, source: &Source) -> Result<(), Failure> {
    let given = [
        ("--delimiter", input.delimiter.is_some()),
        ("--quote", input.quote.is_some()),
        ("--escape", input.escape.is_some()),
        ("--comment", input.comment.is_some()),
        ("--no-header", input.no_header),
        ("--skip-rows", input.skip_rows.is_some()),
        ("--null-values", input.null_values != "auto"),
        ("--encoding", input.encoding.is_some()),
        ("--decimal", input.decimal.is_some()),
        ("--thousands", input.thousands.is_some()),
        ("--max-record-bytes", input.max_record_bytes != "16MiB"),
        ("--on-bad-row", input.on_bad_row != OnBadRow::Fail),
    ];
    let Some((flag, _)) = given.iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
    let formats = source.formats()?;
    let other = source.names().into_iter().zip(formats).find(|(_, format)| *format != Format::Csv);
    match other {
        Some((name, format)) => {
            Err(Failure::Usage(format!("{flag} is for CSV, and {name} is {format}; leave it out")))
        }
        None => Ok(()),
    }
}

/// The encoding that the flags name.
pub(crate) fn encoding(input: &Input) -> Result<Encoding, Failure> {
    let Some(name) = &input.encoding else { return Ok(Encoding::Auto) };
    name.parse().map_err(|e| Failure::Usage(format!("--encoding {name}: {e}")))
}

/// How long a record may be.
pub(crate) fn max_record_bytes(input: &Input) -> Result<usize, Failure> {
    let text = &input.max_record_bytes;
    let wrong = |why: String| Failure::Usage(format!("--max-record-bytes {text}: {why}"));
    let bytes: Bytes = text.parse().map_err(|e: monitor::ParseBytesError| wrong(e.to_string()))?;
    match usize::try_from(bytes.get()) {
        Ok(bytes) if (1..=MAX_RECORD_BYTES).contains(&bytes) => Ok(bytes),
        _ => Err(wrong(format!("expected 1 B to {}", Bytes::from(MAX_RECORD_BYTES)))),
    }
}

/// An empty text or `none` stands for no such character.
fn optional_byte(flag: &str, text: Option<&str>) -> Result<Option<u8>, Failure> {
    match text {
        None | Some("" | "none") => Ok(None),
        Some(text) => byte(flag, text).map(Some),
    }
}

fn byte(flag: &str, text: &str) -> Result<u8, Failure> {
    match (text, text.as_bytes()) {
        (_, [byte]) if byte.is_ascii() => Ok(*byte),
        ("\\t" | "tab", _) => Ok(b'\t'),
        ("space", _) => Ok(b' '),
        ("\\\\", _) => Ok(b'\\'),
        _ => Err(Failure::Usage(format!("{flag} {text}: expected one ASCII character, or \\t for a tab"))),
    }
}

/// The types that `--types` fixes.
pub(crate) fn type_hints(input: &Input) -> Result<Vec<(String, TypeHint)>, Failure> {
    let Some(text) = &input.types else { return Ok(Vec::new()) };
    let pairs = text.split(',').map(|pair| {
        // From the right, since a name may hold an equals sign and a type never does.
        let (name, type_name) = pair
            .rsplit_once('=')
            .ok_or_else(|| Failure::Usage(format!("--types {pair}: expected NAME=TYPE")))?;
        let fixed: FixedType =
            type_name.parse().map_err(|e| Failure::Usage(format!("--types {pair}: {e}")))?;
        Ok((name.to_owned(), TypeHint::Fixed(fixed)))
    });
    let hints: Vec<(String, TypeHint)> = pairs.collect::<Result<_, Failure>>()?;
    for (i, (name, _)) in hints.iter().enumerate() {
        if hints[..i].iter().any(|(before, _)| before == name) {
            return Err(Failure::Usage(format!("--types names the column {name} twice; give it one type")));
        }
    }
    Ok(hints)
}

/// The limit that `--max-rejects` sets.
pub(crate) fn max_rejects(input: &Input) -> Result<Option<MaxRejects>, Failure> {
    let Some(text) = &input.max_rejects else { return Ok(None) };
    let wrong = || {
        Failure::Usage(format!("--max-rejects {text}: expected a number of records, or a share such as 2%"))
    };
    let limit = match text.strip_suffix('%') {
        Some(percent) => {
            MaxRejects::Percent(percent.parse().ok().filter(|p| (0.0..=100.0).contains(p)).ok_or_else(wrong)?)
        }
        None => MaxRejects::Records(text.parse().map_err(|_| wrong())?),
    };
    if input.on_bad_row == OnBadRow::Fail {
        return Err(Failure::Usage("--max-rejects needs --on-bad-row skip or quarantine".into()));
    }
    Ok(Some(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_named() {
        assert_eq!(byte("--delimiter", "\\t").ok(), Some(b'\t'));
        assert_eq!(byte("--delimiter", "\u{1}").ok(), Some(1));
        assert!(byte("--delimiter", "é").is_err());
        assert!(byte("--delimiter", "::").is_err());
        assert_eq!(optional_byte("--quote", Some("")).ok(), Some(None));
    }

    #[test]
    fn a_share_of_rejects_is_of_all_records() {
        assert!(MaxRejects::Percent(1.0).is_exceeded(2, 100));
        assert!(!MaxRejects::Percent(1.0).is_exceeded(1, 100));
        assert!(MaxRejects::Records(2).is_exceeded(3, 1000));
    }
}
