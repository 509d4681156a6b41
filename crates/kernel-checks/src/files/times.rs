// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! No file is newer than what was linked from it: otherwise it was built again, and the link was not.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use kernel_facts::command_file;
use object_tree::{Artefact, Objtree};

/// The result of the comparison.
pub struct Times {
    /// A line for each file that is older than one that it was linked from.
    pub faults: Vec<String>,
    /// The reason why times were not compared, if they were not.
    pub note: Option<String>,
}

/// Compares the times of inputs, vmlinux.o, vmlinux, objects and modules, if the tree has the times of its build.
pub fn check(tree: &Objtree) -> anyhow::Result<Times> {
    let mut order = Order::default();
    let mut faults = Vec::new();
    let object = Artefact::VmlinuxO.to_string();
    let of_object = time(&tree.root.join(&object));
    faults.extend(Linked::new(tree, Artefact::Vmlinux).fault(&object, of_object));
    if tree.has_lto()
        && let Some(link) = tree.link()?
    {
        let linked = Linked::new(tree, Artefact::VmlinuxO);
        for input in &link.inputs {
            let Some(path) = &input.path else { continue };
            let full = tree.root.join(path);
            let of_input = time(&full);
            faults.extend(linked.fault(&path.display().to_string(), of_input));
            // Without LTO, objtool and others change an object after its command was written.
            order.add(of_input, time(&command_file(&full)));
        }
    }
    for module in &tree.modules {
        let artefact = module.artefact();
        let object = artefact.object();
        let of_object = time(&tree.root.join(&object));
        faults.extend(Linked::new(tree, artefact).fault(&object, of_object));
        let of = |suffix: &str| time(&tree.beside(module, suffix));
        order.add(of(".mod.c"), of(".mod.o"));
    }
    let note = order.note().filter(|_| !faults.is_empty());
    if note.is_some() {
        faults.clear();
    }
    Ok(Times { faults, note })
}

/// A linked file, and when it was written.
struct Linked {
    name: String,
    time: Option<SystemTime>,
}

impl Linked {
    fn new(tree: &Objtree, artefact: Artefact) -> Self {
        let name = artefact.to_string();
        Self {
            time: time(&tree.root.join(&name)),
            name,
        }
    }

    /// Returns the fault if `object`, from which it is linked, was written later.
    fn fault(&self, object: &str, of_object: Option<SystemTime>) -> Option<String> {
        let Self { name, time } = self;
        (of_object? > (*time)?).then(|| {
            format!("{name}: is older than {object}, from which it is linked; run make again")
        })
    }
}

/// Pairs of files, of which each build writes the first one first: an object and its command (`if_changed_dep` in
/// `scripts/Kbuild.include`), the source that modpost writes and its object. A copy that does not keep times mixes them.
#[derive(Default)]
struct Order {
    n_pairs: usize,
    n_mixed: usize,
}

impl Order {
    fn add(&mut self, first: Option<SystemTime>, second: Option<SystemTime>) {
        if let (Some(first), Some(second)) = (first, second) {
            self.n_pairs += 1;
            self.n_mixed += usize::from(first > second);
        }
    }

    /// Returns why the times are not those of the build, if so.
    fn note(&self) -> Option<String> {
        let Self { n_pairs, n_mixed } = *self;
        if n_pairs == 0 {
            return Some(
                "times are not compared: no object tells whether they are those of the build"
                    .to_owned(),
            );
        }
        (n_mixed.saturating_mul(10) > n_pairs).then(|| {
            format!(
                "times are not compared: {n_mixed} of {n_pairs} files are newer than what was made from them, as in a copy \
                 that did not keep times; copy with cp -a"
            )
        })
    }
}

/// Returns when a file was last written; `None` if it is missing.
fn time(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}
