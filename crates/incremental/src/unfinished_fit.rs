//! What is between two passes of a fit whose rows are seen in several runs.

use std::io::Write;

use monitor::Monitor;

use crate::column::Column;
use crate::error::{Error, ErrorKind};
use crate::fit_file::{Head, Parts};
use crate::fitting::Fitting;
use crate::sealed::{self, FileKind};

/// A fit whose steps need another pass over the input; its file takes the place of the recipe in the next one.
pub struct UnfinishedFit(pub(crate) Fitting);

impl UnfinishedFit {
    /// Reads what [`write_to`](Self::write_to) wrote.
    ///
    /// # Errors
    /// As [`PartialFit::from_bytes`](crate::PartialFit::from_bytes).
    pub fn from_bytes(bytes: &[u8], monitor: &Monitor) -> Result<UnfinishedFit, Error> {
        let Parts { head, earlier, .. } = Parts::open(FileKind::UnfinishedFit, bytes)?;
        Ok(UnfinishedFit(head.replay(earlier, monitor)?))
    }

    /// Writes the unfinished fit's file, and gives its bytes.
    ///
    /// # Errors
    /// What `out` refuses.
    pub fn write_to(&self, out: &mut dyn Write) -> Result<u64, Error> {
        let head = Head::of(&self.0, None);
        sealed::write(FileKind::UnfinishedFit, out, |out| {
            head.write(out)?;
            self.0.earlier.write(out)
        })
    }

    /// The file of [`write_to`](Self::write_to), in memory.
    ///
    /// # Errors
    /// None, unless there is a defect.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes that have ended.
    pub fn passes(&self) -> usize {
        self.0.earlier.passes.len()
    }

    /// Rows of the input.
    pub fn rows(&self) -> u64 {
        self.0.earlier.passes.last().map_or(0, |pass| pass.rows)
    }

    /// The columns of the input.
    pub fn input(&self) -> &[Column] {
        &self.0.input
    }

    /// The recipe's text.
    pub fn recipe(&self) -> &str {
        self.0.recipe.text()
    }

    /// The fit, to go on with on an input with these columns.
    ///
    /// # Errors
    /// [`ErrorKind::InputDiffers`] if they are not those of the passes before.
    pub fn resume(self, input: &[Column]) -> Result<Fitting, Error> {
        let own = &self.0.input;
        if own == input {
            return Ok(self.0);
        }
        let found = own.iter().zip(input).find(|(own, found)| own != found);
        let message =
            "differs from the input of the passes before; give the same input, with the same options";
        let error = Error::new(ErrorKind::InputDiffers { message: message.into() });
        let name = match found {
            Some((own, _)) => &own.name,
            None => own.get(input.len()).or_else(|| input.get(own.len())).map_or("", |column| &column.name),
        };
        Err(error.in_column(name))
    }
}
