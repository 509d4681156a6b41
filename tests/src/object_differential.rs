// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares object-model with two independent readers: `llvm-nm`, which reads bitcode through LLVM
//! itself, and goblin.
//!
//! Each comparison returns the differences as texts. No difference is ignored.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goblin::elf::sym::{STB_GLOBAL, STB_GNU_UNIQUE, STB_LOCAL, STB_WEAK};
use object_model::{Binding, Definition, Elf, FileKind, Object, Symbol, SymbolKind, elf};

/// The number of files in one run of `llvm-nm`: far below the longest command line, far above its
/// start-up cost.
const FILES_PER_RUN: usize = 200;

/// Returns the path of every ELF or bitcode object (`.o`), module (`.ko`) and linked kernel
/// (`vmlinux`) below `directory`, sorted. Links are not followed.
///
/// # Panics
/// A directory or file cannot be read.
pub fn object_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let entry = entry.unwrap_or_else(|error| panic!("{error}"));
        let path = entry.path();
        let is_object = ["o", "ko"]
            .map(OsStr::new)
            .map(Some)
            .contains(&path.extension());
        if entry.file_type().is_file()
            && (is_object || path.ends_with("vmlinux"))
            && FileKind::of(&first_bytes(path)).is_some_and(|kind| !kind.is_archive())
        {
            files.push(entry.into_path());
        }
    }
    files
}

fn first_bytes(path: &Path) -> Vec<u8> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.take(8)
        .read_to_end(&mut bytes)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes
}

/// Compares the symbols of `files` with the output of `llvm-nm`: names, class letters (and with them
/// binding and definedness), and order.
///
/// # Panics
/// `llvm-nm` is missing or fails, or a file cannot be read.
pub fn against_llvm_nm(files: &[PathBuf]) -> Vec<String> {
    let mut differences = Vec::new();
    for files in files.chunks(FILES_PER_RUN) {
        let expected = llvm_nm(files);
        for file in files {
            let data = read(file);
            let ours: Vec<_> = match Object::parse(&data) {
                Ok(object) => symbols_as_nm_shows_them(&object),
                Err(error) => {
                    differences.push(format!("{}: {error}", file.display()));
                    continue;
                }
            };
            let theirs = expected.get(file).map_or(&[][..], Vec::as_slice);
            if let Some(difference) = first_difference(&ours, theirs) {
                differences.push(format!("{}: {difference}", file.display()));
            }
        }
    }
    differences
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Name and class of a symbol, in a comparable form.
type NameAndClass = (String, char);

/// Returns the output of `llvm-nm` for each file.
fn llvm_nm(files: &[PathBuf]) -> HashMap<PathBuf, Vec<NameAndClass>> {
    let mut command = Command::new(test_support::llvm_tool("llvm-nm"));
    command.args(["--no-sort", "--quiet", "--format=posix", "-A"]);
    let output = test_support::stdout(command.args(files));
    let mut symbols: HashMap<PathBuf, Vec<NameAndClass>> = HashMap::new();
    for line in output.lines() {
        // `FILE: NAME CLASS VALUE SIZE`. Names can contain spaces, such as the assembler's `.L0 `.
        let parsed = (|| {
            let (file, rest) = line.split_once(": ")?;
            let mut fields = rest.trim_end().rsplitn(4, ' ').skip(2);
            let class = fields.next()?.parse().ok()?;
            let name = fields.next()?;
            Some((file, (name.to_owned(), class)))
        })();
        let (file, symbol) = parsed.unwrap_or_else(|| panic!("llvm-nm printed \"{line}\""));
        symbols.entry(file.into()).or_default().push(symbol);
    }
    symbols
}

fn symbols_as_nm_shows_them(object: &Object<'_>) -> Vec<NameAndClass> {
    object
        .linker_symbols()
        .map(|symbol| (symbol.name.to_owned(), nm_class(object, symbol)))
        .collect()
}

/// Returns the letter that `nm` prints for a symbol. Source: the manual page of nm; for cases that it leaves open
/// (bitcode, sections without memory), the output of llvm-nm.
fn nm_class(object: &Object<'_>, symbol: &Symbol<'_>) -> char {
    let elf = object.as_elf();
    let section = elf.and_then(|elf| elf.section(symbol.section?));
    // Only ELF distinguishes weak variables from weak functions.
    let is_weak_variable = elf.is_some() && symbol.kind == SymbolKind::Data;
    let class = match (symbol.binding, symbol.definition) {
        (Binding::Weak, Definition::Undefined) if is_weak_variable => return 'v',
        (Binding::Weak, Definition::Undefined) => return 'w',
        (_, Definition::Undefined) => return 'U',
        (Binding::Weak, _) if is_weak_variable => return 'V',
        (Binding::Weak, _) => return 'W',
        (_, Definition::Common) => return 'C',
        (_, Definition::Absolute) => 'a',
        (_, Definition::Defined) if symbol.kind == SymbolKind::IndirectFunction => return 'i',
        (_, Definition::Defined) => match section {
            Some(section) if section.is_executable() => 't',
            Some(section) if section.section_type == elf::SHT_NOBITS => 'b',
            Some(section) if section.is_allocated() && section.is_writable() => 'd',
            Some(section) if section.is_allocated() => 'r',
            Some(section) if section.name.starts_with(".debug") => 'N',
            Some(section) if !section.is_writable() => 'n',
            Some(_) => '?',
            None if symbol.is_executable() => 't',
            None => 'd',
        },
    };
    if symbol.is_local() {
        class
    } else {
        class.to_ascii_uppercase()
    }
}

/// Compares everything that object-model reads from the ELF file in `data` with what goblin reads:
/// header, sections, symbols and relocations.
pub fn against_goblin(data: &[u8]) -> Vec<String> {
    let (ours, theirs) = match (Elf::parse(data), goblin::elf::Elf::parse(data)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(error), _) => return vec![error.to_string()],
        (_, Err(error)) => return vec![format!("goblin: {error}")],
    };
    let parts = [
        ("header", header(&ours), goblin_header(&theirs)),
        ("sections", sections(&ours), goblin_sections(&theirs)),
        ("symbols", symbols(&ours), goblin_symbols(&theirs, data)),
        (
            "relocations",
            relocations(&ours),
            goblin_relocations(&theirs),
        ),
    ];
    let difference = |(what, ours, theirs): (&str, Vec<String>, Vec<String>)| {
        first_difference(&ours, &theirs).map(|difference| format!("{what}: {difference}"))
    };
    parts.into_iter().filter_map(difference).collect()
}

/// Returns the first place where two lists differ, or `None` if they are the same.
fn first_difference<T: PartialEq + std::fmt::Debug>(ours: &[T], theirs: &[T]) -> Option<String> {
    let position = (0..ours.len().max(theirs.len())).find(|&at| ours.get(at) != theirs.get(at))?;
    Some(format!(
        "entry {position} of {} is {:?}, the other reader has {:?} of {}",
        ours.len(),
        ours.get(position),
        theirs.get(position),
        theirs.len()
    ))
}

fn header(file: &Elf<'_>) -> Vec<String> {
    vec![format!(
        "{} {} {} {}",
        file.is_64(),
        file.is_big_endian(),
        file.file_type().0,
        file.machine().0
    )]
}

fn goblin_header(file: &goblin::elf::Elf<'_>) -> Vec<String> {
    vec![format!(
        "{} {} {} {}",
        file.is_64, !file.little_endian, file.header.e_type, file.header.e_machine
    )]
}

fn sections(file: &Elf<'_>) -> Vec<String> {
    let describe = |section: &object_model::Section<'_>| {
        format!(
            "{} type {} flags {} at {} offset {} size {} align {} entry {} link {} info {}",
            section.name,
            section.section_type.0,
            section.flags.0,
            section.address,
            section.offset,
            section.size,
            section.alignment,
            section.entry_size,
            section.link.0,
            section.info
        )
    };
    file.sections().iter().map(describe).collect()
}

fn goblin_sections(file: &goblin::elf::Elf<'_>) -> Vec<String> {
    let describe = |section: &goblin::elf::SectionHeader| {
        format!(
            "{} type {} flags {} at {} offset {} size {} align {} entry {} link {} info {}",
            file.shdr_strtab.get_at(section.sh_name).unwrap_or("?"),
            section.sh_type,
            section.sh_flags,
            section.sh_addr,
            section.sh_offset,
            section.sh_size,
            section.sh_addralign,
            section.sh_entsize,
            section.sh_link,
            section.sh_info
        )
    };
    file.section_headers.iter().skip(1).map(describe).collect()
}

fn symbols(file: &Elf<'_>) -> Vec<String> {
    let describe = |symbol: &Symbol<'_>| {
        format!(
            "{} {:?} {} value {} size {}",
            symbol.name,
            symbol.binding,
            symbol.section_name.unwrap_or(match symbol.definition {
                Definition::Undefined => "undefined",
                Definition::Common => "common",
                Definition::Absolute => "absolute",
                Definition::Defined => "defined",
            }),
            symbol.value,
            symbol.size
        )
    };
    file.symbols().iter().map(describe).collect()
}

fn goblin_symbols(file: &goblin::elf::Elf<'_>, data: &[u8]) -> Vec<String> {
    use goblin::elf::section_header::{SHN_ABS, SHN_COMMON, SHN_UNDEF, SHN_XINDEX};

    let long_numbers = long_section_numbers(file, data);
    let section_name = |number: usize| {
        let section = file.section_headers.get(number);
        section
            .and_then(|section| file.shdr_strtab.get_at(section.sh_name))
            .unwrap_or("?")
    };
    let describe = |(position, symbol): (usize, goblin::elf::Sym)| {
        let binding = match symbol.st_bind() {
            STB_LOCAL => "Local",
            STB_GLOBAL | STB_GNU_UNIQUE => "Global",
            STB_WEAK => "Weak",
            _ => "?",
        };
        let section = match u32::try_from(symbol.st_shndx) {
            Ok(SHN_UNDEF) => "undefined",
            Ok(SHN_COMMON) => "common",
            Ok(SHN_ABS) => "absolute",
            Ok(SHN_XINDEX) => section_name(long_numbers[position]),
            _ => section_name(symbol.st_shndx),
        };
        format!(
            "{} {binding} {section} value {} size {}",
            file.strtab.get_at(symbol.st_name).unwrap_or("?"),
            symbol.st_value,
            symbol.st_size
        )
    };
    let symbols = file.syms.iter().enumerate().skip(1);
    symbols.map(describe).collect()
}

/// Returns the section numbers of symbols beyond 16 bits, which goblin leaves to its caller: the
/// words of the `SHT_SYMTAB_SHNDX` section, one for each symbol. Empty if there is no such section.
fn long_section_numbers(file: &goblin::elf::Elf<'_>, data: &[u8]) -> Vec<usize> {
    use goblin::elf::section_header::SHT_SYMTAB_SHNDX;

    let mut sections = file.section_headers.iter();
    let table = sections.find(|section| section.sh_type == SHT_SYMTAB_SHNDX);
    let words = table.map_or(&[][..], |table| {
        &data[table.file_range().expect("the table has bytes")]
    });
    let number = |word: &[u8]| {
        let word = word.try_into().expect("a word has four bytes");
        if file.little_endian {
            u32::from_le_bytes(word) as usize
        } else {
            u32::from_be_bytes(word) as usize
        }
    };
    words.chunks_exact(4).map(number).collect()
}

fn relocations(file: &Elf<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for section in file.sections() {
        if ![elf::SHT_REL, elf::SHT_RELA].contains(&section.section_type) {
            continue;
        }
        let relocations = file
            .relocations_in(section)
            .unwrap_or_else(|error| panic!("{}: {error}", section.name));
        all.extend(relocations.iter().map(|relocation| {
            format!(
                "{} at {} type {} symbol {} addend {:?}",
                section.name,
                relocation.offset,
                relocation.kind.0,
                relocation.symbol.map_or(0, |symbol| symbol.0),
                relocation.addend
            )
        }));
    }
    all
}

fn goblin_relocations(file: &goblin::elf::Elf<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for (index, relocations) in &file.shdr_relocs {
        let section = file.section_headers.get(*index);
        let name = section
            .and_then(|section| file.shdr_strtab.get_at(section.sh_name))
            .unwrap_or("?");
        all.extend(relocations.iter().map(|relocation| {
            format!(
                "{name} at {} type {} symbol {} addend {:?}",
                relocation.r_offset, relocation.r_type, relocation.r_sym, relocation.r_addend
            )
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use test_support::TestDir;

    use super::*;

    const TARGET: &str = "--target=aarch64-linux-gnu";

    #[test]
    fn every_sort_of_difference_is_seen() {
        let dir = TestDir::new();
        let mut readings = Vec::new();
        // Another name, another binding, another class, another order, one more.
        for source in [
            "int a; int b;",
            "int a; int c;",
            "int a; static __attribute__((used)) int b;",
            "int a; int b = 1;",
            "int b; int a;",
            "int a; int b; int c;",
        ] {
            let file = dir.c(&format!("{}.o", readings.len()), source, &[TARGET]);
            let data = dir.read(&file);
            let ours = symbols_as_nm_shows_them(&Object::parse(&data).unwrap());
            let theirs = llvm_nm(std::slice::from_ref(&file)).remove(&file).unwrap();
            assert_eq!(first_difference(&ours, &theirs), None);
            readings.push((ours, theirs));
        }
        for (one, (ours, _)) in readings.iter().enumerate() {
            for (other, (_, theirs)) in readings.iter().enumerate() {
                let difference = first_difference(ours, theirs);
                assert_eq!(difference.is_none(), one == other, "{one} {other}");
            }
        }
    }

    #[test]
    fn what_a_reader_refuses_is_a_difference() {
        let dir = TestDir::new();
        dir.c("a.o", "int a;", &[TARGET]);
        let data = dir.read("a.o");
        assert_eq!(against_goblin(&data[..data.len() - 1]).len(), 1);
    }
}
