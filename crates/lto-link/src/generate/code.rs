// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Generates code as the link's options say.

use std::path::Path;

use crate::error::LinkError;
use crate::generate::dropping::generate_kept;
use crate::generate::folders::make_dir;
use crate::generate::link_files::{Code, LinkFiles, ObjectFiles};
use crate::plan::options::{CodeGeneration, LinkOptions};
use crate::read::inputs::{InputKind, Inputs, is_elf};
use crate::resolve::resolved::Resolved;

/// Generates the code of `inputs` in a folder that the caller removes, or finds the code that make
/// has generated.
///
/// # Errors
/// New roots cannot be collected, the linker fails or leaves out objects, files cannot be written.
pub(crate) fn generate_code<'all, 'data>(
    options: &LinkOptions,
    inputs: &'all Inputs<'data>,
    resolved: Resolved<'all, 'data>,
) -> Result<Code<'all, 'data>, LinkError> {
    let paths = options.paths();
    let dir = paths.code_dir();
    match &options.code {
        CodeGeneration::InLinker { .. } => Ok(Code {
            files: None,
            resolution: resolved.resolution,
        }),
        CodeGeneration::Dropping(roots) => {
            make_dir(&dir)?;
            generate_kept(options, roots, inputs, resolved)
        }
        CodeGeneration::Distributed { .. } => {
            make_dir(&dir)?;
            let resolution = resolved.resolution;
            let files = ObjectFiles::write_members(inputs, &dir, is_elf)?;
            let native = |kind, path: &Path| match kind {
                InputKind::Bitcode => paths.native(path),
                InputKind::Elf => path.to_owned(),
            };
            let files = LinkFiles::object_by_object(inputs, &resolution, &files, native);
            Ok(Code {
                files: Some(files.map_err(LinkError::Embedded)?),
                resolution,
            })
        }
    }
}
