// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The causes of explained messages, and their explanations.

use std::fmt;

/// The cause of a message. Its text says what happened, in which input, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Two objects have different values of a module flag that can have only one.
    #[error(
        "{} and {} were compiled with flags that contradict each other ({flag}); give both the same in \
         their Makefiles, or keep one out of LTO ({})",
        objects[0], objects[1], objects[0].opt_out()
    )]
    FlagConflict {
        /// The flag's name in bitcode.
        flag: String,
        /// The objects.
        objects: [Origin; 2],
    },
    /// Code cannot be imported from an object that is missing.
    #[error(
        "{object}, from which code is imported, is missing or cannot be read; remove the objects whose \
         .imports name it, and run make again"
    )]
    MissingImport {
        /// The missing object.
        object: String,
    },
    /// LLVM cannot read the address of a label. The first versions that can are those of LLVM 15:
    /// <https://github.com/llvm/llvm-project/issues/52787>.
    #[error("{object} {}", address_of_label(object, *llvm))]
    BlockAddress {
        /// The object with the address.
        object: Origin,
        /// The major version of the LLVM that reads it.
        llvm: Option<u32>,
    },
    /// A relocation refers to a symbol that the symbol table does not have.
    #[error(
        "{object} has a relocation for a symbol that is not in its symbol table: a program that wrote it \
         after the compiler (strip, objcopy, objtool, recordmcount) has a fault or was stopped; remove it \
         and run make again, and if that does not help look for that program with make V=1"
    )]
    SymbolIndex {
        /// The object with the relocation.
        object: String,
    },
    /// Memory ran out.
    #[error("{}{}; {}", end_of_memory(*is_killed), used(*used_kib), less_memory(*work))]
    OutOfMemory {
        /// Whether a signal ended the program; otherwise it was refused more memory.
        is_killed: bool,
        /// The memory that it had used, in KiB.
        used_kib: Option<u64>,
        /// The program's work.
        work: Work,
    },
    /// The target of a relocation is too far away.
    #[error(
        "{place} refers to {target}, which is farther away than {relocation} reaches: the kernel is too \
         large, or its linker script puts them too far apart; build more of it as modules (=m), or choose \
         LTO_CLANG_INTERNALIZE, which drops unused code"
    )]
    RelocationRange {
        /// Object, function and section of the relocation.
        place: String,
        /// Its type.
        relocation: String,
        /// Its target.
        target: String,
    },
    /// The target of an instruction in assembly is too far away.
    #[error(
        "the assembly of {object} has `{instruction}`, which does not reach its target; use an instruction \
         that reaches farther, or keep it out of LTO ({})",
        object.opt_out()
    )]
    AssemblyRange {
        /// The object with the assembly.
        object: Origin,
        /// The instruction.
        instruction: String,
    },
    /// Generated code needs functions that nothing defines, which its source may not name.
    #[error(
        "generated code of {} needs {}, {}",
        first_of(callers), first_of(functions), missing_function(*is_modpost)
    )]
    LibraryCall {
        /// The functions.
        functions: Vec<String>,
        /// The objects or modules that need them.
        callers: Vec<String>,
        /// Whether modpost says so of modules; otherwise the linker says it of objects.
        is_modpost: bool,
    },
    /// Two inputs define the same symbols.
    #[error("{}", twice(*kind, objects, &first_of(symbols)))]
    Duplicate {
        /// The relation of the two inputs.
        kind: DuplicateKind,
        /// The symbols.
        symbols: Vec<String>,
        /// The inputs of the first symbol.
        objects: [String; 2],
    },
    /// Assembly defines a label twice.
    #[error(
        "the assembly of {} defines {label} more than once in one unit of code generation, because full \
         LTO joins the assembly of all objects, or because a function was inlined; use a local label \
         (`1:`, or `%=` in its name), or keep all but one out of LTO (CFLAGS_foo.o += -fno-lto)",
        all_or(objects, named)
    )]
    AssemblyLabel {
        /// The label.
        label: String,
        /// The object that the linker names.
        named: Origin,
        /// All objects whose assembly defines the label.
        objects: Vec<String>,
    },
    /// An object is for another machine or byte order.
    #[error(
        "{}; compile all objects with the kernel's flags (there is no LTO with CPU_BIG_ENDIAN), remove the \
         object, and run make again",
        difference(object, other, architectures.as_ref())
    )]
    OtherMachine {
        /// The object.
        object: String,
        /// An object, or the target of the link.
        other: String,
        /// Their architectures.
        architectures: Option<[String; 2]>,
    },
}

/// The object that a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The linker names it.
    Named(String),
    /// Full LTO has merged it with others.
    Merged,
    /// The message does not name it.
    Unnamed,
}

/// The work of a program that needs memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A link with full LTO.
    FullLink,
    /// A link with thin LTO.
    ThinLink,
    /// Code generation of one object.
    OneObject,
    /// It is not known.
    Unknown,
}

/// The relation of two inputs that define the same symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKind {
    /// They are the same object.
    SameObject,
    /// They are the bitcode and the native code of one object.
    TwoForms,
    /// They are different objects.
    Different,
}

impl Cause {
    /// Returns the object that the message does not name.
    pub(crate) fn unnamed(&mut self) -> Option<&mut Origin> {
        let (Self::BlockAddress { object, .. }
        | Self::AssemblyRange { object, .. }
        | Self::AssemblyLabel { named: object, .. }) = self
        else {
            return None;
        };
        (*object == Origin::Unnamed).then_some(object)
    }

    /// Adds the facts of `other`, and returns whether one explanation can tell both.
    pub(crate) fn absorb(&mut self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Duplicate { kind, symbols, .. },
                Self::Duplicate {
                    kind: of_other,
                    symbols: more,
                    objects: _,
                },
            ) if kind == of_other => {
                add_missing(symbols, more);
                true
            }
            (
                Self::LibraryCall {
                    functions,
                    callers,
                    is_modpost,
                },
                Self::LibraryCall {
                    functions: more_functions,
                    callers: more_callers,
                    is_modpost: of_other,
                },
            ) if is_modpost == of_other => {
                add_missing(functions, more_functions);
                add_missing(callers, more_callers);
                true
            }
            // The signal that ended a program is better evidence than its messages.
            (
                Self::OutOfMemory { is_killed, .. },
                Self::OutOfMemory {
                    is_killed: more, ..
                },
            ) => {
                *is_killed |= more;
                true
            }
            (one, other) => one == other,
        }
    }
}

fn add_missing(names: &mut Vec<String>, more: &[String]) {
    for name in more {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
}

fn address_of_label(object: &Origin, llvm: Option<u32>) -> String {
    let opt_out = object.opt_out();
    match llvm {
        Some(llvm) if llvm < 15 => format!(
            "passes the address of a label to another function (as with _THIS_IP_), which LLVM {llvm} cannot \
             read; build with LLVM 15 or later, or keep it out of LTO ({opt_out})"
        ),
        _ => format!(
            "has the address of a label in a function that it does not contain: the file is damaged, or the \
             clang that wrote it has a fault; remove it and run make again, and if that does not help keep \
             it out of LTO ({opt_out})"
        ),
    }
}

fn end_of_memory(is_killed: bool) -> &'static str {
    if is_killed {
        "the program was killed, usually by Linux because memory ran out (dmesg says so)"
    } else {
        "the program got no more memory from the system"
    }
}

fn used(kib: Option<u64>) -> String {
    kib.map_or_else(String::new, |kib| {
        format!(" when it had {} MiB", kib / 1024)
    })
}

fn less_memory(work: Work) -> &'static str {
    match work {
        Work::FullLink => {
            "full LTO needs the memory for all objects at once, LTO_CLANG_THIN_DIST the least"
        }
        Work::OneObject => "run make with a smaller -j",
        Work::ThinLink | Work::Unknown => {
            "run make with a smaller -j, or choose LTO_CLANG_THIN_DIST, which needs the least memory"
        }
    }
}

fn missing_function(is_modpost: bool) -> &'static str {
    if is_modpost {
        "and vmlinux does not export that: with TRIM_UNUSED_KSYMS, the .mod file beside the module is older \
         than the module, so remove it and run make again; without, add EXPORT_SYMBOL"
    } else {
        "and no linked object defines that; link the object that does, or, if LTO dropped it, name it in the \
         file of LTO_CLANG_KEEP"
    }
}

fn twice(kind: DuplicateKind, [one, other]: &[String; 2], symbols: &str) -> String {
    match kind {
        DuplicateKind::SameObject => format!(
            "{one} is linked twice, and so defines {symbols} twice; name it once in the lists of its Makefile"
        ),
        DuplicateKind::TwoForms => format!(
            "{one} and {other} are the bitcode and the native code of one object, and both are linked \
             ({symbols}); take one of them out of the link (make V=1 shows the command)"
        ),
        DuplicateKind::Different => {
            format!(
                "{one} and {other} both define {symbols}; rename one, or make it static or weak"
            )
        }
    }
}

fn all_or(objects: &[String], named: &Origin) -> String {
    match objects {
        [] => named.to_string(),
        objects => objects.join(", "),
    }
}

fn difference(object: &str, other: &str, architectures: Option<&[String; 2]>) -> String {
    match architectures {
        Some([of_object, of_other]) => {
            format!("{object} is for {of_object}, and {other} for {of_other}")
        }
        None => format!("{object} is for another machine or byte order than {other}"),
    }
}

impl Origin {
    /// Returns the line of a Makefile that keeps the object out of LTO.
    fn opt_out(&self) -> String {
        let name = match self {
            Self::Named(name) => {
                let name = name.rsplit(['/', '(']).next().unwrap_or(name);
                name.trim_end_matches(')')
            }
            Self::Merged | Self::Unnamed => "foo.o",
        };
        format!("CFLAGS_{name} += -fno-lto")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named(name) => name,
            Self::Merged => "an object that full LTO has merged",
            Self::Unnamed => "an object",
        })
    }
}

/// Returns the first of `names`, and the number of the others.
fn first_of(names: &[String]) -> String {
    match names {
        [] => "a symbol".to_owned(),
        [one] => one.clone(),
        [one, other] => format!("{one} and {other}"),
        [one, other, more @ ..] => format!("{one}, {other} and {} more", more.len()),
    }
}
