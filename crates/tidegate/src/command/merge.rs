//! `merge`: make one fit of the partial states of an input's shards.

use std::io::{self, Write};
use std::path::Path;

use incremental::{Merged, PartialFit, Shard};

use crate::args::{Merge, ProgressArg};
use crate::command::{fit, report};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::job;
use crate::state_file::StateFile;
use crate::{whole_file, written_files};

pub(super) fn run(args: &Merge) -> Result<(), Failure> {
    let output = args.output.as_path();
    sink::check_target(output, args.overwrite)?;
    written_files::check_folder("-o", output)?;
    let states: Vec<&Path> = args.states.iter().map(AsRef::as_ref).collect();
    written_files::check_not_read("-o", output, &states)?;
    let watched = job::watch(args.memory.as_deref(), args.progress)?;
    let monitor = &watched.monitor;
    let interrupt = Interrupt::listen()?;
    let mut whole: Option<PartialFit> = None;
    for path in states {
        interrupt.check()?;
        let file = StateFile::read(path, monitor)?;
        let merged = match &mut whole {
            Some(whole) => whole.merge(file.bytes()),
            None => PartialFit::from_bytes(file.bytes(), monitor).map(|first| whole = Some(first)),
        };
        merged.map_err(|e| Failure::in_file(path, e))?;
    }
    let whole = whole.ok_or_else(|| Failure::Usage("merge: give it at least one partial state".into()))?;
    let name = match args.states.as_slice() {
        [one] => one.display().to_string(),
        many => format!("{} states", many.len()),
    };
    let (shards, rows): (Vec<Shard>, Vec<u64>) = whole.shards().unzip();
    let seen = format!("{} shards, {} rows", shards.len(), report::grouped(rows.iter().sum()));
    let say = |line: &str| {
        if args.progress == ProgressArg::Off {
            return Ok(());
        }
        writeln!(io::stdout(), "{name} -> {}: {line}", output.display())
            .map_err(|e| Failure::io(Path::new("standard output"), "written", e))
    };
    if args.partial {
        whole_file::write(output, args.overwrite, |out| whole.write_to(out))?;
        let missing = whole.missing().len();
        return say(&format!("{seen}, {missing} of {} shards missing", shards[0].of()));
    }
    let of_states = |error| Failure::Incremental { file: Some(name.clone()), error, remark: None };
    let of = shards[0].of();
    match whole.finish().map_err(of_states)? {
        Merged::Pipeline(pipeline) => {
            interrupt.check()?;
            fit::save(&pipeline, output, args.overwrite)?;
            say(&format!("{seen}, {} steps fitted", pipeline.step_names().count()))
        }
        Merged::Unfinished(unfinished) => {
            interrupt.check()?;
            whole_file::write(output, args.overwrite, |out| unfinished.write_to(out))?;
            // What was asked for is not there yet, and that is said wherever the results are read.
            let output = output.display();
            let _ = writeln!(
                io::stderr(),
                "tidegate: {name} -> {output}: {seen}; pass {} has ended and the steps need another: run `tidegate fit INPUT... -r {output} -o STATE --shard I/{of}` for each shard, then merge those states",
                unfinished.passes(),
            );
            Ok(())
        }
    }
}
