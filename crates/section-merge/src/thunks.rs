// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The thunks of retpolines, which the kernel knows by the addresses around them.
//!
//! Sources: `arch/x86/lib/retpoline.S` (the sections), `arch/x86/kernel/vmlinux.lds.S` (the symbols around
//! them), `insn_is_indirect_jump` in `arch/x86/kernel/kprobes/opt.c` (their user).

use object_model::Elf;

/// The symbols around the thunks.
const START: &str = "__indirect_thunk_start";
const END: &str = "__indirect_thunk_end";

/// The first part of the names of thunks.
const THUNK: &str = "__x86_indirect_thunk_";

/// A thunk that is not between the symbols around them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{thunk} is not between {START} and {END}, so a kprobe may replace a jump to it; another pattern of the \
     linker script, such as TEXT_MAIN, takes the section of the thunks first"
)]
pub struct ThunkFault {
    /// The symbol of the thunk.
    pub(crate) thunk: String,
}

/// Checks that the thunks of `vmlinux` are between `__indirect_thunk_start` and `__indirect_thunk_end`, and
/// returns the first that is not. A kernel without these symbols has no fault.
///
/// Trees before 5.10.192 call the section `.text.__x86.indirect_thunk`, which looks like the section of a
/// function.
pub fn check_thunks(vmlinux: &Elf) -> Option<ThunkFault> {
    let symbols = vmlinux.symbol_map();
    let address = |name| symbols.named(name).first().map(|symbol| symbol.value);
    let between = address(START)?..address(END)?;
    let thunks = vmlinux.symbols().iter();
    let mut thunks = thunks.filter(|symbol| symbol.is_defined() && symbol.name.starts_with(THUNK));
    let outside = thunks.find(|symbol| !between.contains(&symbol.value));
    outside.map(|symbol| ThunkFault {
        thunk: symbol.name.to_owned(),
    })
}
