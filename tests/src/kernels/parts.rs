// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Modules, and code of vmlinux, of several parts that are made in unusual ways: one comes as an object
//! (`blob.o_shipped`), one is joined by its own `$(LD) -r`, the source of one is generated.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::config::{self, Profile};
use kernel_lab::mode::WITH_LTO;
use kernel_lab::variant::Variant;
use kernel_lab::{Outcome, boot, build, files, llvm, process};
use object_model::Elf;
use test_support::ARM64;
use xshell::cmd;

use super::conventions::Folder;
use super::{ARCH, PROFILE, built_variant, expect, kernel_tree};

const MAKEFILE: &str = r"
shipped-y := shipped-main.o blob.o

joined-y := joined-main.o pair.o
quiet_cmd_join = JOIN    $@
      cmd_join = $(LD) $(ld_flags) -r -o $@ $(filter %.o,$^)
$(obj)/pair.o: $(obj)/one.o $(obj)/two.o FORCE
	$(call if_changed,join)
targets += pair.o one.o two.o

generated-y := generated-main.o table.o
quiet_cmd_table = TABLE   $@
      cmd_table = sed 's/FACTOR/7/' $< > $@
$(obj)/table.c: $(src)/table.in FORCE
	$(call if_changed,table)
targets += table.c
clean-files := table.c
";

/// The modules, the function that the other part of each defines, and its result for 3.
const MODULES: [(&str, &str, u32); 3] = [
    ("shipped", "blob_times", 15),
    ("joined", "pair_sum", 10),
    ("generated", "table_times", 21),
];

/// The other parts, except for the object.
const PARTS: [(&str, &str); 3] = [
    (
        "one.c",
        "int pair_one(int x);\nint pair_sum(int x);\nint pair_sum(int x)\n{\n\treturn pair_one(x) + 4;\n}\n",
    ),
    (
        "two.c",
        "int pair_one(int x);\nint pair_one(int x)\n{\n\treturn x * 2;\n}\n",
    ),
    (
        "table.in",
        "int table_times(int x);\nstatic int factor = FACTOR;\nint table_times(int x)\n{\n\treturn x * factor;\n}\n",
    ),
];

/// Returns the source of the main part of a module. It calls the other part, and exports a function, whose name
/// begins with `prefix`.
fn main_part(module: &str, function: &str, prefix: &str) -> String {
    let export = format!("{prefix}{module}_by");
    format!(
        "#include <linux/module.h>\nint {function}(int x);\nint {export}(int x);\n\
         int {export}(int x)\n{{\n\treturn {function}(x);\n}}\nEXPORT_SYMBOL({export});\n\
         static int __init {module}_init(void)\n{{\n\tpr_info(\"{module} says %d\\n\", {export}(3));\n\
         \treturn 0;\n}}\nmodule_init({module}_init);\nMODULE_LICENSE(\"GPL\");\n"
    )
}

/// Writes the sources of the modules into `folder`.
fn write_sources(folder: &Path, objects: &str, prefix: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    files::write(&folder.join("Makefile"), format!("{objects}\n{MAKEFILE}"))?;
    for (module, function, _) in MODULES {
        files::write(
            &folder.join(format!("{module}-main.c")),
            main_part(module, function, prefix),
        )?;
    }
    for (name, text) in PARTS {
        files::write(&folder.join(name), text)?;
    }
    let source = folder.join("blob.S.txt");
    files::write(
        &source,
        ".globl blob_times\n.type blob_times, @function\nblob_times: add w0, w0, w0, lsl #2\nret\n\
         .size blob_times, .-blob_times\n.section .note.GNU-stack,\"\",%progbits\n",
    )?;
    let clang = llvm::bin_dir()?.join("clang");
    let object = folder.join("blob.o_shipped");
    let sh = process::shell()?;
    process::read(cmd!(
        sh,
        "{clang} {ARM64} -c -x assembler {source} -o {object}"
    ))?;
    fs::remove_file(&source).with_context(|| source.display().to_string())
}

/// Checks that a module has the code of both parts, needs neither of them from elsewhere, and exports its
/// function with a CRC.
fn is_whole(module: &str, function: &str, bytes: &[u8]) -> Outcome {
    let elf = Elf::parse(bytes).with_context(|| module.to_owned())?;
    let undefined = |name: &str| {
        let mut symbols = elf.symbols().iter();
        symbols.any(|symbol| symbol.name == name && symbol.is_undefined())
    };
    expect(!undefined(function), || {
        format!("{module}: nothing defines {function}")
    })?;
    let has = |name: &str| elf.symbols().iter().any(|symbol| symbol.name == name);
    let export = format!("__crc_{module}_by");
    expect(has(&export), || format!("{module}: has no {export}"))?;
    expect(elf.section_by_name("__versions").is_some(), || {
        format!("{module}: has no CRCs of the kernel")
    })
}

/// As external modules, for kernels of every mode with symbol versions.
pub fn external(workdir: &Path) -> Outcome {
    for mode in WITH_LTO {
        let variant = Variant {
            drops: mode.drops,
            ..Variant::new(ARCH, PROFILE, mode.lto)
        };
        let objtree = built_variant(workdir, variant)?;
        let folder = Folder::of_kernel(workdir, objtree, &[])?;
        write_sources(folder.path(), "obj-m := shipped.o joined.o generated.o", "")?;
        let before = folder.files()?;
        // The second time, nothing is made.
        for _ in 0..2 {
            folder.made(&["modules"])?;
        }
        for (module, function, _) in MODULES {
            let bytes = folder.read(&format!("{module}.ko"))?;
            is_whole(module, function, &bytes)?;
        }
        folder.made(&["clean"])?;
        let left: Vec<_> = folder.files()?.difference(&before).cloned().collect();
        expect(left.is_empty(), || {
            format!("{mode}: make clean left {left:?}")
        })?;
    }
    Ok(())
}

/// In the tree, as modules and as a part of vmlinux, for kernels of every mode. Each says the right number when it
/// starts.
pub fn in_tree(workdir: &Path) -> Outcome {
    let tree = workdir.join("parts/linux");
    files::remove_dir(&workdir.join("parts"))?;
    fs::create_dir_all(&tree).with_context(|| tree.display().to_string())?;
    let content = kernel_tree(workdir)?.join(".");
    let sh = process::shell()?;
    process::read(cmd!(sh, "cp -a {content} {tree}"))?;
    let misc = tree.join("drivers/misc");
    write_sources(
        &misc.join("parts"),
        "obj-m := shipped.o joined.o generated.o",
        "",
    )?;
    let inside = MODULES.map(|(module, ..)| format!("{module}.o")).join(" ");
    write_sources(
        &misc.join("inside"),
        &format!("obj-y := {inside}"),
        "inside_",
    )?;
    let makefile = misc.join("Makefile");
    let text = files::read(&makefile)? + "\nobj-y += parts/ inside/\n";
    files::write(&makefile, text)?;
    let objtree = workdir.join("parts/build");
    for mode in WITH_LTO {
        config::configure(config::Options {
            tree: &tree,
            arch: ARCH,
            objtree: &objtree,
            profile: Profile::Tiny,
            lto: mode.lto,
            set: &mode.settings(&["MODVERSIONS=y"])?,
        })?;
        build::build(build::Options {
            tree: &tree,
            arch: ARCH,
            objtree: &objtree,
            jobs: None,
            target: build::ALL,
        })?;
        let report = boot::boot_built(ARCH, &objtree)?;
        report.outcome(&objtree)?;
        let log = files::read(&objtree.join("boot.log"))?;
        for (module, _, number) in MODULES {
            let line = format!("{module} says {number}");
            // Once in vmlinux, once as a module.
            let times = log.matches(&line).count();
            expect(times == 2, || {
                let mode = mode.to_string();
                format!(
                    "{mode}: `{line}` is {times} times in boot.log of {}",
                    objtree.display()
                )
            })?;
        }
    }
    Ok(())
}
