// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Measures the cost of the checks that single plugins add to the build of a tree with its own LTO.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use kernel_lab::build;
use kernel_lab::process;
use xshell::cmd;

use crate::initcall_script::{Cost, Inputs, cost_of};

/// The number of runs of each check, so that its CPU time can be measured.
const REPEATS: u32 = 5;

/// A check as the build calls it: the plugin, its arguments, and its inputs.
type CheckCommand = (&'static str, Vec<PathBuf>, &'static str);

/// Runs each check on the built `objtree`, and `cargo xtask verify` once. Returns a table, in Markdown, of
/// the CPU and wall time of one run and of its share in the CPU time of the build.
///
/// # Errors
/// The object tree is not a finished build with LTO from a tree with its own LTO, or a check fails
/// or finds a fault.
pub fn measure(
    objtree: &Path,
    tool: impl Fn(&str) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<String> {
    let inputs = Inputs::of(objtree)?;
    let build = build::read_usage(objtree)?;
    let dir = tempfile::tempdir().context("a directory for the list of disabled objects")?;
    let list = dir.path().join("lto-disabled.mk");
    let lto_disable = tool("lto-disable")?;
    let sh = process::shell()?;
    let srctree = inputs.srctree();
    let text = process::read(cmd!(sh, "{lto_disable} list {srctree}"))?;
    fs::write(&list, text).with_context(|| list.display().to_string())?;

    let mut page = String::from(
        "| check | CPU | wall | of the build's CPU | looks at |\n|---|---:|---:|---:|---|\n",
    );
    let mut row = |name: &str, cost: Cost, looks_at: &str| -> anyhow::Result<()> {
        let Cost { cpu, wall } = cost;
        let share = cpu / build.cpu_seconds * 100.0;
        writeln!(
            page,
            "| {name} | {cpu:.3} s | {wall:.3} s | {share:.3} % | {looks_at} |"
        )?;
        Ok(())
    };
    let objects = process::shell_in(objtree)?;
    for (plugin, arguments, looks_at) in commands(&inputs, &list) {
        let program = tool(plugin)?;
        let arguments = &arguments;
        let cost = cost_of(REPEATS, || {
            process::read(cmd!(objects, "{program} check {arguments...}")).map(drop)
        })?;
        row(plugin, cost, looks_at)?;
    }
    let started = Instant::now();
    let before = build::own_seconds()?;
    let report = kernel_checks::verify(objtree, None)?;
    let cost = Cost {
        cpu: build::own_seconds()? - before,
        wall: started.elapsed().as_secs_f64(),
    };
    row(
        "all of `cargo xtask verify`",
        cost,
        "vmlinux and all modules",
    )?;
    writeln!(
        page,
        "\nThe build took {:.0} s of CPU, {:.0} s wall; verify found {} faults.",
        build.cpu_seconds,
        build.wall_seconds,
        report.n_faults()
    )?;
    Ok(page)
}

fn commands(inputs: &Inputs, list: &Path) -> [CheckCommand; 4] {
    let path = |text: &str| PathBuf::from(text);
    let mut of_lto_disable = vec![path("--list"), list.to_owned()];
    of_lto_disable.extend(inputs.files().iter().cloned());
    [
        ("lto-disable", of_lto_disable, "every input of vmlinux.o"),
        (
            "lto-link",
            vec![path("vmlinux.o"), path("--objs"), path("vmlinux.a")],
            "vmlinux.o and every input",
        ),
        ("prel32-fix", vec![path("vmlinux.o")], "vmlinux.o"),
        (
            "modversions",
            vec![path("Module.symvers")],
            "Module.symvers",
        ),
    ]
}
