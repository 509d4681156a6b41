// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs llvm-profdata.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::MergeError;

/// Makes the profile `output` of the contents of `.profraw` files, which are added up.
///
/// # Errors
/// `llvm_profdata` cannot be run or fails, for example because it is of another version than the compiler.
pub fn merge(llvm_profdata: &Path, profraws: &[Vec<u8>], output: &Path) -> Result<(), MergeError> {
    let dir = tempfile::tempdir().map_err(MergeError::Write)?;
    let mut command = Command::new(llvm_profdata);
    command.args(["merge", "-o"]).arg(output);
    for (index, profraw) in profraws.iter().enumerate() {
        let path = dir.path().join(format!("{index}.profraw"));
        fs::write(&path, profraw).map_err(MergeError::Write)?;
        command.arg(path);
    }
    run(&mut command).map(drop)
}

/// Runs llvm-profdata, and returns what it wrote to standard output.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>, MergeError> {
    let program = PathBuf::from(command.get_program());
    let ran = match command.output() {
        Ok(ran) => ran,
        Err(error) => return Err(MergeError::Start { program, error }),
    };
    if ran.status.success() {
        return Ok(ran.stdout);
    }
    Err(MergeError::Failed {
        program,
        status: ran.status,
        said: String::from_utf8_lossy(&ran.stderr).trim_end().to_owned(),
    })
}
