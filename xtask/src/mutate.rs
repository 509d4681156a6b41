// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask mutate`: do the checks of a kernel see what they must see?

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;
use kernel_checks::CHECKS;
use kernel_lab::table;
use kernel_mutations::{Kernel, Mutation, Seen, mutations};

use crate::outcome::{Failure, Outcome, print};

/// Change copies of a built kernel's files, one small change at a time, and see whether `verify` finds each
///
/// The object tree itself is not changed. A copy has links in place of all unchanged files.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask mutate --objtree /build/thin
  cargo xtask mutate --objtree /build/thin --against /build/none --only crcs,prel32

Exit codes: 0 all changes were seen, 1 one was not, 2 could not run.")]
pub struct Args {
    /// The object tree of the kernel
    #[arg(long, value_name = "DIR")]
    objtree: PathBuf,
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
        against,
        only,
    } = args;
    let kernel = Kernel::open(objtree)?;
    let is_chosen =
        |mutation: &&Mutation| only.is_empty() || only.iter().any(|name| name == mutation.check);
    let mut rows = Vec::new();
    let mut missed = Vec::new();
    for mutation in mutations().filter(is_chosen) {
        let seen = mutation.try_on(&kernel, against.as_deref())?;
        let result = match &seen {
            Seen::Yes => "seen",
            Seen::No(_) => "NOT SEEN",
            Seen::NotApplicable => "n/a",
        };
        rows.push([
            mutation.check.to_owned(),
            result.to_owned(),
            mutation.change.to_owned(),
        ]);
        missed.extend(missed_as_text(mutation, seen));
    }
    print(format!("{}\n", table::of(rows)).as_bytes())?;
    outcome(objtree, &missed)
}

fn missed_as_text(mutation: &Mutation, seen: Seen) -> Option<String> {
    let Seen::No(said) = seen else {
        return None;
    };
    let Mutation {
        check,
        change,
        message,
        ..
    } = mutation;
    let said = match said.as_slice() {
        [] => "said nothing".to_owned(),
        [first, ..] => format!("said {} things, the first: {first}", said.len()),
    };
    Some(format!(
        "{check}: {change}: expected \"{message}\", verify {said}"
    ))
}

fn outcome(objtree: &Path, missed: &[String]) -> Outcome {
    if missed.is_empty() {
        return Ok(());
    }
    let objtree = objtree.display();
    Err(Failure::Fault(anyhow!(
        "{objtree}: changes that verify did not see:\n{}",
        missed.join("\n")
    )))
}
