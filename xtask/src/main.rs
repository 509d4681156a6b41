// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask`: all commands for plugins and kernels, with one file per command.

mod bench;
mod demo;
mod dist;
mod farm;
mod fuzz;
mod install;
mod kernel;
mod mutate;
mod outcome;
mod progress;
mod randconfig;
mod report;
mod resume;
mod series;
mod setup;
mod status;
mod test;
mod uninstall;
mod values;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

/// Clang LTO for a Linux kernel tree, as plugins: install, build, boot and check it.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    version,
    after_help = "Examples:
  cargo xtask demo
  cargo xtask test --quick
  cargo xtask install --tree ~/linux-5.10

`demo` shows the whole way on a fetched kernel. For your own tree, begin with `install`; for
kernels that these commands build, with `setup`."
)]
enum Command {
    Demo(demo::Args),
    Setup(setup::Args),
    Install(install::Args),
    Status(status::Args),
    Uninstall(uninstall::Args),
    Series(series::Args),
    Dist(dist::Args),
    Kernel(kernel::Args),
    Verify(verify::Args),
    Report(report::Args),
    Bench(Box<bench::Args>),
    Test(test::Args),
    Mutate(mutate::Args),
    Farm(farm::Args),
    Fuzz(fuzz::Args),
    Randconfig(Box<randconfig::Args>),
}

fn main() -> ExitCode {
    kernel_lab::progress::listen(Box::new(progress::Shown));
    let command = match Command::try_parse() {
        Ok(command) => command,
        // The commit is looked up only if it is asked for.
        Err(error) if error.kind() == ErrorKind::DisplayVersion => {
            return outcome::report(version());
        }
        Err(error) => error.exit(),
    };
    outcome::report(match command {
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Setup(args) => setup::run(&args),
        Command::Install(args) => install::run(args),
        Command::Uninstall(args) => uninstall::run(args),
        Command::Status(args) => status::run(args),
        Command::Series(args) => series::run(args),
        Command::Dist(args) => dist::run(&args),
        Command::Kernel(args) => kernel::run(args),
        Command::Verify(args) => verify::run(&args),
        Command::Mutate(args) => mutate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Farm(args) => farm::run(args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Randconfig(args) => randconfig::run(&args),
    })
}

/// Prints the version and the commit.
fn version() -> outcome::Outcome {
    Ok(outcome::print(installer::version_text().as_bytes())?)
}
