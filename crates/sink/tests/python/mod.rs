//! A Python environment with other tools of the field, which tests make once and share.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Python that has the packages, of an environment in the target folder. `TIDEGATE_PEERS_PYTHON` names one that is there.
pub(crate) fn python(packages: &[&str]) -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("TIDEGATE_PEERS_PYTHON") {
        return Ok(given.into());
    }
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let python = home.join("bin/python3");
    let imports = format!("import {}", packages.join(", "));
    let run = |program: &Path, args: &[&str]| {
        let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if run(&python, &["-c", &imports]) {
        return Ok(python);
    }
    if !run(Path::new("python3"), &["-m", "venv", &home.display().to_string()]) {
        return Err("there is no python3 that can make an environment".into());
    }
    let install =
        [&["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20"][..], packages].concat();
    match run(&python, &install) && run(&python, &["-c", &imports]) {
        true => Ok(python),
        false => Err(format!("{} cannot be installed", packages.join(", "))),
    }
}
