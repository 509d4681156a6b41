// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The sections of debug information: uncompressed, and with their relocations applied.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read as _;

use gimli::{EndianSlice, RunTimeEndian};
use object_model::{Elf, Image, Section, elf};

use crate::Error;

/// The reader of all sections.
pub(crate) type Reader<'a> = EndianSlice<'a, RunTimeEndian>;

/// The beginning of the names of these sections.
const PREFIX: &str = ".debug_";

/// The flag of a compressed section, `SHF_COMPRESSED`.
const COMPRESSED: u64 = 1 << 11;

/// The kind of compression of zlib, `ELFCOMPRESS_ZLIB`.
const ZLIB: u64 = 1;

/// The sections by name.
pub(crate) struct Sections<'data> {
    contents: HashMap<&'data str, Cow<'data, [u8]>>,
    endian: RunTimeEndian,
}

impl<'data> Sections<'data> {
    /// Returns the sections of `image`; `None` if there is no debug information.
    pub(crate) fn of(image: &Image<'_, 'data>) -> Result<Option<Self>, Error> {
        let elf = image.elf;
        if elf.section_by_name(".debug_info").is_none() {
            return Ok(None);
        }
        let mut contents = HashMap::new();
        let sections = elf.sections().iter();
        for section in sections.filter(|section| section.name.starts_with(PREFIX)) {
            let mut content = uncompressed(elf, section)?;
            if elf.is_relocatable() {
                relocate(image, section, &mut content)?;
            }
            contents.insert(section.name, content);
        }
        let endian = if elf.is_big_endian() {
            RunTimeEndian::Big
        } else {
            RunTimeEndian::Little
        };
        Ok(Some(Self { contents, endian }))
    }

    /// Returns a reader of them.
    pub(crate) fn dwarf(&self) -> gimli::Dwarf<Reader<'_>> {
        let section = |id: gimli::SectionId| {
            let content = self.contents.get(id.name()).map(Cow::as_ref);
            EndianSlice::new(content.unwrap_or_default(), self.endian)
        };
        let loaded = gimli::Dwarf::load(|id| Ok::<_, std::convert::Infallible>(section(id)));
        let Ok(dwarf) = loaded;
        dwarf
    }
}

fn fault(section: &Section<'_>, reason: impl Into<String>) -> Error {
    Error::Section {
        section: section.name.to_owned(),
        reason: reason.into(),
    }
}

/// Returns the content of a section as it was before `--compress-debug-sections`. Source: `Elf32_Chdr` and `Elf64_Chdr`.
fn uncompressed<'data>(
    elf: &Elf<'data>,
    section: &Section<'data>,
) -> Result<Cow<'data, [u8]>, Error> {
    if section.flags.0 & COMPRESSED == 0 {
        return Ok(Cow::Borrowed(section.data));
    }
    let (size_offset, word, header) = if elf.is_64() { (8, 8, 24) } else { (4, 4, 12) };
    let kind = elf.read_unsigned(section, 0, 4);
    let size = elf.read_unsigned(section, size_offset, word);
    let (Some(kind), Some(size), Some(packed)) = (kind, size, section.data.get(header..)) else {
        return Err(fault(section, "ends in the header of its compression"));
    };
    if kind != ZLIB {
        return Err(fault(
            section,
            format!("is compressed in an unknown way ({kind}); only zlib (1) is known"),
        ));
    }
    let mut content = Vec::new();
    flate2::read::ZlibDecoder::new(packed)
        .read_to_end(&mut content)
        .map_err(|error| fault(section, error.to_string()))?;
    if content.len() as u64 != size {
        let found = content.len();
        return Err(fault(
            section,
            format!("expected {size} bytes, found {found}"),
        ));
    }
    Ok(Cow::Owned(content))
}

/// Applies the relocations of a section of debug information: all are absolute addresses of 4 or 8 bytes.
fn relocate(
    image: &Image<'_, '_>,
    section: &Section<'_>,
    content: &mut Cow<'_, [u8]>,
) -> Result<(), Error> {
    let relocations = image.elf.relocations(section.index)?;
    if relocations.is_empty() {
        return Ok(());
    }
    let content = content.to_mut();
    for relocation in relocations {
        let size = match relocation.kind {
            elf::R_AARCH64_ABS64 | elf::R_X86_64_64 => 8,
            elf::R_AARCH64_ABS32 | elf::R_X86_64_32 => 4,
            // Of code that the linker left out; the number is the same on all machines.
            elf::R_AARCH64_NONE => continue,
            other => {
                return Err(fault(
                    section,
                    format!("has a relocation of type {}", other.0),
                ));
            }
        };
        // A relocation without a symbol belongs to code that the linker left out.
        let target = image.target(&relocation).unwrap_or_default();
        let place = usize::try_from(relocation.offset).ok();
        let bytes = place.and_then(|start| content.get_mut(start..start.checked_add(size)?));
        let bytes = bytes.ok_or_else(|| fault(section, "has a relocation behind its end"))?;
        if image.elf.is_big_endian() {
            bytes.copy_from_slice(&target.to_be_bytes()[8 - size..]);
        } else {
            bytes.copy_from_slice(&target.to_le_bytes()[..size]);
        }
    }
    Ok(())
}
