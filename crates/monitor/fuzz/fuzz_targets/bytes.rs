//! Any text as a number of bytes: read or refused with a message, never a panic; and every number of bytes is
//! read back as it was written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use monitor::Bytes;

fuzz_target!(|text: &str| {
    match text.parse::<Bytes>() {
        Err(e) => assert!(!e.to_string().is_empty()),
        Ok(bytes) => {
            assert_eq!(bytes.get().to_string().parse(), Ok(bytes));
            // The shown number is rounded, so that it is only near.
            let shown: f64 = match bytes.to_string().parse::<Bytes>() {
                Ok(shown) => shown.get() as f64,
                // Above 15.95 EiB the shown number is rounded up beyond what can be counted.
                Err(_) => u64::MAX as f64,
            };
            assert!(
                (shown - bytes.get() as f64).abs() <= bytes.get() as f64 * 0.05 + 0.5,
                "{text:?} is {bytes}"
            );
        }
    }
});
