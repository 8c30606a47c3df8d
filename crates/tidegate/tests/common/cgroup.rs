//! A control group with a hard limit of memory, for the command and others to run in.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Folder, Run, skip};

/// A memory cgroup, gone with the guard.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// A group in which all processes together may have `limit` bytes. None where this user cannot make one.
    pub(crate) fn new(limit: u64) -> Option<Cgroup> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = |controller: &str| {
            own.lines().find_map(|line| {
                let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
                controllers
                    .split(',')
                    .any(|c| c == controller)
                    .then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let v1 = own("memory")
            .map(|path| (Path::new("/sys/fs/cgroup/memory").join(path), "memory.limit_in_bytes"));
        let v2 = own("").map(|path| (Path::new("/sys/fs/cgroup").join(path), "memory.max"));
        for (parent, file) in [v1, v2].into_iter().flatten() {
            let name = format!("tidegate-test-{}-{limit}", std::process::id());
            let group = Cgroup(parent.join(name));
            if fs::create_dir(&group.0).is_ok() && fs::write(group.0.join(file), limit.to_string()).is_ok() {
                // Without this a job could hide in swap; where there is none, there is no such file.
                let _ = fs::write(group.0.join("memory.swap.max"), "0");
                let _ = fs::write(group.0.join("memory.swappiness"), "0");
                return Some(group);
            }
        }
        skip("a hard limit of memory", "this user cannot make a memory cgroup");
        None
    }

    /// Runs the command in the group.
    pub(crate) fn run(&self, folder: &Folder, args: &str) -> Run {
        let mut command = self.entered(folder.command().get_program());
        command.args(args.split_whitespace());
        command.current_dir(folder.path("")).env("TMPDIR", folder.path("tmp")).stdin(Stdio::null());
        command.output().unwrap().into()
    }

    /// A command that enters the group and becomes `program`.
    pub(crate) fn entered(&self, program: impl AsRef<OsStr>) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]).arg(&self.0).arg(program);
        shell
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A group that was never made cannot be taken away.
        let _ = fs::remove_dir(&self.0);
    }
}
