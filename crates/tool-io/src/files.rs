// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Opens input files: maps large ones into memory, and reads small ones.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use object_model::{Elf, Faults, Input, InputError, Loader, Object, ReadError};
use typed_arena::Arena;

use crate::mapped::Mapped;

/// Files larger than this are mapped. For smaller ones, one read is cheaper than the page faults of a
/// map, and their memory comes from the heap without a separate map.
const LARGEST_READ: usize = 4 << 10;

/// The largest number of mapped files. The system's limit for a process is 65530
/// (`vm.max_map_count`), and memory that the tool allocates needs maps, too.
const MOST_MAPS: usize = 16 << 10;

/// The input files of one run, which live as long as the borrows from them.
///
/// Inputs must not be written while the tool runs. make ensures this: a tool runs after the rules that
/// write its inputs, and our own outputs replace files instead of changing them. If a file becomes
/// shorter nevertheless, reading it is an error; if it is mapped, the process ends with exit code 2
/// and a message that names the file.
#[derive(Default)]
pub struct Files {
    maps: Arena<Mapped>,
    n_maps: Cell<usize>,
    contents: Arena<Vec<u8>>,
}

impl Files {
    /// Returns an empty set of files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an empty set of files that are never unmapped, for the single run of a tool. Unmapping
    /// a thousand files one by one takes a fifth of a short run; the end of the process is faster.
    pub fn for_process() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Returns all objects of `paths` (objects and archives) in link order; see
    /// [`object_model::link_order`].
    ///
    /// # Errors
    /// Every file and member that cannot be read, each with its name.
    pub fn link_order<P: AsRef<Path>>(
        &self,
        paths: &[P],
    ) -> Result<Vec<Input<'_>>, Faults<InputError>> {
        object_model::link_order(&self, paths)
    }

    /// Passes all objects of `paths` to `visit`, in link order; see
    /// [`object_model::visit_link_order`].
    ///
    /// # Errors
    /// Every file and member that cannot be read, each with its name.
    pub fn visit_link_order<'files, P: AsRef<Path>>(
        &'files self,
        paths: &[P],
        visit: impl FnMut(Input<'files>),
    ) -> Result<(), Faults<InputError>> {
        object_model::visit_link_order(&self, paths, visit)
    }

    /// Returns the object at `path`, which must not be an archive.
    ///
    /// # Errors
    /// A file that cannot be opened or is not an object.
    pub fn object(&self, path: &Path) -> Result<Input<'_>, InputError> {
        match self.bytes(path) {
            Ok(data) => Input::parse(path, data),
            Err(error) => Err(InputError {
                name: path.display().to_string(),
                error: error.into(),
            }),
        }
    }

    /// Returns the native object at `path`.
    ///
    /// # Errors
    /// A file that cannot be opened or is not an ELF file.
    pub fn elf(&self, path: &Path) -> Result<Elf<'_>, InputError> {
        let input = self.object(path)?;
        match input.object {
            Object::Elf(elf) => Ok(elf),
            Object::Bitcode(bitcode) => Err(InputError {
                name: input.name,
                error: ReadError::NotNative(bitcode.kind()),
            }),
        }
    }

    /// Returns the bytes of the file at `path`.
    ///
    /// # Errors
    /// The file cannot be opened, read or mapped, or changes its length meanwhile.
    pub fn bytes(&self, path: &Path) -> io::Result<&[u8]> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length == 0 {
            return Ok(&[]);
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        if length <= LARGEST_READ || self.n_maps.get() >= MOST_MAPS {
            return Ok(self.contents.alloc(read(file, length)?));
        }
        let map = Mapped::new(&file, length, path)?;
        self.n_maps.set(self.n_maps.get() + 1);
        Ok(self.maps.alloc(map).bytes())
    }
}

/// Returns the content of `file`, which has `length` bytes.
fn read(mut file: File, length: usize) -> io::Result<Vec<u8>> {
    let mut content = vec![0; length];
    file.read_exact(&mut content).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            let reason =
                "it became shorter while it was read; run this again when nothing writes to it";
            return io::Error::new(error.kind(), reason);
        }
        error
    })?;
    Ok(content)
}

impl<'files> Loader<'files> for &'files Files {
    fn load(&self, path: &Path) -> io::Result<&'files [u8]> {
        self.bytes(path)
    }
}

/// A text file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read", path.display())]
pub struct ReadTextError {
    /// The file.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// Returns the text of the file at `path`.
///
/// # Errors
/// The file cannot be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, ReadTextError> {
    fs::read_to_string(path).map_err(|source| ReadTextError {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_that_is_cut_short_before_it_is_read_is_told() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"short").unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let error = read(file, 6).unwrap_err();
        assert!(error.to_string().contains("became shorter"), "{error}");
    }
}
