//! What phases took, and the tree that they make.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::bytes::Bytes;
use crate::snapshot::ByteChange;

/// What a stretch of work took.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Phase {
    /// The number of this phase among all of its monitor's, from 0, in order of their start.
    pub id: u64,
    /// The number of the phase that it is a part of; `None` at the top.
    pub parent: Option<u64>,
    /// The name that the scope was given.
    pub name: String,
    /// Time that passed.
    pub wall: Duration,
    /// Time that the whole process spent on all its processors: phases that overlap each count all of it.
    /// Zero where the system has no such clock.
    pub cpu: Duration,
    /// Change of the process's resident bytes from the phase's start to its end; `None` if they could not be
    /// read.
    pub rss: Option<ByteChange>,
    /// The highest resident size that the process had by the end of this phase, as the kernel kept it. Not of
    /// this phase alone: a phase after a larger one shows the larger one's peak. If it could not be read, the
    /// highest that was read before; zero if none was.
    pub peak_rss: Bytes,
    /// The highest resident size that the process had while this phase went on.
    pub own_peak: PhasePeak,
    /// The most that was charged to the process's control group while this phase went on, page cache
    /// included.
    pub container_peak: PhasePeak,
    /// Bytes that the phase said it had worked through.
    pub processed: Bytes,
    /// Rows that the phase said it had worked through.
    pub rows: u64,
}

/// The peak of one phase, as far as it can be known.
///
/// The kernel keeps one high-water mark for the whole life of a process. A phase that raises it shows its own peak;
/// one that stays below an earlier phase's does not, unless the mark is
/// [set back](crate::MonitorBuilder::with_peak_reset) when it begins.
///
/// ```
/// use monitor::{Bytes, Monitor, PhasePeak, Reading, Scripted};
///
/// let at = |rss, peak| Reading { rss: Bytes(rss), peak_rss: Bytes(peak), ..Reading::default() };
/// // At the start and the end of two phases: the first raises the mark from 10 to 90, the second stays below.
/// let probe = Scripted::new([at(10, 10), at(40, 90), at(40, 90), at(60, 90)]);
/// let monitor = Monitor::builder().with_probe(probe).build()?;
/// assert_eq!(monitor.scope("load").finish().own_peak, PhasePeak::Exact(Bytes(90)));
/// let second = monitor.scope("write").finish().own_peak;
/// assert_eq!(second, PhasePeak::Between { at_least: Bytes(60), at_most: Bytes(90) });
/// assert_eq!(second.to_string(), "60 B to 90 B");
/// assert_eq!((second.at_least(), second.at_most()), (Some(Bytes(60)), Some(Bytes(90))));
/// assert_eq!((PhasePeak::Unknown.at_least(), PhasePeak::Unknown.at_most()), (None, None));
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhasePeak {
    /// It was this, by the kernel's count.
    Exact(Bytes),
    /// The mark is an earlier phase's, and this phase did not pass it.
    Between {
        /// The most that was sampled during the phase.
        at_least: Bytes,
        /// The mark.
        at_most: Bytes,
    },
    /// It could not be read.
    #[default]
    Unknown,
}

impl PhasePeak {
    /// What it was at least: for the figure that is known, or the most that was sampled.
    pub fn at_least(self) -> Option<Bytes> {
        match self {
            PhasePeak::Exact(peak) | PhasePeak::Between { at_least: peak, .. } => Some(peak),
            PhasePeak::Unknown => None,
        }
    }

    /// What it was at most.
    pub fn at_most(self) -> Option<Bytes> {
        match self {
            PhasePeak::Exact(peak) | PhasePeak::Between { at_most: peak, .. } => Some(peak),
            PhasePeak::Unknown => None,
        }
    }
}

impl fmt::Display for PhasePeak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PhasePeak::Exact(peak) => f.pad(&peak.to_string()),
            PhasePeak::Between { at_least, at_most } => f.pad(&format!("{at_least} to {at_most}")),
            PhasePeak::Unknown => f.pad("unknown"),
        }
    }
}

/// The phases that have ended, each under the one that it is a part of. Shown, it is a table.
///
/// ```
/// use monitor::{Bytes, Monitor, Reading, Scripted};
///
/// let probe = Scripted::new([Reading { rss: Bytes::mib(9), peak_rss: Bytes::mib(9), ..Reading::default() }]);
/// let monitor = Monitor::builder().with_probe(probe).build()?;
/// let run = monitor.scope("run");
/// run.scope("scan").add_bytes(512);
/// drop(run);
///
/// let tree = monitor.phase_tree();
/// assert_eq!(tree.roots()[0].children[0].phase.processed, Bytes(512));
/// let table = tree.to_string();
/// let first_words: Vec<_> = table.lines().map(|line| line.split(' ').find(|w| !w.is_empty())).collect();
/// assert_eq!(first_words, [Some("phase"), Some("run"), Some("scan")]);
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseTree(Vec<PhaseNode>);

/// A phase and its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PhaseNode {
    /// The phase.
    pub phase: Phase,
    /// Its parts that have ended, in order of their start.
    pub children: Vec<PhaseNode>,
}

impl PhaseTree {
    /// Of phases in order of their start. One whose parent is not among them stands at the top.
    pub(crate) fn of(phases: Vec<Phase>) -> PhaseTree {
        // A part begins after its whole, so that from the last to the first, all parts are complete when they
        // are needed.
        let mut nodes: BTreeMap<u64, PhaseNode> =
            phases.into_iter().map(|phase| (phase.id, PhaseNode { phase, children: Vec::new() })).collect();
        let ids: Vec<u64> = nodes.keys().rev().copied().collect();
        for id in ids {
            let parent = nodes[&id].phase.parent.filter(|parent| nodes.contains_key(parent));
            let Some(parent) = parent else { continue };
            if let Some(node) = nodes.remove(&id)
                && let Some(parent) = nodes.get_mut(&parent)
            {
                parent.children.insert(0, node);
            }
        }
        PhaseTree(nodes.into_values().collect())
    }

    /// The phases at the top, in order of their start.
    pub fn roots(&self) -> &[PhaseNode] {
        &self.0
    }
}

impl fmt::Display for PhaseTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEADER: [&str; 6] = ["phase", "wall", "cpu", "change", "own peak", "processed"];
        let mut rows = vec![HEADER.map(str::to_owned)];
        for root in &self.0 {
            push_rows(root, 0, &mut rows);
        }
        let mut widths = [0; HEADER.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (i, row) in rows.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{:<width$}", row[0], width = widths[0])?;
            for (cell, width) in row.iter().zip(widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
        }
        Ok(())
    }
}

fn push_rows(node: &PhaseNode, depth: usize, rows: &mut Vec<[String; 6]>) {
    let phase = &node.phase;
    rows.push([
        format!("{:indent$}{}", "", phase.name, indent = 2 * depth),
        format!("{:.3} s", phase.wall.as_secs_f64()),
        format!("{:.3} s", phase.cpu.as_secs_f64()),
        phase.rss.map_or_else(|| "unknown".to_owned(), |change| change.to_string()),
        phase.own_peak.to_string(),
        phase.processed.to_string(),
    ]);
    for child in &node.children {
        push_rows(child, depth + 1, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(id: u64, parent: Option<u64>, name: &str) -> Phase {
        Phase {
            id,
            parent,
            name: name.to_owned(),
            wall: Duration::from_millis(1500 + id),
            cpu: Duration::from_millis(20),
            rss: Some(ByteChange::between(Bytes::ZERO, Bytes::mib(id))),
            peak_rss: Bytes::mib(50),
            own_peak: PhasePeak::Exact(Bytes::mib(40 + id)),
            container_peak: PhasePeak::Unknown,
            processed: Bytes(id * 100),
            rows: id,
        }
    }

    #[test]
    fn a_tree_is_shown_as_a_table() {
        let between = PhasePeak::Between { at_least: Bytes(9), at_most: Bytes::mib(50) };
        let tree = PhaseTree::of(vec![
            phase(0, None, "scan"),
            phase(1, Some(0), "index"),
            Phase { rss: None, own_peak: between, ..phase(2, Some(1), "parse") },
            phase(3, Some(0), "join"),
            phase(4, None, "write"),
            // Its parent has not ended, or is forgotten.
            phase(6, Some(5), "close"),
        ]);
        assert_eq!(
            tree.to_string(),
            "phase         wall      cpu    change         own peak  processed\n\
             scan       1.500 s  0.020 s      +0 B         40.0 MiB        0 B\n\
             \x20 index    1.501 s  0.020 s  +1.0 MiB         41.0 MiB      100 B\n\
             \x20   parse  1.502 s  0.020 s   unknown  9 B to 50.0 MiB      200 B\n\
             \x20 join     1.503 s  0.020 s  +3.0 MiB         43.0 MiB      300 B\n\
             write      1.504 s  0.020 s  +4.0 MiB         44.0 MiB      400 B\n\
             close      1.506 s  0.020 s  +6.0 MiB         46.0 MiB      600 B"
        );
        assert_eq!(PhaseTree::of(Vec::new()).to_string(), "phase  wall  cpu  change  own peak  processed");
    }

    #[test]
    fn bounds_of_a_peak() {
        let between = PhasePeak::Between { at_least: Bytes(1), at_most: Bytes(2) };
        assert_eq!((between.at_least(), between.at_most()), (Some(Bytes(1)), Some(Bytes(2))));
        let exact = PhasePeak::Exact(Bytes(3));
        assert_eq!((exact.at_least(), exact.at_most()), (Some(Bytes(3)), Some(Bytes(3))));
        assert_eq!((PhasePeak::Unknown.at_least(), PhasePeak::Unknown.at_most()), (None, None));
    }
}
