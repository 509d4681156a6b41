// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Measures each code generation of a built kernel, and simulates how much time farms of several sizes save.

pub mod simulation;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::progress::Step;
use kernel_lab::variant::file_size;
use kernel_lab::{Arch, Failure, llvm, make, path_with, process};
use serde::Deserialize;
use xshell::cmd;

use self::simulation::{Farm, Task};
use crate::initcall_script::cost_of;

/// The numbers of code generations at a time.
const WORKERS: [usize; 4] = [2, 10, 100, 1000];

/// The number of CPUs of a client that this machine is compared with.
const LARGE_CLIENT: usize = 16;

/// The speed of each network connection in bytes per second: that of Gigabit Ethernet.
const BYTES_PER_SECOND: f64 = 125e6;

/// The time in seconds that an action takes a worker beside code generation and transfers: from a whole kernel
/// by two workers of `BuildGrid` (docs/scaling.md).
const LATENCY: f64 = 0.4;

/// The fields of `lto-link actions --format json` that are used here.
#[derive(Debug, Deserialize)]
struct Listed {
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct Action {
    command: Command,
    inputs: Vec<Input>,
}

#[derive(Debug, Deserialize)]
struct Command {
    arguments: Vec<String>,
    output_files: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Input {
    digest: Digest,
}

#[derive(Debug, Deserialize)]
struct Digest {
    hash: String,
    size_bytes: u64,
}

/// The measured costs of a kernel's code generations and links.
#[derive(Debug)]
pub struct Measured {
    tasks: Vec<Task>,
    /// The time in seconds from the thin link to vmlinux, without code generation.
    rest: f64,
}

/// Links the kernel in `objtree` again, and then measures its code generations, one after the other. `lto_link` is the
/// program.
///
/// # Errors
/// The object tree is not a finished build with distributed thin LTO, or a program fails.
pub fn measure(objtree: &Path, lto_link: &Path) -> Result<Measured, Failure> {
    let objtree = fs::canonicalize(objtree).with_context(|| objtree.display().to_string())?;
    let sh = process::shell_in(&objtree)?;
    let bin = llvm::bin_dir()?;
    sh.set_var("PATH", path_with(&bin)?);
    // A kernel that cannot be linked must not cost the long measurement that follows.
    let rest = link_again(&objtree, &bin)?;
    let listed = process::read(cmd!(sh, "{lto_link} actions --format json"))?;
    let Listed { actions } = serde_json::from_str(&listed).context("the list of actions")?;
    let dir = tempfile::tempdir().context("a directory for code")?;
    let output = dir.path().join("native.o");
    let step = Step::start("code generations");
    let mut numbers = HashMap::new();
    let mut tasks = Vec::with_capacity(actions.len());
    for (position, action) in actions.iter().enumerate() {
        step.at(&format!("{position} of {}", actions.len()));
        let cpu = generate(&objtree, &bin.join("clang"), &action.command, &output)?;
        let inputs = action.inputs.iter().map(|Input { digest }| {
            let next = numbers.len();
            let number = *numbers.entry(digest.hash.as_str()).or_insert(next);
            (number, digest.size_bytes)
        });
        tasks.push(Task {
            cpu,
            inputs: inputs.collect(),
            output: file_size(&output)?,
        });
    }
    step.finish(&format!("{} measured", tasks.len()));
    Ok(Measured { tasks, rest })
}

/// Runs a code generation, whose code goes to `output`; returns its CPU time in seconds.
fn generate(objtree: &Path, clang: &Path, command: &Command, output: &Path) -> anyhow::Result<f64> {
    let native = command.output_files.first();
    let mut clang = std::process::Command::new(clang);
    clang.current_dir(objtree);
    for word in command.arguments.iter().skip(1) {
        if Some(word) == native {
            clang.arg(output);
        } else {
            clang.arg(word);
        }
    }
    let cost = cost_of(1, || process::output(&mut clang).map(drop))?;
    Ok(cost.cpu)
}

/// Links vmlinux again, whose code is there; returns how long that takes in seconds.
fn link_again(objtree: &Path, bin: &Path) -> Result<f64, Failure> {
    let arch = Arch::of_objtree(objtree)?;
    let tree = objtree.join("source");
    let tree = fs::canonicalize(&tree).with_context(|| tree.display().to_string())?;
    let command = || -> anyhow::Result<std::process::Command> {
        let mut make = make(&tree, arch, objtree, bin)?;
        make.arg(format!("-j{}", tool_io::cpus())).arg("vmlinux");
        Ok(make)
    };
    let step = Step::start("link");
    // The first make brings everything up to date, such as a changed tool. Only the second is timed.
    process::output(&mut command()?)?;
    for made in ["vmlinux", "vmlinux.o"] {
        let made = objtree.join(made);
        fs::remove_file(&made).with_context(|| made.display().to_string())?;
    }
    let seconds = cost_of(1, || process::output(&mut command()?).map(drop))?.wall;
    step.finish(&format!("{seconds:.1} s"));
    Ok(seconds)
}

impl Measured {
    /// Returns what was measured, and the simulated farms, as Markdown. An action takes `client_cpu` seconds
    /// of the client, which has `client_cpus` CPUs.
    pub fn page(&self, client_cpu: f64, client_cpus: usize) -> String {
        let mut page = self.described();
        let cpu: f64 = self.tasks.iter().map(|task| task.cpu).sum();
        let _ = writeln!(
            page,
            "\n| code generations at a time | time | times as fast as with 2 | and the rest | limit | client with \
             {LARGE_CLIENT} CPUs | limit |\n|---:|---:|---:|---:|---|---:|---|"
        );
        let mut of_two = None;
        for workers in WORKERS {
            let farm = Farm {
                workers,
                bytes_per_second: BYTES_PER_SECOND,
                latency: LATENCY,
                client_cpu,
                client_cpus,
            };
            let run = farm.run(&self.tasks);
            let large = Farm {
                client_cpus: LARGE_CLIENT,
                ..farm
            };
            let large = large.run(&self.tasks);
            let of_two = *of_two.get_or_insert(run.seconds);
            let _ = writeln!(
                page,
                "| {workers} | {:.1} s | {:.1} | {:.1} s | {} | {:.1} s | {} |",
                run.seconds,
                of_two / run.seconds,
                run.seconds + self.rest,
                run.limit.words(),
                large.seconds,
                large.limit.words(),
            );
        }
        let _ = writeln!(
            page,
            "\nWithout a farm, code generation takes {cpu:.1} s of CPU, {:.1} s with {client_cpus} CPUs that do nothing \
             else.",
            cpu / f64::from(u32::try_from(client_cpus).unwrap_or(u32::MAX))
        );
        let _ = writeln!(
            page,
            "\nAssumed: {:.0} MB/s for the network connection of client and server, {LATENCY} s until a worker has an \
             action, {client_cpu} s of the client's CPU for each action, {client_cpus} CPUs of the client. Workers are \
             as fast as this machine.",
            BYTES_PER_SECOND / 1e6
        );
        page
    }

    /// Describes the code generations.
    fn described(&self) -> String {
        let mut cpu: Vec<f64> = self.tasks.iter().map(|task| task.cpu).collect();
        cpu.sort_by(f64::total_cmp);
        let sum: f64 = cpu.iter().sum();
        let at = |share: usize| {
            cpu.get(cpu.len().saturating_sub(1) * share / 100)
                .copied()
                .unwrap_or_default()
        };
        let mut all = HashMap::new();
        let mut read = 0;
        for (file, bytes) in self.tasks.iter().flat_map(|task| &task.inputs) {
            all.insert(file, *bytes);
            read += bytes;
        }
        let output: u64 = self.tasks.iter().map(|task| task.output).sum();
        format!(
            "| code generations of vmlinux.o | |\n|---|---:|\n\
             | number | {} |\n\
             | CPU, all | {sum:.1} s |\n\
             | CPU, median | {:.3} s |\n\
             | CPU, 99 of 100 take at most | {:.3} s |\n\
             | CPU, longest | {:.3} s |\n\
             | inputs, each file once | {:.1} MB |\n\
             | inputs, as often as they are read | {:.1} MB |\n\
             | outputs | {:.1} MB |\n\
             | the rest: thin link to vmlinux, without code generation | {:.1} s |\n",
            cpu.len(),
            at(50),
            at(99),
            at(100),
            megabytes(all.values().sum()),
            megabytes(read),
            megabytes(output),
            self.rest
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_counts_each_file_once_and_as_often_as_it_is_read() {
        let task = |cpu, inputs: &[(usize, u64)]| Task {
            cpu,
            inputs: inputs.to_vec(),
            output: 500_000,
        };
        let measured = Measured {
            tasks: vec![
                task(1.0, &[(0, 2_000_000), (1, 1_000_000)]),
                task(3.0, &[(0, 2_000_000)]),
            ],
            rest: 7.0,
        };
        let page = measured.page(0.0, 2);
        for line in [
            "| number | 2 |",
            "| CPU, all | 4.0 s |",
            "| CPU, longest | 3.000 s |",
            "| inputs, each file once | 3.0 MB |",
            "| inputs, as often as they are read | 5.0 MB |",
            "| outputs | 1.0 MB |",
            // The second action: sent after 0.024 s and waiting 0.4 s, it reads from 0.448 s on for 0.016 s.
            "| 2 | 3.5 s | 1.0 | 10.5 s | longest code generation | 3.5 s | longest code generation |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
