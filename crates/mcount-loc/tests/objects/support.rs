// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Objects, the tool, and two readers that are not ours: goblin and llvm-objdump.

use std::fmt::Write as _;
use std::process::Command;
use std::time::SystemTime;

use goblin::elf::Elf;
use test_support::TestDir;

/// The flags that compile code with entry calls for one target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub flags: &'static [&'static str],
    /// The symbol that the functions call.
    pub entry: &'static str,
    /// The relocation of a record.
    pub address: u32,
    /// For `ld.lld -m`.
    pub emulation: &'static str,
}

pub const X86: Target = Target {
    flags: &[
        "--target=x86_64-linux-gnu",
        "-mfentry",
        "-pg",
        "-mcmodel=kernel",
        "-fno-pic",
    ],
    entry: "__fentry__",
    address: goblin::elf::reloc::R_X86_64_64,
    emulation: "elf_x86_64",
};
/// Without `-mfentry` the call follows the set-up of the frame.
pub const X86_MCOUNT: Target = Target {
    flags: &[
        "--target=x86_64-linux-gnu",
        "-pg",
        "-mcmodel=kernel",
        "-fno-pic",
    ],
    entry: "mcount",
    ..X86
};
pub const ARM: Target = Target {
    flags: &["--target=aarch64-linux-gnu", "-pg", "-fno-pic"],
    entry: "_mcount",
    address: goblin::elf::reloc::R_AARCH64_ABS64,
    emulation: "aarch64elf",
};
pub const ARM_BE: Target = Target {
    flags: &["--target=aarch64_be-linux-gnu", "-pg", "-fno-pic"],
    emulation: "aarch64elfb",
    ..ARM
};
pub const TARGETS: [Target; 4] = [X86, X86_MCOUNT, ARM, ARM_BE];

/// Sections that functions ask for and ftrace may patch.
pub const TRACED_SECTIONS: [&str; 8] = [
    ".init.text",
    ".ref.text",
    ".sched.text",
    ".spinlock.text",
    ".irqentry.text",
    ".softirqentry.text",
    ".kprobes.text",
    ".cpuidle.text",
];

/// Sections that ftrace must leave alone.
pub const LEFT_OUT_SECTIONS: [&str; 6] = [
    ".exit.text",
    ".meminit.text",
    ".noinstr.text",
    ".entry.text",
    ".hyp.text",
    ".init.text.other",
];

/// The places of the table and of code in the kernel's linker script.
pub const LINKED: &str = "SECTIONS {\n\
    . = 0xffff000000001000;\n\
    .text : { *(.text .text.*) }\n\
    .other : { *(.*.text) }\n\
    .init.data : { __start_mcount_loc = .; KEEP(*(__mcount_loc)) \
                   KEEP(*(__patchable_function_entries)) __stop_mcount_loc = .; }\n\
}\n";

/// Runs ld.lld for the target.
pub fn lld(dir: &TestDir, target: Target, arguments: &[&str]) {
    let arguments = [&["-m", target.emulation], arguments].concat();
    dir.run("ld.lld", &arguments);
}

/// Returns C text with a function of each kind in `.text`, and one in each of `sections`, called
/// `in_0`, `in_1` and so on.
pub fn source(sections: &[&str]) -> String {
    let mut source = String::from(
        "int callee(int);\n\
         static __attribute__((noinline)) int local(int x) { return callee(x) + 2; }\n\
         int plain(int x) { return callee(x) + local(x); }\n\
         __attribute__((weak)) int weak(int x) { return callee(x) + 3; }\n\
         __attribute__((cold)) int cold(int x) { return callee(x) + 4; }\n\
         __attribute__((no_instrument_function)) int notrace(int x) { return callee(x) + 5; }\n\
         int (*pointer)(int) = local;\n",
    );
    for (number, section) in sections.iter().enumerate() {
        writeln!(
            source,
            "__attribute__((section(\"{section}\"))) int in_{number}(int x) \
             {{ return callee(x) + {number}; }}"
        )
        .unwrap();
    }
    source
}

/// Compiles [`source`] to `name`.
pub fn object(dir: &TestDir, name: &str, target: Target, sections: &[&str], flags: &[&str]) {
    let flags = [&["-O2"], target.flags, flags].concat();
    dir.c(name, &source(sections), &flags);
}

/// Runs the tool, which must write nothing to standard output; returns exit code and standard error.
pub fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcount-loc"));
    let output = test_support::output(command.args(arguments).current_dir(dir.path()));
    assert_eq!(output.stdout, b"");
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

pub fn success() -> (Option<i32>, String) {
    (Some(0), String::new())
}

/// Returns the tool's messages about faults.
pub fn fault(lines: &[&str]) -> (Option<i32>, String) {
    let line = |line: &&str| format!("mcount-loc: error: {line}\n");
    (Some(1), lines.iter().map(line).collect())
}

/// Section and offset of a call.
pub type Place = (String, u64);

/// Returns the places that the records of an object refer to, in table order, as goblin reads them.
/// Each record is checked: its type, and that it stands at the next entry.
pub fn records(bytes: &[u8], target: Target) -> Vec<Place> {
    let elf = Elf::parse(bytes).unwrap();
    let name = |index: usize| {
        let header = &elf.section_headers[index];
        elf.shdr_strtab.get_at(header.sh_name).unwrap()
    };
    let mut records = Vec::new();
    for (index, relocations) in &elf.shdr_relocs {
        let applies_to = elf.section_headers[*index].sh_info as usize;
        if name(applies_to) != "__mcount_loc" {
            continue;
        }
        for (position, relocation) in relocations.iter().enumerate() {
            assert_eq!(relocation.r_type, target.address);
            assert_eq!(relocation.r_offset, position as u64 * 8);
            let symbol = elf.syms.get(relocation.r_sym).unwrap();
            let offset = symbol
                .st_value
                .wrapping_add_signed(relocation.r_addend.unwrap());
            records.push((name(symbol.st_shndx).to_owned(), offset));
        }
        let table = &elf.section_headers[applies_to];
        assert_eq!(table.sh_size, relocations.len() as u64 * 8);
    }
    records
}

/// Returns function and place of each instruction with a relocation against `entry`, as
/// llvm-objdump disassembles the object.
pub fn entry_calls(dir: &TestDir, name: &str, entry: &str) -> Vec<(String, Place)> {
    let mut calls = Vec::new();
    let (mut section, mut function, mut instruction) = (String::new(), String::new(), 0);
    for line in dir.run("llvm-objdump", &["-dr", name]).lines() {
        if let Some(name) = line.strip_prefix("Disassembly of section ") {
            name.trim_end_matches(':').clone_into(&mut section);
        } else if let Some((_, name)) = line.split_once(" <").filter(|_| line.ends_with(">:")) {
            name.trim_end_matches(">:").clone_into(&mut function);
        } else if line.contains("R_X86_64_") || line.contains("R_AARCH64_") {
            let target = line.split_whitespace().last().unwrap();
            if target.split(['-', '+']).next() == Some(entry) {
                calls.push((function.clone(), (section.clone(), instruction)));
            }
        } else if let Some((address, _)) = line.trim_start().split_once(':') {
            instruction = u64::from_str_radix(address, 16).unwrap_or(instruction);
        }
    }
    calls
}

/// Returns the time of the last change of the file.
pub fn modified(dir: &TestDir, name: &str) -> SystemTime {
    dir.join(name).metadata().unwrap().modified().unwrap()
}
