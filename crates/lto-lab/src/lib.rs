// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernel trees with the plugins, and the kernels that are built from them in one directory.
//!
//! **Invariant:** this crate composes kernel-lab, installer and kernel-tree. It prints nothing.
#![warn(missing_docs)]

use std::path::{Path, PathBuf};

use kernel_lab::runtime::rows::Row;
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Failure, KERNEL, build, config, fetch, setup};
use kernel_tree::{OnChange, Tree};

/// A directory with kernel trees and object trees, which later runs use again.
#[derive(Clone, Debug)]
pub struct Lab {
    workdir: PathBuf,
    tree: Option<PathBuf>,
    installs_packages: bool,
}

impl Lab {
    /// Returns the lab in `workdir`. It fetches its kernel tree, and expects all system packages.
    pub fn new(workdir: impl Into<PathBuf>) -> Self {
        Self {
            workdir: workdir.into(),
            tree: None,
            installs_packages: false,
        }
    }

    /// Sets the kernel tree, if there is one, instead of a fetched tree.
    #[must_use]
    pub fn with_tree(self, tree: Option<PathBuf>) -> Self {
        Self { tree, ..self }
    }

    /// Sets whether missing system packages are installed.
    #[must_use]
    pub fn installing_packages(self, installs_packages: bool) -> Self {
        Self {
            installs_packages,
            ..self
        }
    }

    /// Returns the directory of the lab.
    pub fn workdir(&self) -> &Path {
        &self.workdir
    }

    /// Checks that everything is there to build and boot kernels for `arch`.
    ///
    /// # Errors
    /// A package is missing and cannot be installed.
    pub fn prepare(&self, arch: Arch) -> anyhow::Result<()> {
        setup::ensure(setup::Options {
            arch,
            install: self.installs_packages,
        })
    }

    /// Returns the kernel tree, with all plugins.
    ///
    /// # Errors
    /// A package or the tree cannot be fetched, or the plugins cannot be installed into the tree.
    pub fn tree(&self, arch: Arch) -> anyhow::Result<PathBuf> {
        self.prepare(arch)?;
        let tree = match &self.tree {
            Some(tree) => tree.clone(),
            None => fetched(KERNEL, &self.workdir.join("trees"))?,
        };
        installer::install(&installer::Options::new(&tree, &[]))?;
        Ok(tree)
    }

    /// Returns a tree of `version` without plugins, and another with lto-link.
    ///
    /// # Errors
    /// A tree cannot be fetched, or lto-link cannot be installed into it.
    pub fn native_trees(&self, version: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let untouched = fetched(version, &self.workdir.join("trees"))?;
        let with_lto_link = fetched(version, &self.workdir.join("with-lto-link/trees"))?;
        let plugins = ["lto-link".to_owned()];
        installer::install(&installer::Options::new(&with_lto_link, &plugins))?;
        Ok((untouched, with_lto_link))
    }

    /// Returns the tree of `version`, whose own build knows LTO: with all plugins that are offered to it, or without any.
    ///
    /// # Errors
    /// The tree cannot be fetched, or plugins cannot be installed into it or taken out.
    pub fn native_tree(&self, version: &str, with_plugins: bool) -> anyhow::Result<PathBuf> {
        let tree = fetched(version, &self.workdir.join("trees"))?;
        if with_plugins {
            let offered = installer::offered(&tree)?;
            installer::install(&installer::Options::new(&tree, &offered))?;
        } else if kernel_tree::status(&Tree::open(&tree)?)?
            .installed
            .is_some()
        {
            installer::uninstall(&tree, OnChange::Refuse)?;
        }
        Ok(tree)
    }

    /// Returns the object tree of a kernel, which is built if no earlier build of it succeeded.
    ///
    /// # Errors
    /// Same as [`Self::tree`], and of configuring and building.
    pub fn kernel(&self, variant: Variant) -> Result<PathBuf, Failure> {
        variant.built(&self.workdir, || self.tree(variant.arch))
    }

    /// Builds the kernel of a results row, by this profile if there is one, and returns its object tree.
    ///
    /// # Errors
    /// Same as [`Self::kernel`].
    pub fn row(&self, row: &Row, profile: Option<&Path>) -> Result<PathBuf, Failure> {
        let mut settings = row.settings()?;
        if let Some(profile) = profile {
            settings.push(row.by(profile)?);
        }
        let Variant {
            arch, profile, lto, ..
        } = row.variant;
        let tree = if row.version == KERNEL {
            self.tree(arch)?
        } else {
            self.prepare(arch)?;
            self.native_tree(row.version, row.has_plugins())?
        };
        let objtree = row.objtree(&self.workdir);
        config::configure(config::Options {
            tree: &tree,
            arch,
            objtree: &objtree,
            profile,
            lto,
            set: &settings,
        })?;
        build::build(build::Options {
            tree: &tree,
            arch,
            objtree: &objtree,
            jobs: None,
            target: row.target(),
        })?;
        Ok(objtree)
    }
}

fn fetched(version: &str, into: &Path) -> anyhow::Result<PathBuf> {
    fetch::fetch(fetch::Options {
        version,
        package_version: None,
        into,
    })
}
