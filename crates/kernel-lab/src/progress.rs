// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! How far long steps are: told to whoever asked to be told.

use std::sync::OnceLock;

/// Is told what happens meanwhile.
pub trait Listener: Send + Sync {
    /// A step has started.
    fn start(&self, what: &str) -> Box<dyn Running>;

    /// Something that is good to know.
    fn note(&self, text: &str);
}

/// Is told of one step.
pub trait Running: Send + Sync {
    /// How far the step is.
    fn at(&self, detail: &str);

    /// The step is done, and how.
    fn done(self: Box<Self>, result: &str);
}

static LISTENER: OnceLock<Box<dyn Listener>> = OnceLock::new();

/// Lets `listener` know from now on. The first one stays.
pub fn listen(listener: Box<dyn Listener>) {
    let _ = LISTENER.set(listener);
}

/// Tells something that is good to know.
pub fn note(text: &str) {
    if let Some(listener) = LISTENER.get() {
        listener.note(text);
    }
}

/// A step that is under way.
pub struct Step(Option<Box<dyn Running>>);

impl Step {
    /// Tells that `what` starts.
    pub fn start(what: impl Into<String>) -> Self {
        let listener = LISTENER.get();
        Self(listener.map(|listener| listener.start(&what.into())))
    }

    /// Tells how far the step is.
    pub fn at(&self, detail: &str) {
        if let Some(running) = &self.0 {
            running.at(detail);
        }
    }

    /// Tells that the step is done, and how.
    pub fn done(self, result: &str) {
        if let Some(running) = self.0 {
            running.done(result);
        }
    }
}
