//! The run's figures as JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use chunked_loader::{Scan, type_name};
use monitor::{Bytes, Monitor};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::failure::Failure;
use crate::sizing_entry::SizingEntry;
use crate::whole_file;

/// What `--summary` writes.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) rows_rejected: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) passes: usize,
    pub(crate) batches: u64,
    pub(crate) batch_rows: BatchRowsSummary,
    pub(crate) resizes: u64,
    /// Decisions on the sizes of batches: all of them if they are few, and all that changed the state.
    pub(crate) sizing: Vec<SizingEntry>,
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) budget_bytes: u64,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) peak_reserved_bytes: u64,
    pub(crate) arrow_bytes_wide: u64,
    pub(crate) arrow_bytes_narrow: u64,
    pub(crate) phases: Vec<PhaseSummary>,
    pub(crate) schema: Vec<ColumnSummary>,
    pub(crate) null_tokens: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) version: &'static str,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct BatchRowsSummary {
    min: u64,
    median: u64,
    max: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct PhaseSummary {
    name: String,
    wall_s: f64,
    peak_rss_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ColumnSummary {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    pub(crate) nulls: u64,
}

/// Sizes of the batches of a run. It grows with the different sizes only.
#[derive(Clone, Debug, Default)]
pub(crate) struct BatchSizes {
    by_rows: BTreeMap<u64, u64>,
    count: u64,
}

impl BatchSizes {
    pub(crate) fn add(&mut self, rows: u64) {
        *self.by_rows.entry(rows).or_default() += 1;
        self.count += 1;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn summary(&self) -> BatchRowsSummary {
        let mut below = 0;
        let median = self.by_rows.iter().find(|(_, n)| {
            below += **n;
            below * 2 >= self.count
        });
        BatchRowsSummary {
            min: self.by_rows.keys().next().copied().unwrap_or(0),
            median: median.map_or(0, |(rows, _)| *rows),
            max: self.by_rows.keys().next_back().copied().unwrap_or(0),
        }
    }
}

/// CPU seconds of this process so far, all threads together.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

impl Summary {
    /// The figures that every run has; the others are zero until they are set.
    pub(crate) fn of(scan: &Scan, monitor: &Monitor, began: Instant) -> Result<Summary, Failure> {
        let phases = monitor.phases();
        // The kernel counts pages by processor and adds them up late: a later reading can be a little lower.
        let peak_rss = phases.iter().map(|phase| phase.peak_rss).fold(monitor.peak()?, Bytes::max);
        let phases = phases.into_iter().map(|phase| PhaseSummary {
            name: phase.name,
            wall_s: phase.wall.as_secs_f64(),
            peak_rss_bytes: phase.peak_rss.get(),
        });
        let columns = scan.columns().iter().filter(|c| !c.null_tokens.is_empty());
        Ok(Summary {
            rows_in: scan.rows() + scan.rejected(),
            rows_out: scan.rows(),
            rows_rejected: scan.rejected(),
            bytes_in: scan.bytes(),
            bytes_out: 0,
            passes: 0,
            batches: 0,
            batch_rows: BatchRowsSummary::default(),
            resizes: 0,
            sizing: Vec::new(),
            wall_s: began.elapsed().as_secs_f64(),
            cpu_s: cpu_seconds(),
            budget_bytes: monitor.budget().limit().get(),
            peak_rss_bytes: peak_rss.get(),
            peak_reserved_bytes: monitor.budget().peak().get(),
            arrow_bytes_wide: scan.columns().iter().map(|c| c.bytes_wide).sum(),
            arrow_bytes_narrow: scan.columns().iter().map(|c| c.bytes_narrow).sum(),
            phases: phases.collect(),
            schema: Vec::new(),
            null_tokens: columns.map(|c| (c.name.clone(), c.null_tokens.iter().cloned().collect())).collect(),
            version: env!("CARGO_PKG_VERSION"),
        })
    }

    /// Sets the columns of the output with their nulls.
    pub(crate) fn set_schema(&mut self, schema: &arrow::datatypes::Schema, nulls: &[u64]) {
        let columns = schema.fields().iter().zip(nulls).map(|(field, nulls)| ColumnSummary {
            name: field.name().clone(),
            type_name: type_name(field.data_type()),
            nulls: *nulls,
        });
        self.schema = columns.collect();
    }

    /// Writes the file `path`, in place of that of an earlier run.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|e| Failure::io(path, "written", e.into()))?;
        json.push(b'\n');
        whole_file::replace(path, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_the_batches() {
        let mut sizes = BatchSizes::default();
        for rows in [1000, 1000, 1000, 10] {
            sizes.add(rows);
        }
        let summary = sizes.summary();
        assert_eq!((summary.min, summary.median, summary.max), (10, 1000, 1000));
        assert_eq!(BatchSizes::default().summary().median, 0);
    }
}
