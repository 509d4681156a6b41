// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The facts that a link collects about its inputs before it plans.

use crate::error::LinkError;
use crate::paths::LinkPaths;
use crate::plan::options::{CodeGeneration, LinkOptions};
use crate::read::inputs::Inputs;
use crate::record::generated_roots::GeneratedRoots;
use crate::resolve::kept::Kept;
use crate::resolve::resolution::Resolution;
use crate::resolve::roots::RootOptions;

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
    /// Resolves the symbols of `inputs` as `options` say, and finds the roots and what they reach. Writes
    /// nothing.
    ///
    /// # Errors
    /// An object is damaged, a list of references or of roots cannot be read, or there is no root.
    pub(crate) fn of(
        options: &LinkOptions,
        inputs: &'all Inputs<'data>,
    ) -> Result<Self, LinkError> {
        let paths = options.paths();
        match &options.code {
            CodeGeneration::InLinker { .. } => Self::by_linker(inputs),
            CodeGeneration::Dropping(roots) => Self::by_roots(roots, paths, inputs),
            // The thin link has dropped what no root reaches.
            CodeGeneration::Distributed { .. } => Ok(Self {
                resolution: GeneratedRoots::read(paths)?.resolve(inputs)?,
                kept: None,
            }),
        }
    }

    /// Resolves the symbols as the linker will, which drops nothing.
    ///
    /// # Errors
    /// An object is damaged.
    pub(crate) fn by_linker(inputs: &'all Inputs<'data>) -> Result<Self, LinkError> {
        let resolution = Resolution::of(inputs, []).map_err(LinkError::Natives)?;
        Ok(Self {
            resolution,
            kept: None,
        })
    }

    /// Resolves the symbols for a link that drops what no root reaches.
    ///
    /// # Errors
    /// Same as [`Self::of`].
    pub(crate) fn by_roots(
        roots: &RootOptions,
        paths: LinkPaths<'_>,
        inputs: &'all Inputs<'data>,
    ) -> Result<Self, LinkError> {
        let generated = GeneratedRoots::read(paths)?;
        let resolution = generated.resolve(inputs)?;
        let kept = Kept::of(roots, paths.output(), &resolution, &generated.all())?;
        Ok(Self {
            resolution,
            kept: Some(kept),
        })
    }
}
