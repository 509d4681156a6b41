// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the objects that a kernel was linked from, also if the build left no record.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use object_model::Input;
use object_tree::{LinkedBy, Objtree};
use walkdir::WalkDir;

/// The objects that a kernel was linked from.
pub struct Inputs<'tree, 'files> {
    recorded: Option<&'tree [Input<'files>]>,
    found: Vec<Input<'files>>,
    /// How they were found.
    pub source: &'static str,
}

impl<'files> Inputs<'_, 'files> {
    /// Returns the objects, in link order if that is known.
    pub fn objects(&self) -> &[Input<'files>] {
        self.recorded.unwrap_or(&self.found)
    }
}

/// Folders of an object tree with programs of the host, or with code outside of vmlinux.
const NO_KERNEL: [&str; 4] = ["scripts", "tools", "include", "source"];

/// Returns the inputs of the link of the kernel in `tree`: from its record, else from the record of
/// `other`, a build of the same source, else from all its archives.
///
/// # Errors
/// A record or an object cannot be read.
pub fn of<'tree, 'files>(
    tree: &'tree Objtree<'files>,
    other: Option<&Objtree>,
) -> anyhow::Result<Inputs<'tree, 'files>> {
    if let Some(link) = tree.link()? {
        return Ok(Inputs {
            recorded: Some(&link.inputs),
            found: Vec::new(),
            source: match link.by {
                LinkedBy::LtoLink => "lto-link's record",
                LinkedBy::Kbuild => "kbuild's command",
            },
        });
    }
    let of_other = match other {
        Some(other) => other.link()?,
        None => None,
    };
    let (paths, source) = match of_other {
        Some(link) => {
            let paths = link.inputs.iter().filter(|input| input.path.is_some());
            let paths = paths.map(|input| PathBuf::from(object_name(input)));
            let paths: Vec<_> = paths.filter(|path| tree.root.join(path).exists()).collect();
            (paths, "the record of the other build")
        }
        None => (archives(&tree.root)?, "the archives in the tree"),
    };
    let mut found = tree.inputs(&paths)?;
    let mut seen = HashSet::new();
    found.retain(|input| seen.insert(object_name(input)));
    Ok(Inputs {
        recorded: None,
        found,
        source,
    })
}

/// Returns the archives that kernels are linked from, and the objects that are linked separately.
fn archives(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let walk = WalkDir::new(root).sort_by_file_name().into_iter();
    let walk = walk.filter_entry(|entry| {
        let name = entry.file_name().to_str().unwrap_or_default();
        !(entry.depth() == 1 && NO_KERNEL.contains(&name))
    });
    for entry in walk {
        let entry = entry.with_context(|| root.display().to_string())?;
        let path = entry.path().strip_prefix(root)?;
        let name = entry.file_name().to_str().unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new(""));
        // `head-y` of arch/*/Makefile, up to 5.19.
        let is_head = folder.starts_with("arch")
            && folder.ends_with("kernel")
            && (name.starts_with("head") || ["ebda.o", "platform-quirks.o"].contains(&name))
            && path.extension().is_some_and(|extension| extension == "o");
        if is_head || ["built-in.a", "lib.a"].contains(&name) {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}

/// Returns the path of an object in the tree, the same in every build: native code made from
/// bitcode has the name of the bitcode.
pub fn object_name(input: &Input) -> String {
    match &input.path {
        Some(path) => source_object(&path.display().to_string()),
        // A member that is no file has the name of its archive, which is its origin.
        None => match input.name.split_once(" in ") {
            Some((member, archive)) => {
                let folder = Path::new(archive).parent().unwrap_or(Path::new(""));
                folder.join(member).display().to_string()
            }
            None => input.name.clone(),
        },
    }
}

/// Returns the path of the bitcode if `path` is native code made from it, else `path`.
pub fn source_object(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let form = lto_link::NATIVE_FORMS
        .iter()
        .find_map(|form| path.strip_suffix(form));
    match form {
        Some(before) => format!("{before}.o"),
        None => path.to_owned(),
    }
}
