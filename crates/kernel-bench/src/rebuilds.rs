// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Measures the cost of rebuilding a kernel after a change, without LTO and with each kind of thin LTO.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use kernel_lab::Arch;
use kernel_lab::build::{self, Usage};
use kernel_lab::config::{Lto, Profile};
use kernel_lab::files;
use kernel_lab::mode::Mode;
use kernel_lab::variant::Variant;
use kernel_lab::{Failure, progress};

use crate::BuildApart;

/// The kernel to build.
#[derive(Clone, Copy)]
pub struct Kernel<'a> {
    /// The function that builds it.
    pub build: BuildApart<'a>,
    /// Its source: with all plugins, or unchanged if it has its own LTO.
    pub tree: &'a Path,
    /// The source of the same kernel with lto-link, if it has its own LTO.
    pub with_lto_link: Option<&'a Path>,
    /// The directory for the builds.
    pub workdir: &'a Path,
    /// Its architecture.
    pub arch: Arch,
    /// Its profile.
    pub profile: Profile,
}

/// A way to build it.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    mode: Mode,
    /// Whether the linker finds code from earlier links in its cache.
    has_cache: bool,
    /// Whether it uses the source with lto-link.
    with_lto_link: bool,
}

impl Way {
    const fn new(name: &'static str, lto: Lto) -> Self {
        Self {
            name,
            mode: Mode::keeping(lto),
            has_cache: true,
            with_lto_link: false,
        }
    }

    const fn by_lto_link(name: &'static str, mode: Mode) -> Self {
        Self {
            mode,
            with_lto_link: true,
            ..Self::new(name, mode.lto)
        }
    }
}

/// The ways to build. The first is the reference. The last two share an object tree.
const WAYS: &[Way] = &[
    Way::new("no LTO", Lto::None),
    Way::new("distributed thin LTO", Lto::ThinDist),
    Way::new("thin LTO", Lto::Thin),
    Way {
        has_cache: false,
        ..Way::new("thin LTO, cache removed", Lto::Thin)
    },
];

/// The ways to build a kernel with its own LTO, with which ours is compared. The first is the reference.
const NATIVE_WAYS: &[Way] = &[
    Way::new("no LTO", Lto::None),
    Way::new("distributed thin LTO of the kernel", Lto::ThinDist),
    Way::by_lto_link(
        "distributed thin LTO by lto-link",
        Mode::keeping(Lto::ThinDist),
    ),
    Way::by_lto_link("the same, dropping", Mode::THIN_DIST_DROP),
];

/// A change of the tree before a rebuild.
#[derive(Clone, Copy)]
enum Change {
    /// The file gets the current time.
    Touch(&'static str),
    /// A function is added to the file.
    Edit(&'static str),
    Nothing,
}

/// The changes, in order. The rebuild without a change needs the finished builds of the others.
const CHANGES: [(&str, Change); 5] = [
    (
        "a leaf driver touched (`drivers/char/mem.c`)",
        Change::Touch("drivers/char/mem.c"),
    ),
    ("a function more in it", Change::Edit("drivers/char/mem.c")),
    (
        "a function more in `mm/memory.c`",
        Change::Edit("mm/memory.c"),
    ),
    (
        "`include/linux/sched.h` touched",
        Change::Touch("include/linux/sched.h"),
    ),
    ("nothing", Change::Nothing),
];

/// Builds the kernel in every way, clean and after each change. Returns a table, in Markdown, of the CPU
/// and wall time, each with its ratio to that of the first way. If `is_built`, the kernels of an earlier run
/// are brought up to date, without measuring, instead of being built from scratch. Each line is also printed
/// as soon as it is known.
///
/// # Errors
/// A build fails, or a file cannot be changed. The tree is restored in any case.
pub fn measure(kernel: Kernel<'_>, is_built: bool) -> Result<String, Failure> {
    let ways = &kernel.ways()[..];
    let mut edited = Edited::default();
    let mut table = String::from("| CPU seconds (wall) |");
    for way in ways {
        let _ = write!(table, " {} |", way.name);
    }
    let _ = writeln!(table, "\n|---|{}", "---:|".repeat(ways.len()));
    let mut clean = Vec::new();
    for way in ways.iter().filter(|way| way.has_cache) {
        if !is_built {
            files::remove_dir(&kernel.objtree(way))?;
        }
        kernel
            .variant(way)
            .configure(kernel.tree(way), &kernel.workdir(way))?;
        clean.push(kernel.build(way)?);
    }
    // One object tree may serve two ways.
    let none = " |".repeat(ways.len() - clean.len());
    let mut add = |row: String| {
        progress::note(&row);
        table += &row;
        table.push('\n');
    };
    if !is_built {
        add(format!("{}{none}", row("clean build", &clean)));
    }
    let peaks: Vec<String> = clean
        .iter()
        .map(|usage| format!("{} MiB", usage.peak_rss_kib / 1024))
        .collect();
    let peaks = peaks.join(" | ");
    for (name, change) in CHANGES {
        let mut usages = Vec::new();
        let mut done = BTreeSet::new();
        for way in ways {
            let tree = kernel.tree(way);
            if done.insert(tree) {
                edited.apply(tree, change)?;
            }
            if way.has_cache {
                usages.push(kernel.build(way)?);
            } else {
                files::remove_dir(&kernel.objtree(way).join(".thinlto-cache"))?;
                // This object tree was built with the change; the other ways must not see it again.
                let again = Again::of(tree, change)?;
                usages.push(kernel.build(way)?);
                again.restore()?;
            }
        }
        add(row(name, &usages));
    }
    if !is_built {
        add(format!("| largest process, clean build | {peaks} |{none}"));
    }
    Ok(table)
}

impl Kernel<'_> {
    fn ways(&self) -> Vec<Way> {
        if self.with_lto_link.is_none() {
            return WAYS.to_vec();
        }
        // Trees have a distributed mode of their own from 7.2 on.
        let has_own = self.tree.join("scripts/Makefile.thinlto").exists();
        let is_own = |way: &Way| way.mode.lto == Lto::ThinDist && !way.with_lto_link;
        let ways = NATIVE_WAYS.iter().copied();
        ways.filter(|way| has_own || !is_own(way)).collect()
    }

    fn tree(&self, way: &Way) -> &Path {
        let with_lto_link = self.with_lto_link.filter(|_| way.with_lto_link);
        with_lto_link.unwrap_or(self.tree)
    }

    fn workdir(&self, way: &Way) -> PathBuf {
        let with_lto_link = Some("with-lto-link").filter(|_| way.with_lto_link);
        self.workdir.join(with_lto_link.unwrap_or_default())
    }

    fn objtree(&self, way: &Way) -> PathBuf {
        self.variant(way).objtree(&self.workdir(way))
    }

    fn variant(&self, way: &Way) -> Variant {
        Variant {
            drops: way.mode.drops,
            ..Variant::new(self.arch, self.profile, way.mode.lto)
        }
    }

    fn build(&self, way: &Way) -> anyhow::Result<Usage> {
        // One object tree may serve two ways, and two ways may have the same name.
        progress::note(way.name);
        (self.build)(build::Options {
            tree: self.tree(way),
            arch: self.arch,
            objtree: &self.objtree(way),
            jobs: None,
            target: build::ALL,
        })
    }
}

/// Returns a name that is unique among the edited files, because all are linked into one kernel.
fn function_in(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("changed_for_a_bench_in_{stem}")
}

/// Returns a line of the table.
fn row(name: &str, usages: &[Usage]) -> String {
    let mut row = format!("| {name} |");
    let first = usages.first();
    for usage in usages {
        let _ = write!(row, " {:.1} ({:.1})", usage.cpu_seconds, usage.wall_seconds);
        if let Some(first) = first.filter(|first| *first != usage) {
            let _ = write!(row, ", {:.2}", usage.cpu_seconds / first.cpu_seconds);
        }
        row.push_str(" |");
    }
    row
}

/// A file that is newer than its object, and its original time.
struct Again(Option<(PathBuf, SystemTime)>);

impl Again {
    fn of(tree: &Path, change: Change) -> anyhow::Result<Self> {
        let (Change::Touch(path) | Change::Edit(path)) = change else {
            return Ok(Self(None));
        };
        let path = tree.join(path);
        let modified = path.metadata().and_then(|metadata| metadata.modified());
        let modified = modified.with_context(|| path.display().to_string())?;
        files::touch(&path)?;
        Ok(Self(Some((path, modified))))
    }

    /// Restores its time.
    fn restore(self) -> anyhow::Result<()> {
        let Some((path, modified)) = self.0 else {
            return Ok(());
        };
        let file = fs::File::options().append(true).open(&path);
        let restored = file.and_then(|file| file.set_modified(modified));
        restored.with_context(|| path.display().to_string())
    }
}

/// The original texts of the edited files, which are restored when this value is dropped.
#[derive(Default)]
struct Edited(BTreeMap<PathBuf, String>);

/// The beginning of the added text, by which it is recognized after a killed run.
const MARK: &str = "\n/* changed for a bench */\n";

impl Edited {
    fn apply(&mut self, tree: &Path, change: Change) -> anyhow::Result<()> {
        match change {
            Change::Nothing => Ok(()),
            Change::Touch(path) => files::touch(&tree.join(path)),
            Change::Edit(path) => {
                let path = tree.join(path);
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                let original = text.split(MARK).next().unwrap_or(&text);
                let function = function_in(&path);
                let changed = format!(
                    "{original}{MARK}int {function}(void);\nint {function}(void)\n{{\n\treturn 1;\n}}\n"
                );
                self.0.insert(path.clone(), original.to_owned());
                fs::write(&path, changed).with_context(|| path.display().to_string())
            }
        }
    }
}

impl Drop for Edited {
    fn drop(&mut self) {
        for (path, text) in &self.0 {
            if let Err(error) = fs::write(path, text) {
                progress::note(&format!("{}: not restored: {error}", path.display()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_mode_is_measured_where_it_is() {
        let (tree, workdir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let build: BuildApart<'_> = &|_| unreachable!("nothing is built");
        let kernel = |with_lto_link| Kernel {
            build,
            tree: tree.path(),
            with_lto_link,
            workdir: workdir.path(),
            arch: Arch::Arm64,
            profile: Profile::Ci,
        };
        let with_lto_link = workdir.path();
        let names = |with_lto_link| -> Vec<_> {
            let ways = kernel(with_lto_link).ways();
            ways.iter().map(|way| way.name).collect()
        };
        let own = "distributed thin LTO of the kernel";
        assert!(!names(None).contains(&own));
        let before = names(Some(with_lto_link));
        assert_eq!(before.len(), 3, "{before:?}");
        fs::create_dir(tree.path().join("scripts")).unwrap();
        fs::write(tree.path().join("scripts/Makefile.thinlto"), "").unwrap();
        let after = names(Some(with_lto_link));
        assert_eq!(after.len(), 4, "{after:?}");
        assert!(after.contains(&own));
        // Each way has an object tree of its own.
        let objtrees: BTreeSet<_> = NATIVE_WAYS
            .iter()
            .map(|way| kernel(Some(with_lto_link)).objtree(way))
            .collect();
        assert_eq!(objtrees.len(), NATIVE_WAYS.len());
    }

    #[test]
    fn a_line_has_the_ratio_to_its_first_figure() {
        let usage = |cpu_seconds, wall_seconds| Usage {
            wall_seconds,
            cpu_seconds,
            peak_rss_kib: 0,
            jobs: 2,
            built: true,
        };
        assert_eq!(
            row("a change", &[usage(10.0, 6.0), usage(15.0, 9.5)]),
            "| a change | 10.0 (6.0) | 15.0 (9.5), 1.50 |"
        );
    }

    #[test]
    fn a_file_is_as_old_as_it_was_for_all_but_one() {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join("a.c");
        fs::write(&path, "").unwrap();
        let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(old).unwrap();
        let modified = || path.metadata().unwrap().modified().unwrap();
        let again = Again::of(tree.path(), Change::Touch("a.c")).unwrap();
        assert!(modified() > old);
        again.restore().unwrap();
        assert_eq!(modified(), old);
    }

    #[test]
    fn edited_files_are_given_back() {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join("a.c");
        fs::write(&path, "int a;\n").unwrap();
        assert_ne!(function_in(&path), function_in(&tree.path().join("b.c")));
        let mut edited = Edited::default();
        // The state after a killed run.
        for _ in 0..2 {
            edited.apply(tree.path(), Change::Edit("a.c")).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("int a;\n"), "{text}");
            assert_eq!(text.matches("return").count(), 1, "{text}");
        }
        drop(edited);
        assert_eq!(fs::read_to_string(&path).unwrap(), "int a;\n");
    }
}
