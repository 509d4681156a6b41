// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds small kernels with debug information and BTF, and reads both as people do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kernel_lab::config::{self, Lto, Profile};
use kernel_lab::mode::{Mode, WITH_LTO};
use kernel_lab::{Failure, Outcome, files, progress, setup};

use super::{ARCH, boots, build, expect, kernel_tree, mutations, verified};
use crate::{btf_types, debuggers};

/// The options of all kernels here: a module of several objects, and names for faddr2line.
const ALWAYS: [&str; 4] = ["DEBUG_KERNEL=y", "DEBUG_INFO=y", "KALLSYMS=y", "XZ_DEC=m"];

/// BTF, and users of its labels: the verifier names functions that nothing else refers to.
const BTF: &str = "DEBUG_INFO_BTF=y";
const USERS_OF_BTF: [&str; 2] = ["BPF_SYSCALL=y", "SECURITY=y"];

const DWARF_4: &str = "DEBUG_INFO_DWARF4=y";
const COMPRESSED: &str = "DEBUG_INFO_COMPRESSED=y";

/// What `resolve_btfids` prints of a label that it cannot resolve.
const UNRESOLVED: &str = "resolve_btfids: unresolved symbol";

/// The kernels of one test.
struct Kernels {
    tree: PathBuf,
    dir: PathBuf,
    settings: Vec<&'static str>,
    drgn: PathBuf,
}

impl Kernels {
    /// Returns kernels with BTF and this kind of debug information, none of them built.
    fn new(workdir: &Path, name: &str, kind: &'static str) -> anyhow::Result<Self> {
        let dir = workdir.join("debug-info").join(name);
        files::remove_dir(&dir)?;
        Ok(Self {
            tree: kernel_tree(workdir)?,
            dir,
            settings: [&ALWAYS[..], &[BTF], &USERS_OF_BTF, &[kind]].concat(),
            drgn: setup::ensure_debuggers(&workdir.join("drgn"))?,
        })
    }

    /// Builds a kernel, and returns its object tree and the labels of BTF that could not be resolved.
    fn build(&self, name: &str, mode: Mode) -> Result<(PathBuf, BTreeSet<String>), Failure> {
        let objtree = self.dir.join(name);
        config::configure(config::Options {
            tree: &self.tree,
            arch: ARCH,
            objtree: &objtree,
            profile: Profile::Tiny,
            lto: mode.lto,
            set: &mode.settings(&self.settings)?,
        })?;
        let log = build(&self.tree, &objtree, None)?;
        let unresolved = log.into_iter().filter(|line| line.contains(UNRESOLVED));
        Ok((objtree, unresolved.collect()))
    }

    /// Compares kernels in these modes with one without LTO.
    fn compare(&self, modes: &[Mode]) -> Outcome {
        let (none, known) = self.build("none", Mode::keeping(Lto::None))?;
        self.read(&none, None)?;
        for &mode in modes {
            let (objtree, unresolved) = self.build("lto", mode)?;
            progress::note(&mode.to_string());
            let new: Vec<_> = unresolved.difference(&known).collect();
            expect(new.is_empty(), || format!("new warnings: {new:?}"))?;
            self.read(&objtree, Some(&none))?;
        }
        let objtree = self.dir.join("lto");
        mutations::of_debug_info(&objtree)?;
        boots(ARCH, &objtree)
    }

    fn read(&self, objtree: &Path, none: Option<&Path>) -> Outcome {
        let report = kernel_checks::verify(objtree, none)?;
        for checked in report
            .checks
            .iter()
            .filter(|checked| checked.name == "debug-info")
        {
            progress::note(&checked.finding.figure);
        }
        verified(&report)?;
        let answers = debuggers::compare(objtree, Some(&self.drgn))?;
        progress::note(&format!("{} answers of debuggers", answers.n_answers));
        expect(answers.differences.is_empty(), || {
            answers.differences.join("\n")
        })?;
        if let Some(none) = none {
            let types = btf_types::compare(objtree, none)?;
            progress::note(&format!(
                "{} exported functions and {} types of BTF are the same",
                types.n_functions, types.n_types
            ));
            expect(types.differences.is_empty(), || {
                types.differences.join("\n")
            })?;
        }
        Ok(())
    }
}

/// All modes, with DWARF 4 and BTF.
pub fn dwarf_4_and_btf(workdir: &Path) -> Outcome {
    Kernels::new(workdir, "dwarf-4", DWARF_4)?.compare(&WITH_LTO)
}

/// The version of DWARF that the compiler writes by itself, compressed.
pub fn compressed(workdir: &Path) -> Outcome {
    Kernels::new(workdir, "compressed", COMPRESSED)?
        .compare(&[Mode::dropping(Lto::ThinDist), Mode::dropping(Lto::Thin)])
}
