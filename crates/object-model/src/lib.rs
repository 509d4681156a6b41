// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads build artefacts: ELF objects, LLVM bitcode and archives, and their symbols, sections,
//! relocations and BTF.
//!
//! **Invariant:** this crate borrows bytes and interprets them. It opens no file (a [`Loader`] hands
//! it the bytes of thin-archive members), starts no process, reads no `.config`.
//!
//! How the parts fit together: [`FileKind::of`] classifies bytes once, [`link_order`] turns paths into
//! [`Input`]s (archives opened, members in order), and each input's [`Object`] gives its
//! [`Symbol`]s, whichever of the two kinds it is. An [`Elf`] also gives sections and relocations.
//!
//! An unreadable input is an error that names the input; it never counts as an object without symbols.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod architecture;
mod archive;
mod bitcode;
mod btf;
mod build_id;
mod elf_file;
mod error;
mod faults;
mod image;
mod input;
mod kind;
mod object_file;
mod section;
mod symbol;
mod symbol_map;

pub use architecture::Architecture;
pub use archive::{Archive, Member, MemberContent};
pub use bitcode::{
    Assembly, Bitcode, FunctionAssembly, GlobalValue, GlobalValueKind, Guid, Linkage, LtoKind,
    PartSizes, Summary, ValueIndex, ValueSummary,
};
pub use btf::{Btf, BtfError};
pub use build_id::BuildId;
pub use elf_file::Elf;
/// The numbers of ELF, with the names of the specification: `elf::EM_AARCH64`,
/// `elf::R_AARCH64_PREL32`, `elf::SHT_NOTE`, and the types they have.
pub use object::elf;

pub use error::{InputError, ReadError};
pub use faults::{Faults, WithCauses};
pub use image::{Image, TableName, TablePart};
pub use input::{Input, Loader, link_order, visit_link_order};
pub use kind::FileKind;
pub use object_file::Object;
pub use section::{Comdat, Relocation, Section};
pub use symbol::{
    Binding, Definition, SectionIndex, Symbol, SymbolIndex, SymbolKind, Visibility, is_number,
    source_name,
};
pub use symbol_map::SymbolMap;
