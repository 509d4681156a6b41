// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link estimate`, and the estimate before each link.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lto_link::{
    ANY_MEMORY, Estimate, Inputs, LinkPaths, LinkSizes, Mode, Model, Needs, NewCode, memory_text,
    read_memory, time_text,
};
use serde::Serialize;
use tool_io::{Failure, Files, FreeMemory, MemoryBound};

use crate::command::environment::variable;
use crate::command::recorded::recorded_inputs;

/// The inputs of the link to estimate.
#[derive(Args)]
pub struct EstimateArgs {
    /// The output of a link that was done: its inputs are taken from its record
    #[arg(short, default_value = "vmlinux.o")]
    output: PathBuf,
    /// Objects and archives of which everything is linked, instead of those of the record
    #[arg(long, num_args = 1..)]
    objs: Vec<PathBuf>,
    /// Libraries of which the linker takes the members that it needs
    #[arg(long, num_args = 0.., requires = "objs")]
    libs: Vec<PathBuf>,
    /// The number of jobs [default: the number of CPUs]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// The form of the output
    #[arg(long, default_value = "text")]
    format: Format,
}

/// The form of the output.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A table for people
    Text,
    /// All sizes and estimates, in bytes and seconds
    Json,
}

/// The estimates as JSON.
#[derive(Serialize)]
struct Report {
    sizes: LinkSizes,
    jobs: usize,
    modes: Vec<ModeReport>,
    free_bytes: Option<u64>,
}

#[derive(Serialize)]
struct ModeReport {
    mode: Mode,
    #[serde(flatten)]
    estimate: Estimate,
}

/// Prints what the link would take in each mode.
pub fn run(args: EstimateArgs) -> Result<(), Failure> {
    let EstimateArgs {
        output,
        objs,
        libs,
        jobs,
        format,
    } = args;
    let objs = if objs.is_empty() {
        recorded_inputs(&output)?
    } else {
        objs
    };
    let files = Files::new();
    let inputs = Inputs::read(&&files, &objs, &libs)?;
    let sizes = LinkSizes::of(&inputs)?;
    let model = Model::built_in().map_err(Failure::cannot_run)?;
    let jobs = jobs.unwrap_or_else(tool_io::cpus).get();
    let modes = Mode::CHOICES.map(|mode| ModeReport {
        mode,
        estimate: model.estimate(mode, &sizes, &sizes, jobs),
    });
    let free = free_memory()?;
    let text = match format {
        Format::Text => table(&sizes, jobs, &modes, free.as_ref()),
        Format::Json => {
            let report = Report {
                sizes,
                jobs,
                modes: modes.into(),
                free_bytes: free.map(|free| free.bytes),
            };
            serde_json::to_string(&report).map_err(Failure::cannot_run)? + "\n"
        }
    };
    Ok(tool_io::write_stdout(text.as_bytes())?)
}

fn table(
    sizes: &LinkSizes,
    jobs: usize,
    modes: &[ModeReport],
    free: Option<&FreeMemory>,
) -> String {
    let LinkSizes {
        bitcode_objects,
        instructions,
        metadata_bytes,
        native_objects,
        native_bytes,
        ..
    } = sizes;
    let mut text = format!(
        "bitcode: {bitcode_objects} objects, {instructions} instructions, {} of metadata and debug information\n\
         native code: {native_objects} objects, {}\n\n\
         {:22}{:38}{:14}memory\n",
        memory_text(*metadata_bytes),
        memory_text(*native_bytes),
        format!("with {jobs} jobs"),
        "time, about",
        "CPU time"
    );
    for ModeReport { mode, estimate } in modes {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:22}{:38}{:14}{}",
            mode.name(),
            estimate.time(),
            time_text(estimate.cpu_seconds),
            memory_text(estimate.memory_bytes)
        );
    }
    if let Some(FreeMemory { bytes, bound }) = free {
        let _ = writeln!(text, "\nfree memory: {} {bound}", memory_text(*bytes));
    }
    text
}

/// Returns the memory that a link may use: that of `LTO_MEMORY`, else that of the system. `None` if it may use any
/// amount, or the system does not tell.
fn free_memory() -> Result<Option<FreeMemory>, Failure> {
    let Some(allowed) = variable("LTO_MEMORY") else {
        return Ok(FreeMemory::of_system());
    };
    let allowed = allowed.to_string_lossy();
    if allowed == ANY_MEMORY {
        return Ok(None);
    }
    let bytes = read_memory(&allowed).ok_or_else(|| {
        Failure::cannot_run(format!(
            "LTO_MEMORY: expected an amount of memory such as 16G, or {ANY_MEMORY}, found {allowed}"
        ))
    })?;
    let bound = MemoryBound::Variable("LTO_MEMORY");
    Ok(Some(FreeMemory { bytes, bound }))
}

/// Prints a line before a link that takes a minute or more, unless make is silent, and stops a link for which there
/// is not enough memory.
pub fn before_link(
    paths: LinkPaths<'_>,
    inputs: &Inputs,
    new_code: NewCode,
    jobs: usize,
) -> Result<(), Failure> {
    let free = free_memory()?;
    if new_code == NewCode::ObjectByObject && variable("LTO_LAUNCHER").is_some() {
        // Another program generates the code, perhaps elsewhere.
        return Ok(());
    }
    // The link itself reports damaged objects.
    let Ok(Some(needs)) = Needs::of(paths, inputs, new_code, jobs) else {
        return Ok(());
    };
    if let Some(line) = needs.line()
        && !crate::is_silent()
    {
        tool_io::write_stdout(line.as_bytes())?;
    }
    match free.and_then(|free| needs.shortage(free)) {
        Some(shortage) => Err(Failure::fault(shortage.to_string())),
        None => Ok(()),
    }
}
