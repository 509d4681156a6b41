// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Splits a series by the maintainers whose trees take the patches.

use serde::Deserialize;

use super::mail::KBUILD;
use super::step::Step;
use crate::error::{Error, Result};
use crate::plugin::Plugin;

/// The trees of maintainers, in the order in which their patches apply.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintainedTrees {
    #[serde(rename = "tree")]
    trees: Vec<MaintainedTree>,
}

/// A maintainer's tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct MaintainedTree {
    /// The subsystem that subjects begin with.
    name: String,
    /// The files and directories that it has; none for the tree that has the rest.
    #[serde(default)]
    paths: Vec<String>,
}

impl MaintainedTrees {
    /// Reads the text of `trees.toml`.
    ///
    /// Errors: it cannot be read; not exactly one tree, kbuild, has the rest of the files.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |reason| Error::Table(format!("kconfig/hooks/trees.toml: {reason}"));
        let read = toml::from_str::<Self>(text).map_err(|error| wrong(error.to_string()))?;
        let rest = read.trees.iter().filter(|tree| tree.paths.is_empty());
        let rest: Vec<_> = rest.map(|tree| tree.name.as_str()).collect();
        if rest != [KBUILD] {
            let reason = format!("{KBUILD} alone has no paths, because it takes the rest");
            return Err(wrong(reason));
        }
        Ok(read)
    }

    /// Returns the place of the tree that has this file.
    fn place(&self, path: &str) -> usize {
        let has = |tree: &MaintainedTree| {
            let mut paths = tree.paths.iter();
            paths.any(|own| path == own || own.ends_with('/') && path.starts_with(own.as_str()))
        };
        let rest = |tree: &MaintainedTree| tree.paths.is_empty();
        let place = self.trees.iter().position(has);
        let place = place.or_else(|| self.trees.iter().position(rest));
        place.unwrap_or_default()
    }

    /// Returns the name of the tree that has this file.
    pub fn name(&self, path: &str) -> &str {
        let tree = self.trees.get(self.place(path));
        tree.map_or(KBUILD, |tree| &tree.name)
    }

    /// Splits each step by the trees of its files, and puts the steps into the order of the trees.
    ///
    /// A file is in one tree, and the steps of a tree keep their order. So each patch finds the text that the
    /// steps before it left.
    pub fn split<'a>(&self, steps: Vec<Step<'a>>) -> Vec<Step<'a>> {
        let mut placed: Vec<(usize, Step<'a>)> = Vec::new();
        for step in steps {
            for (place, tree) in self.trees.iter().enumerate() {
                let changes = step.changes.iter();
                let changes = changes.filter(|change| self.place(&change.path) == place);
                let changes: Vec<_> = changes.cloned().collect();
                if changes.is_empty() {
                    continue;
                }
                let plugin: Option<&'a Plugin> = step.plugin.as_ref().map(|(plugin, _)| *plugin);
                let mut parts = plugin.iter().flat_map(|plugin| &plugin.parts);
                let part = parts.find(|part| part.tree == tree.name);
                let message = match part {
                    Some(part) => (part.title.as_str(), part.body.trim().into()),
                    None => step.message.clone(),
                };
                placed.push((
                    place,
                    Step {
                        plugin: step.plugin.clone(),
                        subsystem: tree.name.clone(),
                        message,
                        changes,
                    },
                ));
            }
        }
        placed.sort_by_key(|(place, _)| *place);
        placed.into_iter().map(|(_, step)| step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREES: &str = "[[tree]]\nname = 'PCI'\npaths = ['include/linux/pci.h', 'drivers/pci/']\n\
                         [[tree]]\nname = 'kbuild'\n";

    #[test]
    fn a_file_is_in_the_tree_that_names_it_or_its_directory() {
        let trees = MaintainedTrees::parse(TREES).unwrap();
        for (path, name) in [
            ("include/linux/pci.h", "PCI"),
            ("include/linux/pci.h.orig", "kbuild"),
            ("drivers/pci/quirks.c", "PCI"),
            ("drivers/pci", "kbuild"),
            ("Makefile", "kbuild"),
        ] {
            assert_eq!(trees.name(path), name, "{path}");
        }
    }

    #[test]
    fn kbuild_alone_takes_the_rest() {
        for text in [
            "[[tree]]\nname = 'x86'\n",
            "[[tree]]\nname = 'kbuild'\n[[tree]]\nname = 'x86'\n",
            "[[tree]]\nname = 'kbuild'\npaths = ['Makefile']\n",
        ] {
            let error = MaintainedTrees::parse(text).unwrap_err().to_string();
            assert!(error.contains("takes the rest"), "{error}");
        }
    }
}
