// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `cargo xtask demo`: from nothing to a kernel with LTO that is booted and compared with the same
//! kernel without.

use crate::install;
use crate::kernel::arch::Arch;
use crate::kernel::boot;
use crate::kernel::build;
use crate::kernel::config;
use crate::kernel::config::Lto;
use crate::kernel::config::Profile;
use crate::kernel::fetch;
use crate::outcome::Failure;
use crate::outcome::Outcome;
use crate::outcome::print;
use crate::setup;
use crate::table;
use crate::verify;
use crate::verify::Verdict;
use crate::workspace;
use anyhow::Context as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// The version of the kernel that is fetched: it has no LTO of its own.
pub const KERNEL: &str = "5.10";

/// How long a guest may run. It takes seconds; a busy machine takes longer.
pub const BOOT_TIME: Duration = Duration::from_secs(300);

/// Gives a real kernel LTO, boots it, and compares it with the same kernel without LTO.
///
/// Installs the system packages that are missing, fetches the source of linux 5.10, installs all
/// plugins into it, builds it with LTO and without, boots both and loads every module, and checks
/// what must be the same. What is there from an earlier run is used again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask demo
  cargo xtask demo --tree ~/linux-5.10 --lto full --profile wide

The last line is `demo: ok` (exit code 0) or `demo: FAILED: <what>` (exit code 1).")]
pub struct Args {
    /// A kernel tree that is already there [default: fetched by package name].
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Which link time optimization is shown.
    #[arg(long, value_enum, default_value = "thin")]
    lto: Lto,
    /// Where the kernel is fetched to and built [default: target/demo of this repository].
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// The architecture the kernel is built for.
    #[arg(long, value_enum, default_value = "arm64")]
    arch: Arch,
    /// What the kernel is to have.
    #[arg(long, value_enum, default_value = "ci")]
    profile: Profile,
    /// Install no system package: stop, and name what is missing.
    #[arg(long)]
    no_install: bool,
}

/// What is shown, and where.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// A kernel tree; fetched if it is not said.
    pub tree: Option<&'a Path>,
    /// Which link time optimization is shown.
    pub lto: Lto,
    /// Where the kernel is fetched to and built.
    pub workdir: &'a Path,
    /// The architecture the kernel is built for.
    pub arch: Arch,
    /// What the kernel is to have.
    pub profile: Profile,
    /// Whether missing system packages are installed.
    pub install: bool,
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
    /// A figure that nothing is asked of.
    fn figure(what: &str, figure: String) -> Self {
        Self {
            what: what.to_owned(),
            verdict: Verdict::NotApplicable,
            figure,
            faults: Vec::new(),
        }
    }

    /// A figure that is good if there are no faults.
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
        no_install,
    } = args;
    let workdir = workdir
        .clone()
        .unwrap_or_else(|| workspace::root().join("target/demo"));
    let outcome = demonstrate(&Options {
        tree: tree.as_deref(),
        lto: *lto,
        workdir: &workdir,
        arch: *arch,
        profile: *profile,
        install: !no_install,
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

/// Does everything, and prints the table.
///
/// # Errors
/// A step could not be done; as a fault, a build that fails or a check that finds something.
pub fn demonstrate(options: &Options<'_>) -> Outcome {
    let Options {
        tree,
        lto,
        workdir,
        arch,
        profile,
        install,
    } = *options;
    let tree = prepare(tree, workdir, arch, install)?;
    let one = Kernel::make(&tree, workdir, arch, profile, lto)?;
    let other = match lto {
        Lto::None => None,
        _ => Some(Kernel::make(&tree, workdir, arch, profile, Lto::None)?),
    };
    let against = other.as_ref().map(|other| other.objtree.as_path());
    let report = verify::verify(&one.objtree, against)?;
    let mut rows = verified(&report);
    rows.push(one.boot_row(lto));
    if let Some(other) = &other {
        rows.push(other.boot_row(Lto::None));
        rows.push(warnings_row(&tree, &one, other)?);
    }
    rows.extend(size_rows(&report, &one, other.as_ref())?);
    if lto != Lto::None {
        rows.push(link_row(&one.objtree)?);
    }
    print(format!("{}\n", table::of(rows.iter().map(cells))).as_bytes())?;
    judge(&rows)
}

/// Gives a kernel tree that has all plugins: `tree`, or if that is not said one that is fetched into
/// `workdir`. If `install`, system packages that are missing for `arch` are installed.
///
/// # Errors
/// A package or the tree cannot be had, or the tree does not take the plugins.
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

/// Where in `workdir` the kernel of this kind is built.
pub fn objtree(workdir: &Path, arch: Arch, profile: Profile, lto: Lto) -> PathBuf {
    workdir.join(format!("{}-{}-{}", arch.name(), profile.name(), lto.name()))
}

/// Configures the kernel of this kind in `workdir`, and gives its object tree.
///
/// # Errors
/// Those of [`config::configure`].
pub fn configure_kernel(
    tree: &Path,
    workdir: &Path,
    arch: Arch,
    profile: Profile,
    lto: Lto,
) -> Result<PathBuf, Failure> {
    let objtree = objtree(workdir, arch, profile, lto);
    config::configure(config::Options {
        tree,
        arch,
        objtree: &objtree,
        profile,
        lto,
        set: &[],
    })?;
    Ok(objtree)
}

/// Configures and builds the kernel of this kind in `workdir`; what is built already is used again.
///
/// # Errors
/// Those of [`config::configure`] and [`build::build`].
pub fn build_kernel(
    tree: &Path,
    workdir: &Path,
    arch: Arch,
    profile: Profile,
    lto: Lto,
) -> Result<build::Usage, Failure> {
    let objtree = configure_kernel(tree, workdir, arch, profile, lto)?;
    build::build(build::Options {
        tree,
        arch,
        objtree: &objtree,
        jobs: None,
    })
}

/// A kernel that was built and booted.
struct Kernel {
    arch: Arch,
    objtree: PathBuf,
    boot: boot::Report,
}

impl Kernel {
    fn make(
        tree: &Path,
        workdir: &Path,
        arch: Arch,
        profile: Profile,
        lto: Lto,
    ) -> Result<Self, Failure> {
        build_kernel(tree, workdir, arch, profile, lto)?;
        let objtree = objtree(workdir, arch, profile, lto);
        let boot = boot::boot(boot::Options {
            arch,
            objtree: &objtree,
            output: &objtree,
            timeout: BOOT_TIME,
        })?;
        Ok(Self {
            arch,
            objtree,
            boot,
        })
    }

    fn boot_row(&self, lto: Lto) -> Row {
        let what = format!("modules loaded, {} LTO", lto.name());
        let figure = format!("{} of {}", self.boot.loaded(), self.boot.modules.len());
        Row::checked(what, figure, self.boot.problems())
    }

    fn image_size(&self) -> anyhow::Result<u64> {
        let image = self.arch.image(&self.objtree);
        let size = image
            .metadata()
            .with_context(|| image.display().to_string())?
            .len();
        Ok(size)
    }
}

/// The checks of `verify`.
fn verified(report: &verify::Report) -> Vec<Row> {
    let name = |name: &str| match name {
        "lto" => "LTO really on".to_owned(),
        "initcalls" => "initcalls in order".to_owned(),
        "crcs" => "symbol CRCs equal".to_owned(),
        "got" => "GOT references".to_owned(),
        "mcount" => "functions traced".to_owned(),
        "orc" => "unwinder tables".to_owned(),
        other => other.to_owned(),
    };
    report
        .checks
        .iter()
        .map(|check| Row {
            what: name(check.name),
            verdict: check.verdict,
            figure: check.figure.clone(),
            faults: check.faults.clone(),
        })
        .collect()
}

/// Warnings of the compiler, the linker or modpost that the build without LTO does not have.
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

/// How large the kernels are.
fn size_rows(
    report: &verify::Report,
    one: &Kernel,
    other: Option<&Kernel>,
) -> anyhow::Result<Vec<Row>> {
    let against = report.sizes_against;
    Ok(vec![
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
            compared(
                one.image_size()?,
                other.map(Kernel::image_size).transpose()?,
            ),
        ),
    ])
}

/// A size in bytes, next to that without LTO.
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

/// What the link of vmlinux.o cost.
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

/// A fault that names what was found wrong first, and all of it below.
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
