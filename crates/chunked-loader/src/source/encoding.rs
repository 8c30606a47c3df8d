//! Encodings by their names, and what a file's first bytes say of its own.

use std::fmt;
use std::str::FromStr;

/// How a file's text is written in bytes.
///
/// Names are those of the WHATWG's Encoding Standard in any case, with two exceptions that lose nothing: `latin1`
/// and `iso-8859-1` are what they say, each byte its code point, where the standard reads them as windows-1252;
/// and `ascii` is read as UTF-8, which has it inside. `utf-16` takes the byte order from the mark, else
/// little-endian.
///
/// ```
/// use chunked_loader::Encoding;
///
/// let encoding: Encoding = "Latin1".parse()?;
/// assert_eq!((encoding, encoding.to_string().as_str()), (Encoding::Latin1, "iso-8859-1"));
/// assert_eq!("cp1252".parse::<Encoding>()?, Encoding::Windows1252);
/// assert_eq!("SJIS".parse::<Encoding>()?.to_string(), "shift_jis");
/// assert!("utf-5".parse::<Encoding>().is_err());
/// # Ok::<(), chunked_loader::UnknownEncoding>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// What a byte-order mark says, else UTF-8.
    #[default]
    Auto,
    /// UTF-8.
    Utf8,
    /// UTF-16 in the byte order of its mark, little-endian without one.
    Utf16,
    /// UTF-16, little-endian.
    Utf16Le,
    /// UTF-16, big-endian.
    Utf16Be,
    /// ISO-8859-1: each byte is its code point.
    Latin1,
    /// Windows-1252, with the standard's control characters for the five bytes that Windows leaves open.
    Windows1252,
    /// Another one of the Encoding Standard.
    Legacy(LegacyEncoding),
}

/// An encoding that only its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyEncoding(&'static encoding_rs::Encoding);

/// No encoding has that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEncoding(String);

/// Names that a message gives as examples.
const COMMON: &str = "auto, utf-8, utf-16, utf-16le, utf-16be, latin1, windows-1252, windows-1250, windows-1251, \
                      iso-8859-2, iso-8859-15, koi8-r, shift_jis, euc-jp, gbk, gb18030, big5, euc-kr";

const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF_16LE_MARK: &[u8] = b"\xff\xfe";
const UTF_16BE_MARK: &[u8] = b"\xfe\xff";
const GB18030_MARK: &[u8] = b"\x84\x31\x95\x33";

impl Encoding {
    /// This one, or `found` where it is left open.
    pub(crate) fn unless_auto(self, found: Encoding) -> Encoding {
        if self == Encoding::Auto { found } else { self }
    }

    /// What the text is in that begins with `head`, and how many bytes of a mark stand before it.
    ///
    /// A name that was told holds against any mark; a mark of the told encoding is still none of the text.
    pub(crate) fn resolve(self, head: &[u8]) -> (Encoding, usize) {
        let marked = [
            (Encoding::Utf8, UTF_8_MARK),
            (Encoding::Utf16Le, UTF_16LE_MARK),
            (Encoding::Utf16Be, UTF_16BE_MARK),
            (Encoding::Legacy(LegacyEncoding(encoding_rs::GB18030)), GB18030_MARK),
        ]
        .into_iter()
        .find(|(_, mark)| head.starts_with(mark))
        .map(|(encoding, mark)| (encoding, mark.len()));
        match (self, marked) {
            // GB 18030's mark is text in other encodings, and too rare to go by.
            (Encoding::Auto, Some((found, mark))) if !matches!(found, Encoding::Legacy(_)) => (found, mark),
            (Encoding::Auto, _) => (Encoding::Utf8, 0),
            (Encoding::Utf16, Some((found @ (Encoding::Utf16Le | Encoding::Utf16Be), mark))) => (found, mark),
            (Encoding::Utf16, _) => (Encoding::Utf16Le, 0),
            (told, Some((found, mark))) if told == found => (told, mark),
            (told, _) => (told, 0),
        }
    }

    /// Whether `head` has the mark of UTF-16 in the other byte order. Read in this one it is U+FFFE, which is no
    /// character, and nothing behind it would be what was written.
    pub(crate) fn is_contradicted(self, head: &[u8]) -> bool {
        match self {
            Encoding::Utf16Le => head.starts_with(UTF_16BE_MARK),
            Encoding::Utf16Be => head.starts_with(UTF_16LE_MARK),
            _ => false,
        }
    }

    /// The table to decode by; `None` where bytes are taken as they are or as code points.
    pub(crate) fn table(self) -> Option<&'static encoding_rs::Encoding> {
        match self {
            Encoding::Auto | Encoding::Utf8 | Encoding::Latin1 => None,
            Encoding::Utf16 | Encoding::Utf16Le => Some(encoding_rs::UTF_16LE),
            Encoding::Utf16Be => Some(encoding_rs::UTF_16BE),
            Encoding::Windows1252 => Some(encoding_rs::WINDOWS_1252),
            Encoding::Legacy(LegacyEncoding(table)) => Some(table),
        }
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, UnknownEncoding> {
        let lower = name.trim().to_ascii_lowercase();
        Ok(match lower.as_str() {
            "auto" => Encoding::Auto,
            "utf-16" | "utf16" => Encoding::Utf16,
            "utf16le" => Encoding::Utf16Le,
            "utf16be" => Encoding::Utf16Be,
            "latin1" | "latin-1" | "l1" | "iso-8859-1" | "iso8859-1" | "iso88591" | "iso_8859-1"
            | "iso_8859-1:1987" | "iso-ir-100" | "ibm819" | "cp819" | "csisolatin1" => Encoding::Latin1,
            "ascii" | "us-ascii" | "ansi_x3.4-1968" => Encoding::Utf8,
            label => match encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()) {
                Some(table) if table == encoding_rs::UTF_8 => Encoding::Utf8,
                Some(table) if table == encoding_rs::UTF_16LE => Encoding::Utf16Le,
                Some(table) if table == encoding_rs::UTF_16BE => Encoding::Utf16Be,
                Some(table) if table == encoding_rs::WINDOWS_1252 => Encoding::Windows1252,
                Some(table) => Encoding::Legacy(LegacyEncoding(table)),
                None => return Err(UnknownEncoding(name.to_owned())),
            },
        })
    }
}

/// The canonical name in lower case, which can be parsed again.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::Auto => "auto",
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16 => "utf-16",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::Latin1 => "iso-8859-1",
            Encoding::Windows1252 => "windows-1252",
            Encoding::Legacy(LegacyEncoding(table)) => {
                return f.write_str(&table.name().to_ascii_lowercase());
            }
        })
    }
}

impl fmt::Display for UnknownEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown encoding \"{}\"; common ones are {COMMON}",
            crate::error::excerpt(self.0.as_bytes())
        )
    }
}

impl std::error::Error for UnknownEncoding {}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Encoding {
        name.parse().unwrap()
    }

    #[test]
    fn names_and_aliases() {
        for (names, canonical) in [
            ("utf-8 UTF8 utf8 ascii us-ascii", "utf-8"),
            ("utf-16 UTF16", "utf-16"),
            ("utf-16le UTF16LE", "utf-16le"),
            ("utf-16be utf16be", "utf-16be"),
            ("latin1 Latin-1 ISO-8859-1 l1 cp819", "iso-8859-1"),
            ("windows-1252 cp1252 CP1252 x-cp1252", "windows-1252"),
            ("cp1250 windows-1250", "windows-1250"),
            ("sjis shift-jis windows-31j", "shift_jis"),
            ("latin2 iso-8859-2", "iso-8859-2"),
        ] {
            for name in names.split(' ') {
                assert_eq!(named(name).to_string(), canonical, "{name}");
            }
        }
        for name in COMMON.split(", ") {
            let encoding = named(name.trim());
            assert_eq!(named(&encoding.to_string()), encoding);
        }
    }

    #[test]
    fn a_name_that_nobody_knows_is_told_with_common_ones() {
        for name in ["", "utf-5", "utf-32", "replacement", "iso-2022-kr", "latin1\u{e9}"] {
            let message = name.parse::<Encoding>().unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("unknown encoding \"{name}\"; common ones are auto, utf-8, "))
            );
        }
    }

    #[test]
    fn marks() {
        let auto = |head: &[u8]| {
            let (encoding, mark) = Encoding::Auto.resolve(head);
            (encoding.to_string(), mark)
        };
        assert_eq!(auto(b""), ("utf-8".into(), 0));
        assert_eq!(auto(b"a,b"), ("utf-8".into(), 0));
        assert_eq!(auto(b"\xef\xbb"), ("utf-8".into(), 0));
        assert_eq!(auto(b"\xef\xbb\xbfa"), ("utf-8".into(), 3));
        assert_eq!(auto(b"\xff\xfea\0"), ("utf-16le".into(), 2));
        assert_eq!(auto(b"\xfe\xff\0a"), ("utf-16be".into(), 2));
        assert_eq!(auto(b"\x84\x31\x95\x33"), ("utf-8".into(), 0));

        assert_eq!(Encoding::Utf16.resolve(b"\xfe\xff"), (Encoding::Utf16Be, 2));
        assert_eq!(Encoding::Utf16.resolve(b"\xff\xfe"), (Encoding::Utf16Le, 2));
        assert_eq!(Encoding::Utf16.resolve(b"\xef\xbb\xbf"), (Encoding::Utf16Le, 0));
        assert_eq!(Encoding::Utf8.resolve(b"\xef\xbb\xbf"), (Encoding::Utf8, 3));
        assert_eq!(Encoding::Windows1252.resolve(b"\xef\xbb\xbf"), (Encoding::Windows1252, 0));
        assert_eq!(Encoding::Utf16Be.resolve(b"\xff\xfe"), (Encoding::Utf16Be, 0));
        assert_eq!(named("gb18030").resolve(b"\x84\x31\x95\x33"), (named("gb18030"), 4));
        assert!(Encoding::Utf16Be.is_contradicted(b"\xff\xfe"));
        assert!(Encoding::Utf16Le.is_contradicted(b"\xfe\xff"));
        assert!(
            !Encoding::Utf16Le.is_contradicted(b"\xff\xfe") && !Encoding::Utf8.is_contradicted(b"\xff\xfe")
        );
    }
}
