// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Distributed thin LTO: a thin link decides what each object imports from others, for all objects at once, and
//! writes an index for each. make then generates code object by object, guided by the indexes.
//!
//! Sources: the manual of clang (distributed thin LTO); lld's options `--thinlto-index-only`,
//! `--thinlto-prefix-replace` and `--thinlto-emit-imports-files`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use object_model::Loader;

use crate::error::{LinkError, reading};
use crate::generate::codegen_list::{codegen_list, write_completion};
use crate::generate::folders::{IndexDir, remove_dir, removed_on_failure};
use crate::generate::link_files::{LinkFiles, ObjectFiles};
use crate::generate::references::{read_natives, update_generated_roots};
use crate::generate::root_lists::{remove_root_lists, write_dropped, write_roots};
use crate::linker::Linker;
use crate::lock::OutputLock;
use crate::paths::LinkPaths;
use crate::plan::command::{EXECUTABLE, exactly_one_r, root_arguments};
use crate::plan::compatible::check_thin;
use crate::read::inputs::{Inputs, is_bitcode, is_elf};
use crate::record::generated_roots::GeneratedRoots;
use crate::resolve::kept::Kept;
use crate::resolve::resolved::Resolved;
use crate::resolve::roots::RootOptions;

/// The options of a thin link.
#[derive(Clone, Debug)]
pub struct ThinLinkOptions {
    /// The native object that the whole link makes.
    pub output: PathBuf,
    /// The linker and its flags.
    pub linker: Vec<OsString>,
    /// The number of threads that the link may run.
    pub jobs: usize,
    /// The options of roots, if the link drops definitions that no root reaches.
    pub roots: Option<RootOptions>,
    /// The objects that other links use too.
    pub shared: Vec<PathBuf>,
    /// The command that calls [`complete_thin_link`] after code generation.
    pub complete: Vec<OsString>,
    /// The directory in which a failing link is saved with its inputs.
    pub capture: Option<PathBuf>,
}

/// Writes, beside each bitcode object of `inputs`, its index and the list of the objects that it
/// imports from, and the list from which make generates code. Unchanged files keep their time
/// stamps. An index contains the hash of each object that is imported from, so code is generated
/// again only if it may change.
///
/// # Errors
/// Objects in regular archives or with unknown flags, a failing linker, or files that cannot be written.
pub fn thin_link(options: &ThinLinkOptions, inputs: &Inputs) -> Result<(), LinkError> {
    let paths = paths(options);
    let _lock = OutputLock::take(paths)?;
    GeneratedRoots::write_start_of_build(paths)?;
    write_indexes(options, inputs)
}

/// Reads the native code that make has generated from `inputs`. If it refers to dropped
/// definitions, these become roots, and the thin link is done again; else the dropped definitions
/// are listed. Returns whether code must be generated again, from objects with new indexes.
/// `loader` reads the native objects.
///
/// # Errors
/// The errors of [`thin_link`], and native objects or summaries that cannot be read.
pub fn complete_thin_link<'data>(
    options: &ThinLinkOptions,
    loader: &impl Loader<'data>,
    inputs: &Inputs<'data>,
) -> Result<bool, LinkError> {
    let paths = paths(options);
    let _lock = OutputLock::take(paths)?;
    let generated = GeneratedRoots::read(paths)?;
    let resolution = generated.resolve(inputs)?;
    let natives = read_natives(loader, &resolution, paths).map_err(LinkError::Natives)?;
    if update_generated_roots(paths, &resolution, &natives)? {
        write_indexes(options, inputs)?;
        return Ok(true);
    }
    if let Some(roots) = &options.roots {
        let generated = GeneratedRoots::read(paths)?.all();
        let kept = Kept::of(roots, &options.output, &resolution, &generated)?;
        write_roots(paths, &kept)?;
        write_dropped(paths, &kept, &resolution)?;
    }
    Ok(false)
}

fn paths(options: &ThinLinkOptions) -> LinkPaths<'_> {
    LinkPaths::with_shared(&options.output, &options.shared)
}

/// Runs the thin link, and puts its files in place.
fn write_indexes(options: &ThinLinkOptions, inputs: &Inputs) -> Result<(), LinkError> {
    // Without `..`, so that a new option cannot be forgotten here.
    let ThinLinkOptions {
        output,
        linker,
        jobs,
        roots,
        shared: _,
        complete,
        capture,
    } = options;
    let paths = paths(options);
    check_thin(inputs)?;
    let mut list = codegen_list(inputs, paths).map_err(LinkError::Codegen)?;
    let Resolved { resolution, kept } = match roots {
        None => Resolved::by_linker(inputs)?,
        Some(roots) => Resolved::by_roots(roots, paths, inputs)?,
    };
    // All faults of the inputs are known. From here on, files are written.
    let mut arguments = String::new();
    let mut linker = Linker::new(&exactly_one_r(linker), paths, capture.as_deref());
    match kept {
        None => {
            remove_root_lists(paths)?;
            linker.argv.push("-r".into());
        }
        Some(kept) => {
            list.push_str(&write_completion(paths, complete)?);
            write_roots(paths, &kept)?;
            linker.argv.extend(EXECUTABLE.map(OsString::from));
            arguments.push_str(&root_arguments(&kept.roots));
        }
    }
    let dir = paths.index_dir();
    removed_on_failure(&dir, || {
        let indexes = IndexDir::make(&dir, inputs)?;
        let files = ObjectFiles::write_members(inputs, &dir, is_elf)?;
        let own_file = |_, path: &Path| path.to_owned();
        let files = LinkFiles::object_by_object(inputs, &resolution, &files, own_file);
        arguments.push_str(&files.map_err(LinkError::Embedded)?.response());
        linker.argv.push(format!("--threads={jobs}").into());
        linker.argv.push("--thinlto-index-only".into());
        linker.argv.push("--thinlto-emit-imports-files".into());
        linker.argv.push(indexes.prefix_option());
        linker.argv.extend(["-o".into(), paths.unfinished().into()]);
        linker.respond(paths.response(), &arguments)?;
        linker.run(".index")?;
        // lld names the files of all objects like those of objects that are not shared.
        let of_lld = LinkPaths::new(output);
        let bitcode = inputs.objects.iter().filter(|input| is_bitcode(input));
        for object in bitcode.filter_map(|input| input.path.as_deref()) {
            let made = indexes.place(object);
            for (from, to) in [
                (of_lld.index(&made), paths.index(object)),
                (of_lld.imports(&made), paths.imports(object)),
            ] {
                let content = fs::read(&from).map_err(reading(&from))?;
                tool_io::write_if_changed(&to, &content)?;
            }
        }
        Ok(())
    })?;
    remove_dir(&dir)?;
    tool_io::write_if_changed(&paths.codegen_list(), list.as_bytes())?;
    Ok(())
}
