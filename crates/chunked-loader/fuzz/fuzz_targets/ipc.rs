//! Any bytes as an Arrow IPC file or stream: never a panic, nor more memory than there is.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod columnar;

fuzz_target!(init: columnar::forget_caught_panics(), |bytes: &[u8]| {
    if bytes.starts_with(b"ARROW1\0\0") || bytes.starts_with(&[0xff; 4]) {
        return columnar::check(bytes);
    }
    columnar::check(&[&[0xff; 4][..], bytes].concat());
});
