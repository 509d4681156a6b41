// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs a guest in QEMU, and recognizes faults on its console.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::arch::Arch;
use crate::guest_memory::{Piece, Reader};
use crate::process;
use crate::progress::Step;

/// A guest to run, and its time limit.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The architecture of the guest.
    pub arch: Arch,
    /// The object tree, with the kernel image.
    pub objtree: &'a Path,
    /// The initramfs with the first process.
    pub initramfs: &'a Path,
    /// The file that receives the console while the guest runs.
    pub log: &'a Path,
    /// The time after which a guest that has not ended is stopped.
    pub timeout: Duration,
    /// The counting of its instructions, if they are counted.
    pub counting: Option<Counting<'a>>,
    /// The memory that is read when it has ended. The kernel must run where it was linked, as it does if its
    /// instructions are counted.
    pub memory: &'a [Piece],
}

/// The counting of a guest's instructions. The guest then has one processor, whose clock is the
/// number of instructions, and fixed random numbers: two runs are identical.
#[derive(Clone, Copy, Debug)]
pub struct Counting<'a> {
    /// The plugin of QEMU that counts.
    pub plugin: &'a Path,
    /// The file that receives the plugin's output.
    pub log: &'a Path,
}

/// The seed of the random numbers in a guest whose instructions are counted.
pub const SEED: u64 = 1;

/// The result of a run of QEMU.
#[derive(Debug)]
pub struct Run {
    /// The lines of the console.
    pub console: Vec<String>,
    /// The reason why it was stopped, if it did not end by itself.
    pub late: Option<String>,
    /// The running time of QEMU.
    pub took: Duration,
    /// The content of its memory; empty if the guest did not end by itself.
    pub memory: Vec<Vec<u8>>,
}

impl Guest<'_> {
    /// Runs QEMU without KVM until it ends, the kernel panics, or the time is over.
    ///
    /// # Errors
    /// There is no kernel image, QEMU cannot be run or fails, or the log cannot be written.
    pub fn run(&self, step: &Step) -> anyhow::Result<Run> {
        let image = self.arch.built_image(self.objtree)?;
        let started = Instant::now();
        let mut qemu = self.qemu(&image);
        let reader = match self.memory {
            [] => None,
            pieces => Some(Reader::start(pieces)?),
        };
        if let Some(reader) = &reader {
            qemu.args(reader.options());
        }
        let followed = self.follow(qemu, step);
        let read = reader.map(Reader::finish);
        let (console, late) = followed?;
        let memory = read.transpose()?.flatten().unwrap_or_default();
        Ok(Run {
            console,
            late,
            took: started.elapsed(),
            memory,
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
        // panic=-1 restarts at once, and -no-reboot turns the restart into the end of QEMU.
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

/// The kernel's messages about a problem after which it continues.
const WARNINGS: [&str; 2] = ["------------[ cut here ]", "WARNING:"];

/// The kernel's messages about a fault.
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

/// Returns whether this line of the console is a warning of the kernel.
pub fn is_warning(line: &str) -> bool {
    WARNINGS.iter().any(|warning| line.contains(warning))
}

/// Returns whether this line of the console reports a fault worse than a warning.
pub fn is_fault(line: &str) -> bool {
    FAULTS.iter().any(|fault| line.contains(fault))
}
