// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A guest that QEMU runs: its machine, its console, and lines that say that a kernel is not well.

use super::arch::Arch;
use crate::process;
use crate::progress::Step;
use anyhow::Context as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

/// What to run, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The architecture of the guest.
    pub arch: Arch,
    /// The object tree, with the kernel image.
    pub objtree: &'a Path,
    /// What the kernel finds its first process in.
    pub initramfs: &'a Path,
    /// The file that the console is written to as it comes.
    pub log: &'a Path,
    /// After how long a guest that did not end is stopped.
    pub timeout: Duration,
    /// How its instructions are counted, if they are.
    pub counting: Option<Counting<'a>>,
}

/// How the instructions of a guest are counted. It has one processor then, whose clock is the number
/// of instructions, and nothing in it is left to chance: two runs are the same.
#[derive(Clone, Copy, Debug)]
pub struct Counting<'a> {
    /// The plugin of QEMU that counts.
    pub plugin: &'a Path,
    /// The file that the plugin's lines are written to.
    pub log: &'a Path,
}

/// What the random numbers of a guest are made of whose instructions are counted.
pub const SEED: u64 = 1;

/// What came out of a run of QEMU.
#[derive(Debug)]
pub struct Run {
    /// The lines of the console.
    pub console: Vec<String>,
    /// Why it was stopped, if it did not end by itself.
    pub late: Option<String>,
    /// From the start of QEMU to its end.
    pub took: Duration,
}

impl Guest<'_> {
    /// Runs QEMU, without KVM, until it ends or its time is over. A panic ends it too.
    ///
    /// # Errors
    /// There is no kernel image, QEMU cannot be run or fails, or the log cannot be written.
    pub fn run(&self, step: &Step) -> anyhow::Result<Run> {
        let image = self.arch.built_image(self.objtree)?;
        let started = Instant::now();
        let (console, late) = self.follow(self.qemu(&image), step)?;
        Ok(Run {
            console,
            late,
            took: started.elapsed(),
        })
    }

    fn follow(&self, qemu: Command, step: &Step) -> anyhow::Result<(Vec<String>, Option<String>)> {
        let shown = process::shown(&qemu);
        let mut log =
            std::fs::File::create(self.log).with_context(|| self.log.display().to_string())?;
        let mut console = Vec::new();
        let end = process::follow(qemu, Some(Instant::now() + self.timeout), |line| {
            writeln!(log, "{line}").context("writing the console's log")?;
            step.at(line);
            console.push(line.to_owned());
            Ok(())
        })
        .with_context(|| {
            format!(
                "{} runs the guest; its package is {}",
                self.arch.qemu(),
                self.arch.qemu_package()
            )
        })?;
        let late = match end {
            process::End::Exited(status) => {
                let last = process::last_lines(&console.join("\n"));
                anyhow::ensure!(status.success(), "`{shown}` failed ({status})\n{last}");
                None
            }
            process::End::Stopped => {
                let seconds = self.timeout.as_secs();
                Some(format!("the guest had not ended after {seconds} seconds"))
            }
        };
        Ok((console, late))
    }

    fn qemu(&self, image: &Path) -> Command {
        let arch = self.arch;
        // panic=-1 restarts at once, and -no-reboot makes that the end of QEMU.
        let mut command_line = format!(
            "{}console={} panic=-1 ignore_loglevel printk.devkmsg=on",
            arch.kernel_parameters(),
            arch.console()
        );
        let mut command = Command::new(arch.qemu());
        command
            .args(arch.machine())
            .args(["-m", "1024", "-no-reboot", "-nic", "none"])
            .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
            .arg("-kernel")
            .arg(image)
            .arg("-initrd")
            .arg(self.initramfs);
        if let Some(Counting { plugin, log }) = self.counting {
            command_line.push_str(" nokaslr norandmaps");
            command
                .args(["-smp", "1", "-icount", "shift=0,sleep=off"])
                .args(["-seed", &SEED.to_string()])
                .args(["-rtc", "base=2026-01-01,clock=vm"])
                .arg("-plugin")
                .arg(plugin)
                .args(["-d", "plugin", "-D"])
                .arg(log);
        } else {
            command.args(["-smp", "2"]);
        }
        command.args(["-append", &command_line]);
        command
    }
}

/// What the kernel prints when it finds something wrong and goes on.
const WARNINGS: [&str; 2] = ["------------[ cut here ]", "WARNING:"];

/// What the kernel prints when something is wrong with it.
const FAULTS: [&str; 10] = [
    "BUG:",
    "kernel BUG at",
    "Unable to handle",
    "Internal error:",
    "Oops",
    "general protection fault",
    "Kernel panic",
    "UBSAN:",
    "INFO: rcu",
    "blocked for more than",
];

/// Whether the kernel warns on this line of the console.
pub fn is_warning(line: &str) -> bool {
    WARNINGS.iter().any(|warning| line.contains(warning))
}

/// Whether this line of the console says that something worse than a warning happened.
pub fn is_fault(line: &str) -> bool {
    FAULTS.iter().any(|fault| line.contains(fault))
}
