// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reports the progress of long steps to a listener.

use std::sync::OnceLock;

/// Receives the start of steps, and notes.
pub trait Listener: Send + Sync {
    /// Reports that a step has started.
    fn start(&self, what: &str) -> Box<dyn Running>;

    /// Reports a remark.
    fn note(&self, text: &str);
}

/// Receives the progress of one step.
pub trait Running: Send + Sync {
    /// Reports the progress of the step.
    fn at(&self, detail: &str);

    /// Reports the end of the step and its result.
    fn finish(self: Box<Self>, result: &str);
}

static LISTENER: OnceLock<Box<dyn Listener>> = OnceLock::new();

/// Sets the listener. Only the first call has an effect.
pub fn listen(listener: Box<dyn Listener>) {
    let _ = LISTENER.set(listener);
}

/// Reports a remark.
pub fn note(text: &str) {
    if let Some(listener) = LISTENER.get() {
        listener.note(text);
    }
}

/// A running step.
pub struct Step(Option<Box<dyn Running>>);

impl Step {
    /// Reports that `what` starts.
    pub fn start(what: impl Into<String>) -> Self {
        let listener = LISTENER.get();
        Self(listener.map(|listener| listener.start(&what.into())))
    }

    /// Reports the progress of the step.
    pub fn at(&self, detail: &str) {
        if let Some(running) = &self.0 {
            running.at(detail);
        }
    }

    /// Reports the end of the step and its result.
    pub fn finish(self, result: &str) {
        if let Some(running) = self.0 {
            running.finish(result);
        }
    }
}
