// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The outcome of a link, and its difference from that of `ld.lld -r`.

use std::fmt;

use crate::way::Way;

/// The outcome of a way of linking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The program ran: its output, its end, and the counts of the linked object.
    Program(String),
    /// The object was linked, but no program can be made from it: the linker's first error, and the counts.
    NoProgram(String),
    /// The link stopped with an error.
    Refused {
        /// The output.
        log: String,
        /// Whether it is a proper error: exit code 1, and an object is named.
        is_clear: bool,
    },
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(text) => write!(f, "`{}`", text.trim_end().replace('\n', "|")),
            Self::NoProgram(error) => write!(f, "no program ({error})"),
            Self::Refused { log, .. } => write!(f, "an error ({})", first_error(log)),
        }
    }
}

/// Returns the line with the error, and the next one if it ends with a colon; shortened.
pub(crate) fn first_error(log: &str) -> String {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let error = lines
        .iter()
        .position(|line| line.contains("error"))
        .unwrap_or(0);
    let mut text = (*lines.get(error).unwrap_or(&"nothing was written")).to_owned();
    if let Some(next) = lines.get(error + 1)
        && text.ends_with(':')
    {
        text.push(' ');
        text.push_str(next);
    }
    text.chars().take(300).collect()
}

/// A way of linking whose outcome differs from that of `ld.lld -r`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The way of linking.
    pub way: Way,
    /// The outcome of `ld.lld -r`.
    pub wanted: Seen,
    /// The outcome of lto-link.
    pub got: Seen,
}

impl Difference {
    /// Returns whether the `wanted` outcome and that of lto-link differ.
    pub(crate) fn between(way: Way, wanted: &Seen, got: Seen, may_refuse: bool) -> Option<Self> {
        let is_right = match &got {
            Seen::Refused { is_clear, .. } => {
                *is_clear && (may_refuse || matches!(wanted, Seen::Refused { .. }))
            }
            got => got == wanted,
        };
        (!is_right).then(|| Self {
            way,
            wanted: wanted.clone(),
            got,
        })
    }

    /// Returns the kind of the difference, without details of the program: a smaller program with the same
    /// fault has the same kind.
    pub fn kind(&self) -> (Way, &'static str) {
        let kind = match (&self.wanted, &self.got) {
            (_, Seen::Program(_)) => "another meaning",
            (_, Seen::NoProgram(_)) => "no program",
            (Seen::Refused { .. }, Seen::Refused { .. }) => "an unclear error",
            (_, Seen::Refused { .. }) => "refused",
        };
        (self.way, kind)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way, wanted, got } = self;
        write!(f, "{way}: {got} instead of {wanted}")
    }
}

/// The differences of one program on one architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// One for each way with another outcome.
    pub differences: Vec<Difference>,
}

impl Verdict {
    /// Returns whether every way has the same outcome as `ld.lld -r`.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(is_clear: bool) -> Seen {
        let log = "lto-link: error: a.o: no".into();
        Seen::Refused { log, is_clear }
    }

    #[test]
    fn an_error_is_right_where_it_is_allowed_and_clear() {
        let program = Seen::Program("1\n".into());
        let other = Seen::Program("2\n".into());
        for (wanted, got, may_refuse, is_right) in [
            (&program, &program, false, true),
            (&program, &other, false, false),
            (&program, &other, true, false),
            (&program, &refused(true), false, false),
            (&program, &refused(true), true, true),
            (&program, &refused(false), true, false),
            (&refused(false), &refused(true), false, true),
            (&refused(true), &refused(false), false, false),
            (&refused(true), &program, false, false),
        ] {
            let difference = Difference::between(Way::Thin, wanted, got.clone(), may_refuse);
            assert_eq!(
                difference.is_none(),
                is_right,
                "{wanted} {got} {may_refuse}"
            );
        }
    }

    #[test]
    fn the_first_error_is_shown_with_what_it_announces() {
        let log = "ld.lld: warning: x\n\nlto-link: error: not linked:\n  f of a.o\n  g of b.o\n";
        assert_eq!(first_error(log), "lto-link: error: not linked: f of a.o");
        assert_eq!(first_error("killed\n"), "killed");
        assert_eq!(first_error(""), "nothing was written");
    }

    #[test]
    fn a_difference_says_how_what_and_instead_of_what() {
        let difference = Difference {
            way: Way::FullDropping,
            wanted: Seen::Program("1\n2\n".into()),
            got: refused(true),
        };
        assert_eq!(
            difference.to_string(),
            "full-dropping: an error (lto-link: error: a.o: no) instead of `1|2`"
        );
        assert_eq!(difference.kind(), (Way::FullDropping, "refused"));
    }
}
