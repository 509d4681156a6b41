// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Makes the linker script of initcalls once more from the inputs of a built kernel: by the Perl script
//! of its tree, and by initcall-order.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use kernel_facts::command_file;
use kernel_lab::{Failure, build, llvm, process};
use xshell::cmd;

use crate::page::{head, release};

/// The script that trees with LTO of their own come with.
const PERL_SCRIPT: &str = "scripts/generate_initcall_order.pl";

/// The target that it makes, as the kernel's Makefile names it.
pub const TARGET: &str = ".tmp_initcalls.lds";

/// How often our tool is run, so that its CPU time can be measured.
const REPEATS: u32 = 20;

/// The inputs of the linker script in a built object tree.
#[derive(Debug)]
pub struct Inputs {
    objtree: PathBuf,
    srctree: PathBuf,
    files: Vec<PathBuf>,
}

/// The CPU and wall time of a run, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// User and system time.
    pub cpu: f64,
    /// From start to end.
    pub wall: f64,
}

impl Inputs {
    /// The inputs that the last build of `objtree` gave to whatever made the script, as kbuild has
    /// saved the command.
    ///
    /// # Errors
    /// The object tree was not built with LTO by a tree that makes such a script.
    pub fn of(objtree: &Path) -> anyhow::Result<Self> {
        let objtree = std::path::absolute(objtree)?;
        let saved = command_file(&objtree.join(TARGET));
        let text = fs::read_to_string(&saved).with_context(|| saved.display().to_string())?;
        let files = inputs_of(&text);
        anyhow::ensure!(
            !files.is_empty(),
            "{}: names no archive or object",
            saved.display()
        );
        let source = objtree.join("source");
        let srctree = if source.exists() {
            source
        } else {
            objtree.clone()
        };
        Ok(Self {
            objtree,
            srctree,
            files,
        })
    }

    /// The archives and objects, in link order, below the object tree.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The source tree that was built.
    pub fn srctree(&self) -> &Path {
        &self.srctree
    }

    /// Returns the output of the Perl script for these inputs with so many jobs, and its cost.
    ///
    /// # Errors
    /// The script fails.
    pub fn by_perl(&self, jobs: usize) -> anyhow::Result<(String, Cost)> {
        let mut text = String::new();
        let cost = cost_of(1, || {
            let sh = process::shell_in(&self.objtree)?;
            let script = self.srctree.join(PERL_SCRIPT);
            let files = &self.files;
            let perl = cmd!(sh, "perl {script} {files...}")
                .env("NM", llvm::bin_dir()?.join("llvm-nm"))
                .env("objtree", ".")
                // scripts/jobserver-exec sets it to the number of jobs that make has free.
                .env("PARALLELISM", jobs.to_string());
            text = process::read(perl)?;
            Ok(())
        })?;
        Ok((text, cost))
    }

    /// Returns the output of the tool `initcall-order` for these inputs, and the cost of one run.
    ///
    /// # Errors
    /// The tool fails.
    pub fn by_tool(&self, tool: &Path) -> anyhow::Result<(String, Cost)> {
        let mut text = String::new();
        let cost = cost_of(REPEATS, || {
            let sh = process::shell_in(&self.objtree)?;
            let files = &self.files;
            text = process::read(cmd!(sh, "{tool} -o - {files...}"))?;
            Ok(())
        })?;
        Ok((text, cost))
    }
}

/// The archives and objects in a command that kbuild has saved: `savedcmd_<target> := <command>`,
/// before Linux 6.2 `cmd_<target> := <command>`. Source: `make-cmd` and `cmd_and_savecmd` in
/// `scripts/Kbuild.include`.
fn inputs_of(saved: &str) -> Vec<PathBuf> {
    let command = saved.lines().find_map(|line| line.split_once(" := "));
    let words = command
        .map_or("", |(_, command)| command)
        .split_whitespace();
    words
        .map(PathBuf::from)
        .filter(|word| {
            let extension = word.extension();
            extension.is_some_and(|extension| extension == "a" || extension == "o")
        })
        .collect()
}

/// Returns the mean cost of `repeats` runs of the processes that `work` waits for.
///
/// # Errors
/// As for `work`.
pub fn cost_of(repeats: u32, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Cost> {
    let started = Instant::now();
    let before = build::children_seconds()?;
    for _ in 0..repeats {
        work()?;
    }
    let repeats = f64::from(repeats);
    Ok(Cost {
        cpu: (build::children_seconds()? - before) / repeats,
        wall: started.elapsed().as_secs_f64() / repeats,
    })
}

/// The result of a comparison.
pub struct Compared {
    /// The lines of a table, the first of which is its heading.
    pub rows: Vec<[String; 5]>,
    /// The page that is kept of it.
    pub page: String,
}

/// initcall-order against the Perl script of the tree that was built in `objtree`, on what that
/// build gave to it.
///
/// # Errors
/// One of them fails; as a fault, that they do not write the same.
pub fn against_perl(objtree: &Path, tool: &Path) -> Result<Compared, Failure> {
    let inputs = Inputs::of(objtree)?;
    let release = release(objtree)?;
    // First, so that the inputs are in memory when the others read them.
    let (script, ours) = inputs.by_tool(tool)?;
    let sections = script.lines().filter(|line| line.starts_with("\t\t*("));
    let mut rows = Vec::new();
    for jobs in [1, 2] {
        let (theirs_script, theirs) = inputs.by_perl(jobs)?;
        if theirs_script != script {
            return Err(Failure::Fault(anyhow::anyhow!(
                "{}: initcall-order and the Perl script do not write the same",
                objtree.display()
            )));
        }
        let seconds = |cost: Cost| format!("{:.3} s CPU, {:.3} s wall", cost.cpu, cost.wall);
        rows.push([
            format!("-j{jobs}"),
            seconds(theirs),
            seconds(ours),
            format!("{:.0}", theirs.cpu / ours.cpu),
            format!("{:.0}", theirs.wall / ours.wall),
        ]);
    }
    let heading = [
        "jobs",
        "generate_initcall_order.pl",
        "initcall-order",
        "CPU",
        "wall",
    ];
    let title = format!("initcall-order against the Perl script: Linux {release}");
    let mut page = head(&title, "bench initcalls OBJTREE")?;
    write!(
        page,
        "Both wrote the same {} bytes, with {} initcalls, from the {} inputs that the build gave \
         them. The tool uses one CPU, however many jobs there are; asked is at least 50 times less \
         CPU time.\n\n| {} |\n|---|---|---|---|---|\n",
        script.len(),
        sections.count(),
        inputs.files().len(),
        heading.join(" | "),
    )?;
    for row in &rows {
        writeln!(page, "| {} |", row.join(" | "))?;
    }
    let heading = std::iter::once(heading.map(str::to_owned));
    Ok(Compared {
        rows: heading.chain(rows).collect(),
        page,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_are_those_of_the_saved_command() {
        let perl = "savedcmd_.tmp_initcalls.lds := python3 /linux/scripts/jobserver-exec perl \
                    /linux/scripts/generate_initcall_order.pl vmlinux.a lib/lib.a > \
                    .tmp_initcalls.lds\n";
        let tool = "cmd_.tmp_initcalls.lds := /linux/scripts/lto/bin/initcall-order vmlinux.a \
                    lib/lib.a -o .tmp_initcalls.lds\n";
        for saved in [perl, tool] {
            assert_eq!(
                inputs_of(saved),
                [PathBuf::from("vmlinux.a"), PathBuf::from("lib/lib.a")]
            );
        }
        assert_eq!(inputs_of(""), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_tree_that_made_no_script_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = format!("{:#}", Inputs::of(dir.path()).unwrap_err());
        assert!(error.contains("..tmp_initcalls.lds.cmd"), "{error}");
    }
}
