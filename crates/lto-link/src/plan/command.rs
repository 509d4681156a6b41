// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Arguments of linkers.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::plan::options::LinkOptions;
use crate::resolve::roots::Roots;

/// Flags for a link as for an executable without an entry. lld assumes that only roots are used
/// outside of the link. Symbols may stay undefined, because linker scripts come later.
pub(crate) const EXECUTABLE: [&str; 3] = ["-e", "0", "--unresolved-symbols=ignore-all"];

/// Returns the linker and its flags without `-r`; every link that needs it adds it.
pub(crate) fn exactly_one_r(command: &[OsString]) -> Vec<OsString> {
    let is_r = |flag: &&OsString| ["-r", "--relocatable"].iter().any(|r| *flag == r);
    command.iter().filter(|flag| !is_r(flag)).cloned().collect()
}

/// Returns the flags that limit a linker to `jobs` threads.
pub(crate) fn thread_flags(jobs: usize) -> [OsString; 2] {
    // The first limits code generation, the second all other work; both default to the number of CPUs.
    [
        format!("--thinlto-jobs={jobs}").into(),
        format!("--threads={jobs}").into(),
    ]
}

/// Returns the arguments that name the roots, in the form of a response file.
pub(crate) fn root_arguments(roots: &Roots) -> String {
    roots.names().fold(String::new(), |mut text, name| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "-u\n{}", quoted(name));
        text
    })
}

/// Returns the arguments for the objects and archives as given, in the form of a response file.
pub(crate) fn given_arguments(options: &LinkOptions) -> String {
    let argument = |path: &PathBuf| quoted_path(path);
    let mut lines = vec!["--whole-archive".to_owned()];
    lines.extend(options.objs.iter().map(argument));
    lines.push("--no-whole-archive".to_owned());
    if !options.libs.is_empty() {
        lines.push("--start-group".to_owned());
        lines.extend(options.libs.iter().map(argument));
        lines.push("--end-group".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Returns `path` as an argument of a response file.
pub(crate) fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// Returns `text` in quotation marks, as an argument of a response file. Source: `cl::TokenizeGNUCommandLine`
/// of LLVM, which reads quotation marks and backslashes like a shell.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns `option` joined with `value`.
pub(crate) fn joined(option: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(value);
    argument
}
