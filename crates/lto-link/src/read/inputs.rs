// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The objects of a link, read once.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use object_model::{Faults, Input, InputError, Loader, Object, link_order};

/// The objects of one link.
#[derive(Clone, Debug)]
pub struct Inputs<'data> {
    /// The objects that are always linked, then the members of libraries, in link order.
    pub objects: Vec<Input<'data>>,
    /// The number of objects that are always linked.
    pub n_always: usize,
}

/// The kind of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// LLVM bitcode, which takes part in LTO.
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
    /// Opens `objs`, whose objects are all linked, and `libs`, of which the linker takes the needed
    /// members.
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

    /// Returns the number of objects of `kind`.
    pub fn count(&self, kind: InputKind) -> usize {
        self.objects
            .iter()
            .filter(|input| kind_of(input) == kind)
            .count()
    }
}

/// Returns the path of an object, or the name of an archive member without a file.
pub(crate) fn object_name(input: &Input) -> String {
    match &input.path {
        Some(path) => path.display().to_string(),
        None => input.name.clone(),
    }
}

/// Returns the kind of an object.
pub(crate) fn kind_of(input: &Input) -> InputKind {
    match input.object {
        Object::Bitcode(_) => InputKind::Bitcode,
        Object::Elf(_) => InputKind::Elf,
    }
}

/// Returns whether an object is bitcode.
pub(crate) fn is_bitcode(input: &Input) -> bool {
    kind_of(input) == InputKind::Bitcode
}

/// Returns whether an object is native code.
pub(crate) fn is_elf(input: &Input) -> bool {
    kind_of(input) == InputKind::Elf
}
