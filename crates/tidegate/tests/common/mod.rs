//! Runs the built command in a folder of its own, and reads back what it wrote.
//!
//! The command's working directory is the folder, so that messages name files shortly; outputs go to `out` in
//! it, and `tmp` is its directory for temporary files. Both are looked at after a failure.

#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

pub(crate) mod cgroup;
pub(crate) mod table;

use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// What a run has left to look at.
pub(crate) struct Run {
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { code, signal, stdout, stderr } = self;
        let stdout = String::from_utf8_lossy(stdout);
        write!(f, "code {code:?}, signal {signal:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Passes the run on if it went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Run {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }
}

/// A place to work in that goes away with the test.
pub(crate) struct Folder {
    dir: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        Folder { dir }
    }

    /// A folder that holds the file `name` of the test data.
    pub(crate) fn with(names: &[&str]) -> Folder {
        let folder = Folder::new();
        for name in names {
            std::os::unix::fs::symlink(testdata(name), folder.path(name)).unwrap();
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn read_json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// Names of the files in the folder's `out`, hidden ones included.
    pub(crate) fn outputs(&self) -> Vec<String> {
        names(&self.path("out"))
    }

    /// Names of the files in the directory for temporary ones.
    pub(crate) fn temporaries(&self) -> Vec<String> {
        names(&self.path("tmp"))
    }

    /// The command, ready for arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.current_dir(self.dir.path()).env("TMPDIR", self.path("tmp")).stdin(Stdio::null());
        command
    }

    /// Runs the command with arguments that are parted by blanks.
    pub(crate) fn run(&self, args: &str) -> Run {
        self.command().args(args.split_whitespace()).output().unwrap().into()
    }

    /// Runs the command with arguments that may be empty or hold blanks.
    pub(crate) fn run_args(&self, args: &[&str]) -> Run {
        self.command().args(args).output().unwrap().into()
    }

    /// Runs the command with the file `input` as standard input.
    pub(crate) fn run_with_stdin(&self, args: &str, input: &str) -> Run {
        let input = fs::File::open(self.path(input)).unwrap();
        self.command().args(args.split_whitespace()).stdin(input).output().unwrap().into()
    }

    /// The command at work, all its streams held by the test.
    pub(crate) fn start(&self, args: &str) -> Child {
        let mut command = self.command();
        command.args(args.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Sends a signal to a child that has not been waited for.
pub(crate) fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A file of the test data.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").canonicalize().unwrap().join(name)
}

/// The unpacked contents of a gzip file.
pub(crate) fn gunzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(fs::File::open(path).unwrap());
    std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
    bytes
}

/// Says on standard error what was not tested, and why.
pub(crate) fn skip(what: &str, why: &str) {
    eprintln!("skipped: {what}: {why}");
}

/// Orders as in the test data, over and over, `bytes` of them: every row has its own id and its own token, so
/// that no dictionary makes them small.
pub(crate) fn orders(bytes: usize) -> Vec<u8> {
    const TOKEN: usize = 18;
    let mut sample = csv::Reader::from_path(testdata("orders-1k.csv")).unwrap();
    let header = sample.headers().unwrap().clone();
    assert_eq!((&header[0], &header[TOKEN]), ("id", "token"));
    let rows: Vec<csv::StringRecord> = sample.records().map(Result::unwrap).collect();
    let mut csv = csv::Writer::from_writer(Vec::with_capacity(bytes + 1024));
    csv.write_record(&header).unwrap();
    for (id, row) in (0u64..).zip(rows.iter().cycle()) {
        if id % 1000 == 0 {
            csv.flush().unwrap();
            if csv.get_ref().len() >= bytes {
                break;
            }
        }
        // Scattered by an odd factor, so no two are the same.
        let scattered = (id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (id, token) = (id.to_string(), format!("{scattered:016x}{:016x}", !scattered));
        let fields = row.iter().enumerate().map(|(i, field)| match i {
            0 => id.as_str(),
            TOKEN => token.as_str(),
            _ => field,
        });
        csv.write_record(fields).unwrap();
    }
    csv.into_inner().unwrap()
}
