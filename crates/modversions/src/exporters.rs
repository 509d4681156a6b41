// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the exporter in a `Module.symvers` for a built file.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use object_model::Elf;

use crate::Symvers;

/// The name of the linked kernel in `Module.symvers`.
const KERNEL: &str = "vmlinux";

/// The names of files in a `Module.symvers`, by the path of each file on the disk.
#[derive(Debug)]
pub struct Exporters(HashMap<PathBuf, String>);

impl Exporters {
    /// Finds the modules that `symvers`, read from the file at `path`, names: relative to the folder
    /// of that file, which is the object tree, and to the working directory. Missing modules are
    /// left out.
    ///
    /// Source: `write_dump` in `scripts/mod/modpost.c`. The path is relative to the object tree, and
    /// absolute for external modules of kernels before 6.13.
    pub fn new(symvers: &Symvers, path: &Path) -> Self {
        let mut names = HashMap::new();
        let exporters: BTreeSet<&str> = symvers
            .iter()
            .map(|(_, export)| export.exporter.as_str())
            .collect();
        let tree = path.parent().unwrap_or(Path::new(""));
        // If a file has a name in both, the one in the object tree is right, so it comes last.
        for folder in [Path::new("."), tree] {
            for exporter in &exporters {
                let module = folder.join(format!("{exporter}.ko"));
                // A missing module is not one of the built files.
                if let Ok(module) = module.canonicalize() {
                    names.insert(module, (*exporter).to_owned());
                }
            }
        }
        Self(names)
    }

    /// Returns the name of the built `file` at `path`, for any spelling of the path. For a module that is not
    /// an exporter, returns the path as given without `.ko`.
    pub fn name(&self, path: &Path, file: &Elf) -> String {
        let has_name = |name| path.file_name().is_some_and(|found| found == name);
        if !file.is_relocatable() || has_name("vmlinux.o") {
            return KERNEL.to_owned();
        }
        let known = path.canonicalize().ok();
        let known = known.and_then(|place| self.0.get(&place));
        known.cloned().unwrap_or_else(|| {
            let name = path.display().to_string();
            name.strip_suffix(".ko").unwrap_or(&name).to_owned()
        })
    }
}
