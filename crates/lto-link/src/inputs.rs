// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a link reads, and the record of it that stays beside the output.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use object_model::{Faults, Input, InputError, Loader, Object, link_order};

/// The objects of one link.
#[derive(Debug)]
pub struct Inputs<'data> {
    /// Those that are linked in any case, then those of the libraries, in link order.
    pub objects: Vec<Input<'data>>,
    /// How many of them are linked in any case.
    pub n_always: usize,
}

/// Files to be linked, none of them an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFiles {
    /// Those that are linked in any case, in link order.
    pub objs: Vec<PathBuf>,
    /// Those of libraries, of which the linker takes what it needs.
    pub libs: Vec<PathBuf>,
}

impl LinkFiles {
    /// The arguments that name them to ld.lld, as a response file has them (`cl::TokenizeGNUCommandLine`
    /// of LLVM reads it: quotes and backslashes as in a shell).
    pub fn response(&self) -> String {
        let mut response = String::new();
        let quoted = |path: &PathBuf| {
            let path = path.display().to_string();
            path.replace('\\', "\\\\").replace('"', "\\\"")
        };
        for path in &self.objs {
            let _ = writeln!(response, "\"{}\"", quoted(path));
        }
        if !self.libs.is_empty() {
            response.push_str("--start-lib\n");
            for path in &self.libs {
                let _ = writeln!(response, "\"{}\"", quoted(path));
            }
            response.push_str("--end-lib\n");
        }
        response
    }
}

/// An object that has no file of its own.
#[derive(Debug, thiserror::Error)]
#[error("{0}: is no file of its own; distributed LTO takes thin archives only (ar's option T)")]
pub struct EmbeddedError(String);

/// What an input was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// LLVM bitcode: takes part in LTO.
    Bitcode,
    /// Native code.
    Elf,
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bitcode => "bitcode",
            Self::Elf => "elf",
        })
    }
}

impl FromStr for InputKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "bitcode" => Ok(Self::Bitcode),
            "elf" => Ok(Self::Elf),
            _ => Err(()),
        }
    }
}

impl<'data> Inputs<'data> {
    /// Opens `objs`, whose objects are all linked, and `libs`, from which the linker takes what
    /// it needs.
    ///
    /// # Errors
    /// Every file and member that cannot be read.
    pub fn read(
        loader: &impl Loader<'data>,
        objs: &[PathBuf],
        libs: &[PathBuf],
    ) -> Result<Self, Faults<InputError>> {
        let read = [link_order(loader, objs), link_order(loader, libs)];
        let mut objects = Vec::new();
        let mut faults = Vec::new();
        let mut n_always = 0;
        for (read, is_lib) in read.into_iter().zip([false, true]) {
            match read {
                Ok(read) => objects.extend(read),
                Err(found) => faults.extend(found),
            }
            if !is_lib {
                n_always = objects.len();
            }
        }
        Faults::check(Self { objects, n_always }, faults)
    }

    /// How many objects are of `kind`.
    pub fn count(&self, kind: InputKind) -> usize {
        self.objects
            .iter()
            .filter(|input| kind_of(input) == kind)
            .count()
    }

    /// The files that the linker takes instead of archives, in link order: those that are linked in
    /// any case, and those of which it takes what it needs. `file` gives the one for an object.
    ///
    /// # Errors
    /// Every object that is no file of its own, as it stands in a regular archive.
    pub fn files(
        &self,
        file: impl Fn(&Path, InputKind) -> PathBuf,
    ) -> Result<LinkFiles, Faults<EmbeddedError>> {
        let mut files = Vec::new();
        let mut faults = Vec::new();
        for input in &self.objects {
            match &input.path {
                Some(path) => files.push(file(path, kind_of(input))),
                None => faults.push(EmbeddedError(input.name.clone())),
            }
        }
        Faults::check(files, faults).map(|mut objs| {
            let libs = objs.split_off(self.n_always);
            LinkFiles { objs, libs }
        })
    }

    /// The files to link where all bitcode was made into `code`: the native objects in link order, and
    /// that behind them, as the linker itself does it.
    ///
    /// # Errors
    /// Every native object that is no file of its own.
    pub fn with_code(&self, code: &[PathBuf]) -> Result<LinkFiles, Faults<EmbeddedError>> {
        let mut files = LinkFiles {
            objs: Vec::new(),
            libs: Vec::new(),
        };
        let mut faults = Vec::new();
        for (index, input) in self.objects.iter().enumerate() {
            if kind_of(input) == InputKind::Bitcode {
                continue;
            }
            let list = if index < self.n_always {
                &mut files.objs
            } else {
                &mut files.libs
            };
            match &input.path {
                Some(path) => list.push(path.clone()),
                None => faults.push(EmbeddedError(input.name.clone())),
            }
        }
        files.objs.extend_from_slice(code);
        Faults::check(files, faults)
    }

    /// The record: a line per object in link order, its kind and its path (the name of the
    /// member, for one that is no file), separated by a tab.
    pub fn record(&self) -> String {
        let mut record = String::new();
        for input in &self.objects {
            // Writing to a string does not fail.
            let _ = writeln!(record, "{}\t{}", kind_of(input), object_name(input));
        }
        record
    }
}

/// The path of an object, or the name of one that is no file.
pub(crate) fn object_name(input: &Input) -> String {
    match &input.path {
        Some(path) => path.display().to_string(),
        None => input.name.clone(),
    }
}

pub(crate) fn kind_of(input: &Input) -> InputKind {
    match input.object {
        Object::Bitcode(_) => InputKind::Bitcode,
        Object::Elf(_) => InputKind::Elf,
    }
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedInput {
    /// What it was made of.
    pub kind: InputKind,
    /// Its path, relative to the object tree.
    pub path: String,
}

/// Where the record of the link of `output` stands: `vmlinux.o.lto-inputs`, and for a module's
/// object the same with a leading dot.
pub fn inputs_path(output: &Path) -> PathBuf {
    beside(output, ".lto-inputs")
}

/// The hidden file that belongs to `output`; vmlinux.o's are not hidden.
pub(crate) fn beside(output: &Path, suffix: &str) -> PathBuf {
    let file_name = output.file_name().unwrap_or_default();
    let mut name = OsString::new();
    if file_name != "vmlinux.o" {
        name.push(".");
    }
    name.push(file_name);
    name.push(suffix);
    output.with_file_name(name)
}

/// Reads a record.
///
/// # Errors
/// Those of the file, and `InvalidData` for a line that is none of a record.
pub fn read_record(path: &Path) -> io::Result<Vec<RecordedInput>> {
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| {
            let parsed = line.split_once('\t').and_then(|(kind, path)| {
                let (kind, path) = (kind.parse().ok()?, path.to_owned());
                Some(RecordedInput { kind, path })
            });
            parsed.ok_or_else(|| {
                let message = format!("line {}: not a kind and a path: {line}", index + 1);
                io::Error::new(io::ErrorKind::InvalidData, message)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_none_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("x.o.lto-inputs");
        std::fs::write(&path, "bitcode\tinit/main.o\nnative\tx.o\n").expect("written");
        let error = read_record(&path).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn only_vmlinux_has_visible_records() {
        assert_eq!(
            inputs_path(Path::new("vmlinux.o")),
            Path::new("vmlinux.o.lto-inputs")
        );
        assert_eq!(
            inputs_path(Path::new("fs/ext4/ext4.o")),
            Path::new("fs/ext4/.ext4.o.lto-inputs")
        );
    }
}
