// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Measures the size of a built kernel, and compares it with another build.
//!
//! **Invariant:** this crate knows sizes, and what they belong to. It starts no process and writes
//! no file; its caller supplies the instruction counts.
#![warn(missing_docs)]

mod attribution;
mod compare;
mod executed;
mod html;
mod inputs;
mod kept;
mod sections;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use object_model::Elf;
use object_tree::{Objtree, text_if_there};
use profile::Layout;
use serde::Serialize;
use tool_io::Files;

use attribution::{Attributed, attribute};
use compare::{Change, DroppedList, Row};
use inputs::Inputs;
use kept::KeptFor;
use sections::Group;

pub use executed::Counted;
pub use html::page;
pub use text::tables;

/// The size of a kernel, and of the one to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Size in bytes.
    pub size: u64,
    /// Size in the other build, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<u64>,
}

impl Size {
    /// Returns the larger one.
    fn larger(self) -> u64 {
        self.size.max(self.against.unwrap_or_default())
    }

    fn add(&mut self, size: u64, against: Option<u64>) {
        self.size += size;
        if let Some(bytes) = against {
            *self.against.get_or_insert(0) += bytes;
        }
    }
}

/// A name and a size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The name.
    pub name: String,
    #[serde(flatten)]
    size: Size,
}

/// The size of all sections that have this name, or had it before they were split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SectionSize {
    group: Group,
    name: String,
    #[serde(flatten)]
    size: Size,
}

/// A build in the report.
#[derive(Debug, Serialize)]
pub struct Build {
    /// Its object tree.
    objtree: String,
    /// `include/config/kernel.release`.
    release: String,
    /// The configured kind of LTO.
    lto: &'static str,
    /// The source of the list of linked objects.
    inputs: &'static str,
    /// The number of linked objects.
    n_inputs: usize,
}

/// The number of symbols with one kind of change.
#[derive(Debug, Serialize)]
pub struct ChangeTotal {
    change: Change,
    n_symbols: u64,
    #[serde(flatten)]
    size: Size,
}

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of the fields here; it grows when a field changes its meaning or goes away.
    version: u32,
    build: Build,
    against: Option<Build>,
    /// The file with the measured sections.
    measured: &'static str,
    /// The total size in memory, without sections that the final link discards.
    total: Size,
    groups: Vec<Named>,
    sections: Vec<SectionSize>,
    /// The file that is booted.
    image: Option<Named>,
    /// The loaded size of all modules.
    modules_total: Size,
    modules: Vec<Named>,
    /// The size of each directory with its subdirectories, `.` for all; bytes without an object
    /// have a separate line.
    directories: Vec<Named>,
    objects: Vec<Named>,
    /// The number of symbols in the list of dropped definitions.
    n_listed_as_dropped: Option<usize>,
    /// The bytes kept by each kind of root, if the kernel's link dropped anything.
    kept_for: Option<Vec<KeptFor>>,
    /// The placement of functions, if the kernel was built by a profile.
    by_profile: Option<Layout>,
    changes: Vec<ChangeTotal>,
    /// The size of bytes without a symbol; with the changes it adds up to all memory.
    without_symbols: Size,
    /// The counts of `bench runtime`, if all builds were measured.
    executed: Option<executed::Total>,
    symbols: Vec<Row>,
}

impl Report {
    /// Returns the number of modules, and their size when loaded, in bytes.
    pub fn loaded_modules(&self) -> (u64, u64) {
        (self.modules.len() as u64, self.modules_total.size)
    }

    /// Returns the number of definitions that the link dropped and the other build has, and their size there, in
    /// bytes; nothing if no list says what was dropped, or there is no other build.
    pub fn dropped(&self) -> Option<(u64, u64)> {
        self.n_listed_as_dropped?;
        let mut changes = self.changes.iter();
        let dropped = changes.find(|total| total.change == Change::Dropped)?;
        Some((dropped.n_symbols, dropped.size.against.unwrap_or_default()))
    }
}

/// A build and its measured files.
struct Read<'tree, 'files> {
    tree: &'tree Objtree<'files>,
    /// The linked kernel.
    elf: &'tree Elf<'files>,
    inputs: Inputs<'tree, 'files>,
}

impl Read<'_, '_> {
    fn build(&self) -> anyhow::Result<Build> {
        let Self { tree, inputs, .. } = self;
        let release = text_if_there(&tree.root.join("include/config/kernel.release"))?;
        Ok(Build {
            objtree: tree.root.display().to_string(),
            release: release.unwrap_or_default().trim().to_owned(),
            lto: [
                ("LTO_CLANG_THIN_DIST", "distributed thin LTO"),
                ("LTO_CLANG_THIN", "thin LTO"),
                ("LTO_CLANG_FULL", "full LTO"),
            ]
            .into_iter()
            .find(|(option, _)| tree.settings.is_set(option))
            .map_or("no LTO", |(_, lto)| lto),
            inputs: inputs.source,
            n_inputs: inputs.objects().len(),
        })
    }

    fn attributed(&self) -> Attributed {
        attribute(self.elf, self.inputs.objects())
    }

    /// Returns the loaded size of each module.
    fn modules(&self) -> BTreeMap<String, u64> {
        let modules = self.tree.modules.iter();
        let sizes = modules.map(|module| {
            let name = format!("{}.ko", module.path);
            (name, sections::total(&module.elf))
        });
        sizes.collect()
    }

    /// Returns the file that is booted, and its size.
    fn image(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut found = BTreeMap::new();
        for image in ["arch/arm64/boot/Image", "arch/x86/boot/bzImage"] {
            let path = self.tree.root.join(image);
            match fs::metadata(&path) {
                Ok(file) => {
                    found.insert(image.to_owned(), file.len());
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).context(path.display().to_string()),
            }
        }
        Ok(found)
    }
}

/// Measures the kernel in the object tree `objtree`, and compares it with the one in `against`. The
/// report shows the instructions in `counted` beside the sizes.
///
/// # Errors
/// A file is missing or cannot be read.
pub fn report(
    objtree: &Path,
    against: Option<&Path>,
    counted: Option<&Counted>,
    files: &Files,
) -> anyhow::Result<Report> {
    const OTHER: &str = "the build to compare with";
    let tree = Objtree::open(objtree, files)?;
    let other = against.map(|root| Objtree::open(root, files));
    let other = other.transpose().context(OTHER)?;
    let other = other.as_ref();
    // Compare the same file of both builds: vmlinux contains padding that vmlinux.o lacks.
    let objects = (&tree.object, other.map(|other| &other.object));
    let (measured, elf, elf_other) = match objects {
        (Some(elf), None) => ("vmlinux.o", elf, None),
        (Some(elf), Some(Some(other))) => ("vmlinux.o", elf, Some(other)),
        _ => ("vmlinux", &tree.vmlinux, other.map(|other| &other.vmlinux)),
    };
    let read = Read {
        tree: &tree,
        elf,
        inputs: inputs::of(&tree, other)?,
    };
    let read_other = match other.zip(elf_other) {
        Some((other, elf)) => Some(Read {
            tree: other,
            elf,
            inputs: inputs::of(other, Some(&tree)).context(OTHER)?,
        }),
        None => None,
    };
    let against = read_other.as_ref();

    let dropped = DroppedList::read(&tree.root)?;
    let (mut attributed, mut attributed_other) = (read.attributed(), against.map(Read::attributed));
    let executed = executed::add(
        (&read, &mut attributed),
        against.zip(attributed_other.as_mut()),
        counted,
    );
    let mut symbols = compare::rows(attributed, attributed_other, dropped.as_ref());
    if executed.is_none() {
        for row in &mut symbols {
            (row.executed, row.executed_against) = (None, None);
        }
    }
    let kept_for = kept::kept_for(&tree, &read.inputs, &symbols)?;
    let sections = paired(
        sections::sizes(elf),
        elf_other.map(sections::sizes).as_ref(),
    );
    let modules = paired(read.modules(), against.map(Read::modules).as_ref());
    let image = against.map(Read::image).transpose()?;
    let image = paired(read.image()?, image.as_ref());
    let (directories, objects) = sums(&symbols);
    let in_memory = sections
        .iter()
        .filter(|((group, _), _)| *group != Group::Discarded);
    let without_symbols = symbols.iter().filter(|row| row.n_parts == 0);
    Ok(Report {
        version: 1,
        build: read.build()?,
        against: against.map(Read::build).transpose()?,
        measured,
        total: sum(in_memory.map(|(_, size)| *size)),
        groups: groups(&sections),
        modules_total: sum(modules.values().copied()),
        n_listed_as_dropped: dropped.as_ref().map(DroppedList::len),
        kept_for,
        by_profile: layout_by_profile(&tree),
        changes: changes(&symbols),
        without_symbols: sum(without_symbols.map(Row::bytes)),
        executed,
        image: with_names(image).into_iter().next(),
        modules: with_names(modules),
        directories: with_names(directories),
        objects: with_names(objects),
        sections: sections
            .into_iter()
            .map(|((group, name), size)| SectionSize {
                group,
                name: name.to_owned(),
                size,
            })
            .collect(),
        symbols,
    })
}

/// Returns the placement of functions in a kernel that was built by a profile.
fn layout_by_profile(tree: &Objtree<'_>) -> Option<Layout> {
    let profile = tree.settings.get("LTO_PROFILE_USE")?;
    let object = tree.object.as_ref().filter(|_| profile != "\"\"")?;
    Some(profile::layout(object))
}

/// Pairs the sizes of one build with those of the other, if there is one; a missing entry has size 0.
fn paired<K: Ord + Clone>(
    sizes: BTreeMap<K, u64>,
    against: Option<&BTreeMap<K, u64>>,
) -> BTreeMap<K, Size> {
    let none = against.map(|_| 0);
    let with = |(key, size)| {
        (
            key,
            Size {
                size,
                against: none,
            },
        )
    };
    let mut pairs: BTreeMap<_, _> = sizes.into_iter().map(with).collect();
    for (key, bytes) in against.into_iter().flatten() {
        pairs.entry(key.clone()).or_default().add(0, Some(*bytes));
    }
    pairs
}

fn sum(sizes: impl Iterator<Item = Size>) -> Size {
    let mut sum = Size::default();
    sizes.for_each(|Size { size, against }| sum.add(size, against));
    sum
}

fn with_names(sizes: BTreeMap<String, Size>) -> Vec<Named> {
    let named = sizes.into_iter().map(|(name, size)| Named { name, size });
    named.collect()
}

fn groups(sections: &BTreeMap<(Group, &str), Size>) -> Vec<Named> {
    let of_group = |group: Group| {
        let of_group = sections
            .iter()
            .filter(move |((other, _), _)| *other == group);
        let size = sum(of_group.map(|(_, size)| *size));
        Named {
            name: group.to_string(),
            size,
        }
    };
    Group::ALL.map(of_group).into()
}

/// Returns the size of each directory, including subdirectories, and of each object. A substitute
/// for an object is its own directory.
fn sums(symbols: &[Row]) -> (BTreeMap<String, Size>, BTreeMap<String, Size>) {
    let mut objects: BTreeMap<String, Size> = BTreeMap::new();
    for row in symbols {
        let Size { size, against } = row.bytes();
        if let Some(object) = objects.get_mut(&row.object) {
            object.add(size, against);
        } else {
            objects.insert(row.object.clone(), row.bytes());
        }
    }
    let mut directories: BTreeMap<String, Size> = BTreeMap::new();
    let mut add = |name: &str, Size { size, against }| {
        let directory = directories.entry(name.to_owned()).or_default();
        directory.add(size, against);
    };
    for (object, size) in &objects {
        add(".", *size);
        if !object.contains('/') {
            add(object, *size);
        }
        for (end, _) in object.match_indices('/') {
            add(object.get(..end).unwrap_or(object), *size);
        }
    }
    (directories, objects)
}

/// Returns the number of symbols with each change; nothing without another build.
fn changes(symbols: &[Row]) -> Vec<ChangeTotal> {
    let is_compared = symbols.iter().any(|row| row.change.is_some());
    let total = |change| {
        let changed = || symbols.iter().filter(|row| row.change == Some(change));
        ChangeTotal {
            change,
            n_symbols: changed().map(|_| 1).sum(),
            size: sum(changed().map(Row::bytes)),
        }
    };
    let changes = Change::ALL.into_iter().filter(|_| is_compared);
    changes.map(total).collect()
}
