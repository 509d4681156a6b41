// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The table of all plugins, and a choice of them.

use std::collections::BTreeSet;

use kernel_facts::KnownLto;

use crate::description::EditsError;
use crate::edits::{Edit, Edits, Hook};
use crate::error::{Error, Refusal, Result};
use crate::offer::Offer;
use crate::plugin::{Folder, Plugin, Resolved};
use crate::tree::Tree;

/// All plugins there are, in the order in which they are installed, and the hooks they use.
#[derive(Debug, Clone)]
pub struct Table {
    hooks: Edits,
    plugins: Vec<Resolved>,
}

impl Table {
    /// Makes the table of `kconfig/hooks/edits.toml` and the folders of the plugins. Plugins stand in
    /// the order of the numbers that they give; those that give the same, or none, as they come.
    ///
    /// Errors: an `edits.toml` that cannot be read or names a text or hook that is not there; two
    /// plugins or two tools of one name; a plugin that stands before one it requires.
    pub fn new(hooks: &str, folders: Vec<Folder>) -> Result<Self> {
        let hooks = Edits::parse(hooks).map_err(|source| Error::Edits {
            plugin: "hooks".into(),
            source,
        })?;
        check_hooks(&hooks)?;
        let plugins = folders.into_iter().map(Resolved::of);
        let mut plugins = plugins.collect::<Result<Vec<_>>>()?;
        plugins.sort_by_key(|resolved| resolved.order.unwrap_or(u32::MAX));
        let mut names = BTreeSet::new();
        let mut tools = BTreeSet::new();
        for Resolved { plugin, edits, .. } in &plugins {
            let wrong = |key: &str, reason: String| Error::Edits {
                plugin: plugin.name.into(),
                source: EditsError::Entry {
                    entry: format!("[plugin] {key}"),
                    reason,
                },
            };
            let is_before = |name: &&String| names.contains(name.as_str());
            if let Some(required) = plugin.requires.iter().find(|name| !is_before(name)) {
                return Err(wrong(
                    "requires",
                    format!(
                        "{} requires {required}, which does not stand before it",
                        plugin.name
                    ),
                ));
            }
            if !names.insert(plugin.name) {
                return Err(Error::Table(format!("{} stands in it twice", plugin.name)));
            }
            if let Some(tool) = plugin.tools.iter().find(|tool| !tools.insert(*tool)) {
                return Err(wrong("tools", format!("two plugins install {tool}")));
            }
            let known = |name: &String| hooks.hooks.iter().any(|hook| hook.name == *name);
            if let Some(fragment) = edits.fragments.iter().find(|f| !known(&f.hook)) {
                return Err(Error::Edits {
                    plugin: plugin.name.into(),
                    source: EditsError::Entry {
                        entry: format!("[[fragment]] {}", fragment.source),
                        reason: format!("there is no hook {}", fragment.hook),
                    },
                });
            }
        }
        Ok(Self { hooks, plugins })
    }

    /// The plugins, in the order of the table.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter().map(|resolved| &resolved.plugin)
    }

    /// All plugins.
    pub fn all(&self) -> Selection<'_> {
        Selection {
            hooks: &self.hooks,
            plugins: self.plugins.iter().collect(),
            native: false,
        }
    }

    pub(crate) fn resolved(&self) -> &[Resolved] {
        &self.plugins
    }

    /// Returns the files that a plugin edits or makes in trees without LTO, whatever the conditions, except those
    /// that it computes.
    pub fn files_of<'a>(&'a self, plugin: &'a str) -> impl Iterator<Item = &'a str> {
        let plugins = self.plugins.iter();
        let plugins = plugins.filter(move |resolved| resolved.plugin.name == plugin);
        plugins.flat_map(|Resolved { edits, .. }| {
            let changes = edits.changes.iter();
            let changes = changes.map(|edit| (edit.trees, edit.file.as_str()));
            let files = edits.files.iter();
            let files = files.map(|file| (file.trees, file.dest.as_str()));
            let both = changes
                .chain(files)
                .filter(|(trees, _)| trees.include(false));
            both.map(|(_, file)| file)
        })
    }

    /// All edits for a kind of tree, in the order in which they are made, with their plugins. An edit of a
    /// hook belongs to no plugin.
    pub(crate) fn edits(&self, native: bool) -> Vec<(Option<&str>, &Edit)> {
        let hooks = self.hooks.changes.iter().map(|edit| (None, edit));
        let plugins = self.plugins.iter().flat_map(|resolved| {
            let changes = resolved.edits.changes.iter();
            changes.map(|edit| (Some(resolved.plugin.name), edit))
        });
        hooks
            .chain(plugins)
            .filter(|(_, edit)| edit.trees.include(native))
            .collect()
    }

    /// What each plugin is to `tree`, if its own build knows LTO.
    pub fn offers(&self, tree: &Tree) -> Result<Vec<Offer<'_>>> {
        let plugins = self.plugins.iter();
        plugins.map(|resolved| Offer::of(resolved, tree)).collect()
    }

    /// The plugins of these names for `tree`, in the order of the table; all that make sense there
    /// if no name is given. Where the tree's own build knows LTO, each stands alone.
    ///
    /// Errors: as for [`Self::select`]; a plugin that makes no sense in the tree.
    pub fn choose<S: AsRef<str>>(&self, tree: &Tree, names: &[S]) -> Result<Selection<'_>> {
        let native = tree.known_lto()? == KnownLto::Native;
        match (native, names) {
            (false, []) => Ok(self.all()),
            (false, names) => self.select(names),
            (true, []) => {
                let offered = self.offers(tree)?.into_iter().filter(Offer::is_made);
                let names: Vec<&str> = offered.map(|offer| offer.plugin.name).collect();
                self.adopted(tree, &names)
            }
            (true, names) => self.adopted(tree, names),
        }
    }

    /// The plugins of these names for a tree whose own build knows LTO.
    fn adopted<S: AsRef<str>>(&self, tree: &Tree, names: &[S]) -> Result<Selection<'_>> {
        let plugins = self.known(names)?;
        let mut refusals = Vec::new();
        for resolved in &plugins {
            if let Some(reason) = Offer::of(resolved, tree)?.refused {
                refusals.push(Refusal::NotForNative {
                    plugin: resolved.plugin.name.into(),
                    reason: reason.into(),
                });
            }
        }
        if !refusals.is_empty() {
            return Err(Error::Refused {
                dir: tree.dir().to_path_buf(),
                refusals,
            });
        }
        Ok(Selection {
            hooks: &self.hooks,
            plugins,
            native: true,
        })
    }

    /// The plugins of these names, in the order of the table, for a tree without LTO.
    ///
    /// Errors: a name that is in no table, a plugin without one that it requires, no name at all.
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Selection<'_>> {
        let plugins = self.known(names)?;
        let chosen = |name: &str| plugins.iter().any(|chosen| chosen.plugin.name == name);
        let lacking: Vec<String> = plugins
            .iter()
            .flat_map(|resolved| {
                let plugin = &resolved.plugin;
                plugin
                    .requires
                    .iter()
                    .filter(|required| !chosen(required))
                    .map(|required| format!("{} requires {required}", plugin.name))
            })
            .collect();
        if !lacking.is_empty() {
            return Err(Error::Selection(format!(
                "{}: also name the plugins it requires",
                lacking.join(", ")
            )));
        }
        Ok(Selection {
            hooks: &self.hooks,
            plugins,
            native: false,
        })
    }

    fn known<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<&Resolved>> {
        let names: BTreeSet<&str> = names.iter().map(AsRef::as_ref).collect();
        let known: Vec<&str> = self.plugins().map(|plugin| plugin.name).collect();
        let unknown: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !known.contains(name))
            .collect();
        if !unknown.is_empty() {
            return Err(Error::Selection(format!(
                "there is no plugin {}; there are {}",
                unknown.join(", no "),
                known.join(", ")
            )));
        }
        if names.is_empty() {
            return Err(Error::Selection(format!(
                "no plugin was chosen; there are {}",
                known.join(", ")
            )));
        }
        let plugins = self.plugins.iter();
        Ok(plugins
            .filter(|resolved| names.contains(resolved.plugin.name))
            .collect())
    }
}

/// Plugins to be installed together, in the table's order. In a tree without LTO, it contains all that each
/// one requires; in a tree whose own build knows LTO, no plugin requires another.
#[derive(Debug, Clone)]
pub struct Selection<'table> {
    pub(crate) hooks: &'table Edits,
    pub(crate) plugins: Vec<&'table Resolved>,
    /// For a tree whose own build knows LTO.
    pub(crate) native: bool,
}

impl Selection<'_> {
    /// The plugins.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter().map(|resolved| &resolved.plugin)
    }

    /// The first `n` plugins. They need nothing of those after them.
    #[must_use]
    pub fn prefix(&self, n: usize) -> Self {
        Self {
            hooks: self.hooks,
            plugins: self.plugins.iter().copied().take(n).collect(),
            native: self.native,
        }
    }

    /// Returns a selection of each single plugin for a tree whose own build knows LTO, where no plugin
    /// requires another; nothing for other trees.
    #[must_use]
    pub fn each_alone(&self) -> Vec<Self> {
        if !self.native {
            return Vec::new();
        }
        let plugins = self.plugins.iter();
        plugins
            .map(|&resolved| Self {
                hooks: self.hooks,
                plugins: vec![resolved],
                native: true,
            })
            .collect()
    }
}

/// The file of the hooks may hold hooks and their edits, and no hook may be without an edit.
fn check_hooks(hooks: &Edits) -> Result<()> {
    let wrong = |entry: String, reason: &str| {
        Err(Error::Edits {
            plugin: "hooks".into(),
            source: EditsError::Entry {
                entry,
                reason: reason.into(),
            },
        })
    };
    let Edits {
        description,
        adoption,
        hooks: defined,
        changes,
        files,
        fragments,
    } = hooks;
    if description.is_some() || adoption.is_some() || !files.is_empty() || !fragments.is_empty() {
        return wrong(
            "[plugin], [adopt], [[file]] or [[fragment]]".into(),
            "only a plugin has these",
        );
    }
    let is = |hook: &Hook, name: Option<&String>| name.is_some_and(|name| *name == hook.name);
    for edit in changes {
        if !defined.iter().any(|hook| is(hook, edit.hook.as_ref())) {
            return wrong(
                format!("[[edit]] of {}", edit.file),
                "it names no hook that is defined",
            );
        }
    }
    let mut names = BTreeSet::new();
    for hook in defined {
        if !names.insert(&hook.name) {
            return wrong(format!("[[hook]] {}", hook.name), "it is defined twice");
        }
        if !changes.iter().any(|edit| is(hook, edit.hook.as_ref())) {
            return wrong(
                format!("[[hook]] {}", hook.name),
                "no edit makes the tree read it",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::GlueFile;
    use crate::sample::{CORE, EXTRA, HOOKS, SOLO, table};

    fn names(selection: &Selection<'_>) -> Vec<&'static str> {
        selection.plugins().map(|plugin| plugin.name).collect()
    }

    #[test]
    fn a_selection_has_the_order_of_the_table() {
        let table = table();
        assert_eq!(names(&table.all()), ["core", "extra", "solo"]);
        let chosen = table.select(&["solo", "core"]).unwrap();
        assert_eq!(names(&chosen), ["core", "solo"]);
        assert_eq!(names(&chosen.prefix(1)), ["core"]);
    }

    #[test]
    fn plugins_stand_where_they_say_and_the_others_behind_them() {
        let placed = |name, order: &str| Folder {
            name,
            ..with_edits(order)
        };
        let folders = vec![
            placed("c", ""),
            placed("a", "order = 20\n"),
            placed("d", "order = 3\n"),
            placed("b", ""),
        ];
        let table = Table::new(HOOKS, folders).unwrap();
        assert_eq!(names(&table.all()), ["d", "a", "c", "b"]);
    }

    #[test]
    fn unknown_missing_and_no_plugins_are_named() {
        let table = table();
        let error = |names: &[&str]| table.select(names).unwrap_err().to_string();
        assert_eq!(
            error(&["core", "cor"]),
            "there is no plugin cor; there are core, extra, solo"
        );
        assert_eq!(
            error(&["extra", "solo"]),
            "extra requires core: also name the plugins it requires"
        );
        assert!(error(&[]).starts_with("no plugin was chosen"));
    }

    /// The error of a table, with its cause.
    fn table_error(hooks: &str, plugins: Vec<Folder>) -> String {
        let error = Table::new(hooks, plugins).unwrap_err();
        let cause = std::error::Error::source(&error);
        format!(
            "{error}: {}",
            cause.map(ToString::to_string).unwrap_or_default()
        )
    }

    /// The core with other entries in its `edits.toml`.
    fn with_edits(text: &str) -> Folder {
        with_text(format!("[plugin]\ntitle = 'Do it'\n{text}"))
    }

    /// The core with another `edits.toml`.
    fn with_text(text: String) -> Folder {
        let files = vec![GlueFile {
            name: "edits.toml",
            text: String::leak(text),
        }];
        Folder {
            files: Vec::leak(files),
            ..CORE
        }
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let no_glue = Folder { files: &[], ..CORE };
        let same_tool = with_edits("tools = ['solo']\n");
        let cases = [
            (
                vec![EXTRA, CORE],
                "kconfig/extra/edits.toml: [plugin] requires: extra requires core, which does not \
                 stand before it",
            ),
            (vec![CORE, CORE], "core stands in it twice"),
            (
                vec![same_tool, SOLO],
                "kconfig/solo/edits.toml: [plugin] tools: two plugins install solo",
            ),
            (vec![no_glue], "core has no glue text edits.toml"),
            (
                vec![with_text(
                    "[[fragment]]\nhook='Kconfig'\nsource='K'\n".into(),
                )],
                "kconfig/core/edits.toml: [plugin]: it is missing",
            ),
            (vec![with_edits("tool = ['t']\n")], "unknown field `tool`"),
            (
                vec![with_edits("[[fragment]]\nhook='Kconfig'\nsource='K'\n")],
                "source K: the plugin has no glue text of that name",
            ),
            (
                vec![with_edits("[[fragment]]\nhook='Kc'\nsource='edits.toml'\n")],
                "there is no hook Kc",
            ),
            (
                vec![with_edits("[[hook]]\nname='Kconfig'\n")],
                "hooks are defined in kconfig/hooks/edits.toml",
            ),
            (
                vec![with_edits(
                    "[[edit]]\nhook='Kconfig'\nfile='f'\nanchor='a'\nreplace='b'\nreason='r'\n",
                )],
                "the edits of hooks stand in kconfig/hooks/edits.toml",
            ),
            (
                vec![with_edits("[[edit]]")],
                "kconfig/core/edits.toml: TOML parse error",
            ),
        ];
        for (plugins, said) in cases {
            let error = table_error(HOOKS, plugins);
            assert!(error.contains(said), "`{said}` is not in: {error}");
        }
    }

    #[test]
    fn hooks_that_lead_nowhere_are_refused() {
        let edit =
            |hook: &str| format!("[[edit]]\n{hook}file='f'\nanchor='a'\nreplace='b'\nreason='r'\n");
        let hook = "[[hook]]\nname='Kconfig'\n";
        let cases = [
            (hook.to_owned(), "no edit makes the tree read it"),
            (edit(""), "it names no hook that is defined"),
            (edit("hook='Kc'\n"), "it names no hook that is defined"),
            (
                format!("{hook}{hook}{}", edit("hook='Kconfig'\n")),
                "it is defined twice",
            ),
            (
                "[[file]]\nsource='s'\ndest='d'\n".into(),
                "only a plugin has these",
            ),
        ];
        for (hooks, said) in cases {
            let error = table_error(&hooks, Vec::new());
            assert!(error.contains(said), "`{said}` is not in: {error}");
        }
    }
}
