// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the tables of a linked kernel, by the symbols around them.

use object_model::{Elf, Section, Symbol, SymbolMap};

use crate::{Entry, Fault, PointsTo, Table, best};

/// The layout of a table in memory.
struct Layout {
    name: String,
    start: String,
    end: String,
    /// Size of an entry in bytes.
    stride: u64,
    /// The place of the offset in an entry, in bytes.
    at: u64,
    points_to: PointsTo,
}

fn layout(name: &str, start: &str, end: &str, stride: u64, at: u64) -> Layout {
    Layout {
        name: name.into(),
        start: start.into(),
        end: end.into(),
        stride,
        at,
        points_to: PointsTo::Start,
    }
}

/// Returns a table whose entries may refer to the middle of a function.
fn code_layout(name: &str, section: &str, stride: u64, at: u64) -> Layout {
    let (start, end) = (format!("__start_{section}"), format!("__stop_{section}"));
    Layout {
        points_to: PointsTo::Code,
        ..layout(name, &start, &end, stride, at)
    }
}

/// Returns the layouts in the order of the tables in memory. Source:
/// `include/asm-generic/vmlinux.lds.h`.
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
    let tracepoints = ["__start___tracepoints_ptrs", "__stop___tracepoints_ptrs"];
    layouts.push(layout("tracepoints", tracepoints[0], tracepoints[1], 4, 0));
    // struct jump_entry of HAVE_ARCH_JUMP_LABEL_RELATIVE: code, target, and a key of 64 bits.
    layouts.push(code_layout("jump_label code", "__jump_table", 16, 0));
    layouts.push(code_layout("jump_label target", "__jump_table", 16, 4));
    // struct static_call_site: code and key.
    layouts.push(code_layout("static_call", "static_call_sites", 8, 0));
    // struct static_call_tramp_key: trampoline and key.
    let trampolines = [
        "__start_static_call_tramp_key",
        "__stop_static_call_tramp_key",
    ];
    layouts.push(layout(
        "static_call trampoline",
        trampolines[0],
        trampolines[1],
        8,
        0,
    ));
    layouts
}

/// Returns the PREL32 tables of the linked kernel `elf` that have entries, and the faults of their bounds.
pub fn tables(elf: &Elf) -> (Vec<Table>, Vec<Fault>) {
    read_all(elf, layouts())
}

/// Tables of objects, by the prefixes of their sections and the size of an entry, and the tables in
/// which a linked kernel has them.
const OF_OBJECTS: [(&[&str], u64, &str, IsTable); 7] = [
    (&[".initcall", ".con_initcall"], 4, "initcall", |name| {
        name.starts_with("initcall ")
    }),
    (&[".pci_fixup_"], 16, "pci_fixup", |name| {
        name.starts_with("pci_fixup ")
    }),
    (&["___ksymtab", "__ksymtab"], 12, "ksymtab", |name| {
        name.starts_with("ksymtab")
    }),
    (&["__tracepoints_ptrs"], 4, "tracepoints", |name| {
        name == "tracepoints"
    }),
    (&["__jump_table"], 16, "jump_label", |name| {
        name == "jump_label code"
    }),
    (&[".static_call_sites"], 8, "static_call", |name| {
        name == "static_call"
    }),
    (
        &[".static_call_tramp_key"],
        8,
        "static_call trampoline",
        |name| name == "static_call trampoline",
    ),
];

/// Whether a table of a linked kernel has the entries.
type IsTable = fn(&str) -> bool;

/// Returns the tables of which the kernel `vmlinux` has fewer entries than `object`, the vmlinux.o that it was
/// linked from. The last link may add some.
pub fn lost(vmlinux: &Elf, object: &Elf) -> Vec<Fault> {
    let (tables, _) = tables(vmlinux);
    let mut faults = Vec::new();
    for (sections, stride, table, is_table) in OF_OBJECTS {
        let is_of_table = |name: &str| {
            let is_strings = name.starts_with("__ksymtab_strings");
            !is_strings && sections.iter().any(|prefix| name.starts_with(prefix))
        };
        let of_table = object.sections().iter();
        let of_table = of_table.filter(|s| s.is_allocated() && is_of_table(s.name));
        let size = of_table.fold(0, |sum: u64, section| sum.saturating_add(section.size));
        let expected = size / stride;
        let found = tables.iter().filter(|found| is_table(&found.name));
        let found = found.map(|table| table.entries.len() as u64).sum();
        if found < expected {
            faults.push(Fault::Lost {
                table: table.to_owned(),
                expected,
                found,
            });
        }
    }
    faults
}

/// Returns only the tables of PCI fixups.
pub(crate) fn pci_fixups(elf: &Elf) -> Vec<Table> {
    let mut layouts = layouts();
    layouts.retain(|layout| layout.name.starts_with("pci_fixup "));
    read_all(elf, layouts).0
}

fn read_all(elf: &Elf, layouts: Vec<Layout>) -> (Vec<Table>, Vec<Fault>) {
    let symbols = elf.symbol_map();
    let mut tables = Vec::new();
    let mut faults = Vec::new();
    for layout in layouts {
        let bounds = [&layout.start, &layout.end].map(|name| address(&symbols, name));
        let (start, end) = match bounds {
            [Some(start), Some(end)] => (start, end),
            // The kernel's version or architecture does not have the table.
            [None, None] => continue,
            // Tables of initcalls share their bounds; those of a kernel are compared with the link order.
            _ if layout.name.starts_with("initcall ") => continue,
            [found, _] => {
                let missing = if found.is_none() {
                    layout.start
                } else {
                    layout.end
                };
                faults.push(Fault::Bounds {
                    table: layout.name,
                    reason: format!("there is no {missing}"),
                });
                continue;
            }
        };
        match read(elf, &symbols, &layout, start, end) {
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => tables.push(Table {
                name: layout.name,
                points_to: layout.points_to,
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
            "{size} bytes are not a multiple of the entry size, {} bytes",
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
        let is_code = section_at(elf, target).is_some_and(Section::is_executable);
        entries.push(Entry {
            address,
            target,
            symbol,
            is_code,
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

/// Returns the symbol that begins at `address`. A symbol at the very end of a section belongs to that
/// section, so the section that contains the address is searched first, and then the others.
fn symbol_at<'elf, 'data>(
    elf: &Elf<'data>,
    symbols: &SymbolMap<'elf, 'data>,
    address: u64,
) -> Option<&'elf Symbol<'data>> {
    let section = section_at(elf, address)?;
    best(symbols.at(section.index, address))
}
