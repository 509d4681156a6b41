// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Says what a profile contains, and what the compiler made of it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use object_model::{Elf, Section, Symbol, source_name};
use serde::Serialize;

use crate::counts::Counted;

/// The shares of all counts for which [`Shown`] gives the number of functions, in percent.
const SHARES: [u8; 3] = [50, 90, 99];

/// The content of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The number of functions in it.
    pub n_functions: usize,
    /// The number of those that were executed.
    pub n_executed: usize,
    /// The sum of all counts.
    pub count: u64,
    /// The least number of functions that have these percentages of all counts.
    pub functions_for: Vec<(u8, usize)>,
    /// The functions with the highest counts, the highest first.
    pub hottest: Vec<Hot>,
}

/// A function that was executed often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hot {
    /// Its name in the source.
    pub name: String,
    /// The source file of a static function.
    pub file: Option<String>,
    /// The sum of its counters.
    pub count: u64,
    /// Its share of all counts, in percent.
    pub percent: f64,
}

/// The placement of functions in a kernel that was compiled by a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// Functions that the profile calls hot, laid out for speed next to each other (`.text.hot`).
    pub hot: Amount,
    /// All that are neither hot nor cold.
    pub other: Amount,
    /// Functions that were not executed, and parts of functions, made small (`.text.unlikely`).
    pub cold: Amount,
    /// Of these, the parts of functions (`foo.cold`).
    pub split: Amount,
}

/// The executed functions that a kernel does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Inlined {
    /// All: they were inlined wherever they are called.
    pub n: usize,
    /// Of these, the ones that the kernel to compare with has.
    pub n_by_profile: Option<usize>,
}

/// A number of functions, and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// The number of symbols.
    pub n: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, size: u64) {
        self.n += 1;
        // A damaged object may have any size.
        self.bytes = self.bytes.saturating_add(size);
    }
}

/// Sums up a profile; `top` of its functions are listed.
pub fn show(functions: &[Counted], top: usize) -> Shown {
    let mut sorted: Vec<&Counted> = functions.iter().filter(|all| all.count > 0).collect();
    sorted.sort_by_key(|function| (Reverse(function.count), &function.name));
    let count = sorted
        .iter()
        .fold(0_u64, |sum, function| sum.saturating_add(function.count));
    let hot = |function: &&Counted| Hot {
        name: function.name.clone(),
        file: function.file.clone(),
        count: function.count,
        percent: percent(function.count, count),
    };
    Shown {
        n_functions: functions.len(),
        n_executed: sorted.len(),
        count,
        functions_for: SHARES
            .iter()
            .map(|share| (*share, functions_for(*share, &sorted, count)))
            .collect(),
        hottest: sorted.iter().take(top).map(hot).collect(),
    }
}

/// Returns the number of functions at the beginning of `sorted` that have `share` percent of `count`.
fn functions_for(share: u8, sorted: &[&Counted], count: u64) -> usize {
    let wanted = u128::from(count) * u128::from(share);
    let mut sum = 0_u128;
    let before = sorted.iter().take_while(|function| {
        let is_needed = sum * 100 < wanted;
        sum += u128::from(function.count);
        is_needed
    });
    before.count()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage needs no more than three digits"
)]
fn percent(part: u64, all: u64) -> f64 {
    part as f64 * 100.0 / all as f64
}

/// Sums up the functions of a `vmlinux.o` that was compiled by a profile, by their sections.
pub fn layout(vmlinux_o: &Elf<'_>) -> Layout {
    let mut layout = Layout::default();
    for (symbol, section) in function_symbols(vmlinux_o) {
        match section.name {
            name if is_in(name, ".text.hot") => layout.hot.add(symbol.size),
            name if is_in(name, ".text.unlikely") => {
                layout.cold.add(symbol.size);
                if symbol.name.split('.').any(|part| part == "cold") {
                    layout.split.add(symbol.size);
                }
            }
            _ => layout.other.add(symbol.size),
        }
    }
    layout
}

/// Counts the functions of a profile that a `vmlinux.o` compiled by it does not have; `against` is that
/// of a kernel without the profile.
pub fn inlined(functions: &[Counted], vmlinux_o: &Elf<'_>, against: Option<&Elf<'_>>) -> Inlined {
    let executed = functions.iter().filter(|function| function.count > 0);
    let executed: BTreeSet<&str> = executed.map(|function| &*function.name).collect();
    let there = names(vmlinux_o);
    let inlined: Vec<_> = executed.difference(&there).collect();
    let in_other = |against: &Elf<'_>| {
        let names = names(against);
        inlined.iter().filter(|name| names.contains(**name)).count()
    };
    Inlined {
        n: inlined.len(),
        n_by_profile: against.map(in_other),
    }
}

/// Returns whether a section is `of` or one of its parts, such as `.text.hot.` or `.text.hot.name`.
fn is_in(section: &str, of: &str) -> bool {
    let rest = section.strip_prefix(of);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn function_symbols<'elf, 'data>(
    elf: &'elf Elf<'data>,
) -> impl Iterator<Item = (&'elf Symbol<'data>, &'elf Section<'data>)> {
    let symbols = elf.symbols().iter();
    symbols.filter_map(|symbol| {
        let section = elf.section(symbol.section?)?;
        elf.is_function(symbol).then_some((symbol, section))
    })
}

fn names<'elf>(elf: &'elf Elf<'_>) -> BTreeSet<&'elf str> {
    let symbols = function_symbols(elf);
    symbols
        .map(|(symbol, _)| source_name(symbol.name))
        .collect()
}

impl Layout {
    /// Returns the amounts, each with what it is.
    pub fn lines(&self) -> [(Amount, &'static str); 4] {
        [
            (self.hot, "hot: laid out for speed, next to each other"),
            (self.other, "neither hot nor cold"),
            (self.cold, "cold: made small"),
            (self.split, "of these, cold parts of other functions"),
        ]
    }
}

/// Returns all as text for people.
pub fn text(shown: &Shown, kernel: Option<(Layout, Inlined)>) -> String {
    let Shown {
        n_functions,
        n_executed,
        count,
        functions_for,
        hottest,
    } = shown;
    let mut lines = vec![format!(
        "{n_executed} of {n_functions} functions were executed; all counts: {count}"
    )];
    for (share, n) in functions_for {
        lines.push(format!("{share} % of all counts are in {n} functions"));
    }
    lines.push(String::new());
    lines.push(format!("{:>20} {:>7}  function", "count", "%"));
    for Hot {
        name,
        file,
        count,
        percent,
    } in hottest
    {
        let file = file.as_ref().map(|file| format!("  ({file})"));
        let file = file.unwrap_or_default();
        lines.push(format!("{count:>20} {percent:>7.2}  {name}{file}"));
    }
    if let Some((layout, inlined)) = kernel {
        lines.push(String::new());
        lines.push(format!(
            "{:>9} {:>10}  functions of the kernel",
            "number", "bytes"
        ));
        for (Amount { n, bytes }, what) in layout.lines() {
            lines.push(format!("{n:>9} {bytes:>10}  {what}"));
        }
        let inlined = [
            (
                Some(inlined.n),
                "executed, and inlined wherever they are called",
            ),
            (
                inlined.n_by_profile,
                "of these, not inlined in the other kernel",
            ),
        ];
        for (n, what) in inlined {
            lines.extend(n.map(|n| format!("{n:>9} {:>10}  {what}", "")));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &str, count: u64) -> Counted {
        Counted {
            name: name.into(),
            file: None,
            count,
        }
    }

    #[test]
    fn the_hottest_come_first_with_their_share() {
        let functions = [("a", 5), ("b", 0), ("c", 90), ("d", 5)].map(|(name, n)| counted(name, n));
        let shown = show(&functions, 2);
        assert_eq!(
            (shown.n_functions, shown.n_executed, shown.count),
            (4, 3, 100)
        );
        let hottest = shown.hottest.iter().map(|hot| (&*hot.name, hot.count));
        assert_eq!(hottest.collect::<Vec<_>>(), [("c", 90), ("a", 5)]);
        // 90 of 100 are in one function, 91 need a second and 99 a third.
        assert_eq!(shown.functions_for, [(50, 1), (90, 1), (99, 3)]);
    }

    #[test]
    fn a_profile_without_counts_has_no_hottest() {
        let shown = show(&[counted("a", 0)], 9);
        assert_eq!((shown.n_executed, shown.hottest), (0, Vec::new()));
        assert_eq!(shown.functions_for, [(50, 0), (90, 0), (99, 0)]);
    }

    #[test]
    fn sizes_of_a_damaged_object_do_not_overflow() {
        let mut amount = Amount::default();
        amount.add(u64::MAX);
        amount.add(2);
        assert_eq!((amount.n, amount.bytes), (2, u64::MAX));
    }

    #[test]
    fn sections_of_functions_are_known_with_and_without_a_dot() {
        for (section, of, is) in [
            (".text.hot", ".text.hot", true),
            (".text.hot.", ".text.hot", true),
            (".text.unlikely.foo", ".text.unlikely", true),
            (".text.hotplug", ".text.hot", false),
            (".text", ".text.hot", false),
        ] {
            assert_eq!(is_in(section, of), is, "{section}");
        }
    }
}
