//! Phases as spans of `tracing`, where that feature is on; nothing where it is not.

#[cfg(feature = "tracing")]
pub(crate) use on::PhaseSpan;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::PhaseSpan;

#[cfg(feature = "tracing")]
mod on {
    use tracing::field::Empty;
    use tracing::{Span, info_span};

    use crate::phase::Phase;

    /// A span named `phase`, whose figures are recorded when the phase ends. It is never entered: the guard of
    /// a phase may go to another thread.
    #[derive(Debug)]
    pub(crate) struct PhaseSpan(Span);

    impl PhaseSpan {
        /// Under the phase that it is a part of, else under the span that is entered here.
        pub(crate) fn begin(parent: Option<&PhaseSpan>, name: &str) -> PhaseSpan {
            let parent = parent.map_or_else(Span::current, |parent| parent.0.clone());
            PhaseSpan(info_span!(
                target: "monitor",
                parent: &parent,
                "phase",
                name,
                wall_s = Empty,
                cpu_s = Empty,
                rss_change_bytes = Empty,
                peak_rss_bytes = Empty,
                own_peak_at_least_bytes = Empty,
                own_peak_at_most_bytes = Empty,
                rows = Empty,
                processed_bytes = Empty,
            ))
        }

        pub(crate) fn record(&self, phase: &Phase) {
            let span = &self.0;
            span.record("wall_s", phase.wall.as_secs_f64());
            span.record("cpu_s", phase.cpu.as_secs_f64());
            if let Some(change) = phase.rss {
                span.record("rss_change_bytes", change.get());
            }
            span.record("peak_rss_bytes", phase.peak_rss.get());
            let (least, most) = (phase.own_peak.at_least(), phase.own_peak.at_most());
            if let (Some(least), Some(most)) = (least, most) {
                span.record("own_peak_at_least_bytes", least.get());
                span.record("own_peak_at_most_bytes", most.get());
            }
            span.record("rows", phase.rows);
            span.record("processed_bytes", phase.processed.get());
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use crate::phase::Phase;

    #[derive(Debug)]
    pub(crate) struct PhaseSpan;

    impl PhaseSpan {
        pub(crate) fn begin(_: Option<&PhaseSpan>, _: &str) -> PhaseSpan {
            PhaseSpan
        }

        pub(crate) fn record(&self, _: &Phase) {}
    }
}
