// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The sets of kernel work: their programs, the files that a guest needs, and their versions.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use xshell::cmd;

use super::{counter, foreign};
use crate::arch::Arch;
use crate::{busybox, guest};
use crate::{process, workspace};

/// A set of kernel work that is measured together, in a separate guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// Kinds of kernel work that may be used to record a profile.
    Training,
    /// Other system calls and subsystems.
    Test,
    /// Programs of busybox, in a shell.
    Shell,
    /// Work that only computes.
    Compute,
    /// Programs of Debian's packages.
    Foreign,
    /// A file of the user.
    Own,
}

impl Set {
    /// All sets.
    pub const ALL: [Self; 6] = [
        Self::Training,
        Self::Test,
        Self::Shell,
        Self::Compute,
        Self::Foreign,
        Self::Own,
    ];

    /// The sets that are measured by default.
    pub const DEFAULT: [Self; 3] = [Self::Training, Self::Test, Self::Shell];

    /// Returns its name for `--set`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Test => "test",
            Self::Shell => "shell",
            Self::Compute => "compute",
            Self::Foreign => "foreign",
            Self::Own => "own",
        }
    }
}

/// A file of a program: its name and its text.
type Source = (&'static str, &'static str);

macro_rules! source {
    ($path:literal) => {
        ($path, include_str!(concat!("../../runtime/", $path)))
    };
}

const KINDS: Source = source!("kinds.h");
const COMPUTE: Source = source!("compute.c");
const PROGRAMS: Source = source!("programs.c");

/// The first file is the program, the others are included by it.
const TRAINING: [Source; 6] = [
    source!("training/training.c"),
    source!("training/calls.c"),
    source!("training/files.c"),
    source!("training/memory.c"),
    source!("training/processes.c"),
    source!("training/talk.c"),
];

const TEST: [Source; 6] = [
    source!("test/test.c"),
    source!("test/calls.c"),
    source!("test/files.c"),
    source!("test/memory.c"),
    source!("test/processes.c"),
    source!("test/talk.c"),
];

const SHELL: [Source; 6] = [
    source!("shell/archive"),
    source!("shell/configure"),
    source!("shell/files-and-directories"),
    source!("shell/look-around"),
    source!("shell/many-processes"),
    source!("shell/pipelines"),
];

const FOREIGN: [Source; 4] = [
    source!("foreign/fio"),
    source!("foreign/hackbench"),
    source!("foreign/iperf3"),
    source!("foreign/stress-ng"),
];

/// The script that a guest runs first.
const SCRIPT: &str = include_str!("../../runtime/guest.sh");

/// The modules that the script needs, if the kernel has them as modules.
const NEEDED_MODULES: [&str; 2] = ["ext4", "loop"];

/// The modules that are loaded and unloaded in a training set and in a test set.
const LOADED_MODULES: [&str; 2] = ["dummy", "vfat"];

/// A set that can be run in guests of one architecture.
pub struct Workload {
    /// The set.
    pub set: Set,
    /// The version of the set: results of two versions cannot be compared.
    pub version: String,
    /// A static busybox.
    pub busybox: Vec<u8>,
    /// Programs in `/bin`.
    pub programs: Vec<(&'static str, Vec<u8>)>,
    /// Other files.
    pub files: Vec<(String, Vec<u8>)>,
    /// The script of the guest.
    pub script: String,
    /// Modules that init loads.
    pub needed_modules: &'static [&'static str],
    /// A module that is loaded and unloaded.
    pub module: Option<&'static str>,
}

impl Workload {
    /// Compiles the programs of `set`; `own` is the user's file for [`Set::Own`].
    ///
    /// # Errors
    /// A program does not compile, there is no busybox, or a file cannot be read.
    pub fn new(arch: Arch, set: Set, own: Option<&Path>) -> anyhow::Result<Self> {
        let cache = workspace::root().join("target/guest");
        let busybox = busybox::fetch(arch, &cache)?;
        let busybox = std::fs::read(&busybox).with_context(|| busybox.display().to_string())?;
        let mut workload = Self {
            set,
            version: String::new(),
            busybox,
            programs: Vec::new(),
            files: Vec::new(),
            script: SCRIPT.to_owned(),
            needed_modules: &NEEDED_MODULES,
            module: None,
        };
        let mut sources = vec![("system.h", guest::SYSTEM), KINDS, ("guest.sh", SCRIPT)];
        sources.push(("counter.c", counter::SOURCE));
        match set {
            Set::Training => {
                workload.add_kinds(arch, "training", &TRAINING, Some(LOADED_MODULES[0]))?;
                sources.extend(TRAINING);
            }
            Set::Test => {
                workload.add_kinds(arch, "test", &TEST, Some(LOADED_MODULES[1]))?;
                sources.extend(TEST);
            }
            Set::Compute => {
                workload.add_kinds(arch, "compute", &[COMPUTE], None)?;
                sources.push(COMPUTE);
            }
            Set::Shell => {
                let scripts = SHELL.map(|(path, text)| (path.to_owned(), text.into()));
                workload.add_programs(arch, scripts.into())?;
                sources.extend(SHELL);
                sources.push(PROGRAMS);
            }
            Set::Foreign => {
                let scripts = FOREIGN.map(|(path, text)| (path.to_owned(), text.into()));
                workload.add_programs(arch, scripts.into())?;
                workload.files.extend(foreign::files(arch, &cache)?);
                sources.extend(FOREIGN);
                sources.push(PROGRAMS);
            }
            Set::Own => {
                let file = own.context("--set own needs --workload FILE")?;
                let content = std::fs::read(file).with_context(|| file.display().to_string())?;
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                workload.add_programs(arch, vec![(format!("own/{name}"), content)])?;
                sources.push(PROGRAMS);
            }
        }
        workload.files.push(("ext4.gz".to_owned(), ext4_image()?));
        let mut hash = Sha256::new();
        let texts = sources.iter().map(|(name, text)| (*name, text.as_bytes()));
        let files = workload.files.iter();
        let files = files.map(|(path, content)| (path.as_str(), content.as_slice()));
        for (name, content) in texts
            .chain(files)
            .chain([("busybox", &workload.busybox[..])])
        {
            hash.update(name);
            hash.update(content.len().to_le_bytes());
            hash.update(content);
        }
        workload.version = hex(&hash.finalize()[..6]);
        Ok(workload)
    }

    fn add_kinds(
        &mut self,
        arch: Arch,
        name: &'static str,
        sources: &[Source],
        module: Option<&'static str>,
    ) -> anyhow::Result<()> {
        let program = compile(arch, name, sources)?;
        self.programs.push((name, program));
        self.module = module;
        self.script.push_str("/bin/");
        self.script.push_str(name);
        if let Some(argument) = module {
            self.script.push(' ');
            self.script.push_str(argument);
        }
        self.script.push('\n');
        Ok(())
    }

    fn add_programs(&mut self, arch: Arch, files: Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
        let program = compile(arch, "programs", &[PROGRAMS])?;
        self.programs.push(("programs", program));
        self.script.push_str("/bin/programs");
        for (path, _) in &files {
            self.script.push_str(" /");
            self.script.push_str(path);
        }
        self.script.push('\n');
        self.files.extend(files);
        Ok(())
    }
}

/// Returns bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn compile(arch: Arch, name: &str, sources: &[Source]) -> anyhow::Result<Vec<u8>> {
    let (program, included) = sources.split_first().context("a program without a file")?;
    let base_name = |path: &'static str| path.rsplit('/').next().unwrap_or(path);
    let mut included: Vec<_> = included
        .iter()
        .map(|(path, text)| (base_name(path), *text))
        .collect();
    included.push(KINDS);
    guest::compile_with(arch, name, program.1, &included)
}

/// Makes a compressed file system that is the same each time.
fn ext4_image() -> anyhow::Result<Vec<u8>> {
    const UUID: &str = "6b627569-6c64-4c54-8f00-000000000000";
    let dir = tempfile::tempdir().context("a directory for a file system")?;
    let image = dir.path().join("ext4");
    let sh = process::shell()?;
    let mke2fs = mke2fs();
    let sizes = [
        "-b", "4096", "-m", "0", "-I", "256", "-J", "size=4", "-N", "1024",
    ];
    let features = "extent,has_journal,dir_index,filetype,sparse_super,large_file";
    let fixed = format!("hash_seed={UUID},lazy_itable_init=0");
    let make = cmd!(
        sh,
        "{mke2fs} -q -F -t ext4 {sizes...} -U {UUID} -O {features} -E {fixed} {image} 16M"
    );
    let make = make
        .env("E2FSPROGS_FAKE_TIME", "1767225600")
        .env("MKE2FS_CONFIG", "/dev/null");
    process::read(make)
        .context("mke2fs makes the file system of a guest; its package is e2fsprogs")?;
    let content = std::fs::read(&image).with_context(|| image.display().to_string())?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&content).context("compressing")?;
    encoder.finish().context("compressing")
}

/// Returns the path of mke2fs, whose directory is not in the search path of every user.
fn mke2fs() -> PathBuf {
    let known = ["/usr/sbin/mke2fs", "/sbin/mke2fs"].map(PathBuf::from);
    let found = known.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| "mke2fs".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_the_same_each_time() {
        assert_eq!(ext4_image().unwrap(), ext4_image().unwrap());
    }

    #[test]
    fn the_programs_compile_for_every_architecture() {
        for arch in [Arch::Arm64, Arch::X86_64] {
            for (name, sources) in [
                ("training", &TRAINING[..]),
                ("test", &TEST),
                ("compute", &[COMPUTE]),
                ("programs", &[PROGRAMS]),
            ] {
                let program = compile(arch, name, sources).unwrap();
                assert!(program.starts_with(b"\x7fELF"), "{name} {arch:?}");
            }
        }
    }
}
