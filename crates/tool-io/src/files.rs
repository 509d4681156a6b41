// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Input files, mapped into memory.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, MmapOptions};
use object_model::{Elf, Faults, Input, InputError, Loader, Object, ReadError};
use typed_arena::Arena;

/// Holds the input files of one run, mapped into memory, for as long as what borrows from them.
///
/// Inputs must not be written to while the tool runs. make sees to that: a tool runs after the
/// rules that write its inputs, and our own outputs replace files instead of changing them.
#[derive(Default)]
pub struct Files {
    maps: Arena<Mmap>,
}

impl Files {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No files yet, and none ever given back: for the one run of a tool. To unmap a thousand
    /// files one by one takes a fifth of a short run; the end of the process does it at once.
    pub fn for_process() -> &'static Self {
        Box::leak(Box::default())
    }

    /// All objects of `paths` (objects and archives) in link order; see
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

    /// Hands all objects of `paths` to `visit`, in link order; see
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

    /// The one object at `path`, which is no archive.
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

    /// The one native object at `path`.
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

    /// The bytes of the file at `path`.
    ///
    /// # Errors
    /// The file cannot be opened or mapped.
    pub fn bytes(&self, path: &Path) -> io::Result<&[u8]> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length == 0 {
            return Ok(&[]);
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        // SAFETY: the map is read-only and lives as long as `self`. Another process that cut the
        // file short meanwhile would end this one with SIGBUS; see the type's documentation for
        // why none does.
        let map = unsafe { MmapOptions::new().len(length).map(&file)? };
        Ok(self.maps.alloc(map))
    }
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
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// The text of the file at `path`.
///
/// # Errors
/// The file cannot be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, ReadTextError> {
    fs::read_to_string(path).map_err(|source| ReadTextError {
        path: path.to_owned(),
        source,
    })
}
