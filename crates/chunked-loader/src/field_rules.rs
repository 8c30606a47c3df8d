//! How the text of a field is to be understood, beside its column's type.

use crate::dialect::Dialect;
use crate::nulls::NullRule;
use crate::number_marks::NumberMarks;

/// Which fields are null, and how numbers are written.
#[derive(Clone, Debug)]
pub(crate) struct FieldRules {
    pub(crate) nulls: NullRule,
    pub(crate) marks: NumberMarks,
}

impl FieldRules {
    pub(crate) fn new(dialect: &Dialect) -> Self {
        FieldRules { nulls: NullRule::new(&dialect.null_values), marks: NumberMarks::of(dialect) }
    }
}
