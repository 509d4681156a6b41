// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Checks after a build that the right objects are bitcode and the others are not.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use kernel_facts::command_file;

use crate::Matcher;

/// The origin of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The compiler made it from C.
    FromC,
    /// The assembler, objcopy or the linker made it, or its origin is unknown.
    Otherwise,
}

/// The kind of object that its command asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Bitcode: the command has `-flto`.
    Bitcode,
    /// Bitcode that the same command linked to native code. Later kernels do so with a module of one
    /// object (`cmd_ld_single_m` in `scripts/Makefile.build` of Linux 6.12).
    BitcodeThenCode,
    /// Native code from bitcode and its index, as in distributed thin LTO (`scripts/Makefile.thinlto`
    /// of Linux 7.2).
    CodeOfBitcode,
    /// Native code, or unknown.
    Code,
}

/// A linked object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltObject {
    /// Its path, relative to the object tree.
    pub path: String,
    /// Whether it is bitcode.
    pub is_bitcode: bool,
    /// Its origin.
    pub made: Made,
    /// The kind that its command asked for.
    pub asked: Asked,
}

impl BuiltObject {
    /// Reads the object at `path` in the object tree `root`; its origin is read from the `.cmd` file
    /// beside it.
    pub fn new(path: &Path, is_bitcode: bool, root: &Path) -> Self {
        let cmd_file = command_file(&root.join(path));
        // Without this file, the origin is unknown.
        let text = start_of_cmd_file(&cmd_file).unwrap_or_default();
        let mut asked = asked(&text);
        if asked != Asked::Code && !is_bitcode && was_compiled_again(&cmd_file) {
            asked = Asked::Code;
        }
        Self {
            path: path.display().to_string(),
            is_bitcode,
            made: made_from(&text),
            asked,
        }
    }
}

/// Returns the lines of a `.cmd` file before the much longer list of dependencies.
fn start_of_cmd_file(path: &Path) -> Option<String> {
    const CHUNK: u64 = 8 << 10;
    let mut file = fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    loop {
        let n_read = file.by_ref().take(CHUNK).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        if n_read == 0 {
            return Some(text.into_owned());
        }
        if let Some((start, _)) = text.split_once("\ndeps_") {
            return Some(start.to_owned());
        }
    }
}

/// Returns whether the object was compiled again, as native code, because its assembly includes files
/// that lld's cache does not know (`lto-made-native` in `kconfig/lto-link/Makefile.build`).
fn was_compiled_again(cmd_file: &Path) -> bool {
    let text = fs::read_to_string(cmd_file).unwrap_or_default();
    text.lines().any(|line| line.starts_with("lto_native_"))
}

/// Returns the origin of an object, from the text of the `.cmd` file that kbuild leaves beside it
/// (`scripts/basic/fixdep.c` names the source in a line `source_<object> := <path>`).
pub fn made_from(cmd_file: &str) -> Made {
    let source = cmd_file
        .lines()
        .find_map(|line| line.strip_prefix("source_"));
    let source = source
        .and_then(|line| line.split_once(":="))
        .map(|(_, path)| path.trim());
    match source {
        Some(path) if Path::new(path).extension().is_some_and(|e| e == "c") => Made::FromC,
        _ => Made::Otherwise,
    }
}

/// Returns the kind that the command in a `.cmd` file asked for. The command is in a line `cmd_<object> := <command>` or,
/// since Linux 6.3, `savedcmd_<object> := <command>`.
pub fn asked(cmd_file: &str) -> Asked {
    let command = cmd_file
        .lines()
        .find(|line| line.starts_with("cmd_") || line.starts_with("savedcmd_"));
    let mut asked = Asked::Code;
    for word in command.unwrap_or_default().split_ascii_whitespace() {
        asked = match word {
            "-fno-lto" if asked == Asked::Bitcode => Asked::Code,
            "-r" if asked == Asked::Bitcode => Asked::BitcodeThenCode,
            // The link command, saved after the compile command.
            _ if asked == Asked::BitcodeThenCode => asked,
            word if word.starts_with("-fthinlto-index=") => return Asked::CodeOfBitcode,
            word if word == "-flto" || word.starts_with("-flto=") => Asked::Bitcode,
            _ => asked,
        };
    }
    asked
}

/// The numbers of objects of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Bitcode objects.
    pub n_bitcode: usize,
    /// Objects that are native for a reason: they are disabled, or not made from C.
    pub n_native: usize,
    /// Native objects made from a bitcode object, with an index or by a separate link.
    pub n_of_bitcode: usize,
    /// Native objects made from C that the kernel's build compiles without LTO.
    pub n_disabled: usize,
    /// The part of these that no list names: their Makefile removed the flags.
    pub n_by_makefile: usize,
}

/// An object of the wrong kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// LTO was silently off.
    #[error(
        "{0}: expected bitcode, found native code, made from C and not on the list of disabled objects"
    )]
    NotBitcode(String),
    /// LTO was silently off, although the command has its flag.
    #[error("{0}: expected bitcode, for its command has -flto, found native code")]
    NotAsAsked(String),
    /// A disabled object is bitcode, so later steps will not work as intended.
    #[error(
        "{0}: expected native code, because the list of disabled objects names it, found bitcode"
    )]
    Bitcode(String),
    /// No object is bitcode.
    #[error("none of the {0} objects is bitcode")]
    NoBitcode(usize),
}

/// Whether Makefiles may keep objects out of LTO that the list does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// They may, with `-fno-lto` or by removing the flags, as the command of the object shows.
    ByCommand,
    /// The list is complete.
    Refused,
}

/// Compares the linked `objects` with the list.
pub fn check(
    objects: &[BuiltObject],
    disabled: &Matcher,
    unlisted: Unlisted,
    link_of: LinkOf,
) -> (Report, Vec<Fault>) {
    let mut report = Report::default();
    let mut faults = Vec::new();
    for object in objects {
        let path = &object.path;
        let is_disabled = disabled.is_disabled(path);
        if object.is_bitcode {
            report.n_bitcode += 1;
            if is_disabled {
                faults.push(Fault::Bitcode(path.clone()));
            }
        } else if object.made == Made::FromC && !is_disabled {
            match (unlisted, object.asked) {
                (Unlisted::ByCommand, Asked::Code) => {
                    report.n_native += 1;
                    report.n_disabled += 1;
                    report.n_by_makefile += 1;
                }
                (Unlisted::ByCommand, _) => faults.push(Fault::NotAsAsked(path.clone())),
                (Unlisted::Refused, _) => faults.push(Fault::NotBitcode(path.clone())),
            }
        } else {
            report.n_native += 1;
            report.n_disabled += usize::from(object.made == Made::FromC);
        }
    }
    with_any_bitcode(report, faults, objects.len(), link_of)
}

/// The output of a link, which decides the possible kinds of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOf {
    /// vmlinux.o. If the command of an object makes native code of its bitcode, LTO is lost: Linux 6.13 did
    /// this with every object of arm64.
    Vmlinux,
    /// A module of several objects.
    Module,
    /// A module of one object, whose own command may make native code of its bitcode.
    ModuleOfOne,
}

/// Compares the linked `objects` with the commands that made them, for a kernel without a list.
pub fn check_commands(objects: &[BuiltObject], link_of: LinkOf) -> (Report, Vec<Fault>) {
    let mut report = Report::default();
    let mut faults = Vec::new();
    for object in objects {
        match object.asked {
            _ if object.is_bitcode => report.n_bitcode += 1,
            Asked::CodeOfBitcode => report.n_of_bitcode += 1,
            Asked::BitcodeThenCode if link_of == LinkOf::ModuleOfOne => report.n_of_bitcode += 1,
            Asked::Bitcode | Asked::BitcodeThenCode => {
                faults.push(Fault::NotAsAsked(object.path.clone()));
            }
            Asked::Code => {
                report.n_native += 1;
                report.n_disabled += usize::from(object.made == Made::FromC);
            }
        }
    }
    with_any_bitcode(report, faults, objects.len(), link_of)
}

/// Adds a fault if no input of vmlinux is bitcode. A module may consist of assembly only, or be compiled
/// without LTO.
fn with_any_bitcode(
    report: Report,
    mut faults: Vec<Fault>,
    n_objects: usize,
    link_of: LinkOf,
) -> (Report, Vec<Fault>) {
    if link_of == LinkOf::Vmlinux && report.n_bitcode + report.n_of_bitcode == 0 {
        faults.insert(0, Fault::NoBitcode(n_objects));
    }
    (report, faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_fragment;

    fn object(path: &str, is_bitcode: bool, made: Made) -> BuiltObject {
        BuiltObject {
            path: path.into(),
            is_bitcode,
            made,
            asked: Asked::Code,
        }
    }

    fn matcher() -> Matcher {
        parse_fragment(
            "lto-disabled-objs :=\n# why\nlto-disabled-objs += kernel/configs.o\nlto-disabled-objs += arch/arm64/kernel/vdso/%\n",
        )
    }

    #[test]
    fn what_was_built_as_listed_is_counted() {
        let objects = [
            object("init/main.o", true, Made::FromC),
            object("kernel/configs.o", false, Made::FromC),
            object("arch/arm64/kernel/head.o", false, Made::Otherwise),
            object("arch/arm64/lib/../kernel/vdso/note.o", false, Made::FromC),
        ];
        let (report, faults) = check(&objects, &matcher(), Unlisted::Refused, LinkOf::Vmlinux);
        assert_eq!(faults, []);
        assert_eq!(
            report,
            Report {
                n_bitcode: 1,
                n_native: 3,
                n_of_bitcode: 0,
                n_disabled: 2,
                n_by_makefile: 0,
            }
        );
    }

    #[test]
    fn a_makefile_may_decide_what_the_list_does_not() {
        let objects = [
            object("init/main.o", true, Made::FromC),
            object("kernel/configs.o", false, Made::FromC),
            by_command("a.o", false, "clang -O2 -c -o a.o a.c"),
            by_command("b.o", false, "clang -flto=thin -fno-lto -c -o b.o b.c"),
            by_command("c.o", false, LTO),
        ];
        let (report, faults) = check(&objects, &matcher(), Unlisted::ByCommand, LinkOf::Vmlinux);
        assert_eq!(faults, [Fault::NotAsAsked("c.o".into())]);
        assert_eq!((report.n_disabled, report.n_by_makefile), (3, 2));
        let (_, faults) = check(&objects, &matcher(), Unlisted::Refused, LinkOf::Vmlinux);
        assert_eq!(
            faults,
            ["a.o", "b.o", "c.o"].map(|path| Fault::NotBitcode(path.into()))
        );
    }

    #[test]
    fn each_object_of_the_wrong_kind_is_named() {
        let objects = [
            object("init/main.o", true, Made::FromC),
            object("net/core/dev.o", false, Made::FromC),
            object("kernel/configs.o", true, Made::FromC),
        ];
        let (_, faults) = check(&objects, &matcher(), Unlisted::Refused, LinkOf::Vmlinux);
        assert_eq!(
            faults,
            [
                Fault::NotBitcode("net/core/dev.o".into()),
                Fault::Bitcode("kernel/configs.o".into())
            ]
        );
    }

    #[test]
    fn no_lto_at_all_is_a_fault_of_its_own() {
        let objects = [object("a.o", false, Made::Otherwise)];
        let (_, faults) = check(&objects, &matcher(), Unlisted::Refused, LinkOf::Vmlinux);
        assert_eq!(faults, [Fault::NoBitcode(1)]);
        let (_, faults) = check(&objects, &matcher(), Unlisted::Refused, LinkOf::ModuleOfOne);
        assert_eq!(faults, [], "kernel/kheaders.ko is one listed object");
    }

    #[test]
    fn the_cmd_file_tells_what_an_object_was_made_from() {
        let from_c = "cmd_a/b.o := clang -c\n\nsource_a/b.o := /src/a/b.c\n";
        assert_eq!(made_from(from_c), Made::FromC);
        assert_eq!(made_from("source_a/b.o := /src/a/b.S\n"), Made::Otherwise);
        assert_eq!(
            made_from("cmd_a/b.o := llvm-objcopy c.o\n"),
            Made::Otherwise
        );
    }

    fn by_command(path: &str, is_bitcode: bool, command: &str) -> BuiltObject {
        let text = format!("savedcmd_{path} := {command}\n\nsource_{path} := x.c\n");
        BuiltObject {
            asked: asked(&text),
            ..object(path, is_bitcode, made_from(&text))
        }
    }

    const LTO: &str = "clang -flto=thin -fvisibility=hidden -c -o a.o a.c";
    const LINKED: &str =
        "clang -flto=thin -c -o a.o a.c ; ld.lld -m elf_x86_64 -r -o .tmp_a.o a.o; mv .tmp_a.o a.o";
    const INDEXED: &str = "clang -O2 -x ir -fno-lto -fthinlto-index=a.o.thinlto.bc -c -o b.o a.o";

    #[test]
    fn the_command_says_what_an_object_should_be() {
        for (command, expected) in [
            (LTO, Asked::Bitcode),
            ("clang -flto -c -o a.o a.c", Asked::Bitcode),
            ("clang -flto=thin -fno-lto -c -o a.o a.c", Asked::Code),
            ("clang -O2 -c -o a.o a.c", Asked::Code),
            (LINKED, Asked::BitcodeThenCode),
            (INDEXED, Asked::CodeOfBitcode),
        ] {
            assert_eq!(asked(&format!("cmd_a.o := {command}\n")), expected);
            assert_eq!(asked(&format!("savedcmd_a.o := {command}\n")), expected);
        }
        assert_eq!(asked(""), Asked::Code);
        assert_eq!(asked("deps_a.o := -flto\n"), Asked::Code);
    }

    #[test]
    fn without_a_list_the_commands_tell() {
        let objects = [
            by_command("a.o", true, LTO),
            by_command("b.thinlto-native.o", false, INDEXED),
            by_command("vdso.o", false, "clang -O2 -c"),
            object("head.o", false, Made::Otherwise),
        ];
        let (report, faults) = check_commands(&objects, LinkOf::Vmlinux);
        assert_eq!(faults, []);
        let expected = Report {
            n_bitcode: 1,
            n_native: 2,
            n_of_bitcode: 1,
            n_disabled: 1,
            n_by_makefile: 0,
        };
        assert_eq!(report, expected);
    }

    #[test]
    fn native_code_where_the_command_asked_for_bitcode_is_a_fault() {
        let lost = [
            by_command("a.o", true, LTO),
            by_command("b.o", false, LTO),
            // Every object of arm64 in Linux 6.13 was like this.
            by_command("c.o", false, LINKED),
        ];
        let not_as_asked = |path: &str| Fault::NotAsAsked(path.into());
        let (_, faults) = check_commands(&lost, LinkOf::Module);
        assert_eq!(faults, [not_as_asked("b.o"), not_as_asked("c.o")]);
        let (_, faults) = check_commands(&lost, LinkOf::ModuleOfOne);
        assert_eq!(faults, [not_as_asked("b.o")]);
        let all = [by_command("c.o", false, LINKED)];
        let (_, faults) = check_commands(&all, LinkOf::Vmlinux);
        assert_eq!(faults, [Fault::NoBitcode(1), not_as_asked("c.o")]);
    }

    #[test]
    fn an_object_that_was_compiled_again_is_native_by_its_command() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let start = format!("cmd_a.o := {LTO}\n\nsource_a.o := a.c\n\ndeps_a.o := a.h\n");
        let path = dir.path().join(".a.o.cmd");
        let asked = || BuiltObject::new(Path::new("a.o"), false, dir.path()).asked;
        fs::write(&path, &start).expect("written");
        assert_eq!(asked(), Asked::Bitcode);
        fs::write(&path, format!("{start}lto_native_a.o := y\n")).expect("written");
        assert_eq!(asked(), Asked::Code);
    }

    #[test]
    fn dependencies_are_not_read() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(".a.o.cmd");
        let start = "cmd_a.o := clang\n\nsource_a.o := a.c\n";
        fs::write(
            &path,
            format!("{start}\ndeps_a.o := {}", "b.h ".repeat(9999)),
        )
        .unwrap();
        assert_eq!(start_of_cmd_file(&path).as_deref(), Some(start));
        fs::write(&path, start.repeat(999)).unwrap();
        assert_eq!(start_of_cmd_file(&path), Some(start.repeat(999)));
        assert_eq!(start_of_cmd_file(&dir.path().join("none")), None);
    }
}
