// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs other programs, with errors that contain the command and its output.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, PipeReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use anyhow::Context as _;
use xshell::{Cmd, Shell};

/// The number of a program's last lines in an error.
pub const LAST_LINES: usize = 30;

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
/// The command cannot be started, or fails; the error contains the last lines of its output.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = shown(command);
    let output = ended(command)?;
    if !output.status.success() {
        return Err(failure(&shown, &output));
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{shown}`"))
}

/// Runs `command` to its end, without input.
fn ended(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.stdin(Stdio::null()).output();
    output.with_context(|| format!("starting `{}`", shown(command)))
}

/// Returns the error of a command that failed, with the last lines of its output.
fn failure(shown: &str, output: &Output) -> anyhow::Error {
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    anyhow::anyhow!(
        "`{shown}` failed ({})\n{}",
        output.status,
        last_lines(&said)
    )
}

/// Runs a command written with xshell's `cmd!`, in the same way.
///
/// # Errors
/// Same as [`output`].
pub fn read(command: Cmd<'_>) -> anyhow::Result<String> {
    output(&mut command.into())
}

/// Runs a command that answers a question, written with xshell's `cmd!`: yes by exit code 0, no by 1.
///
/// # Errors
/// The command cannot be started, or ends otherwise.
pub fn answer(command: Cmd<'_>) -> anyhow::Result<bool> {
    let mut command = Command::from(command);
    let output = ended(&mut command)?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(failure(&shown(&command), &output)),
    }
}

/// Returns the program cargo, in the version that runs this program.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Returns a shell for `cmd!` in the current directory.
///
/// # Errors
/// The directory does not exist any more.
pub fn shell() -> anyhow::Result<Shell> {
    Shell::new().context("the current directory")
}

/// Returns a shell that runs commands in `dir`.
///
/// # Errors
/// This process's own directory is gone.
pub fn shell_in(dir: &Path) -> anyhow::Result<Shell> {
    let shell = shell()?;
    shell.change_dir(dir);
    Ok(shell)
}

/// Runs programs as a pipeline: each reads the output of the one before.
///
/// # Errors
/// A program cannot be started, or fails; the error has the messages of all that failed.
pub fn pipeline<const N: usize>(mut commands: [Command; N]) -> anyhow::Result<()> {
    let mut input = Stdio::null();
    let mut running = Vec::new();
    for command in &mut commands {
        let shown = shown(command);
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting `{shown}`"))?;
        input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        running.push((child, shown));
    }
    drop(input);
    // Wait for the last one first: it ends after the others and may have most to say. Report all
    // failures, because a program may have failed only by losing its reader.
    let mut failed = String::new();
    for (child, shown) in running.into_iter().rev() {
        let output = child
            .wait_with_output()
            .with_context(|| format!("waiting for `{shown}`"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let _ = write!(
                failed,
                "\n`{shown}` failed ({}): {}",
                output.status,
                said.trim_end()
            );
        }
    }
    anyhow::ensure!(failed.is_empty(), "{}", failed.trim_start());
    Ok(())
}

/// The end of a program that was followed.
#[derive(Debug)]
pub enum End {
    /// The program ended by itself.
    Exited(ExitStatus),
    /// The program was stopped at its deadline.
    Stopped,
}

/// Runs `command` and calls `each` with each line of its standard output and standard error as it
/// comes, without the line end. Stops the program at `deadline`.
///
/// # Errors
/// The command cannot be started or waited for, or `each` failed; then the program is stopped too.
pub fn follow(
    mut command: Command,
    deadline: Option<Instant>,
    mut each: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<End> {
    let shown = shown(&command);
    let (reader, writer) =
        std::io::pipe().context("cannot create a pipe for a program's output")?;
    let errors = writer
        .try_clone()
        .context("cannot create a pipe for a program's output")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("starting `{shown}`"))?;
    // The command holds the writing ends; the lines end only once they are closed.
    drop(command);
    let lines = read_lines(reader);
    let followed = loop {
        match next_line(&lines, deadline) {
            Ok(line) => {
                if let Err(error) = each(&line) {
                    break Err(error);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break Ok(true),
            Err(mpsc::RecvTimeoutError::Timeout) => break Ok(false),
        }
    };
    if !matches!(followed, Ok(true)) {
        child
            .kill()
            .with_context(|| format!("stopping `{shown}`"))?;
    }
    let status = wait(&mut child, &shown)?;
    Ok(if followed? {
        End::Exited(status)
    } else {
        End::Stopped
    })
}

fn wait(child: &mut Child, shown: &str) -> anyhow::Result<ExitStatus> {
    child
        .wait()
        .with_context(|| format!("waiting for `{shown}`"))
}

fn next_line(
    lines: &mpsc::Receiver<String>,
    deadline: Option<Instant>,
) -> Result<String, mpsc::RecvTimeoutError> {
    match deadline {
        Some(deadline) => lines.recv_timeout(deadline.saturating_duration_since(Instant::now())),
        None => lines
            .recv()
            .map_err(|_| mpsc::RecvTimeoutError::Disconnected),
    }
}

/// Returns the lines that a separate thread reads from a pipe.
fn read_lines(reader: PipeReader) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            // A space at the end is kept: the kernel may continue such a line.
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

/// Returns the command as one would type it, but without quoting.
pub fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the last lines of `text`, at most [`LAST_LINES`].
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use xshell::cmd;

    #[test]
    fn a_pipeline_passes_output_on_and_reports_all_failures() {
        let sh = shell().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("copy");
        let from = || cmd!(sh, "printf words").into();
        pipeline([from(), cmd!(sh, "dd of={file}").into()]).unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "words");
        let fails = cmd!(sh, "sh -c 'cat >/dev/null; echo bad >&2; exit 3'");
        let error = pipeline([from(), cmd!(sh, "false").into(), fails.into()]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("`false` failed"), "{error}");
        assert!(error.contains("failed (exit status: 3): bad"), "{error}");
    }

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
    fn only_exit_codes_0_and_1_are_answers() {
        let sh = shell().unwrap();
        let code = |script: &str| answer(cmd!(sh, "sh -c {script}"));
        assert!(code("exit 0").unwrap());
        assert!(!code("exit 1").unwrap());
        let error = code("echo no such commit >&2; exit 128").unwrap_err();
        assert!(error.to_string().contains("no such commit"), "{error}");
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
    fn lines_of_both_outputs_are_handed_on() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo one; echo 'two ' >&2; printf '\\r\\nthree'; exit 4",
        ]);
        let end = follow(command, None, |line| {
            lines.push(line.to_owned());
            Ok(())
        });
        assert!(matches!(end.unwrap(), End::Exited(status) if status.code() == Some(4)));
        assert_eq!(lines, ["one", "two ", "", "three"]);
    }

    #[test]
    fn a_program_that_takes_too_long_is_stopped() {
        let mut command = Command::new("cat");
        command.arg("/dev/zero");
        let end = follow(command, Some(Instant::now()), |_| Ok(()));
        assert!(matches!(end.unwrap(), End::Stopped));
    }

    #[test]
    fn a_program_whose_lines_are_not_wanted_is_stopped() {
        let mut command = Command::new("yes");
        command.arg("line");
        let error = follow(command, None, |line| anyhow::bail!("no {line}")).unwrap_err();
        assert_eq!(error.to_string(), "no line");
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
