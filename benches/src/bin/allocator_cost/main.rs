//! `allocator_cost [ROWS] [ROUNDS] [THREADS]`: what the tagged allocator takes of the loader's throughput.
//!
//! A process has one allocator, so there are two programs: this one, which also loads when it is told to, and
//! `allocator_cost_tagged`. They take turns, each round begins with the other one, and the ratios of the rounds are
//! sorted: a machine that slows down slows both. Build both first: `cargo build --release -p benches --bins`.

mod job;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use benches::{Shape, write};

/// Loads of one process, of which the fastest counts.
const LOADS: u32 = 3;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|first| first == "--load").is_some() {
        return job::run(args);
    }
    match compare(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("allocator_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(mut args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let (rows, rounds, threads) = (number(500_000)?, number(11)?, number(1)?);
    let plain = std::env::current_exe()?;
    let tagged = plain.with_file_name(format!("allocator_cost_tagged{}", std::env::consts::EXE_SUFFIX));
    let file = Corpus::write(rows)?;
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let run_plain = || seconds(Command::new(&plain).arg("--load"), &file.0, threads);
        let run_tagged = || seconds(&mut Command::new(&tagged), &file.0, threads);
        let (without, with) = if round % 2 == 0 {
            let without = run_plain()?;
            (without, run_tagged()?)
        } else {
            let with = run_tagged()?;
            (run_plain()?, with)
        };
        println!(
            "plain {:.4} s, tagged {:.4} s; processor {:.4} and {:.4} s",
            without.0, with.0, without.1, with.1
        );
        wall.push(with.0 / without.0);
        cpu.push(with.1 / without.1);
    }
    for (what, ratios) in [("time", &mut wall), ("processor time", &mut cpu)] {
        ratios.sort_by(f64::total_cmp);
        let quartile = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
        println!(
            "tagged over plain, {what}: median {:.4}, quartiles {:.4} and {:.4}",
            quartile(2),
            quartile(1),
            quartile(3)
        );
    }
    Ok(())
}

fn seconds(command: &mut Command, file: &Path, threads: u64) -> Result<(f64, f64), Box<dyn Error>> {
    let output = command.arg(file).arg(threads.to_string()).arg(LOADS.to_string()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let error = || format!("no figures: {text}{}", String::from_utf8_lossy(&output.stderr));
    let (wall, cpu) = text.trim().split_once(' ').ok_or_else(error)?;
    Ok((wall.parse()?, cpu.parse()?))
}

/// A file that is removed in the end.
struct Corpus(PathBuf);

impl Corpus {
    fn write(rows: u64) -> Result<Corpus, Box<dyn Error>> {
        let corpus = Corpus(std::env::temp_dir().join(format!("allocator-cost-{}.csv", std::process::id())));
        let mut file = BufWriter::new(File::create(&corpus.0)?);
        write(Shape::Orders, rows, 1, &mut file)?;
        file.flush()?;
        Ok(corpus)
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
