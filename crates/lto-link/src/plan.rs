// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! From inputs to the linker's command line.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::inputs::{Inputs, LinkFiles, quoted};
use crate::link::LinkError;
use crate::linker::exactly_one_r;
use crate::roots::RootOptions;
use tool_io::WriteError;

/// What is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// vmlinux.o: initcalls are put in order.
    Vmlinux,
    /// The object of a module, which has none.
    Module,
}

/// lld's cache of generated code.
#[derive(Clone, Debug)]
pub struct Cache {
    /// Where it lies; made if missing.
    pub dir: PathBuf,
    /// The limits of the cache (lld's `--thinlto-cache-policy`).
    pub policy: String,
}

/// One link, as asked for.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// What is linked.
    pub kind: LinkKind,
    /// The native object to make.
    pub output: PathBuf,
    /// Objects and archives of which everything is linked, in link order.
    pub objs: Vec<PathBuf>,
    /// Libraries of which the linker takes what it needs.
    pub libs: Vec<PathBuf>,
    /// The linker and its flags.
    pub linker: Vec<OsString>,
    /// Whether code was generated before, object by object: then what is linked is the native
    /// object beside each bitcode one.
    pub distributed: bool,
    /// Of a distributed link, the objects that other links take too.
    pub shared: Vec<PathBuf>,
    /// What must stay, if all that nothing refers to is to be dropped by this link; of a distributed
    /// one, the thin link has dropped it.
    pub roots: Option<RootOptions>,
    /// Thin LTO's cache, if it is to be used.
    pub cache: Option<Cache>,
    /// Whether exports need CRCs.
    pub modversions: bool,
    /// Where a failing link is saved with its inputs.
    pub capture: Option<PathBuf>,
    /// How many threads the link may run.
    pub jobs: usize,
}

/// The linker scripts of one link. Each has a fixed place, so that it can be looked at later.
#[derive(Debug)]
pub struct Scripts {
    /// Path and text of each.
    pub files: Vec<(PathBuf, String)>,
}

impl Scripts {
    /// Makes the scripts that `inputs` need.
    ///
    /// # Errors
    /// Initcalls that cannot be put in order, exports without a CRC: every one that is found.
    pub fn resolve(options: &LinkOptions, inputs: &Inputs) -> Result<Self, LinkError> {
        let mut files = Vec::new();
        if options.kind == LinkKind::Vmlinux {
            let initcalls = initcall_order::collect(&inputs.objects)
                .map_err(|faults| LinkError::Initcalls(Box::new(faults)))?;
            files.push((
                script_path(&options.output, "initcalls"),
                initcalls.linker_script(),
            ));
        }
        if options.modversions {
            let crcs = modversions::collect(&inputs.objects, |path| std::fs::read_to_string(path))
                .map_err(LinkError::Crcs)?;
            if crcs.n_crcs() > 0 {
                let path = script_path(&options.output, "symversions");
                files.push((path, crcs.linker_script().to_owned()));
            }
        }
        Ok(Self { files })
    }

    /// Writes them.
    ///
    /// # Errors
    /// A file or directory cannot be read or written.
    pub fn write(&self) -> Result<(), WriteError> {
        for (path, text) in &self.files {
            tool_io::write_if_changed(path, text.as_bytes())?;
        }
        Ok(())
    }
}

/// `.tmp_vmlinux.o.initcalls.lds`: the name is one of those that `make clean` removes.
fn script_path(output: &Path, what: &str) -> PathBuf {
    temporary(output, &format!(".{what}.lds"))
}

/// The file that becomes `output` when the link has succeeded, or one made beside it.
pub(crate) fn temporary(output: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".tmp_");
    name.push(output.file_name().unwrap_or_default());
    name.push(suffix);
    output.with_file_name(name)
}

/// The linker's command.
#[derive(Clone, Debug)]
pub struct LinkCommand {
    /// Program and arguments, but for what is linked.
    pub argv: Vec<OsString>,
    /// Where it leaves the object.
    pub output: PathBuf,
    /// The response file that says what is linked, and its text.
    pub response: (PathBuf, String),
}

impl LinkCommand {
    /// The command for `options`, with `scripts`. `files` are what to link object by object; without them,
    /// it is the objects and archives as they were given.
    pub fn plan(options: &LinkOptions, scripts: &Scripts, files: Option<&LinkFiles>) -> Self {
        // Every option that is new has to be given a meaning here.
        let LinkOptions {
            kind: _,
            output,
            objs: _,
            libs: _,
            linker,
            distributed: _,
            shared: _,
            roots: _,
            cache: _,
            modversions: _,
            capture: _,
            jobs: _,
        } = options;
        let lto_output = temporary(output, ".lto");
        let mut argv = exactly_one_r(linker);
        argv.push("-r".into());
        argv.extend(code_generation(options));
        for (path, _) in &scripts.files {
            argv.push("-T".into());
            argv.push(path.into());
        }
        argv.extend(["-o".into(), lto_output.clone().into()]);
        let response = temporary(output, ".rsp");
        let text = files.map_or_else(|| archives(options), LinkFiles::response);
        Self {
            argv,
            output: lto_output,
            response: (response, text),
        }
    }
}

impl LinkOptions {
    /// The same link without lld's cache.
    pub(crate) fn without_cache(&self) -> Self {
        Self {
            cache: None,
            ..self.clone()
        }
    }
}

/// What the linker is told of code generation and of how much it may run at a time.
pub(crate) fn code_generation(options: &LinkOptions) -> Vec<OsString> {
    let jobs = options.jobs;
    // The second bounds what lld does beside code generation; each has the CPUs as default.
    let mut argv = vec![
        format!("--thinlto-jobs={jobs}").into(),
        format!("--threads={jobs}").into(),
    ];
    if let Some(cache) = &options.cache {
        argv.push(joined("--thinlto-cache-dir=", cache.dir.as_os_str()));
        argv.push(joined("--thinlto-cache-policy=", OsStr::new(&cache.policy)));
    }
    argv
}

/// The arguments that name the objects and archives as they were given, as a response file has them.
pub(crate) fn archives(options: &LinkOptions) -> String {
    let argument = |path: &PathBuf| quoted(&path.display().to_string());
    let mut lines = vec!["--whole-archive".to_owned()];
    lines.extend(options.objs.iter().map(argument));
    lines.push("--no-whole-archive".to_owned());
    if !options.libs.is_empty() {
        lines.push("--start-group".to_owned());
        lines.extend(options.libs.iter().map(argument));
        lines.push("--end-group".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

pub(crate) fn joined(option: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(value);
    argument
}
