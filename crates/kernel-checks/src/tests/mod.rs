// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Small kernels, assembled and linked here, whole ones and ones with something broken.

mod call_sites;
mod crcs;
mod files;
mod got;
mod native;
mod orc;
mod read_once;
mod traced;

use std::fmt::Write as _;

use object_tree::Objtree;
use test_support::TestDir;
use tool_io::Files;

use super::{Finding, Verdict};

const X86: &str = "--target=x86_64-linux-gnu";
const ARM: &str = "--target=aarch64-linux-gnu";

/// The tables that the kernel's linker script keeps, and what it puts around them.
const SCRIPT: &str = "SECTIONS {\n\
    . = 0xffffffff81000000;\n\
    .text : { *(.text .text.*) *(.static_call.text) }\n\
    .rodata : { *(.rodata)\n\
        . = ALIGN(8);\n\
        __start_static_call_sites = .; *(.static_call_sites) __stop_static_call_sites = .; }\n\
    .data : { *(.data) }\n\
    .orc_unwind_ip : {\n\
        __start_orc_unwind_ip = .; *(.orc_unwind_ip) __stop_orc_unwind_ip = .; }\n\
    .orc_unwind : { __start_orc_unwind = .; *(.orc_unwind) __stop_orc_unwind = .; }\n\
    .orc_lookup : {\n\
        orc_lookup = .; . += ((SIZEOF(.text) + 255) / 256 + 1) * 4; orc_lookup_end = .; }\n\
    .init.text : { *(.init.text) }\n\
    .init.data : { . = ALIGN(8); __start_mcount_loc = .; *(__mcount_loc) __stop_mcount_loc = .; }\n\
    .retpoline_sites : {\n\
        __retpoline_sites = .; *(.retpoline_sites) __retpoline_sites_end = .; }\n\
    .return_sites : { __return_sites = .; *(.return_sites) __return_sites_end = .; }\n\
    .altinstr_replacement : { *(.altinstr_replacement) }\n\
    .altinstr_aux : { *(.altinstr_aux) }\n\
    /DISCARD/ : { *(.discard.*) }\n\
}\n";

/// An object tree.
struct Kernel {
    dir: TestDir,
}

impl Kernel {
    /// A kernel of this assembly with these options set, without modules.
    fn new(target: &str, options: &[&str], source: &str) -> Self {
        let kernel = Self {
            dir: TestDir::new(),
        };
        kernel.configure(options);
        kernel.dir.write("modules.order", "");
        kernel.dir.asm("vmlinux.o", source, &[target]);
        kernel.link("vmlinux.o", SCRIPT);
        kernel
    }

    fn configure(&self, options: &[&str]) {
        let mut text = String::new();
        for option in options {
            writeln!(text, "CONFIG_{option}=y").unwrap();
        }
        self.dir.write("include/config/auto.conf", text);
    }

    /// Makes vmlinux anew.
    fn link(&self, object: &str, script: &str) {
        self.dir.write("lds", script);
        let arguments = ["-T", "lds", "-o", "vmlinux", object];
        self.dir.run("ld.lld", &arguments);
    }

    /// The same kernel with another vmlinux: of this assembly.
    fn linked_from(self, source: &str) -> Self {
        self.dir.asm("other.o", source, &[X86]);
        self.link("other.o", SCRIPT);
        self
    }

    /// The same kernel with module `m` of this assembly.
    fn with_module(self, source: &str) -> Self {
        self.dir.asm("m.ko", source, &[X86]);
        self.dir.write("modules.order", "m.ko\n");
        self
    }

    /// What a check says of the kernel.
    fn check(&self, check: impl Fn(&Objtree) -> anyhow::Result<Finding>) -> Finding {
        let files = Files::new();
        check(&Objtree::open(self.dir.path(), &files).unwrap()).unwrap()
    }

    /// What the check with this name says of the kernel.
    fn named(&self, name: &str) -> Finding {
        let check = super::CHECKS.iter().find(|check| check.name == name);
        self.check(|tree| (check.unwrap().run)(tree, None))
    }

    /// What a check says of the kernel compared with another.
    fn check_against(
        &self,
        against: &Self,
        check: impl Fn(&Objtree, Option<&Objtree>) -> anyhow::Result<Finding>,
    ) -> Finding {
        let files = Files::new();
        let open = |kernel: &Self| Objtree::open(kernel.dir.path(), &files).unwrap();
        check(&open(self), Some(&open(against))).unwrap()
    }
}

/// Relocations are what most is told by.
#[test]
fn a_kernel_without_vmlinux_o_is_a_fault() {
    let options = ["RETHUNK", "FTRACE_MCOUNT_RECORD"];
    let kernel = Kernel::new(
        X86,
        &options,
        ".globl __x86_return_thunk\n__x86_return_thunk: ret\n",
    );
    std::fs::remove_file(kernel.dir.join("vmlinux.o")).unwrap();
    let expected = "there is no vmlinux.o of this build, so vmlinux cannot be checked against it; run make again";
    let checks = [
        kernel.check(super::got::got),
        kernel.check(super::call_sites::returns),
        kernel.check(|tree| super::traced::mcount(tree, None)),
    ];
    for check in &checks {
        assert!(faults(check).contains(&expected), "{check:?}");
    }
}

/// The map of names says of each name with a suffix what it is called in the source.
#[test]
fn a_suffixed_name_that_only_one_file_has_is_a_fault() {
    let source = |name: &str| {
        format!(
            ".text\n.globl {name}\n.type {name},@function\n{name}: ret\n.size {name}, .-{name}\n"
        )
    };
    let check = |in_object: &str, in_vmlinux: &str| {
        let kernel = Kernel::new(X86, &[], &source(in_object));
        kernel.linked_from(&source(in_vmlinux)).named("names")
    };
    assert_eq!(faults(&check("f.llvm.1", "f.llvm.1")), [""; 0]);
    assert_eq!(
        faults(&check("f.llvm.1", "f")),
        ["vmlinux: lacks f.llvm.1 of vmlinux.o; run make again"]
    );
    assert_eq!(
        faults(&check("f", "f.llvm.1")),
        ["vmlinux.o: lacks f.llvm.1 of vmlinux; run make again"]
    );
}

/// lto-link lists the names that it restored, and leaves none of those of LTO.
#[test]
fn a_restored_name_that_a_file_lacks_is_a_fault() {
    let source = |name: &str| {
        format!(
            ".text\n.type {name},@function\n{name}: ret\n.size {name}, .-{name}\n.globl g\ng: ret\n"
        )
    };
    let check = |in_object: &str, in_vmlinux: &str| {
        let kernel = Kernel::new(X86, &["LTO_CLANG_THIN"], &source(in_object));
        kernel.dir.write("vmlinux.o.lto-names", "f\tf.llvm.1\n");
        kernel.dir.asm("a.o", &source("f"), &[X86]);
        kernel.dir.write("vmlinux.o.lto-inputs", "elf\ta.o\n");
        kernel.linked_from(&source(in_vmlinux)).named("names")
    };
    let found = check("f", "f");
    assert_eq!(faults(&found), [""; 0]);
    assert!(
        found.figure.starts_with("1 names restored; 0 functions"),
        "{}",
        found.figure
    );
    assert_eq!(
        faults(&check("f", "other")),
        ["vmlinux: lacks f of vmlinux.o; run make again"]
    );
    let found = check("f.llvm.1", "f.llvm.1");
    let [lost, promoted] = &faults(&found)[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        *lost,
        "vmlinux.o: lacks f, which vmlinux.o.lto-names lists; run make again"
    );
    assert!(
        promoted.starts_with("vmlinux.o: f.llvm.1 has the name that LTO gave it"),
        "{promoted}"
    );
}

/// The faults of a check, and that its verdict goes with them.
fn faults(check: &Finding) -> Vec<&str> {
    let expected = if check.faults.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Fault
    };
    assert_eq!(check.verdict, expected, "{check:?}");
    check.faults.iter().map(String::as_str).collect()
}

/// Why a check was not done.
fn reason(check: &Finding) -> &str {
    assert_eq!(check.verdict, Verdict::NotApplicable, "{check:?}");
    &check.figure
}
