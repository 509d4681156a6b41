// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernels whose compiler adds checks to the code: the checks still find what they are for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::config;
use kernel_lab::mode::Mode;
use kernel_lab::variant::for_smaller_code;
use kernel_lab::{Arch, Failure, Outcome, progress};
use tool_io::Files;

use super::{PROFILE, boots, build_for, expect, kernel_tree, self_tested, verified};

/// A hardened kernel, and what shows that it is one.
struct Hardened {
    arch: Arch,
    name: &'static str,
    settings: &'static [&'static str],
    /// Whether the kernel with LTO has the options for smaller code.
    smaller: bool,
    /// Crashes of lkdtm, and a part of what the kernel says about each.
    found: &'static [(&'static str, &'static str)],
    /// Lines that the kernel prints when it starts or loads its modules.
    said: &'static [&'static str],
    /// Instructions and calls that the compiler must have added.
    added: &'static [Added],
}

/// A part of checks in code.
enum Added {
    /// An instruction.
    Instruction(&'static str, u32),
    /// A reference to a function whose name begins like this.
    Call(&'static str),
}

const ARM64: Hardened = Hardened {
    arch: Arch::Arm64,
    name: "hardened",
    settings: &[
        "UBSAN=y",
        "UBSAN_BOUNDS=y",
        "SHADOW_CALL_STACK=y",
        "ARM64_PTR_AUTH=y",
        "ARM64_BTI_KERNEL=y",
        "STACKPROTECTOR_STRONG=y",
        "INIT_STACK_ALL_ZERO=y",
        "HARDENED_USERCOPY=y",
        "DEBUG_LIST=y",
        "TEST_STACKINIT=m",
    ],
    smaller: true,
    found: &[
        ("lkdtm ARRAY_BOUNDS", "UBSAN: array-index-out-of-bounds"),
        ("lkdtm CORRUPT_LIST_ADD", "lib/list_debug.c"),
        ("lkdtm USERCOPY_HEAP_SIZE_TO", "usercopy"),
        ("lkdtm CORRUPT_STACK_STRONG", "stack is corrupted"),
    ],
    said: &["test_stackinit: all tests passed"],
    // Encodings: Arm Architecture Reference Manual.
    added: &[
        Added::Instruction("str x30, [x18], #8", 0xf800_865e),
        Added::Instruction("paciasp", 0xd503_233f),
        Added::Instruction("bti c", 0xd503_245f),
        Added::Call("__ubsan_handle_"),
        Added::Call("__stack_chk_fail"),
    ],
};

const SANITIZERS: Hardened = Hardened {
    arch: Arch::X86_64,
    name: "sanitizers",
    settings: &[
        "UBSAN=y",
        "UBSAN_BOUNDS=y",
        "KCSAN=y",
        "KCSAN_SELFTEST=y",
        // Reports of races differ from boot to boot.
        "KCSAN_EARLY_ENABLE=n",
    ],
    smaller: false,
    found: &[("lkdtm ARRAY_BOUNDS", "UBSAN: array-index-out-of-bounds")],
    said: &["selftest: 3/3 tests passed"],
    added: &[Added::Call("__tsan_"), Added::Call("__ubsan_handle_")],
};

/// Shadow call stacks, branch targets, pointer authentication, undefined behaviour, the stack protector and zeroed
/// stacks, with all options for smaller code.
pub fn arm64(workdir: &Path) -> Outcome {
    ARM64.compare(workdir)
}

/// Its memory accesses are instrumented, each by a call.
pub fn x86_64_sanitizers(workdir: &Path) -> Outcome {
    SANITIZERS.compare(workdir)
}

impl Hardened {
    /// Builds the kernel without LTO, and with distributed thin LTO that drops; both must find the same.
    fn compare(&self, workdir: &Path) -> Outcome {
        let none = self.built(workdir, Mode::NONE, &[])?;
        let smaller = if self.smaller {
            for_smaller_code(self.arch)
        } else {
            &[]
        };
        let lto = self.built(workdir, Mode::THIN_DIST_DROP, smaller)?;
        for objtree in [&none, &lto] {
            boots(self.arch, objtree)?;
            self.has_said(objtree)?;
        }
        for added in self.added {
            let (without, with) = (added.count(&none)?, added.count(&lto)?);
            progress::note(&format!("{}: {with}, {without} without LTO", added.name()));
            // Inlining and dropping change the number, but do not halve it.
            expect(without > 0 && with > without / 2, || {
                format!("{}: {with}, and {without} without LTO", added.name())
            })?;
        }
        verified(&kernel_checks::verify(&lto, Some(&none))?)?;
        let report = self_tested(self.arch, &lto, &none)?;
        progress::note(&report.table(true));
        for (test, part) in self.found {
            let row = report.tests.iter().find(|row| row.test == *test);
            let result = row.and_then(|row| row.result.as_ref());
            let finds = result.is_some_and(|lines| lines.iter().any(|line| line.contains(part)));
            expect(finds, || format!("{test}: no `{part}` in {result:?}"))?;
        }
        report.judge(&lto)
    }

    fn built(&self, workdir: &Path, mode: Mode, more: &[&str]) -> Result<PathBuf, Failure> {
        let tree = kernel_tree(workdir)?;
        let arch = self.arch;
        let objtree = workdir.join(format!("{}-{}-{mode}", self.name, arch.name()));
        config::configure(config::Options {
            tree: &tree,
            arch,
            objtree: &objtree,
            profile: PROFILE,
            lto: mode.lto,
            set: &mode.settings(&[self.settings, more].concat())?,
        })?;
        build_for(arch, &tree, &objtree, None)?;
        Ok(objtree)
    }

    fn has_said(&self, objtree: &Path) -> Outcome {
        let log = objtree.join("boot.log");
        let console = fs::read_to_string(&log).with_context(|| log.display().to_string())?;
        for line in self.said {
            expect(console.contains(line), || {
                format!("{}: no `{line}`", log.display())
            })?;
        }
        Ok(())
    }
}

impl Added {
    fn name(&self) -> &'static str {
        match self {
            Self::Instruction(name, _) | Self::Call(name) => name,
        }
    }

    /// Returns how often the code of vmlinux.o has it.
    fn count(&self, objtree: &Path) -> anyhow::Result<usize> {
        let path = objtree.join("vmlinux.o");
        let files = Files::new();
        let elf = files.elf(&path)?;
        let mut count = 0;
        for section in elf
            .sections()
            .iter()
            .filter(|section| section.is_executable())
        {
            count += match self {
                Self::Instruction(_, encoding) => {
                    let words = section.data.chunks_exact(4);
                    words.filter(|word| *word == encoding.to_le_bytes()).count()
                }
                Self::Call(start) => {
                    let relocations = elf.relocations_in(section);
                    let relocations = relocations.with_context(|| path.display().to_string())?;
                    let symbols = relocations
                        .iter()
                        .filter_map(|relocation| relocation.symbol);
                    let symbols = symbols.filter_map(|symbol| elf.symbol(symbol));
                    symbols
                        .filter(|symbol| symbol.name.starts_with(start))
                        .count()
                }
            };
        }
        Ok(count)
    }
}
