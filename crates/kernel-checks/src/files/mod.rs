// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The files of an object tree are complete, and of one build. All other checks rely on that: a module that is not
//! listed is not checked, and a file of another build has faults that this build does not have.

mod builds;
mod config;
mod modules;
mod record;
mod system_map;
mod times;

use std::collections::BTreeSet;

use object_tree::{Artefact, Objtree};

use super::Finding;

pub use record::missing_record;

/// The result of the check, and the files that the other checks leave out.
pub struct Checked {
    /// The result.
    pub finding: Finding,
    /// Whether vmlinux is a kernel of this configuration, with code and symbols.
    pub has_kernel: bool,
    /// Whether vmlinux.o is of another build.
    pub is_object_foreign: bool,
    /// The modules of other builds, by their paths.
    pub foreign_modules: BTreeSet<String>,
}

/// The most messages of one kind: one wrong file differs in thousands of places.
const MOST: usize = 3;

/// Checks the files of `tree`. Its modules are those of `against`.
pub fn check(tree: &Objtree, against: Option<&Objtree>) -> anyhow::Result<Checked> {
    let mut faults = first_of(config::faults(tree)?);
    faults.extend(first_of(modules::order_faults(tree, against)?));
    faults.extend(missing_record(tree)?);
    faults.extend(tree.object_fault());
    let kernel = builds::kernel_faults(tree, against);
    let has_kernel = kernel.is_empty();
    faults.extend(kernel);
    let mut is_object_foreign = false;
    let mut foreign_modules = BTreeSet::new();
    let mut notes = Vec::new();
    if has_kernel {
        let of_map = system_map::faults(tree)?;
        let object = builds::object_fault(tree, of_map.is_empty());
        is_object_foreign = object.is_some();
        faults.extend(object);
        faults.extend(builds::banner_fault(tree)?);
        faults.extend(first_of(of_map));
        for (module, fault) in builds::module_faults(tree) {
            faults.push(format!("{}: {fault}", Artefact::Module(&module)));
            foreign_modules.insert(module);
        }
        let times = times::check(tree)?;
        faults.extend(first_of(times.faults));
        notes.extend(times.note);
        notes.extend(builds::same_build(tree, against));
    }
    let figure = format!(
        "vmlinux, vmlinux.o and {} modules of one build",
        tree.modules.len()
    );
    let finding = Finding {
        could_not_run: tree.unread.clone(),
        notes,
        ..Finding::new(figure, faults)
    };
    Ok(Checked {
        finding,
        has_kernel,
        is_object_foreign,
        foreign_modules,
    })
}

/// Returns the first faults of a kind, and how many follow.
fn first_of(mut faults: Vec<String>) -> Vec<String> {
    let n_more = faults.len().saturating_sub(MOST);
    faults.truncate(MOST);
    if let Some(last) = faults.last_mut().filter(|_| n_more > 0) {
        *last = format!("{last}; and {n_more} more of this kind");
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_faults_the_first_are_told_and_the_rest_is_counted() {
        let faults = |n: usize| (0..n).map(|index| index.to_string()).collect::<Vec<_>>();
        assert_eq!(first_of(faults(3)), ["0", "1", "2"]);
        assert_eq!(
            first_of(faults(5)),
            ["0", "1", "2; and 2 more of this kind"]
        );
    }
}
