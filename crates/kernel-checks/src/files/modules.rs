// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `modules.order`, by which the modules are found, against the commands that made it and against the other build.
//!
//! Source: `cmd_modules_order` in the Makefile and in `scripts/Makefile.build`: the list of a folder has the modules of
//! the folder, and the lists of the folders below it. Since Linux 6.4 it names the objects.

use std::collections::BTreeSet;

use kernel_facts::command_file;
use object_tree::{Objtree, module_of_line, text_if_there};

const ORDER: &str = "modules.order";

/// Returns the modules that are not in `modules.order`, and those that should not be.
pub fn order_faults(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Vec<String>> {
    let mut expected = BTreeSet::new();
    collect(tree, "", &mut expected)?;
    let Some(order) = text_if_there(&tree.root.join(ORDER))? else {
        let n_options = tree
            .settings
            .iter()
            .filter(|(_, value)| *value == "m")
            .count();
        let is_fault = tree.settings.is_set("MODULES") && (n_options > 0 || !expected.is_empty());
        let fault = format!(
            "{ORDER}: is missing, so no module is checked, and {n_options} options are set to m; run make again"
        );
        return Ok(if is_fault { vec![fault] } else { Vec::new() });
    };
    let found: BTreeSet<String> = order
        .lines()
        .map(module_of_line)
        .map(str::to_owned)
        .collect();
    let mut faults = Vec::new();
    for module in expected.difference(&found) {
        faults.push(format!(
            "{ORDER}: lacks {module}, which the list of its folder has; run make again"
        ));
    }
    if let Some(against) = against {
        let others = against.modules.iter().map(|module| &module.path);
        let missing =
            others.filter(|module| !found.contains(*module) && !expected.contains(*module));
        faults.extend(
            missing.map(|module| {
                format!("{ORDER}: lacks {module}, which the build to compare with has")
            }),
        );
    }
    Ok(faults)
}

/// Adds the modules of the folder to `modules`, as its command says.
fn collect(tree: &Objtree, folder: &str, modules: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let folder = tree.root.join(folder);
    let Some(command) = text_if_there(&command_file(&folder.join(ORDER)))? else {
        return Ok(());
    };
    for word in words(&command) {
        match word
            .strip_suffix(ORDER)
            .map(|folder| folder.trim_end_matches('/'))
        {
            Some("") => {}
            Some(below) => collect(tree, below, modules)?,
            None => {
                let module = module_of_line(word);
                if module != word {
                    modules.insert(module.to_owned());
                }
            }
        }
    }
    Ok(())
}

/// Returns what the command of a list reads.
fn words(command: &str) -> impl Iterator<Item = &str> {
    let line = command.lines().next().unwrap_or_default();
    let (_, command) = line.split_once(":=").unwrap_or_default();
    let words = command.split_ascii_whitespace();
    let inputs = words.take_while(|word| *word != ">");
    inputs.map(|word| word.trim_end_matches(';').trim_start_matches("./"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_modules_and_lists() {
        let command = "cmd_fs/modules.order := {   cat fs/nls/modules.order;   echo fs/mbcache.ko; :; } | \
                       awk '!x[$$0]++' - > fs/modules.order\n";
        let found: Vec<_> = words(command).filter(|word| word.contains('/')).collect();
        assert_eq!(found, ["fs/nls/modules.order", "fs/mbcache.ko"]);
    }
}
