// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The plugins offered to a tree whose own build knows LTO.

use std::fmt::Write as _;
use std::path::Path;

use kernel_lab::table;
use kernel_tree::{KnownLto, Offer, Tree, Withheld};

use crate::explain::quoted;

/// Returns what is offered to a tree whose own build knows LTO; `None` for any other tree.
///
/// # Errors
/// The tree cannot be read.
pub fn explanation(dir: &Path) -> anyhow::Result<Option<String>> {
    let tree = Tree::open(dir)?;
    if tree.known_lto()? != KnownLto::Native {
        return Ok(None);
    }
    let table = plugin_table::table()?;
    let offers = table.offers(&tree)?;
    let installed = kernel_tree::status(&tree)?.installed;
    let installed = installed.map_or_else(Vec::new, |installed| installed.plugins);
    Ok(Some(explained(&tree, &offers, &installed)))
}

/// Returns the names of the plugins that are offered to a tree whose own build knows LTO.
///
/// # Errors
/// The tree cannot be read.
pub fn offered(tree: &Path) -> anyhow::Result<Vec<String>> {
    let table = plugin_table::table()?;
    let offers = table.offers(&Tree::open(tree)?)?;
    let made = offers.iter().filter(|offer| offer.is_made());
    Ok(made.map(|offer| offer.plugin.name.to_owned()).collect())
}

fn explained(tree: &Tree, offers: &[Offer<'_>], installed: &[String]) -> String {
    let heading = [
        "plugin",
        "offered",
        "what it does there, or why it is not offered",
    ];
    let rows = offers.iter().map(|offer| row(offer, installed));
    let table = table::of(std::iter::once(heading.map(str::to_owned)).chain(rows));
    let names: Vec<&str> = offers
        .iter()
        .filter(|offer| offer.is_made())
        .map(|offer| offer.plugin.name)
        .collect();
    let (verb, names) = if installed.is_empty() {
        ("To take some", names.join(","))
    } else {
        ("To install again what is installed", installed.join(","))
    };
    format!(
        "{}: linux {}, whose own build knows LTO. Single plugins are offered; each stands \
         alone:\n\n{table}\n{verb} (docs/adopting.md):\n  cargo xtask install --tree {} --plugins \
         {names}\nNothing was changed.\n",
        tree.dir().display(),
        tree.version(),
        quoted(tree.dir()),
    )
}

/// Returns the row of a plugin in the table of offers. Each of its steps has a line.
fn row(offer: &Offer<'_>, installed: &[String]) -> [String; 3] {
    let name = offer.plugin.name;
    let is_installed = installed.iter().any(|installed| installed == name);
    let offered = match offer.refused {
        Some(_) => "no",
        None if is_installed => "installed",
        None => "yes",
    };
    let done = offer.refused.or(offer.does.as_deref()).unwrap_or_default();
    let mut what = done.replace("; ", ";\n");
    for Withheld { does, reason } in &offer.withheld {
        // Writing to a String does not fail.
        let _ = write!(what, "\nnot here: {does}: {reason}");
    }
    [name.to_owned(), offered.to_owned(), what]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{native_tree, tree};

    #[test]
    fn a_tree_with_lto_of_its_own_is_told_what_is_offered() {
        let tree = native_tree();
        let text = explanation(tree.path()).unwrap().unwrap();
        for part in [
            " initcall-order  yes      writes the same .tmp_initcalls.lds as ",
            " mcount-loc      no       objtool or the compiler ",
            " modversions     no       its scripts/Makefile.modpost ",
            " --plugins lto-link,initcall-order,",
            "Nothing was changed.\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        let opened = Tree::open(tree.path()).unwrap();
        let table = plugin_table::table().unwrap();
        let offers = table.offers(&opened).unwrap();
        let text = explained(&opened, &offers, &["prel32-fix".to_owned()]);
        assert!(
            text.contains(" prel32-fix      installed  checks at "),
            "{text}"
        );
        assert!(text.contains("--plugins prel32-fix\n"), "{text}");
    }

    #[test]
    fn a_tree_without_lto_is_offered_all() {
        assert_eq!(explanation(tree().path()).unwrap(), None);
    }

    #[test]
    fn every_plugin_says_what_it_is_to_a_tree_with_lto() {
        let tree = tree();
        let table = plugin_table::table().unwrap();
        let offers = table.offers(&Tree::open(tree.path()).unwrap()).unwrap();
        let silent: Vec<_> = offers
            .iter()
            .filter(|offer| offer.refused == Some("it is for trees without LTO only"))
            .map(|offer| offer.plugin.name)
            .collect();
        assert_eq!(silent, [""; 0]);
    }
}
