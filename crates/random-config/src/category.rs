// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Whose fault a failure is, by facts only.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A step of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Kconfig gives it the mode of LTO.
    Configure,
    /// It is built.
    Build,
    /// Its build gives no warning that the build without LTO does not give.
    Warnings,
    /// It boots, and loads its modules.
    Boot,
    /// It passes the checks of `verify`.
    Verify,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Build => "build",
            Self::Warnings => "warnings",
            Self::Boot => "boot",
            Self::Verify => "verify",
        })
    }
}

/// Whose fault a failure is. The last is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Kconfig does not offer the mode with this configuration.
    RefusedByKconfig,
    /// The kernel without LTO fails in the same way.
    AlsoWithoutLto,
    /// A fault of LLVM, which a reproducer shows without the kernel's build.
    Llvm,
    /// Everything else.
    Ours,
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RefusedByKconfig => "refused by Kconfig",
            Self::AlsoWithoutLto => "also without LTO",
            Self::Llvm => "LLVM's",
            Self::Ours => "ours",
        })
    }
}

/// Returns whether the kernel without LTO, which had the problems `without` in the same step, fails in the same way:
/// it has each of `problems`, too.
pub fn is_also_without(problems: &[String], without: &[String]) -> bool {
    let without: Vec<String> = without.iter().map(|text| comparable(text)).collect();
    let mut problems = problems.iter().map(|text| comparable(text));
    problems.all(|problem| without.contains(&problem))
}

/// Returns the text of a problem without what differs between two runs and between kernels of the same source: times,
/// addresses, numbers, and the suffixes of thin LTO.
pub fn comparable(problem: &str) -> String {
    // The console's lines begin with the time in brackets.
    let text = match problem
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((time, rest)) if time.trim().parse::<f64>().is_ok() => rest,
        _ => problem,
    };
    let mut plain = String::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
            word.push(c);
            continue;
        }
        plain.push_str(&plain_word(&word));
        word.clear();
        plain.push(c);
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ")
}

/// Returns a word without its number: `0x1f` and `120` become `#`; `memcpy.llvm.12` becomes `memcpy`.
fn plain_word(word: &str) -> String {
    let word = word.split(".llvm.").next().unwrap_or_default();
    let hex = word.strip_prefix("0x").unwrap_or(word);
    let is_number =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit() || c == '.');
    if is_number(hex) && hex.contains(|c: char| c.is_ascii_digit()) {
        return "#".to_owned();
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn numbers_and_suffixes_do_not_make_a_problem_another_one() {
        let one = "[    1.203040] WARNING: CPU: 0 PID: 1 at kernel/foo.c:77 f.llvm.123+0x10/0x80";
        let other = "[   12.000000] WARNING: CPU: 1 PID: 12 at kernel/foo.c:77 f+0x30/0x94";
        assert_eq!(comparable(one), comparable(other));
        assert_eq!(
            comparable(other),
            "WARNING: CPU: # PID: # at kernel/foo.c:# f+#/#"
        );
        assert_ne!(comparable(one), comparable(&one.replace("foo.c", "bar.c")));
        assert_eq!(comparable("module dead: [x] 1"), "module dead: [x] #");
    }

    #[test]
    fn a_new_problem_is_not_a_problem_without_lto() {
        let without = texts(&["[ 1.0] BUG: a", "[ 2.0] BUG: b"]);
        assert!(is_also_without(&texts(&["[ 7.5] BUG: b"]), &without));
        assert!(!is_also_without(
            &texts(&["[ 7.5] BUG: b", "BUG: c"]),
            &without
        ));
        assert!(!is_also_without(&texts(&["BUG: a"]), &[]));
    }

    #[test]
    fn the_worst_category_is_the_greatest() {
        assert!(Category::Ours > Category::Llvm && Category::Llvm > Category::AlsoWithoutLto);
        assert!(Category::AlsoWithoutLto > Category::RefusedByKconfig);
    }
}
