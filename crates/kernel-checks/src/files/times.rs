// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! No file is newer than what was linked from it: otherwise it was built again, and the link was not.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use object_tree::{Artefact, Objtree};

/// What the times of the files say.
pub struct Times {
    /// The files that were built after what was linked from them.
    pub faults: Vec<String>,
    /// Why the times say nothing, if they do not.
    pub note: Option<String>,
}

/// Compares the times of inputs, vmlinux.o, vmlinux, objects and modules, if the tree has the times of its build.
pub fn check(tree: &Objtree) -> anyhow::Result<Times> {
    let kernel = Artefact::Vmlinux.to_string();
    let object = Artefact::VmlinuxO.to_string();
    let mut order = Order::default();
    let mut faults = Vec::new();
    faults.extend(newer(tree, Path::new(&object), &kernel));
    if tree.has_lto()
        && let Some(link) = tree.link()?
    {
        for path in link.inputs.iter().filter_map(|input| input.path.as_deref()) {
            faults.extend(newer(tree, path, &object));
            // Without LTO, objtool and others change an object after its command was written.
            let path = tree.root.join(path);
            order.add(&path, &command_of(&path));
        }
    }
    for module in &tree.modules {
        let artefact = module.artefact();
        faults.extend(newer(
            tree,
            Path::new(&artefact.object()),
            &artefact.to_string(),
        ));
        order.add(
            &tree.beside(module, ".mod.c"),
            &tree.beside(module, ".mod.o"),
        );
    }
    let note = order.note().filter(|_| !faults.is_empty());
    if note.is_some() {
        faults.clear();
    }
    Ok(Times { faults, note })
}

/// Pairs of files, of which each build writes the first one first: an object and its command (`if_changed_dep` in
/// `scripts/Kbuild.include`), the source that modpost writes and its object. A copy that does not keep times mixes them.
#[derive(Default)]
struct Order {
    n_pairs: usize,
    n_mixed: usize,
}

impl Order {
    fn add(&mut self, first: &Path, second: &Path) {
        if let (Some(first), Some(second)) = (time(first), time(second)) {
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

/// Returns the fault of an object that is newer than the file `linked` from it.
fn newer(tree: &Objtree, object: &Path, linked: &str) -> Option<String> {
    let of_object = time(&tree.root.join(object))?;
    let of_linked = time(&tree.root.join(linked))?;
    (of_object > of_linked).then(|| {
        format!(
            "{linked}: is older than {}, from which it is linked; run make again",
            object.display()
        )
    })
}

/// Returns the file in which kbuild keeps the command of `object`.
fn command_of(object: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(object.file_name().unwrap_or_default());
    name.push(".cmd");
    object.with_file_name(name)
}

/// Returns when a file was last written; `None` if it is missing.
fn time(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}
