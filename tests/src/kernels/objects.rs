// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares our readers and writers with others, over all files that a kernel is built from.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::config::Lto;
use kernel_lab::variant::Variant;
use kernel_lab::{Arch, Outcome, fetch, llvm, process, workspace};
use xshell::cmd;

use super::{PROFILE, built, built_variant, expect, fault, kernel_tree};

pub fn readers_agree(workdir: &Path) -> Outcome {
    readers_agree_on(workdir, &[Lto::None, Lto::Thin])
}

pub fn readers_agree_full(workdir: &Path) -> Outcome {
    readers_agree_on(workdir, &[Lto::Full])
}

fn readers_agree_on(workdir: &Path, modes: &[Lto]) -> Outcome {
    for &lto in modes {
        let objtree = std::path::absolute(built(workdir, lto)?)?;
        cargo_test("kernel_objects", &[(OBJTREE, &objtree)])?;
    }
    Ok(())
}

/// Compares the list of disabled objects with a tree.
pub fn included_files(workdir: &Path) -> Outcome {
    let tree = std::path::absolute(kernel_tree(workdir)?)?;
    cargo_test("kernel_tree", &[(TREE, &tree)])
}

/// Compares mcount-loc with recordmcount if that made the tables, and checks the tables of each build.
pub fn entry_calls(workdir: &Path) -> Outcome {
    entry_calls_of(workdir, &[(Arch::Arm64, Lto::Thin)])
}

pub fn entry_calls_x86_64(workdir: &Path) -> Outcome {
    entry_calls_of(
        workdir,
        &[(Arch::X86_64, Lto::None), (Arch::X86_64, Lto::Thin)],
    )
}

fn entry_calls_of(workdir: &Path, kernels: &[(Arch, Lto)]) -> Outcome {
    let tree = std::path::absolute(kernel_tree(workdir)?)?;
    for &(arch, lto) in kernels {
        let objtree = built_variant(workdir, Variant::new(arch, PROFILE, lto))?;
        let objtree = std::path::absolute(objtree)?;
        cargo_test("mcount_loc", &[(OBJTREE, &objtree), (TREE, &tree)])?;
    }
    Ok(())
}

/// The environment variables by which tests over several crates find a built kernel and its source.
const OBJTREE: &str = "KBUILD_LTO_OBJTREE";
const TREE: &str = "KBUILD_LTO_TREE_5_10";

/// Runs one of the tests over several crates that need a kernel; `variables` name the kernel.
fn cargo_test(test: &str, variables: &[(&str, &Path)]) -> Outcome {
    let sh = process::shell_in(workspace::root())?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let command = cmd!(
        sh,
        "{cargo} test --quiet --package kernel-tests --features kernel --test {test}"
    );
    let command = command
        .envs(variables.iter().copied())
        .env(llvm::VARIABLE, llvm::bin_dir()?);
    match process::read(command) {
        Ok(_) => Ok(()),
        Err(error) => {
            let kernel = variables
                .first()
                .map(|(_, path)| path.display().to_string());
            let kernel = kernel.unwrap_or_default();
            Err(fault(format!("{kernel}: {error:#}")))
        }
    }
}

/// Runs the script of kernels with native LTO over the inputs of our link.
pub fn initcall_script(workdir: &Path) -> Outcome {
    initcall_script_of(workdir, Lto::Thin)
}

pub fn initcall_script_full(workdir: &Path) -> Outcome {
    initcall_script_of(workdir, Lto::Full)
}

fn initcall_script_of(workdir: &Path, lto: Lto) -> Outcome {
    let scripts = fetch::fetch(fetch::Options {
        version: "6.1",
        package_version: None,
        into: &workspace::trees(),
    })?;
    let objtree = std::path::absolute(built(workdir, lto)?)?;
    let record = lto_link::inputs_path(&objtree.join("vmlinux.o"));
    let inputs = lto_link::read_record(&record).with_context(|| record.display().to_string())?;
    let sh = process::shell_in(&objtree)?;
    let script = scripts.join("scripts/generate_initcall_order.pl");
    let paths = inputs.iter().map(|input| &input.path);
    let perl = cmd!(sh, "perl {script} {paths...}")
        .env("NM", llvm::bin_dir()?.join("llvm-nm"))
        .env("objtree", &objtree);
    let theirs = process::read(perl)?;
    let ours = objtree.join(".tmp_vmlinux.o.initcalls.lds");
    let ours = fs::read_to_string(&ours).with_context(|| ours.display().to_string())?;
    expect(theirs.lines().count() > 100, || {
        "their script has hardly any initcalls".into()
    })?;
    expect(ours == theirs, || {
        format!("{}: the scripts differ", lto.name())
    })?;
    Ok(())
}
