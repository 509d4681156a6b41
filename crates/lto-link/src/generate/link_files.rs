// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The linker's input files, object by object.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use object_model::{Faults, Input};
use tool_io::WriteError;

use crate::error::EmbeddedError;
use crate::plan::command::quoted_path;
use crate::read::inputs::{InputKind, Inputs, is_elf, kind_of};
use crate::resolve::resolution::Resolution;

/// The result of code generation.
pub(crate) struct Code<'all, 'data> {
    /// The files to link; `None` if the linker should read the objects and archives as given.
    pub(crate) files: Option<LinkFiles>,
    /// The resolution of the link. Generated code may need more library members than bitcode does.
    pub(crate) resolution: Resolution<'all, 'data>,
}

/// Files to be linked, without archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkFiles {
    /// The objects that are always linked, in link order.
    objs: Vec<PathBuf>,
    /// The members of libraries, of which the linker takes the needed ones.
    libs: Vec<PathBuf>,
}

impl LinkFiles {
    /// Returns the files to link object by object: linked objects in link order, then the other members
    /// of libraries. `file` returns the file for an object, given its kind and its own file.
    ///
    /// # Errors
    /// Every object without a file.
    pub(crate) fn object_by_object(
        inputs: &Inputs,
        resolution: &Resolution,
        files: &ObjectFiles,
        file: impl Fn(InputKind, &Path) -> PathBuf,
    ) -> Result<Self, Faults<EmbeddedError>> {
        let mut faults = Vec::new();
        let mut of = |object: usize| {
            let input = inputs.objects.get(object)?;
            let path = files.of(object);
            if path.is_none() {
                faults.push(EmbeddedError(input.name.clone()));
            }
            Some(file(kind_of(input), path?))
        };
        let order = resolution.link_order().iter();
        let objs = order.filter_map(|&object| of(object)).collect();
        let others = members_left_out(inputs, resolution);
        let libs = others.filter_map(of).collect();
        Faults::check(Self { objs, libs }, faults)
    }

    /// Returns the files to link if `code` is the native code of all bitcode: native objects in
    /// link order, then `code`, then the other native members of libraries. The linker itself also
    /// puts generated code after native objects.
    pub(crate) fn with_code(
        inputs: &Inputs,
        resolution: &Resolution,
        files: &ObjectFiles,
        code: &[PathBuf],
    ) -> Self {
        let native = |object: &usize| inputs.objects.get(*object).is_some_and(is_elf);
        let file = |object: usize| files.of(object).map(Path::to_owned);
        let linked = resolution.link_order().iter().copied().filter(native);
        let others = members_left_out(inputs, resolution).filter(native);
        Self {
            objs: linked
                .filter_map(file)
                .chain(code.iter().cloned())
                .collect(),
            libs: others.filter_map(file).collect(),
        }
    }

    /// Returns the arguments that name the files, in the form of a response file.
    pub(crate) fn response(&self) -> String {
        let mut response = String::new();
        for path in &self.objs {
            // Writing to a string does not fail.
            let _ = writeln!(response, "{}", quoted_path(path));
        }
        if !self.libs.is_empty() {
            response.push_str("--start-lib\n");
            for path in &self.libs {
                let _ = writeln!(response, "{}", quoted_path(path));
            }
            response.push_str("--end-lib\n");
        }
        response
    }
}

/// Returns the places of the library members that are not linked.
fn members_left_out(inputs: &Inputs, resolution: &Resolution) -> impl Iterator<Item = usize> {
    (inputs.n_always..inputs.objects.len()).filter(|&object| !resolution.is_linked(object))
}

/// The file of each object of a link, for objects that have one.
#[derive(Clone, Debug)]
pub(crate) struct ObjectFiles(Vec<Option<PathBuf>>);

impl ObjectFiles {
    /// Returns the file of each object: its own file, or a new one in `dir` for a member of a regular
    /// archive. A member for which `is_needed` is false gets none.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn write_members(
        inputs: &Inputs,
        dir: &Path,
        is_needed: impl Fn(&Input) -> bool,
    ) -> Result<Self, WriteError> {
        let mut files = Vec::new();
        for (object, input) in inputs.objects.iter().enumerate() {
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
        Ok(Self(files))
    }

    /// Returns the file of the object at this place of the inputs.
    pub(crate) fn of(&self, object: usize) -> Option<&Path> {
        self.0.get(object)?.as_deref()
    }

    /// Replaces the file of the object at this place.
    pub(crate) fn set(&mut self, object: usize, file: PathBuf) {
        if let Some(of_object) = self.0.get_mut(object) {
            *of_object = Some(file);
        }
    }
}
