// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask farm`: a build farm on this machine, to try code generation on one.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use farm::Options;
use kernel_lab::workspace;

use crate::outcome::{Failure, Outcome, print, print_done};

/// Start, watch and stop a build farm on this machine
///
/// The farm is for trying: everybody on this machine can use it. docs/farm.md says how to set up one of several
/// machines.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask farm up
  cargo xtask farm status
  cargo xtask farm down

`up` prints the variables for make.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(UpArgs),
    Status(WorkdirArgs),
    Down(WorkdirArgs),
}

/// The directory of a farm.
#[derive(clap::Args)]
struct WorkdirArgs {
    /// The directory of everything that the farm writes [default: target/farm of this repository]
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
}

impl WorkdirArgs {
    fn dir(self) -> PathBuf {
        let default = || workspace::root().join("target/farm");
        self.workdir.unwrap_or_else(default)
    }
}

/// Start a farm, and wait until it answers
///
/// It is the server `BuildGrid` with a `PostgreSQL` database and two workers, and goes on when the command has ended.
/// The last line of the output is its address, for `LTO_LAUNCHER=remote:ADDRESS`. If the farm is up already,
/// nothing is started. After an error nothing is left running.
#[derive(clap::Args)]
struct UpArgs {
    #[command(flatten)]
    workdir: WorkdirArgs,
    /// Start buildbox-casd alone, which stores and executes; it needs no database and no Python.
    #[arg(long)]
    single: bool,
    /// The port of the server; 0 takes any free one.
    #[arg(long, default_value_t = farm::PORT)]
    port: u16,
    /// Install nothing: stop, and name the missing packages.
    #[arg(long)]
    no_install: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Up(args) => up(args),
        Command::Status(args) => status(&args.dir()),
        Command::Down(args) => down(&args.dir()),
    }
}

fn up(args: UpArgs) -> Outcome {
    let UpArgs {
        workdir,
        single,
        port,
        no_install,
    } = args;
    let up = farm::up(&Options {
        workdir: workdir.dir(),
        is_single: single,
        port,
        installs_packages: !no_install,
    })?;
    let farm::Up { address, trexe, .. } = up;
    print_done(
        format!(
            "make LTO_LAUNCHER=remote:{address} LTO_TREXE={trexe} LTO_REMOTE_JOBS=4\n{address}\n"
        )
        .as_bytes(),
    );
    Ok(())
}

/// A process that has ended is a fault.
fn status(workdir: &Path) -> Outcome {
    let status = farm::status(workdir)?;
    print(status.text.as_bytes())?;
    match status.fault {
        None => Ok(()),
        Some(fault) => Err(Failure::Fault(anyhow::anyhow!(fault))),
    }
}

fn down(workdir: &Path) -> Outcome {
    let text = match farm::down(workdir)? {
        None => format!("{}: no farm is up\n", workdir.display()),
        Some(down) => format!("ended: {}\n", down.ended.join(", ")),
    };
    print_done(text.as_bytes());
    Ok(())
}
