// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Where stands what distributed thin LTO makes of each bitcode object.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The places for the objects of one link: beside each. An object that several links take, as one that
/// is part of two modules, has an index and native code for each of them, with the name of the link's
/// output in theirs.
#[derive(Clone, Copy, Debug)]
pub struct Places<'link> {
    output: &'link Path,
    shared: &'link [PathBuf],
}

impl<'link> Places<'link> {
    /// Those of the link of `output`; `shared` are its objects that other links take too.
    pub fn new(output: &'link Path, shared: &'link [PathBuf]) -> Self {
        Self { output, shared }
    }

    /// What stands in the names of what is made of shared objects: `ext4` of `fs/ext4/ext4.o`.
    pub fn link_name(self) -> &'link OsStr {
        self.output.file_stem().unwrap_or_default()
    }

    /// Whether other links take the object, too.
    pub fn is_shared(self, object: &Path) -> bool {
        self.shared.iter().any(|shared| shared == object)
    }

    /// The native code of an object: `kernel/fork.native.o` of `kernel/fork.o`, `lib/crc.ext4.native.o`
    /// of one that is shared.
    pub fn native(self, object: &Path) -> PathBuf {
        object.with_extension(self.suffix(object, "native.o"))
    }

    /// Its index: `kernel/fork.o.thinlto.bc` of `kernel/fork.o`, `lib/crc.o.ext4.thinlto.bc` of one that
    /// is shared.
    pub fn index(self, object: &Path) -> PathBuf {
        appended(object, self.suffix(object, INDEX))
    }

    /// The list of the objects that it imports from: `kernel/fork.o.imports` of `kernel/fork.o`,
    /// `lib/crc.o.ext4.imports` of one that is shared.
    pub fn imports(self, object: &Path) -> PathBuf {
        appended(object, self.suffix(object, IMPORTS))
    }

    fn suffix(self, object: &Path, suffix: &str) -> OsString {
        let mut all = OsString::new();
        if self.is_shared(object) {
            all.push(self.link_name());
            all.push(".");
        }
        all.push(suffix);
        all
    }
}

/// How lld calls the index of an object, behind its name.
pub(crate) const INDEX: &str = "thinlto.bc";
/// How it calls the list of what that object imports from.
pub(crate) const IMPORTS: &str = "imports";

/// `object` with `.suffix` behind it.
pub(crate) fn appended(object: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let mut path = OsString::from(object);
    path.push(".");
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_links_take_has_a_place_for_each() {
        let shared = [PathBuf::from("lib/zstd/common.o")];
        let places = Places::new(Path::new("lib/zstd/zstd_compress.o"), &shared);
        let all = |object: &str| {
            let object = Path::new(object);
            [
                places.native(object),
                places.index(object),
                places.imports(object),
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
}
