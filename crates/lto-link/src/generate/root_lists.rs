// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The lists of kept and dropped definitions, beside the output.

use tool_io::WriteError;

use crate::error::LinkError;
use crate::generate::folders::remove_file;
use crate::paths::LinkPaths;
use crate::record::dropped::dropped_listing;
use crate::resolve::kept::Kept;
use crate::resolve::resolution::Resolution;

/// Writes the list of roots.
///
/// # Errors
/// The list cannot be written.
pub(crate) fn write_roots(paths: LinkPaths<'_>, kept: &Kept) -> Result<(), WriteError> {
    tool_io::write_if_changed(&paths.roots(), kept.roots.listing().as_bytes())?;
    Ok(())
}

/// Writes the list of dropped definitions.
///
/// # Errors
/// The list cannot be written.
pub(crate) fn write_dropped(
    paths: LinkPaths<'_>,
    kept: &Kept,
    resolution: &Resolution,
) -> Result<(), WriteError> {
    let listing = dropped_listing(&kept.dropped(resolution));
    tool_io::write_if_changed(&paths.dropped(), listing.as_bytes())?;
    Ok(())
}

/// Removes the lists that an earlier link with dropping left.
///
/// # Errors
/// A list cannot be removed.
pub(crate) fn remove_root_lists(paths: LinkPaths<'_>) -> Result<(), LinkError> {
    for list in [paths.roots(), paths.dropped(), paths.generated_roots()] {
        remove_file(&list)?;
    }
    Ok(())
}
