// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Job slots from make's jobserver.
//!
//! Source: GNU make manual, "Sharing Job Slots with GNU make". A recipe owns one slot. Every further slot
//! is a token that must be given back.

use std::num::NonZeroUsize;

/// The job slots of one link. They are given back when the value is dropped.
#[derive(Debug)]
pub struct Jobs {
    tokens: Vec<jobserver::Acquired>,
}

impl Jobs {
    /// Takes the slots that are free now, at most `limit` in all. It never waits: a link that
    /// waited for slots could hang, if other jobs wait for the link.
    ///
    /// Without a jobserver (in a recipe that make does not count as a sub-make, or without make),
    /// this is the caller's one slot.
    ///
    /// Call this before opening files, because the jobserver's descriptors are inherited.
    pub fn take(limit: NonZeroUsize) -> Self {
        let mut tokens = Vec::new();
        // SAFETY: a tool calls this before it opens any file, so the descriptors that MAKEFLAGS names are
        // make's.
        let client = unsafe { jobserver::Client::from_env() };
        if let Some(client) = client {
            while tokens.len() + 1 < limit.get() {
                match client.try_acquire() {
                    Ok(Some(token)) => tokens.push(token),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        Self { tokens }
    }

    /// Returns the number of threads that the link may run.
    pub fn count(&self) -> usize {
        self.tokens.len() + 1
    }
}
