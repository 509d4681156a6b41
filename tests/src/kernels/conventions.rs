// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks that usual work with kernels and modules gives the same results as without LTO.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::config::Lto;
use kernel_lab::{Failure, Outcome, files, llvm, make, process};
use xshell::cmd;

use super::rebuild::listing;
use super::{ARCH, built, ended, expect, kernel_tree};

/// The modes of the object trees that earlier tests have built.
const MODES: [Lto; 2] = [Lto::Thin, Lto::ThinDist];

/// A folder of external modules, which is built for the kernel.
pub(super) struct Folder {
    path: PathBuf,
    tree: PathBuf,
    objtree: PathBuf,
}

impl Folder {
    /// Makes a folder with these files, for the kernel that was built in this mode.
    fn new(workdir: &Path, lto: Lto, sources: &[(&str, &str)]) -> Result<Self, Failure> {
        Self::of_kernel(workdir, built(workdir, lto)?, sources)
    }

    /// Makes a folder with these files, for the kernel in an object tree.
    pub(super) fn of_kernel(
        workdir: &Path,
        objtree: PathBuf,
        sources: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let path = workdir.join("folder");
        files::remove_dir(&path)?;
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        let folder = Self {
            path,
            tree: kernel_tree(workdir)?,
            objtree,
        };
        for (name, text) in sources {
            folder.write(name, text)?;
        }
        Ok(folder)
    }

    /// Returns the path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path.join(name);
        let parent = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    pub(super) fn read(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.path.join(name);
        fs::read(&path).with_context(|| path.display().to_string())
    }

    /// Calls make for the folder; returns whether it succeeded, and its output.
    fn make(&self, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
        let mut make = make(&self.tree, ARCH, &self.objtree, &llvm::bin_dir()?)?;
        make.arg(format!("M={}", self.path.display()));
        ended(make.args(arguments))
    }

    /// Calls make, which must succeed.
    pub(super) fn made(&self, arguments: &[&str]) -> Outcome {
        let (is_good, said) = self.make(arguments)?;
        expect(is_good, || {
            let objtree = self.objtree.display();
            format!("{objtree}: make M= {}:\n{said}", arguments.join(" "))
        })
    }

    /// Returns whether a file is native code, bitcode, empty, missing, or something else.
    fn kind(&self, name: &str) -> &'static str {
        match self.read(name) {
            Ok(bytes) if bytes.starts_with(b"\x7fELF") => "native",
            Ok(bytes) if bytes.starts_with(b"BC") => "bitcode",
            Ok(bytes) if bytes.is_empty() => "empty",
            Ok(_) => "other",
            Err(_) => "missing",
        }
    }

    /// Returns all files in the folder.
    pub(super) fn files(&self) -> anyhow::Result<BTreeSet<PathBuf>> {
        listing(&self.path)
    }
}

/// A module of one source.
const ONE: &str = "#include <linux/module.h>\n\
     static int __init one_init(void)\n{\n\treturn 0;\n}\nmodule_init(one_init);\nMODULE_LICENSE(\"GPL\");\n";

/// The two sources of a module.
const FIRST: &str = "#include <linux/module.h>\n#ifndef NAME\n#define NAME \"none\"\n#endif\nint second(int x);\n\
     static int __init first_init(void)\n{\n\tpr_info(\"%d %s\\n\", second(3), NAME);\n\treturn 0;\n}\n\
     module_init(first_init);\nMODULE_LICENSE(\"GPL\");\n";
const SECOND: &str = "#ifndef FACTOR\n#define FACTOR 7\n#endif\n\
     int second(int x);\nint second(int x)\n{\n\treturn x * FACTOR;\n}\n";

/// The ways in which Makefiles keep objects out of LTO.
const KEPT_NATIVE: [&str; 5] = [
    "ccflags-y += -fno-lto",
    "CFLAGS_b.o := -fno-lto",
    "CFLAGS_REMOVE_b.o := $(CC_FLAGS_LTO)",
    "ccflags-remove-y += $(CC_FLAGS_LTO)",
    "KBUILD_CFLAGS := $(filter-out $(CC_FLAGS_LTO), $(KBUILD_CFLAGS))",
];

pub fn kept_native(workdir: &Path) -> Outcome {
    for lto in MODES {
        let folder = Folder::new(workdir, lto, &[])?;
        let mut subfolders = String::new();
        for (number, line) in KEPT_NATIVE.iter().enumerate() {
            let makefile = format!("obj-m := pair{number}.o\npair{number}-y := a.o b.o\n{line}\n");
            folder.write(&format!("{number}/Makefile"), &makefile)?;
            folder.write(&format!("{number}/a.c"), FIRST)?;
            folder.write(&format!("{number}/b.c"), SECOND)?;
            // Writing to a string does not fail.
            let _ = write!(subfolders, " {number}/");
        }
        folder.write("Makefile", &format!("obj-m :={subfolders}\n"))?;
        folder.made(&["modules"])?;
        for (number, line) in KEPT_NATIVE.iter().enumerate() {
            let files = [format!("{number}/b.o"), format!("{number}/pair{number}.ko")];
            let seen = files.each_ref().map(|file| folder.kind(file));
            expect(seen == ["native"; 2], || {
                format!("{}: `{line}`: {files:?} are {seen:?}", lto.name())
            })?;
        }
    }
    Ok(())
}

/// A module with a file that its assembly includes.
const TAKES_IN: &str = "#include <linux/module.h>\n\
     asm(\".section .rodata\\n.globl blob\\nblob: .incbin \\\"\" BLOB \"\\\"\\n.previous\");\n\
     extern const char blob[];\n\
     static int __init blob_init(void)\n{\n\tpr_info(\"%c\\n\", blob[0]);\n\treturn 0;\n}\n\
     module_init(blob_init);\nMODULE_LICENSE(\"GPL\");\n";

/// The two forms of the module: alone, and as a part of a larger one.
const MADE_OF_IT: [&str; 2] = ["obj-m := foo.o\n", "obj-m := both.o\nboth-y := foo.o b.o\n"];

pub fn included_file(workdir: &Path) -> Outcome {
    for lto in MODES {
        for made_of_it in MADE_OF_IT {
            let makefile = format!(
                "{made_of_it}CFLAGS_foo.o := -DBLOB=\\\"$(src)/blob\\\"\n$(obj)/foo.o: $(src)/blob\n"
            );
            let sources = [
                ("Makefile", &*makefile),
                ("foo.c", TAKES_IN),
                ("b.c", SECOND),
            ];
            let folder = Folder::new(workdir, lto, &sources)?;
            for content in ["FIRST CONTENT", "OTHER CONTENT"] {
                folder.write("blob", content)?;
                folder.made(&["modules"])?;
                let name = if made_of_it.contains("both") {
                    "both.ko"
                } else {
                    "foo.ko"
                };
                let module = folder.read(name)?;
                let mut windows = module.windows(content.len());
                let is_there = windows.any(|window| window == content.as_bytes());
                expect(is_there, || {
                    format!("{}: {name} has no {content}", lto.name())
                })?;
            }
        }
    }
    Ok(())
}

pub fn flags_with_words(workdir: &Path) -> Outcome {
    let makefile = "obj-m := pair.o\npair-y := a.o b.o\n\
         ccflags-y += -imacros $(src)/c.h \"-DNAME=\\\"a b\\\"\"\n";
    for lto in MODES {
        let sources = [
            ("Makefile", makefile),
            ("a.c", FIRST),
            ("b.c", SECOND),
            ("c.h", "#define FACTOR 9\n"),
        ];
        let folder = Folder::new(workdir, lto, &sources)?;
        folder.made(&["modules"])?;
        let module = folder.read("pair.ko")?;
        expect(module.windows(3).any(|window| window == b"a b"), || {
            format!("{}: pair.ko has no `a b`", lto.name())
        })?;
        for name in [".a.native.o.cmd", ".b.native.o.cmd"] {
            if folder.kind(name) == "missing" {
                continue;
            }
            let command = String::from_utf8_lossy(&folder.read(name)?).into_owned();
            let mut words = command.split_whitespace();
            let lost = words.any(|word| word == "-imacros")
                && words.next().is_none_or(|word| word.starts_with('-'));
            expect(!lost, || {
                format!("{name}: -imacros has lost its file: {command}")
            })?;
        }
    }
    Ok(())
}

pub fn conflicting_flags(workdir: &Path) -> Outcome {
    let makefile =
        "obj-m := pair.o\npair-y := a.o b.o\nCFLAGS_b.o := -mstack-protector-guard=global\n";
    for lto in MODES {
        let sources = [("Makefile", makefile), ("a.c", FIRST), ("b.c", SECOND)];
        let folder = Folder::new(workdir, lto, &sources)?;
        // In the second run, an unfinished file must not count as finished.
        for time in ["first", "second"] {
            let (is_good, said) = folder.make(&["modules"])?;
            let names_all = ["a.o", "b.o", "stack"]
                .iter()
                .all(|name| said.contains(name));
            expect(is_good || names_all, || {
                format!(
                    "{}, {time} time: make does not name objects and flag:\n{said}",
                    lto.name()
                )
            })?;
            expect(is_good == (folder.kind("pair.ko") == "native"), || {
                format!(
                    "{}, {time} time: {is_good}, and pair.ko is {}",
                    lto.name(),
                    folder.kind("pair.ko")
                )
            })?;
            let files = folder.files()?;
            let empty = files.iter().find(|path| {
                path.extension().is_some_and(|suffix| suffix == "o")
                    && path.metadata().is_ok_and(|file| file.len() == 0)
            });
            expect(empty.is_none(), || {
                format!("{}: {empty:?} is empty", lto.name())
            })?;
        }
    }
    Ok(())
}

/// A module of the tree that keeps one of its objects native, from a copy and in its place.
pub fn module_of_the_tree(workdir: &Path) -> Outcome {
    for lto in MODES {
        let folder = Folder::new(workdir, lto, &[("Makefile", "")])?;
        let in_place = folder.tree.join("drivers/misc/lkdtm");
        for entry in fs::read_dir(&in_place).with_context(|| in_place.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), folder.path.join(entry.file_name()))?;
            }
        }
        folder.made(&["CONFIG_LKDTM=m", "modules"])?;
        let folder = Folder {
            path: in_place,
            ..folder
        };
        folder.made(&["CONFIG_LKDTM=m", "modules"])?;
        folder.made(&["clean"])?;
    }
    Ok(())
}

pub fn single_targets(workdir: &Path) -> Outcome {
    for lto in MODES {
        let folder = Folder::new(
            workdir,
            lto,
            &[("Makefile", "obj-m := one.o\n"), ("one.c", ONE)],
        )?;
        folder.made(&["modules"])?;
        expect(folder.kind("one.o") == "native", || {
            format!("{}: one.o is {}", lto.name(), folder.kind("one.o"))
        })?;
        for target in ["one.s", "one.i", "one.o", "one.ko"] {
            let path = folder.path.join(target);
            if path.exists() {
                fs::remove_file(&path).with_context(|| path.display().to_string())?;
            }
            folder.made(&[target])?;
            expect(!matches!(folder.kind(target), "missing" | "empty"), || {
                format!("{}: make {target} made nothing", lto.name())
            })?;
        }
    }
    Ok(())
}

pub fn keep_going(workdir: &Path) -> Outcome {
    let broken = format!("{ONE}no C\n");
    for lto in MODES {
        let sources = [
            ("Makefile", "obj-m := p/ q/ r/\n"),
            ("p/Makefile", "obj-m := p.o\n"),
            ("p/p.c", ONE),
            ("q/Makefile", "obj-m := q.o\n"),
            ("q/q.c", &*broken),
            ("r/Makefile", "obj-m := r.o\n"),
            ("r/r.c", ONE),
        ];
        let folder = Folder::new(workdir, lto, &sources)?;
        let (is_good, said) = folder.make(&["-k", "modules"])?;
        let objects = ["p/p.o", "q/q.o", "r/r.o"];
        let seen = objects.map(|object| folder.kind(object));
        expect(!is_good && seen == ["native", "missing", "native"], || {
            format!(
                "{}: make -k: {is_good}, {objects:?} are {seen:?}:\n{said}",
                lto.name()
            )
        })?;
        folder.write("q/q.c", ONE)?;
        folder.made(&["modules"])?;
        let seen = ["p/p.ko", "q/q.ko", "r/r.ko"].map(|module| folder.kind(module));
        expect(seen == ["native"; 3], || {
            format!("{}: then {seen:?}", lto.name())
        })?;
    }
    Ok(())
}

/// Flags of the user reach the code, and `make clean` leaves the original files.
pub fn own_flags_and_clean(workdir: &Path) -> Outcome {
    let source = "#include <linux/module.h>\nint counter;\nEXPORT_SYMBOL(counter);\n\
         int add(int x);\nint add(int x)\n{\n\treturn __atomic_fetch_add(&counter, x, __ATOMIC_RELAXED);\n}\n\
         EXPORT_SYMBOL(add);\nMODULE_LICENSE(\"GPL\");\n";
    let makefile = "obj-m := d.o pair.o\npair-y := a.o b.o\n";
    for lto in MODES {
        let sources = [
            ("Makefile", makefile),
            ("d.c", source),
            ("a.c", FIRST),
            ("b.c", SECOND),
        ];
        let folder = Folder::new(workdir, lto, &sources)?;
        let before = folder.files()?;
        folder.made(&["KCFLAGS=-march=armv8.2-a+lse", "modules"])?;
        let objdump = llvm::bin_dir()?.join("llvm-objdump");
        let module = folder.path.join("d.ko");
        let sh = process::shell()?;
        let code = process::read(cmd!(sh, "{objdump} -d {module}"))?;
        expect(code.contains("ldadd"), || {
            format!(
                "{}: KCFLAGS=-march=armv8.2-a+lse does not reach the code",
                lto.name()
            )
        })?;
        folder.made(&["clean"])?;
        let left: Vec<_> = folder.files()?.difference(&before).cloned().collect();
        expect(left.is_empty(), || {
            format!("{}: make clean left {left:?}", lto.name())
        })?;
    }
    Ok(())
}

/// Another compiler than the kernel's is refused before it compiles anything.
pub fn another_compiler(workdir: &Path) -> Outcome {
    for lto in [Lto::Thin, Lto::ThinDist] {
        let folder = Folder::new(
            workdir,
            lto,
            &[("Makefile", "obj-m := one.o\n"), ("one.c", ONE)],
        )?;
        for arguments in [["CC=gcc", "modules"], ["LD=ld", "modules"]] {
            let (is_good, said) = folder.make(&arguments)?;
            let is_told = said.contains("built with LTO by") && said.contains("LLVM=1");
            expect(!is_good && is_told && !said.contains("  CC "), || {
                format!("{}: make M= {}:\n{said}", lto.name(), arguments.join(" "))
            })?;
        }
        folder.made(&["CC=gcc", "clean"])?;
    }
    Ok(())
}

/// `compile_commands.json` has the same files as without LTO.
pub fn compile_commands(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let listed = |lto| -> Result<BTreeSet<String>, Failure> {
        let objtree = built(workdir, lto)?;
        let database = objtree.join("compile_commands.json");
        let script = tree.join("scripts/clang-tools/gen_compile_commands.py");
        let sh = process::shell()?;
        process::read(cmd!(sh, "python3 {script} -d {objtree} -o {database}"))?;
        let text = fs::read(&database).with_context(|| database.display().to_string())?;
        let entries: Vec<serde_json::Value> = serde_json::from_slice(&text)?;
        let files = entries.iter().filter_map(|entry| entry["file"].as_str());
        // Names in the object tree are its own.
        let objtree = objtree.display().to_string();
        Ok(files.map(|file| file.replace(&objtree, "")).collect())
    };
    let expected = listed(Lto::None)?;
    expect(expected.len() > 500, || {
        format!("{} files without LTO", expected.len())
    })?;
    for lto in [Lto::Thin, Lto::ThinDist] {
        let seen = listed(lto)?;
        let missing: Vec<_> = expected.difference(&seen).collect();
        expect(missing.is_empty(), || {
            format!("{}: not listed: {missing:?}", lto.name())
        })?;
    }
    Ok(())
}
