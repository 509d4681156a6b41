// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The directories of this repository, or of the unpacked release that the running program belongs to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use xshell::cmd;

use crate::process;

/// The file in the root of a release that says what it is.
pub const RELEASE_FILE: &str = "VERSION";

/// The beginning of that file; the version and a line with the commit follow.
const RELEASE: &str = "kbuild-lto ";
const COMMIT: &str = "commit ";

/// Returns the text of the file that marks a release.
pub fn release_text(version: &str, commit: &str) -> String {
    format!("{RELEASE}{version}\n{COMMIT}{commit}\n")
}

/// Returns the repository's root.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built_in = lab.ancestors().nth(2).unwrap_or(lab);
        let release = own_directory().and_then(|dir| release_of(&dir));
        release.unwrap_or_else(|| built_in.to_owned())
    })
}

/// Returns the directory of fetched kernel trees, which are only read.
pub fn trees() -> PathBuf {
    root().join("target/trees")
}

/// Returns the directory with the built tools if this program is one of a release; `None` if cargo built it.
pub fn release_tools() -> Option<PathBuf> {
    own_directory().filter(|dir| release_of(dir).is_some())
}

/// Returns the directory of this program.
fn own_directory() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.parent().map(Path::to_owned)
}

/// Returns the root of the release that has its programs in `dir`, which is `<root>/bin/<target>`.
fn release_of(dir: &Path) -> Option<PathBuf> {
    let root = dir.ancestors().nth(2)?;
    let is_bin = dir
        .parent()
        .is_some_and(|bin| bin.file_name().is_some_and(|name| name == "bin"));
    (is_bin && commit_of_release(root).is_some()).then(|| root.to_owned())
}

/// Returns the commit of the release in `root`, if there is one.
fn commit_of_release(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(RELEASE_FILE)).ok()?;
    let rest = text.strip_prefix(RELEASE)?;
    let commit = rest.lines().find_map(|line| line.strip_prefix(COMMIT))?;
    Some(commit.to_owned())
}

/// Returns the commit of this repository or release, with `-dirty` if files were changed since; `None` if nothing
/// tells.
pub fn commit() -> Option<String> {
    commit_in(root())
}

fn commit_in(root: &Path) -> Option<String> {
    if let Some(commit) = commit_of_release(root) {
        return Some(commit);
    }
    // The directory may be a copy without history in another repository.
    if !root.join(".git").exists() {
        return None;
    }
    let sh = process::shell_in(root).ok()?;
    let commit = process::read(cmd!(sh, "git rev-parse HEAD")).ok()?;
    let changed = process::read(cmd!(sh, "git status --porcelain --untracked-files=no")).ok()?;
    let dirty = if changed.is_empty() { "" } else { "-dirty" };
    Some(format!("{}{dirty}", commit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_a_release_knows_its_root_and_commit() {
        let dir = tempfile::tempdir().unwrap();
        let (root, bin) = (dir.path(), dir.path().join("bin/x86_64-unknown-linux-gnu"));
        fs::create_dir_all(&bin).unwrap();
        assert_eq!(release_of(&bin), None);
        assert_eq!(commit_in(root), None);
        // Another project's file with the same name.
        fs::write(root.join(RELEASE_FILE), "1.2.3\n").unwrap();
        assert_eq!(release_of(&bin), None);
        fs::write(root.join(RELEASE_FILE), release_text("1.2.3", "abc")).unwrap();
        assert_eq!(release_of(&bin).as_deref(), Some(root));
        assert_eq!(release_of(&root.join("target/debug")), None);
        assert_eq!(commit_in(root).as_deref(), Some("abc"));
        // These tests are built by cargo.
        assert_eq!(release_tools(), None);
    }

    #[test]
    fn a_changed_file_shows_in_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let sh = process::shell_in(dir.path()).unwrap();
        let git = |arguments: &[&str]| {
            let git = cmd!(sh, "git -c user.name=a -c user.email=a@b {arguments...}");
            process::read(git).unwrap()
        };
        fs::write(dir.path().join("a"), "a").unwrap();
        for arguments in [
            &["init", "-q"][..],
            &["add", "-A"],
            &["commit", "-q", "-m", "one"],
        ] {
            git(arguments);
        }
        let commit = git(&["rev-parse", "HEAD"]).trim().to_owned();
        assert_eq!(commit_in(dir.path()).as_deref(), Some(commit.as_str()));
        fs::write(dir.path().join("a"), "b").unwrap();
        assert_eq!(commit_in(dir.path()), Some(format!("{commit}-dirty")));
    }
}
