// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Costs of the plugins in a clean build, as ratios to the steps that they replace.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::variant::Variant;
use kernel_lab::{Failure, build, fetch, files, llvm, process, workspace};
use xshell::cmd;

use crate::page::{arguments, head, kernel_name};

/// How often a short command is run, so that its CPU time can be measured.
const REPEATS: u32 = 20;

/// One measured ratio.
pub struct Ratio {
    /// The name of the comparison.
    pub what: &'static str,
    /// The goal.
    pub goal: &'static str,
    /// The measured result.
    pub value: String,
    /// The figures that it was computed from.
    pub from: String,
}

/// Builds the kernel `variant` from scratch, and the same without LTO, and compares.
///
/// # Errors
/// A build fails, or a tool does.
pub fn measure(tree: &Path, workdir: &Path, variant: Variant) -> Result<Vec<Ratio>, Failure> {
    let none = clean_build(variant.without_lto(), tree, workdir)?;
    let thin = clean_build(variant, tree, workdir)?;
    let objtree = std::path::absolute(variant.objtree(workdir))?;
    let without = std::path::absolute(variant.without_lto().objtree(workdir))?;
    let tools = tree.join("scripts/lto/bin");
    let mut ratios = vec![
        build_ratio(none.cpu_seconds, thin.cpu_seconds),
        tools_ratio(&tools, &objtree, thin.cpu_seconds)?,
        initcall_ratio(&tools, &objtree)?,
    ];
    ratios.extend(mcount_ratio(&tools, &without)?);
    Ok(ratios)
}

/// The result as it is kept.
///
/// # Errors
/// There is no compiler.
pub fn page(variant: Variant, ratios: &[Ratio]) -> anyhow::Result<String> {
    let Variant { arch, profile, .. } = variant;
    let title = format!(
        "Cost of the plugins: {}",
        kernel_name(kernel_lab::KERNEL, arch, profile)
    );
    let mut page = head(&title, &format!("bench {}", arguments(arch, profile)))?;
    page.push_str("| what | measured | asked | from |\n|---|---|---|---|\n");
    for Ratio {
        what,
        goal,
        value,
        from,
    } in ratios
    {
        writeln!(page, "| {what} | {value} | {goal} | {from} |")?;
    }
    Ok(page)
}

/// Builds a kernel from scratch.
fn clean_build(variant: Variant, tree: &Path, workdir: &Path) -> Result<build::Usage, Failure> {
    files::remove_dir(&variant.objtree(workdir))?;
    variant.build(tree, workdir)
}

fn build_ratio(none: f64, thin: f64) -> Ratio {
    Ratio {
        what: "CPU of the thin LTO build, against none",
        goal: "at most 1.10",
        value: format!("{:.2}", thin / none),
        from: format!("{thin:.0} s, {none:.0} s"),
    }
}

/// All that our tools did in the build at `objtree`, against all of the build: the links say what
/// they cost, the others run once more.
fn tools_ratio(tools: &Path, objtree: &Path, build: f64) -> anyhow::Result<Ratio> {
    let mut links = 0.0;
    let mut bitcode = Vec::new();
    let mut modules = Vec::new();
    for entry in walkdir::WalkDir::new(objtree) {
        let path = entry?.into_path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".o.lto-usage.json") {
            let usage = lto_link::read_usage(&path).with_context(|| path.display().to_string())?;
            links += usage.own_cpu_seconds;
        } else if name.ends_with(".o.lto-inputs") {
            let record =
                lto_link::read_record(&path).with_context(|| path.display().to_string())?;
            let inputs = record
                .into_iter()
                .filter(|input| input.kind == lto_link::InputKind::Bitcode);
            bitcode.extend(inputs.map(|input| input.path));
        } else if path.extension().is_some_and(|extension| extension == "mod") {
            modules.push(path.with_extension("o"));
        }
    }
    let sh = process::shell_in(objtree)?;
    let modversions = tools.join("modversions");
    let exports = cpu_of(|| {
        for object in &bitcode {
            process::read(cmd!(sh, "{modversions} exports {object}"))?;
        }
        Ok(())
    })?;
    let mod_dedup = tools.join("mod-dedup");
    let mod_files = cpu_of(|| {
        for object in &modules {
            process::read(cmd!(sh, "{mod_dedup} -o /dev/null -- {object}"))?;
        }
        Ok(())
    })?;
    let config = objtree.join("include/config/auto.conf");
    let config = fs::read_to_string(&config).with_context(|| config.display().to_string())?;
    let has_mcount_loc = config.contains("CONFIG_FTRACE_MCOUNT_USE_MCOUNT_LOC=y");
    let tables = cpu_of(|| {
        if has_mcount_loc {
            // Its input is as large as when it made the tables, which exist now.
            let mcount_loc = tools.join("mcount-loc");
            let modules = &modules;
            process::read(cmd!(sh, "{mcount_loc} --check vmlinux.o {modules...}"))?;
        }
        Ok(())
    })?;
    let ours = links + exports + mod_files + tables;
    Ok(Ratio {
        what: "CPU of all our tools, against the whole build",
        goal: "under 1 %",
        value: format!("{:.2} %", ours / build * 100.0),
        from: format!(
            "links {links:.2} s, modversions {exports:.2} s ({} runs), mod-dedup {mod_files:.2} s ({} runs), mcount-loc {tables:.2} s, of {build:.0} s",
            bitcode.len(),
            modules.len()
        ),
    })
}

/// initcall-order against the script that comes with kernels that have native LTO, over the same
/// archives.
fn initcall_ratio(tools: &Path, objtree: &Path) -> anyhow::Result<Ratio> {
    let scripts = fetch::fetch(fetch::Options {
        version: "6.1",
        package_version: None,
        into: &workspace::trees(),
    })?;
    let archives = &archives(objtree)?;
    let sh = process::shell_in(objtree)?;
    let initcall_order = tools.join("initcall-order");
    let ours = cpu_of(|| {
        for _ in 0..REPEATS {
            let order = cmd!(sh, "{initcall_order} -o /dev/null {archives...}");
            process::read(order)?;
        }
        Ok(())
    })? / f64::from(REPEATS);
    let theirs = cpu_of(|| {
        let script = scripts.join("scripts/generate_initcall_order.pl");
        let perl = cmd!(sh, "perl {script} {archives...}")
            .env("NM", llvm::bin_dir()?.join("llvm-nm"))
            .env("objtree", objtree);
        process::read(perl).map(drop)
    })?;
    Ok(Ratio {
        what: "CPU of generate_initcall_order.pl, against initcall-order",
        goal: "at least 50",
        value: format!("{:.0}", theirs / ours),
        from: format!(
            "{theirs:.2} s, {:.1} ms, over {} archives",
            ours * 1000.0,
            archives.len()
        ),
    })
}

/// mcount-loc against the kernel's own recordmcount, over the objects of a build without LTO that
/// recordmcount made a table for; without it first. Nothing where the compiler makes the tables.
fn mcount_ratio(tools: &Path, objtree: &Path) -> anyhow::Result<Option<Ratio>> {
    let recordmcount = objtree.join("scripts/recordmcount");
    if !recordmcount.exists() {
        return Ok(None);
    }
    let dir = tempfile::tempdir().context("a directory for copies of objects")?;
    let objcopy = llvm::bin_dir()?.join("llvm-objcopy");
    let sh = process::shell()?;
    let table = mcount_loc::TABLE;
    let mut copies = [Vec::new(), Vec::new()];
    for entry in walkdir::WalkDir::new(objtree) {
        let object = entry?.into_path();
        if !has_mcount_table(&object) {
            continue;
        }
        let name = format!("{}.o", copies[0].len());
        let (ours, theirs) = (dir.path().join(&name), dir.path().join(format!("r{name}")));
        process::read(cmd!(
            sh,
            "{objcopy} -R {table} -R .rela{table} {object} {ours}"
        ))?;
        fs::copy(&ours, &theirs).with_context(|| theirs.display().to_string())?;
        copies[0].push(ours);
        copies[1].push(theirs);
    }
    let [ours, theirs] = copies;
    anyhow::ensure!(
        !ours.is_empty(),
        "{}: no object with {table}",
        objtree.display()
    );
    let objects = ours.len();
    let mcount_loc = tools.join("mcount-loc");
    let ours = &ours;
    let ours = cpu_of(|| process::read(cmd!(sh, "{mcount_loc} {ours...}")).map(drop))?;
    let theirs = cpu_of(|| {
        for object in &theirs {
            process::read(cmd!(sh, "{recordmcount} {object}"))?;
        }
        Ok(())
    })?;
    Ok(Some(Ratio {
        what: "CPU of recordmcount, against mcount-loc",
        goal: "at least 3",
        value: format!("{:.1}", theirs / ours),
        from: format!("{theirs:.2} s, {ours:.2} s, over the same {objects} objects"),
    }))
}

/// Whether it is an object, vmlinux.o aside, with the table of entry calls.
fn has_mcount_table(path: &Path) -> bool {
    let is_object = path.extension().is_some_and(|extension| extension == "o");
    if !is_object || path.file_name().is_some_and(|name| name == "vmlinux.o") {
        return false;
    }
    let files = tool_io::Files::new();
    files
        .elf(path)
        .is_ok_and(|elf| elf.section_by_name(mcount_loc::TABLE).is_some())
}

/// The archives of the object tree's top directories, which between them hold all of vmlinux.
fn archives(objtree: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut archives = Vec::new();
    for entry in fs::read_dir(objtree).with_context(|| objtree.display().to_string())? {
        let archive = entry?.path().join("built-in.a");
        if archive.is_file() {
            archives.push(archive.strip_prefix(objtree)?.to_owned());
        }
    }
    archives.sort();
    Ok(archives)
}

/// The CPU seconds of the processes that `work` runs.
fn cpu_of(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let before = build::children_seconds()?;
    work()?;
    Ok(build::children_seconds()? - before)
}
