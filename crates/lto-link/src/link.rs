// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Running the linker and putting its output in place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use object_model::{Faults, Input, InputError};
use serde::{Deserialize, Serialize};
use tool_io::WriteError;

use crate::codegen::CodegenError;
use crate::compatible::{self, IncompatibleObject};
use crate::conflict::FlagConflict;
use crate::definitions::DefinitionFault;
use crate::generated;
use crate::inputs::{EmbeddedError, InputKind, Inputs, beside, inputs_path, kind_of, object_name};
use crate::internalize;
use crate::linker::Linker;
use crate::lock::OutputLock;
use crate::places::Places;
use crate::plan::{LinkCommand, LinkOptions, Scripts, temporary};
use crate::resolve::Resolution;
use crate::roots::RootError;

/// What one link cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// From start to end, in seconds.
    pub wall_seconds: f64,
    /// CPU time of the linkers, in seconds.
    pub cpu_seconds: f64,
    /// CPU time of what is done besides, in seconds.
    pub own_cpu_seconds: f64,
    /// Peak memory of the largest linker, in KiB.
    pub peak_rss_kib: u64,
    /// How many threads it was allowed.
    pub jobs: usize,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The initcalls of the inputs have no order.
    #[error("the initcalls cannot be put in order:\n{0}")]
    Initcalls(Box<dyn std::error::Error + Send + Sync>),
    /// Exports without a CRC.
    #[error("the exported symbols cannot be versioned:\n{0}")]
    Crcs(Faults<modversions::Fault>),
    /// Objects that cannot be named to a linker and a compiler.
    #[error("the objects cannot be linked one by one:\n{0}")]
    Embedded(Faults<EmbeddedError>),
    /// Objects of which it is not known how their code is to be generated.
    #[error("code cannot be generated:\n{0}")]
    Codegen(Faults<CodegenError>),
    /// Generated code that cannot be read.
    #[error("the generated code cannot be looked at:\n{0}")]
    Natives(Faults<InputError>),
    /// Bitcode that does not say what its definitions refer to.
    #[error("what the bitcode refers to is not known")]
    Summary(#[source] InputError),
    /// The root set is not known.
    #[error("what must be kept is not known")]
    Roots(#[from] RootError),
    /// What was dropped is needed.
    #[error("dropped, and needed all the same:\n{}", .0.join("\n"))]
    Dropped(Vec<String>),
    /// Something is there twice.
    #[error("the objects cannot be linked into one:\n{0}")]
    Definitions(Faults<DefinitionFault>),
    /// The objects do not go together.
    #[error("the objects cannot be linked into one:\n{0}")]
    Incompatible(Faults<IncompatibleObject>),
    /// No root reaches anything.
    #[error(
        "{}: nothing of it would be left: no symbol is exported, marked as used, or looked up by the module \
         loader (init_module); name in a file for --keep what is to stay", .0.display()
    )]
    NothingKept(PathBuf),
    /// The output cannot be replaced.
    #[error("{}: is no regular file; name a file to write to", .0.display())]
    NoFile(PathBuf),
    /// The link that generates the code of what is kept did not succeed.
    #[error(
        "{}: {} generated no code ({status}){}\n{}",
        output.display(), linker.display(), saved(.capture.as_deref()), said.trim_end()
    )]
    CodeGeneration {
        /// What is linked.
        output: PathBuf,
        /// The program.
        linker: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
        /// The script that runs the link again, if it was captured.
        capture: Option<PathBuf>,
    },
    /// The link that generates the code of what is kept left out objects.
    #[error(
        "{}: {} generated no code of {}{}\n{}",
        output.display(), linker.display(), objects.join(", "), saved(.capture.as_deref()), said.trim_end()
    )]
    NoCode {
        /// What is linked.
        output: PathBuf,
        /// The program.
        linker: PathBuf,
        /// The bitcode.
        objects: Vec<String>,
        /// What it said.
        said: String,
        /// The script that runs the link again, if it was captured.
        capture: Option<PathBuf>,
    },
    /// The linker ran and did not succeed.
    #[error("{}: {} failed ({status}){}", output.display(), linker.display(), saved(.capture.as_deref()))]
    Linker {
        /// What is linked.
        output: PathBuf,
        /// The program.
        linker: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said, which was shown.
        said: String,
        /// The script that runs the link again, if it was captured.
        capture: Option<PathBuf>,
    },
    /// An output cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file or a process is in the way.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it did not work.
        source: io::Error,
    },
}

impl LinkError {
    /// Which objects of the link could not be merged, if that is why it failed.
    pub fn flag_conflict(&self) -> Option<FlagConflict> {
        match self {
            Self::Linker { said, .. }
            | Self::CodeGeneration { said, .. }
            | Self::NoCode { said, .. } => FlagConflict::parse(said),
            _ => None,
        }
    }
}

fn saved(capture: Option<&Path>) -> String {
    match capture {
        Some(script) => format!("; the link is saved with its inputs: {}", script.display()),
        None => {
            "; LTO_CAPTURE=<directory> on make's command line saves the link with its inputs".into()
        }
    }
}

pub(crate) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> LinkError {
    let what = what.into();
    |source| LinkError::Io { what, source }
}

pub(crate) fn reading(path: &Path) -> impl Fn(io::Error) -> LinkError {
    let what = format!("reading {}", path.display());
    move |error| io_error(what.clone())(error)
}

/// Removes a directory that an earlier run may have left.
pub(crate) fn remove_dir(dir: &Path) -> Result<(), LinkError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(format!("removing {}", dir.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Where the cost of the link of `output` is written, as JSON.
pub fn usage_path(output: &Path) -> PathBuf {
    beside(output, ".lto-usage.json")
}

/// Reads what a link cost, from where [`usage_path`] has it.
///
/// # Errors
/// Those of the file, and `InvalidData` or `UnexpectedEof` if it is not what a link writes.
pub fn read_usage(path: &Path) -> io::Result<Usage> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Links `inputs`, or what code generation has made of them if that was distributed. The output appears
/// when it is whole; the record of the inputs and what the link has cost stand beside it.
///
/// # Errors
/// Initcalls without an order, exports without a CRC, objects that do not go together, a linker that fails,
/// files that cannot be written. The output is then as it was before.
pub fn link(options: &LinkOptions, inputs: &Inputs) -> Result<Usage, LinkError> {
    let started = Instant::now();
    let _lock = OutputLock::take(&options.output)?;
    let output = &options.output;
    let resolution = resolution(options, inputs)?;
    let scripts = Scripts::resolve(options, inputs)?;
    scripts.write()?;
    let dir = code_dir(output);
    remove_dir(&dir)?;
    // Of a distributed link, the thin link has written the lists, or removed them.
    if options.roots.is_none() && !options.distributed {
        internalize::remove_lists(output)?;
    }
    let makes_dir = || fs::create_dir(&dir).map_err(io_error(format!("making {}", dir.display())));
    let files = match &options.roots {
        Some(asked) if !options.distributed => {
            makes_dir()?;
            let files = internalize::generate(options, asked, inputs, &resolution, &dir)?;
            Some(files)
        }
        _ if options.distributed => {
            compatible::check_thin(inputs)?;
            makes_dir()?;
            let files = inputs.files(&dir, |input| kind_of(input) == InputKind::Elf)?;
            let places = Places::new(output, &options.shared);
            let files =
                inputs.link_files(&resolution, &files, |input, path| match kind_of(input) {
                    InputKind::Bitcode => places.native(path),
                    InputKind::Elf => path.to_owned(),
                });
            Some(files.map_err(LinkError::Embedded)?)
        }
        _ => None,
    };
    let command = LinkCommand::plan(options, &scripts, files.as_ref());
    let (response, text) = &command.response;
    let mut linker = Linker::new(&command.argv, output, options.capture.as_deref());
    linker.respond(response.clone(), text)?;
    if let Err(error) = linker.run("") {
        // What a failing link leaves is of no use, and may be missing.
        let _ = fs::remove_file(&command.output);
        return Err(error);
    }
    if files.is_some() {
        let missing = missing(&command.output, inputs, &resolution)?;
        if !missing.is_empty() {
            // It must not be taken for the whole.
            let _ = fs::remove_file(&command.output);
            return Err(LinkError::Dropped(missing));
        }
    }
    let record = inputs_path(output);
    tool_io::write_if_changed(&record, inputs.record(&resolution).as_bytes())?;
    let usage = usage(started, options.jobs)?;
    let usage_file = usage_path(output);
    let json = serde_json::to_vec(&usage).map_err(|error| LinkError::Io {
        what: usage_file.display().to_string(),
        source: error.into(),
    })?;
    tool_io::write_atomic(&usage_file, &json)?;
    fs::rename(&command.output, output)
        .map_err(io_error(format!("renaming {}", command.output.display())))?;
    remove_dir(&dir)?;
    Ok(usage)
}

/// Which of `inputs` are linked. With distributed LTO, generated code was seen before, and counts.
fn resolution<'data>(
    options: &LinkOptions,
    inputs: &Inputs<'data>,
) -> Result<Resolution<'data>, LinkError> {
    if options.distributed {
        return generated::resolution(&options.output, inputs);
    }
    Resolution::of(inputs, []).map_err(LinkError::Natives)
}

/// Where the native objects of the link of `output` are until it is done.
fn code_dir(output: &Path) -> PathBuf {
    temporary(output, ".code")
}

/// What the object that was linked at `output` refers to and lacks, though linked bitcode of `inputs`
/// defines it: each with the object that does.
fn missing(
    output: &Path,
    inputs: &Inputs,
    resolution: &Resolution,
) -> Result<Vec<String>, LinkError> {
    let data = fs::read(output).map_err(reading(output))?;
    let linked = Input::parse(output, &data).map_err(|error| LinkError::Natives(error.into()))?;
    let droppable = resolution.droppable(inputs);
    let symbols = linked.object.linker_symbols();
    let mut missing: Vec<String> = symbols
        .filter(|symbol| symbol.is_undefined())
        .filter_map(|symbol| {
            let index = *droppable.get(symbol.name)?;
            let object = object_name(inputs.objects.get(index)?);
            Some(format!("{} of {object}", symbol.name))
        })
        .collect();
    missing.sort();
    Ok(missing)
}

/// What a link that began at `started` has cost.
fn usage(started: Instant, jobs: usize) -> Result<Usage, LinkError> {
    let used = |who| {
        getrusage(who).map_err(|error| io_error("asking what the link has used")(error.into()))
    };
    // Linkers are the only children there have been: the last one, and those that generated code.
    let children = used(UsageWho::RUSAGE_CHILDREN)?;
    let own = used(UsageWho::RUSAGE_SELF)?;
    Ok(Usage {
        wall_seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: seconds(children.user_time()) + seconds(children.system_time()),
        own_cpu_seconds: seconds(own.user_time()) + seconds(own.system_time()),
        peak_rss_kib: children.max_rss().try_into().unwrap_or_default(),
        jobs,
    })
}

fn seconds(time: TimeVal) -> f64 {
    let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    (Duration::from_secs(seconds) + Duration::from_micros(micros)).as_secs_f64()
}
