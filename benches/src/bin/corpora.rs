//! `corpora SHAPE ROWS [SEED]` writes a seeded corpus as CSV to standard output.

use std::env;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use benches::{Shape, write};

const USAGE: &str = "\
usage: corpora SHAPE ROWS [SEED]

Writes ROWS records and a header as CSV to standard output. The same arguments give the same bytes.

  SHAPE  orders    20 mixed columns with nulls, quotes and line ends in quotes
         mixed50   50 columns: integers of every width, floats, categories, bools
         train     28 numbers, a category and a 0/1 label
  ROWS   a whole number
  SEED   a whole number, 1 if not given";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Help,
    Corpus { shape: Shape, rows: u64, seed: u64 },
}

fn main() -> ExitCode {
    // Lossy: an argument that is not UTF-8 is none of ours, and still has to be shown.
    let args: Vec<String> = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    match parse(&args) {
        Ok(Request::Help) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(Request::Corpus { shape, rows, seed }) => match write(shape, rows, seed, &mut io::stdout().lock())
        {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever reads has seen enough: `corpora orders 1000000 | head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("corpora: standard output: {error}");
                ExitCode::FAILURE
            }
        },
        Err(message) => {
            eprintln!("corpora: {message}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(args: &[String]) -> Result<Request, String> {
    if args.iter().any(|arg| arg == "-h" || arg == "--help") {
        return Ok(Request::Help);
    }
    let (shape, rows, seed) = match args {
        [shape, rows] => (shape, rows, None),
        [shape, rows, seed] => (shape, rows, Some(seed)),
        _ => return Err(format!("expected 2 or 3 arguments, found {}", args.len())),
    };
    Ok(Request::Corpus {
        shape: shape.parse().map_err(|error| format!("SHAPE: {error}"))?,
        rows: number("ROWS", rows)?,
        seed: seed.map_or(Ok(1), |seed| number("SEED", seed))?,
    })
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{name}: expected a whole number from 0 to {}, found {text:?}", u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Request, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_read_and_the_seed_may_be_left_out() {
        let corpus = |rows, seed| Ok(Request::Corpus { shape: Shape::Train, rows, seed });
        assert_eq!(parse_words("train 10"), corpus(10, 1));
        assert_eq!(parse_words("train 0 18446744073709551615"), corpus(0, u64::MAX));
        assert_eq!(parse_words("train --help"), Ok(Request::Help));
    }

    #[test]
    fn messages_name_the_argument() {
        for (line, message) in [
            ("", "expected 2 or 3 arguments, found 0"),
            ("train 1 2 3", "expected 2 or 3 arguments, found 4"),
            ("trian 1", "SHAPE: unknown shape \"trian\": expected one of orders, mixed50, train"),
            ("train 10k", "ROWS: expected a whole number from 0 to 18446744073709551615, found \"10k\""),
            ("train 1 -1", "SEED: expected a whole number from 0 to 18446744073709551615, found \"-1\""),
        ] {
            assert_eq!(parse_words(line), Err(message.to_owned()), "{line:?}");
        }
    }
}
