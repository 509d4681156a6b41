// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kernels of the results pages, one per row: builds them, stores their results, and writes the page.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use xshell::cmd;

use super::counter::Counts;
use super::result::{Measured, Runtime, ratio};
use super::sets::Set;
use super::table::percent;
use crate::Failure;
use crate::arch::Arch;
use crate::config::{Lto, Profile, Setting};
use crate::variant::{self, Variant};
use crate::{llvm, process};

/// A kernel of a results page.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name in file names and on the command line.
    pub name: String,
    /// The variant to build.
    pub variant: Variant,
    /// Kconfig settings in addition to those of the variant.
    pub more: Vec<&'static str>,
}

/// The stored result of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The settings of its build.
    pub settings: Vec<String>,
    /// The version of clang.
    pub compiler: String,
    /// Text and data of vmlinux.o.
    pub object: u64,
    /// Text, data and bss of vmlinux, by llvm-size.
    pub vmlinux: [u64; 3],
    /// The size of the file that is booted.
    pub image: u64,
    /// The size of the image, compressed by gzip.
    pub image_gz: u64,
    /// The measurements.
    pub runtime: Runtime,
}

/// Returns all rows of the pages of `arch`.
pub fn rows(arch: Arch) -> Vec<Row> {
    let none = Variant::new(arch, Profile::Ci, Lto::None);
    let with = |lto| Variant { lto, ..none };
    let drops = Variant {
        drops: true,
        ..with(Lto::ThinDist)
    };
    let row = |name: &str, variant, more: &[&'static str]| Row {
        name: name.to_owned(),
        variant,
        more: more.to_vec(),
    };
    let mut rows = vec![
        row("none", none, &[]),
        row("none-size", none, &["CC_OPTIMIZE_FOR_SIZE=y"]),
        row("thin", with(Lto::Thin), &[]),
        row("full", with(Lto::Full), &[]),
        row("thin-dist", with(Lto::ThinDist), &[]),
        row("thin-dist-drop", drops, &[]),
    ];
    for setting in variant::for_smaller_code(arch) {
        let (option, _) = setting.split_once('=').unwrap_or((setting, ""));
        let option = option.trim_start_matches("LTO_CLANG_").to_lowercase();
        let name = format!("thin-dist-drop-{}", option.replace('_', "-"));
        rows.push(row(&name, drops, &[setting]));
    }
    let smaller = Variant {
        smaller: true,
        ..drops
    };
    rows.push(row("thin-dist-drop-smaller", smaller, &[]));
    let trims = true;
    rows.push(row("none-trim", Variant { trims, ..none }, &[]));
    rows.push(row("thin-dist-drop-trim", Variant { trims, ..drops }, &[]));
    let all = Variant { trims, ..smaller };
    rows.push(row("thin-dist-drop-trim-smaller", all, &[]));
    if arch == Arch::Arm64 {
        let profile = Profile::Defconfig;
        let none = Variant { profile, ..none };
        rows.push(row("defconfig-none", none, &[]));
        let drops = Variant { profile, ..drops };
        rows.push(row("defconfig-thin-dist-drop", drops, &[]));
    }
    rows
}

impl Row {
    /// Returns the name of the row that this one is compared with.
    pub fn base(&self) -> &'static str {
        match (self.variant.profile, self.variant.trims) {
            (Profile::Defconfig, _) => "defconfig-none",
            (_, true) => "none-trim",
            (_, false) => "none",
        }
    }

    /// Returns the row's name in the ledger.
    pub fn test(&self) -> String {
        let Variant { arch, .. } = self.variant;
        format!(
            "bench runtime: {} {}, {}",
            crate::KERNEL,
            arch.name(),
            self.name
        )
    }

    /// Returns the settings of its build.
    pub fn settings(&self) -> anyhow::Result<Vec<Setting>> {
        let mut settings = self.variant.settings()?;
        for setting in &self.more {
            settings.push(setting.parse()?);
        }
        Ok(settings)
    }

    /// Returns the row's object tree in `workdir`.
    pub fn objtree(&self, workdir: &Path) -> PathBuf {
        let arch = self.variant.arch.name();
        workdir.join(format!("runtime-{arch}-{}", self.name))
    }

    /// Returns the command that makes the row.
    pub fn command(&self) -> String {
        let arch = self.variant.arch.name();
        format!(
            "cargo xtask bench runtime --arch {arch} --row {}",
            self.name
        )
    }

    /// Returns the row's title for readers.
    fn title(&self) -> String {
        let Variant {
            profile,
            lto,
            drops,
            trims,
            smaller,
            ..
        } = self.variant;
        let mut title = match lto {
            Lto::None => "no LTO".to_owned(),
            lto => lto.name().to_owned(),
        };
        for (is_so, what) in [
            (drops, "dropping"),
            (trims, "exports trimmed"),
            (smaller, "all options for smaller code"),
        ] {
            if is_so {
                title.push_str(", ");
                title.push_str(what);
            }
        }
        for setting in &self.more {
            let _ = write!(title, ", `{setting}`");
        }
        if profile == Profile::Defconfig {
            title.push_str(" (defconfig)");
        }
        title
    }

    /// Checks that the kernel in `objtree` is this row.
    ///
    /// # Errors
    /// It is another kernel, or is not configured.
    pub fn check(&self, objtree: &Path) -> Result<(), Failure> {
        let path = objtree.join(".config");
        let config = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut settings = self.settings()?;
        settings.push(self.variant.lto.setting());
        let missing: Vec<_> = settings
            .iter()
            .filter(|setting| !setting.is_in(&config))
            .map(Setting::to_string)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::Fault(anyhow::anyhow!(
            "{}: not the row {}, which has {}",
            path.display(),
            self.name,
            missing.join(", ")
        )))
    }

    /// Returns the record of the measured kernel in `objtree`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn record(&self, objtree: &Path, runtime: Runtime) -> anyhow::Result<Record> {
        let (sh, clang) = (process::shell()?, llvm::bin_dir()?.join("clang"));
        let compiler = process::read(cmd!(sh, "{clang} --version"))?;
        let image = self.variant.arch.built_image(objtree)?;
        let content = std::fs::read(&image).with_context(|| image.display().to_string())?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&content).context("compressing")?;
        let compressed = encoder.finish().context("compressing")?;
        let object = variant::object_size(objtree)?;
        let settings = self.settings()?;
        let mut settings: Vec<_> = settings.iter().map(Setting::to_string).collect();
        settings.insert(0, self.variant.lto.setting().to_string());
        Ok(Record {
            settings,
            compiler: compiler.lines().next().unwrap_or_default().to_owned(),
            object: object.with_context(|| format!("{}: no vmlinux.o", objtree.display()))?,
            vmlinux: llvm_size(&objtree.join("vmlinux"))?,
            image: content.len() as u64,
            image_gz: compressed.len() as u64,
            runtime,
        })
    }
}

/// Returns text, data and bss, by llvm-size.
fn llvm_size(file: &Path) -> anyhow::Result<[u64; 3]> {
    let (sh, llvm_size) = (process::shell()?, llvm::bin_dir()?.join("llvm-size"));
    let said = process::read(cmd!(sh, "{llvm_size} {file}"))?;
    let parse = || {
        let mut numbers = said.lines().nth(1)?.split_whitespace();
        let mut number = || numbers.next()?.parse().ok();
        Some([number()?, number()?, number()?])
    };
    parse().with_context(|| format!("llvm-size {}: {said}", file.display()))
}

/// Returns the directory of the records of `arch`, in `results`.
fn records(arch: Arch, results: &Path) -> PathBuf {
    results.join(format!("runtime/{}-{}", arch.name(), crate::KERNEL))
}

/// Returns the path of the page of `arch`, in `results`.
pub fn page_path(arch: Arch, results: &Path) -> PathBuf {
    results.join(format!("runtime-{}-{}.md", arch.name(), crate::KERNEL))
}

/// Writes the page of `arch` from the records in `results`, and returns its path.
///
/// # Errors
/// A record cannot be read, or the page cannot be written.
pub fn write_page(arch: Arch, results: &Path) -> anyhow::Result<PathBuf> {
    let path = page_path(arch, results);
    std::fs::write(&path, page(arch, results)?).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// The first lines of a record.
const LICENCE: &str = "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n";

/// Stores a record.
///
/// # Errors
/// The file cannot be written.
pub fn write(row: &Row, results: &Path, record: &Record) -> anyhow::Result<()> {
    let dir = records(row.variant.arch, results);
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let path = dir.join(format!("{}.toml", row.name));
    let text = toml::to_string(record).with_context(|| path.display().to_string())?;
    std::fs::write(&path, format!("{LICENCE}{text}")).with_context(|| path.display().to_string())
}

/// Reads the record of a row, if there is one.
///
/// # Errors
/// The file exists and cannot be read.
pub fn read(row: &Row, results: &Path) -> anyhow::Result<Option<Record>> {
    let path = records(row.variant.arch, results).join(format!("{}.toml", row.name));
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let record = toml::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(Some(record))
}

/// Returns the page of `arch`, made from the records in `results`.
///
/// # Errors
/// A record cannot be read, or two records cannot be compared.
pub fn page(arch: Arch, results: &Path) -> anyhow::Result<String> {
    let rows = rows(arch);
    let mut recorded = Vec::new();
    let mut missing = Vec::new();
    for row in &rows {
        match read(row, results)? {
            Some(record) => recorded.push((row, record)),
            None => missing.push(row),
        }
    }
    let mut page = format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->\n\
         # What kernels execute: {} {}, profile ci\n\n\
         Made by `cargo xtask bench runtime --arch {} --row NAME`, row by row; [how it is measured](../runtime.md).\n\
         All kernels did the same work, so fewer is better. A percentage compares with the kernel without LTO (for trimmed\n\
         kernels, with the trimmed one without LTO). **Instructions are not cycles**: they know no pipeline, no memory and no\n\
         branch predictor; the columns of branches and cache misses show a little of the difference.\n\n",
        crate::KERNEL,
        arch.name(),
        arch.name(),
    );
    let base_of = |row: &Row| {
        let base = recorded.iter().find(|(other, _)| other.name == row.base());
        base.map(|(_, record)| record)
    };
    if let Some((_, record)) = recorded.first() {
        writeln!(page, "- compiler: {}", record.compiler)?;
        writeln!(page, "- {}", record.runtime.qemu)?;
        for (set, measured) in &record.runtime.sets {
            let n = measured.kinds.iter().filter(|kind| kind.counts.is_some());
            writeln!(
                page,
                "- set {}, version {}: {} kinds of work",
                set.name(),
                measured.workload,
                n.count()
            )?;
        }
        page.push('\n');
        add_summary(&mut page, &recorded, base_of)?;
        add_sizes(&mut page, &recorded, base_of)?;
        for set in Set::DEFAULT {
            add_kinds(&mut page, set, &recorded, base_of)?;
        }
    }
    if !missing.is_empty() {
        page.push_str("## Not yet measured\n");
        for row in missing {
            writeln!(page, "- {}: `{}`", row.title(), row.command())?;
        }
    }
    Ok(page)
}

type Recorded<'a> = (&'a Row, Record);

/// Returns the geometric mean of a count of a set, relative to another kernel.
fn mean(
    set: Set,
    record: &Record,
    base: Option<&Record>,
    count: super::result::Count,
) -> anyhow::Result<String> {
    let (Some(measured), Some(base)) = (record.runtime.sets.get(&set), base) else {
        return Ok(String::new());
    };
    let other = record.runtime.set_of(set, &base.runtime)?;
    Ok(percent(measured.ratios(other, count)?.mean()))
}

const KERNEL: super::result::Count = |counts: &Counts| counts.kernel;
const TAKEN: super::result::Count = |counts: &Counts| counts.taken_branches;
const MISSED: super::result::Count = |counts: &Counts| counts.cache_misses;

fn add_summary<'a>(
    page: &mut String,
    recorded: &'a [Recorded<'a>],
    base_of: impl Fn(&Row) -> Option<&'a Record>,
) -> anyhow::Result<()> {
    page.push_str(
        "## Speed and size\n\
         Executed instructions of the kernel, as geometric means over each set; taken branches and misses of a simulated\n\
         instruction cache, over the test set; text and data of `vmlinux.o`.\n\n\
         | kernel | training | test | shell | start to init | taken branches | cache misses | text and data |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (row, record) in recorded {
        let base = base_of(row);
        write!(page, "| {} |", row.title())?;
        for set in Set::DEFAULT {
            write!(page, " {} |", mean(set, record, base, KERNEL)?)?;
        }
        let start = |record: &Record| {
            let measured = record.runtime.sets.get(&Set::Training)?;
            Some(measured.start.kernel)
        };
        let started = start(record).zip(base.and_then(start));
        let started = started.and_then(|(one, other)| ratio(one, other));
        let sized = base.and_then(|base| ratio(record.object, base.object));
        writeln!(
            page,
            " {} | {} | {} | {} |",
            percent(started),
            mean(Set::Test, record, base, TAKEN)?,
            mean(Set::Test, record, base, MISSED)?,
            percent(sized),
        )?;
    }
    page.push_str("\nThe command of each row:\n\n```\n");
    for (row, _) in recorded {
        writeln!(page, "{}", row.command())?;
    }
    page.push_str("```\n\n");
    Ok(())
}

fn add_sizes<'a>(
    page: &mut String,
    recorded: &'a [Recorded<'a>],
    base_of: impl Fn(&Row) -> Option<&'a Record>,
) -> anyhow::Result<()> {
    page.push_str(
        "## Bytes, and instructions from the start to init\n\
         Sizes of `vmlinux` by `llvm-size`; of the image, plain and compressed with gzip; memory as the kernel reports it.\n\n\
         | kernel | text | data | bss | image | | image.gz | | start to init | memory |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for (row, record) in recorded {
        let base = base_of(row);
        let [text, data, bss] = record.vmlinux;
        let against = |size: fn(&Record) -> u64| {
            percent(base.and_then(|base| ratio(size(record), size(base))))
        };
        let start = record.runtime.sets.get(&Set::Training);
        writeln!(
            page,
            "| {} | {text} | {data} | {bss} | {} | {} | {} | {} | {} | {} |",
            row.title(),
            record.image,
            against(|record| record.image),
            record.image_gz,
            against(|record| record.image_gz),
            start.map_or(0, |measured| measured.start.kernel),
            record.runtime.memory,
        )?;
    }
    page.push('\n');
    Ok(())
}

fn add_kinds<'a>(
    page: &mut String,
    set: Set,
    recorded: &'a [Recorded<'a>],
    base_of: impl Fn(&Row) -> Option<&'a Record>,
) -> anyhow::Result<()> {
    let of_set = |record: &'a Record| record.runtime.sets.get(&set);
    let Some((_, first)) = recorded.first() else {
        return Ok(());
    };
    let Some(first) = of_set(first) else {
        return Ok(());
    };
    writeln!(page, "## The set {}, kind by kind", set.name())?;
    page.push_str(
        "Instructions that the first kernel executes for one repetition, and the difference of the other kernels.\n\n| kind |",
    );
    let mut columns = Vec::new();
    for (row, record) in recorded {
        let Some(measured) = of_set(record) else {
            continue;
        };
        let ratios = match base_of(row) {
            Some(base) if row.base() != row.name => {
                Some(measured.ratios(record.runtime.set_of(set, &base.runtime)?, KERNEL)?)
            }
            _ => None,
        };
        // Other bases have a row in the tables above.
        if ratios.is_some() || row.name == "none" {
            write!(page, " {} |", row.title())?;
            columns.push((measured, ratios));
        }
    }
    page.push_str("\n|---|");
    page.push_str(&"---:|".repeat(columns.len()));
    page.push('\n');
    for (index, kind) in first.kinds.iter().enumerate() {
        write!(page, "| {} |", kind.name)?;
        for (measured, ratios) in &columns {
            match ratios {
                Some(ratios) => {
                    let found = ratios.kinds.iter().find(|(name, _)| *name == kind.name);
                    write!(page, " {} |", percent(found.and_then(|(_, ratio)| *ratio)))?;
                }
                None => write!(page, " {} |", once(measured, index))?,
            }
        }
        page.push('\n');
    }
    page.push('\n');
    Ok(())
}

/// Returns the cost of one repetition of a kind.
fn once(measured: &Measured, index: usize) -> String {
    let kind = measured.kinds.get(index);
    let counts = kind.and_then(|kind| Some(kind.counts?.kernel / kind.times));
    counts.map_or_else(|| "not in this kernel".to_owned(), |n| n.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::runtime;
    use super::*;
    use crate::workspace;

    fn record(kernel: u64) -> Record {
        Record {
            settings: vec!["LTO_NONE=y".to_owned()],
            compiler: "clang 22".to_owned(),
            object: kernel * 10,
            vmlinux: [1, 2, 3],
            image: kernel * 20,
            image_gz: kernel * 5,
            runtime: runtime("v", &[("system call", Some(kernel)), ("TCP", None)]),
        }
    }

    #[test]
    fn the_pages_are_what_their_records_say() {
        let results = workspace::root().join("docs/results");
        for arch in &Arch::ALL {
            let path = page_path(*arch, &results);
            let page = std::fs::read_to_string(&path).unwrap();
            assert_eq!(
                page,
                super::page(*arch, &results).unwrap(),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_page_compares_rows_and_names_what_is_missing() {
        let results = tempfile::tempdir().unwrap();
        let rows = rows(Arch::Arm64);
        let named = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        write(named("none"), results.path(), &record(1000)).unwrap();
        write(named("thin"), results.path(), &record(1100)).unwrap();
        let page = page(Arch::Arm64, results.path()).unwrap();
        assert!(page.contains("| thin | +10.00 % |  |"), "{page}");
        assert!(
            page.contains("\n| system call | 100 | +10.00 % |\n"),
            "{page}"
        );
        assert!(
            page.contains("\n| TCP | not in this kernel | not in both |\n"),
            "{page}"
        );
        let missing = page.split("## Not yet measured").nth(1).unwrap();
        assert_eq!(
            missing.matches("cargo xtask bench runtime").count(),
            rows.len() - 2
        );
        assert!(missing.contains("--arch arm64 --row full`"), "{missing}");
    }

    #[test]
    fn every_row_has_its_own_name_and_a_base() {
        for arch in &Arch::ALL {
            let rows = rows(*arch);
            let mut names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
            for row in &rows {
                assert!(names.contains(&row.base()), "{}", row.name);
            }
            names.sort_unstable();
            let n = names.len();
            names.dedup();
            assert_eq!(names.len(), n);
        }
    }

    #[test]
    fn another_kernel_is_not_taken_for_a_row() {
        let objtree = tempfile::tempdir().unwrap();
        let rows = rows(Arch::Arm64);
        let row = rows.iter().find(|row| row.name == "none-size").unwrap();
        let config = objtree.path().join(".config");
        std::fs::write(
            &config,
            "CONFIG_LTO_NONE=y\nCONFIG_CC_OPTIMIZE_FOR_SIZE=y\n",
        )
        .unwrap();
        assert!(row.check(objtree.path()).is_ok());
        std::fs::write(&config, "CONFIG_LTO_NONE=y\n").unwrap();
        let Err(Failure::Fault(error)) = row.check(objtree.path()) else {
            panic!("taken");
        };
        assert!(
            error.to_string().contains("CC_OPTIMIZE_FOR_SIZE=y"),
            "{error}"
        );
    }
}
