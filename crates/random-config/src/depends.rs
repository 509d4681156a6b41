// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Names the dependencies of an option that a configuration does not meet, from the text of Kconfig files.
//!
//! The language is that of Documentation/kbuild/kconfig-language.rst. Only the `depends on` lines of the option itself
//! are read; the value of a macro such as `$(success,…)` is unknown here, and no dependency on it is named.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use kernel_lab::kconfig::Config;

/// The files of a tree that describe LTO: those of an install, and the kernel's own.
const FILES: [&str; 3] = ["scripts/lto/Kconfig", "arch/Kconfig", "init/Kconfig"];

/// Returns the texts of the files of a tree that describe LTO; a tree may lack some.
pub fn texts_about_lto(tree: &Path) -> Vec<String> {
    let texts = FILES.iter().map(|file| fs::read_to_string(tree.join(file)));
    texts.filter_map(Result::ok).collect()
}

/// Returns the dependencies of `option` that are not met, as they stand in the texts. If one of them is an option of
/// the same texts, its own unmet dependencies are returned instead.
pub fn unmet(texts: &[String], option: &str, config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    collect(
        texts,
        option,
        config,
        &mut vec![option.to_owned()],
        &mut found,
    );
    found
}

fn collect(
    texts: &[String],
    option: &str,
    config: &Config,
    seen: &mut Vec<String>,
    found: &mut Vec<String>,
) {
    for line in texts.iter().flat_map(|text| depends_lines(text, option)) {
        for part in conjuncts(&line) {
            if Parser::new(&part, config).value() != Some(0) {
                continue;
            }
            let before = found.len();
            if !seen.contains(&part) {
                seen.push(part.clone());
                collect(texts, &part, config, seen, found);
            }
            if found.len() == before && !found.contains(&part) {
                found.push(part);
            }
        }
    }
}

/// Returns the conditions of the `depends on` lines of an option, with continued lines joined.
fn depends_lines(text: &str, option: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut is_inside = false;
    for line in joined.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("config" | "menuconfig") => is_inside = words.next() == Some(option),
            // The kernel's style has the help last.
            Some("help") => is_inside = false,
            Some("choice" | "endchoice" | "menu" | "endmenu" | "if" | "endif" | "source")
                if !line.starts_with([' ', '\t']) =>
            {
                is_inside = false;
            }
            Some("depends") if is_inside => {
                let condition: Vec<&str> = words.skip(1).collect();
                found.push(condition.join(" "));
            }
            _ => {}
        }
    }
    found
}

/// Splits a condition at each `&&` outside of parentheses.
fn conjuncts(condition: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    let mut rest = condition;
    while let Some(c) = rest.chars().next() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && rest.starts_with("&&") {
            parts.push(String::new());
            rest = &rest[2..];
            continue;
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// The value of a condition: 0 for `n`, 1 for `m`, 2 for `y`; `None` if it is unknown.
type Tristate = Option<u8>;

/// An operand of a comparison.
enum Operand {
    Text(String),
    Unknown,
}

/// Evaluates a condition.
struct Parser<'a> {
    rest: &'a str,
    config: &'a Config,
}

impl<'a> Parser<'a> {
    fn new(condition: &'a str, config: &'a Config) -> Self {
        Self {
            rest: condition,
            config,
        }
    }

    fn value(mut self) -> Tristate {
        let value = self.or();
        // A text that is not understood is never named as a reason.
        if self.rest.trim().is_empty() {
            value
        } else {
            None
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn or(&mut self) -> Tristate {
        self.joined("||", Self::and, 2, u8::max)
    }

    fn and(&mut self) -> Tristate {
        self.joined("&&", Self::not, 0, u8::min)
    }

    /// Reads operands with `token` between them. One with the value `decides` decides the result, even if others are
    /// unknown.
    fn joined(
        &mut self,
        token: &str,
        operand: fn(&mut Self) -> Tristate,
        decides: u8,
        join: fn(u8, u8) -> u8,
    ) -> Tristate {
        let mut value = operand(self);
        while self.take(token) {
            let next = operand(self);
            value = if [value, next].contains(&Some(decides)) {
                Some(decides)
            } else {
                value.zip(next).map(|(one, other)| join(one, other))
            };
        }
        value
    }

    fn not(&mut self) -> Tristate {
        if self.take("!") {
            return self.not().map(|value| 2 - value);
        }
        if self.take("(") {
            let value = self.or();
            return if self.take(")") { value } else { None };
        }
        let one = self.operand();
        for (token, holds) in COMPARISONS {
            if self.take(token) {
                return compare(&one, &self.operand(), holds);
            }
        }
        match one {
            Operand::Text(text) => match text.as_str() {
                "y" => Some(2),
                "m" => Some(1),
                _ => Some(0),
            },
            Operand::Unknown => None,
        }
    }

    /// Reads the name of an option, whose value counts, or a constant.
    fn operand(&mut self) -> Operand {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('"') {
            let (text, rest) = rest.split_once('"').unwrap_or((rest, ""));
            self.rest = rest;
            return if text.contains("$(") {
                Operand::Unknown
            } else {
                Operand::Text(text.to_owned())
            };
        }
        if self.rest.starts_with("$(") {
            self.skip_macro();
            return Operand::Unknown;
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "" => Operand::Unknown,
            "y" | "m" | "n" => Operand::Text(word.to_owned()),
            number if number.starts_with(|c: char| c.is_ascii_digit()) => {
                Operand::Text(number.to_owned())
            }
            option => Operand::Text(self.config.value(option).trim_matches('"').to_owned()),
        }
    }

    fn skip_macro(&mut self) {
        let mut depth = 0_usize;
        for (at, c) in self.rest.char_indices() {
            match c {
                '(' => depth += 1,
                ')' if depth == 1 => {
                    self.rest = &self.rest[at + 1..];
                    return;
                }
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.rest = "";
    }
}

/// Says of which orders a comparison is true.
type Holds = fn(Ordering) -> bool;

/// Longer tokens come first.
const COMPARISONS: [(&str, Holds); 6] = [
    ("!=", Ordering::is_ne),
    ("<=", Ordering::is_le),
    (">=", Ordering::is_ge),
    ("=", Ordering::is_eq),
    ("<", Ordering::is_lt),
    (">", Ordering::is_gt),
];

fn compare(one: &Operand, other: &Operand, holds: Holds) -> Tristate {
    let (Operand::Text(one), Operand::Text(other)) = (one, other) else {
        return None;
    };
    let ordering = match (one.parse::<i64>(), other.parse::<i64>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => one.cmp(other),
    };
    Some(if holds(ordering) { 2 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "CONFIG_KASAN=y\nCONFIG_ARM64=y\nCONFIG_CLANG_VERSION=160000\nCONFIG_A=m\n\
                          CONFIG_TEXT=\"x\"\nCONFIG_HAS=n\n";

    fn value(condition: &str) -> Tristate {
        Parser::new(condition, &Config::new(CONFIG)).value()
    }

    #[test]
    fn conditions_have_the_values_that_kconfig_gives_them() {
        for (condition, expected) in [
            ("KASAN", Some(2)),
            ("!KASAN", Some(0)),
            ("A", Some(1)),
            ("!A", Some(1)),
            ("A && KASAN", Some(1)),
            ("A || KASAN", Some(2)),
            ("GONE", Some(0)),
            ("!(GONE || !KASAN)", Some(2)),
            ("CLANG_VERSION >= 140000", Some(2)),
            ("(!KASAN || CLANG_VERSION >= 170000) || !ARM64", Some(0)),
            ("TEXT = \"x\"", Some(2)),
            ("TEXT != \"x\"", Some(0)),
            ("A=m", Some(2)),
            ("$(success,test \"$(LLVM_IAS)\" = 1)", None),
            ("$(success,f (x)) && GONE", Some(0)),
            ("$(success,f) || KASAN", Some(2)),
            ("\"$(fault)\" = \"\"", None),
            ("KASAN and so on", None),
            ("", None),
        ] {
            assert_eq!(value(condition), expected, "{condition}");
        }
    }

    const KCONFIG: &str = "config HAS\n\tdef_bool y\n\tdepends on ARM64 && !GCOV\n\tdepends on !KASAN || \\\n\
                           \t\t   GONE\n\tdepends on $(success,x)\n\thelp\n\t  depends on nothing\n\n\
                           choice\n\tprompt \"LTO\"\n\tdepends on GONE\n\nconfig LTO_THIN\n\tbool \"Thin\"\n\
                           \tdepends on HAS && !A\n\tdepends on !COMPILE_TEST\n";

    #[test]
    fn the_reason_of_a_refusal_is_followed_to_its_end() {
        let texts = [KCONFIG.to_owned()];
        let named = |config: &str| unmet(&texts, "LTO_THIN", &Config::new(config));
        assert_eq!(named(CONFIG), ["!KASAN || GONE"]);
        assert_eq!(
            named("CONFIG_ARM64=y\nCONFIG_HAS=y\nCONFIG_COMPILE_TEST=y\n"),
            ["!COMPILE_TEST"]
        );
        // Its dependencies are met as far as can be seen here.
        assert_eq!(named("CONFIG_ARM64=y\nCONFIG_HAS=n\n"), ["HAS"]);
        assert_eq!(named("CONFIG_ARM64=y\nCONFIG_HAS=y\n"), [""; 0]);
        assert_eq!(
            named("CONFIG_KASAN=y\nCONFIG_GCOV=y\n"),
            ["ARM64", "!GCOV", "!KASAN || GONE"]
        );
    }

    #[test]
    fn options_that_need_each_other_end_the_search() {
        let texts = ["config A\n\tdepends on B\nconfig B\n\tdepends on A\n".to_owned()];
        assert_eq!(unmet(&texts, "A", &Config::new("")), ["A"]);
    }
}
