// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Block ids of bitcode files. Source: LLVM's `BitcodeReader` documentation and
//! `llvm/Bitcode/LLVMBitCodes.h`.

pub(super) const MODULE: u64 = 8;
pub(super) const CONSTANTS: u64 = 11;
pub(super) const FUNCTION: u64 = 12;
pub(super) const IDENTIFICATION: u64 = 13;
pub(super) const METADATA: u64 = 15;
pub(super) const TYPES: u64 = 17;
pub(super) const THIN_LTO_SUMMARY: u64 = 20;
pub(super) const STRTAB: u64 = 23;
pub(super) const FULL_LTO_SUMMARY: u64 = 24;
pub(super) const SYMTAB: u64 = 25;
