// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! An install as patches to be mailed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use kernel_lab::{process, progress};
use kernel_tree::{Author, Tree, Unrecorded};

/// Writes the patches of these plugins, all that make sense in the tree if none is named, and gives
/// their paths.
///
/// # Errors
/// The tree is refused, or a patch cannot be written.
pub fn write_series(
    tree: &Path,
    into: &Path,
    plugins: &[String],
    name_and_mail: &str,
) -> anyhow::Result<Vec<PathBuf>> {
    check_author(name_and_mail)?;
    let author = Author {
        name_and_mail: name_and_mail.to_owned(),
        date: date()?,
    };
    let table = plugin_table::table()?;
    let tree = Tree::open(tree)?;
    if let Some(found) = Unrecorded::find(&tree, &table)? {
        return Err(found.into_error(&tree).into());
    }
    tell_uncommitted(&tree)?;
    let selection = table.choose(&tree, plugins)?;
    let patches = kernel_tree::series(&tree, &selection, plugin_table::VERSION, &author)?;
    fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    remove_earlier(into)?;
    let mut written = Vec::new();
    for patch in patches {
        let path = into.join(&patch.file_name);
        fs::write(&path, &patch.text).with_context(|| path.display().to_string())?;
        written.push(path);
    }
    Ok(written)
}

/// Checks that an author has a name and an address, without which no mail can be sent.
fn check_author(author: &str) -> anyhow::Result<()> {
    let address = author.trim_end().strip_suffix('>');
    let parts = address.and_then(|text| text.split_once('<'));
    let is_complete = parts.is_some_and(|(name, address)| {
        let halves = address.split_once('@');
        !name.trim().is_empty()
            && !address.contains(char::is_whitespace)
            && halves.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
    });
    anyhow::ensure!(
        is_complete,
        "the author `{author}` is not of the form `NAME <USER@HOST>`: say it with --author"
    );
    Ok(())
}

/// Removes the patches of an earlier call, so that none of them is mailed with the new ones.
fn remove_earlier(into: &Path) -> anyhow::Result<()> {
    const SIGNED: &str = "\n-- \nkbuild-lto ";
    let entries = fs::read_dir(into).with_context(|| into.display().to_string())?;
    for entry in entries {
        let path = entry.with_context(|| into.display().to_string())?.path();
        let is_mail = path
            .extension()
            .is_some_and(|extension| extension == "patch" || extension == "txt");
        if is_mail
            && fs::read(&path).is_ok_and(|text| String::from_utf8_lossy(&text).contains(SIGNED))
        {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Tells the changes of a git tree that are not committed: the patches are made of the files as they are.
fn tell_uncommitted(tree: &Tree) -> anyhow::Result<()> {
    let mut git = Command::new("git");
    git.current_dir(tree.dir())
        .args(["status", "--porcelain", "--untracked-files=no", "-z"]);
    // Not every tree is one of git.
    let Ok(said) = process::output(&mut git) else {
        return Ok(());
    };
    let installed = kernel_tree::status(tree)?.installed;
    let edited = installed.map_or_else(Vec::new, |installed| installed.edited);
    let files: Vec<&str> = said
        .split('\0')
        .filter_map(|line| line.get(3..))
        .filter(|file| !edited.iter().any(|edited| edited == file))
        .collect();
    if let Some(first) = files.first() {
        progress::note(&format!(
            "{}: {} files differ from the last commit ({first} …): the patches are for the files as they are",
            tree.dir().display(),
            files.len()
        ));
    }
    Ok(())
}

/// Returns what git knows of the person who works in the tree, as `NAME <MAIL>`.
///
/// # Errors
/// git does not know.
pub fn author_of(tree: &Path) -> anyhow::Result<String> {
    let ask = |key: &str| {
        process::output(Command::new("git").current_dir(tree).args(["config", key]))
            .map(|value| value.trim().to_owned())
            .context("git does not know who sends the patches: say it with --author")
    };
    Ok(format!("{} <{}>", ask("user.name")?, ask("user.email")?))
}

/// The time of now as a mail has it, or of `SOURCE_DATE_EPOCH`, by which builds that are to give
/// the same bytes twice set it.
fn date() -> anyhow::Result<String> {
    let mut command = Command::new("date");
    command.args(["-R", "-u"]).env("LC_ALL", "C");
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        command.arg(format!("--date=@{epoch}"));
    }
    Ok(process::output(&mut command)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree;

    #[test]
    fn an_author_without_an_address_is_refused() {
        check_author("A Maintainer <a@example.org>").unwrap();
        for wrong in [
            "A Maintainer",
            "<a@example.org>",
            "A <a>",
            "A <@>",
            "A <>",
            "",
        ] {
            let error = check_author(wrong).unwrap_err().to_string();
            assert!(error.contains("--author"), "{error}");
        }
        let tree = tree();
        let into = tree.path().join("patches");
        assert!(write_series(tree.path(), &into, &[], "Nobody").is_err());
        assert!(!into.exists());
    }

    #[test]
    fn patches_of_an_earlier_call_are_removed_and_no_other_files() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("0009-old.patch", "Subject: x\n-- \nkbuild-lto 0.1.0\n\n");
        write(
            "0000-cover-letter.txt",
            "Subject: x\n-- \nkbuild-lto 0.1.0\n\n",
        );
        write("mine.patch", "-- \n2.39.5\n");
        write("notes.txt", "kbuild-lto\n");
        remove_earlier(dir.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["mine.patch", "notes.txt"]);
    }
}
