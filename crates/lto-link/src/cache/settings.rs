// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The directory and the limit of the cache, as a user gives them.
//!
//! Source: the XDG Base Directory Specification (`XDG_CACHE_HOME`; a relative path there is ignored).

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The limit of a cache without `LTO_CACHE_SIZE`, in bytes.
pub const DEFAULT_CACHE_LIMIT: u64 = 5 << 30;

/// The cache's name in the user's directory for caches.
const NAME: &str = "lto-link";

/// Returns the directory of the cache that `LTO_LAUNCHER=cache:DIR` names, or for `None` the user's own.
///
/// # Errors
/// `DIR` is relative, or no variable says where the user's directory for caches is.
pub fn cache_dir(named: Option<&Path>) -> Result<PathBuf, String> {
    dir_of(named, env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
}

fn dir_of(
    named: Option<&Path>,
    cache_home: Option<OsString>,
    home: Option<OsString>,
) -> Result<PathBuf, String> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let home = home.map(PathBuf::from).filter(absolute);
    if let Some(named) = named {
        let dir = match (named.strip_prefix("~"), home) {
            (Ok(below), Some(home)) => home.join(below),
            _ => named.to_owned(),
        };
        return Some(dir).filter(absolute).ok_or_else(|| {
            format!(
                "{}: the directory of the cache must be an absolute path",
                named.display()
            )
        });
    }
    let of_caches = cache_home.map(PathBuf::from).filter(absolute);
    of_caches
        .or_else(|| home.map(|home| home.join(".cache")))
        .map(|dir| dir.join(NAME))
        .ok_or_else(|| {
            "neither XDG_CACHE_HOME nor HOME says where the cache is; name its directory: \
             LTO_LAUNCHER=cache:DIR"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_or_that_of_the_user() {
        for (named, cache_home, home, expected) in [
            (None, Some("/c"), Some("/h"), Some("/c/lto-link")),
            (None, Some("c"), Some("/h"), Some("/h/.cache/lto-link")),
            (None, None, Some("/h"), Some("/h/.cache/lto-link")),
            (None, None, None, None),
            (Some("/d"), Some("/c"), None, Some("/d")),
            (Some("~/d"), None, Some("/h"), Some("/h/d")),
            (Some("~/d"), None, None, None),
            (Some("d"), Some("/c"), Some("/h"), None),
        ] {
            let dir = dir_of(
                named.map(Path::new),
                cache_home.map(OsString::from),
                home.map(OsString::from),
            );
            assert_eq!(dir.ok(), expected.map(PathBuf::from), "{named:?}");
        }
    }
}
