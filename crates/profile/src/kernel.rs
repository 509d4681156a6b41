// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A kernel that counts: where its counters are, and what they count.

use object_model::{BuildId, Elf, Image, TableName, TablePart};

use crate::Error;
use crate::layout::{COUNTER_SIZE, Layout, Record};

/// The variable in which the compiler leaves the version and kind of its counters.
const RAW_VERSION: &str = "__llvm_profile_raw_version";

/// The variable of the plugin's own run time. Source: `kconfig/profile/lto_profile.c`.
const MODULES: &str = "lto_profile_modules";

/// A table of clang's, which the linker script puts between these symbols.
const fn table(section: &'static str, start: &'static str, stop: &'static str) -> TableName {
    TableName {
        section,
        start,
        stop,
    }
}

const RECORDS: TableName = table(
    "__llvm_prf_data",
    "__start___llvm_prf_data",
    "__stop___llvm_prf_data",
);
const COUNTERS: TableName = table(
    "__llvm_prf_cnts",
    "__start___llvm_prf_cnts",
    "__stop___llvm_prf_cnts",
);
const NAMES: TableName = table(
    "__llvm_prf_names",
    "__start___llvm_prf_names",
    "__stop___llvm_prf_names",
);

/// The bounds of a kernel's notes in memory. Source: `NOTES` in `include/asm-generic/vmlinux.lds.h`.
const NOTES: TableName = table(".notes", "__start_notes", "__stop_notes");

/// A piece of a kernel's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Its virtual address, if the kernel runs where it was linked (`nokaslr`).
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// A part of vmlinux.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'data> {
    pub memory: Memory,
    pub bytes: &'data [u8],
}

/// The linked vmlinux of a kernel that counts.
#[derive(Debug)]
pub struct CountingKernel<'data> {
    /// Its build ID.
    pub build_id: BuildId,
    /// The memory that has its counters.
    pub counters: Memory,
    /// The memory that has its notes, with its build ID.
    pub notes: Memory,
    /// The address of two words, in which the kernel leaves the address and the size of a file ([`Profraw`]) with
    /// the counters of its modules when it powers off.
    ///
    /// [`Profraw`]: crate::Profraw
    pub modules: Option<u64>,
    pub(crate) raw_version: u64,
    pub(crate) layout: Layout,
    pub(crate) records: Part<'data>,
    pub(crate) names: Part<'data>,
}

impl<'data> CountingKernel<'data> {
    /// Reads the kernel in `elf`.
    ///
    /// # Errors
    /// It does not count, has no build ID, or was made by a compiler whose layout is not known; its records
    /// are damaged.
    pub fn read(elf: &Elf<'data>) -> Result<Self, Error> {
        if elf.is_relocatable() || !elf.is_64() || elf.is_big_endian() {
            return Err(Error::NoKernel);
        }
        let image = Image::new(elf);
        let symbol = image.symbols.named(RAW_VERSION).first();
        let symbol = symbol.ok_or(Error::CountsNothing)?;
        let version = image.bytes(symbol.value).and_then(<[u8]>::first_chunk);
        let raw_version = version.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let layout = Layout::of(raw_version)?;
        let notes = part(&image, NOTES)?;
        let modules = image.symbols.named(MODULES);
        let kernel = Self {
            build_id: BuildId::in_notes(notes.bytes).ok_or(Error::NoBuildId)?,
            counters: part(&image, COUNTERS)?.memory,
            notes: notes.memory,
            modules: modules.first().map(|symbol| symbol.value),
            raw_version,
            layout,
            records: part(&image, RECORDS)?,
            names: part(&image, NAMES)?,
        };
        kernel.check()?;
        Ok(kernel)
    }

    /// Returns the records, each with the place of its first counter among all counters.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Option<u64>, Record)> {
        let distance = self.counters_from_records();
        let layout = self.layout;
        layout.records(self.records.bytes, distance, self.counters.size)
    }

    /// Returns the distance of the counters from the records in memory.
    pub(crate) fn counters_from_records(&self) -> u64 {
        let records = self.records.memory.address;
        self.counters.address.wrapping_sub(records)
    }

    /// Returns the number of its records: one for each function that counts.
    pub(crate) fn n_records(&self) -> u64 {
        self.records.memory.size / self.layout.record_size
    }

    /// Returns the number of its counters.
    pub(crate) fn n_counters(&self) -> u64 {
        self.counters.size / COUNTER_SIZE
    }

    fn check(&self) -> Result<(), Error> {
        let Memory { size, .. } = self.records.memory;
        if size == 0 || self.counters.size == 0 {
            return Err(Error::CountsNothing);
        }
        let record_size = self.layout.record_size;
        if !size.is_multiple_of(record_size) || !self.counters.size.is_multiple_of(COUNTER_SIZE) {
            return Err(Error::Sizes {
                records: size,
                record_size,
                counters: self.counters.size,
            });
        }
        for ((first, record), index) in self.records().zip(0..) {
            let Record {
                n_counters,
                has_more,
                ..
            } = record;
            if has_more {
                return Err(Error::Values { index });
            }
            let end = first.and_then(|first| first.checked_add(n_counters));
            if end.is_none_or(|end| end > self.n_counters()) {
                return Err(Error::Record { index, n_counters });
            }
        }
        Ok(())
    }
}

fn part<'data>(image: &Image<'_, 'data>, name: TableName) -> Result<Part<'data>, Error> {
    let parts = image.table(name);
    let parts = parts.map_err(|reason| Error::Table { reason })?;
    let bytes = |part: &TablePart<'_, 'data>| {
        let start = usize::try_from(part.offset).ok()?;
        let size = usize::try_from(part.size).ok()?;
        let bytes = part.section.data.get(start..start.checked_add(size)?)?;
        let address = part.section.address.wrapping_add(part.offset);
        let memory = Memory {
            address,
            size: part.size,
        };
        Some(Part { memory, bytes })
    };
    parts.first().and_then(bytes).ok_or_else(|| Error::Table {
        reason: format!("there are no bytes from {} to {}", name.start, name.stop),
    })
}
