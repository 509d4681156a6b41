// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! After the build: is what should be bitcode bitcode, and the rest not?

use std::fs;
use std::path::Path;

use crate::Matcher;

/// How an object came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// By the compiler, from C.
    FromC,
    /// By the assembler, by objcopy, by the linker, or nobody knows.
    Otherwise,
}

/// An object that was linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltObject {
    /// Relative to the object tree.
    pub path: String,
    /// Whether it is bitcode.
    pub is_bitcode: bool,
    /// How it came to be.
    pub made: Made,
}

impl BuiltObject {
    /// The object at `path` in the object tree `root`; how it came to be is read from the `.cmd`
    /// file beside it.
    pub fn new(path: &Path, is_bitcode: bool, root: &Path) -> Self {
        let file_name = path.file_name().unwrap_or_default().display().to_string();
        let cmd_file = root.join(path).with_file_name(format!(".{file_name}.cmd"));
        // Without one, nobody knows.
        let made = fs::read_to_string(cmd_file).map_or(Made::Otherwise, |text| made_from(&text));
        Self {
            path: path.display().to_string(),
            is_bitcode,
            made,
        }
    }
}

/// How an object came to be, from the text of the `.cmd` file that kbuild leaves beside it
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

/// What was built, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects of bitcode.
    pub n_bitcode: usize,
    /// Native objects that are so for a reason: disabled, or not made from C.
    pub n_native: usize,
}

/// An object of the wrong kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// LTO was off without a word.
    #[error(
        "{0}: expected bitcode, found native code, made from C and not on the list of disabled objects"
    )]
    NotBitcode(String),
    /// What follows will not do what it is meant to.
    #[error(
        "{0}: expected native code, because the list of disabled objects names it, found bitcode"
    )]
    Bitcode(String),
    /// LTO was not done at all.
    #[error("none of the {0} objects is bitcode")]
    NoBitcode(usize),
}

/// Holds the linked `objects` against the list.
pub fn check(objects: &[BuiltObject], disabled: &Matcher) -> (Report, Vec<Fault>) {
    let mut report = Report::default();
    let mut faults = Vec::new();
    for BuiltObject {
        path,
        is_bitcode,
        made,
    } in objects
    {
        let is_disabled = disabled.is_disabled(path);
        if *is_bitcode {
            report.n_bitcode += 1;
            if is_disabled {
                faults.push(Fault::Bitcode(path.clone()));
            }
        } else if *made == Made::FromC && !is_disabled {
            faults.push(Fault::NotBitcode(path.clone()));
        } else {
            report.n_native += 1;
        }
    }
    if report.n_bitcode == 0 {
        faults.insert(0, Fault::NoBitcode(objects.len()));
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
        let (report, faults) = check(&objects, &matcher());
        assert_eq!(faults, []);
        assert_eq!(
            report,
            Report {
                n_bitcode: 1,
                n_native: 3
            }
        );
    }

    #[test]
    fn each_object_of_the_wrong_kind_is_named() {
        let objects = [
            object("init/main.o", true, Made::FromC),
            object("net/core/dev.o", false, Made::FromC),
            object("kernel/configs.o", true, Made::FromC),
        ];
        let (_, faults) = check(&objects, &matcher());
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
        assert_eq!(check(&objects, &matcher()).1, [Fault::NoBitcode(1)]);
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
}
