//! Columns that were built under a presumption, as they would have been built behind a scan.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, DictionaryArray, PrimitiveArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};

use crate::error::{Error, ErrorKind};
use crate::scan::{ColumnFacts, Scan};

impl Scan {
    /// Column `column` of a batch of this input, in the type that this scan says: of
    /// [presumed](crate::PresumedBatches) batches, whole numbers are wider and dictionaries another one as long as nothing is
    /// proved. Any other comes back as it is.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow::array::{ArrayRef, Int32Array};
    /// use chunked_loader::{Loader, Source};
    ///
    /// let csv = "size\n1\n200\n";
    /// let loader = Loader::new(Source::spool("sizes", csv.as_bytes(), &std::env::temp_dir(), &mut || false)?);
    /// let built: ArrayRef = Arc::new(Int32Array::from(vec![1, 200]));
    /// let narrow = loader.scan()?.proved(0, &built)?;
    /// assert_eq!(narrow.data_type().to_string(), "UInt8");
    /// # Ok::<(), chunked_loader::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Changed`](crate::ErrorKind::Changed) if the column holds what the scan excludes.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn proved(&self, column: usize, built: &ArrayRef) -> Result<ArrayRef, Error> {
        let facts = &self.columns[column];
        match (built.data_type(), &facts.dictionary) {
            (DataType::Dictionary(key, _), Some(values)) if **key == DataType::Int32 => {
                keyed(facts, built, values)
            }
            (built_type, _) if *built_type == facts.data_type => Ok(Arc::clone(built)),
            _ => {
                let narrow = cast(built, &facts.data_type)?;
                // What does not fit has become null.
                if narrow.null_count() == built.null_count() { Ok(narrow) } else { Err(changed(facts)) }
            }
        }
    }
}

fn changed(facts: &ColumnFacts) -> Error {
    Error::new(ErrorKind::Changed).in_column(&facts.name)
}

/// The same texts by keys into `values`, which are sorted.
fn keyed(facts: &ColumnFacts, built: &ArrayRef, values: &Arc<StringArray>) -> Result<ArrayRef, Error> {
    let built = built.as_dictionary::<Int32Type>();
    let texts = built.values().as_string::<i32>();
    let place = |text: &str| {
        let (mut low, mut high) = (0, values.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if values.value(middle) < text { low = middle + 1 } else { high = middle }
        }
        (low < values.len() && values.value(low) == text).then_some(low as i32)
    };
    let places: Vec<Option<i32>> = texts.iter().map(|text| place(text?)).collect();
    let mut is_unknown = false;
    let keys: PrimitiveArray<Int32Type> = built.keys().unary(|key| {
        // Behind a null stands any key.
        places.get(key as usize).copied().flatten().unwrap_or(0)
    });
    for (row, key) in built.keys().iter().enumerate() {
        is_unknown |= key.is_some_and(|key| places[key as usize].is_none()) && keys.is_valid(row);
    }
    if is_unknown {
        return Err(changed(facts));
    }
    let keyed = DictionaryArray::try_new(keys, Arc::clone(values) as ArrayRef)?;
    Ok(cast(&keyed, &facts.data_type)?)
}
