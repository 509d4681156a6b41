// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Trees whose own build knows LTO: the plugins offered to them, and the results of verify.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_bench::initcall_script::TARGET;
use kernel_lab::config::{self, Lto, Profile, Setting};
use kernel_lab::variant::object_size;
use kernel_lab::{Arch, Failure, Outcome, build, fetch, files, llvm, make, process, setup};
use kernel_tree::OnChange;
use sha2::{Digest as _, Sha256};
use xshell::cmd;

use super::rebuild::{copy_objtree, made};
use super::tree::headers_lack_the_record;
use super::{boots, build_for, expect, fault, verified};

/// The name of the test of the tree's own distributed thin LTO, which starts itself by this name.
pub const DISTRIBUTED_7_3: &str = "7.3 x86_64: verify after distributed thin LTO";

/// The kernel's own rules generate code without the flags for the target and for the form of addresses. LLVM 22
/// then refuses inline assembly, so this test uses an older one.
pub fn x86_64_7_3_dist(workdir: &Path) -> Outcome {
    let older = setup::ensure_llvm(llvm::OLDEST)?;
    if llvm::bin_dir()? == older {
        return verify_untouched(&workdir.join("older-llvm"), &X86_7_3_DIST);
    }
    let program = std::env::current_exe().context("this program")?;
    let sh = process::shell()?;
    let test = cmd!(sh, "{program} test --wide --only {DISTRIBUTED_7_3}");
    // Its error names the command.
    let run = test.env(llvm::VARIABLE, &older).quiet().run();
    run.map_err(|error| fault(error.to_string()))
}

pub fn adoption_7_3(workdir: &Path) -> Outcome {
    adoption_of(workdir, X86_7_3.version)
}

/// An untouched kernel with LTO.
#[derive(Clone, Copy)]
pub struct Kind {
    version: &'static str,
    arch: Arch,
    lto: Lto,
    /// The known faults of such a kernel, which docs/results/ explains: the check, and a part of
    /// its finding. Each must be found, and no other.
    real: &'static [(&'static str, &'static str)],
}

pub const X86_6_12: Kind = Kind {
    version: "6.12",
    arch: Arch::X86_64,
    lto: Lto::Thin,
    real: &[APART],
};

pub const ARM_6_12: Kind = Kind {
    arch: Arch::Arm64,
    ..X86_6_12
};

pub const X86_6_1: Kind = Kind {
    version: "6.1",
    real: &[CLEARS_NOTHING, APART],
    ..X86_6_12
};

pub const ARM_6_1: Kind = Kind {
    arch: Arch::Arm64,
    ..X86_6_1
};

pub const X86_7_3: Kind = Kind {
    version: "7.3",
    real: &[],
    ..X86_6_12
};

pub const ARM_7_3: Kind = Kind {
    arch: Arch::Arm64,
    ..X86_7_3
};

/// `clear_warn_once` clears nothing.
const CLEARS_NOTHING: (&str, &str) = ("sections", "__start_once");

/// Functions of modules keep separate sections.
const APART: (&str, &str) = ("sections", ".ko: section .text.");

const X86_7_3_DIST: Kind = X86_7_3.with(Lto::ThinDist);

/// Returns the tree of a version, without plugins.
fn untouched(workdir: &Path, version: &str) -> anyhow::Result<PathBuf> {
    let tree = fetch::fetch(fetch::Options {
        version,
        package_version: None,
        into: &workdir.join("native"),
    })?;
    let status = kernel_tree::status(&kernel_tree::Tree::open(&tree)?)?;
    if status.installed.is_some() {
        installer::uninstall(&tree, OnChange::Discard)?;
    }
    Ok(tree)
}

/// Returns the tree with one plugin.
fn with_plugin(workdir: &Path, version: &str, plugin: &str) -> anyhow::Result<PathBuf> {
    let tree = untouched(workdir, version)?;
    installer::install(&installer::Options::new(&tree, &[plugin.to_owned()]))?;
    Ok(tree)
}

impl Kind {
    /// Returns the kernel of the same tree with another kind of LTO.
    pub const fn with(self, lto: Lto) -> Self {
        Self { lto, ..self }
    }

    fn objtree(&self, workdir: &Path) -> PathBuf {
        let name = format!("{}-{}-{}", self.version, self.arch.name(), self.lto.name());
        workdir.join("native").join(name)
    }

    /// Returns its object tree; builds it from the tree without plugins if necessary.
    fn built(&self, workdir: &Path) -> Result<PathBuf, Failure> {
        let objtree = self.objtree(workdir);
        if !self.arch.image(&objtree).is_file() {
            self.make(workdir, &untouched(workdir, self.version)?)?;
        }
        Ok(objtree)
    }

    /// Builds and boots it from `tree`.
    fn make(&self, workdir: &Path, tree: &Path) -> Outcome {
        self.make_in(&self.objtree(workdir), tree, &[])
    }

    /// Builds and boots it in `objtree`, with more options.
    fn make_in(&self, objtree: &Path, tree: &Path, set: &[Setting]) -> Outcome {
        config::configure(config::Options {
            tree,
            arch: self.arch,
            objtree,
            profile: Profile::Ci,
            lto: self.lto,
            set,
        })?;
        build::build(build::Options {
            tree,
            arch: self.arch,
            objtree,
            jobs: None,
            target: build::ALL,
        })?;
        boots(self.arch, objtree)
    }
}

/// verify finds exactly the known faults of such a kernel.
pub fn verify_untouched(workdir: &Path, kind: &Kind) -> Outcome {
    let tree = untouched(workdir, kind.version)?;
    verify_built(workdir, kind, &tree)
}

fn verify_built(workdir: &Path, kind: &Kind, tree: &Path) -> Outcome {
    kind.make(workdir, tree)?;
    real_faults_only(kind, &kind.objtree(workdir))
}

/// Checks that verify finds exactly the known faults of the kernel in `objtree`.
fn real_faults_only(kind: &Kind, objtree: &Path) -> Outcome {
    let report = kernel_checks::verify(objtree, None)?;
    let mut wrong = Vec::new();
    let is = |(name, part): &(&str, &str), check: &kernel_checks::Checked, finding: &str| {
        check.name == *name && finding.contains(part)
    };
    let findings = || {
        let checks = report.checks.iter();
        checks.flat_map(|check| {
            let faults = check.finding.faults.iter();
            faults.map(move |finding| (check, finding))
        })
    };
    for (check, finding) in findings() {
        if !kind.real.iter().any(|real| is(real, check, finding)) {
            wrong.push(format!(
                "{}: not known as a real fault: {finding}",
                check.name
            ));
        }
    }
    for real in kind.real {
        if !findings().any(|(check, finding)| is(real, check, finding)) {
            wrong.push(format!("{}: not found: {}", real.0, real.1));
        }
    }
    expect(wrong.is_empty(), || wrong.join("\n"))
}

/// Single plugins are installed into a tree, and removed without a trace.
pub fn adoption(workdir: &Path) -> Outcome {
    adoption_of(workdir, X86_6_12.version)
}

fn adoption_of(workdir: &Path, version: &str) -> Outcome {
    let tree = untouched(workdir, version)?;
    let pristine = content(&tree)?;
    let offered = installer::offered(&tree)?;
    expect(offered.iter().any(|name| name == "initcall-order"), || {
        format!("offered is only {}", offered.join(", "))
    })?;
    expect(!offered.iter().any(|name| name == "mcount-loc"), || {
        "mcount-loc is offered".into()
    })?;
    // Each alone, then all.
    for plugins in offered
        .iter()
        .map(std::slice::from_ref)
        .chain([&offered[..]])
    {
        let what = plugins.join(",");
        let options = installer::Options::new(&tree, plugins);
        let (_, preview) = installer::previewed(&options)?;
        expect(!preview.diff.is_empty(), || {
            format!("{what} changes nothing")
        })?;
        installer::install(&options)?;
        let again = installer::install(&options)?.report;
        expect(again.is_unchanged(), || format!("{what}: not idempotent"))?;
        // The edits of the lists belong to the file that most plugins add to the kernel's Makefile.
        if tree.join("scripts/lto/Makefile.top").exists() {
            headers_lack_the_record(&tree)?;
        }
        installer::uninstall(&tree, OnChange::Refuse)?;
    }
    // The explanation and the previews must not change anything either.
    let left = content(&tree)?;
    expect(left == pristine, || {
        let changed = |(path, content): &(&PathBuf, &Content)| pristine.get(*path) != Some(content);
        let changed: Vec<_> = left.iter().filter(changed).map(|(path, _)| path).collect();
        format!(
            "{} files where {} were; other ones: {changed:?}",
            left.len(),
            pristine.len()
        )
    })?;
    let patches = workdir.join("native/patches");
    let written = installer::write_series(&installer::SeriesOptions {
        tree: &tree,
        into: &patches,
        plugins: &[],
        sender: "A Tester <tester@example.org>",
        patches: installer::Patches::PerPlugin,
    })?;
    expect(written.len() == offered.len(), || {
        format!("{} patches for {} plugins", written.len(), offered.len())
    })?;
    for patch in &written {
        let sh = process::shell_in(&tree)?;
        let path = std::path::absolute(patch)?;
        // Git treats a directory within its work tree as a part of it.
        let apply = cmd!(sh, "git apply --check {path}").env(
            "GIT_CEILING_DIRECTORIES",
            std::path::absolute(&tree)?.parent().context("a parent")?,
        );
        process::read(apply).map_err(|error| fault(format!("{}: {error:#}", patch.display())))?;
    }
    Ok(())
}

/// The state of a file: permissions, and a hash or the target of a link.
type Content = (u32, Vec<u8>);

/// Returns all files of a tree.
fn content(tree: &Path) -> anyhow::Result<BTreeMap<PathBuf, Content>> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(tree) {
        let entry = entry?;
        let path = entry.path();
        let content = if entry.path_is_symlink() {
            let target = fs::read_link(path).with_context(|| path.display().to_string())?;
            target.into_os_string().into_encoded_bytes()
        } else if entry.file_type().is_file() {
            let bytes = fs::read(path).with_context(|| path.display().to_string())?;
            Sha256::digest(&bytes).to_vec()
        } else {
            Vec::new()
        };
        let mode = entry.metadata()?.permissions().mode();
        files.insert(entry.into_path(), (mode, content));
    }
    Ok(files)
}

/// With initcall-order, the tree's own build makes the same linker script as with Perl, and a kernel that boots and
/// loads its modules.
pub fn adopted(workdir: &Path) -> Outcome {
    let kind = &X86_6_12;
    let script = kind.built(workdir)?.join(TARGET);
    let by_perl = fs::read(&script).with_context(|| script.display().to_string())?;
    let tree = with_plugin(workdir, kind.version, "initcall-order")?;
    kind.make(workdir, &tree)?;
    let saved = script.with_file_name(format!(".{TARGET}.cmd"));
    let command = fs::read_to_string(&saved).with_context(|| saved.display().to_string())?;
    expect(
        command.contains("initcall-order") && !command.contains("perl"),
        || format!("the script was not made by initcall-order: {command}"),
    )?;
    let by_tool = fs::read(&script).with_context(|| script.display().to_string())?;
    expect(by_perl.len() > 1000 && by_perl == by_tool, || {
        format!("{}: not what Perl made", script.display())
    })?;
    installer::uninstall(&tree, OnChange::Refuse)?;
    Ok(())
}

/// A plugin, the file of the tree that is changed, the added text, and the expected message of the build.
const BREAKS: [(&str, &str, &str, &[&str]); 2] = [
    (
        "lto-disable",
        "drivers/char/Makefile",
        "\nCFLAGS_REMOVE_mem.o += $(CC_FLAGS_LTO)\n",
        &["lto-disable: ", "drivers/char/mem.o"],
    ),
    (
        "modversions",
        "arch/x86/lib/getuser.S",
        "\nSYM_FUNC_START(changed_for_a_test)\n\tRET\nSYM_FUNC_END(changed_for_a_test)\n\
         EXPORT_SYMBOL(changed_for_a_test)\n",
        &["modversions: ", "changed_for_a_test"],
    ),
];

/// With all offered plugins, the kernel builds, the build runs each check, verify finds no fault,
/// and each fault made on purpose stops the build with its name.
pub fn all_adopted(workdir: &Path) -> Outcome {
    let thin = &X86_6_12;
    let objtree = workdir.join("native/6.12-x86_64-adopted");
    copy_objtree(&thin.built(workdir)?, &objtree)?;
    let tree = untouched(workdir, thin.version)?;
    let offered = installer::offered(&tree)?;
    installer::install(&installer::Options::new(&tree, &offered))?;
    thin.make_in(&objtree, &tree, &[])?;
    let report = kernel_checks::verify(&objtree, None)?;
    verified(&report)?;
    let log = build::last_log(&objtree)?;
    let said = |file: &str| {
        let lines = log.lines().map(str::trim_start);
        lines
            .filter(|line| line.starts_with(&format!("CHECK   {file}")))
            .collect::<String>()
    };
    for plugin in ["lto-disable", "lto-link", "prel32-fix"] {
        expect(said("vmlinux.o").contains(plugin), || {
            format!("the link does not call {plugin}")
        })?;
    }
    expect(!said("Module.symvers").is_empty(), || {
        "the build does not call modversions".into()
    })?;
    for (plugin, file, added, said) in BREAKS {
        let path = tree.join(file);
        let original = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        fs::write(&path, format!("{original}{added}"))
            .with_context(|| path.display().to_string())?;
        let built = build_for(thin.arch, &tree, &objtree, None);
        fs::write(&path, original).with_context(|| path.display().to_string())?;
        expect(matches!(built, Err(Failure::Fault(_))), || {
            format!("{file} is broken, and the build does not fail")
        })?;
        let log = build::last_log(&objtree)?;
        let is_finding = |line: &str| said.iter().all(|part| line.contains(part));
        expect(log.lines().any(is_finding), || {
            format!("{plugin} does not find what is broken in {file}")
        })?;
    }
    build_for(thin.arch, &tree, &objtree, None)?;
    installer::uninstall(&tree, OnChange::Refuse)?;
    Ok(())
}

/// A built-in file of the kernel from which no other imports.
const LEAF: &str = "drivers/char/mem.c";

/// With lto-link in the tree, distributed thin LTO includes modules, and generates code only for
/// changed objects. Uses a copy of the kernel with thin LTO, which has the same bitcode.
pub fn distributed_adopted(workdir: &Path) -> Outcome {
    let kind = &X86_7_3_DIST;
    let objtree = kind.objtree(workdir);
    copy_objtree(&X86_7_3.built(workdir)?, &objtree)?;
    let tree = with_plugin(workdir, kind.version, "lto-link")?;
    verify_built(workdir, kind, &tree)?;
    generates_only_changed(kind, &tree, &objtree, "thinlto-native.o")?;
    installer::uninstall(&tree, OnChange::Refuse)?;
    Ok(())
}

/// Checks that parts of modules have native code, and that make generates code only for changed objects. Code of
/// vmlinux's objects is in files that end in `suffix`.
fn generates_only_changed(kind: &Kind, tree: &Path, objtree: &Path, suffix: &str) -> Outcome {
    let parts = walkdir::WalkDir::new(objtree.join("fs")).into_iter();
    let parts = parts
        .filter_map(Result::ok)
        .filter(|file| file.file_name().to_string_lossy().ends_with(".native.o"))
        .count();
    expect(parts > 10, || {
        "the parts of modules have no native code of their own".into()
    })?;
    let generated = || -> Result<Vec<String>, Failure> {
        let lines = build_for(kind.arch, tree, objtree, None)?;
        let objects = made(&lines, "THINLTO").into_iter();
        Ok(objects
            .filter(|object| object.ends_with("native.o"))
            .map(str::to_owned)
            .collect())
    };
    let again = generated()?;
    expect(again.is_empty(), || {
        format!("made again, without a change: {again:?}")
    })?;
    files::touch(&tree.join(LEAF))?;
    let touched = generated()?;
    let expected = Path::new(LEAF).with_extension(suffix).display().to_string();
    expect(touched.contains(&expected) && touched.len() <= 3, || {
        format!("{LEAF} touched: code was generated of {touched:?}")
    })
}

/// With lto-link in the tree, the link drops unreferenced definitions, also in modules.
pub fn drops_adopted(workdir: &Path, kind: &Kind) -> Outcome {
    let objtree = objtree_that_drops(workdir, kind, "dropping");
    let tree = drops(workdir, kind, kind, &objtree)?;
    installer::uninstall(&tree, OnChange::Refuse)?;
    Ok(())
}

/// With lto-link in the tree, distributed thin LTO drops unreferenced definitions, also in modules, and generates code
/// only for changed objects. 6.1 and 6.12 have no distributed mode without lto-link.
pub fn drops_distributed(workdir: &Path, kind: &Kind) -> Outcome {
    let distributed = kind.with(Lto::ThinDist);
    let objtree = objtree_that_drops(workdir, kind, "distributed-dropping");
    let tree = drops(workdir, kind, &distributed, &objtree)?;
    generates_only_changed(&distributed, &tree, &objtree, "native.o")?;
    boots(kind.arch, &objtree)?;
    installer::uninstall(&tree, OnChange::Refuse)?;
    Ok(())
}

/// With lto-link in the tree, full LTO drops unreferenced definitions, also in modules, and the kernel has no other
/// faults than the untouched one with thin LTO.
pub fn drops_with_full_lto(workdir: &Path, kind: &Kind) -> Outcome {
    let full = kind.with(Lto::Full);
    let objtree = objtree_that_drops(workdir, kind, "full-dropping");
    let tree = with_plugin(workdir, kind.version, "lto-link")?;
    full.make_in(&objtree, &tree, &[Setting::on("LTO_CLANG_INTERNALIZE")])?;
    real_faults_only(&full, &objtree)?;
    dropped_in_all(&objtree)?;
    installer::uninstall(&tree, OnChange::Refuse)?;
    Ok(())
}

fn objtree_that_drops(workdir: &Path, kind: &Kind, name: &str) -> PathBuf {
    let name = format!("native/{}-{}-{name}", kind.version, kind.arch.name());
    workdir.join(name)
}

/// Builds `dropping` in `objtree` with lto-link and `LTO_CLANG_INTERNALIZE`, and checks that definitions are dropped. Uses
/// a copy of the kernel `keeping` that drops nothing, which has the same bitcode. Returns the tree.
fn drops(
    workdir: &Path,
    keeping: &Kind,
    dropping: &Kind,
    objtree: &Path,
) -> Result<PathBuf, Failure> {
    let keeping = keeping.built(workdir)?;
    copy_objtree(&keeping, objtree)?;
    let tree = with_plugin(workdir, dropping.version, "lto-link")?;
    dropping.make_in(objtree, &tree, &[Setting::on("LTO_CLANG_INTERNALIZE")])?;
    real_faults_only(dropping, objtree)?;
    let size = |objtree: &Path| object_size(objtree)?.context("no vmlinux.o");
    let (drops, keeps) = (size(objtree)?, size(&keeping)?);
    expect(drops < keeps, || {
        format!("text and data of vmlinux.o: {drops} bytes, {keeps} where nothing is dropped")
    })?;
    dropped_in_all(objtree)?;
    Ok(tree)
}

/// Checks that definitions of vmlinux and of a module were dropped, and that each link left its list.
fn dropped_in_all(objtree: &Path) -> Outcome {
    let dropped = |output: &str| {
        let path = objtree.join(output).with_extension("lto-dropped");
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    for output in ["vmlinux", "fs/ext4/ext4"] {
        expect(!dropped(output)?.is_empty(), || {
            format!("nothing was dropped of {output}")
        })?;
    }
    // Everything in a module of one object is needed.
    dropped("drivers/net/dummy")?;
    Ok(())
}

/// An export that no module of the tree uses, and the sources of a module that does.
const LISTED: &str = "int_pow";
const USER: [(&str, &str); 2] = [
    ("Makefile", "obj-m := later.o\n"),
    (
        "later.c",
        "#include <linux/math.h>\n#include <linux/module.h>\n\
         static int __init later_init(void)\n{\n\treturn int_pow(2, 10) == 1024 ? 0 : -EINVAL;\n}\n\
         module_init(later_init);\nMODULE_LICENSE(\"GPL\");\n",
    ),
];

/// With lto-link in the tree, exports that no module uses are dropped, although modpost trims them after the link. A
/// module that is built later can use an export of the list.
pub fn x86_64_7_3_trims(workdir: &Path) -> Outcome {
    let kind = &X86_7_3;
    let objtree = std::path::absolute(objtree_that_drops(workdir, kind, "trimmed"))
        .context("the object tree")?;
    let tree = with_plugin(workdir, kind.version, "lto-link")?;
    let list = workdir.join("native/used-exports");
    files::write(&list, format!("{LISTED}\n"))?;
    let list = std::path::absolute(&list).context("the list")?;
    let list = format!("UNUSED_KSYMS_WHITELIST={}", list.display());
    let set = [
        Setting::on("LTO_CLANG_INTERNALIZE"),
        Setting::on("TRIM_UNUSED_KSYMS"),
        list.parse()?,
    ];
    kind.make_in(&objtree, &tree, &set)?;
    real_faults_only(kind, &objtree)?;

    let read = |name: &str| {
        let path = objtree.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let symvers = read("Module.symvers")?;
    let exported: BTreeSet<&str> = symvers
        .lines()
        .filter_map(|line| line.split('\t').nth(1))
        .collect();
    expect(exported.contains(LISTED), || {
        format!("{LISTED} is not exported")
    })?;
    let roots = read("vmlinux.lto-roots")?;
    let roots = roots
        .lines()
        .filter_map(|line| line.split_once("\texported\t"));
    let unused: Vec<&str> = roots
        .map(|(name, _)| name)
        .filter(|name| !exported.contains(name))
        .collect();
    expect(unused.is_empty(), || {
        format!("kept as exports, and not exported: {}", unused.join(" "))
    })?;
    let size = |objtree: &Path| object_size(objtree)?.context("no vmlinux.o");
    let (drops, keeps) = (size(&objtree)?, size(&kind.built(workdir)?)?);
    expect(drops < keeps - keeps / 20, || {
        format!("text and data of vmlinux.o: {drops} bytes, {keeps} where nothing is dropped")
    })?;

    let folder = objtree.join("later");
    files::remove_dir(&folder)?;
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (name, text) in USER {
        files::write(&folder.join(name), text)?;
    }
    let mut make = make(&tree, kind.arch, &objtree, &llvm::bin_dir()?)?;
    make.arg(format!("M={}", folder.display()));
    process::output(make.arg("modules"))?;
    // A boot loads the modules of this list.
    let order = read("modules.order")? + "later/later.o\n";
    files::write(&objtree.join("modules.order"), order)?;
    boots(kind.arch, &objtree)?;
    installer::uninstall(&tree, OnChange::Refuse)?;
    Ok(())
}
