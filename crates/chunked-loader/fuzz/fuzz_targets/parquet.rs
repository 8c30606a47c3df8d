//! Any bytes between the marks of a Parquet file: never a panic, nor more memory than there is.
//!
//! The bytes are pages and a footer; the footer's length and the marks are put around them, so that the footer is reached.
//! Bytes that begin with the mark are a file as they are.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod columnar;

fuzz_target!(init: columnar::forget_caught_panics(), |bytes: &[u8]| {
    if bytes.starts_with(b"PAR1\x15") {
        return columnar::check(bytes);
    }
    let Some((cut, rest)) = bytes.split_first() else { return };
    let footer = rest.len().saturating_sub(usize::from(*cut));
    let length = (footer as u32).to_le_bytes();
    columnar::check(&[b"PAR1\x15", rest, &length, b"PAR1"].concat());
});
