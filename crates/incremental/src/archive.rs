//! A pipeline's file: one line that says what it is, with a checksum, then JSON that a person can read.
//!
//! Floats are written with the fewest digits that read back to the same bits, so a pipeline read from its
//! file computes the same as the one that was fitted. The same pipeline gives the same bytes.

use std::sync::Arc;

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::pipeline::{Pipeline, PipelineStep};
use crate::steps;

const MAGIC: &str = "tidegate-pipeline";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    input: Vec<Input>,
    steps: Vec<Learnt>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    kind: ValueKind,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Learnt {
    r#use: String,
    columns: Vec<String>,
    learnt: serde_json::Value,
}

fn archive_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Archive { message: message.into() })
}

impl Pipeline {
    /// The pipeline's file.
    ///
    /// # Errors
    /// A learnt value that JSON cannot hold, which is a defect.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let input = self.input.iter().map(|c| Input { name: c.name.clone(), kind: c.kind });
        let steps = self.steps.iter().map(|step| {
            let learnt = step.fitted.encode()?;
            Ok(Learnt { r#use: step.name.to_owned(), columns: step.inputs.clone(), learnt })
        });
        let body = Body { input: input.collect(), steps: steps.collect::<Result<_, Error>>()? };
        let mut json = serde_json::to_string_pretty(&body).map_err(|e| archive_error(e.to_string()))?;
        json.push('\n');
        let checksum = crc32fast::hash(json.as_bytes());
        Ok(format!("{MAGIC} {VERSION} crc32:{checksum:08x}\n{json}").into_bytes())
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Archive`] for another kind of file, another version, or a damaged file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Pipeline, Error> {
        let no_pipeline = || archive_error("is no pipeline; give a file that `tidegate fit` has written");
        let rest = bytes.strip_prefix(MAGIC.as_bytes()).and_then(|rest| rest.strip_prefix(b" "));
        let rest = rest.ok_or_else(no_pipeline)?;
        let damaged = || archive_error("is damaged: its checksum does not match; restore it or fit again");
        let (head, json) =
            std::str::from_utf8(rest).ok().and_then(|t| t.split_once('\n')).ok_or_else(damaged)?;
        let (version, found) = head.split_once(' ').ok_or_else(damaged)?;
        if version != VERSION.to_string() {
            return Err(archive_error(format!(
                "is a pipeline of version {version}, and this program reads version {VERSION}; fit again, or use the program that wrote it"
            )));
        }
        let checksum = format!("crc32:{:08x}", crc32fast::hash(json.as_bytes()));
        if found != checksum {
            return Err(damaged());
        }
        let body: Body = serde_json::from_str(json)
            .map_err(|e| archive_error(format!("cannot be read: {e}; fit again")))?;
        // How the fitted input was stored does not matter any more.
        let column = |input: Input| Column { name: input.name, kind: input.kind, data_type: DataType::Null };
        let input = body.input.into_iter().map(column).collect();
        let steps = body.steps.into_iter().map(|step| {
            let kind = steps::find(&step.r#use).ok_or_else(|| {
                archive_error(format!("has a step `{}`, which this program does not know", step.r#use))
            })?;
            let fitted = (kind.decode)(step.learnt, &step.columns)?;
            Ok(PipelineStep { name: kind.name, inputs: step.columns, fitted: Arc::from(fitted) })
        });
        Ok(Pipeline { input, steps: steps.collect::<Result<_, Error>>()? })
    }
}
