// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds one object tree in one mode of LTO after the other: each build equals a clean one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::config::{self, Lto, Profile};
use kernel_lab::mode::Mode;
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Failure, Outcome, files, llvm, make, process};

use super::rebuild::copy_objtree;
use super::{REPRODUCIBLE, expect, kernel_tree};

const NONE: Mode = Mode::keeping(Lto::None);
const THIN: Mode = Mode::keeping(Lto::Thin);
const FULL: Mode = Mode::keeping(Lto::Full);
const DISTRIBUTED: Mode = Mode::keeping(Lto::ThinDist);
const DROPPING: Mode = Mode::dropping(Lto::ThinDist);

/// A sequence of five modes with each switch from one mode to another once: all switches between
/// three of them, then to and from each further one.
const EVERY_SWITCH: [Mode; 21] = [
    NONE,
    THIN,
    FULL,
    NONE,
    FULL,
    THIN,
    NONE,
    DISTRIBUTED,
    NONE,
    DROPPING,
    THIN,
    DISTRIBUTED,
    FULL,
    DROPPING,
    DISTRIBUTED,
    THIN,
    DROPPING,
    FULL,
    DISTRIBUTED,
    DROPPING,
    NONE,
];

/// The compared files.
const FILES: [&str; 2] = ["vmlinux", "lib/crc7.ko"];

/// A small kernel that does not contain the time, place and number of its build.
struct Kernel {
    arch: Arch,
    tree: PathBuf,
    objtree: PathBuf,
}

impl Kernel {
    /// Returns a kernel without any built file, or a copy of the kernel in this mode that an
    /// earlier test has built from scratch, which saves a build.
    fn new(workdir: &Path, arch: Arch, name: &str, mode: Mode) -> anyhow::Result<Self> {
        let objtree = workdir.join(format!("modes-{}-{name}", arch.name()));
        files::remove_dir(&objtree)?;
        let tree = kernel_tree(workdir)?;
        let variant = Variant::new(arch, Profile::Tiny, mode.lto);
        let built = variant.objtree(workdir);
        if !mode.drops && built.join("vmlinux").exists() {
            copy_objtree(&built, &objtree)?;
            // It has the time of its build, and no rule of kbuild sees that the time has changed.
            let archive = objtree.join("usr/initramfs_data.cpio");
            fs::remove_file(&archive).with_context(|| archive.display().to_string())?;
        }
        Ok(Self {
            arch,
            tree,
            objtree,
        })
    }

    /// Builds it in `mode`; returns vmlinux and the module.
    fn built(&self, mode: Mode) -> Result<[Vec<u8>; 2], Failure> {
        let set = mode.settings(&[])?;
        config::configure(config::Options {
            tree: &self.tree,
            arch: self.arch,
            objtree: &self.objtree,
            profile: Profile::Tiny,
            lto: mode.lto,
            set: &set,
        })?;
        let mut make = make(&self.tree, self.arch, &self.objtree, &llvm::bin_dir()?)?;
        make.args(["-s", &format!("-j{}", tool_io::cpus()), "all"]);
        make.args(REPRODUCIBLE);
        process::output(&mut make)?;
        let read = |name: &str| {
            let path = self.objtree.join(name);
            fs::read(&path).with_context(|| path.display().to_string())
        };
        let [kernel, module] = FILES.map(read);
        Ok([kernel?, module?])
    }
}

/// Builds one object tree in each mode of `walk` after the other. The first build is a clean one.
fn walk(workdir: &Path, arch: Arch, walk: &[Mode]) -> Outcome {
    let first = walk.first().copied().unwrap_or(NONE);
    let kernel = Kernel::new(workdir, arch, "switched", first)?;
    let mut clean: Vec<(Mode, [Vec<u8>; 2])> = Vec::new();
    let mut before = None;
    for mode in walk.iter().copied() {
        let found = kernel.built(mode)?;
        let Some(last) = before.replace(mode) else {
            clean.push((mode, found));
            continue;
        };
        let known = clean.iter().position(|(of, _)| *of == mode);
        let expected = if let Some(known) = known {
            &clean[known].1
        } else {
            let fresh = Kernel::new(workdir, arch, "clean", mode)?.built(mode)?;
            clean.push((mode, fresh));
            &clean[clean.len() - 1].1
        };
        for (name, (expected, found)) in FILES.iter().zip(expected.iter().zip(&found)) {
            expect(!expected.is_empty() && expected == found, || {
                format!(
                    "{}: {name} built in mode {mode} after {last} is not that of a clean build",
                    kernel.objtree.display()
                )
            })?;
        }
    }
    Ok(())
}

/// Switches LTO on in a tree that was built without it, and off again.
pub fn x86_64_there_and_back(workdir: &Path) -> Outcome {
    walk(workdir, Arch::X86_64, &[NONE, THIN, NONE])
}

pub fn x86_64_every_switch(workdir: &Path) -> Outcome {
    walk(workdir, Arch::X86_64, &EVERY_SWITCH)
}

pub fn arm64_every_switch(workdir: &Path) -> Outcome {
    walk(workdir, Arch::Arm64, &EVERY_SWITCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_makes_every_switch_once() {
        let modes = [NONE, THIN, FULL, DISTRIBUTED, DROPPING];
        for from in modes {
            for to in modes.into_iter().filter(|to| *to != from) {
                let switches = EVERY_SWITCH.windows(2);
                let n = switches.filter(|pair| *pair == [from, to]).count();
                assert_eq!(n, 1, "{from} to {to}");
            }
        }
    }
}
