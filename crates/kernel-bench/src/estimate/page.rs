// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The page about estimates.

use std::fmt::Write as _;

use anyhow::Context as _;
use lto_link::{LinkSizes, Mode, Model, Size, memory_text, time_text};

use super::links::Links;
use super::model::{CHOSEN, Choice, Figure, Fitted, error, fitted};

/// Sets of sizes to compare.
const CHOICES: [(&str, Choice); 5] = [
    ("those of the model", CHOSEN),
    (
        "bytes of functions, and of bitcode",
        Choice::same(&[Size::FunctionBytes, Size::BitcodeBytes]),
    ),
    (
        "bytes of functions, and of metadata",
        Choice::same(&[Size::FunctionBytes, Size::MetadataBytes]),
    ),
    (
        "instructions, and bytes of metadata",
        Choice::same(&[Size::Instructions, Size::MetadataBytes]),
    ),
    ("bytes of bitcode", Choice::same(&[Size::BitcodeBytes])),
];

/// The numbers of jobs in the table of kernels.
const JOBS: [usize; 2] = [2, 16];

/// Returns a table of the errors of each mode, in Markdown.
pub fn errors_table(fitted: &Fitted) -> String {
    let mut table = String::from(
        "| | links | CPU time: mean error | largest | memory: mean error | largest |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for mode in fitted.model.modes.keys() {
        let Errors { n, time, memory } = Errors::of(fitted, &[*mode]);
        let _ = writeln!(table, "| {} | {n} | {time} | {memory} |", mode.name());
    }
    table
}

/// Mean and largest errors, as cells of a table.
struct Errors {
    n: usize,
    time: String,
    memory: String,
}

impl Errors {
    fn of(fitted: &Fitted, modes: &[Mode]) -> Self {
        let figures = fitted.figures.iter();
        let figures = figures.filter(|figure| modes.contains(&figure.mode));
        let figures: Vec<&Figure> = figures.collect();
        let cells = |pair: fn(&Figure) -> Option<(f64, f64)>| {
            let pairs = figures.iter().filter_map(|figure| pair(figure));
            let errors: Vec<f64> = pairs.map(|pair| error(pair).abs() * 100.0).collect();
            if errors.is_empty() {
                return "–".to_owned() + " | –";
            }
            let n = u32::try_from(errors.len()).unwrap_or(u32::MAX);
            let mean = errors.iter().sum::<f64>() / f64::from(n);
            let largest = errors.into_iter().fold(0.0, f64::max);
            format!("{mean:.0} % | {largest:.0} %")
        };
        Self {
            n: figures.len(),
            time: cells(Figure::long_seconds),
            memory: cells(|figure| Some(figure.bytes)),
        }
    }
}

/// Returns the page.
///
/// # Errors
/// There are links of too few kernels.
pub fn page(links: &Links, fitted: &Fitted) -> anyhow::Result<String> {
    let mut choices = String::from(
        "| sizes | CPU time: mean error | largest | memory, thin: mean error | largest | memory, full: mean error | largest |\n\
         |---|---:|---:|---:|---:|---:|---:|\n",
    );
    for (name, choice) in CHOICES {
        let of_choice = self::fitted(&links.link, choice).context("another set of sizes")?;
        let of = |modes: &[Mode]| Errors::of(&of_choice, modes);
        let time = of(&Mode::CHOICES).time;
        let [thin, full] =
            [&[Mode::Thin, Mode::ThinDist][..], &[Mode::Full]].map(|modes| of(modes).memory);
        writeln!(choices, "| {name} | {time} | {thin} | {full} |")?;
    }
    Ok(format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->\n\
         # Estimates of links\n\n\
         `lto-link estimate` and the line before a long link say what the link will take. This page says how far such\n\
         estimates were from links that were measured. Made by these commands; the second fits the model and writes this\n\
         page, the first adds a kernel to [links.toml](estimate/links.toml):\n\n\
         ```\n\
         cargo xtask bench estimate --measure OBJTREE --name NAME --share N\n\
         cargo xtask bench estimate\n\
         ```\n\n\
         - machine: {}\n- compiler: {}\n\n\
         ## The model\n\
         Time and memory are sums of sizes, each with a coefficient (`crates/lto-link/src/estimate/model.toml`): the number of\n\
         bitcode objects, the bytes of bitcode, of the bodies of functions and of the metadata beside them, which is debug\n\
         information, and the LLVM instructions (from the summaries). Native code and its debug information, which the linker\n\
         holds with thin LTO, follow from instructions and metadata; the bitcode that full LTO holds follows from its bytes. With\n\
         `DEBUG_INFO`, bitcode has six times as many bytes or more, and bodies of functions two to three times as many. Joins are also\n\
         estimated when code was generated, by the bytes of native code. Least squares find the coefficients; errors count as\n\
         shares, so that small links count as much as large ones.\n\
         No coefficient is negative. The time from start to end is the time of what one job does (thin link, join), and that of\n\
         code generation divided by the number of jobs. Seconds are CPU seconds of the machine above: other machines are faster\n\
         or slower, and the estimate does not know by how much. Memory depends on the inputs and the version of LLVM, and hardly\n\
         on the machine.\n\n\
         {}\n\
         ## Errors\n\
         Each kernel is estimated by a model that was fitted to the other kernels only. *Part* 6 means: the objects of every sixth\n\
         directory of the kernel. Full LTO was measured with the same bitcode, without the summary of thin LTO (`opt`): for 22\n\
         objects that were compiled with `-flto=full`, ld.lld took 188 MiB and 2.45 s, and for the same ones that were compiled with\n\
         `-flto=thin` and lost the summary, 189 MiB and 2.62 s. Their bytes of bitcode differ by 1 %. The\n\
         memory of distributed thin LTO is that of its largest process, a compiler or the join, and is estimated for one job.\n\
         Joins of whole kernels, and the link of a whole kernel with LLVM 14, are those of their builds. Times below a second are\n\
         not counted as errors.\n\n{}\n{}\n\
         ## Which sizes tell most\n\
         The same, with other sizes of bitcode:\n\n{choices}\n\
         ## What whole kernels need\n\
         Estimates of the fitted model, from the sizes of whole kernels: the time from start to end, and the memory of all\n\
         processes of the link at a time.\n\n{}\n\
         Some of it was measured in builds, on another machine: thin LTO of arm64 `ci` took 350 MiB\n\
         ([rebuilds-arm64-5.10-ci.md](rebuilds-arm64-5.10-ci.md)), and the join of arm64's defconfig with debug information 2,484 MiB\n\
         ([memory-arm64-5.10-defconfig.md](memory-arm64-5.10-defconfig.md)).\n\n\
         ## Not tried\n\
         - Thin LTO and full LTO of a whole kernel with debug information; the largest part had a sixth of the directories.\n\
         - Random configurations, other kernels than 5.10, links with more than two jobs, and links with `LTO_CLANG_INTERNALIZE`.\n",
        links.machine,
        links.compiler,
        coefficients_table(&fitted.model),
        errors_table(fitted),
        figures_table(&fitted.figures),
        kernels_table(links, &fitted.model),
    ))
}

fn coefficients_table(model: &Model) -> String {
    let mut table = String::from("| mode | | sum |\n|---|---|---|\n");
    for (mode, costs) in &model.modes {
        for (what, terms) in [
            ("seconds, shared by the jobs", &costs.parallel_seconds),
            ("seconds of one job", &costs.serial_seconds),
            ("bytes of memory", &costs.memory_bytes),
            ("bytes for each job", &costs.job_bytes),
        ] {
            let terms = terms.0.iter().map(|(size, coefficient)| match size {
                Size::Constant => format!("{coefficient:.3e}"),
                size => format!("{coefficient:.3e} × {}", words(*size)),
            });
            let terms = terms.collect::<Vec<_>>().join(" + ");
            if !terms.is_empty() {
                let _ = writeln!(table, "| {} | {what} | {terms} |", mode.name());
            }
        }
    }
    table
}

fn words(size: Size) -> &'static str {
    match size {
        Size::Constant => "1",
        Size::BitcodeObjects => "objects",
        Size::BitcodeBytes => "bytes of bitcode",
        Size::Functions => "functions",
        Size::FunctionBytes => "bytes of functions",
        Size::Instructions => "instructions",
        Size::MetadataBytes => "bytes of metadata",
        Size::NativeBytes => "bytes of native code",
        Size::LargestBytes => "bytes of the largest object",
    }
}

fn figures_table(figures: &[Figure]) -> String {
    let mut table = String::from(
        "| kernel | part | link | objects | instructions | bitcode | metadata | CPU time | estimated | | memory | estimated | |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for figure in figures {
        let Figure {
            kernel,
            share,
            mode,
            sizes,
            seconds,
            bytes,
        } = figure;
        let time = seconds.map_or_else(
            || "– | | |".to_owned(),
            |pair| {
                let error = error(pair) * 100.0;
                format!("{:.2} s | {:.2} s | {error:+.0} % |", pair.0, pair.1)
            },
        );
        let _ = writeln!(
            table,
            "| {kernel} | {share} | {} | {} | {} | {} | {} | {time} {} | {} | {:+.0} % |",
            mode.name(),
            sizes.bitcode_objects,
            sizes.instructions,
            memory_text(sizes.bitcode_bytes),
            memory_text(sizes.metadata_bytes),
            memory(bytes.0),
            memory(bytes.1),
            error(*bytes) * 100.0,
        );
    }
    table
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes are whole and not negative"
)]
fn memory(bytes: f64) -> String {
    memory_text(bytes as u64)
}

fn kernels_table(links: &Links, model: &Model) -> String {
    let mut table = String::from("| kernel | objects | |");
    for jobs in JOBS {
        let _ = write!(table, " {jobs} jobs: time | memory |");
    }
    let _ = writeln!(table, "\n|---|---:|---|{}", "---:|---:|".repeat(JOBS.len()));
    for (kernel, sizes) in &links.kernels {
        for mode in Mode::CHOICES {
            let LinkSizes {
                bitcode_objects, ..
            } = sizes;
            let _ = write!(table, "| {kernel} | {bitcode_objects} | {} |", mode.name());
            for jobs in JOBS {
                let estimate = model.estimate(mode, sizes, sizes, jobs);
                let (time, memory) = (estimate.wall_seconds, estimate.memory_bytes);
                let _ = write!(table, " {} | {} |", time_text(time), memory_text(memory));
            }
            table.push('\n');
        }
    }
    table
}
