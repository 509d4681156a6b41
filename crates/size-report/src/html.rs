// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes the report as one self-contained page.

use anyhow::Context as _;
use serde::Serialize;

use super::compare::Change;
use super::executed::Executed;
use super::sections::Group;
use super::{Report, Size};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The data of the script. Symbols are arrays because there are tens of thousands.
#[derive(Serialize)]
struct Data<'a> {
    builds: Vec<&'a super::Build>,
    measured: &'a str,
    total: Pair,
    groups: Vec<(&'a str, Pair)>,
    /// Group, name, size.
    sections: Vec<(usize, &'a str, Pair)>,
    image: Option<(&'a str, Pair)>,
    /// Number and size.
    modules: (usize, Pair),
    change_names: [String; 6],
    /// Change, number of symbols, size.
    changes: Vec<(usize, u64, Pair)>,
    without_symbols: Pair,
    /// The sets that were run, and the instructions: all, and those outside of symbols.
    executed: Option<(&'a [&'a str], Pair, Pair)>,
    /// Name and symbols.
    objects: Vec<(&'a str, Vec<Symbol<'a>>)>,
}

/// Name, group, size, change, instructions.
type Symbol<'a> = (&'a str, usize, Pair, Option<usize>, Option<Pair>);

/// Size in both builds.
type Pair = (u64, Option<u64>);

fn pair(size: Size) -> Pair {
    (size.size, size.against)
}

fn group_index(group: Group) -> usize {
    Group::ALL
        .iter()
        .position(|g| *g == group)
        .unwrap_or_default()
}

fn change_index(change: Change) -> usize {
    Change::ALL
        .iter()
        .position(|c| *c == change)
        .unwrap_or_default()
}

/// Returns the page.
pub fn page(report: &Report) -> anyhow::Result<String> {
    let mut page = String::new();
    let mut rest = PAGE;
    for (mark, text) in [
        ("{{style}}", STYLE),
        ("{{data}}", &data(report)?),
        ("{{script}}", SCRIPT),
    ] {
        let (before, behind) = rest
            .split_once(mark)
            .with_context(|| format!("page.html: no {mark}"))?;
        page.push_str(before);
        page.push_str(text);
        rest = behind;
    }
    page.push_str(rest);
    Ok(page)
}

/// Returns the data as JSON that cannot end a script element or begin a comment.
fn data(report: &Report) -> anyhow::Result<String> {
    let mut objects: Vec<(&str, Vec<_>)> = Vec::new();
    // Bytes without a symbol come last; the rest is sorted by object.
    for row in &report.symbols {
        let symbol = (
            row.name.as_str(),
            group_index(row.group),
            pair(row.bytes()),
            row.change.map(change_index),
            row.executed
                .map(|executed| (executed, row.executed_against)),
        );
        match objects.last_mut() {
            Some((object, symbols)) if *object == row.object => symbols.push(symbol),
            _ => objects.push((&row.object, vec![symbol])),
        }
    }
    let sections = report.sections.iter();
    let changes = report.changes.iter();
    let data = Data {
        builds: std::iter::once(&report.build)
            .chain(&report.against)
            .collect(),
        measured: report.measured,
        total: pair(report.total),
        groups: report
            .groups
            .iter()
            .map(|g| (g.name.as_str(), pair(g.size)))
            .collect(),
        sections: sections
            .map(|s| (group_index(s.group), s.name.as_str(), pair(s.size)))
            .collect(),
        image: report
            .image
            .as_ref()
            .map(|image| (image.name.as_str(), pair(image.size))),
        modules: (report.modules.len(), pair(report.modules_total)),
        change_names: Change::ALL.map(|change| change.to_string()),
        changes: changes
            .map(|total| {
                (
                    change_index(total.change),
                    total.n_symbols,
                    pair(total.size),
                )
            })
            .collect(),
        without_symbols: pair(report.without_symbols),
        executed: report.executed.as_ref().map(|total| {
            let pair = |executed: Executed| (executed.instructions, executed.instructions_against);
            (
                total.sets.as_slice(),
                pair(total.executed),
                pair(total.elsewhere),
            )
        }),
        objects,
    };
    Ok(escaped(&serde_json::to_string(&data)?))
}

/// Returns equivalent JSON without characters that have a meaning in HTML, which occur only in its
/// strings.
fn escaped(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_in_the_data_ends_the_element() {
        let text = "</script><!--&amp;";
        let json = escaped(&serde_json::to_string(text).unwrap());
        assert!(!json.contains(['<', '>', '&']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
