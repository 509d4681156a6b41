// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One of the kernels that are built of one source, to be compared with others.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use object_tree::Sizes;
use tool_io::Files;

use super::arch::Arch;
use super::build::{self, Usage};
use super::config::{self, Lto, Profile, Setting};
use crate::Failure;

/// The settings of Kconfig for smaller code that `arch` has, as `NAME=VALUE`.
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

/// Text and data of the vmlinux.o in `objtree`, in bytes, if there is one.
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

/// What is built, and where below a working directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The architecture the kernel is built for.
    pub arch: Arch,
    /// What it has.
    pub profile: Profile,
    /// How it is linked.
    pub lto: Lto,
    /// Whether the link drops what nothing references.
    pub drops: bool,
    /// Whether only the exports are left that the modules use.
    pub trims: bool,
    /// Whether it has the options [`for_smaller_code`].
    pub smaller: bool,
}

impl Variant {
    /// One that neither drops nor trims nor is made smaller.
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

    /// The kernel that it is compared with.
    #[must_use]
    pub const fn without_lto(self) -> Self {
        Self {
            lto: Lto::None,
            drops: false,
            smaller: false,
            ..self
        }
    }

    /// Its object tree in `workdir`.
    pub fn objtree(self, workdir: &Path) -> PathBuf {
        let Self {
            arch,
            profile,
            lto,
            drops,
            trims,
            smaller,
        } = self;
        let drops = if drops { "-drop" } else { "" };
        let trims = if trims { "-trim" } else { "" };
        let smaller = if smaller { "-smaller" } else { "" };
        let (arch, profile, lto) = (arch.name(), profile.name(), lto.name());
        workdir.join(format!("{arch}-{profile}-{lto}{drops}{trims}{smaller}"))
    }

    /// Text and data of its vmlinux.o, in bytes, if there is one: in vmlinux of 64-bit x86 padding
    /// hides what changed.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn object_size(self, workdir: &Path) -> anyhow::Result<Option<u64>> {
        object_size(&self.objtree(workdir))
    }

    /// The size of the file that is booted, in bytes.
    ///
    /// # Errors
    /// It is not there.
    pub fn image_size(self, workdir: &Path) -> anyhow::Result<u64> {
        let image = self.arch.image(&self.objtree(workdir));
        let metadata = image.metadata();
        Ok(metadata.with_context(|| image.display().to_string())?.len())
    }

    /// What it has beside its profile and its kind of LTO.
    ///
    /// # Errors
    /// One of them is no setting.
    pub fn settings(self) -> anyhow::Result<Vec<Setting>> {
        let mut set = Vec::new();
        if self.drops {
            set.push(Setting::on("LTO_CLANG_INTERNALIZE"));
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

    /// Configures it in `workdir`, and gives its object tree.
    ///
    /// # Errors
    /// Those of [`config::configure`].
    pub fn configure(self, tree: &Path, workdir: &Path) -> Result<PathBuf, Failure> {
        self.configure_with(tree, workdir, &[])
    }

    /// The same, with `more` options.
    ///
    /// # Errors
    /// Those of [`config::configure`].
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

    /// Whether its last build in `workdir` came to a good end.
    fn is_built(self, workdir: &Path) -> bool {
        let objtree = self.objtree(workdir);
        let is_good = build::read_usage(&objtree).is_ok_and(|usage| usage.built);
        is_good && self.arch.image(&objtree).is_file()
    }

    /// Gives its object tree in `workdir`, in which it is built if it is not yet. `tree` gives the kernel
    /// tree then.
    ///
    /// # Errors
    /// Those of `tree`, and of [`Self::build`].
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

    /// Configures and builds it in `workdir`; what is built already is used again.
    ///
    /// # Errors
    /// Those of [`config::configure`] and [`build::build`].
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
