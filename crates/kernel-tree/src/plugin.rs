// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Plugins, the table of all plugins, and selections of them.

use crate::edits::{Edits, EditsError, Hook};
use crate::error::{Error, Refusal, Result};
use crate::native::{KnownLto, Offer};
use crate::tree::Tree;
use std::collections::BTreeSet;

/// One text of a plugin, from `kconfig/<plugin>/`.
#[derive(Debug, Clone, Copy)]
pub struct GlueFile {
    /// Its name in that directory.
    pub name: &'static str,
    /// Its content.
    pub text: &'static str,
}

/// A file that a plugin computed from the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Its path, relative to the tree. The pristine tree must have no file there.
    pub path: String,
    /// Its content.
    pub text: String,
    /// Notes to the user about it, for instance on a pattern that matched nothing.
    pub notes: Vec<String>,
}

/// The result of [`Plugin::generate`].
pub type GenerateResult =
    std::result::Result<Vec<Generated>, Box<dyn std::error::Error + Send + Sync>>;

/// A plugin, as its crate's `glue.rs` describes it.
#[derive(Debug, Clone, Copy)]
pub struct Plugin {
    /// The name of its crate and of its directory in `kconfig/`.
    pub name: &'static str,
    /// The subject of its patch: one line, imperative, no full stop.
    pub title: &'static str,
    /// The titles of the patches of the Clang LTO series that it replaces.
    pub upstream: &'static [&'static str],
    /// The plugins that it requires, which precede it in the table.
    pub requires: &'static [&'static str],
    /// The binaries that it installs; the package of the same name builds each.
    pub tools: &'static [&'static str],
    /// Its texts; `edits.toml` is one of them and says how the others are used.
    pub glue: &'static [GlueFile],
    /// Computes more files from the facts of a tree.
    pub generate: Option<fn(&Tree) -> GenerateResult>,
}

impl Plugin {
    /// Returns the glue text of this name.
    pub fn glue_text(&self, name: &str) -> Option<&'static str> {
        self.glue
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.text)
    }
}

/// A plugin with its `edits.toml` read.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub plugin: Plugin,
    pub edits: Edits,
}

/// All plugins, in the order in which they are installed, and their hooks.
#[derive(Debug, Clone)]
pub struct Table {
    hooks: Edits,
    plugins: Vec<Resolved>,
}

impl Table {
    /// Makes the table from `kconfig/hooks/edits.toml` and the plugins.
    ///
    /// Errors: an `edits.toml` that cannot be read or names a missing text or hook; two plugins or
    /// two tools of one name; a plugin that precedes one that it requires.
    pub fn new(hooks: &str, plugins: Vec<Plugin>) -> Result<Self> {
        let hooks = Edits::parse(hooks).map_err(|source| Error::Edits {
            plugin: "hooks".into(),
            source,
        })?;
        check_hooks(&hooks)?;
        let plugins = plugins
            .into_iter()
            .map(resolve)
            .collect::<Result<Vec<_>>>()?;
        let mut names = BTreeSet::new();
        let mut tools = BTreeSet::new();
        for Resolved { plugin, edits } in &plugins {
            if let Some(required) = plugin.requires.iter().find(|name| !names.contains(*name)) {
                return Err(Error::Table(format!(
                    "{} requires {required}, which does not stand before it",
                    plugin.name
                )));
            }
            if !names.insert(plugin.name) {
                return Err(Error::Table(format!("{} stands in it twice", plugin.name)));
            }
            if let Some(tool) = plugin.tools.iter().find(|tool| !tools.insert(**tool)) {
                return Err(Error::Table(format!("two plugins install {tool}")));
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

    /// Returns the plugins, in the order of the table.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter().map(|resolved| &resolved.plugin)
    }

    /// Returns a selection of all plugins.
    pub fn all(&self) -> Selection<'_> {
        Selection {
            hooks: &self.hooks,
            plugins: self.plugins.iter().collect(),
            native: false,
        }
    }

    /// Returns the offer of each plugin to `tree`, if its own build knows LTO.
    pub fn offers(&self, tree: &Tree) -> Result<Vec<Offer<'_>>> {
        let plugins = self.plugins.iter();
        plugins.map(|resolved| Offer::of(resolved, tree)).collect()
    }

    /// Returns the plugins with these names for `tree`, in the order of the table; without names, all
    /// plugins that make sense there. If the tree's own build knows LTO, each stands alone.
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

    /// Returns the plugins with these names for a tree whose own build knows LTO.
    fn adopted<S: AsRef<str>>(&self, tree: &Tree, names: &[S]) -> Result<Selection<'_>> {
        let plugins = self.named(names)?;
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

    /// Returns the plugins with these names, in the order of the table, for a tree without LTO.
    ///
    /// Errors: an unknown name, a plugin without one that it requires, no name at all.
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Selection<'_>> {
        let plugins = self.named(names)?;
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
                "{}: choose what is required too",
                lacking.join(", ")
            )));
        }
        Ok(Selection {
            hooks: &self.hooks,
            plugins,
            native: false,
        })
    }

    fn named<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<&Resolved>> {
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

/// Plugins to be installed together, in the order of the table. They include all plugins that they
/// require, or, for a tree whose own build knows LTO, each stands alone.
#[derive(Debug, Clone)]
pub struct Selection<'table> {
    pub(crate) hooks: &'table Edits,
    pub(crate) plugins: Vec<&'table Resolved>,
    /// Whether they are for a tree whose own build knows LTO.
    pub(crate) native: bool,
}

impl Selection<'_> {
    /// The plugins.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter().map(|resolved| &resolved.plugin)
    }

    /// Returns the first `n` plugins, which need none of the others.
    #[must_use]
    pub fn prefix(&self, n: usize) -> Self {
        Self {
            hooks: self.hooks,
            plugins: self.plugins.iter().copied().take(n).collect(),
            native: self.native,
        }
    }

    /// Returns a selection per plugin if they are for a tree whose own build knows LTO, where no
    /// plugin needs another; nothing otherwise.
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

fn resolve(plugin: Plugin) -> Result<Resolved> {
    let wrong = |entry: String, reason: String| Error::Edits {
        plugin: plugin.name.into(),
        source: EditsError::Entry { entry, reason },
    };
    let text = plugin
        .glue_text("edits.toml")
        .ok_or_else(|| Error::Table(format!("{} has no glue text edits.toml", plugin.name)))?;
    let edits = Edits::parse(text).map_err(|source| Error::Edits {
        plugin: plugin.name.into(),
        source,
    })?;
    if let Some(hook) = edits.hooks.first() {
        return Err(wrong(
            format!("[[hook]] {}", hook.name),
            "hooks are defined in kconfig/hooks/edits.toml".into(),
        ));
    }
    if let Some(edit) = edits.changes.iter().find(|edit| edit.hook.is_some()) {
        return Err(wrong(
            format!("[[edit]] of {}", edit.file),
            "the edits of hooks stand in kconfig/hooks/edits.toml".into(),
        ));
    }
    let sources = edits
        .files
        .iter()
        .map(|file| &file.source)
        .chain(edits.fragments.iter().map(|fragment| &fragment.source));
    for source in sources {
        if plugin.glue_text(source).is_none() {
            return Err(wrong(
                format!("source {source}"),
                "the plugin has no glue text of that name".into(),
            ));
        }
    }
    Ok(Resolved { plugin, edits })
}

/// Checks that the file of the hooks has only hooks and their edits, and that each hook has an edit.
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
        adoption,
        hooks: defined,
        changes,
        files,
        fragments,
    } = hooks;
    if adoption.is_some() || !files.is_empty() || !fragments.is_empty() {
        return wrong(
            "[adopt], [[file]] or [[fragment]]".into(),
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
    fn unknown_missing_and_no_plugins_are_named() {
        let table = table();
        let error = |names: &[&str]| table.select(names).unwrap_err().to_string();
        assert_eq!(
            error(&["core", "cor"]),
            "there is no plugin cor; there are core, extra, solo"
        );
        assert_eq!(
            error(&["extra", "solo"]),
            "extra requires core: choose what is required too"
        );
        assert!(error(&[]).starts_with("no plugin was chosen"));
    }

    /// The error of a table, with its cause.
    fn table_error(hooks: &str, plugins: Vec<Plugin>) -> String {
        let error = Table::new(hooks, plugins).unwrap_err();
        let cause = std::error::Error::source(&error);
        format!(
            "{error}: {}",
            cause.map(ToString::to_string).unwrap_or_default()
        )
    }

    fn with_edits(text: &'static str) -> Plugin {
        let glue = vec![GlueFile {
            name: "edits.toml",
            text,
        }];
        Plugin {
            glue: Vec::leak(glue),
            ..CORE
        }
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let no_glue = Plugin { glue: &[], ..CORE };
        let same_tool = Plugin {
            tools: &["solo"],
            ..CORE
        };
        let cases = [
            (
                vec![EXTRA, CORE],
                "extra requires core, which does not stand before it",
            ),
            (vec![CORE, CORE], "core stands in it twice"),
            (vec![same_tool, SOLO], "two plugins install solo"),
            (vec![no_glue], "core has no glue text edits.toml"),
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
