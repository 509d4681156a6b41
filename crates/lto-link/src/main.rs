// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `lto-link`.

mod command;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use lto_link::{
    Cache, CodeGeneration, FailedLink, InputKind, Inputs, Jobs, LinkError, LinkKind, LinkOptions,
    LinkPaths, NewCode, RootOptions, ThinLinkOptions, ToolchainError, check_toolchain,
    complete_thin_link, file_directives, link, thin_link,
};
use object_model::Loader;
use tool_io::{Failure, Files};

use crate::command::estimate::before_link;

#[derive(Parser)]
#[command(version, about = "Links LLVM bitcode into a native, relocatable object of the kernel",
    after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Kind,
}

const EXAMPLES: &str = "\
Examples:
  lto-link vmlinux -o vmlinux.o --modversions \\
      --objs init/built-in.a kernel/built-in.a --libs lib/lib.a \\
      -- ld.lld -EL -maarch64elf -mllvm -import-instr-limit=5
  lto-link module -o fs/ext4/ext4.o --objs fs/ext4/balloc.o fs/ext4/inode.o \\
      -- ld.lld -maarch64elf
  lto-link check vmlinux --objs vmlinux.a --emit-suffix-map vmlinux.names
  lto-link actions --format json > actions.json
  lto-link cache status --format json
  lto-link estimate --jobs 8

Exit codes: 0 linked, 1 a fault was found or the link failed, 2 could not run.";

#[derive(Subcommand)]
enum Kind {
    /// Link vmlinux.o: initcalls in link order, CRCs of all exports
    Vmlinux(LinkArgs),
    /// Link the object of one module
    Module(LinkArgs),
    /// Decide what each object imports from others, for code to be generated object by object
    ///
    /// Writes, beside each bitcode object, X.o.thinlto.bc (its index) and X.o.imports (the objects that it
    /// imports from), and `.tmp_OUTPUT.codegen.mk` (the objects to compile, and their flags). Unchanged
    /// files are not rewritten. scripts/lto/Makefile.codegen generates the code.
    ///
    /// With --complete it reads the generated code. If that refers to a dropped definition, it keeps the
    /// definition, does the thin link again, and prints `again`: make must generate code again and then
    /// call it again. If it prints nothing, the code is complete.
    ThinLink(ThinLinkArgs),
    /// Explain what keeps a function or variable, or why it was dropped
    ///
    /// Run it in the object tree of a kernel that was linked with --internalize.
    Why(command::why::WhyArgs),
    /// Estimate time and memory of a link, with thin, distributed thin and full LTO
    ///
    /// Run it in the object tree of a kernel that lto-link linked, or name the objects. Each link makes the same
    /// estimate before it starts. A link of a minute or more prints it, and a link stops if less memory is free on the
    /// machine or in its control groups. `LTO_MEMORY` in the environment sets another amount (16G), or `any`.
    Estimate(command::estimate::EstimateArgs),
    /// Explain messages of ld.lld, clang and modpost in the log of a build
    ///
    /// Links by lto-link explain their messages themselves. This is for the messages of other programs: the last
    /// link of vmlinux, a compiler, modpost.
    Explain(command::explain::ExplainArgs),
    /// List the symbols that the assembly in bitcode names, and the first object that names each
    ///
    /// Run it in the object tree of a kernel that lto-link linked.
    AssemblyNames(command::assembly_names::AssemblyNamesArgs),
    /// Print the directives by which an object's assembly includes files
    ///
    /// lld's cache of generated code does not know these files: with the cache, such an object must be native
    /// code.
    Included {
        /// The bitcode object
        object: PathBuf,
    },
    /// Check that a compiler and a linker can do LTO
    ///
    /// Compiles a small source, reads the bitcode, and links it. One line says what does not work.
    CheckToolchain {
        /// The linker and its flags, in one argument
        #[arg(long, value_name = "COMMAND")]
        linker: String,
        /// The compiler and its flags
        #[arg(last = true, required = true)]
        compiler: Vec<OsString>,
    },
    /// Check a linked kernel or module: nothing is linked twice, kallsyms and BTF have its functions
    Check(command::check::CheckArgs),
    /// List the code generations of a distributed link, each with its exact inputs and their digests
    ///
    /// Run it in the object tree of a kernel with distributed thin LTO. An action is a command, the files that
    /// it reads, and the file that it makes, in the terms of the Remote Execution API; all paths are from the
    /// root. Its digest names its result, on any machine with the same compiler.
    ///
    /// With --check it runs each action in a directory with only these files, and compares the code with
    /// that of make; then it runs those with the most imports without each of their inputs, which must fail.
    Actions(command::actions::ActionsArgs),
    /// Generate the code of one object by the program that `LTO_LAUNCHER` names, or else by the compiler
    ///
    /// scripts/lto/Makefile.codegen calls it. The program's result counts only if the program succeeds within
    /// `LTO_LAUNCHER_TIMEOUT` seconds (300 if it is not set) and leaves a whole object for the right machine.
    Launch(command::launch::LaunchArgs),
    /// List the exports that modules and lists use, for `--exports`
    ///
    /// These are all symbols that the objects of the modules leave undefined or look up by name. Run it in the
    /// object tree before vmlinux.o is linked.
    UsedExports(command::exports::UsedExportsArgs),
    /// Print how many objects of a build were generated where, and why on this machine
    Launched(command::launch::LaunchedArgs),
    /// Look at the cache of generated code on this machine, which `LTO_LAUNCHER=cache` uses, or clear it
    Cache(command::cache::CacheArgs),
}

#[derive(Args)]
struct ThinLinkArgs {
    /// The object that the whole link makes
    #[arg(short)]
    output: PathBuf,
    #[command(flatten)]
    roots: RootArgs,
    /// The output is a module: keep what the module loader and modpost look up
    #[arg(long, requires = "internalize")]
    module: bool,
    /// Code has been generated: if it refers to a dropped definition, do the thin link again, and print `again`
    #[arg(long, requires = "internalize")]
    complete: bool,
    #[command(flatten)]
    inputs: InputArgs,
}

/// Which definitions a link drops
#[derive(Args)]
struct RootArgs {
    /// Drop definitions to which nothing refers
    #[arg(long)]
    internalize: bool,
    /// Keep every definition that this file names: a linker script, or the source of a program that looks
    /// names up
    #[arg(long, value_name = "FILE", requires = "internalize")]
    named_in: Vec<PathBuf>,
    /// Keep every definition that this file names: a source or an object that only the last link of vmlinux
    /// takes
    #[arg(long, value_name = "FILE", requires = "internalize")]
    last_link: Vec<PathBuf>,
    /// Drop exports that are variables and that this file does not name, one name on each line: used-exports
    /// prints it
    #[arg(long, value_name = "FILE", requires = "internalize")]
    exports: Option<PathBuf>,
    /// Keep definitions that match a pattern of this file; each line is a pattern and the reason
    #[arg(long, value_name = "FILE", requires = "internalize")]
    keep: Option<PathBuf>,
}

impl RootArgs {
    fn options(self, is_module: bool) -> Option<RootOptions> {
        let Self {
            internalize,
            named_in,
            last_link,
            exports,
            keep,
        } = self;
        internalize.then_some(RootOptions {
            is_module,
            named_in,
            last_link,
            exports,
            patterns: keep,
        })
    }
}

/// Inputs and linker of every link
#[derive(Args)]
struct InputArgs {
    /// Objects and archives of which everything is linked, in link order
    #[arg(long, num_args = 1.., required = true)]
    objs: Vec<PathBuf>,
    /// Libraries of which the linker takes the members that it needs
    #[arg(long, num_args = 0..)]
    libs: Vec<PathBuf>,
    /// Objects among them that other links take, too; a thin archive stands for all its members. With
    /// distributed thin LTO, their index and native code have the name of this link in their names
    #[arg(long, num_args = 0..)]
    shared: Vec<PathBuf>,
    /// Directory in which to save a failing link, with its inputs and a script that runs it again
    #[arg(long)]
    capture: Option<PathBuf>,
    /// Limit of threads [default: the number of CPUs; never more than make's jobserver gives]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// The linker and its flags
    #[arg(last = true, required = true)]
    linker: Vec<OsString>,
}

#[derive(Args)]
struct LinkArgs {
    /// The object to make
    #[arg(short)]
    output: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    roots: RootArgs,
    /// Link the native code that make generated from each bitcode object: X.native.o beside X.o
    #[arg(long, conflicts_with = "cache")]
    distributed: bool,
    /// Directory of lld's cache of generated code
    #[arg(long, requires = "cache_policy")]
    cache: Option<PathBuf>,
    /// Limits of the cache, in lld's notation
    #[arg(long)]
    cache_policy: Option<String>,
    /// Give exported symbols the CRCs from the .symversions files of their objects
    #[arg(long)]
    modversions: bool,
}

fn main() -> ExitCode {
    tool_io::exit("lto-link", run())
}

fn run() -> Result<(), Failure> {
    let arguments = tool_io::arguments()?;
    match Cli::parse_from(&arguments).command {
        Kind::Vmlinux(args) => run_link(LinkKind::Vmlinux, args),
        Kind::Module(args) => run_link(LinkKind::Module, args),
        Kind::ThinLink(args) => run_thin_link(args, arguments),
        Kind::Why(args) => command::why::run(&args),
        Kind::Explain(args) => command::explain::run(&args),
        Kind::Estimate(args) => command::estimate::run(args),
        Kind::AssemblyNames(args) => command::assembly_names::run(&args),
        Kind::Included { object } => print_included(&object),
        Kind::CheckToolchain { linker, compiler } => try_toolchain(&compiler, &linker),
        Kind::Check(args) => command::check::run(&args),
        Kind::Actions(args) => command::actions::run(args),
        Kind::UsedExports(args) => command::exports::run(&args),
        Kind::Launch(args) => command::launch::run(args),
        Kind::Launched(args) => command::launch::print(&args),
        Kind::Cache(args) => command::cache::run(args),
    }
}

fn run_link(kind: LinkKind, args: LinkArgs) -> Result<(), Failure> {
    let LinkArgs {
        output,
        inputs,
        roots,
        distributed,
        cache,
        cache_policy,
        modversions,
    } = args;
    let InputArgs {
        objs,
        libs,
        shared,
        capture,
        jobs,
        linker,
    } = inputs;
    let jobs = Jobs::take(jobs.unwrap_or_else(tool_io::cpus));
    let files = Files::new();
    let inputs = Inputs::read(&&files, &objs, &libs)?;
    let shared = shared_objects(&&files, shared, &inputs)?;
    let code = match roots.options(kind == LinkKind::Module) {
        // The thin link has been given the roots.
        _ if distributed => CodeGeneration::Distributed { shared },
        Some(roots) => CodeGeneration::Dropping(roots),
        None => CodeGeneration::InLinker {
            cache: cache
                .zip(cache_policy)
                .map(|(dir, policy)| Cache { dir, policy }),
        },
    };
    let options = LinkOptions {
        kind,
        output,
        objs,
        libs,
        linker,
        code,
        modversions,
        capture,
        jobs: jobs.count(),
    };
    if kind == LinkKind::Vmlinux {
        let jobs = match options.jobs {
            1 => "1 job".to_owned(),
            jobs => format!("{jobs} jobs"),
        };
        show_progress(&options.output, &inputs, &jobs)?;
    }
    let new_code = NewCode::of(&options);
    before_link(options.paths(), &inputs, new_code, options.jobs)?;
    let result = link(&options, &inputs);
    let link = FailedLink::new(&options.linker, &options.output, &inputs);
    exit_result(result, link)
}

/// Returns the objects that `shared` names; an archive stands for its members.
fn shared_objects<'data>(
    loader: &impl Loader<'data>,
    shared: Vec<PathBuf>,
    inputs: &Inputs<'data>,
) -> Result<Vec<PathBuf>, Failure> {
    let is_input = |path: &PathBuf| {
        let mut objects = inputs.objects.iter();
        objects.any(|input| input.path.as_ref() == Some(path))
    };
    let (mut objects, archives): (Vec<_>, Vec<_>) = shared.into_iter().partition(is_input);
    let members = Inputs::read(loader, &archives, &[])?.objects.into_iter();
    objects.extend(members.filter_map(|member| member.path));
    Ok(objects)
}

/// Returns the command that was given as `arguments`, with `--complete`.
fn completion(mut arguments: Vec<OsString>, has_it: bool) -> Vec<OsString> {
    if !has_it {
        // Behind the names of the program and of the command.
        arguments.insert(2, "--complete".into());
    }
    arguments
}

fn run_thin_link(args: ThinLinkArgs, arguments: Vec<OsString>) -> Result<(), Failure> {
    let ThinLinkArgs {
        output,
        roots,
        module,
        complete,
        inputs,
    } = args;
    let InputArgs {
        objs,
        libs,
        shared,
        capture,
        jobs,
        linker,
    } = inputs;
    let jobs = Jobs::take(jobs.unwrap_or_else(tool_io::cpus));
    let files = Files::new();
    let inputs = Inputs::read(&&files, &objs, &libs)?;
    let shared = shared_objects(&&files, shared, &inputs)?;
    let options = ThinLinkOptions {
        output,
        linker,
        jobs: jobs.count(),
        roots: roots.options(module),
        shared,
        complete: completion(arguments, complete),
        capture,
    };
    if !complete {
        let paths = LinkPaths::with_shared(&options.output, &options.shared);
        before_link(paths, &inputs, NewCode::ObjectByObject, options.jobs)?;
    }
    let result = if complete {
        complete_thin_link(&options, &&files, &inputs)
    } else {
        thin_link(&options, &inputs).map(|()| false)
    };
    if let Ok(true) = result {
        // make reads this word.
        tool_io::write_stdout(b"again\n")?;
    }
    let link = FailedLink::new(&options.linker, &options.output, &inputs);
    exit_result(result, link)
}

/// Prints the line that make shows for the link of vmlinux.o, unless make is silent.
fn show_progress(output: &Path, inputs: &Inputs, jobs: &str) -> Result<(), Failure> {
    if !is_silent() {
        let line = format!(
            "  LTO     {} ({} bitcode, {} native objects, {jobs})\n",
            output.display(),
            inputs.count(InputKind::Bitcode),
            inputs.count(InputKind::Elf),
        );
        tool_io::write_stdout(line.as_bytes())?;
    }
    Ok(())
}

/// Returns whether make prints only errors.
fn is_silent() -> bool {
    std::env::var_os("quiet").is_some_and(|quiet| quiet == "silent_")
}

/// Tells failures of a link by their exit codes, and explains the linker's messages.
fn exit_result<T>(result: Result<T, LinkError>, link: FailedLink) -> Result<(), Failure> {
    match result {
        Ok(_) => Ok(()),
        Err(error @ (LinkError::Io { .. } | LinkError::Write(_) | LinkError::NoFile(_))) => {
            Err(Failure::cannot_run(error))
        }
        Err(error) => Err(Failure::fault(link.explain(&error))),
    }
}

fn print_included(object: &Path) -> Result<(), Failure> {
    let files = Files::new();
    let input = files.object(object)?;
    let Some(bitcode) = input.object.as_bitcode() else {
        return Ok(());
    };
    let directives = file_directives(bitcode);
    let directives = directives.map_err(|error| Failure::cannot_run(input.locate(error)))?;
    let lines = directives
        .into_iter()
        .map(|directive| format!("{directive}\n"));
    Ok(tool_io::write_stdout(lines.collect::<String>().as_bytes())?)
}

fn try_toolchain(compiler: &[OsString], linker: &str) -> Result<(), Failure> {
    // Kconfig gives make's $(LD), which may have flags.
    let linker: Vec<OsString> = linker.split_whitespace().map(OsString::from).collect();
    match check_toolchain(compiler, &linker) {
        Ok(()) => Ok(()),
        Err(error @ ToolchainError::Write(_)) => Err(Failure::cannot_run(error)),
        Err(error) => Err(Failure::fault(error)),
    }
}
