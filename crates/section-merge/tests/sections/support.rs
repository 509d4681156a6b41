// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Helpers for the tests of this crate.

use test_support::TestDir;

/// Returns the text of the plugin's first edit of `file` that has one at `place`: `before` its
/// anchor, or in its place (`replace`).
pub fn glue(file: &str, place: &str) -> String {
    let edits = include_str!("../../../../kconfig/section-merge/edits.toml");
    let edits: toml::Table = toml::from_str(edits).unwrap();
    let edits = edits["edit"].as_array().expect("a list of edits");
    edits
        .iter()
        .filter(|edit| edit["file"].as_str() == Some(file))
        .find_map(|edit| edit.get(place)?.as_str())
        .unwrap_or_else(|| panic!("no edit of {file} has {place}"))
        .to_owned()
}

/// Runs the tool; returns exit code, standard output and standard error.
pub fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    dir.run_tool(env!("CARGO_BIN_EXE_section-merge"), arguments)
}
