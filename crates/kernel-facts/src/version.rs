// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Recognizes a kernel tree, and reads its version.

use std::fmt;
use std::path::Path;

use crate::error::Error;
use crate::files::read_if_there;

/// The version in a tree's top `Makefile`.
///
/// Use it for messages only: [`Facts`](crate::Facts) tells a tree's capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelVersion {
    /// `VERSION`.
    pub version: String,
    /// `PATCHLEVEL`.
    pub patchlevel: String,
    /// `SUBLEVEL`; may be empty.
    pub sublevel: String,
    /// `EXTRAVERSION`; may be empty.
    pub extraversion: String,
}

impl KernelVersion {
    /// Checks that `dir` is a kernel tree, and returns its version.
    ///
    /// # Errors
    /// `dir` lacks files that every kernel tree has, or its Makefile cannot be read.
    pub fn of(dir: &Path) -> Result<Self, Error> {
        let makefile = dir.join("Makefile");
        let text = read_if_there(&makefile).map_err(Error::io("read", &makefile))?;
        let version = text.and_then(|text| Self::parse(&String::from_utf8_lossy(&text)));
        let mut missing = Vec::new();
        if version.is_none() {
            missing.push("Makefile with VERSION and PATCHLEVEL");
        }
        for name in ["Kconfig", "scripts/Makefile.build", "arch"] {
            if !dir.join(name).exists() {
                missing.push(name);
            }
        }
        version
            .filter(|_| missing.is_empty())
            .ok_or_else(|| Error::NotAKernelTree {
                dir: dir.to_path_buf(),
                missing,
            })
    }

    /// Parses the four assignments in a top `Makefile`. Returns `None` if one of the first two is
    /// missing.
    fn parse(makefile: &str) -> Option<Self> {
        let value = |name: &str| {
            makefile.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim_end() == name).then(|| value.trim().to_owned())
            })
        };
        let version = value("VERSION").filter(|value| !value.is_empty())?;
        let patchlevel = value("PATCHLEVEL").filter(|value| !value.is_empty())?;
        Some(Self {
            version,
            patchlevel,
            sublevel: value("SUBLEVEL").unwrap_or_default(),
            extraversion: value("EXTRAVERSION").unwrap_or_default(),
        })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.patchlevel)?;
        if !self.sublevel.is_empty() {
            write!(f, ".{}", self.sublevel)?;
        }
        f.write_str(&self.extraversion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_makefile() {
        let parse = |text| KernelVersion::parse(text).map(|version| version.to_string());
        let text = "VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 262\nEXTRAVERSION = -x\n";
        assert_eq!(parse(text).unwrap(), "5.10.262-x");
        assert_eq!(parse("VERSION=7\nPATCHLEVEL = 3\n").unwrap(), "7.3");
        assert_eq!(parse("VERSION =\nPATCHLEVEL = 3\n"), None);
        assert_eq!(parse("VERSION = 7\n"), None);
    }
}
