// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a link reads, and the record of it that stays beside the output.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use object_model::{Faults, Input, InputError, Loader, Object, link_order};
use tool_io::WriteError;

use crate::resolve::Resolution;

/// The objects of one link.
#[derive(Debug)]
pub struct Inputs<'data> {
    /// The objects that are always linked, then the members of libraries, in link order.
    pub objects: Vec<Input<'data>>,
    /// How many of them are linked in any case.
    pub n_always: usize,
}

/// Files to be linked, none of them an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFiles {
    /// The objects that are always linked, in link order.
    pub objs: Vec<PathBuf>,
    /// The members of libraries; the linker takes those that it needs.
    pub libs: Vec<PathBuf>,
}

impl LinkFiles {
    /// The arguments that name them to ld.lld, as a response file has them.
    pub fn response(&self) -> String {
        let mut response = String::new();
        let argument = |path: &PathBuf| quoted(&path.display().to_string());
        for path in &self.objs {
            let _ = writeln!(response, "{}", argument(path));
        }
        if !self.libs.is_empty() {
            response.push_str("--start-lib\n");
            for path in &self.libs {
                let _ = writeln!(response, "{}", argument(path));
            }
            response.push_str("--end-lib\n");
        }
        response
    }
}

/// The file of each object of a link, as far as it has one.
#[derive(Clone, Debug)]
pub(crate) struct ObjectFiles(Vec<Option<PathBuf>>);

impl ObjectFiles {
    /// The file of the object at this place of the inputs.
    pub(crate) fn of(&self, object: usize) -> Option<&Path> {
        self.0.get(object)?.as_deref()
    }

    /// Has `file` taken for the object at this place.
    pub(crate) fn set(&mut self, object: usize, file: PathBuf) {
        if let Some(of_object) = self.0.get_mut(object) {
            *of_object = Some(file);
        }
    }
}

/// `text` between quotation marks, as a response file has it (`cl::TokenizeGNUCommandLine` of LLVM reads
/// it: quotation marks and backslashes as in a shell).
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Bitcode that has no file of its own.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}: the bitcode is no file of its own; distributed LTO takes it from thin archives only (ar's option T)"
)]
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

    /// The file of each object: its own, or one in `dir` for a member that stands in a regular archive. Those
    /// for which `is_needed` is false get none then.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn files(
        &self,
        dir: &Path,
        is_needed: impl Fn(&Input) -> bool,
    ) -> Result<ObjectFiles, WriteError> {
        let mut files = Vec::new();
        for (object, input) in self.objects.iter().enumerate() {
            files.push(match &input.path {
                Some(path) => Some(path.clone()),
                None if is_needed(input) => {
                    let path = dir.join(format!("member-{object}.o"));
                    tool_io::write_atomic(&path, input.data)?;
                    Some(path)
                }
                None => None,
            });
        }
        Ok(ObjectFiles(files))
    }

    /// The files to link, object by object: those of linked objects in link order, then the other members of
    /// libraries. `file` gives the one to take for an object and its own.
    ///
    /// # Errors
    /// Every object without a file.
    pub(crate) fn link_files(
        &self,
        resolution: &Resolution,
        files: &ObjectFiles,
        file: impl Fn(&Input, &Path) -> PathBuf,
    ) -> Result<LinkFiles, Faults<EmbeddedError>> {
        let mut faults = Vec::new();
        let mut of = |object: usize| {
            let input = self.objects.get(object)?;
            let path = files.of(object);
            if path.is_none() {
                faults.push(EmbeddedError(input.name.clone()));
            }
            Some(file(input, path?))
        };
        let order = resolution.link_order().iter();
        let objs = order.filter_map(|&object| of(object)).collect();
        let others = (self.n_always..self.objects.len()).filter(|&at| !resolution.is_linked(at));
        let libs = others.filter_map(of).collect();
        Faults::check(LinkFiles { objs, libs }, faults)
    }

    /// The files to link where all bitcode was made into `code`: the native objects in link order, that
    /// behind them, as the linker itself does it, and then the other native members of libraries.
    pub(crate) fn link_files_with_code(
        &self,
        resolution: &Resolution,
        files: &ObjectFiles,
        code: &[PathBuf],
    ) -> LinkFiles {
        let native = |object: &usize| {
            let input = self.objects.get(*object);
            input.is_some_and(|input| kind_of(input) == InputKind::Elf)
        };
        let file = |object: usize| files.of(object).map(Path::to_owned);
        let linked = resolution.link_order().iter().copied().filter(native);
        let others = (self.n_always..self.objects.len()).filter(native);
        LinkFiles {
            objs: linked
                .filter_map(file)
                .chain(code.iter().cloned())
                .collect(),
            libs: others
                .filter(|&object| !resolution.is_linked(object))
                .filter_map(file)
                .collect(),
        }
    }

    /// The record: a line per object that is linked, in link order, its kind and its path (the name of the
    /// member, for one that is no file), separated by a tab.
    pub(crate) fn record(&self, resolution: &Resolution) -> String {
        let mut record = String::new();
        for input in resolution.linked(self) {
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
/// The file cannot be read; `InvalidData` for a line that is not a record.
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
