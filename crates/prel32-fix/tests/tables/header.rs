// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The installed header, compiled with the kernel's flags.

use std::path::Path;

use test_support::TestDir;

/// The macros that the header takes from the kernel's `<linux/compiler.h>`.
const COMPILER_H: &str = "#define ___PASTE(a, b) a##b
#define __PASTE(a, b) ___PASTE(a, b)
#define noinline __attribute__((__noinline__))
#define notrace __attribute__((__no_instrument_function__))
#define __used __attribute__((__used__))
#define ___ADDRESSABLE(sym, line) static void * __used __PASTE(__addressable_, line) = (void *)&sym;
#define __ADDRESSABLE(sym) ___ADDRESSABLE(sym, __LINE__)
";

/// A hook that is worth inlining, and two devices that share it.
const FIXUPS: &str = "#define __KBUILD_MODNAME kmod_test
#define CONFIG_LTO_CLANG 1
#define CONFIG_HAVE_ARCH_PREL32_RELOCATIONS 1
#include <linux/lto_prel32.h>
struct pci_dev { int class; int flags; };
static void hook(struct pci_dev *dev)
{
	dev->class = dev->class * 3 + 1;
	dev->flags |= dev->class & 16;
}
__define_pci_fixup_entry(hook, first)
__define_pci_fixup_entry(hook, second)
";

#[test]
fn entries_of_pci_fixups_jump_to_their_hook() {
    let header =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kconfig/prel32-fix/lto_prel32.h");
    for target in ["aarch64-linux-gnu", "x86_64-linux-gnu"] {
        let dir = TestDir::new();
        dir.write("include/linux/compiler.h", COMPILER_H);
        dir.write(
            "include/linux/lto_prel32.h",
            std::fs::read(&header).unwrap(),
        );
        let target = format!("--target={target}");
        // With frame pointers, the kernel forbids the compiler to turn calls into jumps.
        let flags = [
            &*target,
            "-std=gnu89",
            "-O2",
            "-Wall",
            "-Werror",
            "-fno-omit-frame-pointer",
            "-fno-optimize-sibling-calls",
            "-Iinclude",
        ];
        dir.c("fixups.o", FIXUPS, &flags);
        let bytes = dir.read("fixups.o");
        let elf = goblin::elf::Elf::parse(&bytes).unwrap();
        let size = |name| {
            let is_named =
                |symbol: &goblin::elf::Sym| elf.strtab.get_at(symbol.st_name) == Some(name);
            let found = elf.syms.iter().find(is_named);
            found.unwrap_or_else(|| panic!("no {name}")).st_size
        };
        for entry in ["first", "second"] {
            assert!(
                (1..=8).contains(&size(entry)),
                "{target}: {entry} has {}",
                size(entry)
            );
        }
        assert!(size("hook") > 8, "{target}: the hook is not worth inlining");
    }
}
