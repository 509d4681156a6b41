// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask mutate`: do the checks of a kernel see what they must see?

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;
use kernel_checks::CHECKS;
use kernel_lab::table;
use kernel_mutations::{Mutation, Seen, missed, mutations, try_all};

use crate::outcome::{Failure, Outcome, print};

/// Change copies of a built kernel's files, one small change at a time, and see whether `verify` finds each
///
/// The object tree itself is not changed. A copy has links in place of all unchanged files.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask mutate --objtree /build/thin
  cargo xtask mutate --objtree /build/thin --against /build/none \\
      --only crcs,prel32
  cargo xtask mutate --page

Exit codes: 0 all changes were seen, 1 one was not, 2 could not run.")]
pub struct Args {
    /// The object tree of the kernel
    #[arg(long, value_name = "DIR", required_unless_present = "page")]
    objtree: Option<PathBuf>,
    /// Only print the table of changes for docs/verify.md
    #[arg(long, conflicts_with = "objtree")]
    page: bool,
    /// The object tree of the same kernel, built without LTO, to compare with
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Make only the changes for these checks
    #[arg(long, value_name = "CHECK", value_delimiter = ',',
          value_parser = PossibleValuesParser::new(CHECKS.map(|check| check.name)))]
    only: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        objtree,
        page,
        against,
        only,
    } = args;
    let Some(objtree) = objtree.as_deref().filter(|_| !page) else {
        return Ok(print(kernel_mutations::page().as_bytes())?);
    };
    let is_chosen =
        |mutation: &&Mutation| only.is_empty() || only.iter().any(|name| name == mutation.check);
    let chosen: Vec<_> = mutations().filter(is_chosen).collect();
    let tried = try_all(objtree, against.as_deref(), &chosen)?;
    let row = |(mutation, seen): &(&Mutation, Seen)| {
        let result = match seen {
            Seen::Yes => "seen",
            Seen::No(_) => "NOT SEEN",
            Seen::NotApplicable => "n/a",
        };
        [mutation.check, result, mutation.change].map(str::to_owned)
    };
    print(format!("{}\n", table::of(tried.iter().map(row))).as_bytes())?;
    outcome(objtree, &tried)
}

fn outcome(objtree: &Path, tried: &[(&Mutation, Seen)]) -> Outcome {
    let missed = missed(tried);
    if missed.is_empty() {
        return Ok(());
    }
    let objtree = objtree.display();
    Err(Failure::Fault(anyhow!(
        "{objtree}: changes that verify did not see:\n{}",
        missed.join("\n")
    )))
}
