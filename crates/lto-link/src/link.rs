// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Running the linker and putting its output in place.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use object_model::{Faults, Input, InputError};
use serde::{Deserialize, Serialize};
use tool_io::WriteError;

use crate::codegen::CodegenError;
use crate::definitions::DefinitionFault;
use crate::inputs::EmbeddedError;
use crate::inputs::{Inputs, beside, inputs_path, object_name};
use crate::internalize;
use crate::plan::{LinkCommand, LinkOptions, Scripts};
use crate::roots::{RootError, droppable};

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
    /// The link that generates the code of what is kept did not succeed.
    #[error("{} generated no code ({status}):\n{said}", linker.display())]
    CodeGeneration {
        /// The program.
        linker: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// The linker ran and did not succeed.
    #[error("{} failed ({status}){}", linker.display(), saved(.capture.as_deref()))]
    Linker {
        /// The program.
        linker: PathBuf,
        /// How it ended.
        status: ExitStatus,
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
/// Initcalls without an order, exports without a CRC, objects that are no files, a linker that fails,
/// files that cannot be written. The output is then as it was before.
pub fn link(options: &LinkOptions, inputs: &Inputs) -> Result<Usage, LinkError> {
    let started = Instant::now();
    let scripts = Scripts::resolve(options, inputs)?;
    scripts.write()?;
    let code = match &options.roots {
        Some(asked) if !options.distributed => Some(internalize::generate(options, asked, inputs)?),
        _ => None,
    };
    let command = LinkCommand::plan(options, inputs, &scripts, code.as_deref())?;
    if let Some(dir) = &options.capture {
        fs::create_dir_all(dir).map_err(io_error(dir.display().to_string()))?;
    }
    let usage = run(options, &command, started)?;
    if options.distributed || code.is_some() {
        let missing = missing(&command.output, inputs)?;
        if !missing.is_empty() {
            // It must not be taken for the whole.
            let _ = fs::remove_file(&command.output);
            return Err(LinkError::Dropped(missing));
        }
    }
    let record = inputs_path(&options.output);
    tool_io::write_if_changed(&record, inputs.record().as_bytes())?;
    let usage_file = usage_path(&options.output);
    let json = serde_json::to_vec(&usage).map_err(|error| LinkError::Io {
        what: usage_file.display().to_string(),
        source: error.into(),
    })?;
    tool_io::write_atomic(&usage_file, &json)?;
    fs::rename(&command.output, &options.output)
        .map_err(io_error(format!("renaming {}", command.output.display())))?;
    if code.is_some() {
        internalize::remove_code(&options.output)?;
    }
    Ok(usage)
}

/// What the object that was linked at `output` refers to and lacks, though bitcode of `inputs` defines
/// it: each with the object that does.
fn missing(output: &Path, inputs: &Inputs) -> Result<Vec<String>, LinkError> {
    let reading = || format!("reading {}", output.display());
    let data = fs::read(output).map_err(io_error(reading()))?;
    let linked = Input::parse(output, &data).map_err(|error| LinkError::Natives(error.into()))?;
    let droppable = droppable(inputs);
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

/// Runs a linker, and says how it ended.
pub(crate) fn run_linker(argv: &[OsString]) -> Result<(PathBuf, ExitStatus), LinkError> {
    let linker = PathBuf::from(argv.first().cloned().unwrap_or_default());
    let status = Command::new(&linker)
        .args(argv.get(1..).unwrap_or_default())
        .status()
        .map_err(io_error(format!("running {}", linker.display())))?;
    Ok((linker, status))
}

/// Runs the last linker of a link that began at `started`.
fn run(options: &LinkOptions, command: &LinkCommand, started: Instant) -> Result<Usage, LinkError> {
    let (linker, status) = run_linker(&command.argv)?;
    let wall_seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        // What a failing link leaves is of no use, and may be missing.
        let _ = fs::remove_file(&command.output);
        let capture = command
            .reproducer
            .as_deref()
            .map(write_relink_script)
            .transpose()?;
        return Err(LinkError::Linker {
            linker,
            status,
            capture,
        });
    }
    if let Some(tar) = &command.reproducer {
        fs::remove_file(tar).map_err(io_error(tar.display().to_string()))?;
    }
    let used = |who| {
        getrusage(who).map_err(|error| io_error("asking what the link has used")(error.into()))
    };
    // Linkers are the only children there have been: this one, and those that generated code.
    let children = used(UsageWho::RUSAGE_CHILDREN)?;
    let own = used(UsageWho::RUSAGE_SELF)?;
    Ok(Usage {
        wall_seconds,
        cpu_seconds: seconds(children.user_time()) + seconds(children.system_time()),
        own_cpu_seconds: seconds(own.user_time()) + seconds(own.system_time()),
        peak_rss_kib: children.max_rss().try_into().unwrap_or_default(),
        jobs: options.jobs,
    })
}

fn seconds(time: TimeVal) -> f64 {
    let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    (Duration::from_secs(seconds) + Duration::from_micros(micros)).as_secs_f64()
}

/// Writes, beside the archive that lld's `--reproduce` left at `tar`, a script that runs the link
/// again, and returns its path.
fn write_relink_script(tar: &Path) -> Result<PathBuf, LinkError> {
    let script = tar.with_extension("sh");
    let name = tar.file_name().unwrap_or_default().display().to_string();
    let stem = tar.file_stem().unwrap_or_default().display().to_string();
    let text = format!(
        "#!/bin/sh\n\
         # Runs a failed link again, with the inputs that it had.\n\
         # LD=<linker> takes another linker than the ld.lld on the PATH.\n\
         set -e\n\
         cd \"$(dirname \"$0\")\"\n\
         tar -xf '{name}'\n\
         cd '{stem}'\n\
         exec \"${{LD:-ld.lld}}\" @response.txt \"$@\"\n"
    );
    tool_io::write_atomic(&script, text.as_bytes())?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))
        .map_err(io_error(format!("making {} executable", script.display())))?;
    Ok(script)
}
