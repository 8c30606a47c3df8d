//! Which fields are null.

use crate::dialect::{AUTO_NULL_TOKENS, NullValues};
use crate::record::Field;

/// The null tokens of a dialect, ready to be matched.
#[derive(Clone, Debug)]
pub(crate) struct NullRule {
    tokens: Vec<String>,
    /// Tokens hold only in columns that are no text without them.
    auto: bool,
    longest: usize,
}

/// What a field is before its column's type is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Empty and unquoted, in every column.
    Null,
    /// A listed token, by its index: null in every column.
    Token(usize),
    /// Empty and quoted: an empty text in a text column, null in any other.
    EmptyQuoted,
    /// A value. Under the automatic rule it may still be a token; see [`NullRule::auto_token`].
    Value,
}

impl NullRule {
    pub(crate) fn new(null_values: &NullValues) -> Self {
        let (tokens, auto) = match null_values {
            NullValues::Auto => (AUTO_NULL_TOKENS.map(str::to_owned).to_vec(), true),
            NullValues::Listed(tokens) => (tokens.iter().filter(|t| !t.is_empty()).cloned().collect(), false),
        };
        let longest = tokens.iter().map(String::len).max().unwrap_or(0);
        NullRule { tokens, auto, longest }
    }

    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Whether there are tokens that are null in every column.
    pub(crate) fn has_listed_tokens(&self) -> bool {
        !self.auto && !self.tokens.is_empty()
    }

    /// Whether the tokens hold only in columns that are no text without them.
    pub(crate) fn is_auto(&self) -> bool {
        self.auto
    }

    #[inline]
    fn find(&self, field: Field<'_>) -> Option<usize> {
        if field.quoted || field.text.len() > self.longest {
            return None;
        }
        self.tokens.iter().position(|t| t.as_bytes() == field.text)
    }

    #[inline]
    pub(crate) fn presence(&self, field: Field<'_>) -> Presence {
        if field.text.is_empty() {
            return if field.quoted { Presence::EmptyQuoted } else { Presence::Null };
        }
        if self.auto {
            return Presence::Value;
        }
        self.find(field).map_or(Presence::Value, Presence::Token)
    }

    /// The token that a field which is no number, bool, date or timestamp is under the automatic rule.
    /// No automatic token parses as any of those, so the order of the two questions does not matter.
    pub(crate) fn auto_token(&self, field: Field<'_>) -> Option<usize> {
        if self.auto { self.find(field) } else { None }
    }
}

/// How often each null token was met, by its index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenCounts(Vec<u64>);

impl TokenCounts {
    pub(crate) fn count(&mut self, token: usize) {
        if self.0.len() <= token {
            self.0.resize(token + 1, 0);
        }
        self.0[token] += 1;
    }

    pub(crate) fn add(&mut self, other: &TokenCounts) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(count, more)| *count += more);
    }

    /// The counts, those of tokens that were not met left aside behind the last that was.
    pub(crate) fn counts(&self) -> &[u64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{boolean, float, int, temporal};

    #[test]
    fn no_automatic_token_is_a_value_of_any_type() {
        for token in AUTO_NULL_TOKENS.map(str::as_bytes) {
            assert!(
                int::parse(token).is_none()
                    && float::parse(token).is_none()
                    && boolean::parse(token).is_none()
            );
            assert!(temporal::parse_date(token).is_none() && temporal::parse_timestamp(token).is_none());
        }
    }

    #[test]
    fn a_list_replaces_the_automatic_tokens_and_quotes_protect() {
        let rule = NullRule::new(&NullValues::Listed(vec!["-".into(), "NA".into()]));
        assert_eq!(rule.presence(Field { text: b"NA", quoted: false }), Presence::Token(1));
        assert_eq!(rule.presence(Field { text: b"NA", quoted: true }), Presence::Value);
        assert_eq!(rule.presence(Field { text: b"null", quoted: false }), Presence::Value);
        assert_eq!(rule.auto_token(Field { text: b"null", quoted: false }), None);
        let none = NullRule::new(&NullValues::Listed(vec!["".into()]));
        assert_eq!(none.presence(Field { text: b"NA", quoted: false }), Presence::Value);
        assert_eq!(none.presence(Field { text: b"", quoted: false }), Presence::Null);
        assert_eq!(none.presence(Field { text: b"", quoted: true }), Presence::EmptyQuoted);
    }
}
