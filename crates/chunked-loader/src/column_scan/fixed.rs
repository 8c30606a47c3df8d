//! Whether fields fit a type that is fixed, asked before any column takes their records.

use crate::block::Fields;
use crate::column::{boolean, float, int, temporal};
use crate::field_rules::FieldRules;
use crate::nulls::Presence;
use crate::record::Field;
use crate::types::{FixedType, Zone};

/// The first field of a block that a fixed type does not hold; `zone` is that of the column's first timestamp, if there was
/// one before the block.
pub(crate) fn first_unfit(
    fields: Fields<'_>,
    fixed: FixedType,
    zone: Option<Zone>,
    rules: &FieldRules,
) -> Option<usize> {
    let (mut zone, mut scratch) = (zone, Vec::new());
    (0..fields.len()).find(|row| {
        let field = fields.field(*row, &mut scratch);
        let holds = fixed_type_holds(fixed, zone, field, rules);
        if fixed == FixedType::Timestamp && zone.is_none() {
            zone = temporal::parse_timestamp(field.text).map(|stamp| stamp.zone());
        }
        !holds
    })
}

/// Whether a fixed type holds a field, asked of a field alone; `zone` is that of the column's first timestamp.
pub(crate) fn fixed_type_holds(
    fixed: FixedType,
    zone: Option<Zone>,
    field: Field<'_>,
    rules: &FieldRules,
) -> bool {
    if rules.nulls.presence(field) != Presence::Value || rules.nulls.auto_token(field).is_some() {
        return true;
    }
    let text = field.text;
    let mut scratch = Vec::new();
    let number = rules.marks.canonical(text, &mut scratch);
    match fixed {
        FixedType::String | FixedType::Dictionary => true,
        FixedType::Bool => boolean::parse(text).is_some(),
        FixedType::Date => temporal::parse_date(text).is_some(),
        FixedType::Timestamp => {
            temporal::parse_timestamp(text).is_some_and(|stamp| zone.is_none_or(|zone| zone == stamp.zone()))
        }
        FixedType::Float64 => number.is_some_and(|text| float::parse(text).is_some()),
        FixedType::Float32 => {
            number.and_then(float::parse).is_some_and(|v| !v.is_finite() || v.abs() <= f64::from(f32::MAX))
        }
        int => number
            .and_then(int::parse)
            .is_some_and(|value| int.int_range().is_some_and(|(low, high)| low <= value && value <= high)),
    }
}
