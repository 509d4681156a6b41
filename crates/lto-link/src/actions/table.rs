// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Actions as JSON and as a table.

use std::fmt::Write as _;

use serde::Serialize;

use crate::actions::action::Action;
use crate::actions::compiler::Compiler;

/// The version of the form of the JSON text.
const VERSION: u32 = 1;

/// The number of digits of a digest in the table.
const DIGITS: usize = 12;

#[derive(Serialize)]
struct Listing<'a> {
    version: u32,
    digest_function: &'static str,
    compiler: &'a Compiler,
    actions: &'a [Action],
}

/// Returns `actions` as JSON.
///
/// # Errors
/// Never for actions of this crate; the serializer's error otherwise.
pub fn actions_json(compiler: &Compiler, actions: &[Action]) -> Result<String, serde_json::Error> {
    let listing = Listing {
        version: VERSION,
        digest_function: "SHA256",
        compiler,
        actions,
    };
    serde_json::to_string_pretty(&listing).map(|text| text + "\n")
}

/// Returns `actions` as a table: a line each, and a line with the sums.
pub fn actions_table(compiler: &Compiler, actions: &[Action]) -> String {
    let mut text = format!(
        "{:<DIGITS$} {:>7} {:>12}  output\n",
        "action", "imports", "input bytes"
    );
    for action in actions {
        let digest = action.digest.hash.get(..DIGITS).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{digest} {:>7} {:>12}  {}",
            action.n_imports(),
            action.input_bytes(),
            action.output()
        );
    }
    let n_imports: usize = actions.iter().map(Action::n_imports).sum();
    let bytes: u64 = actions.iter().map(Action::input_bytes).sum();
    let _ = writeln!(
        text,
        "{} actions, {n_imports} imports, {bytes} bytes of inputs, {} {}",
        actions.len(),
        compiler.name,
        compiler.digest.hash.get(..DIGITS).unwrap_or_default()
    );
    text
}
