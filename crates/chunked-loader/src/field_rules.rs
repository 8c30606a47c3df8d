//! What a dialect says of single fields.

use crate::column::{boolean, float, int, temporal};
use crate::dialect::Dialect;
use crate::nulls::NullRule;
use crate::number_marks::NumberMarks;

/// The rules of a dialect by which a field is typed.
#[derive(Clone, Debug)]
pub(crate) struct FieldRules {
    pub(crate) nulls: NullRule,
    pub(crate) marks: NumberMarks,
    /// No null token is a number, a bool, a date or a timestamp, so that what one of their kernels takes is a value.
    pub(crate) values_are_plain: bool,
}

impl FieldRules {
    pub(crate) fn new(dialect: &Dialect) -> Self {
        let nulls = NullRule::new(dialect.null_values());
        // No token that is null by itself is a value; a listed one may be, such as -999.
        let is_value = |token: &String| {
            let text = token.as_bytes();
            int::parse(text).is_some()
                || float::parse(text).is_some()
                || boolean::parse(text).is_some()
                || temporal::parse_date(text).is_some()
                || temporal::parse_timestamp(text).is_some()
        };
        FieldRules {
            values_are_plain: !(nulls.has_listed_tokens() && nulls.tokens().iter().any(is_value)),
            nulls,
            marks: NumberMarks { decimal: dialect.decimal(), thousands: dialect.thousands() },
        }
    }
}
