// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the calls at the entry of functions, through their relocations.

use object_model::{Elf, ReadError, Relocation, Section, SectionIndex, Symbol, SymbolIndex, elf};

/// The machines whose entry calls this crate knows, both of the 64-bit class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86,
    /// 64-bit Arm, little- and big-endian; instructions are little-endian in both.
    Arm,
}

/// The form of an entry call in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A call whose target the linker fills in.
    Direct,
    /// A no-op in its place; the relocation shows that there was a call.
    Nop,
    /// A call through the global offset table.
    Indirect,
}

/// One entry call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryCall<'elf, 'data> {
    pub(crate) section: &'elf Section<'data>,
    /// Offset of the instruction in the section, in bytes.
    pub(crate) offset: u64,
    pub(crate) form: Form,
    /// The called symbol.
    pub(crate) symbol: &'elf Symbol<'data>,
    /// Offset of the `Elf64_Rela` of the call in the file; `None` for other kinds of relocation.
    pub(crate) relocation: Option<u64>,
}

impl EntryCall<'_, '_> {
    pub(crate) fn place(&self) -> (SectionIndex, u64) {
        (self.section.index, self.offset)
    }

    pub(crate) fn is_traced(&self) -> bool {
        crate::is_traced_section(self.section.name)
    }
}

impl Machine {
    /// Returns the names that compilers call at the entry of functions. If a file calls the first, a
    /// function with the second name is an ordinary one: recordmcount takes one symbol for the calls of
    /// a section, the first that it finds. Source: `get_mcountsym` and `sift_rel_mcount` in
    /// `scripts/recordmcount.h`.
    pub(crate) fn entry_names(self) -> [&'static str; 2] {
        match self {
            Self::X86 => ["__fentry__", "mcount"],
            Self::Arm => ["__fentry__", "_mcount"],
        }
    }

    /// Returns whether ftrace uses the tables of no-ops that compilers make for
    /// `-fpatchable-function-entry`. On x86 they have other purposes.
    pub(crate) fn has_patchable_entries(self) -> bool {
        self == Self::Arm
    }

    /// Returns the smallest number of no-ops that ftrace needs at the entry of a function without a call:
    /// on Arm, one instruction saves the return address. Source: `ftrace_init_nop` in
    /// `arch/arm64/kernel/ftrace.c`.
    pub(crate) fn nops_per_entry(self) -> usize {
        match self {
            Self::X86 => 1,
            Self::Arm => 2,
        }
    }

    /// Returns the address that `instruction` at `place` of linked code calls.
    pub(crate) fn called_at(self, place: u64, instruction: &[u8]) -> Option<u64> {
        let number = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?));
        match self {
            Self::X86 => {
                let distance = number(instruction.strip_prefix(&[0xe8])?)?.cast_signed();
                Some(place.wrapping_add_signed(i64::from(distance) + 5))
            }
            // `bl`: six bits of opcode, then the distance in instructions.
            Self::Arm => {
                let word = number(instruction)?;
                let distance = i64::from((word << 6).cast_signed() >> 4);
                (word >> 26 == 0b10_0101).then(|| place.wrapping_add_signed(distance))
            }
        }
    }

    /// Returns the type of the relocation of a record: a 64-bit address.
    pub(crate) fn record_kind(self) -> elf::RelocationType {
        match self {
            Self::X86 => elf::R_X86_64_64,
            Self::Arm => elf::R_AARCH64_ABS64,
        }
    }

    /// Returns the type of the relocation that does nothing.
    pub(crate) fn no_relocation(self) -> elf::RelocationType {
        match self {
            Self::X86 => elf::R_X86_64_NONE,
            Self::Arm => elf::R_AARCH64_NONE,
        }
    }

    /// Returns a direct call as assemblers write it for a relocation with addend.
    pub(crate) fn call(self) -> &'static [u8] {
        match self {
            Self::X86 => &[0xe8, 0, 0, 0, 0],
            Self::Arm => &[0, 0, 0, 0x94],
        }
    }

    /// Returns the no-op of the same length. Source: `ideal_nop5_x86_64` and `ideal_nop4_arm64` in
    /// `scripts/recordmcount.c`.
    pub(crate) fn nop(self) -> &'static [u8] {
        match self {
            Self::X86 => &[0x0f, 0x1f, 0x44, 0, 0],
            Self::Arm => &[0x1f, 0x20, 0x03, 0xd5],
        }
    }

    /// Returns the landing pads of indirect branches, `endbr64` and `bti c`, which precede the patched place.
    pub(crate) fn landing_pad(self) -> &'static [u8] {
        match self {
            Self::X86 => &[0xf3, 0x0f, 0x1e, 0xfa],
            Self::Arm => &[0x5f, 0x24, 0x03, 0xd5],
        }
    }

    /// Returns the place and the form of the entry call of `relocation`, which refers to the call's target.
    /// `None` if it is another reference, such as ftrace's own.
    fn call_at(self, data: &[u8], relocation: &Relocation) -> Option<(u64, Form)> {
        let begins = |offset: u64, bytes: &[u8]| {
            let rest = usize::try_from(offset).ok().and_then(|at| data.get(at..));
            rest.is_some_and(|rest| rest.starts_with(bytes))
        };
        let (kind, at) = (relocation.kind, relocation.offset);
        match self {
            Self::X86 if [elf::R_X86_64_PLT32, elf::R_X86_64_PC32].contains(&kind) => {
                let offset = at.checked_sub(1)?;
                begins(offset, &[0xe8]).then_some((offset, Form::Direct))
            }
            Self::X86 if [elf::R_X86_64_GOTPCRELX, elf::R_X86_64_GOTPCREL].contains(&kind) => {
                let offset = at.checked_sub(2)?;
                begins(offset, &[0xff, 0x15]).then_some((offset, Form::Indirect))
            }
            Self::X86 if kind == self.no_relocation() => {
                let offset = at.checked_sub(1)?;
                begins(offset, self.nop()).then_some((offset, Form::Nop))
            }
            // Only `bl` has this relocation.
            Self::Arm if kind == elf::R_AARCH64_CALL26 => Some((at, Form::Direct)),
            Self::Arm if kind == self.no_relocation() => {
                begins(at, self.nop()).then_some((at, Form::Nop))
            }
            _ => None,
        }
    }
}

/// Returns all entry calls in the code of `elf`, by section and place, each once. They have one target: see
/// [`Machine::entry_names`].
///
/// # Errors
/// The relocations cannot be read or are beyond the end of their section.
pub(crate) fn entry_calls<'elf, 'data>(
    elf: &'elf Elf<'data>,
    machine: Machine,
) -> Result<Vec<EntryCall<'elf, 'data>>, ReadError> {
    let mut calls = Vec::new();
    for name in machine.entry_names() {
        let is_target = |symbol: &&Symbol| symbol.name == name;
        let targets: Vec<_> = elf.symbols().iter().filter(is_target).collect();
        if targets.is_empty() {
            continue;
        }
        for relocations in elf.sections() {
            if let Some(code) = code_relocated_by(elf, relocations) {
                find_in(elf, machine, &targets, relocations, code, &mut calls)?;
            }
        }
        if !calls.is_empty() {
            break;
        }
    }
    calls.sort_by_key(EntryCall::place);
    calls.dedup_by_key(|call| call.place());
    Ok(calls)
}

/// Returns the section of code that the relocations in `section` apply to.
fn code_relocated_by<'elf, 'data>(
    elf: &'elf Elf<'data>,
    section: &Section,
) -> Option<&'elf Section<'data>> {
    if ![elf::SHT_RELA, elf::SHT_REL, elf::SHT_CREL].contains(&section.section_type) {
        return None;
    }
    let code = elf.section(SectionIndex(section.info as usize))?;
    let is_code = code.section_type == elf::SHT_PROGBITS && code.is_executable();
    is_code.then_some(code)
}

fn find_in<'elf, 'data>(
    elf: &'elf Elf<'data>,
    machine: Machine,
    targets: &[&'elf Symbol<'data>],
    relocations: &Section<'data>,
    code: &'elf Section<'data>,
    calls: &mut Vec<EntryCall<'elf, 'data>>,
) -> Result<(), ReadError> {
    const RELA_SIZE: u64 = 24;
    let target = |index: SymbolIndex| targets.iter().find(|symbol| symbol.index == index);
    for (position, relocation) in elf.relocations_in(relocations)?.iter().enumerate() {
        let Some(symbol) = relocation.symbol.and_then(target) else {
            continue;
        };
        if relocation.offset >= code.size {
            return Err(ReadError::ElfContent(format!(
                "a relocation in {} at {:#x}, beyond the end of {}",
                relocations.name, relocation.offset, code.name
            )));
        }
        let Some((offset, form)) = machine.call_at(code.data, relocation) else {
            continue;
        };
        let is_rela = relocations.section_type == elf::SHT_RELA;
        calls.push(EntryCall {
            section: code,
            offset,
            form,
            symbol,
            relocation: is_rela.then(|| relocations.offset + position as u64 * RELA_SIZE),
        });
    }
    Ok(())
}
