// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The roots that only generated code has shown, kept from one link to the next.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

use crate::error::{LinkError, reading};
use crate::paths::LinkPaths;
use crate::read::inputs::Inputs;
use crate::resolve::resolution::Resolution;

/// References of generated code: the symbol, and the object whose code refers to it.
pub(crate) type References = BTreeSet<(String, String)>;

/// The references of generated code that this build and earlier ones found.
///
/// The file has a line for each: symbol, object, and `now` for references that this build found, separated by
/// tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GeneratedRoots {
    /// References that an earlier build found. They are forgotten when no code has them any more.
    pub(crate) before: References,
    /// References that this build found. They stay until its end even if the code loses them, so
    /// that the build terminates.
    pub(crate) now: References,
}

impl GeneratedRoots {
    /// Reads the references that the last link left; empty if the file is missing.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn read(paths: LinkPaths<'_>) -> Result<Self, LinkError> {
        let path = paths.generated_roots();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(reading(&path)(error)),
        };
        let mut known = Self::default();
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                [symbol, object] => {
                    known.before.insert((symbol.to_owned(), object.to_owned()));
                }
                [symbol, object, "now"] => {
                    known.now.insert((symbol.to_owned(), object.to_owned()));
                }
                // Someone changed the line by hand: its reference will be found again.
                _ => {}
            }
        }
        Ok(known)
    }

    /// Begins a build: records that all known references are from earlier builds.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn write_start_of_build(paths: LinkPaths<'_>) -> Result<(), LinkError> {
        let known = Self::read(paths)?;
        if known.now.is_empty() {
            return Ok(());
        }
        let started = Self {
            before: known.all(),
            now: References::new(),
        };
        started.write(paths)
    }

    /// Returns all references.
    pub(crate) fn all(&self) -> References {
        self.before.union(&self.now).cloned().collect()
    }

    /// Resolves the symbols of `inputs` together with these references.
    ///
    /// # Errors
    /// The errors of [`Resolution::of`].
    pub(crate) fn resolve<'all, 'data>(
        &self,
        inputs: &'all Inputs<'data>,
    ) -> Result<Resolution<'all, 'data>, LinkError> {
        let needed = self.before.union(&self.now);
        let needed = needed.map(|(symbol, _)| symbol.as_str());
        Resolution::of(inputs, needed).map_err(LinkError::Natives)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, paths: LinkPaths<'_>) -> Result<(), LinkError> {
        let path = paths.generated_roots();
        let mut text = String::new();
        for (symbol, object) in self.before.difference(&self.now) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{symbol}\t{object}");
        }
        for (symbol, object) in &self.now {
            let _ = writeln!(text, "{symbol}\t{object}\tnow");
        }
        if text.is_empty() && !path.exists() {
            return Ok(());
        }
        tool_io::write_if_changed(&path, text.as_bytes())?;
        Ok(())
    }
}
