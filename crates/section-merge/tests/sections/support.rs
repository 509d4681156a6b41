// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Helpers for the tests of this crate.

use test_support::TestDir;

/// The text that the plugin's first edit of `file` that has one puts there: `before` its anchor, or
/// in its place (`replace`).
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

/// Exit code, standard output and standard error of the tool.
pub fn run(dir: &TestDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    dir.run_tool(env!("CARGO_BIN_EXE_section-merge"), arguments)
}
