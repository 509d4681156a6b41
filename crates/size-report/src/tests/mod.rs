// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Small kernels, compiled and linked here. The expected values come from llvm-size, llvm-nm, or
//! the assembly.

mod compared;
mod executed;
mod page;
mod sizes;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use test_support::{KERNEL_TARGETS, TestDir};
use tool_io::Files;

use super::compare::Row;
use super::{Counted, Report};

const X86: &str = KERNEL_TARGETS[1];

const SCRIPT: &str = "SECTIONS {\n. = 0xffffffff81000000;\n\
    .text : { *(.text .text.*) }\n. = ALIGN(0x200000);\n.rodata : { *(.rodata .rodata.*) }\n\
    .data : { *(.data .data.*) }\n.init.text : { *(.init.text) }\n.bss : { *(.bss .bss.*) }\n\
    /DISCARD/ : { *(.discard.*) *(.llvm_addrsig) }\n}\n";

/// An object tree.
struct Kernel {
    dir: TestDir,
}

impl Kernel {
    /// Returns a tree without objects.
    fn empty() -> Self {
        let dir = TestDir::new();
        dir.write("include/config/auto.conf", "CONFIG_X86_64=y\n");
        dir.write("include/config/kernel.release", "6.12.0\n");
        dir.write("modules.order", "");
        Self { dir }
    }

    /// Returns a kernel of these objects: path and assembly.
    fn of_assembly(objects: &[(&str, String)]) -> Self {
        let kernel = Self::empty();
        for (path, source) in objects {
            kernel.dir.asm(path, source, &[X86]);
        }
        let paths: Vec<_> = objects.iter().map(|(path, _)| *path).collect();
        kernel.link(&paths);
        kernel
    }

    /// Links objects, and records the link.
    fn link(&self, objects: &[&str]) {
        let mut record = String::new();
        for object in objects {
            writeln!(record, "elf\t{object}").unwrap();
        }
        self.dir.write("vmlinux.o.lto-inputs", record);
        let mut arguments = vec!["-r", "-o", "vmlinux.o"];
        arguments.extend(objects);
        self.dir.run("ld.lld", &arguments);
        self.dir.write("lds", SCRIPT);
        let arguments = ["-T", "lds", "-o", "vmlinux", "vmlinux.o"];
        self.dir.run("ld.lld", &arguments);
    }

    fn report(&self) -> Report {
        self.reported(None).unwrap()
    }

    /// Returns the report, made from the files in the object trees as by the command.
    fn reported(&self, other: Option<&Self>) -> anyhow::Result<Report> {
        let other = other.map(|other| other.dir.path());
        let counted = kernel_lab::runtime::counted(self.dir.path(), other)?;
        let counted = counted.map(|counted| Counted {
            sets: counted.sets.iter().map(|set| set.name()).collect(),
            addresses: counted.addresses,
            against: counted.against,
        });
        super::report(self.dir.path(), other, counted.as_ref(), &Files::new())
    }

    fn report_against(&self, other: &Self) -> Report {
        self.reported(Some(other)).unwrap()
    }

    /// Returns the reason why there is no report.
    fn error(&self) -> String {
        match self.reported(None) {
            Ok(_) => panic!("there is a report"),
            Err(error) => format!("{error:#}"),
        }
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.dir.join(name)).unwrap();
    }
}

/// Returns assembly of a function of `size` bytes.
fn function(name: &str, size: usize) -> String {
    format!(
        ".text\n.globl {name}\n.type {name},@function\n{name}: .fill {size},1,0x90\n\
         .size {name},{size}\n"
    )
}

/// Returns the row of a symbol, which must exist.
fn row<'report>(report: &'report Report, object: &str, name: &str) -> &'report Row {
    let mut rows = report.symbols.iter();
    let found = rows.find(|row| row.object == object && row.name == name);
    found.unwrap_or_else(|| panic!("no {name} of {object} in {:#?}", report.symbols))
}

/// Returns the sizes of symbols by name, from llvm-nm.
fn nm(kernel: &Kernel, object: &str) -> BTreeMap<String, u64> {
    let output = kernel.dir.run("llvm-nm", &["--print-size", object]);
    let lines = output.lines().map(|line| line.split_whitespace());
    lines
        .filter_map(|words| {
            let [_, size, _, name] = words.collect::<Vec<_>>()[..] else {
                return None;
            };
            let size = u64::from_str_radix(size, 16).unwrap();
            (size > 0).then(|| (name.to_owned(), size))
        })
        .collect()
}
