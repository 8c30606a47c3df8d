//! The `tidegate` command: raw flags, then checked arguments, then work.

mod allocator;
mod args;
mod batch_cache;
mod column_statistics;
mod command;
mod distinct;
mod encoders;
mod failure;
mod input;
mod interrupt;
mod job;
mod metric_lines;
mod metrics;
mod output;
mod outside;
mod pages_back;
mod pass;
mod presumed_pass;
mod progress;
mod rejects_file;
mod remedy;
mod settings;
mod sizing_entry;
mod state_file;
mod summary;
mod whole_file;
mod written_files;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    allocator::begin();
    // A decoder's panic on a damaged file is told as an error of that file.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !chunked_loader::catches_panics() {
            print(panic);
        }
    }));
    let args = match args::Cli::try_parse() {
        Ok(args) => args,
        Err(error) => return failure::usage_error(&error),
    };
    let flags = remedy::Flags::of(&args.command);
    match command::run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(flags),
    }
}
