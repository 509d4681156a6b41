// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compiles the QEMU plugin that counts, and reads its output.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use xshell::cmd;

use crate::arch::Arch;
use crate::{llvm, process};

/// Its source.
pub const SOURCE: &str = include_str!("../../runtime/counter.c");

/// The counts between two marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Instructions of the kernel and its modules.
    pub kernel: u64,
    /// Instructions of programs.
    pub program: u64,
    /// Taken branches in the kernel.
    pub taken_branches: u64,
    /// Lines of the kernel's code that were not in the instruction cache, of 32 KiB and 8 ways.
    pub cache_misses: u64,
}

/// A mark that a program of the guest executed, and the counts from the start up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub kind: MarkKind,
    pub counts: Counts,
}

/// The meaning of a mark, as in `system.h` and `kinds.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The first process has started.
    Started,
    /// A kind of work follows.
    Kind,
    /// The measured work begins.
    Begin,
    /// The measured work ends.
    End,
}

impl Counts {
    /// Returns the counts between `earlier` and this mark.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            kernel: self.kernel - earlier.kernel,
            program: self.program - earlier.program,
            taken_branches: self.taken_branches - earlier.taken_branches,
            cache_misses: self.cache_misses - earlier.cache_misses,
        }
    }
}

/// Compiles the plugin for guests of `arch` into `dir`, and returns its path.
///
/// # Errors
/// There is no LLVM, or the plugin does not compile.
pub fn compile(arch: Arch, dir: &Path) -> anyhow::Result<PathBuf> {
    let source = dir.join("counter.c");
    let plugin = dir.join("counter.so");
    std::fs::write(&source, SOURCE).with_context(|| source.display().to_string())?;
    let guest = match arch {
        Arch::Arm64 => "-DGUEST_ARM64",
        Arch::X86_64 => "-DGUEST_X86_64",
    };
    let (sh, clang) = (process::shell()?, llvm::bin_dir()?.join("clang"));
    process::read(cmd!(
        sh,
        "{clang} -O2 -Wall -Wextra -Werror {guest} -shared -fPIC -fvisibility=hidden -ffreestanding
        -nostdlib -fuse-ld=lld -o {plugin} {source}"
    ))?;
    Ok(plugin)
}

/// The output of the plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub marks: Vec<Mark>,
    /// The number of kernel instructions executed in measured work, by the address of the first instruction of
    /// each block.
    pub addresses: BTreeMap<u64, u64>,
}

/// Reads the output of the plugin.
///
/// # Errors
/// A line is not from the plugin.
pub fn parse(log: &str) -> anyhow::Result<Counted> {
    let mut counted = Counted::default();
    for line in log.lines() {
        if let Some((address, n)) = parse_block(line) {
            *counted.addresses.entry(address).or_default() += n;
        } else {
            let mark = parse_line(line);
            let mark = mark.with_context(|| format!("`{line}` is no line of the plugin"))?;
            counted.marks.push(mark);
        }
    }
    Ok(counted)
}

fn parse_block(line: &str) -> Option<(u64, u64)> {
    let (address, n) = line.strip_prefix("block ")?.split_once(' ')?;
    Some((address.parse().ok()?, n.parse().ok()?))
}

fn parse_line(line: &str) -> Option<Mark> {
    let mut numbers = line.strip_prefix("mark ")?.split(' ');
    let mut number = || numbers.next()?.parse().ok();
    let kind = match number()? {
        1 => MarkKind::Started,
        2 => MarkKind::Kind,
        3 => MarkKind::Begin,
        4 => MarkKind::End,
        _ => return None,
    };
    let counts = Counts {
        kernel: number()?,
        program: number()?,
        taken_branches: number()?,
        cache_misses: number()?,
    };
    Some(Mark { kind, counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_compiles_for_guests_of_every_architecture() {
        for arch in [Arch::Arm64, Arch::X86_64] {
            let dir = tempfile::tempdir().unwrap();
            let plugin = std::fs::read(compile(arch, dir.path()).unwrap()).unwrap();
            assert!(plugin.starts_with(b"\x7fELF"), "{arch:?}");
        }
    }

    #[test]
    fn its_lines_are_read_and_others_refused() {
        let counts = |kernel| Counts {
            kernel,
            program: 2,
            taken_branches: 3,
            cache_misses: 4,
        };
        assert_eq!(
            parse("mark 1 10 2 3 4\nmark 3 15 2 3 4\n").unwrap().marks,
            [
                Mark {
                    kind: MarkKind::Started,
                    counts: counts(10)
                },
                Mark {
                    kind: MarkKind::Begin,
                    counts: counts(15)
                }
            ]
        );
        assert_eq!(counts(15).since(counts(10)).kernel, 5);
        let error = parse("mark 1 10 2 3 4\nmark 9 1 2 3 4\n").unwrap_err();
        assert!(error.to_string().contains("`mark 9 1 2 3 4`"), "{error}");
        assert!(parse("mark 1 10 2 3\n").is_err());
        // QEMU may have translated the same instructions twice.
        let blocks = parse("block 4096 7\nblock 8192 1\nblock 4096 3\n").unwrap();
        assert_eq!(blocks.addresses, BTreeMap::from([(4096, 10), (8192, 1)]));
        assert!(parse("block 4096\n").is_err());
    }
}
