// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds out whether a tree has its own LTO, and what plugins offer to such trees.

use crate::edits::{Adoption, Need, Part};
use crate::error::Result;
use crate::plugin::{Plugin, Resolved};
use crate::tree::Tree;

/// The offer of a plugin to a tree whose own build knows LTO.
#[derive(Debug, Clone)]
pub struct Offer<'table> {
    /// The plugin.
    pub plugin: &'table Plugin,
    /// The steps that it replaces or checks in this tree; `None` if there are none.
    pub does: Option<String>,
    /// The reason why it cannot be taken in this tree.
    pub refused: Option<&'table str>,
    /// The steps that it does in other trees only.
    pub withheld: Vec<Withheld<'table>>,
}

/// A part of a plugin that a tree does not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withheld<'table> {
    /// The step, on one line.
    pub does: &'table str,
    /// The fact that the tree lacks.
    pub reason: &'table str,
}

/// The optional steps of a plugin in a tree whose own build knows LTO.
#[derive(Default)]
pub(crate) struct Parts<'table> {
    /// The steps that it does.
    given: Vec<&'table Part>,
    /// The steps that it does not do.
    pub withheld: Vec<Withheld<'table>>,
}

impl<'table> Parts<'table> {
    /// Sorts the parts of a plugin by what `tree` gets. Parts that the tree does itself are in neither list.
    pub(crate) fn of(resolved: &'table Resolved, tree: &Tree) -> Result<Self> {
        let mut parts = Self::default();
        for part in resolved.edits.parts() {
            if does_itself(part, tree)? {
                continue;
            }
            match unmet(&part.needs, tree)? {
                None => parts.given.push(part),
                Some(reason) => parts.withheld.push(Withheld {
                    does: &part.does,
                    reason,
                }),
            }
        }
        Ok(parts)
    }

    /// Returns the subject and the text of the plugin's patch, for a plugin with `title` and `gain`. The gains of parts come
    /// first, because the plugin is taken for them.
    pub(crate) fn message(&self, title: &'table str, gain: &'table str) -> (&'table str, String) {
        let of_part = self.given.iter().find_map(|part| part.title.as_deref());
        let gains = self.given.iter().filter_map(|part| part.gain.as_deref());
        let paragraphs: Vec<_> = gains.chain([gain]).map(str::trim).collect();
        (of_part.unwrap_or(title), paragraphs.join("\n\n"))
    }
}

fn does_itself(part: &Part, tree: &Tree) -> Result<bool> {
    for fact in &part.unless {
        if tree.holds(fact)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The reason why a plugin that has only parts is not offered, if no part is withheld.
const HAS_ALL: &str = "the tree has all of this already; the check is in `cargo xtask verify`";

impl<'table> Offer<'table> {
    pub(crate) fn of(resolved: &'table Resolved, tree: &Tree) -> Result<Self> {
        let Resolved { plugin, edits, .. } = resolved;
        let refused = |reason: &'table str| Self {
            plugin,
            does: None,
            refused: Some(reason),
            withheld: Vec::new(),
        };
        let (does, needs) = match &edits.adoption {
            None => return Ok(refused("it is for trees without LTO only")),
            Some(Adoption::Refused { reason }) => return Ok(refused(reason.as_str())),
            Some(Adoption::Offered { does, needs, .. }) => (does, needs),
        };
        if let Some(reason) = unmet(needs, tree)? {
            return Ok(refused(reason));
        }
        let Parts { given, withheld } = Parts::of(resolved, tree)?;
        let given = given.iter().map(|part| part.does.as_str());
        let steps: Vec<&str> = does.iter().map(String::as_str).chain(given).collect();
        if steps.is_empty() {
            return Ok(refused(withheld.first().map_or(HAS_ALL, |one| one.reason)));
        }
        Ok(Self {
            plugin,
            does: Some(steps.join("; ")),
            refused: None,
            withheld,
        })
    }

    /// Returns whether the plugin can be taken.
    pub fn is_made(&self) -> bool {
        self.refused.is_none()
    }
}

/// Returns the explanation of the first fact that does not hold.
fn unmet<'a>(needs: &'a [Need], tree: &Tree) -> Result<Option<&'a str>> {
    for Need { fact, otherwise } in needs {
        if !tree.holds(fact)? {
            return Ok(Some(otherwise));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kernel_facts::KnownLto;

    use super::*;
    use crate::edits::Edits;
    use crate::on_change::OnChange;
    use crate::plan::Plan;
    use crate::sample::{CORE, EXTRA, HOOKS, SampleTree, assert_says, binaries};
    use crate::{
        Author, Division, Folder, GenerateResult, Generated, GlueFile, MaintainedTrees, Prose,
        Table, install, series, uninstall,
    };

    /// Is of use in every tree.
    const SOLO: Folder = Folder {
        name: "solo",
        files: &[GlueFile {
            name: "edits.toml",
            text: r##"
            [plugin]
            title = "Stand alone"
            requires = ["core"]
            tools = ["solo"]
            [adopt]
            title = "Stand alone in a tree with LTO"
            does = "replaces what the tree does with Perl"
            gain = "It takes a tenth of the time."
            generate = true
            [[adopt.needs]]
            fact = { file = "scripts/Makefile.vmlinux_o", contains = "perl" }
            otherwise = "it calls no perl"
            [[edit]]
            lto = "native"
            file = "scripts/Makefile.vmlinux_o"
            anchor = "perl"
            replace = "solo"
            reason = "solo is faster"
            [[edit]]
            lto = "any"
            file = "include/linux/init.h"
            anchor = "#define console_initcall"
            before = "/* solo */ "
            reason = "every tree is told"
            [[edit]]
            file = "scripts/link-vmlinux.sh"
            anchor = "link()"
            replace = "solo()"
            reason = "only a tree without LTO links there"
            "##,
        }],
        generate: Some(solo_files),
    };

    fn solo_files(tree: &Tree) -> GenerateResult {
        let listed = tree.has("drivers/a.c")?;
        Ok(vec![Generated {
            path: "scripts/lto/solo.list".into(),
            text: if listed { "a.o\n" } else { "" }.into(),
            notes: Vec::new(),
        }])
    }

    /// Has parts, and nothing that every tree gets.
    const PARTS: Folder = Folder {
        name: "parts",
        files: &[GlueFile {
            name: "edits.toml",
            text: r#"
            [plugin]
            title = "Do what fits"
            [adopt]
            title = "Do what fits in a tree with LTO"
            gain = "It is better."
            [[adopt.part]]
            name = "first"
            does = "replaces perl"
            needs = [{ fact = { file = "scripts/Makefile.vmlinux_o", contains = "perl" }, otherwise = "it calls no perl" }]
            [[adopt.part]]
            name = "second"
            does = "replaces all of it"
            title = "Do all of it"
            gain = "It is smaller."
            like = "first"
            unless = [{ exists = "scripts/has-second" }]
            needs = [{ fact = { any = [{ exists = "one" }, { none = [{ absent = "other" }] }] }, otherwise = "it has neither" }]
            [[edit]]
            lto = "native"
            part = "first"
            file = "scripts/Makefile.vmlinux_o"
            anchor = "perl"
            replace = "first"
            reason = "first is faster"
            [[edit]]
            lto = "native"
            part = "second"
            file = "scripts/Makefile.vmlinux_o"
            anchor = " objects"
            replace = " second"
            reason = "second is smaller"
            "#,
        }],
        generate: None,
    };

    /// Returns what the plugin with parts does in a tree, and what it does not.
    fn parts_in(sample: &SampleTree) -> (std::result::Result<String, String>, Vec<String>) {
        let table = Table::new("", vec![PARTS]).expect("a table");
        let tree = sample.open();
        let offers = table.offers(&tree).unwrap();
        let [offer] = &offers[..] else {
            panic!("{offers:?}")
        };
        if let Some(reason) = offer.refused {
            return (Err(reason.to_owned()), Vec::new());
        }
        let plan = Plan::new(&tree, &table.choose(&tree, &["parts"]).unwrap(), "1.0").unwrap();
        let edited = &plan.edited["scripts/Makefile.vmlinux_o"].text;
        let edited = String::from_utf8_lossy(edited).trim_end().to_owned();
        let withheld = plan.withheld.iter().map(|note| note.text.clone());
        let of_offer = offer.withheld.len();
        assert_eq!(plan.withheld.len(), of_offer);
        (Ok(edited), withheld.collect())
    }

    #[test]
    fn a_part_is_made_where_its_facts_hold_and_named_where_not() {
        let sample = SampleTree::native();
        let (edited, withheld) = parts_in(&sample);
        assert_eq!(edited.unwrap(), "first objects");
        assert_eq!(
            withheld,
            ["does not do this here: replaces all of it: it has neither"]
        );
        // The tree does it by itself.
        sample.write("scripts/has-second", b"");
        assert_eq!(parts_in(&sample), (Ok("first objects".into()), Vec::new()));
        fs::remove_file(sample.path("scripts/has-second")).unwrap();
        for file in ["one", "other"] {
            sample.write(file, b"");
            assert_eq!(parts_in(&sample), (Ok("first second".into()), Vec::new()));
            fs::remove_file(sample.path(file)).unwrap();
        }
        // The second part is like the first: it has all facts of it.
        sample.write("one", b"");
        sample.write("scripts/Makefile.vmlinux_o", b"python objects\n");
        assert_eq!(
            parts_in(&sample),
            (Err("it calls no perl".into()), Vec::new())
        );
    }

    #[test]
    fn a_patch_begins_with_what_the_parts_of_this_tree_gain() {
        let sample = SampleTree::native();
        let table = Table::new("", vec![PARTS]).expect("a table");
        let message = || {
            let tree = sample.open();
            let selection = table.choose::<&str>(&tree, &[]).unwrap();
            let (prose, author) = (Prose::default(), author());
            let written = series(&tree, &selection, "1.0", prose, &Division::Plugins, &author);
            let text = written.unwrap().patches.remove(0).text;
            let text = String::from_utf8_lossy(&text).into_owned();
            let (head, text) = text.split_once("\n\n").expect("a head");
            let (_, subject) = head.split_once("kbuild: lto: ").expect("a subject");
            let (subject, _) = subject.split_once('\n').expect("further lines");
            let (text, _) = text.split_once("\n\nWhat changes").expect("reasons");
            (subject.to_owned(), text.to_owned())
        };
        let told = |subject: &str, text: &str| (subject.to_owned(), text.to_owned());
        let alone = told("do what fits in a tree with LTO", "It is better.");
        assert_eq!(message(), alone);
        sample.write("one", b"");
        assert_eq!(
            message(),
            told("do all of it", "It is smaller.\n\nIt is better.")
        );
        sample.write("scripts/has-second", b"");
        assert_eq!(message(), alone);
    }

    #[test]
    fn parts_and_entries_belong_together() {
        let text = PARTS.files[0].text;
        for (from, to, said) in [
            ("part = \"second\"", "part = \"third\"", "no [[adopt.part]]"),
            (
                "part = \"second\"",
                "part = \"first\"",
                "no entry belongs to it",
            ),
            ("like = \"first\"", "like = \"third\"", "no earlier part"),
            ("lto = \"native\"", "", "lto is missing"),
        ] {
            let error = Edits::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert_says(&error.to_string(), &[said]);
        }
    }

    fn author() -> Author {
        Author {
            name_and_mail: "A Maintainer <a@example.org>".into(),
            date: "Fri, 2 Jan 2026 03:04:05 +0000".into(),
        }
    }

    fn table() -> Table {
        Table::new(HOOKS, vec![CORE, EXTRA, SOLO]).expect("the table of the sample")
    }

    #[test]
    fn what_is_offered_depends_on_the_facts_of_the_tree() {
        let sample = SampleTree::native();
        assert_eq!(sample.open().known_lto().unwrap(), KnownLto::Native);
        let offers = |sample: &SampleTree| {
            let table = table();
            let offers = table.offers(&sample.open()).unwrap();
            let told = |offer: &Offer<'_>| {
                let what = offer.refused.or(offer.does.as_deref()).unwrap_or_default();
                (offer.plugin.name, offer.is_made(), what.to_owned())
            };
            offers.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(
            offers(&sample),
            [
                ("core", false, "it is for trees without LTO only".to_owned()),
                ("extra", false, "the tree does more by itself".to_owned()),
                (
                    "solo",
                    true,
                    "replaces what the tree does with Perl".to_owned()
                ),
            ]
        );
        sample.write("scripts/Makefile.vmlinux_o", b"python objects\n");
        assert_eq!(
            offers(&sample)[2],
            ("solo", false, "it calls no perl".to_owned())
        );
    }

    #[test]
    fn a_plugin_is_taken_alone_and_given_back() {
        let sample = SampleTree::native();
        let before = sample.snapshot();
        let table = table();
        let tree = sample.open();
        let selection = table.choose(&tree, &["solo"]).unwrap();
        let plan = Plan::new(&tree, &selection, "1.0").unwrap();
        // What is for trees without LTO is neither made nor told about.
        assert_eq!(plan.notes, []);
        install(&tree, &plan, &binaries(), OnChange::Refuse).unwrap();
        assert_eq!(sample.read("scripts/Makefile.vmlinux_o"), "solo objects\n");
        assert_says(&sample.read("include/linux/init.h"), &["/* solo */"]);
        assert!(!sample.read("scripts/link-vmlinux.sh").contains("solo"));
        assert_eq!(sample.read("scripts/lto/solo.list"), "a.o\n");

        let tree = sample.open();
        let plan = Plan::new(&tree, &table.choose(&tree, &["solo"]).unwrap(), "1.0").unwrap();
        assert!(
            install(&tree, &plan, &binaries(), OnChange::Refuse)
                .unwrap()
                .is_unchanged()
        );
        uninstall(&sample.open(), OnChange::Refuse).unwrap();
        sample.snapshot().assert_eq(&before, "after the uninstall");
    }

    #[test]
    fn what_makes_no_sense_there_is_refused_with_the_reason() {
        let sample = SampleTree::native();
        let tree = sample.open();
        let error = table()
            .choose(&tree, &["core", "extra", "solo"])
            .unwrap_err();
        assert_says(
            &error.to_string(),
            &[
                "core: is not for this tree, whose own build knows LTO: it is for trees without",
                "extra: is not for this tree, whose own build knows LTO: the tree does more",
            ],
        );
        assert!(!error.to_string().contains("solo"), "{error}");
        let table = table();
        assert!(table.choose(&tree, &["sol"]).is_err());
        // All that make sense.
        let all = table.choose::<&str>(&tree, &[]).unwrap();
        assert_eq!(
            all.plugins().map(|plugin| plugin.name).collect::<Vec<_>>(),
            ["solo"]
        );
    }

    #[test]
    fn plugins_that_were_chosen_for_the_other_kind_of_tree_are_refused() {
        let (native, other) = (SampleTree::native(), SampleTree::new());
        let table = table();
        for (chosen_for, names, given) in [
            (&native, &["solo"][..], &other),
            (&other, &["core", "solo"], &native),
        ] {
            let selection = table.choose(&chosen_for.open(), names).unwrap();
            let error = Plan::new(&given.open(), &selection, "1.0").unwrap_err();
            assert_says(&error.to_string(), &["chosen for another kind of tree"]);
        }
    }

    #[test]
    fn each_patch_stands_alone() {
        let sample = SampleTree::native();
        let tree = sample.open();
        let author = author();
        let table = table();
        let selection = table.choose::<&str>(&tree, &[]).unwrap();
        let written = |division: &Division| {
            let prose = Prose::default();
            series(&tree, &selection, "1.0", prose, division, &author)
        };
        let patches = written(&Division::Plugins).unwrap().patches;
        let [patch] = &patches[..] else {
            panic!("{} patches", patches.len())
        };
        assert_eq!(patch.file_name, "solo.patch");
        assert_says(
            &String::from_utf8_lossy(&patch.text),
            &[
                "Subject: [PATCH] kbuild: lto: stand alone in a tree with LTO\n",
                "\n\nIt takes a tenth of the time.\n\n",
                "\tcargo build --release -p solo\n",
                "-perl objects\n+solo objects\n",
            ],
        );
        let patches = written(&Division::InOrder).unwrap().patches;
        let [patch] = &patches[..] else {
            panic!("{} patches", patches.len())
        };
        assert_eq!(
            patch.file_name,
            "0001-kbuild-lto-stand-alone-in-a-tree-with-LTO.patch"
        );
        assert_says(
            &String::from_utf8_lossy(&patch.text),
            &[
                "Subject: [PATCH 1/1] kbuild: lto: stand alone in a tree with LTO\n",
                "\tcargo build --release -p solo\n",
                "-perl objects\n+solo objects\n",
            ],
        );
        let trees = MaintainedTrees::parse("[[tree]]\nname = 'kbuild'\n").unwrap();
        let error = written(&Division::Maintainers(trees)).unwrap_err();
        assert_says(&error.to_string(), &["not split by maintainers"]);
    }
}
