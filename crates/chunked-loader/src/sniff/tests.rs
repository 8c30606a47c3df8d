//! What is found in small files.

use proptest::prelude::*;

use super::*;

fn found(head: &str) -> Dialect {
    settled(head, &Dialect::default())
}

fn settled(head: &str, dialect: &Dialect) -> Dialect {
    let whole = settle(head.as_bytes(), true, dialect);
    assert!(whole.validate().is_ok());
    assert_eq!(settle(head.as_bytes(), true, &whole), whole, "what is settled stays");
    whole
}

fn delimiter(head: &str) -> char {
    found(head).delimiter().map_or('?', char::from)
}

fn lines_before(head: &str) -> u64 {
    found(head).skip_lines()
}

#[test]
fn the_delimiter_that_makes_records_of_one_width() {
    for (head, expected) in [
        ("a,b\n1,2\n", ','),
        ("a\tb,c\td\n1\t2\t3\n", '\t'),
        ("a;b\n1,5;2,5\n3,5;4\n", ';'),
        ("a|b|c\n\"x,y\"|2|3\n", '|'),
        ("a;b;c", ';'),
        ("id;n\n1;1,234\n2;5,678\n", ';'),
        ("id,tags\n1,a;b\n2,c;d\n", ','),
    ] {
        assert_eq!(delimiter(head), expected, "{head}");
    }
}

#[test]
fn one_column_stays_one_column() {
    for head in
        ["one column\n1\n", "", "\n\n", "a\n1\n\n3\n", "a|b\n1\n2\n", "full name\nJohn Smith\nJane Doe\n"]
    {
        assert_eq!((delimiter(head), lines_before(head)), (',', 0), "{head}");
    }
}

#[test]
fn of_equal_cuts_the_one_that_makes_numbers_is_taken() {
    let dialect = Dialect::default().with_header(false);
    for (head, expected) in [
        ("1,5;2,5\n3,5;4,5\n", b';'),
        ("1,5\t2,5\n3,5\t4,5\n", b'\t'),
        ("1,a;b\n2,c;d\n", b','),
        ("1,2,3\n4,5,6\n", b','),
    ] {
        assert_eq!(settled(head, &dialect).delimiter(), Some(expected), "{head}");
    }
}

#[test]
fn a_byte_with_another_job_is_no_delimiter() {
    let dialect = Dialect::default();
    let quote = dialect.clone().with_quote(Some(b';'));
    assert_eq!(settled("a;b,c\n;1,1;,2\n", &quote).delimiter(), Some(b','));
    let decimal = dialect.clone().with_decimal(b',');
    assert_eq!(settled("a;b\n1,5;2,5\n", &decimal).delimiter(), Some(b';'));
    assert_eq!(settled("a\n1,5\n2,5\n", &decimal).delimiter(), Some(b'\t'));
    let thousands = dialect.clone().with_thousands(Some(b','));
    assert_eq!(settled("a,b\n\"1,500\",x\n", &thousands).delimiter(), Some(b','));
    assert_eq!(settled("a\n1,500\n2,500\n", &thousands).delimiter(), Some(b'\t'));
    let none_left =
        dialect.with_decimal(b',').with_comment(Some(b'\t')).with_escape(Some(b';')).with_quote(Some(b'|'));
    assert_eq!(settled("a,b\n", &none_left).delimiter(), Some(LAST_RESORT));
}

#[test]
fn a_quote_is_taken_for_one_only_where_it_clearly_serves() {
    for (head, expected) in [
        // Every text stands in it, or without it records break.
        ("'a','b'\n'1','x'\n'2','y'\n", b'\''),
        ("'id','name'\n1,'x, y'\n2,'z'\n", b'\''),
        ("a;b\n'x;y';2\n'z';3\n", b'\''),
        ("a,b\n'x\ny',2\n'z',3\n", b'\''),
        // In doubt, `"`.
        ("a,b\n1,2\n", b'"'),
        ("a,b\n'tis,1\n'twas,2\n", b'"'),
        ("a,b\n'x',1\ny,2\n", b'"'),
        ("a,b\n'x',1\n'y',2\n\"z\",3\n", b'"'),
        ("a,b\n'x, y,2\n", b'"'),
        ("name\n'x, y'\n'z'\n", b'"'),
        ("a,b\n1,it's\n2,o'clock\n", b'"'),
        ("", b'"'),
    ] {
        assert_eq!(found(head).quote(), Some(expected), "{head}");
    }
    assert_eq!(settled("'a','b'\n'1','2'\n", &Dialect::default().with_quote(None)).quote(), None);
    assert_eq!(settled("'a','b'\n'1','2'\n", &Dialect::default().with_quote(Some(b'"'))).quote(), Some(b'"'));
    let mark = Dialect::default().with_thousands(Some(b'\''));
    assert_eq!(settled("'a','b'\n'1','2'\n", &mark).quote(), Some(b'"'));
    assert_eq!(settled("a\"b\n1\"2\n", &Dialect::default().with_delimiter(b'"')).quote(), None);
}

#[test]
fn an_apostrophe_that_hides_the_rest_is_no_quote() {
    let head = format!("a,b\n'x',1\n'y',2\n'tis\n{}", "z,3\n".repeat(100));
    assert_eq!(settle(head.as_bytes(), false, &Dialect::default()).quote(), Some(b'"'));
}

#[test]
fn lines_before_the_header() {
    for (head, lines) in [
        ("Sales by region\nSource: the ledger\n\nregion,q1,q2\nnorth,10,20\nsouth,30,40\n", 3),
        ("title\nid;x\n1;0,5\n2;1,5\n", 1),
        ("title\r\nid,x\r\n1,a\r\n", 1),
        ("\"two\nlines\"\nid,x\n1,a\n2,b\n", 2),
        ("\n\ntitle\nday,what\n2024-01-01,a\n2024-01-02,\n", 3),
        ("title\n\nname,city\nAda,London\n", 2),
        ("title\nid,x\n1,a\n\n2,b\n", 1),
        ("title, with a comma\nid;x\n1;2\n", 1),
        ("sep=;\na;b\nx;y\n", 1),
        ("sep=,\na,b\nx,y\n", 1),
    ] {
        assert_eq!(lines_before(head), lines, "{head}");
    }
}

#[test]
fn in_doubt_no_line_is_skipped() {
    for head in [
        // One column, with a delimiter in some texts.
        "a\n1\n2\n3,4\n",
        "a\n1\n2,3\n4\n",
        "a\n1\n2,3\n4,5\n",
        "text\nhello, world\nsee, here\n",
        "price\n1,5\n2,5\n3,5\n",
        "name\nSmith,John\nDoe,Jane\n",
        // A ragged table.
        "a,b\n1\n2,3\n",
        "title\na,b\n1,2\n3\n",
        "title\na,b\n1,2\n3,4,5\n",
        // A header with too few names, and one with a name that is not there or comes twice.
        "a\n1,x\n2,y\n",
        "title\na,\n1,2\n3,4\n",
        "title\na,a\n1,2\n3,4\n",
        // No record below the header, or none at all.
        "title\na,b\n",
        "title\n",
        "title; with the delimiter\nid;x;y\n1;2;3\n",
        "",
    ] {
        assert_eq!(lines_before(head), 0, "{head}");
    }
    let head = "title\nid,x\n1,2\n";
    assert_eq!(settled(head, &Dialect::default().with_skip_lines(0)).skip_lines(), 0);
    assert_eq!(settled(head, &Dialect::default().with_header(false)).skip_lines(), 0);
}

#[test]
fn no_comment_is_assumed() {
    let dialect = found("# made by hand\n#\na,b\n1,2\n");
    assert_eq!(dialect.comment(), None);
    let dialect = settled("# made by hand\na;b\n#1,2\n1;2\n", &Dialect::default().with_comment(Some(b'#')));
    assert_eq!((dialect.delimiter(), dialect.skip_lines()), (Some(b';'), 0));
}

proptest! {
    /// Tables written with one delimiter are read with it, cut anywhere behind their third record.
    #[test]
    fn tables_are_found_again(
        delimiter in prop::sample::select(CANDIDATES.to_vec()),
        rows in prop::collection::vec(prop::collection::vec("[a-z]{1,5}|[0-9]{1,4}", 3), 3..20),
        title in prop::option::of("[A-Z][a-z ]{0,20}"),
        cut in 0usize..40,
    ) {
        let separator = char::from(delimiter).to_string();
        let lines = std::iter::once(format!("id{separator}b{separator}c{separator}d"))
            .chain(rows.iter().enumerate().map(|(i, row)| format!("{i}{separator}{}", row.join(&separator))));
        let mut head: String = title.iter().cloned().chain(lines).map(|line| line + "\n").collect();
        let kept = head.len() - cut.min(head.len() / 2);
        head.truncate(kept);
        prop_assume!(head.lines().count() > 4);
        let found = settle(head.as_bytes(), false, &Dialect::default());
        prop_assert_eq!(found.delimiter(), Some(delimiter));
        prop_assert_eq!(found.skip_lines(), u64::from(title.is_some()));
        prop_assert_eq!(found.quote(), Some(b'"'));
    }

    /// Whatever the bytes, the dialect that comes out is valid, complete and keeps what was set.
    #[test]
    fn any_bytes_settle_to_a_valid_dialect(
        head in "[a1,;|\t'\"# \r\n.=\u{e9}]{0,80}",
        delimiter in prop::option::of(prop::sample::select(b",;\t|\"'x".to_vec())),
        thousands in prop::option::of(prop::sample::select(b",.'\" ;".to_vec())),
        decimal in prop::sample::select(b".,;|".to_vec()),
        escape in prop::option::of(prop::sample::select(b"\\\"',;".to_vec())),
        is_whole in any::<bool>(),
    ) {
        let mut dialect =
            Dialect::default().with_decimal(decimal).with_thousands(thousands).with_escape(escape);
        if let Some(delimiter) = delimiter {
            dialect = dialect.with_delimiter(delimiter);
        }
        prop_assume!(dialect.validate().is_ok());
        let found = settle(head.as_bytes(), is_whole, &dialect);
        prop_assert!(found.validate().is_ok());
        prop_assert!(found.quote != Quote::Unset && found.skip_lines.is_some());
        prop_assert!(delimiter.is_none_or(|d| found.delimiter() == Some(d)));
    }
}
