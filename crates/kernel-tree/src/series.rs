// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes a plan as patches for mailing: a cover letter, and one patch per plugin.

mod documentation;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::diff;
use crate::edits::Adoption;
use crate::error::Result;
use crate::hash::git_blob;
use crate::paths::LTO_DIR;
use crate::plan::Plan;
use crate::plugin::Plugin;
use crate::table::Selection;
use crate::tree::Tree;

/// The sender and the date of the patches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The sender, in the form of the `From` line: `Name <mail>`.
    pub name_and_mail: String,
    /// The date, in the form of the `Date` line.
    pub date: String,
}

/// The texts of a series that are not of one plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prose {
    /// The start of the cover letter: what the series is for, what was measured, and on what it was tested.
    pub cover: &'static str,
    /// The page for the kernel's documentation, in reStructuredText.
    pub page: &'static str,
}

/// The patches, and the files that they edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The files to write.
    pub patches: Vec<Patch>,
    /// The edited files by path, with git's names of their contents before the first patch.
    pub edited: BTreeMap<String, String>,
}

/// One file of the series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The name of the file, `0001-….patch`.
    pub file_name: String,
    /// Its content.
    pub text: Vec<u8>,
}

/// The changes of one patch: those of a plugin, or of the documentation.
#[derive(Clone)]
struct Step<'a> {
    /// The plugin, and its plan.
    plugin: Option<(&'a Plugin, Plan)>,
    /// The subject of the patch, and the text, which may be empty.
    message: (&'a str, &'a str),
    diff: Vec<u8>,
    stat: Vec<(String, (usize, usize))>,
}

/// Makes the series: a cover letter, one patch per plugin, and one with the page of `prose` and an entry in
/// MAINTAINERS. The first n patches together make the plan of the first n plugins, without the binaries.
///
/// For a tree whose own build knows LTO, each plugin gets an independent patch that applies to the
/// unchanged tree.
///
/// Errors: as for [`Plan::new`], for each of these plans.
pub fn series(
    tree: &Tree,
    selection: &Selection<'_>,
    version: &str,
    prose: Prose,
    author: &Author,
) -> Result<Series> {
    let alone = selection.each_alone();
    if !alone.is_empty() {
        let steps = alone
            .iter()
            .map(|selection| steps(tree, selection, version));
        let steps = steps.collect::<Result<Vec<_>>>()?.concat();
        let patches = steps.iter().map(|step| step.to_patch(None, author));
        return Ok(Series {
            patches: patches.collect(),
            edited: edited(&steps),
        });
    }
    let mut steps = steps(tree, selection, version)?;
    steps.extend(documentation(tree, prose.page, author)?);
    let total = steps.len();
    let mut patches = vec![cover_letter(tree, &steps, version, prose.cover, author)];
    for (index, step) in steps.iter().enumerate() {
        patches.push(step.to_patch(Some((index + 1, total)), author));
    }
    Ok(Series {
        patches,
        edited: edited(&steps),
    })
}

/// Returns the files that the steps edit, with git's names of their contents before the first step.
fn edited(steps: &[Step<'_>]) -> BTreeMap<String, String> {
    let plans = steps.iter().filter_map(|step| step.plugin.as_ref());
    let files = plans.flat_map(|(_, plan)| &plan.edited);
    files
        .map(|(path, file)| (path.clone(), git_blob(&file.pristine)))
        .collect()
}

/// Returns the changes that each plugin adds to those before it.
fn steps<'a>(tree: &Tree, selection: &Selection<'a>, version: &str) -> Result<Vec<Step<'a>>> {
    let mut before: BTreeMap<String, Text> = BTreeMap::new();
    let mut steps = Vec::new();
    for (index, resolved) in selection.plugins.iter().enumerate() {
        let plugin = &resolved.plugin;
        let message = match &resolved.edits.adoption {
            Some(Adoption::Offered { title, gain, .. }) if selection.native => {
                (title.as_str(), gain.trim())
            }
            _ => (plugin.title.as_str(), plugin.body.trim()),
        };
        let plan = Plan::new(tree, &selection.prefix(index + 1), version)?;
        let after = texts(&plan);
        let mut step = Step::new(message);
        for (path, Text { pristine, text }) in &after {
            // A file that no earlier patch touched is unchanged.
            let old = before
                .get(path)
                .map(|Text { text, .. }| text)
                .or(pristine.as_ref());
            step.add(tree, path, old, Some(text))?;
        }
        for (path, Text { pristine, text }) in &before {
            if !after.contains_key(path) {
                step.add(tree, path, Some(text), pristine.as_ref())?;
            }
        }
        before = after;
        step.plugin = Some((plugin, plan));
        steps.push(step);
    }
    Ok(steps)
}

/// Returns the patch with the documentation, if the tree has documentation.
fn documentation(tree: &Tree, page: &str, author: &Author) -> Result<Option<Step<'static>>> {
    let mut step = Step::new((documentation::TITLE, documentation::BODY));
    let changes = documentation::changes(tree, page, &author.name_and_mail)?;
    for change in &changes {
        step.add(
            tree,
            change.path,
            change.before.as_ref(),
            Some(&change.after),
        )?;
    }
    Ok((!changes.is_empty()).then_some(step))
}

/// The content of a file before the series, if it exists, and after some of the patches.
struct Text {
    pristine: Option<Vec<u8>>,
    text: Vec<u8>,
}

fn texts(plan: &Plan) -> BTreeMap<String, Text> {
    let edited = plan.edited.iter().map(|(path, file)| {
        let pristine = Some(file.pristine.clone());
        let text = file.text.clone();
        (path.clone(), Text { pristine, text })
    });
    let created = plan.created.iter().map(|(path, file)| {
        let text = file.text.clone();
        (
            path.clone(),
            Text {
                pristine: None,
                text,
            },
        )
    });
    edited.chain(created).collect()
}

impl<'a> Step<'a> {
    fn new(message: (&'a str, &'a str)) -> Self {
        Self {
            plugin: None,
            message,
            diff: Vec::new(),
            stat: Vec::new(),
        }
    }

    fn add(
        &mut self,
        tree: &Tree,
        path: &str,
        old: Option<&Vec<u8>>,
        new: Option<&Vec<u8>>,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let (old, new) = (old.map(Vec::as_slice), new.map(Vec::as_slice));
        let mode = if tree.is_executable(path)? {
            "100755"
        } else {
            "100644"
        };
        self.diff.extend(diff::patch(path, old, new, mode));
        let lines = diff::count(old.unwrap_or_default(), new.unwrap_or_default());
        self.stat.push((path.to_owned(), lines));
        Ok(())
    }

    /// Returns the patch with its `place` in a series; without `place`, as a single patch.
    fn to_patch(&self, place: Option<(usize, usize)>, author: &Author) -> Patch {
        let (title, body) = self.message;
        let subject = subject(title);
        let mut head = mail_head(&subject, place, author);
        if !body.is_empty() {
            let _ = write!(head, "{body}\n\n");
        }
        let reasons = self.reasons();
        if !reasons.is_empty() {
            head.push_str("What changes, and why:\n\n");
            for (file, reason) in reasons {
                let _ = writeln!(head, "{}", wrapped(&format!("- {file}: {reason}")));
            }
            head.push('\n');
        }
        // A tree whose own build knows LTO already has these patches.
        let upstream = self.plugin.as_ref().map(|(plugin, _)| &plugin.upstream);
        if let Some(titles) = upstream.filter(|titles| place.is_some() && !titles.is_empty()) {
            head.push_str("Stands for these patches that were mailed:\n\n");
            for title in titles {
                let _ = writeln!(head, "- {title}");
            }
            head.push('\n');
        }
        let tools = self.tools();
        if place.is_none() && !tools.is_empty() {
            let _ = write!(
                head,
                "The tool is not part of the patch, because it is a binary. Build it in a\n\
                 checkout of kbuild-lto, with no network if its dependencies are there,\n\n\
                 \tcargo build --release -p {}\n\n\
                 and give make the directory with LTO_TOOLS=<checkout>/target/release, or copy\n\
                 it to {LTO_DIR}/bin.\n\n",
                tools.join(" -p "),
            );
        }
        let sender = &author.name_and_mail;
        let stat = diff::stat(&self.stat);
        let _ = write!(head, "Signed-off-by: {sender}\n---\n{stat}\n");
        let mut text = head.into_bytes();
        text.extend_from_slice(&self.diff);
        text.extend_from_slice(SIGNATURE.as_bytes());
        let name = self.plugin.as_ref().map_or("", |(plugin, _)| plugin.name);
        let stem = place.map_or_else(
            || name.to_owned(),
            |(number, _)| format!("{number:04}-{}", slug(&subject)),
        );
        Patch {
            file_name: format!("{stem}.patch"),
            text,
        }
    }

    /// Returns the tools of its plugin.
    fn tools(&self) -> &[String] {
        self.plugin
            .as_ref()
            .map_or(&[], |(plugin, _)| &plugin.tools)
    }

    /// Returns the edits that this plugin adds: each file with its reasons.
    fn reasons(&self) -> Vec<(&str, &str)> {
        let Some((plugin, plan)) = &self.plugin else {
            return Vec::new();
        };
        plan.edited
            .iter()
            .filter(|(path, _)| self.stat.iter().any(|(touched, _)| touched == *path))
            .flat_map(|(path, file)| {
                file.reasons
                    .iter()
                    .filter(|(by, _)| by == plugin.name)
                    .map(|(_, reason)| (path.as_str(), reason.as_str()))
            })
            .collect()
    }
}

fn cover_letter(
    tree: &Tree,
    steps: &[Step<'_>],
    version: &str,
    cover: &str,
    author: &Author,
) -> Patch {
    let mut text = mail_head(
        "kbuild: lto: Clang LTO, by plugins",
        Some((0, steps.len())),
        author,
    );
    let tools: Vec<&str> = steps
        .iter()
        .flat_map(|step| step.tools().iter().map(String::as_str))
        .collect();
    // Three per line, because lines of mails are narrow.
    let packages: Vec<String> = tools
        .chunks(3)
        .map(|tools| format!(" \\\n\t\t-p {}", tools.join(" -p ")))
        .collect();
    let cover = cover.trim();
    if !cover.is_empty() {
        let _ = write!(text, "{cover}\n\n");
    }
    let _ = write!(
        text,
        "Clang Link Time Optimization for Linux {}, made by kbuild-lto {version}.\n\n\
         Each patch is one plugin; the tree builds after each. Kconfig offers LTO once\n\
         the last plugin that it needs is there. The tools that the Makefiles call are\n\
         not part of the patches, because they are binaries: build them in a checkout\n\
         of kbuild-lto with\n\n\
         \tcargo build --release{}\n\n\
         and give make the directory with LTO_TOOLS=<checkout>/target/release, or copy\n\
         them to {LTO_DIR}/bin.\n\n",
        tree.version(),
        packages.concat(),
    );
    for step in steps {
        let _ = writeln!(text, "  {}", subject(step.message.0));
    }
    let mut files: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (path, (added, removed)) in steps.iter().flat_map(|step| &step.stat) {
        let sum = files.entry(path).or_default();
        *sum = (sum.0 + added, sum.1 + removed);
    }
    let files: Vec<_> = files
        .into_iter()
        .map(|(path, lines)| (path.to_owned(), lines))
        .collect();
    let _ = write!(text, "\n{}\n", diff::stat(&files));
    text.push_str(SIGNATURE);
    Patch {
        file_name: COVER_LETTER.into(),
        text: text.into_bytes(),
    }
}

/// The file name of the cover letter. It is not that of a patch, because `git am` refuses a patch without a
/// change.
const COVER_LETTER: &str = "0000-cover-letter.txt";

/// The start of every file of a series. The date is the one that git always writes there.
const FIRST_LINE: &str = concat!(
    "From 0000000000000000000000000000000000000000",
    " Mon Sep 17 00:00:00 2001\n"
);

/// Returns whether a file is of a series that [`series`] made: a patch or a cover letter.
pub fn is_of_series(file_name: &str, text: &[u8]) -> bool {
    let is_patch = Path::new(file_name)
        .extension()
        .is_some_and(|end| end == "patch");
    (is_patch || file_name == COVER_LETTER)
        && text.starts_with(FIRST_LINE.as_bytes())
        && text
            .windows(SIGNATURE_START.len())
            .any(|part| part == SIGNATURE_START.as_bytes())
}

/// The start of [`SIGNATURE`], in every version.
const SIGNATURE_START: &str = "\n-- \nkbuild-lto ";

/// The end of a mailed patch.
const SIGNATURE: &str = concat!("-- \nkbuild-lto ", env!("CARGO_PKG_VERSION"), "\n\n");

/// Returns the head of a mail, in the form that `git format-patch` writes and `git am` reads.
fn mail_head(subject: &str, place: Option<(usize, usize)>, author: &Author) -> String {
    let Author {
        name_and_mail,
        date,
    } = author;
    let place = place.map_or_else(String::new, |(number, total)| {
        let width = total.to_string().len();
        format!(" {number:0width$}/{total}")
    });
    format!(
        "{FIRST_LINE}From: {name_and_mail}\n\
         Date: {date}\n\
         Subject: [PATCH{place}] {subject}\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=UTF-8\n\
         Content-Transfer-Encoding: 8bit\n\n"
    )
}

/// Returns the subject of a patch with this title: the subsystem, and the title in lower case unless it begins
/// with an abbreviation.
fn subject(title: &str) -> String {
    let mut letters = title.chars();
    let first = letters.next().unwrap_or_default();
    let rest = letters.as_str();
    if rest.starts_with(|second: char| second.is_ascii_uppercase()) {
        format!("kbuild: lto: {title}")
    } else {
        format!("kbuild: lto: {}{rest}", first.to_lowercase())
    }
}

/// Returns a subject in the form that it has in file names.
fn slug(subject: &str) -> String {
    /// The length that `git format-patch` uses.
    const LONGEST: usize = 52;
    let mut slug = String::new();
    for letter in subject.chars() {
        if letter.is_ascii_alphanumeric() || letter == '.' || letter == '_' {
            slug.push(letter);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(LONGEST);
    slug.trim_end_matches(['-', '.']).to_owned()
}

/// Breaks an item of a list into lines that a mail can hold.
fn wrapped(item: &str) -> String {
    const WIDTH: usize = 74;
    let mut lines = vec![String::new()];
    for word in item.split_whitespace() {
        let last = lines.last_mut().map_or(0, |line| line.len());
        if last > 0 && last + 1 + word.len() > WIDTH {
            lines.push(format!("  {word}"));
        } else if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::sample::{SampleTree, table};

    fn author() -> Author {
        Author {
            name_and_mail: "A Maintainer <a@example.org>".into(),
            date: "Fri, 2 Jan 2026 03:04:05 +0000".into(),
        }
    }

    /// Runs git where no configuration of the user's reaches it.
    fn git(dir: &std::path::Path, arguments: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=T", "-c", "user.email=t@example.org"])
            .args(["-c", "core.autocrlf=false", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .expect("this test needs git");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[test]
    fn git_applies_each_patch_to_the_plan_of_its_plugins() {
        let sample = SampleTree::new();
        let tree = sample.open();
        let table = table();
        let Series { patches, .. } =
            series(&tree, &table.all(), "1.0", Prose::default(), &author()).unwrap();
        let names: Vec<_> = patches
            .iter()
            .map(|patch| patch.file_name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "0000-cover-letter.txt",
                "0001-kbuild-lto-do-what-the-core-does.patch",
                "0002-kbuild-lto-do-more-than-the-core-does.patch",
                "0003-kbuild-lto-stand-alone.patch",
            ]
        );
        let plans: Vec<_> = (1..=3)
            .map(|n| Plan::new(&tree, &table.all().prefix(n), "1.0").unwrap())
            .collect();
        git(sample.dir(), &["init", "-q"]);
        git(sample.dir(), &["add", "-A"]);
        git(sample.dir(), &["commit", "-q", "-m", "pristine"]);
        let mail = tempfile::tempdir().expect("a temporary directory");
        for (patch, plan) in patches[1..].iter().zip(&plans) {
            let file = mail.path().join(&patch.file_name);
            fs::write(&file, &patch.text).expect("a writable directory");
            git(
                sample.dir(),
                &["am", "-q", "--keep-cr", &file.display().to_string()],
            );
            for (path, Text { text, .. }) in texts(plan) {
                assert_eq!(fs::read(sample.path(&path)).expect(&path), text, "{path}");
            }
            assert!(!sample.path("scripts/lto/bin").exists());
        }
    }

    #[test]
    fn a_patch_says_what_changes_and_why() {
        let sample = SampleTree::new();
        let Series { patches, .. } = series(
            &sample.open(),
            &table().all(),
            "1.0",
            Prose::default(),
            &author(),
        )
        .unwrap();
        let text = |index: usize| String::from_utf8_lossy(&patches[index].text).into_owned();
        for (index, parts) in [
            &[
                "Subject: [PATCH 0/3] ",
                "for Linux 5.10.262, made by kbuild-lto 1.0",
                "Kconfig offers LTO once\nthe last plugin that it needs is there.",
                "cargo build --release \\\n\t\t-p core-tool -p solo\n",
                "  kbuild: lto: stand alone\n",
                " scripts/link-vmlinux.sh ",
            ][..],
            &[
                "From: A Maintainer <a@example.org>\nDate: Fri, 2 Jan 2026 03:04:05 +0000\n\
                 Subject: [PATCH 1/3] kbuild: lto: do what the core does\n",
                "\n\nSigned-off-by: A Maintainer <a@example.org>\n---\n",
                "- arch/Kconfig: the options\n",
                "- kbuild: add the core\n",
                " scripts/lto/VERSION ",
            ],
            &["- include/linux/init.h: more about initcalls\n"],
            &[
                "- scripts/link-vmlinux.sh: solo links twice\n",
                "- kbuild: all alone\n",
            ],
        ]
        .into_iter()
        .enumerate()
        {
            for part in parts {
                assert!(
                    text(index).contains(part),
                    "`{part}` is not in: {}",
                    text(index)
                );
            }
        }
        // What an earlier plugin changed, and why, is not said again.
        assert!(!text(2).contains("initcalls are the core's"), "{}", text(2));
    }

    #[test]
    fn a_title_becomes_a_subject() {
        assert_eq!(subject("Merge sections"), "kbuild: lto: merge sections");
        assert_eq!(subject("LTO for all"), "kbuild: lto: LTO for all");
    }

    #[test]
    fn a_subject_becomes_a_file_name() {
        assert_eq!(
            slug("init: lto: ensure initcall ordering"),
            "init-lto-ensure-initcall-ordering"
        );
        assert_eq!(slug("a.b (c)"), "a.b-c");
        assert!(slug(&"word ".repeat(30)).len() <= 52);
    }

    #[test]
    fn long_items_are_broken() {
        let text = wrapped(&format!("- {}", "word ".repeat(30)));
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|line| line.len() <= 74), "{text}");
        assert!(
            text.lines().skip(1).all(|line| line.starts_with("  word")),
            "{text}"
        );
    }
}
