// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Breaks artefacts and tools on purpose, and expects the right errors.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::config::Lto;
use kernel_lab::{Outcome, llvm, make, process};
use object_model::{SectionIndex, elf};
use tempfile::TempDir;
use tool_io::Files;

use super::{ARCH, built, expect, fault, kernel_tree, verified};

/// A file at the top of an object tree, and its replacement.
pub(super) type Replacement = (&'static str, Vec<u8>);

/// Makes a copy of the object tree `objtree` with some files replaced.
fn shadow(objtree: &Path, replaced: &[Replacement]) -> anyhow::Result<TempDir> {
    let shadow = tempfile::tempdir().context("a directory for a broken object tree")?;
    let objtree = std::path::absolute(objtree)?;
    for entry in fs::read_dir(&objtree).with_context(|| objtree.display().to_string())? {
        let name = entry?.file_name();
        if replaced.iter().all(|(replaced, _)| name != *replaced) {
            symlink(objtree.join(&name), shadow.path().join(&name))?;
        }
    }
    for (name, content) in replaced {
        let path = shadow.path().join(name);
        fs::write(&path, content)?;
        // verify compares times: a file is as old as the one that it replaces, or as the configuration.
        let replaces = Some(objtree.join(name)).filter(|path| path.exists());
        let like = replaces.unwrap_or_else(|| objtree.join(".config"));
        let file = fs::File::options().write(true).open(&path)?;
        file.set_modified(fs::metadata(like)?.modified()?)?;
    }
    Ok(shadow)
}

/// Returns the offset in the file of the first entry of the named table.
pub(super) fn table_offset(vmlinux: &Path, start: &str) -> anyhow::Result<usize> {
    let files = Files::new();
    let elf = files.elf(vmlinux)?;
    let symbols = elf.symbol_map();
    let address = symbols
        .named(start)
        .first()
        .with_context(|| format!("no {start}"))?
        .value;
    let holds = |section: &&object_model::Section| {
        section.is_allocated()
            && (section.address..section.address + section.size).contains(&address)
    };
    let section = elf
        .sections()
        .iter()
        .find(holds)
        .with_context(|| format!("no section has {start}"))?;
    Ok(usize::try_from(section.offset + address - section.address)?)
}

/// Breaks one thing at a time, and expects that exactly the corresponding check reports it.
pub fn verify_sees(workdir: &Path) -> Outcome {
    let good = built(workdir, Lto::Thin)?;
    let against = built(workdir, Lto::None)?;
    let read = |name: &str| {
        fs::read(good.join(name)).with_context(|| good.join(name).display().to_string())
    };
    let vmlinux = read("vmlinux")?;

    let mut swapped = vmlinux.clone();
    let at = table_offset(&good.join("vmlinux"), "__initcall6_start")?;
    swap_entries(&mut swapped, at).context("the table of initcalls")?;

    let at = table_offset(&good.join("vmlinux"), "__start_pci_fixups_final")? + 12;
    let to_another_hook = to_another_hook(&good.join("vmlinux"))?;
    let moved_by = |bytes: i32| -> anyhow::Result<Vec<u8>> {
        let mut moved = vmlinux.clone();
        let entry = moved
            .get_mut(at..at + 4)
            .context("the table of PCI fixups")?;
        let offset = i32::from_le_bytes((&*entry).try_into()?);
        entry.copy_from_slice(&(offset + bytes).to_le_bytes());
        Ok(moved)
    };

    let symvers = String::from_utf8(read("Module.symvers")?)?;
    let (first, _) = symvers.split_once('\t').context("Module.symvers")?;
    let zeroed = symvers.replacen(first, "0x00000000", 1);

    let record = String::from_utf8(read("vmlinux.o.lto-inputs")?)?;
    let reversed = record
        .lines()
        .rev()
        .flat_map(|line| [line, "\n"])
        .collect::<String>();

    // As after a compiler that makes native code of one object, although the command asks for bitcode.
    let native = fs::read(good.join("scripts/mod/empty.o")).context("scripts/mod/empty.o")?;
    let off = vec![
        (
            "vmlinux.o.lto-inputs",
            format!("{record}elf\tnative.o\n").into_bytes(),
        ),
        ("native.o", native),
        (
            ".native.o.cmd",
            b"cmd_native.o := clang -flto=thin -c -o native.o native.c\n\nsource_native.o := native.c\n"
                .to_vec(),
        ),
    ];

    // The CRC that modules expect is no longer that of the exporter.
    let line = symvers
        .lines()
        .find(|line| line.contains("\tmodule_layout\t"))
        .context("Module.symvers has no module_layout")?;
    let (crc, _) = line.split_once('\t').context("module_layout")?;
    let other_crc = symvers.replacen(line, &line.replacen(crc, "0x00000001", 1), 1);

    let native_line = record
        .lines()
        .find(|line| line.starts_with("elf\t"))
        .context("the record has no native object")?;
    let twice = format!("{record}{native_line}\n");

    let mut forgetful = vmlinux.clone();
    let at = table_offset(&good.join("vmlinux"), "kallsyms_num_syms")?;
    forgetful
        .get_mut(at..at + 4)
        .context("the number of symbols")?
        .fill(0);

    let cases: [(&str, usize, Vec<Replacement>); 10] = [
        // Two places, each compared with the link order and with the build without LTO.
        ("initcalls", 4, vec![("vmlinux", swapped)]),
        (
            "initcalls",
            1,
            vec![("vmlinux.o.lto-inputs", reversed.into_bytes())],
        ),
        // The middle of an instruction, and the start of another function.
        ("prel32", 1, vec![("vmlinux", moved_by(2)?)]),
        ("prel32", 1, vec![("vmlinux", moved_by(to_another_hook)?)]),
        // It is zero, and it is not that of the build without LTO.
        ("crcs", 2, vec![("Module.symvers", zeroed.into_bytes())]),
        ("lto", 1, off),
        ("crcs", 2, vec![("Module.symvers", other_crc.into_bytes())]),
        (
            "one-definition",
            1,
            vec![("vmlinux.o.lto-inputs", twice.into_bytes())],
        ),
        ("kallsyms", 1, vec![("vmlinux", forgetful)]),
        (
            "section-mismatches",
            1,
            vec![("vmlinux.o", refers_to_freed(&good.join("vmlinux.o"))?)],
        ),
    ];
    for (check, at_least, replaced) in cases {
        only_seen_by(check, at_least, &good, Some(&against), &replaced)?;
    }
    verified(&kernel_checks::verify(&good, Some(&against))?)
}

/// Expects that exactly one check reports the replaced files of the build at `good`.
pub(super) fn only_seen_by(
    check: &str,
    at_least: usize,
    good: &Path,
    against: Option<&Path>,
    replaced: &[Replacement],
) -> Outcome {
    let broken = shadow(good, replaced)?;
    let report = kernel_checks::verify(broken.path(), against)?;
    for found in &report.checks {
        let n_faults = found.finding.faults.len();
        let file = replaced.first().map_or("", |(file, _)| file);
        if found.name == check {
            expect(n_faults >= at_least, || {
                format!("{file} broken: {check} has {n_faults} faults, expected {at_least}")
            })?;
        } else {
            expect(n_faults == 0, || {
                format!(
                    "{file} broken: {} has faults: {:?}",
                    found.name, found.finding.faults
                )
            })?;
        }
    }
    Ok(())
}

/// Returns the distance, in bytes, from the function that the first PCI fixup of the last pass calls to another
/// hook.
fn to_another_hook(vmlinux: &Path) -> anyhow::Result<i32> {
    let files = Files::new();
    let (tables, _) = prel32_fix::tables(&files.elf(vmlinux)?);
    let table = tables
        .iter()
        .find(|table| table.name == "pci_fixup final")
        .context("the table of PCI fixups")?;
    let first = table.entries.first().context("a PCI fixup")?;
    let other = table
        .entries
        .iter()
        .find(|entry| entry.source_name() != first.source_name())
        .context("a PCI fixup with another hook")?;
    let distance = other.target.wrapping_sub(first.target).cast_signed();
    Ok(i32::try_from(distance)?)
}

/// Swaps two relative entries, so that each keeps its target.
fn swap_entries(bytes: &mut [u8], at: usize) -> Option<()> {
    let read =
        |bytes: &[u8], at: usize| Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (first, second) = (read(bytes, at)?, read(bytes, at + 4)?);
    bytes
        .get_mut(at..at + 4)?
        .copy_from_slice(&(second + 4).to_le_bytes());
    bytes
        .get_mut(at + 4..at + 8)?
        .copy_from_slice(&(first - 4).to_le_bytes());
    Some(())
}

/// Returns vmlinux.o with a call of a function that stays replaced by a call of one that is freed.
fn refers_to_freed(object: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = fs::read(object).with_context(|| object.display().to_string())?;
    let files = Files::new();
    let kernel = files.elf(object)?;
    let symbols = kernel.symbols().iter();
    let freed = symbols
        .filter(|symbol| kernel.is_function(symbol))
        .find(|symbol| symbol.section_name == Some(".init.text"))
        .context("no function is freed")?;
    for section in kernel.sections() {
        let applies_to = kernel.section(SectionIndex(section.info as usize));
        let stays = applies_to.is_some_and(|section| section.name.starts_with(".text.vfs_"));
        if section.section_type != elf::SHT_RELA || !stays {
            continue;
        }
        for (index, relocation) in kernel.relocations_in(section)?.iter().enumerate() {
            // A call that the tracer does not record.
            let called = relocation.symbol.and_then(|index| kernel.symbol(index));
            if relocation.kind == elf::R_AARCH64_CALL26
                && called.is_some_and(|called| called.name.starts_with("vfs_"))
            {
                // Elf64_Rela: the symbol is the upper half of r_info, the second of three words.
                let at = usize::try_from(section.offset)? + index * 24 + 12;
                let place = bytes.get_mut(at..at + 4).context("a relocation")?;
                place.copy_from_slice(&u32::try_from(freed.index.0)?.to_le_bytes());
                return Ok(bytes);
            }
        }
    }
    anyhow::bail!("{}: no call of vfs_", object.display())
}

pub fn missing_tools(workdir: &Path) -> Outcome {
    let tree = kernel_tree(workdir)?;
    let mut make = make(&tree, ARCH, &built(workdir, Lto::Thin)?, &llvm::bin_dir()?)?;
    make.args(["LTO_TOOLS=/nonexistent", "vmlinux"]);
    let Err(error) = process::output(&mut make) else {
        return Err(fault("make went through without the tools"));
    };
    let text = format!("{error:#}");
    expect(text.contains("cargo xtask install --tree"), || {
        format!("make does not say what mends it: {text}")
    })?;
    expect(!text.contains("  CC "), || {
        format!("make compiled before it looked: {text}")
    })
}
