// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `lto-link`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use lto_link::{
    Cache, Fate, InputKind, Inputs, Jobs, LinkError, LinkKind, LinkOptions, Reach, RootOptions,
    Roots, SUFFIX_MAP_HEAD, ThinLinkOptions, ToolchainError, check_toolchain, complete_thin_link,
    cpus, definitions, file_directives, inputs_path, kernel_names, link, named_in_assembly,
    read_record, roots_path, suffix_map, suffixed, thin_link,
};
use tool_io::{Failure, Files};

#[derive(Parser)]
#[command(version, about = "Links LLVM bitcode into a native, relocatable object of the kernel",
    after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Kind,
}

const EXAMPLES: &str = "\
Examples:
  lto-link vmlinux -o vmlinux.o --modversions --objs init/built-in.a kernel/built-in.a \\
      --libs lib/lib.a -- ld.lld -EL -maarch64elf -mllvm -import-instr-limit=5
  lto-link module -o fs/ext4/ext4.o --objs fs/ext4/balloc.o fs/ext4/inode.o -- ld.lld -maarch64elf
  lto-link check vmlinux --objs vmlinux.a --emit-suffix-map vmlinux.names

Exit codes: 0 linked, 1 a fault was found or the link failed, 2 could not run.";

#[derive(Subcommand)]
enum Kind {
    /// Link vmlinux.o: initcalls in link order, CRCs of all exports
    Vmlinux(LinkArgs),
    /// Link the object of one module
    Module(LinkArgs),
    /// Decide what each object takes from others, for code to be generated object by object
    ///
    /// Writes, beside each bitcode object, X.o.thinlto.bc (its index) and X.o.imports (what it imports
    /// from), and `.tmp_OUTPUT.codegen.mk` (what is to be compiled, and how). What is as before is not
    /// written. scripts/lto/Makefile.codegen generates the code.
    ThinLink(ThinLinkArgs),
    /// Say what keeps a function or variable, or why it was dropped
    ///
    /// Run it in the object tree of a kernel that was linked with --internalize.
    Why(WhyArgs),
    /// List the symbols that the assembly in bitcode names, and the first object that names each
    ///
    /// Run it in the object tree of a kernel that lto-link linked.
    AssemblyNames(AssemblyNamesArgs),
    /// Print the directives by which an object's assembly takes in files
    ///
    /// lld's cache of generated code does not know these files: where it is used, such an object must be
    /// native code.
    Included {
        /// The bitcode object
        object: PathBuf,
    },
    /// Check that a compiler and a linker can do LTO
    ///
    /// Compiles a small source, reads the bitcode, and links it. Says in one line what does not work.
    CheckToolchain {
        /// The linker
        #[arg(long, value_name = "PROGRAM")]
        linker: OsString,
        /// The compiler and its flags
        #[arg(last = true, required = true)]
        compiler: Vec<OsString>,
    },
    /// Check a linked kernel or module: nothing is linked twice, kallsyms and BTF know its functions
    Check(CheckArgs),
}

#[derive(Args)]
struct CheckArgs {
    /// The linked kernel, or a module
    linked: PathBuf,
    /// Objects and archives of which everything was linked
    #[arg(long, num_args = 1..)]
    objs: Vec<PathBuf>,
    /// Where to write which symbol has which name in the source; `-` is standard output
    #[arg(long, value_name = "FILE")]
    emit_suffix_map: Option<PathBuf>,
}

#[derive(Args)]
struct WhyArgs {
    /// Its name in the source
    symbol: String,
    /// What was linked: vmlinux.o, or the object of a module
    #[arg(short, default_value = "vmlinux.o")]
    output: PathBuf,
}

#[derive(Args)]
struct AssemblyNamesArgs {
    /// What was linked: vmlinux.o, or the object of a module
    #[arg(short, default_value = "vmlinux.o")]
    output: PathBuf,
}

#[derive(Args)]
struct ThinLinkArgs {
    /// The object that is to be made in the end
    #[arg(short)]
    output: PathBuf,
    #[command(flatten)]
    roots: RootArgs,
    /// It is a module, entered by the names that modules have
    #[arg(long, requires = "internalize")]
    module: bool,
    /// Code is generated: look whether it refers to what was dropped, and do the thin link again if
    /// so; prints `again` then
    #[arg(long, requires = "internalize")]
    complete: bool,
    #[command(flatten)]
    inputs: InputArgs,
}

/// What a link drops, and what not
#[derive(Args)]
struct RootArgs {
    /// Drop what nothing refers to
    #[arg(long)]
    internalize: bool,
    /// Keep every definition that this file names: a linker script, the source of a program that
    /// looks it up
    #[arg(long, value_name = "FILE", requires = "internalize")]
    named_in: Vec<PathBuf>,
    /// Keep every definition that this file names: a source or an object that only the last link of
    /// vmlinux takes
    #[arg(long, value_name = "FILE", requires = "internalize")]
    last_link: Vec<PathBuf>,
    /// Keep what matches the patterns in this file, each with its reason behind it
    #[arg(long, value_name = "FILE", requires = "internalize")]
    keep: Option<PathBuf>,
}

impl RootArgs {
    fn options(self, is_module: bool) -> Option<RootOptions> {
        let Self {
            internalize,
            named_in,
            last_link,
            keep,
        } = self;
        internalize.then_some(RootOptions {
            is_module,
            named_in,
            last_link,
            patterns: keep,
        })
    }
}

/// What every link reads and runs
#[derive(Args)]
struct InputArgs {
    /// Objects and archives of which everything is linked, in link order
    #[arg(long, num_args = 1.., required = true)]
    objs: Vec<PathBuf>,
    /// Libraries of which the linker takes what it needs
    #[arg(long, num_args = 0..)]
    libs: Vec<PathBuf>,
    /// Objects among them that other links take too: what distributed thin LTO makes of them has the
    /// name of this link in its name
    #[arg(long, num_args = 0..)]
    shared: Vec<PathBuf>,
    /// Directory to save a failing link in, with its inputs and a script to run it again
    #[arg(long)]
    capture: Option<PathBuf>,
    /// At most so many threads [default: the CPUs; never more than make's jobserver gives]
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
    /// Link what code generation made of each bitcode object, X.native.o beside X.o
    #[arg(long, conflicts_with = "cache")]
    distributed: bool,
    /// Directory of lld's cache of generated code
    #[arg(long, requires = "cache_policy")]
    cache: Option<PathBuf>,
    /// What is kept in the cache, in lld's notation
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
        Kind::Why(args) => why(&args),
        Kind::AssemblyNames(args) => assembly_names(&args),
        Kind::Included { object } => included(&object),
        Kind::CheckToolchain { linker, compiler } => toolchain(&compiler, &linker),
        Kind::Check(args) => check(&args),
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
    let jobs = Jobs::take(inputs.jobs.unwrap_or_else(cpus));
    let options = LinkOptions {
        kind,
        output,
        objs: inputs.objs,
        libs: inputs.libs,
        linker: inputs.linker,
        distributed,
        shared: inputs.shared,
        roots: roots.options(kind == LinkKind::Module),
        cache: cache
            .zip(cache_policy)
            .map(|(dir, policy)| Cache { dir, policy }),
        modversions,
        capture: inputs.capture,
        jobs: jobs.count(),
    };
    let files = Files::new();
    let inputs = Inputs::read(&&files, &options.objs, &options.libs)?;
    if kind == LinkKind::Vmlinux {
        let jobs = match options.jobs {
            1 => "1 job".to_owned(),
            jobs => format!("{jobs} jobs"),
        };
        progress(&options.output, &inputs, &jobs);
    }
    let result = link(&options, &inputs);
    if let Err(error) = &result
        && let Some(conflict) = error.flag_conflict()
    {
        let advice = conflict.advice(&options, &inputs);
        return Err(Failure::fault(format!("{error}\n{advice}")));
    }
    done(result)
}

/// The command that was given as `arguments`, with `--complete`, which it may have already.
fn completion(mut arguments: Vec<OsString>, has_it: bool) -> Vec<OsString> {
    if !has_it {
        // Behind the name of the program and that of the command.
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
    let jobs = Jobs::take(jobs.unwrap_or_else(cpus));
    let options = ThinLinkOptions {
        output,
        linker,
        jobs: jobs.count(),
        roots: roots.options(module),
        shared,
        complete: completion(arguments, complete),
        capture,
    };
    let files = Files::new();
    let inputs = Inputs::read(&&files, &objs, &libs)?;
    if complete {
        let result = complete_thin_link(&options, &&files, &inputs);
        if let Ok(true) = result {
            println!("again");
        }
        return done(result);
    }
    done(thin_link(&options, &inputs))
}

/// The line that make shows for the link of vmlinux.o, unless it is to be silent.
fn progress(output: &Path, inputs: &Inputs, jobs: &str) {
    if std::env::var_os("quiet").is_none_or(|quiet| quiet != "silent_") {
        println!(
            "  LTO     {} ({} bitcode, {} native objects, {jobs})",
            output.display(),
            inputs.count(InputKind::Bitcode),
            inputs.count(InputKind::Elf),
        );
    }
}

fn done<T>(result: Result<T, LinkError>) -> Result<(), Failure> {
    match result {
        Ok(_) => Ok(()),
        Err(error @ (LinkError::Io { .. } | LinkError::Write(_) | LinkError::NoFile(_))) => {
            Err(Failure::cannot_run(error))
        }
        Err(error) => Err(Failure::fault(error)),
    }
}

fn included(object: &Path) -> Result<(), Failure> {
    let files = Files::new();
    let input = files.object(object)?;
    let Some(bitcode) = input.object.as_bitcode() else {
        return Ok(());
    };
    let directives = file_directives(bitcode);
    for directive in directives.map_err(|error| Failure::cannot_run(input.locate(error)))? {
        println!("{directive}");
    }
    Ok(())
}

fn toolchain(compiler: &[OsString], linker: &OsStr) -> Result<(), Failure> {
    match check_toolchain(compiler, linker) {
        Ok(()) => Ok(()),
        Err(error @ ToolchainError::Write(_)) => Err(Failure::cannot_run(error)),
        Err(error) => Err(Failure::fault(error)),
    }
}

/// The objects that `output` was linked from, by the record of the link.
fn recorded(output: &Path) -> Result<Vec<PathBuf>, Failure> {
    let record = inputs_path(output);
    let record = read_record(&record).map_err(|error| {
        Failure::cannot_run(format!("{}: {error}; is it linked?", record.display()))
    })?;
    Ok(record.into_iter().map(|input| input.path.into()).collect())
}

fn assembly_names(args: &AssemblyNamesArgs) -> Result<(), Failure> {
    let AssemblyNamesArgs { output } = args;
    let files = Files::new();
    let inputs = files.link_order(&recorded(output)?)?;
    let named = named_in_assembly(&inputs, inputs.len())?;
    let text = named
        .symbols
        .iter()
        .fold(String::new(), |mut text, (symbol, object)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{symbol}\t{object}");
            text
        });
    tool_io::write_atomic(Path::new("-"), text.as_bytes())?;
    Ok(())
}

fn why(args: &WhyArgs) -> Result<(), Failure> {
    let WhyArgs { symbol, output } = args;
    let objects = recorded(output)?;
    let listing = roots_path(output);
    if !listing.exists() {
        return Err(Failure::cannot_run(format!(
            "{}: was linked without --internalize, so that nothing was dropped",
            output.display()
        )));
    }
    let listing = tool_io::read_text(&listing)?;
    let files = Files::new();
    let inputs = Inputs::read(&&files, &objects, &[])?;
    let roots = Roots::read_listing(&listing);
    let reach =
        Reach::of(&inputs.objects, roots.map(|(name, _)| name)).map_err(Failure::cannot_run)?;
    let fates = reach.why(symbol);
    if fates.is_empty() {
        return Err(Failure::fault(format!(
            "{symbol}: no bitcode that {} was linked of defines it",
            output.display()
        )));
    }
    for fate in fates {
        match fate {
            Fate::Kept { chain } => tell_chain(&chain, &listing),
            Fate::Dropped { object, referrers } => {
                println!("{symbol} of {object} was dropped: no root reaches it");
                for (referrer, object) in referrers {
                    println!("  {referrer} of {object} refers to it, and was dropped too");
                }
            }
        }
    }
    Ok(())
}

/// Prints who refers to what, from what was asked for to the root.
fn tell_chain(chain: &[(String, String)], listing: &str) {
    let mut indent = String::new();
    for (position, (symbol, object)) in chain.iter().enumerate() {
        let words = if position == 0 {
            "is kept"
        } else {
            "refers to it"
        };
        println!("{indent}{symbol} of {object} {words}");
        indent.push_str("  ");
    }
    let root = chain.last().map_or("", |(symbol, _)| symbol);
    let mut reasons = Roots::read_listing(listing)
        .filter(|(name, _)| *name == root)
        .peekable();
    if reasons.peek().is_none() {
        println!("{indent}it is marked as used in its source");
    }
    for (_, reason) in reasons {
        println!("{indent}root: {}", reason.replace('\t', ", "));
    }
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let CheckArgs {
        linked,
        objs,
        emit_suffix_map,
    } = args;
    let files = Files::new();
    let inputs = files.link_order(objs)?;
    let elf = files.elf(linked)?;
    let mut faults: Vec<String> = definitions(&inputs)
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    faults.extend(kernel_names(&elf).faults.iter().map(ToString::to_string));
    if let Some(map) = emit_suffix_map {
        let lines = suffix_map(&linked.display().to_string(), &suffixed(&elf));
        tool_io::write_atomic(map, format!("{SUFFIX_MAP_HEAD}{lines}").as_bytes())?;
    }
    tool_io::no_faults(&tool_io::located(linked, &faults))
}
