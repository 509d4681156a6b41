// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The command `lto-disable`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kernel_facts::{KnownLto, Sources};
use lto_disable::{
    BuiltObject, DisabledEntry, LIST, LinkOf, List, Unlisted, check, check_commands, parse_fragment,
};
use object_model::Input;
use tool_io::{Failure, Files};

#[derive(Parser)]
#[command(version, about = "Objects that stay native code under LTO", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lto-disable list ~/linux
  lto-disable check --list scripts/lto/lto-disabled.mk \\
      init/built-in.a kernel/built-in.a
  lto-disable check vmlinux.a lib/lib.a

Exit codes: 0 done, 1 a fault was found, 2 could not run.";

#[derive(Subcommand)]
enum Command {
    /// Print the objects that the list stands for in a kernel tree, as a Makefile fragment
    List {
        /// The kernel tree
        tree: PathBuf,
        /// A list to use instead of the built-in one
        #[arg(long)]
        objects: Option<PathBuf>,
    },
    /// Check that listed objects are native code, and all others made from C are bitcode
    Check {
        /// The fragment that the tree was built with; without it, the commands that kbuild saved
        /// beside the objects tell the expected kind of each
        #[arg(long)]
        list: Option<PathBuf>,
        /// The inputs are those of a module, not of vmlinux
        #[arg(long, conflicts_with = "list")]
        module: bool,
        /// Objects and archives; run it in the object tree
        #[arg(required = true)]
        inputs: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    tool_io::exit("lto-disable", run())
}

fn run() -> Result<(), Failure> {
    match Cli::parse_from(tool_io::arguments()?).command {
        Command::List { tree, objects } => {
            let text = match objects {
                Some(path) => tool_io::read_text(&path)?,
                None => LIST.to_owned(),
            };
            let known = Sources::open(&tree).and_then(|tree| KnownLto::of(&tree));
            let known = known.map_err(Failure::cannot_run)?;
            let entries = List::parse(&text).and_then(|list| list.resolve(&tree, &known));
            let fragment = DisabledEntry::fragment(&entries.map_err(Failure::cannot_run)?);
            Ok(tool_io::write_stdout(fragment.as_bytes())?)
        }
        Command::Check {
            list,
            module,
            inputs,
        } => {
            let files = Files::new();
            let inputs = files.link_order(&inputs)?;
            let objects: Vec<_> = inputs.iter().map(built_object).collect();
            let link_of = link_of(module, objects.len());
            let (_, faults) = match list {
                Some(list) => {
                    let list = parse_fragment(&tool_io::read_text(&list)?);
                    check(&objects, &list, Unlisted::Refused, link_of)
                }
                None => check_commands(&objects, link_of),
            };
            tool_io::no_faults(&faults)
        }
    }
}

fn link_of(module: bool, n_objects: usize) -> LinkOf {
    match (module, n_objects) {
        (false, _) => LinkOf::Vmlinux,
        (true, 1) => LinkOf::ModuleOfOne,
        (true, _) => LinkOf::Module,
    }
}

fn built_object(input: &Input) -> BuiltObject {
    let path = input.path.as_deref().unwrap_or(Path::new(&input.name));
    BuiltObject::new(path, input.object.as_bitcode().is_some(), Path::new(""))
}
