// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Other programs: started with an error that says what was run and what it said.

use anyhow::Context as _;
use std::process::Command;
use std::process::Stdio;

/// How many of the last lines of a program's output stand in an error.
pub const LAST_LINES: usize = 30;

/// Runs `command` to its end and gives what it wrote to its standard output.
///
/// # Errors
/// It could not be started, or it failed; the error then has the last lines of what it wrote.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting `{shown}`"))?;
    if !output.status.success() {
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        anyhow::bail!(
            "`{shown}` failed ({})\n{}",
            output.status,
            last_lines(&said)
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{shown}`"))
}

/// The command as one would type it, but for quoting.
pub fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last lines of `text`, at most [`LAST_LINES`].
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_run_and_what_it_said() {
        let error =
            output(Command::new("sh").args(["-c", "echo out; echo no such disk >&2; exit 3"]))
                .unwrap_err()
                .to_string();
        assert!(error.starts_with("`sh -c"), "{error}");
        assert!(error.contains("no such disk\nout"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&mut Command::new("no-such-program")).unwrap_err();
        assert!(
            format!("{error:#}").contains("no-such-program"),
            "{error:#}"
        );
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let text = "line\n".repeat(100) + "line 99\n";
        let last = last_lines(&text);
        assert_eq!(last.lines().count(), LAST_LINES);
        assert!(last.ends_with("line 99"));
        assert_eq!(last_lines("one\n\n"), "one");
    }
}
