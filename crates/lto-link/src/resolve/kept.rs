// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The definitions that a link with dropping keeps.

use std::collections::BTreeSet;
use std::path::Path;

use object_model::LtoKind;

use crate::error::LinkError;
use crate::read::inputs::{is_bitcode, is_elf};
use crate::resolve::explain::Dropped;
use crate::resolve::reach::Reach;
use crate::resolve::reason::Reason;
use crate::resolve::resolution::Resolution;
use crate::resolve::roots::{RootOptions, Roots};

/// The roots of a link, and the definitions that they reach.
#[derive(Debug)]
pub(crate) struct Kept<'data> {
    /// The roots with their reasons.
    pub(crate) roots: Roots,
    reach: Reach<'data>,
}

impl<'data> Kept<'data> {
    /// Finds the roots of the link of `output`, and the definitions that they reach. `generated`
    /// are the references that only generated code showed: symbol and object.
    ///
    /// # Errors
    /// Unreadable files, malformed patterns, bitcode without a summary of its references, or a link
    /// without any root.
    pub(crate) fn of(
        options: &RootOptions,
        output: &Path,
        resolution: &Resolution<'_, 'data>,
        generated: &BTreeSet<(String, String)>,
    ) -> Result<Self, LinkError> {
        let mut reach = Reach::read(resolution.linked()).map_err(LinkError::Summary)?;
        let mut roots = Roots::collect(options, resolution, &reach, generated)?;
        reach.follow(roots.names());
        if reach.keeps_nothing() && resolution.linked().any(is_bitcode) {
            return Err(LinkError::NothingKept(output.to_owned()));
        }
        for name in reach.called_by_freed_code(lto_kind(resolution)) {
            roots.add(name, Reason::FreedCallers);
        }
        Ok(Self { roots, reach })
    }

    /// Returns the definitions that are not kept, in link order.
    pub(crate) fn dropped(&self, resolution: &Resolution) -> Vec<Dropped<'_>> {
        // A name stays if native code or another object defines it as well.
        let native = resolution.linked().filter(|input| is_elf(input));
        let names = native.flat_map(|input| input.object.linker_symbols());
        let names = names.filter(|symbol| symbol.is_defined() && !symbol.is_local());
        let names = names.map(|symbol| symbol.name);
        let kept = names.chain(self.reach.kept_names()).collect();
        self.reach.dropped(&kept)
    }
}

/// Returns the kind of LTO of the linked bitcode, which is the same for all objects of a link.
pub(crate) fn lto_kind(resolution: &Resolution) -> LtoKind {
    let mut bitcode = resolution
        .linked()
        .filter_map(|input| input.object.as_bitcode());
    let kind = bitcode.next().and_then(|bitcode| bitcode.lto_kind().ok());
    kind.unwrap_or(LtoKind::Thin)
}
