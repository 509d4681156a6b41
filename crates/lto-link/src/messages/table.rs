// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The table of explained messages.
//!
//! Sources: lld (`ELF/InputFiles.cpp`, `ELF/Relocations.cpp`, `ELF/LTO.cpp`), LLVM
//! (`IRLinker::linkModuleFlagsMetadata`, `BitcodeReader`, `MCAssembler`, `report_bad_alloc_error`), clang
//! (`runThinLTOBackend`), `scripts/mod/modpost.c` of Linux; what each version of LLVM from 14 to 22 printed.

use crate::check::definitions::NATIVE_FORMS;
use crate::messages::cause::{Cause, DuplicateKind, Origin, Work};
use crate::resolve::roots::is_library_function;

/// lld's name for all objects that full LTO has merged.
const MERGED: &str = "ld-temp.o";

/// The place of inline assembly in a message, behind the name of the object if there is one.
const INLINE_ASSEMBLY: &str = "<inline asm>";

/// A text that marks a message, and the function that reads the message.
type Row = (&'static str, fn(&Found<'_>) -> Option<Cause>);

/// Every explained message. A line is a message if it has the text and the function finds the rest.
const TABLE: [Row; 17] = [
    ("linking module flags '", flag_conflict),
    ("Error loading imported file ", missing_import),
    ("Never resolved function from blockaddress", block_address),
    (": invalid symbol index", symbol_index),
    ("LLVM ERROR: out of memory", refused_memory),
    ("std::bad_alloc", refused_memory),
    ("Cannot allocate memory", refused_memory),
    ("Killed", killed),
    ("Error 137", killed_in_make),
    (": relocation ", relocation_range),
    ("fixup value out of range", assembly_range),
    ("is too large for field of", assembly_range),
    ("undefined symbol: ", library_call),
    ("] undefined!", library_call_of_module),
    ("duplicate symbol: ", duplicate),
    ("' is already defined", assembly_label),
    (" is incompatible with ", other_machine),
];

/// A line with the mark of a row.
struct Found<'said> {
    /// The line before the mark.
    before: &'said str,
    /// The line after the mark.
    after: &'said str,
    /// The lines after that line.
    next: &'said str,
}

/// Returns the cause of each message in `said` that the table has, in the order of the messages.
pub(crate) fn causes(said: &str) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    let mut next = said;
    while let Some((line, rest)) = next.split_once('\n').or_else(|| {
        let is_last = !next.is_empty();
        is_last.then_some((next, ""))
    }) {
        next = rest;
        // The output of such a link is not used.
        if line.contains("warning: ") {
            continue;
        }
        for (mark, read) in TABLE {
            if let Some((before, after)) = line.split_once(mark)
                && let Some(cause) = read(&Found {
                    before,
                    after,
                    next,
                })
                && !causes.iter_mut().any(|known| known.absorb(&cause))
            {
                causes.push(cause);
            }
        }
    }
    causes
}

/// Returns the cause if the exit code of a shell or the signal says that a program was killed.
pub(crate) fn cause_of_status(signal: Option<i32>, code: Option<i32>) -> Option<Cause> {
    const SIGKILL: i32 = 9;
    // A shell adds 128 to the signal of its program.
    (signal == Some(SIGKILL) || code == Some(128 + SIGKILL)).then_some(Cause::OutOfMemory {
        is_killed: true,
        used_kib: None,
        work: Work::Unknown,
    })
}

impl<'said> Found<'said> {
    /// Returns the text between the tool's `error: ` and the mark.
    fn subject(&self) -> &'said str {
        let (_, subject) = self.before.rsplit_once("error: ").unwrap_or_default();
        subject
    }

    /// Returns lld's details, the lines that begin with `>>>`.
    fn details(&self) -> impl Iterator<Item = &'said str> {
        let lines = self.next.lines();
        lines.map_while(|line| Some(line.strip_prefix(">>>")?.trim()))
    }

    /// Returns the object before `<inline asm>`. clang names none.
    fn assembly_object(&self) -> Option<Origin> {
        let (before, _) = self.before.split_once(INLINE_ASSEMBLY)?;
        let object = before.rsplit("error: ").next()?.trim();
        Some(origin(object))
    }
}

fn origin(object: &str) -> Origin {
    match object {
        "" => Origin::Unnamed,
        MERGED => Origin::Merged,
        object => Origin::Named(object.to_owned()),
    }
}

/// Both forms: `F': IDs have conflicting values: 'V' from A, and 'W' from B` and, until LLVM 16 or later,
/// `F': IDs have conflicting values in 'A' and 'B'`.
fn flag_conflict(found: &Found) -> Option<Cause> {
    let (flag, rest) = found.after.split_once("': ")?;
    let objects = if let Some((one, other)) = rest.split_once(", and ") {
        [one.rsplit_once(" from ")?.1, other.rsplit_once(" from ")?.1]
    } else {
        let (one, other) = rest.split_once(" in '")?.1.split_once("' and '")?;
        [one, other.trim_end_matches('\'')]
    };
    Some(Cause::FlagConflict {
        flag: flag.to_owned(),
        objects: objects.map(origin),
    })
}

fn missing_import(found: &Found) -> Option<Cause> {
    let (object, _) = found.after.split_once(" :")?;
    Some(Cause::MissingImport {
        object: object.to_owned(),
    })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the functions of the table are of one type"
)]
fn block_address(found: &Found) -> Option<Cause> {
    let reader = found.after.split_once("Reader: '");
    let llvm = reader.and_then(|(_, reader)| {
        let digits = reader.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        digits.split('.').next()?.parse().ok()
    });
    Some(Cause::BlockAddress {
        object: Origin::Unnamed,
        llvm,
    })
}

fn symbol_index(found: &Found) -> Option<Cause> {
    let object = found.subject();
    (!object.is_empty()).then(|| Cause::SymbolIndex {
        object: object.to_owned(),
    })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the functions of the table are of one type"
)]
fn refused_memory(_: &Found) -> Option<Cause> {
    Some(Cause::OutOfMemory {
        is_killed: false,
        used_kib: None,
        work: Work::Unknown,
    })
}

/// `Killed` of a shell or of clang: alone, or behind a process number, or at the end of an error.
fn killed(found: &Found) -> Option<Cause> {
    let is_word = found.before.is_empty() || found.before.ends_with(' ');
    let is_end = found.after.is_empty() || found.after.starts_with("  ");
    (is_word && is_end).then(|| cause_of_status(None, Some(137)))?
}

/// make's line about a program that was killed.
fn killed_in_make(found: &Found) -> Option<Cause> {
    let is_of_make = found.before.contains("***") && found.after.is_empty();
    is_of_make.then(|| cause_of_status(None, Some(137)))?
}

fn relocation_range(found: &Found) -> Option<Cause> {
    let (relocation, rest) = found.after.split_once(" out of range")?;
    let target = rest.split_once("references ");
    let target = target.map_or("its target", |(_, target)| target.trim());
    Some(Cause::RelocationRange {
        place: found.subject().to_owned(),
        relocation: relocation.to_owned(),
        target: target.replace('\'', ""),
    })
}

fn assembly_range(found: &Found) -> Option<Cause> {
    Some(Cause::AssemblyRange {
        object: found.assembly_object()?,
        instruction: found.next.lines().next()?.trim().to_owned(),
    })
}

fn library_call(found: &Found) -> Option<Cause> {
    let function = found.after.trim();
    let callers = found.details().filter_map(object_of_place).take(1);
    is_added_by_code_generation(function).then(|| Cause::LibraryCall {
        functions: vec![function.to_owned()],
        callers: callers.map(str::to_owned).collect(),
        is_modpost: false,
    })
}

/// modpost's `ERROR: modpost: "F" [M.ko] undefined!`.
fn library_call_of_module(found: &Found) -> Option<Cause> {
    let (function, module) = found.before.split_once("\" [")?;
    let (_, function) = function.rsplit_once('"')?;
    is_added_by_code_generation(function).then(|| Cause::LibraryCall {
        functions: vec![function.to_owned()],
        callers: vec![module.to_owned()],
        is_modpost: true,
    })
}

/// Returns whether code generation adds references to the symbol: library functions, and the stack protector.
fn is_added_by_code_generation(name: &str) -> bool {
    is_library_function(name) || name.starts_with("__stack_chk_")
}

/// Returns the object of `a.o:(f)`, or of an archive's member, `a.o:(f) in archive b.a`.
fn object_of_place(place: &str) -> Option<&str> {
    let (object, _) = place.split_once(":(")?;
    Some(object)
}

/// lld writes `defined in a.o` for bitcode, and for native code with debug information
/// `defined at a.c:1 (…)`, then `a.o:(f)`.
fn duplicate(found: &Found) -> Option<Cause> {
    let mut objects = found.details().filter_map(|detail| {
        let defined = detail.strip_prefix("defined in ");
        defined.or_else(|| object_of_place(detail))
    });
    let (one, other) = (objects.next()?, objects.next()?);
    let is_native_of = |one, other| {
        let mut forms = NATIVE_FORMS.iter().filter_map(|form| stem(one, form));
        forms.any(|name| Some(name) == stem(other, ".o"))
    };
    let kind = if one == other {
        DuplicateKind::SameObject
    } else if is_native_of(one, other) || is_native_of(other, one) {
        DuplicateKind::TwoForms
    } else {
        DuplicateKind::Different
    };
    Some(Cause::Duplicate {
        kind,
        symbols: vec![found.after.trim().to_owned()],
        objects: [one, other].map(str::to_owned),
    })
}

/// Returns `name` without its suffix `form`; `name` may be that of an archive's member, `b.a(a.o)`.
fn stem<'name>(name: &'name str, form: &str) -> Option<&'name str> {
    let name = name.rsplit('(').next().unwrap_or(name);
    name.trim_end_matches(')').strip_suffix(form)
}

fn assembly_label(found: &Found) -> Option<Cause> {
    let (_, label) = found.before.rsplit_once("symbol '")?;
    Some(Cause::AssemblyLabel {
        label: label.to_owned(),
        named: found.assembly_object()?,
        objects: Vec::new(),
    })
}

fn other_machine(found: &Found) -> Option<Cause> {
    let object = found.subject();
    (!object.is_empty()).then(|| Cause::OtherMachine {
        object: object.to_owned(),
        other: found.after.trim().to_owned(),
        architectures: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conflict_is_read_from_what_each_lld_says() {
        let expected = Cause::FlagConflict {
            flag: "stack-protector-guard".into(),
            objects: [Origin::Named("m/b.o".into()), Origin::Merged],
        };
        for said in [
            "ld.lld: error: linking module flags 'stack-protector-guard': IDs have conflicting values: \
             '!\"global\"' from m/b.o, and '!\"sysreg\"' from ld-temp.o\n",
            "x\nld.lld: error: linking module flags 'stack-protector-guard': IDs have conflicting values \
             in 'm/b.o' and 'ld-temp.o'\ny\n",
        ] {
            assert_eq!(causes(said), std::slice::from_ref(&expected), "{said}");
        }
        assert_eq!(causes("ld.lld: error: undefined symbol: x\n"), []);
    }

    #[test]
    fn a_killed_program_is_known_by_what_each_shell_and_make_say() {
        let expected = cause_of_status(None, Some(137)).expect("a cause");
        for said in [
            "Killed\n",
            "link.sh: line 101: 63378 Killed                  ${LD} -r -o ${1}\n",
            "clang: error: unable to execute command: Killed",
            "make[1]: *** [Makefile:9: vmlinux] Error 137\n",
        ] {
            assert_eq!(causes(said), std::slice::from_ref(&expected), "{said}");
        }
        for said in [
            "  CC      fs/Killed.o\n",
            "Killed tasks: 3\n",
            "make: *** [Makefile:9: x] Error 1370\n",
            "Error 137\n",
        ] {
            assert_eq!(causes(said), [], "{said}");
        }
    }

    #[test]
    fn warnings_have_no_cause() {
        let said = "ld.lld: warning: a.o:(.text+0x0): relocation R_X86_64_PC32 out of range: 9 is not in [0, 1]\n";
        assert_eq!(causes(said), []);
        assert_eq!(causes(&said.replace("warning", "error")).len(), 1);
    }

    #[test]
    fn only_functions_that_generated_code_needs_have_a_cause() {
        for (function, n_causes) in [("memset", 1), ("__stack_chk_guard", 1), ("kmalloc", 0)] {
            for said in [
                format!("ld.lld: error: undefined symbol: {function}\n>>> referenced by a.c\n"),
                format!("ERROR: modpost: \"{function}\" [net/a.ko] undefined!\n"),
            ] {
                assert_eq!(causes(&said).len(), n_causes, "{said}");
            }
        }
    }
}
