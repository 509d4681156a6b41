// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes the results page of an architecture from the stored rows.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::counter::Counts;
use super::result::{Measured, ratio};
use super::rows::{Parts, Record, Row, read, rows};
use super::sets::Set;
use super::table::percent;
use crate::arch::Arch;

/// Returns the path of the page of a version and `arch`, in `results`.
fn page_path(version: &str, arch: Arch, results: &Path) -> PathBuf {
    results.join(format!("runtime-{}-{version}.md", arch.name()))
}

/// Writes the page of a version (one of [`super::rows::VERSIONS`]) and `arch` from the records in `results`, and
/// returns its path.
///
/// # Errors
/// A record cannot be read, or the page cannot be written.
pub fn write_page(version: &'static str, arch: Arch, results: &Path) -> anyhow::Result<PathBuf> {
    let path = page_path(version, arch, results);
    let page = page(version, arch, results)?;
    std::fs::write(&path, page).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Returns the page of a version and `arch`, made from the records in `results`.
///
/// # Errors
/// A record cannot be read, or two records cannot be compared.
fn page(version: &'static str, arch: Arch, results: &Path) -> anyhow::Result<String> {
    let rows = rows(version, arch);
    let of_kernel = if version == crate::KERNEL {
        String::new()
    } else {
        format!(" --kernel {version}")
    };
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
         # Executed instructions and sizes: {version} {}, profile ci\n\n\
         Made by `cargo xtask bench runtime row NAME --arch {}{of_kernel}`, row by row; [how it is measured](../runtime.md).\n\
         All kernels did the same work, so fewer is better. A percentage compares with the kernel without LTO (for trimmed\n\
         kernels, with the trimmed one without LTO). **Instructions are not cycles**: they know no pipeline, no memory and no\n\
         branch predictor; the columns of branches and cache misses show a little of the difference.\n\n",
        arch.name(),
        arch.name(),
    );
    if arch == Arch::X86_64 && version == crate::KERNEL {
        page.push_str(
            "With thin and full LTO, each function has its own section, and only the last link adds the padding between\n\
             functions. So `vmlinux.o` of these two lacks about 1.5 % of padding, which the others have; compare their images.\n\n",
        );
    }
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
        add_parts(&mut page, &recorded, base_of)?;
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
         | kernel | training | test | shell | boot to init | taken branches | cache misses | text and data |\n\
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
    for (row, record) in recorded {
        for fault in record.runtime.unfinished() {
            writeln!(page, "\n{}: {fault}.", row.title())?;
        }
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
        "## Bytes, and instructions from boot to init\n\
         Sizes of `vmlinux` by `llvm-size`; of the image, plain and compressed with gzip; memory as the kernel reports it.\n\n\
         | kernel | text | data | bss | image | | image.gz | | boot to init | memory |\n\
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

/// Adds the table of modules and dropped definitions, if any row has them.
fn add_parts<'a>(
    page: &mut String,
    recorded: &'a [Recorded<'a>],
    base_of: impl Fn(&Row) -> Option<&'a Record>,
) -> anyhow::Result<()> {
    let with_modules = |(_, record): &&'a Recorded<'a>| record.modules.is_some();
    if !recorded.iter().any(|row| with_modules(&row)) {
        return Ok(());
    }
    page.push_str(
        "## Modules, and what was dropped\n\
         Modules as loaded, without debug information. The bytes of dropped definitions are those that they have in \
         `vmlinux.o`\nwith the kernel's own thin LTO.\n\n\
         | kernel | modules | bytes | | dropped definitions | bytes |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for (row, record) in recorded.iter().filter(with_modules) {
        let Some(Parts { n, bytes }) = record.modules else {
            continue;
        };
        let base = base_of(row).and_then(|base| base.modules);
        let against = percent(base.and_then(|base| ratio(bytes, base.bytes)));
        write!(page, "| {} | {n} | {bytes} | {against} |", row.title())?;
        match record.dropped {
            Some(Parts { n, bytes }) => writeln!(page, " {n} | {bytes} |")?,
            None => page.push_str(" | |\n"),
        }
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
                    match (found, &measured.unfinished) {
                        (None, Some(unfinished)) if *unfinished == kind.name => {
                            page.push_str(" did not end |");
                        }
                        (None, Some(_)) => page.push_str(" not run |"),
                        _ => write!(page, " {} |", percent(found.and_then(|(_, ratio)| *ratio)))?,
                    }
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
    use super::super::rows::{VERSIONS, write};
    use super::*;
    use crate::{KERNEL as VERSION, workspace};

    fn record(kernel: u64) -> Record {
        Record {
            settings: vec!["LTO_NONE=y".to_owned()],
            compiler: "clang 22".to_owned(),
            object: kernel * 10,
            vmlinux: [1, 2, 3],
            image: kernel * 20,
            image_gz: kernel * 5,
            modules: None,
            dropped: None,
            runtime: runtime("v", &[("system call", Some(kernel)), ("TCP", None)]),
        }
    }

    #[test]
    fn the_pages_are_what_their_records_say() {
        let results = workspace::root().join("docs/results");
        let mut n = 0;
        for version in VERSIONS {
            for arch in Arch::ALL {
                let path = page_path(version, arch, &results);
                let is_measured = rows(version, arch)
                    .iter()
                    .any(|row| read(row, &results).unwrap().is_some());
                assert_eq!(is_measured, path.exists(), "{}", path.display());
                if is_measured {
                    let page = std::fs::read_to_string(&path).unwrap();
                    let expected = super::page(version, arch, &results).unwrap();
                    assert_eq!(page, expected, "{}", path.display());
                    n += 1;
                }
            }
        }
        assert!(n >= 2);
    }

    #[test]
    fn a_page_compares_rows_and_names_what_is_missing() {
        let results = tempfile::tempdir().unwrap();
        let rows = rows(VERSION, Arch::Arm64);
        let named = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        write(named("none"), results.path(), &record(1000)).unwrap();
        write(named("thin"), results.path(), &record(1100)).unwrap();
        let page = page(VERSION, Arch::Arm64, results.path()).unwrap();
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
        assert!(missing.contains("row full --arch arm64`"), "{missing}");
    }

    #[test]
    fn a_page_has_modules_and_dropped_definitions_of_kernels_with_their_own_lto() {
        let results = tempfile::tempdir().unwrap();
        let rows = rows("6.1", Arch::Arm64);
        let named = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        let parts = |n, bytes| Some(Parts { n, bytes });
        let mut none = record(1000);
        none.modules = parts(7, 1000);
        let mut drops = record(990);
        drops.modules = parts(7, 900);
        drops.dropped = parts(1331, 204_578);
        write(named("none"), results.path(), &none).unwrap();
        write(named("thin-dist-drop"), results.path(), &drops).unwrap();
        let page = page("6.1", Arch::Arm64, results.path()).unwrap();
        assert!(
            page.contains("\n| thin-dist, dropping | 7 | 900 | -10.00 % | 1331 | 204578 |\n"),
            "{page}"
        );
        assert!(
            page.contains("- thin, by the kernel's own build: `cargo"),
            "{page}"
        );
    }

    #[test]
    fn work_that_did_not_end_is_named() {
        let results = tempfile::tempdir().unwrap();
        let rows = rows(VERSION, Arch::Arm64);
        let named = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        write(named("none"), results.path(), &record(1000)).unwrap();
        let mut stopped = record(1100);
        for measured in stopped.runtime.sets.values_mut() {
            measured.unfinished = Some("TCP".to_owned());
            measured.kinds.truncate(1);
        }
        write(named("thin"), results.path(), &stopped).unwrap();
        let page = page(VERSION, Arch::Arm64, results.path()).unwrap();
        assert!(
            page.contains("\n| system call | 100 | +10.00 % |\n"),
            "{page}"
        );
        assert!(
            page.contains("\n| TCP | not in this kernel | did not end |\n"),
            "{page}"
        );
        assert!(
            page.contains("\nthin: training: `TCP` did not end, so"),
            "{page}"
        );
    }
}
