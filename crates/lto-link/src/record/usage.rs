// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The cost of a link, `vmlinux.o.lto-usage.json`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use crate::error::{LinkError, io_error};

/// The cost of one link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Time from start to end, in seconds.
    pub wall_seconds: f64,
    /// CPU time of the linkers, in seconds.
    pub cpu_seconds: f64,
    /// CPU time of lto-link itself, in seconds.
    pub own_cpu_seconds: f64,
    /// Peak memory of the largest linker, in KiB.
    pub peak_rss_kib: u64,
    /// The number of threads that the link was allowed.
    pub jobs: usize,
}

impl Usage {
    /// Returns the cost of a link that began at `started`.
    ///
    /// # Errors
    /// The system's resource usage is not available.
    pub(crate) fn since(started: Instant, jobs: usize) -> Result<Self, LinkError> {
        let used = |who| {
            getrusage(who).map_err(|error| io_error("asking what the link has used")(error.into()))
        };
        // Linkers are the only children: the last one, and those that generated code.
        let children = used(UsageWho::RUSAGE_CHILDREN)?;
        let own = used(UsageWho::RUSAGE_SELF)?;
        Ok(Self {
            wall_seconds: started.elapsed().as_secs_f64(),
            cpu_seconds: tool_io::cpu_seconds(&children),
            own_cpu_seconds: tool_io::cpu_seconds(&own),
            peak_rss_kib: kib(children.max_rss()),
            jobs,
        })
    }

    /// Writes the cost to `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), LinkError> {
        let json = serde_json::to_vec(self)
            .map_err(|error| io_error(path.display().to_string())(error.into()))?;
        Ok(tool_io::write_atomic(path, &json)?)
    }
}

/// Reads the cost of a link from `path`.
///
/// # Errors
/// The file cannot be read; `InvalidData` or `UnexpectedEof` if no link wrote it.
pub fn read_usage(path: &Path) -> io::Result<Usage> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Returns the peak memory of the largest linker until now, in KiB.
pub(crate) fn peak_rss_kib() -> Option<u64> {
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    Some(kib(children.max_rss()))
}

fn kib(max_rss: i64) -> u64 {
    max_rss.try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("x.json");
        let usage = Usage::since(Instant::now(), 3).expect("the cost");
        usage.write(&path).expect("written");
        assert_eq!(read_usage(&path).expect("the cost"), usage);
        fs::write(&path, "{\"jobs\": 3}").expect("written");
        let error = read_usage(&path).expect_err("no cost");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
