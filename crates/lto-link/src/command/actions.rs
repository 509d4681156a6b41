// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `lto-link actions`: lists or tries the code generations of a distributed link.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use lto_link::{
    Action, ActionOptions, Compiler, NATIVE_SUFFIX, actions, actions_json, actions_table,
    saved_compiler, try_actions,
};
use tool_io::Failure;

/// The link, and what to do with its actions.
#[derive(Args)]
pub struct ActionsArgs {
    /// The output of the link: vmlinux.o, or the object of a module of several objects
    #[arg(short, default_value = "vmlinux.o")]
    output: PathBuf,
    /// The form of the list
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Try the actions instead of listing them; the kernel must be built
    #[arg(long)]
    check: bool,
    /// How many actions, those with the most imports, are run without each of their inputs
    #[arg(long, value_name = "N", default_value_t = 20, requires = "check")]
    without_input: usize,
    /// Limit of actions that run at once [default: the number of CPUs]
    #[arg(long, requires = "check")]
    jobs: Option<NonZeroUsize>,
    /// The directory that all paths are below
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// The suffix of native objects: trees that had distributed LTO before have thinlto-native.o for vmlinux.o
    #[arg(long, value_name = "SUFFIX", default_value = NATIVE_SUFFIX)]
    native_suffix: String,
    /// The compiler, and the flags that code generation adds to those of each object [default: those that make
    /// has saved]
    #[arg(last = true)]
    compiler: Vec<String>,
}

/// The form of a list.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// JSON, in the terms of the Remote Execution API
    Json,
}

/// Prints the list, or the result of the trial.
pub fn run(args: ActionsArgs) -> Result<(), Failure> {
    let ActionsArgs {
        output,
        format,
        check,
        without_input,
        jobs,
        root,
        native_suffix,
        compiler,
    } = args;
    let cannot_run = |path: &Path, error| {
        Failure::cannot_run(format!("{}: cannot be entered: {error}", path.display()))
    };
    std::env::set_current_dir(&root).map_err(|error| cannot_run(&root, error))?;
    let root = std::env::current_dir().map_err(|error| cannot_run(&root, error))?;
    let command = if compiler.is_empty() {
        saved_compiler(&output, &native_suffix).map_err(Failure::cannot_run)?
    } else {
        compiler
    };
    let first_flag = command.iter().position(|word| word.starts_with('-'));
    let (program, flags) = command.split_at(first_flag.unwrap_or(command.len()));
    let compiler = Compiler::read(program).map_err(Failure::cannot_run)?;
    let options = ActionOptions {
        output,
        root,
        flags: flags.to_vec(),
        native_suffix,
    };
    let actions = actions(&options, &compiler).map_err(Failure::fault)?;
    if check {
        let jobs = jobs.unwrap_or_else(tool_io::cpus);
        return try_all(&options, &compiler, &actions, without_input, jobs);
    }
    let text = match format {
        Format::Text => actions_table(&compiler, &actions),
        Format::Json => actions_json(&compiler, &actions).map_err(Failure::cannot_run)?,
    };
    Ok(tool_io::write_stdout(text.as_bytes())?)
}

fn try_all(
    options: &ActionOptions,
    compiler: &Compiler,
    actions: &[Action],
    n_most: usize,
    jobs: NonZeroUsize,
) -> Result<(), Failure> {
    let trial = try_actions(options, compiler, actions, n_most, jobs);
    let trial = trial.map_err(Failure::cannot_run)?;
    let text = format!(
        "{}: {} of {} actions give the code that make generated; {} inputs were left out, one at a time, and \
         missed\n",
        options.output.display(),
        trial.n_same,
        actions.len(),
        trial.n_needed
    );
    tool_io::write_stdout(text.as_bytes())?;
    tool_io::no_faults(&trial.faults)
}
