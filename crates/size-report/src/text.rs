// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Prints the report as tables.

use std::cmp::Reverse;
use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use profile::Amount;

use super::compare::{Change, DROPPED, Row};
use super::{Build, Named, Report, Size};

/// Returns the report; the tables of single symbols and directories have `top` rows.
pub fn tables(report: &Report, top: usize) -> String {
    let mut text = size_tables(report, top);
    if let Some(kept_for) = &report.kept_for {
        let rows = kept_for.iter().map(|kept| kept.cells(grouped)).collect();
        let header = [
            "kept for",
            "roots",
            "symbols",
            "bytes",
            "of them for it alone",
        ];
        // Writing to a string does not fail.
        let _ = write!(text, "\n\n{}", table(&header, rows));
    }
    if let Some(layout) = &report.by_profile {
        let row = |(Amount { n, bytes }, what): (Amount, &str)| {
            vec![what.to_owned(), n.to_string(), grouped(bytes)]
        };
        let rows = layout.lines().into_iter().map(row).collect();
        let header = ["by the profile", "functions", "bytes"];
        let _ = write!(text, "\n\n{}", table(&header, rows));
    }
    text
}

fn size_tables(report: &Report, top: usize) -> String {
    let mut text = head(report);
    let compared = report.against.is_some();
    let mut add = |title: &str, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            // Writing to a string does not fail.
            let mut header = vec![title, "A"];
            if compared {
                header.extend(["B", "A - B", "%"]);
            }
            let _ = write!(text, "\n\n{}", table(&header, rows));
        }
    };
    add("section", sections(report));
    add("directory", directories(report));
    add("directory below", directories_below(report, top));
    if !compared {
        let mut symbols: Vec<_> = report
            .symbols
            .iter()
            .filter(|row| row.n_parts > 0)
            .collect();
        symbols.sort_by_key(|row| Reverse(row.size));
        let symbols = symbols.into_iter().take(top);
        add("symbol", symbols.map(symbol).collect());
        return text;
    }
    add("symbols that", changes(report));
    for (title, change) in [
        ("symbol that grew", Change::Grew),
        ("symbol that shrank", Change::Shrank),
        ("symbol that is new", Change::New),
        ("symbol that was dropped", Change::Dropped),
        (
            "symbol that was inlined away or merged",
            Change::InlinedOrMerged,
        ),
    ] {
        let changed = report.symbols.iter();
        let mut changed: Vec<_> = changed.filter(|row| row.change == Some(change)).collect();
        changed.sort_by_key(|row| Reverse(row.difference().abs()));
        let shown = changed.into_iter().take(top);
        add(title, shown.map(symbol).collect());
    }
    text
}

/// Returns the header with the builds.
fn head(report: &Report) -> String {
    let Report {
        build,
        against,
        measured,
        n_listed_as_dropped,
        ..
    } = report;
    let read = |build: &Build| {
        let Build {
            objtree,
            release,
            lto,
            inputs,
            n_inputs,
        } = build;
        format!("{objtree}: {release}, {lto}; {n_inputs} objects by {inputs}")
    };
    let mut head = format!("A  {}", read(build));
    if let Some(against) = against {
        let _ = write!(head, "\nB  {}", read(against));
    }
    let _ = write!(head, "\nSizes in bytes, of {measured}");
    if against.is_some() {
        let _ = match n_listed_as_dropped {
            Some(n) => write!(head, "; {DROPPED} of A lists {n} symbols"),
            None => write!(head, "; A has no {DROPPED}"),
        };
    }
    head
}

fn sections(report: &Report) -> Vec<Vec<String>> {
    let (discarded, in_memory): (Vec<_>, Vec<_>) = report
        .groups
        .iter()
        .partition(|group| group.name == "discarded");
    let mut rows: Vec<_> = in_memory.into_iter().map(line).collect();
    rows.push(cells("in memory", report.total));
    let discarded = discarded
        .into_iter()
        .filter(|group| group.size != Size::default());
    rows.extend(discarded.map(|group| cells("discarded by the final link", group.size)));
    rows.extend(report.image.iter().map(line));
    let modules = format!("{} modules, as loaded", report.modules.len());
    rows.push(cells(&modules, report.modules_total));
    rows
}

/// Returns the directories of the first level, the largest first, and their sum.
fn directories(report: &Report) -> Vec<Vec<String>> {
    let mut first = of_level(report, 0);
    first.sort_by_key(|directory| Reverse(directory.size.larger()));
    let all = report.directories.iter().filter(|all| all.name == ".");
    let all = all.map(|all| cells("all", all.size));
    first.into_iter().map(line).chain(all).collect()
}

/// Returns the entries of the second level that are largest, or changed most.
fn directories_below(report: &Report, top: usize) -> Vec<Vec<String>> {
    let mut second = of_level(report, 1);
    second.sort_by_key(|directory| {
        let Size { size, against } = directory.size;
        Reverse(against.map_or(size, |against| size.abs_diff(against)))
    });
    second.into_iter().take(top).map(line).collect()
}

fn of_level(report: &Report, level: usize) -> Vec<&Named> {
    let of_level = report.directories.iter().filter(|directory| {
        let name = &directory.name;
        name != "." && name.matches('/').count() == level
    });
    of_level.collect()
}

fn changes(report: &Report) -> Vec<Vec<String>> {
    let rows = report.changes.iter().map(|total| {
        let what = match total.change {
            Change::Grew | Change::Shrank => total.change.to_string(),
            Change::Same => "are the same".to_owned(),
            Change::New => "are new".to_owned(),
            Change::Dropped | Change::InlinedOrMerged => format!("were {}", total.change),
        };
        cells(&format!("{what}: {}", grouped(total.n_symbols)), total.size)
    });
    let rest = cells("(bytes without symbols)", report.without_symbols);
    rows.chain([rest]).collect()
}

fn line(named: &Named) -> Vec<String> {
    cells(&named.name, named.size)
}

fn symbol(row: &Row) -> Vec<String> {
    cells(&format!("{} ({})", row.name, row.object), row.bytes())
}

/// Returns name and size, and if there is another build, its size and the difference.
fn cells(name: &str, size: Size) -> Vec<String> {
    let mut cells = vec![name.to_owned(), grouped(size.size)];
    if let Some(against) = size.against {
        cells.extend([
            grouped(against),
            difference(size.size, against),
            percent(size.size, against),
        ]);
    }
    cells
}

fn table(header: &[&str], rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().copied());
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Returns the number as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn difference(size: u64, against: u64) -> String {
    let sign = match size.cmp(&against) {
        std::cmp::Ordering::Less => "-",
        std::cmp::Ordering::Equal => "",
        std::cmp::Ordering::Greater => "+",
    };
    format!("{sign}{}", grouped(size.abs_diff(against)))
}

/// Returns the difference relative to `against`, in tenths of per cent; nothing if `against` is 0.
fn percent(size: u64, against: u64) -> String {
    let thousandths = u128::from(size.abs_diff(against)) * 1000 + u128::from(against / 2);
    let Some(thousandths) = thousandths.checked_div(u128::from(against)) else {
        return String::new();
    };
    let sign = match thousandths {
        0 => "",
        _ if size < against => "-",
        _ => "+",
    };
    format!("{sign}{}.{}", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::{difference, grouped, percent};

    #[test]
    fn numbers_are_grouped_and_compared() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(difference(1, 2001), "-2,000");
        assert_eq!(difference(7, 7), "0");
        assert_eq!(percent(1125, 1000), "+12.5");
        assert_eq!(percent(995, 1000), "-0.5");
        assert_eq!(percent(10_000, 10_001), "0.0");
        assert_eq!(percent(5, 0), "");
    }
}
