// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The files of a built kernel, to be copied and changed.

use std::fs;
use std::path::{Path, PathBuf};

use object_model::Elf;
use tool_io::Files;

use crate::patch::Patch;

pub use crate::patch::Changes;

/// A built kernel.
pub struct Kernel {
    root: PathBuf,
    files: &'static Files,
    auto_conf: String,
}

impl Kernel {
    /// Opens the object tree at `root`.
    ///
    /// # Errors
    /// It has no configuration.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("include/config/auto.conf");
        let auto_conf = tool_io::read_text(&path)?;
        Ok(Self {
            root: root.to_owned(),
            files: Files::for_process(),
            auto_conf,
        })
    }

    /// Returns the object tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns whether the option, named without `CONFIG_`, is built in.
    pub(crate) fn is_set(&self, option: &str) -> bool {
        let line = format!("CONFIG_{option}=y");
        self.auto_conf.lines().any(|found| found == line)
    }

    /// Returns the text of a file.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    /// Returns an ELF file.
    pub(crate) fn elf(&self, path: &str) -> Option<Elf<'static>> {
        self.files.elf(&self.root.join(path)).ok()
    }

    /// Returns an ELF file to be changed.
    pub(crate) fn patch(&self, path: &str) -> Option<Patch> {
        let bytes = fs::read(self.root.join(path)).ok()?;
        Patch::new(path, self.elf(path)?, bytes)
    }

    /// Returns the paths of all modules, without `.ko`.
    pub(crate) fn modules(&self) -> Vec<String> {
        let order = self.text("modules.order").unwrap_or_default();
        let name = |line: &str| {
            line.trim_end_matches(".ko")
                .trim_end_matches(".o")
                .to_owned()
        };
        order.lines().map(name).collect()
    }

    /// Returns the first module that `change` can change, changed.
    pub(crate) fn patch_module(
        &self,
        change: impl Fn(&mut Patch) -> Option<()>,
    ) -> Option<Changes> {
        self.modules()
            .iter()
            .find_map(|module| self.patched(&format!("{module}.ko"), &change))
    }

    /// Returns the file at `path` as `change` leaves it.
    pub(crate) fn patched(
        &self,
        path: &str,
        change: impl Fn(&mut Patch) -> Option<()>,
    ) -> Option<Changes> {
        let mut patch = self.patch(path)?;
        change(&mut patch)?;
        Some(patch.changes())
    }

    /// Returns the text file at `path` as `change` leaves it.
    pub(crate) fn edited(
        &self,
        path: &str,
        change: impl Fn(&str) -> Option<String>,
    ) -> Option<Changes> {
        let text = change(&self.text(path)?)?;
        Some(vec![(path.to_owned(), Some(text.into_bytes()))])
    }

    /// Returns the file at `path` as it is, to be written again.
    pub(crate) fn written_again(&self, path: &str) -> Option<Changes> {
        let bytes = fs::read(self.root.join(path)).ok()?;
        Some(vec![(path.to_owned(), Some(bytes))])
    }

    /// Returns that the file at `path`, which is there, is gone.
    pub(crate) fn removed(&self, path: &str) -> Option<Changes> {
        let is_there = self.root.join(path).exists();
        is_there.then(|| vec![(path.to_owned(), None)])
    }
}
