// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Job tokens from make's jobserver.
//!
//! Source: GNU make manual, "Sharing Job Slots with GNU make". A recipe owns one
//! slot without asking; each further one is a token that must be given back.

use std::num::NonZeroUsize;

/// The job slots that one link may use, given back when dropped.
#[derive(Debug)]
pub struct Jobs {
    tokens: Vec<jobserver::Acquired>,
}

impl Jobs {
    /// Takes what is free now, at most `limit` slots in all, and never waits: a
    /// link that waited for all slots while others wait for the link would hang.
    ///
    /// Without a jobserver (a recipe that make does not count as a sub-make, or no
    /// make at all) this is the one slot that the caller runs in.
    ///
    /// Call this before opening files: the jobserver's descriptors are inherited.
    pub fn take(limit: NonZeroUsize) -> Self {
        let mut tokens = Vec::new();
        // SAFETY: called at the start of a tool, before it opens anything, so the
        // descriptors that MAKEFLAGS names are make's.
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

    /// How many threads the link may run.
    pub fn count(&self) -> usize {
        self.tokens.len() + 1
    }
}

/// The CPUs that this process may run on.
pub fn cpus() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
