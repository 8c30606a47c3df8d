//! `--metrics` and `--metrics-listen`: the figures of a run while it runs, for programs.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adaptive::Recorder;
use monitor::{MetricsServer, Monitor, OpenMetricsFile, Sampler};

use crate::failure::Failure;
use crate::metric_lines::MetricLines;

/// Between two lines of a file.
const LINE_INTERVAL: Duration = Duration::from_millis(100);
/// Between two texts of OpenMetrics: collectors read them every few seconds.
const TEXT_INTERVAL: Duration = Duration::from_secs(1);

/// Gives figures until it is finished or dropped.
#[derive(Debug)]
pub(crate) struct Metrics {
    file: Mutex<Option<(PathBuf, Sampler)>>,
    /// Whether the work is done.
    is_done: Arc<AtomicBool>,
    _server: Option<MetricsServer>,
}

impl Metrics {
    /// Makes the file and listens, where this is asked for.
    pub(crate) fn start(
        monitor: &Monitor,
        sizing: &Recorder,
        path: Option<&Path>,
        listen: Option<SocketAddr>,
    ) -> Result<Metrics, Failure> {
        let is_done = Arc::new(AtomicBool::new(false));
        let server = listen.map(|address| serve(monitor, address)).transpose()?;
        let file = match path {
            None => None,
            Some(path) if is_openmetrics(path) => {
                let sampler = monitor.sample_every(TEXT_INTERVAL)?;
                Some((path.to_owned(), sampler.with_observer(OpenMetricsFile::new(path, monitor))))
            }
            Some(path) => {
                let file = File::create(path).map_err(|e| Failure::io(path, "written", e))?;
                let sampler = monitor.sample_every(LINE_INTERVAL)?;
                Some((
                    path.to_owned(),
                    sampler.with_observer(MetricLines::new(file, sizing.clone(), &is_done)),
                ))
            }
        };
        Ok(Metrics { file: Mutex::new(file), is_done, _server: server })
    }

    /// Writes the last figures, and says if any could not be written.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        self.is_done.store(true, Ordering::Relaxed);
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        match file {
            None => Ok(()),
            // A reader of metrics that has gone is a failure: it is not the one of standard output.
            Some((path, sampler)) => {
                sampler.finish().map_err(|error| Failure::Io { path, doing: "written", error })
            }
        }
    }
}

/// The collectors that read files know theirs by this ending.
fn is_openmetrics(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "prom")
}

fn serve(monitor: &Monitor, address: SocketAddr) -> Result<MetricsServer, Failure> {
    monitor.serve_metrics(address).map_err(|error| match error.kind() {
        monitor::ErrorKind::Listen { .. } => Failure::Listen { address, error },
        _ => Failure::Monitor(error),
    })
}

/// The address that `--metrics-listen` names.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, Failure> {
    let wrong = |why: &str| Failure::Usage(format!("--metrics-listen {text}: {why}"));
    let address = match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        None => text.parse::<SocketAddr>().ok(),
    };
    match address {
        None => Err(wrong("expected ADDR:PORT, such as 127.0.0.1:9464")),
        Some(address) if !address.ip().is_loopback() => Err(wrong(
            "other machines could reach this; expected an address of this machine alone, such as 127.0.0.1",
        )),
        Some(address) if address.port() == 0 => {
            Err(wrong("nobody would know the port; expected one from 1 to 65535"))
        }
        Some(address) => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine() {
        let shown = |text| parse_address(text).ok().map(|address| address.to_string());
        assert_eq!(shown("127.0.0.1:9464").as_deref(), Some("127.0.0.1:9464"));
        assert_eq!(shown("localhost:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(shown("[::1]:9464").as_deref(), Some("[::1]:9464"));
        for wrong in ["", "9464", ":9464", "127.0.0.1", "example.com:80", "localhost:x", "127.0.0.1:65536"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}
