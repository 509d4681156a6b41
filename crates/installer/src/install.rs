// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! An install: recover, plan, build the tools, plan again, write.

use std::collections::BTreeMap;
use std::path::Path;

use kernel_lab::{progress, workspace};
use kernel_tree::{KnownLto, OnChange, Plan, Preview, Report, Table, Tool, Tree, Unrecorded};
use plugin_table::Needed;

use crate::status;
use crate::tools;

/// The options of an install.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The kernel tree.
    pub tree: &'a Path,
    /// The names of the plugins; all if there are none, in a tree without LTO.
    pub plugins: &'a [String],
    /// The fate of installed lines and files that were changed.
    pub on_change: OnChange,
}

impl<'a> Options<'a> {
    /// Returns the options of an install that refuses installed lines that were changed.
    pub fn new(tree: &'a Path, plugins: &'a [String]) -> Self {
        Self {
            tree,
            plugins,
            on_change: OnChange::Refuse,
        }
    }
}

/// An install that was made.
#[derive(Debug)]
pub struct Installed {
    /// The plan that was carried out.
    pub plan: Plan,
    /// The files that were changed.
    pub report: Report,
    /// The plugins that LTO still needs.
    pub missing: Vec<Needed>,
    /// Whether the tree has its own LTO.
    pub is_native: bool,
}

/// Installs the plugins: finishes an interrupted command, plans, builds the tools, and writes.
///
/// # Errors
/// The tree is refused, the tools cannot be built, the tree cannot be written.
pub fn install(options: &Options<'_>) -> anyhow::Result<Installed> {
    install_with(&plugin_table::table()?, options, tools::build)
}

/// The same with plugins of the caller, and with tools that `build` makes.
pub(crate) fn install_with(
    table: &Table,
    options: &Options<'_>,
    build: impl FnOnce(&[Tool]) -> anyhow::Result<BTreeMap<String, Vec<u8>>>,
) -> anyhow::Result<Installed> {
    let Options {
        tree: dir,
        plugins,
        on_change,
    } = *options;
    status::recover(dir)?;
    let before = Tree::open(dir)?;
    let plan = planned(table, &before, plugins)?;
    let lost = kernel_tree::check_install(&before, &plan, on_change)?;
    tell_lost(dir, &lost);
    let tools = plan.tools;
    let binaries = build(&tools)?;
    // Building takes a minute. The plan is made of the tree as it is then, so that no edit is lost.
    let tree = Tree::open(dir)?;
    let plan = planned(table, &tree, plugins)?;
    anyhow::ensure!(
        plan.tools == tools,
        "{}: changed while the tools were built, so that it needs others; run the command again",
        dir.display()
    );
    let report = kernel_tree::install(&tree, &plan, &binaries, on_change)?;
    let missing = missing_for_lto(table, &plan.plugins, &tree)?;
    Ok(Installed {
        plan,
        report,
        missing,
        is_native: tree.known_lto()? == KnownLto::Native,
    })
}

/// Tells the changes that are given up, before they are.
pub(crate) fn tell_lost(dir: &Path, lost: &[u8]) {
    if !lost.is_empty() {
        progress::note(&format!(
            "{}: these changes are given up (lines with + are lost):\n{}",
            dir.display(),
            String::from_utf8_lossy(lost).trim_end()
        ));
    }
}

/// Returns the plan of an install, its difference to the present tree, and what would refuse it. Builds the
/// tools, because a tool may differ, too.
///
/// # Errors
/// The tree cannot be planned for, or the tools cannot be built.
pub fn previewed(options: &Options<'_>) -> anyhow::Result<(Plan, Preview)> {
    previewed_with(&plugin_table::table()?, options, tools::build)
}

/// The same with plugins of the caller, and with tools that `build` makes.
pub(crate) fn previewed_with(
    table: &Table,
    options: &Options<'_>,
    build: impl FnOnce(&[Tool]) -> anyhow::Result<BTreeMap<String, Vec<u8>>>,
) -> anyhow::Result<(Plan, Preview)> {
    let tree = Tree::open(options.tree)?;
    let plan = planned(table, &tree, options.plugins)?;
    let preview = kernel_tree::preview(&tree, &plan, &build(&plan.tools)?)?;
    Ok((plan, preview))
}

/// Returns the plan of these plugins; of all, if none is named, in a tree without LTO.
pub(crate) fn planned(table: &Table, tree: &Tree, names: &[String]) -> anyhow::Result<Plan> {
    if names.is_empty() && tree.known_lto()? == KnownLto::Native {
        anyhow::bail!(
            "{}: its own build knows LTO: name plugins with --plugins; without --check, this command lists them",
            tree.dir().display()
        );
    }
    Unrecorded::refuse(tree, table)?;
    let plan = Plan::new(tree, &table.choose(tree, names)?, plugin_table::VERSION)?;
    Ok(Plan {
        commit: workspace::commit(),
        ..plan
    })
}

/// Returns the plugins that LTO needs besides `plugins`; none in a tree whose own build knows LTO.
pub(crate) fn missing_for_lto(
    table: &Table,
    plugins: &[String],
    tree: &Tree,
) -> anyhow::Result<Vec<Needed>> {
    if tree.known_lto()? == KnownLto::Native {
        return Ok(Vec::new());
    }
    let all = table.choose::<&str>(tree, &[])?;
    let mut needed = plugin_table::needed_for_lto();
    needed.retain(|Needed { plugin, .. }| {
        let is_offered = all.plugins().any(|one| one.name == plugin);
        is_offered && !plugins.contains(plugin)
    });
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sample::{
        collect_notes, installed, notes_about, options, parts_of_lto, table, tree,
    };

    #[test]
    fn nothing_is_built_for_a_tree_that_is_refused() {
        let tree = tree();
        fs::remove_file(tree.path().join("Kconfig")).unwrap();
        symlink("Makefile", tree.path().join("Kconfig")).unwrap();
        let build = |_: &[Tool]| panic!("the tools were built");
        let error = install_with(&table(), &options(&tree), build).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn an_edit_made_while_the_tools_are_built_stays() {
        let tree = tree();
        let kconfig = tree.path().join("Kconfig");
        let build = |_: &[Tool]| {
            fs::write(&kconfig, "# mine\na")?;
            Ok([("sample-tool".to_owned(), b"binary".to_vec())].into())
        };
        install_with(&table(), &options(&tree), build).unwrap();
        assert_eq!(fs::read_to_string(&kconfig).unwrap(), "# mine\nb");
    }

    #[test]
    fn nothing_is_written_if_the_tools_cannot_be_built() {
        let tree = tree();
        let build = |_: &[Tool]| anyhow::bail!("no compiler");
        let error = install_with(&table(), &options(&tree), build).unwrap_err();
        assert_eq!(error.to_string(), "no compiler");
        assert!(!tree.path().join("scripts/lto").exists());
    }

    #[test]
    fn changes_that_are_given_up_are_told_before() {
        collect_notes();
        let tree = tree();
        installed(&options(&tree));
        let version = tree.path().join("scripts/lto/VERSION");
        fs::write(&version, "mine\n").unwrap();
        let discarding = Options {
            on_change: OnChange::Discard,
            ..options(&tree)
        };
        let build = |_: &[Tool]| {
            let [told] = &notes_about(tree.path())[..] else {
                panic!("nothing was told")
            };
            assert!(told.contains("\n+mine"), "{told}");
            assert_eq!(fs::read(&version).unwrap(), b"mine\n");
            Ok([("sample-tool".to_owned(), b"binary".to_vec())].into())
        };
        install_with(&table(), &discarding, build).unwrap();
        assert_ne!(fs::read(&version).unwrap(), b"mine\n");

        fs::write(&version, "mine again\n").unwrap();
        crate::uninstall(tree.path(), OnChange::Discard).unwrap();
        let told = notes_about(tree.path());
        assert!(
            told.len() == 2 && told[1].contains("\n+mine again"),
            "{told:?}"
        );
    }

    #[test]
    fn an_install_without_record_is_not_installed_over() {
        let tree = tree();
        installed(&options(&tree));
        fs::remove_dir_all(tree.path().join("scripts/lto/.install")).unwrap();
        let build = |_: &[Tool]| panic!("the tools were built");
        let error = install_with(&table(), &options(&tree), build).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("installed, without record: sample"),
            "{error}"
        );
    }

    #[test]
    fn the_plugins_that_lto_still_needs_are_found() {
        let table = parts_of_lto();
        let missing = |plugins: &[&str]| {
            let plugins: Vec<_> = plugins.iter().map(|name| (*name).to_owned()).collect();
            let tree = tree();
            let options = Options::new(tree.path(), &plugins);
            let installed = install_with(&table, &options, |_| Ok(BTreeMap::new())).unwrap();
            let missing = installed.missing.into_iter();
            missing.map(|needed| needed.plugin).collect::<Vec<_>>()
        };
        assert_eq!(missing(&["lto-link"]), ["section-merge"]);
        assert_eq!(missing(&["section-merge"]), ["lto-link"]);
        assert_eq!(missing(&[]), [""; 0]);
    }

    #[test]
    fn all_plugins_at_once_make_no_sense_in_a_tree_with_lto() {
        let tree = crate::sample::native_tree();
        let table = plugin_table::table().unwrap();
        let error = planned(&table, &Tree::open(tree.path()).unwrap(), &[]).unwrap_err();
        assert!(
            error.to_string().contains("name plugins with --plugins"),
            "{error}"
        );
    }
}
