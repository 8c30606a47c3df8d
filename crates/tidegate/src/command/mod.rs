//! The commands, each in a file of its own.

mod bench;
mod convert;
mod fit;
mod fit_transform;
mod inspect;
mod merge;
mod report;
mod transform;

use crate::args::Command;
use crate::failure::Failure;

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let not_built = |name: &str| Err(Failure::NotBuilt(format!("the command `{name}`")));
    match command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Transform(args) => transform::run(&args),
        Command::FitTransform(args) => fit_transform::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Train(_) => not_built("train"),
        Command::Predict(_) => not_built("predict"),
    }
}
