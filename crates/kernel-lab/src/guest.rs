// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The contents of a guest: `guest/init.c`, the modules that it loads, an optional script, and the
//! initramfs that contains them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use cpio::newc;
use xshell::cmd;

use super::arch::Arch;
use super::modules::Module;
use crate::{llvm, process};

/// The system calls and helpers that replace a C library in the guest's programs.
pub const SYSTEM: &str = include_str!("../guest/system.h");

/// The source of the first process of the guest.
const INIT: &str = include_str!("../guest/init.c");

/// The start of every line that init or the script writes to the kernel's log.
const MARK: &str = "kbuild-lto: ";

/// File types in a mode, as in linux/stat.h.
const DIRECTORY: u32 = 0o04_0000;
const REGULAR: u32 = 0o10_0000;
const CHARACTER_DEVICE: u32 = 0o02_0000;
const SYMBOLIC_LINK: u32 = 0o12_0000;

/// The contents of a guest's initramfs besides init.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The modules that init loads, in this order.
    pub modules: &'a [Module],
    /// The script that init runs after loading the modules.
    pub script: Option<Script<'a>>,
}

/// A script and the files that it needs.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// Its text, for a POSIX shell.
    pub text: &'a str,
    /// A static busybox of the guest's architecture, installed as `/bin/busybox` and `/bin/sh`.
    pub busybox: &'a [u8],
    /// Programs in `/bin`, by name.
    pub programs: &'a [(&'a str, Vec<u8>)],
    /// Other files, by path below `/`.
    pub files: &'a [(String, Vec<u8>)],
}

/// A message of init or the script on a line of the console.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// Init loads the module in this file.
    Loading(&'a str),
    /// The result of loading the module: 0, or a negative error number.
    Loaded(&'a str, i32),
    /// A file system could not be mounted.
    NotMounted(&'a str),
    /// The part of the script with this name begins.
    Begin(&'a str),
    /// The part with this name ends, with the exit status of its commands.
    End(&'a str, i32),
    /// The script observed this in the current part.
    Saw(&'a str),
    /// The script ended with this status.
    Script(i32),
    /// All work is done; the guest powers off.
    Done,
}

/// Parses a message of init or the script, if the line is one.
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
        "begin" => Some(Said::Begin(rest)),
        "end" => {
            let (name, status) = rest.rsplit_once(' ')?;
            Some(Said::End(name, status.parse().ok()?))
        }
        "saw" => Some(Said::Saw(rest)),
        "script" => Some(Said::Script(rest.parse().ok()?)),
        "guest" if rest == "done" => Some(Said::Done),
        _ => None,
    }
}

/// Returns the path of a module in the guest.
pub fn path_of(module: &Module) -> String {
    format!("/modules/{}.ko", module.name)
}

/// Compiles init for `arch`, and writes the initramfs with init and `content`.
///
/// # Errors
/// There is no LLVM, init does not compile, or a file cannot be read or written.
pub fn write_initramfs(file: &Path, arch: Arch, content: Content<'_>) -> anyhow::Result<()> {
    let Content { modules, script } = content;
    let init = compile(arch, "init", INIT)?;
    let written = File::create(file).and_then(|file| {
        let mut out = BufWriter::new(file);
        let mut archive = Archive {
            out: &mut out,
            inode: 0,
            directories: BTreeSet::new(),
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
        if let Some(script) = script {
            archive.script(script)?;
        }
        newc::trailer(&mut out)?;
        out.flush()
    });
    written.with_context(|| format!("writing {}", file.display()))
}

/// Compiles a program of the guest, whose source file is `<name>.c`.
///
/// # Errors
/// There is no LLVM, or the program does not compile.
pub fn compile(arch: Arch, name: &str, source: &str) -> anyhow::Result<Vec<u8>> {
    compile_with(arch, name, source, &[])
}

/// Compiles a program of the guest that includes other files, given by name and text.
///
/// # Errors
/// Same as [`compile`].
pub fn compile_with(
    arch: Arch,
    name: &str,
    source: &str,
    included: &[(&str, &str)],
) -> anyhow::Result<Vec<u8>> {
    let dir =
        tempfile::tempdir().context("cannot create a directory for a program of the guest")?;
    let file = dir.path().join(format!("{name}.c"));
    let program = dir.path().join(name);
    let own = (file.clone(), source);
    let included = included.iter().chain(&[("system.h", SYSTEM)]);
    let included = included.map(|(name, text)| (dir.path().join(name), *text));
    for (file, text) in included.chain([own]) {
        std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    let (sh, clang, target) = (
        process::shell()?,
        llvm::bin_dir()?.join("clang"),
        arch.target(),
    );
    process::read(cmd!(
        sh,
        "{clang} --target={target} -O2 -Wall -Wextra -Werror -ffreestanding -fno-stack-protector -fno-pie
        -nostdlib -static -fuse-ld=lld -o {program} {file}"
    ))?;
    std::fs::read(&program).with_context(|| program.display().to_string())
}

/// A cpio archive in the format of linux's
/// Documentation/driver-api/early-userspace/buffer-format.rst.
struct Archive<W> {
    out: W,
    inode: u32,
    /// The directories that the archive already contains.
    directories: BTreeSet<String>,
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

    /// Adds a directory and its parents, unless they exist.
    fn directory(&mut self, name: &str) -> std::io::Result<()> {
        if name.is_empty() || !self.directories.insert(name.to_owned()) {
            return Ok(());
        }
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent)?;
        }
        let entry = self.entry(name, DIRECTORY | 0o755);
        self.add(entry, &[])
    }

    fn file(&mut self, name: &str, content: &[u8]) -> std::io::Result<()> {
        let entry = self.entry(name, REGULAR | 0o755);
        self.add(entry, content)
    }

    fn script(&mut self, script: Script<'_>) -> std::io::Result<()> {
        let Script {
            text,
            busybox,
            programs,
            files,
        } = script;
        self.directory("bin")?;
        self.file("bin/busybox", busybox)?;
        let shell = self.entry("bin/sh", SYMBOLIC_LINK | 0o777);
        self.add(shell, b"busybox")?;
        for (name, program) in programs {
            self.file(&format!("bin/{name}"), program)?;
        }
        for (path, content) in files {
            if let Some((directory, _)) = path.rsplit_once('/') {
                self.directory(directory)?;
            }
            self.file(path, content)?;
        }
        self.file("script", text.as_bytes())
    }

    /// Adds the device that the kernel opens for init before devtmpfs is mounted.
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
        assert_eq!(said("[ 2.0] kbuild-lto: script 2"), Some(Said::Script(2)));
    }

    #[test]
    fn what_the_script_says_is_understood() {
        assert_eq!(
            said("[    1.5] kbuild-lto: begin kprobe on a function"),
            Some(Said::Begin("kprobe on a function"))
        );
        assert_eq!(
            said("[    1.5] kbuild-lto: saw 1 hits in seq_show"),
            Some(Said::Saw("1 hits in seq_show"))
        );
        assert_eq!(
            said("[    1.5] kbuild-lto: end kprobe on a function 139"),
            Some(Said::End("kprobe on a function", 139))
        );
        assert_eq!(said("kbuild-lto: end torn"), None);
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
            let program = compile(arch, "init", INIT).unwrap();
            assert!(program.starts_with(b"\x7fELF"), "{arch:?}");
        }
    }
}
