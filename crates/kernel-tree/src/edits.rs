// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads `edits.toml`, which lists the changes that a plugin makes. `docs/install.md` describes the format.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::condition::Condition;
use crate::description::{Description, EditsError, checked_description};

/// The content of one `edits.toml`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    pub description: Option<Description>,
    pub adoption: Option<Adoption>,
    pub hooks: Vec<Hook>,
    pub changes: Vec<Edit>,
    pub files: Vec<NewFile>,
    pub fragments: Vec<Fragment>,
}

/// A place where the tree reads a generated file of this name under `scripts/lto`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hook {
    pub name: String,
    /// The beginning of a comment in the generated file; `/*` is closed with `*/`.
    #[serde(default = "hash")]
    pub comment: String,
    /// The text before the fragments in the generated file.
    #[serde(default)]
    pub text: String,
}

/// The offer of a plugin to trees whose own build knows LTO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// The plugin can be taken alone.
    Offered {
        /// The subject of its patch: imperative, no full stop.
        title: String,
        /// The step that it replaces or checks in every such tree, on one line; `None` if it has only parts.
        does: Option<String>,
        /// The measured gain, which is the first paragraph of its patch.
        gain: String,
        /// The facts that the tree must have.
        needs: Vec<Need>,
        /// Steps that it does in some of these trees only.
        parts: Vec<Part>,
        /// Whether the files that the plugin computes are made there, too.
        generate: bool,
    },
    /// The plugin makes no sense in such trees.
    Refused {
        /// The reason.
        reason: String,
    },
}

/// A fact that a tree must have for a plugin to be adopted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Need {
    pub fact: Condition,
    /// The explanation if it does not hold.
    pub otherwise: String,
}

/// Something that a plugin does in some trees whose own build knows LTO. Entries that belong to it name it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub name: String,
    /// The step, on one line.
    pub does: String,
    /// The subject of the plugin's patch for trees that get the part, in place of the plugin's own.
    pub title: Option<String>,
    /// The measured gain, a paragraph of the plugin's patch for trees that get the part.
    pub gain: Option<String>,
    /// Facts by which the tree does this itself. If one holds, nothing is missing without the part.
    #[serde(default)]
    pub unless: Vec<Condition>,
    /// An earlier part, whose facts the tree must have, too.
    pub like: Option<String>,
    /// The facts that the tree must have.
    #[serde(default)]
    pub needs: Vec<Need>,
}

impl Part {
    /// Returns the facts under which its entries are made.
    fn conditions(&self) -> impl Iterator<Item = Condition> + '_ {
        let needs = self.needs.iter().map(|need| need.fact.clone());
        self.unless.iter().map(Condition::opposite).chain(needs)
    }
}

/// The trees that an entry is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trees {
    /// Trees without LTO, which get it from the plugins.
    #[default]
    None,
    /// Trees whose own build has LTO.
    Native,
    /// All trees.
    Any,
}

impl Trees {
    /// Returns whether a tree is among them. `native` says that its own build knows LTO.
    pub fn include(self, native: bool) -> bool {
        match self {
            Self::None => !native,
            Self::Native => native,
            Self::Any => true,
        }
    }
}

/// A change of an existing file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The hook of this edit. The edit is made only if an installed plugin has a fragment for it.
    pub hook: Option<String>,
    pub file: String,
    pub anchor: String,
    pub occurs: usize,
    pub placement: Placement,
    pub reason: String,
    pub trees: Trees,
    /// The part of the offer that it belongs to.
    pub part: Option<String>,
    pub when: Vec<Condition>,
}

/// The text that an edit writes, and where it stands to the anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    Replace(String),
    Before(String),
    After(String),
}

impl Placement {
    pub fn text(&self) -> &str {
        match self {
            Self::Replace(text) | Self::Before(text) | Self::After(text) => text,
        }
    }
}

/// A file that is made from one of the plugin's glue texts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFile {
    pub source: String,
    pub dest: String,
    #[serde(default, rename = "lto")]
    pub trees: Trees,
    /// The part of the offer that it belongs to.
    pub part: Option<String>,
    #[serde(default)]
    pub when: Vec<Condition>,
}

/// A glue text that is appended to the generated file of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fragment {
    pub hook: String,
    pub source: String,
    #[serde(default, rename = "lto")]
    pub trees: Trees,
    /// The part of the offer that it belongs to.
    pub part: Option<String>,
    #[serde(default)]
    pub when: Vec<Condition>,
}

impl Edits {
    /// Reads the text of an `edits.toml`.
    pub fn parse(text: &str) -> Result<Self, EditsError> {
        let raw: RawEdits = toml::from_str(text)?;
        let hooks = raw
            .hook
            .into_iter()
            .map(checked_hook)
            .collect::<Result<_, _>>()?;
        let changes = raw
            .edit
            .into_iter()
            .map(Edit::try_from)
            .collect::<Result<_, _>>()?;
        let mut edits = Self {
            description: raw.plugin.map(checked_description).transpose()?,
            adoption: raw.adopt.map(Adoption::try_from).transpose()?,
            hooks,
            changes,
            files: raw.file,
            fragments: raw.fragment,
        };
        edits.add_conditions_of_parts()?;
        Ok(edits)
    }

    /// Adds the facts of a part to those of the entries that belong to it.
    fn add_conditions_of_parts(&mut self) -> Result<(), EditsError> {
        let parts = self.parts().to_vec();
        let changes = self.changes.iter_mut();
        let changes = changes.map(|edit| (&edit.file, edit.trees, &edit.part, &mut edit.when));
        let files = self.files.iter_mut();
        let files = files.map(|file| (&file.dest, file.trees, &file.part, &mut file.when));
        let fragments = self.fragments.iter_mut();
        let fragments = fragments.map(|one| (&one.source, one.trees, &one.part, &mut one.when));
        let mut unused: BTreeSet<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        for (entry, trees, name, when) in changes.chain(files).chain(fragments) {
            let Some(name) = name else { continue };
            let wrong = |reason: &str| EditsError::Entry {
                entry: format!("{entry}, part `{name}`"),
                reason: reason.into(),
            };
            let part = parts.iter().find(|part| part.name == *name);
            let part = part.ok_or_else(|| wrong("there is no [[adopt.part]] of that name"))?;
            if trees == Trees::None {
                return Err(wrong(
                    "parts are for trees with their own LTO: lto is missing",
                ));
            }
            if trees == Trees::Native {
                when.extend(part.conditions());
            }
            unused.remove(name.as_str());
        }
        match unused.first() {
            None => Ok(()),
            Some(name) => Err(EditsError::Entry {
                entry: format!("[[adopt.part]] {name}"),
                reason: "no entry belongs to it".into(),
            }),
        }
    }

    /// Returns the parts of the offer.
    pub fn parts(&self) -> &[Part] {
        match &self.adoption {
            Some(Adoption::Offered { parts, .. }) => parts,
            _ => &[],
        }
    }
}

fn hash() -> String {
    "#".into()
}

fn one() -> usize {
    1
}

/// The parsed file, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEdits {
    plugin: Option<Description>,
    adopt: Option<RawAdoption>,
    #[serde(default)]
    hook: Vec<Hook>,
    #[serde(default)]
    edit: Vec<RawEdit>,
    #[serde(default)]
    file: Vec<NewFile>,
    #[serde(default)]
    fragment: Vec<Fragment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEdit {
    hook: Option<String>,
    file: String,
    anchor: String,
    #[serde(default = "one")]
    occurs: usize,
    replace: Option<String>,
    before: Option<String>,
    after: Option<String>,
    reason: String,
    #[serde(default)]
    lto: Trees,
    part: Option<String>,
    #[serde(default)]
    when: Vec<Condition>,
}

/// The offer, or the reason why there is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAdoption {
    refused: Option<String>,
    title: Option<String>,
    does: Option<String>,
    gain: Option<String>,
    #[serde(default)]
    needs: Vec<Need>,
    #[serde(default)]
    part: Vec<Part>,
    #[serde(default)]
    generate: bool,
}

/// Adds the facts of the part that each part is `like` to its own.
fn with_needs_of_others(parts: Vec<Part>) -> Result<Vec<Part>, EditsError> {
    let mut known: Vec<Part> = Vec::new();
    for mut part in parts {
        if let Some(name) = &part.like {
            let earlier = known.iter().find(|earlier| earlier.name == *name);
            let earlier = earlier.ok_or_else(|| EditsError::Entry {
                entry: format!("[[adopt.part]] {}", part.name),
                reason: format!("there is no earlier part `{name}`"),
            })?;
            part.needs = [earlier.needs.clone(), part.needs].concat();
        }
        known.push(part);
    }
    Ok(known)
}

fn checked_hook(hook: Hook) -> Result<Hook, EditsError> {
    // The generated file is in scripts/lto, beside these files.
    let taken = ["bin", "VERSION", ".install"];
    if hook.name.is_empty() || hook.name.contains('/') || taken.contains(&hook.name.as_str()) {
        return Err(EditsError::Entry {
            entry: format!("[[hook]] `{}`", hook.name),
            reason: "the name must be one of a file in scripts/lto that is not used otherwise"
                .into(),
        });
    }
    Ok(hook)
}

impl TryFrom<RawEdit> for Edit {
    type Error = EditsError;

    fn try_from(raw: RawEdit) -> Result<Self, EditsError> {
        let wrong = |reason: &str| EditsError::Entry {
            entry: format!("[[edit]] of {}", raw.file),
            reason: reason.into(),
        };
        if raw.anchor.is_empty() {
            return Err(wrong("the anchor is empty"));
        }
        if raw.occurs == 0 {
            return Err(wrong("an anchor that occurs 0 times anchors nothing"));
        }
        if raw.reason.trim().is_empty() {
            return Err(wrong("the reason is empty"));
        }
        let placement = match (raw.replace, raw.before, raw.after) {
            (Some(text), None, None) => Placement::Replace(text),
            (None, Some(text), None) => Placement::Before(text),
            (None, None, Some(text)) => Placement::After(text),
            _ => return Err(wrong("exactly one of replace, before and after is needed")),
        };
        let changes_nothing = match &placement {
            Placement::Replace(text) => *text == raw.anchor,
            Placement::Before(text) | Placement::After(text) => text.is_empty(),
        };
        if changes_nothing {
            return Err(wrong("it changes nothing"));
        }
        Ok(Self {
            hook: raw.hook,
            file: raw.file,
            anchor: raw.anchor,
            occurs: raw.occurs,
            placement,
            reason: raw.reason,
            trees: raw.lto,
            part: raw.part,
            when: raw.when,
        })
    }
}

impl TryFrom<RawAdoption> for Adoption {
    type Error = EditsError;

    fn try_from(raw: RawAdoption) -> Result<Self, EditsError> {
        let RawAdoption {
            refused,
            title,
            does,
            gain,
            needs,
            part: parts,
            generate,
        } = raw;
        let parts = with_needs_of_others(parts)?;
        let is_plain = needs.is_empty() && parts.is_empty() && !generate;
        match (refused, title, gain) {
            (Some(reason), None, None) if does.is_none() && is_plain => {
                Ok(Self::Refused { reason })
            }
            (None, Some(title), Some(gain)) if does.is_some() || !parts.is_empty() => {
                Ok(Self::Offered {
                    title,
                    does,
                    gain,
                    needs,
                    parts,
                    generate,
                })
            }
            _ => Err(EditsError::Entry {
                entry: "[adopt]".into(),
                reason: "it has either `refused`, or `title`, `gain`, and `does` or parts".into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_entry() {
        let edits = Edits::parse(
            r#"
            [plugin]
            title = "Do it"
            requires = ["core"]
            tools = ["core-tool"]
            order = 30
            [[hook]]
            name = "Makefile.top"
            [[edit]]
            hook = "Makefile.top"
            file = "Makefile"
            anchor = '''
include x
'''
            after = '''
include y
'''
            reason = "why"
            when = [{ file = "a", lacks = "b" }, { exists = "c" }]
            [[file]]
            source = "rwonce.h"
            dest = "arch/arm64/include/asm/rwonce.h"
            when = [{ absent = "d" }, { file = "e", contains = "f" }]
            [[fragment]]
            hook = "Makefile.top"
            source = "Makefile.top"
            "#,
        )
        .unwrap();
        let description = edits.description.unwrap();
        assert_eq!(description.title, "Do it");
        assert_eq!(description.upstream, [""; 0]);
        assert_eq!(description.requires, ["core"]);
        assert_eq!(description.tools, ["core-tool"]);
        assert_eq!(description.order, Some(30));
        assert_eq!(edits.hooks[0].name, "Makefile.top");
        assert_eq!(edits.hooks[0].comment, "#");
        let edit = &edits.changes[0];
        assert_eq!(edit.anchor, "include x\n");
        assert_eq!(edit.occurs, 1);
        assert_eq!(edit.placement, Placement::After("include y\n".into()));
        assert_eq!(edit.when.len(), 2);
        assert_eq!(edits.files[0].when.len(), 2);
        assert_eq!(edits.fragments[0].source, "Makefile.top");
    }

    #[test]
    fn entries_that_make_no_sense_are_refused() {
        let edit = |rest: &str| format!("[[edit]]\nfile = \"f\"\n{rest}");
        let cases = [
            ("unknown entry", "[[edti]]\n".to_owned()),
            (
                "unknown key",
                edit("anchor='a'\nreplace='b'\nreason='r'\nfuzz=2\n"),
            ),
            ("no reason", edit("anchor='a'\nreplace='b'\n")),
            (
                "empty reason",
                edit("anchor='a'\nreplace='b'\nreason=' '\n"),
            ),
            ("empty anchor", edit("anchor=''\nreplace='b'\nreason='r'\n")),
            ("no change", edit("anchor='a'\nreason='r'\n")),
            (
                "two changes",
                edit("anchor='a'\nreplace='b'\nafter='c'\nreason='r'\n"),
            ),
            ("no effect", edit("anchor='a'\nreplace='a'\nreason='r'\n")),
            (
                "empty insertion",
                edit("anchor='a'\nafter=''\nreason='r'\n"),
            ),
            (
                "never",
                edit("anchor='a'\noccurs=0\nreplace='b'\nreason='r'\n"),
            ),
            (
                "half a condition",
                edit("anchor='a'\nreplace='b'\nreason='r'\nwhen=[{file='x'}]\n"),
            ),
            (
                "two conditions in one",
                "[[file]]\nsource='s'\ndest='d'\nwhen=[{exists='x',absent='y'}]\n".into(),
            ),
            ("half an adoption", "[adopt]\ntitle='t'\ndoes='d'\n".into()),
            (
                "an adoption that is refused and offered",
                "[adopt]\nrefused='r'\ntitle='t'\ndoes='d'\ngain='g'\n".into(),
            ),
            (
                "an unknown kind of tree",
                edit("anchor='a'\nreplace='b'\nreason='r'\nlto='some'\n"),
            ),
            ("hook outside", "[[hook]]\nname='../x'\n".into()),
            ("hook in the way", "[[hook]]\nname='bin'\n".into()),
        ];
        for (name, text) in cases {
            assert!(Edits::parse(&text).is_err(), "{name} was accepted");
        }
    }

    #[test]
    fn a_fault_of_the_description_names_its_key() {
        let cases = [
            ("tools = ['t']\n", "missing field `title`"),
            ("title = 'T'\ntool = ['t']\n", "unknown field `tool`"),
            ("title = 'T'\nrequires = 'core'\n", "requires = 'core'"),
            ("title = 'T'\norder = -1\n", "order = -1"),
            (
                "title = 'Do it.'\n",
                "[plugin] title: `Do it.` is no subject",
            ),
            ("title = ' '\n", "[plugin] title: ` ` is no subject"),
            (
                "title = 'T'\nbody = 'a long line, a long line, a long line, a long line, a long line, \
                 a long line'\n",
                "[plugin] body: `a long line, ",
            ),
            ("title = 'T'\nupstream = ['']\n", "[plugin] upstream: `` is"),
            (
                "title = 'T'\ntools = ['../sh']\n",
                "[plugin] tools: `../sh` is no name",
            ),
        ];
        for (text, said) in cases {
            let error = Edits::parse(&format!("[plugin]\n{text}")).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(said), "`{said}` is not in: {error}");
        }
    }
}
