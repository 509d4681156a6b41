// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs the kernel's own tests in a guest, and probes the code that finds functions at run time.
//! Compares the outcomes with another build.

mod names;
mod normal;
mod parts;
mod report;
mod smasher;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use self::normal::whole_lines;
use self::parts::{Kind, Session};
use self::report::Results;
use super::arch::Arch;
use super::guest::{Content, Script};
use super::modules::Module;
use super::qemu::Guest;
use super::{busybox, guest, modules, qemu};
use crate::progress::Step;
use crate::workspace;

pub use self::report::Report;

/// The kernel to test, and the time limit.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The architecture of the guest.
    pub arch: Arch,
    /// The object tree, with the kernel image and the modules.
    pub objtree: &'a Path,
    /// The object tree of the kernel to compare with.
    pub against: Option<&'a Path>,
    /// The directory for the consoles, instead of the object trees.
    pub output: Option<&'a Path>,
    /// A static busybox; fetched by default.
    pub busybox: Option<&'a Path>,
    /// The time after which a guest that has not ended is a fault.
    pub timeout: Duration,
}

/// The script that runs in the guest after the modules were loaded.
const SCRIPT: &str = include_str!("../../guest/selftest.sh");

/// The source of a program that calls the vDSO.
const VDSO: &str = include_str!("../../guest/vdso.c");

/// The parts of the script before the crashes: the name, the script's function with its arguments,
/// and the kind.
///
/// No build can inline the functions that are traced and probed: they are called through pointers,
/// or take a variable number of arguments.
const PROBES: [(&str, &str, Kind); 13] = [
    (
        "function tracer, built in",
        "traced function seq_printf",
        Kind::Facts,
    ),
    (
        "function tracer, module",
        "traced function lkdtm_debugfs_read",
        Kind::Facts,
    ),
    (
        "function_graph, built in",
        "traced function_graph seq_printf",
        Kind::Facts,
    ),
    (
        "function_graph, module",
        "traced function_graph lkdtm_debugfs_read",
        Kind::Facts,
    ),
    (
        "kprobe, static function",
        "probed p uptime_proc_show",
        Kind::Facts,
    ),
    (
        "kretprobe, static function",
        "probed r uptime_proc_show",
        Kind::Facts,
    ),
    (
        "kprobe, static function of a module",
        "probed p lkdtm_debugfs_read lkdtm",
        Kind::Facts,
    ),
    (
        "kretprobe, static function of a module",
        "probed r lkdtm_debugfs_read lkdtm",
        Kind::Facts,
    ),
    ("names of the source", "names", Kind::Facts),
    (
        "stack of a process, of itself",
        "outermost /proc/self/stack",
        Kind::Facts,
    ),
    (
        "stacks of init and kthreadd",
        "outermost /proc/1/stack /proc/2/stack",
        Kind::Facts,
    ),
    ("stacks of all tasks, SysRq t", "show_state", Kind::Stacks),
    ("vDSO", "vdso", Kind::Facts),
];

/// The module that makes the kernel fail.
const CRASHER: &str = "lkdtm";

/// Its crash types that end only the process that triggers them. Warnings come first, because a
/// kernel may warn of anything after an oops.
const OOPSES: [&str; 22] = [
    "WARNING",
    "REFCOUNT_INC_OVERFLOW",
    "REFCOUNT_DEC_ZERO",
    "ARRAY_BOUNDS",
    "CORRUPT_LIST_ADD",
    "CORRUPT_LIST_DEL",
    "CFI_FORWARD_PROTO",
    "USERCOPY_HEAP_SIZE_TO",
    "USERCOPY_KERNEL",
    "BUG",
    "EXCEPTION",
    "EXEC_DATA",
    "EXEC_STACK",
    "EXEC_KMALLOC",
    "EXEC_VMALLOC",
    "EXEC_RODATA",
    "EXEC_USERSPACE",
    "EXEC_NULL",
    "ACCESS_NULL",
    "WRITE_RO",
    "WRITE_RO_AFTER_INIT",
    "WRITE_KERN",
];

/// Its crash types that end the kernel, so that each needs a separate guest. Some compilers
/// optimize the overflow away; then a module of this crate causes it.
const PANICS: [&str; 2] = ["CORRUPT_STACK", "CORRUPT_STACK_STRONG"];

/// The module that overwrites its stack.
const SMASHER: &str = "smash";

/// Runs the tests of a kernel, and of the one to compare with.
///
/// # Errors
/// There is no busybox, a kernel or a module cannot be read, or QEMU cannot be run. A kernel that
/// misbehaves is not an error: the report says so.
pub fn selftest(options: Options<'_>) -> anyhow::Result<Report> {
    let Options {
        arch,
        objtree,
        against,
        output,
        busybox,
        timeout,
    } = options;
    let busybox = match busybox {
        Some(busybox) => busybox.to_owned(),
        None => busybox::fetch(arch, &workspace::root().join("target/guest"))?,
    };
    let tools = Tools {
        arch,
        timeout,
        busybox: std::fs::read(&busybox).with_context(|| busybox.display().to_string())?,
        programs: vec![("vdso", guest::compile(arch, "vdso", VDSO)?)],
    };
    let one = tools.run(objtree, output.unwrap_or(objtree))?;
    let other = match against {
        None => None,
        Some(against) => {
            let output = output.map_or_else(|| against.to_owned(), |dir| dir.join("against"));
            Some(tools.run(against, &output)?)
        }
    };
    Ok(Report::new(one, other))
}

/// The tools that every guest of one architecture uses.
struct Tools {
    arch: Arch,
    timeout: Duration,
    busybox: Vec<u8>,
    programs: Vec<(&'static str, Vec<u8>)>,
}

impl Tools {
    /// Runs all tests of the kernel in `objtree`.
    fn run(&self, objtree: &Path, output: &Path) -> anyhow::Result<Results> {
        std::fs::create_dir_all(output).with_context(|| output.display().to_string())?;
        let image = self.arch.built_image(objtree)?;
        let step = Step::start(format!("testing {}", image.display()));
        let is_crasher = |module: &Module| module.name == CRASHER;
        let tests = modules::needed(modules::load_order(objtree)?, |module| {
            module.is_test() || is_crasher(module)
        });
        let crasher = modules::needed(modules::load_order(objtree)?, is_crasher);
        let smasher = smasher::build(self.arch, objtree)?;

        let names = names::list(objtree, &tests)?;
        let files = [(names::LIST.to_owned(), names.into_bytes())];

        let mut results = Results::default();
        let boot = |log: &str, modules: &[Module], text: Option<String>| {
            let log = output.join(log);
            let script = text.as_deref().map(|text| Script {
                text,
                busybox: &self.busybox,
                programs: &self.programs,
                files: &files,
            });
            self.boot(objtree, &log, Content { modules, script }, &step)
        };
        let run = boot("selftest.log", &tests, Some(script(&OOPSES, true)))?;
        results.add(&run, &tests, true);
        for kind in PANICS {
            let log = format!("selftest-{kind}.log");
            let run = boot(&log, &crasher, Some(script(&[kind], false)))?;
            results.add(&run, &crasher, false);
        }
        let smasher = std::slice::from_ref(&smasher.module);
        let run = boot("selftest-smash.log", smasher, None)?;
        results.add(&run, smasher, false);
        step.finish(&format!(
            "{} tests, {} faults",
            results.tests.len(),
            results.faults.len()
        ));
        Ok(results)
    }

    fn boot(
        &self,
        objtree: &Path,
        log: &Path,
        content: Content<'_>,
        step: &Step,
    ) -> anyhow::Result<qemu::Run> {
        let initramfs = log.with_extension("cpio");
        guest::write_initramfs(&initramfs, self.arch, content)?;
        let guest = Guest {
            arch: self.arch,
            objtree,
            initramfs: &initramfs,
            log,
            timeout: self.timeout,
            counting: None,
            memory: &[],
        };
        guest.run(step)
    }
}

/// Returns the script that triggers `crashes`, after all other parts if `all`.
fn script(crashes: &[&str], all: bool) -> String {
    let mut script = SCRIPT.to_owned();
    let probes = PROBES.iter().filter(|_| all);
    for (name, call, _) in probes {
        let _ = writeln!(script, "part '{name}' {call}");
    }
    for crash in crashes {
        let _ = writeln!(script, "part '{CRASHER} {crash}' crash {crash}");
    }
    script
}

/// Returns the kind of the test with this name: a module's path, or a part of the script.
fn kind_of(name: &str, modules: &[Module]) -> Option<Kind> {
    if let Some(module) = modules.iter().find(|module| guest::path_of(module) == name) {
        return match module.name.as_str() {
            SMASHER => Some(Kind::Crash),
            _ => module.is_test().then_some(Kind::Module),
        };
    }
    if is_crash(name) {
        return Some(Kind::Crash);
    }
    let probe = PROBES.iter().find(|(probe, ..)| *probe == name);
    probe.map(|(.., kind)| *kind)
}

fn is_crash(part: &str) -> bool {
    part.split(' ').next() == Some(CRASHER)
}

impl Results {
    /// Adds the console of a guest that should load `modules`, and end by itself if `whole`.
    fn add(&mut self, run: &qemu::Run, modules: &[Module], whole: bool) {
        let console = whole_lines(&run.console);
        let session = Session::read(&console, is_crash);
        for part in &session.parts {
            match kind_of(part.name, modules) {
                Some(kind) => {
                    let name = modules
                        .iter()
                        .find(|module| guest::path_of(module) == part.name)
                        .map_or(part.name, |module| &module.name);
                    self.tests.push((name.to_owned(), kind, part.outcome(kind)));
                    self.faults.extend(part.faults(kind));
                }
                // Loading a test's dependency succeeded.
                None if part.end == Some(0) => {}
                None => {
                    let fault = match part.end {
                        Some(error) => format!("{}: not loaded: {error}", part.name),
                        None => format!("{}: loading did not end", part.name),
                    };
                    self.faults.push(fault);
                }
            }
        }
        let between = session.between.iter();
        let bad = between.filter(|line| qemu::is_fault(line) || qemu::is_warning(line));
        self.faults.extend(bad.map(|line| (*line).to_owned()));
        let not_mounted = session.not_mounted.iter();
        self.faults
            .extend(not_mounted.map(|what| format!("mount {what}")));
        if let Some(status) = session.script.filter(|status| *status != 0) {
            self.faults.push(format!("the script ended with {status}"));
        }
        if whole && !session.done {
            self.faults
                .push("init did not finish in the guest".to_owned());
        }
        self.faults.extend(run.late.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;
    use xshell::cmd;

    #[test]
    fn the_vdso_program_compiles_for_every_architecture() {
        for arch in [Arch::Arm64, Arch::X86_64] {
            let program = guest::compile(arch, "vdso", VDSO).unwrap();
            assert!(program.starts_with(b"\x7fELF"), "{arch:?}");
        }
    }

    #[test]
    fn the_script_has_no_mistake_and_every_part() {
        let script = script(&OOPSES, true);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("script");
        std::fs::write(&file, &script).unwrap();
        let sh = process::shell().unwrap();
        process::read(cmd!(sh, "sh -n {file}")).unwrap();
        assert!(
            script.contains("\npart 'vDSO' vdso\npart 'lkdtm WARNING' crash WARNING\n"),
            "{script}"
        );
        // Reading the console must find the kind of every part.
        for line in script
            .lines()
            .filter_map(|line| line.strip_prefix("part '"))
        {
            let (name, _) = line.split_once('\'').unwrap();
            assert!(kind_of(name, &[]).is_some(), "{name}");
        }
        assert!(!super::script(&PANICS, false).contains("part 'vDSO'"));
    }

    fn added(console: &str, whole: bool) -> Results {
        let run = qemu::Run {
            console: console.lines().map(str::to_owned).collect(),
            late: None,
            took: Duration::ZERO,
            memory: Vec::new(),
        };
        let modules = ["jbd2", "test_sort"].map(Module::bare);
        let mut results = Results::default();
        results.add(&run, &modules, whole);
        results
    }

    #[test]
    fn what_a_test_needs_is_no_test_and_must_be_loaded() {
        let good = "\
[    0.415289] kbuild-lto: module /modules/jbd2.ko
[    0.432535] kbuild-lto: result 0 /modules/jbd2.ko
[    0.432697] kbuild-lto: module /modules/test_sort.ko
[    0.448324] test passed
[    0.448486] kbuild-lto: result 0 /modules/test_sort.ko
[    0.452788] kbuild-lto: guest done";
        let results = added(good, true);
        let names: Vec<&str> = results.tests.iter().map(|test| test.0.as_str()).collect();
        assert_eq!(names, ["test_sort"]);
        assert_eq!(results.tests[0].2, ["loaded", "test passed"]);
        assert_eq!(results.faults, [""; 0]);

        let bad = good.replace("result 0 /modules/jbd2.ko", "result -2 /modules/jbd2.ko");
        assert_eq!(
            added(&bad, true).faults,
            ["/modules/jbd2.ko: not loaded: -2"]
        );
    }

    #[test]
    fn a_guest_that_is_to_end_by_itself_must() {
        let cut = "[    0.415289] kbuild-lto: guest started";
        assert_eq!(
            added(cut, true).faults,
            ["init did not finish in the guest"]
        );
        assert_eq!(added(cut, false).faults, [""; 0]);
    }

    #[test]
    fn a_script_that_fails_is_a_fault() {
        let console = "\
[    0.8] kbuild-lto: script 127
[    0.9] kbuild-lto: guest done";
        assert_eq!(added(console, true).faults, ["the script ended with 127"]);
        assert_eq!(added(&console.replace("127", "0"), true).faults, [""; 0]);
    }

    #[test]
    fn warnings_outside_of_tests_are_faults() {
        let console = "\
[    0.1] WARNING: CPU: 0 PID: 0 at kernel/rcu/tree.c:625 rcu_eqs_enter+0x60/0x68
[    0.9] kbuild-lto: guest done";
        assert_eq!(
            added(console, true).faults,
            ["WARNING: CPU: 0 PID: 0 at kernel/rcu/tree.c:625 rcu_eqs_enter+0x60/0x68"]
        );
    }
}
