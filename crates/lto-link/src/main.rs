// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `lto-link`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use lto_link::{Cache, InputKind, Inputs, Jobs, LinkError, LinkKind, LinkOptions, cpus, link};
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

Exit codes: 0 linked, 1 a fault was found or the link failed, 2 could not run.";

#[derive(Subcommand)]
enum Kind {
    /// Link vmlinux.o: initcalls in link order, CRCs of all exports
    Vmlinux(LinkArgs),
    /// Link the object of one module
    Module(LinkArgs),
}

#[derive(Args)]
struct LinkArgs {
    /// The object to make
    #[arg(short)]
    output: PathBuf,
    /// Objects and archives of which everything is linked, in link order
    #[arg(long, num_args = 1.., required = true)]
    objs: Vec<PathBuf>,
    /// Libraries of which the linker takes what it needs
    #[arg(long, num_args = 0..)]
    libs: Vec<PathBuf>,
    /// Directory of lld's cache of generated code
    #[arg(long, requires = "cache_policy")]
    cache: Option<PathBuf>,
    /// What is kept in the cache, in lld's notation
    #[arg(long)]
    cache_policy: Option<String>,
    /// Give exported symbols the CRCs from the .symversions files of their objects
    #[arg(long)]
    modversions: bool,
    /// Directory to save the link in, with its inputs and a script to run it again, if it fails
    #[arg(long)]
    capture: Option<PathBuf>,
    /// At most so many threads [default: the CPUs; never more than make's jobserver gives]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// The linker and its flags
    #[arg(last = true, required = true)]
    linker: Vec<OsString>,
}

fn main() -> ExitCode {
    tool_io::exit("lto-link", run())
}

fn run() -> Result<(), Failure> {
    let (kind, args) = match Cli::parse_from(tool_io::arguments()?).command {
        Kind::Vmlinux(args) => (LinkKind::Vmlinux, args),
        Kind::Module(args) => (LinkKind::Module, args),
    };
    let jobs = Jobs::take(args.jobs.unwrap_or_else(cpus));
    let options = LinkOptions {
        kind,
        output: args.output,
        objs: args.objs,
        libs: args.libs,
        linker: args.linker,
        cache: args
            .cache
            .zip(args.cache_policy)
            .map(|(dir, policy)| Cache { dir, policy }),
        modversions: args.modversions,
        capture: args.capture,
        jobs: jobs.count(),
    };
    let files = Files::new();
    let inputs = Inputs::read(&&files, &options.objs, &options.libs)?;
    if kind == LinkKind::Vmlinux && std::env::var_os("quiet").is_none_or(|quiet| quiet != "silent_")
    {
        println!(
            "  LTO     {} ({} bitcode, {} native objects, {})",
            options.output.display(),
            inputs.count(InputKind::Bitcode),
            inputs.count(InputKind::Elf),
            if options.jobs == 1 {
                "1 job".into()
            } else {
                format!("{} jobs", options.jobs)
            },
        );
    }
    match link(&options, &inputs) {
        Ok(_) => Ok(()),
        Err(error @ (LinkError::Io { .. } | LinkError::Write(_))) => {
            Err(Failure::cannot_run(error))
        }
        Err(error) => Err(Failure::fault(error)),
    }
}
