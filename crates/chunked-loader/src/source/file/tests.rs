use std::io::Write;
use std::sync::atomic::Ordering;

use monitor::Bytes;
use proptest::prelude::*;

use super::*;
use crate::source::Source;
use crate::source::compression::tests::{ALL, pack};

/// Everything that a file gives, however it is opened.
struct Opened {
    text: Vec<u8>,
    end: Result<(), Error>,
    mark: u64,
    encoding: Encoding,
    compression: Option<&'static str>,
    is_stream: bool,
}

fn read(file: &SourceFile, encoding: Encoding, is_ahead: bool) -> Result<Opened, Error> {
    let budget = Budget::new(Bytes::mib(8));
    let mut open = file.open(encoding, &budget, is_ahead)?;
    let (mut text, is_stream) = (Vec::new(), matches!(open.input, Input::Stream(_)));
    let end = match &mut open.input {
        Input::Plain(file) => {
            let len = file.metadata().unwrap().len() - open.mark;
            text.resize(len as usize, 0);
            std::os::unix::fs::FileExt::read_exact_at(file as &File, &mut text, open.mark).map_err(Error::io)
        }
        Input::Stream(stream) => stream.read_to_end(&mut text).map(|_| ()).map_err(Error::io),
    };
    let consumed = open.consumed.load(Ordering::Relaxed);
    let stored = std::fs::metadata(file.stored.path()).unwrap().len();
    if is_stream && end.is_ok() {
        assert_eq!(consumed, stored, "all of the file is taken");
    }
    assert!(open.is_unchanged().unwrap());
    let Encoding::Auto = open.encoding else {
        let opened = Opened {
            text,
            end,
            mark: open.mark,
            encoding: open.encoding,
            compression: open.compression,
            is_stream,
        };
        drop(open);
        assert_eq!(budget.reserved(), Bytes::ZERO, "given back");
        return Ok(opened);
    };
    panic!("the encoding is not resolved")
}

/// Opens these bytes as a file, as a pipe, ahead and not, which all must give the same.
fn open_as(bytes: &[u8], encoding: Encoding) -> Result<Opened, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv.gz");
    std::fs::write(&path, bytes).unwrap();
    let file = &Source::open(&[path], folder.path()).unwrap().files[0];
    let pipe = &Source::spool("pipe", bytes, folder.path(), &mut || false).unwrap().files[0];
    // A refusal knows how old each reservation is, which no two openings share; it does not say so.
    let told = |error: &Error| match error.kind() {
        ErrorKind::Budget(refusal) => refusal.to_string(),
        kind => format!("{kind:?}"),
    };
    let shown = |opened: &Result<Opened, Error>| match opened {
        Ok(o) => {
            let end = o.end.as_ref().map_err(told);
            Ok((o.text.clone(), end.cloned(), o.mark, o.encoding, o.compression))
        }
        Err(e) => Err(told(e)),
    };
    let first = read(file, encoding, false);
    for other in [read(file, encoding, true), read(pipe, encoding, false), read(pipe, encoding, true)] {
        assert_eq!(shown(&other), shown(&first));
        assert!(other.err().is_none_or(|e| e.file().is_some()), "an error names its file");
    }
    first
}

fn open(bytes: &[u8]) -> Opened {
    open_as(bytes, Encoding::Auto).unwrap()
}

fn text_of(bytes: &[u8]) -> String {
    let opened = open(bytes);
    opened.end.unwrap();
    String::from_utf8(opened.text).unwrap()
}

fn utf16le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn plain_files_are_read_in_place_whatever_their_name() {
    let opened = open(b"a,b\n1,2\n");
    assert!(!opened.is_stream);
    assert_eq!((opened.text.as_slice(), opened.mark), (&b"a,b\n1,2\n"[..], 0));
    assert_eq!((opened.encoding, opened.compression), (Encoding::Utf8, None));
    let marked = open("\u{feff}a,b\n".as_bytes());
    assert_eq!((marked.text.as_slice(), marked.mark, marked.is_stream), (&b"a,b\n"[..], 3, false));
    assert_eq!(text_of(b""), "");
    // Bytes that are no UTF-8 are the caller's to find.
    assert_eq!(open(b"caf\xe9\n").text, b"caf\xe9\n");
}

#[test]
fn compressed_files_of_every_format() {
    let long: String = (0..5000).map(|n| format!("{n},é\n")).collect();
    for compression in ALL {
        for text in ["", "a", "a,b\n1,2\n", &long] {
            let opened = open(&pack(compression, text.as_bytes()));
            assert!(opened.end.is_ok() && opened.text == text.as_bytes(), "{compression:?}");
            assert_eq!((opened.compression, opened.mark), (Some(compression.name()), 0));
        }
    }
}

#[test]
fn marks_and_encodings_are_looked_for_inside() {
    let text = "a,é\n1,😀\n";
    for compression in ALL {
        let opened = open(&pack(compression, format!("\u{feff}{text}").as_bytes()));
        assert_eq!((opened.text.as_slice(), opened.mark), (text.as_bytes(), 3));
        assert_eq!(opened.encoding, Encoding::Utf8);
        let opened = open(&pack(compression, &utf16le(&format!("\u{feff}{text}"))));
        assert_eq!((opened.text.as_slice(), opened.mark), (text.as_bytes(), 2));
        assert_eq!((opened.encoding, opened.compression), (Encoding::Utf16Le, Some(compression.name())));
        let opened = open_as(&pack(compression, b"caf\xe9\n"), Encoding::Latin1).unwrap();
        assert_eq!((opened.text.as_slice(), opened.mark), ("café\n".as_bytes(), 0));
    }
}

#[test]
fn encodings_that_are_found_or_told() {
    let text = "a,é\n1,😀\n";
    let marked = utf16le(&format!("\u{feff}{text}"));
    let swapped: Vec<u8> = marked.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
    for (bytes, told, encoding, mark) in [
        (&marked, Encoding::Auto, Encoding::Utf16Le, 2),
        (&marked, Encoding::Utf16, Encoding::Utf16Le, 2),
        (&marked, Encoding::Utf16Le, Encoding::Utf16Le, 2),
        (&swapped, Encoding::Auto, Encoding::Utf16Be, 2),
        (&swapped, Encoding::Utf16, Encoding::Utf16Be, 2),
        (&utf16le(text), Encoding::Utf16, Encoding::Utf16Le, 0),
    ] {
        let opened = open_as(bytes, told).unwrap();
        opened.end.unwrap();
        assert_eq!((opened.encoding, opened.mark), (encoding, mark), "{told}");
        assert_eq!(opened.text, text.as_bytes(), "{told}");
    }
    let opened = open_as(b"\x80 caf\xe9\n", Encoding::Windows1252).unwrap();
    assert_eq!(opened.text, "€ café\n".as_bytes());
    // UTF-16 that is told is no UTF-32 for a NUL behind its mark.
    assert_eq!(open_as(b"\xff\xfe\0\0a\0", Encoding::Utf16Le).unwrap().text, b"\0a");
}

#[test]
fn text_that_its_encoding_does_not_have_tells_its_place() {
    let mut bytes = utf16le("\u{feff}ab");
    bytes.extend_from_slice(b"\x00\xdcc\0");
    for stored in [bytes.clone(), pack(ALL[0], &bytes)] {
        let opened = open(&stored);
        assert_eq!(opened.text, b"ab");
        assert_eq!(
            opened.end.unwrap_err().to_string(),
            "found bytes at byte 6 that utf-16le has no character for, expected utf-16le text; mend the file, \
             or name its true encoding"
        );
    }
    let odd = open(b"\xff\xfea\0b");
    let error = odd.end.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Undecodable { byte: 4, encoding: Encoding::Utf16Le }),
        "{error}"
    );
    let error = open_as(b"\xfe\xff\0a", Encoding::Utf16Le).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Undecodable { byte: 0, .. }), "{error}");
}

#[test]
fn other_formats_are_refused_inside_compression_too() {
    let tar = [&[b'x'; 100][..], &[0; 157], b"ustar\x0000"].concat();
    for (bytes, what) in [
        (&b"PAR1\x15\x04"[..], "a Parquet file packed or among CSV files"),
        (b"PK\x03\x04", "a zip archive"),
        (b"ARROW1\0\0", "an Arrow IPC file packed or among CSV files"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        (b"\0\0\xfe\xff\0\0\0a", "UTF-32"),
        (b"\x04\x22\x4d\x18\x64", "LZ4"),
        (&tar, "a tar archive"),
    ] {
        for stored in [bytes.to_vec(), pack(ALL[0], bytes), pack(ALL[1], bytes)] {
            let error = open_as(&stored, Encoding::Auto).err().unwrap();
            assert!(matches!(error.kind(), ErrorKind::Unsupported { what: w, .. } if *w == what), "{error}");
        }
    }
    let twice = pack(ALL[1], &pack(ALL[0], b"a,b\n"));
    let error = open_as(&twice, Encoding::Auto).err().unwrap().to_string();
    assert!(error.ends_with("is compressed twice, which is not read yet; unpack it once first"), "{error}");
}

#[test]
fn a_long_pipe_is_packed_and_read_as_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..70_000).map(|n| format!("{n},é\n")).collect();
    let marked = format!("\u{feff}{text}");
    for (bytes, encoding, mark) in [
        (text.clone().into_bytes(), Encoding::Utf8, 0),
        (marked.clone().into_bytes(), Encoding::Utf8, 3),
        (utf16le(&marked), Encoding::Utf16Le, 2),
    ] {
        let pipe = &Source::spool("pipe", &bytes[..], folder.path(), &mut || false).unwrap().files[0];
        let Location::Spooled(spooled) = &pipe.stored else { panic!("not spooled") };
        assert_eq!(spooled.packed(), Some(bytes.len() as u64));
        assert!(std::fs::metadata(spooled.path()).unwrap().len() < bytes.len() as u64);
        for is_ahead in [false, true] {
            let opened = read(pipe, Encoding::Auto, is_ahead).unwrap();
            assert!(opened.end.is_ok() && opened.text == text.as_bytes());
            assert_eq!((opened.encoding, opened.mark, opened.compression), (encoding, mark, None));
        }
        let opened = open(&bytes);
        assert!(opened.text == text.as_bytes());
    }
    let parquet = [&b"PAR1\x15\x04"[..], &[0; 300_000]].concat();
    assert!(open_as(&parquet, Encoding::Auto).is_err());
}

#[test]
fn a_compressed_file_that_is_cut_at_any_byte_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let text = "a,b\n1,2\n3,4\n";
    for compression in ALL {
        let packed = pack(compression, text.as_bytes());
        // Before that it is an empty file, or one letter, or in bzip2's case text.
        let least = if compression.name() == "bzip2" { 10 } else { 2 };
        for cut in least..packed.len() {
            let path = folder.path().join("x");
            std::fs::write(&path, &packed[..cut]).unwrap();
            let file = &Source::open(&[path], folder.path()).unwrap().files[0];
            let error = match read(file, Encoding::Auto, cut % 2 == 0) {
                Ok(opened) => opened.end.unwrap_err(),
                Err(error) => error,
            };
            assert!(
                matches!(error.kind(), ErrorKind::Damaged { cause: None, .. }),
                "{compression:?}: {error}"
            );
        }
    }
}

#[test]
fn a_budget_without_room_for_buffers_ahead_does_without() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, pack(ALL[0], b"a,b\n1,2\n")).unwrap();
    let file = &Source::open(&[path], folder.path()).unwrap().files[0];
    let budget = Budget::new(Bytes::kib(200));
    let mut text = String::new();
    match file.open(Encoding::Auto, &budget, true).unwrap().input {
        Input::Stream(mut stream) => stream.read_to_string(&mut text).unwrap(),
        Input::Plain(_) => panic!("plain"),
    };
    assert_eq!(text, "a,b\n1,2\n");
    let error = file.open(Encoding::Auto, &Budget::new(Bytes::kib(20)), true).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Budget(_)));
}

#[test]
fn changes_of_a_file_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, pack(ALL[0], b"a,b\n1,2\n")).unwrap();
    let file = Source::open(std::slice::from_ref(&path), folder.path()).unwrap().files[0].clone();
    let first = file.open(Encoding::Auto, &Budget::unbounded(), true).unwrap();
    let again = file.open(Encoding::Auto, &Budget::unbounded(), false).unwrap();
    assert!(first.fingerprint == again.fingerprint && first.is_unchanged().unwrap());
    // Another file of the same length and time takes its place.
    let other = folder.path().join("y");
    std::fs::write(&other, pack(ALL[0], b"a,b\n1,2\n")).unwrap();
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    File::options().append(true).open(&other).unwrap().set_modified(time).unwrap();
    std::fs::rename(&other, &path).unwrap();
    let replaced = file.open(Encoding::Auto, &Budget::unbounded(), false).unwrap();
    assert!(replaced.fingerprint != first.fingerprint);
    assert!(first.is_unchanged().unwrap(), "what is open is the old one");
    File::options().append(true).open(&path).unwrap().write_all(b"x").unwrap();
    assert!(!replaced.is_unchanged().unwrap());
}

const BEGINNINGS: &[&[u8]] =
    &[b"", b"\x1f\x8b\x08", b"\xff\xfe", b"\xef\xbb\xbf", b"PK", b"\x28\xb5\x2f\xfd"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_open_alike_from_a_file_and_a_pipe(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        begin in prop::sample::select(BEGINNINGS),
        encoding in prop::sample::select(&["auto", "utf-16", "latin1", "shift_jis"][..]),
    ) {
        let _ = open_as(&[begin, &bytes].concat(), encoding.parse().unwrap());
    }
}
