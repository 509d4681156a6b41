// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a link finds out about its inputs before it plans anything.

use crate::error::LinkError;
use crate::plan::options::{CodeGeneration, LinkOptions};
use crate::read::inputs::Inputs;
use crate::record::generated_roots::GeneratedRoots;
use crate::resolve::kept::Kept;
use crate::resolve::resolution::Resolution;

/// The inputs of a link with their symbols resolved.
#[derive(Debug)]
pub(crate) struct Resolved<'all, 'data> {
    /// The objects that are linked, and whose definitions prevail. Unless the linker generates the code,
    /// references that only generated code has shown count as well.
    pub(crate) resolution: Resolution<'all, 'data>,
    /// The definitions to keep, if this link drops the others.
    pub(crate) kept: Option<Kept<'data>>,
}

impl<'all, 'data> Resolved<'all, 'data> {
    /// Resolves the symbols of `inputs`, and finds the roots and what they reach. Writes nothing.
    ///
    /// # Errors
    /// An object is damaged, a list of references or of roots cannot be read, or there is no root.
    pub(crate) fn of(
        options: &LinkOptions,
        inputs: &'all Inputs<'data>,
    ) -> Result<Self, LinkError> {
        let roots = match &options.code {
            CodeGeneration::InLinker { .. } => {
                let resolution = Resolution::of(inputs, []).map_err(LinkError::Natives)?;
                return Ok(Self {
                    resolution,
                    kept: None,
                });
            }
            CodeGeneration::Dropping(roots) => Some(roots),
            // The thin link has dropped what no root reaches.
            CodeGeneration::Distributed { .. } => None,
        };
        let generated = GeneratedRoots::read(options.paths())?;
        let resolution = generated.resolve(inputs)?;
        let kept = roots
            .map(|roots| Kept::of(roots, &options.output, &resolution, &generated.all()))
            .transpose()?;
        Ok(Self { resolution, kept })
    }
}
