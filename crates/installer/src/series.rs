// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes an install as patches for mailing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_lab::{process, progress};
use kernel_tree::{Author, Division, Patch, Recipients, Table, Tree, Unrecorded};
use xshell::cmd;

use crate::explain::not_offered;
use crate::install::missing_for_lto;
use crate::recipients::recipients;

/// How the changes are divided into patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patches {
    /// One patch per plugin. In a tree whose own build knows LTO, each applies to the unchanged tree.
    PerPlugin,
    /// One patch per plugin, each on top of those before it, as in the patch folder of a build system.
    InOrder,
    /// The patches of the plugins are split by maintainers, and name them.
    ByMaintainer,
}

/// The options of a series.
#[derive(Clone, Copy, Debug)]
pub struct SeriesOptions<'a> {
    /// The kernel tree.
    pub tree: &'a Path,
    /// The directory of the patches.
    pub into: &'a Path,
    /// The names of the plugins; all that are useful in the tree if there are none.
    pub plugins: &'a [String],
    /// The sender, as `NAME <MAIL>`.
    pub sender: &'a str,
    /// How the changes are divided.
    pub patches: Patches,
}

/// Writes the patches, and returns their paths. Patches that an earlier call wrote into the directory are
/// removed.
///
/// # Errors
/// The tree is refused, the sender has no address, a patch cannot be written, or the tree cannot say who
/// maintains what.
pub fn write_series(options: &SeriesOptions<'_>) -> anyhow::Result<Vec<PathBuf>> {
    write_with(&plugin_table::table()?, options)
}

/// The same with plugins of the caller.
fn write_with(table: &Table, options: &SeriesOptions<'_>) -> anyhow::Result<Vec<PathBuf>> {
    let SeriesOptions {
        tree,
        into,
        plugins,
        sender,
        patches: division,
    } = *options;
    check_sender(sender)?;
    let author = Author {
        name_and_mail: sender.to_owned(),
        date: date()?,
    };
    let tree = Tree::open(tree)?;
    Unrecorded::refuse(&tree, table)?;
    let selection = table.choose(&tree, plugins)?;
    let names: Vec<String> = selection.plugins().map(|p| p.name.to_owned()).collect();
    if let Some(text) = not_offered(&missing_for_lto(table, &names, &tree)?) {
        progress::note(&format!("{}: {text}", into.display()));
    }
    let by_maintainer = division == Patches::ByMaintainer;
    let division = match division {
        Patches::PerPlugin => Division::Plugins,
        Patches::InOrder => Division::InOrder,
        Patches::ByMaintainer => Division::Maintainers(plugin_table::maintained_trees()?),
    };
    let prose = plugin_table::prose();
    let version = plugin_table::VERSION;
    let series = kernel_tree::series(&tree, &selection, version, prose, &division, &author)?;
    let mut patches = series.patches;
    if by_maintainer {
        address(&tree, &mut patches)?;
    }
    let differ = uncommitted(tree.dir(), series.edited)?;
    if !differ.is_empty() {
        progress::note(&format!(
            "{}: not committed: {}; the patches apply to these files as they are now",
            tree.dir().display(),
            differ.join(", ")
        ));
    }
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

/// Adds to each patch who maintains its files, and to the cover letter all of them.
fn address(tree: &Tree, patches: &mut [Patch]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("a temporary directory")?;
    let mut all = Recipients::default();
    for patch in patches.iter_mut().filter(|patch| !patch.is_cover_letter()) {
        let path = folder.path().join(&patch.file_name);
        fs::write(&path, &patch.text).with_context(|| path.display().to_string())?;
        let found = recipients(tree.dir(), &path)?;
        patch.address(&found);
        all.add(&found);
    }
    let mut letters = patches.iter_mut().filter(|patch| patch.is_cover_letter());
    if let Some(letter) = letters.next() {
        letter.address(&all);
    }
    Ok(())
}

/// Checks that the sender is written as `NAME <MAIL>`, because git takes no patch without an address.
fn check_sender(sender: &str) -> anyhow::Result<()> {
    let parts = sender
        .strip_suffix('>')
        .and_then(|rest| rest.split_once('<'));
    let is_sender = parts.is_some_and(|(name, mail)| {
        let (user, host) = mail.split_once('@').unwrap_or_default();
        let is_address = !user.is_empty() && !host.is_empty();
        !name.trim().is_empty() && is_address && !mail.contains([' ', '<', '>'])
    });
    anyhow::ensure!(
        is_sender,
        "the sender `{sender}` is not of the form `NAME <USER@HOST>`; set it with --author"
    );
    Ok(())
}

/// Removes the files of a series that an earlier call wrote.
fn remove_earlier(into: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(into).with_context(|| into.display().to_string())? {
        let path = entry.with_context(|| into.display().to_string())?.path();
        if !path.is_file() {
            continue;
        }
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if kernel_tree::is_of_series(&name, &text) {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Returns the edited files that differ from the last commit, if `dir` is a git repository. Patches are made for
/// the files of the tree, so they may not apply to the commit.
fn uncommitted(dir: &Path, edited: BTreeMap<String, String>) -> anyhow::Result<Vec<String>> {
    let Some(committed) = committed_blobs(dir, edited.keys())? else {
        return Ok(Vec::new());
    };
    Ok(edited
        .into_iter()
        .filter(|(path, blob)| committed.get(path) != Some(blob))
        .map(|(path, _)| path)
        .collect())
}

/// Returns git's names of the contents of files in the last commit; `None` if `dir` is not the top of a git
/// repository with a commit.
fn committed_blobs<'a>(
    dir: &Path,
    paths: impl Iterator<Item = &'a String>,
) -> anyhow::Result<Option<BTreeMap<String, String>>> {
    if !dir.join(".git").exists() {
        return Ok(None);
    }
    let sh = process::shell_in(dir)?;
    if process::read(cmd!(sh, "git rev-parse --quiet --verify HEAD")).is_err() {
        return Ok(None);
    }
    let listed = process::read(cmd!(sh, "git ls-tree HEAD -- {paths...}"))?;
    // `<mode> blob <name>\t<path>`
    let blobs = listed.lines().filter_map(|line| {
        let (entry, path) = line.split_once('\t')?;
        let blob = entry.rsplit(' ').next()?;
        Some((path.to_owned(), blob.to_owned()))
    });
    Ok(Some(blobs.collect()))
}

/// Returns git's user in the tree, as `NAME <MAIL>`.
///
/// # Errors
/// git has no user.
pub fn author_of(tree: &Path) -> anyhow::Result<String> {
    let sh = process::shell_in(tree)?;
    let ask = |key: &str| {
        process::read(cmd!(sh, "git config {key}"))
            .map(|value| value.trim().to_owned())
            .context("git does not know who sends the patches: set the sender with --author")
    };
    Ok(format!("{} <{}>", ask("user.name")?, ask("user.email")?))
}

/// Returns the current time in the format of mails, or the time in `SOURCE_DATE_EPOCH`, which reproducible
/// builds set.
fn date() -> anyhow::Result<String> {
    let sh = process::shell()?;
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    let date = epoch.map(|epoch| format!("--date=@{epoch}"));
    let date = cmd!(sh, "date -R -u {date...}").env("LC_ALL", "C");
    Ok(process::read(date)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use kernel_tree::Prose;

    use super::*;
    use crate::sample;

    const SENDER: &str = "A Maintainer <a@example.org>";

    /// Runs a git command in `dir`, without the configuration of the user.
    fn git(dir: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        let sh = process::shell_in(dir)?;
        let git = cmd!(
            sh,
            "git -c user.name=T -c user.email=t@example.org {arguments...}"
        )
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
        process::read(git)
    }

    /// Returns the sample tree, whose Kconfig has several lines, in a repository.
    fn repository() -> tempfile::TempDir {
        let tree = sample::tree();
        fs::write(tree.path().join("Kconfig"), "1\n2\n3\na\n4\n5\n6\n").unwrap();
        for arguments in [
            &["init", "-q"][..],
            &["add", "-A"],
            &["commit", "-q", "-m", "first"],
        ] {
            git(tree.path(), arguments).unwrap();
        }
        tree
    }

    fn options<'a>(tree: &'a Path, into: &'a Path) -> SeriesOptions<'a> {
        SeriesOptions {
            tree,
            into,
            plugins: &[],
            sender: SENDER,
            patches: Patches::PerPlugin,
        }
    }

    fn written_names(tree: &Path, into: &Path) -> Vec<String> {
        let paths = write_with(&sample::table(), &options(tree, into)).unwrap();
        let names = paths.iter().filter_map(|path| path.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn git_takes_all_patches_of_the_folder_and_finds_the_old_content() {
        let tree = repository();
        let into = tempfile::tempdir().unwrap();
        let names = written_names(tree.path(), into.path());
        assert_eq!(
            names,
            ["0000-cover-letter.txt", "0001-kbuild-lto-be-a-sample.patch"]
        );
        // The context of the patch is not there any more, so only a three-way merge can apply it.
        fs::write(tree.path().join("Kconfig"), "one\n2\n3\na\n4\n5\n6\n").unwrap();
        git(tree.path(), &["commit", "-q", "-a", "-m", "second"]).unwrap();
        let patch = into.path().join(&names[1]).display().to_string();
        assert!(git(tree.path(), &["apply", "--check", &patch]).is_err());
        git(tree.path(), &["am", "-q", "-3", &patch]).unwrap();
        let text = fs::read_to_string(tree.path().join("Kconfig")).unwrap();
        assert_eq!(text, "one\n2\n3\nb\n4\n5\n6\n");
    }

    #[test]
    fn patches_of_an_earlier_call_do_not_stay() {
        let tree = repository();
        let into = tempfile::tempdir().unwrap();
        let names = written_names(tree.path(), into.path());
        let stale = into.path().join("0002-Removed-since.patch");
        fs::copy(into.path().join(&names[1]), &stale).unwrap();
        let own = into.path().join("own.patch");
        fs::write(&own, "From a colleague\n").unwrap();
        assert_eq!(written_names(tree.path(), into.path()), names);
        assert!(!stale.exists());
        assert!(own.exists());
    }

    #[test]
    fn edited_files_that_are_not_committed_are_found() {
        let tree = repository();
        let table = sample::table();
        let found = || {
            let tree = Tree::open(tree.path()).unwrap();
            let selection = table.choose(&tree, &[""; 0]).unwrap();
            let author = Author {
                name_and_mail: SENDER.to_owned(),
                date: String::new(),
            };
            let (prose, division) = (Prose::default(), Division::Plugins);
            let series =
                kernel_tree::series(&tree, &selection, "1.0", prose, &division, &author).unwrap();
            uncommitted(tree.dir(), series.edited).unwrap()
        };
        assert_eq!(found(), [""; 0]);
        fs::write(tree.path().join("Kconfig"), "0\na\n").unwrap();
        assert_eq!(found(), ["Kconfig"]);
        // Edits of an install are not changes of the user.
        git(tree.path(), &["checkout", "-q", "Kconfig"]).unwrap();
        sample::installed(&sample::options(&tree));
        assert_eq!(found(), [""; 0]);
    }

    #[test]
    fn a_series_by_maintainer_names_them_in_each_patch() {
        let (tree, into) = (repository(), tempfile::tempdir().unwrap());
        let script = tree.path().join("scripts/get_maintainer.pl");
        let options = SeriesOptions {
            patches: Patches::ByMaintainer,
            ..options(tree.path(), into.path())
        };
        let write = || write_with(&sample::table(), &options);
        let error = write().unwrap_err().to_string();
        assert!(error.contains("no scripts/get_maintainer.pl"), "{error}");
        // The script says who maintains a file by reading the patch.
        fs::write(
            script,
            "open(my $patch, '<', $ARGV[-1]) or die 'no patch'; my $text = join('', <$patch>);\n\
             print \"A <a\\@b> (maintainer:KCONFIG)\\n\" if $text =~ /^diff .*Kconfig$/m;\n\
             print \"l\\@b (open list)\\n\";\n",
        )
        .unwrap();
        let paths = write().unwrap();
        assert_eq!(paths.len(), 2);
        for path in paths {
            let text = fs::read_to_string(&path).unwrap();
            let head = text.split("\n\n").next().unwrap_or_default();
            assert!(
                head.contains("\nTo: A <a@b>\nCc: l@b\n"),
                "{path:?}: {text}"
            );
        }
    }

    #[test]
    fn what_lto_needs_besides_a_series_is_told() {
        sample::collect_notes();
        let (tree, into) = (sample::tree(), tempfile::tempdir().unwrap());
        let write = |plugins: &[&str]| {
            let plugins: Vec<_> = plugins.iter().map(|name| (*name).to_owned()).collect();
            let options = SeriesOptions {
                plugins: &plugins,
                ..options(tree.path(), into.path())
            };
            write_with(&sample::parts_of_lto(), &options).unwrap();
            sample::notes_about(into.path())
        };
        assert_eq!(write(&[]), [""; 0]);
        let told = write(&["lto-link"]);
        assert!(
            told.len() == 1 && told[0].contains("that also takes section-merge."),
            "{told:?}"
        );
    }

    #[test]
    fn an_install_without_record_is_no_base_of_a_series() {
        let tree = sample::tree();
        sample::installed(&sample::options(&tree));
        fs::remove_dir_all(tree.path().join("scripts/lto/.install")).unwrap();
        let into = tempfile::tempdir().unwrap();
        let error = write_with(&sample::table(), &options(tree.path(), into.path()));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("installed, without record"), "{error}");
    }

    #[test]
    fn a_sender_has_a_name_and_an_address() {
        for good in ["A Maintainer <a@example.org>", "A. <a+b@c>"] {
            check_sender(good).unwrap();
        }
        for wrong in [
            "",
            "A Maintainer",
            "A Maintainer <>",
            "A Maintainer <a>",
            "A Maintainer <a@>",
            "<a@example.org>",
            "A <a@example.org> B",
            "A <a @example.org>",
        ] {
            let error = check_sender(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
        }
    }
}
