// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command line of profile.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use object_model::InputError;
use profile::{
    Collected, CountingKernel, Error, Profraw, Raw, collect, functions, inlined, layout, merge,
    show, text, text_of,
};
use tool_io::{Failure, Files};

const EXAMPLES: &str = "\
Examples:
  profile collect --vmlinux build/vmlinux copy.profraw -o kernel.profdata
  profile collect --vmlinux build/vmlinux --llvm-profdata /usr/lib/llvm-22/bin/llvm-profdata *.raw \\
      -o kernel.profdata
  profile show kernel.profdata
  profile show kernel.profdata --object build/vmlinux.o --against without/vmlinux.o --top 40

Exit codes: 0 done, 1 the counters are not those of the kernel, 2 could not run.";

/// Makes a profile for clang of the counters of a kernel, and shows it.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Collect(Collect),
    Show(Show),
}

/// Joins counters that were read from a kernel's memory with the descriptions in its vmlinux.
#[derive(clap::Args)]
struct Collect {
    /// The vmlinux of the kernel that counted, with its symbols.
    #[arg(long, value_name = "FILE")]
    vmlinux: PathBuf,
    /// Files with counters, which are added up: copies of `lto_profile/profraw` in debugfs, and the files that
    /// `cargo xtask kernel profile --keep` leaves.
    #[arg(required = true, value_name = "RAW")]
    raws: Vec<PathBuf>,
    /// The profile to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The llvm-profdata of the LLVM that compiled the kernel.
    #[arg(long, value_name = "PROGRAM", default_value = "llvm-profdata")]
    llvm_profdata: PathBuf,
}

/// Shows which functions of a profile were executed most, and what the compiler made of it.
#[derive(clap::Args)]
struct Show {
    /// The profile.
    #[arg(value_name = "PROFILE")]
    profile: PathBuf,
    /// The vmlinux.o of a kernel by this profile: says how much of it is hot, cold, or inlined.
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
    /// The vmlinux.o of the same kernel without the profile.
    #[arg(long, value_name = "FILE", requires = "object")]
    against: Option<PathBuf>,
    /// The number of functions to list.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The llvm-profdata of the LLVM that compiled the kernel.
    #[arg(long, value_name = "PROGRAM", default_value = "llvm-profdata")]
    llvm_profdata: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Tables.
    Text,
    /// One object of JSON.
    Json,
}

fn main() -> ExitCode {
    tool_io::exit("profile", run())
}

fn run() -> Result<(), Failure> {
    let Arguments { command } = Arguments::parse_from(tool_io::arguments()?);
    match command {
        Command::Collect(arguments) => run_collect(&arguments),
        Command::Show(arguments) => run_show(&arguments),
    }
}

fn run_show(arguments: &Show) -> Result<(), Failure> {
    let Show {
        profile,
        object,
        against,
        top,
        format,
        llvm_profdata,
    } = arguments;
    let content = text_of(llvm_profdata, profile).map_err(Failure::cannot_run)?;
    let functions = functions(&content).map_err(Failure::fault)?;
    let shown = show(&functions, *top);
    let files = Files::new();
    let elf = |path: &Option<PathBuf>| path.as_deref().map(|path| files.elf(path)).transpose();
    let against = elf(against)?;
    let kernel = elf(object)?.map(|object| {
        let inlined = inlined(&functions, &object, against.as_ref());
        (layout(&object), inlined)
    });
    let said = match format {
        Format::Text => text(&shown, kernel),
        Format::Json => {
            let (layout, inlined) = kernel.unzip();
            let all = serde_json::json!({ "profile": shown, "layout": layout, "inlined": inlined });
            format!("{all:#}\n")
        }
    };
    tool_io::write_stdout(said.as_bytes())?;
    Ok(())
}

fn run_collect(arguments: &Collect) -> Result<(), Failure> {
    let Collect {
        vmlinux,
        raws,
        output,
        llvm_profdata,
    } = arguments;
    let files = Files::new();
    let elf = files.elf(vmlinux)?;
    let of_kernel = |error| Failure::fault(format!("{}: {error}", vmlinux.display()));
    let kernel = CountingKernel::read(&elf).map_err(of_kernel)?;
    let mut profraws = Vec::new();
    let mut all_executed = 0;
    for path in raws {
        let content = files.bytes(path).map_err(|error| InputError {
            name: path.display().to_string(),
            error: error.into(),
        })?;
        let wrong =
            |error: &dyn std::fmt::Display| Failure::fault(format!("{}: {error}", path.display()));
        let of_both = |error: Error| wrong(&format!("{} {error}", vmlinux.display()));
        let (profraw, n_executed, n_functions) = if Profraw::is_one(content) {
            let profraw = Profraw::parse(content).map_err(|error| wrong(&error))?;
            profraw.check(&kernel).map_err(of_both)?;
            (content.to_vec(), profraw.n_executed, profraw.n_functions)
        } else {
            let raw = Raw::parse(content).map_err(|error| wrong(&error))?;
            let collected = collect(&kernel, &raw).map_err(of_both)?;
            let Collected {
                profraw,
                n_functions,
                n_executed,
            } = collected;
            (profraw, n_executed, n_functions)
        };
        let said = format!(
            "{}: {n_executed} of {n_functions} functions were executed\n",
            path.display()
        );
        tool_io::write_stdout(said.as_bytes())?;
        profraws.push(profraw);
        all_executed += n_executed;
    }
    if all_executed == 0 {
        return Err(Failure::fault(
            "the files say that no function was executed: copy them after the work",
        ));
    }
    merge(llvm_profdata, &profraws, output).map_err(Failure::cannot_run)
}
