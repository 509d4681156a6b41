// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask demo`: from nothing to a kernel with LTO that is booted and compared with the same
//! kernel without.

use crate::install;
use crate::outcome::Failure;
use crate::outcome::Outcome;
use crate::outcome::print;
use crate::values;
use anyhow::Context as _;
use kernel_checks::{Checked, Verdict};
use kernel_lab::Arch;
use kernel_lab::boot;
use kernel_lab::build;
use kernel_lab::config::Lto;
use kernel_lab::config::Profile;
use kernel_lab::fetch;
use kernel_lab::files;
use kernel_lab::runtime;
use kernel_lab::runtime::Set;
use kernel_lab::setup;
use kernel_lab::table;
use kernel_lab::variant::Variant;
use kernel_lab::workspace;
use std::path::Path;
use std::path::PathBuf;

pub use kernel_lab::KERNEL;

/// Gives a real kernel LTO, and shows the gain over the same kernel without LTO.
///
/// Installs missing system packages, fetches the source of linux 5.10, installs all plugins into it,
/// builds it with LTO and without, boots both, loads every module, and compares them. The table begins with the
/// gains: size, executed instructions, and the cost of a rebuild; the checks follow. Kernels from an earlier run
/// are used again.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
#[command(after_help = "Examples:
  cargo xtask demo
  cargo xtask demo --trim
  cargo xtask demo --lto thin
  cargo xtask demo --tree ~/linux-5.10 --lto full --drop --profile wide

The last line is `demo: ok` (exit code 0) or `demo: FAILED: <what>` (exit code 1).")]
pub struct Args {
    /// An existing kernel tree [default: fetched by package name].
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The kind of link time optimization [default: thin-dist with --drop].
    #[arg(long, value_parser = values::lto())]
    lto: Option<Lto>,
    /// The directory for the kernel and its builds [default: target/demo of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// The architecture of the kernel.
    #[arg(long, value_parser = values::arch(), default_value = "arm64")]
    arch: Arch,
    /// The profile of the kernel.
    #[arg(long, value_parser = values::profile(), default_value = "ci")]
    profile: Profile,
    /// Drop what nothing references; the kernel must get smaller than without LTO.
    #[arg(long)]
    drop: bool,
    /// Trim exports that no module uses, also in the kernel without LTO.
    #[arg(long)]
    trim: bool,
    /// Use the options for smaller code, too: less is inlined, equal functions are merged, repeated sequences of
    /// instructions become functions on arm64, and functions have a smaller alignment on 64-bit x86.
    #[arg(long)]
    smaller: bool,
    /// Measure neither executed instructions nor a rebuild, which saves minutes.
    #[arg(long)]
    no_measure: bool,
    /// Install no system packages: stop, and name the missing ones.
    #[arg(long)]
    no_install: bool,
}

/// The options of a demo.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// A kernel tree; fetched if it is `None`.
    pub tree: Option<&'a Path>,
    /// The kernel that is shown.
    pub variant: Variant,
    /// The directory for the kernel and its builds.
    pub workdir: &'a Path,
    /// Whether missing system packages are installed.
    pub install: bool,
    /// Whether executed instructions and a rebuild are measured, too. It takes minutes.
    pub measures: bool,
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

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let Args {
        tree,
        lto,
        workdir,
        arch,
        profile,
        drop,
        trim,
        smaller,
        no_measure,
        no_install,
    } = args;
    let workdir = workdir
        .clone()
        .unwrap_or_else(|| workspace::root().join("target/demo"));
    let (lto, drops) = shown(*lto, *drop);
    let outcome = demonstrate(&Options {
        tree: tree.as_deref(),
        variant: Variant {
            drops,
            trims: *trim,
            smaller: *smaller,
            ..Variant::new(*arch, *profile, lto)
        },
        workdir: &workdir,
        install: !no_install,
        measures: !no_measure,
    });
    match &outcome {
        Ok(()) => print(b"demo: ok\n")?,
        Err(Failure::Fault(error)) => {
            let what = format!("{error:#}");
            let what = what.lines().next().unwrap_or_default();
            print(format!("demo: FAILED: {what}\n").as_bytes())?;
        }
        Err(Failure::CannotRun(_)) => {}
    }
    outcome
}

/// Returns the kernel that is shown, and whether it drops; by default distributed thin LTO that drops.
fn shown(lto: Option<Lto>, drops: bool) -> (Lto, bool) {
    lto.map_or((Lto::ThinDist, true), |lto| (lto, drops))
}

/// Runs all steps and prints the table: gains first, checks last.
///
/// # Errors
/// A step cannot run; as a fault, a build fails or a check finds a fault.
pub fn demonstrate(options: &Options<'_>) -> Outcome {
    let Options {
        tree,
        variant,
        workdir,
        install,
        measures,
    } = *options;
    if (variant.drops || variant.smaller) && variant.lto == Lto::None {
        return Err(anyhow::anyhow!(
            "without LTO nothing is dropped or made smaller; choose one with --lto"
        )
        .into());
    }
    let tree = prepare(tree, workdir, variant.arch, install)?;
    let one = Kernel::make(variant, &tree, workdir)?;
    let other = match variant.lto {
        Lto::None => None,
        _ => Some(Kernel::make(variant.without_lto(), &tree, workdir)?),
    };
    let against = other.as_ref().map(|other| other.objtree.as_path());
    let report = kernel_checks::verify(&one.objtree, against)?;
    let mut rows = size_rows(&report, workdir, &one, other.as_ref())?;
    if let Some(other) = other.as_ref().filter(|_| measures) {
        rows.push(executed_row(&one, other)?);
        rows.push(rebuild_row(&tree, &one, other)?);
    }
    if variant.lto != Lto::None {
        rows.push(link_row(&one.objtree)?);
    }
    rows.extend(verified(&report));
    rows.push(one.boot_row());
    if let Some(other) = &other {
        rows.push(other.boot_row());
        rows.push(warnings_row(&tree, &one, other)?);
    }
    print(format!("{}\n", table::of(rows.iter().map(cells))).as_bytes())?;
    judge(&rows)
}

/// Returns a kernel tree with all plugins: `tree`, or one that is fetched into `workdir`. If `install`, missing
/// system packages for `arch` are installed.
///
/// # Errors
/// A package or the tree cannot be fetched, or the plugins cannot be installed into the tree.
pub fn prepare(
    tree: Option<&Path>,
    workdir: &Path,
    arch: Arch,
    install: bool,
) -> anyhow::Result<PathBuf> {
    setup::ensure(setup::Options { arch, install })?;
    let tree = match tree {
        Some(tree) => tree.to_owned(),
        None => fetch::fetch(fetch::Options {
            version: KERNEL,
            package_version: None,
            into: &workdir.join("trees"),
        })?,
    };
    install::install(&install::Options {
        tree: &tree,
        plugins: &[],
        discard_changes: false,
    })?;
    Ok(tree)
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

/// The checks of `verify`.
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

/// Returns the lines with the sizes of the kernels.
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

/// A kernel that drops must be smaller.
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

/// Returns a line with a size in bytes and that without LTO.
#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage of kernel sizes, which are far below 2^52"
)]
fn compared(with: u64, without: Option<u64>) -> String {
    match without {
        None => format!("{with} bytes"),
        Some(without) => {
            let percent = (with as f64 / without as f64 - 1.0) * 100.0;
            format!("{with} bytes, {without} without LTO ({percent:+.1} %)")
        }
    }
}

/// Returns the lines with the instructions that the kernels execute for the same work.
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
            "{:+.1} % against no LTO, mean of {n_kinds} kinds of kernel work",
            (mean - 1.0) * 100.0
        ),
    ))
}

/// A driver that nothing else includes.
const LEAF: &str = "drivers/char/mem.c";

/// Returns the lines with the cost of rebuilding the kernels after a change of one driver.
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

/// Returns the lines with the cost of the link of vmlinux.o.
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

/// Returns a fault with a summary line, and all findings below it.
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
    fn unless_a_kind_of_lto_is_named_the_kernel_drops() {
        assert_eq!(shown(None, false), (Lto::ThinDist, true));
        assert_eq!(shown(Some(Lto::Thin), false), (Lto::Thin, false));
        assert_eq!(shown(Some(Lto::ThinDist), false), (Lto::ThinDist, false));
        assert_eq!(shown(Some(Lto::Full), true), (Lto::Full, true));
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
