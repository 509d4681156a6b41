// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares a kernel with LTO with the same kernel without: size, executed instructions, rebuilds, checks.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kernel_checks::{Checked, Verdict};
use kernel_lab::config::Lto;
use kernel_lab::runtime::{self, Set};
use kernel_lab::variant::Variant;
use kernel_lab::{Failure, Outcome, boot, build, files, table};
use lto_lab::Lab;

use crate::dropping::percent;

/// A table: gains first, checks last.
pub struct Gains(Vec<Row>);

impl Gains {
    /// Returns the lines of the table: the subject, the verdict if there is a check, and a figure.
    pub fn cells(&self) -> impl Iterator<Item = [String; 3]> {
        self.0.iter().map(cells)
    }

    /// Checks that nothing wrong was found.
    ///
    /// # Errors
    /// A fault that names the first problem, and lists all of them.
    pub fn judge(&self) -> Outcome {
        judge(&self.0)
    }
}

/// Builds the kernel `variant` and the same without LTO in the lab, and compares them; see [`compare`].
///
/// # Errors
/// Same as [`compare`]; the variant has no LTO, but needs it.
pub fn demonstrate(lab: &Lab, variant: Variant, measures: bool) -> Result<Gains, Failure> {
    if (variant.drops || variant.smaller) && variant.lto == Lto::None {
        return Err(anyhow::anyhow!(
            "without LTO nothing is dropped or made smaller; choose one with --lto"
        )
        .into());
    }
    compare(&lab.tree(variant.arch)?, lab.workdir(), variant, measures)
}

/// Builds the kernel `variant` of `tree`, and the same without LTO, in `workdir`; boots, verifies
/// and compares both. With `measures`, also compares executed instructions and a rebuild, which
/// takes minutes.
///
/// # Errors
/// A step cannot run. A failed build is a fault. Findings of the checks are in the table.
pub fn compare(
    tree: &Path,
    workdir: &Path,
    variant: Variant,
    measures: bool,
) -> Result<Gains, Failure> {
    let one = Kernel::make(variant, tree, workdir)?;
    let other = match variant.lto {
        Lto::None => None,
        _ => Some(Kernel::make(variant.without_lto(), tree, workdir)?),
    };
    let against = other.as_ref().map(|other| other.objtree.as_path());
    let report = kernel_checks::verify(&one.objtree, against)?;
    let mut rows = size_rows(&report, workdir, &one, other.as_ref())?;
    if let Some(other) = other.as_ref().filter(|_| measures) {
        rows.push(executed_row(&one, other)?);
        rows.push(rebuild_row(tree, &one, other)?);
    }
    if variant.lto != Lto::None {
        rows.push(link_row(&one.objtree)?);
    }
    rows.extend(verified(&report));
    rows.push(one.boot_row());
    if let Some(other) = &other {
        rows.push(other.boot_row());
        rows.push(warnings_row(tree, &one, other)?);
    }
    Ok(Gains(rows))
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    what: String,
    verdict: Verdict,
    figure: String,
    faults: Vec<String>,
}

impl Row {
    /// Returns a line with a figure without a goal.
    fn figure(what: &str, figure: String) -> Self {
        Self {
            what: what.to_owned(),
            verdict: Verdict::NotApplicable,
            figure,
            faults: Vec::new(),
        }
    }

    /// Returns a line with a figure that is good if there are no faults.
    fn checked(what: String, figure: String, faults: Vec<String>) -> Self {
        let verdict = if faults.is_empty() {
            Verdict::Ok
        } else {
            Verdict::Fault
        };
        Self {
            what,
            verdict,
            figure,
            faults,
        }
    }
}

/// A kernel that was built and booted.
struct Kernel {
    variant: Variant,
    objtree: PathBuf,
    boot: boot::Report,
}

impl Kernel {
    fn make(variant: Variant, tree: &Path, workdir: &Path) -> Result<Self, Failure> {
        variant.build(tree, workdir)?;
        let objtree = variant.objtree(workdir);
        let boot = boot::boot_built(variant.arch, &objtree)?;
        Ok(Self {
            variant,
            objtree,
            boot,
        })
    }

    fn boot_row(&self) -> Row {
        let what = format!("modules loaded, {} LTO", self.variant.lto.name());
        let figure = format!("{} of {}", self.boot.loaded(), self.boot.modules.len());
        Row::checked(what, figure, self.boot.problems())
    }
}

/// Returns a row for each check of `verify`.
fn verified(report: &kernel_checks::Report) -> Vec<Row> {
    report
        .checks
        .iter()
        .map(|Checked { title, finding, .. }| Row {
            what: (*title).to_owned(),
            verdict: finding.verdict,
            figure: finding.figure.clone(),
            faults: finding.faults.clone(),
        })
        .collect()
}

/// Returns the warnings of the compiler, the linker or modpost that the build without LTO does not have.
fn warnings_row(tree: &Path, one: &Kernel, other: &Kernel) -> anyhow::Result<Row> {
    let mut new = build::new_warnings(tree, &one.objtree, &other.objtree)?;
    let figure = new.len().to_string();
    if !new.is_empty() {
        let objtree = one.objtree.display();
        new.push(format!(
            "if they are mended: all builds count since {objtree} was clean; remove it"
        ));
    }
    Ok(Row::checked("new warnings".to_owned(), figure, new))
}

/// Returns the sizes of the kernels.
fn size_rows(
    report: &kernel_checks::Report,
    workdir: &Path,
    one: &Kernel,
    other: Option<&Kernel>,
) -> anyhow::Result<Vec<Row>> {
    let against = report.sizes_against;
    let object = one.variant.object_size(workdir)?;
    let object_against = other.map(|other| other.variant.object_size(workdir));
    let object_against = object_against.transpose()?.flatten();
    let image_against = other.map(|other| other.variant.image_size(workdir));
    let mut rows = Vec::new();
    if let Some(object) = object {
        rows.push(object_row(object, object_against, one.variant.drops));
    }
    rows.extend([
        Row::figure(
            "text of vmlinux",
            compared(report.sizes.text, against.map(|sizes| sizes.text)),
        ),
        Row::figure(
            "data of vmlinux",
            compared(report.sizes.data, against.map(|sizes| sizes.data)),
        ),
        Row::figure(
            "kernel image",
            compared(one.variant.image_size(workdir)?, image_against.transpose()?),
        ),
    ]);
    Ok(rows)
}

/// Returns the row of the object sizes. A kernel that drops must be smaller.
fn object_row(with: u64, without: Option<u64>, drops: bool) -> Row {
    let figure = compared(with, without);
    let larger = without.is_some_and(|without| with >= without);
    let what = "text and data of vmlinux.o".to_owned();
    if !drops {
        return Row::figure(&what, figure);
    }
    let fault = "what nothing references was dropped, and it is no smaller than without LTO";
    let faults = larger.then(|| fault.to_owned()).into_iter().collect();
    Row::checked(what, figure, faults)
}

/// Returns a size in bytes, next to the size without LTO.
fn compared(with: u64, without: Option<u64>) -> String {
    match without {
        None => format!("{with} bytes"),
        Some(without) => format!(
            "{with} bytes, {without} without LTO ({})",
            percent(with, without)
        ),
    }
}

/// Returns the number of instructions that the kernels execute for the same work.
fn executed_row(one: &Kernel, other: &Kernel) -> Result<Row, Failure> {
    const SET: Set = Set::Training;
    let arch = one.variant.arch;
    let with = runtime::measure(arch, &one.objtree, &[SET])?;
    let without = runtime::measure(arch, &other.objtree, &[SET])?;
    let base = with.set_of(SET, &without)?;
    let measured = with.set_of(SET, &with)?;
    let ratios = measured.ratios(base, |counts| counts.kernel)?;
    let compared = ratios.kinds.iter().filter(|(_, ratio)| ratio.is_some());
    let n_kinds = compared.count();
    let mean = ratios.mean().context("no work that both kernels can do")?;
    Ok(Row::figure(
        "executed instructions",
        format!(
            "{} against no LTO, mean of {n_kinds} kinds of kernel work",
            table::percent(mean, 1)
        ),
    ))
}

/// A driver that nothing else includes.
const LEAF: &str = "drivers/char/mem.c";

/// Returns the CPU time of rebuilding both kernels after a change of one driver.
fn rebuild_row(tree: &Path, one: &Kernel, other: &Kernel) -> Result<Row, Failure> {
    files::touch(&tree.join(LEAF))?;
    let rebuilt = |kernel: &Kernel| {
        build::build(build::Options {
            tree,
            arch: kernel.variant.arch,
            objtree: &kernel.objtree,
            jobs: None,
            target: build::ALL,
        })
    };
    let (with, without) = (rebuilt(one)?.cpu_seconds, rebuilt(other)?.cpu_seconds);
    Ok(Row::figure(
        "rebuild of one driver",
        format!(
            "{with:.1} s of CPU, {without:.1} s without LTO ({:.2} times)",
            with / without
        ),
    ))
}

/// Returns time and memory of the link of vmlinux.o.
#[expect(clippy::cast_precision_loss, reason = "memory in MiB with no decimals")]
fn link_row(objtree: &Path) -> anyhow::Result<Row> {
    let path = lto_link::usage_path(&objtree.join("vmlinux.o"));
    let usage = lto_link::read_usage(&path).with_context(|| path.display().to_string())?;
    Ok(Row::figure(
        "link of vmlinux.o",
        format!(
            "{:.1} s, {:.1} s of CPU, peak memory {:.0} MiB",
            usage.wall_seconds,
            usage.cpu_seconds,
            usage.peak_rss_kib as f64 / 1024.0
        ),
    ))
}

fn cells(row: &Row) -> [String; 3] {
    let verdict = match row.verdict {
        Verdict::NotApplicable if row.faults.is_empty() => String::new(),
        verdict => verdict.to_string(),
    };
    [row.what.clone(), verdict, row.figure.clone()]
}

/// Returns a fault that names the first problem, and lists all of them.
fn judge(rows: &[Row]) -> Outcome {
    let wrong: Vec<&Row> = rows
        .iter()
        .filter(|row| row.verdict == Verdict::Fault)
        .collect();
    let Some(first) = wrong.first() else {
        return Ok(());
    };
    let faults: Vec<String> = wrong
        .iter()
        .flat_map(|row| {
            row.faults
                .iter()
                .map(|fault| format!("{}: {fault}", row.what))
        })
        .collect();
    Err(Failure::Fault(anyhow::anyhow!(
        "{}: {}\n{}",
        first.what,
        first.figure,
        faults.join("\n")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_with_their_difference() {
        assert_eq!(
            compared(950, Some(1000)),
            "950 bytes, 1000 without LTO (-5.0 %)"
        );
        assert_eq!(compared(950, None), "950 bytes");
    }

    #[test]
    fn a_kernel_that_drops_is_to_be_smaller() {
        let verdict = |with, drops| object_row(with, Some(1000), drops).verdict;
        assert_eq!(verdict(999, true), Verdict::Ok);
        assert_eq!(verdict(1000, true), Verdict::Fault);
        assert_eq!(verdict(1000, false), Verdict::NotApplicable);
    }

    #[test]
    fn the_first_fault_is_the_headline_and_all_are_told() {
        let good = Row::checked(
            "initcalls in order".to_owned(),
            "9 of 9".to_owned(),
            Vec::new(),
        );
        let crcs = Row::checked(
            "symbol CRCs equal".to_owned(),
            "1 of 2".to_owned(),
            vec!["printk".to_owned()],
        );
        let boot = Row::checked(
            "modules loaded".to_owned(),
            "0 of 1".to_owned(),
            vec!["fat".to_owned()],
        );
        assert!(judge(&[Row::figure("kernel image", "3 bytes".to_owned())]).is_ok());
        let Err(Failure::Fault(error)) = judge(&[good, crcs, boot]) else {
            panic!("no fault")
        };
        assert_eq!(
            error.to_string(),
            "symbol CRCs equal: 1 of 2\nsymbol CRCs equal: printk\nmodules loaded: fat"
        );
    }
}
