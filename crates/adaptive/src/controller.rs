//! A policy at work: shown what presses from outside, and its decisions recorded.

use std::fmt;
use std::sync::Arc;

use chunked_loader::{BatchLimit, Observation, Outside, Sizing};

use crate::policy::Policy;
use crate::trace::Recorder;

type Look = Box<dyn FnMut() -> Outside + Send>;

/// A [`Policy`] between a loader and what surrounds the process.
///
/// ```
/// use adaptive::{AutoSize, Controller, Recorder, State};
/// use chunked_loader::{Observation, Outside, Sizing};
/// use monitor::Bytes;
///
/// let recorder = Recorder::new(256);
/// // A program asks its monitor; here the container has nothing left.
/// let look = || Outside { limit: Some(Bytes::mib(64)), ..Outside::default() };
/// let mut sizing = Controller::new(AutoSize::new()).with_outside(look).with_recorder(&recorder, "load");
///
/// let seen = Observation { budget: Bytes::gib(1), reserved: Bytes::mib(64), ..Observation::default() };
/// assert_eq!(sizing.next(&seen).bytes, Bytes::kib(64));
/// assert_eq!(recorder.entries()[0].decision.state, State::Brake);
/// ```
pub struct Controller<P> {
    policy: P,
    look: Option<Look>,
    recorder: Option<(Recorder, Arc<str>)>,
}

impl<P: Policy> Controller<P> {
    /// A policy alone.
    pub fn new(policy: P) -> Controller<P> {
        Controller { policy, look: None, recorder: None }
    }

    /// Has `look` tell what presses from outside. It is called once a batch, while other threads may wait for what is
    /// decided: it should take microseconds.
    pub fn with_outside(mut self, look: impl FnMut() -> Outside + Send + 'static) -> Self {
        self.look = Some(Box::new(look));
        self
    }

    /// Records each decision as one of the phase `phase`.
    pub fn with_recorder(mut self, recorder: &Recorder, phase: &str) -> Self {
        self.recorder = Some((recorder.clone(), phase.into()));
        self
    }
}

impl<P: Policy> Sizing for Controller<P> {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        let outside = self.look.as_mut().map_or(seen.outside, |look| look());
        let seen = Observation { outside, ..*seen };
        let decision = self.policy.decide(&seen);
        if let Some((recorder, phase)) = &self.recorder {
            recorder.record(phase, &seen, &decision);
        }
        decision.limit
    }
}

impl<P: fmt::Debug> fmt::Debug for Controller<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("policy", &self.policy)
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}
