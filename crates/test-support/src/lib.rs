// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Helpers for the tests of all crates: LLVM's tools, small sources compiled to objects, archives,
//! temporary directories, damaged inputs.
//!
//! **Invariant:** only tests depend on it; a missing tool fails the test.
//!
//! All functions panic with a message that names the missing tool or the failure: a test that cannot run
//! must fail.
#![warn(missing_docs)]
#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "every function panics where the test cannot go on, as said above"
)]

mod damage;

pub use damage::{Damage, damaged_words, flipped_bits};

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Names of the environment variables that the tests read.
const LLVM_VARIABLE: &str = "KBUILD_LTO_LLVM";
const LINUX_SCRIPTS_VARIABLE: &str = "KBUILD_LTO_LINUX61_SCRIPTS";

/// A target of the kernel's architectures, for tests over several of them.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The triple for clang's `--target`.
    pub triple: &'static str,
    /// Whether its ELF class is the 64-bit one.
    pub is_64: bool,
    /// Whether its byte order is big-endian.
    pub is_big_endian: bool,
}

/// ELF classes and byte orders in all combinations, and the relocation forms `REL` and `RELA`.
pub const TARGETS: [Target; 8] = [
    target("aarch64-linux-gnu", true, false),
    target("x86_64-linux-gnu", true, false),
    target("riscv64-linux-gnu", true, false),
    target("powerpc64-linux-gnu", true, true),
    target("s390x-linux-gnu", true, true),
    target("arm-linux-gnueabi", false, false),
    target("mips-linux-gnu", false, true),
    target("powerpc-linux-gnu", false, true),
];

const fn target(triple: &'static str, is_64: bool, is_big_endian: bool) -> Target {
    Target {
        triple,
        is_64,
        is_big_endian,
    }
}

/// Returns the path of an LLVM tool such as `clang` or `llvm-ar`: from the directory that
/// `KBUILD_LTO_LLVM` names, otherwise from the newest `/usr/lib/llvm-*/bin` that has clang, otherwise from
/// `PATH`.
pub fn llvm_tool(name: &str) -> PathBuf {
    let path = llvm_bin().map_or_else(|| PathBuf::from(name), |bin| bin.join(name));
    let found = Command::new(&path).arg("--version").output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "this test needs {name}: {} does not run. Install clang, lld and llvm, or set \
         {LLVM_VARIABLE} to the directory that holds it",
        path.display()
    );
    path
}

/// Returns the directory of LLVM's tools, or `None` if they are found through `PATH`.
pub fn llvm_bin() -> Option<PathBuf> {
    if let Some(directory) = env::var_os(LLVM_VARIABLE) {
        return Some(directory.into());
    }
    packaged_llvms().max().map(|(_, bin)| bin)
}

/// Returns the version and the directory of every LLVM in `/usr/lib/llvm-*/bin` that has clang and ld.lld.
pub fn installed_llvms() -> Vec<(u32, PathBuf)> {
    let mut installed: Vec<_> = packaged_llvms()
        .filter(|(_, bin)| bin.join("ld.lld").exists())
        .collect();
    assert!(
        !installed.is_empty(),
        "this test needs clang and lld in /usr/lib/llvm-<version>/bin"
    );
    installed.sort();
    installed
}

fn packaged_llvms() -> impl Iterator<Item = (u32, PathBuf)> {
    let versioned = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let version: u32 = name.strip_prefix("llvm-")?.parse().ok()?;
        let bin = entry.path().join("bin");
        bin.join("clang").exists().then_some((version, bin))
    };
    let installed = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    installed.filter_map(versioned)
}

/// Returns the `scripts` directory of a Linux 6.1 tree, with the scripts that our tools are compared with.
pub fn linux61_scripts() -> PathBuf {
    let directory = env::var_os(LINUX_SCRIPTS_VARIABLE).map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| {
        panic!("this test needs the scripts of a Linux 6.1 tree: set {LINUX_SCRIPTS_VARIABLE}")
    });
    assert!(
        directory.join("generate_initcall_order.pl").exists(),
        "{LINUX_SCRIPTS_VARIABLE} is {}, which has no generate_initcall_order.pl",
        directory.display()
    );
    directory
}

/// clang's flag for the architecture of most tests.
pub const ARM64: &str = "--target=aarch64-linux-gnu";

/// clang's flags for the architectures of the plugins.
pub const KERNEL_TARGETS: [&str; 2] = [ARM64, "--target=x86_64-linux-gnu"];

/// clang's flags for each form of a kernel's objects: native code, and bitcode of both kinds.
pub const FORMS: [&[&str]; 3] = [
    &[ARM64],
    &[ARM64, "-flto=thin"],
    &[KERNEL_TARGETS[1], "-flto=full"],
];

/// A directory for one test, removed when it goes out of scope.
#[derive(Debug)]
pub struct TestDir {
    directory: TempDir,
}

impl TestDir {
    /// Makes a new, empty directory.
    #[expect(clippy::new_without_default, reason = "it creates a directory")]
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("kbuild-lto-test-")
            .tempdir();
        Self {
            directory: directory.expect("a temporary directory can be made"),
        }
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the path of `name` in the directory.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes `content` to `name`, makes the directories above it, and returns its path.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        let parent = path.parent().expect("a file has a directory");
        fs::create_dir_all(parent).expect("the directory can be made");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Returns the bytes of `name`.
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns the text of `name`.
    pub fn read_text(&self, name: impl AsRef<Path>) -> String {
        String::from_utf8(self.read(name)).expect("the file is UTF-8")
    }

    /// Compiles the C text `source` to the object `name` and returns its path. `flags` come after
    /// the harness's own; the target must be among them where it matters.
    pub fn c(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        self.compile(name, "c", source, flags)
    }

    /// Assembles the text `source`, without the C preprocessor, to the object `name` and returns its
    /// path.
    pub fn asm(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        self.compile(name, "s", source, flags)
    }

    fn compile(&self, name: &str, suffix: &str, source: &str, flags: &[&str]) -> PathBuf {
        let source_name = Path::new(name).with_extension(suffix);
        self.write(&source_name, source);
        let source_name = source_name.to_str().expect("names in tests are UTF-8");
        let mut arguments = vec!["-c", source_name, "-o", name];
        arguments.extend(flags);
        self.run("clang", &arguments);
        self.join(name)
    }

    /// Runs `llvm-ar OPERATION NAME MEMBER...` in the directory and returns the archive's path.
    /// Kernel builds use `cDPrST`, which makes a thin archive.
    pub fn archive(&self, operation: &str, name: &str, members: &[&str]) -> PathBuf {
        let mut arguments = vec![operation, name];
        arguments.extend(members);
        self.run("llvm-ar", &arguments);
        self.join(name)
    }

    /// Runs an LLVM tool in the directory and returns its standard output; fails if it fails.
    pub fn run<A: AsRef<OsStr>>(&self, tool: &str, arguments: &[A]) -> String {
        stdout(
            Command::new(llvm_tool(tool))
                .args(arguments)
                .current_dir(self.path()),
        )
    }

    /// Runs one of our tools, `env!("CARGO_BIN_EXE_<name>")`, in the directory and returns its
    /// [`texts`].
    pub fn run_tool(&self, program: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(program);
        texts(output(command.args(arguments).current_dir(self.path())))
    }

    /// Runs one of our tools with a standard output that nobody reads any more, and with one on a full disk.
    /// Returns exit code and standard error of both runs.
    pub fn run_unheard(&self, program: &str, arguments: &[&str]) -> [(Option<i32>, String); 2] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let full = fs::File::options().write(true).open("/dev/full");
        let full = full.expect("this test needs /dev/full");
        [Stdio::from(writer), Stdio::from(full)].map(|stdout| {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(self.path());
            let (code, _, stderr) = texts(output(command.stdout(stdout)));
            (code, stderr)
        })
    }
}

/// Runs `command` and returns its standard output; if it fails, panics with its whole output.
pub fn stdout(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} failed with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

/// Runs `command` and returns its whole result; fails only if it cannot be started.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!(
            "this test needs {}: {error}",
            command.get_program().display()
        )
    })
}

/// Returns exit code, standard output and standard error.
pub fn texts(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}
