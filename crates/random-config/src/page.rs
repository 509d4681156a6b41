// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The page of the results of a kernel: `docs/results/randconfig-<architecture>-<version>.md`.

use std::fmt::Write as _;

use kernel_lab::mode::Mode;
use kernel_lab::{Arch, table};

use crate::category::Category;
use crate::configuration::{LARGE, MAX_OBJECTS};
use crate::results::{Kernel, Results, Row};

/// Returns the text of the page.
pub fn page(kernel: &str, arch: Arch, results: &Results) -> String {
    let arch = arch.name();
    let mut page = format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->\n# Random configurations: {kernel} {arch}\n\n\
         Made by `cargo xtask randconfig`; [randconfig.md](../randconfig.md) says how, and what the categories of \
         failures mean.\nEach row can be made again by its seed and number:\n\n```\n"
    );
    for (seed, max_objects, modes) in series(&results.rows) {
        let _ = write!(
            page,
            "cargo xtask randconfig --arch {arch} --kernel {kernel} --seed {seed}"
        );
        if max_objects != MAX_OBJECTS {
            let _ = write!(page, " --max-objects {max_objects}");
        }
        let _ = writeln!(page, " --lto {modes} --only <number>");
    }
    let _ = writeln!(page, "```\n\n{}\n", summary(results));
    page.push_str(
        "| seed | number | `KCONFIG_SEED`, `KCONFIG_PROBABILITY` | objects | options | release, clang | kernel | modules \
         loaded | text and data of `vmlinux.o` | result |\n|---:|---:|---|---:|---:|---|---|---:|---:|---|\n",
    );
    for row in &results.rows {
        for kernel in &row.kernels {
            let _ = writeln!(page, "{}", line(row, kernel));
        }
    }
    page.push_str(&failures(&results.rows));
    page.push_str(&changes(&results.rows));
    page
}

/// Returns each seed once, with its limit and its modes.
fn series(rows: &[Row]) -> Vec<(u64, usize, String)> {
    let mut found: Vec<(u64, usize, String)> = Vec::new();
    for row in rows {
        let modes: Vec<&str> = with_lto(row).map(|kernel| kernel.mode.as_str()).collect();
        let one = (row.seed, row.max_objects, modes.join(","));
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

fn with_lto(row: &Row) -> impl Iterator<Item = &Kernel> {
    let none = Mode::NONE.to_string();
    row.kernels.iter().filter(move |kernel| kernel.mode != none)
}

/// Returns the numbers of configurations and of failures. A configuration counts as one failure, of its worst
/// category.
pub(crate) fn summary(results: &Results) -> String {
    let rows = &results.rows;
    let n_large = rows.iter().filter(|row| row.objects >= LARGE).count();
    let fewest = rows.iter().map(|row| row.options).min().unwrap_or_default();
    let n_of = |category| {
        let of_category = rows.iter().filter(|row| row.category() == Some(category));
        format!("{} {category}", of_category.count())
    };
    let n_good = rows.iter().filter(|row| row.category().is_none()).count();
    format!(
        "{} configurations, of which {n_large} have {LARGE} objects or more. Each differs from the base, which has {} \
         objects, in {fewest} options\nor more. {n_good} have no failure; the worst failures of the others: {}, {}, {}, {}.",
        rows.len(),
        results.base_objects,
        n_of(Category::Ours),
        n_of(Category::Llvm),
        n_of(Category::AlsoWithoutLto),
        n_of(Category::RefusedByKconfig),
    )
}

fn line(row: &Row, kernel: &Kernel) -> String {
    let loaded = match (kernel.loaded, kernel.modules) {
        (Some(loaded), Some(modules)) => format!("{loaded} of {modules}"),
        _ => String::new(),
    };
    let failures = kernel.failures.iter();
    let failures: Vec<String> = failures
        .map(|failure| format!("{}: {}", failure.step, failure.category))
        .collect();
    let result = if failures.is_empty() {
        "ok".to_owned()
    } else {
        failures.join("; ")
    };
    let (mode, sizes) = (&kernel.mode, sizes(row, kernel));
    if *mode != Mode::NONE.to_string() {
        return format!("| | | | | | | {mode} | {loaded} | {sizes} | {result} |");
    }
    let Row {
        seed,
        number,
        kconfig_seed,
        probability,
        objects,
        options,
        release,
        ..
    } = row;
    let clang = clang(&row.clang);
    format!(
        "| {seed} | {number} | {kconfig_seed}, {probability} | {objects} | {options} | {release}, {clang} | {mode} | \
         {loaded} | {sizes} | {result} |"
    )
}

/// Returns the version of clang from the number in the configuration.
fn clang(number: &str) -> String {
    match number.parse::<u32>() {
        Ok(number) => format!(
            "{}.{}.{}",
            number / 10_000,
            number / 100 % 100,
            number % 100
        ),
        Err(_) => "unknown".to_owned(),
    }
}

/// Returns the size of a kernel, for one with LTO with the difference.
#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio that is shown with one decimal"
)]
fn sizes(row: &Row, kernel: &Kernel) -> String {
    let Some(size) = kernel.text_and_data else {
        return String::new();
    };
    let none = Mode::NONE.to_string();
    let without = row.kernel(&none).and_then(|none| none.text_and_data);
    match without {
        Some(without) if kernel.mode != none && without > 0 => {
            let ratio = size as f64 / without as f64;
            format!("{size} ({})", table::percent(ratio, 1))
        }
        _ => size.to_string(),
    }
}

/// Returns the problems of each failure.
fn failures(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for kernel in &row.kernels {
            for failure in &kernel.failures {
                let (seed, number, mode) = (row.seed, row.number, &kernel.mode);
                let (step, category) = (failure.step, failure.category);
                let _ = writeln!(
                    text,
                    "\n### Seed {seed}, number {number}, {mode}: {step}: {category}\n"
                );
                for problem in &failure.problems {
                    let _ = writeln!(text, "    {problem}");
                }
            }
        }
    }
    if text.is_empty() {
        text
    } else {
        format!("\n## Failures\n{text}")
    }
}

/// Returns the options that Kconfig changed together with the mode.
fn changes(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for kernel in with_lto(row).filter(|kernel| !kernel.changed.is_empty()) {
            let (seed, number, mode) = (row.seed, row.number, &kernel.mode);
            let options: Vec<String> = kernel
                .changed
                .iter()
                .map(|option| format!("`{option}`"))
                .collect();
            let options = options.join(", ");
            let _ = writeln!(text, "- seed {seed}, number {number}, {mode}: {options}");
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "\n## Options that Kconfig changed with the mode\nOptions of LTO itself are left out.\n\n{text}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::row;

    #[test]
    fn the_page_has_numbers_sizes_and_every_failure() {
        let mut results = Results {
            base_objects: 496,
            ..Results::default()
        };
        results.add(row(1, 1, None));
        results.add(row(1, 2, Some(Category::Ours)));
        let mut changed = row(1, 3, Some(Category::RefusedByKconfig));
        changed.kernels[1].changed = vec!["FTRACE_MCOUNT_USE_CC".to_owned()];
        results.add(changed);
        let page = page("5.10", Arch::Arm64, &results);
        for expected in [
            "# Random configurations: 5.10 arm64\n",
            "\ncargo xtask randconfig --arch arm64 --kernel 5.10 --seed 1 --lto thin-dist-drop --only <number>\n",
            "3 configurations, of which 2 have 900 objects or more. Each differs from the base, which has 496 objects, \
             in 201 options\nor more. 1 have no failure; the worst failures of the others: 1 ours, 0 LLVM's, 0 also \
             without LTO, 1 refused by Kconfig.\n",
            "\n| 1 | 1 | 7, 10 | 1200 | 201 | 5.10.262, 22.1.3 | none | 2 of 2 | 1000 | ok |\n",
            "\n| | | | | | | thin-dist-drop | 2 of 2 | 970 (-3.0 %) | boot: ours |\n",
            "\n## Failures\n\n### Seed 1, number 2, thin-dist-drop: boot: ours\n\n    BUG: a | b\n",
            "\n- seed 1, number 3, thin-dist-drop: `FTRACE_MCOUNT_USE_CC`\n",
        ] {
            assert!(page.contains(expected), "{expected}\nis not in\n{page}");
        }
        assert_eq!(page.matches("cargo xtask randconfig --arch").count(), 1);
    }

    #[test]
    fn a_page_without_failures_has_no_section_for_them() {
        let results = Results {
            base_objects: 496,
            rows: vec![row(1, 1, None)],
        };
        let page = page("5.10", Arch::Arm64, &results);
        assert!(!page.contains("\n## "), "{page}");
    }
}
