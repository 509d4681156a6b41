// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The text of a file that is made of parts of several plugins.

use std::fmt::Write as _;

use crate::edits::Hook;

/// The line by which a generated file is known.
pub(crate) const MADE_BY: &str =
    "Made by `cargo xtask install` of kbuild-lto from the parts of its plugins.";

/// The beginning of the comment above a plugin's part of a generated file, before its name.
pub(crate) const PART_OF: &str = " plugin: ";

/// Returns the text of a hook's file. A line with the name of the plugin precedes each part; the
/// licence line of the parts is written once.
pub(crate) fn joined(hook: &Hook, parts: &[(&str, &str)]) -> String {
    let (open, close) = match hook.comment.as_str() {
        "/*" => ("/*", " */"),
        other => (other, ""),
    };
    let mut text = format!(
        "{open} SPDX-License-Identifier: GPL-2.0-only{close}\n\
         {open} {MADE_BY}{close}\n"
    );
    if !hook.text.is_empty() {
        let _ = write!(text, "\n{}", hook.text);
    }
    for (plugin, part) in parts {
        let body: String = part
            .split_inclusive('\n')
            .skip_while(|line| line.contains("SPDX-License-Identifier") || line.trim().is_empty())
            .collect();
        // Writing to a String does not fail.
        let _ = write!(text, "\n{open}{PART_OF}{plugin}{close}\n{body}");
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}
