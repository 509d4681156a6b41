// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes a plan as patches for mailing: a cover letter, and one patch per plugin, or per plugin and maintainer.

mod by_maintainer;
mod documentation;
mod mail;
mod step;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use self::mail::{COVER_LETTER, SIGNATURE};
use self::step::{Cover, Step};
use crate::diff;
use crate::edits::Adoption;
use crate::error::{Error, Result};
use crate::hash::git_blob;
use crate::offer::Parts;
use crate::paths::LTO_DIR;
use crate::plan::Plan;
use crate::table::Selection;
use crate::tree::Tree;

pub use self::by_maintainer::MaintainedTrees;
pub use self::mail::{Author, Patch, Recipients, is_of_series};

/// The texts of a series that are not of one plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prose {
    /// The start of the cover letter: what the series is for, what was measured, and on what it was tested.
    pub cover: &'static str,
    /// The page for the kernel's documentation, in reStructuredText.
    pub page: &'static str,
}

/// The unit of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Division {
    /// One patch per plugin. In a tree whose own build knows LTO, each applies to the unchanged tree.
    Plugins,
    /// One patch per plugin, which applies to the tree with those before it, whatever its own build knows.
    InOrder,
    /// One patch per plugin and maintainer's tree, in the order of the trees.
    Maintainers(MaintainedTrees),
}

/// The patches, and the files that they edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The files to write.
    pub patches: Vec<Patch>,
    /// The edited files by path, with git's names of their contents before the first patch.
    pub edited: BTreeMap<String, String>,
}

/// Makes the series: a cover letter, one patch per plugin, and one with the page of `prose` and an entry in
/// MAINTAINERS. The first n patches together make the plan of the first n plugins, without the binaries.
/// Divided by maintainers, only all patches together make the plan.
///
/// For a tree whose own build knows LTO, there is neither a cover letter nor documentation, and each plugin gets
/// an independent patch that applies to the unchanged tree, unless the division is [`Division::InOrder`].
///
/// Errors: as for [`Plan::new`], for each of these plans; a division by maintainers for a tree whose own build
/// knows LTO.
pub fn series(
    tree: &Tree,
    selection: &Selection<'_>,
    version: &str,
    prose: Prose,
    division: &Division,
    author: &Author,
) -> Result<Series> {
    let alone = selection.each_alone();
    if !alone.is_empty() {
        return native_series(tree, selection, &alone, version, division, author);
    }
    let mut steps = steps(tree, selection, version)?;
    steps.extend(documentation(tree, prose.page, author)?);
    let edited = edited(&steps);
    if let Division::Maintainers(trees) = division {
        steps = trees.split(steps);
    }
    let total = steps.len();
    let mut patches = vec![cover_letter(tree, &steps, version, prose, division, author)];
    for (index, step) in steps.iter().enumerate() {
        patches.push(step.to_patch(Some((index + 1, total)), Cover::Letter, author));
    }
    Ok(Series { patches, edited })
}

/// Makes the patches for a tree whose own build knows LTO.
fn native_series(
    tree: &Tree,
    selection: &Selection<'_>,
    alone: &[Selection<'_>],
    version: &str,
    division: &Division,
    author: &Author,
) -> Result<Series> {
    let steps = match division {
        Division::Plugins => {
            let steps = alone
                .iter()
                .map(|selection| steps(tree, selection, version));
            steps.collect::<Result<Vec<_>>>()?.concat()
        }
        Division::InOrder => steps(tree, selection, version)?,
        Division::Maintainers(_) => {
            return Err(Error::Selection(format!(
                "{}: its own build knows LTO, and each plugin is one independent patch there, which is not split \
                 by maintainers",
                tree.dir().display()
            )));
        }
    };
    let total = steps.len();
    let place = |index: usize| (*division == Division::InOrder).then_some((index + 1, total));
    let patches = steps
        .iter()
        .enumerate()
        .map(|(index, step)| step.to_patch(place(index), Cover::None, author));
    Ok(Series {
        patches: patches.collect(),
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
                let (title, body) = Parts::of(resolved, tree)?.message(title, gain);
                (title, body.into())
            }
            _ => (plugin.title.as_str(), plugin.body.trim().into()),
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
        step.plugin = Some((plugin, Rc::new(plan)));
        steps.push(step);
    }
    Ok(steps)
}

/// Returns the patch with the documentation, if the tree has documentation.
fn documentation(tree: &Tree, page: &str, author: &Author) -> Result<Option<Step<'static>>> {
    let mut step = Step::new((documentation::TITLE, documentation::BODY.into()));
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

fn cover_letter(
    tree: &Tree,
    steps: &[Step<'_>],
    version: &str,
    prose: Prose,
    division: &Division,
    author: &Author,
) -> Patch {
    let mut text = mail::head(
        "kbuild: lto: Clang LTO, by plugins",
        Some((0, steps.len())),
        author,
    );
    let mut tools: Vec<&str> = Vec::new();
    for tool in steps.iter().flat_map(Step::tools) {
        if !tools.contains(&tool.as_str()) {
            tools.push(tool);
        }
    }
    // Three per line, because lines of mails are narrow.
    let packages: Vec<String> = tools
        .chunks(3)
        .map(|tools| format!(" \\\n\t\t-p {}", tools.join(" -p ")))
        .collect();
    let cover = prose.cover.trim();
    if !cover.is_empty() {
        let _ = write!(text, "{cover}\n\n");
    }
    let order = match division {
        Division::Plugins | Division::InOrder => {
            "Each patch is one plugin; the tree builds after each. Kconfig offers LTO once\n\
             the last plugin that it needs is there."
        }
        Division::Maintainers(_) => {
            "Each patch is the part of one plugin for one maintainer's tree. In this order\n\
             the tree builds after each, and Kconfig offers LTO only once the patch of an\n\
             architecture, which come last, is there."
        }
    };
    let _ = write!(
        text,
        "Clang Link Time Optimization for Linux {}, made by kbuild-lto {version}.\n\n\
         {order} The tools that the Makefiles call are\n\
         not part of the patches, because they are binaries: build them in a checkout\n\
         of kbuild-lto with\n\n\
         \tcargo build --release{}\n\n\
         and give make the directory with LTO_TOOLS=<checkout>/target/release, or copy\n\
         them to {LTO_DIR}/bin. A release of the same version has them in bin.\n\n",
        tree.version(),
        packages.concat(),
    );
    for step in steps {
        let _ = writeln!(text, "  {}", step.subject());
    }
    let mut files: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for change in steps.iter().flat_map(|step| &step.changes) {
        let (added, removed) = change.lines;
        let sum = files.entry(&change.path).or_default();
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::sample::{SampleTree, assert_says, table};
    use crate::table::Table;

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

    fn series_of(tree: &Tree, table: &Table, division: &Division) -> Series {
        let prose = Prose::default();
        series(tree, &table.all(), "1.0", prose, division, &author()).expect("a series")
    }

    /// Makes the sample a repository, and returns a function that applies a patch to it.
    fn applies_to(sample: &SampleTree) -> impl Fn(&Patch) + use<'_> {
        git(sample.dir(), &["init", "-q"]);
        git(sample.dir(), &["add", "-A"]);
        git(sample.dir(), &["commit", "-q", "-m", "pristine"]);
        let mail = tempfile::tempdir().expect("a temporary directory");
        move |patch| {
            let file = mail.path().join(&patch.file_name);
            fs::write(&file, &patch.text).expect("a writable directory");
            let file = file.display().to_string();
            git(sample.dir(), &["am", "-q", "--keep-cr", &file]);
        }
    }

    #[test]
    fn git_applies_each_patch_to_the_plan_of_its_plugins() {
        let sample = SampleTree::new();
        let tree = sample.open();
        let table = table();
        let Series { patches, .. } = series_of(&tree, &table, &Division::Plugins);
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
        let apply = applies_to(&sample);
        for (patch, plan) in patches[1..].iter().zip(&plans) {
            apply(patch);
            for (path, Text { text, .. }) in texts(plan) {
                assert_eq!(fs::read(sample.path(&path)).expect(&path), text, "{path}");
            }
            assert!(!sample.path("scripts/lto/bin").exists());
        }
    }

    #[test]
    fn git_applies_the_patches_of_each_maintainer_in_order_to_the_whole_plan() {
        let sample = SampleTree::new();
        let (tree, table) = (sample.open(), table());
        let trees = "[[tree]]\nname = 'kbuild'\n\
                     [[tree]]\nname = 'init'\npaths = ['include/linux/']\n";
        let division = Division::Maintainers(MaintainedTrees::parse(trees).unwrap());
        let series = series_of(&tree, &table, &division);
        let names: Vec<_> = series.patches[1..]
            .iter()
            .map(|patch| patch.file_name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "0001-kbuild-lto-do-what-the-core-does.patch",
                "0002-kbuild-lto-do-more-than-the-core-does.patch",
                "0003-kbuild-lto-stand-alone.patch",
                "0004-init-lto-define-initcalls-by-the-core.patch",
                "0005-init-lto-do-more-than-the-core-does.patch",
            ]
        );
        let text = |index: usize| String::from_utf8_lossy(&series.patches[index].text).into_owned();
        assert_says(
            &text(0),
            &[
                "Each patch is the part of one plugin for one maintainer's tree.",
                "-p core-tool -p solo\n",
                "  init: lto: define initcalls by the core\n",
            ],
        );
        assert_says(&text(1), &["Stands for", "scripts/lto/Kconfig"]);
        assert!(!text(1).contains("include/linux/init.h"), "{}", text(1));
        assert_says(
            &text(4),
            &["\n\nThe core has them.\n\n", "- include/linux/init.h: "],
        );
        assert!(!text(4).contains("Stands for"), "{}", text(4));
        let plan = Plan::new(&tree, &table.all(), "1.0").unwrap();
        series.patches[1..].iter().for_each(applies_to(&sample));
        for (path, Text { text, .. }) in texts(&plan) {
            assert_eq!(fs::read(sample.path(&path)).expect(&path), text, "{path}");
        }
    }

    #[test]
    fn a_patch_says_what_changes_and_why() {
        let sample = SampleTree::new();
        let Series { patches, .. } = series_of(&sample.open(), &table(), &Division::Plugins);
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
}
