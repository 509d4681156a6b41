// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A variant of a kernel, to be compared with other variants of the same source.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use object_tree::Sizes;
use tool_io::Files;

use super::arch::Arch;
use super::build::{self, Usage};
use super::config::{self, Lto, Profile, Setting};
use crate::Failure;
use crate::mode::{INTERNALIZE, Mode};

/// Returns the Kconfig settings for smaller code on `arch`, as `NAME=VALUE`.
pub const fn for_smaller_code(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::Arm64 => &[
            "LTO_CLANG_MERGE_FUNCTIONS=y",
            "LTO_CLANG_OUTLINE=y",
            "LTO_CLANG_INLINE_LIMIT=20",
            "LTO_CLANG_INLINE_HINT_LIMIT=20",
        ],
        Arch::X86_64 => &[
            "LTO_CLANG_MERGE_FUNCTIONS=y",
            "LTO_CLANG_PACK_FUNCTIONS=y",
            "LTO_CLANG_INLINE_LIMIT=20",
            "LTO_CLANG_INLINE_HINT_LIMIT=20",
        ],
    }
}

/// Returns the size of text and data of the vmlinux.o in `objtree`, in bytes, if the file exists.
///
/// # Errors
/// It cannot be read.
pub fn object_size(objtree: &Path) -> anyhow::Result<Option<u64>> {
    let object = objtree.join("vmlinux.o");
    if !object.exists() {
        return Ok(None);
    }
    let sizes = Sizes::of(&Files::new().elf(&object)?);
    Ok(Some(sizes.text + sizes.data))
}

/// Returns the size of a file, in bytes.
///
/// # Errors
/// It is missing.
pub fn file_size(path: &Path) -> anyhow::Result<u64> {
    let metadata = path.metadata();
    Ok(metadata.with_context(|| path.display().to_string())?.len())
}

/// A variant of a kernel, with an object tree below a working directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The architecture the kernel is built for.
    pub arch: Arch,
    /// The profile of its configuration.
    pub profile: Profile,
    /// The kind of LTO.
    pub lto: Lto,
    /// Whether the link drops unreferenced definitions.
    pub drops: bool,
    /// Whether unused exports are removed.
    pub trims: bool,
    /// Whether it has the settings of [`for_smaller_code`].
    pub smaller: bool,
}

impl Variant {
    /// Returns a variant without dropping, trimming and settings for smaller code.
    pub const fn new(arch: Arch, profile: Profile, lto: Lto) -> Self {
        Self {
            arch,
            profile,
            lto,
            drops: false,
            trims: false,
            smaller: false,
        }
    }

    /// Returns the variant without LTO that it is compared with.
    #[must_use]
    pub const fn without_lto(self) -> Self {
        Self {
            lto: Lto::None,
            drops: false,
            smaller: false,
            ..self
        }
    }

    /// Returns its object tree in `workdir`.
    pub fn objtree(self, workdir: &Path) -> PathBuf {
        let Self {
            arch,
            profile,
            lto,
            drops,
            trims,
            smaller,
        } = self;
        let trims = if trims { "-trim" } else { "" };
        let smaller = if smaller { "-smaller" } else { "" };
        let (arch, profile, mode) = (arch.name(), profile.name(), Mode { lto, drops });
        workdir.join(format!("{arch}-{profile}-{mode}{trims}{smaller}"))
    }

    /// Returns the size of text and data of its vmlinux.o, in bytes, if the file exists. In vmlinux
    /// of `x86_64`, padding hides small changes.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn object_size(self, workdir: &Path) -> anyhow::Result<Option<u64>> {
        object_size(&self.objtree(workdir))
    }

    /// Returns the size of the file that is booted, in bytes.
    ///
    /// # Errors
    /// The file is missing.
    pub fn image_size(self, workdir: &Path) -> anyhow::Result<u64> {
        file_size(&self.arch.image(&self.objtree(workdir)))
    }

    /// Returns its settings besides profile and kind of LTO.
    ///
    /// # Errors
    /// A setting is invalid.
    pub fn settings(self) -> anyhow::Result<Vec<Setting>> {
        let mut set = Vec::new();
        if self.drops {
            set.push(Setting::on(INTERNALIZE));
        }
        if self.trims {
            set.push(Setting::on("TRIM_UNUSED_KSYMS"));
        }
        if self.smaller {
            for setting in for_smaller_code(self.arch) {
                set.push(setting.parse()?);
            }
        }
        Ok(set)
    }

    /// Configures it in `workdir`, and returns its object tree.
    ///
    /// # Errors
    /// Same as [`config::configure`].
    pub fn configure(self, tree: &Path, workdir: &Path) -> Result<PathBuf, Failure> {
        self.configure_with(tree, workdir, &[])
    }

    /// Configures it with `more` options, and returns its object tree.
    ///
    /// # Errors
    /// Same as [`config::configure`].
    pub fn configure_with(
        self,
        tree: &Path,
        workdir: &Path,
        more: &[Setting],
    ) -> Result<PathBuf, Failure> {
        let objtree = self.objtree(workdir);
        let mut set = self.settings()?;
        set.extend_from_slice(more);
        config::configure(config::Options {
            tree,
            arch: self.arch,
            objtree: &objtree,
            profile: self.profile,
            lto: self.lto,
            set: &set,
        })?;
        Ok(objtree)
    }

    /// Returns whether its last build in `workdir` succeeded.
    fn is_built(self, workdir: &Path) -> bool {
        let objtree = self.objtree(workdir);
        let is_good = build::read_usage(&objtree).is_ok_and(|usage| usage.built);
        is_good && self.arch.image(&objtree).is_file()
    }

    /// Returns its object tree in `workdir`; builds it if necessary, from the kernel tree that
    /// `tree` returns.
    ///
    /// # Errors
    /// Same as `tree` and [`Self::build`].
    pub fn built(
        self,
        workdir: &Path,
        tree: impl FnOnce() -> anyhow::Result<PathBuf>,
    ) -> Result<PathBuf, Failure> {
        if !self.is_built(workdir) {
            self.build(&tree()?, workdir)?;
        }
        Ok(self.objtree(workdir))
    }

    /// Configures and builds it in `workdir`, incrementally.
    ///
    /// # Errors
    /// Same as [`config::configure`] and [`build::build`].
    pub fn build(self, tree: &Path, workdir: &Path) -> Result<Usage, Failure> {
        let objtree = self.configure(tree, workdir)?;
        build::build(build::Options {
            tree,
            arch: self.arch,
            objtree: &objtree,
            jobs: None,
            target: build::ALL,
        })
    }
}
