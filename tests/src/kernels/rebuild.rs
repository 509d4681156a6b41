// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks which steps make repeats after changes, and the results.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::read::GzDecoder;
use kernel_lab::config::Lto;
use kernel_lab::{Outcome, files, llvm, make, process};
use object_model::source_name;
use tool_io::Files;
use xshell::cmd;

use super::{ARCH, boots, build, built, configure, expect, fault, kernel_tree, verified};

/// Returns the names of the files that kbuild made, by the word that it prints before them.
pub(super) fn made<'a>(lines: &'a [String], tag: &str) -> Vec<&'a str> {
    let mut made = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace();
        if words.next() == Some(tag) {
            made.extend(words.find(|word| *word != "[M]"));
        }
    }
    made
}

/// The links that every change needs.
const LINKS: [&str; 5] = ["AR", "LD", "LTO", "KSYMS", "AS"];

pub fn nothing(workdir: &Path) -> Outcome {
    for lto in [Lto::Thin, Lto::None] {
        nothing_of(workdir, lto)?;
    }
    Ok(())
}

/// A repeated build of this kernel must do nothing.
pub(super) fn nothing_of(workdir: &Path, lto: Lto) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, lto)?;
    let vmlinux = objtree.join("vmlinux");
    let before = modified(&vmlinux)?;
    let lines = build(&tree, &objtree, None)?;
    for tag in LINKS.iter().chain(&["CC", "MODPOST", "SYNC", "THINLTO"]) {
        let made = made(&lines, tag);
        expect(made.is_empty(), || {
            format!("{}: {tag} of {}", lto.name(), made.join(" "))
        })?;
    }
    expect(before == modified(&vmlinux)?, || {
        format!("{}: vmlinux is new", lto.name())
    })
}

fn modified(path: &Path) -> anyhow::Result<std::time::SystemTime> {
    let metadata = path
        .metadata()
        .with_context(|| path.display().to_string())?;
    Ok(metadata.modified()?)
}

pub fn touched(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, Lto::Thin)?;
    // A built-in file, a part of a module, and a module of a single object.
    for (source, relinked) in [
        ("lib/kobject.c", &["LTO vmlinux.o"][..]),
        (
            "fs/ext4/balloc.c",
            &["LTO fs/ext4/ext4.o", "LD fs/ext4/ext4.ko"],
        ),
        (
            "fs/fat/namei_vfat.c",
            &["LTO fs/fat/vfat.o", "LD fs/fat/vfat.ko"],
        ),
    ] {
        files::touch(&tree.join(source))?;
        let lines = build(&tree, &objtree, None)?;
        let object = source.replace(".c", ".o");
        // Each link of vmlinux has a new version file.
        let compiled: BTreeSet<_> = made(&lines, "CC").into_iter().collect();
        let allowed = BTreeSet::from([object.as_str(), "init/version.o"]);
        expect(
            compiled.contains(object.as_str()) && compiled.is_subset(&allowed),
            || format!("{source} touched: compiled {compiled:?}"),
        )?;
        let links = made(&lines, "LTO")
            .into_iter()
            .map(|file| format!("LTO {file}"));
        let links = links.chain(
            made(&lines, "LD")
                .into_iter()
                .map(|file| format!("LD {file}")),
        );
        let links: BTreeSet<String> = links.collect();
        let mut missing = relinked.iter().filter(|link| !links.contains(**link));
        if let Some(missing) = missing.next() {
            return Err(fault(format!(
                "{source} touched: no {missing} among {links:?}"
            )));
        }
        let others = links
            .iter()
            .filter(|link| !relinked.contains(&link.as_str()) && !link.contains("vmlinux"));
        let others: Vec<_> = others.collect();
        expect(others.is_empty(), || {
            format!("{source} touched: also made {others:?}")
        })?;
        let is_module = relinked[0] != "LTO vmlinux.o";
        let vmlinux = links.iter().any(|link| link.contains("vmlinux"));
        expect(vmlinux != is_module, || {
            format!("{source} touched: links were {links:?}")
        })?;
    }
    Ok(())
}

/// The ways in which a killed build leaves an unfinished object.
const MARK: &str = ".unfinished.tmp";

/// An object whose rule was running when the build was killed is made again, with all files that belong to it.
pub fn unfinished(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, Lto::Thin)?;
    let objects = ["lib/kobject.o", "fs/fat/namei_vfat.o"];
    let marks = ["lib/.kobject.o", "fs/fat/.namei_vfat.o"]
        .map(|name| objtree.join(format!("{name}{MARK}")));
    for mark in &marks {
        fs::write(mark, "").with_context(|| mark.display().to_string())?;
    }
    let crcs = objtree.join("lib/kobject.o.symversions");
    fs::remove_file(&crcs).with_context(|| crcs.display().to_string())?;
    let lines = build(&tree, &objtree, None)?;
    let compiled = made(&lines, "CC");
    expect(
        objects.iter().all(|object| compiled.contains(object)),
        || format!("{objects:?} were unfinished; compiled: {compiled:?}"),
    )?;
    expect(crcs.exists(), || format!("{}: not made", crcs.display()))?;
    let left = marks.iter().find(|mark| mark.exists());
    expect(left.is_none(), || format!("{left:?} is still there"))
}

/// Returns the names of vmlinux's symbols by ascending address. LTO names a promoted static after the content of its
/// bitcode, which changes with every header; the order does not change.
fn symbol_order(objtree: &Path) -> anyhow::Result<Vec<String>> {
    let files = Files::new();
    let vmlinux = files.elf(&objtree.join("vmlinux"))?;
    let symbols = vmlinux.symbols().iter();
    let mut symbols: Vec<_> = symbols
        .filter(|symbol| !symbol.is_format_specific())
        .map(|symbol| (symbol.value, source_name(symbol.name).to_owned()))
        .collect();
    symbols.sort();
    Ok(symbols.into_iter().map(|(_, name)| name).collect())
}

/// Makes the object tree `to` a copy of `from`, time stamps included, without the linker's cache.
pub(super) fn copy_objtree(from: &Path, to: &Path) -> anyhow::Result<()> {
    files::remove_dir(to)?;
    let sh = process::shell()?;
    // Copy the content of the directory, because the directory may be a link.
    let content = from.join(".");
    process::read(cmd!(sh, "cp -a {content} {to}"))?;
    files::remove_dir(&to.join(".thinlto-cache"))
}

/// Returns the linker scripts of vmlinux.o.
const SCRIPTS: [&str; 2] = [
    ".tmp_vmlinux.o.initcalls.lds",
    ".tmp_vmlinux.o.symversions.lds",
];

/// Links vmlinux again with one job, in a copy of the object tree: objects do not depend on the number of jobs.
/// [`one_job_from_nothing`] compiles them too, which takes long.
pub fn one_job(workdir: &Path) -> Outcome {
    let serial = workdir.join("one-job");
    copy_objtree(&built(workdir, Lto::Thin)?, &serial)?;
    for made in ["vmlinux", "vmlinux.o"].iter().chain(&SCRIPTS) {
        fs::remove_file(serial.join(made)).with_context(|| (*made).to_owned())?;
    }
    same_with_one_job(workdir, &serial)
}

/// Builds all of the kernel with one job, in another object directory.
pub fn one_job_from_nothing(workdir: &Path) -> Outcome {
    let serial = workdir.join("one-job");
    files::remove_dir(&serial)?;
    same_with_one_job(workdir, &serial)
}

/// The largest ratio of CPU time to wall time of a build with one job.
const ONE_JOB: f64 = 1.05;

/// Checks that a build with -j1 used one CPU.
pub(super) fn of_one_job(cpu_seconds: f64, wall_seconds: f64) -> Outcome {
    expect(cpu_seconds <= ONE_JOB * wall_seconds, || {
        format!("make -j1 used {cpu_seconds:.1} s of CPU in {wall_seconds:.1} s")
    })
}

fn same_with_one_job(workdir: &Path, serial: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let parallel = built(workdir, Lto::Thin)?;
    configure(&tree, serial, Lto::Thin, &[])?;
    build(&tree, serial, Some(1))?;
    let usage = lto_link::usage_path(&serial.join("vmlinux.o"));
    let usage = lto_link::read_usage(&usage).with_context(|| usage.display().to_string())?;
    expect(usage.jobs == 1, || {
        format!("make -j1 linked with {} jobs", usage.jobs)
    })?;
    of_one_job(usage.cpu_seconds, usage.wall_seconds)?;
    for script in SCRIPTS {
        let read = |objtree: &Path| {
            let path = objtree.join(script);
            fs::read(&path).with_context(|| path.display().to_string())
        };
        expect(read(&parallel)? == read(serial)?, || {
            format!("{script} differs")
        })?;
    }
    let (expected, found) = (symbol_order(&parallel)?, symbol_order(serial)?);
    let first = expected
        .iter()
        .zip(&found)
        .find(|(expected, found)| expected != found);
    expect(expected == found, || {
        format!(
            "{} and {} symbols, the first in another place: {first:?}",
            expected.len(),
            found.len()
        )
    })?;
    let mut clean = make(&tree, ARCH, serial, &llvm::bin_dir()?)?;
    process::output(clean.args(["-s", "distclean"]))?;
    let left: Vec<PathBuf> = walkdir::WalkDir::new(serial)
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| {
            let path = path.to_string_lossy();
            [".thinlto-cache", ".symversions", ".lto-", ".lto_"]
                .iter()
                .any(|ours| path.contains(ours))
        })
        .collect();
    expect(left.is_empty(), || format!("make distclean left {left:?}"))
}

pub fn external_module(workdir: &Path) -> Outcome {
    external_module_of(workdir, Lto::Thin)
}

/// Builds an external module for this kernel.
pub(super) fn external_module_of(workdir: &Path, lto: Lto) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, lto)?;
    let module = workdir.join("external");
    let write = |name: &str, text: &str| {
        let path = module.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    fs::create_dir_all(&module).context("the external module")?;
    write(
        "Makefile",
        "obj-m := outside.o other.o lonely.o\noutside-objs := one.o two.o\nother-objs := three.o two.o\n",
    )?;
    write(
        "one.c",
        "#include <linux/module.h>\nint two(void);\nint outside_answer(void)\n{\n\treturn two();\n}\nEXPORT_SYMBOL(outside_answer);\nMODULE_LICENSE(\"GPL\");\n",
    )?;
    write(
        "two.c",
        "int two(void);\nint two(void)\n{\n\treturn 2;\n}\n",
    )?;
    write(
        "three.c",
        "#include <linux/module.h>\nint two(void);\nstatic int __init three(void)\n{\n\treturn two() - 2;\n}\nmodule_init(three);\nMODULE_LICENSE(\"GPL\");\n",
    )?;
    write(
        "lonely.c",
        "#include <linux/module.h>\nint outside_answer(void);\nstatic int __init lonely(void)\n{\n\treturn outside_answer() - 2;\n}\nmodule_init(lonely);\nMODULE_LICENSE(\"GPL\");\n",
    )?;
    let before = listing(&objtree)?;
    let make = |target: &str| -> anyhow::Result<String> {
        let mut make = make(&tree, ARCH, &objtree, &llvm::bin_dir()?)?;
        process::output(make.arg(format!("M={}", module.display())).arg(target))
    };
    make("modules")?;
    let beside: &[_] = match lto {
        // An object that two modules share has an index for each.
        Lto::ThinDist => &[
            "one.o.thinlto.bc",
            "two.o.outside.thinlto.bc",
            "two.o.other.thinlto.bc",
        ],
        _ => &[".thinlto-cache"],
    };
    for file in beside {
        expect(module.join(file).exists(), || {
            format!("no {file} beside the module")
        })?;
    }
    let new: Vec<_> = listing(&objtree)?.difference(&before).cloned().collect();
    expect(new.is_empty(), || {
        format!("the kernel's object tree has new files: {new:?}")
    })?;
    let symvers = fs::read_to_string(module.join("Module.symvers")).context("Module.symvers")?;
    let symvers = modversions::Symvers::parse(&symvers).context("Module.symvers")?;
    let crc = symvers.get("outside_answer").map(|export| export.crc);
    expect(crc.is_some_and(|crc| crc != 0), || {
        format!("the CRC of outside_answer is {crc:?}")
    })?;
    make("clean")?;
    let left: Vec<_> = listing(&module)?
        .into_iter()
        .filter(|path| {
            path.extension().is_none_or(|extension| extension != "c") && !path.ends_with("Makefile")
        })
        .collect();
    expect(left.is_empty(), || format!("make clean left {left:?}"))
}

/// Returns all files below `root`.
pub(super) fn listing(root: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.insert(entry.into_path());
        }
    }
    Ok(files)
}

pub fn included_content(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let objtree = built(workdir, Lto::Thin)?;
    for name in ["before", "after"] {
        let setting = format!("DEFAULT_HOSTNAME=\"incbin-{name}\"").parse()?;
        configure(&tree, &objtree, Lto::Thin, &[setting])?;
        build(&tree, &objtree, None)?;
        let path = objtree.join("vmlinux");
        let vmlinux = fs::read(&path).with_context(|| path.display().to_string())?;
        let config = embedded_config(&vmlinux).context("no configuration in vmlinux")?;
        let line = format!("CONFIG_DEFAULT_HOSTNAME=\"incbin-{name}\"");
        expect(config.contains(&line), || {
            format!("the configuration in vmlinux has no {line}")
        })?;
    }
    boots(ARCH, &objtree)
}

/// Kernels whose list of symbols has functions only, with LTO and without.
pub fn without_data_symbols(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    for lto in [Lto::None, Lto::Thin] {
        let objtree = built(workdir, lto)?;
        configure(&tree, &objtree, lto, &["KALLSYMS_ALL=n".parse()?])?;
        build(&tree, &objtree, None)?;
        verified(&kernel_checks::verify(&objtree, None)?)?;
    }
    Ok(())
}

/// Returns the `.config` in a kernel: gzip between `IKCFG_ST` and `IKCFG_ED` (`kernel/configs.c`).
fn embedded_config(vmlinux: &[u8]) -> Option<String> {
    let mark = b"IKCFG_ST";
    let at = vmlinux
        .windows(mark.len())
        .position(|bytes| bytes == mark)?;
    let mut text = String::new();
    GzDecoder::new(vmlinux.get(at + mark.len()..)?)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}
