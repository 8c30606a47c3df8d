//! Phases as spans, seen by a small subscriber.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use monitor::{Bytes, Monitor, Reading, Scripted};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// One span: its parent, what was recorded, and whether it was closed.
#[derive(Clone, Debug, Default)]
struct Seen {
    parent: Option<u64>,
    fields: BTreeMap<String, String>,
    is_closed: bool,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

impl Spans {
    fn with(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap()[id.into_u64() as usize - 1]);
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "monitor" || metadata.name() == "job"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut seen = Seen { parent: span.parent().map(Id::into_u64), ..Seen::default() };
        span.record(&mut seen);
        let mut spans = self.0.lock().unwrap();
        spans.push(seen);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.with(span, |seen| values.record(seen));
    }

    fn try_close(&self, id: Id) -> bool {
        self.with(&id, |seen| seen.is_closed = true);
        true
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn spans_carry_the_figures_of_their_phases() {
    let at = |rss, peak| Reading { rss: Bytes(rss), peak_rss: Bytes(peak), ..Reading::default() };
    let probe = Scripted::new([at(10, 90), at(20, 90), at(15, 90), at(40, 100)]);
    let monitor = Monitor::builder().with_probe(probe).build().unwrap();
    let spans = Spans::default();
    let (load, parse) = tracing::subscriber::with_default(spans.clone(), || {
        let load = monitor.scope("load");
        let parse = load.scope("parse");
        parse.add_bytes(512);
        parse.add_rows(8);
        let parse = parse.finish();
        (load.finish(), parse)
    });
    let seen = spans.0.lock().unwrap().clone();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].parent, seen[1].parent), (None, Some(1)));
    assert_eq!(seen[0].fields["name"], "\"load\"");
    let figures = |seen: &Seen| {
        let keys = [
            "rss_change_bytes",
            "peak_rss_bytes",
            "own_peak_at_least_bytes",
            "own_peak_at_most_bytes",
            "rows",
            "processed_bytes",
        ];
        keys.map(|key| seen.fields[key].parse::<i64>().unwrap())
    };
    assert_eq!(figures(&seen[0]), [30, 100, 100, 100, 0, 0]);
    assert_eq!(figures(&seen[1]), [-5, 90, 20, 90, 8, 512]);
    for (seen, phase) in seen.iter().zip([load, parse]) {
        assert!(seen.is_closed, "{seen:?}");
        assert_eq!(seen.fields["wall_s"].parse::<f64>().unwrap(), phase.wall.as_secs_f64());
        assert_eq!(seen.fields["cpu_s"].parse::<f64>().unwrap(), phase.cpu.as_secs_f64());
    }
}
