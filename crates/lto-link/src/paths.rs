// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The names of all files that a link leaves.
//!
//! `kconfig/lto-link/Makefile.clean` and the Makefiles there know the same names.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The suffix of native code that make generates object by object.
pub const NATIVE_SUFFIX: &str = "native.o";

/// The files of the link of one output.
#[derive(Clone, Copy, Debug)]
pub struct LinkPaths<'link> {
    output: &'link Path,
    shared: &'link [PathBuf],
}

impl<'link> LinkPaths<'link> {
    /// Names the files of the link of `output`.
    pub fn new(output: &'link Path) -> Self {
        Self {
            output,
            shared: &[],
        }
    }

    /// Names the files of the link of `output`, which takes the objects `shared` together with other
    /// links. Such an object, for example one that is part of two modules, has an index and native code for
    /// each link.
    pub fn with_shared(output: &'link Path, shared: &'link [PathBuf]) -> Self {
        Self { output, shared }
    }

    /// Returns the path of the output.
    pub fn output(self) -> &'link Path {
        self.output
    }
}

/// Records that stay beside the output.
impl LinkPaths<'_> {
    /// Returns the path of the record of the inputs: `vmlinux.o.lto-inputs`, `fs/ext4/.ext4.o.lto-inputs`.
    pub fn inputs(self) -> PathBuf {
        self.beside(".lto-inputs")
    }

    /// Returns the path of the cost of the link, as JSON: `vmlinux.o.lto-usage.json`,
    /// `fs/ext4/.ext4.o.lto-usage.json`.
    pub fn usage(self) -> PathBuf {
        self.beside(".lto-usage.json")
    }

    /// Returns the path of the list of symbols that LTO had renamed: `vmlinux.o.lto-names`,
    /// `fs/ext4/.ext4.o.lto-names`.
    pub fn names(self) -> PathBuf {
        self.beside(".lto-names")
    }

    /// Returns the path of the roots with their reasons: `vmlinux.lto-roots`.
    pub fn roots(self) -> PathBuf {
        self.output.with_extension("lto-roots")
    }

    /// Returns the path of the dropped definitions: `vmlinux.lto-dropped`.
    pub fn dropped(self) -> PathBuf {
        self.output.with_extension("lto-dropped")
    }
}

/// Working files that stay for the next link, or to be looked at. The kernel's `make clean` removes files
/// called `.tmp_*.o.*`.
impl LinkPaths<'_> {
    /// Returns the path of the order of the initcalls, as a linker script.
    pub fn initcalls(self) -> PathBuf {
        self.temporary(".initcalls.lds")
    }

    /// Returns the path of the CRCs of exported symbols, as a linker script.
    pub fn symversions(self) -> PathBuf {
        self.temporary(".symversions.lds")
    }

    /// Returns the path of the list from which make generates code: objects and their flags.
    pub fn codegen_list(self) -> PathBuf {
        self.temporary(".codegen.mk")
    }

    /// Returns the path of the arguments of the command that completes a thin link.
    pub fn completion(self) -> PathBuf {
        self.temporary(".complete.rsp")
    }

    /// Returns the path of the references that only generated code showed.
    pub fn generated_roots(self) -> PathBuf {
        self.temporary(".generated-roots")
    }
}

/// Working files and folders that a link removes when it ends. A link that is killed leaves them.
impl LinkPaths<'_> {
    /// Returns the path of the object that becomes the output.
    pub fn unfinished(self) -> PathBuf {
        self.temporary(".lto")
    }

    /// Returns the path of the linker's arguments.
    pub fn response(self) -> PathBuf {
        self.temporary(".rsp")
    }

    /// Returns the path of the lock that only one link of the output can hold.
    pub fn lock(self) -> PathBuf {
        self.temporary(".lock")
    }

    /// Returns the path of the lock for the job slot of the recipe that runs code generation
    /// (`Makefile.codegen`).
    pub fn slot(self) -> PathBuf {
        self.temporary(".slot")
    }

    /// Returns the path of the output of a trial link of few objects.
    pub fn trial(self) -> PathBuf {
        self.temporary(".trial")
    }

    /// Returns the path of the folder of native objects.
    pub fn code_dir(self) -> PathBuf {
        self.temporary(".code")
    }

    /// Returns the path of the folder in which code generations are tried with exactly their inputs.
    pub fn actions_dir(self) -> PathBuf {
        self.temporary(".actions")
    }

    /// Returns the path of the folder in which lld writes indexes.
    pub fn index_dir(self) -> PathBuf {
        self.temporary(".index")
    }
}

/// Files that stay beside each bitcode object with distributed LTO.
impl<'link> LinkPaths<'link> {
    /// Returns the part of the names of shared objects' files that tells the links apart: `ext4` of
    /// `fs/ext4/ext4.o`.
    pub fn link_name(self) -> &'link OsStr {
        self.output.file_stem().unwrap_or_default()
    }

    /// Returns whether other links take the object, too.
    pub fn is_shared(self, object: &Path) -> bool {
        self.shared.iter().any(|shared| shared == object)
    }

    /// Returns the path of the native code of an object: `kernel/fork.native.o` of `kernel/fork.o`,
    /// `lib/crc.ext4.native.o` of a shared one.
    pub fn native(self, object: &Path) -> PathBuf {
        self.native_as(object, NATIVE_SUFFIX)
    }

    /// Returns the path of the native code of an object, with another suffix than [`NATIVE_SUFFIX`].
    pub fn native_as(self, object: &Path, suffix: &str) -> PathBuf {
        object.with_extension(self.of_object(object, suffix))
    }

    /// Returns the path of the index of an object, as lld names it: `kernel/fork.o.thinlto.bc`;
    /// `lib/crc.o.ext4.thinlto.bc` of a shared one.
    pub fn index(self, object: &Path) -> PathBuf {
        appended(object, &self.of_object(object, "thinlto.bc"))
    }

    /// Returns the path of the list of the objects that an object imports from, as lld names it:
    /// `kernel/fork.o.imports`; `lib/crc.o.ext4.imports` of a shared one.
    pub fn imports(self, object: &Path) -> PathBuf {
        appended(object, &self.of_object(object, "imports"))
    }

    fn of_object(self, object: &Path, suffix: &str) -> OsString {
        let mut all = OsString::new();
        if self.is_shared(object) {
            all.push(self.link_name());
            all.push(".");
        }
        all.push(suffix);
        all
    }
}

impl LinkPaths<'_> {
    /// Returns the path of the archive of the inputs of a failing link in the directory `dir`: `vmlinux.o.tar`, or
    /// with a `step` such as `.code` before `.tar`. The script that runs the link again is beside it.
    pub fn capture(self, dir: &Path, step: &str) -> PathBuf {
        let name = self.beside(&format!("{step}.tar"));
        dir.join(name.file_name().unwrap_or_default())
    }

    /// Returns the path of a file beside the output. Files beside vmlinux.o are visible, others hidden.
    fn beside(self, suffix: &str) -> PathBuf {
        let file_name = self.output.file_name().unwrap_or_default();
        let mut name = OsString::new();
        if file_name != "vmlinux.o" {
            name.push(".");
        }
        name.push(file_name);
        name.push(suffix);
        self.output.with_file_name(name)
    }

    fn temporary(self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(".tmp_");
        name.push(self.output.file_name().unwrap_or_default());
        name.push(suffix);
        self.output.with_file_name(name)
    }
}

/// Returns `object` with `.suffix` appended.
fn appended(object: &Path, suffix: &OsStr) -> PathBuf {
    let mut path = OsString::from(object);
    path.push(".");
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_object_has_files_for_each_link() {
        let shared = [PathBuf::from("lib/zstd/common.o")];
        let paths = LinkPaths::with_shared(Path::new("lib/zstd/zstd_compress.o"), &shared);
        let all = |object: &str| {
            let object = Path::new(object);
            [
                paths.native(object),
                paths.index(object),
                paths.imports(object),
            ]
            .map(|path| path.display().to_string())
        };
        assert_eq!(
            all("lib/zstd/fse.o"),
            [
                "lib/zstd/fse.native.o",
                "lib/zstd/fse.o.thinlto.bc",
                "lib/zstd/fse.o.imports"
            ]
        );
        assert_eq!(
            all("lib/zstd/common.o"),
            [
                "lib/zstd/common.zstd_compress.native.o",
                "lib/zstd/common.o.zstd_compress.thinlto.bc",
                "lib/zstd/common.o.zstd_compress.imports"
            ]
        );
    }

    #[test]
    fn only_records_of_vmlinux_are_visible() {
        let of = |output| LinkPaths::new(Path::new(output)).inputs();
        assert_eq!(of("vmlinux.o"), Path::new("vmlinux.o.lto-inputs"));
        assert_eq!(
            of("fs/ext4/ext4.o"),
            Path::new("fs/ext4/.ext4.o.lto-inputs")
        );
    }
}
