// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Boots a kernel in QEMU, loads every module, and checks the console for faults.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::arch::Arch;
use super::guest::{Content, Said};
use super::modules::Module;
use super::qemu::Guest;
use super::{guest, modules, qemu};
use crate::progress::Step;
use crate::{Failure, Outcome};

/// The kernel to boot, and the time limit.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The architecture of the guest.
    pub arch: Arch,
    /// The object tree, with the kernel image and the modules.
    pub objtree: &'a Path,
    /// The directory that boot.log and the initramfs are written to.
    pub output: &'a Path,
    /// The time after which a guest that has not ended is a fault.
    pub timeout: Duration,
}

/// The result of a boot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whether there was no fault and every module was loaded.
    pub result: Verdict,
    /// `ok` for each loaded module, or the reason why it was not loaded.
    pub modules: BTreeMap<String, String>,
    /// The running time of QEMU, in seconds.
    pub seconds: f64,
    /// Lines of the console, or facts about the run, that are faults.
    pub faults: Vec<String>,
}

/// The verdict about a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No fault, and every module was loaded.
    Ok,
    /// A fault, or a module that was not loaded.
    Failed,
}

impl Report {
    /// Returns the number of loaded modules.
    pub fn loaded(&self) -> usize {
        self.modules
            .values()
            .filter(|result| *result == LOADED)
            .count()
    }

    /// Returns success if the boot had no problems. `output` is the directory with its boot.log.
    ///
    /// # Errors
    /// A fault that lists all problems.
    pub fn outcome(&self, output: &Path) -> Outcome {
        match self.result {
            Verdict::Ok => Ok(()),
            Verdict::Failed => Err(Failure::Fault(anyhow::anyhow!(
                "the boot failed; the console is in {}\n{}",
                output.join("boot.log").display(),
                self.problems().join("\n")
            ))),
        }
    }

    /// Returns every fault and every module that was not loaded.
    pub fn problems(&self) -> Vec<String> {
        let modules = self.modules.iter().filter(|(_, result)| *result != LOADED);
        self.faults
            .iter()
            .cloned()
            .chain(modules.map(|(name, result)| format!("module {name}: {result}")))
            .collect()
    }
}

/// The default time limit of a guest. A boot takes seconds; a busy machine takes longer.
pub const TIME: Duration = Duration::from_secs(300);

/// The result of a module that was loaded.
const LOADED: &str = "ok";

/// Boots the kernel that was built in `objtree`, and leaves boot.log there.
///
/// # Errors
/// Same as [`boot`].
pub fn boot_built(arch: Arch, objtree: &Path) -> anyhow::Result<Report> {
    boot(Options {
        arch,
        objtree,
        output: objtree,
        timeout: TIME,
    })
}

/// Boots a kernel, loads every module of its object tree, and checks the console for faults.
///
/// # Errors
/// The kernel or a module cannot be read, or QEMU cannot be run. A kernel that misbehaves is not an
/// error: the report says so.
pub fn boot(options: Options<'_>) -> anyhow::Result<Report> {
    let Options {
        arch,
        objtree,
        output,
        timeout,
    } = options;
    // Checked before the modules, because a missing image explains missing modules.
    let image = arch.built_image(objtree)?;
    let modules = modules::needed(modules::load_order(objtree)?, |module| !module.is_test());
    std::fs::create_dir_all(output).with_context(|| output.display().to_string())?;
    let initramfs = output.join("boot-initramfs.cpio");
    let content = Content {
        modules: &modules,
        script: None,
    };
    guest::write_initramfs(&initramfs, arch, content)?;

    let step = Step::start(format!(
        "booting {} with {} modules",
        image.display(),
        modules.len()
    ));
    let guest = Guest {
        arch,
        objtree,
        initramfs: &initramfs,
        log: &output.join("boot.log"),
        timeout,
        counting: None,
        memory: &[],
    };
    let run = guest.run(&step)?;
    let mut report = judge(&run.console, &modules);
    report.seconds = run.took.as_secs_f64();
    if let Some(late) = run.late {
        report.faults.push(late);
        report.result = Verdict::Failed;
    }
    step.finish(&format!(
        "{} of {} modules loaded",
        report.loaded(),
        modules.len()
    ));
    Ok(report)
}

/// Returns the report from the lines of a console about `modules` and the kernel.
fn judge(console: &[String], modules: &[Module]) -> Report {
    let mut results: BTreeMap<String, String> = modules
        .iter()
        .map(|module| (module.name.clone(), "not reached".to_owned()))
        .collect();
    let name_of = |path: &str| {
        modules
            .iter()
            .find(|module| guest::path_of(module) == path)
            .map(|module| &module.name)
    };
    let mut faults = Vec::new();
    let mut since_loading: Vec<&str> = Vec::new();
    let mut done = false;
    for line in console {
        match guest::said(line) {
            Some(Said::Loading(path)) => {
                since_loading.clear();
                if let Some(name) = name_of(path) {
                    results.insert(name.clone(), "loading did not end".to_owned());
                }
            }
            Some(Said::Loaded(path, number)) => match name_of(path) {
                Some(name) => {
                    results.insert(name.clone(), result_of(number, &since_loading));
                }
                None => faults.push(format!("{line}: no such module was to be loaded")),
            },
            Some(Said::NotMounted(what)) => faults.push(format!("mount {what}")),
            Some(Said::Done) => done = true,
            // A boot runs no script.
            Some(Said::Begin(_) | Said::End(..) | Said::Saw(_) | Said::Script(_)) => {}
            None => {
                since_loading.push(line);
                if qemu::is_warning(line) || qemu::is_fault(line) {
                    faults.push(line.clone());
                }
            }
        }
    }
    if !done {
        faults.push("init did not finish in the guest".to_owned());
    }
    let good = faults.is_empty() && results.values().all(|result| result == LOADED);
    let result = if good { Verdict::Ok } else { Verdict::Failed };
    Report {
        result,
        modules: results,
        seconds: 0.0,
        faults,
    }
}

/// Returns the result of loading a module, from init's `number` and the kernel's messages meanwhile.
fn result_of(number: i32, said: &[&str]) -> String {
    if number == 0 {
        return LOADED.to_owned();
    }
    let mut result = std::io::Error::from_raw_os_error(-number).to_string();
    for line in said {
        result.push_str("; ");
        result.push_str(line);
    }
    result
}
