// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Measures the cost and gain of dropping unreferenced definitions, of the other options for
//! smaller code, and of the inlining limits of full LTO.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use kernel_lab::Arch;
use kernel_lab::boot;
use kernel_lab::build::{self, Usage};
use kernel_lab::config::{Lto, Setting};
use kernel_lab::files;
use kernel_lab::table;
use kernel_lab::variant::{self, Variant};
use kernel_lab::{Failure, Outcome};

use crate::BuildApart;

/// The inlining limits to try. LLVM's defaults are 225 for normal code and 50 for size.
const LIMITS: [u32; 6] = [0, 5, 20, 50, 100, 225];

/// The kinds of LTO that are measured if none is chosen.
pub const KINDS: [Lto; 3] = [Lto::Thin, Lto::ThinDist, Lto::Full];

/// Returns the kernels to compare: `none`, and each of the kinds of LTO without and with dropping.
fn variants(none: Variant, kinds: &[Lto]) -> Vec<Variant> {
    let mut variants = vec![none];
    for &lto in kinds.iter().filter(|lto| **lto != Lto::None) {
        variants.push(Variant { lto, ..none });
        let drops = true;
        variants.push(Variant { lto, drops, ..none });
    }
    variants
}

/// The cost and the result of a build.
struct Built {
    usage: Usage,
    /// The size of text and data of vmlinux.o, in bytes.
    object: u64,
    /// The size of the file that is booted, in bytes.
    image: u64,
}

/// Builds every kind of kernel from scratch. Returns a Markdown table of the cost and of the size, compared
/// with `none`, the kernel without LTO, and of the cost relative to thin LTO without dropping, if it is one of
/// the kinds.
///
/// # Errors
/// A build fails.
pub fn measure(
    tree: &Path,
    workdir: &Path,
    none: Variant,
    kinds: &[Lto],
    build: BuildApart,
) -> Result<String, Failure> {
    let mut built = Vec::new();
    for variant in variants(none, kinds) {
        files::remove_dir(&variant.objtree(workdir))?;
        let objtree = variant.configure(tree, workdir)?;
        let usage = build(what(tree, variant.arch, &objtree, build::ALL))?;
        let this = Built {
            usage,
            object: object_size(variant, workdir)?,
            image: variant.image_size(workdir)?,
        };
        built.push((variant, this));
    }
    table_of(&built)
}

/// Returns the table of built kernels, of which the first has no LTO.
fn table_of(built: &[(Variant, Built)]) -> Result<String, Failure> {
    let (_, none) = built.first().context("no kernel was built")?;
    let is_reference =
        |variant: &Variant| matches!(variant.lto, Lto::None | Lto::Thin) && !variant.drops;
    let references = built.iter().filter(|(variant, _)| is_reference(variant));
    let references: Vec<_> = references.collect();
    let names = references.iter().map(|(variant, _)| variant.lto.name());
    let of = names.map(|name| format!(" of {name}'s |"));
    let of = of.collect::<Vec<_>>().concat();
    let lines = "---:|".repeat(2 * references.len() + 6);
    let mut table = format!(
        "| | CPU |{of} largest process |{of} text and data of `vmlinux.o` | | image | |\n|---|{lines}\n"
    );
    for (variant, this) in built {
        let ratios = |ratio: fn(&Usage, &Usage) -> f64| -> String {
            let others = references.iter().map(|(_, other)| &other.usage);
            let cells = others.map(|other| format!(" {:.2} |", ratio(&this.usage, other)));
            cells.collect::<Vec<_>>().concat()
        };
        let _ = writeln!(
            table,
            "| {}{} | {:.0} s |{} {} MiB |{} {} | {} | {} | {} |",
            variant.lto.name(),
            if variant.drops { ", drops" } else { "" },
            this.usage.cpu_seconds,
            ratios(|this, other| this.cpu_seconds / other.cpu_seconds),
            this.usage.peak_rss_kib / 1024,
            ratios(|this, other| ratio(this.peak_rss_kib, other.peak_rss_kib)),
            this.object,
            percent(this.object, none.object),
            this.image,
            percent(this.image, none.image),
        );
    }
    Ok(table)
}

/// Links the kernel with full LTO and each inlining limit, with and without dropping. Returns a table and
/// a picture, in Markdown and Mermaid, of the size, compared with `none`, the kernel without LTO.
///
/// # Errors
/// A build fails.
pub fn inlining(
    tree: &Path,
    workdir: &Path,
    none: Variant,
    build: BuildApart,
) -> Result<String, Failure> {
    let link = |variant: Variant, set: &[Setting]| -> Result<u64, Failure> {
        let objtree = variant.configure_with(tree, workdir, set)?;
        build(what(tree, variant.arch, &objtree, "vmlinux"))?;
        Ok(object_size(variant, workdir)?)
    };
    let size_none = link(none, &[])?;
    let mut table = format!(
        "Text and data of `vmlinux.o` without LTO: {size_none} bytes.\n\n\
         | limit | full LTO | | full LTO that drops | | CPU of that link |\n|---:|---:|---:|---:|---:|---:|\n"
    );
    let mut curves = [Vec::new(), Vec::new()];
    for limit in LIMITS {
        let _ = write!(table, "| {limit} |");
        let setting: Setting = format!("{LIMIT}={limit}").parse()?;
        for (drops, curve) in [false, true].into_iter().zip(&mut curves) {
            let lto = Lto::Full;
            let variant = Variant { lto, drops, ..none };
            let found = link(variant, std::slice::from_ref(&setting))?;
            let _ = write!(table, " {found} | {} |", percent(found, size_none));
            curve.push(format!("{:.2}", (ratio(found, size_none) - 1.0) * 100.0));
            if drops {
                let usage = lto_link::usage_path(&variant.objtree(workdir).join("vmlinux.o"));
                let usage =
                    lto_link::read_usage(&usage).with_context(|| usage.display().to_string())?;
                let _ = writeln!(table, " {:.0} s |", usage.cpu_seconds);
            }
        }
    }
    Ok(table + &chart(&curves))
}

/// Returns curves over [`LIMITS`] for Mermaid.
fn chart(curves: &[Vec<String>]) -> String {
    // The limits are categories, because they are not evenly spaced.
    let limits = LIMITS.map(|limit| limit.to_string());
    let mut chart = format!(
        "\nIn percent of the kernel without LTO; the upper curve keeps all, the lower one drops:\n\n\
         ```mermaid\nxychart-beta\n    x-axis \"inlined up to\" {limits:?}\n    \
         y-axis \"text and data against no LTO (%)\"\n"
    );
    for curve in curves {
        let _ = writeln!(chart, "    line [{}]", curve.join(", "));
    }
    chart + "```\n"
}

/// Builds, boots and verifies the kernel that drops, with distributed thin LTO and with full LTO,
/// without and with the options for smaller code. Returns a Markdown table of the size, compared
/// with `none`, the kernel without LTO.
///
/// # Errors
/// A build or boot cannot run. A kernel that does not boot, or in which verify finds a fault, is a fault.
pub fn levers(
    tree: &Path,
    workdir: &Path,
    none: Variant,
    build: BuildApart,
) -> Result<String, Failure> {
    none.build(tree, workdir)?;
    let (object_none, image_none) = (object_size(none, workdir)?, none.image_size(workdir)?);
    let mut table = format!(
        "Without LTO: text and data of `vmlinux.o` {object_none} bytes, image {image_none} bytes.\n\n\
         | LTO | with | text and data of `vmlinux.o` | | image | | modules loaded |\n\
         |---|---|---:|---:|---:|---:|---:|\n"
    );
    for (lto, options) in chosen(none) {
        let variant = Variant {
            lto,
            drops: true,
            ..none
        };
        let set = options.iter().map(|option| option.parse());
        let set: Vec<Setting> = set.collect::<Result<_, _>>()?;
        let objtree = variant.configure_with(tree, workdir, &set)?;
        build(what(tree, variant.arch, &objtree, build::ALL))?;
        let report = boot::boot_built(variant.arch, &objtree)?;
        report.outcome(&objtree)?;
        verified(&objtree, &none.objtree(workdir))?;
        let (object, image) = (object_size(variant, workdir)?, variant.image_size(workdir)?);
        let _ = writeln!(
            table,
            "| {} | {} | {object} | {} | {image} | {} | {} of {} |",
            lto.name(),
            options.join(", "),
            percent(object, object_none),
            percent(image, image_none),
            report.loaded(),
            report.modules.len(),
        );
    }
    Ok(table)
}

/// Returns the options of a build with as many jobs as CPUs.
const fn what<'a>(
    tree: &'a Path,
    arch: Arch,
    objtree: &'a Path,
    target: &'a str,
) -> build::Options<'a> {
    build::Options {
        tree,
        arch,
        objtree,
        jobs: None,
        target,
    }
}

/// Checks that verify finds no fault.
fn verified(objtree: &Path, against: &Path) -> Outcome {
    let report = kernel_checks::verify(objtree, Some(against))?;
    match report.n_faults() {
        0 => Ok(()),
        _ => Err(Failure::Fault(anyhow::anyhow!(report.faults().join("\n")))),
    }
}

/// Returns the combinations of options for smaller code and kinds of LTO. Each kind gets all
/// options together. Unless exports are trimmed, it also gets none, and with code generated object
/// by object, each option alone, which shows its gain.
fn chosen(none: Variant) -> Vec<(Lto, Vec<&'static str>)> {
    let all = variant::for_smaller_code(none.arch);
    let mut chosen = Vec::new();
    for lto in [Lto::ThinDist, Lto::Full] {
        if !none.trims {
            chosen.push((lto, vec![]));
            if lto == Lto::ThinDist && all.len() > 1 {
                chosen.extend(all.iter().map(|option| (lto, vec![*option])));
            }
        }
        chosen.push((lto, all.to_vec()));
    }
    chosen
}

/// Returns the size of text and data of the built vmlinux.o.
fn object_size(variant: Variant, workdir: &Path) -> anyhow::Result<u64> {
    let size = variant.object_size(workdir)?;
    size.with_context(|| format!("{}: no vmlinux.o", variant.objtree(workdir).display()))
}

/// The option with the limit.
const LIMIT: &str = "LTO_CLANG_FULL_INLINE_LIMIT";

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
pub(crate) fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

/// Returns by how many percent `one` is larger than `other`.
pub(crate) fn percent(one: u64, other: u64) -> String {
    table::percent(ratio(one, other), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_lab::config::Profile;

    #[test]
    fn each_kind_is_built_with_and_without_dropping() {
        let none = Variant {
            trims: true,
            ..Variant::new(Arch::Arm64, Profile::Ci, Lto::None)
        };
        let names = |kinds| -> Vec<_> {
            variants(none, kinds)
                .iter()
                .map(|variant| variant.objtree(Path::new("")).display().to_string())
                .collect()
        };
        assert_eq!(
            names(&[Lto::Full]),
            [
                "arm64-ci-none-trim",
                "arm64-ci-full-trim",
                "arm64-ci-full-drop-trim"
            ]
        );
        assert_eq!(
            names(&KINDS),
            [
                "arm64-ci-none-trim",
                "arm64-ci-thin-trim",
                "arm64-ci-thin-drop-trim",
                "arm64-ci-thin-dist-trim",
                "arm64-ci-thin-dist-drop-trim",
                "arm64-ci-full-trim",
                "arm64-ci-full-drop-trim"
            ]
        );
    }

    #[test]
    fn costs_are_compared_with_no_lto_and_with_thin_lto_if_it_was_built() {
        let built = |lto, drops, cpu_seconds, object| {
            let variant = Variant {
                drops,
                ..Variant::new(Arch::Arm64, Profile::Ci, lto)
            };
            let usage = Usage {
                wall_seconds: 1.0,
                cpu_seconds,
                peak_rss_kib: 1024 * 100,
                jobs: 2,
                built: true,
            };
            (
                variant,
                Built {
                    usage,
                    object,
                    image: 1000,
                },
            )
        };
        let none = || built(Lto::None, false, 100.0, 1000);
        let drops = || built(Lto::ThinDist, true, 120.0, 950);
        assert_eq!(
            table_of(&[none(), drops()]).unwrap(),
            "| | CPU | of none's | largest process | of none's | text and data of `vmlinux.o` | | image | |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|\n\
             | none | 100 s | 1.00 | 100 MiB | 1.00 | 1000 | +0.0 % | 1000 | +0.0 % |\n\
             | thin-dist, drops | 120 s | 1.20 | 100 MiB | 1.00 | 950 | -5.0 % | 1000 | +0.0 % |\n"
        );
        let thin = built(Lto::Thin, false, 80.0, 1010);
        let table = table_of(&[none(), thin, drops()]).unwrap();
        assert!(
            table.ends_with("| thin-dist, drops | 120 s | 1.20 | 1.50 | 100 MiB | 1.00 | 1.00 | 950 | -5.0 % | 1000 | +0.0 % |\n"),
            "{table}"
        );
        assert!(table_of(&[]).is_err());
    }

    #[test]
    fn options_are_tried_with_each_kind_of_lto() {
        let none = Variant::new(Arch::Arm64, Profile::Ci, Lto::None);
        let counts = |none| {
            let chosen = chosen(none);
            let of = |kind| chosen.iter().filter(|(lto, _)| *lto == kind).count();
            (of(Lto::ThinDist), of(Lto::Full))
        };
        assert_eq!(counts(none), (6, 2));
        assert_eq!(
            counts(Variant {
                trims: true,
                ..none
            }),
            (1, 1)
        );
        let arch = Arch::X86_64;
        assert_eq!(counts(Variant { arch, ..none }), (6, 2));
    }

    #[test]
    fn a_curve_has_a_value_for_each_limit() {
        let values = |from: u32| LIMITS.map(|limit| format!("{}.50", limit + from)).to_vec();
        let chart = chart(&[values(0), values(1)]);
        assert!(chart.contains(r#"["0", "5", "20", "50", "100", "225"]"#));
        assert!(chart.contains("\n    line [0.50, 5.50, 20.50, 50.50, 100.50, 225.50]\n"));
        assert_eq!(chart.matches("\n    line [").count(), 2);
    }

    #[test]
    fn a_size_is_told_by_its_difference() {
        assert_eq!(percent(950, 1000), "-5.0 %");
        assert_eq!(percent(1012, 1000), "+1.2 %");
    }
}
