// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs the configuration targets of a kernel tree, compares configurations, and counts the objects of one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::arch::Arch;
use super::config::{self, Setting};
use crate::{files, llvm, process};

/// The configuration of a kernel: the text of a `.config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config(String);

impl Config {
    /// Returns the configuration with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads the configuration of an object tree.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of_objtree(objtree: &Path) -> anyhow::Result<Self> {
        Ok(Self(files::read(&objtree.join(".config"))?))
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Returns the options and their values, without options that are off.
    pub fn values(&self) -> BTreeMap<&str, &str> {
        let lines = self.0.lines().filter_map(config::config_line);
        lines.filter(|(_, value)| *value != "n").collect()
    }

    /// Returns the value of an option, named without `CONFIG_`; `n` if it is off or unknown.
    pub fn value(&self, option: &str) -> &str {
        let mut lines = self.0.lines().filter_map(config::config_line);
        lines
            .find(|(name, _)| *name == option)
            .map_or("n", |(_, value)| value)
    }

    /// Returns the options that have another value in the other configuration. An option that one of them lacks
    /// counts as off.
    pub fn differing(&self, other: &Self) -> BTreeSet<String> {
        let (own, others) = (self.values(), other.values());
        let names: BTreeSet<&str> = own.keys().chain(others.keys()).copied().collect();
        let differing = names
            .into_iter()
            .filter(|name| own.get(name) != others.get(name));
        differing.map(str::to_owned).collect()
    }

    /// Returns the configuration with other values of some options. Kconfig has not seen the result:
    /// [`Kconfig::complete`] settles the dependencies.
    #[must_use]
    pub fn with(&self, changed: &BTreeMap<&str, &str>) -> Self {
        let is_kept = |line: &&str| {
            config::config_line(line).is_none_or(|(name, _)| !changed.contains_key(name))
        };
        let mut text = String::new();
        for line in self.0.lines().filter(is_kept) {
            let _ = writeln!(text, "{line}");
        }
        for (name, value) in changed {
            let _ = match *value {
                "n" => writeln!(text, "# CONFIG_{name} is not set"),
                value => writeln!(text, "CONFIG_{name}={value}"),
            };
        }
        Self(text)
    }
}

/// A kernel tree, whose configuration targets run in an object tree.
#[derive(Clone, Copy, Debug)]
pub struct Kconfig<'a> {
    /// The kernel tree.
    pub tree: &'a Path,
    /// The architecture.
    pub arch: Arch,
    /// The object tree; created if it is missing.
    pub objtree: &'a Path,
}

impl Kconfig<'_> {
    /// Configures with `make allnoconfig`, except for the fixed options, so that [`Self::objects`] can list what
    /// would be built.
    ///
    /// # Errors
    /// make fails.
    pub fn smallest(&self, fixed: &BTreeMap<String, Setting>) -> anyhow::Result<Config> {
        self.forget_settled()?;
        self.run("allnoconfig", fixed, &[])
    }

    /// Does the same with `make randconfig`. The seed must be below 2³¹, because
    /// Kconfig reads a signed number; the probability is that of `y` or `m`, in percent. The same arguments give
    /// the same configuration.
    ///
    /// # Errors
    /// make fails.
    pub fn random(
        &self,
        fixed: &BTreeMap<String, Setting>,
        seed: u32,
        probability: u8,
    ) -> anyhow::Result<Config> {
        let (seed, probability) = (seed.to_string(), probability.to_string());
        let variables = [
            ("KCONFIG_SEED", seed.as_str()),
            ("KCONFIG_PROBABILITY", probability.as_str()),
        ];
        self.forget_settled()?;
        self.run("randconfig", fixed, &variables)
    }

    /// Writes a configuration into the object tree, and settles its dependencies with `make olddefconfig`.
    ///
    /// # Errors
    /// It cannot be written, or make fails.
    pub fn complete(&self, config: &Config) -> anyhow::Result<Config> {
        std::fs::create_dir_all(self.objtree)
            .with_context(|| self.objtree.display().to_string())?;
        files::write(&self.objtree.join(".config"), config.text())?;
        self.run("olddefconfig", &BTreeMap::new(), &[])
    }

    /// Returns the objects that the object tree's configuration builds for vmlinux and modules, by the kernel's own
    /// Makefiles; nothing is built. Objects that are joined from others do not count, nor do those of programs
    /// within the kernel that have rules of their own: the vDSO, the decompressor, the second copies of KVM's nVHE
    /// code.
    ///
    /// # Errors
    /// make fails, or there is no object, which no kernel has.
    pub fn objects(&self) -> anyhow::Result<BTreeSet<String>> {
        let list = self.objtree.join("list-objects.mk");
        files::write(&list, include_str!("../objects.mk"))?;
        let list = std::path::absolute(&list).with_context(|| list.display().to_string())?;
        let mut make = self.make()?;
        // The first two are for make's descent: without them, a directory takes itself for a target of its own.
        make.args(["-s", "need-builtin=1", "need-modorder=1", "list-objects"]);
        let said = process::output(make.env("MAKEFILES", list))?;
        let objects = said.lines().filter_map(|line| line.strip_prefix("object "));
        let objects: BTreeSet<String> = objects.map(str::to_owned).collect();
        anyhow::ensure!(
            !objects.is_empty(),
            "{}: make lists no object of this kernel; its Makefiles have other names than crates/kernel-lab/objects.mk",
            self.tree.display()
        );
        Ok(objects)
    }

    /// Removes the configuration that make includes: Kconfig then writes it anew, which saves make another run of
    /// Kconfig before it lists objects. A kernel that was built there would be built again.
    fn forget_settled(&self) -> anyhow::Result<()> {
        let settled = self.objtree.join("include/config/auto.conf");
        if settled.exists() {
            std::fs::remove_file(&settled).with_context(|| settled.display().to_string())?;
        }
        Ok(())
    }

    fn make(&self) -> anyhow::Result<Command> {
        let mut make = super::make(self.tree, self.arch, self.objtree, &llvm::bin_dir()?)?;
        for variable in ["KCONFIG_SEED", "KCONFIG_PROBABILITY", "MAKEFILES"] {
            make.env_remove(variable);
        }
        Ok(make)
    }

    /// Runs a target of Kconfig, which gets the fixed options, if there are any, and these variables.
    fn run(
        &self,
        target: &str,
        fixed: &BTreeMap<String, Setting>,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Config> {
        std::fs::create_dir_all(self.objtree)
            .with_context(|| self.objtree.display().to_string())?;
        let mut make = self.make()?;
        make.args(["-s", target]).envs(variables.iter().copied());
        if !fixed.is_empty() {
            let asked = self.objtree.join("asked.config");
            files::write(&asked, config::allconfig(fixed))?;
            // The path must be absolute because make runs in another directory.
            let asked = std::path::absolute(&asked).with_context(|| asked.display().to_string())?;
            make.env("KCONFIG_ALLCONFIG", asked);
        }
        process::output(&mut make)?;
        Config::of_objtree(self.objtree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_compared_option_by_option() {
        let one = Config::new("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_D=\"x\"\n");
        let other = Config::new("# a comment\nCONFIG_A=y\nCONFIG_C=y\nCONFIG_E=4\n");
        let differing = one.differing(&other);
        assert_eq!(differing.iter().collect::<Vec<_>>(), ["C", "D", "E"]);
        assert_eq!(other.differing(&one), differing);
        assert_eq!((one.value("B"), one.value("E")), ("n", "n"));
        assert_eq!((other.value("E"), one.value("D")), ("4", "\"x\""));
    }

    #[test]
    fn changed_options_replace_their_lines() {
        let config = Config::new("# Linux\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n");
        let changed = config.with(&BTreeMap::from([("A", "n"), ("B", "y"), ("D", "7")]));
        assert_eq!(
            changed.text(),
            "# Linux\nCONFIG_C=m\n# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_D=7\n"
        );
    }

    /// Makes a tree whose Makefiles are like the kernel's: the first runs itself again in the object tree.
    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Kconfig", "");
        write(
            "Makefile",
            "ifneq ($(sub_make_done),1)\nexport sub_make_done := 1\nexport srctree := $(CURDIR)\n\
             list-objects randconfig: ; $(MAKE) -C $(O) -f $(CURDIR)/Makefile $@\n\
             else\n\
             build := -f $(srctree)/Makefile.build obj\n\
             build-dirs := init drivers\n\
             randconfig: ; @echo CONFIG_SEED=$(KCONFIG_SEED) > .config; cat $(KCONFIG_ALLCONFIG) >> .config\n\
             endif\n",
        );
        write(
            "Makefile.build",
            "build := -f $(srctree)/Makefile.build obj\n\
             include $(srctree)/$(obj)/Makefile\n",
        );
        write(
            "init/Makefile",
            "real-obj-y := init/main.o init/sub/built-in.a\nextra-y := init/head.o init/head.lds\n\
             subdir-ym := init/sub\n",
        );
        write("init/sub/Makefile", "lib-y := init/sub/a.o\n");
        write(
            "drivers/Makefile",
            "real-obj-m := drivers/b.o init/main.o\n",
        );
        tree
    }

    #[test]
    fn objects_are_listed_by_the_makefiles_of_the_tree() {
        let (tree, objtree) = (tree(), tempfile::tempdir().unwrap());
        let kconfig = Kconfig {
            tree: tree.path(),
            arch: Arch::Arm64,
            objtree: objtree.path(),
        };
        let objects = kconfig.objects().unwrap();
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        assert_eq!(
            objects,
            ["drivers/b.o", "init/head.o", "init/main.o", "init/sub/a.o"]
        );
    }

    #[test]
    fn kconfig_is_given_the_seed_and_the_fixed_options() {
        let (tree, objtree) = (tree(), tempfile::tempdir().unwrap());
        let kconfig = Kconfig {
            tree: tree.path(),
            arch: Arch::Arm64,
            objtree: objtree.path(),
        };
        let fixed = config::of_fragments(["CONFIG_TTY=y\n"]).unwrap();
        let config = kconfig.random(&fixed, 7, 10).unwrap();
        assert_eq!(config.text(), "CONFIG_SEED=7\nCONFIG_TTY=y\n");
        assert_eq!(config, Config::of_objtree(objtree.path()).unwrap());
    }
}
