//! How both text vectorizers cut a text into tokens, as scikit-learn's `build_analyzer` does.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `lowercase` | true | lower case by Unicode, before anything else |
//! | `strip_accents` | none | ascii: what ASCII has of the decomposed text; unicode: without combining marks |
//! | `analyzer` | word | char: n-grams of characters; char_wb: the same within words, padded with spaces |
//! | `token_pattern` | `(?u)\b\w\w+\b` | what a word is; with one group, the group |
//! | `stop_words` | none | a list of words to leave out, or english |
//! | `ngram_range` | `[1, 1]` | least and greatest n of n-grams |
//! | `decode_error` | strict | nothing: texts are decoded where they are read |
//! | `input`, `encoding`, `preprocessor`, `tokenizer` | content, utf-8, none, none | refused if they are anything else |
//!
//! `token_pattern` and `stop_words` hold for words alone. The default pattern takes letters, numbers and `_` as
//! Python does; in any other, `\w` and `\b` are those of the `regex` crate, which count combining marks among
//! the letters, and look-around and back-references are refused.

use std::borrow::Cow;

use ahash::AHashSet;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::error::Error;
use crate::params::{ParamValue, Params};

/// The words that scikit-learn leaves out under `stop_words = "english"`, one a line: the list of the Glasgow
/// Information Retrieval Group.
const ENGLISH: &str = include_str!("english_stop_words.txt");

/// Runs of two or more of what Python's `\w` matches, which is what its `\b\w\w+\b` finds.
const WORDS: &str = r"[\p{L}\p{N}_]{2,}";

/// Bytes that a compiled pattern may take, and again its cache.
const PATTERN_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Units {
    Words,
    Characters,
    CharactersOfWords,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StripAccents {
    Ascii,
    Unicode,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StopWords {
    English,
    Listed(Vec<String>),
}

/// The parameters, as the archive holds them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    lowercase: bool,
    strip_accents: Option<StripAccents>,
    units: Units,
    /// None is the default.
    token_pattern: Option<String>,
    stop_words: Option<StopWords>,
    ngram_range: (usize, usize),
}

/// See the module's documentation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub(super) struct Analyzer {
    settings: Settings,
    pattern: Regex,
    stop_words: AHashSet<Box<str>>,
}

impl From<Analyzer> for Settings {
    fn from(analyzer: Analyzer) -> Settings {
        analyzer.settings
    }
}

impl TryFrom<Settings> for Analyzer {
    type Error = &'static str;

    fn try_from(settings: Settings) -> Result<Analyzer, &'static str> {
        let (least, most) = settings.ngram_range;
        if !(1..=most).contains(&least) {
            return Err("its range of n-grams is empty");
        }
        let pattern = compile(settings.token_pattern.as_deref().unwrap_or(WORDS));
        let stop_words = match &settings.stop_words {
            None => AHashSet::new(),
            Some(StopWords::English) => ENGLISH.lines().map(Into::into).collect(),
            Some(StopWords::Listed(words)) => words.iter().map(|word| word.as_str().into()).collect(),
        };
        Ok(Analyzer { pattern: pattern.ok_or("its token pattern is none")?, stop_words, settings })
    }
}

/// A pattern with at most one group.
fn compile(pattern: &str) -> Option<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    let regex = builder.size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build().ok()?;
    (regex.captures_len() <= 2).then_some(regex)
}

impl Analyzer {
    /// Reads the parameters that both vectorizers have.
    pub(super) fn parse(params: &mut Params) -> Result<Analyzer, Error> {
        for name in ["preprocessor", "tokenizer"] {
            let expected = "\"none\": a recipe holds no functions, and `token_pattern` says what a token is";
            params.read(name, (), expected, |value| is_word(value, "none"))?;
        }
        params.choice("input", &[("content", ())])?;
        let expected = "\"utf-8\": texts are decoded where they are read";
        params.read("encoding", (), expected, |value| is_word(value, "utf-8"))?;
        params.choice("decode_error", &[("strict", ()), ("ignore", ()), ("replace", ())])?;
        let lowercase = params.flag("lowercase", true)?;
        let expected = "\"ascii\", \"unicode\" or \"none\"";
        let strip_accents = params.read_optional("strip_accents", expected, |value| match value {
            ParamValue::Text(word) if word == "ascii" => Some(StripAccents::Ascii),
            ParamValue::Text(word) if word == "unicode" => Some(StripAccents::Unicode),
            _ => None,
        })?;
        let units = params.choice(
            "analyzer",
            &[("word", Units::Words), ("char", Units::Characters), ("char_wb", Units::CharactersOfWords)],
        )?;
        let expected = "a regular expression with at most one group, without look-around and back-references";
        let token_pattern = params.read("token_pattern", None, expected, |value| match value {
            ParamValue::Text(pattern) if pattern == r"(?u)\b\w\w+\b" => Some(None),
            ParamValue::Text(pattern) => compile(pattern).map(|_| Some(pattern.clone())),
            _ => None,
        })?;
        let expected = "\"english\", a list of words, or \"none\"";
        let stop_words = params.read_optional("stop_words", expected, |value| match value {
            ParamValue::Text(word) if word == "english" => Some(StopWords::English),
            ParamValue::List(words) => {
                let words = words.iter().map(|word| match word {
                    ParamValue::Text(word) => Some(word.clone()),
                    _ => None,
                });
                words.collect::<Option<Vec<_>>>().map(StopWords::Listed)
            }
            _ => None,
        })?;
        let expected = "two whole numbers from 1, the smaller first, such as [1, 2]";
        let ngram_range = params.read("ngram_range", (1, 1), expected, |value| match value {
            ParamValue::List(ends) => match ends.as_slice() {
                [ParamValue::Int(least), ParamValue::Int(most)] if 1 <= *least && least <= most => {
                    Some((usize::try_from(*least).ok()?, usize::try_from(*most).ok()?))
                }
                _ => None,
            },
            _ => None,
        })?;
        let settings = Settings { lowercase, strip_accents, units, token_pattern, stop_words, ngram_range };
        Analyzer::try_from(settings).map_err(Error::contradiction)
    }

    /// Gives each token of a text, repeated ones again.
    pub(super) fn for_each_token(&self, text: &str, mut token: impl FnMut(&str)) {
        let text = self.preprocessed(text);
        match self.settings.units {
            Units::Words => self.word_ngrams(&text, &mut token),
            Units::Characters => self.ngrams_of_characters(&with_single_spaces(&text), &mut token),
            Units::CharactersOfWords => self.ngrams_of_words(&text, &mut token),
        }
    }

    /// How many tokens a text of so many bytes has at the most, and their bytes together.
    pub(super) fn most_tokens(&self, text_bytes: usize) -> (usize, usize) {
        let units = match self.settings.units {
            // Two letters and what parts them from the next.
            Units::Words if self.settings.token_pattern.is_none() => (text_bytes + 1) / 3,
            Units::Words | Units::Characters => text_bytes + 1,
            // With a space before and behind each.
            Units::CharactersOfWords => 2 * text_bytes + 1,
        };
        let (least, most) = self.settings.ngram_range;
        let longest = most.min(units);
        let ranges = (longest + 1).saturating_sub(least);
        let tokens = units.saturating_mul(ranges);
        (tokens, (text_bytes + units).saturating_mul(ranges).saturating_mul(longest))
    }

    fn preprocessed<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text =
            if self.settings.lowercase { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) };
        if text.is_ascii() {
            return text;
        }
        match self.settings.strip_accents {
            None => text,
            Some(StripAccents::Ascii) => text.nfkd().filter(char::is_ascii).collect(),
            Some(StripAccents::Unicode) => {
                text.nfkd().filter(|c| canonical_combining_class(*c) == 0).collect()
            }
        }
    }

    fn word_ngrams(&self, text: &str, token: &mut impl FnMut(&str)) {
        let mut words: Vec<&str> = if self.pattern.captures_len() == 2 {
            let groups = self.pattern.captures_iter(text).map(|found| found.get(1));
            groups.map(|group| group.map_or("", |group| group.as_str())).collect()
        } else {
            self.pattern.find_iter(text).map(|found| found.as_str()).collect()
        };
        if !self.stop_words.is_empty() {
            words.retain(|word| !self.stop_words.contains(*word));
        }
        let (least, most) = self.settings.ngram_range;
        let mut joined = String::new();
        for n in least..=most.min(words.len()) {
            for words in words.windows(n) {
                if let [word] = words {
                    token(word);
                    continue;
                }
                joined.clear();
                for word in words {
                    joined.push_str(word);
                    joined.push(' ');
                }
                joined.pop();
                token(&joined);
            }
        }
    }

    fn ngrams_of_characters(&self, text: &str, token: &mut impl FnMut(&str)) {
        let ends = ends(text);
        let (least, most) = self.settings.ngram_range;
        for n in least..=most.min(ends.len() - 1) {
            for ends in ends.windows(n + 1) {
                token(&text[ends[0]..ends[n]]);
            }
        }
    }

    /// N-grams of each word between two spaces. A word shorter than the least n is one token.
    fn ngrams_of_words(&self, text: &str, token: &mut impl FnMut(&str)) {
        let (least, most) = self.settings.ngram_range;
        for word in text.split(is_space).filter(|word| !word.is_empty()) {
            let padded = format!(" {word} ");
            let ends = ends(&padded);
            let length = ends.len() - 1;
            if length < least {
                token(&padded);
                continue;
            }
            for n in least..=most.min(length) {
                for ends in ends.windows(n + 1) {
                    token(&padded[ends[0]..ends[n]]);
                }
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let words: usize = self.stop_words.iter().map(|word| word.len() + size_of::<(Box<str>, u64)>()).sum();
        2 * words + PATTERN_BYTES
    }
}

fn is_word(value: &ParamValue, word: &str) -> Option<()> {
    (*value == ParamValue::Text(word.to_owned())).then_some(())
}

/// White space as Python's `str.split` and `\s` take it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Two or more spaces become one; a single one of another kind stays as it is.
fn with_single_spaces(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut spaces = 0;
    for c in text.chars() {
        spaces = if is_space(c) { spaces + 1 } else { 0 };
        match spaces {
            0 | 1 => result.push(c),
            _ => {
                result.pop();
                result.push(' ');
            }
        }
    }
    result
}

/// Where the characters of a text begin, and where the last one ends.
fn ends(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    fn analyzer(parameters: &str) -> Result<Analyzer, Error> {
        let table = DeTable::parse(parameters).unwrap();
        Analyzer::parse(&mut Params::new(table.get_ref(), |_| 1))
    }

    /// For parameters and texts the tokens that scikit-learn 1.9.1 finds, behind one another.
    type Cases = [(&'static str, &'static [(&'static str, &'static str)])];

    const CASES: &Cases = &[
        (
            "",
            &[
                ("The Quick  brown-fox, x9_y 7 é", "the|quick|brown|fox|x9_y"),
                ("ΟΔΥΣΣΕΥΣ İs ﬁne ²³ x", "οδυσσευς|ﬁne|²³"),
                ("", ""),
                ("a bc\u{a0}\u{2003}d\u{9}e\u{1c}f", "bc"),
                ("東京 大阪市 नमस्ते 𝒳𝒴 🦀🦀", "東京|大阪市|नमस|𝒳𝒴"),
            ],
        ),
        (
            "lowercase = false\nngram_range = [1, 3]",
            &[
                (
                    "The Quick  brown-fox, x9_y 7 é",
                    "The|Quick|brown|fox|x9_y|The Quick|Quick brown|brown fox|fox x9_y|The Quick brown|Quick brown fox|brown fox x9_y",
                ),
                (
                    "ΟΔΥΣΣΕΥΣ İs ﬁne ²³ x",
                    "ΟΔΥΣΣΕΥΣ|İs|ﬁne|²³|ΟΔΥΣΣΕΥΣ İs|İs ﬁne|ﬁne ²³|ΟΔΥΣΣΕΥΣ İs ﬁne|İs ﬁne ²³",
                ),
                ("", ""),
            ],
        ),
        (
            "strip_accents = \"ascii\"",
            &[
                ("The Quick  brown-fox, x9_y 7 é", "the|quick|brown|fox|x9_y"),
                ("ΟΔΥΣΣΕΥΣ İs ﬁne ²³ x", "is|fine|23"),
                ("東京 大阪市 नमस्ते 𝒳𝒴 🦀🦀", "XY"),
            ],
        ),
        (
            "strip_accents = \"unicode\"",
            &[
                ("The Quick  brown-fox, x9_y 7 é", "the|quick|brown|fox|x9_y"),
                ("ΟΔΥΣΣΕΥΣ İs ﬁne ²³ x", "οδυσσευς|is|fine|23"),
                ("東京 大阪市 नमस्ते 𝒳𝒴 🦀🦀", "東京|大阪市|नमसत|XY"),
            ],
        ),
        (
            "analyzer = \"char\"\nngram_range = [2, 3]",
            &[
                (
                    "ΟΔΥΣΣΕΥΣ İs ﬁne ²³ x",
                    "οδ|δυ|υσ|σσ|σε|ευ|υς|ς | i|i̇|̇s|s | ﬁ|ﬁn|ne|e | ²|²³|³ | x|οδυ|δυσ|υσσ|σσε|σευ|ευς|υς |ς i| i̇|i̇s|̇s |s ﬁ| ﬁn|ﬁne|ne |e ²| ²³|²³ |³ x",
                ),
                ("", ""),
                (
                    "a bc\u{a0}\u{2003}d\u{9}e\u{1c}f",
                    "a | b|bc|c | d|d\u{9}|\u{9}e|e\u{1c}|\u{1c}f|a b| bc|bc |c d| d\u{9}|d\u{9}e|\u{9}e\u{1c}|e\u{1c}f",
                ),
            ],
        ),
        (
            "analyzer = \"char_wb\"\nngram_range = [3, 4]",
            &[
                (
                    "ΟΔΥΣΣΕΥΣ İs ﬁne ²³ x",
                    " οδ|οδυ|δυσ|υσσ|σσε|σευ|ευς|υς | οδυ|οδυσ|δυσσ|υσσε|σσευ|σευς|ευς | i̇|i̇s|̇s | i̇s|i̇s | ﬁn|ﬁne|ne | ﬁne|ﬁne | ²³|²³ | ²³ | x ",
                ),
                ("a bc\u{a0}\u{2003}d\u{9}e\u{1c}f", " a | bc|bc | bc | d | e | f "),
                (
                    "東京 大阪市 नमस्ते 𝒳𝒴 🦀🦀",
                    " 東京|東京 | 東京 | 大阪|大阪市|阪市 | 大阪市|大阪市 | नम|नमस|मस्|स्त|्ते|ते | नमस|नमस्|मस्त|स्ते|्ते | 𝒳𝒴|𝒳𝒴 | 𝒳𝒴 | 🦀🦀|🦀🦀 | 🦀🦀 ",
                ),
            ],
        ),
        (
            "analyzer = \"char_wb\"\nngram_range = [1, 2]",
            &[
                ("", ""),
                (
                    "a bc\u{a0}\u{2003}d\u{9}e\u{1c}f",
                    " |a| | a|a | |b|c| | b|bc|c | |d| | d|d | |e| | e|e | |f| | f|f ",
                ),
                (
                    "東京 大阪市 नमस्ते 𝒳𝒴 🦀🦀",
                    " |東|京| | 東|東京|京 | |大|阪|市| | 大|大阪|阪市|市 | |न|म|स|्|त|े| | न|नम|मस|स्|्त|ते|े | |𝒳|𝒴| | 𝒳|𝒳𝒴|𝒴 | |🦀|🦀| | 🦀|🦀🦀|🦀 ",
                ),
            ],
        ),
        (
            "stop_words = [\"the\", \"quick\"]\nngram_range = [2, 2]",
            &[
                ("The Quick  brown-fox, x9_y 7 é", "brown fox|fox x9_y"),
                ("a bc\u{a0}\u{2003}d\u{9}e\u{1c}f", ""),
            ],
        ),
        ("stop_words = \"english\"", &[("The Quick  brown-fox, x9_y 7 é", "quick|brown|fox|x9_y")]),
        (
            "token_pattern = '(?u)\\b(\\w)\\w*\\b'",
            &[
                ("The Quick  brown-fox, x9_y 7 é", "t|q|b|f|x|7|é"),
                ("a bc\u{a0}\u{2003}d\u{9}e\u{1c}f", "a|b|d|e|f"),
            ],
        ),
        (
            "token_pattern = '[a-z]+'",
            &[
                ("The Quick  brown-fox, x9_y 7 é", "the|quick|brown|fox|x|y"),
                ("ΟΔΥΣΣΕΥΣ İs ﬁne ²³ x", "i|s|ne|x"),
            ],
        ),
    ];

    #[test]
    fn tokens_are_those_of_scikit_learn() {
        for (parameters, texts) in CASES {
            let analyzer = analyzer(parameters).unwrap();
            let read: Analyzer = serde_json::from_value(serde_json::to_value(&analyzer).unwrap()).unwrap();
            for (text, expected) in *texts {
                for analyzer in [&analyzer, &read] {
                    let mut tokens = Vec::new();
                    analyzer.for_each_token(text, |token| tokens.push(token.to_owned()));
                    assert_eq!(tokens.join("|"), *expected, "{parameters}: {text}");
                }
            }
        }
    }

    #[test]
    fn the_english_stop_words_are_all_there() {
        assert_eq!(ENGLISH.lines().count(), 318);
        assert!(ENGLISH.lines().is_sorted());
    }

    #[test]
    fn what_a_recipe_cannot_hold_is_refused() {
        let refusal = |parameters: &str| analyzer(parameters).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            refusal("tokenizer = \"split\""),
            "line 1: `tokenizer` is \"split\", expected \"none\": a recipe holds no functions, and `token_pattern` says what a token is"
        );
        assert_eq!(
            refusal("token_pattern = '(?=a)b'"),
            "line 1: `token_pattern` is \"(?=a)b\", expected a regular expression with at most one group, without look-around and back-references"
        );
        assert!(
            refusal("token_pattern = '(a)(b)'")
                .starts_with("line 1: `token_pattern` is \"(a)(b)\", expected a ")
        );
        assert!(refusal("token_pattern = 'a{1000000}'").starts_with("line 1: `token_pattern` is "));
        assert!(analyzer("preprocessor = \"none\"\ntoken_pattern = '(?u)\\b\\w\\w+\\b'").is_ok());
    }
}
