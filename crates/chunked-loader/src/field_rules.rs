//! What a dialect says of single fields.

use crate::dialect::Dialect;
use crate::nulls::NullRule;
use crate::number_marks::NumberMarks;

/// The rules of a dialect by which a field is typed.
#[derive(Clone, Debug)]
pub(crate) struct FieldRules {
    pub(crate) nulls: NullRule,
    pub(crate) marks: NumberMarks,
}

impl FieldRules {
    pub(crate) fn new(dialect: &Dialect) -> Self {
        FieldRules {
            nulls: NullRule::new(dialect.null_values()),
            marks: NumberMarks { decimal: dialect.decimal(), thousands: dialect.thousands() },
        }
    }
}
