// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the objects of a link, in link order.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, MemberContent};
use crate::object_file::unknown;
use crate::{Faults, FileKind, InputError, Object, ReadError};

/// Archives that are nested more deeply count as a circle. Kernel builds nest at most once.
const MAX_NESTING: usize = 8;
/// If there are more objects than this, an archive multiplies itself. A kernel with all options has
/// about 30,000.
const MAX_INPUTS: usize = 1 << 17;

/// Supplies the bytes of files.
pub trait Loader<'data> {
    /// Returns the bytes of the file at `path`.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    fn load(&self, path: &Path) -> io::Result<&'data [u8]>;
}

/// One object of a link.
#[derive(Clone, Debug)]
pub struct Input<'data> {
    /// Its name in messages: `net/core/dev.o`, or `net/core/dev.o in net/built-in.a`.
    pub name: String,
    /// Its file; `None` for a member of a regular archive. Files beside an object, such as
    /// `dev.o.symversions`, are found from here.
    pub path: Option<PathBuf>,
    /// Its bytes.
    pub data: &'data [u8],
    /// The parsed object.
    pub object: Object<'data>,
}

impl<'data> Input<'data> {
    /// Reads the object in `data`, which is the whole file at `path`.
    ///
    /// # Errors
    /// As [`Object::parse`]; `data` is an archive.
    pub fn parse(path: &Path, data: &'data [u8]) -> Result<Self, InputError> {
        Self::with_name(path.display().to_string(), Some(path.to_owned()), data)
    }

    fn with_name(
        name: String,
        path: Option<PathBuf>,
        data: &'data [u8],
    ) -> Result<Self, InputError> {
        match Object::parse(data) {
            Ok(object) => Ok(Self {
                name,
                path,
                data,
                object,
            }),
            Err(error) => Err(InputError { name, error }),
        }
    }

    /// Adds the name of this input to `error`.
    pub fn locate(&self, error: ReadError) -> InputError {
        InputError {
            name: self.name.clone(),
            error,
        }
    }
}

/// Opens `paths` (objects and archives) and returns all objects in link order, like the linker with
/// `--whole-archive`: archive members in archive order, and nested archives at their place.
///
/// Paths in thin archives are relative to the directory of the archive. A member whose path is a
/// regular archive is opened in turn.
///
/// # Errors
/// Every unreadable file and member, each with its name.
pub fn link_order<'data, P: AsRef<Path>>(
    loader: &impl Loader<'data>,
    paths: &[P],
) -> Result<Vec<Input<'data>>, Faults<InputError>> {
    let mut inputs = Vec::new();
    visit_link_order(loader, paths, |input| inputs.push(input))?;
    Ok(inputs)
}

/// Like [`link_order`], but passes each object to `visit` at once. For code that reads each object once,
/// this takes far less memory.
///
/// # Errors
/// Every unreadable file and member, each with its name. The others are visited
/// nevertheless.
pub fn visit_link_order<'data, P: AsRef<Path>>(
    loader: &impl Loader<'data>,
    paths: &[P],
    visit: impl FnMut(Input<'data>),
) -> Result<(), Faults<InputError>> {
    let mut scan = Scan {
        loader,
        visit,
        visited: 0,
        faults: Vec::new(),
    };
    for path in paths {
        let path = path.as_ref();
        scan.file(path, &path.display().to_string(), 0);
    }
    Faults::check((), scan.faults)
}

/// State of one [`visit_link_order`].
struct Scan<'loader, L, V> {
    loader: &'loader L,
    visit: V,
    visited: usize,
    faults: Vec<InputError>,
}

impl<'data, L: Loader<'data>, V: FnMut(Input<'data>)> Scan<'_, L, V> {
    fn fault(&mut self, name: &str, error: ReadError) {
        self.faults.push(InputError {
            name: name.to_owned(),
            error,
        });
    }

    /// Adds the file at `path`, which is `depth` archives deep.
    fn file(&mut self, path: &Path, name: &str, depth: usize) {
        match self.loader.load(path) {
            Ok(data) => self.bytes(data, Some(path), path, name, depth),
            Err(error) => self.fault(name, ReadError::Open(error)),
        }
    }

    /// Adds one file or member. `path` is its own file, if it is one; `anchor` is the file that contains
    /// its bytes.
    fn bytes(
        &mut self,
        data: &'data [u8],
        path: Option<&Path>,
        anchor: &Path,
        name: &str,
        depth: usize,
    ) {
        // Stop at the first fault of an archive that multiplies itself: the others would only repeat it.
        let seen = self.visited + self.faults.len();
        if seen >= MAX_INPUTS {
            if seen == MAX_INPUTS {
                self.fault(name, ReadError::TooManyInputs(MAX_INPUTS));
            }
            return;
        }
        match FileKind::of(data) {
            None => self.fault(name, unknown(data)),
            Some(FileKind::Archive | FileKind::ThinArchive) if depth >= MAX_NESTING => {
                self.fault(name, ReadError::NestedTooDeep(MAX_NESTING));
            }
            Some(FileKind::Archive | FileKind::ThinArchive) => {
                self.archive(data, anchor, name, depth);
            }
            Some(_) => match Input::with_name(name.to_owned(), path.map(Path::to_owned), data) {
                Ok(input) => {
                    self.visited += 1;
                    (self.visit)(input);
                }
                Err(error) => self.faults.push(error),
            },
        }
    }

    fn archive(&mut self, data: &'data [u8], anchor: &Path, name: &str, depth: usize) {
        let archive = match Archive::parse(data) {
            Ok(archive) => archive,
            Err(error) => return self.fault(name, error),
        };
        for member in archive.members() {
            match member.content {
                MemberContent::Embedded(bytes) => {
                    let member_name = format!("{} in {name}", member.name);
                    self.bytes(bytes, None, anchor, &member_name, depth + 1);
                }
                MemberContent::External => {
                    let directory = anchor.parent().unwrap_or(Path::new(""));
                    let path = directory.join(member.name);
                    let member_name = format!("{} in {name}", path.display());
                    self.file(&path, &member_name, depth + 1);
                }
            }
        }
    }
}
