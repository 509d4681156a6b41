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

/// The units of sizes, and their powers of two.
const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

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

/// Returns the size that `text` gives, in bytes: a number, with one of the units K, M, G and T (powers of 1024).
///
/// # Errors
/// It is no such text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let unit = UNITS
        .iter()
        .find(|(unit, _)| text.ends_with([*unit, unit.to_ascii_lowercase()]));
    let digits = unit.map_or(text, |_| text.get(..text.len() - 1).unwrap_or_default());
    let shift = unit.map_or(0, |(_, shift)| *shift);
    let number = digits.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| {
            format!("{text} is no size; it is a number of bytes, or with K, M, G, T: 5G")
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

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("5G", Some(5 << 30)),
            ("300k", Some(300 << 10)),
            ("12", Some(12)),
            ("", None),
            ("G", None),
            ("5 G", None),
            ("-1", None),
            ("99999999999999T", None),
        ] {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }
}
