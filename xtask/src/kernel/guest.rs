// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What runs in a guest: `guest/init.c`, the modules it loads, and the initramfs they come in.

use super::arch::Arch;
use super::modules::Module;
use crate::llvm;
use crate::process;
use anyhow::Context as _;
use cpio::newc;
use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// The first process of the guest.
const INIT: &str = include_str!("../../guest/init.c");

/// What every line that init writes to the kernel's log starts with.
const MARK: &str = "kbuild-lto: ";

/// Types of file in a mode, as in linux/stat.h.
const DIRECTORY: u32 = 0o04_0000;
const REGULAR: u32 = 0o10_0000;
const CHARACTER_DEVICE: u32 = 0o02_0000;

/// What init says on a line of the console.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// The module in this file is being loaded.
    Loading(&'a str),
    /// Loading it gave this: 0, or a negative error number.
    Loaded(&'a str, i32),
    /// A file system could not be mounted.
    NotMounted(&'a str),
    /// Everything was done; the guest powers off.
    Done,
}

/// What init says on this line, if it is one of init's.
pub fn said(line: &str) -> Option<Said<'_>> {
    let (_, text) = line.split_once(MARK)?;
    let (verb, rest) = text.split_once(' ')?;
    match verb {
        "module" => Some(Said::Loading(rest)),
        "result" => {
            let (number, path) = rest.split_once(' ')?;
            Some(Said::Loaded(path, number.parse().ok()?))
        }
        "mount" => Some(Said::NotMounted(rest)),
        "guest" if rest == "done" => Some(Said::Done),
        _ => None,
    }
}

/// Where a module stands in the guest.
pub fn path_of(module: &Module) -> String {
    format!("/modules/{}.ko", module.name)
}

/// Compiles init for `arch` and writes the initramfs that loads `modules` in their order.
///
/// # Errors
/// No LLVM, init does not compile, or a file cannot be read or written.
pub fn write_initramfs(file: &Path, arch: Arch, modules: &[Module]) -> anyhow::Result<()> {
    let init = compile_init(arch)?;
    let written = File::create(file).and_then(|file| {
        let mut out = BufWriter::new(file);
        let mut archive = Archive {
            out: &mut out,
            inode: 0,
        };
        archive.directory("dev")?;
        archive.console("dev/console")?;
        archive.file("init", &init)?;
        archive.directory("modules")?;
        let mut list = String::new();
        for module in modules {
            let path = path_of(module);
            archive.file(path.trim_start_matches('/'), &std::fs::read(&module.path)?)?;
            list.push_str(&path);
            list.push('\n');
        }
        archive.file("modules.load", list.as_bytes())?;
        newc::trailer(&mut out)?;
        out.flush()
    });
    written.with_context(|| format!("writing {}", file.display()))
}

fn compile_init(arch: Arch) -> anyhow::Result<Vec<u8>> {
    let dir = tempfile::tempdir().context("a directory for the guest's init")?;
    let source = dir.path().join("init.c");
    let program = dir.path().join("init");
    std::fs::write(&source, INIT).with_context(|| source.display().to_string())?;
    process::output(
        Command::new(llvm::bin_dir()?.join("clang"))
            .arg(format!("--target={}", arch.target()))
            .args(["-O2", "-Wall", "-Wextra", "-Werror"])
            .args(["-ffreestanding", "-fno-stack-protector", "-fno-pie"])
            .args(["-nostdlib", "-static", "-fuse-ld=lld", "-o"])
            .args([&program, &source]),
    )?;
    std::fs::read(&program).with_context(|| program.display().to_string())
}

/// A cpio archive of the kind that linux's Documentation/driver-api/early-userspace/buffer-format.rst describes.
struct Archive<W> {
    out: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    fn entry(&mut self, name: &str, mode: u32) -> newc::Builder {
        self.inode += 1;
        newc::Builder::new(name).ino(self.inode).nlink(1).mode(mode)
    }

    fn add(&mut self, entry: newc::Builder, content: &[u8]) -> std::io::Result<()> {
        let size = u32::try_from(content.len()).map_err(std::io::Error::other)?;
        let mut writer = entry.write(&mut self.out, size);
        writer.write_all(content)?;
        writer.finish()?;
        Ok(())
    }

    fn directory(&mut self, name: &str) -> std::io::Result<()> {
        let entry = self.entry(name, DIRECTORY | 0o755);
        self.add(entry, &[])
    }

    fn file(&mut self, name: &str, content: &[u8]) -> std::io::Result<()> {
        let entry = self.entry(name, REGULAR | 0o755);
        self.add(entry, content)
    }

    /// The device that the kernel opens for init before devtmpfs is mounted.
    fn console(&mut self, name: &str) -> std::io::Result<()> {
        let entry = self
            .entry(name, CHARACTER_DEVICE | 0o600)
            .rdev_major(5)
            .rdev_minor(1);
        self.add(entry, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_says_is_understood_with_and_without_a_time() {
        assert_eq!(
            said("[    1.234567] kbuild-lto: module /modules/fat.ko"),
            Some(Said::Loading("/modules/fat.ko"))
        );
        assert_eq!(
            said("kbuild-lto: result -8 /modules/fat.ko"),
            Some(Said::Loaded("/modules/fat.ko", -8))
        );
        assert_eq!(
            said("kbuild-lto: mount /proc -19"),
            Some(Said::NotMounted("/proc -19"))
        );
        assert_eq!(said("[ 2.0] kbuild-lto: guest done"), Some(Said::Done));
    }

    #[test]
    fn other_lines_are_not_taken_for_inits() {
        assert_eq!(said("[    0.000000] Linux version 5.10.262"), None);
        assert_eq!(said("kbuild-lto: guest started"), None);
        assert_eq!(said("kbuild-lto: result torn"), None);
        assert_eq!(said("kbuild-lto: result x /modules/fat.ko"), None);
    }

    #[test]
    fn init_compiles_for_every_architecture() {
        for arch in [Arch::Arm64, Arch::X86_64] {
            let program = compile_init(arch).unwrap();
            assert!(program.starts_with(b"\x7fELF"), "{arch:?}");
        }
    }
}
