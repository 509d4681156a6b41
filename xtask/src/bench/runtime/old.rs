// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The old spelling of the commands for the results pages, as options. It works for one more release.

use std::path::PathBuf;

use kernel_lab::KERNEL;
use kernel_lab::ledger::Shard;

use super::Compare;
use super::rows::{Building, Command};
use crate::resume::Resume;

/// The options that are commands now.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "options of the command line")]
pub struct Old {
    #[arg(long, hide = true, group = "rows of the page", conflicts_with_all = ["against", "set", "workload"])]
    row: Option<String>,
    #[arg(long, hide = true, group = "rows of the page", conflicts_with_all = ["objtree", "against", "set", "workload"])]
    rows: bool,
    #[arg(long, hide = true, group = "rows of the page", conflicts_with_all = ["objtree", "against", "set", "workload"])]
    page: bool,
    #[arg(long = "resume", hide = true, requires = "rows of the page")]
    skips_passed: bool,
    #[arg(long, hide = true, requires = "skips_passed")]
    since: Option<String>,
    #[arg(long, hide = true, requires = "rows of the page")]
    shard: Option<Shard>,
    #[arg(long, hide = true, requires = "rows of the page")]
    workdir: Option<PathBuf>,
    #[arg(long, hide = true, requires = "rows of the page")]
    no_install: bool,
}

impl Old {
    /// Returns the command, if the options name one; says how it is called now.
    pub fn rows(&self, compare: &Compare) -> Option<Command> {
        let building = Building {
            kernel: KERNEL,
            arch: compare.arch,
            workdir: self.workdir.clone(),
            no_install: self.no_install,
            timeout: compare.timeout,
        };
        let resume = Resume {
            skips_passed: self.skips_passed,
            since: self.since.clone(),
            shard: self.shard,
        };
        let (rows, old, new) = if let Some(name) = &self.row {
            let rows = Command::Row {
                name: name.clone(),
                objtree: compare.objtree.first().cloned(),
                building,
                resume,
            };
            (rows, "--row NAME", "row NAME")
        } else if self.rows {
            (Command::Rows { building, resume }, "--rows", "rows")
        } else if self.page {
            let arch = compare.arch;
            (
                Command::Page {
                    arch,
                    kernel: KERNEL,
                },
                "--page",
                "page",
            )
        } else {
            return None;
        };
        eprintln!("`cargo xtask bench runtime {old}` is now `cargo xtask bench runtime {new}`");
        Some(rows)
    }
}
