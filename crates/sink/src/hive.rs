//! Names of partitions' folders, as Hive writes them: `COLUMN=value`.

use std::fmt::Write;

/// Stands for a null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Whether a character stands as `%` and two hexadecimal digits.
///
/// Apache Hive, `FileUtils.escapePathName`; and the zero byte, which no name has.
fn is_escaped(byte: u8) -> bool {
    byte < 0x20
        || matches!(byte, 0x7f | b'"' | b'#' | b'%' | b'\'' | b'*' | b'/' | b':' | b'=' | b'?' | b'\\')
        || matches!(byte, b'{' | b'[' | b']' | b'^')
}

/// The name of the folder of rows whose value in `column` is `value`; none is null.
///
/// Different values have different names, but for file systems that tell no case apart.
pub(crate) fn folder_name(column: &str, value: Option<&str>) -> String {
    let mut name = String::new();
    escape(column, &mut name);
    name.push('=');
    match value {
        None => name.push_str(NULL),
        // Not what it would be as it is.
        Some(NULL) => {
            name.push_str("%5F");
            name.push_str(&NULL[1..]);
        }
        Some(value) => escape(value, &mut name),
    }
    name
}

fn escape(text: &str, to: &mut String) {
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) if is_escaped(byte) => {
                // Writing to a string does not fail.
                let _ = write!(to, "%{byte:02X}");
            }
            _ => to.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As readers do it.
    fn unescape(name: &str) -> String {
        let (mut bytes, mut rest) = (Vec::new(), name.as_bytes());
        while let [first, tail @ ..] = rest {
            rest = tail;
            match (first, tail) {
                (b'%', [high, low, tail @ ..]) => {
                    let digits = [*high, *low];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                    rest = tail;
                }
                _ => bytes.push(*first),
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn names_are_those_of_hive() {
        for (value, name) in [
            (Some("AA"), "k=AA"),
            (Some("2024-01-01T12:30:00"), "k=2024-01-01T12%3A30%3A00"),
            (Some("a/b=c %"), "k=a%2Fb%3Dc %25"),
            (Some("é\n\0"), "k=é%0A%00"),
            (Some(""), "k="),
            (None, "k=__HIVE_DEFAULT_PARTITION__"),
            (Some("__HIVE_DEFAULT_PARTITION__"), "k=%5F_HIVE_DEFAULT_PARTITION__"),
        ] {
            assert_eq!(folder_name("k", value), name);
        }
        assert_eq!(folder_name("a=b", Some("1")), "a%3Db=1");
    }

    proptest! {
        #[test]
        fn values_come_back_from_names_that_are_one_folder(value in any::<String>()) {
            let name = folder_name("k", Some(&value));
            prop_assert!(!name.contains(['/', '\0']));
            prop_assert_eq!(unescape(name.strip_prefix("k=").unwrap()), value);
        }
    }
}
