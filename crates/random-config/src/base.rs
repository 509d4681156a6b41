// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The base of random configurations: the options that a kernel needs to boot in our guest and to load a module.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kernel_lab::Arch;
use kernel_lab::config::{self, Setting};
use kernel_lab::kconfig::{Config, Kconfig};

use crate::configuration::{Drawn, Kconfigs};

/// The base for a tree and an architecture, and the object tree in which configurations are made.
#[derive(Debug)]
pub struct Base {
    tree: PathBuf,
    arch: Arch,
    objtree: PathBuf,
    fixed: BTreeMap<String, Setting>,
}

impl Base {
    /// Returns the base of an architecture; `objtree` is used for configurations only.
    ///
    /// # Errors
    /// The fragments of this crate are damaged.
    pub fn new(
        tree: impl Into<PathBuf>,
        arch: Arch,
        objtree: impl Into<PathBuf>,
    ) -> anyhow::Result<Self> {
        let for_arch = match arch {
            Arch::Arm64 => include_str!("../base/arm64.config"),
            Arch::X86_64 => include_str!("../base/x86_64.config"),
        };
        Ok(Self {
            tree: tree.into(),
            arch,
            objtree: objtree.into(),
            fixed: config::of_fragments([include_str!("../base/common.config"), for_arch])?,
        })
    }

    fn kconfig(&self) -> Kconfig<'_> {
        Kconfig {
            tree: &self.tree,
            arch: self.arch,
            objtree: &self.objtree,
        }
    }

    fn drawn(&self, config: Config) -> anyhow::Result<Drawn> {
        Ok(Drawn {
            objects: self.kconfig().objects()?.len(),
            lost: config::refused(&self.fixed, config.text()),
            config,
        })
    }
}

impl Kconfigs for Base {
    fn base(&self) -> anyhow::Result<Drawn> {
        self.drawn(self.kconfig().smallest(&self.fixed)?)
    }

    fn random(&self, seed: u32, probability: u8) -> anyhow::Result<Drawn> {
        self.drawn(self.kconfig().random(&self.fixed, seed, probability)?)
    }

    fn complete(&self, config: &Config) -> anyhow::Result<Config> {
        self.kconfig().complete(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixed_option_has_its_reason_above_it() {
        for arch in Arch::ALL {
            Base::new("tree", arch, "objtree").unwrap();
        }
        for text in [
            include_str!("../base/common.config"),
            include_str!("../base/arm64.config"),
            include_str!("../base/x86_64.config"),
        ] {
            let groups = text.split("\n\n").filter(|group| group.contains("CONFIG_"));
            for group in groups {
                assert!(group.starts_with("# "), "no reason for\n{group}");
            }
        }
    }
}
