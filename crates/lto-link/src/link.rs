// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A link, phase by phase.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::{LinkError, io_error};
use crate::generate::code::generate_code;
use crate::generate::folders::{remove_dir, removed_on_failure};
use crate::generate::link_files::Code;
use crate::generate::lld_cache::forget_other_options;
use crate::generate::root_lists::remove_root_lists;
use crate::linker::Linker;
use crate::lock::OutputLock;
use crate::plan::command::given_arguments;
use crate::plan::link_plan::LinkPlan;
use crate::plan::options::{CodeGeneration, LinkOptions};
use crate::read::inputs::{Inputs, object_name};
use crate::record::inputs::input_record;
use crate::record::names::write_names;
use crate::record::usage::Usage;
use crate::resolve::resolution::Resolution;
use crate::resolve::resolved::Resolved;
use crate::source_names::{Restored, RestoredName, with_source_names};

/// Links `inputs` into the output, which is replaced once the link has succeeded. Records of the
/// inputs and of the cost stay beside it.
///
/// # Errors
/// Initcalls without an order, exports without a CRC, incompatible objects, or roots that cannot be read:
/// nothing was written. A failing linker, or files that cannot be written: the old output stays.
pub fn link(options: &LinkOptions, inputs: &Inputs) -> Result<Usage, LinkError> {
    let started = Instant::now();
    let _lock = OutputLock::take(options.paths())?;
    let resolved = Resolved::of(options, inputs)?;
    let plan = LinkPlan::of(options, inputs, &resolved.resolution)?;
    write_scripts(options, &plan)?;
    removed_on_failure(&options.paths().code_dir(), || {
        let code = generate_code(options, inputs, resolved)?;
        let Joined { unfinished, names } = join(options, &plan, &code)?;
        write_names(&options.paths().names(), &names)?;
        tool_io::write_if_changed(
            &options.paths().inputs(),
            input_record(&code.resolution).as_bytes(),
        )?;
        let usage = Usage::since(started, options.jobs)?;
        place(options, &unfinished, usage)?;
        Ok(usage)
    })
}

/// Begins to generate code: writes the linker scripts, and removes files of an earlier link that could be
/// mistaken for files of this one.
fn write_scripts(options: &LinkOptions, plan: &LinkPlan) -> Result<(), LinkError> {
    for (path, text) in &plan.scripts {
        tool_io::write_if_changed(path, text.as_bytes())?;
    }
    remove_dir(&options.paths().code_dir())?;
    match &options.code {
        CodeGeneration::InLinker { cache } => {
            if let Some(cache) = cache {
                forget_other_options(&cache.dir, &options.linker)?;
            }
            remove_root_lists(options.paths())
        }
        // Code generation replaces the lists; with distributed LTO, the thin link has done so.
        CodeGeneration::Dropping(_) | CodeGeneration::Distributed { .. } => Ok(()),
    }
}

/// The object that becomes the output.
struct Joined {
    /// Its path.
    unfinished: PathBuf,
    /// Its symbols that LTO had renamed.
    names: Vec<RestoredName>,
}

/// Links the native objects, or the bitcode from which the linker generates code, into one object.
fn join(options: &LinkOptions, plan: &LinkPlan, code: &Code) -> Result<Joined, LinkError> {
    let paths = options.paths();
    let unfinished = paths.unfinished();
    let text = match &code.files {
        Some(files) => files.response(),
        None => given_arguments(options),
    };
    let mut linker = Linker::new(&plan.command, paths, options.capture.as_deref());
    linker.respond(paths.response(), &text)?;
    let joined = linker
        .run("")
        .and_then(|()| finish(options, &unfinished, code));
    match joined {
        Ok(names) => Ok(Joined { unfinished, names }),
        Err(error) => {
            // A partial output must not be mistaken for a whole object. It may be missing.
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
    }
}

/// Checks the object that the linker left at `unfinished`, and gives its symbols their names of the source.
/// Returns the renamed symbols.
fn finish(
    options: &LinkOptions,
    unfinished: &Path,
    code: &Code,
) -> Result<Vec<RestoredName>, LinkError> {
    let what = format!(
        "reading {}, which the linker has to make",
        unfinished.display()
    );
    let object = fs::read(unfinished).map_err(io_error(what))?;
    let restored = with_source_names(object);
    let Restored {
        bytes,
        names,
        undefined,
    } = restored.map_err(|source| LinkError::Names {
        output: options.paths().output().to_owned(),
        source,
    })?;
    if code.files.is_some() {
        check_nothing_missing(&undefined, &code.resolution)?;
    }
    if let Some(bytes) = bytes {
        let what = format!("writing {}", unfinished.display());
        fs::write(unfinished, bytes).map_err(io_error(what))?;
    }
    Ok(names)
}

/// Checks that no symbol that the joined object leaves `undefined` is defined by linked bitcode.
fn check_nothing_missing(undefined: &[String], resolution: &Resolution) -> Result<(), LinkError> {
    let droppable = resolution.droppable();
    let mut missing: Vec<String> = undefined
        .iter()
        .filter_map(|name| {
            let object = resolution.object(*droppable.get(name.as_str())?)?;
            Some(format!("{name} of {}", object_name(object)))
        })
        .collect();
    missing.sort();
    if missing.is_empty() {
        return Ok(());
    }
    Err(LinkError::Dropped(missing))
}

/// Writes the record of the cost, puts the output in place, and removes the folder of native objects.
fn place(options: &LinkOptions, unfinished: &Path, usage: Usage) -> Result<(), LinkError> {
    let paths = options.paths();
    usage.write(&paths.usage())?;
    fs::rename(unfinished, paths.output())
        .map_err(io_error(format!("renaming {}", unfinished.display())))?;
    remove_dir(&paths.code_dir())
}
