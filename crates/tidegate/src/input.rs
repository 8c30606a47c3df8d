//! Opening what the command line names: files, globs, standard input.

use std::io;
use std::path::{Path, PathBuf};

use chunked_loader::Source;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// How long a read of standard input may sleep before an interrupt is looked for.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Opens the inputs as one source. What cannot be read twice is kept in `spool_dir`, or where the system keeps
/// temporary files.
pub(crate) fn open(
    inputs: &[String],
    spool_dir: Option<&Path>,
    interrupt: &Interrupt,
) -> Result<Source, Failure> {
    let spool_dir = spool_dir.map_or_else(std::env::temp_dir, Path::to_owned);
    if inputs.iter().any(|input| input == "-") {
        if inputs.len() > 1 {
            return Err(Failure::Usage(
                "`-` stands alone: standard input cannot be joined with files".into(),
            ));
        }
        let stdin = io::stdin();
        let reader = Interruptible { stdin: stdin.lock(), interrupt };
        return Ok(Source::spool("standard input", reader, &spool_dir, &mut || interrupt.is_set())?);
    }
    let mut paths = Vec::new();
    for input in inputs {
        expand(input, &mut paths)?;
    }
    Ok(Source::open(&paths, &spool_dir)?)
}

/// A path that exists is taken as it is, so that brackets in a name need no escape.
fn expand(input: &str, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let path = PathBuf::from(input);
    if path.exists() || !input.contains(['*', '?', '[']) {
        paths.push(path);
        return Ok(());
    }
    let matches = glob::glob(input).map_err(|e| Failure::Usage(format!("{input}: {e}")))?;
    let before = paths.len();
    for path in matches {
        paths.push(path.map_err(|e| {
            let path = e.path().to_owned();
            Failure::io(&path, "read", e.into())
        })?);
    }
    if paths.len() == before {
        let error = io::Error::from(io::ErrorKind::NotFound);
        return Err(Failure::Io { path, doing: "read", error });
    }
    Ok(())
}

/// Standard input that gives up waiting when the user does.
struct Interruptible<'a> {
    stdin: io::StdinLock<'static>,
    interrupt: &'a Interrupt,
}

impl io::Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.interrupt.is_set() {
                // The copy asks for itself whether it shall stop.
                return Err(io::ErrorKind::Interrupted.into());
            }
            let mut waited = [PollFd::new(&self.stdin, PollFlags::IN)];
            match poll(&mut waited, Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                _ => return self.stdin.read(buffer),
            }
        }
    }
}
