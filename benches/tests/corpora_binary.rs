//! The `corpora` binary as a shell sees it: bytes, exit codes, a reader that goes away.

use std::io::Read;
use std::process::{Command, Output, Stdio};

use benches::{Shape, write};

fn corpora(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corpora"));
    command.args(args);
    command
}

#[test]
fn standard_output_holds_what_the_library_writes() {
    for shape in Shape::ALL {
        let mut expected = Vec::new();
        write(shape, 2000, 4, &mut expected).unwrap();
        let Output { status, stdout, stderr } = corpora(&[shape.name(), "2000", "4"]).output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{shape}");
        assert!(stdout == expected, "{shape}");
    }
}

#[test]
fn usage_errors_exit_2_and_leave_standard_output_empty() {
    for args in [&[][..], &["orders"], &["orders", "x"], &["nothing", "1"], &["train", "1", "1", "1"]] {
        let output = corpora(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(
            message.starts_with("corpora: ") && message.contains("usage: corpora SHAPE ROWS"),
            "{message}"
        );
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    // Far more than a pipe holds, so the writer is certain to meet the closed end.
    let mut child =
        corpora(&["orders", "1000000"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut start = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    assert_eq!(&start, b"id,user_id");
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert_eq!((child.wait().unwrap().code(), message.as_str()), (Some(0), ""));
}
