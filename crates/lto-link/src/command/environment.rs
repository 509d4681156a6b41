// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Variables of the environment, which make exports.

use std::env;
use std::ffi::OsString;

use lto_link::parse_size;
use tool_io::Failure;

/// Returns the value of a variable, unless it is empty.
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the limit of the cache that `LTO_CACHE_SIZE` sets, in bytes.
pub fn cache_limit() -> Result<Option<u64>, Failure> {
    let size = variable("LTO_CACHE_SIZE").map(|size| parse_size(&size.to_string_lossy()));
    size.transpose()
        .map_err(|error| Failure::cannot_run(format!("LTO_CACHE_SIZE: {error}")))
}
