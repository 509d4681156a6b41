// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes and checks the table of the calls that the function tracer patches: section `__mcount_loc`.
//!
//! A compiler that gets `-pg` puts a call of `__fentry__`, `mcount` or `_mcount` at the entry of
//! every function. The kernel turns these calls into no-ops when it starts, and back into calls when a
//! function is traced; it finds them through a table of their addresses. Under LTO there is no code
//! before the link, so the table is made for `vmlinux.o` and for modules after it.
//!
//! [`plan()`] finds the calls that the table lacks, [`rewrite()`] appends the table, and [`check`]
//! compares a table with the code. [`sites`] returns the functions that a table names; the table may be
//! one that the compiler made (`-fpatchable-function-entry`).
//!
//! **Invariant:** knows sections, symbols and relocations of one ELF file, and no more of a kernel
//! than the names of its sections and of the symbols around its table.
//!
//! Sources, of Linux 5.10: `scripts/recordmcount.c` and `scripts/recordmcount.h` (which calls and
//! sections count, the form of the table), `MCOUNT_REC` in `include/asm-generic/vmlinux.lds.h`,
//! `kernel/module.c` (its reader), `kernel/trace/ftrace.c` (the use of its entries).
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod code;
mod entry;
mod entry_call;
mod plan;
mod rewrite;
mod site;
mod table;

use object_model::{Elf, Faults, ReadError, elf};

pub use plan::{Record, Records, plan};
pub use rewrite::rewrite;
pub use site::{Site, sites};
pub use table::check;

/// Name of the section with the table.
pub const TABLE: &str = "__mcount_loc";

/// Name of the sections with the tables of compilers that leave space at the entry of functions instead
/// of a call.
const PATCHABLE: &str = "__patchable_function_entries";

/// Size of an entry of the table, an address, in bytes.
const ENTRY_SIZE: u64 = 8;

/// The reason why an object cannot be planned, rewritten or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its parts contradict each other.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is linked already.
    #[error("is linked; a table can be made of relocatable objects only, such as vmlinux.o")]
    Linked,
    /// It is for a machine whose entry calls this crate does not know.
    #[error(
        "is for ELF machine {machine} of {bits} bits; \
         entry calls are known of 64-bit x86 (machine 62) and 64-bit Arm (machine 183)"
    )]
    Machine {
        /// `e_machine`.
        machine: u16,
        /// Its ELF class.
        bits: u8,
    },
    /// The bytes to rewrite are not those of the plan.
    #[error("has other contents than when its entry calls were looked for; run it again")]
    Changed,
    /// Its calls cannot be recorded, or are recorded wrongly.
    #[error(transparent)]
    Faults(#[from] Faults<Fault>),
}

/// A fault of a table: a call without a record, or a record without a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is no table.
    #[error("has no __mcount_loc for its {n_calls} entry calls; run mcount-loc on it")]
    NoTable {
        /// The number of entry calls.
        n_calls: usize,
    },
    /// A call has no record, in a table with other records.
    #[error(
        "the entry call of {function} at {section}+{offset:#x} is not in __mcount_loc; \
         link it again from objects without that section"
    )]
    Missing {
        /// The calling function, or the nearest symbol before the call; `?` if there is no symbol.
        function: String,
        /// The section of the call.
        section: String,
        /// Offset of the call in the section, in bytes.
        offset: u64,
    },
    /// A record refers to something other than an entry call.
    #[error("__mcount_loc+{at:#x} refers to {target}, expected an entry call there")]
    NoCall {
        /// Offset of the record in the table, in bytes.
        at: u64,
        /// The place that it refers to.
        target: String,
    },
    /// A record refers to a call that an earlier record has.
    #[error("{table}+{at:#x} refers to {target}, like an earlier entry")]
    Repeated {
        /// The name of the table.
        table: &'static str,
        /// Offset of the record in the table, in bytes.
        at: u64,
        /// The place that it refers to.
        target: String,
    },
    /// A record refers to a call in a section that ftrace must not patch.
    #[error(
        "__mcount_loc+{at:#x} refers to {target}, and ftrace must not patch code of this section"
    )]
    LeftOut {
        /// Offset of the record in the table, in bytes.
        at: u64,
        /// The place that it refers to.
        target: String,
    },
    /// Bytes of the table are not a record.
    #[error("{table}+{at:#x} is no address of code: {reason}")]
    NoRecord {
        /// The name of the table.
        table: &'static str,
        /// Offset in the table, in bytes.
        at: u64,
        /// The fault.
        reason: String,
    },
    /// A record refers to code that ftrace cannot patch.
    #[error(
        "{table}+{at:#x} refers to {target} in {function}, \
         expected a call or no-ops at the entry of a function there"
    )]
    NoEntry {
        /// The name of the table.
        table: &'static str,
        /// Offset of the record in the table, in bytes.
        at: u64,
        /// The place that it refers to.
        target: String,
        /// The function at that address; `?` if there is no function.
        function: String,
    },
    /// The symbols around the table of a linked kernel do not enclose one.
    #[error("has no table of entry calls: {reason}")]
    Bounds {
        /// The fault.
        reason: String,
    },
    /// The kernel cannot turn a call into a no-op.
    #[error(
        "{section}+{offset:#x} calls {symbol} through the global offset table, and ftrace can \
         patch direct calls only; compile it with -fno-pic, or -mcmodel=kernel"
    )]
    Indirect {
        /// The section of the call.
        section: String,
        /// Offset of the call in the section, in bytes.
        offset: u64,
        /// The called symbol.
        symbol: String,
    },
    /// Records cannot refer to a section.
    #[error(
        "section {section} has entry calls and no symbol but weak ones, which another definition \
         may replace, so no record can refer to it; link the object with ld.lld -r first, which \
         gives each section a symbol"
    )]
    NoSymbol {
        /// The section.
        section: String,
    },
}

/// The numbers of what was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entry calls of an object that must be in its table.
    pub n_calls: usize,
    /// Entries of its tables.
    pub n_records: usize,
    /// Functions of an object that begin with the no-ops of an entry, as far as the machine has such tables.
    pub n_patchable: usize,
}

/// Returns whether ftrace may patch code of the executable section `name`.
///
/// The entry calls of such sections go into the table. All other code either has no entry calls
/// (`notrace`), or runs where the kernel's text is not mapped or must not change.
///
/// Source: `is_mcounted_section_name` in `scripts/recordmcount.c`. `.text` is compared as a
/// prefix, so the sections that LTO splits it into (`.text.vfs_read`) count as well. Sections
/// that functions ask for by name (`.init.text`) are not split by LTO.
pub fn is_traced_section(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        ".init.text",
        ".ref.text",
        ".sched.text",
        ".spinlock.text",
        ".irqentry.text",
        ".softirqentry.text",
        ".kprobes.text",
        ".cpuidle.text",
    ];
    name.starts_with(".text") || NAMES.contains(&name)
}

/// Refuses machines whose entry calls this crate does not know.
fn machine_of(elf: &Elf) -> Result<entry_call::Machine, Error> {
    let machine = match elf.machine() {
        elf::EM_X86_64 if elf.is_64() => Some(entry_call::Machine::X86),
        elf::EM_AARCH64 if elf.is_64() => Some(entry_call::Machine::Arm),
        _ => None,
    };
    machine.ok_or_else(|| Error::Machine {
        machine: elf.machine().0,
        bits: if elf.is_64() { 64 } else { 32 },
    })
}
