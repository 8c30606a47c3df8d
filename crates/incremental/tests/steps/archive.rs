//! A pipeline's file: what it refuses.

use incremental::{ErrorKind, Pipeline};

use crate::support::{fit, floats, ints, table, texts};

fn file() -> Vec<u8> {
    let table = table([
        ("age", ints([Some(1), None, Some(40)])),
        ("city", texts(["Åre", "Oslo", "Oslo"])),
        ("rate", floats([0.1, f64::NAN, -3e200])),
    ]);
    let steps = [
        "use = \"simple_imputer\"\ncolumns = [\"age\"]\nadd_indicator = true",
        "use = \"one_hot_encoder\"\ncolumns = [\"city\"]",
        "use = \"standard_scaler\"\ncolumns = [\"rate\"]",
        "use = \"drop_columns\"\ncolumns = [\"missingindicator_age\"]",
    ];
    fit(&steps, &table).unwrap().0.to_bytes().unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    let error = Pipeline::from_bytes(bytes).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Archive { .. } | ErrorKind::OtherFile { .. }));
    error.to_string()
}

#[test]
fn any_changed_byte_is_refused() {
    let file = file();
    for place in 0..file.len() {
        for flip in [1, 0x20, 0x80, 0xff] {
            let mut damaged = file.clone();
            damaged[place] ^= flip;
            refusal(&damaged);
        }
        refusal(&file[..place]);
    }
    assert!(Pipeline::from_bytes(&file).is_ok());
}

#[test]
fn a_refusal_says_what_the_file_is() {
    let file = String::from_utf8(file()).unwrap();
    assert_eq!(refusal(b"id,x\n1,2\n"), "is no pipeline; give a file that `tidegate fit` has written");
    assert_eq!(
        refusal(file.replacen("pipeline 1 ", "pipeline 2 ", 1).as_bytes()),
        "is a pipeline of version 2, and this program reads version 1; fit again, or use the program that wrote it"
    );
    assert_eq!(
        refusal(file.replacen("Oslo", "Oslp", 1).as_bytes()),
        "is damaged: its checksum does not match; restore it or fit again"
    );
    let forge = |from: &str, to: &str| {
        assert!(file.contains(from));
        let json = file.split_once('\n').unwrap().1.replacen(from, to, 1);
        refusal(
            format!("tidegate-pipeline 1 crc32:{:08x}\n{json}", crc32fast::hash(json.as_bytes())).as_bytes(),
        )
    };
    assert_eq!(
        forge("drop_columns", "drop_rows"),
        "has a step `drop_rows`, which this program does not know"
    );
    assert_eq!(
        forge("\"city\"\n      ]", "\"city\", \"age\"]"),
        "a step of 2 columns has learnt 1; fit again"
    );
}
