// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes a profile of a kernel that counts: runs it with work, and reads its counters.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use kernel_lab::runtime::rows::Row;
use kernel_lab::runtime::{Meter, Set, workloads};
use kernel_lab::{Arch, Failure, Piece, llvm};
use lto_lab::Lab;
use object_model::BuildId;
use profile::{CountingKernel, Memory, Profraw, Raw, collect, merge};
use tool_io::Files;

/// The kernel that counts, and the work that it does.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Its architecture.
    pub arch: Arch,
    /// Its object tree.
    pub objtree: &'a Path,
    /// The sets of work, each in a separate guest.
    pub sets: &'a [Set],
    /// The programs or scripts of [`Set::Own`], each in a separate guest.
    pub own: &'a [PathBuf],
    /// The time limit of a guest.
    pub timeout: Duration,
    /// The profile to write.
    pub output: &'a Path,
    /// The directory in which the counters are kept, if they are.
    pub keep: Option<&'a Path>,
}

/// The functions that the kernel executed in one guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The name of the set, or the file of the user.
    pub work: String,
    /// The number of functions that were executed.
    pub n_executed: u64,
    /// The number of functions that count.
    pub n_functions: u64,
    /// The same two numbers for modules that were loaded, also if they were unloaded again.
    pub in_modules: Option<(u64, u64)>,
}

/// A profile, and the work that it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trained {
    /// The path of the profile.
    pub profile: PathBuf,
    /// The numbers of executed functions, one entry for each set of work.
    pub executed: Vec<Executed>,
}

/// Builds the kernel that counts for `row`, and makes its profile with the training set.
///
/// # Errors
/// The kernel cannot be built; same as [`make`].
pub fn of_training(lab: &Lab, row: &Row, timeout: Duration) -> Result<Trained, Failure> {
    let arch = row.variant.arch;
    let objtree = lab.row(&row.counting(), None)?;
    let profile = objtree.with_extension("profdata");
    let executed = make(&Options {
        arch,
        objtree: &objtree,
        sets: &[Set::Training],
        own: &[],
        timeout,
        output: &profile,
        keep: None,
    })?;
    Ok(Trained { profile, executed })
}

/// Makes the profile.
///
/// # Errors
/// The kernel does not count, has faults, or did not do the work; QEMU or llvm-profdata cannot be run.
pub fn make(options: &Options<'_>) -> Result<Vec<Executed>, Failure> {
    let Options {
        arch,
        objtree,
        sets,
        own,
        timeout,
        output,
        keep,
    } = *options;
    let vmlinux = objtree.join("vmlinux");
    let files = Files::new();
    let elf = files.elf(&vmlinux).map_err(anyhow::Error::from)?;
    let of_kernel = |error| Failure::Fault(anyhow::anyhow!("{}: {error}", vmlinux.display()));
    let kernel = CountingKernel::read(&elf).map_err(of_kernel)?;
    let pieces = [kernel.notes, kernel.counters]
        .map(|Memory { address, size }| Piece::At { address, size })
        .into_iter()
        .chain(kernel.modules.map(|address| Piece::Behind { address }));
    let pieces: Vec<_> = pieces.collect();
    let mut work = workloads(arch, sets, None)?;
    let mut names: Vec<String> = sets.iter().map(|set| set.name().to_owned()).collect();
    for file in own {
        work.extend(workloads(arch, &[Set::Own], Some(file))?);
        names.push(file.display().to_string());
    }
    let meter = Meter::new(arch, timeout)?;
    let mut executed = Vec::new();
    let mut profraws = Vec::new();
    for (index, (workload, name)) in work.iter().zip(names).enumerate() {
        let read = meter.read_memory(objtree, workload, &pieces)?;
        let [notes, counters, modules @ ..] = &read[..] else {
            let reason = format!("{name}: the guest's memory was not read");
            return Err(Failure::Fault(anyhow::Error::msg(reason)));
        };
        let build_id = BuildId::in_notes(notes).with_context(|| {
            format!("{name}: the memory of the kernel has no build ID; was it moved at its start?")
        })?;
        let raw = Raw { build_id, counters };
        let modules = modules.first().filter(|content| !content.is_empty());
        if let Some(dir) = keep {
            write(&dir.join(format!("{index}.raw")), &raw.to_bytes())?;
            if let Some(modules) = modules {
                write(&dir.join(format!("{index}.modules.profraw")), modules)?;
            }
        }
        let collected = collect(&kernel, &raw).map_err(of_kernel)?;
        let in_modules = modules.map(|content| of_modules(&kernel, content));
        let in_modules = in_modules.transpose()?;
        executed.push(Executed {
            work: name,
            n_executed: collected.n_executed,
            n_functions: collected.n_functions,
            in_modules,
        });
        profraws.push(collected.profraw);
        profraws.extend(modules.cloned());
    }
    let llvm_profdata = llvm::bin_dir()?.join("llvm-profdata");
    merge(&llvm_profdata, &profraws, output).map_err(anyhow::Error::from)?;
    Ok(executed)
}

/// Returns the numbers of functions of modules that were executed, and that count.
fn of_modules(kernel: &CountingKernel, content: &[u8]) -> Result<(u64, u64), Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::Fault(anyhow::anyhow!("the counters of modules: {error}"))
    };
    let read = Profraw::parse(content).map_err(|error| wrong(&error))?;
    read.check(kernel).map_err(|error| wrong(&error))?;
    Ok((read.n_executed, read.n_functions))
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(path, content))
        .with_context(|| path.display().to_string())
}
