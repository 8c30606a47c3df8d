//! The CSV encoder: a header, then a line a row.

mod calendar;
pub(crate) mod cells;
mod quoting;

use std::io::Write;

use arrow::array::{Array, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use monitor::{Budget, Bytes, Reservation};

use crate::encoder::Encoder;
use crate::error::Error;
use crate::output::{Output, Progress};
use cells::Cells;
use quoting::Quoting;

const DELIMITER: &[u8] = b",";
const LINE_END: &[u8] = b"\n";

/// Writes UTF-8 with commas between fields and a line feed behind each row, such that the loader finds the same values
/// and types in it.
///
/// | value | field |
/// |---|---|
/// | null | nothing |
/// | text | as it is; in quotes, those inside doubled, where it would be read as something else, such as `""` |
/// | integer, bool | digits; `true`, `false` |
/// | float | the shortest decimal that float64 reads as the same value, always with a point or an exponent; `NaN`, `inf` |
/// | date | `2024-02-29` |
/// | timestamp | `2024-02-29T12:00:00.250Z`: as many digits as its unit has, and its offset, if it has a zone |
///
/// Nothing is held back but what the output buffers, and texts go there in one piece or in several, so that no value is
/// too long.
pub(crate) struct CsvEncoder {
    output: Output,
    progress: Progress,
    quoting: Quoting,
    /// A value that is no text.
    scratch: Vec<u8>,
    buffer: Reservation,
}

impl CsvEncoder {
    pub(crate) fn new(output: Output, schema: &SchemaRef, budget: &Budget) -> Result<Self, Error> {
        let progress = output.progress();
        if schema.fields().is_empty() {
            let problem = "a table without columns has no rows in CSV; keep a column".to_owned();
            return Err(progress.encode(ArrowError::InvalidArgumentError(problem)));
        }
        if let Some(field) = schema.fields().iter().find(|field| !cells::is_supported(field.data_type())) {
            let problem = format!(
                "column {:?} has the type {}, which has no form in CSV; cast it first",
                field.name(),
                field.data_type()
            );
            return Err(progress.encode(ArrowError::NotYetImplemented(problem)));
        }
        let buffered = Bytes(output.buffer_bytes() as u64 + output.write_back_bytes());
        let buffer = budget.consumer("CSV buffer").try_reserve(buffered);
        let buffer = buffer.map_err(|refusal| progress.exceeded(refusal))?;
        let quoting = Quoting::of(schema.fields().len());
        let mut encoder = Self { output, progress, quoting, scratch: Vec::new(), buffer };
        encoder.write_header(schema).map_err(|error| encoder.progress.io(error))?;
        Ok(encoder)
    }

    fn write_header(&mut self, schema: &SchemaRef) -> std::io::Result<()> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let quoted = quoting::quoted_names(&names);
        for (index, (name, is_quoted)) in names.iter().zip(quoted).enumerate() {
            if index > 0 {
                self.output.write_all(DELIMITER)?;
            }
            quoting::write(name, is_quoted, &mut self.output)?;
        }
        self.output.write_all(LINE_END)
    }

    fn write_row(&mut self, row: usize, columns: &[(Cells<'_>, Option<NullBuffer>)]) -> Result<(), Error> {
        for (index, (cells, nulls)) in columns.iter().enumerate() {
            if index > 0 {
                self.output.write_all(DELIMITER).map_err(|error| self.progress.io(error))?;
            }
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let done = match cells {
                Cells::Texts(text) => {
                    let text = text(row);
                    quoting::write(text, self.quoting.is_needed(text), &mut self.output)
                }
                Cells::Others(append) => {
                    self.scratch.clear();
                    append(row, &mut self.scratch).map_err(|error| self.progress.encode(error))?;
                    self.output.write_all(&self.scratch)
                }
            };
            done.map_err(|error| self.progress.io(error))?;
        }
        self.output.write_all(LINE_END).map_err(|error| self.progress.io(error))
    }
}

impl Encoder for CsvEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let columns =
            batch.columns().iter().map(|column| (Cells::of(column.as_ref()), column.logical_nulls()));
        let columns: Vec<_> = columns.collect();
        (0..batch.num_rows()).try_for_each(|row| {
            self.write_row(row, &columns)?;
            self.progress.announce(1, self.progress.accepted());
            Ok(())
        })
    }

    fn file_bytes(&mut self) -> Result<u64, Error> {
        Ok(self.progress.accepted())
    }

    fn reserved(&self) -> Bytes {
        self.buffer.bytes()
    }

    fn retype(&mut self, _schema: &SchemaRef) -> bool {
        // A number is the same text in any width, and so is a word in any dictionary.
        true
    }

    fn finish(self: Box<Self>) -> Result<Output, Error> {
        Ok(self.output)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
        Int64Array, StringArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
        UInt64Array,
    };
    use arrow::datatypes::Int8Type;

    use super::*;
    use crate::SinkBuilder;
    use crate::output::BUFFER_BYTES;

    fn written(columns: Vec<(&str, ArrayRef)>) -> Result<String, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let mut sink = SinkBuilder::new(&path).build(batch.schema())?;
        sink.write(&batch)?;
        sink.finish()?;
        Ok(std::fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn values_are_written_as_the_table_says() {
        let words: DictionaryArray<Int8Type> = [Some("a"), None, Some("b,")].into_iter().collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![Some(-7), None, Some(i64::MIN)]))),
            ("u", Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX)]))),
            ("f", Arc::new(Float64Array::from(vec![1.0, -0.0, 1e300]))),
            ("g", Arc::new(Float32Array::from(vec![0.5, f32::NAN, f32::NEG_INFINITY]))),
            ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
            ("d", Arc::new(Date32Array::from(vec![11_016, -719_162, 2_932_896]))),
            ("s", Arc::new(TimestampSecondArray::from(vec![Some(-1), Some(0), None]))),
            (
                "ms",
                Arc::new(TimestampMillisecondArray::from(vec![-1, 0, 250]).with_timezone("UTC")) as ArrayRef,
            ),
            ("ns", Arc::new(TimestampNanosecondArray::from(vec![-1, 0, 1]).with_timezone("-05:30"))),
            ("t", Arc::new(StringArray::from(vec![Some(""), None, Some("say \"hi\"")]))),
            ("w", Arc::new(words)),
        ];
        let expected = "n,u,f,g,b,d,s,ms,ns,t,w\n\
            -7,0,1.0,0.5,true,2000-02-29,1969-12-31T23:59:59,1969-12-31T23:59:59.999Z,\
            1969-12-31T18:29:59.999999999-05:30,\"\",a\n\
            ,,-0.0,NaN,false,0001-01-01,1970-01-01T00:00:00,1970-01-01T00:00:00.000Z,\
            1969-12-31T18:30:00.000000000-05:30,,\n\
            -9223372036854775808,18446744073709551615,1e+300,-inf,,9999-12-31,,1970-01-01T00:00:00.250Z,\
            1969-12-31T18:30:00.000000001-05:30,\"say \"\"hi\"\"\",\"b,\"\n";
        assert_eq!(written(columns).unwrap(), expected);
    }

    #[test]
    fn days_that_have_no_form_and_tables_without_columns_are_told() {
        let column: ArrayRef = Arc::new(Date32Array::from(vec![2_932_897]));
        let error = written(vec![("d", column)]).unwrap_err().to_string();
        assert!(error.contains("the year 10000 is not written in CSV, which has 0001 to 9999"), "{error}");
        let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(3));
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        let batch = RecordBatch::try_new_with_options(schema, Vec::new(), &rows).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let refused = SinkBuilder::new(directory.path().join("out.csv")).build(batch.schema()).err().unwrap();
        assert!(refused.to_string().contains("a table without columns has no rows in CSV"), "{refused}");
    }

    #[test]
    fn abuffer_is_paid_for() {
        let budget = Budget::new(Bytes::kib(200));
        let schema = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1])) as ArrayRef)])
            .unwrap()
            .schema();
        let output = || Output::stream(std::path::Path::new("-"), Box::new(std::io::sink()));
        let encoder = CsvEncoder::new(output(), &schema, &budget).unwrap();
        assert_eq!(budget.reserved(), Bytes::from(BUFFER_BYTES));
        assert!(CsvEncoder::new(output(), &schema, &budget).is_err());
        drop(encoder);
        assert_eq!(budget.reserved(), Bytes::ZERO);
    }
}
