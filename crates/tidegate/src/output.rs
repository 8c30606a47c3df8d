//! Where rows go: a target that is checked before the work, and a sink that counts what it is given.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use monitor::Tag;
use sink::{Compression, Format, Sink, SinkBuilder, Written};

use crate::args;
use crate::encoders::Encoders;
use crate::failure::Failure;
use crate::settings::Division;
use crate::written_files;

/// Under which key a file says where its columns come from.
const LINEAGE: &str = "tidegate.lineage";

/// A target that can be written, as far as can be known beforehand.
pub(crate) struct Target {
    builder: SinkBuilder,
    path: PathBuf,
    /// Whether the types of columns may change before the end, or are not written at all.
    pub(crate) has_types_at_end: bool,
}

impl Target {
    pub(crate) fn check(output: &args::Output) -> Result<Target, Failure> {
        let mut builder = SinkBuilder::new(&output.output).with_overwrite(output.overwrite);
        let division = Division::check(output)?;
        if let Some(rows) = division.split_rows {
            builder = builder.with_split_rows(rows);
        }
        if let Some(bytes) = division.split_bytes {
            builder = builder.with_split_bytes(bytes);
        }
        if let Some(column) = division.partition_by {
            builder = builder.with_partition_by(column);
        }
        if let Some(text) = &output.compression {
            let compression: Compression = text.parse().map_err(Failure::Sink)?;
            builder = builder.with_compression(compression);
        }
        if output.output == Path::new("-") {
            builder = builder.with_stream(Box::new(io::stdout()));
        }
        let format = builder.check()?;
        let is_one =
            division.split_rows.is_none() && division.split_bytes.is_none() && output.partition_by.is_none();
        Ok(Target {
            builder,
            path: output.output.clone(),
            has_types_at_end: is_one && matches!(format, Format::Parquet | Format::Csv),
        })
    }

    /// The target of the test rows, whose file is `path`, beside that of the others.
    pub(crate) fn check_test(path: &Path, output: &args::Output) -> Result<Target, Failure> {
        written_files::check_folder("--test-output", path)?;
        let several = [
            ("--split-rows", output.split_rows.is_some()),
            ("--split-bytes", output.split_bytes.is_some()),
            ("--partition-by", output.partition_by.is_some()),
        ];
        if let Some((flag, _)) = several.iter().find(|(_, given)| *given) {
            let message = format!("{flag} and --test-output do not go together; leave one out");
            return Err(Failure::Usage(message));
        }
        let mut builder = SinkBuilder::new(path).with_overwrite(output.overwrite);
        if let Some(text) = &output.compression {
            builder = builder.with_compression(text.parse().map_err(Failure::Sink)?);
        }
        builder.check()?;
        Ok(Target { builder, path: path.to_owned(), has_types_at_end: false })
    }

    /// Writes where the output's columns come from with them.
    pub(crate) fn with_lineage(self, lineage: &str) -> Target {
        Target { builder: self.builder.with_metadata(LINEAGE, lineage), ..self }
    }

    /// Says about how many rows will come.
    pub(crate) fn with_expected_rows(self, rows: u64) -> Target {
        Target { builder: self.builder.with_expected_rows(rows), ..self }
    }

    /// Begins to write rows of `schema`. `float32`: which float64 columns, by place, are stored as float32.
    pub(crate) fn open(
        self,
        schema: &SchemaRef,
        encoders: &Encoders,
        float32: impl Fn(usize) -> bool,
    ) -> Result<Output, Failure> {
        let fields = schema.fields().iter().enumerate().map(|(place, field)| match field.data_type() {
            DataType::Float64 if float32(place) => {
                Arc::new(Field::new(field.name(), DataType::Float32, field.is_nullable()))
            }
            _ => Arc::clone(field),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let Encoders { monitor, threads, helpers } = encoders.clone();
        let sink = self
            .builder
            .with_monitor(monitor)
            .with_threads(threads)
            .with_helpers(helpers)
            .build(Arc::clone(&schema))?;
        Ok(Output { sink, nulls: vec![0; schema.fields().len()], schema, path: self.path })
    }
}

/// What is allocated while a batch is written is counted by this tag, where the allocator counts.
pub(crate) const SINK: &str = "sink";

/// An output that is being written.
pub(crate) struct Output {
    sink: Box<dyn Sink>,
    schema: SchemaRef,
    nulls: Vec<u64>,
    path: PathBuf,
}

impl Output {
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let _under = Tag::new(SINK).enter();
        for (nulls, column) in self.nulls.iter_mut().zip(batch.columns()) {
            *nulls += column.logical_null_count() as u64;
        }
        if batch.schema_ref() == &self.schema {
            return Ok(self.sink.write(batch)?);
        }
        let columns = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                as_float32(column, field.name())
            }
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
        let count = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &count);
        let batch = batch.map_err(internal)?;
        Ok(self.sink.write(&batch)?)
    }

    /// Takes the types that the columns have come to.
    pub(crate) fn prove(&mut self, schema: &SchemaRef) {
        self.schema = Arc::clone(schema);
    }

    /// Writes the rest, and makes the file visible; if there is an output of test rows, both when both are whole.
    pub(crate) fn finish(mut self, test: Option<Output>) -> Result<Finished, Failure> {
        let mut test_file = None;
        if let Some(test) = test {
            self.nulls.iter_mut().zip(&test.nulls).for_each(|(nulls, more)| *nulls += more);
            test_file = Some((test.sink.settle()?, test.path));
        }
        let settled = self.sink.settle_as(&self.schema)?;
        let test = test_file.map(|(test, path)| Ok::<_, Failure>((test.publish()?, path))).transpose()?;
        let written = settled.publish()?;
        Ok(Finished { written, schema: self.schema, nulls: self.nulls, path: self.path, test })
    }
}

/// An output that is whole.
pub(crate) struct Finished {
    pub(crate) written: Written,
    pub(crate) schema: SchemaRef,
    /// Nulls written, by column.
    pub(crate) nulls: Vec<u64>,
    pub(crate) path: PathBuf,
    /// The file of the test rows.
    pub(crate) test: Option<(Written, PathBuf)>,
}

impl Finished {
    pub(crate) fn is_stdout(&self) -> bool {
        self.path == Path::new("-")
    }
}

fn internal(error: arrow::error::ArrowError) -> Failure {
    Failure::Io { path: PathBuf::from("output"), doing: "put together", error: io::Error::other(error) }
}

/// The nearest float32 values. A value beyond their range would become infinite, which is another value.
fn as_float32(column: &ArrayRef, name: &str) -> Result<ArrayRef, Failure> {
    let wide = column.as_primitive::<Float64Type>();
    let narrow = cast(column, &DataType::Float32).map_err(internal)?;
    let lost = wide.iter().zip(narrow.as_primitive::<Float32Type>()).find_map(|(wide, narrow)| {
        match (wide, narrow) {
            (Some(wide), Some(narrow)) if wide.is_finite() && !narrow.is_finite() => Some(wide),
            _ => None,
        }
    });
    match lost {
        None => Ok(narrow),
        Some(value) => Err(Failure::Data(format!(
            "column \"{name}\": found {value:e}, expected a value that float32 can hold; use --downcast safe"
        ))),
    }
}
