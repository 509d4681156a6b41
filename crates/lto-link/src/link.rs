// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A link, phase by phase.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use object_model::Input;

use crate::error::{LinkError, io_error, reading};
use crate::generate::code::generate_code;
use crate::generate::folders::remove_dir;
use crate::generate::link_files::Code;
use crate::generate::root_lists::remove_root_lists;
use crate::linker::Linker;
use crate::lock::OutputLock;
use crate::plan::command::given_arguments;
use crate::plan::link_plan::LinkPlan;
use crate::plan::options::{CodeGeneration, LinkOptions};
use crate::read::inputs::{Inputs, object_name};
use crate::record::inputs::input_record;
use crate::record::usage::Usage;
use crate::resolve::resolution::Resolution;
use crate::resolve::resolved::Resolved;

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
    let code = generate_code(options, inputs, resolved)?;
    let unfinished = join(options, &plan, &code)?;
    tool_io::write_if_changed(
        &options.paths().inputs(),
        input_record(&code.resolution).as_bytes(),
    )?;
    let usage = Usage::since(started, options.jobs)?;
    place(options, &unfinished, usage)?;
    Ok(usage)
}

/// Begins to generate code: writes the linker scripts, and removes files of an earlier link that could be
/// mistaken for files of this one.
fn write_scripts(options: &LinkOptions, plan: &LinkPlan) -> Result<(), LinkError> {
    for (path, text) in &plan.scripts {
        tool_io::write_if_changed(path, text.as_bytes())?;
    }
    remove_dir(&options.paths().code_dir())?;
    match options.code {
        CodeGeneration::InLinker { .. } => remove_root_lists(options.paths()),
        // Code generation replaces the lists; with distributed LTO, the thin link has done so.
        CodeGeneration::Dropping(_) | CodeGeneration::Distributed { .. } => Ok(()),
    }
}

/// Links the native objects, or the bitcode from which the linker generates code, into one object, and
/// returns its path.
fn join(options: &LinkOptions, plan: &LinkPlan, code: &Code) -> Result<PathBuf, LinkError> {
    let paths = options.paths();
    let unfinished = paths.unfinished();
    let text = match &code.files {
        Some(files) => files.response(),
        None => given_arguments(options),
    };
    let mut linker = Linker::new(&plan.command, paths, options.capture.as_deref());
    linker.respond(paths.response(), &text)?;
    let mut joined = linker.run("");
    if joined.is_ok() && code.files.is_some() {
        joined = check_nothing_missing(&unfinished, &code.resolution);
    }
    if let Err(error) = joined {
        // A partial output must not be mistaken for a whole object. It may be missing.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    Ok(unfinished)
}

/// Checks that the object at `unfinished` has no undefined symbol that linked bitcode defines.
fn check_nothing_missing(unfinished: &Path, resolution: &Resolution) -> Result<(), LinkError> {
    let data = fs::read(unfinished).map_err(reading(unfinished))?;
    let linked = Input::parse(unfinished, &data);
    let linked = linked.map_err(|error| LinkError::Natives(error.into()))?;
    let droppable = resolution.droppable();
    let symbols = linked.object.linker_symbols();
    let mut missing: Vec<String> = symbols
        .filter(|symbol| symbol.is_undefined())
        .filter_map(|symbol| {
            let object = resolution.object(*droppable.get(symbol.name)?)?;
            Some(format!("{} of {}", symbol.name, object_name(object)))
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
