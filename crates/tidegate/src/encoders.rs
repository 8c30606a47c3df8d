//! Who encodes outputs: threads of the sink, and those of the loader between two batches.

use std::sync::Arc;

use chunked_loader::SideWork;
use monitor::{Monitor, Tag};
use sink::Helpers;

use crate::output::SINK;

/// What all outputs of a job are encoded with.
#[derive(Clone)]
pub(crate) struct Encoders {
    pub(crate) monitor: Monitor,
    pub(crate) threads: usize,
    pub(crate) helpers: Helpers,
}

impl Encoders {
    /// What the loader's threads do of it.
    pub(crate) fn side_work(&self) -> Arc<dyn SideWork> {
        Arc::new(Help { helpers: self.helpers.clone(), tag: Tag::new(SINK) })
    }
}

struct Help {
    helpers: Helpers,
    tag: Tag,
}

impl SideWork for Help {
    fn arrive(&self) {
        self.helpers.arrive();
    }

    fn help(&self) -> bool {
        let _under = self.tag.enter();
        self.helpers.help()
    }

    fn leave(&self) {
        self.helpers.leave();
    }
}
