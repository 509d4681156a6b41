// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs a kernel in a guest whose instructions are counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use xshell::cmd;

use super::counter::{self, Mark, MarkKind};
use super::result::{self, Kind, Measured, Runtime};
use super::sets::Workload;
use crate::arch::Arch;
use crate::guest::{self, Content, Said, Script};
use crate::modules;
use crate::process;
use crate::progress::Step;
use crate::qemu::{self, Counting, Guest};
use crate::{Failure, Piece};

/// The status of a kind of work that the kernel does not support, as in `kinds.h`.
const ABSENT: i32 = 100;

/// The tools for measuring kernels of one architecture.
pub struct Meter {
    arch: Arch,
    plugin: PathBuf,
    /// The path of the plugin.
    dir: tempfile::TempDir,
    qemu: String,
    timeout: Duration,
}

impl Meter {
    /// Compiles the plugin.
    ///
    /// # Errors
    /// The plugin does not compile, or there is no QEMU.
    pub fn new(arch: Arch, timeout: Duration) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("cannot create a directory for a plugin of QEMU")?;
        let plugin = counter::compile(arch, dir.path())?;
        let (sh, qemu) = (process::shell()?, arch.qemu());
        let version = process::read(cmd!(sh, "{qemu} --version"))?;
        Ok(Self {
            arch,
            plugin,
            dir,
            qemu: version.lines().next().unwrap_or_default().to_owned(),
            timeout,
        })
    }

    /// Measures the kernel in `objtree` with each workload, and stores the result there, together with earlier
    /// results.
    ///
    /// # Errors
    /// QEMU cannot be run; as a fault, the kernel has faults, or work failed.
    pub fn measure(&self, objtree: &Path, workloads: &[Workload]) -> Result<Runtime, Failure> {
        let image = self.arch.built_image(objtree)?;
        let image = result::image_hash(&image)?;
        let before = result::read(objtree)?;
        let before = before.filter(|old| old.image == image && old.qemu == self.qemu);
        let mut runtime = before.unwrap_or_else(|| Runtime {
            image,
            memory: String::new(),
            qemu: self.qemu.clone(),
            sets: BTreeMap::new(),
        });
        for workload in workloads {
            let ran = self.run(objtree, workload, &[])?;
            result::write_addresses(objtree, workload.set, &ran.addresses)?;
            runtime.memory = ran.memory;
            runtime.sets.insert(workload.set, ran.measured);
        }
        result::write(objtree, &runtime)?;
        Ok(runtime)
    }

    /// Runs a workload, and returns the content of these pieces of the kernel's memory at the end. The kernel
    /// runs where it was linked. Nothing is stored.
    ///
    /// # Errors
    /// QEMU cannot be run, or cannot read the memory; as a fault, the kernel has faults, or work failed.
    pub fn read_memory(
        &self,
        objtree: &Path,
        workload: &Workload,
        pieces: &[Piece],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let ran = self.run(objtree, workload, pieces)?;
        match ran.measured.unfinished {
            None => Ok(ran.pieces),
            Some(kind) => Err(Failure::Fault(anyhow::anyhow!(
                "{}: `{kind}` did not end",
                workload.set.name()
            ))),
        }
    }

    fn run(&self, objtree: &Path, workload: &Workload, pieces: &[Piece]) -> Result<Ran, Failure> {
        let name = workload.set.name();
        let step = Step::start(format!("measuring {}: {name}", objtree.display()));
        // `make Image` builds no modules.
        let modules = if objtree.join("modules.order").exists() {
            modules::load_order(objtree)?
        } else {
            Vec::new()
        };
        let mut files = workload.files.clone();
        let module = modules
            .iter()
            .find(|module| workload.module == Some(&*module.name));
        if let Some(module) = module {
            let content =
                std::fs::read(&module.path).with_context(|| module.path.display().to_string())?;
            files.push((format!("modules/{}.ko", module.name), content));
        }
        let mut needed = modules::needed(modules, |module| {
            let name = module.name.as_str();
            workload.needed_modules.contains(&name) || workload.module == Some(name)
        });
        // The modules it needs stay loaded; only the module itself is loaded and unloaded.
        needed.retain(|module| workload.module != Some(module.name.as_str()));
        let initramfs = self.dir.path().join("initramfs.cpio");
        let content = Content {
            modules: &needed,
            script: Some(Script {
                text: &workload.script,
                busybox: &workload.busybox,
                programs: &workload.programs,
                files: &files,
            }),
        };
        guest::write_initramfs(&initramfs, self.arch, content)?;
        let log = objtree.join(format!("bench-runtime-{name}.log"));
        let counts = self.dir.path().join("counts");
        let guest = Guest {
            arch: self.arch,
            objtree,
            initramfs: &initramfs,
            log: &log,
            timeout: self.timeout,
            counting: Some(Counting {
                plugin: &self.plugin,
                log: &counts,
            }),
            memory: pieces,
        };
        let run = guest.run(&step)?;
        let counts = std::fs::read_to_string(&counts)
            .context("the plugin counted nothing: this QEMU may have been built without plugins")?;
        let counted = counter::parse(&counts)?;
        let late = run.late.as_deref();
        let judged = judge(&run.console, &counted.marks, late).map_err(|error| {
            Failure::Fault(error.context(format!("the console is in {}", log.display())))
        })?;
        step.finish(&format!("{} kinds", judged.kinds.len()));
        Ok(Ran {
            memory: memory(&run.console),
            measured: Measured {
                workload: workload.version.clone(),
                start: judged.start,
                unfinished: judged.unfinished,
                kinds: judged.kinds,
            },
            addresses: counted.addresses,
            pieces: run.memory,
        })
    }
}

/// The results of one guest.
struct Ran {
    /// The kernel's report of its memory.
    memory: String,
    measured: Measured,
    /// The number of executed instructions by address.
    addresses: BTreeMap<u64, u64>,
    /// The content of the pieces of its memory.
    pieces: Vec<Vec<u8>>,
}

/// Returns the kernel's report of its memory at the start.
fn memory(console: &[String]) -> String {
    let line = console.iter().find_map(|line| line.split_once("Memory: "));
    line.map_or_else(String::new, |(_, text)| text.to_owned())
}

/// The results of a guest, from its console and the marks of its programs.
struct Judged {
    /// The counts up to the first process.
    start: counter::Counts,
    /// The kinds of work that ended.
    kinds: Vec<Kind>,
    /// The kind of work that did not end.
    unfinished: Option<String>,
}

/// Returns what the guest did, by the programs' lines on the console and their marks. `late` is the reason why it
/// was stopped, if it did not end.
///
/// # Errors
/// The kernel has faults, work failed, it was stopped in no work, or lines and marks do not match.
fn judge(console: &[String], marks: &[Mark], late: Option<&str>) -> anyhow::Result<Judged> {
    let (first, marks) = marks.split_first().context("no process was started")?;
    anyhow::ensure!(
        first.kind == MarkKind::Started,
        "the first process made no mark"
    );
    let mut marks = marks.iter().peekable();
    let mut kinds = Vec::new();
    let mut times = 0;
    let mut faults = Vec::new();
    let mut is_done = false;
    let mut unfinished = None;
    for line in console {
        match guest::said(line) {
            Some(Said::Saw(text)) => {
                if let Some(number) = text.strip_prefix("times ") {
                    times = number.parse().with_context(|| line.clone())?;
                }
            }
            Some(Said::Begin(name)) => {
                let mark = marks.next().map(|mark| mark.kind);
                anyhow::ensure!(mark == Some(MarkKind::Kind), "{name}: began without a mark");
                unfinished = Some(name.to_owned());
            }
            Some(Said::End(name, status)) => {
                unfinished = None;
                let begin = marks.next_if(|mark| mark.kind == MarkKind::Begin);
                let end = marks.next_if(|mark| mark.kind == MarkKind::End);
                let counts = match (status, begin, end) {
                    (0, Some(begin), Some(end)) => Some(end.counts.since(begin.counts)),
                    (ABSENT, ..) => None,
                    _ => {
                        faults.push(format!("{name}: ended with status {status}"));
                        None
                    }
                };
                kinds.push(Kind {
                    name: name.to_owned(),
                    times,
                    counts,
                });
            }
            Some(Said::Done) => is_done = true,
            Some(Said::Loaded(path, number)) if number != 0 => {
                faults.push(format!("{path}: not loaded: {number}"));
            }
            Some(Said::Script(status)) if status != 0 => {
                faults.push(format!("the script ended with {status}"));
            }
            Some(Said::NotMounted(what)) => faults.push(format!("mount {what}")),
            Some(_) => {}
            None => {
                if qemu::is_warning(line) || qemu::is_fault(line) {
                    faults.push(line.clone());
                }
            }
        }
    }
    match late {
        Some(late) if unfinished.is_none() => faults.push(late.to_owned()),
        None if !is_done => faults.push("init did not finish in the guest".to_owned()),
        _ => {}
    }
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
    anyhow::ensure!(
        late.is_some() || marks.next().is_none(),
        "the counter saw marks that no program reported"
    );
    Ok(Judged {
        start: first.counts,
        kinds,
        unfinished,
    })
}

#[cfg(test)]
mod tests {
    use super::counter::Counts;
    use super::*;

    fn marks(text: &[(MarkKind, u64)]) -> Vec<Mark> {
        let marks = text.iter().map(|(kind, kernel)| Mark {
            kind: *kind,
            counts: Counts {
                kernel: *kernel,
                ..Counts::default()
            },
        });
        marks.collect()
    }

    fn console(text: &str) -> Vec<String> {
        text.lines()
            .map(|line| format!("[ 1.0] kbuild-lto: {line}"))
            .collect()
    }

    const MARKS: [(MarkKind, u64); 6] = [
        (MarkKind::Started, 1000),
        (MarkKind::Kind, 1100),
        (MarkKind::Begin, 1200),
        (MarkKind::End, 1250),
        (MarkKind::Kind, 1300),
        (MarkKind::Started, 0),
    ];

    const SAID: &str = "begin a\nsaw times 5\nend a 0\nbegin b\nsaw times 7\nend b 100\n";

    #[test]
    fn kinds_have_what_is_between_their_marks() {
        let console = console(&format!("{SAID}script 0\nguest done"));
        let judged = judge(&console, &marks(&MARKS[..5]), None).unwrap();
        assert_eq!(judged.start.kernel, 1000);
        let found: Vec<_> = judged
            .kinds
            .iter()
            .map(|kind| {
                (
                    kind.name.as_str(),
                    kind.times,
                    kind.counts.map(|counts| counts.kernel),
                )
            })
            .collect();
        assert_eq!(found, [("a", 5, Some(50)), ("b", 7, None)]);
    }

    #[test]
    fn what_is_wrong_in_a_guest_is_a_fault() {
        let fault = |said: &str, n_marks| {
            let judged = judge(&console(said), &marks(&MARKS[..n_marks]), None);
            judged.err().expect("a fault").to_string()
        };
        let done = format!("{SAID}guest done");
        assert!(fault(SAID, 5).contains("init did not finish in the guest"));
        assert!(fault(&done.replace("b 100", "b 101"), 5).contains("b: ended with status 101"));
        assert!(fault(&format!("{done}\nscript 3"), 5).contains("script ended with 3"));
        assert!(fault(&done, 4).contains("b: began without a mark"));
        assert!(fault(&done, 6).contains("the counter saw marks that no program reported"));
        assert!(fault(&done, 0).contains("no process"));
        let mut said = console(&done);
        said.push("[ 2.0] WARNING: CPU: 0 PID: 1".to_owned());
        assert!(judge(&said, &marks(&MARKS[..5]), None).is_err());
    }

    #[test]
    fn work_that_does_not_end_is_named_and_what_ended_before_counts() {
        let reason = "the guest had not ended after 600 seconds";
        let late = Some(reason);
        let console = |said: &str| console(said);
        let (said, _) = SAID.split_once("end b").unwrap();
        let judged = judge(&console(said), &marks(&MARKS[..5]), late).unwrap();
        assert_eq!(judged.unfinished.as_deref(), Some("b"));
        assert_eq!(judged.kinds.len(), 1);
        // A guest that hangs outside of all work tells nothing.
        let error = judge(&console(SAID), &marks(&MARKS[..5]), late).err();
        assert_eq!(error.expect("a fault").to_string(), reason);
    }

    #[test]
    fn the_line_about_memory_is_found() {
        let lines = ["[ 0.0] Memory: 99K/1024K available (5K kernel code)".to_owned()];
        assert_eq!(memory(&lines), "99K/1024K available (5K kernel code)");
        assert_eq!(memory(&[]), "");
    }
}
