// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The tables of a linked kernel, found by the symbols around them.

use object_model::{Elf, Section, Symbol, SymbolMap};

use crate::{Entry, Fault, Table, best};

/// How a table lies in memory.
struct Layout {
    name: String,
    start: String,
    end: String,
    /// Size of an entry in bytes.
    stride: u64,
    /// Where in an entry the offset stands, in bytes.
    at: u64,
}

fn layout(name: &str, start: &str, end: &str, stride: u64, at: u64) -> Layout {
    Layout {
        name: name.into(),
        start: start.into(),
        end: end.into(),
        stride,
        at,
    }
}

/// `include/asm-generic/vmlinux.lds.h`, in the order in which the tables stand in memory.
fn layouts() -> Vec<Layout> {
    let levels = ["", "0", "1", "2", "3", "4", "5", "rootfs", "6", "7"];
    let mut layouts = Vec::new();
    for (index, level) in levels.iter().enumerate() {
        let name = if level.is_empty() { "early" } else { level };
        let end = match levels.get(index + 1) {
            Some(next) => format!("__initcall{next}_start"),
            None => "__initcall_end".into(),
        };
        let start = format!("__initcall{level}_start");
        layouts.push(layout(&format!("initcall {name}"), &start, &end, 4, 0));
    }
    layouts.push(layout(
        "initcall con",
        "__con_initcall_start",
        "__con_initcall_end",
        4,
        0,
    ));
    for pass in [
        "early",
        "header",
        "final",
        "enable",
        "resume",
        "suspend",
        "resume_early",
        "suspend_late",
    ] {
        let (start, end) = (
            format!("__start_pci_fixups_{pass}"),
            format!("__end_pci_fixups_{pass}"),
        );
        // struct pci_fixup: vendor, device, class, class_shift, hook_offset.
        layouts.push(layout(&format!("pci_fixup {pass}"), &start, &end, 16, 12));
    }
    for kind in ["", "_gpl", "_unused", "_unused_gpl", "_gpl_future"] {
        let name = format!("ksymtab{kind}");
        let (start, end) = (format!("__start___{name}"), format!("__stop___{name}"));
        // struct kernel_symbol: value_offset, name_offset, namespace_offset.
        layouts.push(layout(&name, &start, &end, 12, 0));
    }
    layouts
}

/// The PREL32 tables that the linked kernel `elf` has, those without entries left out, and what
/// is wrong with their bounds.
pub fn tables(elf: &Elf) -> (Vec<Table>, Vec<Fault>) {
    let symbols = elf.symbol_map();
    let mut tables = Vec::new();
    let mut faults = Vec::new();
    for layout in layouts() {
        let Some((start, end)) =
            address(&symbols, &layout.start).zip(address(&symbols, &layout.end))
        else {
            continue;
        };
        match read(elf, &symbols, &layout, start, end) {
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => tables.push(Table {
                name: layout.name,
                entries,
            }),
            Err(reason) => faults.push(Fault::Bounds {
                table: layout.name,
                reason,
            }),
        }
    }
    (tables, faults)
}

fn address(symbols: &SymbolMap, name: &str) -> Option<u64> {
    symbols.named(name).first().map(|symbol| symbol.value)
}

fn read(
    elf: &Elf,
    symbols: &SymbolMap,
    layout: &Layout,
    start: u64,
    end: u64,
) -> Result<Vec<Entry>, String> {
    let size = end
        .checked_sub(start)
        .ok_or_else(|| format!("{} lies before {}", layout.end, layout.start))?;
    if size % layout.stride != 0 {
        return Err(format!(
            "{size} bytes are no whole number of entries of {} bytes",
            layout.stride
        ));
    }
    let mut entries = Vec::new();
    for index in 0..size / layout.stride {
        let address = start + index * layout.stride + layout.at;
        let offset = section_at(elf, address)
            .and_then(|section| elf.read_unsigned(section, address - section.address, 4));
        let offset = offset.ok_or_else(|| format!("no bytes in the file for {address:#x}"))?;
        let target = address.wrapping_add_signed(i64::from((offset as u32).cast_signed()));
        let symbol = symbol_at(elf, symbols, target).map(|symbol| symbol.name.to_owned());
        entries.push(Entry {
            address,
            target,
            symbol,
        });
    }
    Ok(entries)
}

fn section_at<'elf, 'data>(elf: &'elf Elf<'data>, address: u64) -> Option<&'elf Section<'data>> {
    elf.sections().iter().find(|section| {
        section.is_allocated()
            && address
                .checked_sub(section.address)
                .is_some_and(|offset| offset < section.size)
    })
}

/// What begins at `address`. A symbol at the very end of a section counts for that section, so
/// the one that holds the address is asked first and the others after it.
fn symbol_at<'elf, 'data>(
    elf: &Elf<'data>,
    symbols: &SymbolMap<'elf, 'data>,
    address: u64,
) -> Option<&'elf Symbol<'data>> {
    let section = section_at(elf, address)?;
    best(symbols.at(section.index, address))
}
