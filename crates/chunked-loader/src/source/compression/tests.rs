use std::io::Write;

use monitor::{Budget, Bytes};
use proptest::prelude::*;

use super::*;
use crate::source::stored::tests::{Trickle, drain, stored};

pub(in crate::source) const ALL: [Compression; 4] =
    [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz];

/// One member, with a sum of its content.
pub(in crate::source) fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut encoder = flate2::GzBuilder::new()
                .filename("table.csv")
                .comment("a comment")
                .write(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => {
            let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// What the format allows between two members; `fill` says how much of it.
fn filling(compression: Compression, fill: usize) -> Vec<u8> {
    match compression {
        Compression::Gzip => vec![0; fill],
        Compression::Xz => vec![0; 4 * fill],
        Compression::Zstd if fill > 0 => {
            let mut frame = vec![0x50 + (fill % 16) as u8, 0x2a, 0x4d, 0x18];
            frame.extend_from_slice(&(fill as u32).to_le_bytes());
            frame.extend(std::iter::repeat_n(0x28, fill));
            frame
        }
        Compression::Zstd | Compression::Bzip2 => Vec::new(),
    }
}

fn unpack(
    compression: Compression,
    packed: &[u8],
    cuts: &[usize],
    reads: &[usize],
) -> (Vec<u8>, io::Result<()>) {
    let consumer = Budget::unbounded().consumer("decompress");
    let mut decoder = compression.decoder(stored(packed, cuts), &consumer).unwrap();
    let (bytes, end) = drain(&mut decoder, reads);
    assert_eq!(end.is_err(), decoder.read(&mut [0; 10]).is_err(), "an error or an end stays");
    (bytes, end)
}

/// Unpacks what must not be whole; the error's message.
fn damage(compression: Compression, packed: &[u8], whole: &[u8]) -> String {
    let (bytes, end) = unpack(compression, packed, &[1 << 16], &[1 << 12]);
    assert!(whole.starts_with(&bytes), "{compression:?}");
    let error = Error::io(end.expect_err("an error"));
    assert!(matches!(error.kind(), ErrorKind::Damaged { .. }), "{compression:?}: {error}");
    error.to_string()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => prop::sample::select(&b"0123,\n"[..]), 1 => any::<u8>()];
    (prop::collection::vec(byte, 0..400), prop::sample::select(&[1usize, 1, 1, 60][..]))
        .prop_map(|(bytes, times)| bytes.repeat(times))
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        prop::collection::vec(1usize..4, 1..4),
        prop::collection::vec(1usize..2000, 1..5),
        Just(vec![1 << 16])
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_members_come_back_through_any_cut(
        compression in prop::sample::select(&ALL[..]),
        members in prop::collection::vec((bytes(), 0usize..30), 0..5),
        first in 0usize..3,
        cuts in sizes(),
        reads in sizes(),
    ) {
        let mut packed = match compression {
            // Only these stand before a first member too.
            Compression::Zstd => filling(compression, first),
            _ => Vec::new(),
        };
        for (bytes, fill) in &members {
            packed.extend(pack(compression, bytes));
            packed.extend(filling(compression, *fill));
        }
        if !packed.is_empty() {
            prop_assert_eq!(Compression::found(&packed[..packed.len().min(10)], false), Some(compression));
        }
        let expected: Vec<u8> = members.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let (bytes, end) = unpack(compression, &packed, &cuts, &reads);
        prop_assert!(end.is_ok(), "{:?}", end);
        prop_assert!(bytes == expected);
    }

    #[test]
    fn changed_bytes_are_found_or_change_nothing(
        compression in prop::sample::select(&ALL[..]), bytes in bytes(), at: prop::sample::Index, bits in 1u8..,
    ) {
        let mut packed = pack(compression, &bytes);
        let at = at.index(packed.len());
        packed[at] ^= bits;
        let (got, end) = unpack(compression, &packed, &[1000], &[1000]);
        prop_assert!(end.is_err() || got == bytes, "at {} of {}", at, packed.len());
    }

    #[test]
    fn any_bytes_never_panic(
        compression in prop::sample::select(&ALL[..]),
        magic: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cuts in sizes(),
    ) {
        let mut packed = if magic { pack(compression, b"")[..10].to_vec() } else { Vec::new() };
        packed.extend(bytes);
        let consumer = Budget::new(Bytes::mib(16)).consumer("decompress");
        let decoder = compression.decoder(stored(&packed, &cuts), &consumer).unwrap();
        let _ = io::copy(&mut decoder.take(1 << 20), &mut io::sink());
    }
}

#[test]
fn a_member_that_is_cut_at_any_byte_is_an_error() {
    let text: String = (0..60).map(|n| format!("{n},text {}\n", n * 7919 % 101)).collect();
    for compression in ALL {
        for text in ["", "a,b\n1,2\n", &text] {
            let packed = pack(compression, text.as_bytes());
            for cut in 1..packed.len() {
                let message = damage(compression, &packed[..cut], text.as_bytes());
                let expected = format!(
                    "ends at byte {cut} in the middle of its {} data, expected their end; it was cut off, so fetch or \
                     make it again",
                    compression.name()
                );
                assert_eq!(message, expected, "{compression:?} cut to {cut} of {}", packed.len());
            }
        }
    }
}

#[test]
fn a_second_member_that_is_cut_is_an_error() {
    for compression in ALL {
        let mut packed = pack(compression, b"first");
        let first = packed.len();
        packed.extend(pack(compression, b"second"));
        for cut in first + 1..packed.len() {
            damage(compression, &packed[..cut], b"firstsecond");
        }
    }
}

#[test]
fn bytes_behind_the_last_member_are_an_error() {
    for compression in ALL {
        for rest in [&b"x"[..], b"rubbish that is long enough for a header", b"\n"] {
            let packed = [&pack(compression, b"a,b\n")[..], rest].concat();
            damage(compression, &packed, b"a,b\n");
        }
    }
    let three = [&pack(Compression::Xz, b"a")[..], &[0; 7]].concat();
    assert!(damage(Compression::Xz, &three, b"a").contains("multiple of four zeros"));
}

#[test]
fn large_members_are_cut_off_too() {
    let text: Vec<u8> =
        (0..60_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 20).to_le_bytes()).collect();
    for compression in ALL {
        let packed = pack(compression, &text);
        let (bytes, end) = unpack(compression, &packed, &[999, 1 << 16], &[777, 1 << 18]);
        assert!(end.is_ok() && bytes == text, "{compression:?}");
        for cut in (1..packed.len()).step_by(packed.len() / 13).chain(packed.len() - 3..packed.len()) {
            damage(compression, &packed[..cut], &text);
        }
    }
}

#[test]
fn what_unpacks_to_very_much_stays_in_bounded_memory() {
    let zeros = vec![0; 1 << 20];
    for compression in ALL {
        let packed = pack(compression, &zeros).repeat(24);
        assert!(packed.len() < 100_000, "{}", packed.len());
        let budget = Budget::new(Bytes::mib(3));
        let decoder = compression.decoder(stored(&packed, &[1 << 16]), &budget.consumer("x")).unwrap();
        let (mut decoder, mut buffer, mut all) = (decoder, vec![1; 50_000], 0);
        while let n @ 1.. = decoder.read(&mut buffer).unwrap() {
            assert!(buffer[..n].iter().all(|byte| *byte == 0));
            all += n;
        }
        drop(decoder);
        assert_eq!(all, 24 << 20, "{compression:?}");
        assert_eq!(budget.reserved(), Bytes::ZERO, "given back");
    }
}

#[test]
fn memory_that_the_budget_lacks_is_refused_before_it_is_taken() {
    for (compression, small) in [
        (Compression::Gzip, Bytes::kib(100)),
        (Compression::Zstd, Bytes::kib(700)),
        (Compression::Bzip2, Bytes::kib(500)),
        (Compression::Xz, Bytes::kib(200)),
    ] {
        let text = vec![b'x'; 2 << 20];
        let packed = pack(compression, &text);
        let budget = Budget::new(small);
        let read = |budget: &Budget| {
            let mut decoder =
                compression.decoder(stored(&packed, &[1 << 16]), &budget.consumer("decompress"))?;
            decoder.read(&mut [0; 10]).map_err(Error::io)
        };
        let error = read(&budget).unwrap_err();
        let ErrorKind::Budget(refusal) = error.kind() else { panic!("{compression:?}: {error}") };
        assert_eq!(budget.reserved(), Bytes::ZERO, "given back");
        // What the refusal names as enough is enough.
        let enough = Budget::new(refusal.smallest_limit());
        assert_eq!(read(&enough).unwrap(), 10, "{compression:?}");
    }
}

#[test]
fn an_error_of_the_file_is_not_the_formats() {
    struct Torn(Trickle);
    impl Read for Torn {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out) {
                Ok(0) => Err(io::Error::other("the disk is gone")),
                other => other,
            }
        }
    }
    for compression in ALL {
        let packed = pack(compression, b"a,b\n1,2\n");
        let consumer = Budget::unbounded().consumer("x");
        let torn = Box::new(Torn(Trickle::new(&packed[..packed.len() / 2], &[3])));
        let stored = Stored::new(torn, std::sync::Arc::default(), &consumer).unwrap();
        let (_, end) = drain(&mut compression.decoder(stored, &consumer).unwrap(), &[10]);
        let error = Error::io(end.unwrap_err());
        assert_eq!(error.to_string(), "cannot be read: the disk is gone");
    }
}

#[test]
fn compression_is_found_by_what_a_file_holds() {
    for compression in ALL {
        for text in ["", "a,b\n"] {
            let packed = pack(compression, text.as_bytes());
            assert_eq!(Compression::found(&packed, true), Some(compression));
            assert_eq!(Compression::found(&packed[..10], false), Some(compression));
        }
    }
    for text in ["", "B", "BZh", "BZh9", "BZh9,b\n1,2", "BZh91AY", "P*M", "(", "\u{1f}"] {
        assert_eq!(Compression::found(text.as_bytes(), true), None, "{text:?}");
    }
    // Cut off within a mark that is no text.
    assert_eq!(Compression::found(b"\x28\xb5\x2f", true), Some(Compression::Zstd));
    assert_eq!(Compression::found(b"\x28\xb5\x2f", false), None);
    assert_eq!(Compression::found(b"\xfd7", true), Some(Compression::Xz));
}
